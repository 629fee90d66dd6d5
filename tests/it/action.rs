//! The action and the workflows: what their text promises. What the scripts do is in `scripts`.
//!
//! Read as text where YAML says too little: comments beside a pinned commit are no part of the data.

mod baselines;
mod scripts;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(file: impl AsRef<Path>) -> String {
    fs::read_to_string(root().join(file)).unwrap()
}

fn yaml(file: impl AsRef<Path>) -> Value {
    serde_yaml::from_str(&read(file)).unwrap()
}

/// The workflows.
fn workflows() -> Vec<PathBuf> {
    let folder = fs::read_dir(root().join(".github/workflows")).unwrap();
    let mut files: Vec<_> = folder.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert_eq!(files.len(), 5, "{files:?}");
    files
}

/// The actions, the parts of ours among them.
fn actions() -> Vec<PathBuf> {
    ["action.yml", "action/restore/action.yml", "action/save/action.yml", "action/artifacts/action.yml"]
        .map(|file| root().join(file))
        .to_vec()
}

/// Every step of a workflow or an action.
fn steps(document: &Value) -> Vec<&Value> {
    let of = |value: &Value, path: &str| value.pointer(path).and_then(Value::as_array).map_or(0, Vec::len);
    let mut steps = Vec::new();
    let jobs = document["jobs"].as_object().into_iter().flatten().map(|(_, job)| (job, "/steps"));
    for (holder, path) in jobs.chain([(document, "/runs/steps")]) {
        for index in 0..of(holder, path) {
            steps.push(&holder.pointer(path).unwrap()[index]);
        }
    }
    steps
}

/// The rows of the table below a heading row, as cells.
fn table(heading: &str) -> Vec<Vec<String>> {
    let readme = read("README.md");
    let below = readme.split_once(heading).unwrap_or_else(|| panic!("README.md has no {heading}")).1;
    let rows = below.lines().skip(2).take_while(|line| line.starts_with('|'));
    let cells = |row: &str| row.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect();
    rows.map(|row| cells(&row.replace("| |", "|  |"))).collect()
}

#[test]
fn the_readme_lists_every_input_with_its_default() {
    let action = yaml("action.yml");
    let inputs = action["inputs"].as_object().unwrap();
    assert!(inputs.len() >= 16);
    let expected: BTreeSet<Vec<String>> = inputs
        .iter()
        .map(|(name, input)| {
            let default = input["default"].as_str().unwrap_or_else(|| panic!("{name} has no default that is a text"));
            let default = if default.is_empty() { String::new() } else { format!("`{default}`") };
            vec![format!("`{name}`"), default, input["description"].as_str().unwrap().to_owned()]
        })
        .collect();
    assert_eq!(table("| input | default | |").into_iter().collect::<BTreeSet<_>>(), expected);
}

#[test]
fn the_readme_lists_every_output() {
    let action = yaml("action.yml");
    let outputs = action["outputs"].as_object().unwrap();
    let row = |(name, output): (&String, &Value)| {
        vec![format!("`{name}`"), output["description"].as_str().unwrap().to_owned()]
    };
    let expected: BTreeSet<Vec<String>> = outputs.iter().map(row).collect();
    assert!(expected.len() >= 7);
    assert_eq!(table("| output | |").into_iter().collect::<BTreeSet<_>>(), expected);
}

#[test]
fn every_input_is_used_and_every_used_one_exists() {
    let text = read("action.yml");
    let inputs = yaml("action.yml")["inputs"].as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    let name = |rest: &str| rest.chars().take_while(|c| c.is_ascii_lowercase() || *c == '-').collect::<String>();
    let used: BTreeSet<String> = text.split("inputs.").skip(1).map(name).collect();
    assert_eq!(used, inputs);
}

/// A script that an expression is pasted into can be rewritten by whoever chooses its value.
#[test]
fn no_script_holds_an_expression() {
    let mut scripts = 0;
    for file in workflows().iter().chain(&actions()) {
        for step in steps(&yaml(file)).iter().filter_map(|step| step["run"].as_str()) {
            scripts += 1;
            assert!(!step.contains("${{"), "{}: {step}", file.display());
        }
    }
    assert!(scripts >= 14, "{scripts}");
}

#[test]
fn every_foreign_action_is_pinned_by_commit_with_its_version_beside_it() {
    let mut pinned = 0;
    let lines = |text: String| text.lines().map(str::to_owned).collect::<Vec<_>>();
    for file in workflows().iter().chain(&actions()) {
        for line in lines(read(file)) {
            let Some((_, what)) = line.split_once("uses: ") else { continue };
            if what.starts_with("./") {
                continue;
            }
            let (_, reference) = what.split_once('@').unwrap();
            let (commit, version) = reference.split_once(" # v").unwrap_or_else(|| panic!("no version: {line}"));
            assert!(commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit()), "{line}");
            assert!(version.starts_with(|c: char| c.is_ascii_digit()), "{line}");
            pinned += 1;
        }
    }
    assert!(pinned >= 12, "{pinned}");
}

#[test]
fn the_token_is_in_the_posting_steps_alone() {
    let action = yaml("action.yml");
    let with_token: Vec<&str> = steps(&action)
        .into_iter()
        .filter(|step| step.to_string().contains("token"))
        .map(|step| step["id"].as_str().unwrap())
        .collect();
    assert_eq!(with_token, ["post", "publish"]);
}

#[test]
fn workflows_ask_for_little_and_end() {
    for file in workflows() {
        let workflow = yaml(&file);
        let name = file.display();
        assert_eq!(workflow["permissions"], serde_json::json!({}), "{name}");
        assert!(workflow["concurrency"]["group"].is_string(), "{name}");
        for (job, content) in workflow["jobs"].as_object().unwrap() {
            assert!(content["timeout-minutes"].as_u64().is_some_and(|minutes| minutes <= 90), "{name}: {job}");
            assert!(content["permissions"].is_object(), "{name}: {job}");
        }
    }
}

/// What a job measures may be anybody's code, and has to lose nothing.
#[test]
fn no_job_that_measures_may_write_to_the_repository() {
    for file in workflows() {
        for (job, content) in yaml(&file)["jobs"].as_object().unwrap() {
            let writes = content["permissions"]["contents"] == "write";
            let runs_ours = content["steps"].as_array().unwrap().iter().any(|step| step["uses"] == "./");
            assert!(!(writes && runs_ours), "{}: {job}", file.display());
        }
    }
}
