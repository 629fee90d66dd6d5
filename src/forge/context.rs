//! Where this job runs and for which change: the GITHUB_* variables and the event file, strictly read.
//!
//! Invariants: what goes into an address or a hidden line has been checked to be a name, a commit or a number; a pull request
//! whose head is not in this repository is a fork, and so is one whose head repository is gone. Gitea and Forgejo set the same
//! variables. Reads nothing by itself: it is given the variables and the event.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use super::address::{Address, AddressError, GITHUB};

/// Largest event file that is read, in bytes; GitHub caps payloads at 25 MB.
pub const MOST_EVENT: u64 = 26 << 20;

/// Why there is nobody to tell.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContextError {
    #[error("{0} is not set: this is no job of a forge, or its step clears the environment")]
    Absent(&'static str),
    #[error("{0} is not {1}")]
    Malformed(&'static str, &'static str),
    #[error(transparent)]
    Address(#[from] AddressError),
    #[error("the event file {0}; the step needs the GITHUB_EVENT_PATH that the runner gives it")]
    Event(String),
}

/// The environment, as far as it matters here. An empty variable is one that nobody set.
#[derive(Debug, Clone, Default)]
pub struct Variables(BTreeMap<String, String>);

impl Variables {
    /// Takes variables by name.
    pub fn new(all: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(all.into_iter().filter(|(_, value)| !value.is_empty()).collect())
    }

    /// The value of a variable.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    fn required(&self, name: &'static str) -> Result<&str, ContextError> {
        self.get(name).ok_or(ContextError::Absent(name))
    }

    /// A file that the runner reads after the step, such as GITHUB_OUTPUT.
    #[must_use]
    pub fn file(&self, name: &str) -> Option<PathBuf> {
        self.get(name).map(PathBuf::from)
    }

    /// Whether a runner reads what is printed.
    #[must_use]
    pub fn is_job(&self) -> bool {
        self.get("GITHUB_ACTIONS") == Some("true")
    }
}

/// A repository by its names, which need no escaping in an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    pub owner: String,
    pub name: String,
}

impl Repository {
    /// Takes `owner/name` apart.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (owner, name) = text.split_once('/')?;
        let is_name = |text: &str| {
            (1..=100).contains(&text.len())
                && !matches!(text, "." | "..")
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
        };
        (is_name(owner) && is_name(name)).then(|| Self { owner: owner.to_owned(), name: name.to_owned() })
    }

    /// The beginning of its addresses in the API.
    #[must_use]
    pub fn path(&self) -> String {
        format!("/repos/{}/{}", self.owner, self.name)
    }

    /// Whether `full_name` is this one; names are the same in any case of letters.
    #[must_use]
    pub fn is(&self, full_name: &str) -> bool {
        full_name.eq_ignore_ascii_case(&format!("{}/{}", self.owner, self.name))
    }
}

/// A run of a workflow, in the order in which runs are later than others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Run {
    pub id: u64,
    pub attempt: u32,
}

/// A commit's name: 40 or 64 hexadecimal digits.
#[must_use]
pub fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A pull request that a job runs for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullRequest {
    pub number: u64,
    /// The commit on top, which is not the one that the job checked out.
    pub head: String,
    /// Whether the head is in another repository, or in none any more: then the job's token may read only.
    pub fork: bool,
}

/// What a job runs for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    pub address: Address,
    /// Where people look at the repository, without a slash at the end.
    pub server: Option<String>,
    pub repository: Repository,
    /// The commit that the job is about; for a pull request a merge commit.
    pub commit: Option<String>,
    pub run: Run,
    /// Absent where the job is about none.
    pub pull_request: Option<PullRequest>,
}

impl Context {
    /// Reads the variables, and of a pull request's job the event.
    ///
    /// # Errors
    /// When something that is needed to tell anybody anything is absent or malformed.
    pub fn new(
        variables: &Variables,
        event: impl FnOnce() -> Result<Vec<u8>, ContextError>,
    ) -> Result<Self, ContextError> {
        let repository = Repository::parse(variables.required("GITHUB_REPOSITORY")?)
            .ok_or(ContextError::Malformed("GITHUB_REPOSITORY", "owner/name"))?;
        let pull_request = match variables.required("GITHUB_EVENT_NAME")? {
            // The second runs with the base's workflow and a token that may write.
            "pull_request" | "pull_request_target" => Some(pull_request(&event()?, &repository)?),
            _ => None,
        };
        Ok(Self {
            address: Address::new(variables.get("GITHUB_API_URL").unwrap_or(GITHUB))?,
            server: variables.get("GITHUB_SERVER_URL").and_then(server),
            commit: variables.get("GITHUB_SHA").filter(|text| is_commit(text)).map(str::to_owned),
            run: run(variables)?,
            repository,
            pull_request,
        })
    }

    /// The commit that a status belongs to: of a pull request its head, for nobody sees the merge commit.
    #[must_use]
    pub fn status_commit(&self) -> Option<&str> {
        self.pull_request.as_ref().map(|pull| pull.head.as_str()).or(self.commit.as_deref())
    }

    /// The page of a run of this repository.
    #[must_use]
    pub fn run_page(&self, run: Run) -> Option<String> {
        let Repository { owner, name } = &self.repository;
        self.server.as_ref().map(|server| format!("{server}/{owner}/{name}/actions/runs/{}", run.id))
    }
}

/// The number of this run. A forge that does not count attempts has one of each.
fn run(variables: &Variables) -> Result<Run, ContextError> {
    let id = variables.required("GITHUB_RUN_ID")?.parse();
    let attempt = variables.get("GITHUB_RUN_ATTEMPT").unwrap_or("1").parse();
    Ok(Run {
        id: id.map_err(|_| ContextError::Malformed("GITHUB_RUN_ID", "a number"))?,
        attempt: attempt.map_err(|_| ContextError::Malformed("GITHUB_RUN_ATTEMPT", "a number"))?,
    })
}

/// An address that can stand in a link.
fn server(text: &str) -> Option<String> {
    let uri: http::Uri = text.trim().parse().ok()?;
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~:/[]".contains(&byte));
    let fits = plain && matches!(uri.scheme_str(), Some("https" | "http")) && uri.host().is_some();
    fits.then(|| text.trim().trim_end_matches('/').to_owned())
}

#[derive(Deserialize)]
struct RawEvent {
    pull_request: RawPull,
}

#[derive(Deserialize)]
struct RawPull {
    number: u64,
    head: RawSide,
    base: RawSide,
}

#[derive(Deserialize)]
struct RawSide {
    sha: String,
    /// `null` where it was deleted.
    repo: Option<RawRepository>,
}

#[derive(Deserialize)]
struct RawRepository {
    id: i64,
    full_name: String,
}

fn pull_request(event: &[u8], repository: &Repository) -> Result<PullRequest, ContextError> {
    let odd = |what: &str| ContextError::Event(what.to_owned());
    let RawEvent { pull_request: pull } = serde_json::from_slice(event)
        .map_err(|error| odd(&format!("is not that of a pull request, at {}:{}", error.line(), error.column())))?;
    let base = pull.base.repo.ok_or_else(|| odd("names no base repository"))?;
    if !repository.is(&base.full_name) {
        return Err(odd("is about another repository than GITHUB_REPOSITORY"));
    }
    if pull.number == 0 || !is_commit(&pull.head.sha) {
        return Err(odd("has no number or no head commit"));
    }
    let fork = pull.head.repo.is_none_or(|head| head.id != base.id);
    Ok(PullRequest { number: pull.number, head: pull.head.sha.to_ascii_lowercase(), fork })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHA: &str = "ec26c3e57ca3a959ca5aad62de7213c562f8c821";

    fn variables(more: &[(&str, &str)]) -> Variables {
        let mut all = BTreeMap::from([
            ("GITHUB_REPOSITORY", "Codertocat/Hello-World"),
            ("GITHUB_EVENT_NAME", "pull_request"),
            ("GITHUB_RUN_ID", "1589141559"),
            ("GITHUB_RUN_ATTEMPT", "2"),
            ("GITHUB_SHA", "f95f852bd8fca8fcc58a9a2d6c842781e32a215e"),
            ("GITHUB_SERVER_URL", "https://github.com"),
            ("GITHUB_API_URL", ""),
        ]);
        all.extend(more.iter().copied());
        Variables::new(all.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())))
    }

    /// The fields of a real payload that are read, with some beside them.
    fn payload(head_repository: &str) -> String {
        format!(
            r#"{{"action": "synchronize", "number": 2, "pull_request": {{"id": 279147437, "number": 2, "state": "open",
                "head": {{"label": "Codertocat:changes", "ref": "changes", "sha": "{SHA}", "repo": {head_repository}}},
                "base": {{"ref": "master", "sha": "f95f852bd8fca8fcc58a9a2d6c842781e32a215e",
                          "repo": {{"id": 186853002, "full_name": "Codertocat/Hello-World", "fork": false}}}}}}}}"#
        )
    }

    const SAME: &str = r#"{"id": 186853002, "full_name": "Codertocat/Hello-World"}"#;

    fn context(more: &[(&str, &str)], event: &str) -> Result<Context, ContextError> {
        Context::new(&variables(more), || Ok(event.as_bytes().to_vec()))
    }

    #[test]
    fn a_pull_request_is_read_with_its_head() {
        let context = context(&[], &payload(SAME)).unwrap();
        assert_eq!(context.pull_request, Some(PullRequest { number: 2, head: SHA.to_owned(), fork: false }));
        assert_eq!((context.run, context.status_commit()), (Run { id: 1_589_141_559, attempt: 2 }, Some(SHA)));
        let page = context.run_page(context.run).unwrap();
        assert_eq!(page, "https://github.com/Codertocat/Hello-World/actions/runs/1589141559");
        assert_eq!(context.address, Address::new(GITHUB).unwrap());
    }

    #[test]
    fn another_head_repository_or_none_is_a_fork() {
        for head in [
            "null",
            r#"{"id": 7, "full_name": "Mallory/Hello-World"}"#,
            r#"{"id": 7, "full_name": "Codertocat/Hello-World"}"#,
        ] {
            assert!(context(&[], &payload(head)).unwrap().pull_request.unwrap().fork, "{head}");
        }
    }

    #[test]
    fn other_events_need_no_event_file() {
        for event in ["push", "workflow_dispatch", "workflow_run", "schedule"] {
            let variables = variables(&[("GITHUB_EVENT_NAME", event)]);
            let context = Context::new(&variables, || Err(ContextError::Event("is not there".into()))).unwrap();
            assert_eq!((context.pull_request.as_ref(), context.status_commit()), (None, context.commit.as_deref()));
        }
    }

    #[test]
    fn what_is_not_as_it_must_be_is_refused_by_name() {
        let good = payload(SAME);
        for (more, event, word) in [
            (("GITHUB_REPOSITORY", ""), &*good, "GITHUB_REPOSITORY is not set"),
            (("GITHUB_REPOSITORY", "a/b/c"), &good, "GITHUB_REPOSITORY"),
            (("GITHUB_REPOSITORY", "../x"), &good, "GITHUB_REPOSITORY"),
            (("GITHUB_REPOSITORY", "a/b?x"), &good, "GITHUB_REPOSITORY"),
            (("GITHUB_REPOSITORY", "other/repo"), &good, "another repository"),
            (("GITHUB_RUN_ID", "x"), &good, "GITHUB_RUN_ID is not a number"),
            (("GITHUB_RUN_ATTEMPT", "-1"), &good, "GITHUB_RUN_ATTEMPT"),
            (("GITHUB_API_URL", "http://github.com"), &good, "not HTTPS"),
            (("GITHUB_EVENT_NAME", ""), &good, "GITHUB_EVENT_NAME is not set"),
            (("GITHUB_SHA", ""), "{}", "is not that of a pull request"),
            (("GITHUB_SHA", ""), "", "is not that of a pull request"),
            (("GITHUB_SHA", ""), &good.replace(SHA, "main"), "no head commit"),
            (("GITHUB_SHA", ""), &good.replace("\"number\": 2", "\"number\": 0"), "no number"),
        ] {
            let error = context(&[more], event).unwrap_err().to_string();
            assert!(error.contains(word), "{more:?}: {error}");
        }
    }

    #[test]
    fn a_server_that_cannot_stand_in_a_link_is_left_out() {
        assert_eq!(server("https://ghe.example/"), Some("https://ghe.example".to_owned()));
        for bad in ["javascript:alert(1)", "https://x)](https://y", "//x", "https://x y", "https://x<b>"] {
            assert_eq!(server(bad), None, "{bad}");
        }
    }
}
