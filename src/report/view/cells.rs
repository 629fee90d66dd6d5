//! Tables over the whole run: composites, the backends' trade-offs, every cell.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::rows::figures;
use super::{COMPOSITES, CellRow, Composite, Figure, NOTHING, Tone, TradeOffRow, base};
use crate::model::findings::Gating;
use crate::model::{BackendId, CellFinding, Findings, Metric, SampleId, Stage, Verdict};
use crate::report::units;

/// What each column of [`COMPOSITES`] shows.
const COMPOSITE_STAGES: [Stage; 3] = [Stage::Jit, Stage::AotCompile, Stage::AotExecute];

/// A row for each sample and backend that has at least one composite figure.
pub(super) fn composites(findings: &Findings) -> Vec<Composite> {
    let mut rows: BTreeMap<(&SampleId, &BackendId), [Option<Figure>; COMPOSITES.len()]> = BTreeMap::new();
    for finding in findings.cells.iter().filter(|f| f.cell.metric == Metric::Time && f.head.is_some()) {
        let Some(column) = COMPOSITE_STAGES.iter().position(|stage| *stage == finding.cell.stage) else {
            continue;
        };
        let head = finding.head.map_or_else(|| NOTHING.to_owned(), units::quantity);
        let change = finding.change.map(|change| units::change(change.relative));
        rows.entry((&finding.cell.sample, &finding.cell.backend)).or_default()[column] = Some(Figure { head, change });
    }
    rows.into_iter()
        .map(|((sample, backend), figures)| Composite {
            sample: sample.to_string(),
            backend: backend.to_string(),
            figures: figures.map(|f| f.unwrap_or_else(|| Figure { head: NOTHING.to_owned(), change: None })),
        })
        .collect()
}

/// The backends side by side; one alone has nothing to be traded against.
pub(super) fn tradeoffs(findings: &Findings) -> Vec<TradeOffRow> {
    if findings.tradeoffs.len() < 2 {
        return Vec::new();
    }
    findings
        .tradeoffs
        .iter()
        .map(|t| TradeOffRow {
            backend: t.backend.to_string(),
            figures: [t.compile, t.size, t.memory, t.execute].map(|ratio| match ratio {
                // The best is the one that all are multiples of, up to the last bit of a division.
                Some(ratio) => (units::multiple(ratio), ratio <= 1.0 + f64::EPSILON),
                None => (NOTHING.to_owned(), false),
            }),
            samples: t.samples,
        })
        .collect()
}

/// Every cell, the most severe verdict first, then by cell. Of those that were not measured because they are the same on both
/// sides, the headline tells.
pub(super) fn all(findings: &Findings) -> Vec<CellRow> {
    let mut cells: Vec<_> = findings.cells.iter().filter(|f| !base::is_same(f)).collect();
    cells.sort_by_key(|f| (Reverse(severity(f)), &f.cell));
    let mark = base::mark(findings);
    cells.into_iter().map(|finding| CellRow { against: mark(finding), ..cell_row(finding) }).collect()
}

/// How much a reader wants to see a cell.
fn severity(finding: &CellFinding) -> u8 {
    if finding.gating == Gating::Information {
        return 0;
    }
    match finding.verdict {
        Verdict::Broken(_) => 8,
        Verdict::Regressed => 7,
        Verdict::Inconclusive(_) => 6,
        Verdict::Improved => 5,
        Verdict::Missing => 4,
        Verdict::New => 3,
        Verdict::Unsupported(_) => 2,
        Verdict::Pass => 1,
    }
}

fn cell_row(finding: &CellFinding) -> CellRow {
    let (base, head) = match finding.verdict {
        // Three digits will do where nobody has to see a difference.
        Verdict::Pass => {
            let shown = |quantity: Option<_>| quantity.map_or_else(|| NOTHING.to_owned(), units::quantity);
            (shown(finding.base), shown(finding.head))
        }
        _ => figures(finding),
    };
    let name = finding.verdict.name();
    let (tone, verdict) = match (&finding.gating, &finding.verdict) {
        (Gating::Information, Verdict::Pass | Verdict::New) => (Tone::Quiet, "for information".to_owned()),
        (Gating::Information, _) => (Tone::Quiet, format!("{name}, for information")),
        (Gating::Advisory(_), Verdict::Regressed | Verdict::Broken(_)) => (Tone::Caution, format!("{name}, advisory")),
        (Gating::Advisory(_), _) => (Tone::Quiet, format!("{name}, advisory")),
        (Gating::Gates, Verdict::Regressed | Verdict::Broken(_)) => (Tone::Bad, name.to_owned()),
        (Gating::Gates, Verdict::Inconclusive(_) | Verdict::Missing) => (Tone::Caution, name.to_owned()),
        (Gating::Gates, Verdict::Improved) => (Tone::Good, name.to_owned()),
        (Gating::Gates, Verdict::Pass | Verdict::New) => (Tone::Plain, name.to_owned()),
        (Gating::Gates, Verdict::Unsupported(_)) => (Tone::Quiet, name.to_owned()),
    };
    CellRow {
        tone,
        sample: finding.cell.sample.to_string(),
        backend: finding.cell.backend.to_string(),
        what: format!("{} {}", finding.cell.stage, finding.cell.metric),
        against: "",
        base,
        head,
        change: finding.change.map_or_else(|| NOTHING.to_owned(), |change| units::change(change.relative)),
        verdict,
    }
}
