//! How the scatter of pairs of launches is kept: each run adds its degrees of freedom, and old runs fade.
//!
//! Pure arithmetic. Knows nothing of files or verdicts.

use std::collections::BTreeMap;

use super::render::rounded_scatter;
use crate::model::Stage;
use crate::model::baseline::Scatter;

/// Most degrees of freedom that what was kept weighs as when a run is added, so that a changed pool of runners shows within a few
/// runs: five runs of fourteen samples with five pairs of launches each have about this many. A convention, not a measurement.
pub const MAX_WEIGHT: u32 = 280;

/// The kept scatter with one more run in it: `√((w·s² + d·t²) / (w + d))`, variances weighed by their degrees of freedom.
#[must_use]
pub fn fold(kept: &BTreeMap<Stage, Scatter>, run: &BTreeMap<Stage, Scatter>) -> BTreeMap<Stage, Scatter> {
    let mut folded = kept.clone();
    for (stage, new) in run {
        let one = match kept.get(stage) {
            None => *new,
            Some(old) => {
                let (weight, freedom) = (f64::from(old.freedom.min(MAX_WEIGHT)), f64::from(new.freedom));
                let squares = weight * old.deviation.powi(2) + freedom * new.deviation.powi(2);
                let deviation = (squares / (weight + freedom)).sqrt();
                Scatter { deviation, freedom: old.freedom.min(MAX_WEIGHT).saturating_add(new.freedom) }
            }
        };
        folded.insert(*stage, rounded_scatter(one));
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_weighed_by_their_freedom_and_old_ones_fade() {
        let of = |deviation, freedom| BTreeMap::from([(Stage::Compile, Scatter { deviation, freedom })]);
        assert_eq!(fold(&BTreeMap::new(), &of(0.01, 4)), of(0.01, 4));
        assert_eq!(fold(&of(0.01, 4), &BTreeMap::new()), of(0.01, 4));
        let folded = fold(&of(0.03, 10), &of(0.04, 10))[&Stage::Compile];
        assert_eq!(folded.freedom, 20);
        assert!((folded.deviation - 0.035).abs() < 0.001, "{folded:?}");
        // Ten thousand quiet pairs do not outweigh a noisy run for ever.
        let faded = fold(&of(0.01, 10_000), &of(0.04, MAX_WEIGHT))[&Stage::Compile];
        assert!(faded.deviation > 0.025, "{faded:?}");
    }
}
