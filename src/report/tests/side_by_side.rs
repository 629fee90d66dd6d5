//! Reports of two runs side by side.

use super::{HOSTILE, markup};
use crate::model::compared::{Compared, Difference, Origin};
use crate::model::findings::Gating;
use crate::model::{Metric, Verdict};
use crate::report::fixtures::Fixture;
use crate::report::{Style, View, markdown, terminal};

/// Two runs side by side, every text that comes from outside being the given one.
pub fn two_runs(text: &str) -> (Fixture, Compared) {
    let mut fixture = Fixture::regressions();
    for finding in fixture.findings.cells.iter_mut().filter(|f| f.cell.metric == Metric::Time) {
        finding.gating = Gating::Information;
        finding.verdict = Verdict::Pass;
        finding.tolerance = None;
    }
    fixture.findings.notes.clear();
    fixture.settle();
    let origin = |commit: Option<&str>| Origin {
        tollgate: "0.1.0".to_owned(),
        commit: commit.map(str::to_owned),
        started: "2026-11-02T10:00:00Z".to_owned(),
        engines: [format!("wasmer {text}")].into(),
        runner: fixture.results.header.machine.class.clone(),
    };
    let difference = |what: &str| Difference { what: what.to_owned(), a: format!("a{text}"), b: format!("b{text}") };
    let differences = vec![difference("backend llvm: engine"), difference("sample contract: module")];
    let compared = Compared { a: origin(None), b: origin(Some(text)), differences };
    (fixture, compared)
}

#[test]
fn two_runs_side_by_side() {
    let (fixture, compared) = two_runs("7.4.2");
    let view = View::side_by_side(&fixture.results, &fixture.findings, &compared);
    insta::with_settings!({
            omit_expression => true, prepend_module_to_snapshot => false, snapshot_path => "../snapshots"
        }, {
        insta::assert_snapshot!("side_by_side_terminal", terminal::render(&view, &Style::default()));
        insta::assert_snapshot!("side_by_side_markdown", markdown::render(&view));
    });
    assert!(markdown::render_within(&view, 8_000).len() <= 8_000);
}

#[test]
fn two_runs_that_differ_in_everything_stay_within_the_budget() {
    let (fixture, mut compared) = two_runs(&"`".repeat(10_000));
    compared.differences = std::iter::repeat_n(compared.differences[0].clone(), 200).collect();
    let view = View::side_by_side(&fixture.results, &fixture.findings, &compared);
    let report = markdown::render(&view);
    assert!(report.len() <= markdown::BUDGET, "{}", report.len());
    assert!(report.contains("and 170 more") || report.contains("more differences left out"), "{report}");
    assert!(report.contains("### Regressed"), "{report}");
}

#[test]
fn two_runs_with_hostile_text_are_inert() {
    for line in HOSTILE.lines() {
        let shown = |text: &str| {
            let (fixture, compared) = two_runs(text);
            View::side_by_side(&fixture.results, &fixture.findings, &compared)
        };
        let terminal = terminal::render(&shown(line), &Style::default());
        assert!(!terminal.chars().any(|c| c.is_control() && c != '\n'), "{terminal:?}");
        let harmless: String = line.chars().map(|c| if c.is_alphanumeric() { c } else { 'x' }).collect();
        assert_eq!(markup(&markdown::render(&shown(line))), markup(&markdown::render(&shown(&harmless))), "{line:?}");
    }
}
