//! What the rules ask of one recorded pair of launches, taken once.
//!
//! Every rule sees the same launches in the form that its own tool would have had: a median, all iterations, samples of averaged
//! iterations, differences of neighbours. Knows no rules.

use super::recording::{Block, Pair};
use crate::judge::blocks::{self, PairFigure};
use crate::judge::kernels::{KernelError, median};

/// Samples that criterion takes of a process: `sample_size` in criterion 0.8.2, `src/lib.rs`.
const CRITERION_SAMPLES: usize = 100;

/// One pair of launches of one cell.
#[derive(Debug, Clone)]
pub struct Figures {
    /// As our judge sees it.
    pub paired: PairFigure,
    pub base: Side,
    pub head: Side,
    /// Mean of a head observation minus mean of the base observation that it was taken beside, in nanoseconds.
    pub differences: Moments,
    /// The means of the base's observations.
    pub base_means: Moments,
    /// The means of the head's observations.
    pub head_means: Moments,
}

/// One launch of one cell; all in nanoseconds.
#[derive(Debug, Clone)]
pub struct Side {
    /// Median of its iterations.
    pub median: f64,
    /// All of its iterations.
    pub iterations: Moments,
    /// As criterion samples a process: at most a hundred averages of consecutive iterations.
    pub samples: Vec<f64>,
}

/// Count, mean and sum of squared distances from the mean, which can be merged without the values.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Moments {
    pub count: f64,
    pub mean: f64,
    squares: f64,
}

impl Moments {
    /// Of values that are there. Welford (1962), "Note on a method for calculating corrected sums of squares and products".
    #[must_use]
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut moments = Self::default();
        for value in values {
            moments.count += 1.0;
            let away = value - moments.mean;
            moments.mean += away / moments.count;
            moments.squares += away * (value - moments.mean);
        }
        moments
    }

    /// Of the values of both. Chan, Golub and LeVeque (1983), "Algorithms for computing the sample variance".
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let count = self.count + other.count;
        if count <= 0.0 {
            return Self::default();
        }
        let away = other.mean - self.mean;
        Self {
            count,
            mean: self.mean + away * (other.count / count),
            squares: self.squares + other.squares + away * away * (self.count * other.count / count),
        }
    }

    /// The variance with n − 1 in the denominator; not a number for fewer than two values.
    #[must_use]
    pub fn variance(&self) -> f64 {
        self.squares / (self.count - 1.0)
    }
}

impl Figures {
    /// Of each cell of a pair of launches, in the order of the cells' names.
    ///
    /// # Errors
    /// A block without answer, which a [`super::recording::Recording`] that was read does not have.
    pub fn of(pair: &Pair) -> Result<Vec<Self>, KernelError> {
        pair.cells.values().map(|blocks| Self::of_cell(blocks)).collect()
    }

    /// The same pair with base and head in each other's place.
    #[must_use]
    pub fn swapped(&self) -> Self {
        Self {
            paired: PairFigure {
                log_ratio: -self.paired.log_ratio,
                base_nanos: self.paired.head_nanos,
                head_nanos: self.paired.base_nanos,
                ..self.paired
            },
            base: self.head.clone(),
            head: self.base.clone(),
            differences: Moments { mean: -self.differences.mean, ..self.differences },
            base_means: self.head_means,
            head_means: self.base_means,
        }
    }

    fn of_cell(blocks: &[Block]) -> Result<Self, KernelError> {
        let judged = blocks.iter().map(judged).collect::<Result<Vec<_>, _>>()?;
        let neighbours = || blocks.iter().flat_map(|block| block.base.iter().zip(&block.head));
        Ok(Self {
            paired: blocks::figure(&judged)?,
            base: Side::of(blocks.iter().flat_map(|block| block.base.iter().flatten()))?,
            head: Side::of(blocks.iter().flat_map(|block| block.head.iter().flatten()))?,
            differences: Moments::of(neighbours().map(|(base, head)| mean(head) - mean(base))),
            base_means: Moments::of(neighbours().map(|(base, _)| mean(base))),
            head_means: Moments::of(neighbours().map(|(_, head)| mean(head))),
        })
    }
}

impl Side {
    fn of<'a>(iterations: impl Iterator<Item = &'a f64>) -> Result<Self, KernelError> {
        let iterations: Vec<f64> = iterations.copied().collect();
        let chunk = iterations.len().div_ceil(CRITERION_SAMPLES).max(1);
        Ok(Self {
            median: median(&iterations)?,
            samples: iterations.chunks(chunk).map(mean).collect(),
            iterations: Moments::of(iterations),
        })
    }
}

/// A block as the judge takes it: an observation is the median of its iterations.
fn judged(block: &Block) -> Result<blocks::Block, KernelError> {
    let side = |side: &[Vec<f64>; 2]| Ok([median(&side[0])?, median(&side[1])?]);
    // What would tell of other work on the core was not recorded.
    Ok(blocks::Block { base: side(&block.base)?, head: side(&block.head)?, disturbed: false })
}

/// Observations hold one value at least; the mean of none would not be a number.
fn mean(values: impl AsRef<[f64]>) -> f64 {
    let values = values.as_ref();
    values.iter().sum::<f64>() / values.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merged_moments_are_those_of_all_values() {
        let (a, b) = ([1.0, 4.0, 4.0], [10.0, -2.0, 3.5, 7.0]);
        let merged = Moments::of(a).and(Moments::of(b));
        let all = Moments::of(a.into_iter().chain(b));
        assert!((merged.mean - all.mean).abs() < 1e-12 && (merged.variance() - all.variance()).abs() < 1e-12);
        // Written out: mean 27.5 / 7.
        assert!((all.mean - 27.5 / 7.0).abs() < 1e-12);
        let squares: f64 = a.into_iter().chain(b).map(|value| (value - 27.5 / 7.0).powi(2)).sum();
        assert!((all.variance() - squares / 6.0).abs() < 1e-12);
        assert_eq!(Moments::default().and(Moments::default()), Moments::default());
        assert_eq!(Moments::default().and(Moments::of(a)), Moments::of(a));
        assert!(Moments::of([1.0]).variance().is_nan());
    }

    #[test]
    fn a_cell_is_seen_as_each_tool_would() {
        let block = Block { base: [vec![10.0, 20.0], vec![30.0]], head: [vec![11.0, 21.0], vec![36.0]] };
        let figures = Figures::of_cell(&[block.clone(), block]).unwrap();
        assert_eq!((figures.base.median, figures.head.median), (20.0, 21.0));
        assert_eq!(figures.base.iterations.count, 6.0);
        assert_eq!(figures.base.samples, [10.0, 20.0, 30.0, 10.0, 20.0, 30.0]);
        // 16 against 15, and 36 against 30, twice.
        assert_eq!((figures.differences.count, figures.differences.mean), (4.0, 3.5));
        assert_eq!(figures.base_means.mean, 22.5);
        let expected = ((16.0_f64 / 15.0).ln() + (36.0_f64 / 30.0).ln()) / 2.0;
        assert!((figures.paired.log_ratio - expected).abs() < 1e-12);
        let swapped = figures.swapped();
        assert!((swapped.paired.log_ratio + expected).abs() < 1e-12);
        assert_eq!((swapped.base.median, swapped.head.median), (21.0, 20.0));
        assert_eq!((swapped.differences.mean, swapped.base_means.mean, swapped.head_means.mean), (-3.5, 26.0, 22.5));
        assert_eq!(swapped.differences.variance(), figures.differences.variance());
        let many = Side::of((0..250).map(f64::from).collect::<Vec<_>>().iter()).unwrap();
        assert_eq!((many.samples.len(), many.samples[0]), (84, 1.0));
    }
}
