//! What a reader must know to believe the verdict, said once a run and in plain words.

use std::collections::{BTreeMap, BTreeSet};

use super::context::Context;
use crate::model::findings::{Gating, Outcome};
use crate::model::observation::Side;
use crate::model::results::EndReason;
use crate::model::verdict::InconclusiveReason;
use crate::model::{CellFinding, Metric, Run, Stage, Verdict};

use super::outcome::weight;

/// Names listed in one note before the rest is only counted.
const MOST_NAMES: usize = 5;

/// Share of disturbed observations from which the run says that the machine was busy. A quiet shared machine stays well below
/// (an interrupted batch here and there); a single competing process on the core disturbs nearly every batch over 3 ms.
const BUSY_SHARE: f64 = 0.1;

/// What is to be known of the machine and of the course of the run, in a fixed order.
#[must_use]
pub fn of_run(context: &Context<'_>, cells: &[CellFinding]) -> Vec<String> {
    let mut notes = Vec::new();
    notes.extend(end(context));
    notes.extend(advisory(context, cells));
    notes.extend(busy(context));
    notes
}

/// What is to be known of the cells, wherever they were measured, in a fixed order.
#[must_use]
pub fn of_cells(context: &Context<'_>, cells: &[CellFinding]) -> Vec<String> {
    let mut notes = Vec::new();
    notes.extend(no_baseline(context));
    notes.extend(listed(
        cells,
        "change that fresh launches did not confirm",
        "changes that fresh launches did not confirm",
        |one| matches!(one.verdict, Verdict::Inconclusive(InconclusiveReason::NotConfirmed)),
    ));
    notes.extend(listed(cells, "artifact that is not deterministic", "artifacts that are not deterministic", |one| {
        one.cell.metric == Metric::Size && one.evidence.iter().any(|text| text.starts_with("not deterministic"))
    }));
    notes.extend(memory(context, cells));
    notes.extend(stubbed(context));
    notes.extend(not_executed(context));
    notes.extend(context.thresholds.problems.iter().cloned());
    notes
}

fn end(context: &Context<'_>) -> Option<String> {
    match context.results.end.reason {
        EndReason::Complete => None,
        EndReason::Budget => {
            Some("the budget was used up while cells were open; raise --budget to decide them".to_owned())
        }
        EndReason::Interrupted => Some("the run was interrupted; what it had measured until then is judged".to_owned()),
        EndReason::Died => Some("the run died; this is judged from what its journal holds".to_owned()),
    }
}

/// Which baselines only advise and why, each reason once, and what would have failed.
fn advisory(context: &Context<'_>, cells: &[CellFinding]) -> Vec<String> {
    let mut reasons: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
    let planned: BTreeSet<_> = context.pairs.values().map(|pair| pair.backend).collect();
    for (backend, standing) in context.standings.iter().filter(|(backend, _)| planned.contains(backend)) {
        let (what, gating) =
            if standing.exact == Gating::Gates { ("times", &standing.time) } else { ("all cells", &standing.exact) };
        if let Gating::Advisory(reason) = gating {
            reasons.entry((what, reason)).or_default().insert(backend.as_str());
        }
    }
    let mut notes: Vec<String> = reasons
        .into_iter()
        .map(|((what, reason), backends)| {
            format!("{what} of {} only advise: {reason}", backends.into_iter().collect::<Vec<_>>().join(", "))
        })
        .collect();
    let fail_on = &context.results.header.settings.fail_on;
    let is_advisory = |one: &&CellFinding| matches!(one.gating, Gating::Advisory(_));
    let would_fail =
        cells.iter().filter(is_advisory).filter(|one| weight(&one.verdict, fail_on) != Outcome::Pass).count();
    if would_fail > 0 {
        notes.push(format!("{would_fail} advisory {} would have failed", plural(would_fail, "cell", "cells")));
    }
    notes
}

fn no_baseline(context: &Context<'_>) -> Option<String> {
    let without: BTreeSet<&str> =
        context.pairs.values().filter(|pair| pair.baseline.is_none()).map(|pair| pair.backend.as_str()).collect();
    let names = names(&without.into_iter().map(str::to_owned).collect::<Vec<_>>())?;
    Some(format!("no baseline for {names}: run `tollgate run --update-baselines` and commit what it writes"))
}

fn busy(context: &Context<'_>) -> Option<String> {
    let heads = context.results.launches.iter().filter(|launch| launch.side == Side::Head);
    let (mut disturbed, mut all) = (0_usize, 0_usize);
    for observation in heads.flat_map(|launch| launch.stages.values()).flat_map(|record| &record.observations) {
        all += 1;
        disturbed += usize::from(observation.is_disturbed());
    }
    let share = disturbed as f64 / all.max(1) as f64;
    (share > BUSY_SHARE)
        .then(|| format!("the machine was busy: other work disturbed {:.0} % of the observations", share * 100.0))
}

/// A count of the cells that a property picks, with their names.
fn listed(cells: &[CellFinding], one: &str, many: &str, picks: impl Fn(&CellFinding) -> bool) -> Option<String> {
    let picked: Vec<String> =
        cells.iter().filter(|finding| picks(finding)).map(|finding| finding.cell.to_string()).collect();
    let names = names(&picked)?;
    Some(format!("{} {}: {names}", picked.len(), plural(picked.len(), one, many)))
}

/// Memory that the baseline holds and this system could not read.
fn memory(context: &Context<'_>, cells: &[CellFinding]) -> Option<String> {
    let judged: BTreeSet<_> = cells
        .iter()
        .filter(|one| one.cell.metric == Metric::Memory)
        .map(|one| (&one.cell.sample, &one.cell.backend))
        .collect();
    let unread = context.pairs.values().any(|pair| {
        pair.stages.contains(&Stage::Compile)
            && pair.entry(Stage::Compile, Metric::Memory).is_some()
            && !judged.contains(&(pair.sample, pair.backend))
    });
    unread.then(|| "the memory of a compile could not be read on this system, and is not judged".to_owned())
}

fn stubbed(context: &Context<'_>) -> Vec<String> {
    let mut imports: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for launch in context.pairs.values().flat_map(|pair| &pair.launches) {
        if !launch.stubbed_imports.is_empty() {
            imports
                .entry(launch.sample.as_str())
                .or_default()
                .extend(launch.stubbed_imports.iter().map(String::as_str));
        }
    }
    imports
        .into_iter()
        .filter_map(|(sample, imports)| {
            let escaped: Vec<String> = imports.into_iter().map(|name| name.escape_debug().to_string()).collect();
            Some(format!(
                "{sample}: nobody provides {}; stubs stand in, and a function among them traps when it is called",
                names(&escaped)?
            ))
        })
        .collect()
}

fn not_executed(context: &Context<'_>) -> Option<String> {
    let header = &context.results.header;
    let planned: BTreeSet<_> = context.pairs.values().map(|pair| pair.sample).collect();
    let silent: BTreeSet<&str> = header
        .samples
        .iter()
        .filter(|sample| sample.run == Run::Nothing && planned.contains(&sample.id))
        .map(|sample| sample.id.as_str())
        .collect();
    if !header.settings.stages.contains(&Stage::Execute) {
        return None;
    }
    let names = names(&silent.into_iter().map(str::to_owned).collect::<Vec<_>>())?;
    Some(format!("not executed, because neither `call` nor `wasi` says how: {names}"))
}

/// The first few names, and how many more there are; nothing for none.
fn names(all: &[String]) -> Option<String> {
    let shown = all.get(..MOST_NAMES.min(all.len()))?.join(", ");
    match all.len() {
        0 => None,
        count if count <= MOST_NAMES => Some(shown),
        count => Some(format!("{shown} and {} more", count - MOST_NAMES)),
    }
}

fn plural<'t>(count: usize, one: &'t str, many: &'t str) -> &'t str {
    if count == 1 { one } else { many }
}
