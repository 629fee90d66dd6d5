//! What several families of tests use: the misbehaving worker, waiting for another process, and looking for its leavings.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Waits that must not be reached; generous, for slow machines.
pub const AMPLE: Duration = Duration::from_secs(60);

/// The executable of `tests/helpers/misbehave.rs`, which cargo builds beside this one.
pub fn misbehave() -> PathBuf {
    let this = std::env::current_exe().unwrap();
    let path = this.parent().unwrap().parent().unwrap().join("examples/misbehave");
    assert!(path.is_file(), "{} is missing; run `cargo build --example misbehave`", path.display());
    path
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
