//! `tollgate report`: show a saved run; the verdict is in the text, not in the exit code.

use super::setup::read;
use super::ui::Ui;
use crate::cli::ReportArgs;
use crate::exit::Exit;
use crate::judge;

/// Runs the command.
///
/// # Errors
/// When the results cannot be read.
pub fn run(args: &ReportArgs, ui: &Ui) -> anyhow::Result<Exit> {
    let results = read(&args.results, ui)?;
    ui.findings(&results, &judge::judge(&results), &args.show, false)?;
    Ok(Exit::Pass)
}
