//! Whole configurations, as files in a temporary folder, with the exact text of every error.

mod backends;
mod discovery;
mod documentation;
mod engines;
mod init;
mod samples;
mod settings;
mod yaml;

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::*;

/// The smallest module.
pub const EMPTY_MODULE: &[u8] = b"\0asm\x01\0\0\0";

/// A folder with a configuration and what it names.
pub struct Folder(TempDir);

impl Folder {
    /// A folder with `a.wasm`.
    pub fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.file("a.wasm", EMPTY_MODULE)
    }

    /// Adds a file and the folders it lies in.
    pub fn file(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    /// Adds a module from its text.
    pub fn wat(self, path: &str, text: &str) -> Self {
        self.file(path, wat::parse_str(text).unwrap())
    }

    pub fn path(&self) -> PathBuf {
        self.0.path().canonicalize().unwrap()
    }

    /// Loads `text` as the configuration, for x86-64 on any machine.
    pub fn load(&self, text: &str) -> Result<Config, ConfigError> {
        let file = self.0.path().join(FILE_NAME);
        fs::write(&file, text).unwrap();
        load_for(&file, "x86_64")
    }

    /// The text of the error that loading gives.
    #[track_caller]
    pub fn error(&self, text: &str) -> String {
        self.load(text).expect_err("this configuration is wrong").to_string()
    }

    /// The error for the lines below a good beginning, which takes two lines.
    #[track_caller]
    pub fn error_in(&self, rest: &str) -> String {
        self.error(&format!("version: 1\nsamples: [a.wasm]\n{rest}"))
    }

    /// What loads from the lines below a good beginning.
    #[track_caller]
    pub fn load_in(&self, rest: &str) -> Config {
        self.load(&format!("version: 1\nsamples: [a.wasm]\n{rest}")).unwrap_or_else(|error| panic!("{error}"))
    }
}

/// Ids of samples.
pub fn ids(config: &Config) -> Vec<&str> {
    config.samples.iter().map(|sample| sample.id.as_str()).collect()
}

#[test]
fn a_small_file_takes_every_default() {
    let folder = Folder::new();
    let config = folder.load_in("");
    let root = folder.path();
    assert_eq!(config.file, Some(root.join("tollgate.yml")));
    assert_eq!(config.baselines, root.join("baselines"));
    assert_eq!(ids(&config), ["a"]);
    let sample = &config.samples[0];
    assert_eq!(sample.module, root.join("a.wasm"));
    assert_eq!(sample.sha256, "93a44bbb96c751218e4c00d479e4c14358122a389acca16205b1e4d0dc5f9476");
    assert_eq!(sample.size.0, 8);
    assert_eq!(sample.run, crate::model::Run::Nothing);
    let names: Vec<_> = config.backends.iter().map(|backend| backend.id.as_str()).collect();
    assert_eq!(names, ["singlepass", "cranelift", "llvm"]);
    assert_eq!(config.limits.deadline.0, 120_000_000_000);
    assert_eq!(config.limits.memory.0, 8 << 30);
    assert_eq!(config.fail_on, BTreeSet::from([FailOn::Regressed]));
    assert_eq!(config.warnings, Vec::<String>::new());
    // Without a file everything but the samples is the same.
    let default = Config { backends: super::backends::defaults("x86_64"), ..Config::without_file(&root) };
    assert_eq!(Config { file: None, samples: Vec::new(), ..config }, default);
}

#[test]
fn every_problem_is_reported_in_order() {
    let folder = Folder::new().file("b/sample.yml", "tier: fast\nwasi: {stdin: none.txt}\n").file("c.wasm", "");
    let text = "\
verion: 1
samples:
  - b/*.yml
  - c.wasm
  - none.wasm
  - {id: x}
backends:
  cranelift: {opt-level: fast, thread: 1}
limits: {deadline: soon}
fail-on: [broken]
";
    assert_eq!(folder.error(text), "\
12 problems in tollgate.yml and what it names:
  tollgate.yml:1:1: no `version`; begin the file with `version: 1`
  tollgate.yml:1:1: unknown key `verion` in the configuration; did you mean `version`? known here: version, samples, engines, backends, reference, thresholds, layout-allowance, limits, fail-on, baselines
  tollgate.yml:4:5: `c.wasm` is empty (0 bytes); build it again
  tollgate.yml:5:5: `none.wasm` does not exist; create it or correct the path
  tollgate.yml:6:5: a sample has no `path`; name its module, relative to this file
  tollgate.yml:8:26: unknown optimisation level `fast`; known: none, less, speed, speed-and-size
  tollgate.yml:8:32: unknown key `thread` in the backend `cranelift`; did you mean `threads`? known here: engine, compiler, opt-level, canonicalize-nans, cpu-features, threads
  tollgate.yml:9:20: `soon` is not a duration: expected number at 0; write one such as 90s or 5m
  tollgate.yml:10:11: `broken` always fails; remove it
  b/sample.yml:1:1: `b/b.wasm` does not exist; create it or correct the path; or name the module with `module:`
  b/sample.yml:1:7: unknown tier `fast`; known: smoke, pr, full
  b/sample.yml:2:15: the `stdin` file `b/none.txt` does not exist; create it or correct the path");
}

#[test]
fn extra_samples_are_found_as_entries_are_and_adopted_once() {
    let folder = Folder::new().file("b/sample.yml", "module: ../a.wasm\n").file("d/a.wasm", EMPTY_MODULE);
    let paths = |names: &[&str]| names.iter().map(PathBuf::from).collect::<Vec<_>>();
    let (samples, warnings) = load_extra_samples(&paths(&["b", "./a.wasm"]), &folder.path()).unwrap();
    assert_eq!(warnings, Vec::<String>::new());
    let mut config = folder.load_in("");
    // `b` describes `a.wasm`, so that the bare file is not a second sample.
    assert_eq!(config.adopt(samples).unwrap(), [SampleId::new("b").unwrap()]);
    assert_eq!(ids(&config), ["a", "b"]);
    let (same, _) = load_extra_samples(&paths(&["a.wasm"]), &folder.path()).unwrap();
    assert_eq!(config.adopt(same).unwrap(), [SampleId::new("a").unwrap()]);
    assert_eq!(ids(&config), ["a", "b"]);
    let (other, _) = load_extra_samples(&paths(&["d/a.wasm"]), &folder.path()).unwrap();
    assert_eq!(
        config.adopt(other).unwrap_err().to_string(),
        "--sample: the id `a` of d/a.wasm is taken by the configured sample a.wasm; rename the file, or configure it with an \
         `id:` of its own"
    );
    assert_eq!(
        load_extra_samples(&paths(&["none\n.wasm"]), &folder.path()).unwrap_err().to_string(),
        "--sample none\\n.wasm: `none\\n.wasm` does not exist; create it or correct the path"
    );
}
