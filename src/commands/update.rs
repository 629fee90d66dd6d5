//! `--update-baselines`: what it takes to accept a measurement, and showing what changed.

use std::collections::BTreeMap;
use std::path::Path;

use super::ui::{Ui, counted};
use crate::baseline::update::{Proposal, Request};
use crate::baseline::{diff, store, update};
use crate::cli::UpdateArgs;
use crate::model::{Entry, Findings, Results, SampleId};

/// Launches below which a committed time is too uncertain to decide much: with two, one degree of freedom makes the bounds
/// ten times wider than with five.
const SOUND: u32 = 3;

/// CI never accepts a baseline by itself.
///
/// # Errors
/// When the environment says CI and the update was not allowed there explicitly.
pub fn refuse_in_ci(allowed: bool) -> anyhow::Result<()> {
    let ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false" && value != "0");
    anyhow::ensure!(
        allowed || !ci,
        "--update-baselines does not run in CI by itself, because a gate that accepts what it finds is none; \
         run it on your machine, or add --allow-update-in-ci to a workflow that people start by hand"
    );
    Ok(())
}

/// Proposes new baselines, shows the difference and writes them.
///
/// # Errors
/// When an entry would be loosened without a reason, or a file cannot be written; the old file is then intact.
pub fn update(results: &Results, findings: &Findings, dir: &Path, args: &UpdateArgs, ui: &Ui) -> anyhow::Result<()> {
    let request = Request {
        dir,
        date: results.header.started.get(..10).unwrap_or_default(),
        commit: results.header.commit.as_deref(),
        reason: args.reason.as_deref(),
        keep_times: args.keep_times,
        record_spread: args.record_spread,
    };
    let proposals = update::propose(results, findings, &request).map_err(failed)?;
    if proposals.is_empty() {
        ui.info("baselines: nothing that may be rewritten moved beyond noise");
    }
    for proposal in &proposals {
        show(proposal, ui);
        let path = store::replace(dir, proposal.old.as_ref(), &proposal.new).map_err(failed)?;
        ui.info(&format!(
            "wrote {}: {} added, {} removed, {} tightened, {} loosened",
            path.display(),
            proposal.added.len(),
            proposal.removed.len(),
            proposal.tightened.len(),
            proposal.loosened.len()
        ));
    }
    Ok(())
}

/// What a person must see before a baseline is replaced. A file that is new all over says nothing by its lines.
fn show(proposal: &Proposal, ui: &Ui) {
    if proposal.old.is_some() {
        ui.diff(&diff::render(proposal));
    }
    for note in &proposal.notes {
        ui.warn(&format!("{}: {note}", proposal.backend));
    }
    for moved in proposal.weakened() {
        ui.warn(&format!("loosened on {}: {moved}", proposal.backend));
    }
    // One line for a sample and a reason: a broken sample would fill the screen otherwise.
    let mut kept: BTreeMap<(&SampleId, &str), usize> = BTreeMap::new();
    for entry in &proposal.not_updated {
        *kept.entry((&entry.key.sample, entry.why.as_str())).or_default() += 1;
    }
    for ((sample, why), cells) in kept {
        let cells = counted(cells, "cell", "cells");
        ui.info(&format!("{}: {cells} of {sample} not recorded: {why}", proposal.backend));
    }
    let thin =
        proposal.new.cells.values().filter(|entry| matches!(entry, Entry::Time { launches, .. } if *launches < SOUND));
    match thin.count() {
        0 => {}
        thin => ui.warn(&format!(
            "{}: {thin} times rest on fewer than {SOUND} launches, so later runs will often be inconclusive; measure again \
             with a larger --budget",
            proposal.backend
        )),
    }
}

/// The modules' errors are fragments that follow "failed to".
fn failed(error: impl std::error::Error) -> anyhow::Error {
    anyhow::anyhow!("failed to {error}")
}
