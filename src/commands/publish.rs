//! `tollgate publish`: comment on a pull request, such as one from a fork, from the artifact of its measuring run.
//!
//! Invariants: which pull request it is comes from the forge alone; the artifact gives figures and nothing else; what they are held
//! to is what the base revision says, read from the forge; the text is rendered here. Nothing is checked out and nothing of the
//! pull request is run.

use std::collections::BTreeMap;
use std::path::Path;

use super::post::{event, remark, summarise, variables, write_outputs};
use super::posting::{self, Told, failed};
use super::ui::Ui;
use crate::baseline::{BaselineError, schema, store};
use crate::cli::PublishArgs;
use crate::config::{self, Decisions};
use crate::exit::Exit;
use crate::forge::address::escaped_part;
use crate::forge::artifact::{self, ArtifactError, List, MOST_PACKED};
use crate::forge::client::Client;
use crate::forge::contents;
use crate::forge::context::{Context, Repository, Variables};
use crate::forge::identity::{Found, Measured, Nothing};
use crate::forge::output::Level;
use crate::forge::transport::Network;
use crate::judge;
use crate::model::{BackendId, Baseline, Results};

/// Largest configuration or workflow that is read, in bytes.
const MOST_TEXT: u64 = 1 << 20;
/// Digits shown of a commit.
const SHORT: usize = 12;

/// Runs the command.
///
/// # Errors
/// When it could neither post nor tell that there is nothing to post.
pub fn run(args: &PublishArgs, ui: &Ui) -> anyhow::Result<Exit> {
    let variables = variables();
    let context = Context::new(&variables, || event(&variables))?;
    anyhow::ensure!(
        variables.get("GITHUB_EVENT_NAME") == Some("workflow_run"),
        "`tollgate publish` works on the event `workflow_run`; start its workflow with `on: workflow_run`"
    );
    let measured = match Measured::read(&event(&variables)?, &context.repository)? {
        Ok(measured) => measured,
        Err(nothing) => return Ok(left_alone(&variables, Level::Notice, &nothing.to_string(), ui)),
    };
    let token = posting::token()?;
    let client = posting::client(&context.address, &token, args.forge.forge_deadline)?;
    let mut job = Job { args, context: &context, measured: &measured, client };
    let found = match job.identify()? {
        Ok(found) => found,
        Err(nothing) => return Ok(left_alone(&variables, Level::Notice, &nothing.to_string(), ui)),
    };
    let Some(results) = job.results()? else {
        let text = format!(
            "the run left no artifact `{}`: it ended before it had measured, or --artifact names another",
            args.artifact
        );
        return Ok(left_alone(&variables, Level::Warning, &text, ui));
    };
    job.tell(&found, results, &variables, ui)?;
    Ok(Exit::Pass)
}

/// Says why nothing is posted, which is right.
fn left_alone(variables: &Variables, level: Level, why: &str, ui: &Ui) -> Exit {
    remark(variables, level, &format!("nothing posted: {why}"), ui);
    Exit::Pass
}

struct Job<'a> {
    args: &'a PublishArgs,
    context: &'a Context,
    measured: &'a Measured,
    client: Client<Network>,
}

impl Job<'_> {
    fn repository(&self) -> &Repository {
        &self.context.repository
    }

    /// The pull request, if the run was of the workflow that measures.
    fn identify(&mut self) -> anyhow::Result<Result<Found, Nothing>> {
        let workflow = &self.measured.workflow;
        if self.args.workflow.as_ref().is_some_and(|path| path.trim_start_matches("./") != workflow) {
            return Ok(Err(Nothing::OtherWorkflow(workflow.clone())));
        }
        let found = match self.measured.find(&mut self.client, &self.context.repository).map_err(failed)? {
            Ok(found) => found,
            Err(nothing) => return Ok(Err(nothing)),
        };
        // A workflow that only the pull request has was written by its author.
        if self.args.workflow.is_none() && self.at_base(workflow, &found, MOST_TEXT)?.is_none() {
            return Ok(Err(Nothing::OtherWorkflow(workflow.clone())));
        }
        Ok(Ok(found))
    }

    /// A file of the base revision; nothing where it has none.
    fn at_base(&mut self, path: &str, found: &Found, most: u64) -> anyhow::Result<Option<String>> {
        contents::text(&mut self.client, &self.context.repository, path, &found.base, most).map_err(failed)
    }

    /// What the run measured; nothing where it left nothing.
    fn results(&mut self) -> anyhow::Result<Option<Results>> {
        let base = format!("{}/actions", self.repository().path());
        let name = escaped_part(&self.args.artifact);
        let path = format!("{base}/runs/{}/artifacts?name={name}&per_page=100", self.measured.run.id);
        let list: List = self.client.get("list the artifacts of the run", &path).map_err(failed)?;
        let refused = |error: ArtifactError| anyhow::anyhow!("failed to use the artifact of the run: {error}");
        let picked = artifact::pick(&list, &self.args.artifact, self.measured.run, &self.measured.head);
        let Some(one) = picked.map_err(refused)? else { return Ok(None) };
        let path = format!("{base}/artifacts/{}/zip", one.id);
        let archive = self.client.download("fetch the artifact of the run", &path, MOST_PACKED).map_err(failed)?;
        artifact::results(&archive, one.digest.as_deref()).map(Some).map_err(refused)
    }

    /// Judges by what the base revision says, and posts.
    fn tell(&mut self, found: &Found, mut results: Results, variables: &Variables, ui: &Ui) -> anyhow::Result<()> {
        let mut remarks = vec![whose(found)];
        let (decisions, baselines) = self.decisions(found, &results, &mut remarks)?;
        let header = &mut results.header;
        header.settings.thresholds = decisions.thresholds;
        header.settings.fail_on = decisions.fail_on;
        header.settings.layout_allowances = decisions.layout_allowances;
        header.baselines = baselines;
        header.commit = Some(found.pull_request.head.clone());
        let findings = judge::judge(&results);
        let mut told = Told::new(&results, &findings);
        told.remarks = remarks;
        told.links = posting::run_link(self.context, self.measured.run);
        summarise(&told, variables, ui);
        let (repository, run) = (&self.context.repository, self.measured.run);
        let pull = &found.pull_request;
        let posted = told.comment(&mut self.client, &self.args.forge, repository, run, pull).map_err(failed)?;
        ui.info(&posting::told(&posted));
        if self.args.forge.status {
            let page = self.context.run_page(run);
            let key = &self.args.forge.comment_key;
            told.status(&mut self.client, key, repository, &pull.head, page.as_deref()).map_err(failed)?;
        }
        let mut outputs = told.outputs();
        outputs.push(("comment-url", posted.url().unwrap_or_default().to_owned()));
        write_outputs(variables, &outputs, ui);
        Ok(())
    }

    /// Tolerances and baselines of the base revision.
    fn decisions(
        &mut self,
        found: &Found,
        results: &Results,
        remarks: &mut Vec<String>,
    ) -> anyhow::Result<(Decisions, BTreeMap<BackendId, Baseline>)> {
        let path = within("", &self.args.config).ok_or_else(|| {
            anyhow::anyhow!("--config is no path within the repository: give one such as tollgate.yml")
        })?;
        let decisions = match self.at_base(&path, found, MOST_TEXT)? {
            Some(text) => config::decisions(&text, &path)?,
            None => {
                remarks.push(format!(
                    "the base revision has no {path}: the built-in tolerances hold, and there is no baseline"
                ));
                Decisions::default()
            }
        };
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let dir = match &self.args.baselines {
            Some(dir) => within("", dir),
            None => within(folder, &decisions.baselines),
        };
        let dir = dir.ok_or_else(|| {
            anyhow::anyhow!(
                "the baselines lie outside the repository, where the forge has none; name them with --baselines"
            )
        })?;
        let target = &results.header.machine.class.target;
        let mut baselines = BTreeMap::new();
        for backend in &results.header.backends {
            let path = store::path_of(Path::new(&dir), &backend.id, target);
            let Some(path) = path.to_str() else { continue };
            let Some(text) = self.at_base(path, found, store::MAX_FILE)? else { continue };
            let baseline = schema::parse(&text, Some((&backend.id, target))).map_err(|problems| {
                let invalid = BaselineError::Invalid { path: path.into(), problems };
                anyhow::anyhow!("failed to read a baseline at {}: {invalid}", found.base)
            })?;
            baselines.insert(backend.id.clone(), baseline);
        }
        Ok((decisions, baselines))
    }
}

/// What a reader must know of figures that were measured elsewhere.
fn whose(found: &Found) -> String {
    let base: String = found.base.chars().take(SHORT).collect();
    let head: String = found.pull_request.head.chars().take(SHORT).collect();
    if found.pull_request.fork {
        format!(
            "the figures come from the contributor's own run at {head}, whose code could have written anything in their place; they \
             were judged here, by the tolerances and baselines of the base revision {base}"
        )
    } else {
        format!("measured at {head}; judged by the tolerances and baselines of the base revision {base}")
    }
}

/// A path relative to the top of the repository, without `.` and `..`; nothing where it leads out of it.
fn within(folder: &str, path: &str) -> Option<String> {
    if path.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => _ = parts.pop()?,
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_within_the_repository() {
        for (folder, path, within_it) in [
            ("", "tollgate.yml", Some("tollgate.yml")),
            ("bench", "./baselines/", Some("bench/baselines")),
            ("bench/a", "../kept", Some("bench/kept")),
            ("bench", "../../out", None),
            ("", "/etc", None),
        ] {
            assert_eq!(within(folder, path).as_deref(), within_it, "{folder} {path}");
        }
    }
}
