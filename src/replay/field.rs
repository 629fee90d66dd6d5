//! The rules by which others call a time a regression, on the same recorded launches as ours.
//!
//! Each is written from the tool's own source, named beside it with the version that was read, and gets the data in the form
//! that the tool takes. Rules that compare separate processes get base and head launches of separate draws, because processes
//! that do not take turns meet the machine in different states; a rule that pairs gets pairs. Where a rule also flags
//! improvements, only the slower direction counts. Knows nothing of our own rule.

mod criterion;
mod ranks;

use statrs::distribution::{ContinuousCDF, StudentsT};

use self::criterion::Criterion;
use self::ranks::Ranks;
use super::figures::{Figures, Moments};
use crate::judge::kernels::{KernelError, median};

/// Welch's level: the default of `--significance-level` in Sightglass' `crates/cli/src/effect_size.rs` and `benchmark.rs`.
const SIGHTGLASS_LEVEL: f64 = 0.01;

/// The normal quantile of half of [`SIGHTGLASS_LEVEL`]; Student's t has none that is smaller.
const SIGHTGLASS_LEAST_T: f64 = 2.5758;

/// `DiffEstimate::build` in tango-bench 0.6.0, `src/lib.rs`: "z_score = 2.6 corresponds to 99% significance level".
const TANGO_Z: f64 = 2.6;
/// The same: "more than 0.5% base/candidate difference".
const TANGO_CHANGE: f64 = 0.005;
/// The same: `ActiveTimer::precision()`, nanoseconds.
const TANGO_PRECISION: f64 = 1.0;

/// The launches that a cell got in one run.
#[derive(Debug, Clone, Copy)]
pub struct Draw<'a> {
    /// What is recorded of the cell with this slowdown planted.
    pub recorded: &'a [Figures],
    /// A number that stands for `recorded` in this replay.
    pub group: usize,
    /// The pairs drawn; also the base launches of rules that do not pair.
    pub pairs: &'a [usize],
    /// The head launches of rules that do not pair.
    pub heads: &'a [usize],
}

/// A rule of the field.
#[derive(Debug)]
pub enum FieldRule {
    /// One launch's median against another's.
    Ratio(f64),
    /// The mean of the launches' medians against the other side's.
    RatioOfMeans(f64),
    Criterion(Criterion),
    MannWhitney(Ranks),
    Welch,
    Tango,
}

impl FieldRule {
    /// All of them, for so many launches a side.
    #[must_use]
    pub fn all(launches: usize, seed: u64) -> Vec<Self> {
        vec![
            Self::Ratio(2.0),
            Self::Ratio(1.1),
            Self::RatioOfMeans(1.1),
            Self::Criterion(Criterion::new(seed)),
            Self::MannWhitney(Ranks::new(launches)),
            Self::Welch,
            Self::Tango,
        ]
    }

    /// What the table calls it.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Ratio(limit) => format!("ratio of {limit}, one launch against another"),
            Self::RatioOfMeans(limit) => format!("ratio of {limit}, means of launches"),
            Self::Criterion(_) => "criterion: one launch each, t at 0.05, 1 % noise".to_owned(),
            Self::MannWhitney(_) => "benchstat: Mann-Whitney at 0.05 on launches".to_owned(),
            Self::Welch => "Sightglass: Welch at 0.01 on pooled iterations".to_owned(),
            Self::Tango => "tango: paired z of 2.6 and 0.5 %".to_owned(),
        }
    }

    /// Where the rule is defined.
    #[must_use]
    pub fn source(&self) -> &'static str {
        match self {
            Self::Ratio(limit) if *limit >= 2.0 => {
                "github-action-benchmark, action.yml at 09a6990 (`alert-threshold: 200%`) and src/write.ts at 019cbcb \
                 (findAlerts: current / previous > threshold); one number a revision"
            }
            Self::Ratio(_) => {
                "github-action-benchmark with `alert-threshold: 110%`, as in casbin's PerformancePush.yml at 64efe3d; one number a revision"
            }
            Self::RatioOfMeans(_) => "the same threshold on the mean of all launches of a side",
            Self::Criterion(_) => {
                "criterion 0.8.2, src/analysis/compare.rs and src/report.rs (p < 0.05 of a bootstrapped t, and the 95 % \
                 interval of the mean's change beyond noise_threshold 0.01), src/lib.rs for the defaults"
            }
            Self::MannWhitney(_) => {
                "benchstat: golang.org/x/perf v0.0.0-20260908200009, benchmath/anone.go and sample.go (CompareAlpha 0.05); \
                 go-moremath v0.0.0-20210112150236, stats/utest.go"
            }
            Self::Welch => {
                "Sightglass at 372c47a, crates/analysis/src/effect_size.rs and crates/data (is_significant); \
                 behrens-fisher 0.2.0; crates/cli/src/benchmark.rs at 18be363 (10 processes, all iterations pooled)"
            }
            Self::Tango => "tango-bench 0.6.0, src/lib.rs (DiffEstimate::build), outliers kept, as by default",
        }
    }

    /// Launches a side that the rule takes, of so many on offer.
    #[must_use]
    pub fn launches(&self, offered: usize) -> usize {
        match self {
            Self::Ratio(_) | Self::Criterion(_) => 1.min(offered),
            Self::RatioOfMeans(_) | Self::MannWhitney(_) | Self::Welch | Self::Tango => offered,
        }
    }

    /// Whether the rule calls the head slower. A draw without launches, or of launches that scatter by nothing at all, is not.
    ///
    /// # Errors
    /// Figures that are not finite, which are not recorded.
    pub fn is_red(&mut self, draw: &Draw<'_>) -> Result<bool, KernelError> {
        let (Some(base), Some(head)) = (draw.pairs.first(), draw.heads.first()) else { return Ok(false) };
        let launches = |of: &[usize], figure: fn(&Figures) -> f64| -> Vec<f64> {
            of.iter().map(|at| figure(&draw.recorded[*at])).collect()
        };
        let bases = || launches(draw.pairs, |one| one.base.median);
        let heads = || launches(draw.heads, |one| one.head.median);
        Ok(match self {
            Self::Ratio(limit) => draw.recorded[*head].head.median / draw.recorded[*base].base.median > *limit,
            Self::RatioOfMeans(limit) => Moments::of(heads()).mean / Moments::of(bases()).mean > *limit,
            Self::Criterion(rule) => rule.is_red(draw.group, draw.recorded, *base, *head),
            Self::MannWhitney(ranks) => {
                let (bases, heads) = (bases(), heads());
                // The figure that benchstat shows beside the test is the median.
                ranks.differ(&bases, &heads) && median(&heads)? > median(&bases)?
            }
            Self::Welch => {
                let pool = |of: &[usize], figure: fn(&Figures) -> Moments| {
                    of.iter().map(|at| figure(&draw.recorded[*at])).fold(Moments::default(), Moments::and)
                };
                let base = pool(draw.pairs, |one| one.base.iterations);
                welch(&base, &pool(draw.heads, |one| one.head.iterations))
            }
            Self::Tango => {
                let pool = |figure: fn(&Figures) -> Moments| {
                    draw.pairs.iter().map(|at| figure(&draw.recorded[*at])).fold(Moments::default(), Moments::and)
                };
                tango(&pool(|one| one.differences), &pool(|one| one.base_means))
            }
        })
    }
}

/// Welch's two-sided interval of the difference of means lies above zero. Sightglass pools the iterations of all processes, as
/// if those of one process were independent of each other. Without variance its library refuses to answer, and so does this.
fn welch(base: &Moments, head: &Moments) -> bool {
    let (base_part, head_part) = (base.variance() / base.count, head.variance() / head.count);
    let error = base_part + head_part;
    let t = (head.mean - base.mean) / error.sqrt();
    // Most draws end here, without the tail of t.
    if !(base_part > 0.0 && head_part > 0.0 && t > SIGHTGLASS_LEAST_T) {
        return false;
    }
    let (base_share, head_share) = (base_part / error, head_part / error);
    let freedom = 1.0 / (base_share.powi(2) / (base.count - 1.0) + head_share.powi(2) / (head.count - 1.0));
    StudentsT::new(0.0, 1.0, freedom).is_ok_and(|student| student.sf(t) < SIGHTGLASS_LEVEL / 2.0)
}

/// The mean difference of paired observations is [`TANGO_Z`] standard errors above zero, more than [`TANGO_CHANGE`] of the base's
/// mean, and no less than the timer can tell. Pairs of several launches are pooled; tango itself has one process.
fn tango(differences: &Moments, base: &Moments) -> bool {
    let error = (differences.variance() / differences.count).sqrt();
    differences.mean / error >= TANGO_Z
        && differences.mean / base.mean > TANGO_CHANGE
        && differences.mean >= TANGO_PRECISION
}

#[cfg(test)]
mod tests;
