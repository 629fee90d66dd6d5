//! Reports of runs that were split over machines.

use super::{markdown, text, view};
use crate::model::results::{End, EndReason};
use crate::model::shard::{MergedShard, Shard, ShardFault, ShardRun, ShardState};
use crate::model::{Failure, FailureKind, Nanos, Results, Verdict};
use crate::report::fixtures::{Fixture, SAMPLES};
use crate::report::json;

/// Makes of a run one that was put together from shards, one for each sample, each on another machine; and a shard, too, which no run
/// is at once.
pub fn split(results: &mut Results) {
    let header = &mut results.header;
    let of =
        |sample: &str| header.plan.iter().filter(|pair| pair.sample.as_str() == sample).cloned().collect::<Vec<_>>();
    let parts = SAMPLES.map(of);
    header.shard = Some(Shard { number: 2, parts: parts.to_vec() });
    let run = |at: usize| {
        let mut machine = header.machine.clone();
        machine.class.cpu = format!("CPU {}", at % 2);
        machine.limitations = vec![format!("no pinning on CPU {}", at % 2)];
        let end = End { reason: EndReason::Complete, elapsed: Nanos(1_000_000_000) };
        ShardRun { started: header.started.clone(), seed: at as u64, machine, end }
    };
    header.merged =
        (0..).zip(parts).map(|(at, part)| MergedShard { part, state: ShardState::Measured(run(at)) }).collect();
}

/// A run of three shards.
fn merged() -> Fixture {
    let mut fixture = Fixture::pass();
    split(&mut fixture.results);
    fixture.results.header.shard = None;
    fixture
}

/// The same without some of them.
fn faulty(faults: &[(usize, ShardFault)]) -> Fixture {
    let mut fixture = merged();
    for (at, fault) in faults {
        let number = u32::try_from(at + 1).unwrap();
        let kind = FailureKind::Shard { number, of: 3, fault: *fault };
        let failure = Failure { stage: None, kind, detail: "run the job again; \u{1b}[2J<img src=x>".to_owned() };
        fixture.results.header.merged[*at].state = ShardState::Faulty(failure.clone());
        for finding in fixture.findings.cells.iter_mut().filter(|one| one.cell.sample.as_str() == SAMPLES[*at]) {
            finding.verdict = Verdict::Broken(failure.clone());
        }
    }
    fixture.settle();
    fixture
}

#[test]
fn a_missing_shard_is_named_once_with_what_to_do() {
    let fixture = faulty(&[(1, ShardFault::Missing)]);
    let headline = "BROKEN  shard 2 of 3 is missing: 3 pairs of sample and backend were not measured\n";
    let report = text(&fixture);
    assert!(report.starts_with(headline), "{report}");
    let line = "  shard 2 of 3: it is missing; 3 pairs of sample and backend were not measured\n";
    assert_eq!(report.matches(line).count(), 1, "{report}");
    assert_eq!(report.matches("run the job again").count(), 1, "{report}");
    assert!(!report.contains('\u{1b}'), "{report:?}");
    let report = markdown::render(&view(&fixture));
    assert!(report.starts_with("## ❌ BROKEN: shard 2 of 3 is missing: 3 pairs"), "{report}");
    assert!(report.contains("**shard 2 of 3**: it is missing; 3 pairs") && !report.contains("<img"), "{report}");
}

#[test]
fn several_faulty_shards_are_counted() {
    let fixture = faulty(&[(0, ShardFault::Doubled), (2, ShardFault::Interrupted)]);
    let report = text(&fixture);
    let headline = "BROKEN  2 of 3 shards are not there as a whole: 6 pairs of sample and backend were not measured\n";
    assert!(report.starts_with(headline), "{report}");
    for line in ["  shard 1 of 3: it is there more than once; 3 pairs", "  shard 3 of 3: it was interrupted; 3 pairs"] {
        assert!(report.contains(line), "{report}");
    }
}

#[test]
fn a_part_never_looks_like_the_whole() {
    let mut fixture = merged();
    fixture.results.header.merged.clear();
    let parts = SAMPLES.map(|_| fixture.results.header.plan.clone()).to_vec();
    fixture.results.header.shard = Some(Shard { number: 2, parts });
    let report = text(&fixture);
    assert!(report.lines().next().unwrap().ends_with("; only shard 2 of 3"), "{report}");
    assert!(
        report.contains("\n  shard   2 of 3: 9 of the 27 pairs of sample and backend; `tollgate merge` puts"),
        "{report}"
    );
    let report = json::render(&fixture.results, &fixture.findings);
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["run"]["shard"], serde_json::json!({"number": 2, "of": 3}));
}

#[test]
fn every_kind_of_machine_is_named_with_its_shards() {
    let report = text(&merged());
    let runners = "  runner  shards 1, 3 on x86_64-linux CPU 0 · 2 cores; shard 2 on x86_64-linux CPU 1 · 2 cores\n";
    assert!(report.contains(runners), "{report}");
    assert!(report.contains("  limits  no pinning on CPU 0; no pinning on CPU 1\n"), "{report}");
    assert!(report.contains("  run     3 shards · "), "{report}");
    let mut alike = merged();
    for shard in &mut alike.results.header.merged {
        let ShardState::Measured(run) = &mut shard.state else { panic!() };
        run.machine.class.cpu = "CPU".to_owned();
    }
    assert!(text(&alike).contains("  runner  x86_64-linux CPU · 2 cores\n"));
}
