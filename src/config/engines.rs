//! The `engines` section and `reference`: executables that speak the worker protocol, where they lie and how they are built.
//!
//! Invariant: nothing is built here. A worker that a `build` makes is looked up after the build, by [`Config::look_up_built`];
//! until then its checksum is empty, so that what an earlier build left behind is taken for nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::model::sample::EngineSpec;
use crate::model::{BackendId, BackendSpec};

use super::module::{sha256, unreadable};
use super::problem::{Place, Problems, escaped, shown};
use super::raw::{Entry, Node, Value};
use super::reader::Keys;
use super::{Config, ConfigError};

pub(super) const ENGINE_KEYS: &[&str] = &["worker", "args", "build"];
pub(super) const REFERENCE_KEYS: &[&str] = &["worker", "args", "sha256"];

/// What a worker is started with unless somebody says otherwise: what a Tollgate needs.
pub const WORKER_ARGS: [&str; 1] = ["worker"];
/// How the reference worker is called in specifications of backends.
const REFERENCE: &str = "reference";

/// How the worker of an engine is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Build {
    /// The engine, as in [`EngineSpec::Executable`].
    pub engine: String,
    /// For `sh -c`, in the folder of the configuration.
    pub command: String,
    /// What the build makes, as written: relative to the folder of the configuration, or absolute.
    pub worker: PathBuf,
    /// Where the worker is named.
    pub place: Place,
}

/// The pinned worker that committed times are ratios to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    path: PathBuf,
    args: Vec<String>,
    /// Lower-case hexadecimal SHA-256 that the executable must have.
    sha256: String,
    /// Where the worker and the checksum stand in the file.
    worker_place: Place,
    checksum_place: Place,
}

/// An engine by name, and whether some backend uses it.
pub(super) struct Engine {
    place: Place,
    /// Absent where the declaration is wrong, which is recorded already.
    pub spec: Option<EngineSpec>,
    pub used: bool,
}

impl Config {
    /// Looks up the workers that builds of these engines have made.
    ///
    /// # Errors
    /// When one is not there after its build, or is no executable.
    pub fn look_up_built(&mut self, engines: &BTreeSet<&str>) -> Result<(), ConfigError> {
        let mut problems = Problems::default();
        for build in self.builds.iter().filter(|build| engines.contains(build.engine.as_str())) {
            let path = self.root.join(&build.worker);
            let checked = executable(&path).map_err(|why| {
                let why = why.replace("create it or", "let the build make it, or");
                format!("the worker `{}` {why} (after the `build` of `{}`)", shown(&path, &self.root), build.engine)
            });
            if let Some((path, sha256)) = problems.check(&build.place, checked) {
                set_worker(&mut self.backends, &build.engine, &path, &sha256);
            }
        }
        problems.finish(&self.name()).map(drop)
    }

    /// The reference worker, if the configuration names one, checked to be what it is pinned to.
    ///
    /// # Errors
    /// When it is not there, no executable, or another one.
    pub fn reference_worker(&self) -> Result<Option<EngineSpec>, ConfigError> {
        let Some(reference) = &self.reference else {
            return Ok(None);
        };
        let Reference { path, args, sha256, worker_place, checksum_place } = reference;
        let mut problems = Problems::default();
        let name = shown(path, &self.root);
        let checked = executable(path).map_err(|why| format!("the reference worker `{name}` {why}"));
        let found = problems.check(worker_place, checked);
        if let Some((_, found)) = found.as_ref().filter(|(_, found)| found != sha256) {
            let message = format!(
                "the reference worker `{name}` has the SHA-256 {found}, not the one it is pinned to; restore the file, or \
                 write the one found to pin another worker, and accept new times with --update-baselines"
            );
            problems.error(checksum_place, message);
        }
        problems.finish(&self.name())?;
        let spec =
            |(path, sha256)| EngineSpec::Executable { name: REFERENCE.to_owned(), path, args: args.clone(), sha256 };
        Ok(found.map(spec))
    }
}

/// Gives every backend of an engine its worker.
pub fn set_worker(backends: &mut [BackendSpec], engine: &str, worker: &Path, checksum: &str) {
    for backend in backends {
        if let EngineSpec::Executable { name, path, sha256, .. } = &mut backend.engine
            && name == engine
        {
            worker.clone_into(path);
            checksum.clone_into(sha256);
        }
    }
}

/// The entries of a mapping from names.
pub(super) fn named(node: Node, what: &str, problems: &mut Problems) -> Option<Vec<Entry>> {
    match node.value {
        Value::Mapping(entries) => Some(entries),
        Value::Nothing => Some(Vec::new()),
        _ => {
            problems.error(&node.place, format!("`{what}` must be a mapping from names, not {}", node.kind()));
            None
        }
    }
}

/// A name of an engine or a backend.
pub(super) fn id(entry: &Entry, what: &str, problems: &mut Problems) -> Option<BackendId> {
    let checked = BackendId::new(entry.key.as_str());
    let named = checked.map_err(|error| format!("`{}` cannot name {what}: {error}; rename it", escaped(&entry.key)));
    problems.check(&entry.place, named)
}

/// Reads `engines`: each by its name, and the builds in the order of the file.
pub(super) fn read(node: Option<Node>, root: &Path, problems: &mut Problems) -> (BTreeMap<String, Engine>, Vec<Build>) {
    let mut engines = BTreeMap::new();
    let mut builds = Vec::new();
    let entries = node.and_then(|node| named(node, "engines", problems)).unwrap_or_default();
    for entry in entries {
        let place = entry.place.clone();
        let name = id(&entry, "an engine", problems);
        let (spec, build) = read_engine(entry, root, problems);
        if let Some(name) = name {
            engines.insert(name.to_string(), Engine { place, spec, used: false });
            builds.extend(build);
        }
    }
    (engines, builds)
}

/// Says which engines nobody uses.
pub(super) fn warn_of_unused(engines: &BTreeMap<String, Engine>, problems: &mut Problems) {
    for (name, engine) in engines.iter().filter(|(_, engine)| !engine.used) {
        problems.warn(&engine.place, format!("no backend uses the engine `{name}`; add `engine: {name}` to one"));
    }
}

fn read_engine(entry: Entry, root: &Path, problems: &mut Problems) -> (Option<EngineSpec>, Option<Build>) {
    let name = entry.key;
    let what = format!("the engine `{}`", escaped(&name));
    let Some(mut keys) = Keys::new(entry.node, what, ENGINE_KEYS, problems) else {
        return (None, None);
    };
    if !keys.has("worker") {
        let message = "an engine has no `worker`; name the executable that speaks the worker protocol";
        problems.error(&keys.place, message);
    }
    let worker = keys.text("worker", problems);
    let args = keys.texts("args", problems).into_iter().map(|(_, arg)| arg).collect();
    let is_built = keys.has("build");
    let command = keys.parsed("build", command, problems).map(|(_, command)| command);
    keys.finish(problems);
    let Some((place, worker)) = worker else {
        return (None, None);
    };
    let path = root.join(&worker);
    if is_built {
        let spec = EngineSpec::Executable { name: name.clone(), path, args, sha256: String::new() };
        let build = command.map(|command| Build { engine: name, command, worker: PathBuf::from(worker), place });
        return (Some(spec), build);
    }
    let found = match executable(&path) {
        Ok(found) => Some(found),
        Err(why) => {
            problems.absent(&place, &format!("the worker `{}`", shown(&path, root)), &why);
            None
        }
    };
    (found.map(|(path, sha256)| EngineSpec::Executable { name, path, args, sha256 }), None)
}

fn command(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err("`build` is empty; write the command that makes the worker, or remove the key".to_owned());
    }
    Ok(text.to_owned())
}

/// Reads `reference`. Whether the worker is there is looked at when a run needs it.
pub(super) fn reference(node: Node, root: &Path, problems: &mut Problems) -> Option<Reference> {
    let mut keys = Keys::new(node, "`reference`", REFERENCE_KEYS, problems)?;
    let place = keys.place.clone();
    if !keys.has("worker") {
        problems.error(&place, "`reference` has no `worker`; name the executable that committed times are ratios to");
    }
    let worker = keys.text("worker", problems);
    let path = worker.as_ref().map(|(_, worker)| root.join(worker));
    if !keys.has("sha256") {
        let found = path.as_ref().and_then(|path| executable(path).ok());
        let example = found.map_or_else(|| "of the executable".to_owned(), |(_, sha256)| sha256);
        problems.error(&place, format!("`reference` has no `sha256`, which pins it; write `sha256: {example}`"));
    }
    let given_args = keys.has("args").then(|| keys.texts("args", problems));
    let args = given_args
        .map_or_else(|| WORKER_ARGS.map(str::to_owned).to_vec(), |args| args.into_iter().map(|(_, arg)| arg).collect());
    let sha256 = keys.parsed("sha256", checksum, problems);
    keys.finish(problems);
    let ((worker_place, _), path, (checksum_place, sha256)) = (worker?, path?, sha256?);
    Some(Reference { path, args, sha256, worker_place, checksum_place })
}

fn checksum(text: &str) -> Result<String, String> {
    let text = text.trim().to_ascii_lowercase();
    if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(text);
    }
    Err(format!("`{}` is not a SHA-256; write its 64 hexadecimal digits, as `sha256sum` prints them", escaped(&text)))
}

/// The canonical path and the lower-case hexadecimal SHA-256 of a file that can be executed.
///
/// # Errors
/// A fragment to follow the file's name, with its remedy.
pub fn executable(path: &Path) -> Result<(PathBuf, String), String> {
    let metadata = path.metadata().map_err(|error| unreadable(&error))?;
    if !metadata.is_file() {
        return Err("is not a regular file; name an executable".to_owned());
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        if metadata.permissions().mode() & 0o111 == 0 {
            return Err("is not executable; run `chmod +x` on it".to_owned());
        }
    }
    let read = || Ok((path.canonicalize()?, sha256(path)?));
    read().map_err(|error: std::io::Error| unreadable(&error))
}
