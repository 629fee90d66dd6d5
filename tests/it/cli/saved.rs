//! Judging and reporting what a run left: the same again, elsewhere, by other baselines and thresholds, or not at all.

use std::fs;

use serde_json::Value;

use super::Project;

/// A project whose last run regressed.
fn regressed() -> Project {
    let project = Project::accepted();
    project.configure("--time, compile=1.5", "", "");
    project.run(&[]).exits(1);
    project
}

#[test]
fn judging_again_says_the_same_and_reporting_only_shows_it() {
    let project = Project::accepted();
    project.configure("--time, compile=1.5", "", "");
    let run = project.run(&[]);
    for path in ["tollgate-out", "tollgate-out/results.json"] {
        let judged = project.tollgate(&["judge", path]);
        assert_eq!((&judged.code, &judged.stdout, &*judged.stderr), (&Some(1), &run.stdout, ""));
        let reported = project.tollgate(&["report", path]);
        assert_eq!((&reported.code, &reported.stdout, &*reported.stderr), (&Some(0), &run.stdout, ""));
    }
}

#[test]
fn a_saved_run_needs_nothing_but_its_file() {
    let project = regressed();
    let elsewhere = Project::empty();
    elsewhere.write("copy.json", project.read("tollgate-out/results.json"));
    let before = project.tollgate(&["judge", "tollgate-out"]).stdout.clone();
    drop(project);
    let judged = elsewhere.tollgate(&["judge", "copy.json"]);
    judged.exits(1);
    assert_eq!(judged.stdout, before);
}

#[test]
fn the_formats_tell_the_same() {
    let project = regressed();
    let report = |format| project.tollgate(&["report", "tollgate-out", "--format", format]);
    let json: Value = serde_json::from_str(&report("json").exits(0).stdout).unwrap();
    assert_eq!((&json["version"], &json["outcome"]), (&1.into(), &"regressed".into()));
    assert_eq!((&json["counts"]["regressed"], &json["counts"]["pass"]), (&1.into(), &21.into()));
    report("markdown").exits(0).says(&["## ❌ FAIL: 1 of 22 gating cells regressed", "| alpha\u{a0}· tiny", "```sh\n"]);
    let verbose = project.tollgate(&["report", "tollgate-out", "--verbose"]);
    verbose.exits(0).says(&["All cells", "deserialize-headless-file time"]);
}

#[test]
fn other_baselines_and_other_thresholds_decide_anew() {
    let project = regressed();
    project.run(&["--update-baselines", "--baselines", "slower", "--out", "other"]).exits(0);
    project.tollgate(&["judge", "tollgate-out"]).exits(1);
    project.tollgate(&["judge", "tollgate-out", "--baselines", "slower"]).exits(0).says(&["22 passed"]);

    project.write("lenient.yml", project.read("tollgate.yml") + "thresholds: [{metric: time, tolerance: 90%}]\n");
    project.tollgate(&["judge", "tollgate-out", "--config", "lenient.yml"]).exits(0).says(&["22 passed"]);
    project.write("quiet.yml", project.read("tollgate.yml") + "fail-on: []\n");
    project.tollgate(&["judge", "tollgate-out", "--config", "quiet.yml"]).exits(0).says(&["WARN", "1 regressed"]);
}

#[test]
fn what_one_judges_by_must_be_there() {
    let project = regressed();
    // Nothing to compare with would be a pass.
    project.tollgate(&["judge", "tollgate-out", "--baselines", "typo"]).refuses(&["no folder typo", "--baselines"]);
    project.tollgate(&["judge", "tollgate-out", "--config", "typo.yml"]).refuses(&["typo.yml"]);
    project.write("wrong.yml", project.read("tollgate.yml") + "fail-no: []\n");
    let ended = project.tollgate(&["judge", "tollgate-out", "--config", "wrong.yml"]);
    ended.refuses(&["wrong.yml:11:1: unknown key `fail-no`", "did you mean `fail-on`"]);
}

#[test]
fn what_is_no_result_of_this_version_is_refused_with_its_position() {
    let project = regressed();
    let good = project.read("tollgate-out/results.json");
    let of_version = |version: &str, tollgate: &str| {
        let text = good.replacen("\"version\":1", &format!("\"version\":{version}"), 1);
        text.replacen(
            &format!("\"tollgate\":\"{}\"", env!("CARGO_PKG_VERSION")),
            &format!("\"tollgate\":\"{tollgate}\""),
            1,
        )
    };
    project.write("newer.json", of_version("2", "9.9.9"));
    project.write("older.json", of_version("0", "0.0.1"));
    project.write("cut.json", &good[..good.len() / 2]);
    project.write("text.json", "hello\n");
    project.write("other.json", "{\"name\": \"not ours\"}\n");
    project.write("empty.json", "");
    fs::create_dir(project.work("folder")).unwrap();
    let cases: [(&str, &[&str]); 8] = [
        ("newer.json", &["format 2 (written by tollgate 9.9.9), newer than the 1", "use tollgate 9.9.9 or newer"]),
        ("older.json", &["format 0 (written by tollgate 0.0.1), older than the 1", "or run again"]),
        ("cut.json", &["`cut.json`:1:", "is it complete"]),
        ("text.json", &["`text.json`:1:1: "]),
        ("other.json", &["`other.json`:1:"]),
        ("empty.json", &["is empty"]),
        ("folder", &["holds neither results.json nor journal.jsonl", "--out"]),
        ("absent.json", &["read `absent.json`: No such file or directory"]),
    ];
    for (name, words) in cases {
        for command in ["judge", "report"] {
            let ended = project.tollgate(&[command, name]);
            ended.refuses(&["error: failed to read the results of a run"]).warns(words);
        }
    }
}
