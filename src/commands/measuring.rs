//! The measuring loop: rounds of launches, first for every pair of sample and backend, then for the stages that the judge cannot
//! decide yet.
//!
//! Every launch is in the journal before the next one starts. A broken pair costs its own cells: it is not launched
//! again, and the others go on. A broken base costs the comparison with it: the head goes on alone.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use super::progress::Progress;
use super::ui::Ui;
use crate::judge::{self, paired};
use crate::measure::cancel::Cancel;
use crate::measure::duel::{self, Contender, DuelSpec};
use crate::measure::journal::Journal;
use crate::measure::launch::{self, Interrupted, LaunchSpec};
use crate::model::observation::Side;
use crate::model::results::{Comparison, End, EndReason, Header, PlannedPair};
use crate::model::{BackendId, BackendSpec, Launch, Results, Sample, SampleId, Stage, StageKind};
use crate::plan;

/// Rounds that every head without a base takes, as far as the budget goes: enough for a deviation of launches to mean something.
pub const FIRST_ROUNDS: u32 = 5;

/// One in so many pairs of launches is followed by a null control, which costs as much as the pair itself.
const CONTROL_EVERY: usize = 8;

/// Rounds after the first ones that have null controls: one in so many.
const CONTROL_ROUNDS: u32 = 4;

/// Pairs of launches that take longer have no null control: what they would show, shorter ones show as well.
const LONGEST_CONTROL: Duration = Duration::from_secs(4);

/// A pair whose launch is expected to take more than this share of the budget waits until all others are decided: it would be
/// decided at their expense. Of the default budget that is 3.4 s, what LLVM takes for half a second of compiling.
pub const LARGE_SHARE: u32 = 80;

type Pair = (SampleId, BackendId);

/// When a pair of sample and backend has had enough launches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// When the judge has decided its cells.
    Decided,
    /// When the budget is used up: what every pair is to be known of equally well.
    OutOfBudget,
}

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
    until: Until,
    /// How long the last launch of a pair took: what the next one is expected to take.
    expected: BTreeMap<Pair, Duration>,
    /// Rounds that each pair has had.
    rounds: BTreeMap<Pair, u32>,
    /// Stages that were undecided when the judge last looked.
    open: BTreeMap<Pair, BTreeSet<Stage>>,
    broken: BTreeSet<Pair>,
    base_broken: BTreeSet<Pair>,
    out_of_budget: bool,
}

/// What a round does with one pair.
#[derive(Debug, Clone)]
struct Turn {
    pair: PlannedPair,
    stages: Vec<Stage>,
}

impl<'a> Measuring<'a> {
    /// Prepares to measure what `header` plans.
    pub fn new(
        header: Header,
        until: Until,
        journal: &'a mut Journal,
        scratch: &'a Path,
        cancel: &'a Cancel,
        ui: &'a Ui,
    ) -> Self {
        let budget = header.settings.budget.into();
        let launches: u32 = header.plan.iter().map(|pair| first_rounds(pair.comparison)).sum();
        let progress = Progress::start(launches as usize);
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
            until,
            expected: BTreeMap::new(),
            rounds: BTreeMap::new(),
            open: BTreeMap::new(),
            broken: BTreeSet::new(),
            base_broken: BTreeSet::new(),
            out_of_budget: false,
        }
    }

    /// Runs all rounds.
    pub fn run(mut self) -> Results {
        let mut reason = EndReason::Complete;
        for round in 0.. {
            let turns = self.turns(round);
            if turns.is_empty() {
                break;
            }
            match self.round(round, &turns) {
                // A round in which nothing fitted any more is the last one.
                Ok(0) => break,
                Ok(_) => {}
                Err(Interrupted) => {
                    reason = EndReason::Interrupted;
                    break;
                }
            }
        }
        self.progress.finish();
        if reason == EndReason::Complete && self.out_of_budget && !judge::undecided(&self.results).is_empty() {
            reason = EndReason::Budget;
        }
        self.results.end = End { reason, elapsed: self.started.elapsed().into() };
        self.results
    }

    /// What a round does, in its seeded order.
    fn turns(&mut self, round: u32) -> Vec<Turn> {
        if self.until == Until::Decided {
            self.look();
        }
        let all = &self.results.header.plan;
        let order = plan::order(all.len(), self.results.header.seed, round);
        let turn = |index: usize| {
            let pair = &all[index];
            let key = key(pair);
            if self.broken.contains(&key) || pair.comparison == Comparison::Same {
                return None;
            }
            let done = self.rounds.get(&key).copied().unwrap_or(0);
            let all_stages = self.until == Until::OutOfBudget || done < first_rounds(pair.comparison);
            let stages: Vec<Stage> = if all_stages {
                gating(pair)
            } else {
                let open = self.open.get(&key)?;
                pair.stages.iter().copied().filter(|stage| open.contains(stage)).collect()
            };
            (!stages.is_empty() || (all_stages && !pair.stages.is_empty())).then(|| Turn { pair: pair.clone(), stages })
        };
        let turns: Vec<Turn> = order.into_iter().filter_map(turn).collect();
        let (large, others): (Vec<Turn>, Vec<Turn>) = turns.into_iter().partition(|turn| self.is_large(&turn.pair));
        if others.is_empty() { large } else { others }
    }

    /// Whether a launch is expected to take so much of the budget that the pair has to wait for the others. Before the first
    /// round nothing is expected, so every pair is launched once.
    fn is_large(&self, pair: &PlannedPair) -> bool {
        self.expected.get(&key(pair)).is_some_and(|expected| *expected * LARGE_SHARE > self.budget)
    }

    /// Asks the judge what is undecided, of the pairs for which a look is due; of the others the last answer stands.
    fn look(&mut self) {
        if self.rounds.is_empty() {
            return;
        }
        let fresh = judge::undecided(&self.results);
        for pair in &self.results.header.plan {
            let key = key(pair);
            let done = self.rounds.get(&key).copied().unwrap_or(0);
            if pair.comparison == Comparison::Paired && !self.base_broken.contains(&key) && !paired::is_look(done) {
                continue;
            }
            match fresh.get(&key) {
                Some(stages) => self.open.insert(key, stages.clone()),
                None => self.open.remove(&key),
            };
        }
    }

    /// Takes the turns that fit into the budget, and returns how many did.
    fn round(&mut self, round: u32, turns: &[Turn]) -> Result<usize, Interrupted> {
        let mut taken = 0;
        for (index, turn) in turns.iter().enumerate() {
            let key = key(&turn.pair);
            if self.rounds.get(&key).copied().unwrap_or(0) >= first_rounds(turn.pair.comparison) {
                self.progress.more(1);
            }
            if round > 0 && !self.fits(&key) {
                self.out_of_budget = true;
                self.progress.done();
                continue;
            }
            self.progress.launch(&turn.pair, round, self.left(round, &turns[index..]));
            self.take(turn, round, index)?;
            *self.rounds.entry(key).or_default() += 1;
            self.progress.done();
            taken += 1;
        }
        Ok(taken)
    }

    fn take(&mut self, turn: &Turn, round: u32, index: usize) -> Result<(), Interrupted> {
        let key = key(&turn.pair);
        if turn.pair.comparison != Comparison::Paired || self.base_broken.contains(&key) {
            let launch = self.launch(turn, round)?;
            self.expected.insert(key, launch.duration.into());
            self.record(launch);
            return Ok(());
        }
        let [base, head] = self.duel(turn, round, false)?;
        let took: Duration = head.duration.into();
        self.expected.insert(key.clone(), took);
        let is_broken = base.failure.is_some() || head.failure.is_some();
        self.record(base);
        self.record(head);
        let controlled = round < first_rounds(Comparison::Paired) || round.is_multiple_of(CONTROL_ROUNDS);
        // The first round shows what a control would cost, so the first control is in the second.
        let due = controlled && round > 0 && index.is_multiple_of(CONTROL_EVERY) && took <= LONGEST_CONTROL;
        if due && !is_broken && self.fits(&key) {
            for launch in self.duel(turn, round, true)? {
                self.record(launch);
            }
        }
        Ok(())
    }

    /// Whether another launch of the pair is expected to end within the budget.
    fn fits(&self, key: &Pair) -> bool {
        self.started.elapsed() + self.expected.get(key).copied().unwrap_or_default() <= self.budget
    }

    /// What the rest of this round and of the first rounds is expected to take, once every pair has been seen.
    fn left(&self, round: u32, rest: &[Turn]) -> Option<Duration> {
        if round == 0 {
            return None;
        }
        let budget = self.budget.saturating_sub(self.started.elapsed());
        if self.until == Until::OutOfBudget {
            return Some(budget);
        }
        let cost = |pair: &PlannedPair| self.expected.get(&key(pair)).copied();
        let this: Duration = rest.iter().filter_map(|turn| cost(&turn.pair)).sum();
        let rounds = |pair: &PlannedPair| first_rounds(pair.comparison).saturating_sub(round + 1);
        let later: Duration = self.results.header.plan.iter().filter_map(|pair| Some(cost(pair)? * rounds(pair))).sum();
        Some((this + later).min(budget))
    }

    fn launch(&self, turn: &Turn, round: u32) -> Result<Launch, Interrupted> {
        let header = &self.results.header;
        let (sample, backend) = lookup(&header.samples, &header.backends, &turn.pair);
        let stages = with_information(turn, round);
        let id = self.next_id();
        let spec = LaunchSpec {
            id,
            layout: id,
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

    fn duel(&self, turn: &Turn, round: u32, control: bool) -> Result<[Launch; 2], Interrupted> {
        let header = &self.results.header;
        let contender = |samples, backends| {
            let (sample, backend) = lookup(samples, backends, &turn.pair);
            Contender { sample, backend }
        };
        let head = contender(&header.samples, &header.backends);
        let base = header.base.as_ref().map_or(head, |base| contender(&base.samples, &base.backends));
        let head_only: Vec<Stage> = if round == 0 { information(&turn.pair) } else { Vec::new() };
        let spec = DuelSpec {
            id: self.next_id(),
            round,
            control,
            base,
            head: if control { base } else { head },
            stages: &turn.stages,
            head_only: &head_only,
            limits: header.settings.limits,
            effort: header.effort,
            seed: header.seed,
            run_started: self.started,
            scratch_parent: self.scratch,
        };
        duel::run(&spec, self.cancel)
    }

    fn next_id(&self) -> u32 {
        u32::try_from(self.results.launches.len()).unwrap_or(u32::MAX)
    }

    fn warn(&self, text: &str) {
        self.progress.suspend(|| self.ui.warn(text));
    }

    fn record(&mut self, launch: Launch) {
        if let Some(failure) = &launch.failure {
            let key = (launch.sample.clone(), launch.backend.clone());
            let stage = failure.stage.map(|stage| format!("{stage}: ")).unwrap_or_default();
            let what = format!("{} on {}", launch.sample, launch.backend);
            match launch.side {
                Side::Head => {
                    self.warn(&format!("{what} is broken: {stage}{}", failure.kind));
                    self.broken.insert(key);
                }
                Side::Base | Side::ControlBase | Side::ControlHead => {
                    self.warn(&format!(
                        "the base of {what} is broken: {stage}{}; the head goes on alone",
                        failure.kind
                    ));
                    self.base_broken.insert(key);
                }
            }
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

fn key(pair: &PlannedPair) -> Pair {
    (pair.sample.clone(), pair.backend.clone())
}

/// Rounds that a pair takes whatever the judge says of them.
pub fn first_rounds(comparison: Comparison) -> u32 {
    match comparison {
        Comparison::Alone | Comparison::Edited => FIRST_ROUNDS,
        Comparison::Paired => paired::FIRST_PAIRS,
        Comparison::Same => 0,
    }
}

fn gating(pair: &PlannedPair) -> Vec<Stage> {
    pair.stages.iter().copied().filter(|stage| stage.kind() != StageKind::Information).collect()
}

fn information(pair: &PlannedPair) -> Vec<Stage> {
    pair.stages.iter().copied().filter(|stage| stage.kind() == StageKind::Information).collect()
}

/// The stages of a launch, in the order of the plan. What is for information alone is measured once: with LLVM it can cost as
/// much as all that gates.
fn with_information(turn: &Turn, round: u32) -> Vec<Stage> {
    let wanted = |stage: &Stage| turn.stages.contains(stage) || (round == 0 && stage.kind() == StageKind::Information);
    turn.pair.stages.iter().copied().filter(wanted).collect()
}

/// The stages that a pair measures in a round, of a run in which nothing is decided before the first rounds are over.
pub fn stages_of(pair: &PlannedPair, round: u32) -> Vec<Stage> {
    pair.stages.iter().copied().filter(|stage| round == 0 || stage.kind() != StageKind::Information).collect()
}

/// The sample and backend of a planned pair.
///
/// # Panics
/// Never: a plan is made from these very lists, and pairs are compared only where both sides have them.
fn lookup<'h>(samples: &'h [Sample], backends: &'h [BackendSpec], pair: &PlannedPair) -> (&'h Sample, &'h BackendSpec) {
    let sample = samples.iter().find(|sample| sample.id == pair.sample);
    let backend = backends.iter().find(|backend| backend.id == pair.backend);
    sample.zip(backend).expect("a plan names only samples and backends of its own header")
}
