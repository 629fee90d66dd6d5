//! `cargo xtask conformance`: holds what Tollgate asks of a forge, and what the test double answers, to GitHub's own published
//! description, and posts by GitHub's own recorded events.
//!
//! Invariants: both are fetched from npm at fixed versions, into the target folder, and nothing of them is committed; without npm
//! it says that it is skipped and why, and fails nothing. A check that saw no request is a failure, not a pass.

mod description;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::Context as _;
use serde_json::Value;

use self::description::{OPERATIONS, Operation, Sent};

/// What is fetched: npm's name, version, and the one file of interest.
const DESCRIPTION: Package =
    Package { name: "@octokit/openapi", version: "23.0.2", file: "package/generated/api.github.com.json" };
const EVENTS: Package =
    Package { name: "@octokit/webhooks-examples", version: "7.6.1", file: "package/api.github.com/index.json" };

/// Where the tests leave the logs of their forges, and find the recorded events.
const LOGS: &str = "TOLLGATE_FORGE_LOGS";
const PAYLOADS: &str = "TOLLGATE_WEBHOOK_EXAMPLES";

/// What Gitea and Forgejo have a parameter for that GitHub has not.
const OF_GITEA: &[&str] = &["limit"];

struct Package {
    name: &'static str,
    version: &'static str,
    file: &'static str,
}

/// Fetches, runs the tests of the forge, and checks their logs; or checks the logs in a folder.
///
/// # Errors
/// When something cannot be fetched, run or read. What does not conform is in the exit code.
pub fn run(logs: Option<PathBuf>, test: impl FnOnce() -> anyhow::Result<Command>) -> anyhow::Result<ExitCode> {
    let folder = super::target_dir()?.join("conformance");
    fs::create_dir_all(&folder)?;
    if Command::new("npm").arg("--version").output().is_err() {
        super::say(
            "conformance: skipped: npm is not installed, which GitHub's description and recorded events come from",
        );
        return Ok(ExitCode::SUCCESS);
    }
    let (description, events) = match (fetch(&DESCRIPTION, &folder), fetch(&EVENTS, &folder)) {
        (Ok(description), Ok(events)) => (description, events),
        (Err(error), _) | (_, Err(error)) => {
            super::say(&format!("conformance: skipped: {error:#}"));
            return Ok(ExitCode::SUCCESS);
        }
    };
    let operations = description::cut(read(&description)?)?;
    let logs = match logs {
        Some(logs) => logs,
        None => {
            let logs = folder.join("logs");
            if logs.exists() {
                fs::remove_dir_all(&logs)?;
            }
            fs::create_dir_all(&logs)?;
            let mut command = test()?;
            command.args(["--test", "it", "--", "forge::"]);
            super::succeed(command.env(LOGS, &logs).env(PAYLOADS, &events))?;
            logs
        }
    };
    check(&operations, &logs)
}

/// The file of a package, fetched unless it is there.
fn fetch(package: &Package, folder: &Path) -> anyhow::Result<PathBuf> {
    let name = package.name.trim_start_matches('@').replace('/', "-");
    let kept = folder.join(format!("{name}-{}.json", package.version));
    if kept.exists() {
        return Ok(kept);
    }
    let mut pack = Command::new("npm");
    // What it prints is the name of the file, which is known.
    pack.stdout(std::process::Stdio::null());
    pack.args(["pack", "--silent", &format!("{}@{}", package.name, package.version)]).current_dir(folder);
    super::succeed(&mut pack)?;
    let archive = folder.join(format!("{name}-{}.tgz", package.version));
    let mut unpack = Command::new("tar");
    super::succeed(unpack.arg("-xzf").arg(&archive).arg(package.file).current_dir(folder))?;
    fs::rename(folder.join(package.file), &kept).context("failed to keep what npm packed")?;
    fs::remove_file(archive)?;
    Ok(kept)
}

fn read(path: &Path) -> anyhow::Result<Value> {
    let bytes = fs::read(path).with_context(|| format!("failed to read {}", path.display()))?;
    serde_json::from_slice(&bytes).with_context(|| format!("failed to read {}", path.display()))
}

/// How often each operation was seen, by status.
#[derive(Default)]
struct Tally {
    requests: usize,
    answers: usize,
    statuses: BTreeMap<u64, usize>,
}

/// Holds every line of every log to the description.
fn check(operations: &[Operation], logs: &Path) -> anyhow::Result<ExitCode> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(logs)?.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
    files.sort();
    let (mut tallies, mut faults) = (BTreeMap::<String, Tally>::new(), Vec::new());
    for file in &files {
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        for line in fs::read_to_string(file)?.lines() {
            let line: Value = serde_json::from_str(line).with_context(|| format!("failed to read {name}"))?;
            let found = check_line(operations, &line, &mut tallies);
            faults.extend(found.into_iter().map(|fault| format!("{name}, request {}: {fault}", line["n"])));
        }
    }
    for (operation, tally) in &tallies {
        let statuses: Vec<_> = tally.statuses.iter().map(|(status, count)| format!("{status} ×{count}")).collect();
        super::say(&format!(
            "{operation:<40} {:>4} requests {:>4} answers held to the description  {}",
            tally.requests,
            tally.answers,
            statuses.join(" ")
        ));
    }
    let unseen: Vec<_> = OPERATIONS.iter().filter(|id| !tallies.contains_key(**id)).collect();
    if !unseen.is_empty() {
        super::say(&format!("never asked for: {unseen:?}"));
    }
    for fault in &faults {
        super::say(&format!("does not conform: {fault}"));
    }
    let (requests, answers) =
        tallies.values().fold((0, 0), |sum, tally| (sum.0 + tally.requests, sum.1 + tally.answers));
    let seen = requests > 0 && answers > 0;
    let verdict = if seen && faults.is_empty() { "passed" } else { "failed" };
    super::say(&format!(
        "conformance: {verdict}: {requests} requests and {answers} answers of {} logs, {} faults, {} {}",
        files.len(),
        faults.len(),
        DESCRIPTION.name,
        DESCRIPTION.version
    ));
    Ok(ExitCode::from(u8::from(verdict == "failed")))
}

/// What is wrong with one request and its answer.
fn check_line(operations: &[Operation], line: &Value, tallies: &mut BTreeMap<String, Tally>) -> Vec<String> {
    let text = |name: &str| line[name].as_str().unwrap_or_default();
    let (id, method, path) = (text("operation"), text("method"), text("path"));
    let authorization = text("authorization");
    if matches!(id, "storage/download" | "elsewhere" | "proxy/connect") {
        let leaked = authorization != "absent";
        return if leaked { vec![format!("{id}: the token went to another host")] } else { Vec::new() };
    }
    let Some(operation) = operations.iter().find(|operation| operation.id == id) else {
        return vec![format!("{method} {path} is no operation of the description that is in use ({id})")];
    };
    let mut faults = Vec::new();
    let tally = tallies.entry(id.to_owned()).or_default();
    tally.requests += 1;
    let status = line["status"].as_u64().unwrap_or_default();
    *tally.statuses.entry(status).or_default() += 1;
    if operation.method != method {
        faults.push(format!("{method} where {} belongs", operation.method));
    }
    let gitea = line["personality"] == "gitea";
    let mut query = line["query"].as_object().cloned().unwrap_or_default();
    if gitea {
        query.retain(|name, _| !OF_GITEA.contains(&name.as_str()));
    }
    faults.extend(operation.faults_of_request(Sent { path, query: &query, body: &line["body"] }));
    if line["headers"]["user-agent"].is_null() {
        faults.push("no user-agent, which GitHub refuses".to_owned());
    }
    // Answers that are no JSON on purpose, and those of another forge, are not GitHub's.
    let kind = line["response_headers"]["content-type"].as_str().unwrap_or_default();
    let foreign = matches!(line["fault"].as_str(), Some("garbage" | "redirect" | "hang" | "close" | "drip" | "flood"));
    if !gitea && !foreign && !kind.contains("raw") {
        tally.answers += 1;
        let deliberate = line["fault"].is_string();
        faults.extend(operation.faults_of_answer(u16::try_from(status).unwrap_or(0), &line["response"], deliberate));
    }
    faults.into_iter().map(|fault| format!("{id}: {fault}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_at_another_host_does_not_conform() {
        let line =
            |authorization: &str| serde_json::json!({"operation": "storage/download", "authorization": authorization});
        assert_eq!(check_line(&[], &line("absent"), &mut BTreeMap::new()).len(), 0);
        assert_eq!(check_line(&[], &line("present"), &mut BTreeMap::new()).len(), 1);
    }

    #[test]
    fn what_is_no_operation_does_not_conform() {
        let line = serde_json::json!({"operation": "none", "method": "GET", "path": "/user"});
        assert_eq!(check_line(&[], &line, &mut BTreeMap::new()).len(), 1);
    }

    #[test]
    fn logs_without_a_request_are_a_failure() {
        let folder = std::env::temp_dir().join(format!("tollgate-no-logs-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let code = check(&[], &folder).unwrap();
        fs::remove_dir_all(folder).unwrap();
        assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::from(1)));
    }
}
