//! The verdict on a time against the base of the same run, and what supports it.
//!
//! A rebuilt engine lies elsewhere in memory, and that alone moves times by a few per cent. So a change is looked at for what
//! else changed with it; where nothing did, it must lie beyond what a relink may move before it is red.

use super::context::{Context, Pair};
use super::duel::{Duel, DuelFigure};
use super::kernels::{Deviation, KernelError, geometric_mean};
use super::paired::{self, Rule};
use super::time;
use crate::model::baseline::Scatter;
use crate::model::findings::{Against, EffectiveTolerance, Quantity};
use crate::model::observation::MemoryReading;
use crate::model::verdict::InconclusiveReason;
use crate::model::{CellFinding, Stage, Verdict};

/// Page faults or memory that differ by less than this share support nothing: both repeat to well below it, but for LLVM's
/// memory, which scatters by 2.4 % between launches.
pub const SUPPORT_SHARE: f64 = 0.05;

/// Page faults of one operation that differ by less than this support nothing, whatever their share.
const SUPPORT_FAULTS: f64 = 0.5;

/// The figures of a stage in the pairs of launches, in the order of rounds.
///
/// # Errors
/// An observation of zero.
pub fn figures(pair: &Pair<'_>, stage: Stage) -> Result<Vec<DuelFigure>, KernelError> {
    pair.duels.iter().filter_map(|duel| duel.figure(stage).transpose()).collect()
}

/// Judges a time cell on its pairs of launches. Says nothing, and returns `false`, where the stage was measured on one side
/// only.
pub fn judge(context: &Context<'_>, pair: &Pair<'_>, finding: &mut CellFinding) -> bool {
    let stage = finding.cell.stage;
    let figures = match figures(pair, stage) {
        Ok(figures) if figures.is_empty() => return false,
        Ok(figures) => figures,
        Err(error) => {
            finding.against = Against::Base;
            finding.verdict = Verdict::Inconclusive(time::reason(error));
            return true;
        }
    };
    finding.against = Against::Base;
    finding.launches = u32::try_from(figures.len()).unwrap_or(u32::MAX);
    let nanos = |of: fn(&DuelFigure) -> f64| {
        let nanos = geometric_mean(&figures.iter().map(of).collect::<Vec<_>>());
        nanos.ok().map(Quantity::Nanoseconds)
    };
    finding.base = nanos(|one| one.figure.base_nanos);
    finding.head = nanos(|one| one.figure.head_nanos);
    let (tolerance, origin) = match context.thresholds.effective(&finding.cell) {
        Ok(effective) => effective,
        Err(error) => {
            finding.verdict = Verdict::Inconclusive(InconclusiveReason::Degenerate(error.to_string()));
            return true;
        }
    };
    let support = Support::of(pair, stage, &figures);
    let allowance = if pair.same_engine || support.is_given() { 0.0 } else { context.layout_allowance(stage) };
    let rule = Rule { tolerance: tolerance.relative, allowance };
    let pairs: Vec<(u32, f64)> = figures.iter().map(|one| (one.round, one.figure.log_ratio)).collect();
    let timed = paired::decide(&pairs, prior(context, pair, stage), &rule, context.gating_times);
    let used = timed.change.filter(|_| tolerance.relative > 0.0);
    let used = used.map(|change| change.relative.max(0.0) / tolerance.relative);
    finding.verdict = timed.verdict;
    finding.change = timed.change;
    finding.tolerance = Some(EffectiveTolerance { tolerance, widened_by: 0.0, origin, used });
    if let Some(busy) = busy(&figures) {
        finding.verdict = Verdict::Inconclusive(busy);
    }
    finding.evidence.extend(support.evidence);
    true
}

/// Degrees of freedom from which what a run shows of a stage is believed beside what earlier ones did: fewer are the cell's own
/// launches over again.
const RUN_FREEDOM: u32 = 12;

/// The deviation of a pair of launches that is expected of the stage and backend: the larger of what earlier runs showed and
/// what this one shows, over all samples. A noisy day is believed at once; a machine that is noisier than the built-in
/// deviations would be red without reason otherwise.
fn prior(context: &Context<'_>, pair: &Pair<'_>, stage: Stage) -> Deviation {
    let deviation = |one: &Scatter| Deviation { value: one.deviation, freedom: f64::from(one.freedom) };
    let kept = pair.baseline.and_then(|baseline| baseline.scatter.get(&stage)).map(deviation);
    let known = paired::prior(stage, kept);
    let run = context.scatter.get(pair.backend).and_then(|scatter| scatter.get(&stage));
    let run = run.filter(|run| run.freedom >= RUN_FREEDOM && run.deviation > known.value).map(deviation);
    run.map_or(known, |run| paired::prior(stage, Some(run)))
}

/// Where so much was disturbed in most pairs that nothing could be left out, the figures say what else ran.
fn busy(figures: &[DuelFigure]) -> Option<InconclusiveReason> {
    let disturbed = figures.iter().filter(|one| one.figure.disturbed).count();
    (disturbed * 2 > figures.len()).then(|| {
        let sum = |part: fn(&DuelFigure) -> u32| figures.iter().map(part).fold(0, u32::saturating_add);
        InconclusiveReason::MachineBusy {
            disturbed: sum(|one| one.disturbed_observations),
            observations: sum(|one| one.observations),
        }
    })
}

/// What else than the time differs between base and head.
struct Support {
    given: bool,
    evidence: Vec<String>,
}

impl Support {
    fn of(pair: &Pair<'_>, stage: Stage, figures: &[DuelFigure]) -> Self {
        let mut support = Self { given: false, evidence: Vec::new() };
        if stage != Stage::Validate {
            support.artifact(pair);
        }
        if stage == Stage::Compile {
            support.memory(pair);
        }
        support.faults(figures);
        support
    }

    fn is_given(&self) -> bool {
        self.given
    }

    fn artifact(&mut self, pair: &Pair<'_>) {
        let artifacts = pair.duels.iter().filter_map(|Duel { base, head }| {
            let of = |launch: &crate::model::Launch| launch.stages.get(&Stage::Serialize)?.artifact.clone();
            Some((of(base)?, of(head)?))
        });
        // Where artifacts are not deterministic, a difference supports nothing.
        let all: Vec<_> = artifacts.collect();
        let Some((base, head)) = all.first() else { return };
        if all.iter().any(|(a, b)| a.sha256 != base.sha256 || b.sha256 != head.sha256) {
            return;
        }
        if base.sha256 == head.sha256 {
            self.evidence.push("the artifact is the same to the byte".to_owned());
        } else {
            self.given = true;
            let change = head.size.as_f64() / base.size.as_f64().max(1.0) - 1.0;
            self.evidence.push(if base.size == head.size {
                "the artifact changed, its size did not".to_owned()
            } else {
                format!("the artifact changed, its size by {:+.2} %", change * 100.0)
            });
        }
    }

    fn memory(&mut self, pair: &Pair<'_>) {
        let growth = |of: fn(&Duel<'_>) -> Option<MemoryReading>| {
            let grown: Vec<f64> = pair.duels.iter().filter_map(of).map(|one| one.growth().as_f64()).collect();
            super::kernels::median(&grown).ok().filter(|median| *median > 0.0)
        };
        let base = growth(|duel| duel.base.stages.get(&Stage::Compile)?.memory);
        let head = growth(|duel| duel.head.stages.get(&Stage::Compile)?.memory);
        if let Some((base, head)) = base.zip(head) {
            let share = head / base - 1.0;
            if share.abs() >= SUPPORT_SHARE {
                self.given = true;
                self.evidence.push(format!("the memory of the compile changed by {:+.0} %", share * 100.0));
            }
        }
    }

    fn faults(&mut self, figures: &[DuelFigure]) {
        let mean = |of: fn(&DuelFigure) -> f64| figures.iter().map(of).sum::<f64>() / figures.len().max(1) as f64;
        let (base, head) = (mean(|one| one.base_faults), mean(|one| one.head_faults));
        let difference = (head - base).abs();
        if difference >= SUPPORT_FAULTS && difference >= SUPPORT_SHARE * base {
            self.given = true;
            self.evidence.push(format!("page faults of an operation went from {base:.1} to {head:.1}"));
        }
    }
}
