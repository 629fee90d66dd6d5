//! `tollgate run`: measure, save, judge, report, and on request accept.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use signal_hook::consts::SIGXFSZ;

use super::measuring::{Measuring, Until};
use super::setup::{self, Setup};
use super::sides::{self, Prepared};
use super::ui::Ui;
use super::update;
use crate::cli::{Filters, RunArgs};
use crate::exit::Exit;
use crate::judge;
use crate::measure::cancel::Cancel;
use crate::measure::journal::Journal;
use crate::measure::machine;
use crate::model::findings::Outcome;
use crate::model::observation::YARDSTICK_VERSION;
use crate::model::results::{BaseKind, Comparison, EndReason, Header, RESULTS_VERSION};
use crate::model::settings::Effort;
use crate::model::{Findings, Results, Settings};

/// Folder of the workers' own files, below the folder of the results.
const SCRATCH: &str = "scratch";

/// Runs the command.
///
/// # Errors
/// When it could not do its job: usage, configuration, environment, input or output.
pub fn run(args: &RunArgs, ui: &Ui) -> anyhow::Result<Exit> {
    if args.update_baselines {
        update::refuse_in_ci(args.update.allow_update_in_ci)?;
    }
    let mut setup = setup::setup(&args.places, &args.filters, ui)?;
    if let Some(fail_on) = &args.fail_on {
        setup.config.fail_on.clone_from(fail_on);
    }
    setup.take_shard(args.shard)?;
    let cancel = Cancel::install().context("failed to install the handler for Ctrl-C")?;
    // What is accepted must have been measured.
    let measure_same = args.base.measure_same || args.update_baselines;
    let Prepared { base, loosening, guard } = match sides::prepare(&args.base, measure_same, &mut setup, &cancel, ui) {
        Err(error) if sides::is_interruption(&error) => {
            ui.warn("interrupted before anything was measured");
            return Ok(Exit::Interrupted);
        }
        prepared => prepared?,
    };
    let header = Header { base, loosening, ..header(&setup, &args.filters, args.budget, args.seed)? };
    let results = measure(header, Until::Decided, &args.out, &cancel, ui)?;
    drop(guard);
    let saved = save(&results, &args.out, ui);

    let findings = judge::judge(&results);
    let shown = ui.findings(&results, &findings, &args.show, args.update_baselines);
    if results.end.reason == EndReason::Interrupted {
        [saved.err(), shown.err()].iter().flatten().for_each(|error| ui.error(error));
        ui.warn("interrupted: the report covers what was measured until then");
        return Ok(Exit::Interrupted);
    }
    saved?;
    shown?;
    if !args.update_baselines {
        return Ok(findings.outcome.into());
    }
    // What is committed is accepted against what was committed, whatever the base of this run is.
    let results = without_base(results);
    let findings = Findings { scatter: findings.scatter, ..judge::judge(&results) };
    update::update(&results, &findings, &setup.baselines_dir, &args.update, ui)?;
    match findings.outcome {
        // What was missing or undecided is accepted, and what regressed too, with its reason on record.
        Outcome::Regressed | Outcome::Inconclusive => after_update(results, &setup, ui),
        Outcome::Pass | Outcome::Broken => Ok(findings.outcome.into()),
    }
}

/// The results as if the head had been launched alone; of a reference worker they keep the ratios to it.
fn without_base(mut results: Results) -> Results {
    let header = &mut results.header;
    if header.base.as_ref().is_some_and(|base| !matches!(base.kind, BaseKind::Reference { .. })) {
        header.base = None;
        header.plan.iter_mut().for_each(|pair| pair.comparison = Comparison::Alone);
    }
    results
}

/// The exit code of a run that was accepted: what an update leaves as it was, such as times with --keep-times, still fails.
fn after_update(mut results: Results, setup: &Setup, ui: &Ui) -> anyhow::Result<Exit> {
    results.header.baselines = setup::baselines(&setup.baselines_dir, &results.header.backends)?;
    if judge::judge(&results).outcome == Outcome::Regressed {
        ui.warn("regressed cells were left as they are in the baselines, and go on failing");
        return Ok(Exit::Regressed);
    }
    Ok(Exit::Pass)
}

/// Everything that is fixed before the first launch.
pub(super) fn header(setup: &Setup, filters: &Filters, budget: Duration, seed: Option<u64>) -> anyhow::Result<Header> {
    let config = &setup.config;
    let used: BTreeSet<_> = setup.plan.iter().map(|pair| &pair.backend).collect();
    let backends: Vec<_> = config.backends.iter().filter(|backend| used.contains(&backend.id)).cloned().collect();
    let settings = Settings {
        tier: filters.tier.into(),
        budget: budget.into(),
        stages: setup.selection.stage_set()?,
        sample_globs: setup.selection.samples.clone(),
        backend_globs: setup.selection.backends.clone(),
        thresholds: config.thresholds.clone(),
        fail_on: config.fail_on.clone(),
        limits: config.limits,
        layout_allowances: config.layout_allowances.clone(),
    };
    Ok(Header {
        version: RESULTS_VERSION,
        tollgate: env!("CARGO_PKG_VERSION").to_owned(),
        commit: machine::this_commit(&config.root),
        started: jiff::Timestamp::now()
            .round(jiff::Unit::Second)
            .unwrap_or_else(|_| jiff::Timestamp::now())
            .to_string(),
        seed: seed.unwrap_or_else(rand::random),
        yardstick: YARDSTICK_VERSION,
        effort: Effort::default(),
        machine: machine::probe(),
        settings,
        samples: config.samples.clone(),
        baselines: setup::baselines(&setup.baselines_dir, &backends)?,
        backends,
        plan: setup.plan.clone(),
        base: None,
        loosening: None,
        shard: setup.shard.clone(),
        merged: Vec::new(),
    })
}

/// Measures with a journal and a scratch folder in `out`.
pub(super) fn measure(header: Header, until: Until, out: &Path, cancel: &Cancel, ui: &Ui) -> anyhow::Result<Results> {
    // A file size limit is to be an error of the write, as a full disk is, and not the end of the process.
    signal_hook::flag::register(SIGXFSZ, Arc::default()).context("failed to catch SIGXFSZ")?;
    let mut journal = Journal::create(out, &header).context("failed to begin the journal of the run")?;
    let scratch = out.join(SCRATCH);
    // The journal's lock says that no other run is here: what lies there was left by one that was killed.
    _ = std::fs::remove_dir_all(&scratch);
    std::fs::create_dir_all(&scratch)
        .with_context(|| format!("failed to create {}; choose another folder with --out", scratch.display()))?;
    let results = Measuring::new(header, until, &mut journal, &scratch, cancel, ui).run();
    _ = std::fs::remove_dir_all(&scratch);
    Ok(results)
}

/// Saves results.json; where that fails, elsewhere: nothing that was measured is lost while there is a place for it.
pub(super) fn save(results: &Results, out: &Path, ui: &Ui) -> anyhow::Result<PathBuf> {
    match Journal::finish(out, results) {
        Ok(path) => {
            ui.info(&format!("results: {}", path.display()));
            Ok(path)
        }
        Err(error) => {
            let context = match save_elsewhere(results) {
                Some(path) => {
                    format!("failed to save the results in {}; they are in {}", out.display(), path.display())
                }
                None => format!("failed to save the results in {}; the report is all there is", out.display()),
            };
            Err(anyhow::Error::new(error).context(context))
        }
    }
}

/// A folder of its own among the temporary ones, which stays if the results could be put there.
fn save_elsewhere(results: &Results) -> Option<PathBuf> {
    let folder = tempfile::Builder::new().prefix("tollgate-results-").tempdir().ok()?;
    let path = Journal::finish(folder.path(), results).ok()?;
    _ = folder.keep();
    Some(path)
}
