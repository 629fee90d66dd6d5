//! `cargo xtask action`: the proof that the action and the workflows are right, as far as that shows without a forge.
//!
//! Four parts, each passed, failed or skipped with its reason: the schemas of actions and workflows, an audit of their security,
//! a linter of the scripts, and a real runner that runs this repository's own workflows against a forge on loopback. The tools
//! are fetched by name and version into `target/action/`; a machine without Python, Go or a way to the packages skips the parts.

mod scenarios;
mod tools;
mod world;

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::ensure;

use crate::{root, say, succeed};
use tools::Tool;

/// What is checked: the action, its parts and the actions that stand in for others in tests.
const ACTIONS: &[&str] = &[
    "action.yml",
    "action/restore/action.yml",
    "action/save/action.yml",
    "action/artifacts/action.yml",
    "tests/helpers/actions/checkout/action.yml",
    "tests/helpers/actions/upload-artifact/action.yml",
    "tests/helpers/actions/download-artifact/action.yml",
];

/// How a part ended.
enum Ended {
    Passed,
    Skipped(String),
}

type Part = (&'static str, fn() -> anyhow::Result<Ended>);

const PARTS: &[Part] = &[("schemas", schemas), ("audit", audit), ("scripts", scripts), ("runner", scenarios::run)];

/// Runs the parts named, or all, and says how each ended. Any failure fails the whole.
pub fn run(names: &[String]) -> anyhow::Result<ExitCode> {
    for name in names {
        let known = || PARTS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        ensure!(PARTS.iter().any(|(part, _)| part == name), "there is no part `{name}`; known: {}", known());
    }
    let mut lines = Vec::new();
    let mut failed = false;
    for (name, part) in PARTS.iter().filter(|(name, _)| names.is_empty() || names.iter().any(|wanted| wanted == name)) {
        lines.push(match part() {
            Ok(Ended::Passed) => format!("  passed   {name}"),
            Ok(Ended::Skipped(why)) => format!("  skipped: {why}   ({name})"),
            Err(error) => {
                failed = true;
                format!("  failed   {name}: {error:#}")
            }
        });
    }
    say(&format!("action:\n{}", lines.join("\n")));
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// A command with a tool that is to be found or fetched, in the root of the repository.
fn with(tool: Tool) -> anyhow::Result<Result<Command, String>> {
    Ok(tools::get(tool)?.map(|program| {
        let mut command = Command::new(program);
        command.current_dir(root());
        command
    }))
}

/// Turns a missing tool into a part that is skipped.
macro_rules! or_skip {
    ($tool:expr) => {
        match $tool? {
            Ok(found) => found,
            Err(why) => return Ok($crate::action::Ended::Skipped(why)),
        }
    };
}
use or_skip;

fn schemas() -> anyhow::Result<Ended> {
    for (schema, files) in [("vendor.github-actions", actions()), ("vendor.github-workflows", workflows()?)] {
        let mut check = or_skip!(with(Tool::CheckJsonschema));
        succeed(check.args(["--builtin-schema", schema]).args(files))?;
    }
    Ok(Ended::Passed)
}

fn audit() -> anyhow::Result<Ended> {
    let mut zizmor = or_skip!(with(Tool::Zizmor));
    zizmor.args(["--offline", "--no-progress", "--quiet", "--strict-collection"]);
    succeed(zizmor.args(actions()).args(workflows()?))?;
    Ok(Ended::Passed)
}

fn scripts() -> anyhow::Result<Ended> {
    let mut shellcheck = or_skip!(with(Tool::Shellcheck));
    let scripts = files("action", "sh")?;
    succeed(shellcheck.args(["--external-sources", "--severity", "info"]).args(scripts))?;
    Ok(Ended::Passed)
}

fn actions() -> Vec<PathBuf> {
    ACTIONS.iter().map(PathBuf::from).collect()
}

fn workflows() -> anyhow::Result<Vec<PathBuf>> {
    files(".github/workflows", "yml")
}

/// The files with this extension in a folder of the repository, which are there.
fn files(folder: &str, extension: &str) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root().join(folder))? {
        let path = PathBuf::from(folder).join(entry?.file_name());
        if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    ensure!(!found.is_empty(), "there is no .{extension} file in {folder}");
    found.sort();
    Ok(found)
}
