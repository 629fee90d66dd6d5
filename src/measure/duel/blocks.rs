//! How a stage of a pair is divided into observations: the common batch, the order of the sides, the number of blocks.
//!
//! Invariants: pure, so that all of it is tested without a worker; both sides always get the same; a number of blocks
//! above one is even, because the side that is first in a block finds the other's data in the caches. Does not know
//! what is measured.

use std::time::Duration;

use crate::measure::observe::MAX_BATCH;
use crate::model::settings::Effort;
use crate::model::{Nanos, Observation};

/// An operation that takes this long is done once a side in each pair of launches, without warming up. LLVM compiles for
/// up to 16 s; five of those a side would leave no time for a second launch, and launches are what a verdict counts.
pub const SLOW: Nanos = Nanos(500_000_000);

/// A first operation that takes so many shortest batches has warmed up the stage by itself, and its batch is one: being cold does
/// not make an operation twenty times slower. The most seen, over three backends and two samples, is ten: 46 µs for 5 µs, of
/// `validate`, and 29 µs for 3 µs, of `instantiate`.
const WARMED_BY_FIRST: u64 = 20;

/// Real time that may go into a stage, as a multiple of the time for its blocks: what is prepared off the clock, an input for each
/// operation, takes up to about as long as what is timed, and disturbed blocks are made again.
const REAL_TIME_FACTOR: u32 = 3;

/// How much time the opening request of a stage has: once a first operation takes as long, it is the only one.
#[must_use]
pub fn opening_cap(effort: &Effort) -> Nanos {
    Nanos(effort.min_batch.0.saturating_mul(WARMED_BY_FIRST)).min(SLOW)
}

/// Whether an opening ended with its first operation only because other work had the core, so that it says nothing of the batch.
#[must_use]
pub fn is_cut_short(opening: &Observation, cap: Nanos) -> bool {
    opening.wall >= cap && opening.cpu < cap
}

/// How a stage goes on after its opening on both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Course {
    /// The openings are all there will be: one observation a side, cold on both.
    Openings,
    /// One observation a side, warm on both: only one of them is slow.
    Half,
    /// Whole blocks of single operations, the openings being the first half of the first one.
    Opened,
    /// Whole blocks of this batch.
    Blocks { batch: u32 },
}

/// Decides by the last observation of each side's opening; `cold` if it is the first one on both sides.
///
/// An operation that takes all the time that a stage has in a launch of its own is kept there too, although it is the first. It is as
/// good as a later one: over 60 pairs, first compilations of 118 ms took 2 % longer than later ones on both sides alike, and their
/// ratio scattered no more.
#[must_use]
pub fn course(openings: [&Observation; 2], cold: bool, effort: &Effort) -> Course {
    let long = effort.time_cap.max(opening_cap(effort));
    match openings.map(is_slow) {
        [true, true] if cold => Course::Openings,
        [false, false] if cold && openings.iter().all(|seen| seen.batch == 1 && seen.wall >= long) => Course::Opened,
        [false, false] => Course::Blocks { batch: common_batch(openings) },
        _ => Course::Half,
    }
}

/// Whether one operation is [`SLOW`].
#[must_use]
pub fn is_slow(seen: &Observation) -> bool {
    seen.per_operation() >= SLOW.as_f64()
}

/// The larger batch of the two, unless the slower side would then take longer than [`SLOW`] for one: a head that became a
/// thousand times slower is to be found slower, not to meet a deadline.
fn common_batch(openings: [&Observation; 2]) -> u32 {
    let larger = openings.map(|seen| seen.batch).into_iter().max().unwrap_or(1).min(MAX_BATCH);
    let slowest = openings.map(Observation::per_operation).into_iter().fold(1.0, f64::max);
    // The cast saturates.
    larger.min((SLOW.as_f64() / slowest) as u32).max(1)
}

/// Which side is measured when in a block: ABBA, and BAAB in the next; `first` is A.
#[must_use]
pub fn order(first: usize, block: u32) -> [usize; 4] {
    let (a, b) = if block.is_multiple_of(2) { (first, 1 - first) } else { (1 - first, first) };
    [a, b, b, a]
}

/// Counts the blocks of one stage, and says when there are enough.
#[derive(Debug)]
pub struct Tally {
    most: u32,
    cap: Nanos,
    wanted: u32,
    made: u32,
    quiet: u32,
}

impl Tally {
    #[must_use]
    pub fn new(effort: &Effort) -> Self {
        Self { most: effort.max_blocks.max(1), cap: effort.block_time_cap, wanted: 1, made: 0, quiet: 0 }
    }

    /// The number of the next block, from 0, unless there are enough. `real` is the time that has gone into the stage.
    ///
    /// A block with a disturbed observation is kept, and another one made for it, up to twice as many in all. Where there is more
    /// than one, the last of an even number is always begun.
    #[must_use]
    pub fn next(&self, real: Duration) -> Option<u32> {
        let half_way = self.wanted > 1 && !self.made.is_multiple_of(2);
        let open = self.quiet < self.wanted && self.made < 2 * self.wanted;
        let in_time = real < Duration::from(self.cap).saturating_mul(REAL_TIME_FACTOR);
        (self.made == 0 || half_way || (open && in_time)).then_some(self.made)
    }

    /// Takes a block into account that took `real` with all that was prepared for it. The first one decides how many are wanted.
    pub fn add(&mut self, block: &[Observation], real: Duration) {
        if self.made == 0 {
            self.wanted = self.affordable(block, real);
        }
        self.made += 1;
        if !block.iter().any(Observation::is_disturbed) {
            self.quiet += 1;
        }
    }

    /// As many as the time allows when all take as long as this one; even where more than one.
    fn affordable(&self, block: &[Observation], real: Duration) -> u32 {
        let timed = block.iter().map(|seen| seen.wall.0).fold(0, u64::saturating_add);
        let by_timed = self.cap.0 / timed.max(1);
        let real_cap = self.cap.0.saturating_mul(u64::from(REAL_TIME_FACTOR));
        let by_real = real_cap / Nanos::from(real).0.max(1);
        let affordable = u32::try_from(by_timed.min(by_real)).unwrap_or(u32::MAX).clamp(1, self.most);
        if affordable > 1 { affordable & !1 } else { 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever the defaults are.
    fn usual() -> Effort {
        Effort { min_batch: Nanos(1_000_000), time_cap: Nanos(150_000_000), ..Effort::default() }
    }

    fn seen(batch: u32, wall: u64) -> Observation {
        Observation {
            batch,
            wall: Nanos(wall),
            cpu: Nanos(wall),
            voluntary: 0,
            involuntary: 0,
            minor_faults: 0,
            major_faults: 0,
            lap: None,
        }
    }

    fn disturbed(wall: u64) -> Observation {
        Observation { involuntary: 1, cpu: Nanos(wall / 2), ..seen(1, wall) }
    }

    fn effort(max_blocks: u32, block_time_cap: u64) -> Effort {
        Effort { max_blocks, block_time_cap: Nanos(block_time_cap), ..usual() }
    }

    /// Blocks that are made when block `n` has the wall time `wall(n)` for each observation, is disturbed if `noisy(n)`, and takes
    /// `real` times its timed part.
    fn made(effort: &Effort, wall: u64, real: u32, noisy: impl Fn(u32) -> bool) -> u32 {
        let mut tally = Tally::new(effort);
        let mut elapsed = Duration::ZERO;
        while let Some(block) = tally.next(elapsed) {
            assert!(block < 1000, "this never ends");
            let one = if noisy(block) { disturbed(wall) } else { seen(1, wall) };
            let took = Duration::from_nanos(4 * wall) * real;
            tally.add(&[seen(1, wall), one, seen(1, wall), seen(1, wall)], took);
            elapsed += took;
        }
        tally.made
    }

    #[test]
    fn the_sides_take_turns_and_each_is_first_equally_often() {
        assert_eq!([0, 1, 2, 3].map(|block| order(0, block)), [[0, 1, 1, 0], [1, 0, 0, 1], [0, 1, 1, 0], [1, 0, 0, 1]]);
        assert_eq!([0, 1].map(|block| order(1, block)), [[1, 0, 0, 1], [0, 1, 1, 0]]);
    }

    #[test]
    fn the_number_of_blocks_follows_from_the_time_and_is_even() {
        let effort = effort(8, 300_000);
        let of = |wall| made(&effort, wall, 1, |_| false);
        assert_eq!(of(1), 8);
        assert_eq!(of(9_375), 8);
        assert_eq!(of(9_376), 6);
        assert_eq!(of(37_500), 2);
        assert_eq!(of(37_501), 1);
        assert_eq!(of(10_000_000), 1);
    }

    #[test]
    fn an_odd_or_absent_maximum_is_made_sense_of() {
        for (most, expected) in [(0, 1), (1, 1), (2, 2), (3, 2), (7, 6)] {
            assert_eq!(made(&effort(most, 300_000), 1, 1, |_| false), expected, "{most}");
        }
    }

    #[test]
    fn disturbed_blocks_are_made_again_in_twos_and_within_bounds() {
        let effort = effort(4, 300_000);
        assert_eq!(made(&effort, 1_000, 1, |block| block == 1), 6);
        assert_eq!(made(&effort, 1_000, 1, |block| block < 2), 6);
        assert_eq!(made(&effort, 1_000, 1, |_| true), 8);
        // Where only one fits, one more.
        assert_eq!(made(&effort, 70_000, 1, |_| true), 2);
        assert_eq!(made(&effort, 70_000, 1, |block| block == 0), 2);
    }

    #[test]
    fn real_time_counts_too() {
        let effort = effort(8, 300_000);
        // Ten times as long off the clock as on it: 900 of 400 microseconds a block leave two.
        assert_eq!(made(&effort, 10_000, 10, |_| false), 2);
        assert_eq!(made(&effort, 10_000, 30, |_| false), 1);
        // Six are wanted and all of them disturbed, but after eight of 120 microseconds the 900 are used up.
        assert_eq!(made(&effort, 10_000, 3, |_| true), 8);
    }

    fn course(openings: [&Observation; 2]) -> Course {
        super::course(openings, true, &usual())
    }

    #[test]
    fn both_sides_use_the_larger_batch_within_reason() {
        assert_eq!(course([&seen(10, 1_000_000), &seen(12, 1_000_000)]), Course::Blocks { batch: 12 });
        // Ten nanoseconds against ten milliseconds: 100,000 of the latter would take 17 minutes.
        assert_eq!(course([&seen(100_000, 1_000_000), &seen(1, 10_000_000)]), Course::Blocks { batch: 50 });
        assert_eq!(course([&seen(u32::MAX, 1), &seen(1, 0)]), Course::Blocks { batch: MAX_BATCH });
        assert_eq!(course([&seen(1, 499_999_999), &seen(7, 1)]), Course::Blocks { batch: 1 });
    }

    #[test]
    fn long_openings_are_kept_if_they_are_cold_on_both_sides() {
        let (long, short) = (seen(1, 150_000_000), seen(1, 149_999_999));
        assert_eq!(course([&long, &long]), Course::Opened);
        assert_eq!(course([&long, &short]), Course::Blocks { batch: 1 });
        assert_eq!(course([&long, &seen(2, 150_000_000)]), Course::Blocks { batch: 2 });
        let warm = |seen: &Observation| super::course([seen, &long], false, &usual());
        assert_eq!(warm(&long), Course::Blocks { batch: 1 });
        assert_eq!(super::course([&seen(1, SLOW.0); 2], false, &usual()), Course::Half);
        // A cap below that of the opening does not make the last of several operations the first.
        let tiny = Effort { time_cap: Nanos(1), ..usual() };
        assert_eq!(super::course([&seen(1, 19_999_999); 2], true, &tiny), Course::Blocks { batch: 1 });
    }

    #[test]
    fn slow_operations_are_done_once_a_side() {
        let (slow, fast) = (seen(1, SLOW.0), seen(1, SLOW.0 - 1));
        assert_eq!(course([&slow, &slow]), Course::Openings);
        assert_eq!(course([&slow, &fast]), Course::Half);
        assert_eq!(course([&fast, &slow]), Course::Half);
        // A batch that takes as long as a slow operation is not slow.
        assert_eq!(course([&seen(2, SLOW.0), &fast]), Course::Blocks { batch: 1 });
    }

    #[test]
    fn an_opening_that_lost_the_core_is_not_believed() {
        let of = |wall, cpu| is_cut_short(&Observation { cpu: Nanos(cpu), ..seen(1, wall) }, Nanos(20));
        assert_eq!([of(19, 1), of(20, 19), of(20, 20), of(40, 20)], [false, true, false, false]);
    }

    #[test]
    fn an_opening_ends_with_an_operation_that_needs_no_batch() {
        assert_eq!(opening_cap(&usual()), Nanos(20_000_000));
        assert_eq!(opening_cap(&Effort { min_batch: Nanos(u64::MAX), ..usual() }), SLOW);
    }
}
