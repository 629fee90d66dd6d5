//! Rebuilds the modules of `samples/` from their sources, or checks that they are what their sources give.
//!
//! How a sample is built follows from the `source:` block of its `sample.yml`: one way for each language, no table to keep
//! beside it. Invariants: the bytes depend on the sources, the lock file and the `toolchain:` named there, and on nothing
//! else: not on where the checkout, the registry, the toolchain or the target directory lies, and not on the environment
//! or on which samples are built together. A committed module is replaced only by a complete new one.
//!
//! This file does not know what a sample does, whether its output is right, or any other key of `sample.yml`: the gate
//! reads those. It is longer than other files because each language's way is too short for a file of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

/// `ahash`, below the Rhai interpreter, draws its keys when it is compiled; this is where they come from instead.
const CONST_RANDOM_SEED: &str = "tollgate";

/// What every C sample is compiled with. Without contraction and `errno`, arithmetic is what IEEE 754 says.
const C_FLAGS: [&str; 10] = [
    "--no-default-config",
    "--target=wasm32-unknown-unknown",
    "-std=c17",
    "-O3",
    "-ffreestanding",
    "-ffp-contract=off",
    "-fno-math-errno",
    "-Wall",
    "-Wextra",
    "-Werror",
];

/// Rebuilds every sample, or those in `only`. With `check`, compares with what is committed and writes nothing there.
pub fn run(check: bool, only: &[String]) -> Result<()> {
    let places = Places::find()?;
    let samples = select(discover(&places.samples)?, only)?;
    let tools = Tools::find(&places, &samples)?;
    let mut tally = Tally::default();
    for sample in &samples {
        let outcome = match tools.mismatch(sample) {
            Some(mismatch) if check => Outcome::Skipped(mismatch),
            Some(mismatch) => bail!("failed to rebuild {}: {mismatch}", sample.name),
            None => settle(check, sample, &tools.build(&places, sample)?)?,
        };
        println!("{}", outcome.line(&sample.name));
        tally.add(&sample.name, &outcome);
    }
    tally.finish(check)
}

/// The directories that a build reads and writes.
struct Places {
    samples: PathBuf,
    target: PathBuf,
    cargo_home: PathBuf,
}

impl Places {
    fn find() -> Result<Self> {
        // Set anew by each `cargo run`, so a checkout that was moved after the build is found too.
        let manifest = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
        let root = Path::new(&manifest).parent().context("xtask lies in a directory of the repository")?;
        let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        let home = env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| Some(env::home_dir()?.join(".cargo")));
        // Cargo tells two checkouts with one CARGO_TARGET_DIR apart by times alone, and would hand out the other's modules.
        let mut checkout = DefaultHasher::new();
        root.hash(&mut checkout);
        Ok(Self {
            samples: root.join("samples"),
            target: std::path::absolute(target)?.join(format!("samples-{:016x}", checkout.finish())),
            cargo_home: home.context("neither CARGO_HOME nor a home directory is set; set CARGO_HOME")?,
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Language {
    Rust,
    C,
    Wat,
}

/// One sample, as far as building it goes.
#[derive(Debug)]
struct Sample {
    name: String,
    directory: PathBuf,
    module: PathBuf,
    language: Language,
    source: PathBuf,
    toolchain: String,
}

impl Sample {
    fn read(directory: &Path) -> Result<Self> {
        let name = directory.file_name().and_then(|name| name.to_str()).context("a sample has a name in UTF-8")?;
        let text = fs::read_to_string(directory.join("sample.yml"))?;
        let source = |key: &str| {
            scalar_of_source(&text, key)
                .with_context(|| format!("`source:` has no `{key}:`; samples/README.md has the keys"))
        };
        let module = scalar(&text, "module").map_or_else(|| format!("{name}.wasm"), str::to_owned);
        Ok(Self {
            language: match source("language")? {
                "rust" => Language::Rust,
                "c" => Language::C,
                "wat" => Language::Wat,
                other => bail!("`language: {other}` cannot be built; write rust, c or wat"),
            },
            source: directory.join(source("path")?),
            toolchain: source("toolchain")?.to_owned(),
            module: directory.join(module),
            directory: directory.to_owned(),
            name: name.to_owned(),
        })
    }

    /// The target of a Rust sample: the second part of its toolchain.
    fn target(&self) -> &str {
        self.toolchain.split_once(", ").map_or("", |(_, target)| target)
    }
}

/// A plain scalar at the top level. The samples' files are this repository's own and these few keys are one-line scalars,
/// so `xtask`, which everybody builds first, does without a parser of YAML.
fn scalar<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().find_map(|line| value_of(line, key))
}

/// A plain scalar of the `source:` block.
fn scalar_of_source<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let block = text.lines().skip_while(|line| line.trim_end() != "source:").skip(1);
    block.take_while(|line| line.starts_with(' ')).find_map(|line| value_of(line.trim_start(), key))
}

fn value_of<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    let value = line.strip_prefix(key)?.strip_prefix(':')?;
    Some(value.split(" #").next()?.trim())
}

fn discover(samples: &Path) -> Result<Vec<Sample>> {
    let entries = fs::read_dir(samples).with_context(|| format!("failed to list {}", samples.display()))?;
    let mut directories: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    directories.retain(|directory| directory.join("sample.yml").is_file());
    directories.sort();
    let read = |directory: &PathBuf| {
        Sample::read(directory).with_context(|| format!("failed to read {}", directory.join("sample.yml").display()))
    };
    directories.iter().map(read).collect()
}

fn select(samples: Vec<Sample>, only: &[String]) -> Result<Vec<Sample>> {
    let known: Vec<&str> = samples.iter().map(|sample| sample.name.as_str()).collect();
    if let Some(unknown) = only.iter().find(|name| !known.contains(&name.as_str())) {
        bail!("no sample is called {unknown}; there are {}", known.join(", "));
    }
    Ok(samples.into_iter().filter(|sample| only.is_empty() || only.contains(&sample.name)).collect())
}

/// The compilers of this machine.
struct Tools {
    rust: Option<Rust>,
    c: Option<Clang>,
}

impl Tools {
    /// Looks for what `samples` need, and adds the Rust targets where they are missing.
    fn find(places: &Places, samples: &[Sample]) -> Result<Self> {
        let of = |language| samples.iter().filter(move |sample| sample.language == language);
        let rust = match of(Language::Rust).next() {
            Some(_) => Some(Rust::find(places, of(Language::Rust).map(Sample::target))?),
            None => None,
        };
        Ok(Self { rust, c: of(Language::C).next().and_then(|_| Clang::find()) })
    }

    /// Why `sample` cannot be built here to the byte, and what to do about it.
    fn mismatch(&self, sample: &Sample) -> Option<String> {
        let (found, remedy) = match sample.language {
            // Assembled by a library whose version is in the repository's lock file.
            Language::Wat => return None,
            Language::Rust => {
                let version = self.rust.as_ref().map(|rust| format!("rustc {}, {}", rust.version, sample.target()));
                (version, "install rustup, which obeys rust-toolchain.toml")
            }
            Language::C => {
                let version = self.c.as_ref().map(Clang::versions);
                (version, "apt-get install clang-22 lld-22, or set LLVM_SYS_221_PREFIX")
            }
        };
        let wanted = &sample.toolchain;
        match found {
            Some(found) if found == *wanted => None,
            Some(found) => Some(format!(
                "found {found}, built with {wanted}; {remedy}, or name the new toolchain in sample.yml and rebuild"
            )),
            None => Some(format!("found no compiler, built with {wanted}; {remedy}")),
        }
    }

    fn build(&self, places: &Places, sample: &Sample) -> Result<Vec<u8>> {
        println!("building {}", sample.name);
        let built = match sample.language {
            Language::Rust => self.rust.as_ref().context("found no rustc")?.build(places, sample),
            Language::C => self.c.as_ref().context("found no clang")?.build(places, sample),
            Language::Wat => Ok(wat::parse_file(&sample.source)?),
        };
        built.with_context(|| format!("failed to build {}", sample.name))
    }
}

/// The pinned Rust toolchain, and how its paths are hidden from what it compiles.
struct Rust {
    version: String,
    flags: OsString,
}

impl Rust {
    fn find<'a>(places: &Places, targets: impl Iterator<Item = &'a str>) -> Result<Self> {
        let print = |arguments: &[&str]| output(clean("rustc").args(arguments).current_dir(&places.samples));
        let verbose = print(&["--version", "--verbose"])?;
        let about: BTreeMap<&str, &str> = verbose.lines().filter_map(|line| line.split_once(": ")).collect();
        for target in targets.collect::<BTreeSet<_>>() {
            let libraries = print(&["--print", "target-libdir", "--target", target])?;
            if !Path::new(&libraries).is_dir() {
                execute(clean("rustup").args(["target", "add", target]).current_dir(&places.samples))?;
            }
        }
        // Unpacks the dependencies too, so that the directories are there whose names `flags` hides.
        execute(clean("cargo").args(["fetch", "--locked"]).current_dir(&places.samples))?;
        let sysroot = PathBuf::from(print(&["--print", "sysroot"])?);
        let commit = about.get("commit-hash").copied().unwrap_or("unknown");
        Ok(Self {
            version: about.get("release").copied().unwrap_or_default().to_owned(),
            flags: encode(&remaps(places, &sysroot, commit)?),
        })
    }

    /// One package at a time: cargo unites the features of what it builds together, which would change the modules.
    fn build(&self, places: &Places, sample: &Sample) -> Result<Vec<u8>> {
        let mut cargo = clean("cargo");
        cargo.args(["build", "--quiet", "--locked", "--release", "--package", &sample.name]);
        cargo.args(["--target", sample.target()]).arg("--target-dir").arg(&places.target);
        cargo.env("CARGO_ENCODED_RUSTFLAGS", &self.flags).env("CONST_RANDOM_SEED", CONST_RANDOM_SEED);
        execute(cargo.current_dir(&places.samples))?;
        // Commands keep the package's name, libraries get that of the crate.
        let built = places.target.join(sample.target()).join("release");
        let command = built.join(format!("{}.wasm", sample.name));
        let library = built.join(format!("{}.wasm", sample.name.replace('-', "_")));
        let module = if command.is_file() { command } else { library };
        fs::read(&module).with_context(|| format!("failed to read {}", module.display()))
    }
}

/// What the compiler must not see of this machine: (what lies there, what it is called in a module), the more specific
/// path after the less specific one, because the last that matches is taken.
fn remaps(places: &Places, sysroot: &Path, commit: &str) -> Result<Vec<(PathBuf, String)>> {
    let mut remaps = vec![
        (places.samples.clone(), "/samples".to_owned()),
        (places.target.clone(), "/target".to_owned()),
        (places.cargo_home.clone(), "/cargo".to_owned()),
        (sysroot.to_owned(), "/rust".to_owned()),
        // The name that the standard library's own paths have where its sources are not installed.
        (sysroot.join("lib/rustlib/src/rust"), format!("/rustc/{commit}")),
    ];
    // Their names have a hash of the registry's address, which a mirror changes.
    let registries = places.cargo_home.join("registry/src");
    if registries.is_dir() {
        for registry in fs::read_dir(&registries)? {
            remaps.push((registry?.path(), "/cargo/registry".to_owned()));
        }
    }
    for (path, name) in remaps.clone() {
        if let Ok(real) = path.canonicalize()
            && real != path
        {
            remaps.push((real, name));
        }
    }
    remaps.sort_by_key(|(path, _)| path.components().count());
    Ok(remaps)
}

/// The flags as cargo takes them in `CARGO_ENCODED_RUSTFLAGS`, which hides all other flags from the environment and from
/// cargo's configuration, and allows spaces.
fn encode(remaps: &[(PathBuf, String)]) -> OsString {
    let mut flags = OsString::new();
    for (path, name) in remaps {
        if !flags.is_empty() {
            flags.push("\u{1f}");
        }
        flags.push("--remap-path-prefix=");
        flags.push(path);
        flags.push("=");
        flags.push(name);
    }
    flags
}

/// A C compiler for WebAssembly with its linker.
struct Clang {
    compiler: Tool,
    linker: Tool,
}

struct Tool {
    program: PathBuf,
    version: String,
}

impl Tool {
    /// The LLVM that the gate itself is built with comes first, then what lies on the path under the usual names.
    fn find(name: &str) -> Option<Self> {
        let prefix = env::var_os("LLVM_SYS_221_PREFIX").map(|prefix| Path::new(&prefix).join("bin").join(name));
        let candidates = prefix.into_iter().chain([format!("{name}-22").into(), name.into()]);
        candidates.into_iter().find_map(|program| {
            let version = version_in(&output(clean(&program).arg("--version")).ok()?)?;
            Some(Self { program, version })
        })
    }
}

impl Clang {
    fn find() -> Option<Self> {
        Some(Self { compiler: Tool::find("clang")?, linker: Tool::find("wasm-ld")? })
    }

    fn versions(&self) -> String {
        format!("clang {}, lld {}", self.compiler.version, self.linker.version)
    }

    /// All `.c` files of the source directory, with the flags of `compile_flags.txt` beside `sample.yml`. The linker is
    /// called by its name and not through clang, which runs `wasm-opt` over the module on machines that have one.
    fn build(&self, places: &Places, sample: &Sample) -> Result<Vec<u8>> {
        let scratch = places.target.join("c").join(&sample.name);
        fs::create_dir_all(&scratch)?;
        let extra = fs::read_to_string(sample.directory.join("compile_flags.txt")).unwrap_or_default();
        let module = scratch.join("module.wasm");
        let mut linker = clean(&self.linker.program);
        linker.args(["--no-entry", "--strip-all", "-o"]).arg(&module);
        for source in c_files(&sample.source)? {
            let object = scratch.join(&source).with_extension("o");
            let mut compiler = clean(&self.compiler.program);
            // From within the sources, so that no path of this machine can get into the module.
            compiler.args(C_FLAGS).args(extra.lines()).arg("-c").arg(source).current_dir(&sample.source);
            execute(compiler.arg("-o").arg(&object))?;
            linker.arg(object);
        }
        execute(&mut linker)?;
        fs::read(&module).with_context(|| format!("failed to read {}", module.display()))
    }
}

fn c_files(directory: &Path) -> Result<Vec<OsString>> {
    let entries = fs::read_dir(directory).with_context(|| format!("failed to list {}", directory.display()))?;
    let mut files: Vec<OsString> = entries.map(|entry| Ok(entry?.file_name())).collect::<Result<_>>()?;
    files.retain(|file| Path::new(file).extension().is_some_and(|extension| extension == "c"));
    files.sort();
    Ok(files)
}

/// The first word that begins with a digit: distributions put their own name before it.
fn version_in(text: &str) -> Option<String> {
    text.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit())).map(str::to_owned)
}

/// A command that sees nothing of the environment that could change its output.
fn clean(program: impl AsRef<OsStr>) -> Command {
    const PREFIXES: [&str; 13] = [
        "CARGO_BUILD_",
        "CARGO_ENCODED_",
        "CARGO_INCREMENTAL",
        "CARGO_PROFILE_",
        "CARGO_TARGET_",
        "CARGO_UNSTABLE_",
        "CCC_",
        "CPATH",
        "C_INCLUDE_PATH",
        "RHAI_",
        "RUSTC",
        "RUSTFLAGS",
        // Set by the rustup that runs this program; rust-toolchain.toml is to decide.
        "RUSTUP_TOOLCHAIN",
    ];
    let mut command = Command::new(program);
    for (name, _) in env::vars_os() {
        if PREFIXES.iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
            command.env_remove(name);
        }
    }
    command
}

fn words(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// Runs `command`, which is shown first.
fn execute(command: &mut Command) -> Result<()> {
    let shown = words(command);
    println!("+ {shown}");
    let status = command.status().with_context(|| format!("failed to start `{shown}`; is it installed?"))?;
    ensure!(status.success(), "`{shown}` ended with {status}");
    Ok(())
}

/// What `command` prints, without the last line break.
fn output(command: &mut Command) -> Result<String> {
    let shown = words(command);
    let output = command.output().with_context(|| format!("failed to start `{shown}`; is it installed?"))?;
    ensure!(output.status.success(), "`{shown}` failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(String::from_utf8(output.stdout)?.trim_end().to_owned())
}

#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Same { size: usize },
    Written { old: Option<usize>, new: usize },
    Missing,
    Differs { offset: usize, committed: usize, built: usize },
    Skipped(String),
}

impl Outcome {
    fn line(&self, name: &str) -> String {
        match self {
            Self::Same { size } => format!("same: {name}, {size} bytes"),
            Self::Written { old: Some(old), new } => format!("written: {name}, {new} bytes, before {old}"),
            Self::Written { old: None, new } => format!("written: {name}, {new} bytes, new"),
            Self::Missing => format!("missing: {name} has no committed module"),
            Self::Differs { offset, committed, built } => {
                format!("differs: {name} from offset {offset:#x}; committed {committed} bytes, built {built}")
            }
            Self::Skipped(reason) => format!("skipped: {name}: {reason}"),
        }
    }
}

/// Compares `built` with the committed module; without `check`, replaces that where it differs.
fn settle(check: bool, sample: &Sample, built: &[u8]) -> Result<Outcome> {
    let path = sample.module.display();
    let committed = match fs::read(&sample.module) {
        Ok(bytes) => Some(bytes),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(error).with_context(|| format!("failed to read {path}")),
    };
    let outcome = compare(committed.as_deref(), built);
    if check || matches!(outcome, Outcome::Same { .. }) {
        return Ok(outcome);
    }
    // Beside the module and renamed, so that an interrupted run leaves the old one.
    let partial = sample.module.with_extension("wasm.partial");
    fs::write(&partial, built).with_context(|| format!("failed to write {}", partial.display()))?;
    fs::rename(&partial, &sample.module).with_context(|| format!("failed to replace {path}"))?;
    Ok(Outcome::Written { old: committed.map(|bytes| bytes.len()), new: built.len() })
}

fn compare(committed: Option<&[u8]>, built: &[u8]) -> Outcome {
    let Some(committed) = committed else { return Outcome::Missing };
    match first_difference(committed, built) {
        None => Outcome::Same { size: built.len() },
        Some(offset) => Outcome::Differs { offset, committed: committed.len(), built: built.len() },
    }
}

/// Where two modules begin to differ; where one is the beginning of the other, its end.
fn first_difference(a: &[u8], b: &[u8]) -> Option<usize> {
    let common = a.iter().zip(b).position(|(a, b)| a != b);
    common.or_else(|| (a.len() != b.len()).then(|| a.len().min(b.len())))
}

/// What has to be said at the end.
#[derive(Default)]
struct Tally {
    samples: usize,
    differing: Vec<String>,
    skipped: usize,
}

impl Tally {
    fn add(&mut self, name: &str, outcome: &Outcome) {
        self.samples += 1;
        match outcome {
            Outcome::Same { .. } | Outcome::Written { .. } => {}
            Outcome::Missing | Outcome::Differs { .. } => self.differing.push(name.to_owned()),
            Outcome::Skipped(_) => self.skipped += 1,
        }
    }

    fn finish(&self, check: bool) -> Result<()> {
        let done = if check { "checked" } else { "rebuilt" };
        println!("{} of {} samples {done}, {} skipped", self.samples - self.skipped, self.samples, self.skipped);
        ensure!(
            self.differing.is_empty(),
            "not what their sources give: {}; run `cargo xtask samples` and commit the modules if the sources are right",
            self.differing.join(", ")
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const YAML: &str = "description: x\ntier: pr # not the path: y\ncall:\n  path: wrong\nsource:\n  language: c\n  \
                        path: ../matmul/src   # shared\n  toolchain: clang 22.1.8, lld 22.1.8\nother:\n  build: wrong\n";

    #[test]
    fn reads_the_source_block_and_nothing_else() {
        assert_eq!(scalar_of_source(YAML, "path"), Some("../matmul/src"));
        assert_eq!(scalar_of_source(YAML, "toolchain"), Some("clang 22.1.8, lld 22.1.8"));
        assert_eq!(scalar_of_source(YAML, "build"), None);
        assert_eq!(scalar(YAML, "tier"), Some("pr"));
        assert_eq!(scalar(YAML, "path"), None);
    }

    #[test]
    fn finds_where_modules_differ() {
        assert_eq!(first_difference(b"abc", b"abc"), None);
        assert_eq!(first_difference(b"abc", b"axc"), Some(1));
        assert_eq!(first_difference(b"abc", b"ab"), Some(2));
        assert_eq!(first_difference(b"", b"ab"), Some(0));
    }

    #[test]
    fn finds_versions_behind_the_names_of_distributions() {
        assert_eq!(version_in("Debian clang version 22.1.8 (1~deb12u1)\nTarget: x").as_deref(), Some("22.1.8"));
        assert_eq!(version_in("LLD 22.1.8 (compatible with GNU linkers)").as_deref(), Some("22.1.8"));
        assert_eq!(version_in("no number"), None);
    }

    #[test]
    fn the_more_specific_remap_comes_last() {
        let places =
            Places { samples: "/a/samples".into(), target: "/a/samples/target".into(), cargo_home: "/a".into() };
        let remaps = remaps(&places, Path::new("/a/toolchain"), "0123").unwrap();
        let at = |name: &str| remaps.iter().position(|(_, to)| to == name).unwrap();
        assert!(at("/cargo") < at("/samples") && at("/samples") < at("/target") && at("/rust") < at("/rustc/0123"));
    }

    #[test]
    fn every_sample_can_be_built_and_unknown_names_are_refused() {
        let samples = discover(&Places::find().unwrap().samples).unwrap();
        assert!(samples.len() >= 12, "found {}", samples.len());
        for sample in &samples {
            assert!(sample.source.exists(), "{} has no source at {}", sample.name, sample.source.display());
            assert!(sample.module.is_file(), "{} has no module", sample.name);
        }
        let error = select(samples, &["fibonaci".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("fibonaci;") && error.contains("fibonacci,"), "{error}");
    }

    #[test]
    fn what_differs_fails_and_what_is_skipped_does_not() {
        let mut tally = Tally::default();
        tally.add("a", &Outcome::Skipped("no clang".to_owned()));
        tally.add("b", &Outcome::Same { size: 8 });
        assert!(tally.finish(true).is_ok());
        tally.add("c", &compare(Some(b"x"), b"y"));
        tally.add("d", &compare(None, b"y"));
        assert!(tally.finish(true).unwrap_err().to_string().contains("c, d"));
    }
}
