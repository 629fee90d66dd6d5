//! What is asked of git: which commit a name means, and a checkout of it beside the user's own.
//!
//! Invariants: a name from outside is never an option; hooks are not run; the user's working tree, index and branches are not
//! touched. A checkout is gone with its handle, also after an error, and one that a killed process left behind goes with the
//! next.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::process::{self, Stopped, Streams};
use crate::measure::cancel::Cancel;
use crate::measure::death::printable;

/// Variables by which a git that runs us, say from a hook, says which repository it means; we say so ourselves.
const LOCAL_VARIABLES: [&str; 7] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_COMMON_DIR",
    "GIT_PREFIX",
    "GIT_NAMESPACE",
];

/// How folders with a checkout begin.
const PREFIX: &str = "tollgate-base-";
/// Locked in such a folder as long as somebody needs it.
const LOCK: &str = "lock";

/// Why git did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    #[error("run git: {0}; install git, or compare with an executable by --base-worker")]
    Absent(io::Error),
    #[error("find a git repository around {}: {said}", .folder.display().to_string().escape_debug())]
    NoRepository { folder: PathBuf, said: String },
    #[error(
        "find the revision `{}`: git knows no commit of that name here; for a branch of a remote, fetch it first, as in \
         `git fetch origin main`; a job of continuous integration often has the tested commit alone: let it fetch all \
         (`fetch-depth: 0` of actions/checkout)",
        .0.escape_debug()
    )]
    NoRevision(String),
    #[error("use the revision `{}`: no revision has such a name; name a branch, a tag or a commit", .0.escape_debug())]
    BadName(String),
    #[error("{what}: git says: {said}")]
    Failed { what: &'static str, said: String },
    #[error("make a folder for the checkout: {0}; free some space there, or set TMPDIR to another folder")]
    Folder(io::Error),
    #[error("interrupted")]
    Interrupted,
}

/// A repository with a working tree.
#[derive(Debug)]
pub struct Repository {
    /// The working tree's own folder, without symbolic links.
    pub top: PathBuf,
    /// Where below it the folder lies that was asked for.
    pub prefix: PathBuf,
    cancel: Cancel,
}

impl Repository {
    /// The repository that `folder` lies in.
    ///
    /// # Errors
    /// When there is no git, or no repository that it takes.
    pub fn around(folder: &Path, cancel: &Cancel) -> Result<Self, GitError> {
        let ask = |what: &str| match git(folder, &[OsStr::new("rev-parse"), OsStr::new(what)], cancel)? {
            Ok(path) => Ok(PathBuf::from(OsStr::from_bytes(&path))),
            Err(said) => Err(GitError::NoRepository { folder: folder.to_owned(), said }),
        };
        Ok(Self { top: ask("--show-toplevel")?, prefix: ask("--show-prefix")?, cancel: cancel.clone() })
    }

    /// The commit that a name means.
    ///
    /// # Errors
    /// When there is none, or the name could be taken for an option.
    pub fn commit(&self, name: &str) -> Result<String, GitError> {
        if name.is_empty() || name.starts_with('-') || name.contains('\0') {
            return Err(GitError::BadName(name.to_owned()));
        }
        self.object(&format!("{name}^{{commit}}"))?.ok_or_else(|| GitError::NoRevision(name.to_owned()))
    }

    /// The tree of a commit: a name for all of its content and nothing else.
    ///
    /// # Errors
    /// When git fails.
    pub fn tree(&self, commit: &str) -> Result<String, GitError> {
        self.object(&format!("{commit}^{{tree}}"))?.ok_or_else(|| GitError::NoRevision(commit.to_owned()))
    }

    /// The full name of one object, if it is one.
    fn object(&self, expression: &str) -> Result<Option<String>, GitError> {
        let args = ["rev-parse", "--verify", "--quiet", "--end-of-options", expression].map(OsStr::new);
        let said = git(&self.top, &args, &self.cancel)?.ok();
        let name = said.map(|name| String::from_utf8_lossy(&name).into_owned());
        Ok(name.filter(|name| matches!(name.len(), 40 | 64) && name.bytes().all(|byte| byte.is_ascii_hexdigit())))
    }

    /// Checks a commit out in a temporary folder, without submodules.
    ///
    /// # Errors
    /// When there is no room, or git fails.
    pub fn check_out(&self, commit: &str) -> Result<Checkout, GitError> {
        self.remove_leftovers()?;
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir().map_err(GitError::Folder)?;
        let (lock, path) = prepare(&folder).map_err(GitError::Folder)?;
        // From here on, dropping the checkout puts everything back.
        let checkout = Checkout { tree: path, repository: self.top.clone(), _lock: lock, folder };
        let args = [
            "-c",
            "core.hooksPath=/dev/null",
            "-c",
            "submodule.recurse=false",
            "worktree",
            "add",
            "--quiet",
            "--detach",
        ];
        let mut args: Vec<&OsStr> = args.iter().map(OsStr::new).collect();
        args.extend([checkout.tree.as_os_str(), OsStr::new(commit)]);
        match git(&self.top, &args, &self.cancel)? {
            Ok(_) => Ok(checkout),
            Err(said) => Err(GitError::Failed { what: "check the base out", said }),
        }
    }

    /// Removes checkouts that were left behind by processes that were killed.
    fn remove_leftovers(&self) -> Result<(), GitError> {
        let args = ["worktree", "list", "--porcelain"].map(OsStr::new);
        let listed = git(&self.top, &args, &self.cancel)?.unwrap_or_default();
        let trees = listed.split(|byte| *byte == b'\n').filter_map(|line| line.strip_prefix(b"worktree "));
        for tree in trees.map(|path| Path::new(OsStr::from_bytes(path))) {
            let is_ours =
                |folder: &&Path| folder.file_name().is_some_and(|name| name.as_bytes().starts_with(PREFIX.as_bytes()));
            if let Some(folder) = tree.parent().filter(is_ours)
                && let Ok(lock) = File::open(folder.join(LOCK))
                && lock.try_lock().is_ok()
            {
                remove(&self.top, tree);
                _ = fs::remove_dir_all(folder);
            }
        }
        Ok(())
    }
}

/// Takes the lock in a new folder, and says where the checkout is to lie: under a name that tells whose it is, for git shows it.
fn prepare(folder: &TempDir) -> io::Result<(File, PathBuf)> {
    let path = folder.path().canonicalize()?;
    let lock = File::create(path.join(LOCK))?;
    // Without locks, as on some file systems, leftovers stay; a checkout in use must not go.
    if lock.try_lock().is_err() {
        fs::remove_file(path.join(LOCK))?;
    }
    let name = path.file_name().unwrap_or(OsStr::new("tree")).to_owned();
    Ok((lock, path.join(name)))
}

/// A commit checked out in a folder of its own, as long as this lives.
#[derive(Debug)]
pub struct Checkout {
    tree: PathBuf,
    repository: PathBuf,
    /// Declared before the folder that it lies in, so that it is closed first.
    _lock: File,
    folder: TempDir,
}

impl Checkout {
    /// The folder that holds the commit's files, without symbolic links.
    #[must_use]
    pub fn tree(&self) -> &Path {
        &self.tree
    }

    /// A folder beside the checkout that goes with it.
    #[must_use]
    pub fn beside(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Checkout {
    fn drop(&mut self) {
        remove(&self.repository, &self.tree);
    }
}

/// Takes a checkout out of its repository, in whatever state it is. Nobody is told of a failure: what stays is a folder among
/// the temporary ones, and an entry that git forgets by itself.
fn remove(repository: &Path, tree: &Path) {
    // The wish to stop is for the run; putting things back is not to be stopped.
    let cancel = Cancel::new();
    let run = |args: &[&str], path: Option<&Path>| {
        let args: Vec<&OsStr> = args.iter().map(OsStr::new).chain(path.map(Path::as_os_str)).collect();
        matches!(git(repository, &args, &cancel), Ok(Ok(_)))
    };
    // Twice `--force`: also where it was locked, as it is while git makes it.
    let take_out = || run(&["worktree", "remove", "--force", "--force"], Some(tree));
    if !take_out() {
        // Half made, it is refused as long as it is there.
        _ = fs::remove_dir_all(tree);
        if !take_out() {
            run(&["worktree", "prune"], None);
        }
    }
}

/// Runs git in a folder: what it writes without the last line's end, or what it complains of.
fn git(folder: &Path, args: &[&OsStr], cancel: &Cancel) -> Result<Result<Vec<u8>, String>, GitError> {
    let mut command = Command::new("git");
    command.arg("-C").arg(folder).args(args).env("LC_ALL", "C").env("GIT_TERMINAL_PROMPT", "0");
    without_repository(&mut command);
    match process::run(&mut command, Streams::Apart, cancel) {
        Ok(ran) if ran.status.success() => {
            let mut written = ran.stdout;
            if written.last() == Some(&b'\n') {
                written.pop();
            }
            Ok(Ok(written))
        }
        Ok(ran) => Ok(Err(printable(&ran.stderr))),
        Err(Stopped::Failed(error)) => Err(GitError::Absent(error)),
        Err(Stopped::Interrupted) => Err(GitError::Interrupted),
    }
}

/// Lets a program find its repository by the folder that it runs in.
pub(super) fn without_repository(command: &mut Command) {
    for name in LOCAL_VARIABLES {
        command.env_remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::testing::Project;

    fn repository(project: &Project) -> Repository {
        Repository::around(project.path(), &Cancel::new()).unwrap()
    }

    #[test]
    fn names_mean_commits_or_nothing() {
        let project = Project::new();
        let first = project.commit("file", "one");
        project.git(&["tag", "v1"]);
        let second = project.commit("sub/file", "two");
        let repository = repository(&project);
        for (name, commit) in
            [("HEAD", &second), ("v1", &first), ("HEAD~1", &first), (&first[..9], &first), ("@", &second)]
        {
            assert_eq!(repository.commit(name).unwrap(), *commit, "{name}");
        }
        assert_eq!(repository.tree(&second).unwrap(), project.git(&["rev-parse", "HEAD^{tree}"]));
        for name in ["main2", "a b", "HEAD:file", "v1..HEAD", "v1^{tree}", "$(touch x)", "x\ny", "HEAD^{commit}\nHEAD"]
        {
            let error = repository.commit(name).unwrap_err();
            assert!(matches!(error, GitError::NoRevision(_)), "{name}: {error}");
            assert!(error.to_string().contains("fetch-depth: 0"), "{error}");
            assert!(!error.to_string().contains('\n'), "{error}");
        }
        for name in ["", "-x", "--upload-pack=x", "--all", "a\0b"] {
            assert!(matches!(repository.commit(name), Err(GitError::BadName(_))), "{name}");
        }
    }

    #[test]
    fn a_repository_is_found_from_any_folder_in_it() {
        let project = Project::new();
        project.commit("sub/deep/file", "one");
        let found = Repository::around(&project.path().join("sub/deep"), &Cancel::new()).unwrap();
        assert_eq!((found.top.as_path(), found.prefix.as_path()), (project.path(), Path::new("sub/deep/")));
        let error = Repository::around(Path::new("/"), &Cancel::new()).unwrap_err();
        assert!(
            matches!(&error, GitError::NoRepository { said, .. } if said.contains("not a git repository")),
            "{error}"
        );
    }

    #[test]
    fn a_checkout_is_there_and_gone() {
        let project = Project::new();
        let first = project.commit("file", "one");
        project.commit("file", "two");
        // A hook that runs is a hook that fails.
        project.write(".git/hooks/post-checkout", "#!/bin/sh\ntouch ran; exit 1\n");
        project.set_executable(".git/hooks/post-checkout");
        let checkout = repository(&project).check_out(&first).unwrap();
        let (tree, beside) = (checkout.tree().to_owned(), checkout.beside().to_owned());
        assert_eq!(fs::read_to_string(tree.join("file")).unwrap(), "one");
        assert!(!tree.join("ran").exists() && !project.path().join("ran").exists());
        assert_eq!(project.worktrees(), 2);
        // What is made there is no reason to keep it.
        fs::write(tree.join("untracked"), "").unwrap();
        drop(checkout);
        assert!(!beside.exists());
        assert_eq!(project.worktrees(), 1);
        assert_eq!(project.git(&["status", "--porcelain"]), "");
    }

    #[test]
    fn a_checkout_that_was_left_behind_goes_with_the_next() {
        let project = Project::new();
        let commit = project.commit("file", "one");
        let repository = repository(&project);
        let mut left = repository.check_out(&commit).unwrap();
        let used = repository.check_out(&commit).unwrap();
        let folder = left.beside().to_owned();
        // As after a kill: nobody holds the lock, nobody tidies up.
        left._lock = File::open("/dev/null").unwrap();
        std::mem::forget(left);
        let next = repository.check_out(&commit).unwrap();
        assert!(!folder.exists());
        assert!(used.tree().join("file").exists() && next.tree().join("file").exists());
        assert_eq!(project.worktrees(), 3);
        drop((used, next));
        assert_eq!(project.worktrees(), 1);
    }

    #[test]
    fn what_git_refuses_leaves_nothing() {
        let project = Project::new();
        project.commit("file", "one");
        let error = repository(&project).check_out(&"0".repeat(40)).unwrap_err();
        assert!(matches!(error, GitError::Failed { .. }), "{error}");
        assert_eq!(project.worktrees(), 1);
        assert!(!project.path().join(".git/worktrees").exists());
    }
}
