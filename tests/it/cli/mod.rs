//! The command line from end to end: exit codes, what is said on which stream, and what lies on the disk afterwards.
//!
//! Invariants: but for `real`, engines are the `misbehave` example, whose figures follow from seed and arguments alone, so
//! that verdicts are the same on any machine; nothing depends on how long something takes; every process has a cleared
//! environment and a folder for temporary files of its own, which must be empty when it ends.

mod base;
mod compare;
mod disk;
mod filters;
mod gate;
mod init;
mod input;
mod loosening;
mod noise;
mod pairs;
mod real;
mod replay;
mod saved;
mod shards;
mod signals;
mod surface;
mod update;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::misbehave;

/// Nothing here takes a fraction of it; a process that hangs fails its test instead of stalling all of them.
const STALLED: Duration = Duration::from_secs(300);

/// A folder with a configuration: one sample, and the backends `alpha` and `beta` of two invented engines.
struct Project {
    folder: TempDir,
}

impl Project {
    fn new() -> Self {
        let project = Self::empty();
        project.write("tiny.wasm", module());
        project.configure("", "", "");
        project
    }

    /// Just a folder.
    fn empty() -> Self {
        let project = Self { folder: tempfile::tempdir().unwrap() };
        fs::create_dir(project.path("tmp")).unwrap();
        fs::create_dir(project.path("work")).unwrap();
        project
    }

    /// With everything accepted as it is.
    fn accepted() -> Self {
        let project = Self::new();
        project.run(&["--update-baselines"]).exits(0);
        project
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A path in the folder that commands run in.
    fn work(&self, name: &str) -> PathBuf {
        self.path("work").join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.work(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.work(name)).unwrap()
    }

    /// Writes the configuration: arguments of the two engines as YAML items, and further sections.
    fn configure(&self, alpha: &str, beta: &str, rest: &str) {
        self.samples(&format!("  - {{path: tiny.wasm, id: tiny, tier: smoke, {CALL}}}"), alpha, beta, rest);
    }

    fn samples(&self, samples: &str, alpha: &str, beta: &str, rest: &str) {
        let worker = misbehave();
        let worker = worker.display();
        let text = format!(
            "version: 1\nsamples:\n{samples}\nengines:\n  one: {{worker: '{worker}', args: [{alpha}]}}\n  two: {{worker: \
             '{worker}', args: [{beta}]}}\nbackends:\n  alpha: {{engine: one, compiler: cranelift}}\n  beta: {{engine: two, \
             compiler: llvm}}\n{rest}\n"
        );
        self.write("tollgate.yml", text);
    }

    fn baseline(&self, backend: &str) -> String {
        let target = format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS);
        format!("baselines/{target}/{backend}.yml")
    }

    /// A command in the project's folder.
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
        command.args(args).current_dir(self.path("work")).env_clear().env("TMPDIR", self.path("tmp"));
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command
    }

    fn tollgate(&self, args: &[&str]) -> Ended {
        self.ends(self.command(args))
    }

    fn ends(&self, command: Command) -> Ended {
        let output = assert_cmd::Command::from_std(command).timeout(STALLED).output().unwrap();
        self.ended(output)
    }

    fn ended(&self, output: Output) -> Ended {
        let litter: Vec<_> = fs::read_dir(self.path("tmp"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| !name.starts_with("tollgate-results-"))
            .collect();
        assert_eq!(litter, [""; 0], "temporary files were left behind");
        let folder = self.folder.path().canonicalize().unwrap();
        let text = |bytes: Vec<u8>| {
            let text = String::from_utf8(bytes).unwrap();
            text.replace(&*folder.to_string_lossy(), "[project]")
                .replace(&*self.folder.path().to_string_lossy(), "[project]")
        };
        Ended { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// A run with invented figures. It ends by itself long before its budget does, once every cell is decided.
    fn run(&self, args: &[&str]) -> Ended {
        self.tollgate(&[&["run", "--seed", "2", "--budget", "1h"], args].concat())
    }

    /// A run's findings as JSON.
    fn findings(&self, args: &[&str]) -> Value {
        let ended = self.run(&[&["--format", "json"], args].concat());
        serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"))
    }
}

/// How a process ended, with the project's folder redacted.
#[derive(Debug)]
struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Ended {
    #[track_caller]
    fn exits(&self, code: i32) -> &Self {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }

    /// Standard output contains all of these.
    #[track_caller]
    fn says(&self, words: &[&str]) -> &Self {
        words.iter().for_each(|words| assert!(self.stdout.contains(words), "no `{words}` in {self}"));
        self
    }

    /// Standard error contains all of these.
    #[track_caller]
    fn warns(&self, words: &[&str]) -> &Self {
        words.iter().for_each(|words| assert!(self.stderr.contains(words), "no `{words}` in {self}"));
        self
    }

    /// Could not run: nothing on standard output, and the remedy on standard error.
    #[track_caller]
    fn refuses(&self, words: &[&str]) -> &Self {
        self.exits(2).warns(words);
        assert_eq!(self.stdout, "", "{self}");
        assert!(self.stderr.starts_with("error: "), "{self}");
        self
    }

    /// The report without what differs between machines: everything between the counts and the first section.
    fn report(&self) -> String {
        let (before, rest) = self.stdout.split_once("\n  runner  ").unwrap_or_else(|| panic!("no report: {self}"));
        let (_, after) = rest.split_once("\n\n").unwrap_or_default();
        format!("{before}\n  [machine]\n\n{after}")
    }

    /// The lines of standard error that begin with `+` or `-`, without the names of files.
    fn changed_lines(&self) -> Vec<&str> {
        let is_changed =
            |line: &&str| line.starts_with(['+', '-']) && !line.starts_with("--- ") && !line.starts_with("+++ ");
        self.stderr.lines().filter(is_changed).collect()
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "exit {:?}\n--- stdout\n{}\n--- stderr\n{}", self.code, self.stdout, self.stderr)
    }
}

/// How a sample with [`module`] is run.
const CALL: &str = "call: {export: run, expect: ['i32:42']}";

/// A module of a few bytes with one function, which needs no import.
fn module() -> Vec<u8> {
    wat::parse_str(r#"(module (func (export "run") (result i32) i32.const 42))"#).unwrap()
}

/// The verdicts of a backend's cells in a report, by `stage metric`, gating cells only.
fn verdicts(report: &Value, backend: &str) -> Vec<(String, String)> {
    let cells = report["cells"].as_array().unwrap().iter();
    let own = cells.filter(|one| one["cell"]["backend"] == backend && one["gating"]["gating"] == "gates");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    own.map(|one| {
        let name = format!("{} {}", text(&one["cell"]["stage"]), text(&one["cell"]["metric"]));
        (name, text(&one["verdict"]["verdict"]))
    })
    .collect()
}

/// Whether something lies at a path, also a link that leads nowhere.
fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}
