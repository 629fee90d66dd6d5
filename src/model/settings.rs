//! What the user decides about judging: thresholds and which verdicts fail the run.

use std::collections::{BTreeMap, BTreeSet};

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
    /// By how much merely relinking an engine moves the time of a stage, as a fraction: within it, a change of time that nothing
    /// else supports is no regression. A stage that is absent has none.
    #[serde(default)]
    pub layout_allowances: BTreeMap<Stage, f64>,
}

/// What can be made to fail a run. `broken` always does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailOn {
    Regressed,
    Inconclusive,
    Missing,
    /// No verdict on a cell: the change allows more than the base revision did.
    Loosened,
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

/// How much is measured in one launch. The launch is the unit of replication, so many short launches tell more than few
/// long ones; the defaults keep a launch of a mid-sized module near a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effort {
    /// Shortest batch.
    pub min_batch: Nanos,
    /// Observations of one stage at most; their median is the launch's figure.
    pub max_observations: u32,
    /// Time for the observations of one stage, without preparation.
    pub time_cap: Nanos,
    /// Rounds of the yardstick before the first stage.
    pub yardsticks_before: u32,
    /// Rounds of the yardstick after each stage.
    pub yardsticks_after: u32,
    /// Blocks of one stage at most in a pair of launches; an even number, so that each side is first equally often.
    #[serde(default)]
    pub max_blocks: u32,
    /// Time for the blocks of one stage, both sides together, without preparation.
    #[serde(default)]
    pub block_time_cap: Nanos,
}

impl Default for Effort {
    fn default() -> Self {
        Self {
            // Ten laps of a thousand times what reading the clock costs. Pairs of launches with batches of twice and of half that
            // scatter by about as much, and take twice and two thirds as long.
            min_batch: Nanos(500_000),
            // Beyond some fifteen, the scatter between launches outweighs what further ones within a launch add.
            max_observations: 15,
            time_cap: Nanos(150_000_000),
            yardsticks_before: 3,
            yardsticks_after: 1,
            // Over 16, 12, 8 and 4 blocks, pairs of launches of our samples scattered by 1.2, 1.2, 1.3 and 1.6 % (mean of the stages
            // but compile) where the quickest lap of each batch counts, and by 1.3, 1.5, 1.7 and 2.5 % without laps: the rest is the
            // launch's own, and more launches say more of it than more blocks.
            max_blocks: 12,
            block_time_cap: Nanos(400_000_000),
        }
    }
}
