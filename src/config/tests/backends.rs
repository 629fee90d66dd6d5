//! Engines and backends.

use crate::model::sample::{EngineSpec, OptLevel};

use super::*;

#[test]
fn options_are_read_and_default() {
    let folder = Folder::new();
    let config = folder.load_in(
        "\
backends:
  singlepass:
  cranelift: {opt-level: speed-and-size, canonicalize-nans: true, cpu-features: baseline, threads: 4}
  tuned: {compiler: llvm, opt-level: less, cpu-features: [sse2, avx, avx, bmi]}
  here: {compiler: llvm, cpu-features: native}
",
    );
    let [singlepass, cranelift, tuned, here] = &config.backends[..] else { panic!("{:?}", config.backends) };
    assert_eq!(singlepass.options.opt_level, OptLevel::None);
    assert_eq!(singlepass.options.cpu_features.name, "x86-64-v3");
    assert_eq!(singlepass.options.cpu_features.features.len(), 12);
    assert_eq!(singlepass.options.threads.get(), 1);
    assert_eq!(cranelift.options.opt_level, OptLevel::SpeedAndSize);
    assert!(cranelift.options.canonicalize_nans);
    assert_eq!(cranelift.options.cpu_features.features, ["sse2"]);
    assert_eq!(cranelift.options.threads.get(), 4);
    assert_eq!((tuned.id.as_str(), tuned.compiler.as_str()), ("tuned", "llvm"));
    assert_eq!(tuned.options.opt_level, OptLevel::Less);
    assert_eq!(tuned.options.cpu_features.name, "custom");
    assert_eq!(tuned.options.cpu_features.features, ["avx", "bmi", "sse2"]);
    assert_eq!(here.options.cpu_features.name, "native");
    assert!(here.options.cpu_features.features.is_empty());
}

#[test]
fn wrong_options_are_refused() {
    let folder = Folder::new();
    let error = |options: &str| folder.error_in(&format!("backends:\n  {options}\n"));
    assert_eq!(
        error("singlepass: {opt-level: speed}"),
        "tollgate.yml:4:27: `singlepass` has no optimisation level `speed`; it has: none"
    );
    assert_eq!(
        error("cranelift: {opt-level: less}"),
        "tollgate.yml:4:26: `cranelift` has no optimisation level `less`; it has: none, speed, speed-and-size"
    );
    assert_eq!(
        error("llvm: {opt-level: speed-and-size}"),
        "tollgate.yml:4:21: `llvm` has no optimisation level `speed-and-size`; it has: none, less, speed"
    );
    assert_eq!(
        error("llvm: {opt-level: sped}"),
        "tollgate.yml:4:21: unknown optimisation level `sped`; did you mean `speed`? known: none, less, speed, speed-and-size"
    );
    assert_eq!(error("llvm: {threads: 0}"), "tollgate.yml:4:19: `0` is not a number of threads; write 1 to 65535");
    assert_eq!(error("llvm: {threads: two}"), "tollgate.yml:4:19: `two` is not a number of threads; write 1 to 65535");
    assert_eq!(
        error("llvm: {canonicalize-nans: yes}"),
        "tollgate.yml:4:29: `yes` is neither true nor false; write one of them"
    );
    assert_eq!(
        error("llvm: {cpu-features: armv8-a}"),
        "tollgate.yml:4:24: `armv8-a` is a name for aarch64, and this machine is x86_64; names here: x86-64-v3, baseline, native"
    );
    assert_eq!(
        error("llvm: {cpu-features: x86-64-v4}"),
        "tollgate.yml:4:24: unknown CPU feature set `x86-64-v4`; names for x86_64: x86-64-v3, baseline, native; or a list of features"
    );
    assert_eq!(
        error("llvm: {cpu-features: [sse2, neon]}"),
        "tollgate.yml:4:24: unknown CPU feature `neon`; features of x86_64: avx, avx2, avx512dq, avx512f, avx512vl, bmi, bmi2, fma, lzcnt, popcnt, sse2, sse3, sse4.1, sse4.2, ssse3"
    );
    assert_eq!(
        error("llvm: {cpu-features: {sse2: true}}"),
        "tollgate.yml:4:24: `cpu-features` must be a name or a list of features, not a mapping"
    );
    assert_eq!(
        error("llvm: {compiler: cranelif}"),
        "tollgate.yml:4:20: unknown compiler `cranelif`; did you mean `cranelift`? known: singlepass, cranelift, llvm"
    );
    assert_eq!(
        error("mine: {}"),
        "tollgate.yml:4:3: the backend `mine` has no `compiler`; name one: singlepass, cranelift, llvm"
    );
    assert_eq!(
        error("my backend: {compiler: llvm}"),
        "tollgate.yml:4:3: `my backend` cannot name a backend: an id consists of ASCII letters, digits, `.`, `_`, `-`, `+` and `/`; it must not contain ' '; rename it"
    );
    assert_eq!(
        error("llvm: {engine: old}"),
        "tollgate.yml:4:18: no engine is called `old`; declare it under `engines:`, or leave `engine` out for the built-in one"
    );
    assert_eq!(
        error("llvm: fast"),
        "tollgate.yml:4:9: the backend `llvm` must be a mapping with keys out of engine, compiler, opt-level, canonicalize-nans, cpu-features, threads, not a text or number"
    );
    assert_eq!(
        error("llvm: {optlevel: none}"),
        "tollgate.yml:4:10: unknown key `optlevel` in the backend `llvm`; did you mean `opt-level`? known here: engine, compiler, opt-level, canonicalize-nans, cpu-features, threads"
    );
    assert_eq!(
        folder.error_in("backends: [llvm]\n"),
        "tollgate.yml:3:11: `backends` must be a mapping from names, not a list"
    );
    assert_eq!(
        folder.error_in("backends: {}\n"),
        "tollgate.yml:3:1: `backends` needs at least one; remove the key to have singlepass, cranelift and llvm"
    );
}

#[cfg(unix)]
pub fn executable(folder: &Folder, name: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(folder.path().join(name), fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
#[cfg(unix)]
fn engines_are_found_hashed_and_may_know_other_compilers() {
    let folder = Folder::new().file("tools/old", "#!/bin/sh\n");
    executable(&folder, "tools/old");
    let config = folder.load_in(
        "\
engines:
  old: {worker: tools/old, args: [--fast, 1]}
  unused: {worker: tools/old}
backends:
  cranelift: {engine: old}
  winch: {engine: old, compiler: winch, opt-level: less}
",
    );
    let engine = EngineSpec::Executable {
        name: "old".to_owned(),
        path: folder.path().join("tools/old"),
        args: vec!["--fast".to_owned(), "1".to_owned()],
        sha256: "a8076d3d28d21e02012b20eaf7dbf75409a6277134439025f282e368e3305abf".to_owned(),
    };
    assert_eq!(config.backends.iter().map(|backend| &backend.engine).collect::<Vec<_>>(), [&engine, &engine]);
    assert_eq!(config.backends[1].compiler, "winch");
    assert_eq!(config.warnings, ["tollgate.yml:5:3: no backend uses the engine `unused`; add `engine: unused` to one"]);
}

#[test]
#[cfg(unix)]
fn wrong_engines_are_refused() {
    let folder = Folder::new().file("old", "#!/bin/sh\n");
    let error = |engine: &str| folder.error_in(&format!("engines:\n  {engine}\nbackends:\n  llvm: {{engine: old}}\n"));
    assert_eq!(
        error("old: {worker: old}"),
        "tollgate.yml:4:17: the worker `old` is not executable; run `chmod +x` on it"
    );
    assert_eq!(
        error("old: {worker: none}"),
        "tollgate.yml:4:17: the worker `none` does not exist; create it or correct the path"
    );
    assert_eq!(
        error("old: {worker: .}"),
        "tollgate.yml:4:17: the worker `.` is not a regular file; name an executable"
    );
    assert_eq!(
        error("old: {args: []}"),
        "tollgate.yml:4:8: an engine has no `worker`; name the executable that speaks the worker protocol"
    );
    assert_eq!(
        error("old: {worker: old, arg: []}"),
        "\
2 problems in tollgate.yml and what it names:
  tollgate.yml:4:17: the worker `old` is not executable; run `chmod +x` on it
  tollgate.yml:4:22: unknown key `arg` in the engine `old`; did you mean `args`? known here: worker, args, build"
    );
    assert_eq!(
        error("old: old"),
        "tollgate.yml:4:8: the engine `old` must be a mapping with keys out of worker, args, build, not a text or number"
    );
    executable(&folder, "old");
    assert_eq!(
        error("olde: {worker: old}"),
        "tollgate.yml:6:18: no engine is called `old`; did you mean `olde`? declared: olde"
    );
    assert_eq!(error("o d: {worker: old}"), "\
2 problems in tollgate.yml and what it names:
  tollgate.yml:4:3: `o d` cannot name an engine: an id consists of ASCII letters, digits, `.`, `_`, `-`, `+` and `/`; it must not contain ' '; rename it
  tollgate.yml:6:18: no engine is called `old`; declare it under `engines:`, or leave `engine` out for the built-in one");
    assert_eq!(
        error("old: {worker: old, args: -x}"),
        "tollgate.yml:4:28: `args` must be a list such as [one, two], not a text or number"
    );
}
