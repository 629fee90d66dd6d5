//! The `backends` section: compilers of engines with their options. It does not know which compilers this build has; that is
//! checked where a worker is asked.

use std::collections::BTreeMap;
use std::num::NonZeroU16;

use crate::model::BackendId;
use crate::model::sample::{BackendOptions, BackendSpec, CpuFeatures, EngineSpec, OptLevel};

use super::engines::{Engine, id, named};
use super::problem::{Place, Problems, did_you_mean, escaped};
use super::raw::{Entry, Node, Value};
use super::reader::{Keys, boolean, texts, word};

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

/// Reads the section, with the engines that it may name.
pub(super) fn read(
    engines: &mut BTreeMap<String, Engine>,
    backends: Option<(Place, Node)>,
    arch: &str,
    problems: &mut Problems,
) -> Vec<BackendSpec> {
    let Some((place, node)) = backends else {
        return defaults(arch);
    };
    let entries = named(node, "backends", problems);
    if entries.as_ref().is_some_and(Vec::is_empty) {
        let message = "`backends` needs at least one; remove the key to have singlepass, cranelift and llvm";
        problems.error(&place, message);
    }
    let entries = entries.unwrap_or_default().into_iter();
    entries.filter_map(|entry| read_backend(entry, engines, arch, problems)).collect()
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
