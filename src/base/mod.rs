//! The base side of a run: from what the user named to samples and backends that can be measured.
//!
//! `git` finds revisions and checks them out, `build` makes engines, `cache` keeps them, `revision` puts these together.
//! Invariants: the user's working tree is not touched; whatever lies in temporary folders is gone with the [`Guard`]. What is
//! the same on both sides is none of its business: `plan` compares.

pub mod build;
pub mod cache;
pub mod git;
mod process;
mod revision;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use self::build::BuildError;
use self::cache::Cache;
use self::git::{Checkout, GitError, Repository};
use crate::config::{self, Config, ConfigError};
use crate::measure::cancel::Cancel;
use crate::model::results::{Base, BaseKind, PlannedPair};
use crate::model::sample::EngineSpec;
use crate::model::{BackendId, BackendSpec};

/// How the worker of `--base-worker` is called in specifications of backends.
const BASE_WORKER: &str = "base-worker";

/// What the head is to be compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// An executable that stands in for the built-in engine.
    Worker { path: PathBuf, args: Vec<String> },
    /// A revision of the repository that the configuration lies in. `extras` are samples that the command line names by path.
    Revision { name: String, extras: Vec<PathBuf> },
    /// The reference worker that the configuration names.
    Reference,
    /// The head, to see the noise.
    Itself,
}

/// What a base is resolved with.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// Of the head, with workers that are built looked up.
    pub config: &'a Config,
    /// Of the head; says which backends are needed.
    pub plan: &'a [PlannedPair],
    /// Where built engines are kept, if there is a place.
    pub cache: Option<&'a Cache>,
    pub cancel: &'a Cancel,
    /// Told what takes long.
    pub progress: &'a dyn Fn(&str),
}

impl std::fmt::Debug for Surroundings<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Surroundings").field("plan", &self.plan).field("cache", &self.cache).finish_non_exhaustive()
    }
}

/// A base that can be measured as long as its guard lives.
#[derive(Debug)]
pub struct Resolved {
    pub base: Base,
    /// The configuration of a revision, all of it; its paths are good as long as the guard lives.
    pub config: Option<Config>,
    /// What the user should know, one sentence each.
    pub warnings: Vec<String>,
    pub guard: Guard,
}

/// Holds what a base lies in; dropping it removes that.
#[derive(Debug, Default)]
pub struct Guard {
    _checkout: Option<Checkout>,
}

/// Why there is no base to compare with.
#[derive(Debug, thiserror::Error)]
pub enum BaseError {
    #[error("use --base-worker `{}`: it {why}", .path.display().to_string().escape_debug())]
    Worker { path: PathBuf, why: String },
    #[error(
        "compare with --base-worker: it stands in for the built-in engine, which no backend of this run uses; compare with \
         --base-ref, or select other backends"
    )]
    NoBuiltIn,
    #[error("use the reference worker: {0}")]
    Reference(ConfigError),
    #[error("use the engines that were built: {0}")]
    Built(ConfigError),
    #[error(
        "compare with the reference worker: the configuration has no `reference`; name one, or choose another base"
    )]
    NoReference,
    #[error(transparent)]
    Git(#[from] GitError),
    #[error(transparent)]
    Build(#[from] BuildError),
}

impl BaseError {
    /// Whether it is the user's wish to stop, and nobody's fault.
    #[must_use]
    pub fn is_interruption(&self) -> bool {
        matches!(self, Self::Git(GitError::Interrupted) | Self::Build(BuildError::Interrupted))
    }
}

/// Finds out early, before anything is built, what [`resolve`] would refuse for want of the thing itself.
///
/// # Errors
/// When there is no such executable, revision or reference worker, or the user wants to stop.
pub fn check(request: &Request, config: &Config, cancel: &Cancel) -> Result<(), BaseError> {
    match request {
        Request::Worker { path, .. } => base_worker(path).map(drop),
        Request::Revision { name, .. } => Ok(Repository::around(&config.root, cancel)?.commit(name).map(drop)?),
        Request::Reference => reference(config).map(drop),
        Request::Itself => Ok(()),
    }
}

/// Makes a base of what was asked for.
///
/// # Errors
/// When that is not to be had, a build fails, or the user wants to stop. A revision without a usable configuration is no error:
/// it has nothing to compare with.
pub fn resolve(request: &Request, surroundings: &Surroundings<'_>) -> Result<Resolved, BaseError> {
    let config = surroundings.config;
    match request {
        Request::Worker { path, args } => worker(path, args, surroundings),
        Request::Revision { name, extras } => revision::resolve(name, extras, surroundings),
        Request::Reference => {
            let engine = reference(config)?;
            let EngineSpec::Executable { sha256, .. } = &engine else { return Err(BaseError::NoReference) };
            let kind = BaseKind::Reference { sha256: sha256.clone() };
            Ok(plain(kind, config, with_engine(&config.backends, &engine, |_| true)))
        }
        Request::Itself => Ok(plain(BaseKind::Itself, config, config.backends.clone())),
    }
}

/// Runs the builds of the engines that the plan needs, and looks up the workers that they made.
///
/// # Errors
/// When a build fails or makes no worker, or the user wants to stop.
pub fn build_head(
    config: &mut Config,
    plan: &[PlannedPair],
    cancel: &Cancel,
    progress: &dyn Fn(&str),
) -> Result<(), BaseError> {
    let needed: BTreeSet<String> = engines_of(&config.backends, plan).map(str::to_owned).collect();
    for build in config.builds.iter().filter(|build| needed.contains(&build.engine)) {
        progress(&format!("building the engine `{}`: {}", build.engine, build::shown(&build.command)));
        build::run(build, &config.root, "here", cancel)?;
    }
    config.look_up_built(&needed.iter().map(String::as_str).collect()).map_err(BaseError::Built)
}

fn worker(path: &Path, args: &[String], surroundings: &Surroundings<'_>) -> Result<Resolved, BaseError> {
    let config = surroundings.config;
    let (found, sha256) = base_worker(path)?;
    let planned = planned(surroundings.plan);
    let is_built_in = |backend: &BackendSpec| backend.engine == EngineSpec::BuiltIn;
    if !config.backends.iter().any(|backend| planned.contains(&backend.id) && is_built_in(backend)) {
        return Err(BaseError::NoBuiltIn);
    }
    let kind = BaseKind::Worker { sha256: sha256.clone() };
    let engine = EngineSpec::Executable { name: BASE_WORKER.to_owned(), path: found, args: args.to_vec(), sha256 };
    Ok(plain(kind, config, with_engine(&config.backends, &engine, is_built_in)))
}

/// The canonical path and the checksum of a base worker.
fn base_worker(path: &Path) -> Result<(PathBuf, String), BaseError> {
    config::executable(path).map_err(|why| BaseError::Worker { path: path.to_owned(), why })
}

fn reference(config: &Config) -> Result<EngineSpec, BaseError> {
    config.reference_worker().map_err(BaseError::Reference)?.ok_or(BaseError::NoReference)
}

/// A base with the head's samples.
fn plain(kind: BaseKind, config: &Config, backends: Vec<BackendSpec>) -> Resolved {
    let base = Base { kind, samples: config.samples.clone(), backends };
    Resolved { base, config: None, warnings: Vec::new(), guard: Guard::default() }
}

/// The backends, those that `wanted` picks with another engine.
fn with_engine(
    backends: &[BackendSpec],
    engine: &EngineSpec,
    wanted: impl Fn(&BackendSpec) -> bool,
) -> Vec<BackendSpec> {
    let backend = |backend: &BackendSpec| {
        let engine = if wanted(backend) { engine } else { &backend.engine };
        BackendSpec { engine: engine.clone(), ..backend.clone() }
    };
    backends.iter().map(backend).collect()
}

/// The backends that a plan launches.
fn planned(plan: &[PlannedPair]) -> BTreeSet<&BackendId> {
    plan.iter().map(|pair| &pair.backend).collect()
}

/// The engines, by name, of those backends that a plan launches.
fn engines_of<'a>(backends: &'a [BackendSpec], plan: &[PlannedPair]) -> impl Iterator<Item = &'a str> {
    let planned: BTreeSet<BackendId> = plan.iter().map(|pair| pair.backend.clone()).collect();
    backends.iter().filter(move |backend| planned.contains(&backend.id)).filter_map(|backend| match &backend.engine {
        EngineSpec::Executable { name, .. } => Some(name.as_str()),
        EngineSpec::BuiltIn => None,
    })
}
