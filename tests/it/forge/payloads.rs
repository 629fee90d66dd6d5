//! Events as GitHub sends them, and what becomes of them when they come from a fork.
//!
//! Invariants: the event that all tests here use is always among them; `cargo xtask conformance` fetches those that npm's
//! `@octokit/webhooks-examples` has recorded, names them in the environment, and they are tried as well. Forks are derived, because
//! there are none among the recorded ones.

use serde_json::{Value, json};

use super::{Forge, Job, TOKEN, event, publish, recorded};

/// Where the recorded events are.
const PAYLOADS: &str = "TOLLGATE_WEBHOOK_EXAMPLES";

/// Our own event, and all recorded ones of a name, of which there are at least so many.
fn events(own: Value, name: &str, at_least: usize) -> Vec<Value> {
    let Some(path) = std::env::var_os(PAYLOADS) else { return vec![own] };
    let all: Vec<Value> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let named = all.into_iter().filter(|one| one["name"] == name);
    let recorded: Vec<_> =
        named.flat_map(|mut one| one["examples"].as_array_mut().map(std::mem::take).unwrap_or_default()).collect();
    assert!(recorded.len() >= at_least, "{} of {name}", recorded.len());
    [vec![own], recorded].concat()
}

fn pull_requests() -> Vec<Value> {
    events(event(7, "acme", 1), "pull_request", 21)
}

/// A forge that has the pull request of an event.
fn forge_of(event: &Value) -> (Forge, String) {
    let (pull, repository) = (&event["pull_request"], &event["repository"]);
    let (owner, name) = (repository["owner"]["login"].as_str().unwrap(), repository["name"].as_str().unwrap());
    let scenario = json!({
        "token": TOKEN, "repository": {"id": repository["id"], "owner": owner, "name": name},
        "pulls": [{
            "number": pull["number"],
            "head": {
                "ref": pull["head"]["ref"], "sha": pull["head"]["sha"], "owner": owner, "repo": name, "repo_id": repository["id"],
            },
            "base": {"ref": pull["base"]["ref"], "sha": pull["base"]["sha"]},
        }],
    });
    (Forge::start(&scenario), format!("{owner}/{name}"))
}

#[test]
fn every_pull_request_gets_its_comment() {
    for event in &pull_requests() {
        let (forge, repository) = forge_of(event);
        let job = Job::new(&forge, &recorded().regressed).set("GITHUB_REPOSITORY", &repository).event(event);
        job.post(&["--status"]).exits(1);
        let head = event["pull_request"]["head"]["sha"].as_str().unwrap();
        assert!(forge.comment().contains(&format!("head={head} ")), "{}", forge.comment());
        assert_eq!(forge.state()["comments"][0]["issue"], event["pull_request"]["number"]);
        assert_eq!(forge.statuses()[0]["sha"], head);
    }
}

#[test]
fn pull_requests_made_into_forks_get_a_notice() {
    for event in &pull_requests() {
        let (forge, repository) = forge_of(event);
        let mut deleted = event.clone();
        deleted["pull_request"]["head"]["repo"] = Value::Null;
        let mut foreign = event.clone();
        let head = &mut foreign["pull_request"]["head"]["repo"];
        head["id"] = 7_654_321.into();
        head["full_name"] = "mallory/fork".into();
        head["fork"] = true.into();
        for fork in [deleted, foreign] {
            let job = Job::new(&forge, &recorded().pass).set("GITHUB_REPOSITORY", &repository).event(&fork);
            job.post(&["--status"]).exits(0).says(&["fork"]);
        }
        assert_eq!(forge.heard(), [""; 0], "nothing is tried that is refused");
    }
}

#[test]
fn workflow_runs_are_understood() {
    for event in &events(publish::ended(), "workflow_run", 3) {
        let run = &event["workflow_run"];
        let repository = event["repository"]["full_name"].as_str().unwrap();
        let (owner, name) = repository.split_once('/').unwrap();
        let scenario =
            json!({"token": TOKEN, "repository": {"id": event["repository"]["id"], "owner": owner, "name": name}});
        let forge = Forge::start(&scenario);
        // The oldest was recorded before runs told the path of their workflow, and some before they had ended.
        let mut event = event.clone();
        event["workflow_run"]["status"] = "completed".into();
        if event["workflow_run"]["path"].is_null() {
            event["workflow_run"]["path"] = ".github/workflows/test.yml".into();
        }
        let event = &event;
        let published = |event: &Value| {
            let job =
                Job::new(&forge, "").set("GITHUB_EVENT_NAME", "workflow_run").set("GITHUB_REPOSITORY", repository);
            job.event(event).publish(&[])
        };
        if run["repository"]["id"] != event["repository"]["id"] {
            // One of them was put together of two repositories, which is what somebody who cheats would do.
            published(event).exits(2).says(&["another repository"]);
            continue;
        }
        // As recorded: of a push, mostly. Then as if of a fork's pull request, which is gone.
        let told = published(event);
        told.exits(0).says(&["nothing posted"]);
        if run["event"] != "pull_request" {
            told.says(&[run["event"].as_str().unwrap()]);
        }
        let mut fork = event.clone();
        fork["workflow_run"]["event"] = "pull_request".into();
        fork["workflow_run"]["pull_requests"] = json!([]);
        fork["workflow_run"]["head_repository"]["id"] = 7_654_321.into();
        published(&fork).exits(0).says(&["no open pull request"]);
        assert_eq!(forge.ours(), [""; 0]);
    }
}
