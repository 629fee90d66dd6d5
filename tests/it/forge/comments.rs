//! The sticky comment on a forge that behaves: created, edited, left alone, resolved, healed.
//!
//! Invariants: each test says with which comments the pull request begins, and looks at all that are left.

use serde_json::{Value, json};

use super::{BASE, BOT, Forge, HEAD, Job, OLD_HEAD, event, failing, pull, recorded, scenario};

/// The first line of a comment of ours, with nothing red.
fn marker(key: &str, run: u64, attempt: u64) -> String {
    format!("<!-- tollgate key={key} head={OLD_HEAD} run={run} attempt={attempt} red=0: -->")
}

fn with_comments(comments: Value) -> Value {
    let mut scenario = scenario();
    scenario["comments"] = comments;
    scenario
}

#[test]
fn a_first_run_creates_a_second_edits_and_a_third_has_nothing_to_say() {
    let forge = Forge::start(&scenario());
    let told = Job::new(&forge, &recorded().regressed).post(&[]);
    told.exits(1);
    let first = forge.comment();
    assert!(first.starts_with(&format!("<!-- tollgate key=tollgate head={HEAD} run=100 attempt=1 ")), "{first}");
    assert!(first.contains("tiny"), "{first}");
    assert_eq!(told.output("result").as_deref(), Some("regressed"));
    assert!(told.output("comment-url").unwrap().contains("#issuecomment-"), "{told}");
    assert!(!told.summary.is_empty() && told.stdout.contains("::error"), "{told}");

    Job::new(&forge, &recorded().pass).numbered(101, 1).post(&[]).exits(0);
    let second = forge.comment();
    assert_ne!(first, second);
    assert_eq!((forge.count("issues/create-comment"), forge.count("issues/update-comment")), (1, 1));

    let again = Job::new(&forge, &recorded().pass).numbered(101, 1).post(&[]);
    again.exits(0);
    assert_eq!(forge.comment(), second);
    assert_eq!(forge.count("issues/update-comment"), 1, "what has not changed is not written: {:?}", forge.heard());
    assert!(again.output("comment-url").unwrap().contains("#issuecomment-"), "{again}");
}

#[test]
fn a_mended_regression_is_told_as_resolved() {
    let forge = Forge::start(&scenario());
    Job::new(&forge, &recorded().regressed).post(&[]).exits(1);
    assert!(!forge.comment().to_lowercase().contains("resolved"));
    Job::new(&forge, &recorded().pass).numbered(101, 1).post(&[]).exits(0);
    assert!(forge.comment().to_lowercase().contains("resolved"), "{}", forge.comment());
}

#[test]
fn doubles_heal_and_the_oldest_stays() {
    let forge = Forge::start(&with_comments(json!([
        {"issue": 7, "id": 2001, "user": BOT, "body": format!("{}\nfirst", marker("tollgate", 50, 1))},
        {"issue": 7, "id": 2002, "user": "jane", "body": "Looks good."},
        {"issue": 7, "id": 2003, "user": BOT, "body": format!("{}\nsecond", marker("tollgate", 51, 1))},
        {"issue": 7, "id": 2004, "user": BOT, "body": "Of another tool."},
        {"issue": 7, "id": 2005, "user": BOT, "body": format!("{}\nof another job", marker("arm", 51, 1))},
    ])));
    Job::new(&forge, &recorded().pass).post(&[]).exits(0);
    let left: Vec<i64> =
        forge.state()["comments"].as_array().unwrap().iter().map(|one| one["id"].as_i64().unwrap()).collect();
    assert_eq!(left, [2001, 2002, 2004, 2005]);
    assert!(forge.ours()[0].contains("run=100"), "{}", forge.ours()[0]);
    assert_eq!(forge.count("issues/create-comment"), 0);
}

#[test]
fn a_marker_that_somebody_planted_is_not_ours() {
    let planted = format!("{}\n## ✅ PASS\n", marker("tollgate", 9_999_999, 1));
    let forge = Forge::start(&with_comments(json!([
        {"issue": 7, "id": 2001, "user": "mallory", "body": planted},
        {"issue": 7, "id": 2002, "user": null, "body": planted},
        {"issue": 7, "id": 2003, "user": "github-actions", "body": planted},
    ])));
    Job::new(&forge, &recorded().regressed).post(&[]).exits(1);
    assert!(forge.comment().contains("run=100"));
    for comment in &forge.state()["comments"].as_array().unwrap()[..3] {
        assert_eq!(comment["body"], planted, "what others wrote stays as it is");
    }
}

#[test]
fn an_older_run_does_not_overwrite_a_newer() {
    for (run, attempt) in [(101, 1), (100, 2)] {
        let newer = format!("{}\nnewer", marker("tollgate", run, attempt));
        let forge = Forge::start(&with_comments(json!([{"issue": 7, "id": 2001, "user": BOT, "body": newer}])));
        Job::new(&forge, &recorded().regressed).post(&[]).exits(1);
        assert_eq!(forge.comment(), newer);
        assert_eq!(forge.heard(), ["issues/list-comments 200"]);
    }
}

#[test]
fn each_key_has_a_comment_of_its_own() {
    let forge = Forge::start(&scenario());
    Job::new(&forge, &recorded().pass).post(&[]).exits(0);
    Job::new(&forge, &recorded().regressed).post(&["--comment-key", "arm"]).exits(1);
    Job::new(&forge, &recorded().pass).numbered(101, 1).post(&["--comment-key", "arm"]).exits(0);
    let ours = forge.ours();
    assert_eq!(ours.len(), 2);
    assert!(ours[0].contains("key=tollgate ") && ours[1].contains("key=arm "), "{ours:#?}");
}

#[test]
fn one_is_found_among_hundreds_on_every_forge() {
    for personality in ["github", "ghe", "gitea"] {
        let bot = if personality == "gitea" { "gitea-actions" } else { BOT };
        let mut many = with_comments(json!([
            {"issue": 7, "id": 2001, "user": null, "body": "From an account that is gone."},
            {"issue": 7, "id": 2002, "user": bot, "body": format!("{}\nold", marker("tollgate", 50, 1))},
        ]));
        many["filler"] = json!({"issue": 7, "count": 230});
        many["personality"] = personality.into();
        let forge = Forge::start(&many);
        Job::new(&forge, &recorded().pass).post(&["--status"]).exits(0);
        assert!(forge.comment().contains("run=100"), "{personality}");
        assert_eq!(forge.count("issues/create-comment"), 0, "{personality}: {:?}", forge.heard());
        assert_eq!(forge.statuses().len(), 1, "{personality}: {:?}", forge.heard());
        let pages = if personality == "gitea" { 1 } else { 3 };
        assert!(forge.count("issues/list-comments") >= pages, "{personality}: {:?}", forge.heard());
    }
}

#[test]
fn a_status_stands_at_the_head_of_the_pull_request() {
    let forge = Forge::start(&scenario());
    Job::new(&forge, &recorded().regressed).post(&["--status"]).exits(1);
    Job::new(&forge, &recorded().pass).numbered(101, 1).post(&["--status", "--comment", "false"]).exits(0);
    let said: Vec<_> = forge
        .statuses()
        .into_iter()
        .map(|one| (one["sha"].clone(), one["state"].clone(), one["context"].clone()))
        .collect();
    assert_eq!(
        said,
        [(json!(HEAD), json!("failure"), json!("tollgate")), (json!(HEAD), json!("success"), json!("tollgate"))]
    );
    assert!(forge.comment().contains("run=100"), "the second wrote no comment");
}

#[test]
fn a_fork_gets_a_notice_and_the_verdict() {
    let mut from_fork = scenario();
    from_fork["rights"] = "read".into();
    from_fork["pulls"] = json!([pull(7, "mallory", 2)]);
    let forge = Forge::start(&from_fork);
    let gone = {
        let mut event = event(7, "mallory", 2);
        event["pull_request"]["head"]["repo"] = Value::Null;
        event
    };
    for (results, code) in [(&recorded().pass, 0), (&recorded().regressed, 1)] {
        for event in [&event(7, "mallory", 2), &gone] {
            let told = Job::new(&forge, results).event(event).post(&["--status"]);
            told.exits(code).says(&["fork"]);
            assert!(!told.summary.is_empty() && told.output("result").is_some(), "{told}");
        }
        // The event does not tell it, the refusal does.
        let told = Job::new(&forge, results).post(&["--status", "--comment", "true"]);
        told.exits(code).says(&["403"]);
        assert!(!told.summary.is_empty() && told.output("result").is_some(), "{told}");
    }
    assert_eq!(forge.ours(), [""; 0]);
    assert_eq!(forge.count("issues/create-comment"), 2, "refused, and not tried again: {:?}", forge.heard());
}

#[test]
fn what_is_no_pull_request_gets_no_comment() {
    let forge = Forge::start(&scenario());
    for name in ["push", "workflow_dispatch", "schedule", "merge_group"] {
        let job = Job::new(&forge, &recorded().regressed).set("GITHUB_EVENT_NAME", name);
        let told = job.post(&[]);
        told.exits(1);
        assert!(!told.summary.is_empty(), "{told}");
    }
    assert_eq!(forge.heard(), [""; 0]);
    let told = Job::new(&forge, &recorded().pass).set("GITHUB_EVENT_NAME", "push").post(&["--status"]);
    told.exits(0);
    assert_eq!(forge.statuses()[0]["sha"], BASE);
}

#[test]
fn outside_of_a_job_nothing_is_sent() {
    let forge = Forge::start(&scenario());
    let mut job = Job::new(&forge, &recorded().regressed);
    job.variables.retain(|name, _| name == "GITHUB_TOKEN");
    job.post(&[]).exits(1);
    assert_eq!(forge.heard(), [""; 0]);
}

#[test]
fn a_broken_run_is_told_as_broken() {
    let forge = Forge::start(&scenario());
    let told = Job::new(&forge, &recorded().broken).post(&["--status"]);
    told.exits(3);
    assert_eq!(told.output("result").as_deref(), Some("broken"));
    assert!(forge.comment().to_lowercase().contains("broken"));
    assert_eq!(forge.statuses()[0]["state"], "error");
}

#[test]
fn two_runs_that_meet_leave_one_comment() {
    // Both find nothing, both create; who comes later sees both and heals.
    let forge = Forge::start(&failing(json!([
        {"operation": "issues/list-comments", "kind": "rendezvous", "parties": 2, "times": 2},
    ])));
    let (older, newer) = (Job::new(&forge, &recorded().regressed), Job::new(&forge, &recorded().pass).numbered(101, 1));
    std::thread::scope(|scope| {
        let first = scope.spawn(|| older.post(&[]).exits(1).code);
        let second = scope.spawn(|| newer.post(&[]).exits(0).code);
        first.join().unwrap();
        second.join().unwrap();
    });
    assert_eq!(forge.count("issues/create-comment"), 2, "they did meet: {:?}", forge.heard());
    let comment = forge.comment();
    assert!(comment.contains("run=101"), "the newer run's is left: {comment}\n{:?}", forge.heard());
}
