//! Two runs side by side: what each is, in what they differ, and their times.

use std::cmp::Ordering;

use super::rows::{row, size_of_change};
use super::{Fact, Row, TEXT_LENGTH, Tone, bounded};
use crate::model::compared::{Compared, Origin};
use crate::model::findings::Gating;
use crate::model::{CellFinding, Findings, Metric, StageKind};

/// Differences that are named.
const MOST_DIFFERENCES: usize = 30;

/// Which run is which.
pub(super) fn facts(compared: &Compared) -> Vec<Fact> {
    vec![
        Fact { label: "A", text: origin(&compared.a) },
        Fact { label: "B", text: origin(&compared.b) },
        Fact {
            label: "times",
            text: "for information: two runs differ by the day and the machine, so each is taken by its own yardstick and nothing \
                   is decided; a run with a base measures both sides together"
                .to_owned(),
        },
    ]
}

fn origin(origin: &Origin) -> String {
    let commit = origin.commit.as_deref().map(|commit| format!("commit {}", bounded(commit, TEXT_LENGTH)));
    let engines: Vec<&str> = origin.engines.iter().map(String::as_str).collect();
    let engines = if engines.is_empty() { "unknown engine".to_owned() } else { engines.join(", ") };
    let parts = [
        Some(bounded(&origin.started, TEXT_LENGTH)),
        commit,
        Some(bounded(&engines, TEXT_LENGTH)),
        Some(format!("tollgate {}", bounded(&origin.tollgate, TEXT_LENGTH))),
        Some(bounded(&origin.runner.to_string(), TEXT_LENGTH)),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

/// One line for each difference.
pub(super) fn differences(compared: &Compared) -> Vec<String> {
    let all = &compared.differences;
    let mut lines: Vec<String> = all
        .iter()
        .take(MOST_DIFFERENCES)
        .map(|one| {
            let [what, a, b] = [&one.what, &one.a, &one.b].map(|text| bounded(text, TEXT_LENGTH));
            format!("{what}: {a} → {b}")
        })
        .collect();
    if all.len() > lines.len() {
        lines.push(format!("and {} more", all.len() - lines.len()));
    }
    lines
}

/// Times of the stages that both runs measured, those that moved most first.
pub(super) fn times(findings: &Findings) -> Vec<Row> {
    let is_shown = |finding: &&CellFinding| {
        finding.gating == Gating::Information
            && finding.cell.metric == Metric::Time
            && finding.cell.stage.kind() == StageKind::Gating
            && finding.change.is_some()
    };
    let mut cells: Vec<_> = findings.cells.iter().filter(is_shown).collect();
    cells.sort_by(|a, b| moved_most(a, b));
    let bare = |finding| {
        let row = row(finding, Tone::Plain);
        Row { tolerance: String::new(), used: String::new(), evidence: Vec::new(), ..row }
    };
    cells.into_iter().map(bare).collect()
}

fn moved_most(a: &CellFinding, b: &CellFinding) -> Ordering {
    size_of_change(b).total_cmp(&size_of_change(a)).then_with(|| a.cell.cmp(&b.cell))
}
