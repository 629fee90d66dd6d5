//! The decision on a time against a base measured in the same run.
//!
//! The sample are pairs of launches, one logarithm of head by base each; the limit is the tolerance. A red needs a lower
//! bound beyond the limit at a level that all cells and all looks of the run share, and the same change, less surely, in the
//! launches up to some look and again in the launches after it. Everything that is neither surely within nor surely beyond
//! says why. Every part of the rule moves with the data, so a larger change is never a better verdict. Knows pairs of launches
//! only by round and figure.

use super::kernels::{Deviation, Estimate, KernelError, log_ratio, moderated, shared_level, winsorised};
use super::tails::{beyond_t, upper_t};
use super::time::{BOUND_LEVEL, DEVIATION_FLOOR, RUN_LEVEL, Timed, reason, relative};
use crate::model::findings::Change;
use crate::model::verdict::InconclusiveReason;
use crate::model::{Stage, Verdict};

/// Pairs of launches before the first look.
pub const FIRST_PAIRS: u32 = 3;

/// Pairs of launches that the looks are planned for.
pub const MAX_PAIRS: u32 = 30;

/// Ways in which a red can come about, that its level pays for.
const SPLITS: f64 = 60.0;

/// Pairs on each side of a look without which it can show nothing.
const PART_PAIRS: usize = 4;

/// Pairs without which nothing is decided.
const MIN_PAIRS: usize = 2;

/// Degrees of freedom of the deviations that are built in.
const PRIOR_FREEDOM: f64 = 4.0;

/// Degrees of freedom that history has at most.
const MOST_HISTORY_FREEDOM: f64 = 20.0;

/// What a cell is held to; both are relative changes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rule {
    /// The change that passes.
    pub tolerance: f64,
    /// What relinking an engine may move with nothing changed: a time that nothing else supports is red only beyond it. 0 where
    /// it does not apply.
    pub allowance: f64,
}

/// Where the figures stand with respect to the limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Improved,
    Within,
    /// Across the tolerance.
    Open,
    /// Beyond the tolerance, within the allowance.
    TimeAlone,
    /// Beyond the tolerance, across the allowance.
    OpenAlone,
    Unconfirmed,
    Regressed,
}

/// Whether the measuring loop looks at a cell after so many pairs.
#[must_use]
pub fn is_look(pairs: u32) -> bool {
    pairs >= FIRST_PAIRS
}

/// The deviation that a cell's own is shrunk towards.
#[must_use]
pub fn prior(stage: Stage, history: Option<Deviation>) -> Deviation {
    let value = match stage {
        Stage::Execute => 0.003,
        Stage::Validate | Stage::Compile | Stage::CompileAllCores => 0.008,
        _ => 0.010,
    };
    let built_in = Deviation { value, freedom: PRIOR_FREEDOM };
    // A damaged history is no history.
    let known = history.and_then(|own| moderated(own, built_in).ok()).unwrap_or(built_in);
    Deviation { value: known.value, freedom: known.freedom.min(MOST_HISTORY_FREEDOM) }
}

/// Decides on pairs of launches, given as `(round, logarithm of head by base)` in any order.
#[must_use]
pub fn decide(pairs: &[(u32, f64)], prior: Deviation, rule: &Rule, cells: usize) -> Timed {
    match try_decide(pairs, prior, rule, cells) {
        Ok(timed) => timed,
        Err(error) => Timed { verdict: Verdict::Inconclusive(reason(error)), change: None },
    }
}

/// Whether more pairs of launches would help: the same as `is_open` of [`decide`]'s verdict, in a fraction of the time.
#[must_use]
pub fn is_undecided(pairs: &[(u32, f64)], prior: Deviation, rule: &Rule, cells: usize) -> bool {
    match Limits::new(rule).and_then(|limits| stand(pairs, prior, &limits, cells)) {
        Ok((standing, _)) => matches!(standing, Standing::Open | Standing::OpenAlone | Standing::Unconfirmed),
        Err(error) => is_open(&Verdict::Inconclusive(reason(error))),
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

/// The limits of a rule as logarithms.
struct Limits {
    tolerance: f64,
    /// The greater of tolerance and allowance.
    red: f64,
}

impl Limits {
    fn new(rule: &Rule) -> Result<Self, KernelError> {
        let tolerance = log_ratio(1.0 + rule.tolerance, 1.0)?;
        let allowance = log_ratio(1.0 + rule.allowance, 1.0)?;
        Ok(Self { tolerance, red: tolerance.max(allowance) })
    }
}

fn try_decide(pairs: &[(u32, f64)], prior: Deviation, rule: &Rule, cells: usize) -> Result<Timed, KernelError> {
    let limits = Limits::new(rule)?;
    let (standing, estimate) = stand(pairs, prior, &limits, cells)?;
    let margin = upper_t(BOUND_LEVEL, estimate.freedom)? * estimate.error;
    let (lower, upper) = (estimate.value - margin, estimate.value + margin);
    let change = Change { relative: relative(estimate.value), low: relative(lower), high: relative(upper) };
    let across =
        |tolerance: f64| InconclusiveReason::IntervalAcrossTolerance { low: change.low, high: change.high, tolerance };
    let verdict = match standing {
        Standing::Improved => Verdict::Improved,
        Standing::Within => Verdict::Pass,
        Standing::Open => Verdict::Inconclusive(across(rule.tolerance)),
        Standing::OpenAlone => Verdict::Inconclusive(across(rule.tolerance.max(rule.allowance))),
        Standing::TimeAlone => {
            Verdict::Inconclusive(InconclusiveReason::TimeAlone { change: change.relative, allowance: rule.allowance })
        }
        Standing::Unconfirmed => Verdict::Inconclusive(InconclusiveReason::NotConfirmed),
        Standing::Regressed => Verdict::Regressed,
    };
    Ok(Timed { verdict, change: Some(change) })
}

fn stand(
    pairs: &[(u32, f64)],
    prior: Deviation,
    limits: &Limits,
    cells: usize,
) -> Result<(Standing, Estimate), KernelError> {
    let mut pairs = pairs.to_vec();
    pairs.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| a.1.total_cmp(&b.1)));
    let values: Vec<f64> = pairs.iter().map(|(_, value)| *value).collect();
    let estimate = estimate(&values, prior)?;
    pairs.truncate(MAX_PAIRS as usize);
    let level = part_level(cells);
    let is_above = |limit: f64| Ok::<_, KernelError>(above(&estimate, limit)? <= BOUND_LEVEL);
    let is_below = |limit: f64| Ok::<_, KernelError>(below(&estimate, limit)? <= BOUND_LEVEL);
    let standing = if is_above(limits.red)? {
        match shown(&pairs, prior, level, |part| above(part, limits.red)) {
            Shown::Twice => Standing::Regressed,
            Shown::Once => Standing::Unconfirmed,
            Shown::Never if limits.red > limits.tolerance => Standing::OpenAlone,
            Shown::Never => Standing::Open,
        }
    } else if is_below(-limits.red)? && shown(&pairs, prior, level, |part| below(part, -limits.red)) == Shown::Twice {
        Standing::Improved
    } else if is_below(limits.tolerance)? {
        Standing::Within
    } else if !is_above(limits.tolerance)? || limits.red <= limits.tolerance {
        Standing::Open
    } else if is_below(limits.red)? {
        Standing::TimeAlone
    } else {
        Standing::OpenAlone
    };
    Ok((standing, estimate))
}

/// The probability of figures so far above a limit if the true change were the limit.
fn above(estimate: &Estimate, limit: f64) -> Result<f64, KernelError> {
    beyond_t((estimate.value - limit) / estimate.error, estimate.freedom)
}

/// The mirror image of [`above`].
fn below(estimate: &Estimate, limit: f64) -> Result<f64, KernelError> {
    beyond_t((limit - estimate.value) / estimate.error, estimate.freedom)
}

/// The level at which the launches up to a look, and again those after it, must show a change.
fn part_level(cells: usize) -> f64 {
    shared_level(RUN_LEVEL, cells.max(1) as f64 * SPLITS).sqrt()
}

/// The change that pairs show.
pub fn estimate(values: &[f64], prior: Deviation) -> Result<Estimate, KernelError> {
    if values.len() < MIN_PAIRS {
        return Err(KernelError::TooFew { have: values.len(), need: MIN_PAIRS });
    }
    let location = winsorised(values, prior.value)?;
    if location.deviation <= 0.0 {
        return Err(KernelError::NoVariance);
    }
    let own = Deviation { value: location.deviation, freedom: location.freedom };
    let trust = (prior.value / own.value).min(1.0).powi(4);
    let mut shrunk = moderated(own, Deviation { value: prior.value, freedom: prior.freedom * trust })?;
    shrunk.value = shrunk.value.max(own.value).max(DEVIATION_FLOOR);
    Ok(Estimate { value: location.mean, error: shrunk.value / (location.count as f64).sqrt(), freedom: shrunk.freedom })
}

/// How often a change shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    Never,
    /// In the launches up to some look.
    Once,
    /// In those up to some look, and again in those after it.
    Twice,
}

fn shown(
    pairs: &[(u32, f64)],
    prior: Deviation,
    level: f64,
    chance: impl Fn(&Estimate) -> Result<f64, KernelError>,
) -> Shown {
    let shows = |part: &[(u32, f64)]| {
        let values: Vec<f64> = part.iter().map(|(_, value)| *value).collect();
        estimate(&values, prior).and_then(|part| chance(&part)).is_ok_and(|chance| chance <= level)
    };
    let mut shown = Shown::Never;
    for look in PART_PAIRS..=pairs.len() {
        let (seen, fresh) = pairs.split_at(look);
        let between_rounds = seen.last().map(|pair| pair.0) != fresh.first().map(|pair| pair.0);
        if between_rounds && shows(seen) {
            if fresh.len() >= PART_PAIRS && shows(fresh) {
                return Shown::Twice;
            }
            shown = Shown::Once;
        }
    }
    shown
}
