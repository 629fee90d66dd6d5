//! What a change loosens against its base revision: told, failed on request, and measured where it can fail.

use serde_json::Value;

use super::Project;
use super::base::Repository;

/// A repository with committed baselines.
fn repository() -> Repository {
    let repository = Repository::new();
    repository.project.write(".gitignore", "tollgate-out\n");
    repository.project.run(&["--update-baselines"]).exits(0);
    repository.commit();
    repository
}

fn edit(project: &Project, file: &str, from: &str, to: &str) {
    let text = project.read(file);
    assert!(text.contains(from), "{text}");
    project.write(file, text.replace(from, to));
}

fn comparisons(project: &Project) -> Vec<Value> {
    let results: Value = serde_json::from_str(&project.read("tollgate-out/results.json")).unwrap();
    results["header"]["plan"].as_array().unwrap().iter().map(|pair| pair["comparison"].clone()).collect()
}

const SIZE: &str = "tiny/serialize/size: {bytes: 10000}";

#[test]
fn what_is_as_it_was_loosens_nothing_and_is_not_measured() {
    let repository = repository();
    repository.project.write("README.md", "more\n");
    repository.commit();
    let ended = repository.run(&["--base-ref", "HEAD~1"]);
    ended.exits(0).says(&["nothing relevant changed"]);
    assert!(!ended.stdout.contains("oosened"), "{ended}");
    assert_eq!(comparisons(&repository.project), ["same", "same"]);
}

#[test]
fn a_raised_baseline_is_told_and_its_pair_measured() {
    let repository = repository();
    let project = &repository.project;
    edit(project, &project.baseline("alpha"), SIZE, "tiny/serialize/size: {bytes: 20000}");
    let ended = repository.run(&["--base-ref", "HEAD"]);
    // The artifact has what it had, and half of what it may have now.
    ended.exits(0).warns(&["1 the same but held to something else, to measure here"]).says(&[
        "; 1 rule loosened",
        "Loosened: 1 rule less strict here than in HEAD",
        "- baseline of tiny/serialize/size on alpha: 10000 bytes → 20000 bytes (+100 %); no reason recorded",
        "1 improved",
        "edited",
    ]);
    assert_eq!(comparisons(project), ["edited", "same"]);
    // The same from the saved file, and in every format.
    project
        .tollgate(&["report", "tollgate-out", "--format", "markdown"])
        .exits(0)
        .says(&["### Loosened: 1 rule less strict"]);
    let report: Value =
        serde_json::from_str(&project.tollgate(&["report", "tollgate-out", "--format", "json"]).stdout).unwrap();
    assert_eq!(report["loosening"]["items"][0]["kind"], "entry");
}

#[test]
fn a_baseline_that_is_not_met_is_red_although_nothing_else_changed() {
    let repository = repository();
    let project = &repository.project;
    edit(project, &project.baseline("alpha"), SIZE, "tiny/serialize/size: {bytes: 9000}");
    let ended = repository.run(&["--base-ref", "HEAD"]);
    ended.exits(1).says(&["1 of 11 gating cells regressed", "serialize size"]);
}

#[test]
fn loosening_fails_where_either_revision_says_so() {
    let repository = repository();
    let project = &repository.project;
    let text = project.read("tollgate.yml");
    let looser = "thresholds: [{metric: size, tolerance: 5%}]\n";
    project.write("tollgate.yml", format!("{text}{looser}"));
    let told = "- tolerance of serialize size of tiny on alpha, beta: 0.1 % → 5 %";
    let ended = repository.run(&["--base-ref", "HEAD"]);
    ended.exits(0).says(&[
        "PASS  nothing relevant changed",
        "; 1 rule loosened",
        told,
        "nothing was measured in this run",
    ]);

    project.write("tollgate.yml", format!("{text}{looser}fail-on: [regressed, loosened]\n"));
    repository.run(&["--base-ref", "HEAD"]).exits(4).says(&["LOOSENED  ", told]);

    // The change takes out the rule that it breaks.
    project.write("tollgate.yml", format!("{text}fail-on: [regressed, loosened]\n"));
    repository.run(&["--base-ref", "HEAD"]).exits(0);
    repository.commit();
    project.write("tollgate.yml", format!("{text}{looser}"));
    let ended = repository.run(&["--base-ref", "HEAD"]);
    ended.exits(4).says(&["LOOSENED  ", told, "- `fail-on`: regressed, loosened → regressed"]);
}

#[test]
fn what_is_not_measured_any_more_is_told() {
    let repository = repository();
    let project = &repository.project;
    let text = project.read("tollgate.yml");
    let (kept, _) = text.split_once("  beta: ").unwrap();
    project.write("tollgate.yml", kept.replace("tier: smoke", "tier: pr"));
    std::fs::remove_file(project.work(&project.baseline("beta"))).unwrap();
    let ended = repository.run(&["--base-ref", "HEAD"]);
    ended.exits(0).says(&[
        "- the backend beta: measured → not in the configuration",
        "- the sample tiny: tier smoke → tier pr",
        "- the baseline of beta: 11 entries → no file; no reason recorded",
    ]);
}

#[test]
fn a_reason_goes_with_what_was_accepted_with_it() {
    let repository = repository();
    let project = &repository.project;
    project.configure("--size, '+512'", "", "");
    project.run(&["--update-baselines", "--reason", "alignment"]).exits(0);
    let ended = repository.run(&["--base-ref", "HEAD"]);
    ended.exits(0).says(&[
        "baseline of tiny/serialize/size on alpha: 10000 bytes → 10512 bytes (+5.1 %)",
        "reason:",
        "alignment",
    ]);
    // The patch of an update has nothing but baselines in it, and is met where it is applied.
    let patch = repository.git(&["diff", "--binary", "--", "baselines"]) + "\n";
    assert!(
        patch.contains("+  tiny/serialize/size: {bytes: 10512}") && patch.contains("reason: \"alignment\""),
        "{patch}"
    );
    let changed = repository.git(&["status", "--porcelain"]);
    let elsewhere: Vec<_> = changed.lines().filter(|line| !line.contains("baselines/")).collect();
    assert_eq!(elsewhere, [" M tollgate.yml"], "the test's own edit");
    repository.git(&["checkout", "--quiet", "--", "baselines"]);
    project.run(&[]).exits(1);
    project.write("baselines.patch", patch);
    repository.git(&["apply", "baselines.patch"]);
    project.run(&[]).exits(0);
}

#[test]
fn shards_agree_on_what_is_loosened() {
    let repository = repository();
    let project = &repository.project;
    let entry = |id: &str| format!("  - {{path: tiny.wasm, id: {id}, tier: smoke, {}}}", super::CALL);
    project.samples(&[entry("tiny"), entry("two")].join("\n"), "", "", "fail-on: [loosened]");
    project.run(&["--update-baselines"]).exits(0);
    repository.commit();
    edit(project, &project.baseline("alpha"), SIZE, "tiny/serialize/size: {bytes: 20000}");
    for (shard, out) in [("1/2", "downloads/a"), ("2/2", "downloads/b")] {
        repository.run(&["--base-ref", "HEAD", "--shard", shard, "--out", out]).exits(4);
    }
    project.tollgate(&["merge", "downloads", "--out", "merged"]).exits(0);
    project.tollgate(&["judge", "merged"]).exits(4).says(&["; 1 rule loosened", "1 improved"]);
}
