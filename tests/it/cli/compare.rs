//! Two saved runs side by side: exact metrics decide, times are shown, and what differs is named.

use serde_json::Value;

use super::{Project, exists};

/// A project with two runs: `a` as it was, and `b` with the arguments given to the engine of `alpha`.
fn two_runs(alpha: &str, rest: &str) -> Project {
    let project = Project::new();
    project.run(&["--out", "a"]).exits(0);
    project.configure(alpha, "", rest);
    project.run(&["--out", "b"]);
    project
}

#[test]
fn runs_of_the_same_code_pass_and_touch_nothing() {
    let project = two_runs("", "");
    let before = project.read("b/results.json");
    let ended = project.tollgate(&["compare", "a", "b/results.json"]);
    ended.exits(0).says(&[
        "PASS  no regression in 4 gating cells",
        "\n  A      20",
        "\n  B      20",
        "Times, for information",
    ]);
    assert_eq!(ended.stderr, "");
    assert!(!ended.stdout.contains("A and B differ"), "{ended}");
    assert_eq!(project.read("b/results.json"), before);
    assert!(!exists(&project.work("baselines")));
}

#[test]
fn a_larger_artifact_fails_and_the_way_back_improves() {
    let project = two_runs("--size, '+512'", "");
    let ended = project.tollgate(&["compare", "a", "b"]);
    ended.exits(1).says(&[
        "FAIL  1 of 4 gating cells regressed",
        "serialize size",
        "A and B differ\n  - backend alpha: engine: ",
    ]);
    project.tollgate(&["compare", "b", "a"]).exits(0).says(&["1 improved"]);
    project.write("lenient.yml", project.read("tollgate.yml") + "thresholds: [{metric: size, tolerance: 90%}]\n");
    project.tollgate(&["compare", "a", "b", "--config", "lenient.yml"]).exits(0).says(&["4 passed"]);
}

#[test]
fn slower_is_shown_and_decides_nothing() {
    let elsewhere = tempfile::tempdir().unwrap();
    let log = elsewhere.path().join("secret/log");
    let project = two_runs(&format!("--time, compile=1.5, --odd, '{}'", log.display()), "");
    let ended = project.tollgate(&["compare", "a", "b"]);
    ended.exits(0).says(&["tiny    alpha    compile time ", "+50.0 %"]);
    let json = project.tollgate(&["compare", "a", "b", "--format", "json"]);
    let json: Value = serde_json::from_str(&json.exits(0).stdout).unwrap();
    let cells = json["cells"].as_array().unwrap();
    let compile = cells.iter().find(|one| {
        one["cell"]["backend"] == "alpha" && one["cell"]["stage"] == "compile" && one["cell"]["metric"] == "time"
    });
    let compile = compile.unwrap();
    assert_eq!((&compile["gating"]["gating"], &compile["verdict"]["verdict"]), (&"information".into(), &"pass".into()));
    assert!((compile["change"]["relative"].as_f64().unwrap() - 0.5).abs() < 0.02, "{compile}");
    assert_eq!(json["compared"]["differences"].as_array().unwrap().len(), 1);
    assert!(!json.to_string().contains("secret"), "paths are nobody's business");
    let markdown = project.tollgate(&["compare", "a", "b", "--format", "markdown"]);
    markdown.exits(0).says(&["## ✅ PASS", "### A and B differ\n\n- backend alpha: engine: ", "| A → B |"]);
}

#[test]
fn what_broke_is_broken_and_what_was_supported_must_stay_so() {
    let project = two_runs("--wrong-answer, verify", "");
    project.tollgate(&["compare", "a", "b"]).exits(3).says(&["BROKEN  tiny on alpha, execute: wrong output"]);
    project.tollgate(&["compare", "b", "a"]).exits(0).says(&["in A, tiny on alpha was broken: wrong output"]);
    let project = two_runs("--unsupported, execute", "");
    project.tollgate(&["compare", "a", "b"]).exits(1).says(&["was supported, and is not any more"]);
    project.tollgate(&["compare", "b", "a"]).exits(0);
}

#[test]
fn cells_of_one_run_only_are_named() {
    let project = Project::new();
    project.run(&["--out", "both"]).exits(0);
    project.run(&["--out", "one", "--backend", "alpha"]).exits(0);
    project.tollgate(&["compare", "both", "one"]).exits(0).says(&["2 passed", "backend beta: measured → not measured"]);
    project.tollgate(&["compare", "one", "both"]).exits(0).says(&["in B only", "New: 11 cells (measured in B only)"]);
    project.run(&["--out", "other", "--backend", "beta"]).exits(0);
    // Nothing in common would be a pass.
    project.tollgate(&["compare", "one", "other"]).refuses(&["measured no sample on a backend that both have"]);
}

#[test]
fn a_journal_will_do_and_what_is_no_run_is_refused() {
    let project = two_runs("", "");
    let results: Value = serde_json::from_str(&project.read("b/results.json")).unwrap();
    let launches = results["launches"].as_array().unwrap();
    let lines: Vec<String> = [&results["header"]].into_iter().chain(launches).map(Value::to_string).collect();
    project.write("died/journal.jsonl", lines.join("\n") + "\n");
    project.tollgate(&["compare", "a", "died"]).exits(0).says(&["INCOMPLETE", "4 passed"]);
    project.tollgate(&["compare", "died", "a"]).exits(0).says(&["A died: it has what its journal holds"]);
    project.tollgate(&["compare", "a", "absent"]).refuses(&["read `absent`"]);
    project.tollgate(&["compare", "absent", "a"]).refuses(&["read `absent`"]);
    project.tollgate(&["compare", "a", "b", "--config", "typo.yml"]).refuses(&["typo.yml"]);
}
