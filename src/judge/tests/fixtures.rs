//! Results for the tests of the judge: one sample on one backend, six launches that differ by fractions of a per cent.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU16;
use std::path::PathBuf;

use super::super::judge;
use crate::model::baseline::{Provenance, Spread, TimeReference};
use crate::model::findings::Quantity;
use crate::model::machine::{RunnerClass, Target};
use crate::model::observation::{
    Artifact, Kernel, MemoryReading, Side, StageOutcome, YARDSTICK_VERSION, YardstickReading,
};
use crate::model::results::{End, EndReason, Header, PlannedPair};
use crate::model::sample::{BackendOptions, CpuFeatures, EngineSpec, OptLevel};
use crate::model::settings::{Effort, FailOn, Limits, ThresholdRule};
use crate::model::{
    BackendId, BackendSpec, Baseline, BaselineKey, Bytes, CellFinding, Entry, Findings, Launch, Machine, Metric, Nanos,
    Observation, Results, Run, Sample, SampleId, Settings, Stage, StageRecord, Tier, Tolerance,
};

pub const STAGES: [Stage; 6] =
    [Stage::Validate, Stage::Compile, Stage::Serialize, Stage::Deserialize, Stage::Instantiate, Stage::Execute];

/// Nanoseconds of the yardstick in the quiet; every kernel takes as long.
pub const YARDSTICK: f64 = 1e6;

/// What launches differ by in the tests.
pub const WOBBLE: [f64; 5] = [0.0, 0.004, -0.004, 0.002, -0.002];

pub fn sample_id() -> SampleId {
    SampleId::new("fib").unwrap()
}

pub fn backend_id() -> BackendId {
    BackendId::new("cranelift").unwrap()
}

pub fn class(cpu: &str) -> RunnerClass {
    RunnerClass { target: Target { arch: "x86_64".to_owned(), os: "linux".to_owned() }, cpu: cpu.to_owned() }
}

pub fn options() -> BackendOptions {
    BackendOptions {
        opt_level: OptLevel::Speed,
        canonicalize_nans: false,
        cpu_features: CpuFeatures { name: "x86-64-v3".to_owned(), features: vec!["avx2".to_owned()] },
        threads: NonZeroU16::MIN,
    }
}

pub fn observation(wall: f64, disturbed: bool) -> Observation {
    let wall = Nanos(wall as u64);
    Observation {
        batch: 1,
        wall,
        cpu: if disturbed { Nanos(wall.0 / 2) } else { wall },
        voluntary: 0,
        involuntary: u32::from(disturbed),
        minor_faults: 0,
        major_faults: 0,
        lap: None,
    }
}

pub fn measured(nanos: f64) -> StageRecord {
    StageRecord {
        outcome: StageOutcome::Measured,
        observations: vec![observation(nanos, false); 3],
        artifact: None,
        memory: None,
    }
}

pub fn not_supported() -> StageRecord {
    let outcome = StageOutcome::Unsupported("simd".to_owned());
    StageRecord { outcome, observations: vec![], artifact: None, memory: None }
}

/// A launch in which every stage takes a millisecond times `slower`, on a machine that is `machine` times as slow.
pub fn launch(round: u32, slower: f64, machine: f64) -> Launch {
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

pub fn key(stage: Stage, metric: Metric) -> BaselineKey {
    BaselineKey { sample: sample_id(), stage, metric }
}

/// A baseline that expects what `launch(_, 1.0, _)` gives, with a long and quiet history.
pub fn baseline() -> Baseline {
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
        scatter: BTreeMap::new(),
        spread: STAGES.iter().map(|stage| (*stage, Spread { deviation: 0.002, runs: 200 })).collect(),
        changes: vec![],
        cells,
    }
}

pub fn results(launches: Vec<Launch>) -> Results {
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
        layout_allowances: BTreeMap::new(),
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
        run_files: Default::default(),
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
        plan: vec![PlannedPair {
            sample: sample_id(),
            backend: backend_id(),
            stages: STAGES.to_vec(),
            comparison: Default::default(),
        }],
        baselines: BTreeMap::from([(backend_id(), baseline())]),
        base: None,
        loosening: None,
        shard: None,
        merged: Vec::new(),
    };
    Results { header, launches, end: End { reason: EndReason::Complete, elapsed: Nanos(1000) } }
}

pub fn quiet(slower: f64) -> Results {
    results((0..6).map(|round| launch(round, slower, 1.0)).collect())
}

pub fn set(results: &mut Results, stage: Stage, record: &StageRecord) {
    for launch in &mut results.launches {
        launch.stages.insert(stage, record.clone());
    }
}

pub fn base_of(results: &mut Results) -> &mut Baseline {
    results.header.baselines.get_mut(&backend_id()).unwrap()
}

pub fn find(findings: &Findings, stage: Stage, metric: Metric) -> &CellFinding {
    findings
        .cells
        .iter()
        .find(|one| one.cell.stage == stage && one.cell.metric == metric)
        .unwrap_or_else(|| panic!("no cell {stage}/{metric}"))
}

pub fn time(results: &Results, stage: Stage) -> CellFinding {
    find(&judge(results), stage, Metric::Time).clone()
}

pub fn nanos(quantity: Option<Quantity>) -> f64 {
    match quantity {
        Some(Quantity::Nanoseconds(nanos)) => nanos,
        other => panic!("{other:?}"),
    }
}
