//! Verdicts and the reasons behind them.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::shard::ShardFault;
use super::stage::Stage;
use super::units::{Bytes, Nanos};

/// What is decided about a cell. Ordered from the least to the most severe; the severity of a run is the greatest of its gating
/// cells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "verdict", content = "reason", rename_all = "kebab-case")]
pub enum Verdict {
    /// Surely within the tolerance.
    Pass,
    /// Surely better than the baseline by more than the tolerance.
    Improved,
    /// Has no baseline yet.
    New,
    /// Has a baseline, was selected, and is no longer in the configuration.
    Missing,
    /// The backend cannot do this, or the sample does not say how to.
    Unsupported(String),
    /// Neither surely within nor surely beyond the tolerance.
    Inconclusive(InconclusiveReason),
    /// Surely beyond the tolerance.
    Regressed,
    /// The worker crashed, hung, ran out of memory or gave a wrong answer.
    Broken(Failure),
}

impl Verdict {
    /// The verdict's name, as in files and reports.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Improved => "improved",
            Self::New => "new",
            Self::Missing => "missing",
            Self::Unsupported(_) => "unsupported",
            Self::Inconclusive(_) => "inconclusive",
            Self::Regressed => "regressed",
            Self::Broken(_) => "broken",
        }
    }
}

/// Why a cell could not be decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InconclusiveReason {
    /// Fewer launches than a decision needs.
    TooFewLaunches { have: u32, need: u32 },
    /// The interval of the change reaches over the tolerance. Changes are fractions (0.02 is 2 %).
    IntervalAcrossTolerance { low: f64, high: f64, tolerance: f64 },
    /// The change lies beyond the tolerance, but fresh launches did not confirm it.
    NotConfirmed,
    /// The time of a rebuilt engine moved beyond the tolerance, and nothing but the time: merely relinking it may do as much.
    TimeAlone { change: f64, allowance: f64 },
    /// The base compared with itself showed a change of this stage in the same run: its times mean nothing here.
    BiasedControl { bias: f64 },
    /// Most observations were taken while other work ran on the core.
    MachineBusy { disturbed: u32, observations: u32 },
    /// The observations have no variance at all, or are zero, negative or not finite.
    Degenerate(String),
}

impl fmt::Display for InconclusiveReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooFewLaunches { have, need } => {
                write!(f, "{have} of the {need} launches that a decision needs; raise --budget")
            }
            Self::IntervalAcrossTolerance { low, high, tolerance } => write!(
                f,
                "the change lies between {:+.1} % and {:+.1} %, across the tolerance of {:.1} %; raise --budget",
                low * 100.0,
                high * 100.0,
                tolerance * 100.0
            ),
            Self::NotConfirmed => f.write_str("a change that fresh launches did not confirm"),
            Self::TimeAlone { change, allowance } => write!(
                f,
                "the time alone moved by {:+.1} %, and nothing supports it; merely relinking an engine moves this stage by up to \
                 {:.1} %",
                change * 100.0,
                allowance * 100.0
            ),
            Self::BiasedControl { bias } => write!(
                f,
                "the base against itself moved by {:+.1} % in this run, so no time of this stage gates; run it again",
                bias * 100.0
            ),
            Self::MachineBusy { disturbed, observations } => {
                write!(f, "other work disturbed {disturbed} of {observations} observations; run on a quieter machine")
            }
            Self::Degenerate(what) => write!(f, "cannot be judged: {what}"),
        }
    }
}

/// How a worker failed, where, and what is known of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// The stage that was being measured, if any.
    pub stage: Option<Stage>,
    pub kind: FailureKind,
    /// What the worker said last, or the difference found; untrusted text, escaped wherever it is shown.
    pub detail: String,
}

/// The ways in which a worker fails.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// The worker could not be started.
    Spawn,
    /// Died by this signal.
    Signal(i32),
    /// Ended by itself with this code before it was asked to.
    Exit(i32),
    /// Gave no answer before the deadline, and was killed.
    Deadline(Nanos),
    /// Exceeded the memory limit.
    Memory(Bytes),
    /// Exceeded the limit on processor time.
    Cpu(Nanos),
    /// Answered something that is not the protocol.
    Protocol,
    /// Wrote more to its output than a worker ever needs to.
    Flood,
    /// An operation failed that must not: the module does not parse, compile, load or run.
    Stage,
    /// The output is not the expected one.
    WrongOutput,
    /// The fresh and the deserialized artifact give different outputs.
    FreshDiffers,
    /// The shard of the run that the cell belongs to is not there as a whole.
    Shard { number: u32, of: u32, fault: ShardFault },
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spawn => f.write_str("the worker could not be started"),
            Self::Signal(number) => write!(f, "the worker was killed by signal {number}"),
            Self::Exit(code) => write!(f, "the worker ended early with code {code}"),
            Self::Deadline(limit) => write!(f, "no answer within {} s", limit.as_f64() / 1e9),
            Self::Memory(limit) => write!(f, "exceeded the memory limit of {limit}"),
            Self::Cpu(limit) => write!(f, "exceeded {} s of processor time", limit.as_f64() / 1e9),
            Self::Protocol => f.write_str("the worker broke the protocol"),
            Self::Flood => f.write_str("the worker flooded its output"),
            Self::Stage => f.write_str("failed"),
            Self::WrongOutput => f.write_str("wrong output"),
            Self::FreshDiffers => f.write_str("fresh and deserialized artifact give different outputs"),
            Self::Shard { number, of, fault } => write!(f, "shard {number} of {of} {fault}"),
        }
    }
}
