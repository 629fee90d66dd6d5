//! What the build needs from the system, and how to get it there.
//!
//! It installs only what is missing, says what it runs, and where it may not install it says what to type. It knows Debian's
//! and Ubuntu's apt and macOS' Homebrew; elsewhere it names the libraries.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

use crate::{exists, say, succeed};

/// Environment variables for the builds that follow.
pub type Environment = BTreeMap<String, String>;

/// What is to be done with the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Build Tollgate with its three compilers.
    Build,
    /// Rebuild the samples that are written in C, too.
    Samples,
}

/// The variable through which the LLVM bindings find their LLVM.
pub const LLVM_PREFIX: &str = "LLVM_SYS_221_PREFIX";

/// Debian's and Ubuntu's packages for a build. LLVM 22 is what Wasmer 7.4 binds to; the others are what its static
/// libraries link to.
const APT_BUILD: &[&str] =
    &["build-essential", "llvm-22-dev", "libpolly-22-dev", "libzstd-dev", "zlib1g-dev", "libffi-dev", "libxml2-dev"];

/// For the samples in C.
const APT_SAMPLES: &[&str] = &["clang-22", "lld-22"];

/// Homebrew's formulas for the same. Written from Homebrew's own names; not run on macOS by us yet.
const BREW_BUILD: &[&str] = &["llvm@22", "zstd", "libffi"];
const BREW_SAMPLES: &[&str] = &["lld@22"];

/// Makes sure that everything is there, and returns the environment to build in.
pub fn ensure(need: Need) -> anyhow::Result<Environment> {
    if cfg!(target_os = "macos") { ensure_brew(need) } else { ensure_linux(need) }
}

fn ensure_linux(need: Need) -> anyhow::Result<Environment> {
    // A prefix that the user has set is the user's own LLVM: nothing to install for it.
    if need == Need::Build
        && let Some(prefix) = std::env::var_os(LLVM_PREFIX)
        && prefix != "/usr/lib/llvm-22"
    {
        let config = Path::new(&prefix).join("bin/llvm-config");
        anyhow::ensure!(config.exists(), "{LLVM_PREFIX} is set, but there is no {}", config.display());
        return Ok(Environment::new());
    }
    let packages = if need == Need::Build { APT_BUILD } else { APT_SAMPLES };
    if !exists("dpkg-query") {
        return without_apt(need);
    }
    let missing: Vec<&str> = packages.iter().copied().filter(|package| !is_installed(package)).collect();
    if !missing.is_empty() {
        install_apt(&missing)?;
    }
    Ok(Environment::new())
}

/// Debian says of a package whether it is there; nothing else does so reliably.
fn is_installed(package: &str) -> bool {
    let mut query = Command::new("dpkg-query");
    query.args(["--show", "--showformat=${db:Status-Status}", package]).stderr(Stdio::null());
    query.output().is_ok_and(|output| output.stdout == b"installed")
}

fn install_apt(missing: &[&str]) -> anyhow::Result<()> {
    let sudo = match privilege() {
        Privilege::Root => None,
        Privilege::Sudo => Some("sudo"),
        Privilege::None => {
            bail!(
                "these packages are missing, and I may not install them: {}\n  \
                 type: sudo apt-get update && sudo apt-get install {}",
                missing.join(", "),
                missing.join(" ")
            )
        }
    };
    say(&format!("missing: {}", missing.join(", ")));
    let apt = |words: &[&str]| {
        let mut command = Command::new(sudo.unwrap_or("apt-get"));
        command.args(sudo.map(|_| "apt-get")).args(words).env("DEBIAN_FRONTEND", "noninteractive");
        succeed(&mut command)
    };
    apt(&["update", "-qq"])?;
    if missing.contains(&"llvm-22-dev") && !has_candidate("llvm-22-dev") {
        bail!(
            "this release of the distribution has no llvm-22-dev\n  add the LLVM project's own apt repository for your \
             release (its script: `llvm.sh 22`), then run this again;\n  or set {LLVM_PREFIX} to an LLVM 22.1 of your own; \
             or build without LLVM: cargo build --release --no-default-features --features singlepass,cranelift"
        );
    }
    let mut words = vec!["install", "-y", "--no-install-recommends"];
    words.extend(missing);
    apt(&words).context("apt-get could not install what is missing; its own message is above")
}

fn has_candidate(package: &str) -> bool {
    let output = Command::new("apt-cache").args(["policy", package]).output();
    output.is_ok_and(|output| {
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines().any(|line| line.trim_start().starts_with("Candidate:") && !line.contains("(none)"))
    })
}

enum Privilege {
    Root,
    /// Through sudo, without being asked for a password.
    Sudo,
    None,
}

fn privilege() -> Privilege {
    let id = Command::new("id").arg("-u").output();
    if id.is_ok_and(|output| output.stdout.trim_ascii() == b"0") {
        return Privilege::Root;
    }
    let sudo = Command::new("sudo").args(["-n", "true"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    if sudo.is_ok_and(|status| status.success()) { Privilege::Sudo } else { Privilege::None }
}

fn without_apt(need: Need) -> anyhow::Result<Environment> {
    let ready = match need {
        Need::Build => Path::new("/usr/lib/llvm-22/bin/llvm-config").exists(),
        Need::Samples => exists("clang-22") && exists("wasm-ld-22"),
    };
    if ready {
        return Ok(Environment::new());
    }
    match need {
        Need::Build => bail!(
            "this is neither Debian nor Ubuntu, and there is no LLVM 22 in /usr/lib/llvm-22\n  install the development \
             files of LLVM 22.1 with Polly, zstd, zlib, libffi and libxml2, set {LLVM_PREFIX} to its prefix, and run \
             this again"
        ),
        Need::Samples => bail!("install clang and lld 22.1, so that `clang-22` and `wasm-ld-22` are on the PATH"),
    }
}

/// Written for Homebrew; not run on macOS by us yet.
fn ensure_brew(need: Need) -> anyhow::Result<Environment> {
    let formulas = if need == Need::Build { BREW_BUILD } else { BREW_SAMPLES };
    let missing: Vec<&str> = formulas.iter().copied().filter(|formula| brew_prefix(formula).is_none()).collect();
    if !missing.is_empty() {
        anyhow::ensure!(
            exists("brew"),
            "missing: {}; install Homebrew, then type: brew install {}",
            missing.join(", "),
            missing.join(" ")
        );
        succeed(Command::new("brew").arg("install").args(&missing))?;
    }
    let mut environment = Environment::new();
    if std::env::var_os(LLVM_PREFIX).is_none()
        && let Some(prefix) = brew_prefix("llvm@22")
    {
        environment.insert(LLVM_PREFIX.to_owned(), prefix);
    }
    Ok(environment)
}

/// Where Homebrew keeps a formula, if it is installed.
fn brew_prefix(formula: &str) -> Option<String> {
    let output = Command::new("brew").args(["--prefix", "--installed", formula]).stderr(Stdio::null()).output().ok()?;
    let prefix = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !prefix.is_empty()).then_some(prefix)
}
