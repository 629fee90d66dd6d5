//! GitHub's published description of its REST API, cut to the operations that are used.
//!
//! Invariants: only what the operations refer to is kept, with `nullable` of OpenAPI 3.0 turned into what JSON Schema draft 4
//! understands; nothing else is changed, but for the exceptions in [`KNOWN`], each with its reason. Knows nothing of logs.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use serde_json::{Map, Value, json};

/// The operations that Tollgate uses, by the names that GitHub gives them.
pub const OPERATIONS: &[&str] = &[
    "actions/download-artifact",
    "actions/get-workflow-run",
    "actions/list-workflow-run-artifacts",
    "issues/create-comment",
    "issues/delete-comment",
    "issues/get-comment",
    "issues/list-comments",
    "issues/update-comment",
    "pulls/get",
    "pulls/list",
    "repos/create-commit-status",
    "repos/get-content",
    "users/get-authenticated",
];

/// Where GitHub itself answers otherwise than its description says: operation, the place in the answer's schema, reason.
const KNOWN: &[(&str, &str, &str)] = &[
    ("pulls/get", "/properties/head/properties/repo", "null once the fork is deleted, as the webhooks' schema says"),
    ("pulls/list", "/properties/head/properties/repo", "null once the fork is deleted, as the webhooks' schema says"),
];

/// Statuses that any operation may have, which the description does not repeat for each: a token that is not valid, one without
/// rights, something that is not there, something that makes no sense, a limit.
const EVERYWHERE: &[u16] = &[401, 403, 404, 422, 429];

/// One operation, ready to be held against requests and answers.
#[derive(Debug)]
pub struct Operation {
    pub id: String,
    pub method: String,
    /// Path with `{names}`, below the API's address.
    pub path: String,
    /// Parameters of the path and of the query: name to schema.
    path_parameters: BTreeMap<String, Schema>,
    query_parameters: BTreeMap<String, Schema>,
    required_query: BTreeSet<String>,
    body: Option<Schema>,
    /// By status; `None` for an answer without JSON.
    answers: BTreeMap<u16, Option<Schema>>,
    error: Schema,
}

/// A schema and the names of an object's properties, so that unknown ones are found.
#[derive(Debug)]
struct Schema {
    validator: jsonschema::Validator,
    kind: Option<String>,
    properties: BTreeSet<String>,
}

impl Schema {
    fn new(schema: &Value, components: &Value) -> anyhow::Result<Self> {
        let resolved =
            schema["$ref"].as_str().and_then(|place| components.pointer(place.strip_prefix("#/components")?));
        let shape = resolved.unwrap_or(schema);
        let properties = shape["properties"].as_object().map(|map| map.keys().cloned().collect()).unwrap_or_default();
        let kind = shape["type"].as_str().map(str::to_owned);
        // Siblings of a reference mean nothing in draft 4, hence the extra level.
        let whole = json!({ "allOf": [schema], "components": components });
        let options = jsonschema::options().with_draft(jsonschema::Draft::Draft4).should_validate_formats(true);
        let validator = options.build(&whole).context("failed to read a schema of the description")?;
        Ok(Self { validator, kind, properties })
    }

    /// What is wrong with a value, each with its place.
    fn faults(&self, value: &Value) -> Vec<String> {
        let shown = |error: jsonschema::ValidationError<'_>| {
            let text: String = error.to_string().chars().take(200).collect();
            format!("{}: {text}", error.instance_path())
        };
        self.validator.iter_errors(value).map(shown).collect()
    }

    /// A parameter as it is written in an address.
    fn faults_of_text(&self, text: &str) -> Vec<String> {
        let value = match self.kind.as_deref() {
            Some("integer" | "number") => text.parse::<i64>().map_or_else(|_| text.into(), Value::from),
            Some("boolean") => text.parse::<bool>().map_or_else(|_| text.into(), Value::from),
            _ => text.into(),
        };
        self.faults(&value)
    }
}

/// A request as it was logged.
#[derive(Debug, Clone, Copy)]
pub struct Sent<'a> {
    pub path: &'a str,
    pub query: &'a Map<String, Value>,
    pub body: &'a Value,
}

impl Operation {
    /// The values of a path's parameters, if it is this operation's.
    fn matched<'a>(&self, path: &'a str) -> Option<BTreeMap<String, &'a str>> {
        let (mut found, mut rest) = (BTreeMap::new(), path.trim_start_matches('/'));
        let mut parts = self.path.trim_start_matches('/').split('/').peekable();
        while let Some(part) = parts.next() {
            let (here, after) = rest.split_once('/').unwrap_or((rest, ""));
            match part.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
                // The last parameter of `contents` takes the rest, slashes and all.
                Some("path") if parts.peek().is_none() => {
                    found.insert("path".to_owned(), rest);
                    return Some(found);
                }
                Some(name) if !here.is_empty() => drop(found.insert(name.to_owned(), here)),
                None if part == here => {}
                _ => return None,
            }
            rest = after;
        }
        rest.is_empty().then_some(found)
    }

    /// What the description has against a request.
    #[must_use]
    pub fn faults_of_request(&self, sent: Sent<'_>) -> Vec<String> {
        let mut faults = Vec::new();
        let Some(values) = self.matched(sent.path) else { return vec![format!("{} is not {}", sent.path, self.path)] };
        for (name, value) in values {
            match self.path_parameters.get(&name) {
                Some(schema) => faults.extend(prefixed(&format!("path {name}"), schema.faults_of_text(value))),
                None => faults.push(format!("path {name}: the description does not say what it is")),
            }
        }
        for (name, value) in sent.query {
            match self.query_parameters.get(name) {
                Some(schema) => faults.extend(prefixed(
                    &format!("query {name}"),
                    schema.faults_of_text(value.as_str().unwrap_or_default()),
                )),
                None => faults.push(format!("query {name}: no such parameter")),
            }
        }
        let absent = self.required_query.iter().filter(|name| !sent.query.contains_key(*name));
        faults.extend(absent.map(|name| format!("query {name}: missing")));
        match (&self.body, sent.body) {
            (None, Value::String(text)) if text.is_empty() => {}
            (None, _) => faults.push("a body where none belongs".to_owned()),
            (Some(schema), body) => {
                faults.extend(prefixed("body", schema.faults(body)));
                let unknown =
                    body.as_object().into_iter().flatten().filter(|(name, _)| !schema.properties.contains(*name));
                faults.extend(unknown.map(|(name, _)| format!("body: no such property {name}")));
            }
        }
        faults
    }

    /// What the description has against an answer. `deliberate` answers may have any status: they are faults that were asked for.
    #[must_use]
    pub fn faults_of_answer(&self, status: u16, body: &Value, deliberate: bool) -> Vec<String> {
        match self.answers.get(&status) {
            Some(Some(schema)) => prefixed("answer", schema.faults(body)),
            Some(None) => Vec::new(),
            None if deliberate || EVERYWHERE.contains(&status) => prefixed("refusal", self.error.faults(body)),
            None => vec![format!("the description knows no status {status} here")],
        }
    }
}

fn prefixed(what: &str, faults: Vec<String>) -> Vec<String> {
    faults.into_iter().map(|fault| format!("{what} {fault}")).collect()
}

/// Takes the used operations out of the whole description.
///
/// # Errors
/// When one of them is not in it, or it is not what such a description is.
pub fn cut(mut whole: Value) -> anyhow::Result<Vec<Operation>> {
    denull(&mut whole);
    let mut found = BTreeMap::new();
    for (path, methods) in whole["paths"].as_object().context("the description has no paths")? {
        for (method, operation) in methods.as_object().into_iter().flatten() {
            let id = operation["operationId"].as_str().unwrap_or_default();
            if OPERATIONS.contains(&id) {
                found.insert(id.to_owned(), read(id, method, path, operation, &whole)?);
            }
        }
    }
    let missing: Vec<_> = OPERATIONS.iter().filter(|id| !found.contains_key(**id)).collect();
    anyhow::ensure!(missing.is_empty(), "the description lacks {missing:?}");
    Ok(found.into_values().collect())
}

fn read(id: &str, method: &str, path: &str, operation: &Value, whole: &Value) -> anyhow::Result<Operation> {
    let resolve = |value: &Value| match value["$ref"].as_str() {
        Some(place) => {
            whole.pointer(place.trim_start_matches('#')).cloned().context(format!("{place} is not in the description"))
        }
        None => Ok(value.clone()),
    };
    let mut operation = operation.clone();
    for (status, answer) in operation["responses"].as_object_mut().into_iter().flatten() {
        *answer = resolve(answer).context(format!("status {status}"))?;
        let schema = &mut answer["content"]["application/json"]["schema"];
        if let Some(place) = schema["$ref"].as_str().map(str::to_owned) {
            *schema = whole.pointer(place.trim_start_matches('#')).cloned().unwrap_or_default();
        }
        if schema["type"] == "array" && schema["items"]["$ref"].is_string() {
            schema["items"] = resolve(&schema["items"])?;
        }
        for (_, place, _) in KNOWN.iter().filter(|(other, ..)| *other == id) {
            let schema = if schema["type"] == "array" { &mut schema["items"] } else { &mut *schema };
            if let Some(found) = schema.pointer_mut(place) {
                *found = json!({ "anyOf": [found.clone(), { "type": "null" }] });
            }
        }
    }
    let components = components(&operation, whole);
    let schema = |schema: &Value| Schema::new(schema, &components);
    let (mut path_parameters, mut query_parameters, mut required_query) =
        (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let parameter = resolve(parameter)?;
        let name = parameter["name"].as_str().unwrap_or_default().to_owned();
        if parameter["in"] == "path" {
            path_parameters.insert(name, schema(&parameter["schema"])?);
        } else if parameter["in"] == "query" {
            if parameter["required"] == true {
                required_query.insert(name.clone());
            }
            query_parameters.insert(name, schema(&parameter["schema"])?);
        }
    }
    let body = &operation["requestBody"]["content"]["application/json"]["schema"];
    let body = if body.is_null() { None } else { Some(schema(body)?) };
    let mut answers = BTreeMap::new();
    for (status, answer) in operation["responses"].as_object().context("no responses")? {
        let Ok(status) = status.parse() else { continue };
        let json = &answer["content"]["application/json"]["schema"];
        answers.insert(status, if json.is_null() { None } else { Some(schema(json)?) });
    }
    let error = whole.pointer("/components/schemas/basic-error").context("the description has no basic-error")?;
    let (id, method, path) = (id.to_owned(), method.to_uppercase(), path.to_owned());
    Ok(Operation {
        id,
        method,
        path,
        path_parameters,
        query_parameters,
        required_query,
        body,
        answers,
        error: Schema::new(error, &components)?,
    })
}

/// The schemas that an operation refers to, and those that they refer to.
fn components(operation: &Value, whole: &Value) -> Value {
    let (mut schemas, mut open) = (Map::new(), Vec::new());
    references(operation, &mut open);
    while let Some(place) = open.pop() {
        let Some(name) = place.strip_prefix("#/components/schemas/") else { continue };
        if schemas.contains_key(name) {
            continue;
        }
        let schema = whole["components"]["schemas"][name].clone();
        references(&schema, &mut open);
        schemas.insert(name.to_owned(), schema);
    }
    json!({ "schemas": schemas })
}

fn references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            found.extend(map.get("$ref").and_then(Value::as_str).map(str::to_owned));
            map.values().for_each(|value| references(value, found));
        }
        Value::Array(list) => list.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

/// OpenAPI 3.0 says `nullable: true` where JSON Schema lists `null` among the types.
fn denull(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.values_mut().for_each(denull);
            if map.get("nullable") == Some(&Value::Bool(true)) {
                map.remove("nullable");
                let schema = Value::Object(std::mem::take(map));
                map.insert("anyOf".to_owned(), json!([schema, { "type": "null" }]));
            }
        }
        Value::Array(list) => list.iter_mut().for_each(denull),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every operation on an invented path, with one answer each.
    fn invented() -> Value {
        let mut paths = Map::new();
        for id in OPERATIONS {
            paths.insert(
                format!("/{id}/{{n}}"),
                json!({"post": {
                    "operationId": id,
                    "parameters": [
                        {"name": "n", "in": "path", "schema": {"type": "integer"}},
                        {"$ref": "#/components/parameters/sort"},
                    ],
                    "requestBody": {"content": {"application/json": {"schema": {
                        "type": "object", "required": ["body"],
                        "properties": {"body": {"type": "string"}, "note": {"type": "string", "nullable": true}},
                    }}}},
                    "responses": {
                        "200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/thing"}}}},
                        "204": {"description": "nothing"},
                    },
                }}),
            );
        }
        json!({"paths": paths, "components": {
            "parameters": {"sort": {"name": "sort", "in": "query", "schema": {"type": "string", "enum": ["up", "down"]}}},
            "schemas": {
                "thing": {"type": "object", "required": ["at", "who"], "properties": {
                    "at": {"type": "string", "format": "date-time"}, "who": {"$ref": "#/components/schemas/who"},
                }},
                "who": {"type": "object", "nullable": true, "required": ["id"], "properties": {"id": {"type": "integer"}}},
                "basic-error": {"type": "object", "properties": {"message": {"type": "string"}}},
            },
        }})
    }

    fn operation() -> Operation {
        cut(invented()).unwrap().remove(0)
    }

    #[test]
    fn a_request_is_held_to_path_query_and_body() {
        let operation = operation();
        let path = operation.path.replace("{n}", "7");
        let faults = |path: &str, query: Value, body: Value| {
            operation.faults_of_request(Sent { path, query: query.as_object().unwrap(), body: &body }).len()
        };
        assert_eq!(faults(&path, json!({"sort": "up"}), json!({"body": "x", "note": null})), 0);
        assert_eq!(faults(&operation.path.replace("{n}", "seven"), json!({}), json!({"body": "x"})), 1);
        assert_eq!(faults(&path, json!({"sort": "sideways"}), json!({"body": "x"})), 1);
        assert_eq!(faults(&path, json!({"page": "1"}), json!({"body": "x"})), 1);
        assert_eq!(faults(&path, json!({}), json!({"body": null})), 1);
        assert_eq!(faults(&path, json!({}), json!({"body": "x", "more": 1})), 1);
        assert_eq!(faults("/elsewhere/7", json!({}), json!({"body": "x"})), 1);
    }

    #[test]
    fn an_answer_is_held_to_its_schema_and_its_status() {
        let operation = operation();
        let time = "2026-01-01T00:00:00Z";
        let good = |who: Value| json!({"at": time, "who": who});
        assert_eq!(operation.faults_of_answer(200, &good(json!({"id": 1})), false).len(), 0);
        assert_eq!(operation.faults_of_answer(200, &good(Value::Null), false).len(), 0, "nullable, behind a reference");
        assert_eq!(operation.faults_of_answer(200, &good(json!({"id": "1"})), false).len(), 1);
        assert_eq!(operation.faults_of_answer(200, &json!({"at": "today", "who": null}), false).len(), 1);
        assert_eq!(operation.faults_of_answer(204, &json!(""), false).len(), 0);
        assert_eq!(operation.faults_of_answer(418, &json!({"message": "tea"}), false).len(), 1);
        assert_eq!(operation.faults_of_answer(418, &json!({"message": "tea"}), true).len(), 0);
        assert_eq!(operation.faults_of_answer(404, &json!({"message": 1}), false).len(), 1);
    }

    #[test]
    fn an_operation_that_is_gone_is_told() {
        let mut whole = invented();
        whole["paths"].as_object_mut().unwrap().remove("/pulls/get/{n}");
        assert!(cut(whole).unwrap_err().to_string().contains("pulls/get"));
    }
}
