//! `results.json`: raw observations, seed, schedule and environment; all that judging and reporting need.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::baseline::Baseline;
use super::ids::{BackendId, SampleId};
use super::machine::Machine;
use super::observation::Launch;
use super::sample::{BackendSpec, Sample};
use super::settings::{Effort, Settings};
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
}

/// A sample on a backend with the stages planned for it, in the order of measuring.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PlannedPair {
    pub sample: SampleId,
    pub backend: BackendId,
    pub stages: Vec<Stage>,
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
