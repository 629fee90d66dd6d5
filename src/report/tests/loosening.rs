//! Reports of runs that loosen what their base held.

use super::{markdown, text, view};
use crate::model::Results;
use crate::model::findings::Outcome;
use crate::model::loosening::{Kind, Loosened, Loosening};
use crate::report::fixtures::Fixture;

/// Has a run loosen the same entry so many times, and a tolerance.
pub fn loosen(results: &mut Results, entries: usize) {
    let entry = |at: usize| Loosened {
        kind: Kind::Entry,
        subject: format!("contract/serialize/size on llvm-{at}"),
        from: "1000 bytes".to_owned(),
        to: "1250 bytes".to_owned(),
        by: Some(0.25),
        reason: (at == 0).then(|| "the inliner grew".to_owned()),
    };
    let tolerance = Loosened {
        kind: Kind::Tolerance,
        subject: "compile time of contract on llvm".to_owned(),
        from: "2 %".to_owned(),
        to: "10 %".to_owned(),
        by: None,
        reason: None,
    };
    let items = std::iter::once(tolerance).chain((0..entries).map(entry)).collect();
    results.header.loosening = Some(Loosening { fails: false, items });
}

#[test]
fn every_loosened_rule_is_told_with_what_it_was() {
    let mut fixture = Fixture::paired();
    loosen(&mut fixture.results, 2);
    let told = [
        "Loosened: 3 rules less strict here than in origin/main",
        "- tolerance of compile time of contract on llvm: 2 % → 10 %\n",
        "- baseline of contract/serialize/size on llvm-0: 1000 bytes → 1250 bytes (+25.0 %)",
        "- baseline of contract/serialize/size on llvm-1: 1000 bytes → 1250 bytes (+25.0 %)",
    ];
    let report = text(&fixture);
    told.iter().for_each(|words| assert!(report.contains(words), "no `{words}` in {report}"));
    assert!(report.lines().next().unwrap().contains("2 of 66 gating cells regressed"), "{report}");
    assert!(report.contains("; 3 rules\n      loosened\n"), "{report}");
    let report = markdown::render(&view(&fixture));
    for words in
        ["### Loosened: 3 rules", "tolerance of compile time", "reason: the inliner grew", "no reason recorded"]
    {
        assert!(report.contains(words), "no `{words}` in {report}");
    }
    let without = text(&Fixture::paired());
    assert!(!without.contains("oosened"), "{without}");
}

#[test]
fn green_is_not_for_what_is_held_to_less() {
    let mut fixture = Fixture::pass();
    assert!(markdown::render(&view(&fixture)).starts_with("## ✅ PASS"));
    loosen(&mut fixture.results, 0);
    let report = markdown::render(&view(&fixture));
    assert!(report.starts_with("## ⚠️ PASS: no regression in "), "{report}");
    assert!(report.lines().next().unwrap().ends_with("; 1 rule loosened"), "{report}");
}

#[test]
fn a_run_that_fails_for_it_alone_says_so() {
    let mut fixture = Fixture::pass();
    loosen(&mut fixture.results, 0);
    fixture.findings.outcome = Outcome::Inconclusive;
    let report = text(&fixture);
    assert!(report.starts_with("LOOSENED  no regression in "), "{report}");
    assert!(report.contains("; 1 rule loosened, which fail-on makes fail\n"), "{report}");
}

#[test]
fn many_are_counted_and_hostile_ones_escaped() {
    let mut fixture = Fixture::pass();
    loosen(&mut fixture.results, 5_000);
    for item in &mut fixture.results.header.loosening.as_mut().unwrap().items {
        item.subject = format!("\u{1b}[2J<img src=x>@everyone {}", "x".repeat(1_000));
    }
    let report = markdown::render(&view(&fixture));
    assert!(report.len() <= markdown::BUDGET && report.contains("and 4961 more, all of them"), "{report}");
    assert!(!report.contains("<img") && !report.contains("@everyone"), "{report}");
    assert!(!text(&fixture).contains('\u{1b}'));
}

#[test]
fn where_nothing_was_measured_that_is_said() {
    let mut fixture = Fixture::unchanged();
    loosen(&mut fixture.results, 0);
    let report = text(&fixture);
    assert!(report.contains("nothing was measured in this run, so what that lets pass is not known"), "{report}");
}
