//! `tollgate noise`: base against itself on this machine, and what the gate can promise here.

use std::fmt::Write as _;

use anyhow::Context as _;

use super::measuring::{LARGE_SHARE, Until};
use super::run;
use super::setup;
use super::sides;
use super::ui::{Ui, counted};
use crate::baseline::error::BaselineError;
use crate::baseline::{scatter, store};
use crate::cli::{NoiseArgs, PlainFormat};
use crate::exit::Exit;
use crate::judge;
use crate::measure::cancel::Cancel;
use crate::model::observation::Side;
use crate::model::results::{Base, BaseKind, Comparison, EndReason};
use crate::model::sample::EngineSpec;
use crate::model::{BackendSpec, Baseline, Results, StageKind};
use crate::replay::export::{self, SPIN, WORKER};
use crate::replay::noise::{self, Noise, Row};
use crate::report::units::{change, share};

/// The recording for `tollgate replay`, in the folder of the results.
const RECORDING: &str = "launches.jsonl";

/// Cells that are resampled for each row, and whole runs: enough to tell 95 % from 93 %, in seconds.
const LIVES: u32 = 500;
const RUNS: u32 = 1000;

/// Runs the command.
///
/// # Errors
/// When it could not do its job: usage, configuration, environment, input or output.
pub fn run(args: &NoiseArgs, ui: &Ui) -> anyhow::Result<Exit> {
    let (results, interrupted) = match &args.results {
        Some(path) => (setup::read(path, ui)?, false),
        None => match measure(args, ui) {
            Err(error) if sides::is_interruption(&error) => {
                ui.warn("interrupted before anything was measured");
                return Ok(Exit::Interrupted);
            }
            measured => measured?,
        },
    };
    let seed = results.header.seed;
    let noise = noise::assess(&results, seed, LIVES, RUNS, LARGE_SHARE);
    let text = match args.format {
        PlainFormat::Text => text(&noise, &results),
        PlainFormat::Json => serde_json::to_string_pretty(&noise)?,
    };
    ui.data(&text)?;
    if args.record {
        record(&results, args, ui)?;
    }
    if interrupted {
        ui.warn("interrupted: this covers what was measured until then");
        return Ok(Exit::Interrupted);
    }
    Ok(Exit::Pass)
}

/// Adds the scatter of this run to the baselines: what the deviations of later runs are shrunk towards.
fn record(results: &Results, args: &NoiseArgs, ui: &Ui) -> anyhow::Result<()> {
    let failed = |error: BaselineError| anyhow::anyhow!("failed to {error}");
    let dir = match &args.places.baselines {
        Some(dir) => dir.clone(),
        None => setup::setup(&args.places, &args.filters, ui)?.baselines_dir,
    };
    for (backend, observed) in &judge::judge(results).scatter {
        let target = &results.header.machine.class.target;
        match store::read(&dir, backend, target).map_err(failed)? {
            None => ui.warn(&format!(
                "{backend} has no baseline to record its scatter in; run `tollgate run --update-baselines`"
            )),
            Some(old) => {
                let new = Baseline { scatter: scatter::fold(&old.scatter, observed), ..old.clone() };
                let path = store::replace(&dir, Some(&old), &new).map_err(failed)?;
                ui.info(&format!(
                    "recorded the scatter of {} in {}",
                    counted(observed.len(), "stage", "stages"),
                    path.display()
                ));
            }
        }
    }
    Ok(())
}

/// Measures everything against itself until the budget is used up.
fn measure(args: &NoiseArgs, ui: &Ui) -> anyhow::Result<(Results, bool)> {
    let mut setup = setup::setup(&args.places, &args.filters, ui)?;
    let cancel = Cancel::install()?;
    sides::build_head(&mut setup, &cancel, ui)?;
    for pair in &mut setup.plan {
        pair.comparison = Comparison::Paired;
        pair.stages.retain(|stage| matches!(stage.kind(), StageKind::Gating));
    }
    let mut header = run::header(&setup, &args.filters, args.budget, args.seed)?;
    let (samples, backends) = (header.samples.clone(), header.backends.clone());
    if let Some(percent) = args.plant {
        plant(&mut header.backends, percent / 100.0)?;
    }
    header.base = Some(Base { kind: BaseKind::Itself, samples, backends });
    let results = run::measure(header, Until::OutOfBudget, &args.out, &cancel, ui)?;
    run::save(&results, &args.out, ui)?;
    let recording = args.out.join(RECORDING);
    std::fs::write(&recording, export::lines(&results))
        .with_context(|| format!("failed to write {}", recording.display()))?;
    let interrupted = results.end.reason == EndReason::Interrupted;
    Ok((results, interrupted))
}

/// Makes the head's built-in engine slower.
fn plant(backends: &mut [BackendSpec], share: f64) -> anyhow::Result<()> {
    anyhow::ensure!(
        backends.iter().any(|backend| backend.engine == EngineSpec::BuiltIn),
        "--plant needs a backend of the built-in engine; take one with --backend, or plant in your own engine"
    );
    let path = std::env::current_exe().context("failed to find this executable")?;
    for backend in backends.iter_mut().filter(|backend| backend.engine == EngineSpec::BuiltIn) {
        let args = [WORKER, SPIN, &share.to_string()].map(str::to_owned).to_vec();
        backend.engine =
            EngineSpec::Executable { name: "planted".to_owned(), path: path.clone(), args, sha256: String::new() };
    }
    Ok(())
}

fn text(noise: &Noise, results: &Results) -> String {
    let header = &results.header;
    let budget: std::time::Duration = header.settings.budget.into();
    let launched = results.launches.iter().filter(|launch| launch.side == Side::Head).count();
    let mut out = String::new();
    _ = writeln!(
        out,
        "Base against itself on {} ({}): {} in {}\n",
        header.machine.class.to_string().escape_debug(),
        counted(header.machine.cores as usize, "core", "cores"),
        counted(launched, "pair of launches", "pairs of launches"),
        humantime::format_duration(std::time::Duration::from_secs(results.end.elapsed.0 / 1_000_000_000)),
    );
    let name = noise.rows.iter().map(|row| row.backend.as_str().len()).max().unwrap_or(0).max("backend".len());
    let stage = noise.rows.iter().map(|row| row.stage.as_str().len()).max().unwrap_or(0).max("stage".len());
    _ = writeln!(
        out,
        "{:name$}  {:stage$}  {:>6}  {:>7}  {:>7}  {:>7}  {:>16}  {:>6}  {:>9}  {:>8}  {:>8}",
        "backend", "stage", "pairs", "launch", "pair", "worst", "bias (95 %)", "red", "tolerance", "finds", "least"
    );
    for row in &noise.rows {
        _ = writeln!(out, "{}", line(row, name, stage));
    }
    _ = write!(out, "\n{}", explanation(noise, budget));
    out
}

fn line(row: &Row, name: usize, stage: usize) -> String {
    let percent = |fraction: f64| format!("{:.2} %", fraction * 100.0);
    let found =
        |fraction: Option<f64>| fraction.map_or_else(|| "none".to_owned(), |found| format!("{:.1} %", found * 100.0));
    let bias = format!("{} ± {:.2} %", change(row.bias.relative), (row.bias.high - row.bias.low) * 50.0);
    format!(
        "{:name$}  {:stage$}  {:>6}  {:>7}  {:>7}  {:>7}  {bias:>16}  {:>6}  {:>9}  {:>8}  {:>8}",
        row.backend.as_str(),
        row.stage.as_str(),
        row.pairs,
        percent(row.launch_deviation),
        percent(row.deviation),
        percent(row.worst),
        format!("{}/{}", row.false_reds, row.lives),
        share(row.tolerance),
        found(row.smallest_found),
        found(row.least_tolerance),
    )
}

fn explanation(noise: &Noise, budget: std::time::Duration) -> String {
    let most = noise.rows.iter().map(|row| row.pairs_affordable).max().unwrap_or(0);
    let least = noise.rows.iter().map(|row| row.pairs_affordable).min().unwrap_or(0);
    format!(
        "launch  deviation of one launch's own time; pair  of the ratio of one pair of launches, which is what is judged\n\
         red     cells judged red of those resampled with nothing changed and no tolerance at all\n\
         finds   smallest change found in 95 % of resampled cells, at the tolerance and a budget of {} ({least} to {most} pairs of launches)\n\
         least   smallest tolerance at which 95 % of unchanged cells pass within that budget\n\
         {} of {} resampled runs of {} cells had a false red at these tolerances.\n",
        humantime::format_duration(budget),
        noise.runs_with_a_red,
        noise.runs,
        noise.cells,
    )
}
