//! The decision on a time against a base measured in the same run.
//!
//! The sample are pairs of launches, one logarithm of head by base each. A red is seen twice: by the launches up to some look,
//! and again by those after it, which know nothing of each other; the evidence of both together must reach a level that all
//! cells of the run share. What is neither surely within nor surely beyond the limits says why. Invariants: every part of the
//! rule moves with the data, so a larger change is never a better verdict; the order of launches within a round does not matter.
//! Knows pairs of launches only by round and figure.
//!
//! Why this rule: with levels of 10⁻⁶ and less, Student's t on a handful of launches asks for a multiple of what it asks for when the
//! deviation is known, so one bound on all launches together is late. Two halves need 10⁻³ each. Tried on launches with one in 60 off
//! by five deviations, 200 cells, deviations known to 4 degrees of freedom; share of changes of 1.5 deviations found within 24
//! pairs, mean pairs until a change of 2, of 3:
//!
//! | rule | found | pairs (2) | pairs (3) |
//! |---|---|---|---|
//! | this one | 85 % | 13.5 | 10.2 |
//! | one bound on all, looks after Wang and Tsiatis (1987) with Δ = ¼, confirmed at 1 % | 85 % | 17.2 | 13.5 |
//! | both parts at one level, any division | 79 % | 14.6 | 10.3 |
//! | the same, halves only, looks paid for by Bonferroni | 72 % within 25 | 16.2 | 11.1 |
//! | product of both parts' probabilities (Fisher 1932) | 75 % | 15.1 | 10.3 |
//! | one bound on all, looks after 5, 10 and 20 by Bonferroni, unconfirmed, 6 degrees of freedom | 65 % within 20 | 17.2 | 11.4 |
//!
//! Where all launches scatter by two to ten times what was known before, 2 to 8 in 100,000 null cells are red; with the last rule and
//! 20 degrees of freedom, which it needs to be as quick, 180.

use super::kernels::{Deviation, Estimate, KernelError, log_ratio, moderated, shared_level, winsorised};
use super::tails::{beyond_t, upper_normal, upper_t};
use super::time::{BOUND_LEVEL, DEVIATION_FLOOR, RUN_LEVEL, Timed, reason, relative};
use crate::model::findings::Change;
use crate::model::verdict::InconclusiveReason;
use crate::model::{Stage, Verdict};

/// Pairs of launches before the first look. Recorded null cells with a tolerance of 2 % pass after 3.1 pairs in the mean, with 1 %
/// after 4.2; passes that came too early were not seen: 2 points beyond the tolerance are found in every one of 1,000 lives.
pub const FIRST_PAIRS: u32 = 3;

/// Pairs of launches that the level pays for; later ones sharpen the interval and make nothing red. With 24, one point beyond
/// the tolerance is found in 83 % to 100 % of lives in validate, compile and execute as recorded, with 30 in 97 % to 100 %.
pub const MAX_PAIRS: u32 = 30;

/// How many independent looks the many looks and divisions count for. Simulated, with three the rule keeps to a fifth to two fifths
/// of its level on normal launches, and to four fifths where one launch in 60 is off upwards by five deviations: the looks are at
/// mostly the same data.
const LOOKS: f64 = 3.0;

/// Level at which the launches up to a look, and again those after it, must show a change by themselves.
const CONFIRM_LEVEL: f64 = 0.01;

/// The evidence of one part counts for no more than this probability: launches that happen to lie close together make
/// probabilities that nobody should believe. Ten times smaller found one change in a hundred more, and was wrong twice as often
/// on launches that scatter more than was known.
const MOST_EVIDENCE: f64 = 1e-4;

/// Pairs of launches in a part without which it shows nothing. With three, and without
/// [`PART_FREEDOM`], a change of three deviations takes 8.7 pairs instead of 9.5, and launches that scatter by four times what was
/// known are red three times as often.
const PART_PAIRS: usize = 4;

/// Degrees of freedom of a part's deviation without which it shows nothing: four pairs have as many while they scatter no more than
/// was known before, and eight pairs however they scatter. It halves the false reds where launches scatter by four to ten times as much.
const PART_FREEDOM: f64 = 7.0;

/// Pairs without which there is no interval.
const MIN_PAIRS: usize = 2;

/// Deviation of a pair's logarithm that is assumed for execute before anything was measured. Recorded null pairs (`tests/data`)
/// deviate by 0.26 %.
const EXECUTE_PRIOR: f64 = 0.003;

/// The same for validate and compile; recorded: 0.67 %, 0.61 % (Singlepass) and 0.80 % (Cranelift).
const LONG_PRIOR: f64 = 0.008;

/// The same for every other stage; recorded: 0.80 % (serialize), 0.96 % (deserialize) and 0.77 % (instantiate).
const OTHER_PRIOR: f64 = 0.010;

/// Degrees of freedom of the deviations that are built in: other machines and other samples differ from those recorded by a
/// factor of two and more. Twelve would find 91 % instead of 85 % of the changes above, and be wrong nine times as often on a machine twice as noisy.
const PRIOR_FREEDOM: f64 = 4.0;

/// Degrees of freedom with which deviations of the cells of a stage on a backend scatter about what is typical of it, and which that is
/// worth at most however often it was seen. Fitted (Smyth 2004) to 27 rows of a live run of 13 samples on three backends, seven
/// pairs of launches each: 1.5 to 25 but for two rows whose cells agree, 5.0 in the middle; to twelve runs under load: 1.5 to 69, 5.7.
/// Simulated cells of 2 degrees of freedom were red four times as often with 5 as with 4, and no more changes were found.
pub const CELLS_FREEDOM: f64 = 4.0;

/// Trust in a prior deviation falls with this power of how many times the launches' own is larger. Against full trust
/// it found two changes in a hundred fewer, and was wrong a fifth as often on launches that scatter by four times as much; 8, and no
/// trust at all, were hardly wrong less often.
const DISTRUST: i32 = 4;

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

/// Whether the measuring loop looks at a cell after so many pairs: at every one from the first look on, which the level allows for.
#[must_use]
pub fn is_look(pairs: u32) -> bool {
    pairs >= FIRST_PAIRS
}

/// The deviation that a cell's own is shrunk towards: what is known of the stage, with what is built in as the first guess.
/// Fewer degrees of freedom say that it is known less well. A history that is not finite or negative is no history.
#[must_use]
pub fn prior(stage: Stage, history: Option<Deviation>) -> Deviation {
    let value = match stage {
        Stage::Execute => EXECUTE_PRIOR,
        Stage::Validate | Stage::Compile | Stage::CompileAllCores => LONG_PRIOR,
        _ => OTHER_PRIOR,
    };
    let built_in = Deviation { value, freedom: PRIOR_FREEDOM };
    // A damaged history is no history.
    let known = history.and_then(|own| moderated(own, built_in).ok()).unwrap_or(built_in);
    Deviation { value: known.value, freedom: known.freedom.min(CELLS_FREEDOM) }
}

/// Decides on pairs of launches, given as `(round, logarithm of head by base)` in any order; `cells` is how many time cells of the
/// run share its level.
///
/// With the limit `L` (the greater of tolerance and allowance), `n` pairs and the division after any round into the first `n₁` and
/// the other `n₂`: `pᵢ` is the probability that Student's t gives to a part that lies so far beyond `L`, from its own deviation;
/// it is `Regressed` when for some division both `pᵢ ≤ 0.01` and
/// `(√n₁·z(p₁) + √n₂·z(p₂)) / √n ≥ z(RUN_LEVEL / cells / LOOKS)`, `z` the normal quantile and `pᵢ` taken as 10⁻⁴ at least. `Improved`
/// is the mirror image. `Pass`: the upper 95 % bound of all pairs lies below the tolerance.
///
/// Assumes: pairs are independent, and scatter symmetrically but for outliers. Recorded pairs show no autocorrelation. Sources:
/// Stouffer (1949) and Lipták (1958) on weighing independent evidence; Bauer and Köhne (1994), Lehmacher and Wassmer (1999) on parts
/// that are planned while looking.
///
/// Degenerate: fewer than two pairs, no variance, and what is not finite are inconclusive with a reason.
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

/// Whether more launches could change what is undecided. Between tolerance and allowance, and surely so, they could not.
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
    let level = upper_normal(shared_level(RUN_LEVEL, cells.max(1) as f64 * LOOKS))?;
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

/// The change that pairs show: the winsorised mean, with a deviation that is shrunk towards the prior, but never below its own. The
/// more the launches' own exceeds the prior, the less the prior's degrees of freedom count, so that a noisy cell stands on what
/// was seen of it alone.
///
/// # Errors
/// Fewer than two pairs, pairs without any variance, figures that are not finite.
pub fn estimate(values: &[f64], prior: Deviation) -> Result<Estimate, KernelError> {
    if values.len() < MIN_PAIRS {
        return Err(KernelError::TooFew { have: values.len(), need: MIN_PAIRS });
    }
    let location = winsorised(values, prior.value)?;
    if location.deviation <= 0.0 {
        return Err(KernelError::NoVariance);
    }
    let own = Deviation { value: location.deviation, freedom: location.freedom };
    let trust = (prior.value / own.value).min(1.0).powi(DISTRUST);
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

/// How often a change shows; `level` is the normal quantile that the evidence of both parts must reach, `chance` the
/// probability of a part if there were none.
fn shown(
    pairs: &[(u32, f64)],
    prior: Deviation,
    level: f64,
    chance: impl Fn(&Estimate) -> Result<f64, KernelError>,
) -> Shown {
    let evidence = |part: &[(u32, f64)]| {
        let values: Vec<f64> = part.iter().map(|(_, value)| *value).collect();
        let part = estimate(&values, prior).ok().filter(|part| part.freedom >= PART_FREEDOM)?;
        let chance = chance(&part).ok()?;
        (chance <= CONFIRM_LEVEL).then(|| upper_normal(chance.max(MOST_EVIDENCE)).ok()).flatten()
    };
    let mut shown = Shown::Never;
    for look in PART_PAIRS..=pairs.len() {
        let (seen, fresh) = pairs.split_at(look);
        if seen.last().map(|pair| pair.0) == fresh.first().map(|pair| pair.0) {
            continue;
        }
        let Some(first) = evidence(seen) else { continue };
        shown = Shown::Once;
        if fresh.len() < PART_PAIRS {
            continue;
        }
        let Some(second) = evidence(fresh) else { continue };
        let weighed = |part: &[(u32, f64)], evidence: f64| (part.len() as f64).sqrt() * evidence;
        if (weighed(seen, first) + weighed(fresh, second)) / (pairs.len() as f64).sqrt() >= level {
            return Shown::Twice;
        }
    }
    shown
}

#[cfg(test)]
mod recorded;
#[cfg(test)]
mod tests;
