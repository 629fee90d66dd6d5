//! Where baseline files lie, and how they are read and replaced. The only part of `baseline` that touches the file
//! system.
//!
//! Invariants: a reader sees the old file or the new one, whole, whatever happens to the writer and whenever; one
//! process at a time writes in a folder; a file that the reader would refuse is never written; what a killed writer
//! left behind is removed by the next one. Knows nothing of what an update is.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use crate::model::baseline::Baseline;
use crate::model::ids::BackendId;
use crate::model::machine::Target;
use crate::model::units::Bytes;

use super::error::{BaselineError, Problem, Problems};
use super::{render, schema};

/// Largest file that is read, in bytes: a line of a cell takes 50 to 100, so this is room for some 200 000 cells,
/// where 125 samples have 2 000. What is larger is no baseline, and is not taken into memory.
pub const MAX_FILE: u64 = 16 << 20;

/// How often, and how long between, a writer asks for the lock of a folder that another one holds. Writing takes
/// milliseconds; five seconds are patience enough with a slow disk.
const LOCK_ATTEMPTS: u32 = 50;
const LOCK_PAUSE: Duration = Duration::from_millis(100);

/// The file of a backend's baseline on a target: `<dir>/<arch>-<os>/<backend>.yml`.
///
/// A `/` in the backend's id becomes `~`, which no id contains: files of all backends lie beside each other, and no
/// two ids share one. Characters that do not belong into an architecture or a system become `_`.
#[must_use]
pub fn path_of(dir: &Path, backend: &BackendId, target: &Target) -> PathBuf {
    let part = |text: &str| text.replace(|c: char| !(c.is_ascii_alphanumeric() || c == '_'), "_");
    let folder = format!("{}-{}", part(&target.arch), part(&target.os));
    dir.join(folder).join(format!("{}.yml", backend.as_str().replace('/', "~")))
}

/// Reads the baseline of a backend on a target; `None` if it has none.
///
/// # Errors
/// When there is a file and it cannot be read, or is not a baseline of this backend and target in this version's
/// format.
pub fn read(dir: &Path, backend: &BackendId, target: &Target) -> Result<Option<Baseline>, BaselineError> {
    let path = path_of(dir, backend, target);
    let Some(text) = read_text(&path)? else { return Ok(None) };
    match schema::parse(&text, Some((backend, target))) {
        Ok(baseline) => Ok(Some(baseline)),
        Err(problems) => Err(BaselineError::Invalid { path, problems }),
    }
}

fn read_text(path: &Path) -> Result<Option<String>, BaselineError> {
    let failed = |source| BaselineError::Read { path: path.to_owned(), source };
    // Asked before opening, because opening a pipe would wait for its other end.
    match fs::metadata(path) {
        Ok(metadata) if !metadata.is_file() => return Err(BaselineError::NotAFile { path: path.to_owned() }),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    }
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let size = file.metadata().map_err(failed)?.len();
    let mut bytes = Vec::new();
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(failed)?;
    let size = size.max(bytes.len() as u64);
    if size > MAX_FILE {
        return Err(BaselineError::TooLarge { path: path.to_owned(), size: Bytes(size), limit: Bytes(MAX_FILE) });
    }
    String::from_utf8(bytes).map(Some).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line_start = valid.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        let problem = Problem {
            line: valid.iter().filter(|b| **b == b'\n').count() as u64 + 1,
            column: String::from_utf8_lossy(&valid[line_start..]).chars().count() as u64 + 1,
            message: "the file is not text in UTF-8 from here on".to_owned(),
        };
        BaselineError::Invalid { path: path.to_owned(), problems: Problems(vec![problem]) }
    })
}

/// Writes a baseline to its place, whatever lies there, and returns the place.
///
/// # Errors
/// When the system refuses a step, or the baseline could not be read again; the old file is unchanged then.
pub fn write(dir: &Path, baseline: &Baseline) -> Result<PathBuf, BaselineError> {
    write_if(dir, baseline, |_| Ok(()))
}

/// Writes a baseline to its place if `old` is still what lies there: the run was judged against it, and an update by
/// someone else in the meantime must not be undone. Returns the place.
///
/// # Errors
/// As [`write()`], and when the file is another one by now.
pub fn replace(dir: &Path, old: Option<&Baseline>, baseline: &Baseline) -> Result<PathBuf, BaselineError> {
    write_if(dir, baseline, |path| {
        let found = read(dir, &baseline.backend, &baseline.target)?;
        // As texts: a baseline that came back from a saved run may differ in the last bit of a float.
        if found.as_ref().map(render::render) == old.map(render::render) {
            Ok(())
        } else {
            Err(BaselineError::ChangedMeanwhile { path: path.to_owned() })
        }
    })
}

fn write_if(
    dir: &Path,
    baseline: &Baseline,
    check: impl FnOnce(&Path) -> Result<(), BaselineError>,
) -> Result<PathBuf, BaselineError> {
    let place = path_of(dir, &baseline.backend, &baseline.target);
    let text = render::render(baseline);
    if let Err(problems) = schema::parse(&text, Some((&baseline.backend, &baseline.target))) {
        return Err(BaselineError::Unrepresentable { path: place, problems });
    }
    let size = text.len() as u64;
    if size > MAX_FILE {
        return Err(BaselineError::TooLarge { path: place, size: Bytes(size), limit: Bytes(MAX_FILE) });
    }
    let failed = |step| {
        let path = place.clone();
        move |source| BaselineError::Write { path, step, source }
    };
    let folder = place.parent().unwrap_or(dir);
    fs::create_dir_all(folder).map_err(failed("create the folder"))?;
    // Through a symbolic link, the file that it names is replaced, not the link.
    let path = match fs::canonicalize(&place) {
        Ok(path) => path,
        Err(error) if error.kind() == io::ErrorKind::NotFound => place.clone(),
        Err(error) => return Err(failed("find the file")(error)),
    };
    let folder = File::open(path.parent().unwrap_or(dir)).map_err(failed("open the folder"))?;
    lock(&folder, &place, LOCK_ATTEMPTS)?;
    check(&place)?;
    let old = match fs::metadata(&path) {
        Ok(old) if !old.is_file() => return Err(BaselineError::NotAFile { path: place }),
        Ok(old) if old.permissions().readonly() => return Err(BaselineError::ReadOnly { path: place }),
        Ok(old) => Some(old.permissions()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(failed("look at the old file")(error)),
    };
    let temporary = temporary_of(&path);
    let done = fill(&temporary, &text, old)
        .map_err(failed("write the new file beside it"))
        .and_then(|()| fs::rename(&temporary, &path).map_err(failed("put the new file in its place")));
    if let Err(error) = done {
        // The error that matters is the one already there; the next writer removes what this cannot.
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    // The new file is in place. Some file systems cannot flush a folder; the rename is theirs to keep then.
    let _ = folder.sync_all();
    Ok(place)
}

/// The name under which a new file is written before it takes the place of `path`. One fixed name, so that a killed
/// writer leaves at most one file behind, which the next one removes; the folder's lock keeps two writers from sharing
/// it.
fn temporary_of(path: &Path) -> PathBuf {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    path.with_file_name(format!(".{name}.tmp"))
}

/// Writes a new file and flushes it to the disk. Never follows what already lies there under its name.
fn fill(path: &Path, text: &str, permissions: Option<fs::Permissions>) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(text.as_bytes())?;
    if let Some(permissions) = permissions {
        file.set_permissions(permissions)?;
    }
    file.sync_all()
}

/// Takes the folder's lock, which the system releases when the folder is closed or the process dies.
fn lock(folder: &File, place: &Path, attempts: u32) -> Result<(), BaselineError> {
    for attempt in 0..attempts {
        if attempt > 0 {
            thread::sleep(LOCK_PAUSE);
        }
        match folder.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) => {}
            // Where the file system has no locks, a single writer is assumed; replacing the file is atomic all the
            // same.
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => return Ok(()),
            Err(TryLockError::Error(source)) => {
                return Err(BaselineError::Write { path: place.to_owned(), step: "lock the folder", source });
            }
        }
    }
    Err(BaselineError::Busy { path: place.to_owned() })
}

#[cfg(test)]
mod tests;
