//! Where results go, and what happens when they cannot: nothing that was measured is lost without a word.

use std::fs;
use std::process::Command;

use super::signals::Held;
use super::{Project, exists};

#[test]
fn an_output_folder_that_cannot_be_is_refused_before_anything_is_measured() {
    let project = Project::new();
    project.write("file", "precious");
    let begun = "error: failed to begin the journal of the run";
    let remedy = "choose another folder with --out";
    for out in ["file", "file/below"] {
        let ended = project.run(&["--out", out]);
        ended.refuses(&[begun, "something of another kind stands in the way", remedy]);
        assert_eq!(ended.stderr.matches("os error").count(), 1, "a cause is told once: {ended}");
    }
    assert_eq!(project.read("file"), "precious");
    // A folder that takes no files: not from its owner's process without the permission, and not from root either.
    project.run(&["--out", "/proc/tollgate-out"]).refuses(&[begun, remedy]);
    fs::create_dir_all(project.work("taken/journal.jsonl")).unwrap();
    project.run(&["--out", "taken"]).refuses(&[begun, remedy]);
}

#[test]
fn a_read_only_folder_is_refused_before_anything_is_measured() {
    use std::os::unix::fs::PermissionsExt;
    let project = Project::new();
    let folder = project.work("out");
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o555)).unwrap();
    let ended = project.run(&["--out", "out"]);
    if rustix::process::geteuid().is_root() {
        // Permissions do not bind root, for whom the folder is as good as any other.
        ended.exits(0);
    } else {
        ended.refuses(&["Permission denied", "allow writing there, or choose another folder with --out"]);
    }
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_full_disk_costs_the_file_and_not_the_report() {
    let project = Project::accepted();
    project.configure("--time, compile=1.5", "", "");
    // A limit on the size of any file stands in for the disk: the header of a journal fits, a launch does not, wherever
    // `sh` counts in blocks of 512 bytes or of 1024.
    let run = format!("ulimit -f 24; exec {} run --seed 2 --budget 1h --out full", env!("CARGO_BIN_EXE_tollgate"));
    let mut command = Command::new("sh");
    command.args(["-c", &run]).current_dir(project.work("")).env("TMPDIR", project.path("tmp"));
    let ended = project.ends(command);
    ended.exits(2).says(&["FAIL  1 of 22 gating cells regressed", "+50"]).warns(&[
        "warning: going on without a journal: write `full/journal.jsonl`: File too large",
        "error: failed to save the results in full; the report is all there is",
        "choose another folder with --out",
    ]);
    assert_eq!(ended.stderr.matches("without a journal").count(), 1, "said once: {ended}");
    assert!(!exists(&project.work("full/results.json")), "there is a whole file or none");
    // What lies there is a header, which the judge takes for what it is.
    project.tollgate(&["judge", "full"]).exits(0).says(&["INCOMPLETE"]).warns(&["journal"]);
}

#[test]
fn results_that_cannot_be_saved_in_their_place_are_saved_elsewhere() {
    let project = Project::accepted();
    let held = Held::start(&project, &["run", "--seed", "2", "--budget", "1h", "--out", "out"]);
    fs::rename(project.work("out"), project.work("moved")).unwrap();
    project.write("out", "in the way");
    let ended = held.let_go();
    ended.exits(2).says(&["BROKEN  "]).warns(&["error: failed to save the results in out; they are in [project]/tmp/"]);
    let (_, path) = ended.stderr.split_once("they are in [project]/").unwrap();
    let path = project.path(path.lines().next().unwrap()).display().to_string();
    let judged = project.tollgate(&["judge", &path]);
    judged.exits(3);
    assert_eq!(judged.stdout, ended.stdout);
}

#[test]
fn one_run_writes_to_a_folder_at_a_time() {
    let project = Project::accepted();
    let held = Held::start(&project, &["run", "--seed", "2", "--budget", "1h"]);
    let second = project.command(&["run", "--seed", "2", "--backend", "alpha"]).output().unwrap();
    let errors = String::from_utf8(second.stderr).unwrap();
    assert_eq!(second.status.code(), Some(2), "{errors}");
    assert!(errors.contains("is being written by another run") && errors.contains("--out"), "{errors}");
    held.let_go().exits(3).says(&["12 passed"]);
}

#[test]
fn a_baseline_that_changed_meanwhile_is_not_overwritten() {
    let project = Project::accepted();
    project.configure("--time, compile=0.5", "", "");
    let held = Held::start(&project, &["run", "--seed", "2", "--budget", "1h", "--update-baselines"]);
    let path = project.baseline("alpha");
    let changed = project.read(&path).replace("{bytes: 10000}", "{bytes: 9999}");
    project.write(&path, &changed);
    held.let_go().exits(2).warns(&["error: failed to write baseline ", "it was changed while the run was measuring"]);
    assert_eq!(project.read(&path), changed);
}

#[test]
fn results_of_the_last_run_replace_those_before() {
    let project = Project::accepted();
    let first = project.read("tollgate-out/results.json");
    project.run(&["--backend", "alpha"]).exits(0);
    let second = project.read("tollgate-out/results.json");
    assert_ne!(first, second);
    project.tollgate(&["judge", "tollgate-out"]).exits(0).says(&["11 passed"]);
    let names = fs::read_dir(project.work("tollgate-out")).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(names.collect::<Vec<_>>(), ["results.json"]);
}
