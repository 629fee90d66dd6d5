//! Runs with a base, decided: what is slower than the base is red, what is not passes, and a broken base costs the comparison only.

use serde_json::Value;

use super::base::Repository;
use super::{Ended, verdicts};

/// A repository in which alpha's engine was committed with some arguments and now has others.
fn changed(before: &str, after: &str) -> Repository {
    let repository = Repository::new();
    repository.project.configure(before, "", "");
    repository.commit();
    repository.project.configure(&unlike(after), "", "");
    repository
}

/// Arguments of an engine whose figures scatter otherwise than those of the base.
fn unlike(arguments: &str) -> String {
    format!("--luck, 1{}{arguments}", if arguments.is_empty() { "" } else { ", " })
}

fn report(ended: &Ended) -> Value {
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended}"))
}

/// The gating time cells of alpha that have a verdict, without their metric.
fn with(verdict: &str, report: &Value) -> Vec<String> {
    let cells = verdicts(report, "alpha").into_iter().filter(|(_, own)| own == verdict);
    cells.map(|(name, _)| name).filter(|name| name.ends_with(" time")).collect()
}

#[test]
fn four_per_cent_against_the_base_are_red_without_any_baseline() {
    let repository = changed("", "--time, compile=1.04");
    let ended = repository.run(&["--base-ref", "main", "--format", "json"]);
    ended.exits(1);
    let report = report(&ended);
    assert_eq!(with("regressed", &report), ["compile time"], "{ended}");
    assert_eq!(with("pass", &report).len(), 8, "{ended}");
    let cells = report["cells"].as_array().unwrap();
    let is_it = |one: &&Value| one["verdict"]["verdict"] == "regressed";
    let red = cells.iter().find(is_it).unwrap();
    assert_eq!(red["against"], "base");
    let change = red["change"]["relative"].as_f64().unwrap();
    assert!((change - 0.04).abs() < 0.003, "{red}");
    // Of beta nothing changed, and nothing was launched.
    assert!(cells.iter().filter(|one| one["cell"]["backend"] == "beta").all(|one| one["launches"] == 0), "{ended}");
}

#[test]
fn one_per_cent_is_within_the_tolerance_and_passes() {
    let repository = changed("", "--time, compile=1.01");
    let ended = repository.run(&["--base-ref", "main"]);
    ended.exits(0).says(&["PASS", "main"]);
}

#[test]
fn what_was_slower_before_passes_with_its_figure() {
    let repository = changed("--time, compile=1.08", "");
    let ended = repository.run(&["--base-ref", "main", "--format", "json"]);
    ended.exits(0);
    // It passes at the first look, and what passed gets no more launches to be called an improvement.
    let report = report(&ended);
    let cells = report["cells"].as_array().unwrap();
    let is_it = |one: &&Value| {
        let cell = &one["cell"];
        cell["backend"] == "alpha" && cell["stage"] == "compile" && cell["metric"] == "time"
    };
    let change = cells.iter().find(is_it).unwrap()["change"]["relative"].as_f64().unwrap();
    assert!((change - (1.0 / 1.08 - 1.0)).abs() < 0.005, "{change}");
    assert_eq!(with("pass", &report).len() + with("improved", &report).len(), 9, "{ended}");
}

#[test]
fn a_rebuilt_engine_is_allowed_what_a_relink_moves() {
    let repository = changed("", "--time, compile=1.03");
    let allowed = "layout-allowance: {compile: 6%}";
    repository.project.configure(&unlike("--time, compile=1.03"), "", allowed);
    let ended = repository.run(&["--base-ref", "main", "--format", "json"]);
    ended.exits(0);
    assert_eq!(with("inconclusive", &report(&ended)), ["compile time"], "{ended}");
    assert!(ended.stdout.contains("time-alone"), "{ended}");
}

#[test]
fn a_broken_base_costs_the_comparison_and_nothing_else() {
    let repository = changed("--abort, compile", "");
    let ended = repository.run(&["--base-ref", "main", "--format", "json"]);
    ended.exits(0).warns(&["the base of tiny on alpha is broken", "the head goes on alone"]);
    let report = report(&ended);
    assert_eq!(with("broken", &report), Vec::<String>::new(), "{ended}");
    // What the base measured before it broke is compared; of the rest there is no baseline either.
    assert_eq!(with("new", &report).len(), 8, "{ended}");
}

#[test]
fn a_broken_head_is_broken_whatever_the_base_is() {
    let repository = changed("", "--abort, compile");
    let ended = repository.run(&["--base-ref", "main"]);
    ended.exits(3).warns(&["tiny on alpha is broken: compile"]);
}
