//! What the judge looks up again and again: planned pairs with their launches and baselines, and what gates.
//!
//! Decides nothing about figures.

use std::collections::{BTreeMap, BTreeSet};

use super::broken;
use super::gating::{self, Standing};
use super::threshold::Thresholds;
use super::time;
use crate::model::findings::Gating;
use crate::model::observation::Side;
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
    /// Time cells that gate, among which the level is shared.
    pub gating_times: usize,
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
            });
            pair.stages.extend(planned.stages.iter().copied().filter(|stage| stage.is_measured()));
        }
        for launch in results.launches.iter().filter(|launch| launch.side == Side::Head) {
            if let Some(pair) = pairs.get_mut(&(launch.sample.clone(), launch.backend.clone())) {
                pair.launches.push(launch);
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
        let gating_times = pairs.values().map(|pair| count_gating_times(pair, &standings)).sum();
        Self { results, pairs, thresholds: Thresholds::new(&header.settings.thresholds), standings, gating_times }
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

fn count_gating_times(pair: &Pair<'_>, standings: &BTreeMap<BackendId, Standing>) -> usize {
    if standings.get(pair.backend).is_none_or(|standing| standing.time != Gating::Gates) {
        return 0;
    }
    let gates = |stage: &&Stage| {
        matches!(stage.kind(), StageKind::Gating)
            && matches!(pair.entry(**stage, Metric::Time), Some(Entry::Time { .. }))
    };
    pair.stages.iter().filter(gates).count()
}
