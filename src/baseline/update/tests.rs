//! Tests of updates: what is rewritten, what is kept, what is refused.

use std::num::NonZeroU16;
use std::path::Path;

use super::super::diff;
use super::super::schema::parse;
use super::super::testing::{change, example, key, options, runner, target, time};
use super::*;
use crate::model::baseline::Spread;
use crate::model::findings::{Outcome, Spending};
use crate::model::ids::Cell;
use crate::model::machine::{Machine, RunnerClass};
use crate::model::observation::Launch;
use crate::model::results::{End, EndReason, Header, RESULTS_VERSION};
use crate::model::sample::EngineSpec;
use crate::model::settings::{Effort, Limits, Settings};
use crate::model::stage::{Stage, Tier};
use crate::model::units::{Bytes, Nanos};
use crate::model::verdict::{Failure, FailureKind, InconclusiveReason};

fn request() -> Request<'static> {
    Request {
        dir: Path::new("baselines"),
        date: "2026-12-01",
        commit: Some("fedcba9"),
        reason: None,
        keep_times: false,
        record_spread: false,
    }
}

fn with_reason() -> Request<'static> {
    Request { reason: Some("  the inliner grew  "), ..request() }
}

/// A run on the example's runner that judged against `old`.
fn run(old: Option<Baseline>) -> Results {
    let backend = example().backend;
    Results {
        header: Header {
            version: RESULTS_VERSION,
            tollgate: "0.2.0".to_owned(),
            commit: None,
            started: "2026-12-01T00:00:00Z".to_owned(),
            seed: 1,
            yardstick: 1,
            effort: Effort::default(),
            machine: Machine {
                class: runner(),
                cores: 2,
                memory: None,
                kernel: String::new(),
                load: None,
                limitations: Vec::new(),
            },
            settings: Settings {
                tier: Tier::Pr,
                budget: Nanos(0),
                stages: BTreeSet::new(),
                sample_globs: Vec::new(),
                backend_globs: Vec::new(),
                thresholds: Vec::new(),
                fail_on: BTreeSet::new(),
                limits: Limits { deadline: Nanos(0), memory: Bytes(0) },
                layout_allowances: BTreeMap::new(),
            },
            samples: Vec::new(),
            backends: vec![BackendSpec {
                id: backend.clone(),
                engine: EngineSpec::BuiltIn,
                compiler: "cranelift".to_owned(),
                options: options(),
            }],
            plan: Vec::new(),
            base: None,
            loosening: None,
            shard: None,
            merged: Vec::new(),
            baselines: old.into_iter().map(|old| (backend.clone(), old)).collect(),
        },
        launches: vec![launch("wasmer 7.4.2")],
        end: End { reason: EndReason::Complete, elapsed: Nanos(0) },
    }
}

fn launch(engine: &str) -> Launch {
    Launch {
        id: 0,
        sample: key("fibonacci/validate/time").sample,
        backend: example().backend,
        side: Side::Head,
        round: 0,
        offset: Nanos(0),
        duration: Nanos(0),
        measuring: Nanos(0),
        core: None,
        engine: Some(engine.to_owned()),
        stubbed_imports: Vec::new(),
        yardstick: Vec::new(),
        stages: BTreeMap::new(),
        failure: None,
    }
}

fn found(cells: &[(&str, Verdict, Option<Entry>)]) -> Findings {
    let cells = cells.iter().map(|(name, verdict, measured)| {
        let BaselineKey { sample, stage, metric } = key(name);
        CellFinding {
            cell: Cell { sample, backend: example().backend, stage, metric },
            verdict: verdict.clone(),
            gating: Gating::Gates,
            base: None,
            head: None,
            measured: measured.clone(),
            against: Default::default(),
            change: None,
            tolerance: None,
            launches: 5,
            evidence: Vec::new(),
        }
    });
    Findings {
        outcome: Outcome::Pass,
        counts: BTreeMap::new(),
        cells: cells.collect(),
        failures: Vec::new(),
        tradeoffs: Vec::new(),
        notes: Vec::new(),
        spending: Spending::default(),
        controls: Vec::new(),
        scatter: Default::default(),
    }
}

/// The example's cells, all passing, with the given ones in their place or added.
fn found_of_all(others: &[(&str, Verdict, Option<Entry>)]) -> Findings {
    let names: Vec<_> = example().cells.keys().map(ToString::to_string).collect();
    let mut cells: Vec<_> = names
        .iter()
        .filter(|name| others.iter().all(|(other, ..)| other != name))
        .map(|name| (name.as_str(), Verdict::Pass, Some(example().cells[&key(name)].clone())))
        .collect();
    cells.extend_from_slice(others);
    found(&cells)
}

fn propose_one(results: &Results, findings: &Findings, request: &Request<'_>) -> Option<Proposal> {
    let mut proposals = propose(results, findings, request).expect("not refused");
    assert!(proposals.len() <= 1);
    let proposal = proposals.pop()?;
    assert_eq!(proposal.new_text, render::render(&proposal.new));
    assert_eq!(parse(&proposal.new_text, None).as_ref(), Ok(&proposal.new), "nothing is lost by writing");
    Some(proposal)
}

fn size(bytes: u64) -> Option<Entry> {
    Some(Entry::Bytes(Bytes(bytes)))
}

fn inconclusive() -> Verdict {
    Verdict::Inconclusive(InconclusiveReason::NotConfirmed)
}

fn broken() -> Verdict {
    Verdict::Broken(Failure { stage: None, kind: FailureKind::Flood, detail: String::new() })
}

fn texts(list: &[Moved]) -> Vec<String> {
    list.iter().map(ToString::to_string).collect()
}

/// The lines that an update adds and takes away, without the record of the update.
fn changed_lines(proposal: &Proposal) -> Vec<String> {
    let text = diff::render(proposal);
    let is_change = |line: &&str| line.starts_with(['+', '-']) && !line.starts_with("+++") && !line.starts_with("---");
    text.lines().filter(is_change).filter(|line| !line.contains("- {date")).map(str::to_owned).collect()
}

#[test]
fn the_first_baseline_takes_all_that_was_measured_and_needs_no_reason() {
    let results = run(None);
    let findings = found(&[
        ("fibonacci/compile/time", Verdict::New, Some(time(1.234_567_8))),
        ("fibonacci/serialize/size", Verdict::New, size(7)),
        ("fibonacci/execute/time", Verdict::Unsupported("no".to_owned()), Some(Entry::Unsupported("no".to_owned()))),
        ("fibonacci/jit/time", Verdict::New, Some(time(2.0))),
        ("fibonacci/compile-all-cores/time", Verdict::New, Some(time(2.0))),
        ("zlib/compile/time", broken(), None),
    ]);
    let proposal = propose_one(&results, &findings, &request()).expect("a proposal");
    assert_eq!(proposal.path, Path::new("baselines/x86_64-linux/cranelift.yml"));
    assert_eq!((&proposal.old, &proposal.old_text), (&None, &None));
    let cells: Vec<_> =
        proposal.new.cells.iter().map(|(key, entry)| format!("{key} {}", render::entry_map(entry))).collect();
    assert_eq!(
        cells,
        [
            "fibonacci/compile/time {ratio: 1.2346, deviation: 0.012, launches: 5}",
            "fibonacci/serialize/size {bytes: 7}",
            "fibonacci/execute/time {unsupported: \"no\"}",
        ]
    );
    assert_eq!(proposal.added.len(), 3);
    assert_eq!(proposal.new.provenance, Provenance { tollgate: "0.2.0".to_owned(), ..example().provenance });
    assert_eq!((proposal.new.target, proposal.new.runner), (target(), runner()));
    assert_eq!(proposal.new.reference, TimeReference::Yardstick { version: 1 });
    let commit = Some("fedcba9".to_owned());
    assert_eq!(proposal.new.changes, [Change { added: 3, commit, ..change("2026-12-01", None) }]);
    assert_eq!(proposal.not_updated.len(), 1);
    assert!(propose_one(&results, &found(&[("zlib/compile/time", broken(), None)]), &request()).is_none());
}

#[test]
fn what_did_not_move_is_left_to_the_byte() {
    let findings = found_of_all(&[
        ("fibonacci/compile/time", Verdict::Pass, Some(time(1.51))),
        ("fibonacci/validate/time", inconclusive(), Some(time(0.02))),
        ("fibonacci/serialize/size", Verdict::Pass, size(4243)),
        ("matmul-simd/compile/time", Verdict::Unsupported("x".to_owned()), Some(Entry::Unsupported("x".to_owned()))),
    ]);
    assert_eq!(propose(&run(Some(example())), &findings, &with_reason()), Ok(Vec::new()));
}

#[test]
fn what_moved_is_rewritten_and_nothing_else() {
    let findings = found_of_all(&[
        ("fibonacci/compile/time", Verdict::Improved, Some(time(1.2))),
        ("fibonacci/validate/time", Verdict::Pass, Some(time(0.012_35))),
        ("zlib/compile/time", Verdict::Regressed, Some(time(3.9))),
        ("fibonacci/serialize/size", Verdict::Regressed, size(5000)),
        ("fibonacci/execute/score", Verdict::Regressed, Some(Entry::Score { ratio: 2.0, deviation: 0.1, launches: 5 })),
        ("new/serialize/size", Verdict::New, size(1)),
    ]);
    let results = run(Some(example()));
    let proposal = propose_one(&results, &findings, &with_reason()).expect("a proposal");
    assert_eq!(texts(&proposal.tightened), ["fibonacci/compile/time: time ratio 1.5 → time ratio 1.2 (-20.00 %)"]);
    assert_eq!(
        texts(&proposal.loosened),
        [
            "zlib/compile/time: time ratio 3.25 → time ratio 3.9 (+20.00 %)",
            "fibonacci/serialize/size: 4242 bytes → 5000 bytes (+17.87 %)",
            "fibonacci/execute/score: score ratio 2.5 → score ratio 2 (-20.00 %)",
        ]
    );
    assert_eq!(texts(&proposal.added), ["new/serialize/size: 1 bytes"]);
    assert_eq!(
        changed_lines(&proposal),
        [
            "-  tollgate: \"0.1.0\"",
            "+  tollgate: \"0.2.0\"",
            "-  fibonacci/compile/time: {ratio: 1.5, deviation: 0.012, launches: 5}",
            "+  fibonacci/compile/time: {ratio: 1.2, deviation: 0.012, launches: 5}",
            "-  fibonacci/serialize/size: {bytes: 4242}",
            "-  fibonacci/execute/score: {ratio: 2.5, deviation: 0, launches: 1}",
            "+  fibonacci/serialize/size: {bytes: 5000}",
            "+  fibonacci/execute/score: {ratio: 2, deviation: 0.1, launches: 5}",
            "-  zlib/compile/time: {ratio: 3.25, deviation: 0.012, launches: 5}",
            "+  new/serialize/size: {bytes: 1}",
            "+",
            "+  zlib/compile/time: {ratio: 3.9, deviation: 0.012, launches: 5}",
        ]
    );
    let last = proposal.new.changes.last().expect("a record");
    assert_eq!(last.reason.as_deref(), Some("the inliner grew"));
    assert_eq!((last.added, last.removed, last.tightened, last.loosened), (1, 0, 1, 3));
}

#[test]
fn loosening_and_removing_need_a_reason_and_are_named() {
    let results = run(Some(example()));
    let findings = found_of_all(&[
        ("fibonacci/serialize/size", Verdict::Regressed, size(5000)),
        ("zlib/serialize/size", Verdict::Missing, None),
        ("fibonacci/compile/time", Verdict::Improved, Some(time(1.0))),
    ]);
    let blank = Request { reason: Some(" \n"), ..request() };
    let refused = propose(&results, &findings, &blank).expect_err("refused").to_string();
    assert_eq!(
        refused,
        "update baselines: these entries would be loosened or removed; say why with --reason TEXT:\n  \
         cranelift: fibonacci/serialize/size: 4242 bytes → 5000 bytes (+17.87 %)\n  \
         cranelift: zlib/serialize/size: 99000 bytes → nothing: the sample or stage is no longer in the configuration"
    );
    let proposal = propose_one(&results, &findings, &with_reason()).expect("a proposal");
    assert!(!proposal.new.cells.contains_key(&key("zlib/serialize/size")));
    let last = proposal.new.changes.last().expect("a record");
    assert_eq!((last.removed, last.tightened, last.loosened), (1, 1, 1));

    let better = found_of_all(&[("fibonacci/serialize/size", Verdict::Improved, size(4000))]);
    assert!(propose_one(&results, &better, &request()).is_some(), "tightening needs none");
}

#[test]
fn a_stage_that_becomes_unsupported_loosens_and_takes_its_size_along() {
    let gone = Some(Entry::Unsupported("no SIMD".to_owned()));
    let findings = found_of_all(&[
        ("fibonacci/compile/time", Verdict::Regressed, gone),
        ("fibonacci/compile/memory", Verdict::Unsupported("no SIMD".to_owned()), None),
        ("matmul-simd/compile/time", Verdict::Improved, Some(time(2.0))),
    ]);
    let proposal = propose_one(&run(Some(example())), &findings, &with_reason()).expect("a proposal");
    assert_eq!(texts(&proposal.loosened), ["fibonacci/compile/time: time ratio 1.5 → unsupported (no SIMD)"]);
    let removed: Vec<_> = proposal.removed.iter().map(|moved| moved.key.to_string()).collect();
    assert_eq!(removed, ["fibonacci/compile/instructions", "fibonacci/compile/memory"]);
    assert!(proposal.not_updated.is_empty(), "{:?}", proposal.not_updated);
    assert_eq!(proposal.tightened.len(), 1);
    assert_eq!(proposal.new.cells[&key("matmul-simd/compile/time")], time(2.0));
    assert!(propose(&run(Some(example())), &findings, &request()).is_err());
}

#[test]
fn cells_that_were_not_selected_stay() {
    let findings = found(&[("zlib/compile/time", Verdict::Improved, Some(time(3.0)))]);
    let proposal = propose_one(&run(Some(example())), &findings, &request()).expect("a proposal");
    let expected = Baseline {
        cells: example().cells.into_iter().chain([(key("zlib/compile/time"), time(3.0))]).collect(),
        provenance: proposal.new.provenance.clone(),
        changes: proposal.new.changes.clone(),
        ..example()
    };
    assert_eq!(proposal.new, expected);
}

#[test]
fn broken_and_unusable_cells_stay_and_are_listed() {
    let bad = |ratio: f64| Some(Entry::Time { ratio, deviation: 0.1, launches: 5 });
    let findings = found_of_all(&[
        ("fibonacci/compile/time", broken(), Some(time(9.0))),
        ("fibonacci/validate/time", Verdict::Regressed, bad(f64::NAN)),
        ("zlib/compile/time", Verdict::Improved, bad(0.0)),
        ("fibonacci/compile/memory", Verdict::Regressed, Some(time(1.0))),
        ("zlib/serialize/size", Verdict::Regressed, None),
        ("fibonacci/serialize/size", Verdict::Improved, size(1)),
    ]);
    let proposal = propose_one(&run(Some(example())), &findings, &request()).expect("a proposal");
    let mut expected = example().cells;
    expected.insert(key("fibonacci/serialize/size"), Entry::Bytes(Bytes(1)));
    assert_eq!(proposal.new.cells, expected);
    let left: Vec<_> = proposal.not_updated.iter().map(|left| format!("{}: {}", left.key, left.why)).collect();
    assert_eq!(
        left,
        [
            "fibonacci/compile/time: broken: the worker flooded its output",
            "fibonacci/validate/time: what was measured is not usable: ratio NaN, deviation 0.1, 5 launches",
            "zlib/compile/time: what was measured is not usable: ratio 0, deviation 0.1, 5 launches",
            "fibonacci/compile/memory: what was measured is no entry for `memory`",
            "zlib/serialize/size: nothing was measured that is fit to be committed",
        ]
    );
}

#[test]
fn a_new_engine_or_option_goes_into_the_provenance_without_anything_moving() {
    let mut results = run(Some(example()));
    results.launches[0].engine = Some("wasmer 7.5.0".to_owned());
    let proposal = propose_one(&results, &found_of_all(&[]), &request()).expect("a proposal");
    assert_eq!(proposal.new.provenance.engine, "wasmer 7.5.0");
    assert_eq!(proposal.notes, ["the engine was `wasmer 7.4.2` and is `wasmer 7.5.0`"]);
    assert_eq!(proposal.new.cells, example().cells);
    assert_eq!(proposal.new.changes.len(), 2);

    let mut results = run(Some(example()));
    results.header.backends[0].options.threads = NonZeroU16::MAX;
    let proposal = propose_one(&results, &found_of_all(&[]), &request()).expect("a proposal");
    assert_eq!(proposal.new.provenance.options.threads, NonZeroU16::MAX);
}

#[test]
fn figures_of_other_options_are_never_mixed() {
    let mut results = run(Some(example()));
    results.header.backends[0].options.canonicalize_nans = true;
    let one = found(&[("zlib/serialize/size", Verdict::Improved, size(1))]);
    let refused = propose(&results, &one, &with_reason()).expect_err("refused");
    let UpdateRefused::MixedOptions { cells, .. } = &refused else { panic!("{refused}") };
    assert_eq!(cells.len(), example().cells.len() - 1);
    assert!(refused.to_string().contains("run without filters"), "{refused}");

    let keep = Request { keep_times: true, ..request() };
    let refused = propose(&results, &found_of_all(&[]), &keep).expect_err("the times would be of other options");
    let UpdateRefused::MixedOptions { cells, .. } = &refused else { panic!("{refused}") };
    assert_eq!(cells.len(), 4, "the three times and the score");

    let mut results = run(Some(example()));
    results.launches[0].engine = Some("wasmtime 7.4.2".to_owned());
    assert!(matches!(propose(&results, &one, &request()), Err(UpdateRefused::MixedOptions { .. })));
    results.launches[0].engine = Some("wasmer 7.5.0".to_owned());
    assert!(propose_one(&results, &one, &request()).is_some(), "another version is what a gate judges");
}

/// A run on another processor, whose every time differs by 10 % from the committed one.
fn run_elsewhere() -> (Results, Findings) {
    let mut results = run(Some(example()));
    results.header.machine.class = RunnerClass { cpu: "AMD EPYC".to_owned(), ..runner() };
    let slower = |entry: &Entry| match entry {
        Entry::Time { ratio, deviation, launches } => {
            Entry::Time { ratio: ratio * 1.1, deviation: *deviation, launches: *launches }
        }
        other => other.clone(),
    };
    let cells = example().cells;
    let names: Vec<_> = cells.iter().map(|(key, entry)| (key.to_string(), slower(entry))).collect();
    let cells: Vec<_> = names.iter().map(|(name, entry)| (name.as_str(), Verdict::Pass, Some(entry.clone()))).collect();
    (results, found(&cells))
}

#[test]
fn another_runner_class_replaces_all_times_together() {
    let (results, findings) = run_elsewhere();
    assert!(matches!(propose(&results, &findings, &request()), Err(UpdateRefused::ReasonNeeded(_))));
    let proposal = propose_one(&results, &findings, &with_reason()).expect("a proposal");
    assert_eq!(proposal.new.runner.cpu, "AMD EPYC");
    assert!(proposal.notes[0].starts_with("all times are rewritten"), "{:?}", proposal.notes);
    assert!(proposal.new.spread.is_empty(), "the spread was that of the other class");
    assert_eq!(proposal.new.cells[&key("fibonacci/compile/time")], time(1.65));
    assert_eq!(proposal.new.cells[&key("fibonacci/serialize/size")], Entry::Bytes(Bytes(4242)));
    assert_eq!(proposal.loosened.len(), 3, "the three times; the score is the same");
    assert!(proposal.loosened[0].change.ends_with("(on another runner class or reference)"));

    let mut results = run(Some(example()));
    results.header.yardstick = 2;
    let proposal = propose_one(&results, &findings, &with_reason()).expect("a proposal");
    assert_eq!(proposal.new.reference, TimeReference::Yardstick { version: 2 });
}

#[test]
fn times_of_two_classes_are_never_mixed() {
    let (results, mut findings) = run_elsewhere();
    findings.cells.retain(|finding| finding.cell.sample.as_str() != "zlib");
    let refused = propose(&results, &findings, &with_reason()).expect_err("refused");
    let UpdateRefused::MixedTimes { cells, .. } = &refused else { panic!("{refused}") };
    assert_eq!(*cells, [key("zlib/compile/time")]);
    let text = refused.to_string();
    assert!(text.contains("AMD EPYC") && text.contains("without filters") && text.contains("--keep-times"), "{text}");

    let (results, mut findings) = run_elsewhere();
    findings.cells[0].verdict = broken();
    assert!(matches!(propose(&results, &findings, &with_reason()), Err(UpdateRefused::MixedTimes { .. })));
}

#[test]
fn keeping_times_accepts_exact_metrics_from_another_class() {
    let (results, mut findings) = run_elsewhere();
    findings.cells.retain(|finding| finding.cell.sample.as_str() == "fibonacci");
    let grown = found(&[
        ("zlib/serialize/size", Verdict::Regressed, size(100_000)),
        ("zlib/compile/time", Verdict::Regressed, Some(time(9.0))),
        ("new/validate/time", Verdict::New, Some(time(9.0))),
    ]);
    findings.cells.extend(grown.cells);
    let request = Request { keep_times: true, ..with_reason() };
    let proposal = propose_one(&results, &findings, &request).expect("a proposal");
    let mut expected = example().cells;
    expected.insert(key("zlib/serialize/size"), Entry::Bytes(Bytes(100_000)));
    assert_eq!(proposal.new.cells, expected);
    assert_eq!(proposal.new.runner, example().runner);
    assert_eq!(proposal.new.spread, example().spread);
    assert_eq!(proposal.not_updated.len(), 2);
}

/// Findings in which four samples' compile times lie `by` beside their committed ones, and the baseline to it.
fn drifted(by: f64) -> (Baseline, Findings) {
    let names = ["a", "b", "c", "d"].map(|sample| format!("{sample}/compile/time"));
    let mut old = example();
    old.cells.extend(names.iter().map(|name| (key(name), time(2.0))));
    let cells: Vec<_> = names.iter().map(|name| (name.as_str(), Verdict::Pass, Some(time(2.0 * by.exp())))).collect();
    (old, found(&cells))
}

#[test]
fn spread_is_recorded_with_a_rewritten_time_or_on_request_only() {
    let (old, mut findings) = drifted(0.04);
    let kept = old.spread[&Stage::Compile];
    let folded = render::rounded_spread(spread::fold(Some(kept), 1.4826 * 0.04 / std::f64::consts::SQRT_2));
    assert_eq!(folded, Spread { deviation: 0.025, runs: 7 });
    assert_eq!(propose(&run(Some(old.clone())), &findings, &request()), Ok(Vec::new()));

    let asked = Request { record_spread: true, ..request() };
    let proposal = propose_one(&run(Some(old.clone())), &findings, &asked).expect("a proposal");
    let expected = Baseline { spread: BTreeMap::from([(Stage::Compile, folded)]), ..old.clone() };
    assert_eq!(proposal.new, expected, "evidence alone is no accepted change");

    findings.cells.extend(found(&[("zlib/serialize/size", Verdict::Improved, size(1))]).cells);
    let proposal = propose_one(&run(Some(old.clone())), &findings, &request()).expect("a proposal");
    assert_eq!(proposal.new.spread, old.spread, "no time was rewritten");

    findings.cells.extend(found(&[("zlib/compile/time", Verdict::Improved, Some(time(1.0)))]).cells);
    let proposal = propose_one(&run(Some(old.clone())), &findings, &request()).expect("a proposal");
    assert_eq!(proposal.new.spread[&Stage::Compile], folded, "the cell that moved is no evidence");

    for finding in findings.cells.iter_mut().take(2) {
        finding.verdict = Verdict::Inconclusive(InconclusiveReason::MachineBusy { disturbed: 9, observations: 9 });
    }
    let proposal = propose_one(&run(Some(old.clone())), &findings, &request()).expect("a proposal");
    assert_eq!(proposal.new.spread, old.spread, "two cells are too few, and disturbed ones do not count");
}

#[test]
fn runs_of_other_code_or_another_class_are_no_evidence_of_spread() {
    let (old, findings) = drifted(0.04);
    let asked = Request { record_spread: true, keep_times: true, ..request() };
    let mut results = run(Some(old.clone()));
    results.header.machine.class.cpu = "AMD EPYC".to_owned();
    assert_eq!(propose(&results, &findings, &asked), Ok(Vec::new()));

    let mut results = run(Some(old.clone()));
    results.launches[0].engine = Some("wasmer 7.5.0".to_owned());
    let proposal = propose_one(&results, &findings, &asked).expect("the new provenance");
    assert_eq!(proposal.new.spread, old.spread);
}
