//! The report for programs: versioned, complete but for raw observations, documented in docs/results.md.
//!
//! Paths of the machine are left out: what a program reads here may be published.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::model::baseline::Scatter;
use crate::model::compared::Compared;
use crate::model::findings::{Control, Outcome, PairFailure, Spending, TradeOff};
use crate::model::loosening::Loosening;
use crate::model::results::{Base, BaseKind, End, PlannedPair};
use crate::model::sample::{BackendOptions, EngineSpec};
use crate::model::settings::Effort;
use crate::model::shard::MergedShard;
use crate::model::{
    BackendId, BackendSpec, Bytes, CellFinding, Findings, Machine, Results, Sample, SampleId, Settings, Stage, Tier,
};

/// Version of the report; raised when a reader of the old one would misread the new one. New fields do not raise it.
pub const REPORT_VERSION: u32 = 1;

#[derive(Serialize)]
struct Report<'a> {
    version: u32,
    tollgate: &'a str,
    outcome: Outcome,
    run: Run<'a>,
    counts: &'a BTreeMap<String, u32>,
    cells: &'a [CellFinding],
    failures: &'a [PairFailure],
    tradeoffs: &'a [TradeOff],
    notes: &'a [String],
    spending: Spending,
    controls: &'a [Control],
    scatter: &'a BTreeMap<BackendId, BTreeMap<Stage, Scatter>>,
    loosening: Option<&'a Loosening>,
    /// Of two runs side by side only.
    #[serde(skip_serializing_if = "Option::is_none")]
    compared: Option<&'a Compared>,
}

#[derive(Serialize)]
struct Run<'a> {
    commit: Option<&'a str>,
    started: &'a str,
    seed: u64,
    engines: BTreeSet<&'a str>,
    yardstick: u32,
    effort: Effort,
    machine: &'a Machine,
    settings: &'a Settings,
    samples: Vec<SampleEntry<'a>>,
    backends: Vec<BackendEntry<'a>>,
    plan: &'a [PlannedPair],
    base: Option<BaseEntry<'a>>,
    shard: Option<ShardEntry>,
    merged: &'a [MergedShard],
    end: End,
}

#[derive(Serialize)]
struct ShardEntry {
    number: u32,
    of: u32,
}

#[derive(Serialize)]
struct BaseEntry<'a> {
    kind: &'a BaseKind,
    samples: Vec<SampleEntry<'a>>,
    backends: Vec<BackendEntry<'a>>,
}

#[derive(Serialize)]
struct SampleEntry<'a> {
    id: &'a SampleId,
    sha256: &'a str,
    size: Bytes,
    tier: Tier,
    description: Option<&'a str>,
}

#[derive(Serialize)]
struct BackendEntry<'a> {
    id: &'a BackendId,
    /// `built-in`, or the name of the executable.
    engine: &'a str,
    compiler: &'a str,
    options: &'a BackendOptions,
}

fn sample(sample: &Sample) -> SampleEntry<'_> {
    SampleEntry {
        id: &sample.id,
        sha256: &sample.sha256,
        size: sample.size,
        tier: sample.tier,
        description: sample.description.as_deref(),
    }
}

fn backend(backend: &BackendSpec) -> BackendEntry<'_> {
    let engine = match &backend.engine {
        EngineSpec::BuiltIn => "built-in",
        EngineSpec::Executable { name, .. } => name,
    };
    BackendEntry { id: &backend.id, engine, compiler: &backend.compiler, options: &backend.options }
}

fn base(base: &Base) -> BaseEntry<'_> {
    BaseEntry {
        kind: &base.kind,
        samples: base.samples.iter().map(sample).collect(),
        backends: base.backends.iter().map(backend).collect(),
    }
}

/// The report as indented JSON, ending in a line break. Figures that are not finite are `null`.
///
/// # Panics
/// Never: writing JSON to memory fails only for maps whose keys are not strings, and the report has none.
#[must_use]
pub fn render(results: &Results, findings: &Findings) -> String {
    written(results, findings, None)
}

/// The report on two runs side by side, of which `results` are the second.
///
/// # Panics
/// Never, as [`render`].
#[must_use]
pub fn render_side_by_side(results: &Results, findings: &Findings, compared: &Compared) -> String {
    written(results, findings, Some(compared))
}

fn written(results: &Results, findings: &Findings, compared: Option<&Compared>) -> String {
    let header = &results.header;
    let report = Report {
        version: REPORT_VERSION,
        tollgate: &header.tollgate,
        outcome: findings.outcome,
        run: Run {
            commit: header.commit.as_deref(),
            started: &header.started,
            seed: header.seed,
            engines: results.launches.iter().filter_map(|launch| launch.engine.as_deref()).collect(),
            yardstick: header.yardstick,
            effort: header.effort,
            machine: &header.machine,
            settings: &header.settings,
            samples: header.samples.iter().map(sample).collect(),
            backends: header.backends.iter().map(backend).collect(),
            plan: &header.plan,
            base: header.base.as_ref().map(base),
            shard: header.shard.as_ref().map(|shard| ShardEntry { number: shard.number, of: shard.of() }),
            merged: &header.merged,
            end: results.end,
        },
        counts: &findings.counts,
        cells: &findings.cells,
        failures: &findings.failures,
        tradeoffs: &findings.tradeoffs,
        notes: &findings.notes,
        spending: findings.spending,
        controls: &findings.controls,
        scatter: &findings.scatter,
        loosening: header.loosening.as_ref(),
        compared,
    };
    let mut text = serde_json::to_string_pretty(&report).expect("every key of the report is a string");
    text.push('\n');
    text
}
