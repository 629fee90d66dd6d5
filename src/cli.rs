//! The command line: its shape and its help. What the commands do is `commands`' business.

mod examples;
mod forge;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use examples::*;
pub use forge::{CommentWhen, ForgeArgs, PostArgs, PublishArgs};

use crate::commands::{self, ui::Ui};
use crate::config;
use crate::exit::{self, Exit};
use crate::judge::paired;
use crate::measure::worker;
use crate::model::Tier;
use crate::model::settings::FailOn;

/// Regression gate for WebAssembly compile backends.
///
/// Runs samples through every stage (validate, compile, serialize, deserialize, instantiate, execute) of every backend,
/// compares time, artifact size and memory with the baselines committed in the repository, explains the difference and
/// fails only when it is sure.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,

    /// When to use colour.
    #[arg(long, global = true, value_enum, default_value_t = Colour::Auto, env = "TOLLGATE_COLOR", value_name = "WHEN")]
    color: Colour,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Colour {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    Always,
    Never,
}

/// What a report is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For a terminal.
    Text,
    /// For programs; versioned and documented in docs/results.md.
    Json,
    /// For a pull request.
    Markdown,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure the samples on the backends, compare with the baselines, report and decide
    Run(Box<RunArgs>),
    /// Lay two saved runs side by side: exact metrics decide, times are shown
    Compare(CompareArgs),
    /// Judge a saved results.json again, by its own baselines or by others, and decide
    Judge(JudgeArgs),
    /// Put the results of all shards of a run together, to be judged as one
    Merge(MergeArgs),
    /// Render the report of a saved results.json; always exits 0 when it could
    Report(ReportArgs),
    /// Tell a saved run to the forge: step summary, annotations, outputs, a sticky comment; then decide
    Post(PostArgs),
    /// Judge the run of a pull request from a fork again, from its artifact, and comment; for `workflow_run` workflows
    Publish(PublishArgs),
    /// Show what a run would measure and what it would cost
    List(ListArgs),
    /// Measure the base against itself, and tell what the gate can promise on this machine
    Noise(NoiseArgs),
    /// Run our decision and those of other tools over recorded launches, and count what each gets wrong
    Replay(ReplayArgs),
    /// Look for .wasm files and write a commented tollgate.yml and a first baseline
    Init(InitArgs),
    /// Be a worker: speak the worker protocol on standard input and output
    #[command(hide = true)]
    Worker(WorkerArgs),
}

/// Where the configuration and the baselines are.
#[derive(Debug, Clone, Args)]
pub struct Places {
    /// Configuration file [default: tollgate.yml here or in a folder above].
    #[arg(long, env = "TOLLGATE_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Folder of the baselines [default: `baselines` in the configuration].
    #[arg(long, env = "TOLLGATE_BASELINES", value_name = "DIR")]
    pub baselines: Option<PathBuf>,
}

/// What to take.
#[derive(Debug, Clone, Args)]
pub struct Filters {
    /// Sample to take, by id or glob, whatever its tier; or a path to a .wasm file or a folder that the configuration
    /// does not list. Repeatable.
    #[arg(long = "sample", value_name = "GLOB|PATH")]
    pub samples: Vec<String>,

    /// Backend to take, by id or glob. Repeatable.
    #[arg(long = "backend", value_name = "GLOB")]
    pub backends: Vec<String>,

    /// Stage to measure, by name or glob; a composite stands for its parts. Repeatable.
    #[arg(long = "stage", value_name = "GLOB")]
    pub stages: Vec<String>,

    /// How much of the suite to take: seconds, minutes, or everything.
    #[arg(long, value_enum, default_value_t = TierArg::Pr, env = "TOLLGATE_TIER")]
    pub tier: TierArg,
}

/// The command line's mirror of [`Tier`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TierArg {
    Smoke,
    Pr,
    Full,
}

impl From<TierArg> for Tier {
    fn from(tier: TierArg) -> Self {
        match tier {
            TierArg::Smoke => Self::Smoke,
            TierArg::Pr => Self::Pr,
            TierArg::Full => Self::Full,
        }
    }
}

/// A part of the plan: the `number`-th of `of`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardArg {
    pub number: u32,
    pub of: u32,
}

/// Parts that a plan can be split into: what a job matrix of the largest forge holds.
const MOST_SHARDS: u32 = 256;

fn shard(text: &str) -> Result<ShardArg, String> {
    let parsed = text.split_once('/').and_then(|(number, of)| Some((number.parse().ok()?, of.parse().ok()?)));
    match parsed {
        Some((number, of)) if (1..=of).contains(&number) && of <= MOST_SHARDS => Ok(ShardArg { number, of }),
        _ => Err(format!("it must be K/N with K from 1 to N, such as 2/4, and N at most {MOST_SHARDS}")),
    }
}

/// How a report is shown.
#[derive(Debug, Clone, Args)]
pub struct Show {
    /// What to write on standard output.
    #[arg(long, value_enum, default_value_t = Format::Text, env = "TOLLGATE_FORMAT")]
    pub format: Format,

    /// Show every cell, not only those that changed.
    #[arg(long, short)]
    pub verbose: bool,
}

#[derive(Debug, Args)]
pub struct RunArgs {
    #[command(flatten)]
    pub places: Places,
    #[command(flatten)]
    pub filters: Filters,
    #[command(flatten)]
    pub show: Show,
    #[command(flatten)]
    pub base: BaseArgs,

    /// Time to spend on measuring, such as `90s` or `5m`. Every sample is launched at least once on every backend, also
    /// where that alone takes longer.
    #[arg(long, default_value = "4m30s", value_parser = humantime::parse_duration, env = "TOLLGATE_BUDGET")]
    pub budget: Duration,

    /// Verdicts that fail the run, with commas between them, or `none` [default: `fail-on` in the configuration].
    #[arg(long, value_name = "VERDICTS", value_parser = config::fail_on_list, env = "TOLLGATE_FAIL_ON")]
    pub fail_on: Option<BTreeSet<FailOn>>,

    /// Source of every random choice [default: drawn, and recorded in the results].
    #[arg(long)]
    pub seed: Option<u64>,

    /// Folder for results.json.
    #[arg(long, default_value = "tollgate-out", value_name = "DIR")]
    pub out: PathBuf,

    /// Measure a part of the plan, such as 2/4 for the second of four; the others are for other machines, and `tollgate merge` puts
    /// them together. A sample is in one part with all of its backends. The budget is that of each part.
    #[arg(long, value_name = "K/N", value_parser = shard, conflicts_with = "update_baselines")]
    pub shard: Option<ShardArg>,

    /// Accept what was measured: rewrite the baseline entries that moved beyond noise, and show the difference.
    #[arg(long)]
    pub update_baselines: bool,

    #[command(flatten)]
    pub update: UpdateArgs,
}

/// What the head is compared with beside the committed baselines: measured in the same run, in turns with it.
#[derive(Debug, Clone, Default, Args)]
pub struct BaseArgs {
    /// Compare with an executable that stands in for the built-in engine: the Tollgate of another revision or release, or any
    /// other worker. It is started as `FILE worker`, as a Tollgate is.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["base_ref", "no_base"])]
    pub base_worker: Option<PathBuf>,

    /// Start the base worker with this argument instead of `worker`. Repeatable.
    #[arg(long, value_name = "ARG", requires = "base_worker", allow_hyphen_values = true)]
    pub base_worker_arg: Vec<String>,

    /// Compare with a revision, such as `origin/main` or the output of `git merge-base origin/main HEAD`: its samples, its
    /// configuration, and its engines, built from its sources where they have a `build`. Where neither this nor another base is
    /// given, TOLLGATE_BASE_REF in the environment counts.
    #[arg(long, value_name = "REV", conflicts_with = "no_base")]
    pub base_ref: Option<String>,

    /// Compare with the committed baselines alone, also where the configuration names a reference worker or the environment a
    /// base.
    #[arg(long)]
    pub no_base: bool,

    /// Measure also what is the same on both sides: what differs then is noise.
    #[arg(long)]
    pub measure_same: bool,
}

/// How a measurement is accepted.
#[derive(Debug, Clone, Default, Args)]
pub struct UpdateArgs {
    /// Why the baselines change; demanded where an entry is loosened or removed.
    #[arg(long, requires = "update_baselines", value_name = "TEXT")]
    pub reason: Option<String>,

    /// Leave committed times as they are: for accepting sizes and memory on another class of runner.
    #[arg(long, requires = "update_baselines")]
    pub keep_times: bool,

    /// Record how far this run lies from the baseline, as spread between runs of the same code.
    #[arg(long, requires = "update_baselines")]
    pub record_spread: bool,

    /// Let --update-baselines work where the environment says CI.
    #[arg(long, requires = "update_baselines")]
    pub allow_update_in_ci: bool,
}

#[derive(Debug, Args)]
pub struct CompareArgs {
    /// The run to compare with: a results.json, the journal of a run that died, or a folder that holds either.
    pub a: PathBuf,

    /// The run that is judged, in one of the same forms.
    pub b: PathBuf,

    /// Judge by the thresholds of this configuration instead of those of the second run.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    #[command(flatten)]
    pub show: Show,
}

#[derive(Debug, Args)]
pub struct JudgeArgs {
    /// A results.json, the journal of a run that died, or a folder that holds either.
    pub results: PathBuf,

    /// Judge by the baselines in this folder instead of those that the run read.
    #[arg(long, env = "TOLLGATE_BASELINES", value_name = "DIR")]
    pub baselines: Option<PathBuf>,

    /// Judge by the thresholds of this configuration instead of those of the run.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    #[command(flatten)]
    pub show: Show,
}

#[derive(Debug, Args)]
pub struct MergeArgs {
    /// Results of shards, in any order: results.json files, journals of runs that died, or folders that hold some at any depth.
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,

    /// Folder for results.json.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,

    /// How many shards there must be; refused where the runs were split otherwise.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_SHARDS)))]
    pub shards: Option<u32>,
}

#[derive(Debug, Args)]
pub struct ReportArgs {
    /// A results.json, the journal of a run that died, or a folder that holds either.
    pub results: PathBuf,

    #[command(flatten)]
    pub show: Show,
}

#[derive(Debug, Args)]
pub struct ListArgs {
    #[command(flatten)]
    pub places: Places,
    #[command(flatten)]
    pub filters: Filters,

    /// Show a part of the plan, such as 2/4 for the second of four: what `tollgate run` with the same option measures.
    #[arg(long, value_name = "K/N", value_parser = shard)]
    pub shard: Option<ShardArg>,

    /// What to write on standard output.
    #[arg(long, value_enum, default_value_t = PlainFormat::Text)]
    pub format: PlainFormat,
}

#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// Recorded pairs of launches, null and with planted slowdowns; each file is replayed by itself.
    #[arg(required = true, value_name = "FILE")]
    pub recordings: Vec<PathBuf>,

    /// Null runs to make up from the recorded launches, and draws of each recorded cell with a planted change.
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..=1_000_000), value_name = "N")]
    pub runs: u32,

    /// Cells of a run, drawn from the recorded ones.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000), value_name = "N")]
    pub cells: u32,

    /// Source of every random choice.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,

    /// Launches a side for the rules of the field.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1_000), value_name = "N")]
    pub pairs: u32,

    /// Pairs of launches after which our rule leaves a cell undecided.
    #[arg(long, default_value_t = paired::MAX_PAIRS, value_parser = clap::value_parser!(u32).range(1..=1_000), value_name = "N")]
    pub most_pairs: u32,

    /// Tolerances to try our rule with, in per cent.
    #[arg(long = "tolerance", default_values_t = [0.0, 0.5, 1.0], value_delimiter = ',', value_parser = percent, value_name = "PERCENT")]
    pub tolerances: Vec<f64>,

    /// Let our rule know how the recorded null pairs scatter, as it would from a baseline with a history.
    #[arg(long)]
    pub history: bool,

    /// Count each null pair a second time with its sides swapped: a recording of few pairs may have a slower side by chance,
    /// which resampling cannot tell from a change.
    #[arg(long)]
    pub swap: bool,

    /// What to write on standard output.
    #[arg(long, value_enum, default_value_t = PlainFormat::Text)]
    pub format: PlainFormat,

    /// Show each cell, and where the rules come from.
    #[arg(long, short)]
    pub verbose: bool,
}

/// A change in per cent that can be tolerated.
fn percent(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').unwrap_or(text).trim_end();
    match number.parse() {
        Ok(value) if (0.0..=1000.0).contains(&value) => Ok(value),
        _ => Err("it must be a number of per cent from 0 to 1000, such as 0.5".to_owned()),
    }
}

/// What is written by commands that make no report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PlainFormat {
    Text,
    Json,
}

#[derive(Debug, Args)]
pub struct WorkerArgs {
    /// Plant a slowdown: spin after each operation for this share of its own time, such as 0.03, to try the gate with.
    #[arg(long, default_value_t = 0.0, value_name = "SHARE")]
    pub spin: f64,
}

#[derive(Debug, Args)]
pub struct NoiseArgs {
    #[command(flatten)]
    pub places: Places,
    #[command(flatten)]
    pub filters: Filters,

    /// Time to spend on measuring, and the budget that the promises are for.
    #[arg(long, default_value = "4m30s", value_parser = humantime::parse_duration, env = "TOLLGATE_BUDGET")]
    pub budget: Duration,

    /// Source of every random choice [default: drawn, and recorded in the results].
    #[arg(long)]
    pub seed: Option<u64>,

    /// Folder for results.json.
    #[arg(long, default_value = "tollgate-noise", value_name = "DIR")]
    pub out: PathBuf,

    /// Plant a slowdown in the head, as a share of each operation's own time such as 2%: to see it in the column `bias`, and to
    /// record launches for `tollgate replay`.
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    pub plant: Option<f64>,

    /// Add what was found to the baselines, as what pairs of launches are known to scatter by.
    #[arg(long, conflicts_with = "plant")]
    pub record: bool,

    /// Assess the results of an earlier `tollgate noise` instead of measuring.
    #[arg(long, value_name = "FILE")]
    pub results: Option<PathBuf>,

    /// What to write on standard output.
    #[arg(long, value_enum, default_value_t = PlainFormat::Text)]
    pub format: PlainFormat,
}

#[derive(Debug, Args)]
pub struct InitArgs {
    /// Where to look for .wasm files and to write tollgate.yml.
    #[arg(default_value = ".")]
    pub dir: PathBuf,

    /// Write the configuration only; measure no first baseline.
    #[arg(long)]
    pub no_baseline: bool,

    /// Time to spend on the first baseline.
    #[arg(long, default_value = "4m30s", value_parser = humantime::parse_duration)]
    pub budget: Duration,
}

/// Adds to each command's help what a derive cannot: its examples, and the exit codes where they decide something.
fn with_examples(command: clap::Command) -> clap::Command {
    let deciding = |examples: &str| format!("{examples}\n{}", exit::HELP);
    command
        .after_help(deciding(EXAMPLES))
        .mut_subcommand("run", |run| run.after_help(deciding(RUN_EXAMPLES)))
        .mut_subcommand("compare", |compare| compare.after_help(deciding(COMPARE_EXAMPLES)))
        .mut_subcommand("judge", |judge| judge.after_help(deciding(JUDGE_EXAMPLES)))
        .mut_subcommand("merge", |merge| merge.after_help(MERGE_EXAMPLES))
        .mut_subcommand("report", |report| report.after_help(REPORT_EXAMPLES))
        .mut_subcommand("post", |post| post.after_help(deciding(POST_EXAMPLES)))
        .mut_subcommand("publish", |publish| publish.after_help(PUBLISH_EXAMPLES))
        .mut_subcommand("list", |list| list.after_help(LIST_EXAMPLES))
        .mut_subcommand("noise", |noise| noise.after_help(NOISE_EXAMPLES))
        .mut_subcommand("replay", |replay| replay.after_help(REPLAY_EXAMPLES))
        .mut_subcommand("init", |init| init.after_help(INIT_EXAMPLES))
}

/// Runs the command line and returns the code to exit with; see [`exit`].
#[must_use]
pub fn main() -> ExitCode {
    let cli = match with_examples(Cli::command()).try_get_matches().and_then(|matches| Cli::from_arg_matches(&matches))
    {
        Ok(cli) => cli,
        Err(error) => {
            // A closed pipe is the reader's business, and clap knows which of the two streams to use.
            _ = error.print();
            return if error.use_stderr() { Exit::CouldNotRun.into() } else { Exit::Pass.into() };
        }
    };
    let ui = Ui::new(cli.color);
    let outcome = match cli.command {
        Command::Worker(args) => return worker::main(args.spin),
        Command::Run(args) => commands::run::run(&args, &ui),
        Command::Compare(args) => commands::compare::run(&args, &ui),
        Command::Judge(args) => commands::judge::run(&args, &ui),
        Command::Merge(args) => commands::merge::run(&args, &ui),
        Command::Report(args) => commands::report::run(&args, &ui),
        Command::Post(args) => commands::post::run(&args, &ui),
        Command::Publish(args) => commands::publish::run(&args, &ui),
        Command::List(args) => commands::list::run(&args, &ui),
        Command::Noise(args) => commands::noise::run(&args, &ui),
        Command::Replay(args) => commands::replay::run(&args, &ui),
        Command::Init(args) => commands::init::run(&args, &ui),
    };
    match outcome {
        Ok(exit) => exit.into(),
        Err(error) => {
            ui.error(&error);
            Exit::CouldNotRun.into()
        }
    }
}
