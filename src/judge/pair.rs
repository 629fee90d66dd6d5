//! The cells of one planned pair: figures, verdict and tolerance of each, from its launches and its baseline.
//!
//! Picks which rule applies to a cell; the rules themselves are in `time` and `exact`.

use super::context::{Context, Pair};
use super::kernels::{KernelError, Location, geometric_mean, winsorised};
use super::pooling::{self, LaunchFigure};
use super::time;
use super::{against_base, exact};
use crate::model::findings::{Against, EffectiveTolerance, Gating, Quantity};
use crate::model::observation::MemoryReading;
use crate::model::results::Comparison;
use crate::model::verdict::InconclusiveReason;
use crate::model::{
    BackendId, Bytes, Cell, CellFinding, Entry, Metric, SampleId, Stage, StageKind, Tolerance, Verdict,
};

/// A cell with what the evidence needs to know of its launches.
#[derive(Debug)]
pub struct Judged {
    pub finding: CellFinding,
    /// Launches that went into a time; empty for other metrics.
    pub figures: Vec<LaunchFigure>,
}

/// Every cell of the pair that was planned, in the order of stages.
#[must_use]
pub fn cells(context: &Context<'_>, pair: &Pair<'_>) -> Vec<Judged> {
    let mut cells = Vec::new();
    for stage in pair.stages.iter().copied() {
        cells.extend(time_cell(context, pair, stage));
        match stage {
            Stage::Serialize => cells.extend(bytes_cell(context, pair, stage, Metric::Size)),
            Stage::Compile => cells.extend(bytes_cell(context, pair, stage, Metric::Memory)),
            _ => {}
        }
    }
    cells
}

/// A cell with no figures and nothing decided yet.
#[must_use]
pub fn blank(pair_of: (&SampleId, &BackendId), stage: Stage, metric: Metric) -> CellFinding {
    CellFinding {
        cell: Cell { sample: pair_of.0.clone(), backend: pair_of.1.clone(), stage, metric },
        verdict: Verdict::Pass,
        gating: Gating::Gates,
        against: Against::Baseline,
        base: None,
        head: None,
        measured: None,
        change: None,
        tolerance: None,
        launches: 0,
        evidence: Vec::new(),
    }
}

/// The times of a stage, pooled over launches.
struct Times {
    figures: Vec<LaunchFigure>,
    /// Of the logarithms of stage by yardstick; absent where no launch has a yardstick.
    location: Option<Location>,
    /// Geometric mean over launches, in nanoseconds.
    yardstick: Option<f64>,
    /// Nanoseconds for one operation.
    head: f64,
}

fn times(pair: &Pair<'_>, stage: Stage, by_reference: bool) -> Result<Option<Times>, KernelError> {
    let mut figures = Vec::new();
    for launch in &pair.launches {
        figures.extend(pooling::figure(launch, stage)?);
    }
    if by_reference {
        to_reference(pair, stage, &mut figures)?;
    }
    if figures.iter().any(|figure| figure.log_ratio.is_some()) {
        figures.retain(|figure| figure.log_ratio.is_some());
    }
    if figures.is_empty() {
        return Ok(None);
    }
    let ratios: Vec<f64> = figures.iter().filter_map(|figure| figure.log_ratio).collect();
    let yardsticks: Vec<f64> = figures.iter().filter_map(|figure| figure.yardstick).collect();
    if ratios.is_empty() {
        let head = geometric_mean(&figures.iter().map(|figure| figure.nanos).collect::<Vec<_>>())?;
        return Ok(Some(Times { figures, location: None, yardstick: None, head }));
    }
    let location = winsorised(&ratios, time::LAUNCH_PRIOR)?;
    let yardstick = geometric_mean(&yardsticks)?;
    let head = location.mean.exp() * yardstick;
    if !(head.is_finite() && head > 0.0) {
        return Err(KernelError::NotFinite);
    }
    Ok(Some(Times { figures, location: Some(location), yardstick: Some(yardstick), head }))
}

/// Puts the reference worker of the same blocks in the yardstick's place; launches without one are left out.
fn to_reference(pair: &Pair<'_>, stage: Stage, figures: &mut Vec<LaunchFigure>) -> Result<(), KernelError> {
    let duels = against_base::figures(pair, stage)?;
    figures.retain_mut(|figure| {
        let Some(duel) = duels.iter().find(|duel| duel.round == figure.round) else { return false };
        figure.yardstick = Some(duel.figure.base_nanos);
        figure.log_ratio = Some(duel.figure.log_ratio);
        figure.nanos = duel.figure.head_nanos;
        true
    });
    Ok(())
}

fn time_cell(context: &Context<'_>, pair: &Pair<'_>, stage: Stage) -> Option<Judged> {
    let information = matches!(stage.kind(), StageKind::Information);
    let mut finding = blank((pair.sample, pair.backend), stage, Metric::Time);
    finding.gating = if information { Gating::Information } else { context.time_gating(pair.backend) };
    let times = times(pair, stage, context.by_reference && !information);
    if let Ok(Some(times)) = &times {
        finding.head = Some(Quantity::Nanoseconds(times.head));
        finding.launches = count(times.figures.len());
    }
    if let Some(failure) = pair.broken.get(&stage) {
        finding.verdict = Verdict::Broken((*failure).clone());
        finding.gating = Gating::Gates;
    } else if pair.comparison == Comparison::Same {
        if information {
            return None;
        }
        same(pair, &mut finding);
    } else if let Some((reason, launches)) = unsupported(pair, stage) {
        unsupported_cell(context, pair, &mut finding, reason, launches);
    } else {
        match &times {
            Err(error) => finding.verdict = Verdict::Inconclusive(time::reason(*error)),
            Ok(None) if information => return None,
            Ok(None) => finding.verdict = too_few(0, time::MIN_LAUNCHES),
            Ok(Some(_)) if information => {}
            Ok(Some(times)) => {
                measured_time(context, pair, &mut finding, times);
                let compared = context.is_judged_by_base(pair) && by_base(context, pair, &mut finding);
                if let (false, Comparison::Paired, Some(failure)) = (compared, pair.comparison, pair.base_failure) {
                    finding.evidence.push(format!("not compared with the base, which is broken: {}", failure.kind));
                }
            }
        }
    }
    Some(Judged { finding, figures: times.ok().flatten().map(|times| times.figures).unwrap_or_default() })
}

/// A cell of a pair that is the same on both sides: nothing was launched, because nothing can differ.
fn same(pair: &Pair<'_>, finding: &mut CellFinding) {
    finding.against = Against::Base;
    if let Some(Entry::Unsupported(reason)) = pair.entry(finding.cell.stage, Metric::Time) {
        finding.verdict = Verdict::Unsupported(reason.clone());
    }
    finding
        .evidence
        .push("not measured: engine, module, options and the way to run are the same on both sides".to_owned());
}

/// Replaces the verdict against the committed baseline by the one against the base of this run, and keeps the former as
/// evidence: that one crosses days, this one does not. Whether there was anything to compare with.
fn by_base(context: &Context<'_>, pair: &Pair<'_>, finding: &mut CellFinding) -> bool {
    let committed = finding.clone();
    finding.evidence.clear();
    finding.gating = Gating::Gates;
    if !against_base::judge(context, pair, finding) {
        *finding = committed;
        return false;
    }
    if let (Some(change), Some(tolerance)) = (committed.change, &committed.tolerance) {
        let allowance = tolerance.tolerance.relative + tolerance.widened_by;
        let beyond = change.relative.abs() > allowance;
        let allowance = allowance * 100.0;
        finding.evidence.push(format!(
            "against the committed baseline {:+.1} %, {} its allowance of {allowance:.0} %",
            change.relative * 100.0,
            if beyond { "beyond" } else { "within" },
        ));
    }
    true
}

/// Why the stage, or one that it needs, is unsupported, and in how many launches.
fn unsupported<'r>(pair: &Pair<'r>, stage: Stage) -> Option<(&'r str, usize)> {
    let of = |stage: Stage| -> Vec<&'r str> {
        let records = pair.launches.iter().filter_map(|launch| launch.stages.get(&stage));
        records.filter_map(pooling::unsupported).collect()
    };
    let own = of(stage);
    if let Some(reason) = own.first() {
        return Some((reason, own.len()));
    }
    if pair.launches.iter().any(|launch| launch.stages.contains_key(&stage)) {
        return None;
    }
    stage.needs().iter().find_map(|need| of(*need).first().map(|reason| (*reason, pair.launches.len())))
}

fn unsupported_cell(context: &Context<'_>, pair: &Pair<'_>, finding: &mut CellFinding, reason: &str, launches: usize) {
    let stage = finding.cell.stage;
    finding.verdict = Verdict::Unsupported(reason.to_owned());
    if finding.gating == Gating::Information {
        return;
    }
    // What a backend supports does not depend on how fast the runner is.
    finding.gating = context.exact_gating(pair.backend);
    finding.measured = Some(Entry::Unsupported(reason.to_owned()));
    if launches < pair.launches.len() {
        finding.evidence.push(format!("unsupported in {launches} of {} launches", pair.launches.len()));
    }
    match pair.entry(stage, Metric::Time) {
        Some(Entry::Unsupported(_)) => {}
        Some(_) => {
            finding.verdict = Verdict::Regressed;
            finding.evidence.push(format!("was supported, and is not any more: {}", reason.escape_debug()));
        }
        None if base_measured(pair, stage) => {
            finding.verdict = Verdict::Regressed;
            finding.against = Against::Base;
            finding.evidence.push(format!("the base supports it: {}", reason.escape_debug()));
        }
        None => finding.evidence.push("not in the baseline yet".to_owned()),
    }
}

fn base_measured(pair: &Pair<'_>, stage: Stage) -> bool {
    let records = pair.duels.iter().filter_map(|duel| duel.base.stages.get(&stage));
    records.into_iter().any(|record| pooling::unsupported(record).is_none())
}

fn measured_time(context: &Context<'_>, pair: &Pair<'_>, finding: &mut CellFinding, times: &Times) {
    let Some((location, yardstick)) = times.location.zip(times.yardstick) else {
        finding.verdict = degenerate("no launch has a yardstick reading of every kernel");
        return;
    };
    finding.measured = Some(Entry::Time {
        ratio: location.mean.exp(),
        deviation: location.deviation,
        launches: count(location.count),
    });
    let Some((ratio, base)) = committed(context, pair, finding) else {
        return;
    };
    finding.base = Some(ratio * yardstick).filter(|nanos| nanos.is_finite()).map(Quantity::Nanoseconds);
    match context.thresholds.effective(&finding.cell) {
        Ok((tolerance, origin)) => {
            let spread = pair.baseline.and_then(|baseline| baseline.spread.get(&finding.cell.stage));
            let widened_by = time::widening(spread);
            let values: Vec<(u32, f64)> =
                times.figures.iter().filter_map(|figure| Some((figure.round, figure.log_ratio?))).collect();
            let allowance = tolerance.relative + widened_by;
            let timed = time::decide(&values, &base, allowance, context.look_level(pair));
            let used = timed.change.filter(|_| allowance > 0.0).map(|change| change.relative.max(0.0) / allowance);
            finding.verdict = timed.verdict;
            finding.change = timed.change;
            finding.tolerance = Some(EffectiveTolerance { tolerance, widened_by, origin, used });
        }
        Err(error) => finding.verdict = degenerate(&error.to_string()),
    }
    if let Some(busy) = busy(&times.figures) {
        finding.verdict = Verdict::Inconclusive(busy);
    }
}

/// The committed ratio of a cell, as it stands and as a base; where there is none to compare with, the finding's verdict says
/// why.
fn committed(context: &Context<'_>, pair: &Pair<'_>, finding: &mut CellFinding) -> Option<(f64, time::Base)> {
    let (ratio, deviation, launches) = match pair.entry(finding.cell.stage, Metric::Time) {
        Some(Entry::Time { ratio, deviation, launches }) => (*ratio, *deviation, *launches),
        Some(Entry::Unsupported(reason)) => {
            finding.verdict = Verdict::New;
            finding.gating = context.exact_gating(pair.backend);
            finding.evidence.push(format!("now supported; the baseline says: {}", reason.escape_debug()));
            return None;
        }
        Some(Entry::Bytes(_) | Entry::Count(_) | Entry::Score { .. }) => {
            finding.verdict =
                degenerate("the baseline's entry is not a time; measure it again with --update-baselines");
            return None;
        }
        None => {
            finding.verdict = Verdict::New;
            finding.gating = Gating::Gates;
            return None;
        }
    };
    if let Some(problem) = context.standings.get(pair.backend).and_then(|standing| standing.no_reference.as_ref()) {
        finding.verdict = degenerate(problem);
        return None;
    }
    time::Base::committed(ratio, deviation, launches)
        .map_err(|error| finding.verdict = degenerate(&format!("the baseline's entry is damaged: {error}")))
        .ok()
        .map(|base| (ratio, base))
}

/// Where most launches have no undisturbed observation of a stage, its figure says what else ran. The yardstick beside it was
/// disturbed as well, so that not even a pass is sure.
fn busy(figures: &[LaunchFigure]) -> Option<InconclusiveReason> {
    let disturbed_launches = figures.iter().filter(|figure| figure.pooled.disturbed).count();
    (disturbed_launches * 2 > figures.len()).then(|| {
        let sum = |part: fn(&LaunchFigure) -> u32| figures.iter().map(part).fold(0, u32::saturating_add);
        InconclusiveReason::MachineBusy {
            disturbed: sum(|figure| figure.pooled.disturbed_observations),
            observations: sum(|figure| figure.pooled.observations),
        }
    })
}

/// The artifact's size or the memory of the compile. Absent where neither this run nor the baseline has a figure, and where
/// the system has no memory reading.
fn bytes_cell(context: &Context<'_>, pair: &Pair<'_>, stage: Stage, metric: Metric) -> Option<Judged> {
    let records: Vec<_> = pair.launches.iter().filter_map(|launch| launch.stages.get(&stage)).collect();
    let mut finding = blank((pair.sample, pair.backend), stage, metric);
    finding.gating = context.exact_gating(pair.backend);
    let (head, launches) = if metric == Metric::Size {
        let artifacts: Vec<_> = records.iter().filter_map(|record| record.artifact.as_ref()).collect();
        let mut different: Vec<_> = artifacts.iter().map(|artifact| (&artifact.sha256, artifact.size)).collect();
        different.sort();
        different.dedup();
        if different.len() > 1 {
            finding.evidence.push(format!("not deterministic: {} different artifacts", different.len()));
        }
        (artifacts.iter().map(|artifact| artifact.size).max(), artifacts.len())
    } else {
        let growths: Vec<Bytes> =
            records.iter().filter_map(|record| record.memory.as_ref()).map(MemoryReading::growth).collect();
        let launches = growths.len();
        (exact::median(growths), launches)
    };
    finding.launches = count(launches);
    finding.head = head.map(Quantity::Bytes);
    let entry = pair.entry(stage, metric);
    if pair.comparison == Comparison::Same {
        entry?;
        same(pair, &mut finding);
        return Some(Judged { finding, figures: Vec::new() });
    }
    if let (None, Some(failure)) = (head, pair.broken.get(&stage)) {
        entry?;
        finding.verdict = Verdict::Broken((*failure).clone());
        finding.gating = Gating::Gates;
    } else if let Some(head) = head {
        finding.measured = Some(Entry::Bytes(head));
        let by_base = base_bytes(pair, metric).filter(|_| context.is_judged_by_base(pair));
        match (entry, by_base) {
            (None, Some(base)) => {
                finding.against = Against::Base;
                finding.gating = Gating::Gates;
                measured_bytes(context, &mut finding, Some(&Entry::Bytes(base)), head);
            }
            (entry, base) => {
                measured_bytes(context, &mut finding, entry, head);
                if let (Some(Entry::Bytes(committed)), Some(base)) = (entry, base)
                    && base == head
                    && *committed != head
                {
                    finding.evidence.push("the base of this run has this figure too; the baseline is older".to_owned());
                }
            }
        }
    } else {
        entry?;
        if let Some((reason, _)) = unsupported(pair, stage) {
            finding.verdict = Verdict::Unsupported(reason.to_owned());
        } else if metric == Metric::Memory && !records.is_empty() {
            return None;
        } else {
            finding.verdict = too_few(0, 1);
        }
    }
    Some(Judged { finding, figures: Vec::new() })
}

/// The base's artifact size, or the median of what its compiles added to the memory.
fn base_bytes(pair: &Pair<'_>, metric: Metric) -> Option<Bytes> {
    let bases = pair.duels.iter().map(|duel| duel.base);
    if metric == Metric::Size {
        bases.filter_map(|base| Some(base.stages.get(&Stage::Serialize)?.artifact.as_ref()?.size)).max()
    } else {
        let growths = bases.filter_map(|base| Some(base.stages.get(&Stage::Compile)?.memory?.growth()));
        exact::median(growths.collect())
    }
}

fn measured_bytes(context: &Context<'_>, finding: &mut CellFinding, entry: Option<&Entry>, head: Bytes) {
    let base = match entry {
        Some(Entry::Bytes(base)) => *base,
        None | Some(Entry::Unsupported(_)) => {
            finding.verdict = Verdict::New;
            finding.gating = Gating::Gates;
            return;
        }
        Some(Entry::Time { .. } | Entry::Count(_) | Entry::Score { .. }) => {
            finding.verdict =
                degenerate("the baseline's entry is not a size; measure it again with --update-baselines");
            return;
        }
    };
    finding.base = Some(Quantity::Bytes(base));
    match context.thresholds.effective(&finding.cell) {
        Ok((tolerance, origin)) => {
            let exact = exact::decide(base, head, &tolerance);
            finding.verdict = exact.verdict;
            finding.change = exact.change;
            finding.tolerance = Some(effective(tolerance, origin, exact.used));
        }
        Err(error) => finding.verdict = degenerate(&error.to_string()),
    }
}

fn effective(tolerance: Tolerance, origin: String, used: Option<f64>) -> EffectiveTolerance {
    EffectiveTolerance { tolerance, widened_by: 0.0, origin, used }
}

fn too_few(have: usize, need: usize) -> Verdict {
    Verdict::Inconclusive(InconclusiveReason::TooFewLaunches { have: count(have), need: count(need) })
}

fn degenerate(what: &str) -> Verdict {
    Verdict::Inconclusive(InconclusiveReason::Degenerate(what.to_owned()))
}

fn count(launches: usize) -> u32 {
    u32::try_from(launches).unwrap_or(u32::MAX)
}
