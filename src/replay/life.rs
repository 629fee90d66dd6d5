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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::paired::FIRST_PAIRS;

    const PRIOR: Deviation = Deviation { value: 0.005, freedom: 4.0 };
    const RULE: Rule = Rule { tolerance: 0.02, allowance: 0.0 };

    /// Pairs that scatter by ±0.2 % about a change.
    fn lived(change: f64, most_pairs: u32) -> Lived {
        let mut at = 0;
        let mut draw = || {
            at += 1;
            change + [0.0, 0.002, -0.002][at % 3]
        };
        live(&mut draw, PRIOR, &RULE, 200, most_pairs)
    }

    #[test]
    fn a_life_ends_when_it_is_decided() {
        assert_eq!(lived(0.0, 30), Lived { verdict: Verdict::Pass, pairs: FIRST_PAIRS });
        let red = lived(0.1, 30);
        assert_eq!(red.verdict, Verdict::Regressed);
        assert!((8..12).contains(&red.pairs), "{red:?}");
    }

    #[test]
    fn a_life_ends_when_there_are_no_more_pairs() {
        let open = lived(0.02, 12);
        assert!(matches!(open.verdict, Verdict::Inconclusive(_)) && open.pairs == 12, "{open:?}");
        // Too few for a look, and judged nevertheless.
        assert_eq!(lived(0.0, 2).pairs, 2);
        assert!(matches!(lived(0.0, 0).verdict, Verdict::Inconclusive(_)));
    }
}
