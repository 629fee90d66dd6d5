//! The arguments of the commands that speak to a forge. Knows none of their doings.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::Places;
use crate::config;

/// When to write the sticky comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CommentWhen {
    /// On a pull request whose token may comment; on one from a fork, say that it may not.
    Auto,
    /// Always try, and warn where it cannot be done.
    True,
    False,
}

/// How the forge is spoken to. Where it is and who asks comes from the GITHUB_* variables.
#[derive(Debug, Clone, Args)]
pub struct ForgeArgs {
    /// Tells this comment from those of other jobs on the same pull request: letters, digits, `.`, `_` and `-`.
    #[arg(long, default_value = "tollgate", env = "TOLLGATE_COMMENT_KEY", value_name = "KEY", value_parser = comment_key)]
    pub comment_key: String,

    /// Login whose comments count as ours, beside that of the forge's own jobs, such as the bot that the token belongs to.
    /// Repeatable.
    #[arg(long, value_name = "LOGIN")]
    pub comment_author: Vec<String>,

    /// Set a commit status too, named after the comment's key; needs `statuses: write`.
    #[arg(long)]
    pub status: bool,

    /// Time for everything that is said to the forge, waiting for its limits included.
    #[arg(long, default_value = "90s", value_parser = humantime::parse_duration, env = "TOLLGATE_FORGE_DEADLINE")]
    pub forge_deadline: Duration,
}

#[derive(Debug, Args)]
pub struct PostArgs {
    /// A results.json, the journal of a run that died, or a folder that holds either.
    #[arg(long, default_value = "tollgate-out/results.json", value_name = "FILE")]
    pub results: PathBuf,

    /// Write the sticky comment.
    #[arg(long, value_enum, default_value_t = CommentWhen::Auto, env = "TOLLGATE_COMMENT", value_name = "WHEN")]
    pub comment: CommentWhen,

    #[command(flatten)]
    pub forge: ForgeArgs,

    /// Where the baselines lie that annotations point to.
    #[command(flatten)]
    pub places: Places,

    /// Folder for report.json and report.md [default: that of the results].
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct PublishArgs {
    /// Name of the artifact of the measuring run that holds results.json and nothing else.
    #[arg(long, default_value = "tollgate-results", value_name = "NAME")]
    pub artifact: String,

    /// The workflow that measures, such as `.github/workflows/tollgate.yml`; runs of others are left alone
    /// [default: any that the base revision has].
    #[arg(long, env = "TOLLGATE_WORKFLOW", value_name = "PATH")]
    pub workflow: Option<String>,

    /// Path of the configuration within the repository.
    #[arg(long, env = "TOLLGATE_CONFIG", default_value = config::FILE_NAME, value_name = "PATH")]
    pub config: String,

    /// Path of the baselines within the repository [default: `baselines` in the configuration].
    #[arg(long, env = "TOLLGATE_BASELINES", value_name = "PATH")]
    pub baselines: Option<String>,

    #[command(flatten)]
    pub forge: ForgeArgs,
}

/// A key that needs no escaping where it is written: within a hidden line of the comment, and as the name of a status.
fn comment_key(text: &str) -> Result<String, String> {
    let fits = (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    if fits { Ok(text.to_owned()) } else { Err("a key has 1 to 64 letters, digits, `.`, `_` or `-`".to_owned()) }
}
