//! Results put together from shards: judged each on its own machine, at the level of all.

use std::collections::BTreeSet;

use super::fixtures::*;
use super::paired::{pair, run};
use super::*;
use crate::judge::context::Context;
use crate::model::findings::Gating;
use crate::model::observation::Side;
use crate::model::shard::{MergedShard, Shard, ShardFault, ShardRun, ShardState};
use crate::model::{CellFinding, Entry, Findings};

/// The same run of another sample, which the baseline of `first` knows as well.
fn second(mut results: Results, first: &mut Results) -> Results {
    let id = SampleId::new("zlib").unwrap();
    results.header.samples[0].id = id.clone();
    results.header.plan[0].sample = id.clone();
    results.launches.iter_mut().for_each(|launch| launch.sample = id.clone());
    let cells = base_of(&mut results).cells.clone();
    base_of(first)
        .cells
        .extend(cells.into_iter().map(|(key, entry)| (BaselineKey { sample: id.clone(), ..key }, entry)));
    results
}

/// Two runs as the shards of one.
fn merged(mut a: Results, b: Results) -> Results {
    let b = second(b, &mut a);
    let state = |results: &Results| {
        ShardState::Measured(ShardRun {
            started: results.header.started.clone(),
            seed: results.header.seed,
            machine: results.header.machine.clone(),
            end: results.end,
        })
    };
    a.header.merged =
        [&a, &b].map(|one| MergedShard { part: one.header.plan.clone(), state: state(one) }).into_iter().collect();
    a.header.plan.extend(b.header.plan);
    a.header.samples.extend(b.header.samples);
    a.launches.extend(b.launches);
    a
}

/// The same as one run of everything on one machine.
fn whole(results: &Results) -> Results {
    let mut whole = results.clone();
    whole.header.merged.clear();
    whole
}

fn of<'f>(findings: &'f Findings, sample: &str) -> Vec<&'f CellFinding> {
    findings.cells.iter().filter(|one| one.cell.sample.as_str() == sample).collect()
}

fn fault(results: &mut Results, fault: ShardFault) {
    let failure = Failure {
        stage: None,
        kind: FailureKind::Shard { number: 2, of: 2, fault },
        detail: "run it again".to_owned(),
    };
    results.header.merged[1].state = ShardState::Faulty(failure);
    results.launches.retain(|launch| launch.sample.as_str() != "zlib");
}

#[test]
fn shards_of_one_machine_are_judged_as_one_run_of_it() {
    for (slower, outcome) in [(1.0, Outcome::Pass), (1.4, Outcome::Regressed)] {
        let results = merged(quiet(1.0), quiet(slower));
        let together = judge(&results);
        assert_eq!(together.cells, judge(&whole(&results)).cells);
        assert_eq!(together.outcome, outcome);
        assert_eq!(together.spending.launches, 12);
    }
}

#[test]
fn each_cell_is_held_to_the_machine_that_measured_it() {
    let mut other = quiet(1.4);
    other.header.machine.class = class("B");
    let findings = judge(&merged(quiet(1.0), other));
    assert_eq!(findings.outcome, Outcome::Pass);
    let gating = |sample| -> BTreeSet<bool> {
        let judged = of(&findings, sample)
            .into_iter()
            .filter(|one| one.cell.metric == Metric::Time && one.cell.stage.is_measured());
        judged.map(|one| one.gating == Gating::Gates).collect()
    };
    assert_eq!((gating("fib"), gating("zlib")), ([true].into(), [false].into()));
    let told: Vec<_> = findings.notes.iter().filter(|note| note.contains("only advise")).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("shard 2: times of cranelift only advise: "), "{told:?}");
}

#[test]
fn what_is_said_of_all_shards_is_said_once() {
    let mut shards = [quiet(1.0), quiet(1.0)];
    shards.iter_mut().for_each(|one| one.header.machine.class = class("B"));
    let [a, b] = shards;
    let notes = judge(&merged(a, b)).notes;
    let told: Vec<_> = notes.iter().filter(|note| note.contains("only advise")).collect();
    assert_eq!(told.len(), 1, "{notes:?}");
    assert!(told[0].starts_with("times of cranelift only advise: "), "{told:?}");
}

#[test]
fn a_shard_that_is_not_there_breaks_its_cells_and_no_other() {
    for kind in [ShardFault::Missing, ShardFault::Doubled, ShardFault::Interrupted, ShardFault::Died] {
        let mut results = merged(quiet(1.0), quiet(1.0));
        fault(&mut results, kind);
        let findings = judge(&results);
        assert_eq!(findings.outcome, Outcome::Broken);
        let names = |sample| -> BTreeSet<&str> {
            let judged = of(&findings, sample).into_iter().filter(|one| one.gating == Gating::Gates);
            judged.map(|one| one.verdict.name()).collect()
        };
        assert_eq!((names("fib"), names("zlib")), (["pass"].into(), ["broken"].into()));
        // Six times, a size and a memory.
        assert_eq!(findings.counts["broken"], 8);
        assert!(findings.failures.is_empty(), "no worker failed");
        let Verdict::Broken(failure) = &of(&findings, "zlib")[0].verdict else { panic!("{findings:?}") };
        assert_eq!(failure.kind.to_string(), format!("shard 2 of 2 {kind}"));
        // A configuration cannot forgive it.
        results.header.settings.fail_on.clear();
        assert_eq!(judge(&results).outcome, Outcome::Broken);
    }
}

#[test]
fn a_shard_without_any_cell_breaks_the_run_too() {
    let mut results = merged(quiet(1.0), quiet(1.0));
    fault(&mut results, ShardFault::Missing);
    results.header.merged[1].part.clear();
    results.header.plan.truncate(1);
    assert_eq!(judge(&results).outcome, Outcome::Broken);
}

#[test]
fn the_level_is_shared_by_the_cells_of_all_shards() {
    let results = merged(quiet(1.0), quiet(1.0));
    let all = Context::new(&whole(&results)).gating_times;
    assert_eq!(all, 12);
    // A shard by itself pays for the others, so that what is red in it is red among all.
    let mut alone = whole(&results);
    let parts = results.header.merged.iter().map(|shard| shard.part.clone()).collect();
    alone.header.shard = Some(Shard { number: 1, parts });
    alone.header.plan.truncate(1);
    let context = Context::new(&alone);
    assert_eq!((context.own_times, context.gating_times), (6, 12));
    // And misses nothing that another one measures, but what none does.
    base_of(&mut alone).cells.insert(
        BaselineKey { sample: SampleId::new("gone").unwrap(), ..key(Stage::Compile, Metric::Time) },
        Entry::Count(1),
    );
    let findings = judge(&alone);
    let missing: Vec<_> = findings.cells.iter().filter(|one| one.verdict == Verdict::Missing).collect();
    assert_eq!(missing.len(), 1, "{missing:?}");
    assert_eq!(missing[0].cell.sample.as_str(), "gone");
}

#[test]
fn a_missing_cell_is_missed_once() {
    let mut results = merged(quiet(1.0), quiet(1.0));
    base_of(&mut results).cells.insert(
        BaselineKey { sample: SampleId::new("gone").unwrap(), ..key(Stage::Compile, Metric::Time) },
        Entry::Count(1),
    );
    assert_eq!(judge(&results).counts["missing"], 1);
}

#[test]
fn null_controls_speak_for_their_own_machine() {
    let control = |slower| {
        (0..6).flat_map(move |round| pair((Side::ControlBase, Side::ControlHead), round, slower)).collect::<Vec<_>>()
    };
    let (mut quiet, mut biased) = (run(1.05, 12), run(1.05, 12));
    quiet.launches.extend(control(1.0));
    biased.launches.extend(control(1.05));
    let findings = judge(&merged(quiet, biased));
    let compile = |sample| of(&findings, sample).into_iter().find(|one| one.cell.stage == Stage::Compile).unwrap();
    assert_eq!(compile("fib").verdict, Verdict::Regressed);
    assert!(matches!(compile("zlib").verdict, Verdict::Inconclusive(InconclusiveReason::BiasedControl { .. })));
    let shards: BTreeSet<_> = findings.controls.iter().map(|one| (one.shard, one.biased)).collect();
    assert_eq!(shards, [(Some(1), false), (Some(2), true)].into());
}

#[test]
fn one_noisy_machine_does_not_make_the_others_noisy() {
    // Pairs of launches that scatter by several per cent, in the second shard alone.
    let mut noisy = run(1.0, 15);
    for launch in noisy.launches.iter_mut().filter(|launch| launch.side == Side::Head) {
        let slower = 1.0 + 0.04 * f64::from(launch.round % 3);
        for record in launch.stages.values_mut() {
            record.observations = vec![observation(1e6 * slower, false); 8];
        }
    }
    let results = merged(run(1.0, 4), noisy);
    let fib = |findings: &Findings| {
        of(findings, "fib").into_iter().find(|one| one.cell.stage == Stage::Validate).unwrap().clone()
    };
    let (together, alone) = (fib(&judge(&results)), fib(&judge(&run(1.0, 4))));
    assert_eq!((together.verdict, together.change), (alone.verdict, alone.change));
    assert_ne!(fib(&judge(&whole(&results))).change, alone.change, "the test would pass without a difference");
}

#[test]
fn launches_outside_of_the_parts_say_nothing() {
    let mut results = merged(quiet(1.0), quiet(1.0));
    results.header.merged[1].part.clear();
    results.header.plan.truncate(1);
    let findings = judge(&results);
    assert!(of(&findings, "zlib").iter().all(|one| one.verdict == Verdict::Missing));
}
