//! What Tollgate tells a forge, from end to end: the real program against a forge on loopback that misbehaves on demand.
//!
//! Invariants: whatever goes wrong there, the exit code is the verdict's, there is one comment at most, and nobody reads
//! the token: `Job::ends` holds every single run to the last, and `Forge` is asked for the second. Results come from real runs
//! with invented figures, made once for all tests. No test waits for a time to pass, but for what a forge demands.

mod comments;
mod double;
mod faults;
mod hostile;
mod payloads;
mod publish;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::misbehave;

/// What must be read nowhere.
const TOKEN: &str = "ghs_NobodyMayEverReadThisOne0123456789";

/// The head that is measured, the head before it, and the base.
const HEAD: &str = "ec26c3e57ca3a959ca5aad62de7213c562f8c821";
const OLD_HEAD: &str = "34c5c7793cb3b279e22454cb6750c80560547b3a";
const BASE: &str = "f95f852bd8fca8fcc58a9a2d6c842781e32a215e";

/// Nothing here takes a fraction of it; a process that hangs fails its test instead of stalling all of them.
const STALLED: Duration = Duration::from_secs(120);

/// Who writes with a job's token.
const BOT: &str = "github-actions[bot]";

/// Where the logs of all forges are kept for `cargo xtask conformance`, if it asks.
const LOGS: &str = "TOLLGATE_FORGE_LOGS";

/// A repository with one pull request from a branch of its own.
fn scenario() -> Value {
    json!({
        "token": TOKEN,
        "repository": {"id": 1, "owner": "acme", "name": "widgets"},
        "pulls": [pull(7, "acme", 1)],
    })
}

/// A pull request from somebody's repository.
fn pull(number: u64, owner: &str, id: u64) -> Value {
    json!({
        "number": number, "title": "Bump the engine", "author": "jane",
        "head": {"ref": "bump", "sha": HEAD, "owner": owner, "repo": "widgets", "repo_id": id},
        "base": {"ref": "main", "sha": BASE},
    })
}

/// A scenario with faults.
fn failing(faults: Value) -> Value {
    let mut scenario = scenario();
    scenario["faults"] = faults;
    scenario
}

/// The test double, which ends with its handle.
struct Forge {
    child: Child,
    folder: TempDir,
    log: PathBuf,
    api: String,
}

impl Forge {
    fn start(scenario: &Value) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("scenario.json"), scenario.to_string()).unwrap();
        let name = std::thread::current().name().unwrap_or("test").replace("::", "-");
        let log = format!("{name}-{}.jsonl", COUNT.fetch_add(1, Ordering::Relaxed));
        // The double's own tests ask what nobody may ask, so what they ask is not held to anything.
        let kept = std::env::var_os(LOGS).filter(|_| !name.starts_with("forge-double-"));
        let log = kept.map_or_else(|| folder.path().to_owned(), PathBuf::from).join(log);
        let double = misbehave().with_file_name("forge");
        assert!(double.is_file(), "{} is missing; run `cargo build --example forge`", double.display());
        let mut command = Command::new(double);
        command.arg(folder.path().join("scenario.json")).arg("--log").arg(&log).arg("--stdin");
        command.arg("--state").arg(folder.path().join("state.json"));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let told: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        Self { child, folder, log, api: told["api"].as_str().unwrap().to_owned() }
    }

    /// Every request, as it was logged.
    fn log(&self) -> Vec<Value> {
        let text = fs::read_to_string(&self.log).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// What was asked and how it was answered, such as `issues/list-comments 200`.
    fn heard(&self) -> Vec<String> {
        self.log().iter().map(|line| format!("{} {}", line["operation"].as_str().unwrap(), line["status"])).collect()
    }

    /// How often an operation was asked for.
    fn count(&self, operation: &str) -> usize {
        self.log().iter().filter(|line| line["operation"] == operation).count()
    }

    fn state(&self) -> Value {
        serde_json::from_slice(&fs::read(self.folder.path().join("state.json")).unwrap()).unwrap()
    }

    /// The comments that our bot wrote: their bodies, oldest first.
    fn ours(&self) -> Vec<String> {
        let state = self.state();
        let own = state["comments"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|comment| comment["user"] == BOT || comment["user"] == "gitea-actions");
        own.map(|comment| comment["body"].as_str().unwrap().to_owned()).collect()
    }

    /// The one comment of ours.
    #[track_caller]
    fn comment(&self) -> String {
        let ours = self.ours();
        assert_eq!(ours.len(), 1, "one comment is expected: {ours:#?}\n{:#?}", self.heard());
        ours[0].clone()
    }

    fn statuses(&self) -> Vec<Value> {
        self.state()["statuses"].as_array().unwrap().clone()
    }
}

impl Drop for Forge {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Results of real runs with invented figures, as files hold them.
struct Recorded {
    /// Everything as the baseline has it.
    pass: String,
    /// An artifact that is a fifth larger.
    regressed: String,
    /// A worker that crashes.
    broken: String,
    config: String,
    baseline: String,
}

/// The baseline's path in the repository.
fn baseline_path() -> String {
    format!("baselines/{}-{}/alpha.yml", std::env::consts::ARCH, std::env::consts::OS)
}

/// Two stages of one sample on one invented backend, measured three times.
fn recorded() -> &'static Recorded {
    static RECORDED: OnceLock<Recorded> = OnceLock::new();
    RECORDED.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let module = wat::parse_str(r#"(module (func (export "run") (result i32) i32.const 42))"#).unwrap();
        fs::write(at("tiny.wasm"), module).unwrap();
        let run = |args: &str, more: &[&str], code: i32| {
            let config = format!(
                "version: 1\nsamples:\n  - {{path: tiny.wasm, id: tiny, tier: smoke, call: {{export: run, expect: \
                 ['i32:42']}}}}\nengines:\n  one: {{worker: '{}', args: [{args}]}}\nbackends:\n  alpha: {{engine: one, \
                 compiler: cranelift}}\n",
                misbehave().display()
            );
            fs::write(at("tollgate.yml"), &config).unwrap();
            let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
            command
                .args(["run", "--seed", "2", "--budget", "1h", "--stage", "serialize", "--stage", "execute"])
                .args(more);
            command.current_dir(folder.path()).env_clear().env("TMPDIR", folder.path());
            let output = assert_cmd::Command::from_std(command).timeout(STALLED).output().unwrap();
            assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stderr));
            let place = folder.path().canonicalize().unwrap();
            let text = fs::read_to_string(at("tollgate-out/results.json")).unwrap();
            (config, text.replace(&*place.to_string_lossy(), "/project"))
        };
        let (config, _) = run("", &["--update-baselines"], 0);
        let baseline = fs::read_to_string(at(&baseline_path())).unwrap();
        let (pass, regressed) = (run("", &[], 0).1, run("'--size', '2000'", &[], 1).1);
        let broken = run("'--abort', 'execute'", &[], 3).1;
        Recorded { pass, regressed, broken, config, baseline }
    })
}

/// One job of a workflow on the forge's pull request.
struct Job {
    folder: TempDir,
    variables: BTreeMap<String, String>,
}

impl Job {
    /// The first attempt of run 100, of a pull request's event, with these results.
    fn new(forge: &Forge, results: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("work/tollgate-out")).unwrap();
        fs::write(folder.path().join("work/tollgate-out/results.json"), results).unwrap();
        let mut job = Self { folder, variables: BTreeMap::new() };
        for (name, value) in [
            ("CI", "true"),
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_API_URL", &forge.api),
            ("GITHUB_SERVER_URL", "https://github.com"),
            ("GITHUB_REPOSITORY", "acme/widgets"),
            ("GITHUB_EVENT_NAME", "pull_request"),
            ("GITHUB_RUN_ID", "100"),
            ("GITHUB_RUN_ATTEMPT", "1"),
            ("GITHUB_SHA", BASE),
            ("GITHUB_TOKEN", TOKEN),
        ] {
            job.variables.insert(name.to_owned(), value.to_owned());
        }
        for (name, file) in
            [("GITHUB_OUTPUT", "output"), ("GITHUB_STEP_SUMMARY", "summary"), ("GITHUB_EVENT_PATH", "event.json")]
        {
            job.variables.insert(name.to_owned(), job.path(file).display().to_string());
            fs::write(job.path(file), "").unwrap();
        }
        job.event(&event(7, "acme", 1))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn set(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.variables.remove(name);
        self
    }

    fn event(self, event: &Value) -> Self {
        fs::write(self.path("event.json"), event.to_string()).unwrap();
        self
    }

    /// Another run of the workflow.
    fn numbered(self, run: u64, attempt: u64) -> Self {
        self.set("GITHUB_RUN_ID", &run.to_string()).set("GITHUB_RUN_ATTEMPT", &attempt.to_string())
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tollgate"));
        command.args(args).current_dir(self.path("work")).env_clear().envs(&self.variables);
        command.env("TMPDIR", self.folder.path());
        command
    }

    /// `tollgate post`, with time enough for what the forge demands and no more.
    fn post(&self, args: &[&str]) -> Told {
        self.ends(self.command(&[&["post", "--forge-deadline", "20s"], args].concat()))
    }

    /// `tollgate post` with hardly any patience, for forges that never get better.
    fn post_hastily(&self, args: &[&str]) -> Told {
        self.ends(self.command(&[&["post", "--forge-deadline", "900ms"], args].concat()))
    }

    fn publish(&self, args: &[&str]) -> Told {
        self.ends(self.command(&[&["publish", "--forge-deadline", "20s"], args].concat()))
    }

    /// Runs a command to its end, and holds everything it left to the one rule without exception: no token.
    #[track_caller]
    fn ends(&self, command: Command) -> Told {
        let output = assert_cmd::Command::from_std(command).timeout(STALLED).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let told = Told {
            code: output.status.code(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
            summary: fs::read_to_string(self.path("summary")).unwrap_or_default(),
            outputs: fs::read_to_string(self.path("output")).unwrap_or_default(),
        };
        assert!(!format!("{told:?}").contains(TOKEN), "the token is shown: {told:?}");
        for file in walkdir::WalkDir::new(self.folder.path()).into_iter().map(Result::unwrap) {
            if file.file_type().is_file() {
                let content = fs::read(file.path()).unwrap();
                assert!(
                    !String::from_utf8_lossy(&content).contains(TOKEN),
                    "the token is in {}",
                    file.path().display()
                );
            }
        }
        assert!(!told.stderr.contains("panicked"), "{told}");
        told
    }
}

/// The event of a pull request from somebody's repository, with the fields that runners give and some beside them.
fn event(number: u64, owner: &str, id: u64) -> Value {
    let repository = |id: u64, owner: &str| json!({"id": id, "name": "widgets", "full_name": format!("{owner}/widgets"), "owner": {"login": owner}});
    json!({
        "action": "synchronize", "number": number, "repository": repository(1, "acme"), "sender": {"login": owner},
        "pull_request": {
            "id": 1007, "number": number, "state": "open", "title": "Bump the engine", "user": {"login": owner},
            "head": {"ref": "bump", "sha": HEAD, "label": format!("{owner}:bump"), "repo": repository(id, owner)},
            "base": {"ref": "main", "sha": BASE, "label": "acme:main", "repo": repository(1, "acme")},
        },
    })
}

/// What a job said, to whom.
#[derive(Debug)]
struct Told {
    code: Option<i32>,
    stdout: String,
    stderr: String,
    summary: String,
    outputs: String,
}

impl Told {
    #[track_caller]
    fn exits(&self, code: i32) -> &Self {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }

    /// One of the streams that people look at contains all of these.
    #[track_caller]
    fn says(&self, words: &[&str]) -> &Self {
        let all = format!("{}\n{}", self.stdout, self.stderr);
        words.iter().for_each(|words| assert!(all.contains(words), "no `{words}` in {self}"));
        self
    }

    /// An output of the step.
    fn output(&self, name: &str) -> Option<String> {
        let mut lines = self.outputs.lines();
        while let Some(line) = lines.next() {
            if let Some((key, value)) = line.split_once('=')
                && key == name
            {
                return Some(value.to_owned());
            }
            if let Some((key, end)) = line.split_once("<<") {
                let value: Vec<_> = lines.by_ref().take_while(|line| *line != end).collect();
                if key == name {
                    return Some(value.join("\n"));
                }
            }
        }
        None
    }
}

impl std::fmt::Display for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { code, stdout, stderr, outputs, .. } = self;
        write!(f, "exit {code:?}\n--- stdout\n{stdout}\n--- stderr\n{stderr}\n--- outputs\n{outputs}")
    }
}
