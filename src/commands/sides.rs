//! The two sides of a run before the first launch: the head's engines built, the base resolved, the pairs compared.

use std::env;
use std::path::PathBuf;

use anyhow::Context as _;

use super::loosening;
use super::setup::Setup;
use super::ui::{Ui, counted};
use crate::base::cache::{self, Cache};
use crate::base::{self, BaseError, Guard, Request, Resolved, Surroundings};
use crate::cli::BaseArgs;
use crate::config;
use crate::measure::cancel::Cancel;
use crate::measure::launch::Interrupted;
use crate::measure::spawn;
use crate::model::loosening::Loosening;
use crate::model::results::{Base, BaseKind, Comparison};
use crate::model::sample::EngineSpec;
use crate::plan::comparison::{self, Sides};

/// The revision to compare with, where the command line names no base.
const BASE_REF: &str = "TOLLGATE_BASE_REF";

/// Builds what the plan needs, and sets how its pairs stand to the base that was asked for.
///
/// # Errors
/// When a build fails or the base is not to be had.
pub fn prepare(
    args: &BaseArgs,
    measure_same: bool,
    setup: &mut Setup,
    cancel: &Cancel,
    ui: &Ui,
) -> anyhow::Result<Prepared> {
    let request = request(args, setup)?;
    if let Some(request) = &request {
        // A build may take minutes; what is misspelt is told before it.
        base::check(request, &setup.config, cancel).map_err(failed)?;
    }
    build_head(setup, cancel, ui)?;
    let Some(request) = request else {
        if args.measure_same {
            ui.warn(
                "--measure-same measures nothing more: there is no base; give one with --base-ref or --base-worker",
            );
        }
        return Ok(Prepared::default());
    };
    let cache = cache::folder(|name| env::var_os(name)).map(|folder| Cache::in_folder(&folder));
    let progress = |text: &str| ui.info(text);
    let surroundings =
        Surroundings { config: &setup.config, plan: &setup.plan, cache: cache.as_ref(), cancel, progress: &progress };
    let Resolved { base, config, warnings, guard } = base::resolve(&request, &surroundings).map_err(failed)?;
    for warning in &warnings {
        ui.warn(warning);
    }
    compare(setup, &base, measure_same);
    let mut loosening = None;
    if let Some(config) = &config {
        let compared = loosening::compare(setup, config, ui)?;
        comparison::mark_edited(&mut setup.plan, &compared.edited);
        loosening = Some(compared.loosening);
    }
    ui.info(&told(setup, &base));
    Ok(Prepared { base: Some(base), loosening, guard })
}

/// The other side of a run.
#[derive(Debug, Default)]
pub struct Prepared {
    pub base: Option<Base>,
    /// What the head loosens, where the base is a revision with a configuration.
    pub loosening: Option<Loosening>,
    /// The base may be measured as long as it lives.
    pub guard: Guard,
}

/// Builds the engines that the plan needs.
///
/// # Errors
/// When a build fails, or makes no worker.
pub fn build_head(setup: &mut Setup, cancel: &Cancel, ui: &Ui) -> anyhow::Result<()> {
    base::build_head(&mut setup.config, &setup.plan, cancel, &|text| ui.info(text)).map_err(failed)
}

/// Whether an error of this module is the user's wish to stop.
pub fn is_interruption(error: &anyhow::Error) -> bool {
    error.is::<Interrupted>()
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that `map_err` wants")]
fn failed(error: BaseError) -> anyhow::Error {
    if error.is_interruption() { Interrupted.into() } else { anyhow::anyhow!("failed to {error}") }
}

/// The base that is asked for: by the command line, else by the environment, else by the configuration.
fn request(args: &BaseArgs, setup: &Setup) -> anyhow::Result<Option<Request>> {
    if args.no_base {
        return Ok(None);
    }
    if let Some(path) = &args.base_worker {
        let given = (!args.base_worker_arg.is_empty()).then(|| args.base_worker_arg.clone());
        let worker_args = given.unwrap_or_else(|| config::WORKER_ARGS.map(str::to_owned).to_vec());
        return Ok(Some(Request::Worker { path: path.clone(), args: worker_args }));
    }
    if let Some(name) = args.base_ref.clone().map_or_else(from_environment, |name| Ok(Some(name)))? {
        return Ok(Some(Request::Revision { name, extras: setup.extras.clone() }));
    }
    Ok(setup.config.reference.is_some().then_some(Request::Reference))
}

/// A variable that is empty is one that a job did not set.
fn from_environment() -> anyhow::Result<Option<String>> {
    let Some(name) = env::var_os(BASE_REF).filter(|name| !name.is_empty()) else {
        return Ok(None);
    };
    let name = name
        .into_string()
        .ok()
        .with_context(|| format!("{BASE_REF} is not UTF-8; name a branch, a tag or a commit"))?;
    Ok(Some(name))
}

fn compare(setup: &mut Setup, base: &Base, measure_same: bool) {
    let backends = setup.config.backends.iter().chain(&base.backends);
    let any_executable = backends.into_iter().any(|backend| backend.engine != EngineSpec::BuiltIn);
    // Only beside another executable is it of interest what this one is; where it cannot be read, nothing is the same as it.
    let own =
        any_executable.then(|| spawn::own_executable().ok().and_then(|path| config::executable(&path).ok())).flatten();
    let sides = Sides {
        samples: &setup.config.samples,
        backends: &setup.config.backends,
        base,
        own_sha256: own.as_ref().map(|(_, sha256): &(PathBuf, String)| sha256.as_str()),
    };
    comparison::compare(&mut setup.plan, &sides, measure_same);
}

/// What the head is compared with, and how much of the plan that is.
fn told(setup: &Setup, base: &Base) -> String {
    let name = match &base.kind {
        BaseKind::Worker { .. } => "the base worker".to_owned(),
        BaseKind::Revision { name, commit } => format!("{} ({})", name.escape_debug(), &commit[..commit.len().min(12)]),
        BaseKind::Reference { .. } => "the reference worker".to_owned(),
        BaseKind::Itself => "the head itself".to_owned(),
    };
    let count = |comparison| setup.plan.iter().filter(|pair| pair.comparison == comparison).count();
    let (paired, same, alone) = (count(Comparison::Paired), count(Comparison::Same), count(Comparison::Alone));
    let mut parts =
        vec![format!("{} of sample and backend to measure on both sides", counted(paired, "pair", "pairs"))];
    if same > 0 {
        parts.push(format!("{same} the same on both sides"));
    }
    match count(Comparison::Edited) {
        0 => {}
        edited => parts.push(format!("{edited} the same but held to something else, to measure here")),
    }
    if alone > 0 {
        parts.push(format!("{alone} without a base"));
    }
    format!("base: {name}: {}", parts.join(", "))
}
