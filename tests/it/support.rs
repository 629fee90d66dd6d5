//! What several families of tests use: the misbehaving worker, waiting for another process, and looking for its leavings.

use std::fs;
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tollgate::model::sample::{BackendOptions, CpuFeatures, EngineSpec, OptLevel};
use tollgate::model::{BackendId, BackendSpec, Bytes, Run, Sample, SampleId, Stage, Tier};

/// The stages that gate, in the order of measuring.
pub const STAGES: [Stage; 6] =
    [Stage::Validate, Stage::Compile, Stage::Serialize, Stage::Deserialize, Stage::Instantiate, Stage::Execute];

/// Waits that are reached; long enough for a worker to start on a busy machine.
pub const SHORT: Duration = Duration::from_secs(2);

/// Waits that must not be reached; generous, for slow machines.
pub const AMPLE: Duration = Duration::from_secs(60);

/// The executable of `tests/helpers/misbehave.rs`, which cargo builds beside this one.
pub fn misbehave() -> PathBuf {
    let this = std::env::current_exe().unwrap();
    let path = this.parent().unwrap().parent().unwrap().join("examples/misbehave");
    assert!(path.is_file(), "{} is missing; run `cargo build --example misbehave`", path.display());
    path
}

/// The misbehaving worker as a backend's engine, with these arguments.
pub fn backend(args: &[&str]) -> BackendSpec {
    let args = args.iter().map(|arg| (*arg).to_owned()).collect();
    let engine = EngineSpec::Executable { name: "invented".into(), path: misbehave(), args, sha256: "0".repeat(64) };
    let cpu_features = CpuFeatures { name: "x86-64-v3".into(), features: vec!["avx2".into()] };
    let options =
        BackendOptions { opt_level: OptLevel::Speed, canonicalize_nans: false, cpu_features, threads: NonZeroU16::MIN };
    BackendSpec { id: BackendId::new("invented").unwrap(), engine, compiler: "cranelift".into(), options }
}

/// A sample that is not there: the misbehaving worker reads none.
pub fn sample(folder: &Path) -> Sample {
    Sample {
        id: SampleId::new("fibonacci").unwrap(),
        module: folder.join("fibonacci.wasm"),
        sha256: "0".repeat(64),
        size: Bytes(100),
        tier: Tier::Smoke,
        description: None,
        run_files: Default::default(),
        run: Run::Nothing,
    }
}

/// Polls until there is a value; what it waits for happens in another process.
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + AMPLE;
    loop {
        if let Some(value) = look() {
            return value;
        }
        assert!(Instant::now() < until, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The live processes of a group, as `/proc` tells: zombies are dead, and whoever adopted them reaps them.
pub fn group(group: i32) -> Vec<i32> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        // The name in parentheses may hold anything; state, parent and group come after the last one.
        let Some((_, rest)) = stat.rsplit_once(") ") else { continue };
        let fields: Vec<&str> = rest.split(' ').collect();
        if !matches!(fields[0], "Z" | "X") && fields[2] == group.to_string() {
            found.push(entry.file_name().to_string_lossy().parse().unwrap());
        }
    }
    found
}
