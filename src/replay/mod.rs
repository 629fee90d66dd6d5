//! The judge run over recorded launches, thousands of times, and the rules of the field beside it.
//!
//! A run of so many cells draws, for each of them, one of the recorded cells and launches of it, all with replacement; null
//! launches tell how often a rule is red without reason, planted ones how often it finds what is there. All rules see the same
//! draws. Launches are drawn for each cell by itself, whereas the stages of one sample share theirs in life: red cells come
//! together there, so that the false reds of a run given here are the higher ones.
//!
//! Everything follows from the recording and the seed. Reads no clock; `recording` alone reads files; `life` knows neither.

pub mod export;
pub mod field;
pub mod figures;
pub mod life;
pub mod noise;
pub mod recording;
pub mod table;

use std::collections::BTreeMap;

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use self::field::{Draw, FieldRule};
use self::figures::Figures;
use self::recording::{CellName, Recording};
use crate::judge::kernels::{Deviation, KernelError, winsorised};
use crate::judge::paired;
use crate::model::Verdict;

/// The first of the random streams for planted launches; runs have those below.
const PLANTED_STREAMS: u64 = 1 << 40;

/// What is replayed, and how often.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Null runs, and draws of each recorded cell with a planted change.
    pub runs: u32,
    /// Cells of a run.
    pub cells: u32,
    pub seed: u64,
    /// Launches a side for the rules of the field.
    pub launches: usize,
    /// Pairs of launches after which our rule gives up.
    pub most_pairs: u32,
    /// Tolerances that our rule is tried with, as relative changes.
    pub tolerances: Vec<f64>,
    /// Whether our rule knows the deviation of the recorded null pairs, as a baseline with a history would tell it.
    pub history: bool,
    /// Whether each null pair counts a second time with its sides swapped. That takes out whatever makes one side of the
    /// recording slower, by chance or by bias, and leaves the scatter.
    pub swap: bool,
}

/// A share, as what it was counted from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Share {
    pub count: u64,
    pub of: u64,
}

/// What a rule made of the cells of one kind.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Tally {
    /// Cells called red.
    pub red: Share,
    /// Cells that the rule left undecided; those of the field decide always.
    pub undecided: Share,
    /// Pairs of launches spent on all of them.
    pub pairs: u64,
}

/// All cells with the same change planted, together and each.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Planted {
    /// The change, as a share of the time; 0 for none.
    pub planted: f64,
    pub all: Tally,
    pub cells: BTreeMap<String, Tally>,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    pub rule: String,
    pub source: String,
    /// Null runs with a red cell or more; none without null launches.
    pub red_runs: Option<Share>,
    /// By what was planted, ascending.
    pub planted: Vec<Planted>,
}

/// What a recording gave.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Replayed {
    /// How many pairs of launches are recorded with each planted change, ascending.
    pub recorded: Vec<(f64, usize)>,
    /// Cells that are recorded, by stage.
    pub cells: Vec<String>,
    pub rows: Vec<Row>,
}

/// Why a recording cannot be replayed.
#[derive(Debug, thiserror::Error)]
#[error("pair {pair}: an observation has no logarithm; record it again")]
pub struct ReplayError {
    pair: usize,
    #[source]
    source: KernelError,
}

/// What is recorded of one cell with one change planted.
struct Group {
    name: String,
    /// Of our rule; see [`paired::prior`].
    prior: Deviation,
    recorded: Vec<Figures>,
}

/// One rule's word on one cell.
struct Call {
    red: bool,
    undecided: bool,
    pairs: u64,
}

/// Our rule or another's.
enum Rule {
    Ours { tolerance: f64, cells: usize, most_pairs: u32 },
    Field(Box<FieldRule>),
}

/// Replays a recording; `step` is called once for each of the [`steps`].
///
/// # Errors
/// A pair without figures, which a recording that was read does not have.
pub fn replay(recording: &Recording, options: &Options, step: &mut dyn FnMut()) -> Result<Replayed, ReplayError> {
    let sizes = groups(recording, options)?;
    let mut rules = rules(options);
    let mut rows: Vec<Row> = rules.iter().map(|rule| rule.row(options)).collect();
    let mut group = 0;
    for (planted, groups) in &sizes {
        let mut tallies: Vec<Planted> = vec![Planted::of(*planted, groups); rules.len()];
        if *planted == 0.0 {
            let red = null_runs(groups, options, &mut rules, &mut tallies, step)?;
            for (row, count) in rows.iter_mut().zip(red) {
                row.red_runs = Some(Share { count, of: u64::from(options.runs) });
            }
        } else {
            for (at, one) in groups.iter().enumerate() {
                let mut random = ChaCha8Rng::seed_from_u64(options.seed);
                random.set_stream(PLANTED_STREAMS + (group + at) as u64);
                for _ in 0..options.runs {
                    cell(one, group + at, options, &mut rules, &mut tallies, &mut random)?;
                }
                step();
            }
        }
        group += groups.len();
        rows.iter_mut().zip(tallies).for_each(|(row, tally)| row.planted.push(tally));
    }
    let cells: std::collections::BTreeSet<&CellName> =
        recording.pairs.iter().flat_map(|pair| pair.cells.keys()).collect();
    let mut recorded: BTreeMap<u64, (f64, usize)> = BTreeMap::new();
    for pair in &recording.pairs {
        recorded.entry(key(pair.planted)).or_insert((pair.planted, 0)).1 += 1;
    }
    Ok(Replayed {
        recorded: recorded.into_values().collect(),
        cells: cells.into_iter().map(|cell| cell.name.clone()).collect(),
        rows,
    })
}

/// How often [`replay`] will call its `step`.
#[must_use]
pub fn steps(recording: &Recording, options: &Options) -> u64 {
    let mut groups: std::collections::BTreeSet<(u64, &CellName)> = std::collections::BTreeSet::new();
    for pair in &recording.pairs {
        groups.extend(pair.cells.keys().map(|cell| (key(pair.planted), cell)));
    }
    let planted = groups.iter().filter(|(planted, _)| *planted != 0).count() as u64;
    planted + if groups.iter().any(|(planted, _)| *planted == 0) { u64::from(options.runs) } else { 0 }
}

/// What is recorded, by what was planted and by cell, in their orders.
fn groups(recording: &Recording, options: &Options) -> Result<Vec<(f64, Vec<Group>)>, ReplayError> {
    let mut sizes: BTreeMap<u64, (f64, BTreeMap<&CellName, Vec<Figures>>)> = BTreeMap::new();
    for (at, pair) in recording.pairs.iter().enumerate() {
        let figures = Figures::of(pair).map_err(|source| ReplayError { pair: at + 1, source })?;
        let (_, cells) = sizes.entry(key(pair.planted)).or_insert((pair.planted, BTreeMap::new()));
        for (cell, figures) in pair.cells.keys().zip(figures) {
            let swapped = (options.swap && pair.planted == 0.0).then(|| figures.swapped());
            cells.entry(cell).or_default().extend([Some(figures), swapped].into_iter().flatten());
        }
    }
    let null = sizes.get(&0).filter(|_| options.history).map(|(_, cells)| history(cells)).unwrap_or_default();
    let group = |(name, recorded): (&CellName, Vec<Figures>)| Group {
        name: name.name.clone(),
        prior: paired::prior(name.stage, null.get(name).copied()),
        recorded,
    };
    let sizes = sizes.into_values().map(|(planted, cells)| (planted, cells.into_iter().map(group).collect()));
    Ok(sizes.collect())
}

/// The deviation of each cell's null pairs, as a baseline's history would have it.
fn history(cells: &BTreeMap<&CellName, Vec<Figures>>) -> BTreeMap<CellName, Deviation> {
    let deviation = |recorded: &[Figures]| {
        let ratios: Vec<f64> = recorded.iter().map(|one| one.paired.log_ratio).collect();
        let location = winsorised(&ratios, 0.0).ok().filter(|location| location.freedom > 0.0)?;
        Some(Deviation { value: location.deviation, freedom: location.freedom })
    };
    cells.iter().filter_map(|(name, recorded)| Some(((*name).clone(), deviation(recorded)?))).collect()
}

/// Planted changes in their order: none is negative, and the bits of such numbers are in the order of the numbers.
fn key(planted: f64) -> u64 {
    // Minus zero is zero.
    (planted + 0.0).to_bits()
}

fn rules(options: &Options) -> Vec<Rule> {
    let ours = options.tolerances.iter().map(|tolerance| Rule::Ours {
        tolerance: *tolerance,
        cells: options.cells as usize,
        most_pairs: options.most_pairs,
    });
    let field = FieldRule::all(options.launches, options.seed).into_iter().map(|rule| Rule::Field(Box::new(rule)));
    ours.chain(field).collect()
}

/// The null runs, and for each rule how many of them had a red cell.
fn null_runs(
    groups: &[Group],
    options: &Options,
    rules: &mut [Rule],
    tallies: &mut [Planted],
    step: &mut dyn FnMut(),
) -> Result<Vec<u64>, ReplayError> {
    let mut red_runs = vec![0; rules.len()];
    for run in 0..options.runs {
        let mut random = ChaCha8Rng::seed_from_u64(options.seed);
        random.set_stream(u64::from(run));
        let mut red = vec![false; rules.len()];
        for _ in 0..options.cells {
            let at = random.random_range(0..groups.len());
            let calls = cell(&groups[at], at, options, rules, tallies, &mut random)?;
            red.iter_mut().zip(calls).for_each(|(red, call)| *red |= call);
        }
        red_runs.iter_mut().zip(red).for_each(|(runs, red)| *runs += u64::from(red));
        step();
    }
    Ok(red_runs)
}

/// One cell: draws its launches, asks each rule, and counts what they say. Returns which rules are red.
fn cell(
    group: &Group,
    id: usize,
    options: &Options,
    rules: &mut [Rule],
    tallies: &mut [Planted],
    random: &mut ChaCha8Rng,
) -> Result<Vec<bool>, ReplayError> {
    let mut draw =
        |count: usize| -> Vec<usize> { (0..count).map(|_| random.random_range(0..group.recorded.len())).collect() };
    let pairs = draw(options.launches.max(options.most_pairs as usize));
    let heads = draw(options.launches);
    let mut reds = Vec::with_capacity(rules.len());
    for (rule, planted) in rules.iter_mut().zip(tallies) {
        let call = rule.call(group, id, &pairs, &heads).map_err(|source| ReplayError { pair: pairs[0] + 1, source })?;
        planted.all.add(&call);
        if let Some(tally) = planted.cells.get_mut(&group.name) {
            tally.add(&call);
        }
        reds.push(call.red);
    }
    Ok(reds)
}

impl Rule {
    fn row(&self, options: &Options) -> Row {
        let (rule, source) = match self {
            Self::Ours { tolerance, .. } => {
                // To the tenth of a thousandth, which is how finely a tolerance can be said.
                let percent = (tolerance * 1e6).round() / 1e4;
                let history = if options.history { ", with history" } else { "" };
                let source = "src/judge/paired.rs; each look and each cell paid for, a red confirmed on fresh launches";
                (format!("tollgate: tolerance {percent} %{history}"), source.to_owned())
            }
            Self::Field(rule) => (rule.name(), rule.source().to_owned()),
        };
        Row { rule, source, red_runs: None, planted: Vec::new() }
    }

    fn call(&mut self, group: &Group, id: usize, pairs: &[usize], heads: &[usize]) -> Result<Call, KernelError> {
        match self {
            Self::Ours { tolerance, cells, most_pairs } => {
                // The same engine runs on both sides, so there is no layout to allow for.
                let rule = paired::Rule { tolerance: *tolerance, allowance: 0.0 };
                let mut next = pairs.iter();
                // As many pairs were drawn as the life of a cell can ask for.
                let mut draw = || next.next().map_or(f64::NAN, |at| group.recorded[*at].paired.log_ratio);
                let lived = life::live(&mut draw, group.prior, &rule, *cells, *most_pairs);
                Ok(Call {
                    red: lived.verdict == Verdict::Regressed,
                    undecided: matches!(lived.verdict, Verdict::Inconclusive(_)),
                    pairs: u64::from(lived.pairs),
                })
            }
            Self::Field(rule) => {
                let draw = Draw { recorded: &group.recorded, group: id, pairs: &pairs[..heads.len()], heads };
                let pairs = rule.launches(heads.len()) as u64;
                Ok(Call { red: rule.is_red(&draw)?, undecided: false, pairs })
            }
        }
    }
}

impl Planted {
    fn of(planted: f64, groups: &[Group]) -> Self {
        let cells = groups.iter().map(|group| (group.name.clone(), Tally::default())).collect();
        Self { planted, all: Tally::default(), cells }
    }
}

impl Tally {
    fn add(&mut self, call: &Call) {
        self.red.add(call.red);
        self.undecided.add(call.undecided);
        self.pairs += call.pairs;
    }

    /// Pairs of launches a cell; 0 for no cells.
    #[must_use]
    pub fn mean_pairs(&self) -> f64 {
        if self.red.of == 0 { 0.0 } else { self.pairs as f64 / self.red.of as f64 }
    }
}

impl Share {
    fn add(&mut self, counts: bool) {
        self.count += u64::from(counts);
        self.of += 1;
    }

    /// The share; 0 of nothing.
    #[must_use]
    pub fn value(self) -> f64 {
        if self.of == 0 { 0.0 } else { self.count as f64 / self.of as f64 }
    }
}

#[cfg(test)]
mod tests;
