//! Accepting: what an update rewrites, what it refuses, and what it leaves on the disk.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::{CALL, Project, exists, verdicts};

#[test]
fn the_first_update_writes_a_file_for_each_backend() {
    let project = Project::new();
    let ended = project.run(&["--update-baselines"]);
    ended.exits(0).warns(&["alpha.yml: 11 added, 0 removed", "beta.yml: 11 added, 0 removed"]);
    assert_eq!(ended.changed_lines(), [""; 0], "a file that is new all over says nothing by its lines");
    assert!(!ended.stdout.contains("--update-baselines\n"), "accepting is no advice any more: {ended}");
    for backend in ["alpha", "beta"] {
        let text = project.read(&project.baseline(backend));
        assert!(text.contains("  tiny/serialize/size: {bytes: 10000}\n"), "{text}");
        assert!(text.ends_with("\nend: true\n"), "{text}");
    }
}

#[test]
fn what_did_not_move_is_not_rewritten() {
    let project = Project::accepted();
    let before = project.read(&project.baseline("alpha"));
    let ended = project.tollgate(&["run", "--budget", "1h", "--seed", "9", "--update-baselines"]);
    ended.exits(0).warns(&["baselines: nothing that may be rewritten moved beyond noise"]);
    assert_eq!(project.read(&project.baseline("alpha")), before);
}

#[test]
fn an_improvement_rewrites_the_lines_that_moved_and_no_other() {
    let project = Project::accepted();
    let (alpha, beta) = (project.read(&project.baseline("alpha")), project.read(&project.baseline("beta")));
    project.configure("--time, compile=0.5", "", "");
    let ended = project.run(&["--update-baselines"]);
    ended.exits(0).says(&["1 improved"]).warns(&["0 added, 0 removed, 1 tightened, 0 loosened"]);

    let new = project.read(&project.baseline("alpha"));
    let gone: Vec<_> = alpha.lines().filter(|line| !new.contains(line)).collect();
    let come: Vec<_> = new.lines().filter(|line| !alpha.contains(line)).collect();
    assert_eq!(gone.len(), 1, "{gone:?}");
    assert!(gone[0].starts_with("  tiny/compile/time: {ratio: 11."), "{gone:?}");
    assert_eq!(come.len(), 2, "{come:?}");
    assert!(come[0].contains("added: 0, removed: 0, tightened: 1, loosened: 0"), "{come:?}");
    assert!(come[1].starts_with("  tiny/compile/time: {ratio: 5."), "{come:?}");
    // What is shown is what happens.
    let shown: Vec<_> = ended.changed_lines().iter().map(|line| line[1..].to_owned()).collect();
    assert_eq!(shown, [come[0], gone[0], come[1]]);
    assert_eq!(project.read(&project.baseline("beta")), beta);
    project.run(&[]).exits(0).says(&["22 passed"]);
}

#[test]
fn loosening_needs_a_reason_and_leaves_every_file_intact_without() {
    let project = Project::accepted();
    let (alpha, beta) = (project.read(&project.baseline("alpha")), project.read(&project.baseline("beta")));
    project.configure("--time, compile=1.5", "--time, compile=0.5", "");
    for reason in [&[][..], &["--reason", "  "]] {
        let ended = project.run(&[&["--update-baselines"], reason].concat());
        ended.exits(2).says(&["Regressed\n"]).warns(&[
            "error: failed to update baselines: ",
            "say why with --reason TEXT",
            "alpha: tiny/compile/time: time ratio 11.",
        ]);
        assert_eq!(project.read(&project.baseline("alpha")), alpha);
        assert_eq!(project.read(&project.baseline("beta")), beta, "all or nothing");
    }

    let why = "the inliner got a \"larger\" budget: #42";
    let ended = project.run(&["--update-baselines", "--reason", why]);
    ended.exits(0).warns(&["warning: loosened on alpha: tiny/compile/time", "0 tightened, 1 loosened", "1 tightened"]);
    let text = project.read(&project.baseline("alpha"));
    assert!(text.contains(r#"reason: "the inliner got a \"larger\" budget: #42""#), "{text}");
    project.run(&[]).exits(0).says(&["22 passed"]);
    project.configure("", "", "");
    project.run(&[]).exits(1).says(&["1 improved", "1 regressed"]);
}

#[test]
fn ci_accepts_nothing_by_itself() {
    let project = Project::new();
    let update = |ci: &str, more: &[&str]| {
        let args = [&["run", "--seed", "2", "--budget", "1h", "--update-baselines"], more].concat();
        let mut command = project.command(&args);
        command.env("CI", ci);
        project.ends(command)
    };
    for ci in ["true", "1", "yes"] {
        update(ci, &[]).refuses(&["--allow-update-in-ci"]);
        assert!(!exists(&project.work("tollgate-out")), "refused before anything is measured");
    }
    for ci in ["", "false", "0"] {
        update(ci, &[]).exits(0);
        fs::remove_dir_all(project.work("baselines")).unwrap();
    }
    update("true", &["--allow-update-in-ci"]).exits(0).warns(&["11 added"]);
    // Comparing is what CI is for.
    let mut command = project.command(&["run", "--seed", "3", "--budget", "1h"]);
    command.env("CI", "true");
    project.ends(command).exits(0).says(&["22 passed"]);
}

#[test]
fn a_vanished_sample_is_missing_and_a_fresh_one_is_new() {
    let project = Project::accepted();
    let other = &format!("  - {{path: tiny.wasm, id: other, {CALL}}}");
    let both = format!("{other}\n  - {{path: tiny.wasm, id: tiny, {CALL}}}");
    project.samples(&both, "", "", "");
    project.run(&[]).exits(0).says(&["22 passed · 22 new", "alpha · other (11 cells)"]);

    project.samples(other, "", "", "");
    project.run(&[]).exits(0).says(&["22 new · 22 missing", "Missing: 22 cells", "alpha · tiny (11 cells)"]);
    project.samples(other, "", "", "fail-on: [missing]");
    project.run(&[]).exits(4);
    // What a filter leaves out is not missing.
    project.run(&["--sample", "other"]).exits(0);

    let removed = ["alpha: tiny/execute/time: ", "nothing: the sample or stage is no longer in the configuration"];
    project.run(&["--update-baselines"]).exits(2).warns(&removed);
    let ended = project.run(&["--update-baselines", "--reason", "retired"]);
    ended.exits(0).warns(&["11 added, 11 removed, 0 tightened, 0 loosened"]);
    assert!(!project.read(&project.baseline("alpha")).contains("tiny/"));
    project.run(&[]).exits(0).says(&["PASS  no regression in 22 gating cells"]);
}

#[test]
fn what_a_backend_cannot_do_is_accepted_and_losing_it_is_a_regression() {
    let project = Project::accepted();
    project.configure("--unsupported, serialize", "", "");
    let lost = project.run(&[]);
    lost.exits(1).says(&["7 regressed", "was supported, and is not any more: invented: no serialize here"]);
    let ended = project.run(&["--update-baselines", "--reason", "dropped"]);
    ended
        .exits(0)
        .warns(&["0 added, 1 removed, 0 tightened, 7 loosened", "→ unsupported (invented: no serialize here)"]);
    let text = project.read(&project.baseline("alpha"));
    assert!(text.contains("tiny/serialize/time: {unsupported: \"invented: no serialize here\"}"), "{text}");
    assert!(!text.contains("tiny/serialize/size"), "{text}");

    let accepted = project.run(&[]);
    accepted.exits(0).says(&["Unsupported: 7 cells", "0 regressed"]);
    assert!(!accepted.stdout.contains("Regressed"), "{accepted}");

    project.configure("", "", "");
    project.run(&[]).exits(0).says(&["8 new", "alpha · tiny (8 cells)"]);
    // Supporting more loosens nothing.
    project.run(&["--update-baselines"]).exits(0).warns(&["1 added, 0 removed, 7 tightened, 0 loosened"]);
    project.run(&[]).exits(0).says(&["22 passed"]);
}

#[test]
fn what_is_broken_is_left_as_it_is_and_the_rest_is_accepted() {
    let project = Project::accepted();
    let alpha = project.read(&project.baseline("alpha"));
    project.configure("--wrong-answer, verify", "--time, compile=0.5", "");
    project.run(&["--update-baselines"]).exits(3).warns(&["beta.yml: 0 added, 0 removed, 1 tightened"]);
    assert_eq!(project.read(&project.baseline("alpha")), alpha);
    project.configure("", "--time, compile=0.5", "");
    project.run(&[]).exits(0).says(&["22 passed"]);
}

#[test]
fn kept_times_go_on_failing() {
    let project = Project::accepted();
    project.configure("--time, compile=1.5, --size, '+512'", "", "");
    let kept = ["--update-baselines", "--keep-times", "--reason", "alignment"];
    let ended = project.run(&kept);
    ended.exits(1).warns(&[
        "1 loosened",
        "alpha: 1 cell of tiny not recorded: times are left as they are",
        "go on failing",
    ]);
    assert!(project.read(&project.baseline("alpha")).contains("tiny/serialize/size: {bytes: 10512}"));
    // With nothing else to accept either.
    project.run(&kept).exits(1).warns(&["nothing that may be rewritten moved", "go on failing"]);
    project.run(&[]).exits(1).says(&["1 regressed · 21 passed"]);
}

#[test]
fn a_filtered_update_touches_only_what_was_selected() {
    let project = Project::accepted();
    let beta = project.read(&project.baseline("beta"));
    project.configure("--time, compile=0.5, --time, execute=0.5", "--time, compile=0.5", "");
    let filters = ["--update-baselines", "--backend", "alpha", "--stage", "compile"];
    project.run(&filters).exits(0).warns(&["1 tightened"]);
    assert_eq!(project.read(&project.baseline("beta")), beta);
    let report = project.findings(&[]);
    let improved = |backend| {
        let all = verdicts(&report, backend).into_iter();
        all.filter(|(_, verdict)| verdict == "improved").map(|(cell, _)| cell).collect::<Vec<_>>()
    };
    assert_eq!((improved("alpha"), improved("beta")), (vec!["execute time".into()], vec!["compile time".into()]));
}

#[test]
fn a_read_only_baseline_is_not_replaced() {
    let project = Project::accepted();
    let path = project.work(&project.baseline("alpha"));
    let before = fs::read(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
    project.configure("--time, compile=0.5", "", "");
    let ended = project.run(&["--update-baselines"]);
    ended.exits(2).says(&["1 improved"]).warns(&["error: failed to write baseline", "is read-only", "chmod u+w"]);
    assert_eq!(fs::read(&path).unwrap(), before);
    assert!(exists(&project.work("tollgate-out/results.json")), "what was measured is kept");
}

#[test]
fn a_baseline_of_no_backend_is_pointed_out() {
    let project = Project::accepted();
    let text = project.read("tollgate.yml").replace("  beta: ", "  gamma: ");
    project.write("tollgate.yml", text);
    let ended = project.run(&[]);
    ended.exits(0).says(&["11 passed · 11 new"]).warns(&["warning: no backend of the configuration reads", "beta.yml"]);
    assert!(!ended.stderr.contains("alpha.yml"), "{ended}");
}

#[test]
fn baselines_may_lie_elsewhere() {
    let project = Project::accepted();
    let mut command = project.command(&["run", "--seed", "2", "--budget", "1h", "--update-baselines"]);
    command.env("TOLLGATE_BASELINES", project.path("elsewhere"));
    project.ends(command).exits(0).warns(&["wrote [project]/elsewhere/", "11 added"]);
    project.configure("--time, compile=0.5", "", "baselines: ../elsewhere");
    project.run(&["--update-baselines"]).exits(0).warns(&["elsewhere/", "1 tightened"]);
    // The folder that is the default was not touched by either.
    project.configure("", "", "");
    project.run(&[]).exits(0).says(&["22 passed"]);
}
