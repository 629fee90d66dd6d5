//! The text of a first `tollgate.yml`, made to teach, for the modules that lie in a folder. Writes nothing: its caller does.
//!
//! Invariants: what is rendered for at least one usable module loads without errors; lines that begin with `#` and a letter
//! or two spaces are YAML that states the defaults, so that removing the `#` changes nothing.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use crate::model::settings::{Limits, ThresholdRule};
use crate::model::{Bytes, SampleId};

use super::find::{SAMPLE_FILE, is_module};
use super::module::{ExportedFunction, inspect};
use super::problem::shown;
use super::settings::{FAIL_ON, default_fail_on, default_limits, default_thresholds};
use super::slug::slugify;

/// Folders that hold copies and dependencies rather than a project's own modules.
const SKIPPED: [&str; 3] = ["target", "node_modules", ".git"];
/// More entries than this would not be read by the person they are written for.
const MAX_ENTRIES: usize = 100;
/// Exported functions suggested for a module.
const MAX_EXPORTS: usize = 3;

/// Something that can be listed under `samples`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FoundModule {
    /// A sample file, by its path relative to the folder searched.
    Described(PathBuf),
    /// A module without a description.
    Bare {
        /// Relative to the folder searched.
        path: PathBuf,
        /// Unique among those found.
        id: SampleId,
        size: Bytes,
        /// Runs by itself.
        wasi_command: bool,
        /// Exported functions that take and give numbers only; empty for a module that cannot be read.
        functions: Vec<ExportedFunction>,
    },
    /// A `.wasm` file that cannot be a sample, and why.
    Unusable { path: PathBuf, reason: String },
}

/// Looks for modules and sample files below `root`, in the order of their paths. Folders that hold dependencies, copies or
/// hidden files are left out, and unreadable ones are passed over.
#[must_use]
pub fn find_modules(root: &Path) -> Vec<FoundModule> {
    let visible = |entry: &walkdir::DirEntry| {
        let name = entry.file_name().to_string_lossy();
        entry.depth() == 0 || !(name.starts_with('.') || entry.file_type().is_dir() && SKIPPED.contains(&name.as_ref()))
    };
    let walker = WalkDir::new(root).sort_by_file_name().into_iter().filter_entry(visible);
    let mut found = Vec::new();
    let mut ids = BTreeSet::new();
    let files = walker.filter_map(Result::ok).filter(|entry| entry.file_type().is_file());
    for path in files.map(walkdir::DirEntry::into_path) {
        let relative = path.strip_prefix(root).unwrap_or(&path).to_owned();
        if path.file_name().is_some_and(|name| name == SAMPLE_FILE) {
            found.push(FoundModule::Described(relative));
        } else if is_module(&path) && !path.with_file_name(SAMPLE_FILE).is_file() {
            found.push(describe(&path, relative, &mut ids));
        }
    }
    found
}

fn describe(path: &Path, relative: PathBuf, ids: &mut BTreeSet<SampleId>) -> FoundModule {
    if relative.to_str().is_none() {
        let reason = "has a name that is not UTF-8 and cannot be written here; rename it".to_owned();
        return FoundModule::Unusable { path: relative, reason };
    }
    match inspect(path) {
        Err(reason) => FoundModule::Unusable { path: relative, reason },
        Ok(inspected) => {
            let interface = inspected.interface.unwrap_or_default();
            let plain = |function: &ExportedFunction| {
                let mut types = function.params.iter().chain(&function.results);
                types.all(|ty| matches!(ty.as_str(), "i32" | "i64" | "f32" | "f64"))
            };
            let functions = interface.functions.into_iter().filter(plain).collect();
            let id = unique_id(&relative, ids);
            FoundModule::Bare {
                path: relative,
                id,
                size: inspected.size,
                wasi_command: interface.wasi_command,
                functions,
            }
        }
    }
}

/// The file's stem as an id, else its whole path, else that with a number.
fn unique_id(relative: &Path, taken: &mut BTreeSet<SampleId>) -> SampleId {
    let stem = relative.file_stem().unwrap_or_default().to_string_lossy();
    let whole = relative.with_extension("").to_string_lossy().into_owned();
    // The number goes first, where no cut of a long name can lose it.
    let numbered = (2u32..).map(|n| format!("{n}-{whole}"));
    let candidates = [stem.into_owned(), whole.clone()].into_iter().chain(numbered);
    let id = candidates.map(|text| slugify(&text)).find(|id| !taken.contains(id));
    let id = id.unwrap_or_else(|| slugify(&whole));
    taken.insert(id.clone());
    id
}

/// A commented `tollgate.yml` for what was found. Without any usable module its `samples` is empty, which `load` refuses until
/// something is filled in.
#[must_use]
pub fn render(found: &[FoundModule]) -> String {
    let mut text = String::from(HEAD);
    let mut usable = 0;
    let mut left_out = 0;
    for module in found {
        match module {
            FoundModule::Unusable { path, reason } => {
                let _ = writeln!(text, "  # Left out: {} {reason}.", shown(path, Path::new("")));
            }
            _ if usable == MAX_ENTRIES => left_out += 1,
            FoundModule::Described(path) => {
                let _ = writeln!(text, "  - {}", quoted(&slashed(path)));
                usable += 1;
            }
            FoundModule::Bare { path, id, size, wasi_command, functions } => {
                let _ = writeln!(text, "  - path: {}   # {size}\n    id: {id}", quoted(&slashed(path)));
                execution(&mut text, *wasi_command, functions);
                usable += 1;
            }
        }
    }
    if left_out > 0 {
        let _ = writeln!(text, "  # {left_out} more were found; list them, or use a glob.");
    }
    if usable == 0 {
        text.push_str("  # No module was found. Name yours, for example:\n  # - path/to/module.wasm\n");
    }
    text.push_str(&rest());
    text
}

/// How a module can be executed, or how to say so.
fn execution(text: &mut String, wasi_command: bool, functions: &[ExportedFunction]) {
    if wasi_command {
        text.push_str("    wasi: {}   # A WASI command. Also: args: [a, b], stdin: input.txt, stdout: expected.txt, exit-code: 0\n");
        return;
    }
    // Functions that give something say most; those that take nothing are easiest to call.
    let mut best: Vec<_> = functions.iter().filter(|function| !function.name.starts_with("__")).collect();
    best.sort_by_key(|function| (function.results.is_empty(), function.params.len()));
    if best.is_empty() {
        text.push_str(
            "    # No exported function takes and gives plain numbers: every stage but `execute` is measured.\n",
        );
        return;
    }
    text.push_str("    # To measure `execute` too, say which export to call and what it must give:\n");
    for function in best.into_iter().take(MAX_EXPORTS) {
        let values = |types: &[String]| types.iter().map(|ty| format!("\"{ty}:0\"")).collect::<Vec<_>>().join(", ");
        let (args, expect) = (values(&function.params), values(&function.results));
        let _ =
            writeln!(text, "    # call: {{export: {}, args: [{args}], expect: [{expect}]}}", quoted(&function.name));
    }
}

/// A relative path with `/` between its parts.
fn slashed(path: &Path) -> String {
    path.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}

/// Words that some reader of YAML takes for something else than a text.
const WORDS: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];

/// A text as a YAML scalar that reads back as the same text and never ends a comment.
fn quoted(text: &str) -> String {
    let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "._-/".contains(c))
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && !WORDS.contains(&text.to_ascii_lowercase().as_str());
    if plain {
        return text.to_owned();
    }
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            ' '..='~' => out.push(c),
            c if c.is_alphanumeric() => out.push(c),
            c => {
                let _ = write!(out, "\\U{:08X}", u32::from(c));
            }
        }
    }
    out.push('"');
    out
}

/// The part after the samples, with the defaults as the code has them.
fn rest() -> String {
    let rules: String = default_thresholds().iter().map(rule).collect();
    let Limits { deadline, memory } = default_limits();
    let limits = format!(
        "#limits: {{deadline: {}, memory: {}}}",
        humantime::format_duration(deadline.into()),
        exact_bytes(memory)
    );
    let fail_on = default_fail_on();
    let verdicts: Vec<_> =
        FAIL_ON.iter().filter(|(_, verdict)| fail_on.contains(verdict)).map(|(name, _)| *name).collect();
    REST.replace("{RULES}\n", &rules)
        .replace("{LIMITS}", &limits)
        .replace("{FAIL_ON}", &verdicts.join(", "))
        .replace("{BASELINES}", super::BASELINES)
}

/// A built-in rule as a line of the file.
fn rule(rule: &ThresholdRule) -> String {
    let mut keys = Vec::new();
    keys.extend(rule.stage.map(|stage| format!("stage: {stage}")));
    keys.extend(rule.metric.map(|metric| format!("metric: {metric}")));
    // Rounded to the hundredth of a percent, which no default is finer than; `5.000000000000001%` would help nobody.
    keys.push(format!("tolerance: {}%", (rule.tolerance.relative * 1e4).round() / 1e2));
    keys.extend(rule.tolerance.absolute.map(|bytes| format!("tolerance-bytes: {}", exact_bytes(bytes))));
    format!("#  - {{{}}}\n", keys.join(", "))
}

/// A size in the largest unit that divides it.
fn exact_bytes(size: Bytes) -> String {
    let units = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    let unit = units.iter().find(|(_, unit)| size.0 >= *unit && size.0.is_multiple_of(*unit));
    unit.map_or_else(|| format!("{} B", size.0), |(name, unit)| format!("{} {name}", size.0 / unit))
}

const HEAD: &str = "\
# Tollgate measures every sample through every stage of every backend, and fails when one gets worse.
# All keys, with examples: docs/configuration.md in Tollgate's repository.
# Lines such as `#key: value` state the defaults; remove the `#` of a section to change it.
version: 1

# What is measured. An entry is a sample file, a .wasm file, a folder or a glob (relative to this file),
# or a mapping that describes one module.
samples:
";

const REST: &str = r#"
# Compilers with their options. `tollgate run --backend NAME` selects.
#backends:
#  singlepass: {compiler: singlepass}
#  cranelift: {compiler: cranelift, opt-level: speed, canonicalize-nans: false, threads: 1}
#  llvm: {compiler: llvm, opt-level: speed}
# One compiler may stand here twice under two names, for example:
# cranelift-none: {compiler: cranelift, opt-level: none}
# `cpu-features` pins what generated code may use, so that sizes and code do not change with the runner: x86-64-v3 by
# default on x86_64, armv8-a on aarch64. `native` gives that up.

# Other executables that speak the worker protocol (an older Wasmer, a host with its own middlewares), for backends with
# `engine: NAME`, for example:
# engines: {old-wasmer: {worker: tools/old-worker, args: []}}

# How much worse a cell may get and still pass. The last rule that matches holds; a rule may name a sample and a backend
# (globs), a stage and a metric.
#thresholds:
{RULES}
# For example: - {sample: "fib*", backend: llvm, stage: compile, metric: time, tolerance: 10%}

# For each request to a worker, and for each worker. Whatever exceeds them is broken.
{LIMITS}

# What makes the run fail, out of regressed, inconclusive and missing. Broken always does.
#fail-on: [{FAIL_ON}]

# The folder of accepted measurements, to be committed.
#baselines: {BASELINES}
"#;
