//! What a runner reads of a step: outputs and the step summary by files, annotations and notices by its standard output.
//!
//! Invariants: no text can end a value, begin a command or name another output; a summary is never larger than a step may have,
//! what stands in its file already included; there are at most ten annotations of a kind. Prints nothing: it gives the lines.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

/// Largest summary of a step, in bytes.
pub const MOST_SUMMARY: u64 = 1 << 20;

/// Annotations of a kind that a step may have.
pub const MOST_ANNOTATIONS: usize = 10;

/// How an annotation is shown, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Error,
    Warning,
    Notice,
}

impl Level {
    fn command(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Notice => "notice",
        }
    }
}

/// Where a change of the repository is to be annotated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// Relative to the top of the repository.
    pub file: String,
    pub line: usize,
}

/// A remark that the forge shows beside the change or the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annotation {
    pub level: Level,
    pub title: String,
    pub text: String,
    pub position: Option<Position>,
}

/// The commands of these annotations, which are worst first within their levels; where there are too many of a level, the last
/// one says how many there are more.
#[must_use]
pub fn annotations(all: &[Annotation]) -> Vec<String> {
    let mut lines = Vec::new();
    for level in [Level::Error, Level::Warning, Level::Notice] {
        let own: Vec<_> = all.iter().filter(|annotation| annotation.level == level).collect();
        let shown = if own.len() > MOST_ANNOTATIONS { MOST_ANNOTATIONS - 1 } else { own.len() };
        lines.extend(own[..shown].iter().map(|annotation| annotation.line()));
        if own.len() > shown {
            let text = format!("{} more; the job's summary has all of them", own.len() - shown);
            let more = Annotation { level, title: "Tollgate".to_owned(), text, position: None };
            lines.push(more.line());
        }
    }
    lines
}

impl Annotation {
    /// The command's line.
    #[must_use]
    pub fn line(&self) -> String {
        let mut properties = Vec::new();
        if let Some(Position { file, line }) = &self.position {
            properties.push(format!("file={}", property(file)));
            properties.push(format!("line={line}"));
        }
        properties.push(format!("title={}", property(&self.title)));
        format!("::{} {}::{}", self.level.command(), properties.join(","), data(&self.text))
    }
}

/// A value that cannot end its line.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A value that cannot end its property either.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// Text in which the runner looks for no commands. It reads those of an older form anywhere in a line.
#[must_use]
pub fn inert(text: &str, token: u128) -> String {
    let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    format!("::stop-commands::{token:032x}\n{text}{end}::{token:032x}::\n")
}

/// Outputs of a step, as its file takes them. `token` is drawn anew for each: a value that holds it is not written.
#[must_use]
pub fn outputs(values: &[(&str, String)], token: u128) -> String {
    let end = format!("tollgate_{token:032x}");
    let fits = |value: &str| !value.lines().any(|line| line == end);
    values
        .iter()
        .filter(|(_, value)| fits(value))
        .map(|(name, value)| format!("{name}<<{end}\n{value}\n{end}\n"))
        .collect()
}

/// Adds to a file that the runner reads.
///
/// # Errors
/// When it cannot be written.
pub fn append(path: &Path, text: &str) -> io::Result<()> {
    OpenOptions::new().append(true).create(true).open(path)?.write_all(text.as_bytes())
}

/// What is left of the largest summary, for one that begins on a line of its own.
#[must_use]
pub fn room_for_summary(path: &Path) -> usize {
    let taken = fs::metadata(path).map_or(0, |file| file.len());
    usize::try_from(MOST_SUMMARY.saturating_sub(taken).saturating_sub(2)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn annotation(level: Level, text: &str) -> Annotation {
        Annotation { level, title: "a: b, c%".into(), text: text.into(), position: None }
    }

    #[test]
    fn no_text_begins_a_command_of_its_own() {
        let line = annotation(Level::Error, "50 %\r\n::set-output name=x::y").line();
        assert_eq!(line, "::error title=a%3A b%2C c%25::50 %25%0D%0A::set-output name=x::y");
        let position = Some(Position { file: "base,lines/a:b.yml".into(), line: 23 });
        let line = Annotation { position, ..annotation(Level::Warning, "x") }.line();
        assert_eq!(line, "::warning file=base%2Clines/a%3Ab.yml,line=23,title=a%3A b%2C c%25::x");
    }

    #[test]
    fn ten_of_a_kind_and_the_rest_is_counted() {
        let many = |level, count| (0..count).map(move |number| annotation(level, &number.to_string()));
        let all: Vec<_> =
            many(Level::Notice, 1).chain(many(Level::Error, 12)).chain(many(Level::Warning, 10)).collect();
        let lines = annotations(&all);
        assert_eq!(lines.len(), 21);
        assert!(lines[0].starts_with("::error") && lines[8].ends_with("::8"), "{}", lines[8]);
        assert_eq!(lines[9], "::error title=Tollgate::3 more; the job's summary has all of them");
        assert!(lines[10].starts_with("::warning") && lines[19].ends_with("::9") && lines[20].starts_with("::notice"));
    }

    #[test]
    fn a_value_cannot_end_itself() {
        let text = outputs(&[("result", "pass".into()), ("path", "a\nresult<<EOF\nfail\nEOF".into())], 7);
        let end = format!("tollgate_{:032x}", 7);
        assert_eq!(text, format!("result<<{end}\npass\n{end}\npath<<{end}\na\nresult<<EOF\nfail\nEOF\n{end}\n"));
        assert_eq!(outputs(&[("x", format!("a\n{end}\ny=1"))], 7), "");
    }

    #[test]
    fn text_between_stop_and_start_commands_nothing() {
        assert_eq!(
            inert("##[stop-commands]x", 1),
            format!("::stop-commands::{0:032x}\n##[stop-commands]x\n::{0:032x}::\n", 1)
        );
        assert!(inert("a\n", 1).contains("\na\n::"));
    }

    #[test]
    fn a_summary_has_the_room_that_others_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("summary.md");
        assert_eq!(room_for_summary(&path), (1 << 20) - 2);
        append(&path, &"x".repeat(1000)).unwrap();
        append(&path, "y").unwrap();
        assert_eq!(room_for_summary(&path), (1 << 20) - 1003);
        fs::write(&path, vec![0; 2 << 20]).unwrap();
        assert_eq!(room_for_summary(&path), 0);
    }
}
