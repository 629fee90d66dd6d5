//! A run split over machines: the parts, putting them together, and what is missing from them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::Value;

use super::base::{Repository, other_module};
use super::{CALL, Ended, Project, exists};

const SAMPLES: [&str; 4] = ["alike", "brief", "chess", "dance"];

/// Four samples on two backends, accepted.
fn suite() -> Project {
    let project = Project::new();
    configure(&project, "");
    project.run(&["--update-baselines"]).exits(0);
    project
}

fn configure(project: &Project, alpha: &str) {
    project.samples(&entries(), alpha, "", "");
}

fn entries() -> String {
    let entry = |id| format!("  - {{path: tiny.wasm, id: {id}, tier: smoke, {CALL}}}");
    SAMPLES.map(entry).join("\n")
}

/// Measures one of three shards, each with a seed of its own.
fn measure(project: &Project, number: u32) -> Ended {
    let (shard, seed, out) = (format!("{number}/3"), number.to_string(), format!("downloads/shard-{number}"));
    project.tollgate(&["run", "--shard", &shard, "--seed", &seed, "--budget", "1h", "--out", &out])
}

fn measured() -> Project {
    let project = suite();
    for number in 1..=3 {
        measure(&project, number).exits(0);
    }
    project
}

fn merge(project: &Project) -> Ended {
    project.tollgate(&["merge", "downloads", "--out", "merged"])
}

fn results(project: &Project, path: &str) -> Value {
    serde_json::from_str(&project.read(path)).unwrap()
}

fn planned(header: &Value) -> BTreeSet<String> {
    let plan = header["plan"].as_array().unwrap().iter();
    plan.map(|pair| format!("{} {}", pair["sample"], pair["backend"])).collect()
}

/// The verdict of every cell and whether it gates.
fn verdicts(project: &Project, results: &str) -> BTreeMap<String, String> {
    let ended = project.tollgate(&["report", results, "--format", "json"]);
    let report: Value = serde_json::from_str(&ended.exits(0).stdout).unwrap();
    let cells = report["cells"].as_array().unwrap().iter();
    cells
        .map(|one| (one["cell"].to_string(), format!("{} {}", one["verdict"]["verdict"], one["gating"]["gating"])))
        .collect()
}

#[test]
fn shards_put_together_are_the_whole_run() {
    let project = measured();
    let parts = [1, 2, 3].map(|number| {
        let header = results(&project, &format!("downloads/shard-{number}/results.json"))["header"].clone();
        assert_eq!(header["shard"]["number"], number);
        assert_eq!(header["shard"]["parts"].as_array().unwrap().len(), 3);
        planned(&header)
    });
    assert!(parts.iter().all(|part| part.len() % 2 == 0 && !part.is_empty()), "a sample is not split: {parts:?}");
    assert_eq!(parts.iter().map(BTreeSet::len).sum::<usize>(), 8);

    merge(&project).exits(0).warns(&["3 shards put together", "results: merged/results.json"]);
    let header = results(&project, "merged/results.json")["header"].clone();
    assert_eq!(planned(&header), parts.concat_all());
    assert!(header["shard"].is_null());
    let judged = project.tollgate(&["judge", "merged"]);
    judged.exits(0).says(&["PASS  no regression in 88 gating cells", "run     3 shards · ", " together, of 1 h each"]);

    project.run(&[]).exits(0);
    assert_eq!(verdicts(&project, "merged"), verdicts(&project, "tollgate-out"));
    // Once more, over what was put together before.
    project.tollgate(&["merge", ".", "--out", "merged"]).exits(2).warns(&["no shard"]);
    merge(&project).exits(0);
}

trait ConcatAll {
    fn concat_all(&self) -> BTreeSet<String>;
}

impl ConcatAll for [BTreeSet<String>; 3] {
    fn concat_all(&self) -> BTreeSet<String> {
        self.iter().flatten().cloned().collect()
    }
}

#[test]
fn a_shard_by_itself_says_that_it_is_one() {
    let project = suite();
    let ended = measure(&project, 2);
    ended.exits(0).says(&["; only shard 2 of 3\n", "shard   2 of 3: 2 of the 8 pairs of sample and backend"]);
    assert!(!ended.stdout.contains("missing"), "what others measure is not missing: {ended}");
    project.tollgate(&["judge", "downloads/shard-2"]).exits(0).says(&["; only shard 2 of 3\n"]);
    let listed = project.tollgate(&["list", "--shard", "2/3", "--format", "json"]);
    let listed: Value = serde_json::from_str(&listed.exits(0).stdout).unwrap();
    let header = &results(&project, "downloads/shard-2/results.json")["header"];
    let plan = BTreeSet::from_iter(
        listed["pairs"].as_array().unwrap().iter().map(|pair| format!("{} {}", pair["sample"], pair["backend"])),
    );
    assert_eq!(plan, planned(header));
}

#[test]
fn a_regression_in_one_shard_is_one_of_the_whole() {
    let project = suite();
    configure(&project, "--time, compile=1.5");
    for number in 1..=3 {
        measure(&project, number).exits(1);
    }
    merge(&project).exits(0);
    project.tollgate(&["judge", "merged"]).exits(1).says(&["FAIL  4 of 88 gating cells regressed"]);
}

#[test]
fn a_missing_shard_is_broken() {
    let project = measured();
    fs::remove_dir_all(project.work("downloads/shard-2")).unwrap();
    merge(&project).exits(3).warns(&["warning: shard 2 of 3 is missing; ", "run the job of this shard again"]);
    let judged = project.tollgate(&["judge", "merged"]);
    judged.exits(3).says(&[
        "BROKEN  shard 2 of 3 is missing: 2 pairs of sample and backend were not measured",
        "shard 2 of 3: it is missing; 2 pairs of sample and backend were not measured",
        "run the job of this shard again",
        "22 broken",
        "66 passed",
    ]);
    // Not for a configuration to forgive, and the same for who names the results one by one.
    project.write("lenient.yml", project.read("tollgate.yml") + "fail-on: []\n");
    project.tollgate(&["judge", "merged", "--config", "lenient.yml"]).exits(3);
    let named = ["merge", "downloads/shard-3", "downloads/shard-1/results.json", "downloads/shard-2", "--out", "named"];
    project.tollgate(&named).exits(3).warns(&["there is nothing at `downloads/shard-2`", "shard 2 of 3 is missing"]);
    assert_eq!(project.read("named/results.json"), project.read("merged/results.json"));
    project
        .tollgate(&["report", "merged", "--format", "markdown"])
        .exits(0)
        .says(&["## ❌ BROKEN: shard 2 of 3 is missing"]);

    // With the shard measured again, all is well.
    measure(&project, 2).exits(0);
    merge(&project).exits(0);
    project.tollgate(&["judge", "merged"]).exits(0);
}

#[test]
fn a_shard_that_is_there_twice_or_died_is_broken() {
    let project = measured();
    let copy = project.read("downloads/shard-1/results.json");
    project.write("downloads/again/results.json", &copy);
    let ended = merge(&project);
    ended.exits(3).warns(&[
        "shard 1 of 3 is there more than once (downloads/again/results.json, downloads/shard-1/results.json)",
    ]);
    project.tollgate(&["judge", "merged"]).exits(3).says(&["BROKEN  shard 1 of 3 is there more than once"]);
    fs::remove_dir_all(project.work("downloads/again")).unwrap();
    // The same file by two names is one.
    let args = ["merge", "downloads", "downloads/shard-1", "./downloads/shard-1/results.json", "--out", "merged"];
    let ended = project.tollgate(&args);
    assert_eq!(ended.code, Some(0), "{ended}");

    // A journal is what a run leaves that was killed.
    let one: Value = serde_json::from_str(&copy).unwrap();
    let lines: Vec<String> = std::iter::once(&one["header"])
        .chain(one["launches"].as_array().unwrap())
        .map(|line| format!("{line}\n"))
        .collect();
    fs::remove_file(project.work("downloads/shard-1/results.json")).unwrap();
    project.write("downloads/shard-1/journal.jsonl", lines.concat());
    merge(&project).exits(3).warns(&["shard 1 of 3 died before its end"]);
    // Half a file is no shard.
    project.write("downloads/shard-1/results.json", &copy[..copy.len() / 2]);
    fs::remove_file(project.work("downloads/shard-1/journal.jsonl")).unwrap();
    merge(&project).exits(3).warns(&["not counted: ", "shard 1 of 3 is missing"]);
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let project = measured();
    project.samples(&entries(), "", "", "fail-on: []");
    measure(&project, 3).exits(0);
    let ended = merge(&project);
    ended.refuses(&[
        "failed to put downloads/shard-1/results.json and downloads/shard-3/results.json together",
        "`fail-on` differs",
    ]);
    assert!(!exists(&project.work("merged")), "{ended}");
    configure(&project, "");
    measure(&project, 3).exits(0);
    let counted = project.tollgate(&["merge", "downloads", "--out", "merged", "--shards", "4"]);
    counted.refuses(&["failed to put 4 shards together: the runs were split into 3"]);
    project.run(&["--out", "downloads/whole"]).exits(0);
    merge(&project).refuses(&["downloads/whole/results.json together with others: it is of a whole run"]);
    project.tollgate(&["merge", "nowhere", "--out", "merged"]).exits(2).warns(&["found no results of shards"]);
    let over = project.tollgate(&["merge", "downloads", "--out", "downloads/shard-1"]);
    over.refuses(&["holds results that would be overwritten"]);
    let over = project.tollgate(&["merge", "downloads/shard-1/results.json", "--out", "downloads/shard-1"]);
    over.refuses(&["holds results that would be overwritten"]);
}

#[test]
fn machines_that_differ_are_told_apart() {
    let project = measured();
    let text = project.read("downloads/shard-3/results.json");
    let value: Value = serde_json::from_str(&text).unwrap();
    let cpu = value["header"]["machine"]["class"]["cpu"].to_string();
    // The first is the machine's; the baselines name theirs further on.
    project.write("downloads/shard-3/results.json", text.replacen(&cpu, "\"Another CPU\"", 1));
    merge(&project).exits(0);
    let judged = project.tollgate(&["judge", "merged"]);
    judged.exits(0).says(&[
        "Another CPU",
        "shards 1, 2 on ",
        "shard 3 on ",
        "shard 3: times of alpha, beta only advise: ",
    ]);
}

#[test]
fn more_shards_than_samples_are_refused() {
    let project = Project::accepted();
    let ended = project.tollgate(&["run", "--shard", "2/2"]);
    ended.refuses(&["failed to split the run into 2 shards: it has 1 sample, and", "take no more shards than samples"]);
}

#[test]
fn each_shard_is_compared_with_its_own_base() {
    let repository = Repository::new();
    let project = &repository.project;
    let entry = |id: &str, module: &str| format!("  - {{path: {module}, id: {id}, tier: smoke, {CALL}}}");
    project.write("other.wasm", super::module());
    project.samples(&[entry("same", "tiny.wasm"), entry("changed", "other.wasm")].join("\n"), "", "", "");
    repository.commit();
    project.write("other.wasm", other_module());
    for (shard, out) in [("1/2", "downloads/a"), ("2/2", "downloads/b")] {
        repository.run(&["--base-ref", "HEAD", "--shard", shard, "--out", out]).exits(0);
    }
    merge(project).exits(0);
    let plan = results(project, "merged/results.json")["header"]["plan"].clone();
    let stands: BTreeSet<String> =
        plan.as_array().unwrap().iter().map(|pair| format!("{} {}", pair["sample"], pair["comparison"])).collect();
    assert_eq!(stands, [r#""changed" "paired""#.to_owned(), r#""same" "same""#.to_owned()].into());
    project.tollgate(&["judge", "merged"]).exits(0).says(&["the same", "base and head in turns"]);
}
