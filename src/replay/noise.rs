//! What the gate can promise on a machine, from a run of the base against itself: how far pairs of launches scatter, whether they
//! are biased, and what the rule makes of them.
//!
//! The pairs of launches of each stage and backend are resampled through the very rule that gates (the bootstrap of Efron, 1979,
//! "Bootstrap methods: another look at the jackknife"). A resampled cell takes the deviation of one of the samples and the shape
//! of the scatter of all of them, because a handful of launches of one sample has no tails of its own. Pure: the seed decides
//! every draw.

use std::collections::BTreeMap;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use super::life::live;
use crate::judge::duel::{Duel, DuelFigure, duels};
use crate::judge::kernels::{Deviation, median, moderated, winsorised};
use crate::judge::paired::{self, FIRST_PAIRS, MAX_PAIRS, Rule};
use crate::judge::shrinkage::typical;
use crate::judge::time::{BOUND_LEVEL, relative};
use crate::judge::tolerance_of;
use crate::model::findings::Change;
use crate::model::observation::Side;
use crate::model::{BackendId, Cell, Metric, Observation, Results, SampleId, Stage, StageKind, Verdict};

/// Share of planted changes that count as found.
const FOUND: f64 = 0.95;

/// Halvings of the interval in which the smallest change is sought, which begins at 0 to 64 %: to a sixteenth of a point.
const HALVINGS: u32 = 10;
const LARGEST: f64 = 0.64;

/// What one stage on one backend promises.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    pub backend: BackendId,
    pub stage: Stage,
    pub samples: u32,
    /// Pairs of launches of all samples.
    pub pairs: u32,
    /// Deviation of the logarithm of one launch's own figure about its sample's mean: what a comparison without pairs lives with.
    pub launch_deviation: f64,
    /// Deviation of the logarithm of the ratio of one pair of launches about its sample's mean.
    pub deviation: f64,
    /// The largest ratio seen, as a distance from 1.
    pub worst: f64,
    /// What base against base shows on average, with its interval at 95 %; a true null is 0.
    pub bias: Change,
    /// Observations that other work disturbed, as a share.
    pub disturbed: f64,
    /// The tolerance of the stage in the configuration, of the first sample.
    pub tolerance: f64,
    /// Pairs of launches that the budget allows a cell of this row if the rows' cells alone are open.
    pub pairs_affordable: u32,
    /// Cells that were red of those resampled with no change and **no tolerance**.
    pub false_reds: u32,
    pub lives: u32,
    /// Smallest change found in 95 % of resampled cells at the tolerance and the budget, as a fraction; absent above 64 %.
    pub smallest_found: Option<f64>,
    /// Smallest tolerance at which 95 % of resampled unchanged cells pass in the budget; absent above 64 %.
    pub least_tolerance: Option<f64>,
}

/// The whole assessment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Noise {
    /// Version of this document.
    pub version: u32,
    pub rows: Vec<Row>,
    /// Cells of a run, which share the level.
    pub cells: usize,
    /// Whole runs that were resampled with no change at the configured tolerances, and those with a red cell among them.
    pub runs: u32,
    pub runs_with_a_red: u32,
}

/// The pairs of launches of one stage on one backend, by sample.
struct Pool {
    backend: BackendId,
    stage: Stage,
    by_sample: BTreeMap<SampleId, Vec<DuelFigure>>,
    /// Deviation of a pair, of each sample with two or more, in the order of samples.
    deviations: Vec<f64>,
    /// Distances from the sample's mean in units of the sample's deviation, widened for the mean's own error.
    shape: Vec<f64>,
    rule: Rule,
    affordable: u32,
    /// What the rule shrinks deviations towards: as the baseline of the run has it.
    prior: Deviation,
}

/// Assesses a run of the base against itself. `lives` cells are resampled for each row, and `runs` whole runs; a pair of sample and
/// backend that takes more than one part in `large_share` of the budget waits for the others.
#[must_use]
pub fn assess(results: &Results, seed: u64, lives: u32, runs: u32, large_share: u32) -> Noise {
    let cells = results.header.plan.iter().map(|pair| pair.stages.iter().filter(|stage| gates(**stage)).count()).sum();
    let pools = pools(results, large_share);
    let rows = pools.iter().map(|pool| pool.row(cells, seed, lives)).collect();
    let of_run: Vec<(&Pool, usize)> = pools.iter().map(|pool| (pool, pool.by_sample.len())).collect();
    let red = |run: u32| {
        let mut random = stream(seed, u64::from(run) | 1 << 40);
        of_run.iter().any(|(pool, cells_of)| (0..*cells_of).any(|_| pool.is_red(&mut random, 0.0, &pool.rule, cells)))
    };
    let runs_with_a_red = (0..runs).filter(|run| red(*run)).count();
    Noise { version: 1, rows, cells, runs, runs_with_a_red: u32::try_from(runs_with_a_red).unwrap_or(u32::MAX) }
}

fn gates(stage: Stage) -> bool {
    matches!(stage.kind(), StageKind::Gating)
}

fn stream(seed: u64, number: u64) -> ChaCha8Rng {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(number);
    random
}

fn pools(results: &Results, large_share: u32) -> Vec<Pool> {
    let duels = duels(&results.launches, Side::Base, Side::Head);
    let mut pools: BTreeMap<(BackendId, Stage), Cells> = BTreeMap::new();
    let budget = results.header.settings.budget.as_f64();
    // What the first rounds take; pairs that are large for the budget are launched once and then wait.
    let mut first = 0.0;
    for ((sample, backend), duels) in &duels {
        let one = duels.iter().map(|duel| duel.head.duration.as_f64()).sum::<f64>() / duels.len() as f64;
        first += if one * f64::from(large_share) > budget { one } else { one * f64::from(FIRST_PAIRS) };
        for stage in Stage::ALL.iter().copied().filter(|stage| gates(*stage)) {
            let figures: Vec<DuelFigure> = duels.iter().filter_map(|duel| duel.figure(stage).ok().flatten()).collect();
            if figures.len() >= 2 {
                let cells = pools.entry((backend.clone(), stage)).or_default();
                cells.one_more += duels.iter().map(|duel| cost(duel, stage)).sum::<f64>() / duels.len() as f64;
                cells.by_sample.insert(sample.clone(), figures);
            }
        }
    }
    let rest = (budget - first).max(0.0);
    let build = |((backend, stage), cells): ((BackendId, Stage), Cells)| {
        // The cast saturates.
        let affordable = FIRST_PAIRS.saturating_add((rest / cells.one_more.max(1.0)) as u32).min(MAX_PAIRS);
        Pool::new(results, backend, stage, cells.by_sample, affordable)
    };
    pools.into_iter().filter_map(build).collect()
}

/// The cells of a row as they are gathered.
#[derive(Default)]
struct Cells {
    by_sample: BTreeMap<SampleId, Vec<DuelFigure>>,
    /// What one more pair of launches of every sample takes, if this stage alone is open, in nanoseconds.
    one_more: f64,
}

/// Starting, preparing and ending a pair of workers, in nanoseconds: about what is left of the smallest pairs.
const START: f64 = 100e6;

/// Share of the real time of a stage that is in timed batches: 0.56 to 0.62 where an operation is shorter than a batch.
const TIMED_SHARE: f64 = 0.6;

/// What a pair of launches takes that measures one stage alone, in nanoseconds. What comes after the compile needs one first.
fn cost(duel: &Duel<'_>, stage: Stage) -> f64 {
    let both = |stage: Stage| [duel.base, duel.head].into_iter().filter_map(move |launch| launch.stages.get(&stage));
    let timed: f64 = both(stage).flat_map(|record| &record.observations).map(|one| one.wall.as_f64()).sum();
    let compiled: f64 =
        both(Stage::Compile).filter_map(|record| record.observations.first()).map(Observation::per_operation).sum();
    let needed = if matches!(stage, Stage::Validate | Stage::Compile) { 0.0 } else { compiled };
    START + needed + timed / TIMED_SHARE
}

impl Pool {
    fn new(
        results: &Results,
        backend: BackendId,
        stage: Stage,
        by_sample: BTreeMap<SampleId, Vec<DuelFigure>>,
        affordable: u32,
    ) -> Option<Self> {
        let (mut deviations, mut shape) = (Vec::new(), Vec::new());
        for figures in by_sample.values() {
            let values: Vec<f64> = figures.iter().map(|one| one.figure.log_ratio).collect();
            let (mean, deviation) = moments(&values);
            if deviation > 0.0 {
                // Distances from the sample's own mean are too small by this.
                let widen = (values.len() as f64 / (values.len() as f64 - 1.0)).sqrt();
                shape.extend(values.iter().map(|value| (value - mean) / deviation * widen));
                deviations.push(deviation);
            }
        }
        let sample = by_sample.keys().next()?.clone();
        let cell = Cell { sample, backend: backend.clone(), stage, metric: Metric::Time };
        let tolerance = tolerance_of(results, &cell)?;
        let rule = Rule { tolerance, allowance: 0.0 };
        let scatter = results.header.baselines.get(&backend).and_then(|baseline| baseline.scatter.get(&stage));
        let history = scatter.map(|one| Deviation { value: one.deviation, freedom: f64::from(one.freedom) });
        let prior = paired::prior(stage, history);
        // A run believes what it shows itself where that is more.
        let seen = seen(stage, &by_sample).filter(|seen| seen.value > prior.value);
        let prior = seen.map_or(prior, |seen| paired::prior(stage, Some(seen)));
        (!shape.is_empty()).then_some(Self { backend, stage, by_sample, deviations, shape, rule, affordable, prior })
    }

    fn row(&self, cells: usize, seed: u64, lives: u32) -> Row {
        let figures: Vec<&DuelFigure> = self.by_sample.values().flatten().collect();
        let all: Vec<f64> = figures.iter().map(|one| one.figure.log_ratio).collect();
        let sum = |of: fn(&DuelFigure) -> u32| figures.iter().map(|one| f64::from(of(one))).sum::<f64>();
        let number = (self.backend.as_str(), self.stage);
        let each = |life: u32| stream(seed, hash(number) ^ u64::from(life));
        let untolerant = Rule { tolerance: 0.0, allowance: 0.0 };
        let count = |test: &dyn Fn(u32) -> bool| (0..lives).filter(|life| test(*life)).count();
        let share = |test: &dyn Fn(u32) -> bool| count(test) as f64 / f64::from(lives.max(1));
        let false_reds = count(&|life| self.is_red(&mut each(life), 0.0, &untolerant, cells));
        let finds = |beyond: f64| {
            let effect = (1.0 + self.rule.tolerance + beyond).ln();
            share(&|life| self.is_red(&mut each(life), effect, &self.rule, cells))
        };
        let passes = |tolerance: f64| {
            let rule = Rule { tolerance, allowance: 0.0 };
            share(&|life| self.lives(&mut each(life), 0.0, &rule, cells) == Verdict::Pass)
        };
        Row {
            backend: self.backend.clone(),
            stage: self.stage,
            samples: count_of(self.by_sample.len()),
            pairs: count_of(all.len()),
            launch_deviation: pooled(&self.by_sample, |one| one.figure.base_nanos.ln()),
            deviation: pooled(&self.by_sample, |one| one.figure.log_ratio),
            worst: all.iter().map(|value| relative(value.abs())).fold(0.0, f64::max),
            bias: self.bias(&all),
            disturbed: sum(|one| one.disturbed_observations) / sum(|one| one.observations).max(1.0),
            tolerance: self.rule.tolerance,
            pairs_affordable: self.affordable,
            false_reds: count_of(false_reds),
            lives,
            smallest_found: smallest(finds).map(|beyond| self.rule.tolerance + beyond),
            least_tolerance: smallest(passes),
        }
    }

    fn bias(&self, all: &[f64]) -> Change {
        let estimate = paired::estimate(all, self.prior);
        let bounds = estimate.and_then(|one| Ok((one.value, one.lower(BOUND_LEVEL)?, one.upper(BOUND_LEVEL)?)));
        let (value, low, high) = bounds.unwrap_or((median(all).unwrap_or(0.0), f64::NEG_INFINITY, f64::INFINITY));
        Change { relative: relative(value), low: relative(low), high: relative(high) }
    }

    fn lives(&self, random: &mut ChaCha8Rng, effect: f64, rule: &Rule, cells: usize) -> Verdict {
        let own = self.deviations[random.random_range(0..self.deviations.len())];
        // The deviation of a few launches is itself uncertain: it is shrunk as the rule shrinks it.
        let own = moderated(Deviation { value: own, freedom: 4.0 }, self.prior).map_or(own, |one| one.value);
        let mut draw = || effect + own * self.shape[random.random_range(0..self.shape.len())];
        live(&mut draw, self.prior, rule, cells, self.affordable).verdict
    }

    fn is_red(&self, random: &mut ChaCha8Rng, effect: f64, rule: &Rule, cells: usize) -> bool {
        self.lives(random, effect, rule, cells) == Verdict::Regressed
    }
}

/// The deviation about the sample's mean, pooled over the samples.
fn pooled(by_sample: &BTreeMap<SampleId, Vec<DuelFigure>>, of: impl Fn(&DuelFigure) -> f64) -> f64 {
    let (mut squares, mut freedom) = (0.0, 0.0);
    for figures in by_sample.values() {
        let values: Vec<f64> = figures.iter().map(&of).collect();
        let own = values.len() as f64 - 1.0;
        squares += moments(&values).1.powi(2) * own;
        freedom += own;
    }
    (squares / f64::max(freedom, 1.0)).sqrt()
}

/// How far pairs of a row scatter in this run, as the judge sees it.
fn seen(stage: Stage, by_sample: &BTreeMap<SampleId, Vec<DuelFigure>>) -> Option<Deviation> {
    let of_cell = |figures: &Vec<DuelFigure>| {
        let values: Vec<f64> = figures.iter().map(|one| one.figure.log_ratio).collect();
        winsorised(&values, paired::prior(stage, None).value).ok()
    };
    let cells = by_sample.values().filter_map(of_cell);
    let cells: Vec<Deviation> = cells.map(|cell| Deviation { value: cell.deviation, freedom: cell.freedom }).collect();
    typical(&cells, paired::CELLS_FREEDOM).ok()
}

/// The smallest argument for which the share reaches [`FOUND`], taking it to rise.
fn smallest(share: impl Fn(f64) -> f64) -> Option<f64> {
    let (mut low, mut high) = (0.0, LARGEST);
    if share(high) < FOUND {
        return None;
    }
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        if share(middle) >= FOUND { high = middle } else { low = middle }
    }
    Some(high)
}

fn moments(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, (squares / (n - 1.0).max(1.0)).sqrt())
}

fn count_of(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// A number of a row's own for its random streams, the same on every machine: FNV-1a, Fowler, Noll and Vo (1991).
fn hash((backend, stage): (&str, Stage)) -> u64 {
    let bytes = backend.bytes().chain([0]).chain(stage.as_str().bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
        & !0xffff_ffff
}
