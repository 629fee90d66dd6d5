//! Payloads shaped as real ones, and forks derived from them.

use serde_json::json;

use super::*;
use crate::forge::address::Address;
use crate::forge::testing::{Played, answer};

const HEAD: &str = "3484a3fb816e0859fd6e1cea078d76385ff50625";
const BASE: &str = "f95f852bd8fca8fcc58a9a2d6c842781e32a215e";
const OTHER: &str = "ec26c3e57ca3a959ca5aad62de7213c562f8c821";

fn here() -> Repository {
    Repository { owner: "octo-org".into(), name: "octo-repo".into() }
}

/// The event of a run for a pull request from a fork: `pull_requests` is empty.
fn event() -> Value {
    json!({
        "action": "completed",
        "workflow_run": {
            "id": 289_782_451, "run_attempt": 2, "event": "pull_request", "status": "completed", "conclusion": "success",
            "path": ".github/workflows/test.yml", "head_sha": HEAD, "head_branch": "fix #1&state=closed",
            "head_repository": {"id": 7, "full_name": "mallory/octo-repo", "owner": {"login": "mallory", "id": 3}},
            "repository": {"id": 300_029_405, "full_name": "octo-org/octo-repo"},
            "pull_requests": [], "name": "PASS"
        },
        "repository": {"id": 300_029_405, "full_name": "octo-org/octo-repo"}
    })
}

fn pull(number: u64) -> Value {
    json!({
        "number": number, "state": "open", "title": "PASS", "merge_commit_sha": OTHER,
        "head": {"sha": HEAD, "ref": "x", "repo": {"id": 7, "full_name": "mallory/octo-repo"}},
        "base": {"sha": BASE, "ref": "main", "repo": {"id": 300_029_405}}
    })
}

fn changed(mut value: Value, pointer: &str, to: Value) -> Value {
    *value.pointer_mut(pointer).unwrap() = to;
    value
}

fn read(event: &Value) -> Result<Result<Measured, Nothing>, ContextError> {
    Measured::read(event.to_string().as_bytes(), &here())
}

fn find(event: &Value, answers: &[Value]) -> (Result<Found, Nothing>, Vec<String>) {
    let measured = read(event).unwrap().unwrap();
    let played = Played::new(answers.iter().map(|value| answer(&value.to_string())));
    let mut client = Client::new(played, Address::new("https://forge.example").unwrap(), String::new());
    let found = measured.find(&mut client, &here()).unwrap();
    let sent = client.into_transport().sent.into_iter().map(|request| request.url.replace("https://forge.example", ""));
    (found, sent.collect())
}

#[test]
fn the_one_pull_request_of_a_fork_s_head_is_found() {
    let (found, sent) = find(&event(), &[json!([pull(41), changed(pull(42), "/head/sha", OTHER.into())]), pull(41)]);
    let pull_request = PullRequest { number: 41, head: HEAD.into(), fork: true };
    assert_eq!(found, Ok(Found { pull_request, base: BASE.into(), merged: Some(OTHER.into()) }));
    // The branch is somebody's text, and stays within its parameter.
    let query = "head=mallory:fix%20%231%26state%3Dclosed&per_page=100";
    assert_eq!(
        sent,
        [
            format!("/repos/octo-org/octo-repo/pulls?state=open&{query}"),
            "/repos/octo-org/octo-repo/pulls/41".to_owned()
        ]
    );
}

#[test]
fn one_that_the_event_names_is_asked_for_directly() {
    let named =
        json!([{"number": 2, "base": {"repo": {"id": 300_029_405}}}, {"number": 9, "base": {"repo": {"id": 5}}}]);
    let event = changed(
        changed(event(), "/workflow_run/pull_requests", named),
        "/workflow_run/head_repository/id",
        300_029_405.into(),
    );
    let own = changed(pull(2), "/head/repo/id", 300_029_405.into());
    let (found, sent) = find(&event, &[own]);
    assert_eq!((found.unwrap().pull_request.fork, sent), (false, vec!["/repos/octo-org/octo-repo/pulls/2".to_owned()]));
}

#[test]
fn none_several_or_another_is_nothing() {
    let of = |list: Value| find(&event(), &[list]).0;
    assert_eq!(of(json!([])), Err(Nothing::NoPullRequest));
    assert_eq!(of(json!([pull(1), pull(2)])), Err(Nothing::Several(2)));
    assert_eq!(of(json!([changed(pull(1), "/head/repo/id", 8.into())])), Err(Nothing::NoPullRequest));
    assert_eq!(of(json!([changed(pull(1), "/head/repo", Value::Null)])), Err(Nothing::NoPullRequest));
    assert_eq!(of(json!([changed(pull(1), "/base/repo/id", 8.into())])), Err(Nothing::NoPullRequest));
    assert_eq!(of(json!([{"number": "x"}, 5])), Err(Nothing::NoPullRequest));
}

#[test]
fn a_head_that_moved_on_is_left_alone() {
    let then = |now: Value| find(&event(), &[json!([pull(1)]), now]).0;
    assert_eq!(then(changed(pull(1), "/head/sha", OTHER.into())), Err(Nothing::MovedOn));
    assert_eq!(then(changed(pull(1), "/state", "closed".into())), Err(Nothing::NoPullRequest));
    assert_eq!(then(changed(pull(1), "/head/repo/id", 8.into())), Err(Nothing::NoPullRequest));
    assert_eq!(then(changed(pull(1), "/base/sha", "main".into())), Err(Nothing::NoPullRequest));
}

#[test]
fn only_a_run_for_a_pull_request_of_this_repository_counts() {
    let run = |field: &str, to: Value| read(&changed(event(), &format!("/workflow_run/{field}"), to));
    assert_eq!(run("event", "push".into()), Ok(Err(Nothing::OtherEvent("push".into()))));
    assert_eq!(run("event", "pull_request_target".into()), Ok(Err(Nothing::OtherEvent("pull_request_target".into()))));
    assert_eq!(run("status", "in_progress".into()), Ok(Err(Nothing::NotEnded)));
    assert_eq!(run("head_repository", Value::Null), Ok(Err(Nothing::NoPullRequest)));
    assert!(run("repository/id", 5.into()).is_err() && run("head_sha", "main".into()).is_err());
    assert!(read(&changed(event(), "/repository/full_name", "octo-org/other".into())).is_err());
    assert!(read(&json!({"pull_request": {}})).is_err());
    let called = run("path", ".github/workflows/test.yml@refs/heads/main".into()).unwrap().unwrap();
    assert_eq!(
        (called.workflow.as_str(), called.run),
        (".github/workflows/test.yml", Run { id: 289_782_451, attempt: 2 })
    );
}
