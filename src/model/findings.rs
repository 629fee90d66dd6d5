//! What the judge found. Reports render this and compute nothing further.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::baseline::{Entry, Scatter};
use super::ids::{BackendId, Cell, SampleId};
use super::settings::Tolerance;
use super::stage::Stage;
use super::units::{Bytes, Nanos};
use super::verdict::{Failure, Verdict};

/// The judgement on a whole run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Findings {
    pub outcome: Outcome,
    /// Gating cells by verdict name; every verdict is present, also with 0.
    pub counts: BTreeMap<String, u32>,
    /// One entry a cell, sorted by cell.
    pub cells: Vec<CellFinding>,
    /// Worker failures, one for each sample and backend at most.
    pub failures: Vec<PairFailure>,
    pub tradeoffs: Vec<TradeOff>,
    /// Things a reader must know to believe the verdict, in plain words.
    pub notes: Vec<String>,
    pub spending: Spending,
    /// What the null controls of the run showed, by stage; empty without a base.
    #[serde(default)]
    pub controls: Vec<Control>,
    /// How far pairs of launches scattered in this run, by backend and stage: what an update adds to the baseline's.
    #[serde(default)]
    pub scatter: BTreeMap<BackendId, BTreeMap<Stage, Scatter>>,
}

/// The null controls of a stage, all samples and backends together: the base against itself in the head's schedule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Control {
    pub stage: Stage,
    /// Pairs of launches.
    pub pairs: u32,
    /// What they show, with its interval at 95 %; a true null is 0.
    pub change: Change,
    /// Whether this is more than chance explains and more than would do no harm.
    pub biased: bool,
    /// Of results put together from shards, the one that the controls were made in: what they show is of one machine.
    #[serde(default)]
    pub shard: Option<u32>,
}

/// What the whole run comes to; the exit code follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    Pass,
    /// Only where the settings make inconclusive or missing cells fail.
    Inconclusive,
    Regressed,
    Broken,
}

/// The judgement on one cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CellFinding {
    pub cell: Cell,
    pub verdict: Verdict,
    pub gating: Gating,
    /// What the head was compared with.
    #[serde(default)]
    pub against: Against,
    /// What the baseline leads one to expect on this machine, or what the base measured.
    pub base: Option<Quantity>,
    /// What was measured.
    pub head: Option<Quantity>,
    /// The entry that a baseline would hold for this measurement; absent where nothing of the cell is fit to be committed.
    /// The one place from which an update takes its figures.
    #[serde(default)]
    pub measured: Option<Entry>,
    pub change: Option<Change>,
    pub tolerance: Option<EffectiveTolerance>,
    /// Launches that went into the figure; of a comparison with the base, pairs of launches.
    pub launches: u32,
    /// What supports or weakens the verdict, in plain words.
    pub evidence: Vec<String>,
}

/// What a cell's figure was compared with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Against {
    /// The committed baseline.
    #[default]
    Baseline,
    /// The base, measured in the same run.
    Base,
}

/// Whether a cell's verdict counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "gating", content = "reason", rename_all = "kebab-case")]
pub enum Gating {
    /// Counts towards the outcome.
    Gates,
    /// Judged and shown, but does not fail the run, for this reason.
    Advisory(String),
    /// Shown for information; not judged.
    Information,
}

/// A figure with its unit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "unit", content = "value", rename_all = "kebab-case")]
pub enum Quantity {
    /// Nanoseconds for one operation.
    Nanoseconds(f64),
    Bytes(Bytes),
    Count(u64),
    Score(f64),
}

/// Relative change against the baseline, as fractions: 0.02 is 2 % more. For exact metrics the interval is a point.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Change {
    pub relative: f64,
    pub low: f64,
    pub high: f64,
}

/// The tolerance that was applied to a cell, and where it comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EffectiveTolerance {
    pub tolerance: Tolerance,
    /// Added to the relative tolerance for what runs differ by from day to day.
    pub widened_by: f64,
    pub origin: String,
    /// Share of the allowance that the change takes: 1 is all of it. Absent where the tolerance is zero.
    pub used: Option<f64>,
}

/// A launch that failed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PairFailure {
    pub sample: SampleId,
    pub backend: BackendId,
    pub failure: Failure,
}

/// One backend's standing, as geometric means over the samples that all backends measured; ratios to the best.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TradeOff {
    pub backend: BackendId,
    /// Samples that went into the means.
    pub samples: u32,
    pub compile: Option<f64>,
    pub size: Option<f64>,
    pub memory: Option<f64>,
    pub execute: Option<f64>,
}

/// Where the run's time went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spending {
    pub elapsed: Nanos,
    /// In timed batches and yardsticks.
    pub measuring: Nanos,
    /// In launches otherwise: starting workers, untimed preparation, checks of output.
    pub workers: Nanos,
    pub launches: u32,
}
