//! The judge: results in, findings out.
//!
//! Architecture invariant: does no I/O, reads no clock and draws no random number, so that a file of results is judged the
//! same anywhere. Results are untrusted: odd data gives a reason, never a panic and never a number. Nothing after the judge
//! computes a number again.
//!
//! `kernels` (statistics) and `pooling` (observations to launches) know no verdicts; `time` and `exact` decide on figures;
//! `pair` picks the rule for a cell; `outcome` joins.

pub mod blocks;
mod broken;
mod composite;
mod context;
mod evidence;
mod exact;
mod gating;
pub mod kernels;
mod missing;
mod notes;
mod outcome;
mod pair;
pub mod paired;
pub mod pooling;
mod threshold;
pub mod time;
mod tradeoff;

#[cfg(test)]
mod recorded;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use self::context::Context;
use self::time::MAX_LOOKS;
use crate::model::findings::{Gating, PairFailure};
use crate::model::verdict::InconclusiveReason;
use crate::model::{BackendId, CellFinding, Findings, Metric, Results, SampleId, Verdict};

/// Judges a run.
#[must_use]
pub fn judge(results: &Results) -> Findings {
    let context = Context::new(results);
    let mut cells = Vec::new();
    for pair in context.pairs.values() {
        let mut judged = pair::cells(&context, pair);
        evidence::corroborate(&mut judged);
        let mut own: Vec<CellFinding> = judged.into_iter().map(|one| one.finding).collect();
        own.extend(composite::cells(&own.iter().collect::<Vec<_>>()));
        cells.extend(own);
    }
    cells.extend(missing::cells(&context));
    cells.sort_by(|a, b| a.cell.cmp(&b.cell));
    let failures = failures(&context);
    Findings {
        outcome: outcome::outcome(&cells, &failures, &results.header.settings.fail_on),
        counts: outcome::counts(&cells),
        failures,
        tradeoffs: tradeoff::tradeoffs(&cells),
        notes: notes::notes(&context, &cells),
        spending: outcome::spending(results),
        controls: Vec::new(),
        cells,
    }
}

/// The pairs for which more launches would help: a gating time that is undecided for want of launches, of width or of a quiet
/// machine, or that awaits confirmation. A pair that failed is not launched again, and none more than [`MAX_LOOKS`] times.
#[must_use]
pub fn undecided(results: &Results) -> BTreeSet<(SampleId, BackendId)> {
    let context = Context::new(results);
    let open = |finding: &CellFinding| {
        finding.cell.metric == Metric::Time
            && finding.gating == Gating::Gates
            && matches!(&finding.verdict, Verdict::Inconclusive(reason) if !matches!(reason, InconclusiveReason::Degenerate(_)))
    };
    context
        .pairs
        .iter()
        .filter(|(_, pair)| pair.broken.is_empty() && pair.rounds() < MAX_LOOKS)
        .filter(|(_, pair)| pair::cells(&context, pair).iter().any(|one| open(&one.finding)))
        .map(|(key, _)| key.clone())
        .collect()
}

/// The first failure of each pair.
fn failures(context: &Context<'_>) -> Vec<PairFailure> {
    let first = |pair: &context::Pair<'_>| {
        let failure = pair.launches.iter().find_map(|launch| launch.failure.clone())?;
        Some(PairFailure { sample: pair.sample.clone(), backend: pair.backend.clone(), failure })
    };
    context.pairs.values().filter_map(first).collect()
}
