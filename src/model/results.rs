//! `results.json`: raw observations, seed, schedule and environment; all that judging and reporting need.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::baseline::{Baseline, TimeReference};
use super::ids::{BackendId, SampleId};
use super::loosening::Loosening;
use super::machine::Machine;
use super::observation::Launch;
use super::sample::{BackendSpec, Sample};
use super::settings::{Effort, Settings};
use super::shard::{MergedShard, Shard};
use super::stage::Stage;
use super::units::Nanos;

/// Version of the results format; raised when a reader of the old one would misread the new one.
pub const RESULTS_VERSION: u32 = 1;

/// Everything a run knows before and after measuring.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Results {
    pub header: Header,
    pub launches: Vec<Launch>,
    pub end: End,
}

/// What is fixed before the first launch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// [`RESULTS_VERSION`].
    pub version: u32,
    /// Version of Tollgate.
    pub tollgate: String,
    /// Commit under test, if known.
    pub commit: Option<String>,
    /// Start of the run, RFC 3339 in UTC.
    pub started: String,
    /// Source of every random choice.
    pub seed: u64,
    /// Version of the yardstick kernels that the launches read.
    pub yardstick: u32,
    pub effort: Effort,
    pub machine: Machine,
    pub settings: Settings,
    pub samples: Vec<Sample>,
    pub backends: Vec<BackendSpec>,
    pub plan: Vec<PlannedPair>,
    /// The baselines as they were read for this run; a backend without a file is absent.
    pub baselines: BTreeMap<BackendId, Baseline>,
    /// What the head is compared with in this very run, if with anything.
    #[serde(default)]
    pub base: Option<Base>,
    /// What this revision loosens against the base; absent where no base revision was there to be compared with.
    #[serde(default)]
    pub loosening: Option<Loosening>,
    /// Which part of a larger plan `plan` is; absent where it is all of it.
    #[serde(default)]
    pub shard: Option<Shard>,
    /// The shards that these results were put together from, by number; empty where one run measured everything. Start, seed and
    /// machine of the header are then those of one of them.
    #[serde(default)]
    pub merged: Vec<MergedShard>,
}

impl Header {
    /// What this run's times are ratios to, where they are to be committed: the reference worker where there is one, else the
    /// yardstick.
    #[must_use]
    pub fn time_reference(&self) -> TimeReference {
        match self.base.as_ref().map(|base| &base.kind) {
            Some(BaseKind::Reference { sha256 }) => TimeReference::Worker { sha256: sha256.clone() },
            Some(BaseKind::Worker { .. } | BaseKind::Revision { .. } | BaseKind::Itself) | None => {
                TimeReference::Yardstick { version: self.yardstick }
            }
        }
    }
}

/// The other side of a paired run: what was measured in the same blocks as the head.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Base {
    pub kind: BaseKind,
    /// Samples and backends as they are on that side; what is absent there has no base.
    pub samples: Vec<Sample>,
    pub backends: Vec<BackendSpec>,
}

/// Where the base comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BaseKind {
    /// A worker executable that stands in for the built-in engine, by the SHA-256 of its file.
    Worker { sha256: String },
    /// A revision of the repository, as it was named, and the commit that this is.
    Revision { name: String, commit: String },
    /// The pinned reference worker of the configuration, to which committed times are ratios.
    Reference { sha256: String },
    /// The head itself: whatever differs is noise.
    Itself,
}

/// A sample on a backend with the stages planned for it, in the order of measuring.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PlannedPair {
    pub sample: SampleId,
    pub backend: BackendId,
    pub stages: Vec<Stage>,
    /// What the head is compared with, beside the baseline.
    #[serde(default)]
    pub comparison: Comparison,
}

/// How a planned pair stands to the base of the run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Comparison {
    /// There is no base, or none of this sample on this backend: the head is launched alone.
    #[default]
    Alone,
    /// Base and head are launched in pairs.
    Paired,
    /// Engine, module, options and the way to run are the same on both sides: nothing can differ, nothing is launched.
    Same,
    /// The same on both sides, but for what it is held to: the baseline or a tolerance was edited. The head is launched alone.
    Edited,
}

/// How the run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    pub reason: EndReason,
    /// Wall time of measuring as a whole, launches and everything between them.
    pub elapsed: Nanos,
}

/// Why no more launches were made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EndReason {
    /// Every cell was decided or had its full share of launches.
    Complete,
    /// The budget was used up while cells were open.
    Budget,
    /// Stopped by the user.
    Interrupted,
    /// Recovered from the journal of a run that died.
    Died,
}
