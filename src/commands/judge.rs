//! `tollgate judge`: decide again from a saved file.

use super::setup::{self, read};
use super::ui::Ui;
use crate::cli::JudgeArgs;
use crate::config;
use crate::exit::Exit;
use crate::judge;

/// Runs the command.
///
/// # Errors
/// When the results, the baselines or the configuration cannot be read.
pub fn run(args: &JudgeArgs, ui: &Ui) -> anyhow::Result<Exit> {
    let mut results = read(&args.results, ui)?;
    if let Some(file) = &args.config {
        let config = config::load(file)?;
        results.header.settings.thresholds = config.thresholds;
        results.header.settings.fail_on = config.fail_on;
    }
    if let Some(dir) = &args.baselines {
        // Without this, a mistyped folder would judge everything to be new, and pass.
        anyhow::ensure!(dir.is_dir(), "there is no folder {} to judge by; correct --baselines", dir.display());
        results.header.baselines = setup::baselines(dir, &results.header.backends)?;
    }
    let findings = judge::judge(&results);
    ui.findings(&results, &findings, &args.show, false)?;
    Ok(findings.outcome.into())
}
