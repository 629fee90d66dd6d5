//! `tollgate publish`: a pull request from a fork, told by a job that trusts nothing of it.
//!
//! Invariants: whatever the artifact holds, no comment comes of it but one with figures of the expected shape, judged by the base
//! revision; whatever the event says, the comment lands on the one pull request that the forge confirms, or nowhere.

use serde_json::{Value, json};

use super::{BASE, Forge, HEAD, Job, OLD_HEAD, baseline_path, pull, recorded, scenario};

const WORKFLOW: &str = ".github/workflows/tollgate.yml";

/// A run of a fork's pull request that left an artifact with these entries.
fn measured(entries: Value) -> Value {
    let mut scenario = scenario();
    scenario["pulls"] = json!([pull(6, "acme", 1), pull(7, "mallory", 2)]);
    scenario["runs"] = json!([{
        "id": 99, "event": "pull_request", "path": WORKFLOW, "head_sha": HEAD, "head_branch": "bump",
        "head_owner": "mallory", "head_repo": "widgets", "head_repo_id": 2,
        "artifacts": [
            {"id": 4, "name": "tollgate-results-of-another-kind", "entries": [{"path": "results.json", "text": "{}"}]},
            {"id": 5, "name": "tollgate-results"},
        ],
    }]);
    scenario["runs"][0]["artifacts"][1]["entries"] = entries;
    let recorded = recorded();
    scenario["contents"][BASE] = json!({
        "tollgate.yml": recorded.config, baseline_path(): recorded.baseline, WORKFLOW: "on: pull_request\n",
    });
    scenario
}

fn results(text: &str) -> Value {
    json!([{"path": "results.json", "text": text}])
}

/// The event of that run's end.
pub(super) fn ended() -> Value {
    let repository = |id: u64, owner: &str| json!({"id": id, "name": "widgets", "full_name": format!("{owner}/widgets"), "owner": {"login": owner}});
    json!({
        "action": "completed", "repository": repository(1, "acme"), "workflow_run": {
            "id": 99, "run_attempt": 1, "event": "pull_request", "status": "completed", "conclusion": "success",
            "path": WORKFLOW, "head_sha": HEAD, "head_branch": "bump", "head_repository": repository(2, "mallory"),
            "repository": repository(1, "acme"), "pull_requests": [],
        },
    })
}

/// The publishing job, which is a run of its own.
fn job(forge: &Forge, event: &Value) -> Job {
    Job::new(forge, "").set("GITHUB_EVENT_NAME", "workflow_run").numbered(500, 1).event(event)
}

#[test]
fn a_pull_request_from_a_fork_is_found_by_its_head_and_judged_by_the_base() {
    // The contributor's run claims to have no baseline, tolerates everything and fails on nothing.
    let mut claimed: Value = serde_json::from_str(&recorded().regressed).unwrap();
    claimed["header"]["baselines"] = json!({});
    claimed["header"]["settings"]["fail_on"] = json!([]);
    let forge = Forge::start(&measured(results(&claimed.to_string())));
    let told = job(&forge, &ended()).publish(&["--status"]);
    told.exits(0);
    let comment = forge.comment();
    assert!(
        comment.starts_with(&format!("<!-- tollgate key=tollgate head={HEAD} run=99 attempt=1 red=1:")),
        "{comment}"
    );
    assert!(comment.contains("contributor") && comment.contains(&BASE[..12]), "{comment}");
    assert_eq!(forge.state()["comments"][0]["issue"], 7);
    assert_eq!(forge.statuses()[0]["state"], "failure");
    let fetched: Vec<_> = forge.log().into_iter().filter(|line| line["operation"] == "storage/download").collect();
    assert_eq!((fetched.len(), &fetched[0]["authorization"]), (1, &json!("absent")));
    // What the cells are held to is the base's; the head's is read to say what it loosens.
    let revisions = forge.log().into_iter().filter(|line| line["operation"] == "repos/get-content");
    let read: Vec<_> = revisions.map(|line| line["query"]["ref"].clone()).collect();
    assert!(read.contains(&json!(BASE)) && read.iter().all(|one| one == BASE || one == HEAD), "{read:?}");
    // Once more: nothing has changed.
    job(&forge, &ended()).publish(&[]).exits(0);
    assert_eq!(forge.comment(), comment);
}

#[test]
fn a_pull_request_of_the_same_repository_is_the_one_that_the_run_names() {
    let mut own = measured(results(&recorded().pass));
    own["runs"][0]["head_owner"] = "acme".into();
    own["runs"][0]["head_repo_id"] = 1.into();
    own["runs"][0]["pull_requests"] = json!([6]);
    let forge = Forge::start(&own);
    let mut event = ended();
    event["workflow_run"]["head_repository"] = event["repository"].clone();
    event["workflow_run"]["pull_requests"] = json!([
        {"number": 6, "base": {"repo": {"id": 1}}, "head": {"sha": HEAD}},
        {"number": 7, "base": {"repo": {"id": 77}}, "head": {"sha": HEAD}},
    ]);
    job(&forge, &event).publish(&[]).exits(0);
    assert_eq!(forge.state()["comments"][0]["issue"], 6);
    assert!(!forge.comment().contains("contributor"));
}

/// Nothing is posted, and that is right.
#[track_caller]
fn leaves_alone(scenario: &Value, event: &Value, args: &[&str], words: &[&str]) {
    let forge = Forge::start(scenario);
    job(&forge, event).publish(args).exits(0).says(words);
    assert_eq!(forge.ours(), [""; 0]);
    assert_eq!(forge.count("issues/create-comment"), 0);
}

#[test]
fn runs_that_are_not_to_be_told() {
    let good = measured(results(&recorded().pass));
    let with = |name: &str, value: Value| {
        let mut event = ended();
        event["workflow_run"][name] = value;
        event
    };
    leaves_alone(&good, &with("event", "push".into()), &[], &["push"]);
    leaves_alone(&good, &with("event", "pull_request_target".into()), &[], &["pull_request_target"]);
    leaves_alone(&good, &with("status", "in_progress".into()), &[], &["not ended"]);
    leaves_alone(&good, &with("path", ".github/workflows/evil.yml".into()), &[], &["evil.yml"]);
    leaves_alone(&good, &ended(), &["--workflow", ".github/workflows/other.yml"], &[WORKFLOW]);
    leaves_alone(&good, &with("head_sha", OLD_HEAD.into()), &[], &["nothing posted"]);
    leaves_alone(&good, &with("head_repository", Value::Null), &[], &["nothing posted"]);
    leaves_alone(&good, &ended(), &["--artifact", "another"], &["another"]);
}

#[test]
fn pull_requests_that_do_not_fit() {
    let change = |with: &dyn Fn(&mut Value)| {
        let mut scenario = measured(results(&recorded().pass));
        with(&mut scenario);
        scenario
    };
    leaves_alone(&change(&|it| it["pulls"] = json!([])), &ended(), &[], &["no open pull request"]);
    leaves_alone(&change(&|it| it["pulls"][1]["state"] = "closed".into()), &ended(), &[], &["no open pull request"]);
    leaves_alone(&change(&|it| it["pulls"][1]["head"]["repo"] = Value::Null), &ended(), &[], &["no open pull request"]);
    leaves_alone(&change(&|it| it["pulls"][1]["head"]["repo_id"] = 3.into()), &ended(), &[], &["no open pull request"]);
    leaves_alone(&change(&|it| it["pulls"][1]["head"]["sha"] = OLD_HEAD.into()), &ended(), &[], &["nothing posted"]);
    leaves_alone(&change(&|it| it["pulls"][0] = pull(8, "mallory", 2)), &ended(), &[], &["2 open pull requests"]);
    // The event names one whose head has moved on since.
    let mut named = ended();
    named["workflow_run"]["pull_requests"] = json!([{"number": 7, "base": {"repo": {"id": 1}}}]);
    leaves_alone(&change(&|it| it["pulls"][1]["head"]["sha"] = OLD_HEAD.into()), &named, &[], &["moved on"]);
    // And one of somebody else.
    named["workflow_run"]["pull_requests"] = json!([{"number": 6, "base": {"repo": {"id": 1}}}]);
    leaves_alone(&measured(results(&recorded().pass)), &named, &[], &["nothing posted"]);
    leaves_alone(
        &change(&|it| it["runs"][0]["artifacts"][1]["expired"] = true.into()),
        &ended(),
        &[],
        &["no artifact"],
    );
}

/// The artifact is refused, with the reason, and nothing is posted.
#[track_caller]
fn refuses(scenario: &Value, words: &[&str]) {
    let forge = Forge::start(scenario);
    let told = job(&forge, &ended()).publish(&[]);
    assert_eq!(forge.ours(), [""; 0], "posted in spite of {:.300}", scenario["runs"]);
    told.exits(2).says(words);
}

#[test]
fn archives_that_are_not_what_was_asked_for() {
    let good = &recorded().pass;
    let artifact = |with: &dyn Fn(&mut Value)| {
        let mut scenario = measured(results(good));
        with(&mut scenario["runs"][0]["artifacts"][1]);
        scenario
    };
    refuses(&artifact(&|it| it["size"] = (1u64 << 40).into()), &["bytes"]);
    refuses(&artifact(&|it| it["digest"] = "wrong".into()), &["digest"]);
    let junk = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(junk.path(), "PK\u{3}\u{4} is how they begin").unwrap();
    refuses(&artifact(&|it| it["raw"] = junk.path().display().to_string().into()), &["zip"]);
    for path in [
        "../results.json",
        "/results.json",
        "a/results.json",
        "./results.json",
        "results.json/",
        "Results.json",
        "..\\results.json",
        "C:results.json",
    ] {
        refuses(&measured(json!([{"path": path, "text": good}])), &["results.json"]);
    }
    refuses(&measured(json!([{"path": "n".repeat(60_000), "text": good}])), &["results.json"]);
    refuses(&measured(json!([{"path": "results.json", "link": "/etc/passwd"}])), &["plain file"]);
    refuses(
        &measured(json!([{"path": "results.json", "text": good}, {"path": "results.json", "text": good}])),
        &["artifact"],
    );
    refuses(&measured(json!([{"path": "results.json", "text": good}, {"path": "more", "text": ""}])), &["entries"]);
    refuses(&measured(json!([])), &["entries"]);
}

#[test]
fn an_archive_that_swells_is_stopped() {
    let bomb = 80 << 20;
    refuses(&measured(json!([{"path": "results.json", "zeros": bomb}])), &["more than"]);
    // The same with a size that lies.
    refuses(&measured(json!([{"path": "results.json", "zeros": bomb, "claims": 1000}])), &["artifact"]);
}

#[test]
fn results_that_are_none() {
    let good = &recorded().pass;
    let changed = |pointer: &str, value: Value| {
        let mut results: Value = serde_json::from_str(good).unwrap();
        *results.pointer_mut(pointer).unwrap_or_else(|| panic!("no {pointer}")) = value;
        results.to_string()
    };
    let version = "\"version\":";
    assert!(good.contains(version));
    for text in [
        String::new(),
        "{}".to_owned(),
        "[]".to_owned(),
        "null".to_owned(),
        "\u{0}\u{1}".to_owned(),
        "<!doctype html>".to_owned(),
        "[".repeat(200_000),
        good[..good.len() / 2].to_owned(),
        changed("/header/version", 999.into()),
        changed("/header/version", (-1).into()),
        changed("/header/samples/0/id", "x".repeat(5000).into()),
        changed("/header/samples/0/id", "a|b\n## PASS".into()),
        changed("/header/backends/0/id", "../../../etc/passwd".into()),
        changed("/header/machine/class/cpu", "x".repeat(1 << 20).into()),
        changed("/launches/0/stages/serialize/artifact/sha256", Value::Null),
        good.replacen('{', "{\"more\": 1, ", 1),
        good.replace("\"seed\"", "\"sede\""),
    ] {
        refuses(&measured(results(&text)), &["results.json"]);
    }
    // Numbers that are none. JSON cannot say them properly, which is no reason to trust.
    let number = a_time(good);
    for bad in ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "\"NaN\"", "null"] {
        refuses(&measured(results(&good.replacen(&number, &format!("\"wall\":{bad}"), 1))), &["results.json"]);
    }
}

/// The first time of an observation, as it is written.
fn a_time(good: &str) -> String {
    let from = good.find("\"wall\":").expect("observations have times");
    let rest = &good[from..];
    rest[..rest.find([',', '}']).unwrap()].to_owned()
}

#[test]
fn a_forge_that_fails_a_publishing_job_fails_it_and_posts_nothing() {
    let routes = [
        "pulls/list",
        "pulls/get",
        "repos/get-content",
        "actions/list-workflow-run-artifacts",
        "actions/download-artifact",
        "storage/download",
    ];
    for operation in routes {
        for kind in ["status", "cut", "close", "hang", "drip", "flood", "garbage"] {
            if operation == "actions/download-artifact" && kind == "cut" {
                // A redirection has no body that could be cut.
                continue;
            }
            let mut scenario = measured(results(&recorded().pass));
            scenario["faults"] = json!([{"operation": operation, "kind": kind}]);
            let forge = Forge::start(&scenario);
            let job = job(&forge, &ended());
            let told = job.ends(job.command(&["publish", "--forge-deadline", "700ms"]));
            assert_eq!(forge.ours(), [""; 0], "{operation} {kind}");
            told.exits(2);
        }
    }
}

#[test]
fn a_base_without_configuration_or_baseline_says_so() {
    let mut bare = measured(results(&recorded().regressed));
    bare["contents"][BASE] = json!({ WORKFLOW: "on: pull_request\n" });
    let forge = Forge::start(&bare);
    job(&forge, &ended()).publish(&[]).exits(0);
    assert!(forge.comment().contains("tollgate.yml"), "{}", forge.comment());
}

#[test]
fn jobs_that_are_not_of_this_kind() {
    let forge = Forge::start(&measured(results(&recorded().pass)));
    job(&forge, &ended()).set("GITHUB_EVENT_NAME", "pull_request").publish(&[]).exits(2);
    job(&forge, &json!({})).publish(&[]).exits(2);
    job(&forge, &json!({"workflow_run": {"id": 99}})).publish(&[]).exits(2);
    job(&forge, &ended()).set("GITHUB_REPOSITORY", "mallory/widgets").publish(&[]).exits(2);
    job(&forge, &ended()).without("GITHUB_TOKEN").publish(&[]).exits(2).says(&["GITHUB_TOKEN"]);
    job(&forge, &ended()).without("GITHUB_EVENT_PATH").publish(&[]).exits(2);
    assert_eq!(forge.ours(), [""; 0]);
}
