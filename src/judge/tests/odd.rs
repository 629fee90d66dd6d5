//! Results that nobody would measure: the judge neither panics nor gives numbers that are none.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::super::{judge, undecided};
use crate::model::baseline::Spread;
use crate::model::findings::{Outcome, Quantity};
use crate::model::observation::{Artifact, Lap, MemoryReading, StageOutcome};
use crate::model::{
    Bytes, Entry, Failure, FailureKind, Findings, Launch, Metric, Nanos, Observation, Stage, StageRecord, Tolerance,
};

use super::fixtures::*;

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
    fn odd_observation()(
        wall in odd_integer(),
        cpu in odd_integer(),
        batch: u32,
        many: u32,
        involuntary in 0u32..2,
        lap in proptest::option::of((odd_integer(), 0u32..3)),
    ) -> Observation {
        Observation {
            batch,
            wall: Nanos(wall),
            cpu: Nanos(cpu),
            voluntary: many,
            involuntary,
            minor_faults: many,
            major_faults: many,
            lap: lap.map(|(wall, operations)| Lap { operations, wall: Nanos(wall) }),
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
    #![proptest_config(ProptestConfig { cases: 400, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() })]

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
        prop_assert!(!failed || undecided(&results).is_empty());
    }
}
