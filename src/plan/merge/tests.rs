//! Shards put together: whole ones, faulty ones, and such that do not belong together.

use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::path::PathBuf;

use super::*;
use crate::model::machine::{RunnerClass, Target};
use crate::model::observation::Side;
use crate::model::results::{BaseKind, RESULTS_VERSION};
use crate::model::sample::{BackendOptions, CpuFeatures, OptLevel};
use crate::model::settings::{Effort, FailOn, Limits};
use crate::model::{BackendId, Bytes, Machine, Run, SampleId, Settings, Stage, Tier};

fn pair(sample: &str) -> PlannedPair {
    PlannedPair {
        sample: SampleId::new(sample).unwrap(),
        backend: BackendId::new("x").unwrap(),
        stages: vec![Stage::Compile],
        comparison: Comparison::default(),
    }
}

fn sample(id: &str, folder: &str) -> Sample {
    Sample {
        id: SampleId::new(id).unwrap(),
        module: PathBuf::from(folder).join(id),
        sha256: format!("{id}{id}"),
        size: Bytes(1),
        tier: Tier::Pr,
        description: None,
        run: Run::Nothing,
        run_files: Default::default(),
    }
}

fn backend(folder: &str) -> BackendSpec {
    BackendSpec {
        id: BackendId::new("x").unwrap(),
        engine: EngineSpec::Executable {
            name: "one".to_owned(),
            path: PathBuf::from(folder).join("worker"),
            args: vec![],
            sha256: "11".to_owned(),
        },
        compiler: "cranelift".to_owned(),
        options: BackendOptions {
            opt_level: OptLevel::Speed,
            canonicalize_nans: false,
            cpu_features: CpuFeatures { name: "native".to_owned(), features: vec![] },
            threads: NonZeroU16::MIN,
        },
    }
}

fn launch(id: u32, sample: &str) -> Launch {
    Launch {
        id,
        sample: SampleId::new(sample).unwrap(),
        backend: BackendId::new("x").unwrap(),
        side: Side::Head,
        round: id,
        offset: Nanos(u64::from(id)),
        duration: Nanos(1),
        measuring: Nanos(1),
        core: None,
        engine: None,
        stubbed_imports: vec![],
        yardstick: vec![],
        stages: BTreeMap::new(),
        failure: None,
    }
}

/// One of three shards, as measured on a machine of its own: `a` and `d`, `b`, `c`.
fn shard(number: u32) -> Input {
    let folder = format!("/machine-{number}");
    let parts = vec![vec![pair("a"), pair("d")], vec![pair("b")], vec![pair("c")]];
    let target = Target { arch: "x86_64".to_owned(), os: "linux".to_owned() };
    let machine = Machine {
        class: RunnerClass { target, cpu: format!("cpu {number}") },
        cores: number,
        memory: None,
        kernel: String::new(),
        load: None,
        limitations: vec![],
    };
    let settings = Settings {
        tier: Tier::Pr,
        budget: Nanos(5_000_000_000),
        stages: [Stage::Compile].into(),
        sample_globs: vec![],
        backend_globs: vec![],
        thresholds: vec![],
        fail_on: [FailOn::Regressed].into(),
        limits: Limits { deadline: Nanos(1), memory: Bytes(1) },
        layout_allowances: BTreeMap::new(),
    };
    let shard = Shard { number, parts };
    let plan: Vec<PlannedPair> = shard.own().to_vec();
    let launches: Vec<Launch> = (0..).zip(&plan).map(|(id, pair)| launch(id, pair.sample.as_str())).collect();
    let header = Header {
        version: RESULTS_VERSION,
        tollgate: "0.1.0".to_owned(),
        commit: Some("abc".to_owned()),
        started: format!("2026-11-20T10:00:0{number}Z"),
        seed: u64::from(number) * 100,
        yardstick: 1,
        effort: Effort::default(),
        machine,
        settings,
        samples: ["a", "b", "c", "d"].map(|id| sample(id, &folder)).into(),
        backends: vec![backend(&folder)],
        plan,
        baselines: BTreeMap::new(),
        base: None,
        loosening: None,
        shard: Some(shard),
        merged: vec![],
    };
    let end = End { reason: EndReason::Complete, elapsed: Nanos(u64::from(number) * 10) };
    Input { name: format!("shard-{number}/results.json"), results: Results { header, launches, end } }
}

fn all() -> Vec<Input> {
    [1, 2, 3].map(shard).into()
}

fn faults(merged: &Merged) -> Vec<Option<ShardFault>> {
    let fault = |shard: &MergedShard| match &shard.state {
        ShardState::Measured(_) => None,
        ShardState::Faulty(failure) => {
            let FailureKind::Shard { fault, of: 3, .. } = failure.kind else { panic!("{failure:?}") };
            assert!(failure.detail.contains("run the job of this shard again"), "{failure:?}");
            Some(fault)
        }
    };
    merged.results.header.merged.iter().map(fault).collect()
}

fn planned(results: &Results) -> Vec<&str> {
    results.header.plan.iter().map(|pair| pair.sample.as_str()).collect()
}

#[test]
fn together_they_are_the_whole_run_in_whatever_order() {
    let merged = merge(all(), Some(3)).unwrap();
    assert_eq!((faults(&merged), &*merged.problems), (vec![None; 3], &[][..]));
    let Results { header, launches, end } = &merged.results;
    assert_eq!(planned(&merged.results), ["a", "b", "c", "d"]);
    assert_eq!((header.shard.as_ref(), header.seed), (None, 100));
    assert_eq!((end.reason, end.elapsed), (EndReason::Complete, Nanos(60)));
    let ids: Vec<_> = launches.iter().map(|launch| (launch.id, launch.sample.as_str())).collect();
    assert_eq!(ids, [(0, "a"), (1, "d"), (2, "b"), (3, "c")]);
    let machines: Vec<_> = header
        .merged
        .iter()
        .map(|shard| match &shard.state {
            ShardState::Measured(run) => (run.machine.class.cpu.as_str(), run.seed),
            ShardState::Faulty(_) => panic!(),
        })
        .collect();
    assert_eq!(machines, [("cpu 1", 100), ("cpu 2", 200), ("cpu 3", 300)]);

    let mut turned = all();
    turned.rotate_left(1);
    turned.swap(0, 1);
    assert_eq!(merge(turned, None).unwrap(), merged);
}

#[test]
fn how_each_pair_stands_to_the_base_is_kept() {
    let mut shards = all();
    shards[1].results.header.plan[0].comparison = Comparison::Same;
    let merged = merge(shards, None).unwrap();
    assert_eq!(merged.results.header.plan[1].comparison, Comparison::Same);
    assert_eq!(merged.results.header.merged[1].part[0].comparison, Comparison::Same);
}

#[test]
fn what_is_missing_is_said_and_planned_all_the_same() {
    let merged = merge(vec![shard(3)], None).unwrap();
    assert_eq!(faults(&merged), [Some(ShardFault::Missing), Some(ShardFault::Missing), None]);
    assert_eq!(planned(&merged.results), ["a", "b", "c", "d"]);
    assert!(merged.problems[0].starts_with("shard 1 of 3 is missing; "), "{:?}", merged.problems);
    // The machine of the header is one that measured.
    assert_eq!((merged.results.header.seed, &*merged.results.header.machine.class.cpu), (300, "cpu 3"));
}

#[test]
fn of_two_results_of_one_shard_neither_counts() {
    let again = Input { name: "again/results.json".to_owned(), ..shard(2) };
    let merged = merge([all(), vec![again]].concat(), None).unwrap();
    assert_eq!(faults(&merged), [None, Some(ShardFault::Doubled), None]);
    assert!(merged.results.launches.iter().all(|launch| launch.sample.as_str() != "b"));
    let problem = &merged.problems[0];
    assert!(
        problem.starts_with("shard 2 of 3 is there more than once (again/results.json, shard-2/results.json); "),
        "{problem}"
    );
}

#[test]
fn what_did_not_end_does_not_count() {
    for (reason, fault) in [(EndReason::Interrupted, ShardFault::Interrupted), (EndReason::Died, ShardFault::Died)] {
        let mut shards = all();
        shards[0].results.end.reason = reason;
        let merged = merge(shards, None).unwrap();
        assert_eq!(faults(&merged), [Some(fault), None, None]);
        assert_eq!(merged.results.launches.len(), 2);
    }
    // A budget that was used up is an end.
    let mut shards = all();
    shards[0].results.end.reason = EndReason::Budget;
    let merged = merge(shards, None).unwrap();
    assert_eq!((faults(&merged), merged.results.end.reason), (vec![None; 3], EndReason::Budget));
}

#[test]
fn launches_of_other_parts_are_left_out() {
    let mut shards = all();
    shards[1].results.launches.push(launch(7, "c"));
    assert_eq!(merge(shards, None).unwrap(), merge(all(), None).unwrap());
}

#[test]
fn only_shards_of_one_run_are_put_together() {
    type Change = fn(&mut Header);
    let changes: [(Change, &str); 20] = [
        (|header| header.tollgate = "0.2.0".to_owned(), "the version of Tollgate differs (0.1.0 and 0.2.0)"),
        (|header| header.commit = None, "the commit differs (abc and unknown)"),
        (|header| header.shard.as_mut().unwrap().parts.push(vec![pair("e")]), "the number of shards differs (3 and 4)"),
        (|header| header.machine.class.target.os = "macos".to_owned(), "the target differs"),
        (|header| header.yardstick = 2, "the version of the yardstick differs (1 and 2)"),
        (|header| header.settings.tier = Tier::Full, "the tier differs (pr and full)"),
        (|header| header.settings.budget = Nanos(1_500_000_000), "the budget differs (5 s and 1.5 s)"),
        (|header| header.settings.sample_globs.push("a".to_owned()), "the selection of samples differs"),
        (|header| header.settings.backend_globs.push("a".to_owned()), "the selection of backends differs"),
        (|header| header.settings.stages.clear(), "the selection of stages differs"),
        (|header| header.settings.fail_on.clear(), "`fail-on` differs"),
        (|header| header.settings.limits.memory = Bytes(2), "`limits` differs"),
        (|header| header.settings.layout_allowances = [(Stage::Compile, 0.5)].into(), "`layout-allowance` differs"),
        (|header| header.effort.max_blocks = 1, "the effort of a launch differs"),
        (|header| header.samples[2].sha256 = "99".to_owned(), "the sample `c` differs"),
        (|header| header.samples.truncate(3), "which samples there are differs"),
        (
            |header| {
                let EngineSpec::Executable { sha256, .. } = &mut header.backends[0].engine else { panic!() };
                *sha256 = "22".to_owned();
            },
            "the engine of the backend `x` differs (sha256 11 and sha256 22)",
        ),
        (|header| header.backends[0].compiler = "llvm".to_owned(), "the backend `x` differs"),
        (
            |header| {
                let kind = BaseKind::Worker { sha256: "33".to_owned() };
                header.base = Some(Base { kind, samples: vec![], backends: vec![] });
            },
            "the base differs",
        ),
        (|header| header.shard.as_mut().unwrap().parts[0] = vec![pair("a")], "the plan differs"),
    ];
    for (change, what) in changes {
        let mut shards = all();
        change(&mut shards[1].results.header);
        let error = merge(shards, None).unwrap_err().to_string();
        assert!(error.starts_with("put shard-1/results.json and shard-2/results.json together: "), "{error}");
        assert!(error.contains(what) && error.contains("measure all shards at one revision"), "{what}: {error}");
    }
}

#[test]
fn what_is_no_shard_is_refused() {
    assert_eq!(merge(vec![], None), Err(MergeError::Nothing));
    let refused = |change: fn(&mut Header)| {
        let mut one = shard(1);
        change(&mut one.results.header);
        merge(vec![one, shard(2)], None).unwrap_err().to_string()
    };
    let whole = refused(|header| header.shard = None);
    assert!(whole.contains("it is of a whole run, and no shard"), "{whole}");
    let merged = refused(|header| {
        header.merged = merge(all(), None).unwrap().results.header.merged;
    });
    assert!(merged.contains("it was put together already"), "{merged}");
    for change in [
        |header: &mut Header| header.shard.as_mut().unwrap().number = 0,
        |header: &mut Header| header.shard.as_mut().unwrap().number = 4,
        |header: &mut Header| header.plan.truncate(1),
    ] {
        let mut one = shard(1);
        change(&mut one.results.header);
        assert_eq!(merge(vec![one], None), Err(MergeError::NoPart("shard-1/results.json".to_owned())));
    }
}

#[test]
fn another_number_than_expected_is_refused() {
    let error = merge(all(), Some(4)).unwrap_err();
    assert_eq!(error, MergeError::OtherCount { expected: 4, found: 3 });
    assert!(error.to_string().contains("the runs were split into 3; correct --shards"), "{error}");
}
