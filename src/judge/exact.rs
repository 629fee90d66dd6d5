//! The decision on exact metrics: size and memory. No statistics, only a tolerance.
//!
//! Does not know where the figures come from.

use crate::model::findings::Change;
use crate::model::{Bytes, Tolerance, Verdict};

/// A decided exact cell.
#[derive(Debug, Clone, PartialEq)]
pub struct Exact {
    pub verdict: Verdict,
    /// Absent where the base is zero, against which nothing is relative.
    pub change: Option<Change>,
    /// Share of the allowance that the change takes; absent where nothing is allowed.
    pub used: Option<f64>,
}

/// Compares two exact figures. A change passes within either of the relative and the absolute tolerance, that is, within the
/// larger of the two; beyond it, more is a regression and less is an improvement.
#[must_use]
pub fn decide(base: Bytes, head: Bytes, tolerance: &Tolerance) -> Exact {
    let delta = head.as_f64() - base.as_f64();
    let allowed = (tolerance.relative * base.as_f64()).max(tolerance.absolute.unwrap_or_default().as_f64());
    let verdict = if delta > allowed {
        Verdict::Regressed
    } else if -delta > allowed {
        Verdict::Improved
    } else {
        Verdict::Pass
    };
    let change = (base.0 > 0).then(|| {
        let relative = delta / base.as_f64();
        Change { relative, low: relative, high: relative }
    });
    let used = (allowed > 0.0).then(|| delta.max(0.0) / allowed);
    Exact { verdict, change, used }
}

/// The median of sizes; of an even number the larger of the middle two, so that it is always one that was measured.
#[must_use]
pub fn median(mut values: Vec<Bytes>) -> Option<Bytes> {
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;

    fn tolerance(relative: f64, absolute: Option<u64>) -> Tolerance {
        Tolerance { relative, absolute: absolute.map(Bytes) }
    }

    fn verdict(base: u64, head: u64, tolerance: &Tolerance) -> Verdict {
        decide(Bytes(base), Bytes(head), tolerance).verdict
    }

    #[test]
    fn a_byte_beyond_is_red_and_the_last_one_within_is_not() {
        let two_percent = tolerance(0.02, None);
        assert_eq!(verdict(1000, 1020, &two_percent), Verdict::Pass);
        assert_eq!(verdict(1000, 1021, &two_percent), Verdict::Regressed);
        assert_eq!(verdict(1000, 980, &two_percent), Verdict::Pass);
        assert_eq!(verdict(1000, 979, &two_percent), Verdict::Improved);
        let none = tolerance(0.0, None);
        assert_eq!(verdict(1000, 1000, &none), Verdict::Pass);
        assert_eq!(verdict(1000, 1001, &none), Verdict::Regressed);
    }

    #[test]
    fn within_either_tolerance_passes() {
        let either = tolerance(0.01, Some(64));
        assert_eq!(verdict(100, 164, &either), Verdict::Pass);
        assert_eq!(verdict(100, 165, &either), Verdict::Regressed);
        assert_eq!(verdict(100_000, 101_000, &either), Verdict::Pass);
        assert_eq!(verdict(100_000, 101_001, &either), Verdict::Regressed);
        assert_eq!(decide(Bytes(100), Bytes(132), &either).used, Some(0.5));
    }

    #[test]
    fn from_nothing_has_a_verdict_but_no_share() {
        let grown = decide(Bytes(0), Bytes(1), &tolerance(0.5, None));
        assert_eq!((grown.verdict, grown.change, grown.used), (Verdict::Regressed, None, None));
        assert_eq!(verdict(0, 0, &tolerance(0.0, None)), Verdict::Pass);
    }

    #[test]
    fn the_median_is_a_measured_value() {
        assert_eq!(median(vec![Bytes(3), Bytes(1)]), Some(Bytes(3)));
        assert_eq!(median(vec![Bytes(3), Bytes(1), Bytes(2)]), Some(Bytes(2)));
        assert_eq!(median(vec![]), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

        #[test]
        fn the_verdict_is_monotonic_in_the_head(base in 0u64..1 << 40, a: u64, b: u64, relative in 0.0..1.0_f64, absolute: u32) {
            let rank = |verdict: Verdict| match verdict {
                Verdict::Improved => 0,
                Verdict::Pass => 1,
                _ => 2,
            };
            let tolerance = tolerance(relative, Some(u64::from(absolute)));
            let (small, large) = (a.min(b), a.max(b));
            prop_assert!(rank(verdict(base, small, &tolerance)) <= rank(verdict(base, large, &tolerance)));
        }
    }
}
