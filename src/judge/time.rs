//! The decision on a time against a committed ratio.
//!
//! The figures of launches are logarithms of stage time by yardstick; the base is the logarithm of the committed ratio. A
//! red needs three things: a lower bound beyond the allowance at a level that all gating cells and looks of the run share,
//! the same on launches made after the change first showed, and enough launches for both. Everything that is neither
//! surely within nor surely beyond says why. Knows launches only by their figure and round.

use std::collections::BTreeSet;

use super::kernels::{Deviation, Estimate, KernelError, log_ratio, moderated, shared_level, welch, winsorised};
use crate::model::Verdict;
use crate::model::baseline::Spread;
use crate::model::findings::Change;
use crate::model::verdict::InconclusiveReason;

/// Probability of one or more false reds in a run, over all of its cells and looks. One in a thousand runs: a project with
/// twenty pull requests a week sees one a year.
pub const RUN_LEVEL: f64 = 1e-3;

/// Looks at a cell that the level pays for; every round is one. A run makes no more rounds than this.
pub const MAX_LOOKS: u32 = 15;

/// Level of the upper bound under which a cell passes, and of both bounds that are shown: 95 %, the field's convention.
pub const BOUND_LEVEL: f64 = 0.05;

/// Level at which fresh launches alone must lie beyond the allowance to confirm a red. They look once at one cell that is
/// already suspected, so they need not pay for the others.
pub const CONFIRM_LEVEL: f64 = 0.01;

/// Fresh launches that can confirm a red: fewer have no deviation of their own.
pub const CONFIRM_LAUNCHES: usize = 2;

/// Launches without which nothing is decided: one has no deviation.
pub const MIN_LAUNCHES: usize = 2;

/// Deviation of one launch's logarithm that is assumed before anything was measured. Recorded null launches of seven cells
/// deviate by 1.0 % to 2.3 %; with this prior their bounds hold their levels (both in `judge::recorded`, a test).
pub const LAUNCH_PRIOR: f64 = 0.02;

/// Degrees of freedom of [`LAUNCH_PRIOR`]: as much as three launches, so that five outweigh it. Four made nothing recorded
/// safer, and found a planted 2 % of validate in 33 % of resampled runs instead of 69 %.
pub const LAUNCH_PRIOR_FREEDOM: f64 = 2.0;

/// Degrees of freedom that the baseline's deviation has at most when the head's is shrunk towards it, so that a baseline of
/// a hundred quiet launches does not overrule what this run sees.
pub const MOST_BASE_FREEDOM: f64 = 20.0;

/// No deviation of a launch is believed to be smaller. The best cell recorded, paired, repeats to 0.17 %.
pub const DEVIATION_FLOOR: f64 = 0.002;

/// Deviation between runs that is assumed before the baseline has a history. Two runs of our own samples twenty minutes apart,
/// one of them beside a compiler, differed by 1.1 % (validate) to 4.4 % (instantiate) by the median absolute deviation
/// over the cells of a stage, which is 0.8 % to 3.1 % for one run.
pub const SPREAD_PRIOR: f64 = 0.03;

/// Degrees of freedom of [`SPREAD_PRIOR`].
pub const SPREAD_PRIOR_FREEDOM: f64 = 5.0;

/// The tolerance of a committed time is widened by this many deviations between runs. The difference of two runs deviates
/// by √2 of one, so this is 2.8 of its deviations, and the tolerance itself comes on top.
pub const SPREAD_FACTOR: f64 = 4.0;

/// Changes are shown up to this many times the baseline, so that no figure overflows on its way through a file.
const MOST_CHANGE: f64 = 1e9;

/// The base of a comparison, on the logarithmic scale.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Base {
    log_ratio: f64,
    deviation: Deviation,
    launches: f64,
}

impl Base {
    /// A committed ratio with the deviation of one launch, which is shrunk towards [`LAUNCH_PRIOR`].
    ///
    /// # Errors
    /// A ratio or deviation that is not finite, zero or negative; no launches.
    pub fn committed(ratio: f64, deviation: f64, launches: u32) -> Result<Self, KernelError> {
        if launches == 0 {
            return Err(KernelError::TooFew { have: 0, need: 1 });
        }
        let launches = f64::from(launches);
        let own = Deviation { value: deviation, freedom: launches - 1.0 };
        let deviation = moderated(own, Deviation { value: LAUNCH_PRIOR, freedom: LAUNCH_PRIOR_FREEDOM })?;
        Ok(Self { log_ratio: log_ratio(ratio, 1.0)?, deviation, launches })
    }
}

/// The change of the head against the base, as a logarithm: the winsorised mean of the launches less the committed
/// logarithm, with Welch's error. The head's deviation is shrunk towards the baseline's, but never below its own: a noisy
/// day is believed at once, a quiet one little by little.
///
/// # Errors
/// Fewer than two launches, launches without any variance, figures that are not finite.
pub fn estimate(values: &[f64], base: &Base) -> Result<Estimate, KernelError> {
    if values.len() < MIN_LAUNCHES {
        return Err(KernelError::TooFew { have: values.len(), need: MIN_LAUNCHES });
    }
    let location = winsorised(values, base.deviation.value)?;
    if location.deviation <= 0.0 {
        return Err(KernelError::NoVariance);
    }
    let own = Deviation { value: location.deviation, freedom: location.freedom };
    let towards = Deviation { value: base.deviation.value, freedom: base.deviation.freedom.min(MOST_BASE_FREEDOM) };
    let mut head = moderated(own, towards)?;
    head.value = head.value.max(own.value).max(DEVIATION_FLOOR);
    let error = welch(head, location.count as f64, base.deviation, base.launches)?;
    Ok(Estimate { value: location.mean - base.log_ratio, error: error.value, freedom: error.freedom })
}

/// What is added to the tolerance for what runs of unchanged code differ by: [`SPREAD_FACTOR`] times the deviation between
/// runs, which is shrunk towards [`SPREAD_PRIOR`] until the baseline's history outweighs it.
#[must_use]
pub fn widening(spread: Option<&Spread>) -> f64 {
    let prior = Deviation { value: SPREAD_PRIOR, freedom: SPREAD_PRIOR_FREEDOM };
    // Cells of one run share its shift, so a run is one degree of freedom, however many cells it has.
    let own = spread.map(|spread| Deviation { value: spread.deviation, freedom: f64::from(spread.runs) });
    // A damaged history is no history.
    SPREAD_FACTOR * own.and_then(|own| moderated(own, prior).ok()).unwrap_or(prior).value
}

/// The level of one look at one cell.
#[must_use]
pub fn look_level(gating_cells: usize, rounds: u32) -> f64 {
    shared_level(RUN_LEVEL, gating_cells.max(1) as f64 * f64::from(rounds.max(MAX_LOOKS)))
}

/// A decided time cell.
#[derive(Debug, Clone, PartialEq)]
pub struct Timed {
    pub verdict: Verdict,
    pub change: Option<Change>,
}

/// Decides on launches, given as `(round, logarithm)` in any order.
///
/// `allowance` is the relative change that passes, tolerance and widening together; `level` that of one look.
#[must_use]
pub fn decide(launches: &[(u32, f64)], base: &Base, allowance: f64, level: f64) -> Timed {
    match try_decide(launches, base, allowance, level) {
        Ok(timed) => timed,
        Err(error) => Timed { verdict: Verdict::Inconclusive(reason(error)), change: None },
    }
}

fn try_decide(launches: &[(u32, f64)], base: &Base, allowance: f64, level: f64) -> Result<Timed, KernelError> {
    let all: Vec<f64> = launches.iter().map(|(_, value)| *value).collect();
    let estimate = estimate(&all, base)?;
    let limit = log_ratio(1.0 + allowance, 1.0)?;
    let (lower, upper) = (estimate.lower(BOUND_LEVEL)?, estimate.upper(BOUND_LEVEL)?);
    let change = Change { relative: relative(estimate.value), low: relative(lower), high: relative(upper) };
    let sure_lower = estimate.lower(level)?;
    let verdict = if sure_lower > limit {
        if is_confirmed(launches, base, limit, level) {
            Verdict::Regressed
        } else {
            Verdict::Inconclusive(InconclusiveReason::NotConfirmed)
        }
    } else if estimate.upper(level)? < -limit {
        Verdict::Improved
    } else if upper < limit {
        Verdict::Pass
    } else {
        Verdict::Inconclusive(InconclusiveReason::IntervalAcrossTolerance {
            low: relative(sure_lower),
            high: change.high,
            tolerance: allowance,
        })
    };
    Ok(Timed { verdict, change: Some(change) })
}

/// Whether a change that showed at some look is seen again by the launches of later rounds alone. Any look will do, the level
/// pays for all of them; so a larger effect is never less confirmed.
fn is_confirmed(launches: &[(u32, f64)], base: &Base, limit: f64, level: f64) -> bool {
    let beyond = |values: &[f64], level| {
        estimate(values, base).and_then(|estimate| estimate.lower(level)).is_ok_and(|lower| lower > limit)
    };
    let rounds: BTreeSet<u32> = launches.iter().map(|(round, _)| *round).collect();
    rounds.into_iter().any(|look| {
        let (seen, fresh): (Vec<_>, Vec<_>) = launches.iter().partition(|(round, _)| *round <= look);
        let values = |part: Vec<(u32, f64)>| part.into_iter().map(|(_, value)| value).collect::<Vec<_>>();
        fresh.len() >= CONFIRM_LAUNCHES && beyond(&values(seen), level) && beyond(&values(fresh), CONFIRM_LEVEL)
    })
}

/// A logarithm of a ratio as a relative change: `exp(x) − 1`.
#[must_use]
pub fn relative(log: f64) -> f64 {
    log.exp_m1().min(MOST_CHANGE)
}

/// The reason that a reader is given for what a kernel could not do.
#[must_use]
pub fn reason(error: KernelError) -> InconclusiveReason {
    match error {
        KernelError::TooFew { have, need } => InconclusiveReason::TooFewLaunches {
            have: u32::try_from(have).unwrap_or(u32::MAX),
            need: u32::try_from(need).unwrap_or(u32::MAX),
        },
        other => InconclusiveReason::Degenerate(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;

    fn base() -> Base {
        Base::committed(1.0, 0.01, 10).unwrap()
    }

    /// Launches one a round, spread by ±1 % about a change.
    fn launches(change: f64, count: usize) -> Vec<(u32, f64)> {
        let wobble = [0.0, 0.01, -0.01, 0.005, -0.005];
        (0..count).map(|i| (i as u32, (1.0 + change).ln() + wobble[i % wobble.len()])).collect()
    }

    fn verdict(launches: &[(u32, f64)], allowance: f64) -> Verdict {
        decide(launches, &base(), allowance, look_level(200, MAX_LOOKS)).verdict
    }

    #[test]
    fn clear_cases() {
        assert_eq!(verdict(&launches(0.0, 10), 0.05), Verdict::Pass);
        assert_eq!(verdict(&launches(0.30, 10), 0.05), Verdict::Regressed);
        assert_eq!(verdict(&launches(-0.30, 10), 0.05), Verdict::Improved);
        let across = verdict(&launches(0.06, 10), 0.05);
        let Verdict::Inconclusive(InconclusiveReason::IntervalAcrossTolerance { low, high, tolerance }) = across else {
            panic!("{across:?}");
        };
        assert!(low < tolerance && tolerance < high, "{low} {tolerance} {high}");
    }

    #[test]
    fn a_red_waits_for_fresh_launches() {
        let late: Vec<_> = launches(0.30, 10).into_iter().map(|(_, value)| (3, value)).collect();
        assert_eq!(verdict(&late, 0.05), Verdict::Inconclusive(InconclusiveReason::NotConfirmed));
        let confirmed: Vec<_> = late.iter().copied().chain([(4, 0.26), (4, 0.27)]).collect();
        assert_eq!(verdict(&confirmed, 0.05), Verdict::Regressed);
        // Ten launches against two that see nothing: all together they are still beyond, but nothing is confirmed.
        let refuted: Vec<_> = late.iter().copied().chain([(4, 0.0), (4, 0.01)]).collect();
        assert_ne!(verdict(&refuted, 0.05), Verdict::Regressed);
    }

    #[test]
    fn degenerate_launches_have_reasons_not_numbers() {
        let one = decide(&launches(9.0, 1), &base(), 0.05, 1e-6);
        assert_eq!(one.verdict, Verdict::Inconclusive(InconclusiveReason::TooFewLaunches { have: 1, need: 2 }));
        assert_eq!(one.change, None);
        for bad in [vec![(0, 1.0), (1, 1.0)], vec![(0, f64::NAN), (1, 1.0)], vec![(0, f64::INFINITY), (1, 1.0)]] {
            let found = verdict(&bad, 0.05);
            assert!(matches!(found, Verdict::Inconclusive(InconclusiveReason::Degenerate(_))), "{found:?}");
        }
        let found = verdict(&launches(0.0, 5), f64::NAN);
        assert!(matches!(found, Verdict::Inconclusive(InconclusiveReason::Degenerate(_))), "{found:?}");
    }

    #[test]
    fn damaged_baselines_are_refused() {
        assert_eq!(Base::committed(0.0, 0.01, 5), Err(KernelError::NotPositive));
        assert_eq!(Base::committed(f64::NAN, 0.01, 5), Err(KernelError::NotFinite));
        assert_eq!(Base::committed(1.0, f64::NAN, 5), Err(KernelError::NotFinite));
        assert_eq!(Base::committed(1.0, -0.01, 5), Err(KernelError::NotPositive));
        assert_eq!(Base::committed(1.0, 0.01, 0), Err(KernelError::TooFew { have: 0, need: 1 }));
        // A single launch has no deviation of its own, whatever the file says.
        assert_eq!(Base::committed(1.0, 9.0, 1).unwrap().deviation.value, LAUNCH_PRIOR);
    }

    #[test]
    fn the_widening_follows_the_history() {
        let with = |deviation, runs| widening(Some(&Spread { deviation, runs }));
        let prior = SPREAD_FACTOR * SPREAD_PRIOR;
        assert_eq!(widening(None), prior);
        assert_eq!(with(0.5, 0), prior);
        assert_eq!(with(f64::NAN, 50), prior);
        assert!(with(0.005, 10) < prior && with(0.005, 100) < with(0.005, 10));
        assert!(with(0.2, 10) > prior);
    }

    #[test]
    fn the_level_is_shared_by_all_cells_and_looks() {
        assert!((look_level(200, 3) * 200.0 * f64::from(MAX_LOOKS) / RUN_LEVEL - 1.0).abs() < 1e-12);
        assert!((look_level(0, 30) * 30.0 / RUN_LEVEL - 1.0).abs() < 1e-12);
    }

    #[test]
    fn a_noisy_day_widens_the_interval_at_once() {
        let quiet = estimate(&[0.0, 0.01, -0.01, 0.005, -0.005], &base()).unwrap();
        let noisy = estimate(&[0.0, 0.1, -0.1, 0.05, -0.05], &base()).unwrap();
        assert!(noisy.error > 3.0 * quiet.error, "{noisy:?} {quiet:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

        /// More of a slowdown is never a better verdict, whatever the launches.
        #[test]
        fn the_verdict_is_monotonic_in_the_effect(
            values in prop::collection::vec((0u32..6, -0.2..0.2_f64), 2..12),
            step in 0.0..0.5_f64,
            allowance in 0.0..0.2_f64,
        ) {
            let rank = |verdict: &Verdict| match verdict {
                Verdict::Improved => 0,
                Verdict::Pass => 1,
                Verdict::Inconclusive(InconclusiveReason::IntervalAcrossTolerance { .. }) => 2,
                Verdict::Inconclusive(InconclusiveReason::NotConfirmed) => 3,
                Verdict::Regressed => 4,
                _ => 9,
            };
            let moved: Vec<_> = values.iter().map(|(round, value)| (*round, value + step)).collect();
            let (before, after) = (verdict(&values, allowance), verdict(&moved, allowance));
            prop_assume!(rank(&before) != 9);
            prop_assert!(rank(&before) <= rank(&after), "{before:?} then {after:?}");
        }

        #[test]
        fn the_order_of_launches_does_not_matter(values in prop::collection::vec((0u32..6, -0.2..0.4_f64), 2..12)) {
            let mut reversed = values.clone();
            reversed.reverse();
            let level = look_level(10, MAX_LOOKS);
            prop_assert_eq!(decide(&values, &base(), 0.02, level), decide(&reversed, &base(), 0.02, level));
        }
    }
}
