//! The test double itself: that it is as strict as the forges that it stands for.
//!
//! Invariants: what is asked here is not what Tollgate asks, but what it must not get away with.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::{Value, json};

use super::{Forge, HEAD, TOKEN, scenario};

/// One request by hand: status, headers, body.
fn ask(forge: &Forge, method: &str, path: &str, body: &str) -> (u16, String, Value) {
    let rest = forge.api.strip_prefix("http://").unwrap();
    let (host, prefix) =
        rest.split_once('/').map_or((rest, String::new()), |(host, prefix)| (host, format!("/{prefix}")));
    let mut stream = TcpStream::connect(host).unwrap();
    let length = body.len();
    write!(
        stream,
        "{method} {prefix}{path} HTTP/1.1\r\nhost: {host}\r\nuser-agent: test\r\nauthorization: Bearer {TOKEN}\r\n\
         content-length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_owned(), serde_json::from_str(body).unwrap_or_default())
}

const LIST: &str = "/repos/acme/widgets/issues/7/comments";

#[test]
fn github_pages_its_lists() {
    let mut many = scenario();
    many["filler"] = json!({"issue": 7, "count": 205});
    let forge = Forge::start(&many);
    let (status, head, first) = ask(&forge, "GET", &format!("{LIST}?per_page=100"), "");
    assert_eq!((status, first.as_array().unwrap().len()), (200, 100));
    assert!(head.contains("page=2") && head.contains("rel=\"next\""), "{head}");
    let (_, head, last) = ask(&forge, "GET", &format!("{LIST}?per_page=100&page=3"), "");
    assert_eq!(last.as_array().unwrap().len(), 5);
    assert!(!head.contains("rel=\"next\""), "{head}");
    let (_, _, small) = ask(&forge, "GET", LIST, "");
    assert_eq!(small.as_array().unwrap().len(), 30, "the default is 30");
}

#[test]
fn gitea_is_another_forge() {
    let mut gitea = scenario();
    gitea["personality"] = "gitea".into();
    gitea["filler"] = json!({"issue": 7, "count": 205});
    gitea["comments"] = json!([{"issue": 7, "id": 900, "user": null, "body": "gone"}]);
    let forge = Forge::start(&gitea);
    assert!(forge.api.ends_with("/api/v1"));
    let (_, head, all) = ask(&forge, "GET", &format!("{LIST}?per_page=100&page=2"), "");
    assert_eq!(all.as_array().unwrap().len(), 206, "`page` is ignored");
    assert!(!head.contains("\r\nlink:"), "{head}");
    assert_eq!(all[205]["user"]["id"], -1);
    assert!(all[0].get("node_id").is_none() && all[0].get("url").is_none());
    let (status, _, created) = ask(&forge, "POST", LIST, r#"{"body": "x"}"#);
    assert_eq!((status, &created["user"]["id"]), (201, &json!(-2)));
    let one = format!("/repos/acme/widgets/issues/comments/{}", created["id"]);
    assert_eq!(ask(&forge, "POST", &one, r#"{"body": "y"}"#).0, 405);
    assert_eq!(ask(&forge, "PATCH", &one, r#"{"body": "y"}"#).0, 200);
    let status = format!("/repos/acme/widgets/statuses/{HEAD}");
    let (_, _, answer) = ask(&forge, "POST", &status, r#"{"state": "success"}"#);
    assert_eq!((&answer["status"], answer.get("state")), (&json!("success"), None));
}

#[test]
fn limits_of_the_real_one_are_kept() {
    let forge = Forge::start(&scenario());
    let long = json!({"body": "é".repeat(65_537)}).to_string();
    assert_eq!(ask(&forge, "POST", LIST, &long).0, 422);
    assert_eq!(ask(&forge, "POST", LIST, &json!({"body": "é".repeat(65_536)}).to_string()).0, 201);
    let status = format!("/repos/acme/widgets/statuses/{HEAD}");
    assert_eq!(
        ask(&forge, "POST", &status, &json!({"state": "success", "description": "x".repeat(141)}).to_string()).0,
        422
    );
    assert_eq!(ask(&forge, "POST", &status, r#"{"state": "passed"}"#).0, 422);
    assert_eq!(ask(&forge, "GET", "/repos/acme/widgets/issues/8/comments", "").0, 404);
    assert_eq!(ask(&forge, "POST", "/repos/acme/widgets/issues/comments/5001", r#"{"body": "y"}"#).0, 404);
    assert_eq!(forge.ours().len(), 1);
}

#[test]
fn a_misspelt_fault_is_no_fault_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("scenario.json");
    let mut misspelt = scenario();
    misspelt["faults"] = json!([{"operation": "issues/list-comments", "kind": "status", "statsu": 500}]);
    std::fs::write(&file, misspelt.to_string()).unwrap();
    let output =
        std::process::Command::new(crate::support::misbehave().with_file_name("forge")).arg(file).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("statsu"));
}
