//! A pair of launches: two live workers that take turns, one observation at a time, so that whatever happens to the
//! machine happens to both.
//!
//! Invariants: one worker is asked at a time, and the other one is blocked reading its requests; in everything that is
//! timed, both sides are asked the same things equally often; observations `2k` and `2k + 1` of both sides' records are
//! block `k`, and a block that did not come to its end is in neither; a failing base ends itself alone, a failing head
//! ends the pair. Does not know what the two sides differ in, nor what a pair is judged to show.

mod blocks;

use std::path::Path;
use std::time::Instant;

use sha2::{Digest, Sha256};

use super::cancel::Cancel;
use super::child::Stopped;
use super::conversation::{Conversation, Worker, time_measuring};
use super::launch::{Interrupted, LaunchSpec};
use super::protocol::{Measure, Measured};
use crate::model::observation::Side;
use crate::model::settings::{Effort, Limits};
use crate::model::{BackendSpec, Launch, Observation, Sample, Stage};
use blocks::{Course, Tally, course, is_cut_short, is_slow, opening_cap, order};

/// Places of the two sides in arrays.
const BASE: usize = 0;
const HEAD: usize = 1;

/// Observations of a stage that only one side supports: sizes and outputs are what it is asked for; a time that has nothing beside
/// it to be compared with is for information.
const ALONE: u32 = 3;

/// Rounds of the yardstick, 10 ms each, that the head reads once both sides have been measured; none in a null control. The comparison of the two has no use
/// for it; that with the committed baseline takes the median of all readings, which three rounds give. Not before the stages, because
/// it would leave the head a heap and caches that the base does not have, and a fresh heap is not what the readings between the stages
/// of a single launch find either: allocating took 6 % longer in the launches of ten pairs after the stages than before them.
const YARDSTICKS: u32 = 3;

/// One side's part in a pair.
#[derive(Debug, Clone, Copy)]
pub struct Contender<'a> {
    pub sample: &'a Sample,
    pub backend: &'a BackendSpec,
}

/// All that a pair of launches depends on.
#[derive(Debug, Clone, Copy)]
pub struct DuelSpec<'a> {
    /// Position of the base's launch in the schedule, from 0; the head's is the next one.
    pub id: u32,
    pub round: u32,
    /// Whether this is a null control: the base on both sides.
    pub control: bool,
    pub base: Contender<'a>,
    pub head: Contender<'a>,
    /// Measured of both sides, in this order.
    pub stages: &'a [Stage],
    /// Measured of the head alone, after all others: a compilation on all cores leaves a heap behind that the base does not have.
    pub head_only: &'a [Stage],
    pub limits: Limits,
    pub effort: Effort,
    /// Seed of the run; with the base's id it fixes where things lie in the memory of both launches, and with the sample, the backend and the round which
    /// side begins.
    pub seed: u64,
    /// Start of the run.
    pub run_started: Instant,
    /// Where each launch's own scratch folder is made, and removed again.
    pub scratch_parent: &'a Path,
}

/// Runs one pair to its end, good or bad; the base's launch comes first.
///
/// # Errors
/// Only when the user interrupts; everything else that goes wrong is the `failure` of one of the launches.
pub fn run(spec: &DuelSpec<'_>, cancel: &Cancel) -> Result<[Launch; 2], Interrupted> {
    let started = Instant::now();
    let stages = [spec.stages.to_vec(), [spec.stages, spec.head_only].concat()];
    let specs = [BASE, HEAD].map(|side| spec.launch(side, &stages[side]));
    let mut launches = specs.map(|spec| spec.empty(started));
    let [base, head] = &mut launches;
    let mut duel = Duel { spec, first: spec.first(), sides: [None, None] };
    match duel.start(specs, [base, head], cancel).and_then(|()| duel.play()) {
        Ok(()) | Err(Over::HeadFailed) => {}
        Err(Over::Interrupted) => return Err(Interrupted),
    }
    drop(duel);
    let duration = started.elapsed().into();
    for launch in &mut launches {
        launch.duration = duration;
        launch.measuring = time_measuring(launch);
    }
    Ok(launches)
}

impl<'a> DuelSpec<'a> {
    fn launch<'s>(&'s self, side: usize, stages: &'s [Stage]) -> LaunchSpec<'s> {
        let names = if self.control { [Side::ControlBase, Side::ControlHead] } else { [Side::Base, Side::Head] };
        let Contender { sample, backend } = [self.base, self.head][side];
        LaunchSpec {
            id: if side == HEAD { self.id.saturating_add(1) } else { self.id },
            round: self.round,
            side: names[side],
            sample,
            backend,
            stages,
            limits: self.limits,
            effort: self.effort,
            seed: self.seed,
            layout: self.id,
            run_started: self.run_started,
            scratch_parent: self.scratch_parent,
        }
    }

    /// The side that begins: drawn for the sample on the backend, and the other one in the next round, so that over the rounds each
    /// side begins equally often also where there is a single block or half of one.
    fn first(&self) -> usize {
        let (sample, backend) = (self.head.sample.id.to_string(), self.head.backend.id.to_string());
        let drawn = Sha256::digest(format!("{} {sample} {backend}", self.seed));
        (usize::from(drawn[0]) + self.round as usize) % 2
    }

    /// The most that one side is asked.
    fn requests(&self) -> u64 {
        // A stage is opened, perhaps once more and brought level, and then observed twice a block, of which up to twice as many are made as wanted;
        // or it is measured alone.
        let stages = self.stages.len().saturating_add(self.head_only.len()) as u64;
        stages.saturating_mul(4 + 4 * u64::from(self.effort.max_blocks.max(1))).saturating_add(6)
    }
}

/// Why a pair ends before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Over {
    /// It says why in its launch.
    HeadFailed,
    Interrupted,
}

/// A pair under way.
#[derive(Debug)]
struct Duel<'a> {
    spec: &'a DuelSpec<'a>,
    /// The side that begins in even blocks.
    first: usize,
    /// Absent: could not be started, or had nothing to measure and has ended well.
    sides: [Option<Conversation<'a>>; 2],
}

/// A side's first request of a stage: it warms up and finds the batch.
#[derive(Debug)]
struct Opening {
    seen: Observation,
    /// Whether it had to be asked for twice.
    again: bool,
    measured: Measured,
}

impl Opening {
    fn of(measured: Measured) -> Option<Self> {
        measured.observations.last().copied().map(|seen| Self { seen, again: false, measured })
    }

    /// With what was seen the second time.
    fn seen_again(self, again: &Measured) -> Self {
        Self { seen: again.observations.last().copied().unwrap_or(self.seen), again: true, ..self }
    }

    /// The record of the stage with these observations; what a worker tells only once comes from here.
    fn with(self, observations: Vec<Observation>) -> Measured {
        Measured { observations, ..self.measured }
    }
}

impl<'a> Duel<'a> {
    /// Starts both workers before either is waited for.
    fn start(
        &mut self,
        specs: [LaunchSpec<'a>; 2],
        launches: [&'a mut Launch; 2],
        cancel: &Cancel,
    ) -> Result<(), Over> {
        let mut launches = launches.map(Some);
        for side in self.in_turn() {
            let Some(launch) = launches[side].take() else { continue };
            match Worker::start(&specs[side], self.spec.requests(), cancel) {
                Ok(worker) => self.sides[side] = Some(Conversation::new(specs[side], worker, launch)),
                Err(failure) => {
                    launch.failure = Some(failure);
                    if side == HEAD {
                        return Err(Over::HeadFailed);
                    }
                }
            }
        }
        Ok(())
    }

    fn play(&mut self) -> Result<(), Over> {
        for side in self.in_turn() {
            if self.with(side, Conversation::prepare)? == Some(false) {
                self.with(side, Conversation::quit)?;
                self.sides[side] = self.sides[side].take().filter(Conversation::has_failed);
            }
        }
        let DuelSpec { stages, head_only, .. } = *self.spec;
        for stage in stages {
            self.stage(*stage)?;
        }
        if !self.spec.control {
            self.with(HEAD, |head| head.yardstick(YARDSTICKS, stages.last().copied()))?;
        }
        for stage in head_only {
            if self.with(HEAD, |head| head.begin(*stage))? == Some(true) {
                self.alone(HEAD, *stage, None)?;
            }
        }
        for side in self.in_turn() {
            self.with(side, Conversation::quit)?;
        }
        Ok(())
    }

    /// Both sides, the one that begins in even blocks first.
    fn in_turn(&self) -> [usize; 2] {
        [self.first, 1 - self.first]
    }

    /// Does something with one side. Nothing if it is not there, or fails now.
    fn with<T>(
        &mut self,
        side: usize,
        act: impl FnOnce(&mut Conversation<'a>) -> Result<T, Stopped>,
    ) -> Result<Option<T>, Over> {
        let Some(conversation) = self.sides[side].as_mut().filter(|side| !side.has_failed()) else { return Ok(None) };
        match act(conversation) {
            Ok(done) => Ok(Some(done)),
            Err(Stopped::Interrupted) => Err(Over::Interrupted),
            Err(Stopped::Failed(failure)) => {
                conversation.fail(failure);
                if side == HEAD { Err(Over::HeadFailed) } else { Ok(None) }
            }
        }
    }

    fn stage(&mut self, stage: Stage) -> Result<(), Over> {
        let started = Instant::now();
        let mut able = [false; 2];
        for side in self.in_turn() {
            able[side] = self.with(side, |side| side.begin(stage))? == Some(true);
        }
        let mut openings = [None, None];
        if able == [true, true] {
            openings = self.open(stage)?;
            able = [BASE, HEAD].map(|side| openings[side].is_some());
        }
        match openings {
            [Some(base), Some(head)] => self.paired(stage, [base, head], started),
            openings => {
                for (side, opening) in openings.into_iter().enumerate().filter(|(side, _)| able[*side]) {
                    self.alone(side, stage, opening)?;
                }
                Ok(())
            }
        }
    }

    /// Opens a stage on both sides; nothing for a side that turns out not to support it, or fails.
    fn open(&mut self, stage: Stage) -> Result<[Option<Opening>; 2], Over> {
        let Effort { min_batch, .. } = self.spec.effort;
        let time_cap = opening_cap(&self.spec.effort);
        let request = Measure { stage, batch: None, min_batch, max_observations: 1, time_cap };
        let mut openings = [None, None];
        for side in self.in_turn() {
            let measured = self.with(side, |side| side.measure(request.clone()))?.flatten();
            openings[side] = measured.and_then(Opening::of);
            if openings[side].as_ref().is_some_and(|opening| is_cut_short(&opening.seen, time_cap)) {
                let again = self.with(side, |side| side.measure(request.clone()))?.flatten();
                openings[side] = openings[side].take().zip(again).map(|(first, again)| first.seen_again(&again));
            }
        }
        if let [Some(base), Some(head)] = &openings {
            let long = [base, head].map(|opening| opening.seen.wall >= time_cap);
            let slow = [base, head].iter().any(|opening| is_slow(&opening.seen));
            // A side whose first operation took that long has done no other one, so it is one behind.
            if let Some(behind) = [BASE, HEAD].into_iter().find(|side| long[*side] && !long[1 - side] && !slow) {
                self.with(behind, |side| side.observe(stage, 1))?;
            }
        }
        Ok(openings)
    }

    /// Measures a stage of both sides and records it. What whole blocks there are is kept, whichever side fails.
    fn paired(&mut self, stage: Stage, openings: [Opening; 2], started: Instant) -> Result<(), Over> {
        let mut taken = [Vec::new(), Vec::new()];
        let seen = openings.each_ref().map(|opening| opening.seen);
        let cold = openings.iter().all(|opening| !opening.again);
        let in_turn = self.in_turn();
        let opened = in_turn.map(|side| seen[side]).to_vec();
        let outcome = match course(seen.each_ref(), cold, &self.spec.effort) {
            Course::Openings => self.take(stage, 1, &in_turn, opened, &mut taken).map(drop),
            Course::Half => self.take(stage, 1, &in_turn, Vec::new(), &mut taken).map(drop),
            Course::Opened => self.blocks(stage, 1, opened, started, &mut taken),
            Course::Blocks { batch } => self.blocks(stage, batch, Vec::new(), started, &mut taken),
        };
        let [base, head] = openings;
        if taken[HEAD].is_empty() {
            // A side failed before there was anything. If it was the base, the head goes on.
            outcome?;
            return self.alone(HEAD, stage, Some(head));
        }
        for (side, (opening, observations)) in [base, head].into_iter().zip(taken).enumerate() {
            if let Some(side) = &mut self.sides[side] {
                side.record(stage, opening.with(observations));
            }
        }
        outcome
    }

    /// Makes blocks until there are enough, or a side fails. The first one begins with what is `opened` already.
    fn blocks(
        &mut self,
        stage: Stage,
        batch: u32,
        mut opened: Vec<Observation>,
        started: Instant,
        taken: &mut [Vec<Observation>; 2],
    ) -> Result<(), Over> {
        let mut tally = Tally::new(&self.spec.effort);
        while let Some(number) = tally.next(started.elapsed()) {
            let begun = if opened.is_empty() { Instant::now() } else { started };
            let opened = std::mem::take(&mut opened);
            let Some(block) = self.take(stage, batch, &order(self.first, number), opened, taken)? else { break };
            tally.add(&block, begun.elapsed());
        }
        Ok(())
    }

    /// One observation of each side named, in that order; `block` holds those of the first ones. All of them are kept, or none if
    /// the base fails.
    fn take(
        &mut self,
        stage: Stage,
        batch: u32,
        sides: &[usize],
        mut block: Vec<Observation>,
        taken: &mut [Vec<Observation>; 2],
    ) -> Result<Option<Vec<Observation>>, Over> {
        for side in &sides[block.len()..] {
            let Some(seen) = self.with(*side, |side| side.observe(stage, batch))? else { return Ok(None) };
            block.push(seen);
        }
        for (side, seen) in sides.iter().zip(&block) {
            taken[*side].push(*seen);
        }
        Ok(Some(block))
    }

    /// Measures a stage that the other side does not support, or is not there for.
    fn alone(&mut self, side: usize, stage: Stage, opening: Option<Opening>) -> Result<(), Over> {
        let Effort { min_batch, time_cap, .. } = self.spec.effort;
        let request = Measure { stage, batch: None, min_batch, max_observations: ALONE, time_cap };
        let measured = match opening {
            Some(opening) if is_slow(&opening.seen) => {
                let seen = opening.seen;
                Some(opening.with(vec![seen]))
            }
            Some(opening) => {
                let again = self.with(side, |side| side.measure(request))?.flatten();
                again.map(|again| opening.with(again.observations))
            }
            None => self.with(side, |side| side.measure(request))?.flatten(),
        };
        if let Some(measured) = measured {
            self.with(side, |side| {
                side.record(stage, measured);
                Ok(())
            })?;
        }
        Ok(())
    }
}
