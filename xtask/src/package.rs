//! `cargo xtask package`: the archive of a release, with the executable and the licences of all that is linked into it.
//!
//! Invariant: a crate that brings no licence text of its own is named with what it declares, so nothing is left out in silence.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use serde_json::Value;

use crate::{cargo, root, say, setup, succeed, target_dir};

/// How files with licences begin, in upper case.
const LICENCE_FILES: &[&str] = &["LICENSE", "LICENCE", "COPYING", "NOTICE", "COPYRIGHT", "UNLICENSE"];
/// Where an LLVM has the text of its own licence: below its prefix, or where Debian's packages keep it.
const LLVM_LICENCES: &[&str] = &[
    "LICENSE.TXT",
    "share/doc/llvm/LICENSE.TXT",
    "../../share/doc/llvm-22-dev/copyright",
    "../../share/doc/libllvm22/copyright",
];

/// Builds in release with all compilers, and packs.
pub fn run() -> anyhow::Result<()> {
    let mut environment = setup::ensure(setup::Need::Build)?;
    succeed(cargo(&environment).args(["build", "--release", "--locked", "--bin", "tollgate"]))?;
    let name = format!("tollgate-{}-{}-{}", version(), std::env::consts::ARCH, std::env::consts::OS);
    let package = target_dir()?.join("package");
    let folder = package.join("work").join(&name);
    _ = fs::remove_dir_all(&package);
    fs::create_dir_all(folder.join("licences"))?;

    fs::copy(target_dir()?.join("release/tollgate"), folder.join("tollgate")).context("failed to copy tollgate")?;
    for file in ["LICENSE-MIT", "LICENSE-APACHE", "README.md"] {
        fs::copy(root().join(file), folder.join(file)).with_context(|| format!("failed to copy {file}"))?;
    }
    let prefix = environment.remove(setup::LLVM_PREFIX).or_else(|| std::env::var(setup::LLVM_PREFIX).ok());
    fs::copy(llvm_licence(&prefix.context("there is no LLVM")?)?, folder.join("licences/LLVM.txt"))?;
    fs::write(folder.join("licences/crates.txt"), crates()?)?;

    let archive = package.join(format!("{name}.tar.gz"));
    let mut tar = Command::new("tar");
    succeed(tar.arg("-czf").arg(&archive).arg("-C").arg(package.join("work")).arg(&name))?;
    fs::remove_dir_all(package.join("work"))?;
    say(&format!("packed {}", archive.display()));
    Ok(())
}

fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

fn llvm_licence(prefix: &str) -> anyhow::Result<PathBuf> {
    let mut places = LLVM_LICENCES.iter().map(|place| Path::new(prefix).join(place));
    places
        .find(|place| place.is_file())
        .with_context(|| format!("LLVM in {prefix} brings no licence; install its documentation"))
}

/// The licences of every crate that is linked on this target, one after the other.
fn crates() -> anyhow::Result<String> {
    let linked = linked()?;
    let mut metadata = Command::new(env!("CARGO"));
    metadata.args(["metadata", "--format-version", "1", "--locked"]).current_dir(root());
    let output = metadata.output().context("failed to start cargo metadata")?;
    ensure!(output.status.success(), "cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let packages = metadata["packages"].as_array().context("cargo metadata names no packages")?;
    let mut named: Vec<_> =
        packages.iter().map(|package| (text(package, "name"), text(package, "version"), package)).collect();
    named.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
    let mut all =
        String::from("Crates linked into this executable, with their licences as each of them brings them.\n");
    let mut found = 0;
    for (name, version, package) in
        named.iter().filter(|(name, version, _)| linked.contains(&format!("{name} v{version}")))
    {
        found += 1;
        let folder = Path::new(package["manifest_path"].as_str().unwrap_or_default()).parent().unwrap_or(root());
        write!(all, "\n{}\n{name} {version}: {}\n", "=".repeat(80), text(package, "license"))?;
        for (file, licence) in licences(folder)? {
            write!(all, "\n--- {file}\n\n{}\n", licence.trim_end())?;
        }
    }
    ensure!(found == linked.len(), "{found} of {} linked crates are in cargo's metadata", linked.len());
    Ok(all)
}

fn text(package: &Value, key: &str) -> String {
    package[key].as_str().unwrap_or("not declared").to_owned()
}

/// Names and versions of what is linked: not what only builds or tests.
fn linked() -> anyhow::Result<BTreeSet<String>> {
    let mut tree = Command::new(env!("CARGO"));
    tree.args(["tree", "--locked", "--edges", "normal", "--prefix", "none", "--format", "{p}"]).current_dir(root());
    let output = tree.args(["--package", "tollgate"]).output().context("failed to start cargo tree")?;
    ensure!(output.status.success(), "cargo tree failed: {}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout)?;
    // "name v1.2.3", then what kind of crate or where it lies.
    let name = |line: &str| line.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
    let linked: BTreeSet<String> = lines.lines().map(name).filter(|name| !name.is_empty()).collect();
    ensure!(linked.len() > 50, "cargo tree names {} crates only", linked.len());
    Ok(linked)
}

/// The files with licences in a crate's folder, by name.
fn licences(folder: &Path) -> anyhow::Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("failed to read {}", folder.display()))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let upper = name.to_uppercase();
        if LICENCE_FILES.iter().any(|start| upper.starts_with(start)) && entry.path().is_file() {
            found.push((name, String::from_utf8_lossy(&fs::read(entry.path())?).into_owned()));
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_linked_crate_is_there_with_its_licence() {
        let all = crates().unwrap();
        for (name, licence) in [("wasmer-compiler-llvm", "Business Source License"), ("serde", "MIT OR Apache-2.0")] {
            let (_, of) = all.split_once(&format!("\n{name} ")).unwrap_or_else(|| panic!("no {name}"));
            let of = of.split(&"=".repeat(80)).next().unwrap_or_default();
            assert!(of.contains(licence), "{name}: {of}");
        }
        // What only tests use is not shipped.
        assert!(!all.contains("\nproptest "));
    }
}
