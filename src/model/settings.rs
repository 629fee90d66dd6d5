//! What the user decides about judging: thresholds and which verdicts fail the run.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::stage::{Metric, Stage, Tier};
use super::units::{Bytes, Nanos};

/// The settings of a run, complete enough to judge its results again without the configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    pub tier: Tier,
    pub budget: Nanos,
    /// Stages selected for this run.
    pub stages: BTreeSet<Stage>,
    /// Globs of the samples and backends selected; empty means all.
    pub sample_globs: Vec<String>,
    pub backend_globs: Vec<String>,
    /// Rules in order; the last one that matches a cell holds. The built-in defaults come first, so every cell has one.
    pub thresholds: Vec<ThresholdRule>,
    pub fail_on: BTreeSet<FailOn>,
    pub limits: Limits,
}

/// Verdicts that can be made to fail a run. `broken` always does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailOn {
    Regressed,
    Inconclusive,
    Missing,
}

/// Limits on one worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// For each request.
    pub deadline: Nanos,
    /// Private memory of the worker.
    pub memory: Bytes,
}

/// The change that a cell may show and still pass.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Tolerance {
    /// As a fraction of the baseline: 0.02 is 2 %.
    pub relative: f64,
    /// A change of at most this many bytes passes whatever its share; size and memory only.
    pub absolute: Option<Bytes>,
}

/// A tolerance for the cells that match all the given parts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ThresholdRule {
    /// Glob over sample ids; absent matches all.
    pub sample: Option<String>,
    /// Glob over backend ids; absent matches all.
    pub backend: Option<String>,
    pub stage: Option<Stage>,
    pub metric: Option<Metric>,
    pub tolerance: Tolerance,
    /// Where the rule stands: `default` or `tollgate.yml:12`.
    pub origin: String,
}
