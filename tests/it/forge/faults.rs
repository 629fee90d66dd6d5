//! Everything that can go wrong between a job and its forge.
//!
//! Invariants: for every fault the exit code is the verdict's, at most one comment is left, and something is said that names
//! the remedy; the token is shown nowhere, which `Job::ends` sees to.

use serde_json::{Value, json};

use super::{BOT, Forge, Job, OLD_HEAD, Told, failing, recorded, scenario};

const LIST: &str = "issues/list-comments";
const CREATE: &str = "issues/create-comment";
const UPDATE: &str = "issues/update-comment";

fn fault(operation: &str, kind: &str, more: Value) -> Value {
    let mut fault = json!({"operation": operation, "kind": kind});
    let Value::Object(more) = more else { panic!("{more} is no object") };
    for (name, value) in more {
        fault[name] = value;
    }
    fault
}

/// A pull request with a comment of an older run.
fn commented(faults: Value) -> Value {
    let mut scenario = failing(faults);
    let body = format!("<!-- tollgate key=tollgate head={OLD_HEAD} run=50 attempt=1 red=0: -->\nold");
    scenario["comments"] = json!([{"issue": 7, "id": 2001, "user": BOT, "body": body}]);
    scenario
}

/// Posts both verdicts to a forge with these faults, with little patience, and holds both to the rules.
#[track_caller]
fn survives(scenario: &Value, words: &[&str]) {
    for (results, code, result) in [(&recorded().pass, 0, "pass"), (&recorded().regressed, 1, "regressed")] {
        let forge = Forge::start(scenario);
        let told = Job::new(&forge, results).post_hastily(&["--status"]);
        whole(&told, code, result);
        told.says(words);
        assert!(forge.ours().len() <= 1, "{:#?}\n{:?}", forge.ours(), forge.heard());
        assert!(forge.count(CREATE) <= 2, "{:?}", forge.heard());
    }
}

/// Everything that needs no forge is there all the same.
#[track_caller]
fn whole(told: &Told, code: i32, result: &str) {
    told.exits(code);
    assert_eq!(told.output("result").as_deref(), Some(result), "{told}");
    assert!(told.output("report-json").is_some() && told.output("report-markdown").is_some(), "{told}");
    assert!(told.summary.contains("tiny") || code == 0 && !told.summary.is_empty(), "{}", told.summary);
}

#[test]
fn refusals_of_every_kind() {
    for status in [400, 401, 403, 404, 405, 409, 410, 418, 422, 451] {
        for operation in [LIST, CREATE, "*"] {
            let status = json!({"status": status, "message": "no"});
            survives(&failing(json!([fault(operation, "status", status.clone())])), &[&status["status"].to_string()]);
        }
    }
}

#[test]
fn a_refused_edit_creates_and_leaves_one() {
    for status in [403, 404, 410] {
        let forge = Forge::start(&commented(json!([fault(UPDATE, "status", json!({"status": status}))])));
        Job::new(&forge, &recorded().pass).post(&[]).exits(0);
        let new: Vec<_> = forge.ours().into_iter().filter(|body| body.contains("run=100")).collect();
        assert_eq!(new.len(), 1, "{status}: {:?}", forge.heard());
    }
    for status in [409, 422] {
        survives(&commented(json!([fault(UPDATE, "status", json!({"status": status}))])), &[&status.to_string()]);
    }
}

#[test]
fn a_comment_that_is_deleted_between_list_and_edit() {
    let forge = Forge::start(&commented(json!([fault(UPDATE, "vanish", json!({"times": 1}))])));
    Job::new(&forge, &recorded().regressed).post(&[]).exits(1);
    assert!(forge.comment().contains("run=100"));
    let heard = forge.heard();
    assert!(heard.contains(&"issues/update-comment 404".to_owned()), "{heard:?}");
}

#[test]
fn a_limit_is_waited_for() {
    for headers in [json!({"retry-after": "1"}), json!({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1"})] {
        for (status, operation) in [(429, LIST), (429, CREATE), (403, CREATE)] {
            let limit = fault(operation, "status", json!({"status": status, "times": 1, "headers": headers}));
            let forge = Forge::start(&failing(json!([limit])));
            Job::new(&forge, &recorded().pass).post(&[]).exits(0);
            assert!(forge.comment().contains("run=100"));
            assert!(forge.count(operation) >= 2, "asked again: {:?}", forge.heard());
        }
    }
}

#[test]
fn a_limit_beyond_the_deadline_is_not_waited_for() {
    survives(
        &failing(json!([fault("*", "status", json!({"status": 429, "headers": {"retry-after": "3600"}}))])),
        &["3600"],
    );
    let exhausted =
        json!({"status": 403, "headers": {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "4102444800"}});
    survives(&failing(json!([fault("*", "status", exhausted)])), &["limit"]);
}

#[test]
fn a_fault_of_the_server_that_passes_is_outlived() {
    for operation in [LIST, UPDATE] {
        let forge = Forge::start(&commented(json!([fault(operation, "status", json!({"status": 500, "times": 1}))])));
        Job::new(&forge, &recorded().pass).post(&[]).exits(0);
        assert!(forge.comment().contains("run=100"), "{:?}", forge.heard());
    }
}

#[test]
fn a_creation_whose_answer_is_lost_is_not_repeated_blindly() {
    for (kind, status) in [
        ("status", json!({"status": 500})),
        ("status", json!({"status": 502})),
        ("close", json!({})),
        ("cut", json!({})),
        ("garbage", json!({})),
    ] {
        for applied in [true, false] {
            let mut more = status.clone();
            more["times"] = 1.into();
            more["applied"] = applied.into();
            let forge = Forge::start(&failing(json!([fault(CREATE, kind, more)])));
            Job::new(&forge, &recorded().regressed).post(&[]).exits(1);
            let comment = forge.comment();
            assert!(comment.contains("run=100"), "{kind} {applied}: {:?}", forge.heard());
            let heard = forge.heard();
            let creations = if applied || kind == "cut" { 1 } else { 2 };
            assert_eq!(forge.count(CREATE), creations, "{kind}, applied {applied}: {heard:?}");
        }
    }
}

#[test]
fn a_server_that_never_gets_better() {
    for kind in ["close", "cut", "hang", "drip", "flood", "garbage"] {
        for operation in [LIST, CREATE, UPDATE, "*"] {
            let scenario = if operation == UPDATE { commented } else { failing };
            survives(&scenario(json!([fault(operation, kind, json!({}))])), &[]);
        }
    }
    survives(&failing(json!([fault("*", "status", json!({"status": 500}))])), &["500"]);
}

#[test]
fn a_creation_that_happens_and_hangs_leaves_one() {
    for kind in ["hang", "drip"] {
        survives(&failing(json!([fault(CREATE, kind, json!({"applied": true}))])), &[]);
    }
}

#[test]
fn a_redirection_takes_no_token_along() {
    for status in [301, 302, 307, 308] {
        let forge = Forge::start(&failing(json!([fault("*", "redirect", json!({"status": status}))])));
        let told = Job::new(&forge, &recorded().pass).post_hastily(&["--status"]);
        whole(&told, 0, "pass");
        for line in forge.log() {
            assert!(line["operation"] != "elsewhere" || line["authorization"] == "absent", "{line}");
        }
    }
}

#[test]
fn nobody_listens() {
    let forge = Forge::start(&scenario());
    // The port is taken and free again: nobody has it.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (results, code, result) in [(&recorded().pass, 0, "pass"), (&recorded().regressed, 1, "regressed")] {
        let told = Job::new(&forge, results).set("GITHUB_API_URL", &format!("http://{free}")).post_hastily(&[]);
        whole(&told, code, result);
        told.says(&["GITHUB_API_URL"]);
    }
    assert_eq!(forge.heard(), [""; 0]);
}

#[test]
fn tokens_of_every_kind() {
    let forge = Forge::start(&scenario());
    let wrong = Job::new(&forge, &recorded().regressed).set("GITHUB_TOKEN", "ghs_wrong").post(&[]);
    whole(&wrong, 1, "regressed");
    wrong.says(&["401"]);
    assert!(!format!("{wrong:?}").contains("ghs_wrong"), "{wrong}");

    for none in ["", "  ", "\n"] {
        let told = Job::new(&forge, &recorded().regressed).set("GITHUB_TOKEN", none).post(&[]);
        whole(&told, 1, "regressed");
        told.says(&["GITHUB_TOKEN"]);
    }
    let told = Job::new(&forge, &recorded().regressed).without("GITHUB_TOKEN").post(&[]);
    whole(&told, 1, "regressed");
    told.says(&["GITHUB_TOKEN"]);
    assert_eq!(forge.ours(), [""; 0]);

    // A line break within, or a control character, makes no header of it and no crash.
    for bad in [format!("{}\nx-evil: 1", super::TOKEN), format!("{}\u{7}", super::TOKEN), format!("{}é", super::TOKEN)]
    {
        let told = Job::new(&forge, &recorded().regressed).set("GITHUB_TOKEN", &bad).post(&[]);
        whole(&told, 1, "regressed");
    }
    assert_eq!(forge.ours(), [""; 0]);

    // One at the end is what a file leaves.
    Job::new(&forge, &recorded().regressed).set("GITHUB_TOKEN", &format!(" {}\n", super::TOKEN)).post(&[]).exits(1);
    assert!(forge.comment().contains("run=100"));
}

#[test]
fn a_forge_that_repeats_the_token_is_not_quoted() {
    let parrot = fault("*", "status", json!({"status": 422, "message": format!("bad header {}", super::TOKEN)}));
    survives(&failing(json!([parrot])), &["422"]);
}

#[test]
fn jobs_without_what_a_runner_gives() {
    let forge = Forge::start(&scenario());
    let results = &recorded().regressed;
    let odd = |job: Job| job.post(&["--status"]).exits(1).code;
    odd(Job::new(&forge, results).without("GITHUB_EVENT_PATH"));
    odd(Job::new(&forge, results).set("GITHUB_EVENT_PATH", "/nowhere/event.json"));
    for event in [
        json!({}),
        json!([]),
        json!({"pull_request": null}),
        json!({"pull_request": {"number": 7}}),
        json!({"pull_request": {"number": -1}}),
    ] {
        odd(Job::new(&forge, results).event(&event));
    }
    for name in ["GITHUB_REPOSITORY", "GITHUB_RUN_ID", "GITHUB_EVENT_NAME"] {
        odd(Job::new(&forge, results).without(name));
    }
    odd(Job::new(&forge, results).set("GITHUB_REPOSITORY", "acme/../../user"));
    odd(Job::new(&forge, results).set("GITHUB_API_URL", "http://forge.example"));
    odd(Job::new(&forge, results).set("GITHUB_API_URL", "not an address"));
    assert_eq!(forge.ours(), [""; 0]);
    for name in ["GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"] {
        odd(Job::new(&forge, results).without(name));
        odd(Job::new(&forge, results).set(name, "/nowhere/at/all"));
    }
    assert!(forge.comment().contains("run=100"));
}

#[test]
fn a_pull_request_that_is_not_there() {
    for personality in ["github", "gitea"] {
        let mut none = scenario();
        none["pulls"] = json!([]);
        none["personality"] = personality.into();
        survives(&none, &[if personality == "github" { "404" } else { "500" }]);
    }
}

#[test]
fn a_proxy_is_taken_for_what_is_elsewhere_and_for_nothing_here() {
    let forge = Forge::start(&scenario());
    let address = forge.api.clone();
    // Of loopback nothing goes through a proxy, so a proxy that is not there does no harm.
    let job = Job::new(&forge, &recorded().pass);
    let job = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY"]
        .iter()
        .fold(job, |job, name| job.set(name, "http://127.0.0.1:9"));
    job.post(&[]).exits(0);
    assert!(forge.comment().contains("run=100"));
    // What is elsewhere is asked for through the proxy, which sees the name of the host and no more.
    let job = Job::new(&forge, &recorded().regressed)
        .set("GITHUB_API_URL", "https://forge.example/api/v3")
        .set("HTTPS_PROXY", &address);
    let told = job.post_hastily(&[]);
    whole(&told, 1, "regressed");
    let asked: Vec<_> = forge.log().into_iter().filter(|line| line["operation"] == "proxy/connect").collect();
    assert!(!asked.is_empty(), "{:?}", forge.heard());
    for line in asked {
        assert_eq!((&line["path"], &line["authorization"]), (&json!("forge.example:443"), &json!("absent")));
    }
}
