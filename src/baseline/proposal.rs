//! What an update is asked for and what it comes to: a new file for each backend, or why there is none.
//!
//! Plain values. Knows nothing of how they are found, which is `update`'s business, or written, which is `store`'s.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::model::baseline::{Baseline, BaselineKey};
use crate::model::ids::BackendId;

/// What the user says about an update.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Folder of the baselines; only named, never touched.
    pub dir: &'a Path,
    /// Calendar date of the run, `YYYY-MM-DD`.
    pub date: &'a str,
    /// The commit that was measured, if known.
    pub commit: Option<&'a str>,
    /// Why; blank is none.
    pub reason: Option<&'a str>,
    /// Leave every committed time as it is (`--keep-times`): for accepting exact metrics on a machine of another
    /// runner class.
    pub keep_times: bool,
    /// Record the spread also where no time is rewritten (`--record-spread`).
    pub record_spread: bool,
}

/// A new baseline file for one backend.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposal {
    pub path: PathBuf,
    pub backend: BackendId,
    /// The baseline that the run was judged against, as `store::replace` wants it.
    pub old: Option<Baseline>,
    pub old_text: Option<String>,
    pub new: Baseline,
    pub new_text: String,
    pub added: Vec<Moved>,
    pub removed: Vec<Moved>,
    /// Entries that allow less than before, or that are supported now.
    pub tightened: Vec<Moved>,
    /// Entries that allow more than before, or that are unsupported now.
    pub loosened: Vec<Moved>,
    /// Entries that the run says nothing usable about; they stay as they are.
    pub not_updated: Vec<NotUpdated>,
    /// What concerns the file as a whole, in plain words: another engine, another runner class.
    pub notes: Vec<String>,
}

impl Proposal {
    /// The entries that need a reason: loosened and removed ones, unless the whole file is new.
    pub fn weakened(&self) -> impl Iterator<Item = &Moved> {
        let has_old = self.old.is_some();
        self.loosened.iter().chain(&self.removed).filter(move |_| has_old)
    }
}

/// An entry that an update changes, and how, in plain words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    pub key: BaselineKey,
    pub change: String,
}

impl fmt::Display for Moved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.change)
    }
}

/// An entry that stays as it is although its cell is not what it was, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotUpdated {
    pub key: BaselineKey,
    pub why: String,
}

/// Why no baseline is proposed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UpdateRefused {
    /// The gate would allow more than before, and nobody said why.
    #[error("update baselines: these entries would be loosened or removed; say why with --reason TEXT:{}", lines(.0))]
    ReasonNeeded(Vec<(BackendId, Moved)>),
    /// Only some of the ratios could be replaced.
    #[error(
        "update the baseline of `{backend}`: its times come from {committed} and this run's from {measured}, which cannot \
         stand in one file, and this run has no usable time for {} of its cells ({}); run without filters and until \
         every cell is measured, or leave the times as they are with --keep-times",
        cells.len(),
        some_of(cells)
    )]
    MixedTimes { backend: BackendId, committed: String, measured: String, cells: Vec<BaselineKey> },
    /// The file would claim options for figures that were measured with others.
    #[error(
        "update the baseline of `{backend}`: its engine, compiler or options are other ones now, and {} of its cells ({}) \
         were not measured with them; run without filters and without --keep-times, or delete the file to begin a new one",
        cells.len(),
        some_of(cells)
    )]
    MixedOptions { backend: BackendId, cells: Vec<BaselineKey> },
}

fn lines(entries: &[(BackendId, Moved)]) -> String {
    entries.iter().map(|(backend, moved)| format!("\n  {backend}: {moved}")).collect()
}

fn some_of(keys: &[BaselineKey]) -> String {
    const SHOWN: usize = 3;
    let mut shown: Vec<_> = keys.iter().take(SHOWN).map(ToString::to_string).collect();
    if keys.len() > SHOWN {
        shown.push("…".to_owned());
    }
    shown.join(", ")
}
