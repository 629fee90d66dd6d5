//! What the forge answers, built in one place so that it can be held to GitHub's published description as a whole.
//!
//! Invariants: an answer follows from the scenario and the state alone; times come from a counter, not from a clock. Every
//! field that the description requires is there, with invented values where no client of ours looks. `gitea` changes these
//! answers to what the other forges give.

use serde_json::{Map, Value, json};

use crate::scenario::{Head, Pull, Run, Scenario};

/// Where the API and the pages are.
#[derive(Debug, Clone)]
pub struct Places {
    /// With the personality's prefix.
    pub api: String,
    pub web: String,
    /// Another host, as far as a client can tell: artifact storage is never the API's own.
    pub storage: String,
}

/// The point in time with this number; later numbers are later.
pub fn time(n: i64) -> String {
    let n = n.rem_euclid(86_400);
    format!("2026-01-01T{:02}:{:02}:{:02}Z", n / 3600, n / 60 % 60, n % 60)
}

/// An account, by its login alone.
pub fn user(at: &Places, login: &str) -> Value {
    let mut user = Map::new();
    for part in [
        "followers",
        "following",
        "gists",
        "starred",
        "subscriptions",
        "organizations",
        "repos",
        "events",
        "received_events",
    ] {
        let name = if part == "organizations" { "orgs" } else { part };
        user.insert(format!("{part}_url"), format!("{}/users/{login}/{name}", at.api).replace(['[', ']'], "").into());
    }
    let plain = login.replace(['[', ']'], "");
    let bot = login.ends_with("[bot]");
    user.extend(object(json!({
        "login": login, "id": account(login), "node_id": format!("U_{plain}"), "avatar_url": format!("{}/{plain}.png", at.web),
        "gravatar_id": "", "url": format!("{}/users/{plain}", at.api), "html_url": format!("{}/{plain}", at.web),
        "type": if bot { "Bot" } else { "User" }, "site_admin": false,
    })));
    Value::Object(user)
}

/// An account as the one who holds its token sees it.
pub fn owner(at: &Places, login: &str) -> Value {
    let mut owner = object(user(at, login));
    for count in ["public_repos", "public_gists", "followers", "following"] {
        owner.insert(count.into(), 0.into());
    }
    for unknown in ["name", "company", "blog", "location", "email", "hireable", "bio"] {
        owner.insert(unknown.into(), Value::Null);
    }
    owner.extend(object(json!({ "created_at": time(0), "updated_at": time(0) })));
    Value::Object(owner)
}

/// An account's number: the real one of the best known, else one made of the name.
pub fn account(login: &str) -> i64 {
    if login == "github-actions[bot]" {
        return 41_898_282;
    }
    login.bytes().fold(7, |sum: i64, byte| (sum * 31 + i64::from(byte)) % 1_000_003)
}

/// A repository with the fields of both the full and the minimal schema.
pub fn repository(at: &Places, id: i64, owner: &str, name: &str, fork: bool) -> Value {
    let (url, page) = (format!("{}/repos/{owner}/{name}", at.api), format!("{}/{owner}/{name}", at.web));
    let mut repository = Map::new();
    let parts = [
        "archive",
        "assignees",
        "blobs",
        "branches",
        "collaborators",
        "comments",
        "commits",
        "compare",
        "contents",
        "contributors",
        "deployments",
        "downloads",
        "events",
        "forks",
        "git_commits",
        "git_refs",
        "git_tags",
        "issue_comment",
        "issue_events",
        "issues",
        "keys",
        "labels",
        "languages",
        "merges",
        "milestones",
        "notifications",
        "pulls",
        "releases",
        "stargazers",
        "statuses",
        "subscribers",
        "subscription",
        "tags",
        "teams",
        "trees",
        "hooks",
    ];
    for part in parts {
        repository.insert(format!("{part}_url"), format!("{url}/{part}").into());
    }
    for count in [
        "forks",
        "forks_count",
        "stargazers_count",
        "watchers",
        "watchers_count",
        "size",
        "open_issues",
        "open_issues_count",
    ] {
        repository.insert(count.into(), 0.into());
    }
    for has in ["issues", "projects", "wiki", "pages", "downloads"] {
        repository.insert(format!("has_{has}"), false.into());
    }
    repository.extend(object(json!({
        "id": id, "node_id": format!("R_{id}"), "name": name, "full_name": format!("{owner}/{name}"), "license": null,
        "owner": user(at, owner), "private": false, "html_url": page, "description": null, "fork": fork, "url": url,
        "git_url": format!("{page}.git"), "ssh_url": format!("git@forge:{owner}/{name}.git"), "clone_url": format!("{page}.git"),
        "mirror_url": null, "svn_url": page, "homepage": null, "language": null, "default_branch": "main", "archived": false,
        "disabled": false, "pushed_at": time(0), "created_at": time(0), "updated_at": time(0),
    })));
    Value::Object(repository)
}

/// The repository that the scenario is about.
pub fn own(at: &Places, scenario: &Scenario) -> Value {
    let own = &scenario.repository;
    let mut value = repository(at, own.id, &own.owner, &own.name, false);
    value["default_branch"] = own.default_branch.clone().into();
    value
}

/// A comment on an issue or a pull request. `user` is `None` for a deleted account.
pub fn comment(at: &Places, scenario: &Scenario, comment: &crate::world::Comment) -> Value {
    let own = &scenario.repository;
    let base = format!("{}/repos/{}/{}/issues", at.api, own.owner, own.name);
    let page = format!("{}/{}/{}/pull/{}#issuecomment-{}", at.web, own.owner, own.name, comment.issue, comment.id);
    json!({
        "id": comment.id, "node_id": format!("IC_{}", comment.id), "url": format!("{base}/comments/{}", comment.id),
        "html_url": page, "issue_url": format!("{base}/{}", comment.issue), "body": comment.body,
        "user": comment.user.as_ref().map(|login| user(at, login)), "created_at": time(comment.created),
        "updated_at": time(comment.updated), "author_association": "CONTRIBUTOR", "performed_via_github_app": null,
    })
}

pub fn status(at: &Places, scenario: &Scenario, status: &Value) -> Value {
    let own = &scenario.repository;
    let sha = status["sha"].as_str().unwrap_or_default();
    json!({
        "url": format!("{}/repos/{}/{}/statuses/{sha}", at.api, own.owner, own.name), "avatar_url": null, "id": 1,
        "node_id": "S_1", "state": status["state"], "description": status["description"], "target_url": status["target_url"],
        "context": status["context"], "created_at": time(1), "updated_at": time(1), "creator": user(at, scenario.login()),
    })
}

/// A pull request, as in a list or (`whole`) by itself.
pub fn pull(at: &Places, scenario: &Scenario, pull: &Pull, whole: bool) -> Value {
    let own = &scenario.repository;
    let (url, page) = (
        format!("{}/repos/{}/{}", at.api, own.owner, own.name),
        format!("{}/{}/{}/pull/{}", at.web, own.owner, own.name, pull.number),
    );
    let (this, issue) = (format!("{url}/pulls/{}", pull.number), format!("{url}/issues/{}", pull.number));
    let link = |href: String| json!({ "href": href });
    let mut value = object(json!({
        "url": this, "id": 1000 + pull.number, "node_id": format!("PR_{}", pull.number), "html_url": page,
        "diff_url": format!("{page}.diff"), "patch_url": format!("{page}.patch"), "issue_url": issue,
        "commits_url": format!("{this}/commits"), "review_comments_url": format!("{this}/comments"),
        "review_comment_url": format!("{url}/pulls/comments"), "comments_url": format!("{issue}/comments"),
        "statuses_url": format!("{url}/statuses/{}", pull.head.sha), "number": pull.number, "state": pull.state, "locked": false,
        "title": pull.title, "user": user(at, &pull.author), "body": null, "labels": [], "milestone": null,
        "created_at": time(0), "updated_at": time(0), "closed_at": null, "merged_at": null, "merge_commit_sha": null,
        "assignee": null, "assignees": [], "requested_reviewers": [], "requested_teams": [], "draft": false,
        "author_association": "CONTRIBUTOR", "auto_merge": null, "head": head(at, scenario, &pull.head),
    }));
    value.extend(object(json!({
        "base": {
            "label": format!("{}:{}", own.owner, pull.base.branch), "ref": pull.base.branch, "sha": pull.base.sha,
            "repo": self::own(at, scenario), "user": user(at, &own.owner),
        },
        "_links": {
            "self": link(this.clone()), "html": link(page.clone()), "issue": link(issue.clone()),
            "comments": link(format!("{issue}/comments")), "review_comments": link(format!("{this}/comments")),
            "review_comment": link(format!("{url}/pulls/comments")), "commits": link(format!("{this}/commits")),
            "statuses": link(format!("{url}/statuses/{}", pull.head.sha)),
        },
    })));
    if whole {
        value.extend(object(json!({
            "merged": false, "mergeable": true, "mergeable_state": "clean", "merged_by": null, "comments": 0,
            "review_comments": 0, "maintainer_can_modify": false, "commits": 1, "additions": 1, "deletions": 1, "changed_files": 1,
        })));
    }
    Value::Object(value)
}

fn head(at: &Places, scenario: &Scenario, head: &Head) -> Value {
    let fork = head.repo_id != scenario.repository.id;
    let repo = head.repo.as_ref().map(|name| repository(at, head.repo_id, &head.owner, name, fork));
    json!({
        "label": format!("{}:{}", head.owner, head.branch), "ref": head.branch, "sha": head.sha, "repo": repo,
        "user": user(at, &head.owner),
    })
}

pub fn run(at: &Places, scenario: &Scenario, run: &Run) -> Value {
    let own = &scenario.repository;
    let url = format!("{}/repos/{}/{}/actions/runs/{}", at.api, own.owner, own.name, run.id);
    let fork = run.head_repo_id != own.id;
    let mut value = object(json!({
        "id": run.id, "name": "tollgate", "node_id": format!("WFR_{}", run.id), "head_branch": run.head_branch,
        "head_sha": run.head_sha, "path": run.path, "run_number": 1, "run_attempt": run.run_attempt, "event": run.event,
        "status": "completed", "conclusion": "success", "workflow_id": 1, "url": url,
        "html_url": format!("{}/{}/{}/actions/runs/{}", at.web, own.owner, own.name, run.id),
        "pull_requests": run.pull_requests.iter().filter_map(|number| minimal(at, scenario, *number)).collect::<Vec<_>>(),
        "created_at": time(0), "updated_at": time(0), "head_commit": null, "repository": self::own(at, scenario),
        "head_repository": repository(at, run.head_repo_id, &run.head_owner, &run.head_repo, fork),
        "display_title": "tollgate", "actor": user(at, &run.head_owner), "triggering_actor": user(at, &run.head_owner),
    }));
    for part in ["jobs", "logs", "check_suite", "artifacts", "cancel", "rerun", "workflow"] {
        value.insert(format!("{part}_url"), format!("{url}/{part}").into());
    }
    Value::Object(value)
}

/// A pull request as a run names it.
fn minimal(at: &Places, scenario: &Scenario, number: i64) -> Option<Value> {
    let pull = scenario.pulls.iter().find(|pull| pull.number == number)?;
    let url = |owner: &str, name: &str| format!("{}/repos/{owner}/{name}", at.api);
    let own = &scenario.repository;
    let head = pull.head.repo.as_deref().unwrap_or("gone");
    Some(json!({
        "id": 1000 + number, "number": number, "url": format!("{}/pulls/{number}", url(&own.owner, &own.name)),
        "head": {"ref": pull.head.branch, "sha": pull.head.sha, "repo": {"id": pull.head.repo_id, "name": head, "url": url(&pull.head.owner, head)}},
        "base": {"ref": pull.base.branch, "sha": pull.base.sha, "repo": {"id": own.id, "name": own.name, "url": url(&own.owner, &own.name)}},
    }))
}

/// An artifact in the list of a run's; `size` and `digest` as they are claimed.
pub fn artifact(at: &Places, scenario: &Scenario, run: &Run, index: usize, size: u64, digest: Option<String>) -> Value {
    let (own, artifact) = (&scenario.repository, &run.artifacts[index]);
    let url = format!("{}/repos/{}/{}/actions/artifacts/{}", at.api, own.owner, own.name, artifact.id);
    let mut value = json!({
        "id": artifact.id, "node_id": format!("A_{}", artifact.id), "name": artifact.name, "size_in_bytes": size, "url": url,
        "archive_download_url": format!("{url}/zip"), "expired": artifact.expired, "created_at": time(0),
        "expires_at": time(80_000), "updated_at": time(0), "workflow_run": {
            "id": run.id, "repository_id": own.id, "head_repository_id": run.head_repo_id, "head_branch": run.head_branch,
            "head_sha": run.head_sha,
        },
    });
    if let Some(digest) = digest {
        value["digest"] = digest.into();
    }
    value
}

/// A file of the contents API. Over a megabyte, its content is left out, as GitHub does.
pub fn file(at: &Places, scenario: &Scenario, path: &str, revision: &str, text: &str) -> Value {
    let large = text.len() > 1 << 20;
    let mut value = entry(at, scenario, path, revision, "file", text.len());
    value["encoding"] = if large { "none" } else { "base64" }.into();
    value["content"] = if large { String::new() } else { wrapped(&base64(text.as_bytes())) }.into();
    value
}

/// One line of a folder of the contents API.
pub fn entry(at: &Places, scenario: &Scenario, path: &str, revision: &str, kind: &str, size: usize) -> Value {
    let own = &scenario.repository;
    let url = format!("{}/repos/{}/{}/contents/{path}?ref={revision}", at.api, own.owner, own.name);
    let page = format!("{}/{}/{}/blob/{revision}/{path}", at.web, own.owner, own.name);
    let git = format!("{}/repos/{}/{}/git/blobs/{}", at.api, own.owner, own.name, "0".repeat(40));
    json!({
        "type": kind, "size": size, "name": path.rsplit('/').next(), "path": path, "sha": "0".repeat(40), "url": url,
        "git_url": git, "html_url": page, "download_url": (kind == "file").then(|| page.clone()),
        "_links": {"self": url, "git": git, "html": page},
    })
}

/// A refusal. What the description calls a validation error needs both fields.
pub fn error(status: u16, message: &str) -> Value {
    let mut value = json!({ "message": message, "documentation_url": "https://docs.github.com/rest" });
    if status != 422 {
        value["status"] = status.to_string().into();
    }
    value
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// Lines of 60, as GitHub breaks them.
fn wrapped(text: &str) -> String {
    text.as_bytes().chunks(60).map(|line| format!("{}\n", String::from_utf8_lossy(line))).collect()
}

pub fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for at in 0..4 {
            let letter = LETTERS[(word >> (18 - 6 * at) & 63) as usize];
            text.push(if at <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    text
}
