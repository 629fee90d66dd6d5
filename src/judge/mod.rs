//! The judge: results in, findings out.
//!
//! Architecture invariant: does no I/O, reads no clock and draws no random number, so that a file of results is judged the
//! same anywhere. Results are untrusted: odd data gives a reason, never a panic and never a number. Nothing after the judge
//! computes a number again.
//!
//! `kernels` (statistics), `pooling` (observations to launches), `blocks` and `duel` (blocks to pairs of launches) know no verdicts;
//! `time`, `paired` and `exact` decide on figures; `pair` picks the rule for a cell; `controls` doubts the run; `outcome` joins;
//! `merged` takes the shards of a run one by one.

pub mod against_base;
pub mod blocks;
mod broken;
pub mod compare;
mod composite;
mod context;
pub mod controls;
mod differences;
pub mod duel;
mod evidence;
mod exact;
mod gating;
pub mod kernels;
pub mod loosening;
mod merged;
mod missing;
mod notes;
mod outcome;
mod pair;
pub mod paired;
pub mod pooling;
mod scatter;
pub mod shrinkage;
mod tails;
mod threshold;
pub mod time;
mod tradeoff;

#[cfg(test)]
mod recorded;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use self::context::Context;
use self::paired::MAX_PAIRS;
use self::threshold::Thresholds;
use self::time::MAX_LOOKS;
use crate::model::findings::{Against, Gating, PairFailure};
use crate::model::{BackendId, Cell, CellFinding, Findings, Metric, Results, SampleId, Stage};

/// Judges a run.
#[must_use]
pub fn judge(results: &Results) -> Findings {
    if !results.header.merged.is_empty() {
        return merged::judge(results);
    }
    let context = Context::new(results);
    let cells = cells(&context);
    conclude(&context, cells)
}

/// The judgement on each cell, sorted by cell.
fn cells(context: &Context<'_>) -> Vec<CellFinding> {
    let mut cells = cells_of_pairs(context);
    cells.extend(missing::cells(context));
    cells.sort_by(|a, b| a.cell.cmp(&b.cell));
    cells
}

/// The judgement on each cell that was planned.
fn cells_of_pairs(context: &Context<'_>) -> Vec<CellFinding> {
    let mut cells = Vec::new();
    for pair in context.pairs.values() {
        let mut judged = pair::cells(context, pair);
        evidence::corroborate(&mut judged);
        let mut own: Vec<CellFinding> = judged.into_iter().map(|one| one.finding).collect();
        own.extend(composite::cells(&own.iter().collect::<Vec<_>>()));
        cells.extend(own);
    }
    controls::apply(&mut cells, &context.controls);
    cells
}

/// What the cells come to.
fn conclude(context: &Context<'_>, cells: Vec<CellFinding>) -> Findings {
    let failures = failures(context);
    Findings {
        outcome: outcome::outcome(&cells, &failures, &context.results.header.settings.fail_on)
            .max(outcome::of_loosening(context.results)),
        counts: outcome::counts(&cells),
        failures,
        tradeoffs: tradeoff::tradeoffs(&cells),
        notes: [notes::of_run(context, &cells), notes::of_cells(context, &cells)].concat(),
        spending: outcome::spending(context.results),
        scatter: context.scatter.clone(),
        controls: context.controls.clone(),
        cells,
    }
}

/// The relative tolerance that holds for a cell of the run; nothing where it is not a number.
#[must_use]
pub fn tolerance_of(results: &Results, cell: &Cell) -> Option<f64> {
    let thresholds = Thresholds::new(&results.header.settings.thresholds);
    thresholds.effective(cell).ok().map(|(tolerance, _)| tolerance.relative)
}

/// The stages, by pair of sample and backend, of which more launches would help: a gating time that is undecided for want of
/// launches, of width or of a quiet machine, or that awaits confirmation. A pair that failed is not launched again, and none
/// more often than the level pays for.
#[must_use]
pub fn undecided(results: &Results) -> BTreeMap<(SampleId, BackendId), BTreeSet<Stage>> {
    let context = Context::new(results);
    let open = |finding: &CellFinding, rounds: u32| {
        let most = if finding.against == Against::Base { MAX_PAIRS } else { MAX_LOOKS };
        finding.cell.metric == Metric::Time
            && finding.gating == Gating::Gates
            && rounds < most
            && paired::is_open(&finding.verdict)
    };
    let stages = |pair: &context::Pair<'_>| -> BTreeSet<Stage> {
        let cells = pair::cells(&context, pair).into_iter().map(|one| one.finding);
        cells.filter(|finding| open(finding, pair.rounds())).map(|finding| finding.cell.stage).collect()
    };
    let pairs = context.pairs.iter().filter(|(_, pair)| pair.broken.is_empty());
    pairs.map(|(key, pair)| (key.clone(), stages(pair))).filter(|(_, stages)| !stages.is_empty()).collect()
}

/// The first failure of each pair.
fn failures(context: &Context<'_>) -> Vec<PairFailure> {
    let first = |pair: &context::Pair<'_>| {
        let failure = pair.launches.iter().find_map(|launch| launch.failure.clone())?;
        Some(PairFailure { sample: pair.sample.clone(), backend: pair.backend.clone(), failure })
    };
    context.pairs.values().filter_map(first).collect()
}
