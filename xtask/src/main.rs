//! `cargo xtask`: sets up the machine, builds, tests, guards, rebuilds the samples and proves the action.
//!
//! Every command says what it runs before it runs it, and nothing here does what a person could not type.

mod action;
mod conformance;
mod package;
mod samples;
mod setup;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::Context as _;
use clap::{Parser, Subcommand};

/// Tasks of this repository.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Install what is missing, build in release, measure the committed samples and judge them by the baselines
    Guard {
        /// Passed on to `tollgate run`, after `--`.
        #[arg(last = true)]
        args: Vec<String>,
    },
    /// Install what is missing and run all tests
    Test {
        /// Passed on to `cargo test`, after `--`.
        #[arg(last = true)]
        args: Vec<String>,
    },
    /// Install what is missing, and nothing else
    Setup {
        /// Only what building Tollgate needs, not what rebuilding the samples does.
        #[arg(long)]
        build: bool,
    },
    /// Check the action and the workflows: schemas, audit, scripts, and a real runner against a forge on loopback
    Action {
        /// Of these parts only: schemas, audit, scripts, runner.
        parts: Vec<String>,
    },
    /// Hold what is asked of a forge, and what the test double answers, to GitHub's published description
    Conformance {
        /// Only check the logs in this folder, instead of running the tests that write them.
        #[arg(long)]
        logs: Option<PathBuf>,
    },
    /// Build what a release consists of: the executable and all licences, in target/package/
    Package,
    /// Rebuild the committed samples from their sources, bit for bit
    Samples {
        /// Change nothing; fail if a rebuilt sample differs from the committed one.
        #[arg(long)]
        check: bool,
        /// Names of samples; all without any.
        names: Vec<String>,
    },
}

fn main() -> ExitCode {
    match run(Cli::parse().task) {
        Ok(code) => code,
        Err(error) => {
            say(&format!("error: {error:#}"));
            ExitCode::from(2)
        }
    }
}

fn run(task: Task) -> anyhow::Result<ExitCode> {
    match task {
        Task::Guard { args } => {
            let environment = setup::ensure(setup::Need::Build)?;
            build(&environment)?;
            let tollgate = target_dir()?.join("release").join(format!("tollgate{}", std::env::consts::EXE_SUFFIX));
            exit_code_of(Command::new(tollgate).arg("run").args(args).current_dir(root()))
        }
        Task::Test { args } => {
            let environment = setup::ensure(setup::Need::Build)?;
            // One profile for everything: a second build of three compilers would cost more than it tells.
            exit_code_of(cargo(&environment).args(["test", "--release", "--locked", "--workspace"]).args(args))
        }
        Task::Setup { build } => {
            setup::ensure(setup::Need::Build)?;
            if !build {
                setup::ensure(setup::Need::Samples)?;
            }
            Ok(ExitCode::SUCCESS)
        }
        Task::Action { parts } => action::run(&parts),
        Task::Package => {
            package::run()?;
            Ok(ExitCode::SUCCESS)
        }
        Task::Conformance { logs } => conformance::run(logs, || {
            let environment = setup::ensure(setup::Need::Build)?;
            // One test alone would build neither the forge nor the worker that it starts.
            build(&environment)?;
            let mut command = cargo(&environment);
            command.args(["test", "--release", "--locked", "--workspace"]);
            Ok(command)
        }),
        Task::Samples { check, names } => {
            if !check {
                setup::ensure(setup::Need::Samples)?;
            }
            samples::run(check, &names)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// The root of the repository.
fn root() -> &'static Path {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest)
}

/// Where cargo puts what it builds, as the user's own configuration says.
fn target_dir() -> anyhow::Result<PathBuf> {
    let mut command = Command::new(env!("CARGO"));
    command.args(["metadata", "--format-version", "1", "--no-deps", "--offline"]).current_dir(root());
    let output = command.output().context("failed to start cargo metadata")?;
    let metadata: serde_json::Value =
        serde_json::from_slice(&output.stdout).context("failed to read cargo metadata")?;
    let dir = metadata["target_directory"].as_str().context("cargo metadata names no target_directory")?;
    Ok(PathBuf::from(dir))
}

/// Builds everything that is run. With examples, the dependencies get the features that the tests want too, and are built once for both.
fn build(environment: &setup::Environment) -> anyhow::Result<()> {
    succeed(cargo(environment).args(["build", "--release", "--locked", "--workspace", "--bins", "--examples"]))
}

fn cargo(environment: &setup::Environment) -> Command {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(root()).envs(environment.iter());
    command
}

/// Runs a command that must succeed.
fn succeed(command: &mut Command) -> anyhow::Result<()> {
    announce(command);
    let status = command.status().with_context(|| format!("failed to start {}", shown(command)))?;
    anyhow::ensure!(status.success(), "{} failed with {status}", shown(command));
    Ok(())
}

/// Runs a command whose exit code is the task's own.
fn exit_code_of(command: &mut Command) -> anyhow::Result<ExitCode> {
    announce(command);
    let status = command.status().with_context(|| format!("failed to start {}", shown(command)))?;
    let code = status.code().with_context(|| format!("{} ended with {status}", shown(command)))?;
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(2)))
}

/// Whether a program is on the PATH.
fn exists(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(program).is_file())
}

fn announce(command: &Command) {
    say(&format!("+ {}", shown(command)));
}

/// A command as one would type it.
fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_stem().unwrap_or(command.get_program());
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

#[expect(clippy::print_stderr, reason = "a task runner talks to the person who started it")]
fn say(text: &str) {
    eprintln!("{text}");
}
