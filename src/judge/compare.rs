//! Two runs side by side: what the first measured is the baseline of the second.
//!
//! Exact metrics have verdicts, by the thresholds of the second run. Times of two runs differ by the day and the machine; each
//! is taken by its own yardstick, the change is shown, and nothing is decided on it. Other samples, engines or options are what one
//! compares for: they are named, and change no verdict.

use std::collections::{BTreeMap, BTreeSet};

use super::context::Context;
use super::differences::{differences, origin};
use super::gating::Standing;
use super::judge;
use crate::model::baseline::{Provenance, TimeReference};
use crate::model::compared::Compared;
use crate::model::findings::{Change, Gating, Quantity};
use crate::model::observation::Side;
use crate::model::results::{Comparison, EndReason};
use crate::model::{BackendId, BackendSpec, Baseline, BaselineKey, CellFinding, Findings, Results, SampleId, Verdict};

/// Two runs laid side by side.
#[derive(Debug, Clone, PartialEq)]
pub struct SideBySide {
    pub compared: Compared,
    /// The second run, with what the first measured as its baselines.
    pub results: Results,
    /// The judgement on it.
    pub findings: Findings,
}

/// Judges run `b` by what run `a` measured.
#[must_use]
pub fn compare(a: &Results, b: &Results) -> SideBySide {
    let compared = Compared { a: origin(a), b: origin(b), differences: differences(a, b) };
    let (a, mut b) = (heads(a), heads(b));
    let first = judge(&a);
    let silent = silent(&b);
    b.header.plan.retain(|pair| !silent.contains(&(pair.sample.clone(), pair.backend.clone())));
    b.header.baselines = baselines(&a, &b, &first, &silent);
    let mut context = Context::new(&b);
    context.gating_times = 0;
    context.standings = b.header.baselines.keys().map(|id| (id.clone(), standing(&a, &b, id))).collect();
    let mut cells = super::cells(&context);
    cells.iter_mut().for_each(only_show_times);
    // What is only shown needs no reason why it only advises.
    context.standings.values_mut().for_each(|standing| standing.time = Gating::Information);
    let mut findings = super::conclude(&context, cells);
    findings.notes.splice(0..0, notes(&a, &first, &silent));
    SideBySide { compared, results: b, findings }
}

/// Whether two runs have a cell in common, so that a verdict says something.
#[must_use]
pub fn have_something_in_common(findings: &Findings) -> bool {
    let compared = |one: &CellFinding| (one.base.is_some() && one.head.is_some()) || one.verdict == Verdict::Regressed;
    !findings.failures.is_empty() || findings.cells.iter().any(compared)
}

/// A run as its heads alone: what else it was compared with is not the question here, nor what it was held to.
fn heads(results: &Results) -> Results {
    let mut results = results.clone();
    results.launches.retain(|launch| launch.side == Side::Head);
    results.header.base = None;
    results.header.baselines = BTreeMap::new();
    results.header.plan.iter_mut().for_each(|pair| pair.comparison = Comparison::Alone);
    results
}

type PairId = (SampleId, BackendId);

/// Planned pairs that were never launched: interrupted before their turn, or the same as the run's own base.
fn silent(results: &Results) -> BTreeSet<PairId> {
    let launched: BTreeSet<_> = results.launches.iter().map(|launch| (&launch.sample, &launch.backend)).collect();
    let plan = results.header.plan.iter();
    plan.filter(|pair| !launched.contains(&(&pair.sample, &pair.backend)))
        .map(|pair| (pair.sample.clone(), pair.backend.clone()))
        .collect()
}

/// What `a` measured, as baselines for `b`: what an update would commit, but for pairs that `b` planned and never launched.
fn baselines(a: &Results, b: &Results, first: &Findings, silent: &BTreeSet<PairId>) -> BTreeMap<BackendId, Baseline> {
    let specs: BTreeMap<&BackendId, &BackendSpec> =
        a.header.backends.iter().chain(&b.header.backends).map(|spec| (&spec.id, spec)).collect();
    let mut baselines: BTreeMap<_, _> = specs.into_iter().map(|(id, spec)| (id.clone(), empty(a, b, spec))).collect();
    for finding in &first.cells {
        let cell = &finding.cell;
        let is_silent = silent.contains(&(cell.sample.clone(), cell.backend.clone()));
        if let (Some(entry), Some(baseline), false) = (&finding.measured, baselines.get_mut(&cell.backend), is_silent) {
            let key = BaselineKey { sample: cell.sample.clone(), stage: cell.stage, metric: cell.metric };
            baseline.cells.insert(key, entry.clone());
        }
    }
    baselines
}

/// A baseline without cells. Its target is that of `b`, because the standing is told and not found.
fn empty(a: &Results, b: &Results, spec: &BackendSpec) -> Baseline {
    Baseline {
        backend: spec.id.clone(),
        target: b.header.machine.class.target.clone(),
        provenance: Provenance {
            tollgate: a.header.tollgate.clone(),
            engine: String::new(),
            compiler: spec.compiler.clone(),
            options: spec.options.clone(),
        },
        runner: a.header.machine.class.clone(),
        reference: TimeReference::Yardstick { version: a.header.yardstick },
        spread: BTreeMap::new(),
        scatter: BTreeMap::new(),
        changes: Vec::new(),
        cells: BTreeMap::new(),
    }
}

/// Exact metrics gate unless they are those of two processors; times never do.
fn standing(a: &Results, b: &Results, id: &BackendId) -> Standing {
    let (class_a, class_b) = (&a.header.machine.class, &b.header.machine.class);
    let native = |results: &Results| {
        results.header.backends.iter().any(|spec| spec.id == *id && spec.options.cpu_features.name == "native")
    };
    let problem = if class_a.target != class_b.target {
        Some(format!(
            "A was measured on {}, B on {}",
            class_a.target.to_string().escape_debug(),
            class_b.target.to_string().escape_debug()
        ))
    } else if class_a != class_b && (native(a) || native(b)) {
        Some("each run compiled for its own processor, and they are two; pin `cpu-features`".to_owned())
    } else {
        None
    };
    let yardsticks = (a.header.yardstick, b.header.yardstick);
    Standing {
        exact: problem.map_or(Gating::Gates, Gating::Advisory),
        time: times_only_advise(),
        no_reference: (yardsticks.0 != yardsticks.1)
            .then(|| format!("the yardstick of A has version {}, that of B version {}", yardsticks.0, yardsticks.1)),
    }
}

fn times_only_advise() -> Gating {
    Gating::Advisory("times of two runs are not compared".to_owned())
}

/// Takes the verdict from a time, and leaves the change. What a stage that only one run supports means is decided elsewhere: it
/// gates as exact metrics do.
fn only_show_times(finding: &mut CellFinding) {
    if finding.gating == times_only_advise() {
        finding.gating = Gating::Information;
        finding.tolerance = None;
        if let Some(change) = finding.change {
            finding.change = Some(centred(change, finding));
            finding.verdict = Verdict::Pass;
        }
    }
}

/// The change with its interval moved to where both figures that are shown have it: deciding draws in outliers by what the
/// baseline says of launches, and a run beside itself would be a little off.
fn centred(change: Change, finding: &CellFinding) -> Change {
    let (Some(Quantity::Nanoseconds(base)), Some(Quantity::Nanoseconds(head))) = (finding.base, finding.head) else {
        return change;
    };
    let by = head / base / (1.0 + change.relative);
    let moved = |bound: f64| (1.0 + bound) * by - 1.0;
    let centred = Change { relative: head / base - 1.0, low: moved(change.low), high: moved(change.high) };
    let is_finite = [centred.relative, centred.low, centred.high].iter().all(|part| part.is_finite());
    if is_finite { centred } else { change }
}

/// What a reader must know of `a`, and of what `b` left out.
fn notes(a: &Results, first: &Findings, silent: &BTreeSet<PairId>) -> Vec<String> {
    let mut notes = Vec::new();
    match a.end.reason {
        EndReason::Interrupted => notes.push("A was interrupted: it has what was measured until then".to_owned()),
        EndReason::Died => notes.push("A died: it has what its journal holds".to_owned()),
        EndReason::Complete | EndReason::Budget => {}
    }
    for failed in &first.failures {
        notes.push(format!("in A, {} on {} was broken: {}", failed.sample, failed.backend, failed.failure.kind));
    }
    for (sample, backend) in silent {
        notes.push(format!("B planned {sample} on {backend} and never launched it, so that it is not compared"));
    }
    notes
}
