//! Builds of engines: the command line that makes a worker, run by the shell.
//!
//! Invariant: what a build writes is shown only when it fails. What it is to make, its caller looks for.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use super::git::without_repository;
use super::process::{self, Stopped, Streams};
use crate::config::{Build, escaped};
use crate::measure::cancel::Cancel;
use crate::measure::death::printable;

/// Shown of a build that failed: its last lines, where compilers say what went wrong.
const SHOWN_LINES: usize = 60;
/// Shown of each line, in characters.
const SHOWN_WIDTH: usize = 300;

/// Why there is no worker.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error("start `sh`, for the build of the engine `{engine}`: {error}; install a shell")]
    Shell { engine: String, error: io::Error },
    #[error(
        "build the engine `{engine}` {place}: `{}` ended with {}; correct its `build` or what it builds:{output}",
        shown(.command),
        ended(.status)
    )]
    Failed {
        engine: String,
        /// Where: `here`, or of which revision.
        place: String,
        command: String,
        status: ExitStatus,
        /// The end of what it wrote, indented on lines of its own.
        output: String,
    },
    #[error(
        "use what the build of the engine `{engine}` {place} made: the worker `{}` {why}",
        .worker.display().to_string().escape_debug()
    )]
    NoWorker { engine: String, place: String, worker: PathBuf, why: String },
    #[error("interrupted")]
    Interrupted,
}

/// The first line of a command, safe to show; of a script of many, it tells which one it is.
#[must_use]
pub fn shown(command: &str) -> String {
    let mut lines = command.trim().lines();
    let first = escaped(lines.next().unwrap_or_default());
    if lines.next().is_some() { format!("{first} …") } else { first }
}

fn ended(status: &ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "no exit code".to_owned(),
    }
}

/// Runs a build in `folder`, which is `place` for the reader of an error.
///
/// # Errors
/// When it cannot be started or fails, with the end of its output.
pub fn run(build: &Build, folder: &Path, place: &str, cancel: &Cancel) -> Result<(), BuildError> {
    let mut command = Command::new("sh");
    command.args(["-c", build.command.as_str()]).current_dir(folder);
    without_repository(&mut command);
    match process::run(&mut command, Streams::Together, cancel) {
        Ok(ran) if ran.status.success() => Ok(()),
        Ok(ran) => Err(BuildError::Failed {
            engine: build.engine.clone(),
            place: place.to_owned(),
            command: build.command.clone(),
            status: ran.status,
            output: last_lines(&ran.stdout),
        }),
        Err(Stopped::Failed(error)) => Err(BuildError::Shell { engine: build.engine.clone(), error }),
        Err(Stopped::Interrupted) => Err(BuildError::Interrupted),
    }
}

fn last_lines(output: &[u8]) -> String {
    let text = printable(output);
    let lines: Vec<&str> = text.lines().collect();
    if lines.is_empty() {
        return " it wrote nothing".to_owned();
    }
    let cut = lines.len().saturating_sub(SHOWN_LINES);
    let mut shown = if cut > 0 { format!("\n  … {cut} lines before") } else { String::new() };
    for line in &lines[cut..] {
        shown.push_str("\n  | ");
        shown.extend(line.chars().take(SHOWN_WIDTH));
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_command_the_first_line_is_shown() {
        assert_eq!(shown(" make 'a' \u{1b}\n"), "make 'a' \\u{1b}");
        assert_eq!(shown("set -e\nmake\n"), "set -e …");
    }

    #[test]
    fn the_end_of_the_output_is_shown_without_control_characters() {
        assert_eq!(last_lines(b""), " it wrote nothing");
        assert_eq!(last_lines(b"one\n\x1b[31mtwo\n"), "\n  | one\n  | \\u{1b}[31mtwo");
        let long: String = (0..100).map(|line| format!("line {line}\n")).collect();
        let shown = last_lines(long.as_bytes());
        assert!(shown.starts_with("\n  … 40 lines before\n  | line 40\n"), "{shown}");
        assert!(shown.ends_with("\n  | line 99"), "{shown}");
        assert_eq!(last_lines("é".repeat(1000).as_bytes()).chars().filter(|c| *c == 'é').count(), SHOWN_WIDTH);
    }
}
