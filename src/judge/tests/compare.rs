//! Two runs side by side: what decides, what is only shown, and what is said to differ.

use std::collections::BTreeSet;

use super::super::compare::{SideBySide, compare, have_something_in_common};
use super::fixtures::*;
use crate::model::findings::{Gating, Outcome};
use crate::model::observation::{Artifact, Side};
use crate::model::results::{Base, BaseKind, Comparison, EndReason};
use crate::model::sample::{CpuFeatures, EngineSpec, OptLevel};
use crate::model::{
    Bytes, CellFinding, Failure, FailureKind, Metric, Results, Run, SampleId, Stage, StageKind, Tolerance, Verdict,
};

fn with_size(mut results: Results, size: u64) -> Results {
    for launch in &mut results.launches {
        launch.stages.get_mut(&Stage::Serialize).unwrap().artifact =
            Some(Artifact { size: Bytes(size), sha256: "bb".to_owned() });
    }
    results
}

fn cell(side: &SideBySide, stage: Stage, metric: Metric) -> &CellFinding {
    find(&side.findings, stage, metric)
}

fn differences(side: &SideBySide) -> Vec<String> {
    side.compared.differences.iter().map(|one| format!("{}: {} → {}", one.what, one.a, one.b)).collect()
}

#[test]
fn a_run_beside_itself_passes_on_exact_metrics_alone() {
    let side = compare(&quiet(1.0), &quiet(1.0));
    assert_eq!((side.findings.outcome, side.findings.counts["pass"]), (Outcome::Pass, 2));
    assert_eq!(side.findings.counts.values().sum::<u32>(), 2);
    assert_eq!(side.compared.differences, []);
    assert!(side.findings.notes.is_empty(), "{:?}", side.findings.notes);
    assert!(have_something_in_common(&side.findings));
}

#[test]
fn a_run_beside_itself_has_no_change_whatever_its_outliers() {
    let wild = results((0..6).map(|round| launch(round, if round == 3 { 1.4 } else { 1.0 }, 1.0)).collect());
    let side = compare(&wild, &wild);
    for stage in STAGES {
        let change = cell(&side, stage, Metric::Time).change.unwrap();
        assert!(change.relative.abs() < 1e-12 && change.low < 0.0 && change.high > 0.0, "{change:?}");
    }
}

#[test]
fn times_are_shown_by_their_yardsticks_and_decide_nothing() {
    // Twice as slow, on a machine that is three times as slow.
    let slow = results((0..6).map(|round| launch(round, 2.0, 3.0)).collect());
    let side = compare(&quiet(1.0), &slow);
    assert_eq!(side.findings.outcome, Outcome::Pass);
    for stage in STAGES {
        let one = cell(&side, stage, Metric::Time);
        assert_eq!((&one.verdict, &one.gating, &one.tolerance), (&Verdict::Pass, &Gating::Information, &None));
        let change = one.change.unwrap();
        assert!((change.relative - 1.0).abs() < 1e-6 && change.low < 1.0 && change.high > 1.0, "{change:?}");
        assert!((nanos(one.base) / 3e6 - 1.0).abs() < 0.01, "{one:?}");
    }
    let jit = cell(&side, Stage::Jit, Metric::Time).change.unwrap();
    assert!((jit.relative - 1.0).abs() < 1e-6, "{jit:?}");
}

#[test]
fn a_larger_artifact_is_red_by_the_thresholds_of_the_second_run() {
    let (a, mut b) = (quiet(1.0), with_size(quiet(1.0), 10_300));
    let side = compare(&a, &b);
    let size = cell(&side, Stage::Serialize, Metric::Size);
    assert_eq!(
        (&size.verdict, &size.gating, side.findings.outcome),
        (&Verdict::Regressed, &Gating::Gates, Outcome::Regressed)
    );
    assert_eq!(compare(&b, &a).findings.counts["improved"], 1);
    b.header.settings.thresholds[0].tolerance = Tolerance { relative: 0.05, absolute: None };
    assert_eq!(compare(&a, &b).findings.outcome, Outcome::Pass);
    // The thresholds of the first run are of no account.
    assert_eq!(compare(&b, &a).findings.counts["improved"], 1);
}

#[test]
fn committed_baselines_and_bases_of_either_run_do_not_count() {
    let mut a = quiet(1.0);
    base_of(&mut a).cells.clear();
    let mut b = with_size(quiet(1.0), 10_300);
    b.header.baselines.clear();
    for results in [&mut a, &mut b] {
        let mut base = launch(0, 9.0, 1.0);
        base.side = Side::Base;
        results.launches.push(base);
        results.header.base = Some(Base { kind: BaseKind::Itself, samples: vec![], backends: vec![] });
        results.header.plan[0].comparison = Comparison::Paired;
    }
    let side = compare(&a, &b);
    assert_eq!(cell(&side, Stage::Serialize, Metric::Size).verdict, Verdict::Regressed);
    assert!(cell(&side, Stage::Compile, Metric::Time).change.unwrap().relative.abs() < 1e-6);
    assert_eq!(side.results.header.base, None);
}

#[test]
fn other_samples_engines_and_options_are_named_and_change_no_verdict() {
    let (a, mut b) = (quiet(1.0), with_size(quiet(1.0), 10_300));
    b.header.tollgate = "0.2.0".to_owned();
    b.header.machine.class = class("B");
    b.header.samples[0].sha256 = "cd".repeat(32);
    b.header.samples[0].run = Run::Nothing;
    b.header.settings.stages.remove(&Stage::CompileAllCores);
    let backend = &mut b.header.backends[0];
    backend.options.opt_level = OptLevel::None;
    backend.options.cpu_features.features.push("fma".to_owned());
    backend.engine = EngineSpec::Executable {
        name: "older".to_owned(),
        path: "/somewhere/private/worker".into(),
        args: vec!["-v".to_owned()],
        sha256: "ef".repeat(32),
    };
    let side = compare(&a, &b);
    assert_eq!(side.findings.outcome, Outcome::Regressed);
    assert_eq!(
        differences(&side),
        [
            "backend cranelift: CPU features: avx2 → avx2 fma",
            "backend cranelift: engine: wasmer 7.4.3 → wasmer 7.4.3 (older -v, sha256 efefefefefef)",
            "backend cranelift: optimisation level: speed → none",
            "runner: x86_64-linux A → x86_64-linux B",
            "sample fib: module: 1 B, sha256  → 1 B, sha256 cdcdcdcdcdcd",
            "sample fib: run: f() =  → not executed",
            "stages selected in one run only: compile-all-cores → none",
            "tollgate: 0.1.0 → 0.2.0",
        ]
    );
}

#[test]
fn sizes_of_two_processors_only_advise() {
    let a = quiet(1.0);
    let mut b = with_size(quiet(1.0), 99_000);
    b.header.machine.class.target.arch = "aarch64".to_owned();
    let side = compare(&a, &b);
    assert_eq!((side.findings.outcome, side.findings.counts["regressed"]), (Outcome::Pass, 0));
    let expected = Gating::Advisory("A was measured on x86_64-linux, B on aarch64-linux".to_owned());
    assert_eq!(cell(&side, Stage::Serialize, Metric::Size).gating, expected);

    let mut b = with_size(quiet(1.0), 99_000);
    b.header.backends[0].options.cpu_features = CpuFeatures { name: "native".to_owned(), features: vec![] };
    assert_eq!(compare(&a, &b).findings.outcome, Outcome::Regressed, "the same processor");
    b.header.machine.class = class("B");
    assert_eq!(compare(&a, &b).findings.outcome, Outcome::Pass);
}

#[test]
fn what_is_no_longer_supported_is_red_and_what_breaks_is_broken() {
    let mut b = quiet(1.0);
    set(&mut b, Stage::Execute, &not_supported());
    let side = compare(&quiet(1.0), &b);
    let execute = cell(&side, Stage::Execute, Metric::Time);
    assert_eq!((&execute.verdict, &execute.gating), (&Verdict::Regressed, &Gating::Gates));
    assert_eq!(side.findings.outcome, Outcome::Regressed);
    assert_eq!(compare(&b, &quiet(1.0)).findings.outcome, Outcome::Pass);
    assert_eq!(compare(&b, &b).findings.counts["unsupported"], 1);

    let mut broken = quiet(1.0);
    broken.launches[0].failure =
        Some(Failure { stage: Some(Stage::Execute), kind: FailureKind::Signal(11), detail: String::new() });
    assert_eq!(compare(&quiet(1.0), &broken).findings.outcome, Outcome::Broken);
    let side = compare(&broken, &quiet(1.0));
    assert_eq!(side.findings.outcome, Outcome::Pass);
    assert_eq!(side.findings.notes, ["in A, fib on cranelift was broken: the worker was killed by signal 11"]);
}

#[test]
fn what_only_one_run_has_is_new_or_missing() {
    let (a, mut b) = (quiet(1.0), quiet(1.0));
    let other = SampleId::new("other").unwrap();
    b.header.samples[0].id = other.clone();
    b.header.plan[0].sample = other.clone();
    b.launches.iter_mut().for_each(|launch| launch.sample = other.clone());
    let side = compare(&a, &b);
    assert_eq!((side.findings.counts["new"], side.findings.counts["missing"]), (8, 8));
    assert!(!have_something_in_common(&side.findings));
    assert_eq!(differences(&side), ["sample fib: measured → not measured", "sample other: not measured → measured"]);
}

#[test]
fn what_was_never_launched_is_neither_missing_nor_passed() {
    let mut b = quiet(1.0);
    b.launches.clear();
    b.end.reason = EndReason::Interrupted;
    let side = compare(&quiet(1.0), &b);
    assert!(side.findings.cells.is_empty(), "{:?}", side.findings.cells);
    assert!(!have_something_in_common(&side.findings));
    assert_eq!(side.findings.notes[0], "B planned fib on cranelift and never launched it, so that it is not compared");
}

#[test]
fn runs_without_a_common_yardstick_have_no_change_of_times() {
    let (mut a, b) = (quiet(1.0), with_size(quiet(1.0), 10_300));
    a.header.yardstick += 1;
    let side = compare(&a, &b);
    let times: BTreeSet<_> = side
        .findings
        .cells
        .iter()
        .filter(|one| one.cell.metric == Metric::Time && one.cell.stage.kind() == StageKind::Gating)
        .map(|one| (one.verdict.name(), one.change.is_some(), one.gating == Gating::Information))
        .collect();
    assert_eq!(times, [("inconclusive", false, true)].into());
    assert_eq!(side.findings.outcome, Outcome::Regressed, "sizes need no yardstick");
}
