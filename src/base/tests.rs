//! Bases of every kind, from real repositories and executables.

use std::cell::RefCell;
use std::fs;

use super::testing::{Project, write_executable};
use super::*;
use crate::model::{Sample, Stage};

/// The smallest module, and one that is another.
const MODULE: &[u8] = b"\0asm\x01\0\0\0";
const OTHER: &[u8] = b"\0asm\x01\0\0\0\0\x02\x01x";

/// Builds a worker out of `source`, and counts how often.
const BUILD: &str = "cp source out/worker && chmod +x out/worker && echo built >> \"$COUNT\"";

/// A project whose engine is built, with a count of the builds outside of it.
struct Fixture {
    project: Project,
    outside: tempfile::TempDir,
    cache: Cache,
    cancel: Cancel,
    said: RefCell<Vec<String>>,
}

impl Fixture {
    fn new() -> Self {
        let outside = tempfile::tempdir().unwrap();
        let cache = Cache::in_folder(&outside.path().join("cache"));
        let project = Project::new();
        let fixture = Self { project, outside, cache, cancel: Cancel::new(), said: RefCell::default() };
        fixture.project.write("sub/a.wasm", MODULE);
        fixture.project.write("sub/source", "#!/bin/sh\n");
        fixture.project.write("sub/out/.keep", "");
        fixture.project.write(".gitignore", "out/worker\n*.made.wasm\n");
        fixture.configure("[a.wasm]");
        fixture
    }

    fn configure(&self, samples: &str) {
        let count = self.outside.path().join("count").display().to_string();
        let build = BUILD.replace("$COUNT", &count).replace('\'', "''");
        let text = format!(
            "version: 1\nsamples: {samples}\nengines:\n  host: {{worker: out/worker, args: [w], build: '{build}'}}\nbackends:\n  \
             cranelift: {{}}\n  hosted: {{engine: host, compiler: llvm}}\n"
        );
        self.project.write("sub/tollgate.yml", text);
    }

    fn builds(&self) -> usize {
        fs::read_to_string(self.outside.path().join("count")).unwrap_or_default().lines().count()
    }

    fn commit(&self) -> String {
        self.project.commit("note", format!("{:?}", self.said.borrow()))
    }

    fn config(&self) -> Config {
        config::load(&self.project.path().join("sub/tollgate.yml")).unwrap()
    }

    fn resolve(&self, request: &Request) -> Result<Resolved, BaseError> {
        self.resolve_for(request, &self.config(), &["cranelift", "hosted"])
    }

    fn resolve_for(&self, request: &Request, config: &Config, backends: &[&str]) -> Result<Resolved, BaseError> {
        let pair = |sample: &Sample, backend: &str| PlannedPair {
            sample: sample.id.clone(),
            backend: BackendId::new(backend).unwrap(),
            stages: vec![Stage::Compile],
            comparison: Default::default(),
        };
        let plan: Vec<_> = backends.iter().map(|backend| pair(&config.samples[0], backend)).collect();
        let progress = |text: &str| self.said.borrow_mut().push(text.to_owned());
        let (cache, cancel) = (Some(&self.cache), &self.cancel);
        resolve(request, &Surroundings { config, plan: &plan, cache, cancel, progress: &progress })
    }

    /// Nothing of a base is left in the repository.
    fn assert_clean(&self) {
        assert_eq!(self.project.worktrees(), 1);
        assert_eq!(self.project.git(&["status", "--porcelain"]), "");
    }
}

fn revision(name: &str) -> Request {
    Request::Revision { name: name.to_owned(), extras: Vec::new() }
}

fn engine<'a>(base: &'a Base, backend: &str) -> &'a EngineSpec {
    &base.backends.iter().find(|one| one.id.as_str() == backend).unwrap().engine
}

fn built(base: &Base) -> (&Path, &str) {
    match engine(base, "hosted") {
        EngineSpec::Executable { path, args, sha256, name } => {
            assert_eq!((name.as_str(), args.as_slice()), ("host", &["w".to_owned()][..]));
            (path, sha256)
        }
        EngineSpec::BuiltIn => panic!("{base:?}"),
    }
}

#[test]
fn a_revision_brings_its_samples_and_its_engine() {
    let fixture = Fixture::new();
    let commit = fixture.commit();
    fixture.project.write("sub/a.wasm", OTHER);
    fixture.project.write("sub/source", "#!/bin/sh\n# new\n");
    let second = fixture.commit();
    let resolved = fixture.resolve(&revision("HEAD~1")).unwrap();
    let base = &resolved.base;
    assert_eq!(base.kind, BaseKind::Revision { name: "HEAD~1".to_owned(), commit: commit.clone() });
    assert_eq!(resolved.warnings, Vec::<String>::new());
    assert_eq!(fs::read(&base.samples[0].module).unwrap(), MODULE);
    assert_ne!(base.samples[0].sha256, fixture.config().samples[0].sha256);
    let (path, sha256) = built(base);
    assert_eq!(fs::read_to_string(path).unwrap(), "#!/bin/sh\n");
    assert_eq!(config::executable(path).unwrap().1, sha256);
    assert_eq!(engine(base, "cranelift"), &EngineSpec::BuiltIn);
    assert_eq!(fixture.builds(), 1);
    assert!(fixture.said.borrow()[0].starts_with(&format!("building the engine `host` of {}: cp", &commit[..12])));
    let path = path.to_owned();
    drop(resolved);
    assert!(!path.exists());
    fixture.assert_clean();

    // The second time, it comes from the cache; another revision has another.
    assert_eq!(fs::read_to_string(built(&fixture.resolve(&revision(&commit)).unwrap().base).0).unwrap(), "#!/bin/sh\n");
    assert_eq!(fixture.builds(), 1);
    let resolved = fixture.resolve(&revision(&second)).unwrap();
    assert_eq!(fs::read_to_string(built(&resolved.base).0).unwrap(), "#!/bin/sh\n# new\n");
    assert_eq!(fixture.builds(), 2);
    drop(resolved);
    fixture.assert_clean();
}

#[test]
fn engines_that_nobody_needs_are_not_built() {
    let fixture = Fixture::new();
    fixture.commit();
    let resolved = fixture.resolve_for(&revision("HEAD"), &fixture.config(), &["cranelift"]).unwrap();
    assert_eq!(resolved.base.backends.len(), 1, "what was not built has no base");
    assert_eq!(fixture.builds(), 0);
}

#[test]
fn a_build_that_fails_shows_what_it_said() {
    let fixture = Fixture::new();
    let text = fs::read_to_string(fixture.project.path().join("sub/tollgate.yml")).unwrap();
    let line = text.lines().find(|line| line.contains("host:")).unwrap();
    let with = |build: &str| {
        let line_with = format!("  host: {{worker: out/worker, args: [w], build: \"{build}\"}}");
        fixture.project.commit("sub/tollgate.yml", text.replace(line, &line_with));
        fixture.resolve(&revision("HEAD")).unwrap_err()
    };
    let error = with("echo one; echo 'two \\e[31m' >&2; exit 3").to_string();
    assert!(error.contains("` ended with code 3; correct its `build`"), "{error}");
    assert!(error.ends_with(":\n  | one\n  | two \\u{1b}[31m"), "{error}");
    let error = with("true").to_string();
    assert!(error.ends_with("made: the worker `out/worker` does not exist; create it or correct the path"), "{error}");
    let error = with("ln -s /bin/sh out/worker").to_string();
    assert!(error.ends_with("lies outside of the checkout; build it in a folder of the repository"), "{error}");
    fixture.assert_clean();
}

#[test]
fn what_was_never_committed_has_no_base() {
    let fixture = Fixture::new();
    fixture.project.write("sub/b.made.wasm", MODULE);
    fixture.configure("[a.wasm, b.made.wasm]");
    fixture.commit();
    assert_eq!(fixture.config().samples.len(), 2);
    let resolved = fixture.resolve(&revision("main")).unwrap();
    assert_eq!(resolved.base.samples.len(), 1);
    let [warning] = &resolved.warnings[..] else { panic!("{:?}", resolved.warnings) };
    assert!(warning.starts_with("not to be had in main ("), "{warning}");
    assert!(
        warning.ends_with("so there is no base for it: tollgate.yml:2:19: `b.made.wasm` does not exist"),
        "{warning}"
    );
}

#[test]
fn a_revision_without_a_usable_configuration_has_nothing_to_compare_with() {
    let fixture = Fixture::new();
    let good = fs::read(fixture.project.path().join("sub/tollgate.yml")).unwrap();
    fixture.project.commit("sub/tollgate.yml", "version: 1\nsampels: []\n");
    fixture.project.git(&["rm", "--quiet", "sub/tollgate.yml"]);
    fixture.project.commit("note", "without");
    fixture.project.commit("sub/tollgate.yml", good);
    for (name, why) in [("HEAD~1", ": there is no tollgate.yml in it"), ("HEAD~2", "unknown key `sampels`")] {
        let resolved = fixture.resolve(&revision(name)).unwrap();
        assert_eq!((resolved.base.samples.len(), resolved.base.backends.len()), (0, 0));
        let [warning] = &resolved.warnings[..] else { panic!("{:?}", resolved.warnings) };
        assert!(warning.contains("has nothing to compare with, every sample is measured alone"), "{warning}");
        assert!(warning.contains(why), "{warning}");
    }
    fixture.assert_clean();
}

#[test]
fn samples_of_the_command_line_are_looked_for_in_the_revision() {
    let fixture = Fixture::new();
    fixture.project.write("more/b.wasm", MODULE);
    fixture.project.write("sub/b.made.wasm", MODULE);
    fixture.commit();
    fixture.project.write("more/b.wasm", OTHER);
    let path = |name: &str| fixture.project.path().join(name);
    let extras = vec![path("more/b.wasm"), path("sub/b.made.wasm")];
    let request = Request::Revision { name: "HEAD".to_owned(), extras };
    let resolved = fixture.resolve(&request).unwrap();
    let ids: Vec<_> = resolved.base.samples.iter().map(|sample| sample.id.as_str()).collect();
    assert_eq!(ids, ["a", "b"]);
    assert_eq!(fs::read(&resolved.base.samples[1].module).unwrap(), MODULE);
    assert_eq!(resolved.warnings.len(), 1, "{:?}", resolved.warnings);

    // Without any configuration, they are all there is.
    let mut config = Config::without_file(&path("more"));
    config.adopt(config::load_extra_samples(&[path("more/b.wasm")], &path("")).unwrap().0).unwrap();
    let resolved = fixture.resolve_for(&request, &config, &["cranelift"]).unwrap();
    assert_eq!(resolved.base.samples.len(), 1);
    assert_eq!(resolved.base.backends.len(), 3);
}

#[test]
fn an_interruption_leaves_nothing() {
    let fixture = Fixture::new();
    let text = fs::read_to_string(fixture.project.path().join("sub/tollgate.yml")).unwrap();
    let line = text.lines().find(|line| line.contains("host:")).unwrap();
    let started = fixture.outside.path().join("started");
    let hangs = format!("  host: {{worker: out/worker, build: 'touch {}; sleep 600'}}", started.display());
    fixture.project.commit("sub/tollgate.yml", text.replace(line, &hangs));
    let cancel = fixture.cancel.clone();
    let waiting = std::thread::spawn(move || {
        while !started.exists() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        cancel.cancel();
    });
    let error = fixture.resolve(&revision("HEAD")).unwrap_err();
    waiting.join().unwrap();
    assert!(error.is_interruption(), "{error}");
    fixture.assert_clean();
    // Nor does anything begin once the user wants to stop.
    assert!(fixture.resolve(&revision("HEAD")).unwrap_err().is_interruption());
}

#[test]
fn a_base_worker_stands_in_for_the_built_in_engine_alone() {
    let fixture = Fixture::new();
    let config = fixture.config();
    let path = fixture.project.path().join("worker");
    let request = Request::Worker { path: path.clone(), args: vec!["w".to_owned()] };
    let error = fixture.resolve(&request).unwrap_err().to_string();
    assert!(error.starts_with("use --base-worker `") && error.contains("does not exist"), "{error}");
    write_executable(&path, "#!/bin/sh\n");
    let resolved = fixture.resolve(&request).unwrap();
    let base = resolved.base;
    let EngineSpec::Executable { path: found, args, sha256, .. } = engine(&base, "cranelift") else {
        panic!("{base:?}")
    };
    assert_eq!((found, &args[..]), (&path, &["w".to_owned()][..]));
    assert_eq!(base.kind, BaseKind::Worker { sha256: sha256.clone() });
    assert_eq!(engine(&base, "hosted"), &config.backends[1].engine);
    assert_eq!(base.samples, config.samples);
    assert!(matches!(fixture.resolve_for(&request, &config, &["hosted"]), Err(BaseError::NoBuiltIn)));
}

#[test]
fn a_reference_stands_in_for_every_engine() {
    let fixture = Fixture::new();
    assert!(matches!(fixture.resolve(&Request::Reference), Err(BaseError::NoReference)));
    let path = fixture.project.path().join("sub/reference");
    write_executable(&path, "#!/bin/sh\n");
    let (_, sha256) = config::executable(&path).unwrap();
    let text = fs::read_to_string(fixture.project.path().join("sub/tollgate.yml")).unwrap();
    fixture.project.write("sub/tollgate.yml", format!("{text}reference: {{worker: reference, sha256: {sha256}}}\n"));
    let base = fixture.resolve(&Request::Reference).unwrap().base;
    assert_eq!(base.kind, BaseKind::Reference { sha256 });
    for backend in ["cranelift", "hosted"] {
        let EngineSpec::Executable { args, path: found, .. } = engine(&base, backend) else { panic!("{base:?}") };
        assert_eq!((found, &args[..]), (&path, &["worker".to_owned()][..]));
    }
    write_executable(&path, "#!/bin/sh\n# other\n");
    let error = fixture.resolve(&Request::Reference).unwrap_err().to_string();
    assert!(error.contains("not the one it is pinned to"), "{error}");
}

#[test]
fn the_head_itself_is_a_base() {
    let fixture = Fixture::new();
    let config = fixture.config();
    let base = fixture.resolve(&Request::Itself).unwrap().base;
    assert_eq!(base, Base { kind: BaseKind::Itself, samples: config.samples, backends: config.backends });
}

#[test]
fn the_heads_engines_are_built_where_they_are_needed() {
    let fixture = Fixture::new();
    let mut config = fixture.config();
    let pair = |backend: &str| PlannedPair {
        sample: config.samples[0].id.clone(),
        backend: BackendId::new(backend).unwrap(),
        stages: Vec::new(),
        comparison: Default::default(),
    };
    let (without, with) = ([pair("cranelift")], [pair("hosted")]);
    build_head(&mut config, &without, &fixture.cancel, &|_| panic!("nothing takes long")).unwrap();
    assert_eq!(fixture.builds(), 0);
    let said = RefCell::new(Vec::new());
    build_head(&mut config, &with, &fixture.cancel, &|text| said.borrow_mut().push(text.to_owned())).unwrap();
    assert_eq!((fixture.builds(), said.borrow().len()), (1, 1));
    let EngineSpec::Executable { path, sha256, .. } = &config.backends[1].engine else { panic!("{config:?}") };
    assert_eq!((path.as_path(), sha256.len()), (fixture.project.path().join("sub/out/worker").as_path(), 64));
}
