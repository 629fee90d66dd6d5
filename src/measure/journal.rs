//! What a run leaves on disk: a journal while it measures, `results.json` once it is done, and the reading of both.
//!
//! Invariants: every launch is in the journal before the next one starts; `results.json` is complete or absent, at any
//! moment of a kill; the journal goes only after the results are safely in place; one run writes to a folder at a time.
//! A half-written last line, from a kill or a full disk, costs that launch alone. Does not know what the data mean.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::model::results::{End, EndReason, Header, RESULTS_VERSION};
use crate::model::{Launch, Nanos, Results};

/// The finished results of a run.
pub const RESULTS_FILE: &str = "results.json";
/// The launches of a run that is under way, or died: a header line, then one line a launch.
pub const JOURNAL_FILE: &str = "journal.jsonl";
/// The journal of a run that died, once the next run begins in the same folder.
pub const OLD_JOURNAL_FILE: &str = "journal.died.jsonl";

/// Largest file that is read. A launch takes some 10 KiB, so this holds a hundred thousand of them.
const MAX_FILE: u64 = 1 << 30;

/// Why results could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error("write {}: {source}; {}", shown(.path), remedy(.source))]
    Write { path: PathBuf, source: io::Error },
    #[error("{} is being written by another run; wait for it, or choose another folder with --out", shown(.0))]
    InUse(PathBuf),
    #[error("read {}: {source}; name a results.json, a journal.jsonl or a folder that holds one", shown(.path))]
    Read { path: PathBuf, source: io::Error },
    #[error("read {}: not a regular file; name a results.json, a journal.jsonl or a folder that holds one", shown(.0))]
    NotAFile(PathBuf),
    #[error("{} holds neither {RESULTS_FILE} nor {JOURNAL_FILE}; name the folder given to `tollgate run --out`", shown(.0))]
    NothingThere(PathBuf),
    #[error("{} has {size} bytes, of at most {MAX_FILE}; is it a file of Tollgate's?", shown(.path))]
    TooLarge { path: PathBuf, size: u64 },
    #[error("{} is empty: the run died before its first line was written; run again", shown(.0))]
    Empty(PathBuf),
    #[error("{}:{line}:{column}: {what}; is it complete, and a file of Tollgate's?", shown(.path))]
    Malformed { path: PathBuf, line: usize, column: usize, what: String },
    #[error(
        "{} has format {found} (written by tollgate {}), newer than the {RESULTS_VERSION} that this tollgate reads; \
         use tollgate {} or newer on it",
        shown(.path), .tollgate.escape_debug(), .tollgate.escape_debug()
    )]
    Newer { path: PathBuf, found: u32, tollgate: String },
    #[error(
        "{} has format {found} (written by tollgate {}), older than the {RESULTS_VERSION} that this tollgate reads; \
         use that version on it, or run again",
        shown(.path), .tollgate.escape_debug()
    )]
    Older { path: PathBuf, found: u32, tollgate: String },
}

fn shown(path: &Path) -> String {
    format!("`{}`", path.display().to_string().escape_debug())
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "allow writing there, or choose another folder with --out",
        io::ErrorKind::ReadOnlyFilesystem => "choose a folder on a writable file system with --out",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "free some space, or choose a folder on another disk with --out"
        }
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists | io::ErrorKind::IsADirectory => {
            "something of another kind stands in the way; remove it, or choose another folder with --out"
        }
        _ => "choose another folder with --out",
    }
}

/// The journal of a run under way, and the lock on its folder.
#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
    file: File,
    /// Bytes of whole lines: where the next line begins, whatever became of a failed one.
    length: u64,
}

impl Journal {
    /// Makes the folder, takes it for this run and writes the header. The journal of an earlier run that died is kept as
    /// [`OLD_JOURNAL_FILE`].
    ///
    /// # Errors
    /// When the folder cannot be written to, or another run is writing there.
    pub fn create(folder: &Path, header: &Header) -> Result<Self, JournalError> {
        let path = folder.join(JOURNAL_FILE);
        fs::create_dir_all(folder).map_err(|source| JournalError::Write { path: folder.to_owned(), source })?;
        let mut file = open_locked(&path)?;
        let write_error = |source| JournalError::Write { path: path.clone(), source };
        if file.metadata().map_err(write_error)?.len() > 0 {
            let old = folder.join(OLD_JOURNAL_FILE);
            fs::rename(&path, &old).map_err(|source| JournalError::Write { path: old, source })?;
            file = open_locked(&path)?;
        }
        let mut journal = Self { folder: folder.to_owned(), file, length: 0 };
        journal.write_line(header)?;
        Ok(journal)
    }

    /// Adds one launch. After an error the journal is as before the call, and later launches may be added.
    ///
    /// # Errors
    /// When the disk is full or fails. The caller warns once and goes on in memory.
    pub fn append(&mut self, launch: &Launch) -> Result<(), JournalError> {
        self.write_line(launch)
    }

    /// Writes `results.json` into the folder, which is made if need be, and removes the journal of the same run.
    ///
    /// # Errors
    /// When the disk is full or fails. The journal and an older `results.json` then stay as they are.
    pub fn finish(folder: &Path, results: &Results) -> Result<PathBuf, JournalError> {
        let path = folder.join(RESULTS_FILE);
        let write_error = |source| JournalError::Write { path: path.clone(), source };
        fs::create_dir_all(folder).map_err(|source| JournalError::Write { path: folder.to_owned(), source })?;
        replace(folder, &path, results).map_err(write_error)?;
        // A journal of another run stays, and so does one that cannot be removed: reading compares the headers.
        let journal = folder.join(JOURNAL_FILE);
        if is_journal_of(&journal, &results.header) {
            let _stays = fs::remove_file(journal);
        }
        Ok(path)
    }

    fn write_line(&mut self, value: &impl Serialize) -> Result<(), JournalError> {
        let outcome = serde_json::to_vec(value).map_err(io::Error::from).and_then(|mut line| {
            line.push(b'\n');
            self.file.seek(SeekFrom::Start(self.length))?;
            self.file.write_all(&line)?;
            Ok(line.len() as u64)
        });
        match outcome {
            Ok(written) => {
                self.length += written;
                Ok(())
            }
            Err(source) => {
                // Should this fail as well, the next line overwrites the half-written one, or reading drops it.
                let _half_line_stays = self.file.set_len(self.length);
                Err(JournalError::Write { path: self.folder.join(JOURNAL_FILE), source })
            }
        }
    }
}

fn open_locked(path: &Path) -> Result<File, JournalError> {
    let write_error = |source| JournalError::Write { path: path.to_owned(), source };
    // Not truncated: until the lock is held, the content is another run's.
    let file = OpenOptions::new().create(true).write(true).truncate(false).open(path).map_err(write_error)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(JournalError::InUse(path.to_owned())),
        // File systems without locks exist; two runs in one folder there are the user's to avoid.
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => Ok(file),
        Err(TryLockError::Error(source)) => Err(write_error(source)),
    }
}

/// Writes beside `path` and renames, so that the old file or the new one is there, and whole, at any moment.
fn replace(folder: &Path, path: &Path, results: &Results) -> io::Result<()> {
    // Readable by others as any file is (the umask still applies): a later step of a job may run as another user.
    let permissions = fs::Permissions::from_mode(0o666);
    let file = tempfile::Builder::new().prefix(".results-").permissions(permissions).tempfile_in(folder)?;
    let mut writer = BufWriter::new(&file);
    serde_json::to_writer(&mut writer, results)?;
    writer.write_all(b"\n")?;
    writer.flush()?;
    drop(writer);
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    File::open(folder)?.sync_all()
}

fn is_journal_of(journal: &Path, header: &Header) -> bool {
    let mut first = Vec::new();
    let read = File::open(journal).and_then(|file| BufReader::new(file).take(MAX_FILE).read_until(b'\n', &mut first));
    read.is_ok() && serde_json::from_slice::<Header>(&first).is_ok_and(|found| found == *header)
}

/// Results as read, with what a reader should be told about them.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    pub results: Results,
    /// The file that was read.
    pub path: PathBuf,
    pub warnings: Vec<String>,
}

/// Reads the results of a run from a `results.json`, from the journal of a run that died, or from a folder that holds
/// either. Of both in one folder, the journal counts unless it is of the same run: then a newer run died.
///
/// # Errors
/// When there is nothing to read, or it is malformed, too large or of another version.
pub fn read(path: &Path) -> Result<Loaded, JournalError> {
    let read_error = |source| JournalError::Read { path: path.to_owned(), source };
    if !fs::metadata(path).map_err(read_error)?.is_dir() {
        return read_file(path);
    }
    let (results, journal) = (path.join(RESULTS_FILE), path.join(JOURNAL_FILE));
    match (results.exists(), journal.exists()) {
        (false, false) => Err(JournalError::NothingThere(path.to_owned())),
        (true, false) => read_file(&results),
        (false, true) => read_file(&journal),
        (true, true) => read_newer(&results, &journal),
    }
}

fn read_newer(results: &Path, journal: &Path) -> Result<Loaded, JournalError> {
    let mut finished = match read_file(results) {
        Ok(finished) => finished,
        Err(error) => {
            let mut loaded = read_file(journal)?;
            loaded.warnings.push(format!("{error}; the journal beside it was read instead"));
            return Ok(loaded);
        }
    };
    match read_file(journal) {
        Ok(loaded) if loaded.results.header == finished.results.header => Ok(finished),
        Ok(mut loaded) => {
            let what = "a later run left its journal here and died; that journal was read, not the older";
            loaded.warnings.push(format!("{what} {}", shown(results)));
            Ok(loaded)
        }
        Err(error) => {
            finished.warnings.push(format!("a later run died here and left nothing to read: {error}"));
            Ok(finished)
        }
    }
}

fn read_file(path: &Path) -> Result<Loaded, JournalError> {
    let read_error = |source| JournalError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(read_error)?;
    let metadata = file.metadata().map_err(read_error)?;
    if !metadata.is_file() {
        return Err(JournalError::NotAFile(path.to_owned()));
    }
    if metadata.len() > MAX_FILE {
        return Err(JournalError::TooLarge { path: path.to_owned(), size: metadata.len() });
    }
    let mut bytes = Vec::new();
    BufReader::new(file).take(MAX_FILE).read_to_end(&mut bytes).map_err(read_error)?;
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(JournalError::Empty(path.to_owned()));
    }
    // The first line of a journal is a header by itself; no line of a results file is, however it was reformatted.
    let first = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    match serde_json::from_slice::<Version>(first) {
        Ok(version) => parse_journal(path, &bytes, &version),
        Err(_) => parse_results(path, &bytes),
    }
}

/// What of a header every version has.
#[derive(Deserialize)]
struct Version {
    version: u32,
    tollgate: String,
}

#[derive(Deserialize)]
struct Versioned {
    header: Version,
}

fn check_version(path: &Path, found: &Version) -> Result<(), JournalError> {
    let (path, tollgate) = (path.to_owned(), inert(&found.tollgate));
    match found.version {
        RESULTS_VERSION => Ok(()),
        found if found > RESULTS_VERSION => Err(JournalError::Newer { path, found, tollgate }),
        found => Err(JournalError::Older { path, found, tollgate }),
    }
}

fn malformed(path: &Path, lines_before: usize, error: &serde_json::Error) -> JournalError {
    let full = error.to_string();
    let position = format!(" at line {} column {}", error.line(), error.column());
    let what = inert(full.strip_suffix(&position).unwrap_or(&full));
    JournalError::Malformed { path: path.to_owned(), line: lines_before + error.line(), column: error.column(), what }
}

/// Text out of a file for an error: it stays on its line, and is no command to a terminal or to a runner that reads the log,
/// whose older form of commands counts anywhere in a line.
fn inert(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '"' | '\'' | '\\') {
            safe.push(c);
        } else {
            safe.extend(c.escape_debug());
        }
    }
    safe.replace("##[", "## [")
}

fn parse_results(path: &Path, bytes: &[u8]) -> Result<Loaded, JournalError> {
    let versioned: Versioned = serde_json::from_slice(bytes).map_err(|error| malformed(path, 0, &error))?;
    check_version(path, &versioned.header)?;
    let results = serde_json::from_slice(bytes).map_err(|error| malformed(path, 0, &error))?;
    Ok(Loaded { results, path: path.to_owned(), warnings: Vec::new() })
}

fn parse_journal(path: &Path, bytes: &[u8], version: &Version) -> Result<Loaded, JournalError> {
    check_version(path, version)?;
    let lines: Vec<Vec<u8>> = bytes
        .split(|byte| *byte == b'\n')
        .map(<[u8]>::to_vec)
        .enumerate()
        .filter_map(|(index, line)| (index == 0 || !line.iter().all(u8::is_ascii_whitespace)).then_some(line))
        .collect();
    let mut warnings = vec![format!("{} is the journal of a run that did not end", shown(path))];
    let (first, rest) = lines.split_first().map_or((&[][..], &[][..]), |(first, rest)| (first.as_slice(), rest));
    let header: Header = serde_json::from_slice(first).map_err(|error| malformed(path, 0, &error))?;
    let mut launches: Vec<Launch> = Vec::with_capacity(rest.len());
    for (index, line) in rest.iter().enumerate() {
        match serde_json::from_slice(line) {
            Ok(launch) => launches.push(launch),
            Err(_) if index + 1 == rest.len() => {
                warnings.push("its last launch was half written and is left out".into());
            }
            Err(error) => return Err(malformed(path, index + 1, &error)),
        }
    }
    let elapsed = launches.iter().map(|launch| launch.offset.0.saturating_add(launch.duration.0)).max().unwrap_or(0);
    let end = End { reason: EndReason::Died, elapsed: Nanos(elapsed) };
    Ok(Loaded { results: Results { header, launches, end }, path: path.to_owned(), warnings })
}
