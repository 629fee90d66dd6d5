//! Which cells a run measures, in which order, and on which of several machines. Pure: the seed decides every choice of order, and
//! no choice of machine.

pub mod comparison;
pub mod cost;
pub mod merge;
mod select;
pub mod shards;

pub use select::{PlanError, Selection, pairs};

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha12Rng;

/// The order in which a round takes its pairs: a permutation of `0..count` that differs from round to round, so that no
/// pair always runs in the heat of the same neighbour.
#[must_use]
pub fn order(count: usize, seed: u64, round: u32) -> Vec<usize> {
    let mut rng = ChaCha12Rng::seed_from_u64(seed);
    rng.set_stream(u64::from(round));
    let mut order: Vec<usize> = (0..count).collect();
    order.shuffle(&mut rng);
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_and_the_round_decide_the_order() {
        assert_eq!(order(20, 1, 0), order(20, 1, 0));
        assert_ne!(order(20, 1, 0), order(20, 1, 1));
        assert_ne!(order(20, 1, 0), order(20, 2, 0));
        let mut sorted = order(20, 1, 3);
        sorted.sort_unstable();
        assert_eq!(sorted, (0..20).collect::<Vec<_>>());
    }
}
