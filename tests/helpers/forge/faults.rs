//! How each fault answers.
//!
//! Invariants: a fault ends with its connection, and none outlasts the client: what never ends for the client ends here
//! when the client goes.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use crate::http::{self, Response};
use crate::responses::{self, Places};
use crate::scenario::{Fault, Kind};

/// Slow enough to never finish, fast enough that no time-out between two bytes would notice.
const DRIP: Duration = Duration::from_millis(40);

/// Whether what was asked for is done nevertheless.
pub fn handles(fault: &Fault) -> bool {
    let harmless = matches!(fault.kind, Kind::Rendezvous | Kind::Vanish | Kind::Cut);
    fault.applied || (harmless && fault.status.is_none())
}

/// The answer that a fault makes of a healthy one.
pub fn changed(fault: &Fault, healthy: Response, at: &Places) -> Response {
    let mut response = match fault.kind {
        Kind::Status => {
            let status = fault.status.unwrap_or(500);
            let message = fault.message.as_deref().unwrap_or("as the scenario says");
            Response::json(status, &responses::error(status, message))
        }
        Kind::Garbage => {
            let page = b"<!doctype html><title>Sign in</title><p>{\"id\": 1}".to_vec();
            Response { status: fault.status.unwrap_or(200), ..Response::bytes("text/html", page) }
        }
        Kind::Redirect => {
            Response::empty(fault.status.unwrap_or(307)).with("location", format!("{}/_elsewhere", at.storage))
        }
        _ => healthy,
    };
    for (name, value) in &fault.headers {
        response = response.with(name, value.clone());
    }
    response
}

/// Sends an answer the way the fault has it, or properly.
pub fn send(mut stream: &TcpStream, response: &Response, kind: Option<Kind>) {
    match kind {
        Some(Kind::Cut) => {
            let half = &response.body[..response.body.len() / 2];
            let _ = stream.write_all(&response.head(response.body.len())).and_then(|()| stream.write_all(half));
        }
        Some(Kind::Close) => {}
        Some(Kind::Hang) => crate::outwait(stream),
        Some(Kind::Drip) => {
            let mut sent = stream.write_all(&response.head(1 << 20));
            while sent.is_ok() {
                sent = stream.write_all(b" ");
                std::thread::sleep(DRIP);
            }
        }
        Some(Kind::Flood) => {
            let mut sent = stream.write_all(&response.head(1 << 40));
            while sent.is_ok() {
                sent = stream.write_all(&[b' '; 1 << 16]);
            }
        }
        _ => http::send(stream, response),
    }
}
