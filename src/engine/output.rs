//! What an execution gave, compared with what the sample expects and with another execution.
//!
//! Differences are described in at most [`DIFF_LINES`] lines, whatever the outputs hold: they may be megabytes long or binary.

use similar::{ChangeTag, TextDiff};

use super::{StageError, Task};
use crate::model::sample::Value;

/// Most lines of difference that are described: about what a reader takes in before opening the files.
pub const DIFF_LINES: usize = 20;
/// Most characters of one such line.
const LINE_LENGTH: usize = 160;
/// Most bytes of standard error quoted with a difference.
const STDERR_TAIL: usize = 1000;

/// One result of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Datum {
    Number(Value),
    /// A vector or reference, as text; no expectation can name it.
    Other(String),
}

impl std::fmt::Display for Datum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(value) => value.fmt(f),
            Self::Other(text) => f.write_str(text),
        }
    }
}

/// What an execution gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Results of a call.
    Values(Vec<Datum>),
    /// What a WASI command left behind. Standard error is for people: it is quoted, never compared.
    Process { exit_code: i32, stdout: Vec<u8>, stderr: Vec<u8> },
}

impl Output {
    /// Compares with what the task expects.
    ///
    /// # Errors
    /// [`StageError::WrongOutput`] with both sides, or the difference between them.
    pub fn check(&self, task: &Task) -> Result<(), StageError> {
        let difference = match (self, task) {
            (Self::Values(got), Task::Call { expect, .. }) => {
                let same = got.len() == expect.len()
                    && got.iter().zip(expect).all(|(got, want)| matches!(got, Datum::Number(value) if value == want));
                (!same).then(|| format!("expected {}, got {}", list(expect), list(got)))
            }
            (Self::Process { exit_code: got, stdout, stderr }, Task::Wasi { exit_code, stdout: expected, .. }) => {
                let difference = if got == exit_code {
                    expected.as_deref().and_then(|expected| describe("expected", expected, "got", stdout))
                } else {
                    Some(format!("expected exit code {exit_code}, got {got}"))
                };
                difference.map(|text| text + &quote_stderr(stderr))
            }
            _ => Some("the task has no such output".to_owned()),
        };
        difference.map_or(Ok(()), |text| Err(StageError::WrongOutput(text)))
    }

    /// Compares the fresh artifact's output (`self`) with the deserialized one's.
    ///
    /// # Errors
    /// [`StageError::FreshDiffers`] with both sides, or the difference between them.
    pub fn agrees_with(&self, deserialized: &Self) -> Result<(), StageError> {
        let difference = match (self, deserialized) {
            (Self::Values(fresh), Self::Values(loaded)) => {
                (fresh != loaded).then(|| format!("fresh gives {}, deserialized gives {}", list(fresh), list(loaded)))
            }
            (
                Self::Process { exit_code: fresh, stdout: fresh_out, .. },
                Self::Process { exit_code: loaded, stdout: loaded_out, .. },
            ) => {
                if fresh == loaded {
                    describe("fresh", fresh_out, "deserialized", loaded_out)
                } else {
                    Some(format!("fresh exits with {fresh}, deserialized with {loaded}"))
                }
            }
            _ => Some("one is a call, the other a command".to_owned()),
        };
        difference.map_or(Ok(()), |text| Err(StageError::FreshDiffers(text)))
    }
}

/// `(i32:1, f64:NaN)`.
fn list<T: std::fmt::Display>(values: &[T]) -> String {
    let texts: Vec<_> = values.iter().map(ToString::to_string).collect();
    format!("({})", texts.join(", "))
}

fn quote_stderr(stderr: &[u8]) -> String {
    if stderr.is_empty() {
        return String::new();
    }
    let tail = &stderr[stderr.len().saturating_sub(STDERR_TAIL)..];
    format!("\nstandard error ends with: {}", String::from_utf8_lossy(tail).trim_end())
}

/// How two byte strings differ, or nothing if they do not.
fn describe(left_name: &str, left: &[u8], right_name: &str, right: &[u8]) -> Option<String> {
    if left == right {
        return None;
    }
    let sizes = format!("{left_name} {} bytes, {right_name} {}", left.len(), right.len());
    match (std::str::from_utf8(left), std::str::from_utf8(right)) {
        (Ok(left), Ok(right)) => Some(format!("{sizes}\n{}", describe_text(left, right))),
        _ => Some(format!("{sizes}; {}", describe_bytes(left, right))),
    }
}

fn describe_bytes(left: &[u8], right: &[u8]) -> String {
    let at = left.iter().zip(right).take_while(|(a, b)| a == b).count();
    let byte = |bytes: &[u8]| bytes.get(at).map_or("the end".to_owned(), |byte| format!("{byte:#04x}"));
    format!("first difference at byte {at}: {} against {}", byte(left), byte(right))
}

/// The changed lines after the first difference; `-` is only on the left, `+` only on the right.
fn describe_text(left: &str, right: &str) -> String {
    // The common beginning is skipped and what follows is cut before comparing, which bounds the work as well as the text.
    let skip = left.lines().zip(right.lines()).take_while(|(a, b)| a == b).count();
    let window = |text: &str| -> Vec<String> { text.lines().skip(skip).take(2 * DIFF_LINES).map(cut).collect() };
    let (left_lines, right_lines) = (window(left), window(right));
    let left_lines: Vec<&str> = left_lines.iter().map(String::as_str).collect();
    let right_lines: Vec<&str> = right_lines.iter().map(String::as_str).collect();
    let diff = TextDiff::from_slices(&left_lines, &right_lines);
    let mut described: Vec<String> = diff
        .iter_all_changes()
        .filter_map(|change| {
            let sign = match change.tag() {
                ChangeTag::Equal => return None,
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
            };
            Some(format!("{sign} {}", change.value()))
        })
        .collect();
    let more = described.len() > DIFF_LINES;
    described.truncate(DIFF_LINES);
    if described.is_empty() {
        described.push("the lines differ beyond what is shown, or only in how they end".to_owned());
    } else if more {
        described.push("…".to_owned());
    }
    format!("from line {}:\n{}", skip + 1, described.join("\n"))
}

fn cut(line: &str) -> String {
    let mut chars = line.chars();
    let mut short: String = chars.by_ref().take(LINE_LENGTH).collect();
    if chars.next().is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wasi(stdout: &[u8], exit_code: i32) -> Task {
        Task::Wasi { args: vec![], stdin: vec![], stdout: Some(stdout.to_vec()), exit_code }
    }

    fn process(stdout: &[u8], exit_code: i32) -> Output {
        Output::Process { exit_code, stdout: stdout.to_vec(), stderr: b"note".to_vec() }
    }

    fn detail(result: Result<(), StageError>) -> String {
        match result {
            Err(StageError::WrongOutput(text) | StageError::FreshDiffers(text)) => text,
            other => panic!("expected a difference, got {other:?}"),
        }
    }

    #[test]
    fn a_wrong_result_shows_both_values() {
        let expect = vec![Value::I32(6765)];
        let task = Task::Call { export: "fib".into(), args: vec![], expect };
        assert_eq!(Output::Values(vec![Datum::Number(Value::I32(6765))]).check(&task), Ok(()));
        let text = detail(Output::Values(vec![Datum::Number(Value::I32(1))]).check(&task));
        assert_eq!(text, "expected (i32:6765), got (i32:1)");
        detail(Output::Values(vec![]).check(&task));
        detail(Output::Values(vec![Datum::Other("i32:6765".into())]).check(&task));
    }

    #[test]
    fn any_nan_is_nan_but_zeros_keep_their_sign() {
        let task = |value| Task::Call { export: "f".into(), args: vec![], expect: vec![value] };
        let got = |value| Output::Values(vec![Datum::Number(Value::f64(value))]);
        assert_eq!(got(f64::from_bits(0xfff8_0000_0000_0001)).check(&task(Value::f64(f64::NAN))), Ok(()));
        detail(got(-0.0).check(&task(Value::f64(0.0))));
    }

    #[test]
    fn a_command_is_compared_by_exit_code_and_output() {
        assert_eq!(process(b"one\n", 0).check(&wasi(b"one\n", 0)), Ok(()));
        let text = detail(process(b"one\n", 2).check(&wasi(b"one\n", 0)));
        assert_eq!(text, "expected exit code 0, got 2\nstandard error ends with: note");
        let text = detail(process(b"one\ntwo\n", 0).check(&wasi(b"one\n2\n", 0)));
        assert!(text.contains("from line 2:\n- 2\n+ two"), "{text}");
    }

    #[test]
    fn differences_are_bounded_and_binary_safe() {
        let long: String = (0..100_000).map(|n| format!("{n}\n")).collect();
        let text = detail(process(long.replace('7', "x").as_bytes(), 0).check(&wasi(long.as_bytes(), 0)));
        assert!(text.lines().count() <= DIFF_LINES + 4, "{text}");
        let text = detail(process(b"\xff\0ab", 0).check(&wasi(b"\xff\0a", 0)));
        assert!(text.contains("first difference at byte 3: the end against 0x62"), "{text}");
    }

    #[test]
    fn outputs_that_differ_only_in_the_last_newline_differ() {
        let text = detail(process(b"one", 0).check(&wasi(b"one\n", 0)));
        assert!(text.contains("expected 4 bytes, got 3") && text.contains("how they end"), "{text}");
    }

    #[test]
    fn fresh_and_deserialized_are_compared_even_without_expectation() {
        assert_eq!(process(b"a", 1).agrees_with(&process(b"a", 1)), Ok(()));
        assert_eq!(detail(process(b"a", 1).agrees_with(&process(b"a", 2))), "fresh exits with 1, deserialized with 2");
        assert!(detail(process(b"a", 1).agrees_with(&process(b"b", 1))).contains("- a\n+ b"));
        let values = |n| Output::Values(vec![Datum::Number(Value::I64(n))]);
        assert_eq!(detail(values(1).agrees_with(&values(2))), "fresh gives (i64:1), deserialized gives (i64:2)");
    }
}
