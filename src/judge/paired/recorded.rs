//! Holds the rule to recorded pairs of launches: false reds on null data, and changes that must be found.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha12Rng;

use super::*;
use crate::judge::blocks::{Block, figure};
use crate::judge::kernels::median;

const RECORDED: &str = include_str!("../../../tests/data/launch-blocks.csv");

/// The cells that were recorded.
const CELLS: [(&str, Stage); 7] = [
    ("execute", Stage::Execute),
    ("validate", Stage::Validate),
    ("compile-singlepass", Stage::Compile),
    ("compile-cranelift", Stage::Compile),
    ("serialize", Stage::Serialize),
    ("deserialize", Stage::Deserialize),
    ("instantiate", Stage::Instantiate),
];

/// Cells that a run is taken to have, so that the level is that of a real one.
const CELLS_OF_A_RUN: usize = 200;

/// The blocks of each recorded pair of launches of one cell.
fn recorded(recording: &str, planted: &str, cell: &str) -> Vec<Vec<Block>> {
    let rows = RECORDED.lines().filter(|line| !line.starts_with('#')).skip(1);
    let pairs: Vec<_> = rows
        .filter_map(|row| {
            let fields: Vec<&str> = row.split(',').collect();
            let [r, p, _, c, blocks] = fields[..] else { panic!("{row}") };
            (r == recording && p == planted && c == cell).then(|| blocks.split(';').enumerate().map(block).collect())
        })
        .collect();
    assert!(pairs.len() >= 12, "{recording} {planted} {cell}: {}", pairs.len());
    pairs
}

/// A block from the text of its four turns: ABBA at even places, BAAB at odd ones.
fn block((at, turns): (usize, &str)) -> Block {
    let turns: Vec<f64> = turns.split(' ').map(|turn| turn.parse().unwrap()).collect();
    let [first, second, third, fourth] = turns[..] else { panic!("{turns:?}") };
    let (outer, inner) = ([first, fourth], [second, third]);
    let (base, head) = if at % 2 == 0 { (outer, inner) } else { (inner, outer) };
    Block { base, head, disturbed: false }
}

fn figures(recording: &str, planted: &str, cell: &str) -> Vec<f64> {
    recorded(recording, planted, cell).iter().map(|blocks| figure(blocks).unwrap().log_ratio).collect()
}

/// How often the lives of a cell came to what.
#[derive(Debug, Default)]
struct Tally {
    red: u32,
    pairs: u32,
}

/// Lives of a cell, as the measuring loop lives them: pairs drawn with replacement, moved by a change, until decided.
fn lives(pool: &[f64], stage: Stage, change: f64, tolerance: f64, count: u32) -> Tally {
    let mut random = ChaCha12Rng::seed_from_u64(20);
    let rule = Rule { tolerance, allowance: 0.0 };
    let mut tally = Tally::default();
    for _ in 0..count {
        let mut pairs = Vec::new();
        for round in 0..MAX_PAIRS {
            pairs.push((round, pool[random.random_range(0..pool.len())] + change.ln_1p()));
            if is_look(round + 1) && !is_undecided(&pairs, prior(stage, None), &rule, CELLS_OF_A_RUN) {
                break;
            }
        }
        let verdict = decide(&pairs, prior(stage, None), &rule, CELLS_OF_A_RUN).verdict;
        tally.red += u32::from(verdict == Verdict::Regressed);
        tally.pairs += pairs.len() as u32;
    }
    tally
}

/// No red, quiet or busy, with a tolerance of half a per cent.
#[test]
fn null_launches_are_never_red() {
    for (cell, stage) in CELLS {
        for recording in ["quiet", "busy"] {
            let tally = lives(&figures(recording, "0", cell), stage, 0.0, 0.005, 300);
            assert_eq!(tally.red, 0, "{cell}, {recording}: {tally:?}");
        }
    }
}

/// With a tolerance of 1 %, a quiet null cell costs few pairs: under 6 in the mean over the cells.
#[test]
fn null_launches_pass_early() {
    let pairs: u32 =
        CELLS.iter().map(|(cell, stage)| lives(&figures("quiet", "0", cell), *stage, 0.0, 0.01, 300).pairs).sum();
    let mean = f64::from(pairs) / (300.0 * CELLS.len() as f64);
    assert!(mean < 6.0, "{mean}");
}

/// What was planted in the recording is found two points beyond the tolerance, in every cell.
#[test]
fn planted_changes_are_found() {
    for (cell, stage) in CELLS {
        for (planted, tolerance) in [("0.02", 0.0), ("0.05", 0.03)] {
            let tally = lives(&figures("quiet", planted, cell), stage, 0.0, tolerance, 200);
            assert!(tally.red >= 190, "{cell}, {planted}: {tally:?}");
        }
    }
}

/// Null launches moved by one point more than the tolerance are found in the stages that scatter least, by two in all.
#[test]
fn small_changes_are_found() {
    for (cell, stage) in CELLS {
        let null = figures("quiet", "0", cell);
        let centre = null.iter().sum::<f64>() / null.len() as f64;
        let null: Vec<f64> = null.iter().map(|value| value - centre).collect();
        let two = lives(&null, stage, 0.03, 0.01, 200);
        assert!(two.red >= 190, "{cell}, two points: {two:?}");
        if matches!(stage, Stage::Validate | Stage::Compile | Stage::Execute) {
            let one = lives(&null, stage, 0.02, 0.01, 200);
            assert!(one.red >= 190, "{cell}, one point: {one:?}");
        }
    }
}

/// The deviation of figures about the median of their group, over all that was planted, for both ways to make a figure.
fn deviation(cell: &str, of: impl Fn(&[Block]) -> f64) -> f64 {
    let mut distances = Vec::new();
    for planted in ["0", "0.02", "0.05"] {
        let figures: Vec<f64> = recorded("quiet", planted, cell).iter().map(|blocks| of(blocks)).collect();
        let centre = median(&figures).unwrap();
        distances.extend(figures.iter().map(|figure| (figure - centre).powi(2)));
    }
    (distances.iter().sum::<f64>() / distances.len() as f64).sqrt()
}

/// The mean of logarithms over all blocks is what one would take without thinking of places or disturbances.
#[test]
fn the_figure_of_a_pair_scatters_less_than_the_mean_of_its_blocks() {
    let mean = |blocks: &[Block]| {
        let ratio = |block: &Block| (block.head[0] * block.head[1] / block.base[0] / block.base[1]).ln() / 2.0;
        blocks.iter().map(ratio).sum::<f64>() / blocks.len() as f64
    };
    let ratio = |cell: &str| deviation(cell, |blocks| figure(blocks).unwrap().log_ratio) / deviation(cell, mean);
    let logs: f64 = CELLS.iter().map(|(cell, _)| ratio(cell).ln()).sum();
    let smaller = (logs / CELLS.len() as f64).exp();
    assert!(smaller < 0.92, "{smaller}");
}
