//! The judge as a whole: results in, findings out.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU16;
use std::path::PathBuf;

use proptest::prelude::*;

use super::time::MAX_LOOKS;
use super::{judge, undecided};
use crate::model::baseline::{Provenance, Spread, TimeReference};
use crate::model::findings::{Gating, Outcome, Quantity};
use crate::model::machine::{RunnerClass, Target};
use crate::model::observation::{
    Artifact, Kernel, MemoryReading, Side, StageOutcome, YARDSTICK_VERSION, YardstickReading,
};
use crate::model::results::{End, EndReason, Header, PlannedPair};
use crate::model::sample::{BackendOptions, CpuFeatures, EngineSpec, OptLevel};
use crate::model::settings::{Effort, FailOn, Limits, ThresholdRule};
use crate::model::verdict::InconclusiveReason;
use crate::model::{
    BackendId, BackendSpec, Baseline, BaselineKey, Bytes, CellFinding, Entry, Failure, FailureKind, Findings, Launch,
    Machine, Metric, Nanos, Observation, Results, Run, Sample, SampleId, Settings, Stage, StageRecord, Tier, Tolerance,
    Verdict,
};

const STAGES: [Stage; 6] =
    [Stage::Validate, Stage::Compile, Stage::Serialize, Stage::Deserialize, Stage::Instantiate, Stage::Execute];

/// Nanoseconds of the yardstick in the quiet; every kernel takes as long.
const YARDSTICK: f64 = 1e6;

/// What launches differ by in the tests.
const WOBBLE: [f64; 5] = [0.0, 0.004, -0.004, 0.002, -0.002];

fn sample_id() -> SampleId {
    SampleId::new("fib").unwrap()
}

fn backend_id() -> BackendId {
    BackendId::new("cranelift").unwrap()
}

fn class(cpu: &str) -> RunnerClass {
    RunnerClass { target: Target { arch: "x86_64".to_owned(), os: "linux".to_owned() }, cpu: cpu.to_owned() }
}

fn options() -> BackendOptions {
    BackendOptions {
        opt_level: OptLevel::Speed,
        canonicalize_nans: false,
        cpu_features: CpuFeatures { name: "x86-64-v3".to_owned(), features: vec!["avx2".to_owned()] },
        threads: NonZeroU16::MIN,
    }
}

fn observation(wall: f64, disturbed: bool) -> Observation {
    let wall = Nanos(wall as u64);
    Observation {
        batch: 1,
        wall,
        cpu: if disturbed { Nanos(wall.0 / 2) } else { wall },
        voluntary: 0,
        involuntary: u32::from(disturbed),
        minor_faults: 0,
        major_faults: 0,
    }
}

fn measured(nanos: f64) -> StageRecord {
    StageRecord {
        outcome: StageOutcome::Measured,
        observations: vec![observation(nanos, false); 3],
        artifact: None,
        memory: None,
    }
}

fn not_supported() -> StageRecord {
    let outcome = StageOutcome::Unsupported("simd".to_owned());
    StageRecord { outcome, observations: vec![], artifact: None, memory: None }
}

/// A launch in which every stage takes a millisecond times `slower`, on a machine that is `machine` times as slow.
fn launch(round: u32, slower: f64, machine: f64) -> Launch {
    let nanos = 1e6 * slower * machine * (1.0 + WOBBLE[round as usize % WOBBLE.len()]);
    let mut stages: BTreeMap<Stage, StageRecord> = STAGES.iter().map(|stage| (*stage, measured(nanos))).collect();
    stages.get_mut(&Stage::Serialize).unwrap().artifact =
        Some(Artifact { size: Bytes(10_000), sha256: "aa".to_owned() });
    stages.get_mut(&Stage::Compile).unwrap().memory =
        Some(MemoryReading { before: Bytes(1_000_000), peak: Bytes(3_000_000) });
    let readings =
        Kernel::ALL.map(|kernel| YardstickReading { kernel, observation: observation(YARDSTICK * machine, false) });
    Launch {
        id: round,
        sample: sample_id(),
        backend: backend_id(),
        side: Side::Head,
        round,
        offset: Nanos(0),
        duration: Nanos(10),
        measuring: Nanos(8),
        core: None,
        engine: Some("wasmer 7.4.3".to_owned()),
        stubbed_imports: vec![],
        yardstick: readings.to_vec(),
        stages,
        failure: None,
    }
}

fn key(stage: Stage, metric: Metric) -> BaselineKey {
    BaselineKey { sample: sample_id(), stage, metric }
}

/// A baseline that expects what `launch(_, 1.0, _)` gives, with a long and quiet history.
fn baseline() -> Baseline {
    let mut cells: BTreeMap<BaselineKey, Entry> = STAGES
        .iter()
        .map(|stage| (key(*stage, Metric::Time), Entry::Time { ratio: 1.0, deviation: 0.004, launches: 10 }))
        .collect();
    cells.insert(key(Stage::Serialize, Metric::Size), Entry::Bytes(Bytes(10_000)));
    cells.insert(key(Stage::Compile, Metric::Memory), Entry::Bytes(Bytes(2_000_000)));
    Baseline {
        backend: backend_id(),
        target: class("A").target,
        provenance: Provenance {
            tollgate: "0.1.0".to_owned(),
            engine: "wasmer 7.4.2".to_owned(),
            compiler: "cranelift".to_owned(),
            options: options(),
        },
        runner: class("A"),
        reference: TimeReference::Yardstick { version: YARDSTICK_VERSION },
        spread: STAGES.iter().map(|stage| (*stage, Spread { deviation: 0.002, runs: 200 })).collect(),
        changes: vec![],
        cells,
    }
}

fn results(launches: Vec<Launch>) -> Results {
    let rule = ThresholdRule {
        sample: None,
        backend: None,
        stage: None,
        metric: None,
        tolerance: Tolerance { relative: 0.02, absolute: None },
        origin: "default".to_owned(),
    };
    let settings = Settings {
        tier: Tier::Pr,
        budget: Nanos(0),
        stages: Stage::ALL.iter().copied().filter(|stage| stage.is_measured()).collect(),
        sample_globs: vec![],
        backend_globs: vec![],
        thresholds: vec![rule],
        fail_on: BTreeSet::from([FailOn::Regressed]),
        limits: Limits { deadline: Nanos(1), memory: Bytes(1) },
    };
    let machine =
        Machine { class: class("A"), cores: 2, memory: None, kernel: String::new(), load: None, limitations: vec![] };
    let sample = Sample {
        id: sample_id(),
        module: PathBuf::from("m.wasm"),
        sha256: String::new(),
        size: Bytes(1),
        tier: Tier::Pr,
        description: None,
        run: Run::Call { export: "f".to_owned(), args: vec![], expect: vec![] },
    };
    let backend = BackendSpec {
        id: backend_id(),
        engine: EngineSpec::BuiltIn,
        compiler: "cranelift".to_owned(),
        options: options(),
    };
    let header = Header {
        version: 1,
        tollgate: "0.1.0".to_owned(),
        commit: None,
        started: String::new(),
        seed: 1,
        yardstick: YARDSTICK_VERSION,
        effort: Effort::default(),
        machine,
        settings,
        samples: vec![sample],
        backends: vec![backend],
        plan: vec![PlannedPair { sample: sample_id(), backend: backend_id(), stages: STAGES.to_vec() }],
        baselines: BTreeMap::from([(backend_id(), baseline())]),
    };
    Results { header, launches, end: End { reason: EndReason::Complete, elapsed: Nanos(1000) } }
}

fn quiet(slower: f64) -> Results {
    results((0..6).map(|round| launch(round, slower, 1.0)).collect())
}

fn set(results: &mut Results, stage: Stage, record: &StageRecord) {
    for launch in &mut results.launches {
        launch.stages.insert(stage, record.clone());
    }
}

fn base_of(results: &mut Results) -> &mut Baseline {
    results.header.baselines.get_mut(&backend_id()).unwrap()
}

fn find(findings: &Findings, stage: Stage, metric: Metric) -> &CellFinding {
    findings
        .cells
        .iter()
        .find(|one| one.cell.stage == stage && one.cell.metric == metric)
        .unwrap_or_else(|| panic!("no cell {stage}/{metric}"))
}

fn time(results: &Results, stage: Stage) -> CellFinding {
    find(&judge(results), stage, Metric::Time).clone()
}

fn nanos(quantity: Option<Quantity>) -> f64 {
    match quantity {
        Some(Quantity::Nanoseconds(nanos)) => nanos,
        other => panic!("{other:?}"),
    }
}

#[test]
fn unchanged_code_passes_on_a_machine_of_any_speed() {
    for machine in [0.5, 1.0, 3.0] {
        let results = results((0..6).map(|round| launch(round, 1.0, machine)).collect());
        let findings = judge(&results);
        assert_eq!(findings.outcome, Outcome::Pass);
        assert_eq!(findings.counts["pass"], 8, "{:?}", findings.counts);
        assert_eq!(findings.counts.values().sum::<u32>(), 8);
        let compile = find(&findings, Stage::Compile, Metric::Time);
        // The base is what the baseline leads one to expect on this machine.
        assert!((nanos(compile.base) / (1e6 * machine) - 1.0).abs() < 1e-6, "{compile:?}");
        let change = compile.change.unwrap();
        assert!((nanos(compile.head) / nanos(compile.base) - 1.0 - change.relative).abs() < 1e-9);
        assert_eq!(undecided(&results), BTreeSet::new());
    }
}

#[test]
fn a_slowdown_is_red_with_what_supports_it() {
    let results = quiet(1.3);
    let findings = judge(&results);
    assert_eq!(findings.outcome, Outcome::Regressed);
    let compile = find(&findings, Stage::Compile, Metric::Time);
    assert_eq!((&compile.verdict, &compile.gating), (&Verdict::Regressed, &Gating::Gates));
    assert!((compile.change.unwrap().relative - 0.3).abs() < 0.01);
    let tolerance = compile.tolerance.as_ref().unwrap();
    assert!(tolerance.widened_by > 0.0 && tolerance.used.unwrap() > 1.0, "{tolerance:?}");
    assert!(compile.evidence.iter().any(|text| text == "the artifact has the size that it had"), "{compile:?}");
    let Some(Entry::Time { ratio, launches: 6, .. }) = compile.measured else { panic!("{compile:?}") };
    assert!((ratio - 1.3).abs() < 0.01);
    assert_eq!(find(&findings, Stage::Serialize, Metric::Size).verdict, Verdict::Pass);
    // Where the settings do not let it fail, it is still shown.
    let mut lenient = results;
    lenient.header.settings.fail_on.clear();
    let findings = judge(&lenient);
    assert_eq!((findings.outcome, findings.counts["regressed"]), (Outcome::Pass, 6));
}

#[test]
fn an_improvement_is_one() {
    assert_eq!(time(&quiet(0.7), Stage::Execute).verdict, Verdict::Improved);
}

#[test]
fn a_red_of_one_round_is_not_one_yet() {
    let mut results = quiet(1.3);
    for launch in &mut results.launches {
        launch.round = 0;
    }
    let compile = time(&results, Stage::Compile);
    assert_eq!(compile.verdict, Verdict::Inconclusive(InconclusiveReason::NotConfirmed));
    let pair = (sample_id(), backend_id());
    assert_eq!(undecided(&results), BTreeSet::from([pair]));
    let findings = judge(&results);
    assert_eq!(findings.outcome, Outcome::Pass);
    assert!(findings.notes.iter().any(|note| note.contains("did not confirm")), "{:?}", findings.notes);
}

#[test]
fn more_launches_are_asked_for_while_they_help() {
    let pair = BTreeSet::from([(sample_id(), backend_id())]);
    assert_eq!(undecided(&results(vec![])), pair);
    assert_eq!(undecided(&results(vec![launch(0, 1.0, 1.0)])), pair);
    let mut open = quiet(1.02);
    open.header.settings.thresholds[0].tolerance.relative = 0.013;
    assert_eq!(undecided(&open), pair);
    // A failed pair is not launched again.
    let mut failed = open.clone();
    failed.launches[0].failure = Some(Failure { stage: None, kind: FailureKind::Flood, detail: String::new() });
    assert_eq!(undecided(&failed), BTreeSet::new());
    // Nor one that had all the looks that the level pays for.
    open.launches = (0..MAX_LOOKS).map(|round| launch(round, 1.02, 1.0)).collect();
    base_of(&mut open).cells.values_mut().for_each(|entry| {
        if let Entry::Time { launches, .. } = entry {
            *launches = 2;
        }
    });
    assert!(matches!(time(&open, Stage::Compile).verdict, Verdict::Inconclusive(_)));
    assert_eq!(undecided(&open), BTreeSet::new());
    // Nor for the sake of cells that only advise.
    let mut advisory = results(vec![launch(0, 1.0, 1.0)]);
    base_of(&mut advisory).runner = class("B");
    assert_eq!(undecided(&advisory), BTreeSet::new());
}

#[test]
fn one_launch_is_never_red() {
    let compile = time(&results(vec![launch(0, 9.0, 1.0)]), Stage::Compile);
    let reason = InconclusiveReason::TooFewLaunches { have: 1, need: 2 };
    assert_eq!(compile.verdict, Verdict::Inconclusive(reason));
    let Some(Entry::Time { launches: 1, deviation, .. }) = compile.measured else { panic!("{compile:?}") };
    assert_eq!(deviation, 0.0);
}

#[test]
fn zero_times_and_equal_times_have_a_reason() {
    let mut zero = quiet(1.0);
    set(&mut zero, Stage::Compile, &measured(0.0));
    let compile = time(&zero, Stage::Compile);
    assert!(matches!(compile.verdict, Verdict::Inconclusive(InconclusiveReason::Degenerate(_))), "{compile:?}");
    assert_eq!((compile.head, compile.measured), (None, None));
    let mut equal = quiet(1.0);
    set(&mut equal, Stage::Compile, &measured(1e6));
    let compile = time(&equal, Stage::Compile);
    assert!(matches!(compile.verdict, Verdict::Inconclusive(InconclusiveReason::Degenerate(_))), "{compile:?}");
}

#[test]
fn a_busy_machine_says_so_instead_of_red() {
    let mut results = quiet(1.3);
    for launch in &mut results.launches {
        for record in launch.stages.values_mut() {
            for one in &mut record.observations {
                *one = observation(one.wall.as_f64(), true);
            }
        }
    }
    let findings = judge(&results);
    let reason = InconclusiveReason::MachineBusy { disturbed: 18, observations: 18 };
    assert_eq!(find(&findings, Stage::Compile, Metric::Time).verdict, Verdict::Inconclusive(reason));
    assert_eq!(findings.outcome, Outcome::Pass);
    assert!(findings.notes.iter().any(|note| note.contains("disturbed 100 %")), "{:?}", findings.notes);
}

#[test]
fn times_of_another_runner_advise_and_sizes_gate_all_the_same() {
    let mut results = quiet(1.3);
    base_of(&mut results).runner = class("B");
    base_of(&mut results).cells.insert(key(Stage::Serialize, Metric::Size), Entry::Bytes(Bytes(9_000)));
    let findings = judge(&results);
    let compile = find(&findings, Stage::Compile, Metric::Time);
    assert_eq!(compile.verdict, Verdict::Regressed);
    assert!(matches!(&compile.gating, Gating::Advisory(reason) if reason.contains("x86_64-linux B")), "{compile:?}");
    let size = find(&findings, Stage::Serialize, Metric::Size);
    assert_eq!((&size.verdict, &size.gating), (&Verdict::Regressed, &Gating::Gates));
    assert_eq!(findings.counts["regressed"], 1);
    let about: Vec<_> = findings.notes.iter().filter(|note| note.contains("only advise")).collect();
    assert_eq!(about.len(), 1, "{:?}", findings.notes);
    assert!(findings.notes.iter().any(|note| note == "6 advisory cells would have failed"), "{:?}", findings.notes);
}

#[test]
fn another_backend_by_the_same_name_only_advises() {
    type Change = fn(&mut Results);
    let changes: [(&str, Change); 5] = [
        ("optimisation level", |one| one.header.backends[0].options.opt_level = OptLevel::None),
        ("CPU features", |one| one.header.backends[0].options.cpu_features.features.clear()),
        ("compiler", |one| one.header.backends[0].compiler = "llvm".to_owned()),
        ("engine", |one| one.launches.iter_mut().for_each(|launch| launch.engine = Some("wasmtime 1".to_owned()))),
        ("aarch64", |one| base_of(one).target.arch = "aarch64".to_owned()),
    ];
    for (word, change) in changes {
        let mut results = quiet(1.3);
        change(&mut results);
        let findings = judge(&results);
        let size = find(&findings, Stage::Serialize, Metric::Size);
        assert!(matches!(&size.gating, Gating::Advisory(reason) if reason.contains(word)), "{word}: {size:?}");
        assert_eq!(findings.outcome, Outcome::Pass, "{word}");
        assert!(findings.notes.iter().any(|note| note.contains(word)), "{word}: {:?}", findings.notes);
    }
}

#[test]
fn ratios_to_something_else_are_not_compared() {
    for reference in
        [TimeReference::Worker { sha256: String::new() }, TimeReference::Yardstick { version: YARDSTICK_VERSION + 1 }]
    {
        let mut results = quiet(1.3);
        base_of(&mut results).reference = reference;
        let compile = time(&results, Stage::Compile);
        assert!(matches!(compile.gating, Gating::Advisory(_)), "{compile:?}");
        assert!(matches!(compile.verdict, Verdict::Inconclusive(InconclusiveReason::Degenerate(_))), "{compile:?}");
        assert_eq!((compile.base, compile.change), (None, None));
        assert!(compile.measured.is_some());
    }
}

#[test]
fn sizes_are_exact_and_the_largest_of_different_artifacts_counts() {
    let mut results = quiet(1.0);
    results.header.settings.thresholds[0].tolerance.relative = 0.0;
    let record = results.launches[2].stages.get_mut(&Stage::Serialize).unwrap();
    record.artifact = Some(Artifact { size: Bytes(10_001), sha256: "bb".to_owned() });
    let findings = judge(&results);
    let size = find(&findings, Stage::Serialize, Metric::Size);
    assert_eq!((&size.verdict, size.head), (&Verdict::Regressed, Some(Quantity::Bytes(Bytes(10_001)))));
    assert_eq!(size.measured, Some(Entry::Bytes(Bytes(10_001))));
    assert_eq!(size.evidence, ["not deterministic: 2 different artifacts"]);
    assert!(findings.notes.iter().any(|note| note.contains("not deterministic")), "{:?}", findings.notes);
}

#[test]
fn memory_is_the_median_growth_and_absent_where_it_cannot_be_read() {
    let mut results = quiet(1.0);
    let reading = |peak| Some(MemoryReading { before: Bytes(0), peak: Bytes(peak) });
    for launch in &mut results.launches {
        launch.stages.get_mut(&Stage::Compile).unwrap().memory = reading(2_100_000);
    }
    results.launches[0].stages.get_mut(&Stage::Compile).unwrap().memory = reading(99_000_000);
    let findings = judge(&results);
    let memory = find(&findings, Stage::Compile, Metric::Memory);
    assert_eq!((&memory.verdict, memory.head), (&Verdict::Regressed, Some(Quantity::Bytes(Bytes(2_100_000)))));
    for launch in &mut results.launches {
        launch.stages.get_mut(&Stage::Compile).unwrap().memory = None;
    }
    let findings = judge(&results);
    assert!(!findings.cells.iter().any(|one| one.cell.metric == Metric::Memory));
    assert!(findings.notes.iter().any(|note| note.contains("could not be read")), "{:?}", findings.notes);
}

#[test]
fn what_is_not_supported_is_quiet_news_or_a_regression() {
    let mut results = quiet(1.0);
    set(&mut results, Stage::Execute, &not_supported());
    let execute = time(&results, Stage::Execute);
    assert_eq!(execute.verdict, Verdict::Regressed);
    assert_eq!(execute.evidence, ["was supported, and is not any more: simd"]);
    assert_eq!(execute.measured, Some(Entry::Unsupported("simd".to_owned())));
    let entry = Entry::Unsupported("simd".to_owned());
    base_of(&mut results).cells.insert(key(Stage::Execute, Metric::Time), entry.clone());
    let findings = judge(&results);
    let execute = find(&findings, Stage::Execute, Metric::Time);
    assert_eq!(execute.verdict, Verdict::Unsupported("simd".to_owned()));
    assert_eq!((findings.outcome, findings.counts["unsupported"]), (Outcome::Pass, 1));
    assert!(!findings.cells.iter().any(|one| one.cell.stage == Stage::Jit), "a composite lacks a part");
    let mut now = quiet(1.0);
    base_of(&mut now).cells.insert(key(Stage::Execute, Metric::Time), entry);
    let execute = time(&now, Stage::Execute);
    assert_eq!(execute.verdict, Verdict::New);
    assert!(execute.evidence[0].starts_with("now supported"), "{execute:?}");
    assert!(matches!(execute.measured, Some(Entry::Time { .. })));
}

#[test]
fn stages_after_an_unsupported_one_share_its_reason() {
    let mut results = quiet(1.0);
    for launch in &mut results.launches {
        launch.stages.retain(|stage, _| *stage == Stage::Validate);
        launch.stages.insert(Stage::Compile, not_supported());
    }
    let findings = judge(&results);
    for stage in [Stage::Compile, Stage::Serialize, Stage::Execute] {
        assert_eq!(find(&findings, stage, Metric::Time).verdict, Verdict::Regressed, "{stage}");
    }
    assert!(matches!(find(&findings, Stage::Serialize, Metric::Size).verdict, Verdict::Unsupported(_)));
}

#[test]
fn without_a_baseline_everything_is_new() {
    let mut results = quiet(1.0);
    results.header.baselines.clear();
    let findings = judge(&results);
    assert_eq!((findings.outcome, findings.counts["new"]), (Outcome::Pass, 8));
    assert!(find(&findings, Stage::Compile, Metric::Time).measured.is_some());
    assert!(findings.notes.iter().any(|note| note.contains("no baseline for cranelift")), "{:?}", findings.notes);
}

#[test]
fn vanished_cells_are_missing_and_filtered_ones_are_not() {
    let mut results = quiet(1.0);
    let gone = BaselineKey { sample: SampleId::new("gone").unwrap(), ..key(Stage::Serialize, Metric::Size) };
    base_of(&mut results).cells.insert(gone, Entry::Bytes(Bytes(7)));
    let findings = judge(&results);
    assert_eq!((findings.outcome, findings.counts["missing"]), (Outcome::Pass, 1));
    let missing = findings.cells.iter().find(|one| one.verdict == Verdict::Missing).unwrap();
    assert_eq!((missing.cell.sample.as_str(), missing.base), ("gone", Some(Quantity::Bytes(Bytes(7)))));
    results.header.settings.fail_on.insert(FailOn::Missing);
    assert_eq!(judge(&results).outcome, Outcome::Inconclusive);
    // A stage of a sample that is still there.
    let mut stage = results.clone();
    stage.header.plan[0].stages.retain(|stage| *stage != Stage::Execute);
    assert_eq!(judge(&stage).counts["missing"], 2);
    // Filters: by sample, by stage, by backend, by tier.
    let mut filtered = results.clone();
    filtered.header.settings.sample_globs = vec!["f*".to_owned()];
    assert_eq!(judge(&filtered).counts["missing"], 0);
    let mut filtered = results.clone();
    filtered.header.settings.stages.remove(&Stage::Serialize);
    assert_eq!(judge(&filtered).counts["missing"], 0);
    let mut filtered = results.clone();
    filtered.header.settings.backend_globs = vec!["llvm".to_owned()];
    assert_eq!(judge(&filtered).counts["missing"], 0);
    let mut large = results.header.samples[0].clone();
    large.id = SampleId::new("gone").unwrap();
    large.tier = Tier::Full;
    results.header.samples.push(large);
    assert_eq!(judge(&results).counts["missing"], 0);
}

#[test]
fn a_failed_launch_breaks_its_stage_and_what_nobody_measured() {
    let failure = Failure { stage: Some(Stage::Execute), kind: FailureKind::Signal(11), detail: String::new() };
    let mut results = quiet(1.0);
    results.launches[3].stages.remove(&Stage::Execute);
    results.launches[3].failure = Some(failure.clone());
    let findings = judge(&results);
    assert_eq!((findings.outcome, findings.counts["broken"], findings.counts["pass"]), (Outcome::Broken, 1, 7));
    let execute = find(&findings, Stage::Execute, Metric::Time);
    assert_eq!(execute.verdict, Verdict::Broken(failure.clone()));
    assert!(execute.head.is_some() && execute.measured.is_none(), "{execute:?}");
    assert_eq!(findings.failures.len(), 1);

    let mut early = quiet(1.0);
    early.launches.truncate(1);
    early.launches[0].stages.retain(|stage, _| *stage < Stage::Compile);
    early.launches[0].failure = Some(Failure { stage: Some(Stage::Compile), ..failure.clone() });
    // Five times, and size and memory, which the baseline has.
    assert_eq!(judge(&early).counts["broken"], 7);

    let mut unplaced = quiet(1.0);
    unplaced.launches[0].failure = Some(Failure { stage: None, ..failure.clone() });
    assert_eq!(judge(&unplaced).counts["broken"], 6);

    let mut wrong = quiet(1.0);
    wrong.launches[0].failure = Some(Failure { stage: None, kind: FailureKind::WrongOutput, ..failure });
    let findings = judge(&wrong);
    assert!(matches!(find(&findings, Stage::Execute, Metric::Time).verdict, Verdict::Broken(_)));
    assert_eq!(findings.counts["broken"], 1);
}

#[test]
fn a_broken_cell_gates_on_any_runner() {
    let mut results = quiet(1.0);
    base_of(&mut results).runner = class("B");
    results.launches[0].failure =
        Some(Failure { stage: Some(Stage::Compile), kind: FailureKind::Protocol, detail: String::new() });
    assert_eq!(judge(&results).outcome, Outcome::Broken);
}

#[test]
fn nothing_measured_is_inconclusive_and_can_be_made_to_fail() {
    let mut results = results(vec![]);
    results.end.reason = EndReason::Budget;
    let findings = judge(&results);
    assert_eq!((findings.outcome, findings.counts["inconclusive"]), (Outcome::Pass, 8));
    assert!(findings.notes.iter().any(|note| note.contains("budget")), "{:?}", findings.notes);
    results.header.settings.fail_on.insert(FailOn::Inconclusive);
    assert_eq!(judge(&results).outcome, Outcome::Inconclusive);
}

#[test]
fn all_cores_compile_is_information() {
    let mut results = quiet(1.0);
    results.header.plan[0].stages.push(Stage::CompileAllCores);
    set(&mut results, Stage::CompileAllCores, &measured(5e5));
    let all_cores = time(&results, Stage::CompileAllCores);
    assert_eq!((&all_cores.verdict, &all_cores.gating), (&Verdict::Pass, &Gating::Information));
    assert_eq!((&all_cores.measured, &all_cores.tolerance), (&None, &None));
    assert!(all_cores.head.is_some());
}

#[test]
fn what_a_reader_must_know_is_escaped_and_said() {
    let mut results = quiet(1.0);
    results.launches[0].stubbed_imports = vec!["env.\u{1b}[31m".to_owned()];
    results.header.samples[0].run = Run::Nothing;
    let notes = judge(&results).notes;
    assert!(notes.iter().any(|note| note.contains("env.\\u{1b}[31m")), "{notes:?}");
    assert!(notes.iter().any(|note| note == "not executed, because no `run` says how: fib"), "{notes:?}");
}

#[test]
fn time_spent_is_added_up() {
    let spending = judge(&quiet(1.0)).spending;
    assert_eq!((spending.launches, spending.measuring, spending.workers), (6, Nanos(48), Nanos(12)));
    assert_eq!(spending.elapsed, Nanos(1000));
}

#[test]
fn cells_are_sorted_and_the_order_of_launches_does_not_matter() {
    let results = quiet(1.1);
    let findings = judge(&results);
    assert!(findings.cells.is_sorted_by(|a, b| a.cell < b.cell));
    let mut reversed = results;
    reversed.launches.reverse();
    assert_eq!(findings, judge(&reversed));
}

/// Numbers that break things.
fn odd() -> impl Strategy<Value = f64> {
    prop_oneof![
        Just(0.0),
        Just(-1.0),
        Just(f64::NAN),
        Just(f64::INFINITY),
        Just(f64::MAX),
        Just(f64::MIN_POSITIVE),
        0.5..2.0_f64,
        prop::num::f64::ANY,
    ]
}

fn odd_integer() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), Just(1), Just(u64::MAX), 900_000..1_100_000_u64, any::<u64>()]
}

fn odd_entry() -> impl Strategy<Value = Entry> {
    prop_oneof![
        (odd(), odd(), 0u32..9).prop_map(|(ratio, deviation, launches)| Entry::Time { ratio, deviation, launches }),
        (odd(), odd(), any::<u32>()).prop_map(|(ratio, deviation, launches)| Entry::Score {
            ratio,
            deviation,
            launches
        }),
        odd_integer().prop_map(|bytes| Entry::Bytes(Bytes(bytes))),
        odd_integer().prop_map(Entry::Count),
        Just(Entry::Unsupported("no".to_owned())),
    ]
}

prop_compose! {
    fn odd_observation()(wall in odd_integer(), cpu in odd_integer(), batch: u32, many: u32, involuntary in 0u32..2) -> Observation {
        Observation {
            batch,
            wall: Nanos(wall),
            cpu: Nanos(cpu),
            voluntary: many,
            involuntary,
            minor_faults: many,
            major_faults: many,
        }
    }
}

prop_compose! {
    fn odd_launch()(
        round in 0u32..4,
        spent in (odd_integer(), odd_integer()),
        stages in prop::collection::btree_map(
            prop::sample::select(Stage::ALL),
            (prop::collection::vec(odd_observation(), 0..4), odd_integer(), odd_integer(), 0u8..4),
            0..10,
        ),
        yardstick in prop::collection::vec(odd_observation(), 0..9),
        failure in prop::option::of(prop::option::of(prop::sample::select(Stage::ALL))),
    ) -> Launch {
        let mut launch = launch(round, 1.0, 1.0);
        launch.duration = Nanos(spent.0);
        launch.measuring = Nanos(spent.1);
        for (stage, (observations, a, b, kind)) in stages {
            launch.stages.insert(stage, StageRecord {
                outcome: if kind == 0 { StageOutcome::Unsupported("no".to_owned()) } else { StageOutcome::Measured },
                observations,
                artifact: (kind == 1).then(|| Artifact { size: Bytes(a), sha256: b.to_string() }),
                memory: (kind == 2).then_some(MemoryReading { before: Bytes(a), peak: Bytes(b) }),
            });
        }
        for (reading, observation) in launch.yardstick.iter_mut().zip(yardstick) {
            reading.observation = observation;
        }
        launch.failure = failure.map(|stage| Failure { stage, kind: FailureKind::Stage, detail: String::new() });
        launch
    }
}

/// Every figure in findings is finite: what is not cannot be written to a file and read back.
fn assert_finite(findings: &Findings) {
    let text = serde_json::to_string(findings).unwrap();
    let back: Findings = serde_json::from_str(&text).unwrap();
    assert_eq!(back.cells.len(), findings.cells.len());
    for finding in &findings.cells {
        for quantity in [finding.base, finding.head].into_iter().flatten() {
            if let Quantity::Nanoseconds(nanos) = quantity {
                assert!(nanos.is_finite() && nanos > 0.0, "{finding:?}");
            }
        }
        if let Some(change) = finding.change {
            assert!(change.low <= change.relative && change.relative <= change.high, "{finding:?}");
        }
        if let Some(Entry::Time { ratio, deviation, .. }) = &finding.measured {
            assert!(ratio.is_finite() && *ratio > 0.0 && deviation.is_finite(), "{finding:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn odd_results_are_judged_without_panic_or_nonsense(
        launches in prop::collection::vec(odd_launch(), 0..7),
        entries in prop::collection::vec((prop::sample::select(Stage::ALL), prop::sample::select(Metric::ALL), odd_entry()), 0..9),
        tolerance in (odd(), prop::option::of(odd_integer())),
        spread in (odd(), any::<u32>()),
        planned in prop::collection::vec(prop::sample::select(Stage::ALL), 0..12),
    ) {
        let mut results = results(launches);
        results.header.plan[0].stages.extend(planned);
        let rule = &mut results.header.settings.thresholds[0];
        rule.tolerance = Tolerance { relative: tolerance.0, absolute: tolerance.1.map(Bytes) };
        let baseline = base_of(&mut results);
        for (stage, metric, entry) in entries {
            baseline.cells.insert(key(stage, metric), entry);
            baseline.spread.insert(stage, Spread { deviation: spread.0, runs: spread.1 });
        }
        let findings = judge(&results);
        assert_finite(&findings);
        prop_assert!(findings.cells.is_sorted_by(|a, b| a.cell < b.cell));
        let failed = results.launches.iter().any(|launch| launch.failure.is_some());
        prop_assert_eq!(findings.outcome == Outcome::Broken, failed);
        undecided(&results);
    }
}
