//! Pairs of launches: which launches go together, and what a pair says of a stage.
//!
//! Knows neither baselines nor verdicts.

use std::collections::BTreeMap;

use super::blocks::{self, Block, PairFigure};
use super::kernels::KernelError;
use crate::model::observation::{Side, StageOutcome};
use crate::model::{BackendId, Launch, Observation, SampleId, Stage, StageRecord};

/// A launch of each side of one round, which took turns.
#[derive(Debug, Clone, Copy)]
pub struct Duel<'r> {
    pub base: &'r Launch,
    pub head: &'r Launch,
}

/// What one pair of launches says of one stage.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DuelFigure {
    /// The scheduling round of both launches.
    pub round: u32,
    pub figure: PairFigure,
    /// Page faults of one operation, minor and major.
    pub base_faults: f64,
    pub head_faults: f64,
    /// Observations of both sides, and those that other work disturbed.
    pub observations: u32,
    pub disturbed_observations: u32,
}

/// The duels between two sides, in the order of rounds. Of a round with more than one launch of a side, the last counts.
#[must_use]
pub fn duels(launches: &[Launch], base: Side, head: Side) -> BTreeMap<(SampleId, BackendId), Vec<Duel<'_>>> {
    let of = |side| {
        let own = launches.iter().filter(move |launch| launch.side == side);
        own.map(|launch| ((launch.sample.clone(), launch.backend.clone(), launch.round), launch)).collect()
    };
    let bases: BTreeMap<_, &Launch> = of(base);
    let heads: BTreeMap<_, &Launch> = of(head);
    let mut duels: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (key, head) in heads {
        if let Some(base) = bases.get(&key).copied() {
            duels.entry((key.0, key.1)).or_default().push(Duel { base, head });
        }
    }
    duels
}

impl Duel<'_> {
    /// What the pair says of a stage, or nothing where either side did not measure it.
    ///
    /// # Errors
    /// An observation of zero.
    pub fn figure(&self, stage: Stage) -> Result<Option<DuelFigure>, KernelError> {
        let (Some(base), Some(head)) = (measured(self.base, stage), measured(self.head, stage)) else {
            return Ok(None);
        };
        let blocks: Vec<Block> =
            base.observations.chunks(2).zip(head.observations.chunks(2)).filter_map(|(a, b)| block(a, b)).collect();
        if blocks.is_empty() {
            return Ok(None);
        }
        let both = || base.observations.iter().chain(&head.observations);
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Ok(Some(DuelFigure {
            round: self.head.round,
            figure: blocks::figure(&blocks)?,
            base_faults: faults(&base.observations),
            head_faults: faults(&head.observations),
            observations: count(both().count()),
            disturbed_observations: count(both().filter(|one| one.is_disturbed()).count()),
        }))
    }
}

fn measured(launch: &Launch, stage: Stage) -> Option<&StageRecord> {
    launch.stages.get(&stage).filter(|record| record.outcome == StageOutcome::Measured)
}

/// A block, from what both sides observed in it: two each, or one each of a stage so long that half a block is all there is
/// time for. Where all batches were timed in laps of one length, the quickest lap stands for its batch.
fn block(base: &[Observation], head: &[Observation]) -> Option<Block> {
    let both = || base.iter().chain(head);
    let disturbed = both().any(Observation::is_disturbed);
    let length = |one: &Observation| one.lap.map(|lap| lap.operations);
    let in_laps = both().all(|one| one.lap.is_some() && length(one) == base.first().and_then(length));
    let of =
        |one: &Observation| one.lap.filter(|_| in_laps).map_or_else(|| one.per_operation(), |lap| lap.per_operation());
    let nanos = |side: &[Observation]| match side {
        [one] => Some([of(one); 2]),
        [first, second] => Some([of(first), of(second)]),
        _ => None,
    };
    if base.len() != head.len() {
        return None;
    }
    Some(Block { base: nanos(base)?, head: nanos(head)?, disturbed })
}

/// Page faults of one operation, over all observations.
fn faults(observations: &[Observation]) -> f64 {
    let operations: f64 = observations.iter().map(|one| f64::from(one.batch.max(1))).sum();
    let faults: f64 = observations.iter().map(|one| f64::from(one.minor_faults) + f64::from(one.major_faults)).sum();
    faults / operations.max(1.0)
}
