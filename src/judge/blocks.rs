//! From blocks to the figure of one pair of launches.
//!
//! Base and head take turns: ABBA in one block, BAAB in the next. Whatever lasts longer than a block hits both sides alike and
//! drops out of the block's ratio. Knows neither stages nor verdicts; many blocks of one pair of launches are one figure,
//! because launches are what is independent.

use super::kernels::{KernelError, log_ratio, median};

/// Blocks that must be undisturbed for the disturbed ones to be left out.
pub const QUIET_BLOCKS: usize = 2;

/// One round of base and head: nanoseconds for one operation, in the order in which each side took them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Block {
    pub base: [f64; 2],
    pub head: [f64; 2],
    /// Whether other work took the core during one of the four observations.
    pub disturbed: bool,
}

impl Block {
    /// `mean(ln head) − mean(ln base)`: the logarithm of the ratio of geometric means, in which a drift that is linear over the
    /// block cancels.
    ///
    /// # Errors
    /// An observation that is not finite, zero or negative.
    pub fn log_ratio(&self) -> Result<f64, KernelError> {
        Ok((log_ratio(self.head[0], self.base[0])? + log_ratio(self.head[1], self.base[1])?) / 2.0)
    }
}

/// What one pair of launches says of one stage.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairFigure {
    /// Logarithm of head by base: the median over the blocks.
    pub log_ratio: f64,
    /// Median of the base's observations, in nanoseconds for one operation.
    pub base_nanos: f64,
    /// Median of the head's observations.
    pub head_nanos: f64,
    /// Blocks that were measured.
    pub blocks: u32,
    /// Blocks among them that other work disturbed.
    pub disturbed_blocks: u32,
    /// Whether so many blocks were disturbed that they could not be left out.
    pub disturbed: bool,
}

/// The figure of one pair of launches. Disturbed blocks are left out while [`QUIET_BLOCKS`] others remain.
///
/// # Errors
/// No blocks; an observation that is not finite, zero or negative, in a disturbed block too.
pub fn figure(blocks: &[Block]) -> Result<PairFigure, KernelError> {
    let ratios = blocks.iter().map(Block::log_ratio).collect::<Result<Vec<_>, _>>()?;
    let quiet = blocks.iter().filter(|block| !block.disturbed).count();
    let disturbed = quiet < QUIET_BLOCKS.min(blocks.len());
    let used = || blocks.iter().zip(&ratios).filter(|(block, _)| disturbed || !block.disturbed);
    let side = |of: fn(&Block) -> [f64; 2]| median(&used().flat_map(|(block, _)| of(block)).collect::<Vec<_>>());
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    Ok(PairFigure {
        log_ratio: median(&used().map(|(_, ratio)| *ratio).collect::<Vec<_>>())?,
        base_nanos: side(|block| block.base)?,
        head_nanos: side(|block| block.head)?,
        blocks: count(blocks.len()),
        disturbed_blocks: count(blocks.len() - quiet),
        disturbed,
    })
}
