//! The data that flows through Tollgate: words, units, observations, results, baselines, findings.
//!
//! Architecture invariant: this module imports nothing else of ours, does no I/O and reads no clock. Every type is a
//! plain serializable value, so that each step of the flow can be rerun from a saved file.

pub mod baseline;
pub mod compared;
pub mod cpu;
pub mod findings;
pub mod ids;
pub mod loosening;
pub mod machine;
pub mod observation;
pub mod results;
pub mod sample;
pub mod settings;
pub mod shard;
pub mod stage;
pub mod units;
pub mod verdict;

pub use baseline::{Baseline, BaselineKey, Entry};
pub use findings::{CellFinding, Findings};
pub use ids::{BackendId, Cell, IdError, SampleId};
pub use machine::Machine;
pub use observation::{Launch, Observation, StageOutcome, StageRecord};
pub use results::Results;
pub use sample::{BackendSpec, Run, Sample, Value};
pub use settings::{Settings, Tolerance};
pub use stage::{Metric, Stage, StageKind, Tier};
pub use units::{Bytes, Nanos};
pub use verdict::{Failure, FailureKind, Verdict};
