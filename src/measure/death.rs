//! Why a worker died, in words: from its exit status, its last words and the limits it was under.
//!
//! Invariants: pure; everything a worker wrote is escaped and bounded before it becomes part of a sentence. Knows
//! neither processes nor pipes.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use rustix::process::Signal;

use super::spawn::ProcessLimits;
use crate::model::sample::EngineSpec;
use crate::model::{Bytes, FailureKind};

/// Shown of an answer that is not the protocol, in bytes.
const EXCERPT: usize = 200;

/// A worker killed from outside counts as out of memory from this share of its limit on: what grew since the last look
/// at it, one tick of the waiting loop ago, is not known.
const NEAR_LIMIT: f64 = 0.9;

/// What went wrong at the start of an engine, with a remedy.
pub(super) fn spawn_advice(engine: &EngineSpec, error: &io::Error) -> String {
    let what = match engine {
        EngineSpec::BuiltIn => "this executable's own worker".to_owned(),
        EngineSpec::Executable { path, .. } => format!("`{}`", path.display().to_string().escape_debug()),
    };
    let remedy = match error.kind() {
        io::ErrorKind::NotFound => "correct the engine's path in the configuration",
        io::ErrorKind::PermissionDenied => "make it executable (chmod +x)",
        _ => "see whether it runs from a shell",
    };
    format!("{what}: {error}; {remedy}")
}

/// Names what a worker died of, and remarks on it. `resident` is the most that was seen of it.
pub(super) fn cause_of_death(
    status: Option<ExitStatus>,
    last_words: &str,
    resident: Bytes,
    limits: ProcessLimits,
) -> (FailureKind, &'static str) {
    /// Last words of the Rust, C++ and LLVM runtimes when an allocation fails.
    const OUT_OF_MEMORY: [&str; 4] =
        ["memory allocation of ", "std::bad_alloc", "LLVM ERROR: out of memory", "Cannot allocate memory"];
    const EXCEEDED_CPU: Signal = Signal::XCPU;

    let Some(status) = status else {
        return (FailureKind::Protocol, "the worker's exit status was lost");
    };
    let near_limit = resident.as_f64() >= limits.memory.as_f64() * NEAR_LIMIT;
    let allocation_failed = OUT_OF_MEMORY.iter().any(|words| last_words.contains(words));
    match (status.signal(), status.code()) {
        (Some(signal), _) if signal == EXCEEDED_CPU.as_raw() => (FailureKind::Cpu(limits.cpu), ""),
        (Some(_), _) if allocation_failed || near_limit => (FailureKind::Memory(limits.memory), ""),
        (Some(signal), _) if signal == Signal::KILL.as_raw() => {
            (FailureKind::Signal(signal), "killed from outside, perhaps by the system for want of memory")
        }
        (Some(signal), _) => (FailureKind::Signal(signal), ""),
        (None, Some(code)) if code != 0 && allocation_failed => (FailureKind::Memory(limits.memory), ""),
        (None, code) => (FailureKind::Exit(code.unwrap_or_default()), ""),
    }
}

/// The beginning of untrusted bytes, quoted and escaped.
pub(super) fn excerpt(bytes: &[u8]) -> String {
    let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(EXCERPT)]);
    let more = if bytes.len() > EXCERPT { "…" } else { "" };
    format!("`{}{more}`", shown.escape_debug())
}

/// Untrusted bytes as lines without control characters, none of them empty.
#[must_use]
pub fn printable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<String> = text.lines().map(str::trim).filter(|line| !line.is_empty()).map(escape_controls).collect();
    lines.join("\n")
}

fn escape_controls(line: &str) -> String {
    let mut shown = String::with_capacity(line.len());
    for c in line.chars() {
        if c.is_control() { shown.extend(c.escape_debug()) } else { shown.push(c) }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Nanos;

    const LIMITS: ProcessLimits = ProcessLimits { memory: Bytes(1000), cpu: Nanos(5) };

    fn cause(raw: i32, words: &str, resident: u64) -> FailureKind {
        cause_of_death(Some(ExitStatus::from_raw(raw)), words, Bytes(resident), LIMITS).0
    }

    #[test]
    fn causes_of_death_are_told_apart() {
        let abort = Signal::ABORT.as_raw();
        let kill = Signal::KILL.as_raw();
        assert_eq!(cause(abort, "thread panicked", 10), FailureKind::Signal(abort));
        assert_eq!(cause(abort, "memory allocation of 64 bytes failed", 10), FailureKind::Memory(Bytes(1000)));
        assert_eq!(cause(kill, "", 10), FailureKind::Signal(kill));
        assert_eq!(cause(kill, "", 950), FailureKind::Memory(Bytes(1000)));
        assert_eq!(cause(Signal::XCPU.as_raw(), "", 950), FailureKind::Cpu(Nanos(5)));
        assert_eq!(cause(7 << 8, "", 950), FailureKind::Exit(7));
        assert_eq!(cause(1 << 8, "LLVM ERROR: out of memory", 10), FailureKind::Memory(Bytes(1000)));
        assert_eq!(cause(0, "memory allocation of 64 bytes failed, went on", 10), FailureKind::Exit(0));
    }

    #[test]
    fn last_words_become_harmless_lines() {
        assert_eq!(printable(b"one\n\n  two \x1b[31m\xff\n"), "one\ntwo \\u{1b}[31m\u{fffd}");
        assert_eq!(printable(b""), "");
    }

    #[test]
    fn excerpts_are_short_and_quoted() {
        assert_eq!(excerpt(b"a\nb`"), "`a\\nb``");
        let long = excerpt(&[b'x'; 500]);
        assert_eq!(long.matches('x').count(), EXCERPT);
        assert!(long.ends_with("…`"));
    }
}
