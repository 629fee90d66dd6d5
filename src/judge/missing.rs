//! Cells that the baselines hold and this run selected, but no longer plans.

use std::collections::BTreeSet;

use super::context::Context;
use super::pair::blank;
use super::threshold::selects;
use crate::model::findings::Quantity;
use crate::model::shard::Shard;
use crate::model::{BackendId, CellFinding, Entry, SampleId, Stage, Verdict};

/// Baseline entries whose sample, backend or stage has vanished from the configuration. What a filter or the tier leaves out
/// is not missing, and what another shard measures neither.
#[must_use]
pub fn cells(context: &Context<'_>) -> Vec<CellFinding> {
    let settings = &context.results.header.settings;
    let here = context.pairs.values();
    let here = here.flat_map(|pair| pair.stages.iter().map(move |stage| (pair.sample, pair.backend, *stage)));
    let elsewhere = context.results.header.shard.iter().flat_map(Shard::elsewhere);
    let elsewhere = elsewhere.flat_map(|pair| pair.stages.iter().map(|stage| (&pair.sample, &pair.backend, *stage)));
    let planned: BTreeSet<(&SampleId, &BackendId, Stage)> = here.chain(elsewhere).collect();
    let mut missing = Vec::new();
    for (backend, baseline) in &context.results.header.baselines {
        if !selects(&settings.backend_globs, backend.as_str()) {
            continue;
        }
        for (key, entry) in &baseline.cells {
            let is_selected = settings.stages.contains(&key.stage) && sample_selected(context, &key.sample);
            if !is_selected || planned.contains(&(&key.sample, backend, key.stage)) {
                continue;
            }
            let mut finding = blank((&key.sample, backend), key.stage, key.metric);
            finding.verdict = Verdict::Missing;
            finding.gating = context.exact_gating(backend);
            finding.base = match entry {
                Entry::Bytes(bytes) => Some(Quantity::Bytes(*bytes)),
                Entry::Count(count) => Some(Quantity::Count(*count)),
                // A ratio is a time only beside a yardstick, which nothing measured here.
                Entry::Time { .. } | Entry::Score { .. } | Entry::Unsupported(_) => None,
            };
            missing.push(finding);
        }
    }
    missing
}

/// Whether the filters take a sample. Given globs take what they match whatever its tier; of a sample that is no longer
/// configured the tier is unknown, and it is missed in all of them.
fn sample_selected(context: &Context<'_>, id: &SampleId) -> bool {
    let header = &context.results.header;
    let globs = &header.settings.sample_globs;
    if !globs.is_empty() {
        return selects(globs, id.as_str());
    }
    header.samples.iter().find(|sample| sample.id == *id).is_none_or(|sample| sample.tier <= header.settings.tier)
}
