//! What the rules of judging allow that those of the base revision did not: tolerances, noise, what fails the run, and what is
//! measured at all.
//!
//! A pure function of two sets of rules. Tolerances are compared cell by cell as they come out, whatever rules they come from, so that a
//! rule that is reordered or split loosens nothing. What baselines hold is compared elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use super::kernels::Deviation;
use super::threshold::Thresholds;
use super::{paired, time};
use crate::model::baseline::Scatter;
use crate::model::loosening::{Kind, Loosened};
use crate::model::settings::{FailOn, Limits, ThresholdRule};
use crate::model::{
    BackendId, Baseline, BaselineKey, Cell, Metric, Run, Sample, SampleId, Stage, StageKind, Tier, Tolerance,
};

/// Samples or backends named in a line before the rest is counted.
const MOST_NAMES: usize = 4;

/// Changes of a deviation below this, as a fraction of a time, are none: figures are committed with two digits.
const SAME: f64 = 1e-4;

/// What a revision holds its cells to.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    pub thresholds: Vec<ThresholdRule>,
    pub layout_allowances: BTreeMap<Stage, f64>,
    pub limits: Limits,
    pub fail_on: BTreeSet<FailOn>,
    /// Samples as configured; absent where nobody looked, as of a file that is read without what lies beside it.
    pub samples: Option<Vec<Sample>>,
    /// Backends as configured.
    pub backends: Vec<BackendId>,
    pub baselines: BTreeMap<BackendId, Baseline>,
}

/// What is looser in `head` than in `base`, but for the entries of baselines.
#[must_use]
pub fn loosened(base: &Rules, head: &Rules) -> Vec<Loosened> {
    let mut items = Vec::new();
    items.extend(fail_on(&base.fail_on, &head.fail_on));
    items.extend(tolerances(base, head));
    items.extend(selection(base, head));
    items.extend(noise(base, head));
    items.extend(layout(base, head));
    items.extend(limits(&base.limits, &head.limits));
    items
}

/// Samples on backends of which a cell is held to less than at the base revision, so that what passed there may not pass here.
#[must_use]
pub fn stricter(base: &Rules, head: &Rules) -> BTreeSet<(SampleId, BackendId)> {
    let stricter = effective(base, head).into_iter().filter(|(_, old, new)| {
        new.relative < old.relative || new.absolute.unwrap_or_default() < old.absolute.unwrap_or_default()
    });
    stricter.map(|(cell, _, _)| (cell.sample, cell.backend)).collect()
}

fn item(kind: Kind, subject: impl Into<String>, from: impl Into<String>, to: impl Into<String>) -> Loosened {
    Loosened { kind, subject: subject.into(), from: from.into(), to: to.into(), by: None, reason: None }
}

fn fail_on(base: &BTreeSet<FailOn>, head: &BTreeSet<FailOn>) -> Option<Loosened> {
    let shown = |set: &BTreeSet<FailOn>| {
        let names: Vec<_> = set.iter().map(|on| name(*on)).collect();
        if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
    };
    (!base.is_subset(head)).then(|| item(Kind::FailOn, "`fail-on`", shown(base), shown(head)))
}

fn name(on: FailOn) -> &'static str {
    match on {
        FailOn::Regressed => "regressed",
        FailOn::Inconclusive => "inconclusive",
        FailOn::Missing => "missing",
        FailOn::Loosened => "loosened",
    }
}

/// The cells that both sides may have, each with its tolerance at the base and now.
fn effective(base: &Rules, head: &Rules) -> Vec<(Cell, Tolerance, Tolerance)> {
    let (old, new) = (Thresholds::new(&base.thresholds), Thresholds::new(&head.thresholds));
    let tolerances = |cell: Cell| {
        let (old, _) = old.effective(&cell).ok()?;
        let (new, _) = new.effective(&cell).ok()?;
        Some((cell, old, new))
    };
    cells(base).into_iter().filter_map(tolerances).collect()
}

/// What a revision may hold to something: what its configuration names, and what its baselines hold.
fn cells(rules: &Rules) -> BTreeSet<Cell> {
    let gating = || Stage::ALL.iter().copied().filter(|stage| stage.kind() == StageKind::Gating);
    let columns: Vec<(Stage, Metric)> = gating()
        .map(|stage| (stage, Metric::Time))
        .chain([(Stage::Serialize, Metric::Size), (Stage::Compile, Metric::Memory)])
        .collect();
    let mut cells = BTreeSet::new();
    for sample in rules.samples.iter().flatten() {
        for backend in &rules.backends {
            cells.extend(columns.iter().map(|(stage, metric)| Cell {
                sample: sample.id.clone(),
                backend: backend.clone(),
                stage: *stage,
                metric: *metric,
            }));
        }
    }
    for (backend, baseline) in &rules.baselines {
        let cell = |BaselineKey { sample, stage, metric }: &BaselineKey| Cell {
            sample: sample.clone(),
            backend: backend.clone(),
            stage: *stage,
            metric: *metric,
        };
        cells.extend(baseline.cells.keys().map(cell));
    }
    cells
}

/// Raised tolerances, cells of one stage and metric with the same figures together.
fn tolerances(base: &Rules, head: &Rules) -> Vec<Loosened> {
    let mut groups: BTreeMap<(Stage, Metric, String, String), BTreeSet<Cell>> = BTreeMap::new();
    for (cell, old, new) in effective(base, head) {
        let raised = new.relative > old.relative || new.absolute.unwrap_or_default() > old.absolute.unwrap_or_default();
        if raised {
            let key = (cell.stage, cell.metric, shown(&old), shown(&new));
            groups.entry(key).or_default().insert(cell);
        }
    }
    let group = |((stage, metric, from, to), cells): ((Stage, Metric, String, String), BTreeSet<Cell>)| {
        let samples: BTreeSet<&str> = cells.iter().map(|cell| cell.sample.as_str()).collect();
        let backends: BTreeSet<&str> = cells.iter().map(|cell| cell.backend.as_str()).collect();
        let subject = format!("{stage} {metric} of {} on {}", names(&samples), names(&backends));
        item(Kind::Tolerance, subject, from, to)
    };
    groups.into_iter().map(group).collect()
}

fn shown(tolerance: &Tolerance) -> String {
    let relative = percent(tolerance.relative);
    match tolerance.absolute {
        Some(bytes) => format!("{relative} or {bytes}"),
        None => relative,
    }
}

/// A fraction in per cent with as many digits as it was written with.
fn percent(fraction: f64) -> String {
    // The configuration takes per cents; what the conversion adds is beyond nine digits.
    format!("{} %", (fraction * 1e11).round() / 1e9)
}

fn names(all: &BTreeSet<&str>) -> String {
    let shown: Vec<_> = all.iter().copied().take(MOST_NAMES).collect();
    match all.len() - shown.len() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// Samples and backends that are gone, measured less often, or not executed any more.
fn selection(base: &Rules, head: &Rules) -> Vec<Loosened> {
    let gone = |backend: &&BackendId| !head.backends.contains(*backend);
    let mut items: Vec<_> = base
        .backends
        .iter()
        .filter(gone)
        .map(|backend| item(Kind::Backend, format!("the backend {backend}"), "measured", "not in the configuration"))
        .collect();
    let (Some(old), Some(new)) = (&base.samples, &head.samples) else { return items };
    for sample in old {
        let Some(now) = new.iter().find(|now| now.id == sample.id) else {
            let subject = format!("the sample {}", sample.id);
            items.push(item(Kind::Sample, subject, "measured", "not in the configuration"));
            continue;
        };
        if now.tier > sample.tier {
            let tier = |tier: Tier| format!("tier {tier}");
            items.push(item(Kind::Tier, format!("the sample {}", sample.id), tier(sample.tier), tier(now.tier)));
        }
        if now.run == Run::Nothing && sample.run != Run::Nothing {
            items.push(item(Kind::Run, format!("the sample {}", sample.id), "executed", "not executed"));
        }
    }
    items
}

/// What runs and launches are taken to scatter by, as it comes out of the baselines and of what is built in.
fn noise(base: &Rules, head: &Rules) -> Vec<Loosened> {
    let mut items = Vec::new();
    for (backend, old) in &base.baselines {
        let Some(new) = head.baselines.get(backend) else { continue };
        for stage in Stage::ALL.iter().copied().filter(|stage| stage.kind() == StageKind::Gating) {
            let mut raised = |what: &str, old: f64, new: f64| {
                if new > old + SAME {
                    let points = |value: f64| format!("{:.2} %", value * 100.0);
                    items.push(item(Kind::Noise, format!("{what} of {stage} on {backend}"), points(old), points(new)));
                }
            };
            let widening = |baseline: &Baseline| time::widening(baseline.spread.get(&stage));
            raised("allowance for days", widening(old), widening(new));
            let scatter = |baseline: &Baseline| {
                let known = |one: &Scatter| Deviation { value: one.deviation, freedom: f64::from(one.freedom) };
                paired::prior(stage, baseline.scatter.get(&stage).map(known)).value
            };
            raised("scatter of launches", scatter(old), scatter(new));
        }
    }
    items
}

fn layout(base: &Rules, head: &Rules) -> Vec<Loosened> {
    let of = |rules: &Rules, stage| rules.layout_allowances.get(&stage).copied().unwrap_or(0.0);
    let raised = Stage::ALL.iter().copied().filter(|stage| of(head, *stage) > of(base, *stage));
    raised
        .map(|stage| {
            item(
                Kind::LayoutAllowance,
                format!("`layout-allowance` of {stage}"),
                percent(of(base, stage)),
                percent(of(head, stage)),
            )
        })
        .collect()
}

fn limits(base: &Limits, head: &Limits) -> Vec<Loosened> {
    let mut items = Vec::new();
    if head.deadline > base.deadline {
        let seconds = |limits: &Limits| format!("{} s", limits.deadline.as_f64() / 1e9);
        items.push(item(Kind::Limit, "the deadline of a request", seconds(base), seconds(head)));
    }
    if head.memory > base.memory {
        items.push(item(Kind::Limit, "the memory of a worker", base.memory.to_string(), head.memory.to_string()));
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::tests::fixtures;
    use crate::model::baseline::Spread;
    use crate::model::{Bytes, Nanos};

    fn rule(stage: Option<Stage>, metric: Option<Metric>, relative: f64, absolute: Option<u64>) -> ThresholdRule {
        let tolerance = Tolerance { relative, absolute: absolute.map(Bytes) };
        ThresholdRule { sample: None, backend: None, stage, metric, tolerance, origin: "here".to_owned() }
    }

    fn rules() -> Rules {
        let header = fixtures::quiet(1.0).header;
        Rules {
            thresholds: vec![rule(None, None, 0.02, None), rule(None, Some(Metric::Size), 0.001, Some(64))],
            layout_allowances: [(Stage::Instantiate, 0.03)].into(),
            limits: header.settings.limits,
            fail_on: [FailOn::Regressed, FailOn::Missing].into(),
            samples: Some(header.samples),
            backends: vec![fixtures::backend_id()],
            baselines: header.baselines,
        }
    }

    fn after(edit: impl FnOnce(&mut Rules)) -> Vec<(Kind, String, String, String)> {
        let mut head = rules();
        edit(&mut head);
        let items = loosened(&rules(), &head);
        items.into_iter().map(|item| (item.kind, item.subject, item.from, item.to)).collect()
    }

    fn one(kind: Kind, subject: &str, from: &str, to: &str) -> Vec<(Kind, String, String, String)> {
        vec![(kind, subject.to_owned(), from.to_owned(), to.to_owned())]
    }

    #[test]
    fn what_is_the_same_or_stricter_is_no_loosening() {
        assert_eq!(after(|_| {}), []);
        let stricter = after(|head| {
            head.thresholds.push(rule(None, None, 0.0, None));
            head.fail_on.insert(FailOn::Loosened);
            head.layout_allowances.clear();
            head.limits = Limits { deadline: Nanos(0), memory: Bytes(0) };
            head.samples.as_mut().unwrap()[0].tier = Tier::Smoke;
        });
        assert_eq!(stricter, []);
        // Rules that come to the same.
        let split = after(|head| {
            head.thresholds.push(rule(Some(Stage::Execute), Some(Metric::Time), 0.02, None));
            head.thresholds.push(rule(Some(Stage::Validate), None, 0.02, None));
        });
        assert_eq!(split, []);
    }

    #[test]
    fn raised_tolerances_are_told_by_cells() {
        let raise = |rule: ThresholdRule| after(move |head| head.thresholds.push(rule));
        assert_eq!(
            raise(rule(Some(Stage::Execute), None, 0.1, None)),
            one(Kind::Tolerance, "execute time of fib on cranelift", "2 %", "10 %")
        );
        assert_eq!(
            raise(rule(None, Some(Metric::Size), 0.001, Some(1024))),
            one(Kind::Tolerance, "serialize size of fib on cranelift", "0.1 % or 64 B", "0.1 % or 1.00 KiB")
        );
        // A glob that takes nothing, and one that takes a part.
        let of = |sample: &str| ThresholdRule { sample: Some(sample.to_owned()), ..rule(None, None, 0.5, None) };
        assert_eq!(raise(of("other*")), []);
        assert_eq!(raise(of("f*")).len(), 11, "every stage, the size and the memory");
        // A rule that tightened and is gone.
        let gone = after(|head| drop(head.thresholds.pop()));
        assert_eq!(gone, one(Kind::Tolerance, "serialize size of fib on cranelift", "0.1 % or 64 B", "2 %"));
    }

    #[test]
    fn cells_that_only_a_baseline_knows_count_too() {
        let without = |edit: fn(&mut Rules)| {
            let mut base = rules();
            base.samples = None;
            let mut head = base.clone();
            edit(&mut head);
            loosened(&base, &head).len()
        };
        assert_eq!(without(|_| {}), 0);
        // Six stages, a size and a memory.
        assert_eq!(without(|head| head.thresholds.push(rule(None, None, 0.5, None))), 8);
    }

    #[test]
    fn what_fails_the_run_and_what_is_measured_may_be_less() {
        assert_eq!(
            after(|head| head.fail_on = [FailOn::Inconclusive].into()),
            one(Kind::FailOn, "`fail-on`", "regressed, missing", "inconclusive")
        );
        assert_eq!(after(|head| head.fail_on.clear())[0].3, "nothing");
        assert_eq!(
            after(|head| head.backends.clear()),
            one(Kind::Backend, "the backend cranelift", "measured", "not in the configuration")
        );
        assert_eq!(
            after(|head| head.samples = Some(vec![])),
            one(Kind::Sample, "the sample fib", "measured", "not in the configuration")
        );
        assert_eq!(
            after(|head| head.samples.as_mut().unwrap()[0].tier = Tier::Full),
            one(Kind::Tier, "the sample fib", "tier pr", "tier full")
        );
        assert_eq!(
            after(|head| head.samples.as_mut().unwrap()[0].run = Run::Nothing),
            one(Kind::Run, "the sample fib", "executed", "not executed")
        );
    }

    #[test]
    fn noise_that_is_made_up_is_told() {
        let spread = |deviation| {
            after(move |head| {
                let baseline = head.baselines.get_mut(&fixtures::backend_id()).unwrap();
                baseline.spread.insert(Stage::Compile, Spread { deviation, runs: 200 });
            })
        };
        assert_eq!(spread(0.002), []);
        assert_eq!(spread(0.001), []);
        let found = spread(0.5);
        assert_eq!((found.len(), found[0].0), (1, Kind::Noise));
        assert_eq!(found[0].1, "allowance for days of compile on cranelift");
        let scatter = |deviation| {
            after(move |head| {
                let baseline = head.baselines.get_mut(&fixtures::backend_id()).unwrap();
                baseline.scatter.insert(Stage::Compile, Scatter { deviation, freedom: 200 });
            })
        };
        // Less than what is built in.
        assert_eq!(scatter(0.002), []);
        assert_eq!(scatter(0.5)[0].1, "scatter of launches of compile on cranelift");
    }

    #[test]
    fn allowances_and_limits_are_told() {
        assert_eq!(
            after(|head| head.layout_allowances = [(Stage::Instantiate, 0.03), (Stage::Compile, 0.05)].into()),
            one(Kind::LayoutAllowance, "`layout-allowance` of compile", "0 %", "5 %")
        );
        let found = after(|head| head.limits = Limits { deadline: Nanos(5_000_000_000), memory: Bytes(4096) });
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].3, "5 s");
    }

    #[test]
    fn what_is_held_to_less_is_known() {
        let count = |edit: fn(&mut Rules)| {
            let mut head = rules();
            edit(&mut head);
            stricter(&rules(), &head).len()
        };
        assert_eq!(count(|_| {}), 0);
        assert_eq!(count(|head| head.thresholds.push(rule(None, None, 0.5, Some(64)))), 0);
        assert_eq!(count(|head| head.thresholds.push(rule(Some(Stage::Execute), None, 0.01, None))), 1);
        assert_eq!(count(|head| head.thresholds.push(rule(None, Some(Metric::Size), 0.001, None))), 1);
    }
}
