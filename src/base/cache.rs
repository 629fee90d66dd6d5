//! Workers of base revisions, kept by what they were built from, so that the next run does not build them again.
//!
//! Invariants: an entry appears as a whole or not at all; what is taken out has the checksum under which it was put in; a cache
//! that cannot be read or written costs a build and a warning, never the run. Entries are folders `engines/KEY` that hold one
//! executable, called by its SHA-256.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};

use crate::config::{self, Build};
use crate::model::machine::Target;

/// Part of every key; raised when the meaning of an entry changes.
const VERSION: &str = "1";
/// Entries kept, the ones used last: some megabytes to some hundred each, and a base branch moves a few times a day.
pub const KEPT: usize = 10;
/// Age from which on an entry that was never completed is nobody's work in progress any more.
const ABANDONED: Duration = Duration::from_secs(24 * 3600);
/// How the names of entries under way begin.
const UNDER_WAY: &str = ".new-";

/// The folder for what outlives a run: `$TOLLGATE_CACHE_DIR`, else `$XDG_CACHE_HOME/tollgate`, else `~/.cache/tollgate`. By the
/// XDG Base Directory Specification, a path that is not absolute does not count.
#[must_use]
pub fn folder(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let path = |name: &str| variable(name).map(PathBuf::from);
    let given = path("TOLLGATE_CACHE_DIR").filter(|path| !path.as_os_str().is_empty());
    let shared = || path("XDG_CACHE_HOME").filter(|path| path.is_absolute());
    let home = || path("HOME").filter(|path| path.is_absolute()).map(|home| home.join(".cache"));
    given.or_else(|| Some(shared().or_else(home)?.join("tollgate")))
}

/// What a worker was built from.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// The git tree of the revision.
    pub tree: &'a str,
    /// The folder of the configuration, in the tree.
    pub prefix: &'a Path,
    pub build: &'a Build,
}

impl Origin<'_> {
    /// A name for the origin on this target: 64 hexadecimal digits.
    fn key(&self) -> String {
        let target = Target::host().to_string();
        let Build { command, worker, .. } = self.build;
        let parts = [
            VERSION.as_bytes(),
            self.tree.as_bytes(),
            self.prefix.as_os_str().as_encoded_bytes(),
            command.as_bytes(),
            worker.as_os_str().as_encoded_bytes(),
            target.as_bytes(),
        ];
        let mut hasher = Sha256::new();
        for part in parts {
            // With its length before it, no part can pose as the end of another.
            hasher.update((part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The cache, if there is a place for one.
#[derive(Debug, Clone)]
pub struct Cache {
    engines: PathBuf,
}

impl Cache {
    /// The cache in `folder`, which need not exist.
    #[must_use]
    pub fn in_folder(folder: &Path) -> Self {
        Self { engines: folder.join("engines") }
    }

    /// Copies the worker that was built from `origin` to `to`, if there is one and it is whole.
    #[must_use]
    pub fn take(&self, origin: &Origin<'_>, to: &Path) -> bool {
        let entry = self.engines.join(origin.key());
        let Some(kept) = executable_in(&entry) else {
            return false;
        };
        let is_whole = || {
            fs::copy(&kept, to).ok()?;
            let (_, found) = config::executable(to).ok()?;
            (kept.file_name()? == found.as_str()).then_some(())
        };
        if is_whole().is_none() {
            // Damaged: it is built again, and put in its place.
            _ = fs::remove_file(to);
            _ = fs::remove_dir_all(&entry);
            return false;
        }
        // The time of its last use decides what is kept; where it cannot be set, that of its making does.
        _ = File::open(&entry).and_then(|folder| folder.set_modified(SystemTime::now()));
        true
    }

    /// Keeps `worker` as built from `origin`, and removes what was not used for longest.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn put(&self, origin: &Origin<'_>, worker: &Path, sha256: &str) -> io::Result<()> {
        fs::create_dir_all(&self.engines)?;
        let new = tempfile::Builder::new().prefix(UNDER_WAY).tempdir_in(&self.engines)?;
        fs::copy(worker, new.path().join(sha256))?;
        let entry = self.engines.join(origin.key());
        match fs::rename(new.path(), &entry) {
            // Nothing is left of the temporary folder to be removed.
            Ok(()) => drop(new.keep()),
            // Another run was faster, with a worker of the same origin.
            Err(_) if executable_in(&entry).is_some() => {}
            Err(error) => return Err(error),
        }
        self.evict();
        Ok(())
    }

    fn evict(&self) {
        let mut entries: Vec<(SystemTime, PathBuf)> = Vec::new();
        for entry in fs::read_dir(&self.engines).into_iter().flatten().flatten() {
            let Ok(used) = entry.metadata().and_then(|metadata| metadata.modified()) else { continue };
            if !entry.file_name().to_string_lossy().starts_with(UNDER_WAY) {
                entries.push((used, entry.path()));
            } else if used.elapsed().is_ok_and(|age| age > ABANDONED) {
                _ = fs::remove_dir_all(entry.path());
            }
        }
        entries.sort();
        let surplus = entries.len().saturating_sub(KEPT);
        for (_, entry) in &entries[..surplus] {
            _ = fs::remove_dir_all(entry);
        }
    }
}

/// The one file of an entry.
fn executable_in(entry: &Path) -> Option<PathBuf> {
    let mut files = fs::read_dir(entry).ok()?;
    let only = files.next()?.ok()?;
    files.next().is_none().then(|| only.path())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::base::testing;

    #[test]
    fn the_folder_follows_the_environment() {
        let of = |variables: &[(&str, &str)]| {
            let variables: BTreeMap<_, _> = variables.iter().copied().collect();
            folder(|name| variables.get(name).map(OsString::from))
        };
        let path = |path: &str| Some(PathBuf::from(path));
        assert_eq!(of(&[("TOLLGATE_CACHE_DIR", "c"), ("XDG_CACHE_HOME", "/x"), ("HOME", "/h")]), path("c"));
        assert_eq!(of(&[("TOLLGATE_CACHE_DIR", ""), ("XDG_CACHE_HOME", "/x"), ("HOME", "/h")]), path("/x/tollgate"));
        assert_eq!(of(&[("XDG_CACHE_HOME", "x"), ("HOME", "/h")]), path("/h/.cache/tollgate"));
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn every_part_of_the_origin_is_part_of_the_name() {
        let build = testing::build("make", "out/w");
        let origin = Origin { tree: "t", prefix: Path::new("p"), build: &build };
        let (command, worker) = (testing::build("make ", "out/w"), testing::build("make", "out/v"));
        let shifted = testing::build("mak", "eout/w");
        let keys = [
            origin,
            Origin { tree: "u", ..origin },
            Origin { prefix: Path::new(""), ..origin },
            Origin { tree: "tp", prefix: Path::new(""), ..origin },
            Origin { build: &command, ..origin },
            Origin { build: &worker, ..origin },
            Origin { build: &shifted, ..origin },
        ]
        .map(|origin| origin.key());
        let different: std::collections::BTreeSet<_> = keys.iter().collect();
        assert_eq!(different.len(), keys.len());
    }

    /// A cache, a worker and its checksum.
    fn fixture() -> (tempfile::TempDir, Cache, PathBuf, String) {
        let folder = tempfile::tempdir().unwrap();
        let worker = folder.path().join("worker");
        testing::write_executable(&worker, "#!/bin/sh\n");
        let (_, sha256) = config::executable(&worker).unwrap();
        let cache = Cache::in_folder(&folder.path().join("cache"));
        (folder, cache, worker, sha256)
    }

    #[test]
    fn what_was_put_in_is_taken_out() {
        let (folder, cache, worker, sha256) = fixture();
        let build = testing::build("make", "w");
        let origin = Origin { tree: "t", prefix: Path::new(""), build: &build };
        let to = folder.path().join("copy");
        assert!(!cache.take(&origin, &to));
        cache.put(&origin, &worker, &sha256).unwrap();
        // A second one of the same origin is no error.
        cache.put(&origin, &worker, &sha256).unwrap();
        assert!(cache.take(&origin, &to));
        assert_eq!(config::executable(&to).unwrap().1, sha256);
        assert!(!cache.take(&Origin { tree: "u", ..origin }, &folder.path().join("other")));
        assert_eq!(fs::read_dir(&cache.engines).unwrap().count(), 1, "nothing under way is left");
    }

    #[test]
    fn a_damaged_entry_is_no_entry() {
        let (folder, cache, worker, sha256) = fixture();
        let build = testing::build("make", "w");
        let origin = Origin { tree: "t", prefix: Path::new(""), build: &build };
        cache.put(&origin, &worker, &sha256).unwrap();
        let kept = cache.engines.join(origin.key()).join(&sha256);
        fs::write(&kept, "#!/bin/s").unwrap();
        let to = folder.path().join("copy");
        assert!(!cache.take(&origin, &to));
        assert!(!to.exists() && !kept.exists());
        cache.put(&origin, &worker, &sha256).unwrap();
        assert!(cache.take(&origin, &to));
    }

    #[test]
    fn those_used_last_are_kept() {
        let (folder, cache, worker, sha256) = fixture();
        let build = testing::build("make", "w");
        let trees: Vec<String> = (0..=KEPT).map(|tree| format!("tree {tree}")).collect();
        let of = |tree: &str, act: &dyn Fn(&Origin<'_>)| act(&Origin { tree, prefix: Path::new(""), build: &build });
        let age = |tree: &str, seconds: u64| {
            of(tree, &|origin| {
                let entry = File::open(cache.engines.join(origin.key())).unwrap();
                entry.set_modified(SystemTime::now() - Duration::from_secs(seconds)).unwrap();
            });
        };
        for (index, tree) in trees[..KEPT].iter().enumerate() {
            of(tree, &|origin| cache.put(origin, &worker, &sha256).unwrap());
            age(tree, 1000 - index as u64);
        }
        // The oldest is used again, so that the second one is the one to go.
        let to = folder.path().join("copy");
        of(&trees[0], &|origin| assert!(cache.take(origin, &to)));
        of(&trees[KEPT], &|origin| cache.put(origin, &worker, &sha256).unwrap());
        assert_eq!(fs::read_dir(&cache.engines).unwrap().count(), KEPT);
        for (index, tree) in trees.iter().enumerate() {
            of(tree, &|origin| assert_eq!(cache.take(origin, &to), index != 1, "{tree}"));
        }
    }

    #[test]
    fn a_cache_that_cannot_be_written_says_so() {
        let (folder, _, worker, sha256) = fixture();
        let build = testing::build("make", "w");
        let origin = Origin { tree: "t", prefix: Path::new(""), build: &build };
        let cache = Cache::in_folder(&folder.path().join("worker/no-folder"));
        assert!(cache.put(&origin, &worker, &sha256).is_err());
        assert!(!cache.take(&origin, &folder.path().join("copy")));
    }
}
