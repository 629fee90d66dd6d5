//! What there is to say of a run that was split over machines: which part this is, where each part was measured, and which is
//! not there.

use std::collections::{BTreeMap, BTreeSet};

use super::{TEXT_LENGTH, bounded, plural};
use crate::model::results::{Header, PlannedPair};
use crate::model::shard::{ShardFault, ShardState};
use crate::model::{BackendId, FailureKind, Findings, Machine, SampleId, Verdict};

/// Shards named in a line before the rest is counted.
const MOST_SHARDS: usize = 8;
/// Kinds of runners that are named.
const MOST_RUNNERS: usize = 4;

/// A shard that counts as not measured.
pub(super) struct Faulty<'f> {
    number: u32,
    of: u32,
    pub fault: ShardFault,
    /// What to do about it.
    pub remedy: &'f str,
    pairs: BTreeSet<(&'f SampleId, &'f BackendId)>,
}

impl Faulty<'_> {
    /// `shard 2 of 3`.
    pub fn subject(&self) -> String {
        format!("shard {} of {}", self.number, self.of)
    }

    /// `4 pairs of sample and backend were`.
    pub fn pairs(&self) -> String {
        let were = if self.pairs.len() == 1 { "was" } else { "were" };
        format!("{} of sample and backend {were}", plural(self.pairs.len(), "pair"))
    }
}

/// The shards that broke cells, by number.
pub(super) fn faulty(findings: &Findings) -> Vec<Faulty<'_>> {
    let mut faulty: BTreeMap<u32, Faulty<'_>> = BTreeMap::new();
    for finding in &findings.cells {
        let Verdict::Broken(failure) = &finding.verdict else { continue };
        let FailureKind::Shard { number, of, fault } = failure.kind else { continue };
        let shard = faulty.entry(number).or_insert(Faulty {
            number,
            of,
            fault,
            remedy: &failure.detail,
            pairs: BTreeSet::new(),
        });
        shard.pairs.insert((&finding.cell.sample, &finding.cell.backend));
    }
    faulty.into_values().collect()
}

/// `shard 2 of 3 is missing: 4 pairs of sample and backend were not measured`.
pub(super) fn told(faulty: &[Faulty<'_>]) -> String {
    let pairs: usize = faulty.iter().map(|shard| shard.pairs.len()).sum();
    match faulty {
        [only] => format!("{} {}: {} not measured", only.subject(), only.fault, only.pairs()),
        several => {
            let of = several.first().map_or(0, |shard| shard.of);
            format!(
                "{} of {of} shards are not there as a whole: {} of sample and backend were not measured",
                several.len(),
                plural(pairs, "pair")
            )
        }
    }
}

/// The pairs that were measured, or need not be.
pub(super) fn measured(header: &Header) -> Vec<&PlannedPair> {
    let absent: BTreeSet<(&SampleId, &BackendId)> = header
        .merged
        .iter()
        .filter(|shard| matches!(shard.state, ShardState::Faulty(_)))
        .flat_map(|shard| shard.part.iter().map(|pair| (&pair.sample, &pair.backend)))
        .collect();
    header.plan.iter().filter(|pair| !absent.contains(&(&pair.sample, &pair.backend))).collect()
}

/// Which part of the plan this is, of a run that is one.
pub(super) fn part(header: &Header) -> Option<String> {
    let shard = header.shard.as_ref()?;
    let all: usize = shard.parts.iter().map(Vec::len).sum();
    Some(format!(
        "{} of {}: {} of the {} of sample and backend; `tollgate merge` puts the shards together",
        shard.number,
        shard.of(),
        shard.own().len(),
        plural(all, "pair")
    ))
}

/// The machines of the run: its own, or that of each shard that was measured, by number.
pub(super) fn machines(header: &Header) -> Vec<(usize, &Machine)> {
    let of_shards: Vec<_> = (1..)
        .zip(&header.merged)
        .filter_map(|(number, shard)| match &shard.state {
            ShardState::Measured(run) => Some((number, &run.machine)),
            ShardState::Faulty(_) => None,
        })
        .collect();
    if of_shards.is_empty() { vec![(0, &header.machine)] } else { of_shards }
}

/// Where it was measured: one machine, or the shards that each kind of machine had.
pub(super) fn runners(header: &Header) -> String {
    let mut kinds: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (number, machine) in machines(header) {
        let class = bounded(&machine.class.to_string(), TEXT_LENGTH);
        kinds.entry(format!("{class} · {}", plural(machine.cores as usize, "core"))).or_default().push(number);
    }
    if kinds.len() == 1 {
        return kinds.into_keys().collect();
    }
    let mut lines: Vec<String> =
        kinds.iter().take(MOST_RUNNERS).map(|(kind, shards)| format!("{} on {kind}", numbers(shards))).collect();
    if kinds.len() > lines.len() {
        lines.push(format!("others on {} other kinds", kinds.len() - lines.len()));
    }
    lines.join("; ")
}

fn numbers(shards: &[usize]) -> String {
    let named: Vec<_> = shards.iter().take(MOST_SHARDS).map(usize::to_string).collect();
    let more = match shards.len() - named.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("shard{} {}{more}", if shards.len() == 1 { "" } else { "s" }, named.join(", "))
}
