//! `tollgate compare`: lay two saved runs side by side, and decide on what is exact.

use super::setup::read;
use super::ui::Ui;
use crate::cli::CompareArgs;
use crate::config;
use crate::exit::Exit;
use crate::judge::compare::{self, have_something_in_common};

/// Runs the command.
///
/// # Errors
/// When either run or the configuration cannot be read, and when the runs have nothing in common.
pub fn run(args: &CompareArgs, ui: &Ui) -> anyhow::Result<Exit> {
    let a = read(&args.a, ui)?;
    let mut b = read(&args.b, ui)?;
    if let Some(file) = &args.config {
        let config = config::load(file)?;
        b.header.settings.thresholds = config.thresholds;
        b.header.settings.fail_on = config.fail_on;
    }
    let side = compare::compare(&a, &b);
    // Nothing to compare would be a pass.
    anyhow::ensure!(
        have_something_in_common(&side.findings),
        "the two runs measured no sample on a backend that both have; give runs of the same samples and backends, by the ids \
         that the configuration gives them"
    );
    ui.side_by_side(&side, &args.show)?;
    Ok(side.findings.outcome.into())
}
