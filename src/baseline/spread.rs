//! How far committed time ratios of the same code lie apart between runs: the evidence that a run adds, and how it is
//! kept.
//!
//! Pure arithmetic. Knows nothing of files or verdicts: `update` says which cells did not move.

use std::collections::BTreeMap;
use std::f64::consts::SQRT_2;

use crate::model::baseline::Spread;
use crate::model::stage::Stage;

/// Makes the median of absolute values an estimate of a normal deviation: 1 / Φ⁻¹(3/4). Rousseeuw and Croux,
/// "Alternatives to the median absolute deviation", JASA 88 (1993), 1273.
pub const MAD_TO_DEVIATION: f64 = 1.4826;

/// Fewest cells of a stage that say something about it: with three, one outlier does not decide the median.
pub const MIN_CELLS: usize = 3;

/// Most runs that the kept deviation weighs as. From then on the newest run counts one fiftieth, so that a changed
/// pool of runners shows within weeks of nightly runs instead of never. A convention, not a measurement.
pub const MAX_WEIGHT: u32 = 50;

/// The deviation of one run that this run and its baseline let expect, by stage, from the logarithms `ln(new ratio / old
/// ratio)` of cells that did not move.
///
/// Formula: `1.4826 × median |x| / √2`, since `x` is the difference of two runs, and so has twice the variance of one. The
/// centre is zero, which is where unchanged code lies, and not the median of the `x`: a shift that all cells of a stage
/// share is what sets one run apart from another, and belongs to the spread. Assumes that most cells of the stage have
/// unchanged code, and runs that are independent. Caveat: cells that moved beyond noise are left out, also those that
/// moved by chance, so the tails are cut off and the figure is a little small; the median makes that second-order. It
/// holds the sampling error within both runs as well, which makes it a little large.
///
/// Degenerate: values that are not finite are ignored; fewer than [`MIN_CELLS`] values, or a median of zero (the same
/// figures twice), say nothing, and the stage is absent.
#[must_use]
pub fn observed(moves: impl IntoIterator<Item = (Stage, f64)>) -> BTreeMap<Stage, f64> {
    let mut by_stage: BTreeMap<Stage, Vec<f64>> = BTreeMap::new();
    for (stage, x) in moves {
        if x.is_finite() {
            by_stage.entry(stage).or_default().push(x.abs());
        }
    }
    by_stage
        .into_iter()
        .filter(|(_, values)| values.len() >= MIN_CELLS)
        .map(|(stage, mut values)| (stage, MAD_TO_DEVIATION * median(&mut values) / SQRT_2))
        .filter(|(_, deviation)| *deviation > 0.0)
        .collect()
}

/// The kept deviation with one more run in it: the root of the weighted mean of squares, `√((w·s² + d²) / (w + 1))`,
/// where `w` is the number of runs so far, at most [`MAX_WEIGHT`] − 1. Squares, because variances of independent runs
/// average and deviations do not.
#[must_use]
pub fn fold(kept: Option<Spread>, deviation: f64) -> Spread {
    let Some(Spread { deviation: before, runs }) = kept else {
        return Spread { deviation, runs: 1 };
    };
    let weight = f64::from(runs.min(MAX_WEIGHT - 1));
    let mean = (weight * before * before + deviation * deviation) / (weight + 1.0);
    Spread { deviation: mean.sqrt(), runs: runs.saturating_add(1) }
}

/// The median of at least one finite value; the mean of the middle two for an even number.
fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { f64::midpoint(values[middle - 1], values[middle]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_centre_is_zero_so_a_shared_shift_counts() {
        let shifted = [0.02, 0.02, 0.021, 0.019].map(|x| (Stage::Compile, x));
        let spread = observed(shifted);
        assert!((spread[&Stage::Compile] - 1.4826 * 0.02 / SQRT_2).abs() < 1e-12, "{spread:?}");
    }

    #[test]
    fn one_outlier_in_three_does_not_decide() {
        let spread = observed([0.01, -0.01, 0.9].map(|x| (Stage::Execute, x)));
        assert!((spread[&Stage::Execute] - 1.4826 * 0.01 / SQRT_2).abs() < 1e-12, "{spread:?}");
    }

    #[test]
    fn too_few_equal_and_non_finite_values_say_nothing() {
        assert!(observed([]).is_empty());
        assert!(observed([0.01, 0.02].map(|x| (Stage::Execute, x))).is_empty());
        assert!(observed([0.01, 0.02, f64::NAN].map(|x| (Stage::Execute, x))).is_empty());
        assert!(observed([0.0; 5].map(|x| (Stage::Execute, x))).is_empty());
    }

    #[test]
    fn runs_average_as_variances() {
        let one = fold(None, 0.03);
        assert_eq!(one, Spread { deviation: 0.03, runs: 1 });
        let two = fold(Some(one), 0.04);
        assert!((two.deviation - (0.0025_f64 / 2.0).sqrt()).abs() < 1e-12, "{two:?}");
        assert_eq!(two.runs, 2);
    }

    #[test]
    fn the_newest_run_never_counts_less_than_a_fiftieth() {
        let kept = Spread { deviation: 0.01, runs: 10_000 };
        let folded = fold(Some(kept), 0.08);
        assert!((folded.deviation - ((49.0 * 0.0001 + 0.0064) / 50.0_f64).sqrt()).abs() < 1e-12, "{folded:?}");
        assert_eq!(folded.runs, 10_001);
        assert_eq!(fold(Some(Spread { deviation: 0.01, runs: u32::MAX }), 0.01).runs, u32::MAX);
    }
}
