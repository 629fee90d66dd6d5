//! `tollgate post`: tell a saved run to the forge, then decide.
//!
//! Invariant: everything is told before the exit code, which is the verdict's; what could not be told is a warning.

use std::env;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::posting::{self, Told};
use super::setup::read;
use super::ui::Ui;
use crate::baseline::store;
use crate::cli::{CommentWhen, PostArgs};
use crate::config;
use crate::exit::Exit;
use crate::forge::context::{Context, ContextError, MOST_EVENT, Variables};
use crate::forge::output::{self, Annotation, Level, Position};
use crate::judge;
use crate::model::{BackendId, Results};
use crate::report::view::Row;

/// Runs the command.
///
/// # Errors
/// When the results cannot be read, or the report not be written.
pub fn run(args: &PostArgs, ui: &Ui) -> anyhow::Result<Exit> {
    let variables = variables();
    let results = match read(&args.results, ui) {
        Ok(results) => results,
        Err(error) => {
            could_not_run(&variables, &error, ui);
            return Err(error);
        }
    };
    let findings = judge::judge(&results);
    let mut told = Told::new(&results, &findings);
    let context = Context::new(&variables, || event(&variables));
    if let Ok(context) = &context {
        told.links = posting::run_link(context, context.run);
    }
    let folder = args.out.clone().unwrap_or_else(|| folder_of(&args.results));
    let (json, report) = posting::save(&told, &folder)?;
    job(&told, args, &variables, ui);
    let url = forge(&told, args, context, &variables, ui);
    let mut outputs = told.outputs();
    outputs.push(("report-json", json.display().to_string()));
    outputs.push(("report-markdown", report.display().to_string()));
    outputs.push(("comment-url", url.unwrap_or_default()));
    write_outputs(&variables, &outputs, ui);
    Ok(findings.outcome.into())
}

/// The variables whose text is Unicode; ours all are.
pub(super) fn variables() -> Variables {
    Variables::new(
        env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))),
    )
}

/// The event that the job runs for.
pub(super) fn event(variables: &Variables) -> Result<Vec<u8>, ContextError> {
    let path = variables.get("GITHUB_EVENT_PATH").ok_or(ContextError::Absent("GITHUB_EVENT_PATH"))?;
    let unreadable = |error: std::io::Error| ContextError::Event(format!("cannot be read ({})", error.kind()));
    let mut content = Vec::new();
    File::open(path).and_then(|file| file.take(MOST_EVENT + 1).read_to_end(&mut content)).map_err(unreadable)?;
    if content.len() as u64 > MOST_EVENT {
        return Err(ContextError::Event("is larger than any".to_owned()));
    }
    Ok(content)
}

fn folder_of(results: &Path) -> PathBuf {
    if results.is_dir() { results.to_owned() } else { results.parent().map(Path::to_owned).unwrap_or_default() }
}

/// That there is no verdict is told apart from every verdict.
fn could_not_run(variables: &Variables, error: &anyhow::Error, ui: &Ui) {
    write_outputs(variables, &[("result", "error".to_owned())], ui);
    if let Some(path) = variables.file("GITHUB_STEP_SUMMARY") {
        let text = "## ⚠️ Tollgate could not run\n\nThere are no results to judge; the log of the job says why.\n";
        warn_of(output::append(&path, text), "write the step summary", ui);
    }
    if variables.is_job() {
        let text = format!("no results to judge: {error:#}");
        let title = "Tollgate could not run".to_owned();
        let remark = Annotation { level: Level::Error, title, text, position: None };
        warn_of(ui.data(&remark.line()), "annotate", ui);
    }
}

/// What the runner reads: the log, the step summary, annotations.
fn job(told: &Told<'_>, args: &PostArgs, variables: &Variables, ui: &Ui) {
    let text = ui.text(&told.view, false);
    // Text of modules and workers stands in the report, escaped; the runner still is not to look for commands in it.
    let text = if variables.is_job() { output::inert(&text, rand::random()) } else { text };
    warn_of(ui.data(&text), "print the report", ui);
    summarise(told, variables, ui);
    if variables.is_job() {
        let lines = baseline_lines(args, variables, told.results);
        let remarks = told.annotations(&|row| lines.position(row));
        for line in output::annotations(&remarks) {
            warn_of(ui.data(&line), "annotate", ui);
        }
    }
}

/// The whole report, unless it is very long: half of what a step may have.
const MOST_SUMMARY: usize = 512 << 10;

/// Adds the report to the step's summary.
pub(super) fn summarise(told: &Told<'_>, variables: &Variables, ui: &Ui) {
    let Some(path) = variables.file("GITHUB_STEP_SUMMARY") else { return };
    let room = output::room_for_summary(&path);
    let summary = told.markdown(None, room.min(MOST_SUMMARY));
    if summary.len() <= room {
        warn_of(output::append(&path, &format!("{summary}\n")), "write the step summary", ui);
    } else {
        ui.warn("there is no room left in the step summary; give this command a step of its own");
    }
}

/// Comment and status. Gives the comment's address.
fn forge(
    told: &Told<'_>,
    args: &PostArgs,
    context: Result<Context, ContextError>,
    variables: &Variables,
    ui: &Ui,
) -> Option<String> {
    let wanted = args.comment != CommentWhen::False;
    if !wanted && !args.forge.status {
        return None;
    }
    if !variables.is_job() && args.comment == CommentWhen::Auto && !args.forge.status {
        // On somebody's own machine, whatever its variables say, nobody is told unless asked for.
        return None;
    }
    let context = match context {
        Ok(context) => context,
        Err(error) => {
            remark(variables, Level::Warning, &format!("told the forge nothing: {error}"), ui);
            return None;
        }
    };
    let pull = context.pull_request.as_ref();
    let fork = pull.is_some_and(|pull| pull.fork);
    let comments = match args.comment {
        CommentWhen::False => false,
        CommentWhen::Auto => pull.is_some() && !fork,
        CommentWhen::True => true,
    };
    if wanted && !comments && fork {
        let text = "no comment: the token of a pull request from a fork may only read; a second workflow with `tollgate publish` \
                    comments for it";
        remark(variables, Level::Notice, text, ui);
    }
    // A part of a run is no verdict on the whole; those who merge the parts tell it.
    if told.results.header.shard.is_some() {
        remark(
            variables,
            Level::Notice,
            "told the forge nothing: this is one shard of a run; post what `tollgate merge` makes",
            ui,
        );
        return None;
    }
    // The status of a fork's pull request is refused for the same reason.
    let status = args.forge.status && !fork;
    if !comments && !status {
        return None;
    }
    let opened =
        posting::token().and_then(|token| posting::client(&context.address, &token, args.forge.forge_deadline));
    let mut client = match opened {
        Ok(client) => client,
        Err(error) => {
            remark(variables, Level::Warning, &format!("told the forge nothing: {error:#}"), ui);
            return None;
        }
    };
    let mut url = None;
    if comments {
        match pull.map(|pull| told.comment(&mut client, &args.forge, &context.repository, context.run, pull)) {
            Some(Ok(posted)) => {
                ui.info(&posting::told(&posted));
                url = posted.url().map(str::to_owned);
            }
            Some(Err(error)) if error.status() == Some(403) => {
                remark(variables, Level::Notice, &format!("no comment: failed to {error}"), ui);
            }
            Some(Err(error)) => remark(variables, Level::Warning, &format!("no comment: failed to {error}"), ui),
            None => remark(variables, Level::Warning, "no comment: this job is about no pull request", ui),
        }
    }
    if status && let Some(commit) = context.status_commit() {
        let page = context.run_page(context.run);
        let set = told.status(&mut client, &args.forge.comment_key, &context.repository, commit, page.as_deref());
        if let Err(error) = set {
            remark(variables, Level::Warning, &format!("no commit status: failed to {error}"), ui);
        }
    }
    url
}

/// Tells the person what could not be told, and the runner too, which shows it beside the run.
pub(super) fn remark(variables: &Variables, level: Level, text: &str, ui: &Ui) {
    if variables.is_job() {
        let title = "Tollgate".to_owned();
        let line = Annotation { level, title, text: text.to_owned(), position: None }.line();
        warn_of(ui.data(&line), "annotate", ui);
    } else if level == Level::Notice {
        ui.info(text);
    } else {
        ui.warn(text);
    }
}

fn warn_of<E: std::fmt::Display>(done: Result<(), E>, what: &str, ui: &Ui) {
    if let Err(error) = done {
        ui.warn(&format!("failed to {what}: {error}"));
    }
}

pub(super) fn write_outputs(variables: &Variables, values: &[(&str, String)], ui: &Ui) {
    if let Some(path) = variables.file("GITHUB_OUTPUT") {
        let text = output::outputs(values, rand::random());
        let done = output::append(&path, &text).context("the outputs");
        warn_of(done, "write to GITHUB_OUTPUT", ui);
    }
}

/// The committed baselines as texts, to find the line of a cell in.
#[derive(Default)]
struct BaselineLines {
    /// Backend, path from the top of the repository, and content.
    files: Vec<(BackendId, String, String)>,
}

impl BaselineLines {
    fn position(&self, row: &Row) -> Option<Position> {
        let (_, file, text) = self.files.iter().find(|(backend, ..)| backend.as_str() == row.backend)?;
        let key = format!("{}/{}", row.sample, row.what.replace(' ', "/"));
        let line = crate::baseline::schema::line_of(text, &key)?;
        Some(Position { file: file.clone(), line })
    }
}

/// Reads what can be read; an annotation without a line is none the worse.
fn baseline_lines(args: &PostArgs, variables: &Variables, results: &Results) -> BaselineLines {
    let find = || {
        let top = variables.file("GITHUB_WORKSPACE")?.canonicalize().ok()?;
        let dir = match &args.places.baselines {
            Some(dir) => dir.clone(),
            None => {
                let file = config::discover(args.places.config.as_deref(), &env::current_dir().ok()?).ok()?;
                let decided = config::decisions(&std::fs::read_to_string(&file).ok()?, config::FILE_NAME).ok()?;
                file.parent()?.join(decided.baselines)
            }
        };
        let target = &results.header.machine.class.target;
        let files = results.header.backends.iter().filter_map(|backend| {
            let path = store::path_of(&dir, &backend.id, target).canonicalize().ok()?;
            let shown = path.strip_prefix(&top).ok()?.to_str()?.to_owned();
            let text = std::fs::read_to_string(&path).ok().filter(|text| text.len() as u64 <= store::MAX_FILE)?;
            Some((backend.id.clone(), shown, text))
        });
        Some(BaselineLines { files: files.collect() })
    };
    find().unwrap_or_default()
}
