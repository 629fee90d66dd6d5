//! A small world for the workflows to run in: a repository with a pull request, a forge on loopback, and the runner.
//!
//! The repository is a copy of this one, so what is proved is what lies in the working tree. The forge is the double that the
//! tests use too (`tests/helpers/forge`), which logs every request.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use serde_json::{Value, json};

use crate::root;

/// The token that the runner gives to the workflows, and that the double asks for.
pub const TOKEN: &str = "token-of-the-proof-0123456789";
/// Number of the pull request.
pub const PULL: u64 = 7;
/// A runner that takes longer hangs.
const DEADLINE: Duration = Duration::from_secs(150);

/// Where the head of the pull request lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Head {
    Here,
    Fork,
}

impl Head {
    fn owner(self) -> &'static str {
        if self == Self::Here { "acme" } else { "jane" }
    }

    fn repository_id(self) -> u64 {
        if self == Self::Here { 1 } else { 2 }
    }
}

/// The repository of the forge, and the folders of one scenario.
pub struct World {
    pub folder: PathBuf,
    pub head: Head,
    /// Commits: of the main branch, and of the pull request's.
    pub base_sha: String,
    pub head_sha: String,
}

impl World {
    /// A copy of this repository with a branch `feature` on which `change` was made.
    pub fn new(folder: &Path, head: Head, change: impl Fn(&Path) -> anyhow::Result<()>) -> anyhow::Result<Self> {
        _ = fs::remove_dir_all(folder);
        let work = folder.join("work");
        copy_of_this_repository(&work)?;
        for name in ["artifacts", "home"] {
            fs::create_dir_all(folder.join(name))?;
        }
        git(&work, &["init", "--quiet", "--initial-branch", "main"])?;
        commit(&work, "The base")?;
        let base_sha = git(&work, &["rev-parse", "HEAD"])?;
        git(&work, &["branch", "feature"])?;
        git(folder, &["init", "--quiet", "--bare", "origin.git"])?;
        git(&work, &["remote", "add", "origin", &folder.join("origin.git").display().to_string()])?;
        git(&work, &["push", "--quiet", "origin", "main"])?;
        let mut world = Self { folder: folder.to_owned(), head, head_sha: base_sha.clone(), base_sha };
        world.push(change)?;
        Ok(world)
    }

    /// Commits another change to the branch, and makes of it what a forge makes: a commit that would be the merge, which the
    /// working tree is left at.
    pub fn push(&mut self, change: impl Fn(&Path) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let work = self.folder.join("work");
        git(&work, &["checkout", "--quiet", "feature"])?;
        change(&work)?;
        commit(&work, "The change")?;
        self.head_sha = git(&work, &["rev-parse", "HEAD"])?;
        git(&work, &["checkout", "--quiet", "--detach", "main"])?;
        git(&work, &["merge", "--quiet", "--no-ff", "-m", "The merge", "feature"])?;
        let refs = ["feature:refs/heads/feature", "feature:refs/pull/7/head", "HEAD:refs/pull/7/merge"];
        git(&work, &[&["push", "--quiet", "--force", "origin"], refs.as_slice()].concat()).map(drop)
    }

    pub fn origin(&self) -> PathBuf {
        self.folder.join("origin.git")
    }

    /// A file of an artifact that a workflow uploaded.
    pub fn artifact(&self, name: &str, file: &str) -> PathBuf {
        self.folder.join("artifacts").join(name).join(file)
    }

    fn repository(&self) -> Value {
        json!({"id": 1, "name": "widgets", "full_name": "acme/widgets", "fork": false, "default_branch": "main",
               "private": false, "owner": {"login": "acme", "id": 11}})
    }

    fn head_repository(&self) -> Value {
        let owner = self.head.owner();
        json!({"id": self.head.repository_id(), "name": "widgets", "full_name": format!("{owner}/widgets"),
               "fork": self.head == Head::Fork, "owner": {"login": owner, "id": 12}})
    }

    /// The event of a pull request that was pushed to.
    pub fn pull_request_event(&self) -> Value {
        let owner = self.head.owner();
        json!({
            "action": "synchronize", "number": PULL, "repository": self.repository(),
            "pull_request": {
                "number": PULL, "state": "open", "title": "A change",
                "head": {"ref": "feature", "sha": self.head_sha, "label": format!("{owner}:feature"), "repo": self.head_repository()},
                "base": {"ref": "main", "sha": self.base_sha, "label": "acme:main", "repo": self.repository()},
            },
        })
    }

    /// The event of a measuring workflow that has ended; of forks, it names no pull request.
    pub fn workflow_run_event(&self, run: u64) -> Value {
        json!({
            "action": "completed", "repository": self.repository(),
            "workflow_run": {
                "id": run, "name": "guard", "event": "pull_request", "status": "completed", "conclusion": "failure",
                "path": ".github/workflows/guard.yml", "head_sha": self.head_sha, "head_branch": "feature",
                "run_attempt": 1, "pull_requests": [], "head_repository": self.head_repository(),
                "repository": self.repository(),
            },
        })
    }

    /// What the double serves: the pull request with its comments, and on request a measuring run with its artifact.
    pub fn scenario(
        &self,
        rights: &str,
        comments: &[(i64, String)],
        artifact: Option<(u64, &str, &Path)>,
    ) -> anyhow::Result<Value> {
        let head = json!({"ref": "feature", "sha": self.head_sha, "owner": self.head.owner(), "repo": "widgets",
                          "repo_id": self.head.repository_id()});
        let runs: Vec<Value> = artifact
            .iter()
            .map(|(run, name, file)| {
                json!({"id": run, "event": "pull_request", "path": ".github/workflows/guard.yml",
                       "head_sha": self.head_sha, "head_branch": "feature", "head_owner": self.head.owner(),
                       "head_repo": "widgets", "head_repo_id": self.head.repository_id(), "pull_requests": [],
                       "run_attempt": 1,
                       "artifacts": [{"id": 5, "name": name, "expired": false, "digest": "right",
                                      "entries": [{"path": "results.json", "file": file}]}]})
            })
            .collect();
        let comments: Vec<Value> = comments
            .iter()
            .map(|(id, body)| json!({"issue": PULL, "id": id, "user": "github-actions[bot]", "body": body}))
            .collect();
        Ok(json!({
            "comments": comments,
            "personality": "github", "token": TOKEN, "login": "github-actions[bot]", "rights": rights,
            "repository": {"id": 1, "owner": "acme", "name": "widgets", "default_branch": "main"},
            "pulls": [{"number": PULL, "title": "A change", "state": "open", "author": self.head.owner(), "head": head,
                       "base": {"ref": "main", "sha": self.base_sha}}],
            "contents": {self.base_sha.as_str(): self.contents_of_base()?},
            "runs": runs,
        }))
    }

    /// The texts that the forge serves of the base revision.
    fn contents_of_base(&self) -> anyhow::Result<Value> {
        let listed = git(&self.origin(), &["ls-tree", "-r", "--name-only", "main"])?;
        let served = |path: &&str| {
            *path == "tollgate.yml"
                || path.starts_with("baselines/")
                || path.starts_with(".github/")
                || path.ends_with("/sample.yml")
        };
        let mut contents = serde_json::Map::new();
        for path in listed.lines().filter(served) {
            let text = fs::read_to_string(self.folder.join("work").join(path))?;
            contents.insert(path.to_owned(), Value::String(text));
        }
        Ok(Value::Object(contents))
    }
}

/// A forge on loopback; it ends with its handle.
pub struct Double {
    child: Child,
    pub api: String,
    log: PathBuf,
    state: PathBuf,
}

impl Double {
    pub fn start(program: &Path, folder: &Path, scenario: &Value) -> anyhow::Result<Self> {
        let [file, log, state] = ["scenario.json", "requests.jsonl", "state.json"].map(|name| folder.join(name));
        fs::write(&file, serde_json::to_vec_pretty(scenario)?)?;
        _ = fs::remove_file(&log);
        _ = fs::remove_file(&state);
        let mut command = Command::new(program);
        command.arg(&file).arg("--log").arg(&log).arg("--state").arg(&state).arg("--stdin");
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("failed to start the double")?;
        let mut line = String::new();
        let stdout = child.stdout.take().context("the double has no output")?;
        BufReader::new(stdout).read_line(&mut line)?;
        let said: Value = serde_json::from_str(&line).context("the double did not say where it is")?;
        let api = said["api"].as_str().context("the double named no api")?.to_owned();
        Ok(Self { child, api, log, state })
    }

    /// The bodies of the comments on the pull request, by id.
    pub fn comments(&self) -> anyhow::Result<Vec<(i64, String)>> {
        let Ok(state) = fs::read_to_string(&self.state) else { return Ok(Vec::new()) };
        let state: Value = serde_json::from_str(&state)?;
        let comments = state["comments"].as_array().context("the state has no comments")?.iter();
        Ok(comments
            .map(|comment| (comment["id"].as_i64().unwrap_or(0), comment["body"].as_str().unwrap_or("").to_owned()))
            .collect())
    }

    /// Requests that would change something.
    pub fn writes(&self) -> anyhow::Result<Vec<String>> {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let mut writes = Vec::new();
        for line in log.lines() {
            let request: Value = serde_json::from_str(line)?;
            let method = request["method"].as_str().unwrap_or_default();
            if method != "GET" {
                writes.push(format!("{method} {}", request["path"].as_str().unwrap_or_default()));
            }
        }
        Ok(writes)
    }
}

impl Drop for Double {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// What a runner made of a workflow.
pub struct Ran {
    pub succeeded: bool,
    pub log: String,
}

impl Ran {
    /// An error with the end of the log, unless `right`.
    pub fn ensure(&self, right: bool, what: &str) -> anyhow::Result<()> {
        let lines: Vec<&str> = self.log.lines().collect();
        let end = lines[lines.len().saturating_sub(60)..].join("\n");
        ensure!(right, "{what}; the end of the log:\n{end}");
        Ok(())
    }

    /// Checks an output of the action.
    pub fn output(&self, name: &str, value: &str) -> anyhow::Result<()> {
        let line = format!("::set-output:: {name}={value}");
        self.ensure(self.log.lines().any(|found| found.ends_with(&line)), &format!("no output {name}={value}"))
    }
}

/// One start of the runner.
pub struct Start<'a> {
    pub act: &'a Path,
    pub tollgate: &'a Path,
    pub sha256: &'a str,
    pub event: &'a str,
    pub payload: Value,
    pub workflow: &'a str,
    pub arguments: Vec<String>,
    pub run: u64,
}

/// Lets the runner run a workflow of the world's repository, as it is at the merge of the pull request.
pub fn run(world: &World, api: Option<&str>, start: &Start<'_>) -> anyhow::Result<Ran> {
    let payload = world.folder.join("event.json");
    fs::write(&payload, serde_json::to_vec_pretty(&start.payload)?)?;
    let log = fs::File::create(world.folder.join("log.txt"))?;
    let mut command = Command::new(start.act);
    command.arg(start.event).arg("--directory").arg(world.folder.join("work"));
    command.args(["--workflows", start.workflow]).arg("--eventpath").arg(&payload);
    command.args(["--platform", "ubuntu-latest=-self-hosted", "--no-skip-checkout", "--no-cache-server"]);
    command.args(["--artifact-server-addr", "127.0.0.1", "--cache-server-addr", "127.0.0.1"]);
    command.arg("--action-cache-path").arg(world.folder.join("act"));
    for (pinned, stub) in stubs(&world.folder.join("work"))? {
        command.arg("--local-repository").arg(format!("{pinned}={}", stub.display()));
    }
    command.arg("--secret").arg(format!("GITHUB_TOKEN={TOKEN}"));
    let run = start.run.to_string();
    let api = api.unwrap_or("http://127.0.0.1:9");
    for (name, value) in [
        ("GITHUB_API_URL", api),
        ("GITHUB_REPOSITORY", "acme/widgets"),
        ("GITHUB_RUN_ID", run.as_str()),
        ("GITHUB_RUN_ATTEMPT", "1"),
        ("STUB_ORIGIN", &world.origin().display().to_string()),
        ("STUB_ARTIFACTS", &world.folder.join("artifacts").display().to_string()),
        ("TOLLGATE_BINARY", &start.tollgate.display().to_string()),
        ("TOLLGATE_BINARY_SHA256", start.sha256),
    ] {
        command.arg("--env").arg(format!("{name}={value}"));
    }
    command.args(&start.arguments);
    // Whoever runs this may be a workflow, whose own variables are not meant.
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", world.folder.join("home"));
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    let succeeded = within_deadline(command.spawn().context("failed to start act")?)?;
    Ok(Ran { succeeded, log: fs::read_to_string(world.folder.join("log.txt"))? })
}

fn within_deadline(mut child: Child) -> anyhow::Result<bool> {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status.success());
        }
        if begun.elapsed() > DEADLINE {
            _ = child.kill();
            _ = child.wait();
            bail!("the runner did not end within {} s", DEADLINE.as_secs());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// What the workflows pin, with the folder that stands in for it.
fn stubs(work: &Path) -> anyhow::Result<Vec<(String, PathBuf)>> {
    let mut texts = String::new();
    for folder in [".github/workflows", "action/artifacts"] {
        for entry in fs::read_dir(work.join(folder))? {
            texts.push_str(&fs::read_to_string(entry?.path())?);
        }
    }
    let mut stubs = Vec::new();
    for line in texts.lines() {
        let Some((_, pinned)) = line.split_once("uses: actions/") else { continue };
        let pinned = pinned.split_whitespace().next().unwrap_or_default();
        let stub = root().join("tests/helpers/actions").join(pinned.split('@').next().unwrap_or_default());
        let pinned = format!("actions/{pinned}");
        if stub.is_dir() && !stubs.contains(&(pinned.clone(), stub.clone())) {
            stubs.push((pinned, stub));
        }
    }
    Ok(stubs)
}

/// Copies what git knows of the working tree, changes that are not committed among it.
fn copy_of_this_repository(to: &Path) -> anyhow::Result<()> {
    let listed = git(root(), &["ls-files", "-z", "--cached", "--others", "--exclude-standard"])?;
    for path in listed.split('\0').filter(|path| !path.is_empty() && root().join(path).is_file()) {
        let copy = to.join(path);
        fs::create_dir_all(copy.parent().context("a file without a folder")?)?;
        fs::copy(root().join(path), copy).with_context(|| format!("failed to copy {path}"))?;
    }
    Ok(())
}

fn commit(work: &Path, message: &str) -> anyhow::Result<()> {
    git(work, &["add", "--all"])?;
    git(work, &["commit", "--quiet", "--allow-empty", "--message", message]).map(drop)
}

/// Runs git as nobody in particular, and returns what it says.
pub fn git(folder: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    let mut command = Command::new("git");
    command.current_dir(folder).args(["-c", "user.name=proof", "-c", "user.email=proof@example.org"]);
    command.args(["-c", "commit.gpgsign=false", "-c", "core.hooksPath=/dev/null"]).args(arguments);
    let output = command.output().context("failed to start git")?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "git {} failed: {said}", arguments.first().copied().unwrap_or_default());
    Ok(String::from_utf8(output.stdout)?.trim_end().to_owned())
}
