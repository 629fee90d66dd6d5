//! Results that were put together from shards: each shard is judged as the run that it was, on its own machine, and one level is
//! shared by the cells of all.
//!
//! Invariants: nothing that was measured in one shard says anything about a cell of another, neither its machine nor its null controls nor
//! how far its launches scatter; a shard that is not there as a whole breaks every cell of its part.

use std::collections::{BTreeMap, BTreeSet};

use super::context::Context;
use super::{cells_of_pairs, failures, missing, notes, outcome, scatter, tradeoff};
use crate::model::findings::Outcome;
use crate::model::results::{End, EndReason, Header};
use crate::model::shard::{MergedShard, Shard, ShardState};
use crate::model::{Failure, Findings, Launch, Nanos, Results, Stage, StageKind};

/// Judges results that were put together.
#[must_use]
pub fn judge(results: &Results) -> Findings {
    // One shard at a time is taken out of the results, so that they are in memory twice at most.
    let numbers = 0..results.header.merged.len();
    let gating_times = numbers.clone().map(|at| Context::new(&run(results, at)).own_times).sum();
    let (mut cells, mut failed, mut controls, mut of_shards) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut is_faulty = false;
    for at in numbers {
        let run = run(results, at);
        let mut context = Context::new(&run);
        context.gating_times = gating_times;
        let fault = fault(results, at);
        if let Some(failure) = fault {
            is_faulty = true;
            break_all(&mut context, failure);
        }
        let own = cells_of_pairs(&context);
        if fault.is_none() {
            of_shards.push((at + 1, notes::of_run(&context, &own)));
        }
        cells.extend(own);
        failed.extend(failures(&context));
        controls.extend(context.controls);
    }
    // What does not depend on a machine is said of all shards at once.
    let whole = Context::new(results);
    cells.extend(missing::cells(&whole));
    cells.sort_by(|a, b| a.cell.cmp(&b.cell));
    let joined =
        outcome::outcome(&cells, &failed, &results.header.settings.fail_on).max(outcome::of_loosening(results));
    Findings {
        outcome: if is_faulty { joined.max(Outcome::Broken) } else { joined },
        counts: outcome::counts(&cells),
        failures: failed,
        tradeoffs: tradeoff::tradeoffs(&cells),
        notes: [of_machines(of_shards), notes::of_cells(&whole, &cells)].concat(),
        spending: outcome::spending(results),
        scatter: scatter::observed(&whole.pairs),
        controls,
        cells,
    }
}

/// Why a shard counts as not measured, if it does.
fn fault(results: &Results, at: usize) -> Option<&Failure> {
    match &results.header.merged.get(at)?.state {
        ShardState::Faulty(failure) => Some(failure),
        ShardState::Measured(_) => None,
    }
}

/// One shard as the run that it was.
fn run(results: &Results, at: usize) -> Results {
    let parts: Vec<_> = results.header.merged.iter().map(|shard| shard.part.clone()).collect();
    let header = Header {
        plan: parts.get(at).cloned().unwrap_or_default(),
        merged: Vec::new(),
        shard: Some(Shard { number: u32::try_from(at + 1).unwrap_or(u32::MAX), parts }),
        ..results.header.clone()
    };
    let nothing = End { reason: EndReason::Complete, elapsed: Nanos::default() };
    let empty = Results { header, launches: Vec::new(), end: nothing };
    let Some(MergedShard { state: ShardState::Measured(run), .. }) = results.header.merged.get(at) else {
        return empty;
    };
    let own: BTreeSet<_> = empty.header.plan.iter().map(|pair| (&pair.sample, &pair.backend)).collect();
    let is_own = |launch: &&Launch| own.contains(&(&launch.sample, &launch.backend));
    let launches = results.launches.iter().filter(is_own).cloned().collect();
    let header = Header { machine: run.machine.clone(), seed: run.seed, started: run.started.clone(), ..empty.header };
    Results { header, launches, end: run.end }
}

fn break_all<'r>(context: &mut Context<'r>, failure: &'r Failure) {
    for pair in context.pairs.values_mut() {
        pair.broken = gating(pair.stages.iter().copied()).map(|stage| (stage, failure)).collect();
    }
}

/// What is for information alone is simply not there.
fn gating(stages: impl Iterator<Item = Stage>) -> impl Iterator<Item = Stage> {
    stages.filter(|stage| stage.kind() == StageKind::Gating)
}

/// What is to be known of the machines of shards: once where it is the same of all, else with the number of the shard.
fn of_machines(notes: Vec<(usize, Vec<String>)>) -> Vec<String> {
    let mut shards: BTreeSet<usize> = BTreeSet::new();
    let mut by_text: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
    let mut order: Vec<String> = Vec::new();
    for (number, own) in notes {
        shards.insert(number);
        for text in own {
            if !by_text.contains_key(&text) {
                order.push(text.clone());
            }
            by_text.entry(text).or_default().insert(number);
        }
    }
    let told = |text: &String| {
        let in_shards = by_text.get(text)?;
        let numbers: Vec<_> = in_shards.iter().map(usize::to_string).collect();
        Some(if *in_shards == shards {
            text.clone()
        } else {
            format!("shard{} {}: {text}", if numbers.len() == 1 { "" } else { "s" }, numbers.join(", "))
        })
    };
    order.iter().filter_map(told).collect()
}
