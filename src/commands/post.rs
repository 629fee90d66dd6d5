//! `tollgate post`: tell a saved run to the forge, then decide.

use super::ui::Ui;
use crate::cli::PostArgs;
use crate::exit::Exit;
use crate::judge;

use super::setup::read;

/// Runs the command.
///
/// # Errors
/// When the results cannot be read. Trouble with the forge is a warning.
pub fn run(args: &PostArgs, ui: &Ui) -> anyhow::Result<Exit> {
    let results = read(&args.results, ui)?;
    let findings = judge::judge(&results);
    Ok(findings.outcome.into())
}
