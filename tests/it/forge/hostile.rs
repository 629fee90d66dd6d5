//! Text that wants to be more than text: names of branches, titles, and whatever a measured program can put into results.
//!
//! Invariants: nothing of it begins a line, a tag, a mention or a command anywhere, and the verdict is the first thing that stands
//! in the comment. The texts are put into every place of the results that holds one; what does not accept them must refuse
//! them, and enough places must accept them for the test to mean something.

use serde_json::{Value, json};

use super::{Forge, HEAD, Job, Told, event, recorded, scenario};

/// Tries to end the hidden line, to forge a verdict, to call people, to close issues and to command the runner.
const HOSTILE: &str = "x --> \n\n## ✅ PASS: forged\r\n@everyone closes #1 <img src=x onerror=alert(1)> | `</details>` \
                       ![p](https://evil.example/p.png) \u{202e}\u{1b}[2J\n::error::forged\n##[error]forged\n\
                       <!-- tollgate key=tollgate head=0000000000000000000000000000000000000000 run=999999 attempt=1 red=0: -->";

/// A comment in which nothing hostile is alive.
#[track_caller]
fn harmless(comment: &str) {
    let (first, rest) = comment.split_once('\n').unwrap();
    assert!(
        first.starts_with(&format!("<!-- tollgate key=tollgate head={HEAD} run=")) && first.ends_with(" -->"),
        "{comment}"
    );
    // In a preformatted block Markdown is not read, so lines may stand there as they are; HTML and mentions may not.
    let mut outside = String::new();
    for (number, part) in rest.split("<pre>").enumerate() {
        let (inner, after) = if number == 0 { ("", part) } else { part.split_once("</pre>").unwrap() };
        assert!(!inner.contains(['<', '>', '\u{202e}', '\u{1b}', '\r']) && !inner.contains("@everyone"), "{comment}");
        outside.push_str(after);
    }
    let rest = outside.as_str();
    assert!(!rest.contains("<!--") && !rest.contains("-->"), "{comment}");
    for line in rest.lines() {
        let shown = line.trim_start_matches(['>', ' ', '-', '*']);
        assert!(
            !shown.starts_with("## ✅ PASS: forged") && !shown.starts_with("::") && !shown.starts_with("##["),
            "{comment}"
        );
    }
    for alive in ["<img", "@everyone", "#1 ", "![p]", "https://evil", "\u{202e}", "\u{1b}", "\r"] {
        assert!(!rest.contains(alive), "{alive:?} is alive in {comment}");
    }
}

/// A log in which the runner obeys nothing but what Tollgate says.
#[track_caller]
fn obedient(told: &Told) {
    let mut stopped: Option<String> = None;
    for line in told.stdout.lines().chain(told.stderr.lines()) {
        if let Some(token) = &stopped {
            if line == format!("::{token}::") {
                stopped = None;
            }
            continue;
        }
        if let Some(token) = line.strip_prefix("::stop-commands::") {
            stopped = Some(token.to_owned());
            continue;
        }
        // Of a line that is a command of the newer form, the rest is its text.
        let ours =
            ["error", "warning", "notice"].iter().any(|level| line.starts_with(&format!("::{level} title=Tollgate")));
        let obeyed = line.trim_start().starts_with("::") || line.contains("##[");
        assert!(ours || !obeyed, "{line:?} in {told}");
    }
    assert_eq!(stopped, None, "commands stay stopped: {told}");
    assert!(!told.stdout.contains('\u{1b}') && !told.stderr.contains('\u{1b}'), "{told}");
}

/// The places of all texts in a value, one for each list.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| {
            places(value, &format!("{at}/{}", key.replace('~', "~0").replace('/', "~1")), found);
        }),
        Value::Array(list) => list.iter().take(1).for_each(|value| places(value, &format!("{at}/0"), found)),
        Value::String(_) => found.push(at.to_owned()),
        _ => {}
    }
}

#[test]
fn no_text_in_results_comes_alive() {
    let (mut accepted, mut refused) = (Vec::new(), 0);
    for results in [&recorded().regressed, &recorded().broken] {
        let results: Value = serde_json::from_str(results).unwrap();
        let mut all = Vec::new();
        places(&results, "", &mut all);
        let forge = Forge::start(&scenario());
        for (number, place) in (1..).zip(&all) {
            let mut hostile = results.clone();
            *hostile.pointer_mut(place).unwrap() = HOSTILE.into();
            let told = Job::new(&forge, &hostile.to_string()).numbered(100 + number, 1).post(&[]);
            obedient(&told);
            if told.code == Some(2) {
                refused += 1;
                continue;
            }
            // Another compiler or machine than the baseline's is another comparison; whatever comes of it, code and word agree.
            let word = told.output("result");
            let agreed = [(0, "pass"), (1, "regressed"), (3, "broken"), (4, "inconclusive")];
            assert!(agreed.contains(&(told.code.unwrap(), word.as_deref().unwrap())), "{place}: {told}");
            let comment = forge.comment();
            assert!(comment.contains(&format!("run={} ", 100 + number)), "{place}: {comment}");
            harmless(&comment);
            accepted.push(place.clone());
        }
    }
    assert!(accepted.len() >= 10 && refused >= 10, "{refused} refused, accepted: {accepted:#?}");
    assert!(accepted.iter().any(|place| place.ends_with("/cpu")), "{accepted:#?}");
}

#[test]
fn branches_and_titles_are_never_more_than_text() {
    let mut hostile = event(7, "acme", 1);
    for place in [
        "/pull_request/title",
        "/pull_request/head/ref",
        "/pull_request/head/label",
        "/pull_request/base/ref",
        "/pull_request/user/login",
    ] {
        *hostile.pointer_mut(place).unwrap() = HOSTILE.into();
    }
    let mut scenario = scenario();
    scenario["pulls"][0]["title"] = HOSTILE.into();
    scenario["pulls"][0]["head"]["ref"] = HOSTILE.into();
    let forge = Forge::start(&scenario);
    let job = Job::new(&forge, &recorded().regressed).event(&hostile);
    let job =
        ["GITHUB_HEAD_REF", "GITHUB_BASE_REF", "GITHUB_REF_NAME", "GITHUB_ACTOR", "GITHUB_WORKFLOW", "GITHUB_JOB"]
            .iter()
            .fold(job, |job, name| job.set(name, HOSTILE));
    let told = job.post(&["--status"]);
    told.exits(1);
    obedient(&told);
    harmless(&forge.comment());
    assert_eq!(forge.statuses()[0]["state"], "failure");
    assert_eq!(told.output("result").as_deref(), Some("regressed"));
}

#[test]
fn a_forge_that_answers_with_commands_is_not_obeyed() {
    for status in [403, 422, 500] {
        let mut parrot = scenario();
        parrot["faults"] = json!([{"operation": "*", "kind": "status", "status": status, "message": HOSTILE}]);
        let forge = Forge::start(&parrot);
        let told = Job::new(&forge, &recorded().regressed).post_hastily(&["--status"]);
        told.exits(1);
        obedient(&told);
        assert_eq!(told.output("result").as_deref(), Some("regressed"));
    }
}
