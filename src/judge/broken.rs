//! Which stages of a pair a failed launch breaks.
//!
//! What a launch recorded before it failed stays valid, and so do the other launches; but a failure always breaks at least
//! one planned stage, or it would not count.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Failure, FailureKind, Launch, Stage};

/// Planned stages that are broken, each with the first failure that broke it. `launches` come in order.
#[must_use]
pub fn stages<'r>(planned: &BTreeSet<Stage>, launches: &[&'r Launch]) -> BTreeMap<Stage, &'r Failure> {
    let mut broken = BTreeMap::new();
    for launch in launches {
        if let Some(failure) = &launch.failure {
            for stage in broken_by(failure, launch, planned, launches) {
                broken.entry(stage).or_insert(failure);
            }
        }
    }
    broken
}

/// The failing stage, and those that no launch recorded. A failure outside of any stage breaks all of them: nothing that such
/// a worker says can be relied upon.
fn broken_by(failure: &Failure, launch: &Launch, planned: &BTreeSet<Stage>, launches: &[&Launch]) -> BTreeSet<Stage> {
    let Some(failing) = failure.stage.or_else(|| stage_of(&failure.kind)) else {
        return planned.clone();
    };
    let recorded_anywhere = |stage: &Stage| launches.iter().any(|launch| launch.stages.contains_key(stage));
    let mut broken: BTreeSet<Stage> =
        planned.iter().copied().filter(|stage| *stage == failing || !recorded_anywhere(stage)).collect();
    if broken.is_empty() {
        // The failing stage was not planned but needed, and other launches got through.
        broken = planned.iter().copied().filter(|stage| !launch.stages.contains_key(stage)).collect();
    }
    if broken.is_empty() { planned.clone() } else { broken }
}

/// The stage that a failure belongs to by its nature.
fn stage_of(kind: &FailureKind) -> Option<Stage> {
    match kind {
        FailureKind::WrongOutput | FailureKind::FreshDiffers => Some(Stage::Execute),
        FailureKind::Spawn
        | FailureKind::Signal(_)
        | FailureKind::Exit(_)
        | FailureKind::Deadline(_)
        | FailureKind::Memory(_)
        | FailureKind::Cpu(_)
        | FailureKind::Protocol
        | FailureKind::Flood
        | FailureKind::Stage
        | FailureKind::Shard { .. } => None,
    }
}
