//! What the head was compared with in the same run: where the base comes from, which pairs of sample and backend were measured
//! beside it, which were not and why, and what the null controls say.

use std::collections::{BTreeMap, BTreeSet};

use super::{BY_BASE, BY_BASELINE, Fact, TEXT_LENGTH, bounded, plural, shards};
use crate::model::findings::{Against, Control};
use crate::model::results::{BaseKind, Comparison, PlannedPair};
use crate::model::{CellFinding, Findings, Results, Verdict};
use crate::report::units;

/// Characters shown of a checksum or of a commit: enough to tell two apart, as git does in large repositories.
const SHORT: usize = 12;
/// Most characters of a branch's name.
const NAME_LENGTH: usize = 80;
/// Names listed before the rest is counted.
const MOST_NAMES: usize = 8;

/// Labelled lines below the headline; none without a base.
pub(super) fn compared(results: &Results) -> Vec<Fact> {
    let Some(base) = &results.header.base else { return Vec::new() };
    let plan = shards::measured(&results.header);
    let of = |comparison| plan.iter().copied().filter(move |pair| pair.comparison == comparison);
    let mut facts = vec![Fact { label: "base", text: name(&base.kind) }];
    let mut tell = |label, comparison, what: &str| {
        let pairs: Vec<_> = of(comparison).collect();
        if !pairs.is_empty() {
            let text = format!("{}, {what}: {}", counted(pairs.len()), names(&pairs));
            facts.push(Fact { label, text: bounded(&text, 2 * TEXT_LENGTH) });
        }
    };
    tell("measured", Comparison::Paired, "base and head in turns");
    let same = "not measured because engine, module, options and the way to run are the same on both sides";
    tell("the same", Comparison::Same, same);
    let edited = "the same on both sides, but held to something else; the head launched alone";
    tell("edited", Comparison::Edited, edited);
    tell("no base", Comparison::Alone, "the head launched alone");
    facts
}

/// Whether a cell passes because it is the same on both sides, and was not measured.
pub(super) fn is_same(finding: &CellFinding) -> bool {
    finding.against == Against::Base
        && finding.verdict == Verdict::Pass
        && finding.base.is_none()
        && finding.head.is_none()
}

/// The headline of a run in which everything is the same on both sides; nothing where anything is not.
pub(super) fn unchanged(results: &Results) -> Option<String> {
    let (base, plan) = (results.header.base.as_ref()?, &results.header.plan);
    let all_same = !plan.is_empty() && plan.iter().all(|pair| pair.comparison == Comparison::Same);
    all_same.then(|| format!("nothing relevant changed: {} the same as in {}", subject(plan.len()), name(&base.kind)))
}

fn subject(pairs: usize) -> String {
    if pairs == 1 { format!("the {} is", counted(1)) } else { format!("all {} are", counted(pairs)) }
}

/// `2 pairs of sample and backend`.
fn counted(pairs: usize) -> String {
    plural(pairs, "pair") + " of sample and backend"
}

/// Where the base comes from, in a few words.
pub(super) fn name(kind: &BaseKind) -> String {
    match kind {
        BaseKind::Worker { sha256 } => format!("worker sha256 {}", bounded(sha256, SHORT)),
        BaseKind::Revision { name, commit } => format!("{} {}", bounded(name, NAME_LENGTH), short(commit)),
        BaseKind::Reference { sha256 } => format!("reference worker sha256 {}", bounded(sha256, SHORT)),
        BaseKind::Itself => "itself, so that whatever differs is noise".to_owned(),
    }
}

fn short(commit: &str) -> String {
    commit.chars().take(SHORT).collect()
}

/// Samples and backends of some pairs: backends with the same samples together.
fn names(pairs: &[&PlannedPair]) -> String {
    let mut by_backend: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for pair in pairs {
        by_backend.entry(pair.backend.as_str()).or_default().insert(pair.sample.as_str());
    }
    let mut by_samples: BTreeMap<BTreeSet<&str>, BTreeSet<&str>> = BTreeMap::new();
    for (backend, samples) in by_backend {
        by_samples.entry(samples).or_default().insert(backend);
    }
    let groups = by_samples.iter().map(|(samples, backends)| format!("{} on {}", listed(samples), listed(backends)));
    groups.collect::<Vec<_>>().join("; ")
}

fn listed(names: &BTreeSet<&str>) -> String {
    let shown: Vec<_> = names.iter().copied().take(MOST_NAMES).collect();
    match names.len().saturating_sub(MOST_NAMES) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// What a mark means, for rows that share it.
pub(super) fn explained(mark: &str) -> &'static str {
    if mark == BY_BASE { "against the base, measured in this run" } else { "against the committed baseline" }
}

/// What a row says it was compared with. Where nothing was compared with a base, there is nothing to confuse.
pub(super) fn mark(findings: &Findings) -> impl Fn(&CellFinding) -> &'static str {
    let marked = findings.cells.iter().any(|finding| finding.against == Against::Base);
    move |finding| match (marked, finding.against) {
        (false, _) => "",
        (true, Against::Base) => BY_BASE,
        (true, Against::Baseline) => BY_BASELINE,
    }
}

/// What follows `--base-ref` or the like to have the same base again. A branch's name can hold anything, so the commit stands for it.
pub(super) fn arguments(results: &Results) -> String {
    match results.header.base.as_ref().map(|base| &base.kind) {
        Some(BaseKind::Revision { commit, .. }) if is_commit(commit) => format!(" --base-ref {}", short(commit)),
        Some(BaseKind::Worker { .. }) => " --base-worker WORKER".to_owned(),
        Some(BaseKind::Revision { .. } | BaseKind::Reference { .. } | BaseKind::Itself) | None => String::new(),
    }
}

fn is_commit(text: &str) -> bool {
    (7..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The null controls in a line; nothing where there were none.
pub(super) fn controls(findings: &Findings) -> Option<String> {
    let pairs = findings.controls.iter().map(|control| control.pairs).max()?;
    let worst = findings.controls.iter().max_by(|a, b| {
        a.change.relative.abs().total_cmp(&b.change.relative.abs()).then_with(|| b.stage.cmp(&a.stage))
    })?;
    Some(format!("{}, worst stage {} {}", plural(pairs as usize, "pair"), worst.stage, deviation(worst)))
}

/// `+0.3 % ± 0.5 %`.
fn deviation(control: &Control) -> String {
    let half = (control.change.high - control.change.low) / 2.0;
    format!("{} ± {}", units::change(control.change.relative), units::share(half))
}

/// What takes weight from the whole run.
pub(super) fn warnings(findings: &Findings) -> Vec<String> {
    let biased: Vec<_> = findings
        .controls
        .iter()
        .filter(|control| control.biased)
        .map(|control| {
            let shard = control.shard.map(|shard| format!(" in shard {shard}")).unwrap_or_default();
            format!("{} {}{shard}", control.stage, deviation(control))
        })
        .collect();
    if biased.is_empty() {
        return Vec::new();
    }
    vec![bounded(
        &format!(
            "the base against itself moved too: {}. No time of {} gates against the base in this run; run it again, on a \
             quieter machine if there is one",
            biased.join(", "),
            if biased.len() == 1 { "this stage" } else { "these stages" }
        ),
        2 * TEXT_LENGTH,
    )]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_commit_is_put_into_a_command() {
        assert!(is_commit("1a2b3c4d") && is_commit(&"a".repeat(40)));
        for bad in ["", "main", "1a2b3c", "1a2b3c4d; rm", "$(true)", &"a".repeat(65)] {
            assert!(!is_commit(bad), "{bad}");
        }
    }

    #[test]
    fn one_pair_is_singular() {
        assert_eq!(subject(1), "the 1 pair of sample and backend is");
        assert_eq!(subject(3), "all 3 pairs of sample and backend are");
    }

    #[test]
    fn long_lists_are_counted() {
        let names: BTreeSet<&str> = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"].into();
        assert_eq!(listed(&names), "a, b, c, d, e, f, g, h and 2 more");
    }
}
