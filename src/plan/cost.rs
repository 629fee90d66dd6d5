//! What a launch is expected to cost, from the committed baseline and the speed of this machine's yardsticks.
//!
//! A forecast to plan by, never a figure to judge by.

use std::time::Duration;

use crate::model::settings::Effort;
use crate::model::{Baseline, BaselineKey, Entry, Metric, SampleId, Stage};

/// Starting a worker, sizing batches, its yardsticks and ending it, in nanoseconds; launches of the smallest samples take
/// 0.4 to 0.5 s, of which half goes into timed batches.
const OVERHEAD: f64 = 250e6;

/// The expected wall time of one launch with the given stages, or nothing where the baseline does not know the sample.
///
/// `yardstick` is the geometric mean of the kernels in nanoseconds. The composite cost of a stage is one go to warm up and to
/// size the batches, and then observations until there are enough or the time for them is up; a go that takes longer than
/// that time is itself the observation.
#[must_use]
pub fn of_launch(
    sample: &SampleId,
    stages: &[Stage],
    baseline: &Baseline,
    effort: &Effort,
    yardstick: f64,
) -> Option<Duration> {
    let operation = |stage: Stage| {
        let key = BaselineKey { sample: sample.clone(), stage, metric: Metric::Time };
        match baseline.cells.get(&key)? {
            Entry::Time { ratio, .. } => Some(ratio * yardstick),
            Entry::Unsupported(_) => Some(0.0),
            Entry::Bytes(_) | Entry::Count(_) | Entry::Score { .. } => None,
        }
    };
    let cap = effort.time_cap.as_f64();
    let cost = |stage: &Stage| {
        let one = operation(*stage)?;
        let batches = (f64::from(effort.max_observations) * one.max(effort.min_batch.as_f64())).min(cap + one);
        let checked = if *stage == Stage::Execute { 2.0 * one } else { 0.0 };
        Some(
            checked
                + if one == 0.0 {
                    0.0
                } else if one > cap {
                    one
                } else {
                    one + batches
                },
        )
    };
    let nanos = stages.iter().map(cost).sum::<Option<f64>>()? + OVERHEAD;
    (nanos.is_finite() && nanos >= 0.0).then(|| Duration::from_nanos(nanos as u64))
}
