//! The artifact of a run of somebody else's code, taken as hostile: exactly one file of results comes out of it, or a reason.
//!
//! Invariants: nothing is written to a disk; the archive is held to the digest that the forge gives; it has one entry, a plain file
//! of the expected name without any folder; sizes are bounded before and while it is unpacked, whatever the archive says of them;
//! what it holds has every field that is read and no other, and is bounded in every number and text.

use std::io::{Cursor, Read as _};

use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use zip::{CompressionMethod, ZipArchive};

use super::context::Run;
use crate::model::Results;
use crate::model::results::RESULTS_VERSION;

/// Largest archive, in bytes. A launch takes some 10 KiB, of which a tenth is left when it is packed.
pub const MOST_PACKED: u64 = 32 << 20;
/// Largest results, in bytes: some six thousand launches.
pub const MOST_UNPACKED: u64 = 64 << 20;

/// The file that an artifact holds.
pub const FILE: &str = "results.json";

/// Longest text in results, in bytes: a worker's last words.
const LONGEST_TEXT: usize = 64 << 10;
/// Longest name of a field or key, in bytes: two ids, a stage and a metric.
const LONGEST_KEY: usize = 320;
/// Most entries of any list: launches of a large run.
const MOST_ENTRIES: usize = 100_000;
/// Most pairs of sample and backend, and most backends, for each of which a baseline is fetched.
const MOST_PAIRS: usize = 10_000;
const MOST_BACKENDS: usize = 64;
/// Most shards that a run is split into.
const MOST_SHARDS: usize = 256;

/// Why an artifact is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArtifactError {
    #[error("the run left {0} artifacts of that name that have not expired; upload one in each attempt")]
    Several(usize),
    #[error("the artifact is of another run than the one that ended")]
    Foreign,
    #[error("the artifact has {0} bytes, of at most {MOST_PACKED}")]
    TooLarge(u64),
    #[error("the artifact's bytes are not those of its digest; run the measuring workflow again")]
    Digest,
    #[error("the artifact's digest is of a kind that is not known")]
    UnknownDigest,
    #[error("the artifact is no zip archive, or a damaged one")]
    Archive,
    #[error("the artifact holds {0} entries; upload {FILE} alone")]
    Entries(usize),
    #[error("the artifact's entry is not a plain file called {FILE}; upload that file alone")]
    Name,
    #[error("the artifact's file is packed in a way that is not taken; use the forge's own upload action")]
    Packing,
    #[error("the artifact's file has more than {MOST_UNPACKED} bytes")]
    Inflated,
    #[error("{FILE} {0}")]
    Results(String),
}

/// An artifact as the forge lists it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Listed {
    pub id: u64,
    pub name: String,
    pub size_in_bytes: u64,
    pub expired: bool,
    /// Absent where the forge is older.
    #[serde(default)]
    pub digest: Option<String>,
    #[serde(default)]
    pub workflow_run: Option<ListedRun>,
}

/// The run that an artifact says it is of.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ListedRun {
    pub id: Option<u64>,
    pub head_sha: Option<String>,
}

/// The list, as the forge gives it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct List {
    pub artifacts: Vec<Listed>,
}

/// Picks the artifact called exactly `name` of a run; nothing where there is none that has not expired.
///
/// # Errors
/// When there are several, or it is another run's or too large.
pub fn pick<'l>(list: &'l List, name: &str, run: Run, head: &str) -> Result<Option<&'l Listed>, ArtifactError> {
    let named: Vec<_> = list.artifacts.iter().filter(|one| one.name == name && !one.expired).collect();
    let one = match named.as_slice() {
        [] => return Ok(None),
        [one] => *one,
        several => return Err(ArtifactError::Several(several.len())),
    };
    if let Some(of) = &one.workflow_run
        && (of.id.is_some_and(|id| id != run.id)
            || of.head_sha.as_ref().is_some_and(|sha| !sha.eq_ignore_ascii_case(head)))
    {
        return Err(ArtifactError::Foreign);
    }
    if one.size_in_bytes > MOST_PACKED {
        return Err(ArtifactError::TooLarge(one.size_in_bytes));
    }
    Ok(Some(one))
}

/// Takes the results out of an archive.
///
/// # Errors
/// When anything about it is not as it must be.
pub fn results(archive: &[u8], digest: Option<&str>) -> Result<Results, ArtifactError> {
    check_digest(archive, digest)?;
    parse(&unpack(archive)?)
}

fn check_digest(archive: &[u8], digest: Option<&str>) -> Result<(), ArtifactError> {
    let Some(digest) = digest else { return Ok(()) };
    let expected = digest.strip_prefix("sha256:").filter(|hex| hex.len() == 64).ok_or(ArtifactError::UnknownDigest)?;
    let found: String = Sha256::digest(archive).iter().map(|byte| format!("{byte:02x}")).collect();
    if found.eq_ignore_ascii_case(expected) { Ok(()) } else { Err(ArtifactError::Digest) }
}

fn unpack(archive: &[u8]) -> Result<Vec<u8>, ArtifactError> {
    let size = archive.len() as u64;
    if size > MOST_PACKED {
        return Err(ArtifactError::TooLarge(size));
    }
    let mut zip = ZipArchive::new(Cursor::new(archive)).map_err(|_| ArtifactError::Archive)?;
    // The library knows entries by name, and sees one of two that share theirs.
    let entries = entries(archive).unwrap_or(zip.len()).max(zip.len());
    if entries != 1 || zip.len() != 1 {
        return Err(ArtifactError::Entries(entries));
    }
    let entry = zip.by_index(0).map_err(|_| ArtifactError::Packing)?;
    // Byte for byte: no folder, no way up, no other spelling.
    if entry.name_raw() != FILE.as_bytes() || !entry.is_file() || entry.is_symlink() {
        return Err(ArtifactError::Name);
    }
    if entry.encrypted() || !matches!(entry.compression(), CompressionMethod::Stored | CompressionMethod::Deflated) {
        return Err(ArtifactError::Packing);
    }
    let mut content = Vec::new();
    // What the archive says of the size is its own claim.
    entry.take(MOST_UNPACKED + 1).read_to_end(&mut content).map_err(|_| ArtifactError::Archive)?;
    if content.len() as u64 > MOST_UNPACKED { Err(ArtifactError::Inflated) } else { Ok(content) }
}

/// How many entries the end of the directory counts; nothing where the count stands elsewhere, as in very large archives.
fn entries(archive: &[u8]) -> Option<usize> {
    let end = archive.windows(4).rposition(|window| window == b"PK\x05\x06")?;
    let count = archive.get(end + 10..end + 12)?;
    let count = u16::from_le_bytes(count.try_into().ok()?);
    (count != u16::MAX).then_some(usize::from(count))
}

fn parse(content: &[u8]) -> Result<Results, ArtifactError> {
    let odd = |what: String| ArtifactError::Results(what);
    // serde_json's own text may quote what is there; line and column say enough.
    let malformed = |error: serde_json::Error| odd(format!("is malformed at {}:{}", error.line(), error.column()));
    let given: Value = serde_json::from_slice(content).map_err(malformed)?;
    bounded(&given).map_err(|what| odd(what.to_owned()))?;
    let version = given.pointer("/header/version").and_then(Value::as_u64);
    if version != Some(u64::from(RESULTS_VERSION)) {
        return Err(odd(format!("is not of format {RESULTS_VERSION}; measure with this version of Tollgate")));
    }
    let results: Results = serde_json::from_slice(content).map_err(malformed)?;
    let header = &results.header;
    if header.shard.is_some() {
        return Err(odd("is one shard of a run; merge the shards, and upload what they come to".to_owned()));
    }
    if header.plan.len() > MOST_PAIRS || header.backends.len() > MOST_BACKENDS || header.merged.len() > MOST_SHARDS {
        return Err(odd("plans more than any run does".to_owned()));
    }
    let known = serde_json::to_value(&results).map_err(|_| odd("holds a number that is not finite".to_owned()))?;
    if !has_no_other(&given, &known) {
        return Err(odd(
            "holds fields that this version of Tollgate does not know; measure with this version".to_owned()
        ));
    }
    Ok(results)
}

/// Whether texts, keys and lists are no longer than ours.
fn bounded(value: &Value) -> Result<(), &'static str> {
    match value {
        Value::String(text) if text.len() > LONGEST_TEXT => Err("holds a text that is longer than any"),
        Value::Array(list) if list.len() > MOST_ENTRIES => Err("holds a list that is longer than any"),
        Value::Array(list) => list.iter().try_for_each(bounded),
        Value::Object(map) if map.len() > MOST_ENTRIES => Err("holds a mapping that is larger than any"),
        Value::Object(map) => map.iter().try_for_each(|(key, value)| {
            if key.len() > LONGEST_KEY { Err("holds a key that is longer than any") } else { bounded(value) }
        }),
        // What is too large for a number of its kind is malformed; JSON has no others.
        Value::String(_) | Value::Number(_) | Value::Bool(_) | Value::Null => Ok(()),
    }
}

/// Whether everything that is given was read: what reading left out is not written again.
fn has_no_other(given: &Value, known: &Value) -> bool {
    match (given, known) {
        (Value::Object(given), Value::Object(known)) => given.iter().all(|(key, value)| {
            // A field without a value may be left out.
            known.get(key).map_or(value.is_null(), |known| has_no_other(value, known))
        }),
        (Value::Array(given), Value::Array(known)) => {
            given.len() == known.len() && given.iter().zip(known).all(|(given, known)| has_no_other(given, known))
        }
        (Value::Object(_) | Value::Array(_), _) | (_, Value::Object(_) | Value::Array(_)) => false,
        _ => true,
    }
}

#[cfg(test)]
mod tests;
