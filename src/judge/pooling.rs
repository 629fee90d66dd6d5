//! From observations to one figure a launch: the launch is the unit of replication, whatever happened inside it.
//!
//! Knows neither baselines nor verdicts.

use super::kernels::{KernelError, geometric_mean, log_ratio, median};
use crate::model::observation::{Kernel, Launch, Observation, StageOutcome, YardstickReading};
use crate::model::{Stage, StageRecord};

/// What one launch says of one stage.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LaunchFigure {
    /// The scheduling round of the launch.
    pub round: u32,
    /// Nanoseconds for one operation.
    pub nanos: f64,
    /// The yardstick of the launch in nanoseconds; absent where the launch has no reading of every kernel.
    pub yardstick: Option<f64>,
    /// `ln(nanos / yardstick)`.
    pub log_ratio: Option<f64>,
    pub pooled: Pooled,
}

/// The observations of one stage in one launch, taken together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pooled {
    /// Median of the undisturbed observations, or of all of them if none is undisturbed; nanoseconds for one operation.
    pub nanos: f64,
    /// Whether other work took the core in every single observation.
    pub disturbed: bool,
    pub observations: u32,
    pub disturbed_observations: u32,
    /// Processor time as a share of wall time, over all observations.
    pub cpu_share: f64,
    /// Page faults of one operation, minor and major, over all observations.
    pub faults: f64,
}

/// The median over the undisturbed observations: the middle one is not moved by a garbage figure, and a disturbed batch says
/// how long something else took. Minima were noisier on recorded launches. Where every observation was disturbed, the
/// median over all, with the flag set.
///
/// # Errors
/// No observations, or a median of zero.
pub fn pool(observations: &[Observation]) -> Result<Pooled, KernelError> {
    let quiet: Vec<f64> =
        observations.iter().filter(|one| !one.is_disturbed()).map(Observation::per_operation).collect();
    let disturbed = quiet.is_empty();
    let nanos = if disturbed {
        median(&observations.iter().map(Observation::per_operation).collect::<Vec<_>>())?
    } else {
        median(&quiet)?
    };
    if nanos <= 0.0 {
        return Err(KernelError::NotPositive);
    }
    let sum = |part: fn(&Observation) -> f64| observations.iter().map(part).sum::<f64>();
    let count = u32::try_from(observations.len()).unwrap_or(u32::MAX);
    Ok(Pooled {
        nanos,
        disturbed,
        observations: count,
        disturbed_observations: count - u32::try_from(quiet.len()).unwrap_or(u32::MAX),
        cpu_share: sum(|one| one.cpu.as_f64()) / sum(|one| one.wall.as_f64()),
        faults: sum(|one| f64::from(one.minor_faults) + f64::from(one.major_faults))
            / sum(|one| f64::from(one.batch.max(1))),
    })
}

/// The yardstick of a launch: the geometric mean over the kernels of the median reading, in nanoseconds. Every kernel must
/// have been read, because a mean over fewer is another yardstick.
///
/// # Errors
/// A kernel without readings, or with a reading of zero.
pub fn yardstick(readings: &[YardstickReading]) -> Result<f64, KernelError> {
    let mut medians = Vec::with_capacity(Kernel::ALL.len());
    for kernel in Kernel::ALL {
        let own: Vec<Observation> =
            readings.iter().filter(|reading| reading.kernel == kernel).map(|reading| reading.observation).collect();
        medians.push(pool(&own)?.nanos);
    }
    geometric_mean(&medians)
}

/// The figure of a stage in a launch, or nothing where the launch did not measure it.
///
/// # Errors
/// A time of zero, of the stage or of the yardstick.
pub fn figure(launch: &Launch, stage: Stage) -> Result<Option<LaunchFigure>, KernelError> {
    let Some(record) = launch.stages.get(&stage) else {
        return Ok(None);
    };
    if record.outcome != StageOutcome::Measured || record.observations.is_empty() {
        return Ok(None);
    }
    let pooled = pool(&record.observations)?;
    let yardstick = match yardstick(&launch.yardstick) {
        Ok(nanos) => Some(nanos),
        Err(KernelError::TooFew { .. }) => None,
        Err(error) => return Err(error),
    };
    let log_ratio = yardstick.map(|nanos| log_ratio(pooled.nanos, nanos)).transpose()?;
    Ok(Some(LaunchFigure { round: launch.round, nanos: pooled.nanos, yardstick, log_ratio, pooled }))
}

/// Why the stage is unsupported in this launch, if it is.
#[must_use]
pub fn unsupported(record: &StageRecord) -> Option<&str> {
    match &record.outcome {
        StageOutcome::Unsupported(reason) => Some(reason),
        StageOutcome::Measured => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Nanos;

    fn observation(wall: u64, batch: u32, disturbed: bool) -> Observation {
        Observation {
            batch,
            wall: Nanos(wall),
            cpu: Nanos(if disturbed { wall / 2 } else { wall }),
            voluntary: 0,
            involuntary: u32::from(disturbed),
            minor_faults: 3,
            major_faults: 0,
            lap: None,
        }
    }

    #[test]
    fn disturbed_observations_are_left_out_while_there_are_others() {
        let pooled = pool(&[
            observation(1000, 10, false),
            observation(9000, 10, true),
            observation(9000, 10, true),
            observation(1200, 10, false),
        ])
        .unwrap();
        assert_eq!((pooled.nanos, pooled.disturbed), (110.0, false));
        assert_eq!((pooled.observations, pooled.disturbed_observations), (4, 2));
        assert_eq!(pooled.faults, 0.3);
    }

    #[test]
    fn all_disturbed_is_a_figure_with_a_flag() {
        let pooled = pool(&[observation(1000, 1, true), observation(3000, 1, true)]).unwrap();
        assert_eq!((pooled.nanos, pooled.disturbed, pooled.disturbed_observations), (2000.0, true, 2));
        assert_eq!(pooled.cpu_share, 0.5);
    }

    #[test]
    fn nothing_and_zero_are_typed_errors() {
        assert_eq!(pool(&[]), Err(KernelError::TooFew { have: 0, need: 1 }));
        assert_eq!(pool(&[observation(0, 1, false)]), Err(KernelError::NotPositive));
        assert_eq!(pool(&[observation(5, 0, false)]).unwrap().nanos, 5.0);
    }

    #[test]
    fn a_yardstick_is_the_mean_of_all_kernels_or_none() {
        let reading = |kernel, wall| YardstickReading { kernel, observation: observation(wall, 1, false) };
        let mut readings: Vec<_> =
            Kernel::ALL.iter().zip([1, 10, 100, 1000]).map(|(kernel, wall)| reading(*kernel, wall)).collect();
        // The geometric mean of 1, 10, 100 and 1000 is 10^1.5.
        assert!((yardstick(&readings).unwrap() - 31.622_776_6).abs() < 1e-6);
        readings.pop();
        assert_eq!(yardstick(&readings), Err(KernelError::TooFew { have: 0, need: 1 }));
    }
}
