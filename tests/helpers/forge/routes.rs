//! Which request is which of GitHub's operations, and what each does.
//!
//! Invariants: operations have the names of GitHub's published description, which is what their answers are held to; what
//! is no operation is a 404, as on the real thing. Limits that GitHub enforces are enforced, so that a client that ignores
//! them fails here too.

use serde_json::{Value, json};

use crate::http::{Request, Response, decode};
use crate::responses;
use crate::scenario::{Digest, Pull, Run};
use crate::world::{Comment, World};

/// The documented length of a comment, in characters.
const LONGEST_COMMENT: usize = 65_536;

/// The documented length of a status' description, in characters.
const LONGEST_DESCRIPTION: usize = 140;

/// A request's operation and the parts of its path that vary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    pub operation: &'static str,
    pub parameters: Vec<String>,
}

/// Recognises a request by its path below the API's prefix.
pub fn route(world: &World, request: &Request) -> Route {
    let none = Route { operation: "none", parameters: Vec::new() };
    if request.method == "CONNECT" {
        return Route { operation: "proxy/connect", parameters: vec![request.path.clone()] };
    }
    if let Some(name) = request.path.strip_prefix("/_storage/artifact/") {
        return Route { operation: "storage/download", parameters: vec![name.trim_end_matches(".zip").to_owned()] };
    }
    if request.path.starts_with("/_elsewhere") {
        return Route { operation: "elsewhere", parameters: Vec::new() };
    }
    let Some(path) = request.path.strip_prefix(world.scenario.personality.prefix()) else { return none };
    let parts: Vec<String> = path.split('/').skip(1).map(|part| decode(part, false)).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let own = &world.scenario.repository;
    let rest = match parts.as_slice() {
        ["user"] if request.method == "GET" => {
            return Route { operation: "users/get-authenticated", parameters: Vec::new() };
        }
        ["repos", owner, name, rest @ ..]
            if own.owner.eq_ignore_ascii_case(owner) && own.name.eq_ignore_ascii_case(name) =>
        {
            rest
        }
        _ => return none,
    };
    let (operation, parameters): (_, &[&str]) = match (request.method.as_str(), rest) {
        ("GET", ["issues", "comments", id]) => ("issues/get-comment", &[id]),
        ("PATCH", ["issues", "comments", id]) => ("issues/update-comment", &[id]),
        ("DELETE", ["issues", "comments", id]) => ("issues/delete-comment", &[id]),
        (_, ["issues", "comments", _]) => ("comment/other-method", &[]),
        ("GET", ["issues", number, "comments"]) => ("issues/list-comments", &[number]),
        ("POST", ["issues", number, "comments"]) => ("issues/create-comment", &[number]),
        ("POST", ["statuses", sha]) => ("repos/create-commit-status", &[sha]),
        ("GET", ["pulls"]) => ("pulls/list", &[]),
        ("GET", ["pulls", number]) => ("pulls/get", &[number]),
        ("GET", ["actions", "runs", id]) => ("actions/get-workflow-run", &[id]),
        ("GET", ["actions", "runs", id, "artifacts"]) => ("actions/list-workflow-run-artifacts", &[id]),
        ("GET", ["actions", "artifacts", id, "zip"]) => ("actions/download-artifact", &[id]),
        ("GET", ["contents", path @ ..]) => {
            return Route { operation: "repos/get-content", parameters: vec![path.join("/")] };
        }
        _ => return none,
    };
    Route { operation, parameters: parameters.iter().map(|part| (*part).to_owned()).collect() }
}

/// What only a token with rights may do.
pub fn writes(operation: &str) -> bool {
    matches!(
        operation,
        "issues/create-comment" | "issues/update-comment" | "issues/delete-comment" | "repos/create-commit-status"
    )
}

pub fn refusal(status: u16, message: &str) -> Response {
    Response::json(status, &responses::error(status, message))
}

fn not_found() -> Response {
    refusal(404, "Not Found")
}

/// Does what is asked for, and answers as GitHub does.
pub fn serve(world: &mut World, route: &Route, request: &Request) -> Response {
    let first = route.parameters.first().map_or("", String::as_str);
    let number: i64 = first.parse().unwrap_or(0);
    match route.operation {
        "issues/list-comments" => list_comments(world, number, request),
        "issues/create-comment" => create_comment(world, number, request),
        "issues/get-comment" | "issues/update-comment" | "issues/delete-comment" => {
            one_comment(world, route.operation, number, request)
        }
        "comment/other-method" if world.gitea() => refusal(405, "Method Not Allowed"),
        "repos/create-commit-status" => create_status(world, first, request),
        "pulls/list" => list_pulls(world, request),
        "pulls/get" => match pull(world, number) {
            Some(pull) => Response::json(200, &responses::pull(&world.at, &world.scenario, pull, true)),
            None => not_found(),
        },
        "actions/get-workflow-run" => match run(world, number) {
            Some(run) => Response::json(200, &responses::run(&world.at, &world.scenario, run)),
            None => not_found(),
        },
        "actions/list-workflow-run-artifacts" => list_artifacts(world, number, request),
        "actions/download-artifact" => download(world, number),
        "storage/download" => storage(world, number, request),
        "repos/get-content" => content(world, first, request),
        // The token of a job is an app's, which is no user.
        "users/get-authenticated" if world.scenario.login().ends_with("[bot]") => {
            refusal(403, "Resource not accessible by integration")
        }
        "users/get-authenticated" => Response::json(200, &responses::owner(&world.at, world.scenario.login())),
        "elsewhere" => Response::json(200, &json!([])),
        "proxy/connect" => refusal(502, "this proxy reaches nobody"),
        _ => not_found(),
    }
}

fn pull(world: &World, number: i64) -> Option<&Pull> {
    world.scenario.pulls.iter().find(|pull| pull.number == number)
}

fn run(world: &World, id: i64) -> Option<&Run> {
    world.scenario.runs.iter().find(|run| run.id == id)
}

/// The asked-for page of a list, with the headers that lead on.
fn page(world: &World, request: &Request, size: &str, all: &[Value]) -> (Vec<Value>, Option<String>) {
    let asked =
        |name: &str, otherwise: usize| request.query.get(name).and_then(|text| text.parse().ok()).unwrap_or(otherwise);
    let (size, page) = (asked(size, 30).clamp(1, 100), asked("page", 1).max(1));
    let pages = all.len().div_ceil(size).max(1);
    let slice = all.iter().skip((page - 1) * size).take(size).cloned().collect();
    let link = |to: usize, rel: &str| {
        let mut query = request.query.clone();
        query.insert("page".into(), to.to_string());
        let query: Vec<_> = query.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
        let path = &request.path[world.scenario.personality.prefix().len()..];
        format!("<{}{path}?{}>; rel=\"{rel}\"", world.at.api, query.join("&"))
    };
    let mut links = Vec::new();
    if page > 1 {
        links.extend([link(page - 1, "prev"), link(1, "first")]);
    }
    if page < pages {
        links.extend([link(page + 1, "next"), link(pages, "last")]);
    }
    (slice, (!links.is_empty()).then(|| links.join(", ")))
}

fn encode(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

fn list_comments(world: &World, issue: i64, request: &Request) -> Response {
    if pull(world, issue).is_none() {
        return if world.gitea() { refusal(500, "issue does not exist") } else { not_found() };
    }
    let own = world.comments.iter().filter(|comment| comment.issue == issue);
    let all: Vec<_> = own.map(|one| responses::comment(&world.at, &world.scenario, one)).collect();
    if world.gitea() {
        return Response::json(200, &Value::Array(all.clone())).with("x-total-count", all.len().to_string());
    }
    let (slice, link) = page(world, request, "per_page", &all);
    let response = Response::json(200, &Value::Array(slice));
    match link {
        Some(link) => response.with("link", link),
        None => response,
    }
}

/// The `body` of a request that must have one, or why it has none.
fn text(request: &Request) -> Result<String, Response> {
    let value: Value = serde_json::from_slice(&request.body).map_err(|_| refusal(400, "Problems parsing JSON"))?;
    let Some(body) = value["body"].as_str().filter(|body| !body.trim().is_empty()) else {
        return Err(refusal(422, "Validation Failed: body cannot be blank"));
    };
    if body.chars().count() > LONGEST_COMMENT {
        return Err(refusal(422, "Validation Failed: body is too long (maximum is 65536 characters)"));
    }
    Ok(body.to_owned())
}

fn create_comment(world: &mut World, issue: i64, request: &Request) -> Response {
    if pull(world, issue).is_none() {
        return not_found();
    }
    match text(request) {
        Ok(body) => {
            let comment = world.create(issue, &body);
            Response::json(201, &responses::comment(&world.at, &world.scenario, &comment))
        }
        Err(refusal) => refusal,
    }
}

fn one_comment(world: &mut World, operation: &str, id: i64, request: &Request) -> Response {
    let now = world.tick();
    let Some(index) = world.comments.iter().position(|comment| comment.id == id) else { return not_found() };
    if operation == "issues/delete-comment" {
        world.comments.remove(index);
        return Response::empty(204);
    }
    if operation == "issues/update-comment" {
        match text(request) {
            Ok(body) => world.comments[index] = Comment { body, updated: now, ..world.comments[index].clone() },
            Err(refusal) => return refusal,
        }
    }
    Response::json(200, &responses::comment(&world.at, &world.scenario, &world.comments[index]))
}

fn create_status(world: &mut World, sha: &str, request: &Request) -> Response {
    let Ok(mut value) = serde_json::from_slice::<Value>(&request.body) else {
        return refusal(400, "Problems parsing JSON");
    };
    let known = world.scenario.pulls.iter().any(|pull| pull.head.sha == sha || pull.base.sha == sha);
    if !known {
        return refusal(422, &format!("No commit found for SHA: {sha}"));
    }
    if !["error", "failure", "pending", "success"].contains(&value["state"].as_str().unwrap_or_default()) {
        return refusal(422, "Validation Failed: state is not included in the list");
    }
    if value["description"].as_str().unwrap_or_default().chars().count() > LONGEST_DESCRIPTION {
        return refusal(422, "Validation Failed: description is too long (maximum is 140 characters)");
    }
    if value["context"].is_null() {
        value["context"] = "default".into();
    }
    value["sha"] = sha.into();
    let response = Response::json(201, &responses::status(&world.at, &world.scenario, &value));
    world.statuses.push(value);
    response
}

fn list_pulls(world: &World, request: &Request) -> Response {
    let state = request.query.get("state").map_or("open", String::as_str);
    // GitHub takes `head` only as `owner:branch`; anything else filters nothing.
    let head = request.query.get("head").and_then(|head| head.split_once(':')).filter(|_| !world.gitea());
    let matching = world.scenario.pulls.iter().filter(|pull| state == "all" || pull.state == state).filter(|pull| {
        head.is_none_or(|(owner, branch)| pull.head.owner.eq_ignore_ascii_case(owner) && pull.head.branch == branch)
    });
    let all: Vec<_> = matching.map(|pull| responses::pull(&world.at, &world.scenario, pull, false)).collect();
    let (slice, link) = page(world, request, if world.gitea() { "limit" } else { "per_page" }, &all);
    let response = Response::json(200, &Value::Array(slice));
    match link {
        Some(link) => response.with("link", link),
        None => response,
    }
}

fn list_artifacts(world: &World, id: i64, request: &Request) -> Response {
    let Some(run) = run(world, id) else { return not_found() };
    let name = request.query.get("name");
    let mut all = Vec::new();
    for (index, artifact) in run.artifacts.iter().enumerate() {
        if name.is_some_and(|name| *name != artifact.name) {
            continue;
        }
        let bytes = world.archives.get(&artifact.id).map_or(&[][..], Vec::as_slice);
        let digest = match artifact.digest {
            Digest::Right => Some(crate::archive::digest(bytes)),
            Digest::Wrong => Some(crate::archive::digest(b"something else")),
            Digest::Absent => None,
        };
        let size = artifact.size.unwrap_or(bytes.len() as u64);
        all.push(responses::artifact(&world.at, &world.scenario, run, index, size, digest));
    }
    let (slice, link) = page(world, request, "per_page", &all);
    let response = Response::json(200, &json!({ "total_count": all.len(), "artifacts": slice }));
    match link {
        Some(link) => response.with("link", link),
        None => response,
    }
}

fn download(world: &World, id: i64) -> Response {
    let found = world.scenario.runs.iter().flat_map(|run| &run.artifacts).find(|artifact| artifact.id == id);
    match found {
        None => not_found(),
        Some(artifact) if artifact.expired => refusal(410, "Artifact has expired"),
        Some(_) => Response::empty(302)
            .with("location", format!("{}/_storage/artifact/{id}.zip?signature=granted", world.at.storage)),
    }
}

fn storage(world: &World, id: i64, request: &Request) -> Response {
    // As the real store does: the address is the permission, and a second one is refused.
    if request.headers.contains_key("authorization") {
        return Response {
            status: 400,
            ..Response::bytes("application/xml", b"<Error>InvalidAuthenticationInfo</Error>".to_vec())
        };
    }
    match world.archives.get(&id).filter(|_| request.query.contains_key("signature")) {
        Some(bytes) => Response::bytes("application/zip", bytes.clone()),
        None => not_found(),
    }
}

fn content(world: &World, path: &str, request: &Request) -> Response {
    let revision = request.query.get("ref").unwrap_or(&world.scenario.repository.default_branch);
    let Some(files) = world.scenario.contents.get(revision) else {
        return refusal(404, &format!("No commit found for the ref {revision}"));
    };
    let accept = request.headers.get("accept").map_or("", String::as_str);
    if let Some(text) = files.get(path) {
        return if accept.contains("raw") && !world.gitea() {
            Response::bytes("application/vnd.github.raw+json; charset=utf-8", text.clone().into_bytes())
        } else {
            Response::json(200, &responses::file(&world.at, &world.scenario, path, revision, text))
        };
    }
    let folder = if path.is_empty() { String::new() } else { format!("{}/", path.trim_end_matches('/')) };
    let mut entries: Vec<(String, &str, usize)> = Vec::new();
    for (name, text) in files {
        let Some(rest) = name.strip_prefix(&folder) else { continue };
        let one = match rest.split_once('/') {
            Some((first, _)) => (format!("{folder}{first}"), "dir", 0),
            None => (name.clone(), "file", text.len()),
        };
        if !entries.contains(&one) {
            entries.push(one);
        }
    }
    if entries.is_empty() {
        return not_found();
    }
    let entry = |(path, kind, size): &(String, &str, usize)| {
        responses::entry(&world.at, &world.scenario, path, revision, kind, *size)
    };
    Response::json(200, &Value::Array(entries.iter().map(entry).collect()))
}
