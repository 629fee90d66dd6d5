//! The base that a revision of the repository is: its samples, its configuration, its engines built from its sources.
//!
//! Invariants: nothing of the head stands in for what the revision lacks; what it lacks has no base, and that is told. Engines
//! are run from beside the checkout, so that one that was built just now and one from the cache see the same.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::build::{self, BuildError};
use super::cache::{Cache, Origin};
use super::git::{Checkout, Repository};
use super::{BaseError, Guard, Resolved, Surroundings, engines_of};
use crate::config::{self, Build, Config, ConfigError};
use crate::model::results::{Base, BaseKind};
use crate::model::sample::EngineSpec;

/// Most that is told of what a revision lacks: the first ones show the pattern.
const TOLD: usize = 8;

/// Resolves a revision of the repository that the head's configuration lies in.
///
/// # Errors
/// When there is no such revision, it cannot be checked out, or an engine of it cannot be built.
pub fn resolve(name: &str, extras: &[PathBuf], surroundings: &Surroundings<'_>) -> Result<Resolved, BaseError> {
    let head = surroundings.config;
    let repository = Repository::around(&head.root, surroundings.cancel)?;
    let commit = repository.commit(name)?;
    let checkout = repository.check_out(&commit)?;
    let root = checkout.tree().join(&repository.prefix);
    let kind = BaseKind::Revision { name: name.to_owned(), commit: commit.clone() };
    let shown = format!("{} ({})", name.escape_debug(), &commit[..12]);

    let mut told = Told { name: &shown, warnings: Vec::new() };
    let Some(mut config) = configuration(head, &root, &mut told) else {
        let base = Base { kind, samples: Vec::new(), backends: Vec::new() };
        return Ok(Resolved { base, config: None, warnings: told.warnings, guard: Guard::default() });
    };
    adopt(&mut config, extras, &repository, &checkout, &mut told);
    let whole = config.clone();
    let engines = Engines { repository: &repository, checkout: &checkout, root: &root, commit: &commit, surroundings };
    engines.make(&mut config, &mut told)?;
    if !told.warnings.is_empty() && checkout.tree().join(".gitmodules").exists() {
        told.warnings.push("submodules are not checked out for the base; what lies in them has none".to_owned());
    }
    let base = Base { kind, samples: config.samples, backends: config.backends };
    Ok(Resolved { base, config: Some(whole), warnings: told.warnings, guard: Guard { _checkout: Some(checkout) } })
}

/// What the user is told of the revision.
struct Told<'a> {
    /// The revision, as shown.
    name: &'a str,
    warnings: Vec<String>,
}

impl Told<'_> {
    /// The revision has nothing to compare with.
    fn nothing(&mut self, why: &str) {
        let text = format!("{} has nothing to compare with, every sample is measured alone: {why}", self.name);
        self.warnings.push(text);
    }

    /// The revision lacks some of what its configuration names.
    fn left_out(&mut self, lines: &[String]) {
        for line in lines.iter().take(TOLD) {
            self.warnings.push(format!("not to be had in {}, so there is no base for it: {line}", self.name));
        }
        if lines.len() > TOLD {
            self.warnings.push(format!("{} more are not to be had in {}", lines.len() - TOLD, self.name));
        }
    }
}

/// The configuration as it was, at the place where the head's is. Without one that can be read there is nothing to compare with.
fn configuration(head: &Config, root: &Path, told: &mut Told<'_>) -> Option<Config> {
    let Some(name) = head.file.as_deref().and_then(Path::file_name) else {
        return Some(Config::without_file(root));
    };
    let file = root.join(name);
    if !file.is_file() {
        told.nothing(&format!("there is no {} in it", name.display().to_string().escape_debug()));
        return None;
    }
    match config::load_revision(&file) {
        Ok((config, left_out)) => {
            told.left_out(&left_out);
            Some(config)
        }
        Err(error) => {
            told.nothing(&format!("its configuration cannot be used: {error}"));
            None
        }
    }
}

/// Takes in what the command line names by path, where the revision has it too.
fn adopt(config: &mut Config, extras: &[PathBuf], repository: &Repository, checkout: &Checkout, told: &mut Told<'_>) {
    for extra in extras {
        let there = extra.canonicalize().ok().and_then(|path| {
            let inside = path.strip_prefix(&repository.top).ok()?;
            Some(checkout.tree().join(inside))
        });
        let Some(there) = there.filter(|path| path.exists()) else {
            told.left_out(&[format!("`{}`", extra.display().to_string().escape_debug())]);
            continue;
        };
        let adopted = |config: &mut Config| -> Result<(), ConfigError> {
            let (samples, _) = config::load_extra_samples(&[there], checkout.tree())?;
            config.adopt(samples).map(drop)
        };
        if let Err(error) = adopted(config) {
            told.left_out(&[error.to_string()]);
        }
    }
}

/// What the engines of a revision are made with.
struct Engines<'a> {
    repository: &'a Repository,
    checkout: &'a Checkout,
    /// The folder of the configuration, in the checkout.
    root: &'a Path,
    commit: &'a str,
    surroundings: &'a Surroundings<'a>,
}

impl Engines<'_> {
    /// Makes the engines that the plan needs and gives them to their backends; other backends that would have to be built are
    /// left out.
    fn make(&self, config: &mut Config, told: &mut Told<'_>) -> Result<(), BaseError> {
        let needed: BTreeSet<String> =
            engines_of(&config.backends, self.surroundings.plan).map(str::to_owned).collect();
        for build in config.builds.iter().filter(|build| needed.contains(&build.engine)) {
            if build.worker.is_absolute() {
                let worker = build.worker.display().to_string();
                told.left_out(&[format!(
                    "{}: the worker `{}` is not built below the checkout; name it by a relative path",
                    build.place,
                    worker.escape_debug()
                )]);
                continue;
            }
            let (path, sha256) = self.worker(build, told)?;
            config::set_worker(&mut config.backends, &build.engine, &path, &sha256);
        }
        config
            .backends
            .retain(|backend| !matches!(&backend.engine, EngineSpec::Executable { sha256, .. } if sha256.is_empty()));
        Ok(())
    }

    /// The worker of an engine, from the cache or built, in a folder of its own, and its checksum.
    fn worker(&self, build: &Build, told: &mut Told<'_>) -> Result<(PathBuf, String), BaseError> {
        let failed = |why: String| self.no_worker(build, why);
        let folder = self.checkout.beside().join("engines").join(&build.engine);
        let place = || fs::create_dir_all(&folder);
        place().map_err(|error| failed(format!("cannot be put aside: {error}; free some space")))?;
        let name = build.worker.file_name().ok_or_else(|| failed("has no name; name a file".to_owned()))?;
        let copy = folder.join(name);

        let tree = self.repository.tree(self.commit)?;
        let origin = Origin { tree: &tree, prefix: &self.repository.prefix, build };
        if !self.surroundings.cache.is_some_and(|cache| cache.take(&origin, &copy)) {
            let built = self.build(build)?;
            fs::copy(&built, &copy)
                .map_err(|error| failed(format!("cannot be put aside: {error}; free some space")))?;
            let (_, sha256) = config::executable(&copy).map_err(failed)?;
            keep(self.surroundings.cache, &origin, &copy, &sha256, told);
        }
        config::executable(&copy).map_err(|why| self.no_worker(build, why).into())
    }

    /// Builds an engine in the checkout.
    fn build(&self, build: &Build) -> Result<PathBuf, BaseError> {
        let commit = &self.commit[..12];
        let command = build::shown(&build.command);
        (self.surroundings.progress)(&format!("building the engine `{}` of {commit}: {command}", build.engine));
        build::run(build, self.root, &format!("of {commit}"), self.surroundings.cancel)?;
        let (built, _) =
            config::executable(&self.root.join(&build.worker)).map_err(|why| self.no_worker(build, why))?;
        // Through a link it may have been made outside, where the head's lies.
        if !built.starts_with(self.checkout.tree()) {
            let why = "lies outside of the checkout; build it in a folder of the repository".to_owned();
            return Err(self.no_worker(build, why).into());
        }
        Ok(built)
    }

    fn no_worker(&self, build: &Build, why: String) -> BuildError {
        BuildError::NoWorker {
            engine: build.engine.clone(),
            place: format!("of {}", &self.commit[..12]),
            worker: build.worker.clone(),
            why,
        }
    }
}

/// Keeps a worker for the next run. Where that fails, the next run builds it again.
fn keep(cache: Option<&Cache>, origin: &Origin<'_>, worker: &Path, sha256: &str, told: &mut Told<'_>) {
    let engine = &origin.build.engine;
    let Some(cache) = cache else {
        let text = format!("nowhere to keep the engine `{engine}` of the base; set TOLLGATE_CACHE_DIR to a folder");
        told.warnings.push(text);
        return;
    };
    if let Err(error) = cache.put(origin, worker, sha256) {
        told.warnings.push(format!(
            "the engine `{engine}` of the base is not kept for the next run: {error}; set TOLLGATE_CACHE_DIR to a folder that \
             can be written"
        ));
    }
}
