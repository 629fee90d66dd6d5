//! Which pull request a measuring run was for, from what the forge says and nothing that the run left.
//!
//! Invariants: the number never comes from an artifact; exactly one pull request fits, or nobody is told; nothing is said about a
//! head that has moved on; everything is within this repository, by its id.

use serde::Deserialize;
use serde_json::Value;

use super::address::escaped_part;
use super::client::Client;
use super::context::{ContextError, PullRequest, Repository, Run, is_commit};
use super::error::ForgeError;
use super::http::Transport;

/// A measuring run that ended, as the event tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measured {
    pub run: Run,
    /// Path of its workflow in the repository.
    pub workflow: String,
    pub head: String,
    head_branch: String,
    head_owner: String,
    head_repository: i64,
    repository: i64,
    /// The pull requests of this repository that the event names: none for a fork.
    named: Vec<u64>,
}

/// Why there is nothing to tell, which is no fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Nothing {
    #[error("the run was for the event `{}`, not for a pull request", .0.escape_debug())]
    OtherEvent(String),
    #[error("the run was of `{}`, not of the workflow that measures", .0.escape_debug())]
    OtherWorkflow(String),
    #[error("the run has not ended")]
    NotEnded,
    #[error("no open pull request has this head; it was closed, or has moved on")]
    NoPullRequest,
    #[error("{0} open pull requests have this head, and nobody can say which one the run was for")]
    Several(usize),
    #[error("the head of the pull request has moved on; the run for the new one tells")]
    MovedOn,
}

#[derive(Deserialize)]
struct RawEvent {
    workflow_run: RawRun,
    repository: RawId,
}

#[derive(Deserialize)]
struct RawRun {
    id: u64,
    run_attempt: Option<u32>,
    event: String,
    status: Option<String>,
    path: String,
    head_sha: String,
    head_branch: Option<String>,
    head_repository: Option<RawHead>,
    repository: RawId,
    #[serde(default)]
    pull_requests: Vec<RawNamed>,
}

#[derive(Deserialize)]
struct RawId {
    id: i64,
    full_name: String,
}

#[derive(Deserialize)]
struct RawHead {
    id: i64,
    owner: RawOwner,
}

#[derive(Deserialize)]
struct RawOwner {
    login: String,
}

#[derive(Deserialize)]
struct RawNamed {
    number: u64,
    base: RawNamedBase,
}

#[derive(Deserialize)]
struct RawNamedBase {
    repo: RawNamedRepository,
}

#[derive(Deserialize)]
struct RawNamedRepository {
    id: i64,
}

impl Measured {
    /// Reads the event of a `workflow_run` job in `repository`.
    ///
    /// # Errors
    /// When it is no such event, or of another repository.
    pub fn read(event: &[u8], repository: &Repository) -> Result<Result<Self, Nothing>, ContextError> {
        let odd = |what: &str| ContextError::Event(what.to_owned());
        let RawEvent { workflow_run: run, repository: here } = serde_json::from_slice(event).map_err(|error| {
            odd(&format!("is not that of a workflow run that ended, at {}:{}", error.line(), error.column()))
        })?;
        if run.repository.id != here.id || !repository.is(&here.full_name) {
            return Err(odd("is about another repository than GITHUB_REPOSITORY"));
        }
        if run.event != "pull_request" {
            return Ok(Err(Nothing::OtherEvent(run.event)));
        }
        if run.status.is_some_and(|status| status != "completed") {
            return Ok(Err(Nothing::NotEnded));
        }
        if !is_commit(&run.head_sha) {
            return Err(odd("has no head commit"));
        }
        // The head repository of a fork may be gone, and with it the pull request's branch.
        let (Some(head), Some(head_branch)) = (run.head_repository, run.head_branch) else {
            return Ok(Err(Nothing::NoPullRequest));
        };
        let named = run.pull_requests.iter().filter(|named| named.base.repo.id == here.id);
        Ok(Ok(Self {
            run: Run { id: run.id, attempt: run.run_attempt.unwrap_or(1) },
            // Where it was called from is told behind an `@`.
            workflow: run.path.split('@').next().unwrap_or_default().to_owned(),
            head: run.head_sha.to_ascii_lowercase(),
            head_branch,
            head_owner: head.owner.login,
            head_repository: head.id,
            repository: here.id,
            named: named.map(|named| named.number).collect(),
        }))
    }

    /// Finds the pull request.
    ///
    /// # Errors
    /// When the forge does not say.
    pub fn find<T: Transport>(
        &self,
        client: &mut Client<T>,
        repository: &Repository,
    ) -> Result<Result<Found, Nothing>, ForgeError> {
        let number = match self.named.as_slice() {
            [number] => *number,
            _ => {
                let head = format!("{}:{}", escaped_part(&self.head_owner), escaped_part(&self.head_branch));
                let path = format!("{}/pulls?state=open&head={head}&per_page=100", repository.path());
                match self.only(client.list("look for the pull request", &path)?) {
                    Ok(number) => number,
                    Err(nothing) => return Ok(Err(nothing)),
                }
            }
        };
        let path = format!("{}/pulls/{number}", repository.path());
        let pull: RawPull = client.get("read the pull request", &path)?;
        Ok(self.fitting(pull))
    }

    /// The number of the one pull request in a list that is of this head.
    fn only(&self, list: Vec<Value>) -> Result<u64, Nothing> {
        let pulls = list.into_iter().filter_map(|value| serde_json::from_value::<RawPull>(value).ok());
        let fitting: Vec<u64> = pulls.filter(|pull| self.is_of(pull)).map(|pull| pull.number).collect();
        match fitting.as_slice() {
            [] => Err(Nothing::NoPullRequest),
            [number] => Ok(*number),
            several => Err(Nothing::Several(several.len())),
        }
    }

    fn is_of(&self, pull: &RawPull) -> bool {
        pull.head.sha.eq_ignore_ascii_case(&self.head) && self.is_from_there(pull)
    }

    fn is_from_there(&self, pull: &RawPull) -> bool {
        let id = |side: &RawSide| side.repo.as_ref().map(|repository| repository.id);
        id(&pull.head) == Some(self.head_repository) && id(&pull.base) == Some(self.repository)
    }

    fn fitting(&self, pull: RawPull) -> Result<Found, Nothing> {
        if pull.state != "open" || !self.is_from_there(&pull) || !is_commit(&pull.base.sha) || pull.number == 0 {
            return Err(Nothing::NoPullRequest);
        }
        if !self.is_of(&pull) {
            return Err(Nothing::MovedOn);
        }
        let fork = self.head_repository != self.repository;
        let pull_request = PullRequest { number: pull.number, head: self.head.clone(), fork };
        let merged = pull.merge_commit_sha.filter(|text| is_commit(text)).map(|text| text.to_ascii_lowercase());
        Ok(Found { pull_request, base: pull.base.sha.to_ascii_lowercase(), merged })
    }
}

/// The pull request of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub pull_request: PullRequest,
    /// The commit that it is to be merged into.
    pub base: String,
    /// What the forge merged to try it, where it says.
    pub merged: Option<String>,
}

#[derive(Deserialize)]
struct RawPull {
    number: u64,
    state: String,
    head: RawSide,
    base: RawSide,
    merge_commit_sha: Option<String>,
}

#[derive(Deserialize)]
struct RawSide {
    sha: String,
    repo: Option<RawNamedRepository>,
}

#[cfg(test)]
mod tests;
