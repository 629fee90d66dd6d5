//! What one must know of the run to weigh its figures: machine, engine, whether times count, and where the time went.

use std::collections::{BTreeMap, BTreeSet};

use super::{Fact, TEXT_LENGTH, base, bounded, plural, shards};
use crate::model::findings::{Against, Gating, Spending};
use crate::model::{CellFinding, Findings, Metric, Nanos, Results, StageKind, Verdict};
use crate::report::units;

/// Labelled lines in a fixed order.
pub(super) fn facts(results: &Results, findings: &Findings) -> Vec<Fact> {
    let header = &results.header;
    let mut facts = vec![Fact { label: "runner", text: shards::runners(header) }];
    facts.extend(shards::part(header).map(|text| Fact { label: "shard", text }));
    // A run that had nothing to measure has heard of no engine and judged no time.
    if !results.launches.is_empty() || base::unchanged(results).is_none() {
        facts.push(Fact { label: "engine", text: engine(results) });
        facts.push(Fact { label: "times", text: times(findings) });
    }
    facts.extend(base::controls(findings).map(|text| Fact { label: "null controls", text }));
    facts.push(Fact { label: "run", text: run(results, findings) });
    facts.extend(spent(findings.spending).map(|text| Fact { label: "spent", text }));
    if let Some(commit) = &header.commit {
        facts.push(Fact { label: "commit", text: bounded(commit, TEXT_LENGTH) });
    }
    // The judge may have told some of them already, in a sentence of its own.
    let told = |limitation: &String| findings.notes.iter().any(|note| note.contains(limitation.as_str()));
    let limits: BTreeSet<_> =
        shards::machines(header).into_iter().flat_map(|(_, machine)| &machine.limitations).collect();
    let limits: Vec<_> = limits.into_iter().filter(|limit| !told(limit)).cloned().collect();
    if !limits.is_empty() {
        facts.push(Fact { label: "limits", text: bounded(&limits.join("; "), TEXT_LENGTH) });
    }
    facts
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
    !base::is_same(finding)
        && matches!(finding.cell.metric, Metric::Time | Metric::Score)
        && finding.cell.stage.kind() == StageKind::Gating
        && matches!(finding.verdict, Verdict::Pass | Verdict::Improved | Verdict::Regressed | Verdict::Inconclusive(_))
}

fn times(findings: &Findings) -> String {
    let mut gate = 0;
    let mut by_base = 0;
    let mut advise: BTreeMap<&str, usize> = BTreeMap::new();
    for finding in findings.cells.iter().filter(|f| is_compared_time(f)) {
        match &finding.gating {
            Gating::Gates => {
                gate += 1;
                by_base += usize::from(finding.against == Against::Base);
            }
            Gating::Advisory(reason) => *advise.entry(reason).or_default() += 1,
            Gating::Information => {}
        }
    }
    let reasons: Vec<_> = advise.keys().map(|reason| bounded(reason, TEXT_LENGTH)).collect();
    match (gate, reasons.as_slice()) {
        (0, []) => "none compared with a baseline".to_owned(),
        (gate, []) if by_base == 0 || by_base == gate => {
            format!("gate here{}", if by_base > 0 { ", against the base" } else { "" })
        }
        (gate, []) => format!("gate here, {by_base} against the base and {} against the baselines", gate - by_base),
        (0, reasons) => bounded(&format!("advise only: {}", reasons.join("; ")), 2 * TEXT_LENGTH),
        (gate, reasons) => {
            let advised: usize = advise.values().sum();
            let text = format!("gate in {}, advise in {advised}: {}", plural(gate, "cell"), reasons.join("; "));
            bounded(&text, 2 * TEXT_LENGTH)
        }
    }
}

fn run(results: &Results, findings: &Findings) -> String {
    let spent = findings.spending;
    let budget = units::clock(results.header.settings.budget);
    let [from, spent_of] = match results.header.merged.len() {
        0 => [format!("seed {}", results.header.seed), format!("{} of {budget}", units::clock(spent.elapsed))],
        // Each has a seed of its own.
        shards => [plural(shards, "shard"), format!("{} together, of {budget} each", units::clock(spent.elapsed))],
    };
    [from, spent_of, plural(spent.launches as usize, "launch").replace("launchs", "launches")].join(" · ")
}

/// How much of the run was measuring, and what the rest was. Nothing where the figures do not add up, as those of a damaged file.
fn spent(spent: Spending) -> Option<String> {
    if spent.elapsed.0 == 0 || spent.launches == 0 {
        return None;
    }
    let between = spent.elapsed.0.checked_sub(spent.measuring.0.checked_add(spent.workers.0)?)?;
    let share = |part: Nanos| format!("{:.0} %", 100.0 * part.as_f64() / spent.elapsed.as_f64());
    let [measuring, workers, between] = [spent.measuring, spent.workers, Nanos(between)].map(share);
    Some(format!("{measuring} measuring, {workers} starting and preparing workers, {between} between launches"))
}
