//! The judge as a whole: results in, findings out.

mod compare;
pub mod fixtures;
mod merged;
mod odd;
mod paired;

use std::collections::{BTreeMap, BTreeSet};

use super::time::MAX_LOOKS;
use super::{judge, undecided};
use crate::model::baseline::TimeReference;
use crate::model::findings::{Gating, Outcome, Quantity};
use crate::model::observation::{Artifact, MemoryReading, YARDSTICK_VERSION};
use crate::model::results::EndReason;
use crate::model::sample::OptLevel;
use crate::model::settings::FailOn;
use crate::model::verdict::InconclusiveReason;
use crate::model::{
    BackendId, BaselineKey, Bytes, Entry, Failure, FailureKind, Metric, Nanos, Results, Run, SampleId, Stage, Tier,
    Verdict,
};

use self::fixtures::*;

/// These stages of the one pair.
fn open(stages: &[Stage]) -> BTreeMap<(SampleId, BackendId), BTreeSet<Stage>> {
    BTreeMap::from([((sample_id(), backend_id()), stages.iter().copied().collect())])
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
        assert_eq!(undecided(&results), BTreeMap::new());
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
    assert_eq!(undecided(&results), open(&STAGES));
    let findings = judge(&results);
    assert_eq!(findings.outcome, Outcome::Pass);
    assert!(findings.notes.iter().any(|note| note.contains("did not confirm")), "{:?}", findings.notes);
}

#[test]
fn more_launches_are_asked_for_while_they_help() {
    let pair = open(&STAGES);
    assert_eq!(undecided(&results(vec![])), pair);
    assert_eq!(undecided(&results(vec![launch(0, 1.0, 1.0)])), pair);
    let mut wide = quiet(1.03);
    wide.header.settings.thresholds[0].tolerance.relative = 0.01;
    assert_eq!(undecided(&wide), pair);
    // A failed pair is not launched again.
    let mut failed = wide.clone();
    failed.launches[0].failure = Some(Failure { stage: None, kind: FailureKind::Flood, detail: String::new() });
    assert_eq!(undecided(&failed), BTreeMap::new());
    // Nor one that had all the looks that the level pays for.
    wide.launches = (0..MAX_LOOKS).map(|round| launch(round, 1.03, 1.0)).collect();
    base_of(&mut wide).cells.values_mut().for_each(|entry| {
        if let Entry::Time { launches, .. } = entry {
            *launches = 2;
        }
    });
    assert!(matches!(time(&wide, Stage::Compile).verdict, Verdict::Inconclusive(_)));
    assert_eq!(undecided(&wide), BTreeMap::new());
    // Nor for the sake of cells that only advise.
    let mut advisory = results(vec![launch(0, 1.0, 1.0)]);
    base_of(&mut advisory).runner = class("B");
    assert_eq!(undecided(&advisory), BTreeMap::new());
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
    assert!(
        notes.iter().any(|note| note == "not executed, because neither `call` nor `wasi` says how: fib"),
        "{notes:?}"
    );
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
