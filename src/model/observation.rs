//! What a worker reports: observations of stages and yardsticks, grouped by launch.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::ids::{BackendId, SampleId};
use super::stage::Stage;
use super::units::{Bytes, Nanos};
use super::verdict::Failure;

/// One timed batch, with what tells a disturbed batch from a quiet one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    /// Operations in the batch; at least one.
    pub batch: u32,
    /// Wall time of the whole batch.
    pub wall: Nanos,
    /// Processor time of the whole process over the batch.
    pub cpu: Nanos,
    /// Context switches because the process waited.
    pub voluntary: u32,
    /// Context switches because another process wanted the core.
    pub involuntary: u32,
    pub minor_faults: u32,
    pub major_faults: u32,
    /// The quickest part of a batch that was timed in parts; absent where it was not, as by older workers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lap: Option<Lap>,
}

/// A part of a batch. What disturbs a batch for microseconds (an interrupt, a neighbour on the core's other thread, a page taken from the
/// host) disturbs some of its laps, and the quickest one hardly ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lap {
    /// Operations in the part; at least one.
    pub operations: u32,
    /// Wall time of the part.
    pub wall: Nanos,
}

impl Lap {
    /// Wall time of one operation in nanoseconds.
    #[must_use]
    pub fn per_operation(&self) -> f64 {
        self.wall.as_f64() / f64::from(self.operations.max(1))
    }
}

impl Observation {
    /// Wall time of one operation in nanoseconds.
    #[must_use]
    pub fn per_operation(&self) -> f64 {
        self.wall.as_f64() / f64::from(self.batch.max(1))
    }

    /// Whether other work took the core: switched out against its will, and more wall than processor time went by
    /// than [`DISTURBED_SHARE`] explains.
    #[must_use]
    pub fn is_disturbed(&self) -> bool {
        self.involuntary > 0 && self.wall.as_f64() > self.cpu.as_f64() * (1.0 + DISTURBED_SHARE)
    }
}

/// Share of wall time beyond processor time from which a preempted batch counts as disturbed. One scheduler tick of
/// interrupt work per batch stays below it; a lost time slice (3 ms or more) does not, for any batch under 150 ms.
pub const DISTURBED_SHARE: f64 = 0.02;

/// Version of the yardstick kernels; raised with every change to them, because committed ratios are ratios to their times.
pub const YARDSTICK_VERSION: u32 = 1;

/// The small frozen native kernels that say how fast this machine is right now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kernel {
    /// A dependent chain of integer multiplications, shifts and additions.
    Arithmetic,
    /// Dependent loads through a random cycle that fits the second-level cache.
    PointerChase,
    /// Sorting pseudo-random keys: unpredictable branches.
    BranchySort,
    /// Growing vectors, boxed nodes and a hash map, as compilers use them.
    AllocateAndHash,
}

impl Kernel {
    /// All kernels, in the order in which a worker runs them.
    pub const ALL: [Self; 4] = [Self::Arithmetic, Self::PointerChase, Self::BranchySort, Self::AllocateAndHash];
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Arithmetic => "arithmetic",
            Self::PointerChase => "pointer-chase",
            Self::BranchySort => "branchy-sort",
            Self::AllocateAndHash => "allocate-and-hash",
        })
    }
}

/// One reading of one kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct YardstickReading {
    pub kernel: Kernel,
    pub observation: Observation,
}

/// Which side of a comparison a launch belongs to.
///
/// Two launches of opposite sides with the same sample, backend and round are a pair: they took turns, and their
/// observations of a stage go together two by two, in blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    Base,
    Head,
    /// The base of a null control.
    ControlBase,
    /// The base again, in the head's place: whatever a null control shows is not the head's doing.
    ControlHead,
}

/// One worker process and all that it measured: the unit of replication.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Launch {
    /// Position in the schedule, from 0.
    pub id: u32,
    pub sample: SampleId,
    pub backend: BackendId,
    pub side: Side,
    /// The scheduling round, from 0.
    pub round: u32,
    /// From the start of the run to the start of the worker.
    pub offset: Nanos,
    /// From the start of the worker to its end.
    pub duration: Nanos,
    /// Part of `duration` that went into timed batches and yardsticks.
    pub measuring: Nanos,
    /// The core the worker was pinned to, where the system allows pinning.
    pub core: Option<u32>,
    /// What the engine says of itself, e.g. `wasmer 7.4.2`.
    pub engine: Option<String>,
    /// Imports that nobody provides and that were stubbed with traps, as `module.name`, sorted.
    pub stubbed_imports: Vec<String>,
    /// Yardstick readings in the order taken: before, between and after the stages.
    pub yardstick: Vec<YardstickReading>,
    pub stages: BTreeMap<Stage, StageRecord>,
    /// How the launch ended, if not well. The stages recorded until then stay valid.
    pub failure: Option<Failure>,
}

/// What one launch recorded of one stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageRecord {
    pub outcome: StageOutcome,
    /// Timed batches in the order taken; empty unless measured.
    pub observations: Vec<Observation>,
    /// Of `serialize`: the artifact.
    pub artifact: Option<Artifact>,
    /// Of `compile`, where the system can tell: resident memory around the first compile of the launch.
    pub memory: Option<MemoryReading>,
}

/// How a stage went in one launch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", content = "reason", rename_all = "kebab-case")]
pub enum StageOutcome {
    Measured,
    Unsupported(String),
}

/// The serialized artifact of a launch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    pub size: Bytes,
    /// Lower-case hexadecimal.
    pub sha256: String,
}

/// Resident memory around a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryReading {
    /// Resident before the stage.
    pub before: Bytes,
    /// High-water mark over the stage, reset just before it.
    pub peak: Bytes,
}

impl MemoryReading {
    /// What the stage added to the resident memory at its peak.
    #[must_use]
    pub fn growth(&self) -> Bytes {
        Bytes(self.peak.0.saturating_sub(self.before.0))
    }
}
