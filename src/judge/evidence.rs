//! What supports or weakens a change of time, from what else was measured of the same pair.
//!
//! Says only what the data has; decides nothing.

use super::pair::Judged;
use crate::model::findings::{Against, Change, Quantity};
use crate::model::verdict::InconclusiveReason;
use crate::model::{CellFinding, Metric, Stage, Verdict};

/// Adds evidence to the time cells of one pair that show a change, or may.
pub fn corroborate(cells: &mut [Judged]) {
    let size = bytes(cells, Stage::Serialize, Metric::Size, "the artifact");
    let memory = bytes(cells, Stage::Compile, Metric::Memory, "the memory of the compile");
    for Judged { finding, figures } in cells {
        if finding.cell.metric != Metric::Time || !shows_a_change(finding) {
            continue;
        }
        // Against the base of the run, these are compared with the base too, before the verdict.
        let by_baseline = finding.against == Against::Baseline;
        if by_baseline && finding.cell.stage != Stage::Validate {
            finding.evidence.extend(size.clone());
        }
        if by_baseline && finding.cell.stage == Stage::Compile {
            finding.evidence.extend(memory.clone());
        }
        let mean = |part: fn(&super::pooling::Pooled) -> f64| {
            let sum = figures.iter().map(|figure| part(&figure.pooled)).sum::<f64>();
            Some(sum / figures.len() as f64).filter(|mean| mean.is_finite())
        };
        if let Some(share) = mean(|pooled| pooled.cpu_share) {
            finding.evidence.push(format!("processor time is {:.0} % of wall time", share * 100.0));
        }
        if let Some(faults) = mean(|pooled| pooled.faults).filter(|faults| by_baseline && *faults >= 0.5) {
            finding.evidence.push(format!("{faults:.0} page faults in an operation"));
        }
    }
}

fn shows_a_change(finding: &CellFinding) -> bool {
    finding.change.is_some()
        && match &finding.verdict {
            Verdict::Regressed | Verdict::Improved => true,
            Verdict::Inconclusive(reason) => !matches!(reason, InconclusiveReason::Degenerate(_)),
            Verdict::Pass | Verdict::New | Verdict::Missing | Verdict::Unsupported(_) | Verdict::Broken(_) => false,
        }
}

/// What an exact figure of the pair did, in words.
fn bytes(cells: &[Judged], stage: Stage, metric: Metric, what: &str) -> Option<String> {
    let finding =
        &cells.iter().find(|one| one.finding.cell.stage == stage && one.finding.cell.metric == metric)?.finding;
    let (Some(Quantity::Bytes(base)), Some(Quantity::Bytes(head))) = (finding.base, finding.head) else {
        return None;
    };
    if base == head {
        return Some(format!("{what} has the size that it had"));
    }
    Some(match finding.change {
        Some(Change { relative, .. }) => format!("{what} changed too, by {:+.2} %", relative * 100.0),
        None => format!("{what} changed too, from {base} to {head}"),
    })
}
