//! What can be wrong with a baseline file, each with its position and its remedy.
//!
//! Invariant: every text that comes from a file or a path is escaped here, so that an error can be shown anywhere.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::model::units::Bytes;

/// Why a baseline could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum BaselineError {
    /// The file is there but cannot be read.
    #[error("read baseline {}: {source}; make it readable, or name another folder with --baselines", shown(path))]
    Read { path: PathBuf, source: io::Error },
    /// A folder, a pipe or a device lies where the file should be.
    #[error(
        "read baseline {}: it is not a regular file; remove it, or name another folder with --baselines",
        shown(path)
    )]
    NotAFile { path: PathBuf },
    /// Larger than any baseline can be.
    #[error(
        "use baseline {}: it has {size}, and a baseline has at most {limit}; restore it from version control, or \
         spread the samples over several configurations",
        shown(path)
    )]
    TooLarge { path: PathBuf, size: Bytes, limit: Bytes },
    /// The text is not a baseline of this version.
    #[error("use baseline {}:\n{}", shown(path), problems.at(path))]
    Invalid { path: PathBuf, problems: Problems },
    /// A baseline that the reader would refuse is never written.
    #[error(
        "write baseline {}: it would not be readable again; this is a defect of Tollgate:\n{}",
        shown(path),
        problems.at(path)
    )]
    Unrepresentable { path: PathBuf, problems: Problems },
    /// The system refused one of the steps of writing; the old file is as it was.
    #[error(
        "write baseline {}: {step}: {source}; the old file is unchanged: free some space or make the folder writable, or \
         name another folder with --baselines",
        shown(path)
    )]
    Write { path: PathBuf, step: &'static str, source: io::Error },
    /// The user took the permission to write from the file.
    #[error("write baseline {}: the file is read-only; allow writing with `chmod u+w`", shown(path))]
    ReadOnly { path: PathBuf },
    /// Another process holds the folder's lock.
    #[error(
        "write baseline {}: another process is writing in this folder; try again when it has finished",
        shown(path)
    )]
    Busy { path: PathBuf },
    /// The file is not the one that the run was judged against.
    #[error(
        "write baseline {}: it was changed while the run was measuring, and the update would undo that; run again with \
         --update-baselines",
        shown(path)
    )]
    ChangedMeanwhile { path: PathBuf },
}

/// One thing that is wrong in a baseline file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// From 1; 0 where the problem has no position.
    pub line: u64,
    /// From 1; 0 where the problem has no position.
    pub column: u64,
    /// Escaped, with the remedy where it is a particular one.
    pub message: String,
}

/// Everything that is wrong in a baseline file, in the order of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// The problems as `path:line:column: message`, one a line, and what helps with all of them.
    fn at<'a>(&'a self, path: &'a Path) -> impl fmt::Display + 'a {
        Located { problems: self, path }
    }
}

struct Located<'a> {
    problems: &'a Problems,
    path: &'a Path,
}

impl fmt::Display for Located<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Problem { line, column, message } in &self.problems.0 {
            writeln!(f, "  {}:{line}:{column}: {message}", shown(self.path))?;
        }
        f.write_str(
            "correct the file, restore it from version control, or delete it and run `tollgate run --update-baselines` \
             to measure it anew",
        )
    }
}

/// A path with everything escaped that could disturb a terminal.
pub(super) fn shown(path: &Path) -> String {
    clean(&path.to_string_lossy())
}

/// A text with control and invisible characters escaped; quotes stay as they are, so that messages remain readable.
pub(super) fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '"' | '\'' | '\\') {
            out.push(c);
        } else {
            out.extend(c.escape_debug());
        }
    }
    out
}
