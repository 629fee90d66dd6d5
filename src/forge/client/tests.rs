//! Tests of the patience, with a transport that plays back answers.

use super::*;
use crate::forge::testing::{Played, answer, refused, with_header};

fn client(played: Played) -> Client<Played> {
    Client::new(played, Address::new("https://forge.example/api/v3").unwrap(), "s3cret".to_owned())
}

fn get(client: &mut Client<Played>) -> Result<Value, ForgeError> {
    client.get("read", "/x")
}

fn post(client: &mut Client<Played>) -> Result<Value, ForgeError> {
    client.write("write", Method::Post, "/x", Value::Null)
}

#[test]
fn faults_are_repeated_where_that_does_no_harm() {
    let mut reads =
        client(Played::new([refused(502), Err(Failure::Silent), Err(Failure::Broken("cut".into())), answer("1")]));
    assert_eq!(get(&mut reads), Ok(1.into()));
    assert_eq!(reads.transport.waits, [1, 2, 4]);

    let mut writes = client(Played::new([refused(502), answer("1")]));
    let error = post(&mut writes).unwrap_err();
    assert!(error.is_uncertain() && error.status() == Some(502));
    assert_eq!(writes.transport.sent.len(), 1);

    let mut writes = client(Played::new([Err(Failure::Unreachable("refused".into())), answer("1")]));
    assert_eq!(post(&mut writes), Ok(1.into()));
}

#[test]
fn attempts_come_to_an_end() {
    let mut reads = client(Played::new([refused(500), refused(500), refused(500), refused(500), answer("1")]));
    assert_eq!(get(&mut reads).unwrap_err().status(), Some(500));
    assert_eq!(reads.transport.sent.len(), 4);
}

#[test]
fn limits_are_waited_for_within_the_deadline() {
    let limited = |name, value| with_header(refused(429), name, value);
    let mut writes = client(Played::new([limited("retry-after", "7"), answer("1")]));
    assert_eq!(post(&mut writes), Ok(1.into()));
    assert_eq!(writes.transport.waits, [7]);

    let exhausted = with_header(with_header(refused(403), "x-ratelimit-remaining", "0"), "x-ratelimit-reset", "1012");
    let mut reads = client(Played::new([exhausted, answer("1")]));
    assert_eq!(get(&mut reads), Ok(1.into()));
    assert_eq!(reads.transport.waits, [12]);

    let mut reads = client(Played::new([refused(429), answer("1")]));
    assert_eq!(get(&mut reads), Ok(1.into()));
    assert_eq!(reads.transport.waits, [60]);

    let mut reads = client(Played::new([limited("retry-after", "3600"), answer("1")]));
    assert_eq!(get(&mut reads), Err(ForgeError::Limited { what: "read".into(), wait: Duration::from_secs(3600) }));
    assert_eq!(reads.transport.waits, Vec::<u64>::new());
}

#[test]
fn a_plain_403_is_no_limit() {
    let mut reads = client(Played::new([refused(403), answer("1")]));
    assert_eq!(get(&mut reads).unwrap_err().status(), Some(403));
    let secondary = answer_with(403, r#"{"message":"You have exceeded a secondary rate limit"}"#);
    let mut reads = client(Played::new([secondary, answer("1")]));
    assert_eq!(get(&mut reads), Ok(1.into()));
}

fn answer_with(status: u16, body: &str) -> Result<Response, Failure> {
    Ok(Response { status, body: body.into(), ..Response::default() })
}

#[test]
fn pages_are_followed_on_the_same_host_alone() {
    let next = |url: &str| with_header(answer("[1]"), "link", &format!("<{url}>; rel=\"next\""));
    let mut reads = client(Played::new([
        next("https://forge.example/api/v3/x?page=2"),
        next("https://evil.example/x"),
        answer("[3]"),
    ]));
    assert_eq!(reads.list("read", "/x").unwrap().len(), 2);
    let urls: Vec<_> = reads.transport.sent.iter().map(|request| request.url.as_str()).collect();
    assert_eq!(urls, ["https://forge.example/api/v3/x", "https://forge.example/api/v3/x?page=2"]);
    // A page that names itself as the next one has no end.
    let mut reads = client(Played::new([next("https://forge.example/api/v3/x"), answer("[2]")]));
    assert_eq!(reads.list("read", "/x").unwrap().len(), 1);
}

#[test]
fn errors_hold_no_token_and_no_payload() {
    let body = r#"{"message":"bad s3cret\n::error::x"}"#;
    let error = get(&mut client(Played::new([answer_with(422, body)]))).unwrap_err().to_string();
    assert!(error.contains("422 (bad ***\\n::error::x)"), "{error}");
    let error = get(&mut client(Played::new([Ok(Response {
        status: 200,
        body: b"{\"a\": \"s3cret".to_vec(),
        ..Response::default()
    })])));
    let error = error.unwrap_err().to_string();
    assert!(error.contains("no JSON, or cut short at 1:") && !error.contains("s3cret"), "{error}");
    let error = get(&mut client(Played::new(vec![Err(Failure::Unreachable("via s3cret".into())); 4]))).unwrap_err();
    assert!(!error.to_string().contains("s3cret"));
}

#[test]
fn what_is_gone_is_deleted() {
    assert_eq!(client(Played::new([refused(404)])).delete("delete", "/x"), Ok(()));
    assert_eq!(client(Played::new([answer("")])).delete("delete", "/x"), Ok(()));
    assert!(client(Played::new([refused(403)])).delete("delete", "/x").is_err());
}

#[test]
fn a_download_leaves_the_token_behind() {
    let moved = |to: &str| with_header(refused(302), "location", to);
    let mut fetches = client(Played::new([moved("https://blob.example/x?sig=1"), answer("zip")]));
    assert_eq!(fetches.download("fetch", "/zip", 10).unwrap(), b"zip");
    let sent: Vec<_> =
        fetches.transport.sent.iter().map(|request| (request.url.as_str(), request.authorised)).collect();
    assert_eq!(sent, [("https://forge.example/api/v3/zip", true), ("https://blob.example/x?sig=1", false)]);
    for bad in ["http://blob.example/x", "http://127.0.0.1/x", "file:///etc/passwd", ""] {
        let error = client(Played::new([moved(bad), answer("zip")])).download("fetch", "/zip", 10).unwrap_err();
        assert!(matches!(error, ForgeError::Redirected { .. }), "{bad}: {error}");
    }
    let mut round = client(Played::new(vec![moved("https://blob.example/x"); 9]));
    assert!(matches!(round.download("fetch", "/zip", 10), Err(ForgeError::Redirected { .. })));
}
