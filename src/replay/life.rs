//! The life of one cell, as the measuring loop lives it: pairs of launches until the verdict is in.
//!
//! Draws whatever it is given: recorded pairs, or numbers made up. Knows no stages and no files.

use crate::judge::kernels::Deviation;
use crate::judge::paired::{Rule, decide, is_look, is_undecided};
use crate::model::Verdict;

/// How a cell ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Lived {
    pub verdict: Verdict,
    /// Pairs of launches that it took.
    pub pairs: u32,
}

/// Draws pair by pair, looks when a look is due and once more when there are no more pairs, and stops when decided.
pub fn live(draw: &mut dyn FnMut() -> f64, prior: Deviation, rule: &Rule, cells: usize, most_pairs: u32) -> Lived {
    let mut pairs = Vec::new();
    for round in 0..most_pairs {
        pairs.push((round, draw()));
        if is_look(round + 1) && !is_undecided(&pairs, prior, rule, cells) {
            break;
        }
    }
    let verdict = decide(&pairs, prior, rule, cells).verdict;
    Lived { verdict, pairs: u32::try_from(pairs.len()).unwrap_or(u32::MAX) }
}
