//! The built-in engine behind the command line: no invented figures here, so nothing is said about any of them.

use std::path::Path;

use serde_json::Value;

use super::{Ended, Project, module};

/// Compilers of this build that are quick to start; one round of a tiny module takes under a second on each.
const QUICK: [&str; 4] = ["--backend", "singlepass", "--backend", "cranelift"];

/// Enough for one launch of each pair, and never for a second.
const ONE_ROUND: [&str; 2] = ["--budget", "1ns"];

fn run(project: &Project, args: &[&str]) -> Ended {
    project.tollgate(&[&["run"], &QUICK[..], &ONE_ROUND, args].concat())
}

/// `stage metric` of a sample's cells with a verdict, on one backend.
fn with_verdict(report: &Value, sample: &str, backend: &str, verdict: &str) -> Vec<String> {
    let cells = report["cells"].as_array().unwrap().iter();
    let picked = cells.filter(|one| {
        one["cell"]["sample"] == sample && one["cell"]["backend"] == backend && one["verdict"]["verdict"] == verdict
    });
    picked.map(|one| format!("{} {}", one["cell"]["stage"], one["cell"]["metric"]).replace('"', "")).collect()
}

#[test]
fn a_stranger_gets_from_nothing_to_a_gate() {
    let project = Project::empty();
    project.write("plugins/tiny.wasm", module());
    let first = project.tollgate(&["init", "plugins", "--budget", "1ns"]);
    first.exits(0).says(&["NEW  nothing to compare with yet"]).warns(&[
        "wrote plugins/tollgate.yml with 1 sample;",
        "cranelift.yml: 10 added",
        "llvm.yml: 10 added",
        "singlepass.yml: 10 added",
    ]);
    // How fast anything is on a busy machine is not what is tested.
    let path = "plugins/tollgate.yml";
    let lenient = "\nthresholds: [{metric: time, tolerance: 1000%}, {metric: memory, tolerance: 1000%}]\n";
    project.write(path, project.read(path) + lenient);
    let second = run(&project, &["--config", path, "--format", "json"]);
    let report: Value = serde_json::from_str(&second.exits(0).stdout).unwrap();
    for backend in ["singlepass", "cranelift"] {
        let passed = with_verdict(&report, "tiny", backend, "pass");
        assert!(passed.contains(&"serialize size".to_owned()), "artifacts are the same again: {passed:?}");
    }
    assert_eq!((&report["counts"]["new"], &report["counts"]["missing"]), (&0.into(), &0.into()));
}

#[test]
fn the_smoke_samples_run_through_every_stage_of_every_compiler() {
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("tollgate.yml");
    let project = Project::empty();
    let config = config.display().to_string();
    let args =
        ["run", "--config", &config, "--tier", "smoke", "--budget", "1ns", "--baselines", "none", "--format", "json"];
    let ended = project.tollgate(&args);
    let report: Value = serde_json::from_str(&ended.exits(0).stdout).unwrap();
    let plan: Value = serde_json::from_str(&project.read("tollgate-out/results.json")).unwrap();
    let pairs = plan["header"]["plan"].as_array().unwrap();
    assert!(pairs.len() >= 6, "{pairs:?}");
    for pair in pairs {
        let name = |key: &str| pair[key].as_str().unwrap();
        let new = with_verdict(&report, name("sample"), name("backend"), "new");
        assert_eq!(new.len(), 11, "{pair}: {new:?}");
    }
    assert_eq!(report["run"]["engines"], serde_json::json!(["wasmer 7.4.2"]));
}

#[test]
fn imports_that_nobody_provides_cost_the_execution_alone() {
    let project = Project::empty();
    let text = r#"(module
        (import "env" "log <b>|\n`x`" (func $log (param i32) (result i32)))
        (import "env" "base" (global i32)) (import "env" "memory" (memory 1)) (import "env" "table" (table 1 funcref))
        (func (export "run") (param i32) (result i32) local.get 0 call $log))"#;
    project.write("plugin.wasm", wat::parse_str(text).unwrap());
    let call = "version: 1\nsamples: [{path: plugin.wasm, call: {export: run, args: ['i32:1'], expect: ['i32:1']}}]\n";
    project.write("tollgate.yml", call);
    let ended = run(&project, &[]);
    ended.exits(0).says(&[
        "20 new · 2 unsupported",
        "the module called the import env.log",
        "plugin: nobody provides env.base, ",
    ]);
    let report = project.tollgate(&["report", "tollgate-out", "--format", "json"]);
    let report: Value = serde_json::from_str(&report.stdout).unwrap();
    for backend in ["singlepass", "cranelift"] {
        assert_eq!(with_verdict(&report, "plugin", backend, "unsupported"), ["execute time"]);
        assert_eq!(with_verdict(&report, "plugin", backend, "new").len(), 10);
    }
    // Accepted, it is neither red nor yellow.
    run(&project, &["--update-baselines"]).exits(0);
    run(&project, &["--format", "json"]).exits(0).says(&["\"regressed\": 0", "\"broken\": 0"]);
    let markdown = project.tollgate(&["report", "tollgate-out", "--format", "markdown"]);
    assert!(!markdown.exits(0).stdout.contains("<b>"), "{markdown}");
}

#[test]
fn a_truncated_module_is_broken_and_the_others_are_measured() {
    let project = Project::empty();
    let whole = module();
    project.write("cut.wasm", &whole[..whole.len() - 3]);
    project.write("good.wasm", whole);
    project.write("tollgate.yml", "version: 1\nsamples: [cut.wasm, good.wasm]\n");
    let ended = run(&project, &[]);
    ended.exits(3).says(&["BROKEN  2 pairs", "cut · validate: failed", "not a valid module", "20 new"]);
    ended.warns(&["warning: cut on singlepass is broken: validate: "]);
}

#[test]
fn outputs_are_checked_against_what_the_sample_promises() {
    let project = Project::empty();
    project.write("tiny.wasm", module());
    let trap = wat::parse_str(r#"(module (func (export "run") unreachable))"#).unwrap();
    project.write("trap.wasm", trap);
    let samples = "
  - {path: tiny.wasm, id: right, call: {export: run, expect: ['i32:42']}}
  - {path: tiny.wasm, id: wrong, call: {export: run, expect: ['i32:43']}}
  - {path: tiny.wasm, id: nobody, call: {export: absent}}
  - {path: trap.wasm, id: trap, call: {export: run}}";
    project.write("tollgate.yml", format!("version: 1\nsamples:{samples}\nbackends: {{cranelift: {{}}}}\n"));
    let ended = project.tollgate(&["run", "--stage", "execute", "--stage", "validate", "--budget", "1ns"]);
    ended.exits(3).says(&["wrong · execute: wrong output", "42", "43", "trap · execute", "nobody · execute", "absent"]);
    let report = project.tollgate(&["report", "tollgate-out", "--format", "json"]);
    let report: Value = serde_json::from_str(&report.stdout).unwrap();
    let of = |sample| {
        (with_verdict(&report, sample, "cranelift", "new"), with_verdict(&report, sample, "cranelift", "broken"))
    };
    let execute = || vec!["execute time".to_owned()];
    let validate = || vec!["validate time".to_owned()];
    assert_eq!(of("right"), ([validate(), execute()].concat(), vec![]));
    for sample in ["wrong", "nobody", "trap"] {
        assert_eq!(of(sample), (validate(), execute()), "{sample}");
    }
}

#[test]
fn modules_are_measured_without_any_configuration() {
    let project = Project::empty();
    project.write("tiny.wasm", module());
    run(&project, &["--sample", "tiny.wasm"]).exits(0).says(&["20 new", "not executed", "tiny"]);
}

#[test]
fn a_command_reads_its_input_and_is_held_to_its_output() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/word-count");
    let project = Project::empty();
    for name in ["word-count.wasm", "input.txt", "expected.txt"] {
        project.write(name, std::fs::read(folder.join(name)).unwrap());
    }
    project.write("other.txt", "something else\n");
    let described = std::fs::read_to_string(folder.join("sample.yml")).unwrap();
    project.write("word-count.yml", &described);
    let wrong = described.replace("stdout: expected.txt", "stdout: other.txt");
    assert_ne!(wrong, described);
    project.write("wrong.yml", format!("module: word-count.wasm\n{wrong}"));
    project.write("tollgate.yml", "version: 1\nsamples: [word-count.yml, wrong.yml]\nbackends: {singlepass: {}}\n");
    let ended = project.tollgate(&["run", "--stage", "execute", "--budget", "1ns", "--format", "json"]);
    let report: Value = serde_json::from_str(&ended.exits(3).stdout).unwrap();
    assert_eq!(with_verdict(&report, "word-count", "singlepass", "new"), ["execute time"]);
    assert_eq!(with_verdict(&report, "wrong", "singlepass", "broken"), ["execute time"]);
    assert_eq!(report["failures"][0]["failure"]["kind"], "wrong-output");
}
