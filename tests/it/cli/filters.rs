//! What the filters take, as `tollgate list` and `tollgate run` have it.

use serde_json::Value;

use super::{CALL, Project, exists, module};

/// Samples of all three tiers.
fn suite() -> Project {
    let project = Project::new();
    let sample = |id: &str, tier: &str| format!("  - {{path: tiny.wasm, id: {id}, tier: {tier}, {CALL}}}\n");
    let samples = [("fib/quick", "smoke"), ("fib/slow", "pr"), ("heavy", "full")].map(|(id, tier)| sample(id, tier));
    project.samples(samples.concat().trim_end(), "", "", "");
    project
}

/// What a plan takes: `sample backend` of each pair, and the stages of the first.
fn plan(project: &Project, args: &[&str]) -> (Vec<String>, Vec<String>) {
    let ended = project.tollgate(&[&["list", "--format", "json"], args].concat());
    let plan: Value = serde_json::from_str(&ended.exits(0).stdout).unwrap();
    assert_eq!(plan["version"], 1);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let pairs = plan["pairs"].as_array().unwrap();
    let names = pairs.iter().map(|pair| format!("{} {}", text(&pair["sample"]), text(&pair["backend"]))).collect();
    (names, pairs[0]["stages"].as_array().unwrap().iter().map(text).collect())
}

fn pairs(project: &Project, args: &[&str]) -> Vec<String> {
    plan(project, args).0
}

#[test]
fn a_tier_takes_the_smaller_ones_along() {
    let project = suite();
    assert_eq!(pairs(&project, &["--tier", "smoke"]), ["fib/quick alpha", "fib/quick beta"]);
    assert_eq!(pairs(&project, &[]).len(), 4);
    assert_eq!(pairs(&project, &["--tier", "full"]).len(), 6);
    let mut command = project.command(&["list", "--format", "json"]);
    command.env("TOLLGATE_TIER", "smoke");
    assert!(!project.ends(command).exits(0).stdout.contains("fib/slow"));
}

#[test]
fn samples_are_taken_by_id_and_glob_whatever_their_tier() {
    let project = suite();
    assert_eq!(pairs(&project, &["--sample", "heavy"]), ["heavy alpha", "heavy beta"]);
    assert_eq!(pairs(&project, &["--sample", "fib/*", "--backend", "beta"]), ["fib/quick beta", "fib/slow beta"]);
    assert_eq!(pairs(&project, &["--sample", "*quick", "--sample", "h*", "--backend", "al*"]).len(), 2);
}

#[test]
fn samples_are_taken_by_path_beside_those_configured() {
    let project = suite();
    for name in ["build/filter.wasm", "build/[odd]*.wasm", "build/deep/more.wasm"] {
        project.write(name, module());
    }
    let args = ["--backend", "alpha", "--sample"];
    assert_eq!(pairs(&project, &[&args[..], &["build/filter.wasm"]].concat()), ["filter alpha"]);
    assert_eq!(pairs(&project, &[&args[..], &["./build/deep"]].concat()), ["more alpha"]);
    let absolute = project.work("build/filter.wasm").display().to_string();
    assert_eq!(pairs(&project, &[&args[..], &[&absolute, "--sample", "heavy"]].concat()).len(), 2);
    // A name that is no id is refused with an example of one, not measured under another name.
    project.tollgate(&["list", "--sample", "build/[odd]*.wasm"]).refuses(&["`[odd]*`", "id: odd"]);
}

#[test]
fn a_path_needs_no_configuration() {
    let project = Project::empty();
    project.write("filter.wasm", module());
    assert_eq!(pairs(&project, &["--sample", "filter.wasm"]), ["filter cranelift", "filter llvm", "filter singlepass"]);
    project.tollgate(&["list", "--sample", "other.wasm"]).refuses(&["no tollgate.yml in", "tollgate init", "--config"]);
}

#[test]
fn stages_are_taken_by_name_glob_and_composite() {
    let project = suite();
    let stages = |stage: &str| plan(&project, &["--stage", stage]).1;
    assert_eq!(stages("serialize"), ["serialize"]);
    assert_eq!(stages("jit"), ["validate", "compile", "instantiate", "execute"]);
    assert_eq!(stages("aot-execute"), ["deserialize", "instantiate", "execute"]);
    assert_eq!(stages("deserialize*").len(), 4);
    assert_eq!(plan(&project, &[]).1.len(), 10);
}

#[test]
fn a_filter_that_matches_nothing_lists_what_there_is() {
    let project = suite();
    let cases: [(&[&str], &[&str]); 7] = [
        (&["--sample", "fob"], &["--sample `fob` matches nothing", "fib/quick, fib/slow, heavy"]),
        // One glob that matches does not excuse another.
        (&["--sample", "heavy", "--sample", "x*"], &["--sample `x*` matches nothing"]),
        (&["--backend", "gamma"], &["--backend `gamma` matches nothing", "alpha, beta"]),
        (&["--stage", "link"], &["--stage `link` matches nothing", "validate, compile", "aot-total"]),
        (&["--sample", "a\u{1b}\nb"], &[r"`a\u{1b}\nb` matches nothing"]),
        (&["--sample", "\u{1b}[31m\nb"], &[r"`\u{1b}[31m\nb` is not a glob"]),
        (&["--sample", "fib[", "--tier", "full"], &["`fib[` is not a glob"]),
    ];
    for (args, words) in cases {
        for command in ["run", "list"] {
            project.tollgate(&[&[command], args].concat()).refuses(words);
        }
    }
    project.samples("  - {path: tiny.wasm, id: heavy, tier: full}", "", "", "");
    project.tollgate(&["run"]).refuses(&["no sample belongs to the tier `pr`", "--tier"]);
    assert!(!exists(&project.work("tollgate-out")));
}

#[test]
fn a_filtered_run_measures_and_judges_what_was_selected() {
    let project = suite();
    project.run(&["--tier", "full", "--update-baselines"]).exits(0).warns(&["alpha.yml: 33 added"]);
    let filters = ["--sample", "fib/*", "--backend", "alpha", "--stage", "aot-compile"];
    let report = project.findings(&filters);
    // Validate, compile with its memory, and serialize with its size, of two samples.
    assert_eq!(report["counts"]["pass"], 2 * 5);
    assert_eq!(report["counts"]["missing"], 0);
    assert_eq!(report["run"]["settings"]["sample_globs"], serde_json::json!(["fib/*"]));
    assert_eq!(report["spending"]["launches"], 2 * 5);
}

#[test]
fn the_list_tells_samples_sizes_tiers_and_costs() {
    let project = suite();
    let before = project.tollgate(&["list", "--tier", "full"]);
    before.exits(0).says(&[
        "sample          size   tier         alpha          beta\n",
        "3 samples × 2 backends, 6 launches a round, 60 stages to time",
        "? for 6 pairs without a baseline yet",
    ]);
    project.run(&["--tier", "smoke", "--update-baselines"]).exits(0);
    let after = project.tollgate(&["list", "--sample", "fib/quick", "--backend", "beta"]);
    after.exits(0).says(&["1 sample × 1 backend, 1 launch a round, 10 stages", "One round takes about "]);
    assert!(!after.stdout.contains('?'), "{after}");
    assert_eq!(after.stderr, "");
    assert!(exists(&project.work("tollgate-out")));
    let plan: Value = serde_json::from_str(&project.tollgate(&["list", "--format", "json"]).stdout).unwrap();
    let costs: Vec<_> = plan["pairs"].as_array().unwrap().iter().map(|pair| pair["launch_seconds"].as_f64()).collect();
    assert!(matches!(costs[..], [Some(a), Some(b), None, None] if a > 0.0 && b > 0.0), "{costs:?}");
}

#[test]
fn the_configuration_is_found_above_and_speaks_of_its_own_folder() {
    let project = Project::accepted();
    project.write("deep/er/.keep", "");
    let below = |args: &[&str]| {
        let mut command = project.command(args);
        command.current_dir(project.work("deep/er"));
        project.ends(command)
    };
    below(&["run", "--seed", "2", "--budget", "1h"]).exits(0).says(&["22 passed"]);
    assert!(exists(&project.work("deep/er/tollgate-out/results.json")), "results lie where the command was given");
    below(&["list", "--config", "../../tollgate.yml"]).exits(0).says(&["1 sample × 2 backends"]);
    let mut command = project.command(&["list"]);
    command.current_dir(project.path("")).env("TOLLGATE_CONFIG", "work/tollgate.yml");
    project.ends(command).exits(0).says(&["1 sample × 2 backends"]);
}
