//! Cells that are told in groups: a backend that lacks a feature says so once, not once a cell.

use std::collections::{BTreeMap, BTreeSet};

use super::rows::has_figure;
use super::{Summary, TEXT_LENGTH, Tone, Words, bounded, plural};
use crate::model::findings::Gating;
use crate::model::verdict::InconclusiveReason;
use crate::model::{BackendId, CellFinding, Findings, SampleId, StageKind, Verdict};

/// Samples named in a group.
const MOST_SAMPLES: usize = 8;
/// Groups shown of a kind.
const MOST_GROUPS: usize = 12;

/// Undecided, new, missing and unsupported cells, those kinds that there are.
pub(super) fn summaries(findings: &Findings, words: &Words) -> Vec<Summary> {
    let cells = || findings.cells.iter().filter(|f| f.cell.stage.kind() == StageKind::Gating);
    let of = |verdict: &'static Verdict| cells().filter(move |f| f.verdict == *verdict).map(|f| (f, String::new()));
    let undecided = |advisory: bool| {
        cells().filter_map(move |f| match (&f.verdict, &f.gating) {
            (Verdict::Inconclusive(reason), Gating::Gates) if !advisory && !has_figure(reason) => {
                Some((f, why(reason)))
            }
            (Verdict::Inconclusive(reason), Gating::Advisory(_)) if advisory => Some((f, why(reason))),
            _ => None,
        })
    };
    let unsupported = cells().filter_map(|f| match &f.verdict {
        Verdict::Unsupported(reason) => Some((f, bounded(reason, TEXT_LENGTH))),
        _ => None,
    });
    [
        summary(Tone::Caution, "Inconclusive", "too little is known of them", undecided(false)),
        summary(Tone::Quiet, "Inconclusive, advisory", "would not have failed the run", undecided(true)),
        summary(Tone::Plain, "New", words.new_means, of(&Verdict::New)),
        summary(Tone::Caution, "Missing", words.missing_means, of(&Verdict::Missing)),
        summary(Tone::Quiet, "Unsupported", "the backend cannot, or the sample does not say how", unsupported),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The reason without the figures that differ from cell to cell, so that cells with the same trouble form a group.
fn why(reason: &InconclusiveReason) -> String {
    match reason {
        InconclusiveReason::MachineBusy { .. } => {
            "other work disturbed most of the observations; run on a quieter machine".to_owned()
        }
        InconclusiveReason::IntervalAcrossTolerance { .. } => "the interval reaches across the tolerance".to_owned(),
        InconclusiveReason::TimeAlone { .. } => {
            "the time alone moved, by no more than relinking an engine does".to_owned()
        }
        InconclusiveReason::BiasedControl { .. } => {
            "the base against itself moved too; no time of this stage gates in this run".to_owned()
        }
        InconclusiveReason::TooFewLaunches { .. }
        | InconclusiveReason::NotConfirmed
        | InconclusiveReason::Degenerate(_) => bounded(&reason.to_string(), TEXT_LENGTH),
    }
}

/// Groups cells by backend and reason.
fn summary<'a>(
    tone: Tone,
    title: &str,
    meaning: &str,
    cells: impl Iterator<Item = (&'a CellFinding, String)>,
) -> Option<Summary> {
    let mut groups: BTreeMap<(&BackendId, String), (BTreeSet<&SampleId>, usize)> = BTreeMap::new();
    let mut total = 0;
    for (finding, reason) in cells {
        let (samples, count) = groups.entry((&finding.cell.backend, reason)).or_default();
        samples.insert(&finding.cell.sample);
        *count += 1;
        total += 1;
    }
    let lines: Vec<_> = groups
        .iter()
        .take(MOST_GROUPS)
        .map(|((backend, reason), (samples, count))| {
            let named: Vec<_> = samples.iter().take(MOST_SAMPLES).map(ToString::to_string).collect();
            let more = match samples.len().saturating_sub(MOST_SAMPLES) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let reason = if reason.is_empty() { String::new() } else { format!(": {reason}") };
            format!("{backend} · {}{more} ({}){reason}", named.join(", "), plural(*count, "cell"))
        })
        .collect();
    let more = groups.len() - lines.len();
    (total > 0).then(|| Summary { tone, title: format!("{title}: {} ({meaning})", plural(total, "cell")), lines, more })
}
