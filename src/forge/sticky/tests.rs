//! The comment on a made-up forge, which keeps comments and misbehaves on demand.

use std::time::Duration;

use serde_json::Value;

use super::*;
use crate::forge::address::{Address, Family};
use crate::forge::http::{Failure, Request, Response};

const HEAD: &str = "ec26c3e57ca3a959ca5aad62de7213c562f8c821";
const BOT: &str = "github-actions[bot]";

/// What a forge does wrong to the next request of a kind.
#[derive(Debug, Clone)]
enum Fault {
    /// Refuses, and does nothing.
    Refuse(u16),
    /// Does it, and the answer is lost.
    Lose,
    /// Before it answers, another run does this.
    Meanwhile(fn(&mut Vec<(i64, String, String)>)),
}

#[derive(Debug, Default)]
struct Forge {
    /// Id, author and body.
    comments: Vec<(i64, String, String)>,
    faults: Vec<(Method, Fault)>,
    sent: Vec<(Method, String)>,
    next: i64,
}

impl Forge {
    fn with(comments: &[(i64, &str, &str)]) -> Self {
        let comments = comments.iter().map(|(id, author, body)| (*id, (*author).into(), (*body).into())).collect();
        Self { comments, next: 100, ..Self::default() }
    }

    fn fault(mut self, method: Method, fault: Fault) -> Self {
        self.faults.push((method, fault));
        self
    }

    fn shown(comment: &(i64, String, String)) -> Value {
        json!({"id": comment.0, "user": {"login": comment.1}, "body": comment.2, "html_url": format!("https://forge.example/{}", comment.0)})
    }

    fn act(&mut self, request: &Request) -> (u16, Value) {
        let body = || request.body.as_ref().unwrap()["body"].as_str().unwrap().to_owned();
        let id = request.url.rsplit('/').next().unwrap().parse::<i64>().ok();
        let at = self.comments.iter().position(|comment| Some(comment.0) == id);
        match (request.method, id, at) {
            (Method::Get, None, _) if request.url.ends_with("/user") => (403, json!({"message": "not by this token"})),
            (Method::Get, None, _) => (200, self.comments.iter().map(Self::shown).collect()),
            (Method::Post, _, _) => {
                self.next += 1;
                self.comments.push((self.next, BOT.into(), body()));
                (201, Self::shown(self.comments.last().unwrap()))
            }
            (_, _, None) => (404, json!({})),
            (Method::Get, _, Some(at)) => (200, Self::shown(&self.comments[at])),
            (Method::Patch, _, Some(at)) => {
                self.comments[at].2 = body();
                (200, Self::shown(&self.comments[at]))
            }
            (Method::Delete, _, Some(at)) => {
                self.comments.remove(at);
                (204, Value::Null)
            }
        }
    }

    fn count(&self, method: Method) -> usize {
        self.sent.iter().filter(|(sent, _)| *sent == method).count()
    }
}

impl Transport for &mut Forge {
    fn exchange(&mut self, request: &Request) -> Result<Response, Failure> {
        self.sent.push((request.method, request.url.clone()));
        let at = self.faults.iter().position(|(method, _)| *method == request.method);
        let fault = at.map(|at| self.faults.remove(at).1);
        if let Some(Fault::Refuse(status)) = fault {
            return Ok(Response { status, body: b"{}".to_vec(), ..Response::default() });
        }
        let (status, value) = self.act(request);
        match fault {
            Some(Fault::Lose) => return Err(Failure::Silent),
            Some(Fault::Meanwhile(change)) => change(&mut self.comments),
            Some(Fault::Refuse(_)) | None => {}
        }
        Ok(Response { status, body: value.to_string().into_bytes(), ..Response::default() })
    }

    fn wait(&mut self, _: Duration) {}

    fn left(&self) -> Duration {
        Duration::from_secs(90)
    }

    fn now(&self) -> u64 {
        0
    }
}

fn line(run: u64, red: &[&str]) -> String {
    let red = Reds::new(red.iter().map(|name| (*name).to_owned()));
    Marker { key: "k".into(), head: HEAD.into(), run: Run { id: run, attempt: 1 }, red, before: None }.line()
}

fn posted(forge: &mut Forge, run: u64, red: &[&str]) -> Result<Posted, ForgeError> {
    let mut client = Client::new(forge, Address::new("https://forge.example").unwrap(), String::new());
    let repository = Repository { owner: "o".into(), name: "r".into() };
    let red = Reds::new(red.iter().map(|name| (*name).to_owned()));
    let place =
        Place { repository: &repository, number: 5, key: "k", run: Run { id: run, attempt: 1 }, head: HEAD, red };
    post(&mut client, &place, Authors::new(Family::GitHub, &[]), &|before, room| {
        format!("said in {room}, after {before:?}")
    })
}

fn ids(forge: &Forge) -> Vec<i64> {
    forge.comments.iter().map(|comment| comment.0).collect()
}

#[test]
fn the_first_run_creates_and_the_next_one_edits() {
    let mut forge = Forge::with(&[(1, "alice", "hello")]);
    assert!(matches!(posted(&mut forge, 4, &["a/b"]), Ok(Posted::Created { url: Some(_) })));
    assert!(matches!(posted(&mut forge, 5, &[]), Ok(Posted::Edited { .. })));
    assert_eq!(ids(&forge), [1, 101]);
    let body = &forge.comments[1].2;
    // What was red before is handed on, to be told as resolved, and kept for the next run.
    assert!(body.contains(", after Some") && body.contains("a/b"), "{body}");
    assert!(matches!(posted(&mut forge, 6, &[]), Ok(Posted::Edited { .. })));
    assert_eq!(Marker::read(&forge.comments[1].2).unwrap().before.unwrap().1.names, ["a/b"]);
}

#[test]
fn the_same_run_again_changes_nothing() {
    let mut forge = Forge::with(&[]);
    for red in [&[][..], &["a/b"]] {
        forge.comments.clear();
        posted(&mut forge, 4, red).unwrap();
        assert!(matches!(posted(&mut forge, 4, red), Ok(Posted::Unchanged { .. })));
    }
    assert_eq!((forge.count(Method::Patch), forge.count(Method::Post)), (0, 2));
}

#[test]
fn an_older_run_writes_nothing() {
    let mut forge = Forge::with(&[(1, BOT, &line(9, &[]))]);
    assert_eq!(posted(&mut forge, 5, &[]), Ok(Posted::Stale { newer: Run { id: 9, attempt: 1 } }));
    assert_eq!(forge.sent.len(), 1);
}

#[test]
fn doubles_are_healed() {
    let mut forge = Forge::with(&[(7, BOT, &line(3, &[])), (2, BOT, &line(2, &[])), (9, "mallory", &line(1, &[]))]);
    assert!(matches!(posted(&mut forge, 5, &[]), Ok(Posted::Edited { .. })));
    assert_eq!(ids(&forge), [2, 9]);
}

#[test]
fn a_comment_that_went_or_is_closed_to_us_is_made_anew() {
    let mut forge = Forge::with(&[(1, BOT, &line(3, &["a/b"]))]).fault(Method::Get, Fault::Meanwhile(Vec::clear));
    assert!(matches!(posted(&mut forge, 5, &[]), Ok(Posted::Created { .. })));
    assert!(forge.comments[0].2.contains("a/b"), "what was red before is told all the same");
    let mut forge = Forge::with(&[(1, BOT, &line(3, &[]))]).fault(Method::Patch, Fault::Refuse(403));
    assert!(matches!(posted(&mut forge, 5, &[]), Ok(Posted::Created { .. })));
    assert_eq!(ids(&forge), [1, 101]);
}

#[test]
fn a_lost_answer_makes_no_double() {
    let mut forge = Forge::with(&[]).fault(Method::Post, Fault::Lose);
    assert!(matches!(posted(&mut forge, 5, &[]), Ok(Posted::Created { .. })));
    assert_eq!((ids(&forge), forge.count(Method::Post)), (vec![101], 1));
    let mut forge = Forge::with(&[]).fault(Method::Post, Fault::Refuse(502));
    assert!(matches!(posted(&mut forge, 5, &[]), Ok(Posted::Created { .. })));
    assert_eq!((ids(&forge), forge.count(Method::Post)), (vec![101], 2));
    let mut forge = Forge::with(&[]).fault(Method::Post, Fault::Refuse(502)).fault(Method::Post, Fault::Refuse(502));
    assert_eq!(posted(&mut forge, 5, &[]).unwrap_err().status(), Some(502));
    let mut forge = Forge::with(&[(1, BOT, &line(3, &[]))]).fault(Method::Patch, Fault::Lose);
    assert!(matches!(posted(&mut forge, 5, &[]), Ok(Posted::Edited { .. })));
    assert_eq!(ids(&forge), [1]);
}

#[test]
fn a_refusal_creates_nothing_and_is_told() {
    for status in [401, 403, 404, 409, 422] {
        let mut forge = Forge::with(&[]).fault(Method::Post, Fault::Refuse(status));
        assert_eq!(posted(&mut forge, 5, &[]).unwrap_err().status(), Some(status));
        assert_eq!((forge.comments.len(), forge.count(Method::Post)), (0, 1));
    }
}

#[test]
fn of_two_at_once_one_comment_stays_with_the_newer_text() {
    // Another run, newer or older, creates its comment before or after ours.
    let mut forge =
        Forge::with(&[]).fault(Method::Get, Fault::Meanwhile(|all| all.push((50, BOT.into(), line(4, &[])))));
    assert!(matches!(posted(&mut forge, 5, &[]), Ok(Posted::Edited { .. })));
    assert_eq!(ids(&forge), [50]);
    assert_eq!(Marker::read(&forge.comments[0].2).unwrap().run.id, 5);

    let mut forge =
        Forge::with(&[]).fault(Method::Get, Fault::Meanwhile(|all| all.push((50, BOT.into(), line(6, &[])))));
    posted(&mut forge, 5, &[]).unwrap();
    assert_eq!((ids(&forge), forge.comments[0].2.clone()), (vec![50], line(6, &[])));

    let mut forge =
        Forge::with(&[]).fault(Method::Post, Fault::Meanwhile(|all| all.push((150, BOT.into(), line(6, &[])))));
    posted(&mut forge, 5, &[]).unwrap();
    // The newer run will see ours, write over it, and remove its own.
    assert_eq!(ids(&forge), [101, 150]);
}

#[test]
fn an_older_run_that_wrote_over_us_is_written_over() {
    let older = |all: &mut Vec<(i64, String, String)>| all[0].2 = line(4, &[]);
    let mut forge = Forge::with(&[(1, BOT, &line(3, &[]))]).fault(Method::Patch, Fault::Meanwhile(older));
    posted(&mut forge, 5, &[]).unwrap();
    assert_eq!(Marker::read(&forge.comments[0].2).unwrap().run.id, 5);
}

#[test]
fn what_cannot_be_deleted_does_no_harm() {
    let doubles = [(7, BOT, &*line(3, &[])), (2, BOT, &*line(2, &[]))];
    let mut forge = Forge::with(&doubles).fault(Method::Delete, Fault::Refuse(403));
    assert!(matches!(posted(&mut forge, 5, &[]), Ok(Posted::Edited { .. })));
}
