//! In what Gitea and Forgejo differ from GitHub, in one table and in the few functions that it stands for.
//!
//! Invariants: what is not in the table is as on GitHub here, whether or not it is so there. The sources are files of
//! Gitea's own repository, by their paths.

use serde_json::{Value, json};

use crate::responses::account;

/// What differs, and where that can be read.
pub const DEVIATIONS: &[(&str, &str)] = &[
    ("the API lies below /api/v1", "routers/web/web.go"),
    (
        "comments are listed whole: `page`, `per_page` and `limit` are ignored, there is no Link header",
        "routers/api/v1/repo/issue_comment.go, ListIssueComments",
    ),
    ("the list of comments has an X-Total-Count header", "routers/api/v1/repo/issue_comment.go, SetTotalCountHeader"),
    (
        "comments of an issue that does not exist are a 500, not a 404",
        "routers/api/v1/repo/issue_comment.go, APIErrorInternal after GetIssueByIndex",
    ),
    ("POST to a comment's id is a 405", "routers/api/v1/api.go: only get, patch and delete are routed"),
    (
        "comments have neither `node_id` nor `url`, but `pull_request_url` and `original_author`",
        "modules/structs/issue_comment.go",
    ),
    (
        "a deleted account is the user -1 `Ghost`, not null; the runner's token is the user -2 `gitea-actions`",
        "models/user/user_system.go",
    ),
    ("users have no `type` and no `node_id`", "modules/structs/user.go"),
    ("a commit status has `status` for `state`", "modules/structs/status.go"),
    (
        "pull requests cannot be listed by head, and `limit` is the page size",
        "routers/api/v1/repo/pull.go, ListPullRequests",
    ),
    ("there are no check runs", "routers/api/v1/api.go"),
    (
        "workflow runs name no pull requests and no head repository; artifacts have no digest",
        "modules/structs/repo_actions.go",
    ),
    ("the contents API has no raw media type", "routers/api/v1/repo/file.go, GetContents"),
    ("refusals have `url` for `documentation_url`", "services/context/api.go, APIError"),
];

/// The fields of a repository's object that only GitHub has.
const FOREIGN: &[&str] = &["node_id", "author_association", "performed_via_github_app"];

/// An answer of GitHub's as Gitea would give it.
pub fn translate(operation: &str, status: u16, body: &mut Value) {
    if status >= 400 {
        *body = json!({ "message": body["message"], "url": "http://forge/api/swagger" });
        return;
    }
    match operation {
        "issues/list-comments" => body.as_array_mut().into_iter().flatten().for_each(comment),
        "issues/create-comment" | "issues/update-comment" | "issues/get-comment" => comment(body),
        "repos/create-commit-status" => {
            let state = body["state"].take();
            remove(body, &["state", "avatar_url", "node_id"]);
            body["status"] = state;
            body["creator"] = user(body["creator"]["login"].as_str());
        }
        "users/get-authenticated" => *body = user(body["login"].as_str()),
        "actions/get-workflow-run" => remove(body, &["pull_requests", "head_repository", "node_id"]),
        "actions/list-workflow-run-artifacts" => {
            let artifacts = body["artifacts"].as_array_mut();
            artifacts.into_iter().flatten().for_each(|artifact| remove(artifact, &["digest", "node_id"]));
        }
        _ => {}
    }
}

fn comment(comment: &mut Value) {
    let url = comment["issue_url"].as_str().unwrap_or_default().replace("/issues/", "/pulls/");
    let user = user(comment["user"]["login"].as_str());
    remove(comment, FOREIGN);
    remove(comment, &["url"]);
    comment["pull_request_url"] = url.into();
    comment["original_author"] = "".into();
    comment["original_author_id"] = 0.into();
    comment["assets"] = json!([]);
    comment["user"] = user;
}

fn user(login: Option<&str>) -> Value {
    let login = login.unwrap_or("Ghost");
    let id = match login {
        "Ghost" => -1,
        "gitea-actions" => -2,
        other => account(other),
    };
    json!({ "id": id, "login": login, "username": login, "full_name": "", "email": "", "active": true })
}

fn remove(value: &mut Value, names: &[&str]) {
    if let Value::Object(map) = value {
        map.retain(|name, _| !names.contains(&name.as_str()));
    }
}
