//! What a scenario file may say: the state that the forge starts with, and what shall go wrong.
//!
//! Invariants: an unknown key is an error, so that a misspelt fault fails its test instead of testing nothing. What is left
//! out has the default of a healthy forge. Nothing here changes while the server runs.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Which forge to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Personality {
    #[default]
    Github,
    /// GitHub Enterprise: GitHub under a path.
    Ghe,
    /// Gitea and Forgejo.
    Gitea,
}

impl Personality {
    /// As scenarios write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Github => "github",
            Self::Ghe => "ghe",
            Self::Gitea => "gitea",
        }
    }

    /// What every path of the API begins with.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Github => "",
            Self::Ghe => "/api/v3",
            Self::Gitea => "/api/v1",
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    #[serde(default)]
    pub personality: Personality,
    /// The only token that is accepted; any, without.
    pub token: Option<String>,
    /// Whose token it is [default: the forge's bot].
    pub login: Option<String>,
    #[serde(default)]
    pub rights: Rights,
    pub repository: Repository,
    #[serde(default)]
    pub pulls: Vec<Pull>,
    #[serde(default)]
    pub comments: Vec<Comment>,
    pub filler: Option<Filler>,
    /// Texts by path, by revision or branch.
    #[serde(default)]
    pub contents: BTreeMap<String, BTreeMap<String, String>>,
    #[serde(default)]
    pub runs: Vec<Run>,
    #[serde(default)]
    pub faults: Vec<Fault>,
}

impl Scenario {
    /// Who writes with the token.
    pub fn login(&self) -> &str {
        let bot = if self.personality == Personality::Gitea { "gitea-actions" } else { "github-actions[bot]" };
        self.login.as_deref().unwrap_or(bot)
    }
}

/// What the token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rights {
    #[default]
    Write,
    /// As on pull requests from forks.
    Read,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repository {
    pub id: i64,
    pub owner: String,
    pub name: String,
    #[serde(default = "main")]
    pub default_branch: String,
}

fn main() -> String {
    "main".into()
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pull {
    pub number: i64,
    #[serde(default)]
    pub title: String,
    #[serde(default = "open")]
    pub state: String,
    #[serde(default = "author")]
    pub author: String,
    pub head: Head,
    pub base: Base,
}

fn open() -> String {
    "open".into()
}

fn author() -> String {
    "jane".into()
}

/// The branch that a pull request brings. Without `repo`, its repository is gone.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    #[serde(rename = "ref")]
    pub branch: String,
    pub sha: String,
    pub owner: String,
    pub repo: Option<String>,
    #[serde(default)]
    pub repo_id: i64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Base {
    #[serde(rename = "ref")]
    pub branch: String,
    pub sha: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Comment {
    pub issue: i64,
    pub id: i64,
    /// `null` for a deleted account.
    pub user: Option<String>,
    pub body: String,
}

/// Comments of other people that are older than the listed ones.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filler {
    pub issue: i64,
    pub count: i64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    pub id: i64,
    pub event: String,
    pub path: String,
    pub head_sha: String,
    pub head_branch: String,
    pub head_owner: String,
    pub head_repo: String,
    pub head_repo_id: i64,
    #[serde(default)]
    pub pull_requests: Vec<i64>,
    #[serde(default = "one")]
    pub run_attempt: i64,
    #[serde(default)]
    pub artifacts: Vec<Artifact>,
}

fn one() -> i64 {
    1
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Artifact {
    pub id: i64,
    pub name: String,
    #[serde(default)]
    pub expired: bool,
    #[serde(default)]
    pub digest: Digest,
    /// The size that is claimed, instead of the real one.
    pub size: Option<u64>,
    #[serde(default)]
    pub entries: Vec<Entry>,
    /// A file to serve as it is, instead of an archive of the entries.
    pub raw: Option<String>,
}

/// What the listing says of an artifact's checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Digest {
    #[default]
    Right,
    Wrong,
    /// As listings before 2025, and of other forges.
    Absent,
}

/// One entry of an archive: exactly one of the four kinds of content.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    pub path: String,
    pub text: Option<String>,
    /// A file on this machine.
    pub file: Option<String>,
    /// That many zeros, which pack very well.
    pub zeros: Option<usize>,
    /// A symbolic link to there.
    pub link: Option<String>,
    /// The inflated size that is claimed, instead of the real one.
    pub claims: Option<u32>,
}

/// Something that goes wrong on a route.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// GitHub's name of the operation, or `*`.
    pub operation: String,
    /// How many requests of that operation go well first.
    #[serde(default)]
    pub skip: usize,
    /// How many go wrong then; all, without.
    pub times: Option<usize>,
    /// Whether what was asked for happens nevertheless.
    #[serde(default)]
    pub applied: bool,
    pub kind: Kind,
    /// Of `status`; also of `rendezvous` and `vanish`, which need none.
    pub status: Option<u16>,
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    pub message: Option<String>,
    /// How many meet at a `rendezvous`.
    pub parties: Option<usize>,
}

/// How it goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A status and a message.
    Status,
    /// The proper answer, but half of it.
    Cut,
    /// No answer: the connection closes.
    Close,
    /// No answer, and the connection stays.
    Hang,
    /// An answer that comes a byte at a time and never ends.
    Drip,
    /// An answer that never ends.
    Flood,
    /// A page instead of JSON.
    Garbage,
    /// Somebody else's server is named as the place to ask.
    Redirect,
    /// The comment that is asked for was just deleted.
    Vanish,
    /// Requests wait until all parties have asked.
    Rendezvous,
}
