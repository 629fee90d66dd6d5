//! What the gate is for: what was accepted passes, what got worse fails, what breaks costs its own cells.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::{Project, exists, verdicts};

#[test]
fn the_first_run_has_nothing_to_compare_with_and_says_what_to_do() {
    let project = Project::new();
    let ended = project.run(&[]);
    ended.exits(0);
    insta::assert_snapshot!(ended.report(), @r#"
    NEW  nothing to compare with yet: 22 new cells, no baseline

      0 regressed · 22 new

      [machine]

    New: 22 cells (nothing to compare with yet)
      - alpha · tiny (11 cells)
      - beta · tiny (11 cells)

    Composites
      sample  backend      jit  aot-compile  aot-execute
      tiny    alpha    21.4 ms      22.2 ms       622 µs
              beta     21.4 ms      22.2 ms       622 µs

    Trade-off of the backends: multiples of the best, over 1 sample
      backend  compile time  artifact size  compile memory  execution time
      alpha           1.00×          1.00×           1.00×           1.00×
      beta            1.00×          1.00×           1.00×           1.00×

    Notes
      - no baseline for alpha, beta: run `tollgate run --update-baselines` and commit what it writes

    Write the baseline
      tollgate run --update-baselines
    "#);
    assert_eq!(ended.stderr, "results: tollgate-out/results.json\n");
    assert!(exists(&project.work("tollgate-out/results.json")));
    assert!(!exists(&project.work("tollgate-out/journal.jsonl")), "the journal goes when the results are there");
    assert!(!exists(&project.work("baselines")), "a run by itself accepts nothing");
}

#[test]
fn what_was_accepted_passes() {
    let project = Project::accepted();
    for seed in ["3", "4", "5"] {
        let ended = project.tollgate(&["run", "--budget", "1h", "--seed", seed]);
        ended.exits(0).says(&["PASS  no regression in 22 gating cells", "0 regressed · 22 passed"]);
    }
}

#[test]
fn a_planted_slowdown_shows_its_row_and_fails() {
    let project = Project::accepted();
    project.configure("--time, compile=1.5", "", "");
    let ended = project.run(&[]);
    ended.exits(1);
    insta::assert_snapshot!(ended.report(), @r#"
    FAIL  1 of 22 gating cells regressed

      1 regressed · 21 passed

      [machine]

    Regressed
      backend  sample  stage            base     head   change                   limit   used
      alpha    tiny    compile time  20.0 ms  30.0 ms  +50.0 %  [+48.3, +51.8]  14.0 %  357 %
          tolerance 2.0 % + 12.0 % for days
          the artifact has the size that it had
          the memory of the compile has the size that it had
          processor time is 100 % of wall time

    Composites
      sample  backend      jit            aot-compile            aot-execute
      tiny    alpha    31.5 ms   +46.7 %      32.2 ms   +45.1 %       622 µs  -0.001 %
              beta     21.4 ms  -0.004 %      22.2 ms  -0.004 %       622 µs  -0.001 %

    Trade-off of the backends: multiples of the best, over 1 sample
      backend  compile time  artifact size  compile memory  execution time
      alpha           1.50×          1.00×           1.00×           1.00×
      beta            1.00×          1.00×           1.00×           1.00×

    See it again
      tollgate run --sample tiny --backend alpha --stage compile

    Accept it
      tollgate run --update-baselines --reason "why"
    "#);
}

#[test]
fn a_slowdown_within_the_tolerance_passes() {
    let project = Project::accepted();
    project.configure("--time, compile=1.02", "", "");
    project.run(&[]).exits(0).says(&["22 passed"]);
}

#[test]
fn a_slower_machine_is_no_slowdown() {
    let project = Project::accepted();
    project.configure("--machine, 1.7", "--machine, 0.6", "");
    project.run(&[]).exits(0).says(&["22 passed"]);
}

#[test]
fn an_artifact_that_grows_fails_beyond_its_tolerance() {
    let project = Project::accepted();
    project.configure("--size, '+512'", "--size, '+8'", "");
    let ended = project.run(&[]);
    ended.exits(1).says(&["1 regressed · 21 passed", "alpha    tiny    serialize size", "+5.1 %"]);
}

#[test]
fn a_threshold_of_ones_own_holds_and_says_where_it_stands() {
    let project = Project::accepted();
    let rule = "thresholds:\n  - {backend: alpha, stage: compile, metric: time, tolerance: 80%}";
    project.configure("--time, compile=1.5", "--time, compile=1.5", rule);
    let report = project.findings(&[]);
    let of = |backend: &str| {
        let cells = report["cells"].as_array().unwrap();
        let is_it = |cell: &serde_json::Value| {
            cell["backend"] == backend && cell["stage"] == "compile" && cell["metric"] == "time"
        };
        cells.iter().find(|one| is_it(&one["cell"])).unwrap().clone()
    };
    assert_eq!(of("alpha")["verdict"]["verdict"], "pass");
    assert_eq!(of("alpha")["tolerance"]["origin"], "tollgate.yml:11");
    assert_eq!(of("beta")["verdict"]["verdict"], "regressed");
    assert_eq!(of("beta")["tolerance"]["origin"], "default");
}

#[test]
fn what_breaks_is_named_and_costs_its_own_cells() {
    let cases = [
        ("--wrong-answer, verify", "tiny on alpha, execute: wrong output", "expected `6765`, got `6766`"),
        ("--fresh-differs, verify", "tiny on alpha, execute", "fresh `1`, deserialized `2`"),
        ("--abort, compile", "tiny on alpha, compile: the worker was killed by signal 6", ""),
        ("--exit, instantiate", "tiny on alpha, instantiate: the worker", "7"),
        ("--flood, serialize", "tiny on alpha, serialize: the worker flooded its output", "xxxx"),
        ("--nonsense, execute", "tiny on alpha, execute: the worker broke the protocol", r"\u{1b}[31mfine"),
        ("--fail, validate", "tiny on alpha, validate: failed", "invented: not a module"),
        ("--allocate, compile", "tiny on alpha, compile", "memory"),
        ("--hang, serialize", "tiny on alpha, serialize: no answer within 4 s", "the worker was killed"),
        ("--wrong-version, hello", "tiny on alpha", "version 999 of the protocol"),
    ];
    std::thread::scope(|scope| {
        for case in cases {
            scope.spawn(move || breaks(case));
        }
    });
}

fn breaks((deed, headline, detail): (&str, &str, &str)) {
    let project = Project::accepted();
    project.configure(deed, "", "limits: {deadline: 4s, memory: 256 MiB}");
    let ended = project.run(&[]);
    ended.exits(3).says(&[&format!("BROKEN  {headline}"), detail]).warns(&["warning: tiny on alpha is broken: "]);
    assert!(!ended.stdout.contains(|c: char| c.is_control() && c != '\n'), "{ended}");

    let report = project.tollgate(&["report", "tollgate-out", "--format", "json"]);
    let report = serde_json::from_str(&report.exits(0).stdout).unwrap();
    let beta = verdicts(&report, "beta");
    assert_eq!(beta.len(), 11, "{deed}");
    assert!(beta.iter().all(|(_, verdict)| verdict == "pass"), "{deed}: {beta:?}");
    assert!(verdicts(&report, "alpha").iter().any(|(_, verdict)| verdict == "broken"), "{deed}");
}

#[test]
fn broken_outweighs_regressed_and_is_not_for_the_configuration_to_forgive() {
    let project = Project::accepted();
    project.configure("--wrong-answer, verify", "--time, compile=2", "fail-on: []");
    project.run(&[]).exits(3).says(&["BROKEN", "1 broken · 1 regressed"]);
}

#[test]
fn an_engine_that_is_not_there_is_broken_and_the_other_goes_on() {
    let project = Project::accepted();
    let text = project.read("tollgate.yml");
    project.write("fake", "#!/absent\n");
    fs::set_permissions(project.work("fake"), fs::Permissions::from_mode(0o755)).unwrap();
    let engine = text.lines().find(|line| line.starts_with("  one: ")).unwrap();
    project.write("tollgate.yml", text.replace(engine, "  one: {worker: fake}"));
    project.run(&[]).exits(3).says(&["the worker could not be started", "correct the engine's", "11 passed"]);
}

#[test]
fn undecided_cells_fail_where_the_configuration_says_so() {
    let project = Project::accepted();
    // A single launch has no scatter of its own, so nothing can be decided on times.
    let single = ["run", "--seed", "2", "--budget", "1ns"];
    let lenient = project.tollgate(&single);
    lenient.exits(0).says(&["18 inconclusive", "raise --budget"]);
    project.configure("", "", "fail-on: [inconclusive]");
    project
        .tollgate(&single)
        .exits(4)
        .says(&["INCONCLUSIVE  18 of 22 gating cells undecided; fail-on makes that fail"]);
    project.run(&[]).exits(0).says(&["22 passed"]);
}

#[test]
fn a_run_that_only_reports_is_never_green_over_red_rows() {
    let project = Project::accepted();
    project.configure("--time, compile=1.5", "", "fail-on: []");
    project.run(&[]).exits(0).says(&["WARN  ", "1 gating cell regressed", "Regressed\n"]);
}

#[test]
fn another_backend_by_the_same_name_is_judged_but_does_not_gate() {
    let project = Project::accepted();
    let text = project.read("tollgate.yml").replace("args: []}", "args: [--size, '+512']}");
    project
        .write("tollgate.yml", text.replace("compiler: cranelift}", "compiler: cranelift, canonicalize-nans: true}"));
    // The same growth fails on the backend whose options are as they were.
    let ended = project.run(&["--backend", "alpha"]);
    ended.exits(0).says(&["another NaN canonicalisation", "1 advisory cell would have failed"]);
    project.run(&["--backend", "beta"]).exits(1);
}
