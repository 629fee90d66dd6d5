//! Runs with a base: which verdict a cell gets, and what it says beside it.

use super::fixtures::*;
use super::*;
use crate::judge::paired::{FIRST_PAIRS, MAX_PAIRS};
use crate::model::findings::Against;
use crate::model::observation::Side;
use crate::model::results::{Base, BaseKind, Comparison};
use crate::model::sample::EngineSpec;
use crate::model::{CellFinding, Launch, Observation};

/// What pairs of launches differ by in these tests, in turn.
const SCATTER: [f64; 5] = [0.0, 0.003, -0.003, 0.0015, -0.0015];

/// A launch of one side with two observations in each of four blocks, `slower` than a millisecond.
fn side(side: Side, round: u32, slower: f64) -> Launch {
    let mut launch = launch(round, slower, 1.0);
    launch.id = round * 4 + side as u32;
    launch.side = side;
    for record in launch.stages.values_mut() {
        let nanos = 1e6 * slower;
        record.observations = vec![observation(nanos, false); 8];
    }
    launch
}

pub fn pair(sides: (Side, Side), round: u32, slower: f64) -> [Launch; 2] {
    let scatter = 1.0 + SCATTER[round as usize % SCATTER.len()];
    [side(sides.0, round, 1.0), side(sides.1, round, slower * scatter)]
}

/// Another engine than the built-in one, by its checksum.
fn other_engine() -> EngineSpec {
    EngineSpec::Executable { name: "base".to_owned(), path: "base".into(), args: Vec::new(), sha256: "ab".repeat(32) }
}

/// A run of this many pairs of launches in which the head is `slower` than the base.
pub fn run(slower: f64, pairs: u32) -> Results {
    let mut results = results((0..pairs).flat_map(|round| pair((Side::Base, Side::Head), round, slower)).collect());
    let header = &mut results.header;
    header.plan[0].comparison = Comparison::Paired;
    let (samples, backends) = (header.samples.clone(), header.backends.clone());
    header.base = Some(Base { kind: BaseKind::Worker { sha256: "ab".repeat(32) }, samples, backends });
    results
}

fn relinked(slower: f64, pairs: u32) -> Results {
    let mut results = run(slower, pairs);
    results.header.base.as_mut().unwrap().backends[0].engine = other_engine();
    results.header.settings.layout_allowances.insert(Stage::Instantiate, 0.08);
    results
}

fn says(finding: &CellFinding, text: &str) -> bool {
    finding.evidence.iter().any(|line| line.contains(text))
}

#[test]
fn unchanged_code_passes_against_the_base() {
    let results = run(1.0, FIRST_PAIRS);
    let findings = judge(&results);
    assert_eq!(findings.outcome, Outcome::Pass);
    let compile = find(&findings, Stage::Compile, Metric::Time);
    assert_eq!((&compile.verdict, compile.against, compile.launches), (&Verdict::Pass, Against::Base, FIRST_PAIRS));
    assert!(says(compile, "against the committed baseline"), "{compile:?}");
    assert_eq!(undecided(&results), BTreeMap::new());
}

#[test]
fn a_few_per_cent_are_red_that_the_committed_baseline_lets_pass() {
    let results = run(1.05, 12);
    let compile = time(&results, Stage::Compile);
    assert_eq!((&compile.verdict, compile.against), (&Verdict::Regressed, Against::Base));
    assert!((compile.change.unwrap().relative - 0.05).abs() < 0.003, "{compile:?}");
    assert!((nanos(compile.head) / nanos(compile.base) - 1.05).abs() < 0.003);
    assert!(says(&compile, "the artifact is the same to the byte"), "{compile:?}");
    assert_eq!(time(&run(0.95, 12), Stage::Compile).verdict, Verdict::Improved);
    // What is in the baseline is still that of the head.
    assert!(matches!(compile.measured, Some(Entry::Time { .. })));
}

#[test]
fn open_stages_alone_are_measured_again() {
    let mut results = run(1.0, FIRST_PAIRS);
    for launch in results.launches.iter_mut().filter(|launch| launch.side == Side::Head) {
        let record = launch.stages.get_mut(&Stage::Execute).unwrap();
        let slower = 1.02 + SCATTER[launch.round as usize % SCATTER.len()];
        record.observations = vec![observation(1e6 * slower, false); 8];
    }
    assert_eq!(undecided(&results), open(&[Stage::Execute]));
    // But not for ever.
    let mut many = run(1.02, MAX_PAIRS);
    assert_eq!(undecided(&many), BTreeMap::new());
    many.launches.truncate(4);
    assert!(!undecided(&many).is_empty());
}

#[test]
fn time_alone_within_what_a_relink_moves_is_a_warning() {
    let instantiate = time(&relinked(1.06, 20), Stage::Instantiate);
    let Verdict::Inconclusive(InconclusiveReason::TimeAlone { allowance, .. }) = instantiate.verdict else {
        panic!("{instantiate:?}");
    };
    assert_eq!(allowance, 0.08);
    // A stage without an allowance, and a change beyond it, are red.
    assert_eq!(time(&relinked(1.06, 20), Stage::Compile).verdict, Verdict::Regressed);
    assert_eq!(time(&relinked(1.12, 20), Stage::Instantiate).verdict, Verdict::Regressed);
    // Nothing was relinked where both sides run the same engine.
    let mut same = relinked(1.06, 20);
    same.header.base.as_mut().unwrap().backends = same.header.backends.clone();
    assert_eq!(time(&same, Stage::Instantiate).verdict, Verdict::Regressed);
}

#[test]
fn what_changed_beside_the_time_supports_it() {
    let mut artifact = relinked(1.06, 20);
    let mut faults = artifact.clone();
    for launch in artifact.launches.iter_mut().filter(|launch| launch.side == Side::Head) {
        let record = launch.stages.get_mut(&Stage::Serialize).unwrap();
        record.artifact.as_mut().unwrap().sha256 = "bb".to_owned();
    }
    let supported = time(&artifact, Stage::Instantiate);
    assert_eq!(supported.verdict, Verdict::Regressed);
    assert!(says(&supported, "the artifact changed, its size did not"), "{supported:?}");
    for launch in faults.launches.iter_mut().filter(|launch| launch.side == Side::Head) {
        let more = |one: &Observation| Observation { minor_faults: 2, ..*one };
        let record = launch.stages.get_mut(&Stage::Instantiate).unwrap();
        record.observations = record.observations.iter().map(more).collect();
    }
    let supported = time(&faults, Stage::Instantiate);
    assert_eq!(supported.verdict, Verdict::Regressed);
    assert!(says(&supported, "page faults of an operation went from 0.0 to 2.0"), "{supported:?}");
}

#[test]
fn what_is_the_same_is_neither_launched_nor_red() {
    let mut results = run(1.0, 0);
    results.header.plan[0].comparison = Comparison::Same;
    let findings = judge(&results);
    assert_eq!(findings.outcome, Outcome::Pass);
    assert_eq!((findings.counts["pass"], findings.counts["inconclusive"]), (8, 0));
    assert!(says(find(&findings, Stage::Compile, Metric::Time), "not measured"));
    assert_eq!(undecided(&results), BTreeMap::new());
}

#[test]
fn biased_controls_take_the_verdict_from_times() {
    let mut results = run(1.05, 12);
    let control = |slower| {
        (0..6).flat_map(move |round| pair((Side::ControlBase, Side::ControlHead), round, slower)).collect::<Vec<_>>()
    };
    results.launches.extend(control(1.0));
    let findings = judge(&results);
    assert_eq!(findings.outcome, Outcome::Regressed);
    assert!(findings.controls.iter().all(|one| one.pairs == 6 && !one.biased), "{:?}", findings.controls);
    results.launches.truncate(24);
    results.launches.extend(control(1.05));
    let findings = judge(&results);
    assert_eq!(findings.outcome, Outcome::Pass);
    let compile = find(&findings, Stage::Compile, Metric::Time);
    assert!(matches!(compile.verdict, Verdict::Inconclusive(InconclusiveReason::BiasedControl { .. })), "{compile:?}");
    // Sizes do not depend on the schedule.
    assert_eq!(find(&findings, Stage::Serialize, Metric::Size).verdict, Verdict::Pass);
}

#[test]
fn a_broken_base_leaves_the_committed_comparison() {
    let mut results = run(1.0, 1);
    results.launches[0].stages.clear();
    results.launches[0].failure = Some(Failure { stage: None, kind: FailureKind::Flood, detail: String::new() });
    results.launches.extend((1..6).map(|round| launch(round, 1.0, 1.0)));
    let compile = time(&results, Stage::Compile);
    assert_eq!((&compile.verdict, compile.against), (&Verdict::Pass, Against::Baseline));
    assert!(says(&compile, "not compared with the base, which is broken"), "{compile:?}");
    assert_eq!(judge(&results).outcome, Outcome::Pass);
}

#[test]
fn without_a_baseline_sizes_are_held_to_the_base() {
    let mut results = run(1.0, FIRST_PAIRS);
    results.header.baselines.clear();
    assert_eq!(judge(&results).counts["new"], 0);
    for launch in results.launches.iter_mut().filter(|launch| launch.side == Side::Head) {
        let record = launch.stages.get_mut(&Stage::Serialize).unwrap();
        record.artifact.as_mut().unwrap().size = Bytes(11_000);
    }
    let findings = judge(&results);
    let size = find(&findings, Stage::Serialize, Metric::Size);
    assert_eq!((&size.verdict, size.against), (&Verdict::Regressed, Against::Base));
}

#[test]
fn what_the_base_supports_the_head_must_too() {
    let mut results = run(1.0, FIRST_PAIRS);
    results.header.baselines.clear();
    for launch in results.launches.iter_mut().filter(|launch| launch.side == Side::Head) {
        launch.stages.insert(Stage::Execute, not_supported());
    }
    let execute = time(&results, Stage::Execute);
    assert_eq!((&execute.verdict, execute.against), (&Verdict::Regressed, Against::Base));
    assert!(says(&execute, "the base supports it"), "{execute:?}");
}

#[test]
fn committed_ratios_to_a_reference_worker_are_compared_with_the_same() {
    let sha256 = "cd".repeat(32);
    let with = |slower, committed: &str| {
        let mut results = run(slower, 6);
        results.header.base.as_mut().unwrap().kind = BaseKind::Reference { sha256: sha256.clone() };
        let baseline = base_of(&mut results);
        baseline.reference = TimeReference::Worker { sha256: committed.to_owned() };
        // On another machine: the ratio travels.
        baseline.runner = class("B");
        results
    };
    let compile = time(&with(1.0, &sha256), Stage::Compile);
    assert_eq!((&compile.verdict, &compile.gating), (&Verdict::Pass, &Gating::Gates));
    assert_eq!(compile.against, Against::Baseline);
    let Some(Entry::Time { ratio, .. }) = compile.measured else { panic!("{compile:?}") };
    assert!((ratio - 1.0).abs() < 0.01, "{ratio}");
    assert_eq!(time(&with(1.4, &sha256), Stage::Compile).verdict, Verdict::Regressed);
    let other = time(&with(1.0, &"ef".repeat(32)), Stage::Compile);
    assert!(matches!(other.gating, Gating::Advisory(_)), "{other:?}");
}
