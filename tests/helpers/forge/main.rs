//! A forge for the tests: GitHub, GitHub Enterprise or Gitea on loopback, as a scenario file describes it, which logs every
//! request and misbehaves where it is told to.
//!
//! Usage: `forge SCENARIO.json [--log FILE] [--state FILE] [--port N] [--stdin]`, or `forge --deviations` for the table of
//! what Gitea does otherwise.
//!
//! - Standard output: one line of JSON, `{"url": …, "api": …, "pid": …}`, once it listens. `api` is what `GITHUB_API_URL` wants.
//! - `--log`: one line of JSON for each request: `n`, `personality`, `method`, `path` (below the API's prefix), `query`, `operation` (GitHub's own
//!   name for it, such as `issues/create-comment`; `storage/download`, `elsewhere`, `proxy/connect` and `none` are ours),
//!   `authorization` (`present`, `absent` or `wrong`, never the token), `headers`, `body`, `status`, `response`,
//!   `response_headers`, `fault` and `proxied`.
//! - `--state`: the comments and statuses, replaced before the answer that follows a change. The same at `GET /_double/state`;
//!   the log at `GET /_double/log`; `POST /_double/stop` ends the process.
//! - `--stdin`: ends when standard input closes, so that it cannot outlive the test that started it.
//!
//! `scenario.rs` is the format of the scenario, `gitea.rs` has what differs there.
//!
//! Invariants: what is answered follows from the scenario and the requests alone; no clock, no randomness, no network but
//! loopback. It shares no code with Tollgate, so a mistake there cannot hide itself here.

mod archive;
mod faults;
mod gitea;
mod http;
mod responses;
mod routes;
mod scenario;
mod world;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::exit;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use serde_json::{Value, json};

use crate::http::{Request, Response};
use crate::routes::Route;
use crate::scenario::{Fault, Kind, Rights};
use crate::world::World;

/// How long parties wait for each other before they go on alone: a test that gets here fails by its own means.
const RENDEZVOUS: std::time::Duration = std::time::Duration::from_secs(20);

/// The world, and the bell that is rung when somebody comes to a rendezvous.
struct Shared {
    world: Mutex<World>,
    bell: Condvar,
}

fn main() {
    if let Err(error) = run() {
        let _ = writeln!(std::io::stderr(), "error: {error}");
        exit(2);
    }
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let (mut scenario, mut log, mut state, mut port, mut with_input) = (None, None, None, 0, false);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--log" => log = Some(std::fs::File::create(args.next().ok_or("--log needs a file")?)?),
            "--state" => state = Some(PathBuf::from(args.next().ok_or("--state needs a file")?)),
            "--port" => port = args.next().ok_or("--port needs a number")?.parse()?,
            "--stdin" => with_input = true,
            "--deviations" => return print_deviations(),
            _ => scenario = Some(PathBuf::from(arg)),
        }
    }
    let text = std::fs::read_to_string(scenario.ok_or("which scenario?")?)?;
    let scenario: scenario::Scenario = serde_json::from_str(&text)?;
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    let port = listener.local_addr()?.port();
    let web = format!("http://127.0.0.1:{port}");
    let api = format!("{web}{}", scenario.personality.prefix());
    let at = responses::Places { api: api.clone(), web: web.clone(), storage: format!("http://localhost:{port}") };
    let world = World::new(scenario, at, log, state)?;
    let shared = Arc::new(Shared { world: Mutex::new(world), bell: Condvar::new() });
    let mut out = std::io::stdout();
    writeln!(out, "{}", json!({ "url": web, "api": api, "pid": std::process::id() }))?;
    out.flush()?;
    if with_input {
        std::thread::spawn(|| {
            let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
            exit(0);
        });
    }
    for stream in listener.incoming() {
        let (stream, shared) = (stream?, Arc::clone(&shared));
        std::thread::spawn(move || answer(&stream, &shared));
    }
    Ok(())
}

fn print_deviations() -> Result<(), Box<dyn std::error::Error>> {
    let mut out = std::io::stdout();
    writeln!(out, "| what Gitea does otherwise | source |\n|---|---|")?;
    for (what, source) in gitea::DEVIATIONS {
        writeln!(out, "| {what} | {source} |")?;
    }
    Ok(())
}

/// One connection: one request, one answer or fault.
fn answer(stream: &TcpStream, shared: &Shared) {
    let Some(request) = http::read(stream) else { return };
    if let Some(name) = request.path.strip_prefix("/_double/") {
        return control(stream, shared, &request, name);
    }
    let mut world = shared.world.lock().unwrap_or_else(PoisonError::into_inner);
    world.requests += 1;
    let number = world.requests;
    let route = routes::route(&world, &request);
    let fault = world.fault(route.operation);
    if let Some((index, Fault { kind: Kind::Rendezvous, parties, .. })) = &fault {
        let parties = parties.unwrap_or(2);
        world.met[*index] += 1;
        shared.bell.notify_all();
        let waited = shared.bell.wait_timeout_while(world, RENDEZVOUS, |world| world.met[*index] < parties);
        world = waited.unwrap_or_else(PoisonError::into_inner).0;
    }
    let fault = fault.map(|(_, fault)| fault);
    let response = respond(&mut world, &route, &request, fault.as_ref());
    let line = line(&world, number, &route, &request, fault.as_ref(), &response);
    if let Err(error) = world.record(line) {
        let _ = writeln!(std::io::stderr(), "error: {error}");
        exit(2);
    }
    drop(world);
    faults::send(stream, &response, fault.as_ref().map(|fault| fault.kind));
}

/// The answer, healthy or by a fault's status.
fn respond(world: &mut World, route: &Route, request: &Request, fault: Option<&Fault>) -> Response {
    if let Some(Fault { kind: Kind::Vanish, .. }) = fault {
        let id = route.parameters.first().and_then(|id| id.parse().ok());
        world.comments.retain(|comment| Some(comment.id) != id);
    }
    let healthy = fault.is_none_or(faults::handles);
    let mut response = match refused(world, route, request) {
        Some(refusal) => refusal,
        None if healthy => routes::serve(world, route, request),
        None => Response::empty(200),
    };
    if let Some(fault) = fault {
        response = faults::changed(fault, response, &world.at);
    }
    if world.gitea()
        && !route.operation.contains("storage")
        && let Ok(mut body) = serde_json::from_slice::<Value>(&response.body)
    {
        gitea::translate(route.operation, response.status, &mut body);
        response.body = body.to_string().into_bytes();
    }
    if !world.gitea()
        && route.operation != "storage/download"
        && !response.headers.iter().any(|(name, _)| name == "x-ratelimit-remaining")
    {
        let left = 1000u64.saturating_sub(world.requests).to_string();
        response = response
            .with("x-ratelimit-limit", "1000")
            .with("x-ratelimit-remaining", left)
            .with("x-ratelimit-reset", "4102444800");
    }
    response
}

/// What every operation refuses: no agent, a wrong token, a token without rights.
fn refused(world: &World, route: &Route, request: &Request) -> Option<Response> {
    if matches!(route.operation, "storage/download" | "elsewhere" | "proxy/connect") {
        return None;
    }
    if !request.headers.contains_key("user-agent") {
        return Some(routes::refusal(
            403,
            "Request forbidden by administrative rules. Please make sure your request has a User-Agent header",
        ));
    }
    match (authorization(world, request), world.scenario.rights) {
        ("wrong", _) => Some(routes::refusal(401, "Bad credentials")),
        ("absent", _) if routes::writes(route.operation) => Some(routes::refusal(401, "Requires authentication")),
        (_, Rights::Read) if routes::writes(route.operation) => {
            Some(routes::refusal(403, "Resource not accessible by integration"))
        }
        _ => None,
    }
}

fn authorization(world: &World, request: &Request) -> &'static str {
    let Some(value) = request.headers.get("authorization") else { return "absent" };
    let token = value.strip_prefix("Bearer ").or_else(|| value.strip_prefix("token "));
    match (token, &world.scenario.token) {
        (Some(_), None) => "present",
        (Some(token), Some(right)) if token == right => "present",
        _ => "wrong",
    }
}

fn line(world: &World, n: u64, route: &Route, request: &Request, fault: Option<&Fault>, response: &Response) -> Value {
    let path = request.path.strip_prefix(world.scenario.personality.prefix()).unwrap_or(&request.path);
    let told = ["accept", "content-type", "user-agent", "x-github-api-version"];
    let headers: serde_json::Map<_, _> = told
        .iter()
        .filter_map(|name| request.headers.get(*name).map(|value| ((*name).to_owned(), value.clone().into())))
        .collect();
    let body = |bytes: &[u8]| {
        serde_json::from_slice::<Value>(bytes).unwrap_or_else(|_| match std::str::from_utf8(bytes) {
            Ok(text) if bytes.len() < 1 << 16 => text.into(),
            _ => json!({ "bytes": bytes.len() }),
        })
    };
    let names = response.headers.iter().map(|(name, value)| (name.clone(), value.clone().into()));
    json!({
        "n": n, "personality": world.scenario.personality.name(), "method": request.method, "path": path, "query": request.query, "operation": route.operation,
        "authorization": authorization(world, request), "headers": headers, "body": body(&request.body),
        "status": response.status, "response": body(&response.body), "response_headers": names.collect::<serde_json::Map<_, _>>(),
        "fault": fault.map(|fault| format!("{:?}", fault.kind).to_lowercase()), "proxied": request.proxied,
    })
}

/// What the tests ask, as opposed to what is tested.
fn control(stream: &TcpStream, shared: &Shared, request: &Request, name: &str) {
    let world = shared.world.lock().unwrap_or_else(PoisonError::into_inner);
    let response = match (request.method.as_str(), name) {
        ("GET", "state") => Response::json(200, &world.shown()),
        ("GET", "log") => Response::json(200, &Value::Array(world.lines().to_vec())),
        ("POST", "stop") => {
            http::send(stream, &Response::empty(204));
            exit(0);
        }
        _ => routes::refusal(404, "state, log or stop"),
    };
    drop(world);
    http::send(stream, &response);
}

/// Waits until the client gives up.
fn outwait(mut stream: &TcpStream) {
    let mut byte = [0];
    while let Ok(1..) = stream.read(&mut byte) {}
}
