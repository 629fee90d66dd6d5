//! Exit codes: the one place where they are defined and documented.

use crate::model::findings::Outcome;

/// How a Tollgate process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Everything that gates is within its tolerance.
    Pass = 0,
    /// At least one gating cell regressed.
    Regressed = 1,
    /// Tollgate could not do its job: usage, configuration, environment, input or output.
    CouldNotRun = 2,
    /// A worker crashed, hung, ran out of memory or gave a wrong output, or a shard of the run is not there as a whole.
    Broken = 3,
    /// Cells are inconclusive or missing, or a rule is loosened, and the configuration makes that fail.
    Inconclusive = 4,
    /// Stopped by Ctrl-C or a termination signal, by the shell's convention.
    Interrupted = 130,
}

/// The table shown by `--help`.
pub const HELP: &str = "\
Exit codes:
  0    pass: everything that gates is within its tolerance
  1    regressed: at least one gating cell is surely beyond its tolerance
  2    could not run: usage, configuration, environment, input or output
  3    broken: a worker crashed, hung, ran out of memory or gave a wrong output, or a shard is missing
  4    inconclusive or missing cells or a loosened rule, where `fail-on` says that they fail
  130  interrupted";

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl From<Outcome> for Exit {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Pass => Self::Pass,
            Outcome::Inconclusive => Self::Inconclusive,
            Outcome::Regressed => Self::Regressed,
            Outcome::Broken => Self::Broken,
        }
    }
}
