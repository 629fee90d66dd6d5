//! Engines that are built, the reference worker, and configurations of revisions.
#![cfg(unix)]

use crate::model::sample::EngineSpec;

use super::backends::executable;
use super::*;

/// SHA-256 of `#!/bin/sh\n`.
const SHELL: &str = "a8076d3d28d21e02012b20eaf7dbf75409a6277134439025f282e368e3305abf";

const BUILT: &str = "\
engines:
  new: {worker: out/worker, args: [w], build: make worker}
  old: {worker: old}
backends:
  cranelift: {engine: new}
  llvm: {engine: old}
";

fn folder() -> Folder {
    let folder = Folder::new().file("old", "#!/bin/sh\n");
    executable(&folder, "old");
    folder
}

fn checksum(config: &Config, index: usize) -> (&Path, &str) {
    match &config.backends[index].engine {
        EngineSpec::Executable { path, sha256, .. } => (path, sha256),
        EngineSpec::BuiltIn => panic!("{:?}", config.backends),
    }
}

#[test]
fn a_worker_that_is_built_is_looked_up_after_its_build() {
    let mut folder = folder();
    for before in [None, Some("#!/bin/false\n")] {
        if let Some(stale) = before {
            folder = folder.file("out/worker", stale);
        }
        let mut config = folder.load_in(BUILT);
        assert_eq!(config.builds.len(), 1);
        assert_eq!((config.builds[0].engine.as_str(), config.builds[0].command.as_str()), ("new", "make worker"));
        assert_eq!(checksum(&config, 0).1, "", "an earlier build is taken for nothing");
        assert_eq!(checksum(&config, 1), (folder.path().join("old").as_path(), SHELL));
        folder = folder.file("out/worker", "#!/bin/sh\n");
        executable(&folder, "out/worker");
        config.look_up_built(&BTreeSet::from(["new"])).unwrap();
        assert_eq!(checksum(&config, 0), (folder.path().join("out/worker").as_path(), SHELL));
    }
}

#[test]
fn a_build_that_makes_no_worker_is_told_with_its_place() {
    let folder = folder();
    let mut config = folder.load_in(BUILT);
    config.look_up_built(&BTreeSet::from(["old"])).unwrap();
    assert_eq!(
        config.look_up_built(&BTreeSet::from(["new"])).unwrap_err().to_string(),
        "tollgate.yml:4:17: the worker `out/worker` does not exist; let the build make it, or correct the path (after the \
         `build` of `new`)"
    );
    assert_eq!(
        folder.error_in(&BUILT.replace("make worker", "' '")),
        "tollgate.yml:4:47: `build` is empty; write the command that makes the worker, or remove the key"
    );
    assert_eq!(
        folder.error_in(&BUILT.replace("build: make worker", "biuld: make worker")),
        "\
2 problems in tollgate.yml and what it names:
  tollgate.yml:4:17: the worker `out/worker` does not exist; create it or correct the path
  tollgate.yml:4:40: unknown key `biuld` in the engine `new`; did you mean `build`? known here: worker, args, build"
    );
}

#[test]
fn a_reference_is_held_to_its_checksum() {
    let folder = folder();
    let config = folder.load_in(&format!("reference: {{worker: old, sha256: {}}}\n", SHELL.to_uppercase()));
    let found = EngineSpec::Executable {
        name: "reference".to_owned(),
        path: folder.path().join("old"),
        args: vec!["worker".to_owned()],
        sha256: SHELL.to_owned(),
    };
    assert_eq!(config.reference_worker().unwrap(), Some(found));
    assert_eq!(folder.load_in("").reference_worker().unwrap(), None);
    let config = folder.load_in(&format!("reference: {{worker: old, args: [], sha256: {SHELL}}}\n"));
    assert!(matches!(config.reference_worker(), Ok(Some(EngineSpec::Executable { args, .. })) if args.is_empty()));
    // It is looked at when it is needed, and not before.
    let error = |rest: &str| folder.load_in(rest).reference_worker().unwrap_err().to_string();
    let zeros = "0".repeat(64);
    assert_eq!(
        error(&format!("reference: {{worker: old, sha256: '{zeros}'}}\n")),
        format!(
            "tollgate.yml:3:34: the reference worker `old` has the SHA-256 {SHELL}, not the one it is pinned to; restore the \
             file, or write the one found to pin another worker, and accept new times with --update-baselines"
        )
    );
    assert_eq!(
        error(&format!("reference: {{worker: none, sha256: '{zeros}'}}\n")),
        "tollgate.yml:3:21: the reference worker `none` does not exist; create it or correct the path"
    );
}

#[test]
fn a_reference_is_pinned() {
    let folder = folder();
    assert_eq!(
        folder.error_in("reference: {worker: old}\n"),
        format!("tollgate.yml:3:12: `reference` has no `sha256`, which pins it; write `sha256: {SHELL}`")
    );
    assert_eq!(
        folder.error_in("reference: {sha256: abc, arg: []}\n"),
        "\
3 problems in tollgate.yml and what it names:
  tollgate.yml:3:12: `reference` has no `worker`; name the executable that committed times are ratios to
  tollgate.yml:3:21: `abc` is not a SHA-256; write its 64 hexadecimal digits, as `sha256sum` prints them
  tollgate.yml:3:26: unknown key `arg` in `reference`; did you mean `args`? known here: worker, args, sha256"
    );
    assert_eq!(
        folder.error_in("reference: old\n"),
        "tollgate.yml:3:12: `reference` must be a mapping with keys out of worker, args, sha256, not a text or number"
    );
}

#[test]
fn of_a_revision_what_was_never_committed_is_left_out() {
    let folder = folder()
        .file("d/sample.yml", "module: built.wasm\n")
        .file("e/sample.yml", "module: ../a.wasm\nwasi: {stdin: none.txt}\n")
        .file("large.wasm", "version https://git-lfs.github.com/spec/v1\n");
    let text = "\
version: 1
samples: [a.wasm, none.wasm, d/sample.yml, e/sample.yml, large.wasm, 'build/*.wasm']
engines:
  made: {worker: out/worker, build: make}
  kept: {worker: old}
  lost: {worker: target/worker}
backends:
  cranelift: {engine: made}
  llvm: {engine: kept}
  singlepass: {engine: lost}
";
    let file = folder.path().join(FILE_NAME);
    fs::write(&file, text).unwrap();
    let (config, left_out) = load_revision(&file).unwrap();
    assert_eq!(ids(&config), ["a"]);
    let backends: Vec<_> = config.backends.iter().map(|backend| backend.id.as_str()).collect();
    assert_eq!(backends, ["cranelift", "llvm"]);
    assert_eq!(config.warnings, Vec::<String>::new());
    assert_eq!(
        left_out,
        [
            "tollgate.yml:2:19: `none.wasm` does not exist",
            "d/sample.yml:1:9: `d/built.wasm` does not exist",
            "e/sample.yml:2:15: the `stdin` file `e/none.txt` does not exist",
            "tollgate.yml:2:58: `large.wasm` is a Git LFS pointer in place of a WebAssembly module",
            "tollgate.yml:2:70: `build/*.wasm` matches no sample file, no .wasm file and no folder with one",
            "tollgate.yml:6:18: the worker `target/worker` does not exist",
        ]
    );
    // What is wrong in itself is wrong there too.
    fs::write(&file, text.replace("version: 1", "version: 9")).unwrap();
    let error = load_revision(&file).unwrap_err().to_string();
    assert!(error.starts_with("tollgate.yml:1:10: version 9 is newer"), "{error}");
}
