//! What one must know of the run to weigh its figures: machine, engine, whether times count, and where the time went.

use std::collections::{BTreeMap, BTreeSet};

use super::{Fact, TEXT_LENGTH, bounded, plural};
use crate::model::findings::Gating;
use crate::model::{CellFinding, Findings, Metric, Results, StageKind, Verdict};
use crate::report::units;

/// Labelled lines in a fixed order.
pub(super) fn facts(results: &Results, findings: &Findings) -> Vec<Fact> {
    let header = &results.header;
    let mut facts = vec![
        Fact { label: "runner", text: runner(results) },
        Fact { label: "engine", text: engine(results) },
        Fact { label: "times", text: times(findings) },
        Fact { label: "run", text: spending(results, findings) },
    ];
    if let Some(commit) = &header.commit {
        facts.push(Fact { label: "commit", text: bounded(commit, TEXT_LENGTH) });
    }
    // The judge may have told some of them already, in a sentence of its own.
    let told = |limitation: &String| findings.notes.iter().any(|note| note.contains(limitation.as_str()));
    let limits: Vec<_> = header.machine.limitations.iter().filter(|limit| !told(limit)).cloned().collect();
    if !limits.is_empty() {
        facts.push(Fact { label: "limits", text: bounded(&limits.join("; "), TEXT_LENGTH) });
    }
    facts
}

fn runner(results: &Results) -> String {
    let machine = &results.header.machine;
    let class = bounded(&machine.class.to_string(), TEXT_LENGTH);
    format!("{class} · {}", plural(machine.cores as usize, "core"))
}

fn engine(results: &Results) -> String {
    let engines: BTreeSet<_> = results.launches.iter().filter_map(|launch| launch.engine.as_deref()).collect();
    let engines: Vec<_> = engines.into_iter().collect();
    let engines = if engines.is_empty() { "unknown".to_owned() } else { bounded(&engines.join(", "), TEXT_LENGTH) };
    format!("{engines} · tollgate {}", bounded(&results.header.tollgate, TEXT_LENGTH))
}

/// Why cells only advise in this run, each reason once.
pub(super) fn advisory_reasons(findings: &Findings) -> BTreeSet<&str> {
    findings
        .cells
        .iter()
        .filter_map(|finding| match &finding.gating {
            Gating::Advisory(reason) => Some(reason.as_str()),
            Gating::Gates | Gating::Information => None,
        })
        .collect()
}

/// Whether a cell was compared as a time with a baseline.
fn is_compared_time(finding: &CellFinding) -> bool {
    matches!(finding.cell.metric, Metric::Time | Metric::Score)
        && finding.cell.stage.kind() == StageKind::Gating
        && matches!(finding.verdict, Verdict::Pass | Verdict::Improved | Verdict::Regressed | Verdict::Inconclusive(_))
}

fn times(findings: &Findings) -> String {
    let mut gate = 0;
    let mut advise: BTreeMap<&str, usize> = BTreeMap::new();
    for finding in findings.cells.iter().filter(|f| is_compared_time(f)) {
        match &finding.gating {
            Gating::Gates => gate += 1,
            Gating::Advisory(reason) => *advise.entry(reason).or_default() += 1,
            Gating::Information => {}
        }
    }
    let reasons: Vec<_> = advise.keys().map(|reason| bounded(reason, TEXT_LENGTH)).collect();
    match (gate, reasons.as_slice()) {
        (0, []) => "none compared with a baseline".to_owned(),
        (_, []) => "gate here".to_owned(),
        (0, reasons) => bounded(&format!("advise only: {}", reasons.join("; ")), 2 * TEXT_LENGTH),
        (gate, reasons) => {
            let advised: usize = advise.values().sum();
            let text = format!("gate in {}, advise in {advised}: {}", plural(gate, "cell"), reasons.join("; "));
            bounded(&text, 2 * TEXT_LENGTH)
        }
    }
}

fn spending(results: &Results, findings: &Findings) -> String {
    let spent = findings.spending;
    let mut parts = vec![
        format!("seed {}", results.header.seed),
        format!("{} of {}", units::clock(spent.elapsed), units::clock(results.header.settings.budget)),
    ];
    if spent.elapsed.0 > 0 {
        parts.push(format!("{:.0} % measuring", 100.0 * spent.measuring.as_f64() / spent.elapsed.as_f64()));
    }
    parts.push(plural(spent.launches as usize, "launch").replace("launchs", "launches"));
    parts.join(" · ")
}
