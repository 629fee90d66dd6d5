//! What several commands start with: the configuration, the filters, the plan and the baselines of a run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::ui::Ui;
use crate::baseline::store;
use crate::cli::{Filters, Places, ShardArg};
use crate::config::{self, Config};
use crate::measure::journal;
use crate::model::machine::Target;
use crate::model::results::PlannedPair;
use crate::model::sample::EngineSpec;
use crate::model::shard::Shard;
use crate::model::{BackendId, BackendSpec, Baseline, Results};
use crate::plan::{self, Selection, shards};

/// A configuration with the filters applied.
#[derive(Debug)]
pub struct Setup {
    pub config: Config,
    pub selection: Selection,
    pub plan: Vec<PlannedPair>,
    /// Which part of a larger plan `plan` is, if it is one.
    pub shard: Option<Shard>,
    /// Absolute paths of samples that the command line names by path.
    pub extras: Vec<PathBuf>,
    pub baselines_dir: PathBuf,
}

/// Reads the configuration, applies the filters and makes the plan.
///
/// # Errors
/// When the configuration is missing or wrong, a filter matches nothing, or this build lacks a compiler.
pub fn setup(places: &Places, filters: &Filters, ui: &Ui) -> anyhow::Result<Setup> {
    let cwd = std::env::current_dir().context("failed to find the current folder")?;
    let mut config = match config::discover(places.config.as_deref(), &cwd) {
        Ok(file) => config::load(&file)?,
        // Paths on the command line are enough for a run; the defaults hold for the rest.
        Err(_) if places.config.is_none() && filters.samples.iter().any(|filter| cwd.join(filter).exists()) => {
            Config::without_file(&cwd)
        }
        Err(error) => return Err(error.into()),
    };
    for warning in &config.warnings {
        ui.warn(warning);
    }
    let (samples, extras) = add_paths(&filters.samples, &cwd, &mut config, ui)?;
    let selection = Selection { samples, backends: filters.backends.clone(), stages: filters.stages.clone() };
    let plan = plan::pairs(&config.samples, &config.backends, &selection, filters.tier.into())?;
    check_compilers(&config.backends, &plan)?;
    let baselines_dir = places.baselines.clone().unwrap_or_else(|| config.baselines.clone());
    warn_of_strays(&baselines_dir, &config.backends, ui);
    Ok(Setup { config, selection, plan, shard: None, extras, baselines_dir })
}

impl Setup {
    /// Leaves of the plan what belongs to a shard.
    ///
    /// # Errors
    /// When a baseline cannot be used, or the plan has too few samples.
    pub fn take_shard(&mut self, shard: Option<ShardArg>) -> anyhow::Result<()> {
        let Some(ShardArg { number, of }) = shard else { return Ok(()) };
        let baselines = baselines(&self.baselines_dir, &self.config.backends)?;
        let parts = shards::split(&self.plan, &baselines, of).map_err(|error| anyhow::anyhow!("failed to {error}"))?;
        let shard = Shard { number, parts };
        self.plan = shard.own().to_vec();
        self.shard = Some(shard);
        Ok(())
    }
}

/// Says which baselines no backend of the configuration reads any more: a renamed backend would start anew in silence.
fn warn_of_strays(dir: &Path, backends: &[BackendSpec], ui: &Ui) {
    let target = Target::host();
    let known: BTreeSet<PathBuf> = backends.iter().map(|backend| store::path_of(dir, &backend.id, &target)).collect();
    let Some(folder) = known.first().and_then(|path| path.parent()) else { return };
    // A folder that cannot be read is no error here: it may not be there yet, and reading a baseline says what is wrong.
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let strays: BTreeSet<PathBuf> = files
        .filter(|path| path.extension().is_some_and(|extension| extension == "yml") && !is_hidden(path))
        .filter(|path| !known.contains(path))
        .collect();
    for stray in strays {
        let shown = stray.display().to_string();
        ui.warn(&format!("no backend of the configuration reads {}; remove it or rename it", shown.escape_debug()));
    }
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'))
}

/// Adds the samples that `--sample` names by path, and returns the filters as ids and globs, and the paths.
fn add_paths(
    filters: &[String],
    cwd: &Path,
    config: &mut Config,
    ui: &Ui,
) -> anyhow::Result<(Vec<String>, Vec<PathBuf>)> {
    let mut globs = Vec::new();
    let mut paths = Vec::new();
    for filter in filters {
        let path = cwd.join(filter);
        if config.samples.iter().any(|sample| sample.id.as_str() == filter) || !path.exists() {
            globs.push(filter.clone());
            continue;
        }
        let (extras, warnings) = config::load_extra_samples(std::slice::from_ref(&path), cwd)?;
        paths.push(path);
        for warning in &warnings {
            ui.warn(warning);
        }
        globs.extend(config.adopt(extras)?.iter().map(|id| globset::escape(id.as_str())));
    }
    Ok((globs, paths))
}

/// A build without a compiler must not report its cells as unsupported: the user chose the build.
fn check_compilers(backends: &[BackendSpec], plan: &[PlannedPair]) -> anyhow::Result<()> {
    let built = crate::engine::compilers();
    for backend in backends {
        let planned = plan.iter().any(|pair| pair.backend == backend.id);
        if planned && backend.engine == EngineSpec::BuiltIn && !built.contains(&backend.compiler.as_str()) {
            anyhow::bail!(
                "this build of Tollgate has no `{}`, which the backend `{}` needs (it has {}); build with \
                 `--features {}`, or leave the backend out with --backend",
                backend.compiler,
                backend.id,
                built.join(", "),
                backend.compiler,
            );
        }
    }
    Ok(())
}

/// Reads the baselines of the backends; one without a file is absent from the map.
///
/// # Errors
/// When a file is there and cannot be used.
pub fn baselines(dir: &Path, backends: &[BackendSpec]) -> anyhow::Result<BTreeMap<BackendId, Baseline>> {
    let target = Target::host();
    let mut baselines = BTreeMap::new();
    for backend in backends {
        let found = store::read(dir, &backend.id, &target).map_err(|error| anyhow::anyhow!("failed to {error}"))?;
        if let Some(baseline) = found {
            baselines.insert(backend.id.clone(), baseline);
        }
    }
    Ok(baselines)
}

/// Reads the results of an earlier run, and passes on what the reader of them noticed.
///
/// # Errors
/// When there is nothing to read, or it is malformed or of another version.
pub fn read(path: &Path, ui: &Ui) -> anyhow::Result<Results> {
    let loaded = journal::read(path).context("failed to read the results of a run")?;
    for warning in &loaded.warnings {
        ui.warn(warning);
    }
    Ok(loaded.results)
}
