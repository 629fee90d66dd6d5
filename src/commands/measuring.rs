//! The measuring loop: rounds of launches, first for every pair, then for those that the judge cannot decide yet.
//!
//! Every launch is in the journal before the next one starts. A broken pair costs its own cells: it is not launched
//! again, and the others go on.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use super::progress::Progress;
use super::ui::Ui;
use crate::judge::{self, time::MAX_LOOKS};
use crate::measure::cancel::Cancel;
use crate::measure::journal::Journal;
use crate::measure::launch::{self, Interrupted, LaunchSpec};
use crate::model::observation::Side;
use crate::model::results::{End, EndReason, Header, PlannedPair};
use crate::model::{BackendId, BackendSpec, Launch, Results, Sample, SampleId, Stage, StageKind};
use crate::plan;

/// Rounds that every pair takes, as far as the budget goes: enough for a deviation of launches to mean something.
pub const FIRST_ROUNDS: u32 = 5;

type Pair = (SampleId, BackendId);

/// Measures all that the header plans and returns the results, complete or not.
#[derive(Debug)]
pub struct Measuring<'a> {
    results: Results,
    journal: &'a mut Journal,
    journal_failed: bool,
    scratch: &'a Path,
    cancel: &'a Cancel,
    ui: &'a Ui,
    progress: Progress,
    started: Instant,
    budget: Duration,
    /// How long the last launch of a pair took: what the next one is expected to take.
    expected: BTreeMap<Pair, Duration>,
    broken: BTreeSet<Pair>,
    out_of_budget: bool,
}

impl<'a> Measuring<'a> {
    /// Prepares to measure what `header` plans.
    pub fn new(header: Header, journal: &'a mut Journal, scratch: &'a Path, cancel: &'a Cancel, ui: &'a Ui) -> Self {
        let budget = header.settings.budget.into();
        let progress = Progress::start(header.plan.len() * FIRST_ROUNDS as usize);
        let end = End { reason: EndReason::Complete, elapsed: Default::default() };
        Self {
            results: Results { header, launches: Vec::new(), end },
            journal,
            journal_failed: false,
            scratch,
            cancel,
            ui,
            progress,
            started: Instant::now(),
            budget,
            expected: BTreeMap::new(),
            broken: BTreeSet::new(),
            out_of_budget: false,
        }
    }

    /// Runs all rounds.
    pub fn run(mut self) -> Results {
        let mut reason = EndReason::Complete;
        for round in 0..MAX_LOOKS {
            let pairs = self.pairs_of(round);
            if pairs.is_empty() {
                break;
            }
            if self.round(round, &pairs).is_err() {
                reason = EndReason::Interrupted;
                break;
            }
        }
        self.progress.finish();
        if reason == EndReason::Complete && self.out_of_budget && !judge::undecided(&self.results).is_empty() {
            reason = EndReason::Budget;
        }
        self.results.end = End { reason, elapsed: self.started.elapsed().into() };
        self.results
    }

    /// The pairs that a round takes, in their seeded order.
    fn pairs_of(&self, round: u32) -> Vec<PlannedPair> {
        let open = (round >= FIRST_ROUNDS).then(|| judge::undecided(&self.results));
        let all = &self.results.header.plan;
        let order = plan::order(all.len(), self.results.header.seed, round);
        let wanted = |pair: &PlannedPair| {
            let key = (pair.sample.clone(), pair.backend.clone());
            !self.broken.contains(&key) && open.as_ref().is_none_or(|open| open.contains(&key))
        };
        order.into_iter().map(|index| &all[index]).filter(|pair| wanted(pair)).cloned().collect()
    }

    fn round(&mut self, round: u32, pairs: &[PlannedPair]) -> Result<(), Interrupted> {
        if round >= FIRST_ROUNDS {
            self.progress.more(pairs.len());
        }
        for (index, pair) in pairs.iter().enumerate() {
            if round > 0 && !self.fits(pair) {
                self.out_of_budget = true;
                self.progress.done();
                continue;
            }
            self.progress.launch(pair, round, self.left(round, &pairs[index..]));
            let launch = self.launch(pair, round)?;
            self.record(launch);
            self.progress.done();
        }
        Ok(())
    }

    /// Whether another launch of the pair is expected to end within the budget.
    fn fits(&self, pair: &PlannedPair) -> bool {
        let expected = self.expected.get(&(pair.sample.clone(), pair.backend.clone())).copied().unwrap_or_default();
        self.started.elapsed() + expected <= self.budget
    }

    /// What the rest of this round and of the first rounds is expected to take, once every pair has been seen.
    fn left(&self, round: u32, rest: &[PlannedPair]) -> Option<Duration> {
        if round == 0 {
            return None;
        }
        let cost = |pair: &PlannedPair| self.expected.get(&(pair.sample.clone(), pair.backend.clone())).copied();
        let this: Duration = rest.iter().filter_map(cost).sum();
        let full: Duration = self.results.header.plan.iter().filter_map(cost).sum();
        let later = full * FIRST_ROUNDS.saturating_sub(round + 1);
        Some((this + later).min(self.budget.saturating_sub(self.started.elapsed())))
    }

    fn launch(&self, pair: &PlannedPair, round: u32) -> Result<Launch, Interrupted> {
        let header = &self.results.header;
        let (sample, backend) = lookup(header, pair);
        let stages = stages_of(pair, round);
        let spec = LaunchSpec {
            id: u32::try_from(self.results.launches.len()).unwrap_or(u32::MAX),
            round,
            side: Side::Head,
            sample,
            backend,
            stages: &stages,
            limits: header.settings.limits,
            effort: header.effort,
            seed: header.seed,
            run_started: self.started,
            scratch_parent: self.scratch,
        };
        launch::run(&spec, self.cancel)
    }

    fn warn(&self, text: &str) {
        self.progress.suspend(|| self.ui.warn(text));
    }

    fn record(&mut self, launch: Launch) {
        let key = (launch.sample.clone(), launch.backend.clone());
        self.expected.insert(key.clone(), launch.duration.into());
        if let Some(failure) = &launch.failure {
            let stage = failure.stage.map(|stage| format!("{stage}: ")).unwrap_or_default();
            self.warn(&format!("{} on {} is broken: {stage}{}", launch.sample, launch.backend, failure.kind));
            self.broken.insert(key);
        }
        if !self.journal_failed
            && let Err(error) = self.journal.append(&launch)
        {
            // What was measured lives on in memory; results.json is tried again at the end.
            self.journal_failed = true;
            self.warn(&format!("going on without a journal: {error}"));
        }
        self.results.launches.push(launch);
    }
}

/// The stages that a pair measures in a round. What is for information alone is measured once: with LLVM it can cost as much
/// as all that gates.
pub fn stages_of(pair: &PlannedPair, round: u32) -> Vec<Stage> {
    pair.stages.iter().copied().filter(|stage| round == 0 || stage.kind() != StageKind::Information).collect()
}

/// The sample and backend of a planned pair.
///
/// # Panics
/// Never: a plan is made from these very lists.
fn lookup<'h>(header: &'h Header, pair: &PlannedPair) -> (&'h Sample, &'h BackendSpec) {
    let sample = header.samples.iter().find(|sample| sample.id == pair.sample);
    let backend = header.backends.iter().find(|backend| backend.id == pair.backend);
    sample.zip(backend).expect("a plan names only samples and backends of its own header")
}
