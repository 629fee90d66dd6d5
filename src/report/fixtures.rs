//! Runs made up for the tests: three samples on three backends with every stage, to be spoiled as a test needs.

mod run;

pub use run::{base, entries, fill};

use crate::model::findings::{
    Against, Change, Control, EffectiveTolerance, Gating, Outcome, PairFailure, Quantity, Spending, TradeOff,
};
use crate::model::results::{Comparison, EndReason};
use crate::model::settings::FailOn;
use crate::model::verdict::InconclusiveReason;
use crate::model::{
    BackendId, Bytes, Cell, CellFinding, Failure, FailureKind, Findings, Metric, Nanos, Results, SampleId, Stage,
    StageKind, Tolerance, Verdict,
};

pub const SAMPLES: [&str; 3] = ["fibonacci", "markdown", "contract"];
pub const BACKENDS: [&str; 3] = ["singlepass", "cranelift", "llvm"];

/// A run and its judgement.
#[derive(Debug, Clone)]
pub struct Fixture {
    pub results: Results,
    pub findings: Findings,
}

pub fn sample_id(text: &str) -> SampleId {
    SampleId::new(text).unwrap()
}

pub fn backend_id(text: &str) -> BackendId {
    BackendId::new(text).unwrap()
}

/// Figures that grow with the sample and the backend, so that no two rows are alike.
fn base_figure(sample: usize, backend: usize, stage: Stage, metric: Metric) -> Quantity {
    let scale = (1 + 9 * sample * sample) as f64 * [1.0, 8.0, 40.0][backend % 3];
    let place = Stage::ALL.iter().position(|other| *other == stage).unwrap_or(0) as f64;
    match metric {
        Metric::Size => Quantity::Bytes(Bytes(3_210 + (4_321.0 * scale) as u64)),
        Metric::Memory => Quantity::Bytes(Bytes((1.3e6 * scale.sqrt()) as u64)),
        _ if stage == Stage::Execute => Quantity::Nanoseconds(18_300.0 / scale.sqrt()),
        _ => Quantity::Nanoseconds(12_345.0 * scale * (1.0 + place)),
    }
}

fn scaled(base: Quantity, factor: f64) -> Quantity {
    match base {
        Quantity::Nanoseconds(ns) => Quantity::Nanoseconds(ns * factor),
        Quantity::Bytes(bytes) => Quantity::Bytes(Bytes((bytes.as_f64() * factor).round() as u64)),
        Quantity::Count(count) => Quantity::Count((count as f64 * factor).round() as u64),
        Quantity::Score(score) => Quantity::Score(score * factor),
    }
}

/// Stages and metrics of a pair: all that are measured, and the composites.
fn columns() -> impl Iterator<Item = (Stage, Metric)> {
    let times = Stage::ALL.iter().map(|stage| (*stage, Metric::Time));
    times.chain([(Stage::Serialize, Metric::Size), (Stage::Compile, Metric::Memory)])
}

fn passing(cell: Cell, base: Quantity) -> CellFinding {
    let exact = matches!(base, Quantity::Bytes(_));
    let (spread, tolerance) = if exact { (0.0, 0.01) } else { (0.006, 0.05) };
    let judged = cell.stage.kind() == StageKind::Gating;
    CellFinding {
        gating: if judged { Gating::Gates } else { Gating::Information },
        verdict: Verdict::Pass,
        against: Default::default(),
        base: Some(base),
        head: Some(scaled(base, 1.002)),
        measured: None,
        change: Some(Change { relative: 0.002, low: 0.002 - spread, high: 0.002 + spread }),
        tolerance: judged.then(|| EffectiveTolerance {
            tolerance: Tolerance { relative: tolerance, absolute: None },
            widened_by: 0.0,
            origin: "default".to_owned(),
            used: Some(0.002 / tolerance),
        }),
        launches: 5,
        evidence: Vec::new(),
        cell,
    }
}

impl Fixture {
    /// Everything passes.
    pub fn pass() -> Self {
        Self::sized(&SAMPLES, &BACKENDS)
    }

    /// A passing run of these samples on these backends.
    pub fn sized(samples: &[&str], backends: &[&str]) -> Self {
        let mut cells = Vec::new();
        for (s, sample) in samples.iter().enumerate() {
            for (b, backend) in backends.iter().enumerate() {
                for (stage, metric) in columns() {
                    let cell = Cell { sample: sample_id(sample), backend: backend_id(backend), stage, metric };
                    cells.push(passing(cell, base_figure(s, b, stage, metric)));
                }
            }
        }
        cells.sort_by(|a, b| a.cell.cmp(&b.cell));
        let findings = Findings {
            outcome: Outcome::Pass,
            counts: std::collections::BTreeMap::new(),
            cells,
            failures: Vec::new(),
            tradeoffs: tradeoffs(backends, samples.len()),
            notes: Vec::new(),
            controls: Vec::new(),
            scatter: Default::default(),
            spending: Spending {
                elapsed: Nanos(192_000_000_000),
                measuring: Nanos(167_000_000_000),
                workers: Nanos(21_000_000_000),
                launches: 120,
            },
        };
        let mut fixture = Self { results: run::results(samples, backends), findings };
        fixture.settle();
        fixture
    }

    /// One cell of the findings.
    pub fn cell(&mut self, sample: &str, backend: &str, stage: Stage, metric: Metric) -> &mut CellFinding {
        let cell = Cell { sample: sample_id(sample), backend: backend_id(backend), stage, metric };
        self.findings.cells.iter_mut().find(|finding| finding.cell == cell).unwrap()
    }

    /// Makes a cell change by so much, and its verdict follow.
    pub fn change(
        &mut self,
        sample: &str,
        backend: &str,
        stage: Stage,
        metric: Metric,
        relative: f64,
    ) -> &mut CellFinding {
        let finding = self.cell(sample, backend, stage, metric);
        let spread = if matches!(finding.base, Some(Quantity::Bytes(_))) { 0.0 } else { 0.018 };
        finding.head = finding.base.map(|base| scaled(base, 1.0 + relative));
        finding.change = Some(Change { relative, low: relative - spread, high: relative + spread });
        let tolerance = finding.tolerance.as_mut().unwrap();
        tolerance.used = Some(relative.max(0.0) / (tolerance.tolerance.relative + tolerance.widened_by));
        finding.verdict = if relative > 0.0 { Verdict::Regressed } else { Verdict::Improved };
        finding
    }

    /// Makes a pair fail.
    pub fn fail(&mut self, sample: &str, backend: &str, failure: &Failure) {
        for finding in &mut self.findings.cells {
            let pair = finding.cell.sample.as_str() == sample && finding.cell.backend.as_str() == backend;
            if pair && failure.stage.is_none_or(|stage| finding.cell.stage >= stage) {
                finding.verdict = Verdict::Broken(failure.clone());
                finding.head = None;
                finding.change = None;
            }
        }
        let (sample, backend) = (sample_id(sample), backend_id(backend));
        self.findings.failures.push(PairFailure { sample, backend, failure: failure.clone() });
    }

    /// Counts the verdicts and draws the outcome from them, as the judge does.
    pub fn settle(&mut self) {
        let names = ["pass", "improved", "new", "missing", "unsupported", "inconclusive", "regressed", "broken"];
        self.findings.counts = names.map(|name| (name.to_owned(), 0)).into();
        for finding in self.findings.cells.iter().filter(|finding| finding.gating == Gating::Gates) {
            *self.findings.counts.get_mut(finding.verdict.name()).unwrap() += 1;
        }
        let some = |name| self.findings.counts[name] > 0;
        self.findings.outcome = match () {
            () if some("broken") => Outcome::Broken,
            () if some("regressed") && self.fails_on(FailOn::Regressed) => Outcome::Regressed,
            () if some("inconclusive") && self.fails_on(FailOn::Inconclusive) => Outcome::Inconclusive,
            () if some("missing") && self.fails_on(FailOn::Missing) => Outcome::Inconclusive,
            () => Outcome::Pass,
        };
    }

    fn fails_on(&self, verdict: FailOn) -> bool {
        self.results.header.settings.fail_on.contains(&verdict)
    }

    /// No baseline for anything.
    pub fn first_run() -> Self {
        let mut fixture = Self::pass();
        for finding in &mut fixture.findings.cells {
            finding.verdict = Verdict::New;
            finding.base = None;
            finding.change = None;
            finding.tolerance = None;
        }
        fixture.settle();
        fixture
    }

    /// Three regressed cells, one widened and one with a tolerance of its own; an advisory one; an improved one.
    pub fn regressions() -> Self {
        let mut fixture = Self::pass();
        let compile = fixture.change("markdown", "cranelift", Stage::Compile, Metric::Time, 0.089);
        compile.tolerance.as_mut().unwrap().widened_by = 0.03;
        compile.tolerance.as_mut().unwrap().used = Some(1.11);
        compile.evidence = vec!["page faults rose by 12 %, so more memory is touched".to_owned()];
        let size = fixture.change("markdown", "cranelift", Stage::Serialize, Metric::Size, 0.042);
        size.tolerance.as_mut().unwrap().origin = "tollgate.yml:31".to_owned();
        size.evidence = vec!["the artifact is the same in all 5 launches".to_owned()];
        let execute = fixture.change("fibonacci", "llvm", Stage::Execute, Metric::Time, 0.31);
        execute.evidence = vec!["the artifact differs from the baseline's by 96 B".to_owned()];
        let file = fixture.change("contract", "singlepass", Stage::DeserializeHeadlessFile, Metric::Time, 0.12);
        file.gating = Gating::Advisory("another CPU model than the baseline's".to_owned());
        fixture.change("contract", "cranelift", Stage::Serialize, Metric::Time, -0.14);
        let undecided = fixture.cell("contract", "llvm", Stage::Instantiate, Metric::Time);
        undecided.verdict = Verdict::Inconclusive(InconclusiveReason::IntervalAcrossTolerance {
            low: -0.01,
            high: 0.08,
            tolerance: 0.05,
        });
        undecided.change = Some(Change { relative: 0.035, low: -0.01, high: 0.08 });
        fixture.findings.notes = vec![
            "contract: imports that nobody provides were stubbed with traps: env.db_read, env.db_write".to_owned(),
            "9 cells gate as times, each at a level of 0.0001, so that all of them together give a false red once in 1,000 runs"
                .to_owned(),
        ];
        fixture.settle();
        fixture
    }

    /// A run against a revision: times against the base, sizes and memory against the baselines. One sample is the same on both
    /// sides, one pair has no base; a time and a size regressed, one time moved alone, one is undecided, one improved.
    pub fn paired() -> Self {
        let mut fixture = Self::pass();
        fixture.results.header.base = Some(base(&fixture.results));
        for pair in &mut fixture.results.header.plan {
            pair.comparison = match (pair.sample.as_str(), pair.backend.as_str()) {
                ("markdown", _) => Comparison::Same,
                ("contract", "llvm") => Comparison::Alone,
                _ => Comparison::Paired,
            };
        }
        fixture
            .findings
            .cells
            .retain(|f| f.cell.sample.as_str() != "markdown" || f.cell.stage.kind() == StageKind::Gating);
        for finding in fixture.findings.cells.iter_mut().filter(|f| f.cell.sample.as_str() == "markdown") {
            same(finding);
        }
        for finding in &mut fixture.findings.cells {
            let alone = finding.cell.sample.as_str() == "contract" && finding.cell.backend.as_str() == "llvm";
            if finding.head.is_some()
                && finding.cell.metric == Metric::Time
                && finding.cell.stage.is_measured()
                && !alone
            {
                finding.against = Against::Base;
                finding.launches = 12;
            }
        }
        fixture.change("contract", "cranelift", Stage::Compile, Metric::Time, 0.067).evidence =
            vec!["the artifact changed, its size by +1.84 %".to_owned()];
        fixture.change("contract", "cranelift", Stage::Serialize, Metric::Size, 0.0184);
        fixture.change("contract", "singlepass", Stage::Instantiate, Metric::Time, 0.024).verdict =
            Verdict::Inconclusive(InconclusiveReason::TimeAlone { change: 0.024, allowance: 0.03 });
        fixture.change("fibonacci", "llvm", Stage::Validate, Metric::Time, 0.041).verdict =
            Verdict::Inconclusive(InconclusiveReason::NotConfirmed);
        fixture.change("fibonacci", "llvm", Stage::Serialize, Metric::Time, -0.09);
        fixture.change("fibonacci", "llvm", Stage::Execute, Metric::Time, -0.11);
        fixture.findings.controls =
            vec![control(Stage::Compile, 0.001, false), control(Stage::Instantiate, 0.003, false)];
        fixture.settle();
        fixture
    }

    /// A run against a revision whose null controls moved.
    pub fn biased() -> Self {
        let mut fixture = Self::paired();
        fixture.findings.controls[1] = control(Stage::Instantiate, 0.021, true);
        let times = fixture.findings.cells.iter_mut().filter(|f| f.against == Against::Base && f.head.is_some());
        for finding in times.filter(|f| f.cell.stage == Stage::Instantiate) {
            finding.verdict = Verdict::Inconclusive(InconclusiveReason::BiasedControl { bias: 0.021 });
        }
        fixture.settle();
        fixture
    }

    /// A run of which nothing had to be measured.
    pub fn unchanged() -> Self {
        let mut fixture = Self::paired();
        fixture.results.header.plan.iter_mut().for_each(|pair| pair.comparison = Comparison::Same);
        fixture.results.launches.clear();
        fixture.findings.cells = Self::pass().findings.cells;
        fixture.findings.cells.retain(|f| f.cell.stage.kind() == StageKind::Gating);
        fixture.findings.cells.iter_mut().for_each(same);
        fixture.findings.tradeoffs.clear();
        fixture.findings.controls.clear();
        fixture.findings.spending = Spending { elapsed: Nanos(310_000_000), ..Spending::default() };
        fixture.settle();
        fixture
    }

    /// A worker that died with hostile last words, one that hung, and a wrong output.
    pub fn broken() -> Self {
        let mut fixture = Self::regressions();
        let failure = |stage, kind, detail: &str| Failure { stage, kind, detail: detail.to_owned() };
        fixture.fail("contract", "llvm", &failure(Some(Stage::Compile), FailureKind::Signal(11), HOSTILE));
        fixture.fail("fibonacci", "singlepass", &failure(None, FailureKind::Deadline(Nanos(30_000_000_000)), ""));
        let diff = "expected: i32:6765\n  actual: i32:6764";
        fixture.fail("markdown", "cranelift", &failure(Some(Stage::Execute), FailureKind::WrongOutput, diff));
        fixture.settle();
        fixture
    }

    /// Nothing decided but sizes; the machine was busy, or the launches too few.
    pub fn inconclusive() -> Self {
        let mut fixture = Self::pass();
        fixture.results.header.settings.fail_on.insert(FailOn::Inconclusive);
        fixture.results.end.reason = EndReason::Budget;
        let times =
            fixture.findings.cells.iter_mut().filter(|f| f.cell.metric == Metric::Time && f.gating == Gating::Gates);
        for (at, finding) in times.enumerate() {
            finding.verdict = Verdict::Inconclusive(match at % 2 {
                0 => InconclusiveReason::TooFewLaunches { have: 1, need: 3 },
                _ => InconclusiveReason::MachineBusy { disturbed: 31, observations: 40 },
            });
        }
        fixture.settle();
        fixture
    }

    /// One backend lacks a feature, one sample has vanished and one is new.
    pub fn unsupported() -> Self {
        let mut fixture = Self::pass();
        for finding in &mut fixture.findings.cells {
            match (finding.cell.sample.as_str(), finding.cell.backend.as_str()) {
                ("markdown", "singlepass") => {
                    finding.verdict =
                        Verdict::Unsupported("the module uses SIMD, which this compiler lacks".to_owned());
                    finding.head = None;
                    finding.base = None;
                    finding.change = None;
                }
                ("contract", "llvm") => {
                    finding.verdict = Verdict::Missing;
                    finding.head = None;
                    finding.change = None;
                }
                ("fibonacci", _) => {
                    finding.verdict = Verdict::New;
                    finding.base = None;
                    finding.change = None;
                }
                _ => {}
            }
        }
        fixture.settle();
        fixture
    }
}

/// What a malicious module could make a worker say.
pub const HOSTILE: &str = "\u{1b}[2J\u{1b}[31mPASS\u{1b}[0m all fine\r\n</pre></details><script>alert(1)</script> <!-- hidden\n\
    @octocat fixes #123 | GH-7 ![x](https://evil.example/x.png) `code` ```\n\
    thread 'main' panicked at src/lib.rs:3:\t\u{202e}desrever\u{7}";

/// As the judge has a cell of a pair that is the same on both sides.
fn same(finding: &mut CellFinding) {
    let why = "not measured: engine, module, options and the way to run are the same on both sides".to_owned();
    let bare =
        CellFinding { cell: finding.cell.clone(), against: Against::Base, evidence: vec![why], ..finding.clone() };
    *finding = CellFinding { base: None, head: None, change: None, tolerance: None, launches: 0, ..bare };
}

fn control(stage: Stage, relative: f64, biased: bool) -> Control {
    Control {
        stage,
        pairs: 12,
        change: Change { relative, low: relative - 0.005, high: relative + 0.005 },
        biased,
        shard: None,
    }
}

fn tradeoffs(backends: &[&str], samples: usize) -> Vec<TradeOff> {
    backends
        .iter()
        .enumerate()
        .map(|(at, backend)| {
            let figure = |step: f64| Some(1.0 + step * at as f64 * at as f64);
            let reversed = |step: f64| Some(1.0 + step * (backends.len() - 1 - at) as f64);
            TradeOff {
                backend: backend_id(backend),
                samples: u32::try_from(samples).unwrap(),
                compile: figure(9.37),
                size: reversed(0.413),
                memory: if at == 2 { None } else { figure(0.83) },
                execute: reversed(0.71),
            }
        })
        .collect()
}
