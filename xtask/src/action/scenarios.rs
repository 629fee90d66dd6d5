//! The scenarios: this repository's own workflows on a real runner, with the real Tollgate and real samples, against the double.
//!
//! What changes in the pull requests are modules whose sizes are known to differ, so that no verdict here hangs on a time.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, ensure};

use super::tools::{self, Tool};
use super::world::{self, Double, Head, Ran, Start, World, git};
use super::{Ended, or_skip};
use crate::{cargo, exists, say, setup, succeed, target_dir};

/// The only target with committed baselines, and the one that the workflows' matrix calls by this name.
const PLATFORM: &str = "x86_64-linux";
/// What the repository's variables make of a run here: one backend, few samples, seconds.
const SMALL: &[&str] = &["TOLLGATE_TIER=smoke", "TOLLGATE_BUDGET=6s", "TOLLGATE_BACKENDS=singlepass"];

/// What all scenarios use.
struct Proof {
    act: PathBuf,
    tollgate: PathBuf,
    sha256: String,
    double: PathBuf,
    folder: PathBuf,
}

type Scenario = (&'static str, fn(&Proof) -> anyhow::Result<()>);

const SCENARIOS: &[Scenario] = &[
    ("regression, and the fix that resolves it", regression_then_fix),
    ("inconclusive", inconclusive),
    ("fork, and its publishing", fork),
    ("update of the baselines", update),
];

/// Runs the scenarios, where there is a runner for them.
pub fn run() -> anyhow::Result<Ended> {
    if format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS) != PLATFORM {
        return Ok(Ended::Skipped(format!("the committed baselines are of {PLATFORM} alone")));
    }
    for program in ["git", "bash"] {
        if !exists(program) {
            return Ok(Ended::Skipped(format!("{program} is not there")));
        }
    }
    let act = or_skip!(tools::get(Tool::Act));
    let proof = prepare(act)?;
    for (name, scenario) in SCENARIOS {
        let begun = Instant::now();
        scenario(&proof).with_context(|| format!("scenario `{name}`"))?;
        say(&format!("  passed in {} s: {name}", begun.elapsed().as_secs()));
    }
    Ok(Ended::Passed)
}

/// Builds what the scenarios run: Tollgate and the double.
fn prepare(act: PathBuf) -> anyhow::Result<Proof> {
    let environment = setup::ensure(setup::Need::Build)?;
    succeed(cargo(&environment).args(["build", "--release", "--locked", "--workspace", "--bins", "--examples"]))?;
    let built = target_dir()?.join("release");
    let folder = tools::folder()?.join("runner");
    _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder)?;
    // A copy: what builds meanwhile replaces the file.
    let [tollgate, double] = ["tollgate", "forge"].map(|name| folder.join(name));
    fs::copy(built.join("tollgate"), &tollgate).context("failed to copy tollgate")?;
    fs::copy(built.join("examples/forge"), &double).context("failed to copy the double")?;
    let output = Command::new("sha256sum").arg(&tollgate).output().context("failed to start sha256sum")?;
    let sha256 = String::from_utf8(output.stdout)?.split(' ').next().unwrap_or_default().to_owned();
    ensure!(sha256.len() == 64, "sha256sum gave no checksum");
    Ok(Proof { act, tollgate, sha256, double, folder })
}

impl Proof {
    fn start(&self, event: &'static str, workflow: &'static str, run: u64, payload: serde_json::Value) -> Start<'_> {
        let variables = SMALL.iter().flat_map(|variable| ["--var".to_owned(), (*variable).to_owned()]);
        Start {
            act: &self.act,
            tollgate: &self.tollgate,
            sha256: &self.sha256,
            event,
            payload,
            workflow,
            arguments: variables.collect(),
            run,
        }
    }

    /// Runs the guard on the world's pull request.
    fn guard(&self, world: &World, double: &Double, run: u64, arguments: &[&str]) -> anyhow::Result<Ran> {
        let mut start = self.start("pull_request", ".github/workflows/guard.yml", run, world.pull_request_event());
        start.arguments.extend(["--matrix", "runner:ubuntu-latest"].map(str::to_owned));
        start.arguments.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        let ran = world::run(world, Some(&double.api), &start)?;
        let artifact = world.artifact(&format!("tollgate-results-{PLATFORM}"), "results.json");
        ran.ensure(artifact.is_file(), "the results were not uploaded")?;
        ran.ensure(!ran.log.contains(world::TOKEN), "the log holds the token")?;
        Ok(ran)
    }
}

/// Puts one sample's module in the place of another's: the same function with or without debug information, which Singlepass
/// makes half or twice the artifact of.
fn swap(work: &Path, from: &str, to: &str) -> anyhow::Result<()> {
    let module = |name: &str| work.join("samples").join(name).join(format!("{name}.wasm"));
    fs::copy(module(from), module(to)).with_context(|| format!("failed to copy the module of {from}"))?;
    Ok(())
}

fn worse(work: &Path) -> anyhow::Result<()> {
    swap(work, "fibonacci", "fibonacci-stripped")
}

fn better(work: &Path) -> anyhow::Result<()> {
    swap(work, "fibonacci-stripped", "fibonacci")
}

/// The only comment on the pull request.
fn only_comment(double: &Double, ran: &Ran) -> anyhow::Result<(i64, String)> {
    let mut comments = double.comments()?;
    ran.ensure(comments.len() == 1, &format!("there are {} comments instead of one", comments.len()))?;
    comments.pop().context("no comment")
}

fn regression_then_fix(proof: &Proof) -> anyhow::Result<()> {
    let mut world = World::new(&proof.folder.join("regression"), Head::Here, worse)?;
    let double = Double::start(&proof.double, &world.folder, &world.scenario("write", &[], None)?)?;
    let ran = proof.guard(&world, &double, 101, &[])?;
    ran.ensure(!ran.succeeded && ran.log.contains("exit status 1"), "a regression did not fail the job with code 1")?;
    ran.output("result", "regressed")?;
    let (id, body) = only_comment(&double, &ran)?;
    ran.ensure(body.contains("fibonacci-stripped"), "the comment does not name the sample")?;

    // The next push takes it back, and makes something smaller.
    world.push(|work| {
        git(work, &["checkout", "--quiet", "main", "--", "samples"])?;
        better(work)
    })?;
    let scenario = world.scenario("write", &[(id, body.clone())], None)?;
    let double = Double::start(&proof.double, &world.folder, &scenario)?;
    let ran = proof.guard(&world, &double, 102, &[])?;
    ran.ensure(ran.succeeded, "a pull request without a regression failed")?;
    ran.output("result", "pass")?;
    let (again, after) = only_comment(&double, &ran)?;
    ran.ensure(again == id && after != body, "the comment was not edited")
}

fn inconclusive(proof: &Proof) -> anyhow::Result<()> {
    let world = World::new(&proof.folder.join("inconclusive"), Head::Here, better)?;
    let double = Double::start(&proof.double, &world.folder, &world.scenario("write", &[], None)?)?;
    // One launch a side decides no time.
    let ran = proof.guard(
        &world,
        &double,
        103,
        &["--var", "TOLLGATE_BUDGET=1ms", "--var", "TOLLGATE_FAIL_ON=regressed,inconclusive"],
    )?;
    ran.ensure(!ran.succeeded && ran.log.contains("exit status 4"), "the job did not fail with code 4")?;
    ran.output("result", "inconclusive")?;
    only_comment(&double, &ran).map(drop)
}

fn fork(proof: &Proof) -> anyhow::Result<()> {
    let world = World::new(&proof.folder.join("fork"), Head::Fork, worse)?;
    let double = Double::start(&proof.double, &world.folder, &world.scenario("read", &[], None)?)?;
    let ran = proof.guard(&world, &double, 104, &[])?;
    ran.ensure(!ran.succeeded && ran.log.contains("exit status 1"), "the verdict of a fork's run was lost")?;
    ran.output("result", "regressed")?;
    ran.ensure(double.writes()?.is_empty(), "a fork's run has tried to write")?;
    drop(double);

    let results = world.artifact(&format!("tollgate-results-{PLATFORM}"), "results.json");
    let name = format!("tollgate-results-{PLATFORM}");
    let scenario = world.scenario("write", &[], Some((104, name.as_str(), results.as_path())))?;
    let double = Double::start(&proof.double, &world.folder, &scenario)?;
    let mut start = proof.start("workflow_run", ".github/workflows/publish.yml", 105, world.workflow_run_event(104));
    start.arguments.extend(["--matrix".to_owned(), format!("platform:{PLATFORM}")]);
    let ran = world::run(&world, Some(&double.api), &start)?;
    ran.ensure(ran.succeeded, "publishing failed")?;
    let (_, body) = only_comment(&double, &ran)?;
    ran.ensure(body.contains("fibonacci-stripped"), "the comment does not name the sample")?;
    ran.ensure(body.contains("contributor"), "the comment does not say whose run it was")
}

fn update(proof: &Proof) -> anyhow::Result<()> {
    let world = World::new(&proof.folder.join("update"), Head::Here, better)?;
    let payload = serde_json::json!({
        "ref": "refs/heads/feature",
        "inputs": {"runner": "ubuntu-latest", "deliver": "push", "reason": "fibonacci is stripped now", "pull-request": ""},
        "repository": {"full_name": "acme/widgets", "default_branch": "main"},
    });
    let start = proof.start("workflow_dispatch", ".github/workflows/baselines.yml", 106, payload);
    let ran = world::run(&world, None, &start)?;
    ran.ensure(ran.succeeded, "the update failed")?;
    let patch = fs::read_to_string(world.artifact("baselines-patch", "baselines.patch")).unwrap_or_default();
    ran.ensure(patch.contains("fibonacci is stripped now"), "no patch with the reason was attached")?;
    let origin = world.origin();
    let changed = git(&origin, &["diff", "--name-only", &world.head_sha, "feature"])?;
    let expected = format!("baselines/{PLATFORM}/singlepass.yml");
    ran.ensure(changed == expected, &format!("the commit changes `{changed}`"))?;
    let message = git(&origin, &["log", "-1", "--format=%s", "feature"])?;
    ran.ensure(message.contains("fibonacci is stripped now"), "the commit does not give the reason")?;
    let count = git(&origin, &["rev-list", "--count", &format!("{}..feature", world.head_sha)])?;
    ran.ensure(count == "1", "it is not one commit")
}
