//! Repositories and executables for the tests of this module.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::config::{Build, Place};

/// A git repository in a temporary folder.
pub struct Project {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

impl Project {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap();
        let project = Self { _folder: folder, path };
        project.git(&["init", "--quiet", "--initial-branch=main"]);
        project
    }

    /// Canonical.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub fn set_executable(&self, name: &str) {
        set_executable(&self.path.join(name));
    }

    /// Runs git as somebody, without anybody's configuration, and returns what it says.
    pub fn git(&self, args: &[&str]) -> String {
        let mut command = Command::new("git");
        command.arg("-C").arg(&self.path).args(["-c", "user.name=a", "-c", "user.email=a@example.org"]).args(args);
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
        let output = command.output().unwrap();
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// Writes a file and commits everything that is not ignored.
    pub fn commit(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        self.write(name, content);
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--no-gpg-sign", "--message", "x"]);
        self.git(&["rev-parse", "HEAD"])
    }

    /// How many working trees git knows of.
    pub fn worktrees(&self) -> usize {
        self.git(&["worktree", "list"]).lines().count()
    }
}

fn set_executable(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

pub fn write_executable(path: &Path, content: &str) {
    fs::write(path, content).unwrap();
    set_executable(path);
}

pub fn build(command: &str, worker: &str) -> Build {
    Build {
        engine: "host".to_owned(),
        command: command.to_owned(),
        worker: PathBuf::from(worker),
        place: Place { file: "tollgate.yml".into(), line: 1, column: 1 },
    }
}
