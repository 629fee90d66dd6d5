//! `tollgate list`: what a run would measure, and what it would cost.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use super::measuring::{FIRST_ROUNDS, stages_of};
use super::setup;
use super::ui::{Ui, counted};
use crate::cli::{ListArgs, PlainFormat};
use crate::exit::Exit;
use crate::judge::pooling;
use crate::measure::yardstick::Yardstick;
use crate::model::results::PlannedPair;
use crate::model::settings::Effort;
use crate::model::{BackendId, BackendSpec, Baseline, Sample, SampleId};
use crate::plan::cost;

/// Readings of the yardsticks that the forecast rests on: a few milliseconds of work.
const READINGS: u32 = 5;

/// The forecast for each pair: one launch, where the baseline knows the sample.
type Costs = BTreeMap<(SampleId, BackendId), Option<Duration>>;

/// Runs the command.
///
/// # Errors
/// When the configuration or the baselines cannot be used, or a filter matches nothing.
pub fn run(args: &ListArgs, ui: &Ui) -> anyhow::Result<Exit> {
    let mut setup = setup::setup(&args.places, &args.filters, ui)?;
    setup.take_shard(args.shard)?;
    let baselines = setup::baselines(&setup.baselines_dir, &setup.config.backends)?;
    let costs = costs(&setup.plan, &baselines);
    let text = match args.format {
        PlainFormat::Text => text(&setup.config.samples, &setup.config.backends, &setup.plan, &costs),
        PlainFormat::Json => json(&setup.plan, &costs)?,
    };
    ui.data(&text)?;
    Ok(Exit::Pass)
}

fn costs(plan: &[PlannedPair], baselines: &BTreeMap<BackendId, Baseline>) -> Costs {
    let readings = Yardstick::new().read(READINGS);
    let yardstick = pooling::yardstick(&readings).ok();
    let cost = |pair: &PlannedPair| {
        let baseline = baselines.get(&pair.backend)?;
        // A later round's launch: what is measured once, for information, is no part of what a round costs.
        cost::of_launch(&pair.sample, &stages_of(pair, 1), baseline, &Effort::default(), yardstick?)
    };
    plan.iter().map(|pair| ((pair.sample.clone(), pair.backend.clone()), cost(pair))).collect()
}

fn text(samples: &[Sample], backends: &[BackendSpec], plan: &[PlannedPair], costs: &Costs) -> String {
    let planned: Vec<&Sample> =
        samples.iter().filter(|sample| plan.iter().any(|pair| pair.sample == sample.id)).collect();
    let used: Vec<&BackendSpec> =
        backends.iter().filter(|backend| plan.iter().any(|pair| pair.backend == backend.id)).collect();
    let name = planned.iter().map(|sample| sample.id.as_str().len()).max().unwrap_or(0).max("sample".len());
    let mut out = format!("{:name$}  {:>9}  {:>5}", "sample", "size", "tier");
    for backend in &used {
        _ = write!(out, "  {:>12}", backend.id);
    }
    out.push('\n');
    for sample in &planned {
        _ = write!(out, "{:name$}  {:>9}  {:>5}", sample.id, sample.size.to_string(), sample.tier);
        for backend in &used {
            let cell = match costs.get(&(sample.id.clone(), backend.id.clone())) {
                None => "-".to_owned(),
                Some(None) => "?".to_owned(),
                Some(Some(cost)) => seconds(*cost),
            };
            _ = write!(out, "  {cell:>12}");
        }
        out.push('\n');
    }
    let known: Duration = costs.values().flatten().sum();
    let unknown = costs.values().filter(|cost| cost.is_none()).count();
    let cells: usize = plan.iter().map(|pair| pair.stages.len()).sum();
    _ = writeln!(
        out,
        "\n{} × {}, {} a round, {cells} stages to time; times are of one launch.",
        counted(planned.len(), "sample", "samples"),
        counted(used.len(), "backend", "backends"),
        counted(plan.len(), "launch", "launches"),
    );
    if unknown < costs.len() {
        let rounds = known * FIRST_ROUNDS;
        _ = writeln!(
            out,
            "One round takes about {}, the {FIRST_ROUNDS} that every pair gets about {}; compiling on all cores comes once on top.",
            seconds(known),
            seconds(rounds)
        );
    }
    if unknown > 0 {
        _ = writeln!(
            out,
            "? for {} without a baseline yet; `tollgate run --update-baselines` writes it.",
            counted(unknown, "pair", "pairs")
        );
    }
    out
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

/// One object a pair: `{"sample", "backend", "stages", "launch_seconds"}`; the last is null where it is not known.
fn json(plan: &[PlannedPair], costs: &Costs) -> anyhow::Result<String> {
    let entry = |pair: &PlannedPair| {
        let cost = costs.get(&(pair.sample.clone(), pair.backend.clone())).copied().flatten();
        serde_json::json!({
            "sample": pair.sample,
            "backend": pair.backend,
            "stages": pair.stages,
            "launch_seconds": cost.map(|cost| cost.as_secs_f64()),
        })
    };
    let document = serde_json::json!({
        "version": 1,
        "first_rounds": FIRST_ROUNDS,
        "pairs": plan.iter().map(entry).collect::<Vec<_>>(),
    });
    Ok(serde_json::to_string_pretty(&document)?)
}
