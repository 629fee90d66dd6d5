//! The decision on a time against a base measured in the same run.
//!
//! The sample are pairs of launches, one logarithm of head by base each. Knows them only by round and figure.

use super::kernels::{Deviation, Estimate, KernelError, log_ratio, moderated, shared_level, winsorised};
use super::time::{BOUND_LEVEL, DEVIATION_FLOOR, RUN_LEVEL, Timed, reason, relative};
use crate::model::findings::Change;
use crate::model::verdict::InconclusiveReason;
use crate::model::{Stage, Verdict};

/// Pairs of launches before the first look.
pub const FIRST_PAIRS: u32 = 5;

/// Pairs of launches that the level pays for.
pub const MAX_PAIRS: u32 = 30;

/// Looks of the schedule up to [`MAX_PAIRS`].
const LOOKS: [u32; 8] = [5, 7, 9, 12, 15, 20, 25, 30];

/// Level at which fresh pairs alone must lie beyond.
const CONFIRM_LEVEL: f64 = 0.01;

/// Fresh pairs that can confirm.
const CONFIRM_PAIRS: usize = 2;

/// What a cell is held to; both are relative changes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rule {
    /// The change that passes.
    pub tolerance: f64,
    /// What relinking an engine may move with nothing changed: a time that nothing else supports is red only beyond it. 0 where
    /// it does not apply.
    pub allowance: f64,
}

/// Whether the measuring loop looks at a cell after so many pairs.
#[must_use]
pub fn is_look(pairs: u32) -> bool {
    LOOKS.contains(&pairs)
}

/// The deviation that a cell's own is shrunk towards.
#[must_use]
pub fn prior(stage: Stage, history: Option<Deviation>) -> Deviation {
    let value = match stage {
        Stage::Execute => 0.003,
        Stage::Validate | Stage::Compile | Stage::CompileAllCores => 0.009,
        _ => 0.015,
    };
    let built_in = Deviation { value, freedom: 8.0 };
    // A damaged history is no history.
    history.and_then(|own| moderated(own, built_in).ok()).unwrap_or(built_in)
}

/// Decides on pairs of launches, given as `(round, logarithm of head by base)` in any order.
#[must_use]
pub fn decide(pairs: &[(u32, f64)], prior: Deviation, rule: &Rule, cells: usize) -> Timed {
    match try_decide(pairs, prior, rule, cells) {
        Ok(timed) => timed,
        Err(error) => Timed { verdict: Verdict::Inconclusive(reason(error)), change: None },
    }
}

/// Whether more launches could change what is undecided.
#[must_use]
pub fn is_open(verdict: &Verdict) -> bool {
    match verdict {
        Verdict::Inconclusive(reason) => match reason {
            InconclusiveReason::TooFewLaunches { .. }
            | InconclusiveReason::IntervalAcrossTolerance { .. }
            | InconclusiveReason::NotConfirmed
            | InconclusiveReason::MachineBusy { .. } => true,
            InconclusiveReason::TimeAlone { .. }
            | InconclusiveReason::BiasedControl { .. }
            | InconclusiveReason::Degenerate(_) => false,
        },
        _ => false,
    }
}

pub fn estimate(values: &[f64], prior: Deviation) -> Result<Estimate, KernelError> {
    if values.len() < 2 {
        return Err(KernelError::TooFew { have: values.len(), need: 2 });
    }
    let location = winsorised(values, prior.value)?;
    if location.deviation <= 0.0 {
        return Err(KernelError::NoVariance);
    }
    let own = Deviation { value: location.deviation, freedom: location.freedom };
    let shrunk = moderated(own, prior)?;
    let deviation = shrunk.value.max(DEVIATION_FLOOR);
    Ok(Estimate { value: location.mean, error: deviation / (location.count as f64).sqrt(), freedom: shrunk.freedom })
}

fn try_decide(pairs: &[(u32, f64)], prior: Deviation, rule: &Rule, cells: usize) -> Result<Timed, KernelError> {
    let values: Vec<f64> = pairs.iter().map(|(_, value)| *value).collect();
    let estimate = estimate(&values, prior)?;
    let limit = log_ratio(1.0 + rule.tolerance, 1.0)?;
    let wide = limit.max(log_ratio(1.0 + rule.allowance, 1.0)?);
    let level = shared_level(RUN_LEVEL, cells.max(1) as f64 * LOOKS.len() as f64);
    let (lower, upper) = (estimate.lower(BOUND_LEVEL)?, estimate.upper(BOUND_LEVEL)?);
    let change = Change { relative: relative(estimate.value), low: relative(lower), high: relative(upper) };
    let sure = estimate.lower(level)?;
    let verdict = if sure > wide {
        if is_confirmed(pairs, prior, wide, level) {
            Verdict::Regressed
        } else {
            Verdict::Inconclusive(InconclusiveReason::NotConfirmed)
        }
    } else if estimate.upper(level)? < -wide {
        Verdict::Improved
    } else if upper < limit {
        Verdict::Pass
    } else if lower > limit && upper < wide {
        Verdict::Inconclusive(InconclusiveReason::TimeAlone { change: change.relative, allowance: rule.allowance })
    } else {
        Verdict::Inconclusive(InconclusiveReason::IntervalAcrossTolerance {
            low: relative(sure),
            high: change.high,
            tolerance: rule.tolerance,
        })
    };
    Ok(Timed { verdict, change: Some(change) })
}

fn is_confirmed(pairs: &[(u32, f64)], prior: Deviation, limit: f64, level: f64) -> bool {
    let beyond =
        |values: &[f64], level| estimate(values, prior).and_then(|one| one.lower(level)).is_ok_and(|low| low > limit);
    let rounds: std::collections::BTreeSet<u32> = pairs.iter().map(|(round, _)| *round).collect();
    rounds.into_iter().any(|look| {
        let (seen, fresh): (Vec<_>, Vec<_>) = pairs.iter().partition(|(round, _)| *round <= look);
        let values = |part: Vec<(u32, f64)>| part.into_iter().map(|(_, value)| value).collect::<Vec<_>>();
        fresh.len() >= CONFIRM_PAIRS && beyond(&values(seen), level) && beyond(&values(fresh), CONFIRM_LEVEL)
    })
}
