//! Tests of the format: round trips, positions, everything that is refused.

use std::fs;
use std::process::Command;

use proptest::prelude::*;

use super::super::render::{render, rounded, rounded_scatter, rounded_spread};
use super::super::testing::{any_baseline, change, example, key, target, time};
use super::*;
use crate::model::ids::SampleId;

fn problems_of(text: &str) -> Vec<Problem> {
    match parse(text, None) {
        Ok(_) => panic!("accepted:\n{text}"),
        Err(Problems(problems)) => problems,
    }
}

/// The only problem of the example after `from` became `to`, as `line:column: message`.
fn problem_after(from: &str, to: &str) -> String {
    let text = render(&example());
    assert!(text.contains(from), "{from:?} is not in\n{text}");
    let problems = problems_of(&text.replacen(from, to, 1));
    let [Problem { line, column, message }] = problems.as_slice() else { panic!("not one problem: {problems:?}") };
    format!("{line}:{column}: {message}")
}

#[test]
fn the_format_is_the_documented_one() {
    let page = include_str!("../../../docs/baselines.md");
    let documented = page.split("```").find_map(|block| block.strip_prefix("yaml\n")).expect("the documented example");
    assert_eq!(render(&example()), documented);
}

#[test]
fn what_is_written_is_read_back() {
    assert_eq!(parse(&render(&example()), Some((&example().backend, &target()))), Ok(example()));
    let text = render(&example());
    assert_eq!(
        parse(&format!("\u{feff}{}", text.replace('\n', "\r\n")), None),
        Ok(example()),
        "as an editor may save it"
    );
    let empty = Baseline { spread: BTreeMap::new(), changes: Vec::new(), cells: BTreeMap::new(), ..example() };
    assert_eq!(parse(&render(&empty), None), Ok(empty));
}

#[test]
fn scatter_is_read_back_and_checked() {
    let scatter = BTreeMap::from([(Stage::Execute, Scatter { deviation: 0.0042, freedom: 84 })]);
    let baseline = Baseline { scatter, ..example() };
    let text = render(&baseline);
    assert!(text.contains("\nscatter:\n  execute: {deviation: 0.0042, freedom: 84}\n"), "{text}");
    assert_eq!(parse(&text, None), Ok(baseline));
    let problems = problems_of(&text.replace("freedom: 84", "freedom: 0"));
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(problems_of(&text.replace("execute: {deviation: 0.0042", "executed: {deviation: -1")).len(), 2);
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        rng_seed: prop::test_runner::RngSeed::Fixed(1),
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_baseline_survives_up_to_rounding(baseline in any_baseline()) {
        let text = render(&baseline);
        let read = parse(&text, Some((&baseline.backend, &baseline.target)));
        let mut expected = baseline;
        expected.cells.values_mut().for_each(|entry| *entry = rounded(entry));
        expected.scatter.values_mut().for_each(|scatter| *scatter = rounded_scatter(*scatter));
        expected.spread.values_mut().for_each(|spread| *spread = rounded_spread(*spread));
        prop_assert_eq!(read.as_ref(), Ok(&expected), "{}", text);
        prop_assert_eq!(render(&expected), text);
    }

    #[test]
    fn no_prefix_of_a_file_is_accepted(baseline in any_baseline(), share in 0.0..1.0_f64) {
        let text = render(&baseline);
        let end = text.trim_end().len();
        let cut = (0..=(end as f64 * share) as usize).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        prop_assert!(parse(&text[..cut.min(end - 1)], None).is_err());
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in any::<String>()) {
        let _ = parse(&text, None);
        let _ = parse(&format!("{text}\nend: true\n"), None);
    }
}

#[test]
fn rounding_keeps_five_digits_of_a_ratio_and_two_of_a_deviation() {
    let entry = Entry::Time { ratio: 0.012_345_678, deviation: 0.012_345, launches: 3 };
    assert_eq!(rounded(&entry), Entry::Time { ratio: 0.012_346, deviation: 0.012, launches: 3 });
    let entry = Entry::Time { ratio: f64::MAX, deviation: 0.0, launches: 3 };
    assert_eq!(rounded(&entry), entry, "rounding up would make it infinite");
}

#[test]
fn each_bad_value_is_reported_with_its_place() {
    for (from, to, expected) in [
        ("ratio: 1.5", "ratio: 0", "28:27: `ratio` is 0; it must be a number above 0"),
        ("ratio: 1.5", "ratio: -1.5", "28:27: `ratio` is -1.5; it must be a number above 0"),
        ("ratio: 1.5", "ratio: .nan", "28:27: `ratio` is NaN; it must be a number above 0"),
        ("ratio: 1.5", "ratio: .inf", "28:27: `ratio` is inf; it must be a number above 0"),
        ("launches: 5", "launches: 0", "27:28: `launches` is at least 1"),
        ("deviation: 0.012", "deviation: -1", "27:28: `deviation` is -1; it must be 0 or a number above it"),
        ("bytes: 4242", "count: 4242", "31:29: `size` and `memory` have `bytes` alone"),
        ("runs: 6", "runs: 0", "21:12: `runs` is at least 1"),
        ("2026-11-20", "2026-13-20", "24:12: `2026-13-20` is not a date; write YYYY-MM-DD"),
        ("{yardstick: 1}", "{}", "18:12: `reference` has either `yardstick` or `worker`"),
        ("{yardstick: 1}", "{worker: abc}", "18:12: `worker` is a SHA-256 in 64 lower-case hexadecimal digits"),
        (
            "fibonacci/validate/time",
            "fibonacci/jit/time",
            "27:23: `jit` is never judged, so a baseline does not hold it",
        ),
        ("backend: cranelift", "backend: \"a\\nb\"", "4:10: `a\\nb` names no backend"),
    ] {
        let problem = problem_after(from, to);
        assert!(problem.starts_with(expected), "{to}: {problem}");
    }
}

#[test]
fn each_bad_key_is_reported_with_its_place() {
    for (from, to, expected) in [
        ("fibonacci/validate/time", "fibonacci/time", "27:3: `fibonacci/time` is not sample/stage/metric"),
        ("fibonacci/validate/time", "fibonacci/parse/time", "27:3: unknown stage `parse`; known: validate"),
        ("  compile: {", "  parse: {", "21:3: unknown stage `parse`"),
        ("launches: 5", "lunches: 5", "27:63: unknown field `lunches`"),
        ("threads: 1", "threads: 0", "14:5: invalid value: integer `0`, expected a nonzero u16"),
        ("fibonacci/serialize/size", "zlib/serialize/size", "37:3: duplicate mapping key: zlib/serialize/size"),
        ("compiler: cranelift", "compiler: [", "10:13: expected string"),
        ("ratio: 1.5", "ratio: abc", "28:35: invalid floating point"),
        ("bytes: 4242", "bytes: -4", "31:37: invalid u64"),
        ("opt-level: speed", "opt-level: fast", "12:16: unknown variant `fast`, expected one of none, speed"),
        ("backend: cranelift\n", "", "39:1: missing field `backend`"),
    ] {
        let problem = problem_after(from, to);
        assert!(problem.starts_with(expected), "{to}: {problem}");
    }
}

#[test]
fn all_bad_values_are_reported_at_once_in_the_order_of_the_file() {
    let text = render(&example())
        .replace("bytes: 4242", "count: 1")
        .replace("runs: 6", "runs: 0")
        .replace("ratio: 1.5", "ratio: 0");
    let lines: Vec<_> = problems_of(&text).iter().map(|problem| problem.line).collect();
    assert_eq!(lines, [21, 28, 31]);
}

#[test]
fn files_of_other_versions_are_named_as_such_even_when_nothing_else_fits() {
    let newer = problems_of("version: 2\nanything: [\n");
    assert!(newer[0].message.contains("newer Tollgate") && newer[0].message.contains("update Tollgate"), "{newer:?}");
    let older = problem_after("version: 1", "version: 0 # old");
    assert!(older.starts_with("3:1: ") && older.contains("bring it forward"), "{older}");
    assert!(problem_after("version: 1", "\"version\": 7").contains("newer Tollgate"));
}

#[test]
fn a_file_that_ends_early_is_noticed_even_where_it_is_valid_yaml() {
    let text = render(&example());
    let cut = text.find("\n  zlib/serialize").expect("the cell");
    let problems = problems_of(&text[..cut]);
    assert!(problems[0].message.contains("incomplete") && problems[0].line == 36, "{problems:?}");
    assert!(problems_of("")[0].message.contains("empty"));
    assert!(problems_of("\n \n")[0].message.contains("empty"));
    assert!(problem_after("end: true", "end: tru").contains("incomplete"));
    assert!(problem_after("end: true", "end: true # whole\nmore: 1").contains("incomplete"));
}

#[test]
fn an_unresolved_merge_is_called_that() {
    let marked = "<<<<<<< HEAD\n  fibonacci/serialize/size: {bytes: 1}\n=======\n  fibonacci/serialize/size";
    let problem = problem_after("  fibonacci/serialize/size", marked);
    assert!(
        problem.starts_with("31:1: a merge was left unresolved here: keep both sides under `changes`"),
        "{problem}"
    );
}

#[test]
fn a_file_in_the_wrong_place_is_refused() {
    let other = BackendId::new("llvm").expect("an id");
    let elsewhere = Target { arch: "aarch64".to_owned(), os: "linux".to_owned() };
    let text = render(&example());
    let Err(Problems(problems)) = parse(&text, Some((&other, &elsewhere))) else { panic!("accepted") };
    let places: Vec<_> = problems.iter().map(|problem| (problem.line, problem.column)).collect();
    assert_eq!(places, [(4, 10), (5, 9)]);
    assert!(problems[0].message.contains("`cranelift`, in the place of the one of `llvm`"), "{problems:?}");
    assert!(problems[1].message.contains("x86_64-linux, in the folder for aarch64-linux"), "{problems:?}");
}

#[test]
fn anchors_and_merge_keys_have_no_place() {
    assert!(!problem_after("{bytes: 4242}", "{<<: {bytes: 1}}").is_empty());
    assert!(!problem_after("{bytes: 4242}", "&a {bytes: 4242}\n  x/serialize/size: *a").is_empty());
}

/// What `git merge-file` makes of two changed files, and whether it is sure.
fn merged(base: &Baseline, ours: &Baseline, theirs: &Baseline, arguments: &[&str]) -> (bool, String) {
    let dir = tempfile::tempdir().expect("a folder");
    let paths = ["ours", "base", "theirs"].map(|name| dir.path().join(name));
    for (path, baseline) in paths.iter().zip([ours, base, theirs]) {
        fs::write(path, render(baseline)).expect("written");
    }
    let output =
        Command::new("git").args(["merge-file", "-p"]).args(arguments).args(&paths).output().expect("git runs");
    (output.status.success(), String::from_utf8(output.stdout).expect("text"))
}

fn with(mut baseline: Baseline, name: &str, entry: Entry) -> Baseline {
    baseline.cells.insert(key(name), entry);
    baseline
}

#[test]
fn branches_that_change_different_samples_merge_by_themselves() {
    // The first sample's last line and the second one's first line: as close as different samples come.
    let ours = with(example(), "fibonacci/execute/score", Entry::Score { ratio: 3.0, deviation: 0.1, launches: 5 });
    let theirs = with(with(example(), "matmul-simd/compile/time", time(2.0)), "new/validate/time", time(1.0));
    let (sure, text) = merged(&example(), &ours, &theirs, &[]);
    assert!(sure, "{text}");
    let both = parse(&text, None).expect("a baseline");
    let sample = SampleId::new("fibonacci").expect("an id");
    let mut expected = theirs;
    expected.cells.extend(ours.cells.into_iter().filter(|(key, _)| key.sample == sample));
    assert_eq!(both, expected);
}

#[test]
fn a_union_merge_keeps_both_records_and_is_refused_where_both_changed_a_cell() {
    let record = |mut baseline: Baseline, reason| {
        baseline.changes.push(change("2026-11-21", Some(reason)));
        baseline
    };
    let ours = record(with(example(), "fibonacci/serialize/size", Entry::Bytes(Bytes(1))), "ours");
    let theirs = record(with(example(), "zlib/serialize/size", Entry::Bytes(Bytes(2))), "theirs");
    assert!(!merged(&example(), &ours, &theirs, &[]).0, "without help, two records in one place are a conflict");
    let (sure, text) = merged(&example(), &ours, &theirs, &["--union"]);
    assert!(sure, "{text}");
    let both = parse(&text, None).expect("a baseline");
    let reasons: Vec<_> = both.changes.iter().filter_map(|change| change.reason.as_deref()).collect();
    assert_eq!(reasons, ["ours", "theirs"]);
    assert_eq!(both.cells[&key("fibonacci/serialize/size")], Entry::Bytes(Bytes(1)));
    assert_eq!(both.cells[&key("zlib/serialize/size")], Entry::Bytes(Bytes(2)));

    let same = with(example(), "zlib/serialize/size", Entry::Bytes(Bytes(3)));
    let (_, text) = merged(&example(), &same, &theirs, &["--union"]);
    let problems = problems_of(&text);
    assert!(problems[0].message.contains("duplicate"), "{problems:?}");
}

#[test]
fn a_cell_is_found_by_its_line() {
    let text = "cells:\n  fib/compile/time: {ratio: 1}\n\n  fib/compile/time-2: {ratio: 1}\n  a/size: {bytes: 1}\n";
    assert_eq!([Some(2), Some(5), None], ["fib/compile/time", "a/size", "fib"].map(|key| line_of(text, key)));
}
