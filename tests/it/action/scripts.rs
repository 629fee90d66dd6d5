//! The action's scripts, run as a runner runs them, with an executable that stands in for Tollgate.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use super::root;

/// The inputs of `action.yml` as the scripts get them, with their defaults.
const DEFAULTS: [(&str, &str); 21] = [
    ("IN_MODE", "run"),
    ("IN_CONFIG", ""),
    ("IN_WORKING_DIRECTORY", "."),
    ("IN_TIER", "pr"),
    ("IN_BUDGET", "4m30s"),
    ("IN_BACKENDS", ""),
    ("IN_BASELINES", ""),
    ("IN_BASE_REF", "auto"),
    ("IN_FAIL_ON", ""),
    ("IN_SHARD", ""),
    ("IN_SHARDS", ""),
    ("IN_ARTIFACT", "tollgate-results"),
    ("IN_WORKFLOW", ""),
    ("IN_COMMENT", "auto"),
    ("IN_COMMENT_KEY", "tollgate"),
    ("IN_STATUS", "false"),
    ("IN_UPDATE_BASELINES", "false"),
    ("IN_REASON", ""),
    ("IN_VERSION", ""),
    ("IN_BUILD_FROM_SOURCE", "auto"),
    ("IN_CACHE", "auto"),
];

/// What a script left behind.
pub struct Ran {
    pub code: i32,
    pub log: String,
    /// The file of outputs, as it is.
    pub outputs: String,
}

impl Ran {
    /// The value of an output of one line.
    fn output(&self, name: &str) -> Option<String> {
        let mut lines = self.outputs.lines();
        lines.find(|line| line.starts_with(&format!("{name}<<")))?;
        lines.next().map(str::to_owned)
    }

    #[track_caller]
    fn fails_with(&self, message: &str) {
        assert!(self.code == 2 && self.log.contains(message), "{}: {}", self.code, self.log);
    }
}

/// A runner's folders.
pub struct Runner {
    pub folder: TempDir,
}

impl Runner {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["workspace", "temp", "bin", "cache"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        Self { folder }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs a script with the default inputs, changed by `changes`.
    pub fn run(&self, script: &str, arguments: &[&str], changes: &[(&str, &str)]) -> Ran {
        let (outputs, summary) = (self.path("outputs"), self.path("summary"));
        fs::write(&outputs, "").unwrap();
        let paths = format!("{}:{}", self.path("bin").display(), std::env::var("PATH").unwrap());
        let mut command = Command::new("bash");
        command.arg(root().join("action").join(script)).args(arguments).current_dir(self.path("workspace"));
        command.env_clear().env("PATH", paths).env("HOME", self.path("home")).envs(DEFAULTS);
        command.env("GITHUB_ACTION_PATH", root()).env("GITHUB_WORKSPACE", self.path("workspace"));
        command.env("GITHUB_OUTPUT", &outputs).env("GITHUB_STEP_SUMMARY", &summary);
        command.env("RUNNER_TEMP", self.path("temp")).env("RUNNER_OS", "Linux").env("RUNNER_ARCH", "X64");
        command.env("CACHE_DIR", self.path("cache")).env("SOURCE_KEY", "key").env("BASE_SHA", "");
        command.envs(changes.iter().copied());
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let log = format!("{}{}", text(&output.stdout), text(&output.stderr));
        Ran { code: output.status.code().unwrap(), log, outputs: fs::read_to_string(&outputs).unwrap() }
    }

    /// Writes an executable script, and returns its path and checksum.
    pub fn executable(&self, name: &str, body: &str) -> (String, String) {
        let path = self.path(name);
        fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        (path.display().to_string(), sha256(&fs::read(&path).unwrap()))
    }
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_defaults_are_good_inputs() {
    let ran = Runner::new().run("prepare.sh", &[], &[]);
    assert_eq!(ran.code, 0, "{}", ran.log);
    for (name, value) in [("mode", "run"), ("post", "true"), ("fetch", "false"), ("cache", "false")] {
        assert_eq!(ran.output(name).as_deref(), Some(value), "{name}");
    }
}

#[test]
fn what_is_not_an_input_s_value_is_refused() {
    let runner = Runner::new();
    for (name, value, message) in [
        ("IN_MODE", "Run", "`mode` is `Run`, and must be one of: run merge publish"),
        ("IN_TIER", "", "`tier` is ``"),
        ("IN_COMMENT", "yes", "`comment` is `yes`"),
        ("IN_STATUS", "True", "`status` is `True`"),
        ("IN_UPDATE_BASELINES", "1", "`update-baselines` is `1`"),
        ("IN_BUILD_FROM_SOURCE", "true", "`build-from-source` is `true`"),
        ("IN_CACHE", "on", "`cache` is `on`"),
        ("IN_SHARD", "2", "must be like `2/4`"),
        ("IN_SHARD", "1/2\n::error::x", "holds a control character"),
        ("IN_SHARDS", "3", "`shards` goes with `mode: merge` alone"),
        ("IN_VERSION", "latest", "there is no `latest`"),
        ("IN_ARTIFACT", "../x", "`artifact` is `../x`"),
        ("IN_BASELINES", "/etc", "leads out of the workspace"),
        ("IN_WORKING_DIRECTORY", "a/../..", "leads out of the workspace"),
        ("IN_REASON", "because", "`reason` goes with `update-baselines: true` alone"),
    ] {
        runner.run("prepare.sh", &[], &[(name, value)]).fails_with(message);
    }
}

#[test]
fn only_who_may_start_a_workflow_may_accept_baselines() {
    let runner = Runner::new();
    let with = |event| runner.run("prepare.sh", &[], &[("IN_UPDATE_BASELINES", "true"), ("GITHUB_EVENT_NAME", event)]);
    for event in ["pull_request", "pull_request_target", "push", "issue_comment", "workflow_run", ""] {
        with(event).fails_with("start it by `workflow_dispatch`");
    }
    let ran = with("workflow_dispatch");
    assert_eq!((ran.code, ran.output("post").as_deref()), (0, Some("false")), "{}", ran.log);
}

#[test]
fn what_lies_where_parts_of_the_action_go_is_not_run() {
    let runner = Runner::new();
    let planted = runner.path("workspace/.tollgate-action/save");
    fs::create_dir_all(&planted).unwrap();
    fs::write(planted.join("action.yml"), "planted").unwrap();
    let ran = runner.run("prepare.sh", &[], &[("RUNNER_ENVIRONMENT", "github-hosted")]);
    assert_eq!((ran.code, ran.output("cache").as_deref()), (0, Some("true")), "{}", ran.log);
    assert!(fs::read_to_string(planted.join("action.yml")).unwrap().contains("actions/cache/save@"));
}

#[test]
fn a_given_executable_needs_its_checksum() {
    let runner = Runner::new();
    let (path, sum) = runner.executable("given", "echo tollgate 9.9.9");
    let ran =
        runner.run("install.sh", &[], &[("TOLLGATE_BINARY", path.as_str()), ("TOLLGATE_BINARY_SHA256", sum.as_str())]);
    assert_eq!((ran.code, ran.output("sha256")), (0, Some(sum)), "{}", ran.log);
    runner.run("install.sh", &[], &[("TOLLGATE_BINARY", path.as_str())]).fails_with("set both, or neither");
    let wrong = "0".repeat(64);
    let changes = [("TOLLGATE_BINARY", path.as_str()), ("TOLLGATE_BINARY_SHA256", wrong.as_str())];
    runner.run("install.sh", &[], &changes).fails_with("nothing else is tried");
}

/// Serves `answer` to every request on loopback, and returns the address.
fn served(answer: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://127.0.0.1:{}/tollgate.tar.gz", listener.local_addr().unwrap().port());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            _ = stream.read(&mut [0; 4096]);
            _ = stream.write_all(&answer);
        }
    });
    address
}

/// An archive with an executable that says its version.
fn archive(runner: &Runner) -> Vec<u8> {
    fs::create_dir(runner.path("tollgate-0.1.0")).unwrap();
    runner.executable("tollgate-0.1.0/tollgate", "echo tollgate 0.1.0");
    let archive = runner.path("archive.tar.gz");
    let mut tar = Command::new("tar");
    tar.arg("-czf").arg(&archive).arg("-C").arg(runner.folder.path()).arg("tollgate-0.1.0");
    assert!(tar.status().unwrap().success());
    fs::read(archive).unwrap()
}

fn answer(status: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// Runs install.sh with a list of checksums of one line, beside a cargo that only leaves a trace. Tells whether it was asked.
fn install(runner: &Runner, line: &str, changes: &[(&str, &str)]) -> (Ran, bool) {
    let list = runner.path("checksums.txt");
    fs::write(&list, format!("# comment\n{line}\n")).unwrap();
    let trace = runner.path("trace");
    _ = fs::remove_file(&trace);
    runner.executable("bin/cargo", &format!("echo \"$@\" >>{}; exit 9", trace.display()));
    let list = list.display().to_string();
    let changes: Vec<_> = changes.iter().copied().chain([("TOLLGATE_CHECKSUMS", list.as_str())]).collect();
    // The script of LLVM has nothing to do here.
    let changes: Vec<_> = changes.into_iter().chain([("LLVM_SYS_221_PREFIX", "/llvm")]).collect();
    (runner.run("install.sh", &[], &changes), trace.exists())
}

fn own_version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

#[test]
fn a_prebuilt_executable_is_taken_by_its_checksum_alone() {
    let runner = Runner::new();
    let archive = archive(&runner);
    let address = served(answer("200 OK", &archive));
    let line = |sum: &str| format!("{sum}  {}  x86_64-linux  {address}", own_version());

    let (ran, built) = install(&runner, &line(&sha256(&archive)), &[]);
    assert_eq!((ran.code, built), (0, false), "{}", ran.log);
    assert!(ran.log.contains("checksum verified"), "{}", ran.log);
    assert!(Path::new(&ran.output("binary").unwrap()).exists());

    // A mismatch is never a reason to try something else.
    let (ran, built) = install(&runner, &line(&"0".repeat(64)), &[]);
    ran.fails_with("does not have the checksum");
    assert!(!built);

    let (ran, _) = install(
        &runner,
        &format!("{}  9.9.9  x86_64-linux  http://example.org/x", "0".repeat(64)),
        &[("IN_VERSION", "9.9.9")],
    );
    ran.fails_with("not HTTPS");
}

#[test]
fn without_a_prebuilt_executable_it_is_built_where_that_is_allowed() {
    let runner = Runner::new();
    let missing = served(answer("404 Not Found", b""));
    let line = format!("{}  {}  x86_64-linux  {missing}", "0".repeat(64), own_version());
    // The cargo here fails, so that it was asked is all that is to be seen.
    for (line, changes) in
        [(line.as_str(), [("IN_STATUS", "")]), ("", [("IN_STATUS", "")]), ("", [("IN_BUILD_FROM_SOURCE", "always")])]
    {
        let (ran, built) = install(&runner, line, &changes);
        assert!(ran.code != 0 && built, "{}", ran.log);
    }
    for line in [line.as_str(), ""] {
        let (ran, built) = install(&runner, line, &[("IN_BUILD_FROM_SOURCE", "never")]);
        ran.fails_with("`build-from-source` is `never`");
        assert!(!built);
    }
    let (ran, built) = install(&runner, "", &[("IN_VERSION", "9.9.9")]);
    ran.fails_with("the sources of");
    assert!(!built);
}

#[test]
fn the_measuring_step_shows_no_secret_to_what_it_runs() {
    let runner = Runner::new();
    let body = "env; echo ARGS \"$@\"; echo ::error::obey; mkdir -p tollgate-out; : >tollgate-out/results.json; exit 1";
    let (binary, sum) = runner.executable("tollgate", body);
    let ran = runner.run(
        "measure.sh",
        &[],
        &[
            ("BINARY", binary.as_str()),
            ("BINARY_SHA256", sum.as_str()),
            ("GITHUB_TOKEN", "secret-1"),
            ("INPUT_GITHUB-TOKEN", "secret-2"),
            ("ACTIONS_RUNTIME_TOKEN", "secret-3"),
            ("GH_TOKEN", "secret-4"),
            ("GITHUB_ENV", "secret-5"),
            ("GITHUB_SHA", "a-commit"),
            ("IN_BACKENDS", "singlepass, cranelift*"),
            ("IN_SHARD", "2/3"),
            ("IN_FAIL_ON", "missing"),
        ],
    );
    // A verdict is for the posting step, which follows.
    assert_eq!(ran.code, 0, "{}", ran.log);
    assert!(ran.log.contains("GITHUB_SHA=a-commit") && !ran.log.contains("secret-"), "{}", ran.log);
    let arguments = "ARGS run --out tollgate-out --tier pr --budget 4m30s --fail-on missing --shard 2/3 --backend singlepass \
                     --backend cranelift*\n";
    assert!(ran.log.contains(arguments), "{}", ran.log);
    assert!(ran.output("results").unwrap().ends_with("/tollgate-out/results.json"));
    // What the executable says is no command to the runner.
    let (before, after) = ran.log.split_once("::error::obey").unwrap();
    let (_, token) = before.split_once("::stop-commands::").unwrap();
    let token = token.lines().next().unwrap();
    assert!(token.len() == 32 && after.contains(&format!("\n::{token}::\n")), "{}", ran.log);
}

#[test]
fn what_could_not_be_measured_fails_there() {
    let runner = Runner::new();
    for (code, passes) in [(0, true), (1, true), (2, false), (3, true), (4, true), (130, false), (137, false)] {
        let (binary, sum) = runner.executable("tollgate", &format!("exit {code}"));
        let ran = runner.run("measure.sh", &[], &[("BINARY", binary.as_str()), ("BINARY_SHA256", sum.as_str())]);
        assert_eq!(ran.code == 0, passes, "{code}: {}", ran.log);
    }
}

#[test]
fn an_executable_that_changed_meanwhile_gets_no_token() {
    let runner = Runner::new();
    let (binary, sum) = runner.executable("tollgate", "exit 0");
    runner.executable("tollgate", "echo $GITHUB_TOKEN");
    for script in ["post.sh", "publish.sh", "measure.sh", "merge.sh"] {
        let changes = [
            ("BINARY", binary.as_str()),
            ("BINARY_SHA256", sum.as_str()),
            ("RESULTS", "r"),
            ("SHARDS_DIR", "s"),
            ("GITHUB_TOKEN", "secret"),
        ];
        let ran = runner.run(script, &[], &changes);
        ran.fails_with("has changed since");
        assert!(!ran.log.contains("secret"));
    }
}

#[test]
fn the_posting_step_ends_as_tollgate_does() {
    let runner = Runner::new();
    let (binary, sum) = runner.executable("tollgate", "echo ARGS \"$@\"; exit 4");
    let changes =
        [("BINARY", binary.as_str()), ("BINARY_SHA256", sum.as_str()), ("RESULTS", "r"), ("IN_STATUS", "true")];
    let ran = runner.run("post.sh", &[], &changes);
    assert_eq!(ran.code, 4);
    assert!(ran.log.contains("ARGS post --results r --comment auto --comment-key tollgate --status\n"), "{}", ran.log);
}
