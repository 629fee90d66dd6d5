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
use crate::{build, exists, root, say, setup, target_dir};

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
    ("nothing to be measured", nothing),
    ("fork, and its publishing", fork),
    ("update of the baselines", update),
    ("shards, as the README has them", shards),
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
    build(&environment)?;
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

    /// Runs the guard on the world's pull request, whose results it must leave as an artifact.
    fn guard(&self, world: &World, double: &Double, run: u64, arguments: &[&str]) -> anyhow::Result<Ran> {
        let ran = self.run_guard(world, double, run, arguments)?;
        let artifact = world.artifact(&format!("tollgate-results-{PLATFORM}"), "results.json");
        ran.ensure(artifact.is_file(), "the results were not uploaded")?;
        Ok(ran)
    }

    fn run_guard(&self, world: &World, double: &Double, run: u64, arguments: &[&str]) -> anyhow::Result<Ran> {
        let mut start = self.start("pull_request", ".github/workflows/guard.yml", run, world.pull_request_event());
        start.arguments.extend(["--matrix", "runner:ubuntu-latest"].map(str::to_owned));
        start.arguments.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        let ran = world::run(world, Some(&double.api), &start)?;
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

/// A configuration that cannot be read: neither a pass nor a red, and said as such.
fn nothing(proof: &Proof) -> anyhow::Result<()> {
    let world = World::new(&proof.folder.join("nothing"), Head::Here, |work| {
        Ok(fs::write(work.join("tollgate.yml"), "version: 1\nsampels: []\n")?)
    })?;
    let double = Double::start(&proof.double, &world.folder, &world.scenario("write", &[], None)?)?;
    let ran = proof.run_guard(&world, &double, 108, &[])?;
    ran.ensure(!ran.succeeded && ran.log.contains("could not measure (exit code 2)"), "it was taken for a verdict")?;
    ran.ensure(ran.log.contains("sampels"), "the log does not say what is wrong")?;
    ran.output("result", "error")
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

/// The workflow of the README, with the action of the working tree in the place of a release.
fn shards(proof: &Proof) -> anyhow::Result<()> {
    let readme = fs::read_to_string(root().join("README.md"))?;
    let (_, section) =
        readme.split_once("### A suite that outgrows one runner").context("the README has no such section")?;
    let example = section.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).context("no example")?;
    let small = "tier: smoke, budget: 6s, backends: singlepass, comment: true";
    let ours = example.replace("OWNER/tollgate@COMMIT # v0.1.0", "./");
    let ours = ours.replace("with: {shard:", &format!("with: {{{small}, shard:"));
    ensure!(ours.contains("uses: ./\n") && ours.contains(small), "the example is not what this scenario takes it for");
    let workflow = format!("on: pull_request\npermissions: {{}}\n{ours}");
    let world = World::new(&proof.folder.join("shards"), Head::Here, |work| {
        fs::write(work.join(".github/workflows/shards.yml"), &workflow)?;
        worse(work)
    })?;
    let double = Double::start(&proof.double, &world.folder, &world.scenario("write", &[], None)?)?;
    let mut start = proof.start("pull_request", ".github/workflows/shards.yml", 107, world.pull_request_event());
    // One after the other: they share a machine here.
    start.arguments.extend(["--concurrent-jobs", "1"].map(str::to_owned));
    let ran = world::run(&world, Some(&double.api), &start)?;
    ran.ensure(
        !ran.succeeded && ran.log.contains("exit status 1"),
        "a regression in one shard did not fail the merge with code 1",
    )?;
    ran.output("result", "regressed")?;
    for shard in 1..=3 {
        let results = world.artifact(&format!("tollgate-results-{shard}"), "results.json");
        ran.ensure(results.is_file(), &format!("shard {shard} left no results"))?;
    }
    only_comment(&double, &ran).map(drop)?;

    // Without one of them, the same job is broken.
    fs::remove_dir_all(world.folder.join("artifacts/tollgate-results-2"))?;
    let merging = workflow.split_once("  measure:").context("no job `measure`")?;
    let (_, merge) = merging.1.split_once("  tollgate:\n    needs: measure\n").context("no job that merges")?;
    fs::write(world.folder.join("work/.github/workflows/shards.yml"), format!("{}  tollgate:\n{merge}", merging.0))?;
    let ran = world::run(&world, Some(&double.api), &start)?;
    ran.ensure(!ran.succeeded && ran.log.contains("exit status 3"), "a missing shard is not broken")?;
    ran.output("result", "broken")?;
    only_comment(&double, &ran).map(drop)
}
