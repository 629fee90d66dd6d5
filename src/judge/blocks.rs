//! From blocks to the figure of one pair of launches.
//!
//! Base and head take turns: ABBA in one block, BAAB in the next. However many blocks a pair of launches has, it is one
//! figure, because launches are what is independent. Knows neither stages nor verdicts.

use super::kernels::{KernelError, log_ratio};

/// Share of the observations of one place that are believed, the smallest: whatever disturbs an observation makes it larger.
///
/// Deviation of a pair's figure on the recorded launches of `tests/data`, as the geometric mean over their seven cells, with 4 and 8
/// blocks of one observation a turn: this rule 0.82 % and 0.54 %; median of blocks' ratios 0.95 % and 0.69 %; mean of the
/// medians of either kind of block 1.16 % and 0.62 %; smallest of each place 0.82 % and 0.64 %; lower quartile of each side,
/// whatever the place, 1.09 % and 0.83 %. On a busy machine: 2.1 % and 1.2 % against 2.2 % and 1.3 % for the median of blocks.
/// Halves do as well with many blocks and worse with few.
const BELIEVED: f64 = 1.0 / 3.0;

/// Share of the blocks of one kind that must be undisturbed for the disturbed ones to be left out, so that a figure never
/// rests on less than what [`BELIEVED`] takes of a quiet one.
const QUIET: f64 = 1.0 / 3.0;

/// One round of base and head: nanoseconds for one operation, in the order in which each side took them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Block {
    pub base: [f64; 2],
    pub head: [f64; 2],
    /// Whether other work took the core during one of the four observations.
    pub disturbed: bool,
}

/// What one pair of launches says of one stage.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairFigure {
    /// `ln(head_nanos / base_nanos)`.
    pub log_ratio: f64,
    /// Nanoseconds for one operation of the base.
    pub base_nanos: f64,
    /// Nanoseconds for one operation of the head.
    pub head_nanos: f64,
    /// Blocks that were measured.
    pub blocks: u32,
    /// Blocks among them that other work disturbed.
    pub disturbed_blocks: u32,
    /// Whether so many were disturbed that they had to be used.
    pub disturbed: bool,
}

/// The figure of one pair of launches, from all of its blocks in the order in which they were measured: those at even places of
/// the slice began with one side, those at odd places with the other.
///
/// Each side has four places in the schedule: its first and its second turn in either kind of block. Caches are warm in some
/// and cold in others, which moves times by up to 5 % (recorded, serialize), so observations are compared within
/// a place only: the geometric mean of the smallest third of each place, then the geometric mean over the places. Both sides
/// stand equally often in each place of the schedule, so what a place does cancels, and so does a drift from block to block.
/// Disturbed blocks are left out while a third of their kind remains.
///
/// Assumes: disturbances add time. A slowdown of less than a third of the observations is not seen.
///
/// # Errors
/// No blocks; an observation that is not finite, zero or negative, in a disturbed block too.
pub fn figure(blocks: &[Block]) -> Result<PairFigure, KernelError> {
    if blocks.is_empty() {
        return Err(KernelError::TooFew { have: 0, need: 1 });
    }
    let mut places = Places::default();
    for kind in 0..2 {
        places.add(&blocks.iter().skip(kind).step_by(2).collect::<Vec<_>>())?;
    }
    let (base, head) = (places.base / places.count, places.head / places.count);
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    Ok(PairFigure {
        log_ratio: head - base,
        base_nanos: base.exp(),
        head_nanos: head.exp(),
        blocks: count(blocks.len()),
        disturbed_blocks: count(blocks.iter().filter(|block| block.disturbed).count()),
        disturbed: places.disturbed,
    })
}

/// Sums over places of the logarithms that represent them.
#[derive(Default)]
struct Places {
    base: f64,
    head: f64,
    count: f64,
    disturbed: bool,
}

impl Places {
    /// Adds the places of the blocks of one kind.
    fn add(&mut self, blocks: &[&Block]) -> Result<(), KernelError> {
        if blocks.is_empty() {
            return Ok(());
        }
        let quiet = blocks.iter().filter(|block| !block.disturbed).count();
        let use_all = quiet < share(blocks.len(), QUIET);
        self.disturbed |= use_all;
        for turn in 0..2 {
            let place = |side: fn(&Block) -> [f64; 2]| {
                let logs = blocks.iter().map(|block| Ok((log_ratio(side(block)[turn], 1.0)?, block.disturbed)));
                let logs = logs.collect::<Result<Vec<_>, KernelError>>()?;
                Ok(represent(logs.into_iter().filter(|(_, disturbed)| use_all || !disturbed).map(|(log, _)| log)))
            };
            self.base += place(|block| block.base)?;
            self.head += place(|block| block.head)?;
            self.count += 1.0;
        }
        Ok(())
    }
}

/// The mean of the smallest [`BELIEVED`] of some finite logarithms.
fn represent(logs: impl Iterator<Item = f64>) -> f64 {
    let mut logs: Vec<f64> = logs.collect();
    logs.sort_by(f64::total_cmp);
    logs.truncate(share(logs.len(), BELIEVED));
    logs.iter().sum::<f64>() / logs.len() as f64
}

/// A share of some things, rounded up, so that some of any remain.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a count is a count")]
fn share(of: usize, share: f64) -> usize {
    (of as f64 * share).ceil() as usize
}
