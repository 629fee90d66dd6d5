//! The worker protocol: JSON lines, one request on standard input, one reply on standard output.
//!
//! Invariants: the worker speaks first, with [`Hello`]; each reply carries the id of its request; only paths cross the
//! pipe, never modules; a request fully determines a measurement, so a worker needs no configuration, no environment
//! and no clock but a monotonic one. Any executable that speaks this is an engine. Shared by both ends, knows neither.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::model::observation::{Artifact, MemoryReading, YardstickReading};
use crate::model::sample::{BackendOptions, Run};
use crate::model::{Nanos, Observation, Stage};

/// Version of the protocol; both ends must agree on it exactly.
pub const PROTOCOL_VERSION: u32 = 1;

/// Longest line that either side accepts, in bytes. An `observations` list of the largest size asked for stays far below it.
pub const MAX_LINE: usize = 1 << 20;

/// What a worker says before anything is asked of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`PROTOCOL_VERSION`].
    pub protocol: u32,
    /// Engine and version, e.g. `wasmer 7.4.2`.
    pub engine: String,
    /// Compilers that this build of the engine has.
    pub compilers: Vec<String>,
}

/// A request with the id that its reply will carry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    pub id: u64,
    pub command: Command,
}

/// What can be asked of a worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Command {
    /// Set up the one sample and the one backend of this launch. The first request, and made once. Answered by `ready`.
    Prepare(Prepare),
    /// Run every yardstick kernel this many times. Answered by `yardstick`.
    Yardstick { repeats: u32 },
    /// Measure one stage. Stages that it needs and that were not measured yet are run once, untimed. Answered by
    /// `measured` or `unsupported`.
    Measure(Measure),
    /// Execute the fresh artifact once and the deserialized one once, and compare both with the expected output. Answered by
    /// `verified` or `unsupported`.
    Verify,
    /// End well. Not answered.
    Quit,
}

/// The sample and backend of a launch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prepare {
    /// Absolute path of the module.
    pub module: PathBuf,
    pub run: Run,
    pub compiler: String,
    pub options: BackendOptions,
    /// An empty folder of the launch's own, removed by the parent afterwards.
    pub scratch: PathBuf,
    /// Where things are to lie, below 65536: the stack and the heap are moved by this many bytes, and mappings by as many pages, before
    /// anything is measured, so that a lucky layout is not measured every time.
    pub shift: u32,
}

/// How to measure a stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measure {
    pub stage: Stage,
    /// Operations in each batch; absent: the worker takes as many as `min_batch` needs, found in an untimed first go.
    pub batch: Option<u32>,
    /// Shortest batch wanted.
    pub min_batch: Nanos,
    /// This many undisturbed observations, if time allows; disturbed ones are taken again and kept, up to twice as many in
    /// all. At least one, whatever it costs.
    pub max_observations: u32,
    /// No further observation is begun once this much time has gone into the stage. With 0 there is exactly one, disturbed or not:
    /// the first operation where the stage was not measured before, else one of the batch asked for.
    pub time_cap: Nanos,
}

impl Measure {
    /// One observation of a batch, disturbed or not, of a stage that was measured before.
    #[must_use]
    pub fn once(stage: Stage, batch: u32) -> Self {
        Self { stage, batch: Some(batch), min_batch: Nanos(0), max_observations: 1, time_cap: Nanos(0) }
    }
}

/// A reply with the id of its request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    pub id: u64,
    pub answer: Answer,
}

/// What a worker answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// Imports that nobody provides and that were stubbed with traps, as `module.name`, sorted.
    Ready {
        stubbed_imports: Vec<String>,
    },
    Yardstick(Vec<YardstickReading>),
    Measured(Measured),
    /// The backend cannot do this, or the sample does not say how.
    Unsupported {
        reason: String,
    },
    Verified,
    /// The stage failed, or gave a wrong output.
    Failed {
        kind: FailedKind,
        detail: String,
    },
}

/// What was recorded of a stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    pub observations: Vec<Observation>,
    /// Of `serialize`, when it is measured for the first time in a launch: hashing takes longer than serializing.
    pub artifact: Option<Artifact>,
    /// Of `compile`, for the first one of the launch.
    pub memory: Option<MemoryReading>,
}

/// Failures that a worker survives to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailedKind {
    Stage,
    WrongOutput,
    FreshDiffers,
}
