//! Null controls: pairs of launches in which the base takes the head's place too. Whatever they show is the schedule's or the
//! machine's doing, and no head's.

use super::duel::{Duel, DuelFigure, duels};
use super::kernels::shared_level;
use super::paired;
use super::time::{BOUND_LEVEL, RUN_LEVEL, relative};
use crate::model::findings::{Against, Change, Control};
use crate::model::observation::Side;
use crate::model::shard::Shard;
use crate::model::verdict::InconclusiveReason;
use crate::model::{CellFinding, Metric, Results, Stage, StageKind, Verdict};

/// A bias below this does no harm: it is half of the smallest tolerance that is worth asking for, 0.5 %, rounded up.
pub const HARMLESS: f64 = 0.003;

/// What the controls of the run show, by stage; a stage with fewer than two pairs shows nothing.
#[must_use]
pub fn controls(results: &Results) -> Vec<Control> {
    let duels = duels(&results.launches, Side::ControlBase, Side::ControlHead);
    let duels: Vec<Duel<'_>> = duels.into_values().flatten().collect();
    let gating: Vec<Stage> =
        Stage::ALL.iter().copied().filter(|stage| matches!(stage.kind(), StageKind::Gating)).collect();
    let shard = results.header.shard.as_ref();
    // Every shard has controls of its own, and all of them together the level of one run.
    let controls = gating.len() as f64 * f64::from(shard.map_or(1, Shard::of).max(1));
    let level = shared_level(RUN_LEVEL, controls);
    let of_shard = |control| Control { shard: shard.map(|shard| shard.number), ..control };
    gating.into_iter().filter_map(|stage| control(stage, &duels, level)).map(of_shard).collect()
}

fn control(stage: Stage, duels: &[Duel<'_>], level: f64) -> Option<Control> {
    let figures: Vec<DuelFigure> = duels.iter().filter_map(|duel| duel.figure(stage).ok().flatten()).collect();
    let values: Vec<f64> = figures.iter().map(|one| one.figure.log_ratio).collect();
    let estimate = paired::estimate(&values, paired::prior(stage, None)).ok()?;
    let bound = |level| Some((estimate.lower(level).ok()?, estimate.upper(level).ok()?));
    let (low, high) = bound(BOUND_LEVEL)?;
    let (surely_low, surely_high) = bound(level)?;
    Some(Control {
        stage,
        pairs: u32::try_from(values.len()).unwrap_or(u32::MAX),
        change: Change { relative: relative(estimate.value), low: relative(low), high: relative(high) },
        biased: surely_low > HARMLESS || surely_high < -HARMLESS,
        shard: None,
    })
}

/// Takes the verdict from every time that was compared with the base in a stage whose controls are biased.
pub fn apply(cells: &mut [CellFinding], controls: &[Control]) {
    for control in controls.iter().filter(|control| control.biased) {
        let touched = cells.iter_mut().filter(|one| {
            one.cell.stage == control.stage
                && one.cell.metric == Metric::Time
                && one.against == Against::Base
                // What is the same on both sides was not measured, and cannot be biased.
                && one.launches > 0
        });
        for finding in touched {
            if matches!(
                finding.verdict,
                Verdict::Regressed | Verdict::Improved | Verdict::Pass | Verdict::Inconclusive(_)
            ) {
                let bias = control.change.relative;
                finding.verdict = Verdict::Inconclusive(InconclusiveReason::BiasedControl { bias });
            }
        }
    }
}
