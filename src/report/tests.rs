//! Whole reports: snapshots of the usual runs, hostile text, size.

mod loosening;
mod paired;
mod shards;
mod side_by_side;

use proptest::prelude::*;

use super::fixtures::{self, BACKENDS, Fixture, HOSTILE, SAMPLES};
use super::post::{Link, Post, Since};
use super::{Style, View, json, markdown, terminal};
use crate::model::findings::{Gating, Outcome};
use crate::model::results::{Base, BaseKind, EndReason, RESULTS_VERSION};
use crate::model::verdict::InconclusiveReason;
use crate::model::{Bytes, Failure, FailureKind, Metric, Nanos, Stage, Verdict};

fn view(fixture: &Fixture) -> View {
    View::new(&fixture.results, &fixture.findings)
}

fn text(fixture: &Fixture) -> String {
    terminal::render(&view(fixture), &Style::default())
}

macro_rules! snapshots {
    ($($name:ident: $fixture:expr,)*) => {
        $(
            #[test]
            fn $name() {
                let fixture = $fixture;
                insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
                    insta::assert_snapshot!(concat!(stringify!($name), "_terminal"), text(&fixture));
                    insta::assert_snapshot!(concat!(stringify!($name), "_markdown"), markdown::render(&view(&fixture)));
                });
            }
        )*
    };
}

snapshots! {
    pass: Fixture::pass(),
    first_run: Fixture::first_run(),
    regressions: Fixture::regressions(),
    paired: Fixture::paired(),
    biased: Fixture::biased(),
    unchanged: Fixture::unchanged(),
    broken: Fixture::broken(),
    inconclusive: Fixture::inconclusive(),
    unsupported: Fixture::unsupported(),
}

#[test]
fn every_line_fits_the_terminal() {
    let [regressions, broken] = [Fixture::regressions(), Fixture::broken()];
    let [inconclusive, unsupported] = [Fixture::inconclusive(), Fixture::unsupported()];
    for fixture in [regressions, broken, inconclusive, unsupported, Fixture::paired(), Fixture::biased()] {
        for (width, verbose) in [(80, false), (100, false), (100, true)] {
            let report = terminal::render(&view(&fixture), &Style { colour: false, width, verbose });
            // A command stays in one line, to be copied.
            for line in report.lines().filter(|line| !line.starts_with("  tollgate run ")) {
                assert!(line.chars().count() <= width, "{} columns: {line}", line.chars().count());
                assert_eq!(line, line.trim_end());
            }
        }
    }
}

#[test]
fn colour_changes_nothing_but_colour() {
    let fixture = Fixture::regressions();
    let coloured = terminal::render(&view(&fixture), &Style { colour: true, ..Style::default() });
    assert!(coloured.starts_with("\u{1b}["));
    let mut plain = String::new();
    let mut rest = coloured.as_str();
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        plain += before;
        rest = after.split_once('m').unwrap().1;
    }
    assert_eq!(plain + rest, text(&fixture));
}

#[test]
fn verbose_shows_every_cell() {
    let fixture = Fixture::pass();
    let verbose = terminal::render(&view(&fixture), &Style { verbose: true, ..Style::default() });
    assert!(!text(&fixture).contains("deserialize-headless time"));
    assert_eq!(verbose.matches("deserialize-headless time").count(), SAMPLES.len() * BACKENDS.len());
}

#[test]
fn the_headline_never_says_fine_over_red_rows() {
    let mut lenient = Fixture::regressions();
    lenient.results.header.settings.fail_on.clear();
    lenient.settle();
    assert_eq!(lenient.findings.outcome, Outcome::Pass);
    let headline = view(&lenient).headline;
    assert_eq!((headline.word, headline.sentence.contains("3 gating cells regressed")), ("WARN", true));

    let mut advisory = Fixture::pass();
    let cell = advisory.change("markdown", "llvm", Stage::Compile, Metric::Time, 0.5);
    cell.gating = Gating::Advisory("another runner".to_owned());
    advisory.settle();
    let headline = view(&advisory).headline;
    assert!(headline.sentence.ends_with("; 1 advisory cell regressed"), "{}", headline.sentence);
    assert_eq!(headline.tone, super::view::Tone::Caution);

    let mut interrupted = Fixture::pass();
    interrupted.results.end.reason = EndReason::Interrupted;
    assert_eq!(view(&interrupted).headline.word, "INCOMPLETE");

    let mut idle = Fixture::pass();
    for finding in &mut idle.findings.cells {
        finding.gating = Gating::Advisory("another runner".to_owned());
    }
    idle.settle();
    assert_eq!(view(&idle).headline.word, "WARN");
}

#[test]
fn worst_comes_first() {
    let rows = view(&Fixture::regressions()).regressed.rows;
    let order: Vec<_> = rows.iter().map(|row| (row.sample.as_str(), row.used.as_str())).collect();
    assert_eq!(order, [("fibonacci", "620 %"), ("markdown", "420 %"), ("markdown", "111 %")]);
}

fn huge() -> Fixture {
    let samples: Vec<String> = (0..105).map(|at| format!("suite/sample-{at:03}")).collect();
    let names: Vec<&str> = samples.iter().map(String::as_str).collect();
    let mut fixture = Fixture::sized(&names, &BACKENDS);
    for name in &names {
        fixture.change(name, "llvm", Stage::Compile, Metric::Time, 0.2);
    }
    fixture.settle();
    fixture
}

#[test]
fn a_huge_run_stays_within_the_budget_and_says_what_is_left_out() {
    let fixture = huge();
    assert!(fixture.findings.cells.len() >= 5_000);
    let view = view(&fixture);
    let report = markdown::render(&view);
    assert!(report.len() <= markdown::BUDGET, "{} bytes", report.len());
    assert!(report.len() > markdown::BUDGET * 9 / 10, "only {} bytes of the budget used", report.len());
    assert_eq!(report.matches("| llvm\u{a0}· suite/sample-").count(), 105, "no regressed row may be left out");
    assert!(report.contains("more cells left out for length"));
    // Whole rows only: every line of a table ends as it should.
    assert!(report.lines().filter(|line| line.starts_with('|')).all(|line| line.ends_with('|')));
    for budget in [3_000, 6_000, 10_000, 20_000] {
        let report = markdown::render_within(&view, budget);
        assert!(report.len() <= budget, "{} bytes of {budget}", report.len());
        assert_eq!(report.matches("<details>").count(), report.matches("</details>").count());
        assert!(report.contains("105 of 3465 gating cells regressed"), "{}", &report[..300]);
    }
}

#[test]
fn a_post_says_what_became_of_reds_and_where_to_read_on() {
    let post = Post {
        since: Some(Since::Resolved("the 2 reds <b>".to_owned())),
        remarks: vec!["a fork's numbers @everyone\n## PASS".to_owned()],
        links: ["https://forge.example/run/1", "javascript:x"].map(|url| Link { label: "run", url: url.into() }).into(),
    };
    let text = markdown::render_post(&view(&Fixture::regressions()), &post, markdown::BUDGET);
    let [verdict, since, counts, remark] =
        ["## ❌ FAIL", "> ✅ **Resolved**: the 2 reds &lt;b&gt;", "**3** regressed", "> ℹ️ a fork's numbers"]
            .map(|part| text.find(part));
    assert!(verdict < since && since < counts && counts < remark && since.is_some(), "{text}");
    assert!(text.ends_with("\n[run](https://forge.example/run/1)\n"), "{text}");
    assert!(!text.contains("@everyone") && !text.contains("\n## PASS") && !text.contains("javascript"));
    let tight = markdown::render_post(&view(&huge()), &post, 20_000);
    assert!(tight.len() <= 20_000 && tight.contains("left out for length"), "{} bytes", tight.len());
}

#[test]
fn a_huge_terminal_report_is_cut_and_says_so() {
    let report = text(&huge());
    assert!(report.contains("and 65 more cells; --verbose shows all"), "{report}");
}

/// A run in which every text that comes from outside is the given one.
fn with_text(text: &str) -> Fixture {
    let mut fixture = Fixture::regressions();
    let text = text.to_owned();
    let detail = format!("{text}\n{text}");
    let failure = Failure { stage: Some(Stage::Execute), kind: FailureKind::WrongOutput, detail };
    fixture.fail("contract", "singlepass", &failure);
    for finding in &mut fixture.findings.cells {
        finding.evidence = vec![text.clone(), format!("{text}2")];
        if let Gating::Advisory(reason) = &mut finding.gating {
            reason.clone_from(&text);
        }
        if let Some(tolerance) = &mut finding.tolerance {
            tolerance.origin.clone_from(&text);
        }
    }
    fixture.cell("fibonacci", "singlepass", Stage::Execute, Metric::Time).verdict = Verdict::Unsupported(text.clone());
    fixture.findings.notes = vec![text.clone()];
    let kind = BaseKind::Revision { name: text.clone(), commit: text.clone() };
    fixture.results.header.base = Some(Base { kind, ..fixtures::base(&fixture.results) });
    let header = &mut fixture.results.header;
    header.commit = Some(text.clone());
    header.tollgate.clone_from(&text);
    header.machine.limitations = vec![format!("{text}3")];
    header.machine.class.cpu.clone_from(&text);
    fixture.results.launches[0].engine = Some(text);
    fixture.settle();
    fixture
}

/// How often characters that mean something to a table or to HTML occur.
fn markup(report: &str) -> [usize; 4] {
    ['<', '>', '|', '\n'].map(|c| report.matches(c).count())
}

fn assert_inert(hostile: &str) {
    let hostile_fixture = with_text(hostile);
    let shown = terminal::render(&view(&hostile_fixture), &Style { verbose: true, ..Style::default() });
    assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{shown:?}");
    // The same report around a harmless text of the same kind has exactly as much markup.
    let harmless: String = hostile.chars().map(|c| if c.is_alphanumeric() { c } else { 'x' }).collect();
    let report = markdown::render(&view(&hostile_fixture));
    let expected = markdown::render(&view(&with_text(&harmless)));
    assert_eq!(markup(&report), markup(&expected), "{report}");
    assert!(!report.contains("<!--"));
}

#[test]
fn hostile_text_is_inert() {
    for line in HOSTILE.lines() {
        assert_inert(line);
    }
    let report = markdown::render(&view(&Fixture::broken()));
    assert!(!report.contains("@octocat") && !report.contains("<script") && !report.contains("#123"));
    assert!(!text(&Fixture::broken()).contains('\u{1b}'));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_inert(text in "[a-z0-9 <>|`@#&\\\\\\[\\]()!*_~\"'$:/.\u{1b}\u{7}\u{202e}\u{200b}\u{e9}\u{4e00}-]{1,40}") {
        assert_inert(&format!("t{text}"));
    }
}

#[test]
fn json_is_versioned_and_tells_no_paths() {
    let fixture = Fixture::broken();
    let text = json::render(&fixture.results, &fixture.findings);
    let report: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(report["version"], json::REPORT_VERSION);
    assert_eq!(report["outcome"], "broken");
    assert_eq!(report["cells"].as_array().unwrap().len(), fixture.findings.cells.len());
    assert_eq!(report["run"]["seed"], 42);
    assert!(!text.contains("private"));
}

/// Every key of a JSON value, at any depth.
fn keys(value: &serde_json::Value, found: &mut std::collections::BTreeSet<String>) {
    match value {
        serde_json::Value::Object(map) => {
            for (key, value) in map {
                found.insert(key.clone());
                keys(value, found);
            }
        }
        serde_json::Value::Array(values) => values.iter().for_each(|value| keys(value, found)),
        _ => {}
    }
}

/// A run with every kind of value that has keys of its own.
fn complete() -> Fixture {
    let mut fixture = Fixture::inconclusive();
    fixture.cell("markdown", "llvm", Stage::Compile, Metric::Time).measured = fixtures::entries().next();
    fixture.cell("markdown", "llvm", Stage::Execute, Metric::Time).verdict =
        Verdict::Unsupported("no command says how".to_owned());
    for kind in [
        FailureKind::Signal(9),
        FailureKind::Exit(1),
        FailureKind::Deadline(Nanos(1)),
        FailureKind::Memory(Bytes(1)),
        FailureKind::Cpu(Nanos(1)),
    ] {
        fixture.fail("fibonacci", "llvm", &Failure { stage: None, kind, detail: String::new() });
    }
    let across = InconclusiveReason::IntervalAcrossTolerance { low: 0.0, high: 0.1, tolerance: 0.05 };
    let degenerate = InconclusiveReason::Degenerate("no variance".to_owned());
    let alone = InconclusiveReason::TimeAlone { change: 0.02, allowance: 0.03 };
    let biased = InconclusiveReason::BiasedControl { bias: 0.02 };
    for (stage, reason) in [
        (Stage::Compile, across),
        (Stage::Serialize, degenerate),
        (Stage::Instantiate, alone),
        (Stage::Execute, biased),
        (Stage::Validate, InconclusiveReason::NotConfirmed),
    ] {
        fixture.cell("contract", "cranelift", stage, Metric::Time).verdict = Verdict::Inconclusive(reason);
    }
    fixture.findings.controls = Fixture::paired().findings.controls;
    shards::split(&mut fixture.results);
    loosening::loosen(&mut fixture.results, 3);
    fixtures::fill(&mut fixture.results);
    fixture
}

#[test]
fn the_document_names_every_field() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/results.md");
    let document = std::fs::read_to_string(path).unwrap();
    let fixture = complete();
    let mut found = std::collections::BTreeSet::new();
    let mut results = serde_json::to_value(&fixture.results).unwrap();
    // Ids and keys of cells are values that happen to stand where a field's name does.
    let baselines = results["header"]["baselines"].as_object_mut().unwrap();
    for baseline in std::mem::take(baselines).values_mut() {
        let cells = std::mem::take(baseline["cells"].as_object_mut().unwrap());
        cells.values().for_each(|entry| keys(entry, &mut found));
        keys(baseline, &mut found);
    }
    keys(&results, &mut found);
    let (_, compared) = side_by_side::two_runs("");
    let report = json::render_side_by_side(&fixture.results, &fixture.findings, &compared);
    keys(&serde_json::from_str(&report).unwrap(), &mut found);
    assert!(found.len() > 120, "{}", found.len());
    let is_named = |key: &str| {
        document.contains(&format!("`{key}`"))
            || document.contains(&format!("{{\"{key}\": "))
            || document.contains(&format!(", \"{key}\": "))
    };
    let missing: Vec<_> = found.iter().filter(|key| !is_named(key)).collect();
    assert!(missing.is_empty(), "docs/results.md does not explain {missing:?}");
    for version in
        [format!("## The report\nVersion {}.", json::REPORT_VERSION), format!("## Results\nVersion {RESULTS_VERSION}.")]
    {
        assert!(document.contains(&version), "docs/results.md does not say: {version}");
    }
}
