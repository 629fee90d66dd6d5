//! What `post` and `publish` have in common: a judged run made into what is told, and the telling.
//!
//! Invariant: trouble with the forge becomes a line for the person, never an end of the command.

use std::env;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;

use crate::cli::ForgeArgs;
use crate::forge::address::Address;
use crate::forge::client::Client;
use crate::forge::comment::{Authors, MOST_BODY};
use crate::forge::context::{Context, PullRequest, Repository, Run};
use crate::forge::error::ForgeError;
use crate::forge::marker::Reds;
use crate::forge::output::{Annotation, Level, Position};
use crate::forge::status::{self, State};
use crate::forge::sticky::{self, Place, Posted};
use crate::forge::transport::{Network, Token};
use crate::model::findings::Outcome;
use crate::model::{Findings, Results};
use crate::report::post::{Before, Link, Post, reds, since};
use crate::report::view::{Row, View};
use crate::report::{self, plain};

/// Where the token may be; the second is what people set for other tools.
const TOKENS: [&str; 2] = ["GITHUB_TOKEN", "GH_TOKEN"];

/// The token of the environment.
///
/// # Errors
/// When there is none, or none that can be sent.
pub fn token() -> anyhow::Result<Token> {
    let given = TOKENS.iter().find_map(|name| env::var(name).ok().filter(|value| !value.trim().is_empty()));
    Ok(Token::new(&given.unwrap_or_default())?)
}

/// Makes ready to speak to the forge for `time` at most.
///
/// # Errors
/// When the network cannot be set up.
pub fn client(address: &Address, token: &Token, time: Duration) -> anyhow::Result<Client<Network>> {
    let network = Network::new(address, token, time)?;
    Ok(Client::new(network, address.clone(), token.expose().to_owned()))
}

/// A judged run with all that is said of it.
pub struct Told<'a> {
    pub results: &'a Results,
    pub findings: &'a Findings,
    pub view: View,
    /// What a reader must know of where the figures come from.
    pub remarks: Vec<String>,
    pub links: Vec<Link>,
}

impl<'a> Told<'a> {
    /// Words a judged run.
    pub fn new(results: &'a Results, findings: &'a Findings) -> Self {
        Self { results, findings, view: View::new(results, findings), remarks: Vec::new(), links: Vec::new() }
    }

    /// The report in at most `room` bytes; `before` is what was red when this was last told.
    pub fn markdown(&self, before: Option<&(String, Reds)>, room: usize) -> String {
        let before =
            before.map(|(head, reds)| Before { head: head.clone(), count: reds.count, names: reds.names.clone() });
        let post = Post {
            since: before.and_then(|before| since(self.findings, &before)),
            remarks: self.remarks.clone(),
            links: self.links.clone(),
        };
        report::markdown::render_post(&self.view, &post, room)
    }

    /// The verdict in one line.
    pub fn line(&self) -> String {
        plain(&format!("{}: {}", self.view.headline.word, self.view.headline.sentence))
    }

    /// What later steps of the job may want to know.
    pub fn outputs(&self) -> Vec<(&'static str, String)> {
        let count = |verdict: &str| self.findings.counts.get(verdict).copied().unwrap_or(0).to_string();
        let outcome = match self.findings.outcome {
            Outcome::Pass => "pass",
            Outcome::Inconclusive => "inconclusive",
            Outcome::Regressed => "regressed",
            Outcome::Broken => "broken",
        };
        vec![
            ("result", outcome.to_owned()),
            ("regressions", count("regressed")),
            ("improvements", count("improved")),
            ("inconclusive", count("inconclusive")),
        ]
    }

    /// Remarks beside the change, worst first; `position` finds the line of a cell in its baseline.
    pub fn annotations(&self, position: &dyn Fn(&Row) -> Option<Position>) -> Vec<Annotation> {
        let view = &self.view;
        let mut all: Vec<Annotation> = view
            .broken
            .iter()
            .map(|broken| {
                let stage = broken.stage.as_ref().map(|stage| format!(" · {stage}")).unwrap_or_default();
                let text = plain(&format!("{}{stage}: {}", broken.subject, broken.what));
                Annotation { level: Level::Error, title: "Tollgate: broken".to_owned(), text, position: None }
            })
            .collect();
        let kinds = [
            (Level::Error, "regressed", &view.regressed),
            (Level::Warning, "time alone moved", &view.time_alone),
            (Level::Warning, "advisory, regressed", &view.advisory),
            (Level::Warning, "inconclusive", &view.inconclusive),
            (Level::Notice, "improved", &view.improved),
        ];
        for (level, title, rows) in kinds {
            all.extend(rows.rows.iter().map(|row| Annotation {
                level,
                title: format!("Tollgate: {title}"),
                text: plain(&annotated(row)),
                position: position(row),
            }));
        }
        all
    }

    /// Writes the sticky comment.
    ///
    /// # Errors
    /// When it could not be written.
    pub fn comment(
        &self,
        client: &mut Client<Network>,
        args: &ForgeArgs,
        repository: &Repository,
        run: Run,
        pull: &PullRequest,
    ) -> Result<Posted, ForgeError> {
        let authors = Authors::new(client.address().family(), &args.comment_author);
        let red = Reds::new(reds(self.findings));
        let place = Place { repository, number: pull.number, key: &args.comment_key, run, head: &pull.head, red };
        sticky::post(client, &place, authors, &|before, room| self.markdown(before, room))
    }

    /// Sets the commit status.
    ///
    /// # Errors
    /// When it could not be set.
    pub fn status(
        &self,
        client: &mut Client<Network>,
        key: &str,
        repository: &Repository,
        commit: &str,
        page: Option<&str>,
    ) -> Result<(), ForgeError> {
        let state = match self.findings.outcome {
            Outcome::Pass => State::Success,
            Outcome::Regressed | Outcome::Inconclusive => State::Failure,
            Outcome::Broken => State::Error,
        };
        status::set(client, repository, commit, (state, &self.line()), key, page)
    }
}

/// A judged cell in one line.
fn annotated(row: &Row) -> String {
    let interval = row.interval.as_ref().map(|interval| format!(" {interval}")).unwrap_or_default();
    let Row { backend, sample, what, base, head, change, tolerance, .. } = row;
    format!("{backend} · {sample} · {what}: {base} → {head}, {change}{interval}, limit {tolerance}")
}

/// What came of the comment, for the person.
pub fn told(posted: &Posted) -> String {
    let url = posted.url().map(|url| format!(": {}", url.escape_debug())).unwrap_or_default();
    match posted {
        Posted::Created { .. } => format!("wrote the comment{url}"),
        Posted::Edited { .. } => format!("edited the comment{url}"),
        Posted::Unchanged { .. } => format!("the comment says so already{url}"),
        Posted::Stale { newer } => {
            format!("left the comment alone: run {} (attempt {}) is newer and wrote it", newer.id, newer.attempt)
        }
    }
}

/// Trouble with the forge as an end of the command, for those that have nothing else to do.
#[expect(clippy::needless_pass_by_value, reason = "the shape that `map_err` wants")]
pub fn failed(error: ForgeError) -> anyhow::Error {
    anyhow::anyhow!("failed to {error}")
}

/// The page of a run, as a link.
pub fn run_link(context: &Context, run: Run) -> Vec<Link> {
    context.run_page(run).map(|url| Link { label: "the run", url }).into_iter().collect()
}

/// Writes report.json and report.md beside each other.
///
/// # Errors
/// When the folder cannot be written to.
pub fn save(told: &Told<'_>, folder: &Path) -> anyhow::Result<(PathBuf, PathBuf)> {
    let (json, markdown) = (folder.join("report.json"), folder.join("report.md"));
    let failed = |path: &Path| format!("failed to write {}; choose another folder with --out", path.display());
    std::fs::create_dir_all(folder).with_context(|| failed(folder))?;
    std::fs::write(&json, report::json::render(told.results, told.findings)).with_context(|| failed(&json))?;
    std::fs::write(&markdown, told.markdown(None, MOST_BODY)).with_context(|| failed(&markdown))?;
    Ok((json, markdown))
}
