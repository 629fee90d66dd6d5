//! The base side: revisions of real repositories, other executables, the reference; what is the same is not launched.

use std::fs;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::{CALL, Ended, Project, exists, module};
use crate::support::{misbehave, wait_for};

/// A project in a repository, with everything committed.
pub(super) struct Repository {
    pub(super) project: Project,
}

impl Repository {
    pub(super) fn new() -> Self {
        let repository = Self { project: Project::new() };
        repository.git(&["init", "--quiet", "--initial-branch=main"]);
        repository.project.write(".gitignore", "tollgate-out\nbaselines\nout/worker\n");
        repository.commit();
        repository
    }

    /// Runs git as somebody, without anybody's configuration.
    pub(super) fn git(&self, args: &[&str]) -> String {
        let mut command = Command::new("git");
        command.arg("-C").arg(self.project.work("")).args(["-c", "user.name=a", "-c", "user.email=a@example.org"]);
        command.args(args).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
        let output = command.output().unwrap();
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    pub(super) fn commit(&self) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--no-gpg-sign", "--allow-empty", "--message", "x"]);
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.project.command(&[&["run", "--seed", "2", "--budget", "1h"], args].concat());
        command.env("TOLLGATE_CACHE_DIR", self.project.path("cache"));
        command
    }

    /// A run, after which nothing of a base is left.
    pub(super) fn run(&self, args: &[&str]) -> Ended {
        self.ends(self.command(args))
    }

    fn ends(&self, command: Command) -> Ended {
        let ended = self.project.ends(command);
        self.assert_clean();
        ended
    }

    fn assert_clean(&self) {
        assert_eq!(self.git(&["worktree", "list"]).lines().count(), 1);
        assert!(!exists(&self.project.work(".git/worktrees")));
    }

    /// Gives both backends an engine that is built out of `source`, and tells how often it was.
    fn build_engines(&self, build: &str) {
        let count = self.project.path("count").display().to_string();
        let build = build.replace("COUNT", &count).replace('\'', "''");
        let text = format!(
            "version: 1\nsamples:\n  - {{path: tiny.wasm, id: tiny, tier: smoke, {CALL}}}\nengines:\n  one: {{worker: \
             out/worker, build: '{build}'}}\nbackends:\n  alpha: {{engine: one, compiler: cranelift}}\n"
        );
        self.project.write("out/.keep", "");
        self.project.write("tollgate.yml", text);
        self.commit();
    }

    fn builds(&self) -> usize {
        fs::read_to_string(self.project.path("count")).unwrap_or_default().lines().count()
    }

    fn results(&self) -> Value {
        serde_json::from_str(&self.project.read("tollgate-out/results.json")).unwrap()
    }

    /// How each pair stands to the base, by backend.
    fn comparisons(&self) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let plan = self.results()["header"]["plan"].as_array().unwrap().clone();
        plan.iter().map(|pair| (text(&pair["backend"]), text(&pair["comparison"]))).collect()
    }

    /// Launches of one side of the last run.
    fn launches(&self, side: &str) -> usize {
        self.results()["launches"].as_array().unwrap().iter().filter(|launch| launch["side"] == side).count()
    }
}

fn both(comparison: &str) -> Vec<(String, String)> {
    ["alpha", "beta"].map(|backend| (backend.to_owned(), comparison.to_owned())).to_vec()
}

/// Another module that does the same.
pub(super) fn other_module() -> Vec<u8> {
    wat::parse_str(r#"(module (func (export "run") (result i32) i32.const 41 i32.const 1 i32.add))"#).unwrap()
}

#[test]
fn what_is_the_same_on_both_sides_is_not_launched() {
    let repository = Repository::new();
    let started = repository.project.path("started");
    let pid_file = format!("--pid-file, '{}'", started.display());
    repository.project.configure(&pid_file, &pid_file, "");
    repository.commit();
    repository.project.write("README.md", "Nothing that matters.\n");
    repository.commit();
    let ended = repository.run(&["--base-ref", "HEAD~1"]);
    ended.exits(0).warns(&["base: HEAD~1 (", "0 pairs of sample and backend to measure on both sides, 2 the same"]);
    assert_eq!(repository.comparisons(), both("same"));
    assert_eq!(repository.results()["launches"], json!([]));
    assert!(!exists(&started), "a worker was started");
    assert_eq!(repository.results()["header"]["base"]["kind"]["revision"]["name"], "HEAD~1");
    let commit = repository.git(&["rev-parse", "HEAD~1"]);
    assert_eq!(repository.results()["header"]["base"]["kind"]["revision"]["commit"], commit.as_str());

    // Who wants to see the noise does.
    repository.run(&["--base-ref", "HEAD~1", "--measure-same"]).exits(0);
    assert_eq!(repository.comparisons(), both("paired"));
    assert!(exists(&started) && repository.launches("base") > 0 && repository.launches("head") > 0);
}

#[test]
fn what_is_accepted_was_measured() {
    let repository = Repository::new();
    repository.run(&["--base-ref", "HEAD", "--update-baselines"]).exits(0).warns(&["alpha.yml: 11 added"]);
    assert_eq!(repository.comparisons(), both("paired"));
}

#[test]
fn a_changed_module_is_measured_beside_the_one_it_was() {
    let repository = Repository::new();
    repository.project.write("tiny.wasm", other_module());
    let ended = repository.run(&["--base-ref", "main"]);
    ended.exits(0).warns(&["2 pairs of sample and backend to measure on both sides\n"]);
    assert_eq!(repository.comparisons(), both("paired"));
    assert!(repository.launches("base") > 0 && repository.launches("head") > 0);
    let header = &repository.results()["header"];
    let checksum = |samples: &Value| samples[0]["sha256"].as_str().unwrap().to_owned();
    assert_ne!(checksum(&header["samples"]), checksum(&header["base"]["samples"]));
}

#[test]
fn changed_options_and_new_backends_are_told_apart() {
    let repository = Repository::new();
    let text = repository.project.read("tollgate.yml");
    let changed = text.replace("compiler: llvm", "compiler: llvm, canonicalize-nans: true");
    repository.project.write("tollgate.yml", format!("{changed}  gamma: {{engine: one, compiler: cranelift}}\n"));
    repository
        .run(&["--base-ref", "HEAD"])
        .exits(0)
        .warns(&["1 pair of", ", 1 the same on both sides, 1 without a base"]);
    let expected = [("alpha", "same"), ("beta", "paired"), ("gamma", "alone")];
    assert_eq!(repository.comparisons(), expected.map(|(backend, how)| (backend.to_owned(), how.to_owned())));
    assert!(repository.launches("base") < repository.launches("head"));
}

#[test]
fn a_revision_that_is_not_there_is_refused_with_what_to_do() {
    let repository = Repository::new();
    for name in ["origin/main", "a b", "HEAD~9", "HEAD:tiny.wasm", "$(touch pwned)", "a\nb"] {
        let ended = repository.run(&["--base-ref", name]);
        ended.refuses(&["failed to find the revision `", "git fetch origin main", "`fetch-depth: 0`"]);
        assert_eq!(ended.stderr.lines().count(), 1, "{ended}");
    }
    for name in ["--upload-pack=x", "-x", "--output=pwned", ""] {
        let ended = repository.run(&[&format!("--base-ref={name}")]);
        ended.refuses(&["failed to use the revision `", "name a branch, a tag or a commit"]);
    }
    assert!(!exists(&repository.project.work("pwned")));
    assert!(!exists(&repository.project.work("tollgate-out")));

    let project = Project::new();
    let mut command = project.command(&["run", "--base-ref", "main"]);
    command.env("GIT_CEILING_DIRECTORIES", project.path("").canonicalize().unwrap());
    project.ends(command).refuses(&["failed to find a git repository around [project]/work: ", "not a git repository"]);
    let mut command = project.command(&["run", "--base-ref", "main"]);
    command.env("PATH", project.path("tmp"));
    project.ends(command).refuses(&["failed to run git: ", "install git", "--base-worker"]);
}

#[test]
fn a_base_without_a_usable_configuration_leaves_the_head_alone() {
    let repository = Repository::new();
    let good = repository.project.read("tollgate.yml");
    repository.project.write("tollgate.yml", "version: 1\nsampels: [\"\u{1b}\"]\n");
    repository.commit();
    repository.git(&["rm", "--quiet", "tollgate.yml"]);
    repository.commit();
    repository.project.write("tollgate.yml", good);
    repository.commit();
    let cases = [("HEAD~1", "there is no tollgate.yml in it"), ("HEAD~2", "tollgate.yml:")];
    for (name, why) in cases {
        let ended = repository.run(&["--base-ref", name]);
        let nothing = "has nothing to compare with, every sample is measured alone: ";
        ended.exits(0).warns(&[&format!("warning: {name} ("), nothing, why]);
        assert!(!ended.stderr.contains('\u{1b}'), "{ended}");
        assert_eq!(repository.comparisons(), both("alone"));
        assert_eq!(repository.launches("base"), 0);
    }
}

#[test]
fn a_sample_that_was_never_committed_has_no_base() {
    let repository = Repository::new();
    repository.project.write("out/built.wasm", module());
    repository.project.write(".gitignore", "tollgate-out\nout\n");
    let samples = format!("  - {{path: tiny.wasm, id: tiny, {CALL}}}\n  - {{path: out/built.wasm, id: built, {CALL}}}");
    repository.project.samples(&samples, "", "", "");
    repository.commit();
    let ended = repository.run(&["--base-ref", "HEAD", "--backend", "alpha"]);
    ended.exits(0).warns(&["so there is no base for it: tollgate.yml:4:12: `out/built.wasm` does not exist\n"]);
    let how: Vec<_> = repository.comparisons().into_iter().map(|(_, how)| how).collect();
    assert_eq!(how, ["alone", "same"]);
}

#[test]
fn an_engine_is_built_on_both_sides_and_kept() {
    let repository = Repository::new();
    repository.project.write("source", fs::read(misbehave()).unwrap());
    repository.build_engines("cp source out/worker && chmod +x out/worker && echo built >> 'COUNT'");
    // What is misspelt is told before a build that may take minutes.
    repository.run(&["--base-ref", "mian"]).refuses(&["failed to find the revision `mian`"]);
    repository.run(&["--base-worker", "mian"]).refuses(&["failed to use --base-worker `mian`"]);
    assert_eq!(repository.builds(), 0);
    let first = repository.run(&["--base-ref", "main"]);
    first.exits(0).warns(&["building the engine `one`: cp source", "building the engine `one` of ", ", 1 the same on"]);
    assert_eq!(repository.builds(), 2);
    let second = repository.run(&["--base-ref", "main"]);
    assert!(!second.exits(0).stderr.contains("building the engine `one` of "), "{second}");
    assert_eq!(repository.builds(), 3, "the head's alone");
    // What the head's sources make is another engine now; that of the base is kept still.
    let mut source = fs::read(misbehave()).unwrap();
    source.extend(b"changed");
    repository.project.write("source", source);
    repository.run(&["--base-ref", "main"]).exits(0).warns(&["1 pair of"]);
    assert_eq!(repository.builds(), 4);
    assert!(repository.launches("base") > 0 && repository.launches("head") > 0);
    assert!(repository.results()["launches"].as_array().unwrap().iter().all(|launch| launch["failure"].is_null()));
    // Another revision has another tree.
    repository.commit();
    repository.run(&["--base-ref", "main"]).exits(0);
    assert_eq!(repository.builds(), 6);
    assert_eq!(fs::read_dir(repository.project.path("cache/engines")).unwrap().count(), 2);
    // Other commands build nothing.
    fs::remove_file(repository.project.work("out/worker")).unwrap();
    repository.project.tollgate(&["list"]).exits(0);
    assert_eq!(repository.builds(), 6);
}

#[test]
fn a_build_that_fails_is_shown_and_stops_the_run() {
    let repository = Repository::new();
    repository.build_engines(r"echo one; printf 'two\033[31m\n' >&2; exit 3");
    let ended = repository.run(&[]);
    ended.exits(2).warns(&[
        "error: failed to build the engine `one` here: `echo one; printf 'two",
        "ended with code 3",
        "\n  | one\n",
        "\n  | two\\u{1b}[31m\n",
    ]);
    assert_eq!((ended.stdout.as_str(), ended.stderr.matches("| one").count()), ("", 1), "{ended}");
    assert!(!exists(&repository.project.work("tollgate-out")));
    repository.project.write("out/works", fs::read(misbehave()).unwrap());
    let text = repository.project.read("tollgate.yml");
    let line = text.lines().find(|line| line.starts_with("  one: ")).unwrap();
    let works = "  one: {worker: out/worker, build: cp out/works out/worker && chmod +x out/worker}";
    repository.project.write("tollgate.yml", text.replace(line, works));
    let ended = repository.run(&["--base-ref", "HEAD"]);
    ended.exits(2).warns(&["error: failed to build the engine `one` of ", "ended with code 3", r"| two\u{1b}[31m"]);
    assert_eq!(ended.stdout, "");
    repository.run(&[]).exits(0);
    repository.project.write("tollgate.yml", text.replace(line, "  one: {worker: absent, build: 'true'}"));
    repository
        .run(&[])
        .exits(2)
        .warns(&["tollgate.yml:5:17: the worker `absent` does not exist; let the build make it"]);
}

#[test]
fn an_interruption_of_a_build_leaves_nothing() {
    let repository = Repository::new();
    let worker = misbehave().display().to_string();
    repository.build_engines("echo $$ > 'COUNT.new'; mv 'COUNT.new' 'COUNT'; sleep 600");
    let text = repository.project.read("tollgate.yml");
    let line = text.lines().find(|line| line.starts_with("  one: ")).unwrap();
    repository.project.write("tollgate.yml", text.replace(line, &format!("  one: {{worker: '{worker}'}}")));
    let run =
        repository.command(&["--base-ref", "HEAD"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let shell = wait_for("the build", || fs::read_to_string(repository.project.path("count")).ok());
    kill_process(Pid::from_child(&run), Signal::INT).unwrap();
    let ended = repository.project.ended(run.wait_with_output().unwrap());
    ended.exits(130).warns(&["warning: interrupted before anything was measured"]);
    repository.assert_clean();
    let gone = || crate::support::group(shell.trim().parse().unwrap()).is_empty().then_some(());
    wait_for("the end of the build", gone);
}

#[test]
fn a_reference_is_a_base_and_held_to_its_checksum() {
    let project = Project::new();
    let worker = misbehave();
    let (path, zeros) = (worker.display().to_string(), "0".repeat(64));
    let with = |sha256: &str| {
        let reference = format!("reference: {{worker: '{path}', args: [--size, '+1'], sha256: '{sha256}'}}");
        project.configure("", "", &reference);
    };
    with(&zeros);
    let ended = project.run(&[]);
    ended.refuses(&["failed to use the reference worker: tollgate.yml:10:", "not the one it is pinned to"]);
    let found = ended.stderr.split("has the SHA-256 ").nth(1).unwrap()[..64].to_owned();
    project.run(&["--no-base"]).exits(0);
    with(&found);
    project.run(&[]).exits(0).warns(&["base: the reference worker: 2 pairs of"]);
    let results: Value = serde_json::from_str(&project.read("tollgate-out/results.json")).unwrap();
    assert_eq!(results["header"]["base"]["kind"], json!({ "reference": { "sha256": found } }));
    assert_eq!(results["header"]["plan"][0]["comparison"], "paired");
    project.run(&["--no-base"]).exits(0);
    let results: Value = serde_json::from_str(&project.read("tollgate-out/results.json")).unwrap();
    assert_eq!(
        (&results["header"]["base"], &results["header"]["plan"][0]["comparison"]),
        (&Value::Null, &"alone".into())
    );
}

#[test]
fn another_copy_of_this_tollgate_is_the_same_as_the_built_in_engine() {
    let project = Project::empty();
    project.write("tiny.wasm", module());
    let ours = env!("CARGO_BIN_EXE_tollgate");
    let select = ["run", "--sample", "tiny.wasm", "--backend", "cranelift", "--stage", "validate", "--budget", "1ns"];
    let compare = |args: &[&str]| {
        project.tollgate(&[&select, args].concat()).exits(0);
        let results: Value = serde_json::from_str(&project.read("tollgate-out/results.json")).unwrap();
        (results["header"]["plan"][0]["comparison"].clone(), results["launches"].as_array().unwrap().len())
    };
    assert_eq!(compare(&["--base-worker", ours]), (json!("same"), 0));
    assert_eq!(compare(&["--base-worker", ours, "--base-worker-arg", "worker"]), (json!("same"), 0));
    let (comparison, launches) = compare(&["--base-worker", ours, "--measure-same"]);
    assert!(comparison == "paired" && launches >= 2, "{comparison} {launches}");
    project
        .tollgate(&[&select[..], &["--base-worker", "absent"]].concat())
        .refuses(&["failed to use --base-worker `absent`: it does not exist; create it or correct the path"]);
    // Of engines that are not built in, nothing is compared with it: nothing would be, in silence.
    let project = Project::new();
    project
        .run(&["--base-worker", ours])
        .refuses(&["stands in for the built-in engine, which no backend of this run uses"]);
}

#[test]
fn one_base_at_a_time_and_the_command_line_first() {
    let repository = Repository::new();
    let usage: [&[&str]; 4] = [
        &["--base-ref", "HEAD", "--base-worker", "x"],
        &["--base-ref", "HEAD", "--no-base"],
        &["--base-worker", "x", "--no-base"],
        &["--base-worker-arg", "x"],
    ];
    for args in usage {
        let ended = repository.run(args);
        ended.exits(2).warns(&["error: "]);
        assert_eq!(ended.stdout, "", "{ended}");
    }
    let with = |value: &str, args: &[&str]| {
        let mut command = repository.command(args);
        command.env("TOLLGATE_BASE_REF", value);
        repository.ends(command)
    };
    with("HEAD", &[]).exits(0).warns(&["base: HEAD ("]);
    with("absent", &["--base-ref", "main"]).exits(0).warns(&["base: main ("]);
    with("absent", &[]).refuses(&["failed to find the revision `absent`"]);
    for (value, args) in [("", &[][..]), ("absent", &["--no-base"])] {
        let ended = with(value, args);
        assert!(!ended.exits(0).stderr.contains("base: "), "{ended}");
    }
    let ended = repository.run(&["--measure-same"]);
    ended.exits(0).warns(&["warning: --measure-same measures nothing more: there is no base"]);
}

#[test]
fn a_base_of_a_hook_is_that_of_the_folder() {
    let repository = Repository::new();
    let mut command = repository.command(&["--base-ref", "HEAD"]);
    // As git sets them for its hooks, here of some other repository.
    command.env("GIT_DIR", "/nowhere/.git").env("GIT_INDEX_FILE", "/nowhere/index").env("GIT_WORK_TREE", "/nowhere");
    repository.ends(command).exits(0);
    assert_eq!(repository.comparisons(), both("same"));
}
