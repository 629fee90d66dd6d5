//! A plan that several machines measure: which part a run is, and what its parts came to once they are put together.
//!
//! Invariants: the parts are disjoint, and together they are the whole plan; every sample is in one part with all of its backends. A part that was not measured to its end is never taken
//! for one that was.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::machine::Machine;
use super::results::{End, PlannedPair};
use super::verdict::Failure;

/// The part of a plan that a run measures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// Which of the parts, from 1.
    pub number: u32,
    /// The whole plan, split. Comparisons with a base are left as by default: every run finds them out for its own part.
    pub parts: Vec<Vec<PlannedPair>>,
}

impl Shard {
    /// How many parts there are.
    #[must_use]
    pub fn of(&self) -> u32 {
        u32::try_from(self.parts.len()).unwrap_or(u32::MAX)
    }

    /// The pairs of this part; none where the number is that of no part.
    #[must_use]
    pub fn own(&self) -> &[PlannedPair] {
        self.index().and_then(|at| self.parts.get(at)).map_or(&[], Vec::as_slice)
    }

    /// The pairs that other runs measure.
    pub fn elsewhere(&self) -> impl Iterator<Item = &PlannedPair> {
        let own = self.index();
        self.parts.iter().enumerate().filter(move |(at, _)| Some(*at) != own).flat_map(|(_, part)| part)
    }

    fn index(&self) -> Option<usize> {
        usize::try_from(self.number).ok()?.checked_sub(1)
    }
}

/// One of the shards that results were put together from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MergedShard {
    /// Its part of the plan.
    pub part: Vec<PlannedPair>,
    pub state: ShardState,
}

/// What became of a shard.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ShardState {
    /// Its launches are among those of the results.
    Measured(ShardRun),
    /// It counts as not measured, for this reason.
    Faulty(Failure),
}

/// What the runs of shards differ in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ShardRun {
    /// Start of the run, RFC 3339 in UTC.
    pub started: String,
    /// Source of every random choice in it.
    pub seed: u64,
    pub machine: Machine,
    pub end: End,
}

/// Why a shard counts as not measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ShardFault {
    /// Its results are not there.
    Missing,
    /// There are several results of it, of which nobody knows the right one.
    Doubled,
    /// It was stopped.
    Interrupted,
    /// It left a journal and no results.
    Died,
}

impl fmt::Display for ShardFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "is missing",
            Self::Doubled => "is there more than once",
            Self::Interrupted => "was interrupted",
            Self::Died => "died before its end",
        })
    }
}
