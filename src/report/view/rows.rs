//! Cells and failures that deserve a line of their own.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::environment::advisory_reasons;
use super::headline::{is_time_alone, would_fail};
use super::{Broken, NOTHING, Row, Rows, TEXT_LENGTH, Tone, base, bounded, plural, shards};
use crate::model::findings::{Against, EffectiveTolerance, Gating, PairFailure};
use crate::model::verdict::{Failure, InconclusiveReason};
use crate::model::{BackendId, CellFinding, FailureKind, Findings, Metric, SampleId, Verdict};
use crate::report::units;

/// Pieces of evidence shown of a cell.
const MOST_EVIDENCE: usize = 6;
/// Lines shown of a worker's last words: the first ones say what, the last ones where.
const FIRST_LINES: usize = 4;
const LAST_LINES: usize = 8;

pub(super) fn gates(finding: &CellFinding) -> bool {
    finding.gating == Gating::Gates
}

/// Gating cells that regressed, worst first.
pub(super) fn regressed(findings: &Findings) -> Rows {
    let mut cells: Vec<_> = findings.cells.iter().filter(|f| gates(f) && f.verdict == Verdict::Regressed).collect();
    cells.sort_by(|a, b| worst_first(a, b));
    let row = rows_of(findings);
    shared(cells.into_iter().map(|finding| row(finding, Tone::Bad)).collect())
}

/// Gating cells of which the time moved and nothing else did, worst first; the reason comes first in the evidence.
pub(super) fn time_alone(findings: &Findings) -> Rows {
    undecided(findings, is_time_alone)
}

/// Cells that would have failed the run if they gated, worst first. Where there are several reasons why cells do not, the
/// cell's own comes first in its evidence; a single one is told with the environment.
pub(super) fn advisory(findings: &Findings) -> Rows {
    let several = advisory_reasons(findings).len() > 1;
    let mut cells: Vec<_> = findings.cells.iter().filter(|f| would_fail(f)).collect();
    cells.sort_by(|a, b| worst_first(a, b));
    let row = rows_of(findings);
    let rows = cells
        .into_iter()
        .map(|finding| {
            let mut row = row(finding, Tone::Caution);
            if let (true, Gating::Advisory(reason)) = (several, &finding.gating) {
                row.evidence.insert(0, format!("advisory: {}", bounded(reason, TEXT_LENGTH)));
            }
            row
        })
        .collect();
    shared(rows)
}

/// Gating cells that a longer run would decide, nearest to a regression first; the reason comes first in the evidence.
/// Those that have no figure to speak of are told in a summary.
pub(super) fn inconclusive(findings: &Findings) -> Rows {
    undecided(findings, |f| !is_time_alone(f))
}

fn undecided(findings: &Findings, picks: impl Fn(&CellFinding) -> bool) -> Rows {
    let mut cells: Vec<_> = findings
        .cells
        .iter()
        .filter_map(|f| match &f.verdict {
            Verdict::Inconclusive(reason) if gates(f) && has_figure(reason) && picks(f) => Some((f, reason)),
            _ => None,
        })
        .collect();
    cells.sort_by(|(a, _), (b, _)| worst_first(a, b));
    let row = rows_of(findings);
    let rows = cells
        .into_iter()
        .map(|(finding, reason)| {
            let mut row = row(finding, Tone::Caution);
            row.evidence.insert(0, bounded(&reason.to_string(), TEXT_LENGTH));
            row
        })
        .collect();
    shared(rows)
}

/// Whether an undecided cell has a change worth showing.
pub(super) fn has_figure(reason: &InconclusiveReason) -> bool {
    match reason {
        InconclusiveReason::IntervalAcrossTolerance { .. }
        | InconclusiveReason::NotConfirmed
        | InconclusiveReason::TimeAlone { .. } => true,
        InconclusiveReason::TooFewLaunches { .. }
        | InconclusiveReason::MachineBusy { .. }
        | InconclusiveReason::BiasedControl { .. }
        | InconclusiveReason::Degenerate(_) => false,
    }
}

/// Gating cells that got better, most improved first.
pub(super) fn improved(findings: &Findings) -> Rows {
    let mut cells: Vec<_> = findings.cells.iter().filter(|f| gates(f) && f.verdict == Verdict::Improved).collect();
    cells.sort_by(|a, b| size_of_change(b).total_cmp(&size_of_change(a)).then_with(|| a.cell.cmp(&b.cell)));
    // How much of a limit good news takes says nothing.
    let row = rows_of(findings);
    let good = |finding| Row { used: String::new(), ..row(finding, Tone::Good) };
    shared(cells.into_iter().map(good).collect())
}

/// Lifts what every one of several rows says: what they were compared with, and evidence.
fn shared(mut rows: Vec<Row>) -> Rows {
    let mut common = Vec::new();
    let Some(first) = rows.first() else { return Rows { common, rows } };
    let against = first.against;
    if rows.iter().all(|row| row.against == against) {
        common.extend((!against.is_empty()).then(|| base::explained(against).to_owned()));
        rows.iter_mut().for_each(|row| row.against = "");
    }
    let Some((first, others)) = rows.split_first().filter(|(_, others)| !others.is_empty()) else {
        return Rows { common, rows };
    };
    let is_shared = |text: &&String| others.iter().all(|row| row.evidence.contains(text));
    let evidence: Vec<_> = first.evidence.iter().filter(is_shared).cloned().collect();
    for row in &mut rows {
        row.evidence.retain(|text| !evidence.contains(text));
    }
    common.extend(evidence);
    Rows { common, rows }
}

pub(super) fn size_of_change(finding: &CellFinding) -> f64 {
    finding.change.map_or(0.0, |change| change.relative.abs())
}

/// By share of the limit used. A cell without a share has no allowance at all, so any change of it is beyond measure.
fn worst_first(a: &CellFinding, b: &CellFinding) -> Ordering {
    let used = |f: &CellFinding| f.tolerance.as_ref().and_then(|t| t.used).unwrap_or(f64::INFINITY);
    used(b)
        .total_cmp(&used(a))
        .then_with(|| size_of_change(b).total_cmp(&size_of_change(a)))
        .then_with(|| a.cell.cmp(&b.cell))
}

/// Base and head of a cell as texts.
pub(super) fn figures(finding: &CellFinding) -> (String, String) {
    match (finding.base, finding.head) {
        (Some(base), Some(head)) => units::pair(base, head),
        (base, head) => {
            let shown = |quantity: Option<_>| quantity.map_or_else(|| NOTHING.to_owned(), units::quantity);
            (shown(base), shown(head))
        }
    }
}

/// How a cell of these findings becomes a row.
fn rows_of(findings: &Findings) -> impl Fn(&CellFinding, Tone) -> Row {
    let mark = base::mark(findings);
    move |finding, tone| Row { against: mark(finding), ..row(finding, tone) }
}

pub(super) fn row(finding: &CellFinding, tone: Tone) -> Row {
    let (base, head) = figures(finding);
    let tolerance = finding.tolerance.as_ref();
    let mut evidence = Vec::new();
    if let Some(explained) = tolerance.and_then(explain_tolerance) {
        evidence.push(explained);
    }
    evidence.extend(finding.evidence.iter().take(MOST_EVIDENCE).map(|text| bounded(text, TEXT_LENGTH)));
    if finding.against == Against::Base && matches!(finding.cell.metric, Metric::Time | Metric::Score) {
        evidence.push(plural(finding.launches as usize, "pair") + " of launches");
    }
    Row {
        tone,
        backend: finding.cell.backend.to_string(),
        sample: finding.cell.sample.to_string(),
        what: format!("{} {}", finding.cell.stage, finding.cell.metric),
        against: "",
        base,
        head,
        change: finding.change.map_or_else(|| NOTHING.to_owned(), |change| units::change(change.relative)),
        interval: finding.change.as_ref().and_then(units::interval),
        tolerance: tolerance.map_or_else(|| NOTHING.to_owned(), |t| units::allowance(&t.tolerance, t.widened_by)),
        used: tolerance.and_then(|t| t.used).map_or_else(|| NOTHING.to_owned(), units::used),
        evidence,
    }
}

/// Says what is particular about a tolerance: where it stands if not among the defaults, and why it was widened.
fn explain_tolerance(effective: &EffectiveTolerance) -> Option<String> {
    let parts = units::tolerance(&effective.tolerance, effective.widened_by);
    match (effective.origin.as_str(), effective.widened_by > 0.0) {
        ("default", false) => None,
        ("default", true) => Some(format!("tolerance {parts}")),
        (origin, _) => Some(format!("tolerance {parts}, from {}", bounded(origin, TEXT_LENGTH))),
    }
}

/// Shards that are not there, and failures of workers; a pair with broken cells and no recorded failure gets a row from the first
/// of its cells.
pub(super) fn broken(findings: &Findings) -> Vec<Broken> {
    let mut failures: BTreeMap<(&SampleId, &BackendId), &Failure> = BTreeMap::new();
    for PairFailure { sample, backend, failure } in &findings.failures {
        failures.entry((sample, backend)).or_insert(failure);
    }
    let faulty = shards::faulty(findings);
    for finding in &findings.cells {
        if let Verdict::Broken(failure) = &finding.verdict
            && !matches!(failure.kind, FailureKind::Shard { .. })
        {
            failures.entry((&finding.cell.sample, &finding.cell.backend)).or_insert(failure);
        }
    }
    let of_pairs = failures.into_iter().map(|((sample, backend), failure)| Broken {
        subject: format!("{backend} · {sample}"),
        stage: failure.stage.map(|stage| stage.to_string()),
        what: bounded(&failure.kind.to_string(), TEXT_LENGTH),
        detail: last_words(&failure.detail),
    });
    let of_shards = faulty.into_iter().map(|shard| Broken {
        subject: shard.subject(),
        stage: None,
        what: format!("it {}; {} not measured", shard.fault, shard.pairs()),
        detail: last_words(shard.remedy),
    });
    of_shards.chain(of_pairs).collect()
}

/// The first and the last lines of a text, each bounded.
fn last_words(detail: &str) -> Vec<String> {
    let lines: Vec<_> = detail.trim_end().lines().collect();
    // A tab would be shown as an escape; stack traces are full of them.
    let line = |text: &&str| bounded(&text.trim_end().replace('\t', "    "), TEXT_LENGTH);
    if lines.len() <= FIRST_LINES + LAST_LINES + 1 {
        return lines.iter().map(line).collect();
    }
    let left_out = lines.len() - FIRST_LINES - LAST_LINES;
    let mut shown: Vec<_> = lines[..FIRST_LINES].iter().map(line).collect();
    shown.push(format!("… {left_out} lines left out …"));
    shown.extend(lines[lines.len() - LAST_LINES..].iter().map(line));
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_words_keep_both_ends() {
        assert_eq!(last_words(""), Vec::<String>::new());
        assert_eq!(last_words("a\nb\n\n"), ["a", "b"]);
        let long: String = (0..100).map(|n| format!("line {n}\n")).collect();
        let shown = last_words(&long);
        assert_eq!(shown.len(), FIRST_LINES + 1 + LAST_LINES);
        assert_eq!(shown[FIRST_LINES], "… 88 lines left out …");
        assert_eq!((shown[0].as_str(), shown[12].as_str()), ("line 0", "line 99"));
    }
}
