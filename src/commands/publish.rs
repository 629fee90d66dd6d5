//! `tollgate publish`: comment on a pull request from a fork, from the artifact of its measuring run.

use super::ui::Ui;
use crate::cli::PublishArgs;
use crate::exit::Exit;

/// Runs the command.
///
/// # Errors
/// When it could neither post nor tell that there is nothing to post.
pub fn run(_args: &PublishArgs, _ui: &Ui) -> anyhow::Result<Exit> {
    anyhow::bail!("tollgate publish is not built yet")
}
