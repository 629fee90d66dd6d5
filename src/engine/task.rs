//! What to execute and what must come out, with every file already read: nothing is opened while a clock runs.

use std::path::Path;

use crate::model::sample::{Run, Value};

/// Largest standard input or expected output that is read, in bytes. Samples are small; a device or a log by mistake is not.
pub const MAX_FILE: u64 = 256 << 20;

/// A [`Run`] with its files in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    /// Nobody said how to execute the sample.
    Nothing,
    Call {
        export: String,
        args: Vec<Value>,
        expect: Vec<Value>,
    },
    Wasi {
        args: Vec<String>,
        stdin: Vec<u8>,
        /// Absent: fresh and deserialized runs must agree, and that is all.
        stdout: Option<Vec<u8>>,
        exit_code: i32,
    },
}

/// A file of the sample that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    #[error("cannot read {what} {path:?}: {source}; check `wasi:` in the sample")]
    Read { what: &'static str, path: std::path::PathBuf, source: std::io::Error },
    #[error("{what} {path:?} is larger than {} MiB; give the sample a smaller one", MAX_FILE >> 20)]
    TooLarge { what: &'static str, path: std::path::PathBuf },
}

impl Task {
    /// Reads what a run needs.
    ///
    /// # Errors
    /// When standard input or the expected output cannot be read or is unreasonably large.
    pub fn load(run: &Run) -> Result<Self, TaskError> {
        Ok(match run {
            Run::Nothing => Self::Nothing,
            Run::Call { export, args, expect } => {
                Self::Call { export: export.clone(), args: args.clone(), expect: expect.clone() }
            }
            Run::Wasi { args, stdin, stdout, exit_code } => Self::Wasi {
                args: args.clone(),
                stdin: stdin.as_deref().map(|path| read("standard input", path)).transpose()?.unwrap_or_default(),
                stdout: stdout.as_deref().map(|path| read("the expected output", path)).transpose()?,
                exit_code: *exit_code,
            },
        })
    }
}

fn read(what: &'static str, path: &Path) -> Result<Vec<u8>, TaskError> {
    let failed = |source| TaskError::Read { what, path: path.to_owned(), source };
    let metadata = std::fs::metadata(path).map_err(failed)?;
    if metadata.len() > MAX_FILE {
        return Err(TaskError::TooLarge { what, path: path.to_owned() });
    }
    std::fs::read(path).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_files_of_a_wasi_run() {
        let folder = tempfile::tempdir().unwrap();
        let stdin = folder.path().join("in");
        std::fs::write(&stdin, b"\xff\0x").unwrap();
        let run = Run::Wasi { args: vec!["-v".into()], stdin: Some(stdin), stdout: None, exit_code: 3 };
        let expected = Task::Wasi { args: vec!["-v".into()], stdin: b"\xff\0x".to_vec(), stdout: None, exit_code: 3 };
        assert_eq!(Task::load(&run).unwrap(), expected);
    }

    #[test]
    fn a_missing_file_is_named() {
        let run = Run::Wasi { args: vec![], stdin: Some("/nonexistent/in.txt".into()), stdout: None, exit_code: 0 };
        let message = Task::load(&run).unwrap_err().to_string();
        assert!(message.contains("standard input") && message.contains("in.txt"), "{message}");
    }

    #[test]
    fn an_expected_output_that_is_a_folder_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let run = Run::Wasi { args: vec![], stdin: None, stdout: Some(folder.path().to_owned()), exit_code: 0 };
        assert!(matches!(Task::load(&run), Err(TaskError::Read { what: "the expected output", .. })));
    }
}
