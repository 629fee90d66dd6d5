//! `tollgate publish`: comment on a pull request, such as one from a fork, from the artifact of its measuring run.
//!
//! Invariants: which pull request it is comes from the forge alone; the artifact gives figures and nothing else; what they are held
//! to is what the base revision says, read from the forge; the text is rendered here. Nothing is checked out and nothing of the
//! pull request is run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::loosening;
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
use crate::judge::loosening::Rules;
use crate::model::machine::Target;
use crate::model::{BackendId, Results};

/// Largest configuration or workflow that is read, in bytes.
const MOST_TEXT: u64 = 1 << 20;
/// Most backends of which baselines are fetched.
const MOST_BACKENDS: usize = 64;
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
        if self.args.workflow.is_none() && self.at(workflow, &found.base, MOST_TEXT)?.is_none() {
            return Ok(Err(Nothing::OtherWorkflow(workflow.clone())));
        }
        Ok(Ok(found))
    }

    /// A file at a commit; nothing where it has none.
    fn at(&mut self, path: &str, commit: &str, most: u64) -> anyhow::Result<Option<String>> {
        contents::text(&mut self.client, &self.context.repository, path, commit, most).map_err(failed)
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
        let places = self.places()?;
        let backends: BTreeSet<BackendId> = results.header.backends.iter().map(|backend| backend.id.clone()).collect();
        let target = results.header.machine.class.target.clone();
        let base = match self.rules(&places, &found.base, &backends, &target)? {
            Some(rules) => rules,
            None => {
                let path = &places.config;
                remarks.push(format!(
                    "the base revision has no {path}: the built-in tolerances hold, and there is no baseline"
                ));
                rules_of(&Decisions::default())
            }
        };
        let header = &mut results.header;
        // What the artifact says of it is its own claim.
        header.loosening = None;
        match self.proposed(&places, found, &backends, &target) {
            Ok(Some(head)) => header.loosening = Some(loosening::between(&base, &head)),
            Ok(None) => {}
            Err(error) => remarks.push(format!("what the pull request loosens is not known: {error:#}")),
        }
        header.settings.thresholds = base.thresholds;
        header.settings.fail_on = base.fail_on;
        header.settings.layout_allowances = base.layout_allowances;
        header.baselines = base.baselines;
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

    /// Where the rules lie in the repository.
    fn places(&self) -> anyhow::Result<Places> {
        let config = within("", &self.args.config).ok_or_else(|| {
            anyhow::anyhow!("--config is no path within the repository: give one such as tollgate.yml")
        })?;
        Ok(Places { config, baselines: self.args.baselines.clone() })
    }

    /// The rules of what the pull request proposes; nothing where the forge does not show it, or it has no configuration.
    fn proposed(
        &mut self,
        places: &Places,
        found: &Found,
        backends: &BTreeSet<BackendId>,
        target: &Target,
    ) -> anyhow::Result<Option<Rules>> {
        // The head alone may lack what the base has tightened since; what is merged has both.
        for commit in found.merged.iter().chain([&found.pull_request.head]) {
            if let Some(rules) = self.rules(places, commit, backends, target)? {
                return Ok(Some(rules));
            }
        }
        Ok(None)
    }

    /// Tolerances and baselines at a commit; nothing where it has no configuration.
    fn rules(
        &mut self,
        places: &Places,
        commit: &str,
        backends: &BTreeSet<BackendId>,
        target: &Target,
    ) -> anyhow::Result<Option<Rules>> {
        let Some(text) = self.at(&places.config, commit, MOST_TEXT)? else { return Ok(None) };
        let decided = config::decisions(&text, &places.config)?;
        let dir = places.baselines(&decided.baselines)?;
        let mut rules = rules_of(&decided);
        let all: BTreeSet<&BackendId> = backends.iter().chain(&decided.backends).take(MOST_BACKENDS).collect();
        for backend in all {
            let path = store::path_of(Path::new(&dir), backend, target);
            let Some(path) = path.to_str() else { continue };
            let Some(text) = self.at(path, commit, store::MAX_FILE)? else { continue };
            let baseline = schema::parse(&text, Some((backend, target))).map_err(|problems| {
                let error = BaselineError::Invalid { path: path.into(), problems };
                anyhow::anyhow!("failed to {error} (at {commit})")
            })?;
            rules.baselines.insert(backend.clone(), baseline);
        }
        Ok(Some(rules))
    }
}

/// Paths within the repository.
struct Places {
    config: String,
    /// As given, in place of what the configuration says.
    baselines: Option<String>,
}

impl Places {
    /// The folder of the baselines, where the configuration writes `written`.
    fn baselines(&self, written: &str) -> anyhow::Result<String> {
        let folder = self.config.rsplit_once('/').map_or("", |(folder, _)| folder);
        let dir = match &self.baselines {
            Some(dir) => within("", dir),
            None => within(folder, written),
        };
        dir.ok_or_else(|| {
            anyhow::anyhow!(
                "the baselines lie outside the repository, where the forge has none; name them with --baselines"
            )
        })
    }
}

/// The rules of a configuration, before its baselines are read.
fn rules_of(decided: &Decisions) -> Rules {
    Rules {
        thresholds: decided.thresholds.clone(),
        layout_allowances: decided.layout_allowances.clone(),
        limits: decided.limits,
        fail_on: decided.fail_on.clone(),
        samples: None,
        backends: decided.backends.clone(),
        baselines: BTreeMap::new(),
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
