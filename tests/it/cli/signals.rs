//! Kills and interruptions in the middle of a run: what was measured is kept, and no worker is left.

use std::fs;
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::{Ended, Project, exists};
use crate::support::{group, wait_for};

/// A run that has measured one pair, and is held up by the worker of the other one, which hangs.
pub struct Held<'p> {
    project: &'p Project,
    run: Option<Child>,
    worker: i32,
}

impl<'p> Held<'p> {
    /// Starts a command; the seed 2 takes `alpha` first, and `beta` is made to hang.
    pub fn start(project: &'p Project, args: &[&str]) -> Self {
        let pid_file = project.path("pid");
        _ = fs::remove_file(&pid_file);
        let held = format!("args: [--hang, serialize, --pid-file, '{}']", pid_file.display());
        let text = project.read("tollgate.yml");
        let line = text.lines().find(|line| line.starts_with("  two: ")).unwrap();
        project.write("tollgate.yml", text.replace(line, &line.replace("args: []", &held)));
        let mut command = project.command(args);
        let run = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let worker = wait_for("the worker that hangs", || fs::read_to_string(&pid_file).ok()?.parse().ok());
        wait_for("the hang itself", || catches_termination(worker).then_some(()));
        Self { project, run: Some(run), worker }
    }

    fn send(&self, signal: Signal) {
        kill_process(Pid::from_child(self.run.as_ref().unwrap()), signal).unwrap();
    }

    fn ends(mut self) -> Ended {
        self.project.ended(self.run.take().unwrap().wait_with_output().unwrap())
    }

    /// Kills the worker, so that the run goes on without it.
    pub fn let_go(self) -> Ended {
        kill_process(Pid::from_raw(self.worker).unwrap(), Signal::KILL).unwrap();
        self.ends()
    }

    fn assert_no_worker(project: &Project, worker: i32) {
        wait_for("the end of the worker", || group(worker).is_empty().then_some(()));
        // Not by its number alone: nothing that was started with this project's path may live on.
        let unique = project.path("pid").display().to_string();
        wait_for("the end of all workers", || with_argument(&unique).is_empty().then_some(()));
    }
}

impl Drop for Held<'_> {
    /// A test that fails leaves no run behind.
    fn drop(&mut self) {
        if let Some(run) = &mut self.run {
            _ = run.kill();
            _ = run.wait();
        }
    }
}

/// Whether a process has a handler for SIGTERM: the helper installs one when it begins to hang, and not before.
fn catches_termination(process: i32) -> bool {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).map(str::trim).unwrap_or_default();
    u64::from_str_radix(mask, 16).is_ok_and(|mask| mask >> (Signal::TERM.as_raw() - 1) & 1 == 1)
}

/// Live processes with an argument.
fn with_argument(argument: &str) -> Vec<String> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let command_lines = processes.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    let texts = command_lines.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    texts.filter(|text| text.split('\0').any(|one| one == argument)).collect()
}

#[test]
fn the_search_for_processes_finds_what_is_there() {
    let project = Project::accepted();
    let held = Held::start(&project, &["run", "--seed", "2", "--budget", "1h"]);
    assert_eq!(with_argument(&project.path("pid").display().to_string()).len(), 1);
    drop(held);
}

#[test]
fn an_interrupted_run_saves_and_reports_what_it_has() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let project = Project::accepted();
        let before = project.read(&project.baseline("alpha"));
        let args = ["run", "--seed", "2", "--budget", "1h", "--update-baselines", "--reason", "x"];
        let held = Held::start(&project, &args);
        let worker = held.worker;
        held.send(signal);
        let ended = held.ends();
        ended.exits(130).says(&["INCOMPLETE  ", "interrupted before the end", "· 1 launch"]).warns(&[
            "results: tollgate-out/results.json",
            "warning: interrupted: the report covers what was measured until then",
        ]);
        Held::assert_no_worker(&project, worker);
        assert!(!exists(&project.work("tollgate-out/journal.jsonl")));
        assert_eq!(project.read(&project.baseline("alpha")), before, "half a run is not accepted");
        let judged = project.tollgate(&["judge", "tollgate-out"]);
        judged.exits(0);
        assert_eq!(judged.stdout, ended.stdout);
    }
}

#[test]
fn an_interruption_that_cannot_save_says_so() {
    let project = Project::accepted();
    let held = Held::start(&project, &["run", "--seed", "2", "--budget", "1h", "--out", "out"]);
    fs::rename(project.work("out"), project.work("moved")).unwrap();
    project.write("out", "in the way");
    held.send(Signal::INT);
    held.ends().exits(130).warns(&["error: failed to save the results in out; they are in ", "warning: interrupted"]);
}

#[test]
fn a_killed_run_leaves_no_worker_and_a_journal_to_judge() {
    let project = Project::accepted();
    fs::remove_dir_all(project.work("tollgate-out")).unwrap();
    let mut held = Held::start(&project, &["run", "--seed", "2", "--budget", "1h"]);
    let worker = held.worker;
    held.send(Signal::KILL);
    held.run.take().unwrap().wait().unwrap();
    Held::assert_no_worker(&project, worker);
    // Nobody was left to remove it.
    let scratch: Vec<_> = fs::read_dir(project.path("tmp")).unwrap().map(|entry| entry.unwrap().path()).collect();
    scratch.iter().for_each(|folder| fs::remove_dir_all(folder).unwrap());

    assert!(!exists(&project.work("tollgate-out/results.json")));
    for path in ["tollgate-out", "tollgate-out/journal.jsonl"] {
        let judged = project.tollgate(&["judge", path]);
        judged.exits(0).says(&["INCOMPLETE  ", "recovered from a run that died", "· 1 launch", "1 of the 2 launches"]);
        judged.warns(&["warning: ", "is the journal of a run that did not end"]);
    }
    // A last line that was cut costs its launch alone.
    let journal = project.read("tollgate-out/journal.jsonl");
    project.write("cut/journal.jsonl", &journal[..journal.len() - 100]);
    let cut = project.tollgate(&["judge", "cut"]);
    cut.exits(0).says(&["recovered from a run that died", "0 launches"]).warns(&["warning: "]);

    project.configure("", "", "");
    project.run(&[]).exits(0).says(&["22 passed"]);
    assert_eq!(project.read("tollgate-out/journal.died.jsonl"), journal, "the journal is kept");
    assert!(!exists(&project.work("tollgate-out/journal.jsonl")));
    assert!(!exists(&project.work("tollgate-out/scratch")), "what the killed run could not remove is gone");
}

#[test]
fn a_killed_worker_is_broken_and_the_run_goes_on() {
    let project = Project::accepted();
    let held = Held::start(&project, &["run", "--seed", "2", "--budget", "1h"]);
    let worker = held.worker;
    let ended = held.let_go();
    ended.exits(3).says(&["tiny on beta, serialize: the worker was killed by signal 9", "12 passed"]);
    Held::assert_no_worker(&project, worker);
}
