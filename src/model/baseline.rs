//! The committed baseline of one backend on one target. How it is stored is `crate::baseline`'s business.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::ids::{BackendId, SampleId};
use super::machine::{RunnerClass, Target};
use super::sample::BackendOptions;
use super::stage::{Metric, Stage};
use super::units::Bytes;

/// What one backend measured on one target when it was last accepted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    pub backend: BackendId,
    pub target: Target,
    pub provenance: Provenance,
    /// Where the time ratios were measured.
    pub runner: RunnerClass,
    /// What the time ratios are ratios to.
    pub reference: TimeReference,
    /// How far ratios of the same code lie apart between runs.
    pub spread: BTreeMap<Stage, Spread>,
    /// How far pairs of launches of one run scatter, from the runs so far.
    pub scatter: BTreeMap<Stage, Scatter>,
    /// Accepted changes, oldest first.
    pub changes: Vec<Change>,
    pub cells: BTreeMap<BaselineKey, Entry>,
}

/// Where the figures come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// Version of Tollgate.
    pub tollgate: String,
    /// Engine and version as the worker says, e.g. `wasmer 7.4.2`.
    pub engine: String,
    pub compiler: String,
    pub options: BackendOptions,
}

/// The denominator of committed times.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TimeReference {
    /// The yardstick kernels, of this version; measured in the same launch.
    Yardstick { version: u32 },
    /// A pinned reference worker, by the SHA-256 of its executable; measured in the same blocks.
    Worker { sha256: String },
}

/// Deviation of one run about what runs of unchanged code have in common, as the logarithm of the ratio, pooled over the
/// cells of a stage. Two runs lie apart by √2 of it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    pub deviation: f64,
    /// Runs that went into it.
    pub runs: u32,
}

/// Deviation of the logarithm of the ratio of one pair of launches, within a run, that is typical of the cells of a stage: what
/// the deviations of later runs are shrunk towards.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Scatter {
    pub deviation: f64,
    /// Degrees of freedom that went into it: pairs of launches less one for each cell.
    pub freedom: u32,
}

/// One accepted update.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Calendar date, `YYYY-MM-DD`.
    pub date: String,
    /// The commit that was measured, if the baseline lies in a git repository; `-dirty` is appended for local changes.
    pub commit: Option<String>,
    pub reason: Option<String>,
    pub added: u32,
    pub removed: u32,
    pub tightened: u32,
    pub loosened: u32,
}

/// A cell within its baseline file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BaselineKey {
    pub sample: SampleId,
    pub stage: Stage,
    pub metric: Metric,
}

impl fmt::Display for BaselineKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.sample, self.stage, self.metric)
    }
}

impl TryFrom<String> for BaselineKey {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let mut parts = text.rsplitn(3, '/');
        let (Some(metric), Some(stage), Some(sample)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(format!("`{}` is not sample/stage/metric", text.escape_debug()));
        };
        let sample = SampleId::new(sample).map_err(|error| format!("`{}`: {error}", text.escape_debug()))?;
        Ok(Self { sample, stage: stage.parse()?, metric: metric.parse()? })
    }
}

impl From<BaselineKey> for String {
    fn from(key: BaselineKey) -> Self {
        key.to_string()
    }
}

/// What was accepted for a cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Entry {
    /// Of `time`: the geometric mean over launches of stage time by reference time.
    Time {
        ratio: f64,
        /// Deviation of one launch's logarithm of the ratio.
        deviation: f64,
        launches: u32,
    },
    /// Of `size` and `memory`.
    Bytes(Bytes),
    /// Of `instructions`.
    Count(u64),
    /// Of `score`, as a ratio to the reference.
    Score { ratio: f64, deviation: f64, launches: u32 },
    /// The backend could not do this stage, for the given reason. Its metric is `time`.
    Unsupported(String),
}
