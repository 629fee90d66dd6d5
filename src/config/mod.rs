//! The configuration: a file and what it names, resolved to samples, backends and thresholds.
//!
//! `raw` mirrors the file as a tree with positions, `reader` takes keys out of it, the section modules give them meaning.
//! Invariants: every problem is reported, each with its place and remedy; what comes out needs no further checking and does
//! not depend on this build's features or on the working directory. It measures nothing and writes nothing.

mod backends;
mod decisions;
mod engines;
mod find;
pub mod init;
mod module;
mod problem;
mod quantity;
mod raw;
mod reader;
mod run;
mod samples;
mod settings;
mod slug;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::model::sample::BackendSpec;
use crate::model::settings::{FailOn, Limits, ThresholdRule};
use crate::model::{Sample, SampleId, Stage};

pub use backends::COMPILERS;
pub use decisions::{Decisions, decisions};
pub use engines::{Build, Reference, WORKER_ARGS, executable, set_worker};
pub use module::ExportedFunction;
pub use problem::{ConfigError, Place, Problem, escaped};
pub use settings::fail_on_list;
pub use slug::slugify;

use problem::{Problems, shown};
use reader::Keys;
use samples::Collector;

/// The name of the configuration file.
pub const FILE_NAME: &str = "tollgate.yml";
/// The version of the file format that is read.
pub const VERSION: u32 = 1;
/// The folder of baselines, beside the configuration, unless it says otherwise.
const BASELINES: &str = "baselines";

const KEYS: &[&str] = &[
    "version",
    "samples",
    "engines",
    "backends",
    "reference",
    "thresholds",
    "layout-allowance",
    "limits",
    "fail-on",
    "baselines",
];

/// A configuration, complete and checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Absolute path of the file; absent where there is none and everything is as by default.
    pub file: Option<PathBuf>,
    /// Absolute folder that paths are relative to; of a loaded configuration without symbolic links.
    pub root: PathBuf,
    /// Sorted by id, which is unique.
    pub samples: Vec<Sample>,
    /// In the order of the file; ids are unique; at least one.
    pub backends: Vec<BackendSpec>,
    /// Builds of engines, in the order of the file. Until [`Config::look_up_built`], their workers have no checksum.
    pub builds: Vec<Build>,
    /// The pinned worker that committed times are ratios to; [`Config::reference_worker`] checks it.
    pub reference: Option<Reference>,
    /// The built-in rules, then the file's in order: the last one that matches a cell holds. Every cell has one.
    pub thresholds: Vec<ThresholdRule>,
    pub limits: Limits,
    pub fail_on: BTreeSet<FailOn>,
    /// By how much merely relinking an engine moves the time of a stage, as a fraction.
    pub layout_allowances: BTreeMap<Stage, f64>,
    /// Absolute; need not exist.
    pub baselines: PathBuf,
    /// What is accepted and probably not meant, one line each, with its place.
    pub warnings: Vec<String>,
}

impl Config {
    /// The defaults, for work without a file: no samples yet, all three compilers.
    #[must_use]
    pub fn without_file(root: &Path) -> Self {
        let root = absolute(root);
        Self {
            file: None,
            samples: Vec::new(),
            backends: backends::defaults(std::env::consts::ARCH),
            builds: Vec::new(),
            reference: None,
            thresholds: settings::default_thresholds(),
            limits: settings::default_limits(),
            fail_on: settings::default_fail_on(),
            layout_allowances: settings::default_layout_allowances(),
            baselines: root.join(BASELINES),
            warnings: Vec::new(),
            root,
        }
    }

    /// The file as shown to the user.
    fn name(&self) -> String {
        self.file.as_deref().map_or_else(String::new, |file| shown(file, &self.root))
    }

    /// Takes samples from the command line in, and returns their ids. One that is configured already is the configured one.
    ///
    /// # Errors
    /// When an id is taken by a sample with another module or another way to run.
    pub fn adopt(&mut self, extra: Vec<Sample>) -> Result<Vec<SampleId>, ConfigError> {
        let mut problems = Problems::default();
        let place = Place::whole(&"--sample".into());
        let mut ids = Vec::new();
        for sample in extra {
            ids.push(sample.id.clone());
            match self.samples.binary_search_by(|known| known.id.cmp(&sample.id)) {
                Err(index) => self.samples.insert(index, sample),
                Ok(index) if self.samples[index].module == sample.module => {}
                Ok(index) => {
                    let message = format!(
                        "the id `{}` of {} is taken by the configured sample {}; rename the file, or configure it with an \
                         `id:` of its own",
                        sample.id,
                        shown(&sample.module, &self.root),
                        shown(&self.samples[index].module, &self.root)
                    );
                    problems.error(&place, message);
                }
            }
        }
        problems.finish("--sample").map(|_| ids)
    }
}

/// Finds the configuration file: the one named, else `tollgate.yml` in `cwd` or the nearest folder above it.
///
/// # Errors
/// When there is none; the error says how to write or name one.
pub fn discover(explicit: Option<&Path>, cwd: &Path) -> Result<PathBuf, ConfigError> {
    let cwd = absolute(cwd);
    let Some(explicit) = explicit else {
        let found = cwd.ancestors().map(|folder| folder.join(FILE_NAME)).find(|file| file.is_file());
        return found.ok_or(ConfigError::NotFound(cwd));
    };
    let path = cwd.join(explicit);
    let file = if path.is_dir() { path.join(FILE_NAME) } else { path };
    match file.metadata() {
        Ok(_) => Ok(file),
        Err(error) => Err(ConfigError::Unreadable { path: file, reason: module::unreadable(&error) }),
    }
}

/// Reads the configuration at `path` and everything it names.
///
/// # Errors
/// When the file cannot be read, or with every problem found in it and in the files it names.
pub fn load(path: &Path) -> Result<Config, ConfigError> {
    load_for(path, std::env::consts::ARCH)
}

/// Reads the configuration at `path` as it was at some revision. Samples and engines with files that were never committed are
/// left out; the second part says which, one line each.
///
/// # Errors
/// As [`load`], but for files that the configuration names and that are not there.
pub fn load_revision(path: &Path) -> Result<(Config, Vec<String>), ConfigError> {
    let mut problems = Problems::of_revision();
    let mut config = load_into(path, std::env::consts::ARCH, &mut problems)?;
    let left_out = problems.take_left_out();
    config.warnings = problems.finish(&config.name())?;
    Ok((config, left_out))
}

/// [`load`] for the architecture `arch`, which decides which CPU features there are.
fn load_for(path: &Path, arch: &str) -> Result<Config, ConfigError> {
    let mut problems = Problems::default();
    let mut config = load_into(path, arch, &mut problems)?;
    config.warnings = problems.finish(&config.name())?;
    Ok(config)
}

/// Reads the configuration at `path`, without a look at the problems.
fn load_into(path: &Path, arch: &str, problems: &mut Problems) -> Result<Config, ConfigError> {
    let text = samples::read(path).map_err(|reason| ConfigError::Unreadable { path: path.to_owned(), reason })?;
    let file = canonical_folder(path);
    let root = file.parent().unwrap_or(&file).to_owned();
    let name: Arc<str> = shown(&file, &root).into();
    let mut config = Config::without_file(&root);
    if let Some(keys) = top(&text, &name, problems) {
        read(keys, &mut config, arch, problems);
    }
    config.file = Some(file);
    Ok(config)
}

/// The file's mapping.
fn top(text: &str, name: &Arc<str>, problems: &mut Problems) -> Option<Keys> {
    let node = match raw::parse(text, name) {
        Ok(node) => node,
        Err((place, message)) => {
            problems.error(&place, message);
            return None;
        }
    };
    if matches!(node.value, raw::Value::Nothing) {
        problems.error(&node.place, "the file is empty; delete it and run `tollgate init` to write one");
        return None;
    }
    Keys::new(node, "the configuration", KEYS, problems)
}

/// Gives every section its meaning.
fn read(mut keys: Keys, config: &mut Config, arch: &str, problems: &mut Problems) {
    let place = keys.place.clone();
    if !keys.has("version") {
        problems.error(&place, format!("no `version`; begin the file with `version: {VERSION}`"));
    }
    keys.parsed("version", version, problems);
    match keys.take("samples") {
        Some((place, node)) => {
            let mut collector = Collector::new(&config.root, problems);
            collector.section(&place, node);
            config.samples = collector.finish();
        }
        None => problems.error(&place, "no `samples`; list at least one: a sample file, a module, a folder or a glob"),
    }
    let node = keys.take("engines").map(|(_, node)| node);
    let (mut engines, builds) = engines::read(node, &config.root, problems);
    config.builds = builds;
    config.backends = backends::read(&mut engines, keys.take("backends"), arch, problems);
    engines::warn_of_unused(&engines, problems);
    config.reference = keys.take("reference").and_then(|(_, node)| engines::reference(node, &config.root, problems));
    let rules = keys.take("thresholds").map(|(_, node)| node);
    config.thresholds = settings::thresholds(rules, &config.samples, &config.backends, problems);
    config.layout_allowances =
        settings::layout_allowances(keys.take("layout-allowance").map(|(_, node)| node), problems);
    config.limits = settings::limits(keys.take("limits").map(|(_, node)| node), problems);
    config.fail_on = settings::fail_on(keys.take("fail-on").map(|(_, node)| node), problems);
    if let Some((place, folder)) = keys.text("baselines", problems) {
        config.baselines = config.root.join(&folder);
        if folder.is_empty() || config.baselines.is_file() {
            let message = format!("`baselines` is `{}`, which is no folder; name one", escaped(&folder));
            problems.error(&place, message);
        }
    }
    keys.finish(problems);
}

fn version(text: &str) -> Result<(), String> {
    match text.parse::<u32>() {
        Ok(VERSION) => Ok(()),
        Ok(newer) if newer > VERSION => {
            Err(format!("version {newer} is newer than this Tollgate, which reads version {VERSION}; update Tollgate"))
        }
        _ => Err(format!("`{}` is no version of this file; write `version: {VERSION}`", escaped(text))),
    }
}

/// Reads samples named on the command line (sample files, modules, folders with one), relative to `cwd`. The second part
/// holds warnings.
///
/// # Errors
/// With every problem found in the files.
pub fn load_extra_samples(paths: &[PathBuf], cwd: &Path) -> Result<(Vec<Sample>, Vec<String>), ConfigError> {
    let cwd = absolute(cwd);
    let cwd = cwd.canonicalize().unwrap_or(cwd);
    let mut problems = Problems::default();
    let mut collector = Collector::new(&cwd, &mut problems);
    for path in paths {
        let path = cwd.join(path);
        let place = Place::whole(&format!("--sample {}", shown(&path, &cwd)).into());
        collector.argument(&path, &place);
    }
    let samples = collector.finish();
    Ok((samples, problems.finish("--sample")?))
}

/// An absolute path without touching the disk; a working directory that is gone leaves it as it was.
fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// The same file by an absolute path whose folder has no symbolic links in it, so that paths below it can be told apart and
/// shown as relative. The file itself may be a link: what it names is relative to where the link stands.
fn canonical_folder(path: &Path) -> PathBuf {
    let path = absolute(path);
    match (path.parent().and_then(|folder| folder.canonicalize().ok()), path.file_name()) {
        (Some(folder), Some(name)) => folder.join(name),
        _ => path,
    }
}
