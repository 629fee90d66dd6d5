//! What the judge looks up again and again: planned pairs with their launches and baselines, and what gates.
//!
//! Decides nothing about figures.

use std::collections::{BTreeMap, BTreeSet};

use super::duel::{Duel, duels};
use super::gating::{self, Standing};
use super::threshold::Thresholds;
use super::time;
use super::{broken, controls, scatter};
use crate::model::baseline::{Scatter, TimeReference};
use crate::model::findings::{Control, Gating};
use crate::model::observation::Side;
use crate::model::results::{Base, BaseKind, Comparison, PlannedPair};
use crate::model::shard::Shard;
use crate::model::{
    BackendId, Baseline, BaselineKey, Entry, Failure, Launch, Metric, Results, SampleId, Stage, StageKind,
};

/// Results with their indexes.
#[derive(Debug)]
pub struct Context<'r> {
    pub results: &'r Results,
    pub pairs: BTreeMap<(SampleId, BackendId), Pair<'r>>,
    pub thresholds: Thresholds<'r>,
    /// How far each backend's baseline speaks for this run; backends without a baseline are absent.
    pub standings: BTreeMap<BackendId, Standing>,
    /// Time cells that gate in the launches at hand.
    pub own_times: usize,
    /// Time cells among which the level is shared: of a shard, with those of the other shards.
    pub gating_times: usize,
    /// What the null controls show.
    pub controls: Vec<Control>,
    /// How far pairs of launches scatter in this run.
    pub scatter: BTreeMap<BackendId, BTreeMap<Stage, Scatter>>,
    /// Whether committed times are ratios to a reference worker that this run measured.
    pub by_reference: bool,
}

/// A planned pair.
#[derive(Debug)]
pub struct Pair<'r> {
    pub sample: &'r SampleId,
    pub backend: &'r BackendId,
    /// Planned stages that a worker measures, in order.
    pub stages: BTreeSet<Stage>,
    /// Launches of the head, by round and id.
    pub launches: Vec<&'r Launch>,
    pub baseline: Option<&'r Baseline>,
    /// Planned stages that are broken, with the failure that broke them.
    pub broken: BTreeMap<Stage, &'r Failure>,
    pub comparison: Comparison,
    /// Pairs of launches of base and head, by round; empty without a base.
    pub duels: Vec<Duel<'r>>,
    /// The first failure of a base launch.
    pub base_failure: Option<&'r Failure>,
    /// Whether base and head run the same engine, so that nothing was relinked.
    pub same_engine: bool,
}

impl<'r> Pair<'r> {
    /// What the baseline holds for a cell of the pair.
    #[must_use]
    pub fn entry(&self, stage: Stage, metric: Metric) -> Option<&'r Entry> {
        self.baseline?.cells.get(&BaselineKey { sample: self.sample.clone(), stage, metric })
    }

    /// Rounds in which the pair was launched.
    #[must_use]
    pub fn rounds(&self) -> u32 {
        let rounds: BTreeSet<u32> = self.launches.iter().map(|launch| launch.round).collect();
        u32::try_from(rounds.len()).unwrap_or(u32::MAX)
    }
}

impl<'r> Context<'r> {
    /// Indexes the results. Launches of pairs that nobody planned are left out.
    #[must_use]
    pub fn new(results: &'r Results) -> Self {
        let header = &results.header;
        let mut pairs: BTreeMap<(SampleId, BackendId), Pair<'r>> = BTreeMap::new();
        for planned in &header.plan {
            let pair = pairs.entry((planned.sample.clone(), planned.backend.clone())).or_insert_with(|| Pair {
                sample: &planned.sample,
                backend: &planned.backend,
                stages: BTreeSet::new(),
                launches: Vec::new(),
                baseline: header.baselines.get(&planned.backend),
                broken: BTreeMap::new(),
                comparison: planned.comparison,
                duels: Vec::new(),
                base_failure: None,
                same_engine: header.base.as_ref().is_some_and(|base| same_engine(results, base, &planned.backend)),
            });
            pair.stages.extend(planned.stages.iter().copied().filter(|stage| stage.is_measured()));
        }
        for launch in results.launches.iter().filter(|launch| launch.side == Side::Head) {
            if let Some(pair) = pairs.get_mut(&(launch.sample.clone(), launch.backend.clone())) {
                pair.launches.push(launch);
            }
        }
        for (key, duels) in duels(&results.launches, Side::Base, Side::Head) {
            if let Some(pair) = pairs.get_mut(&key) {
                pair.duels = duels;
            }
        }
        for launch in results.launches.iter().filter(|launch| launch.side == Side::Base) {
            if let Some(pair) = pairs.get_mut(&(launch.sample.clone(), launch.backend.clone())) {
                pair.base_failure = pair.base_failure.or(launch.failure.as_ref());
            }
        }
        for pair in pairs.values_mut() {
            pair.launches.sort_by_key(|launch| (launch.round, launch.id));
            pair.broken = broken::stages(&pair.stages, &pair.launches);
        }
        let standings: BTreeMap<BackendId, Standing> = header
            .baselines
            .iter()
            .map(|(id, baseline)| (id.clone(), gating::standing(results, id, baseline)))
            .collect();
        let count = |pair| {
            if is_judged_by_base(results, pair) { paired_times(pair) } else { committed_times(pair, &standings) }
        };
        let own_times = pairs.values().map(count).sum();
        let gating_times =
            header.shard.iter().flat_map(Shard::elsewhere).map(most_times).fold(own_times, usize::saturating_add);
        let thresholds = Thresholds::new(&header.settings.thresholds);
        let controls = controls::controls(results);
        let by_reference = matches!(header.time_reference(), TimeReference::Worker { .. });
        let scatter = scatter::observed(&pairs);
        Self { results, pairs, thresholds, standings, own_times, gating_times, controls, scatter, by_reference }
    }

    /// Whether the times of a pair are judged against the base of this run. A reference worker is no such base: what counts
    /// there is the committed ratio to it.
    #[must_use]
    pub fn is_judged_by_base(&self, pair: &Pair<'_>) -> bool {
        is_judged_by_base(self.results, pair)
    }

    /// What a relink may move of a stage.
    #[must_use]
    pub fn layout_allowance(&self, stage: Stage) -> f64 {
        let allowance = self.results.header.settings.layout_allowances.get(&stage).copied();
        allowance.filter(|allowance| allowance.is_finite() && *allowance > 0.0).unwrap_or(0.0)
    }

    /// Whether exact metrics of a backend gate.
    #[must_use]
    pub fn exact_gating(&self, backend: &BackendId) -> Gating {
        self.standings.get(backend).map_or(Gating::Gates, |standing| standing.exact.clone())
    }

    /// Whether times of a backend gate.
    #[must_use]
    pub fn time_gating(&self, backend: &BackendId) -> Gating {
        self.standings.get(backend).map_or(Gating::Gates, |standing| standing.time.clone())
    }

    /// The level of one look at a time cell of the pair.
    #[must_use]
    pub fn look_level(&self, pair: &Pair<'_>) -> f64 {
        time::look_level(self.gating_times, pair.rounds())
    }
}

fn is_judged_by_base(results: &Results, pair: &Pair<'_>) -> bool {
    let base = results.header.base.as_ref();
    let reference = base.is_some_and(|base| matches!(base.kind, BaseKind::Reference { .. }));
    base.is_some() && !reference && pair.comparison == Comparison::Paired && !pair.duels.is_empty()
}

fn same_engine(results: &Results, base: &Base, id: &BackendId) -> bool {
    let engine = |specs: &'_ [crate::model::BackendSpec]| {
        specs.iter().find(|spec| spec.id == *id).map(|spec| spec.engine.clone())
    };
    engine(&base.backends) == engine(&results.header.backends)
}

/// Times of a pair of another shard that may gate. This run does not know how the pair stands to its base and on what machine; more than
/// there are only ask for more evidence, so that what is red in a shard by itself is red among all of them.
fn most_times(pair: &PlannedPair) -> usize {
    pair.stages.iter().filter(|stage| matches!(stage.kind(), StageKind::Gating)).count()
}

/// Times of a pair that are judged against the base.
fn paired_times(pair: &Pair<'_>) -> usize {
    pair.stages.iter().filter(|stage| matches!(stage.kind(), StageKind::Gating)).count()
}

/// Times of a pair that are judged against the baseline and gate.
fn committed_times(pair: &Pair<'_>, standings: &BTreeMap<BackendId, Standing>) -> usize {
    if standings.get(pair.backend).is_none_or(|standing| standing.time != Gating::Gates) {
        return 0;
    }
    let gates = |stage: &&Stage| {
        matches!(stage.kind(), StageKind::Gating)
            && matches!(pair.entry(**stage, Metric::Time), Some(Entry::Time { .. }))
    };
    pair.stages.iter().filter(gates).count()
}
