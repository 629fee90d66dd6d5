//! The `engines` and `backends` sections: which programs compile, with which compilers and options. It does not know which
//! compilers this build has; that is checked where a worker is asked.

use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::model::BackendId;
use crate::model::sample::{BackendOptions, BackendSpec, CpuFeatures, EngineSpec, OptLevel};

use super::module::{hex, unreadable};
use super::problem::{Place, Problems, did_you_mean, escaped, shown};
use super::raw::{Entry, Node, Value};
use super::reader::{Keys, boolean, texts, word};

pub(super) const ENGINE_KEYS: &[&str] = &["worker", "args"];
pub(super) const BACKEND_KEYS: &[&str] =
    &["engine", "compiler", "opt-level", "canonicalize-nans", "cpu-features", "threads"];

/// Compilers of the built-in engine, in the order in which they stand without a `backends` section.
pub const COMPILERS: [&str; 3] = ["singlepass", "cranelift", "llvm"];

/// Optimisation levels as the configuration writes them.
const LEVELS: &[(&str, OptLevel)] = &[
    ("none", OptLevel::None),
    ("less", OptLevel::Less),
    ("speed", OptLevel::Speed),
    ("speed-and-size", OptLevel::SpeedAndSize),
];

/// The optimisation levels that mean something to a compiler. Compilers of other engines may know any.
fn levels_of(compiler: &str) -> &'static [&'static str] {
    match compiler {
        "singlepass" => &["none"],
        "cranelift" => &["none", "speed", "speed-and-size"],
        "llvm" => &["none", "less", "speed"],
        _ => &["none", "less", "speed", "speed-and-size"],
    }
}

/// Singlepass has one level, which optimises nothing; the others optimise for speed unless told otherwise.
fn default_level(compiler: &str) -> OptLevel {
    if compiler == "singlepass" { OptLevel::None } else { OptLevel::default() }
}

/// The built-in engine's three compilers with default options on `arch`.
pub(super) fn defaults(arch: &str) -> Vec<BackendSpec> {
    let backend = |compiler: &str| {
        // The names are valid ids; `filter_map` keeps that from being a claim that could panic.
        BackendId::new(compiler).ok().map(|id| BackendSpec {
            id,
            engine: EngineSpec::BuiltIn,
            compiler: compiler.to_owned(),
            options: BackendOptions {
                opt_level: default_level(compiler),
                canonicalize_nans: false,
                cpu_features: CpuFeatures::default_for(arch),
                threads: NonZeroU16::MIN,
            },
        })
    };
    COMPILERS.iter().filter_map(|compiler| backend(compiler)).collect()
}

/// An engine by name, and whether some backend uses it.
struct Engine {
    place: Place,
    /// Absent where the declaration is wrong, which is recorded already.
    spec: Option<EngineSpec>,
    used: bool,
}

/// Reads both sections.
pub(super) fn read(
    engines: Option<Node>,
    backends: Option<(Place, Node)>,
    root: &Path,
    arch: &str,
    problems: &mut Problems,
) -> Vec<BackendSpec> {
    let mut engines = engines.map(|node| read_engines(node, root, problems)).unwrap_or_default();
    let specs = match backends {
        None => defaults(arch),
        Some((place, node)) => {
            let entries = named(node, "backends", problems);
            if entries.as_ref().is_some_and(Vec::is_empty) {
                let message = "`backends` needs at least one; remove the key to have singlepass, cranelift and llvm";
                problems.error(&place, message);
            }
            let entries = entries.unwrap_or_default().into_iter();
            entries.filter_map(|entry| read_backend(entry, &mut engines, arch, problems)).collect()
        }
    };
    for (name, engine) in &engines {
        if !engine.used {
            problems.warn(&engine.place, format!("no backend uses the engine `{name}`; add `engine: {name}` to one"));
        }
    }
    specs
}

/// The entries of a mapping from names.
fn named(node: Node, what: &str, problems: &mut Problems) -> Option<Vec<Entry>> {
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
fn id(entry: &Entry, what: &str, problems: &mut Problems) -> Option<BackendId> {
    let checked = BackendId::new(entry.key.as_str());
    let named = checked.map_err(|error| format!("`{}` cannot name {what}: {error}; rename it", escaped(&entry.key)));
    problems.check(&entry.place, named)
}

fn read_engines(node: Node, root: &Path, problems: &mut Problems) -> BTreeMap<String, Engine> {
    let mut engines = BTreeMap::new();
    for entry in named(node, "engines", problems).unwrap_or_default() {
        let place = entry.place.clone();
        let name = id(&entry, "an engine", problems);
        let spec = read_engine(entry, root, problems);
        if let Some(name) = name {
            engines.insert(name.to_string(), Engine { place, spec, used: false });
        }
    }
    engines
}

fn read_engine(entry: Entry, root: &Path, problems: &mut Problems) -> Option<EngineSpec> {
    let name = entry.key;
    let mut keys = Keys::new(entry.node, format!("the engine `{}`", escaped(&name)), ENGINE_KEYS, problems)?;
    if !keys.has("worker") {
        let message = "an engine has no `worker`; name the executable that speaks the worker protocol";
        problems.error(&keys.place, message);
    }
    let worker = keys.text("worker", problems);
    let args = keys.texts("args", problems).into_iter().map(|(_, arg)| arg).collect();
    keys.finish(problems);
    let (place, worker) = worker?;
    let path = root.join(worker);
    let checked = executable(&path).map_err(|why| format!("the worker `{}` {why}", shown(&path, root)));
    let (path, sha256) = problems.check(&place, checked)?;
    Some(EngineSpec::Executable { name, path, args, sha256 })
}

/// The canonical path and the checksum of a file that can be executed.
fn executable(path: &Path) -> Result<(std::path::PathBuf, String), String> {
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
    let read = || {
        let mut hasher = Sha256::new();
        std::io::copy(&mut std::fs::File::open(path)?, &mut hasher)?;
        Ok((path.canonicalize()?, hex(&hasher.finalize())))
    };
    read().map_err(|error| unreadable(&error))
}

fn read_backend(
    entry: Entry,
    engines: &mut BTreeMap<String, Engine>,
    arch: &str,
    problems: &mut Problems,
) -> Option<BackendSpec> {
    let id = id(&entry, "a backend", problems);
    let what = format!("the backend `{}`", escaped(&entry.key));
    let mut keys = Keys::or_empty(entry.node, what, BACKEND_KEYS, problems)?;
    let engine = read_engine_name(&mut keys, engines, problems);
    let compiler = read_compiler(&mut keys, &entry.key, &entry.place, engine.as_ref(), problems);
    let level = |text: &str| level(text, compiler.as_deref().unwrap_or_default());
    let opt_level = keys.parsed("opt-level", level, problems).map(|(_, level)| level);
    let canonicalize_nans = keys.parsed("canonicalize-nans", boolean, problems).is_some_and(|(_, yes)| yes);
    let cpu_features = read_cpu_features(&mut keys, arch, problems);
    let threads = keys.parsed("threads", threads, problems).map_or(NonZeroU16::MIN, |(_, threads)| threads);
    keys.finish(problems);
    let (id, engine, compiler) = (id?, engine?, compiler?);
    let opt_level = opt_level.unwrap_or_else(|| default_level(&compiler));
    let options = BackendOptions { opt_level, canonicalize_nans, cpu_features, threads };
    Some(BackendSpec { id, engine, compiler, options })
}

fn read_engine_name(
    keys: &mut Keys,
    engines: &mut BTreeMap<String, Engine>,
    problems: &mut Problems,
) -> Option<EngineSpec> {
    if !keys.has("engine") {
        return Some(EngineSpec::BuiltIn);
    }
    let (place, name) = keys.text("engine", problems)?;
    if let Some(engine) = engines.get_mut(&name) {
        engine.used = true;
        return engine.spec.clone();
    }
    let known: Vec<_> = engines.keys().map(String::as_str).collect();
    let message = if known.is_empty() {
        format!(
            "no engine is called `{}`; declare it under `engines:`, or leave `engine` out for the built-in one",
            escaped(&name)
        )
    } else {
        let suggestion = did_you_mean(&name, &known);
        format!("no engine is called `{}`{suggestion} declared: {}", escaped(&name), known.join(", "))
    };
    problems.error(&place, message);
    None
}

/// The compiler's name: of the built-in engine one of three, else anything the engine knows.
fn read_compiler(
    keys: &mut Keys,
    backend: &str,
    place: &Place,
    engine: Option<&EngineSpec>,
    problems: &mut Problems,
) -> Option<String> {
    if !keys.has("compiler") {
        if COMPILERS.contains(&backend) {
            return Some(backend.to_owned());
        }
        let message =
            format!("the backend `{}` has no `compiler`; name one: {}", escaped(backend), COMPILERS.join(", "));
        problems.error(place, message);
        return None;
    }
    let (place, compiler) = keys.text("compiler", problems)?;
    let built_in = !matches!(engine, Some(EngineSpec::Executable { .. }) | None);
    if built_in && !COMPILERS.contains(&compiler.as_str()) {
        let words = COMPILERS.map(|name| (name, ()));
        problems.check(&place, word(&compiler, "compiler", &words))?;
    }
    Some(compiler)
}

fn level(text: &str, compiler: &str) -> Result<OptLevel, String> {
    let level = word(text, "optimisation level", LEVELS)?;
    let meant = levels_of(compiler);
    if meant.contains(&text) {
        return Ok(level);
    }
    Err(format!("`{}` has no optimisation level `{text}`; it has: {}", escaped(compiler), meant.join(", ")))
}

fn threads(text: &str) -> Result<NonZeroU16, String> {
    text.parse().map_err(|_| format!("`{}` is not a number of threads; write 1 to 65535", escaped(text)))
}

fn read_cpu_features(keys: &mut Keys, arch: &str, problems: &mut Problems) -> CpuFeatures {
    let Some((_, node)) = keys.take("cpu-features") else {
        return CpuFeatures::default_for(arch);
    };
    let place = node.place.clone();
    let features = match node.value {
        Value::Scalar(name) => CpuFeatures::named(&name, arch),
        Value::List(_) => {
            let names: Vec<_> = texts(node, "cpu-features", problems).into_iter().map(|(_, name)| name).collect();
            CpuFeatures::custom(&names, arch)
        }
        _ => {
            let message = format!("`cpu-features` must be a name or a list of features, not {}", node.kind());
            problems.error(&place, message);
            return CpuFeatures::default_for(arch);
        }
    };
    problems.check(&place, features).unwrap_or_else(|| CpuFeatures::default_for(arch))
}
