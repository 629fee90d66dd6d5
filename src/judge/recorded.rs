//! Holds the decision to recorded launches: false reds on null data, and planted changes that must be found.
//!
//! The recordings hold no yardstick, so launches are drawn at random into a baseline and a head: what the machine did between
//! them is then noise of launches, larger than a yardstick leaves, and the widening for days is left out (it is zero here).

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha12Rng;

use super::kernels::winsorised;
use super::time::{Base, LAUNCH_PRIOR, MAX_LOOKS, decide, estimate, look_level};
use crate::model::Verdict;

const RECORDED: &str = include_str!("../../tests/data/launch-figures.csv");

/// The cells that were recorded.
const CELLS: [&str; 7] =
    ["execute", "validate", "compile-singlepass", "compile-cranelift", "serialize", "deserialize", "instantiate"];

/// Cells that a run is taken to have, so that the level is that of a real one.
const CELLS_OF_A_RUN: usize = 200;

#[derive(Clone, Copy)]
enum Side {
    Base,
    Head,
}

/// Logarithms of the figures of one side of one cell.
fn logs(recording: &str, planted: &str, cell: &str, side: Side) -> Vec<f64> {
    let rows = RECORDED.lines().filter(|line| !line.starts_with('#')).skip(1);
    let values: Vec<f64> = rows
        .filter_map(|row| {
            let fields: Vec<&str> = row.split(',').collect();
            let [r, p, _, c, base, head] = fields[..] else { panic!("{row}") };
            let text = match side {
                Side::Base => base,
                Side::Head => head,
            };
            (r == recording && p == planted && c == cell).then(|| text.parse::<f64>().unwrap().ln())
        })
        .collect();
    assert!(values.len() >= 12, "{recording} {planted} {cell}: {}", values.len());
    values
}

/// A committed ratio from launches, as the judge would propose it.
fn commit(values: &[f64]) -> Base {
    let location = winsorised(values, LAUNCH_PRIOR).unwrap();
    Base::committed(location.mean.exp(), location.deviation, values.len() as u32).unwrap()
}

/// One launch a round.
fn rounds(values: &[f64]) -> Vec<(u32, f64)> {
    values.iter().enumerate().map(|(round, value)| (round as u32, *value)).collect()
}

/// Runs the gate as the measuring loop does: first `FIRST` rounds, then one at a time while the verdict is open.
fn gate(base: &Base, head: &[f64], allowance: f64) -> (Verdict, usize) {
    const FIRST: usize = 5;
    let level = look_level(CELLS_OF_A_RUN, MAX_LOOKS);
    let mut used = FIRST.min(head.len());
    loop {
        let verdict = decide(&rounds(&head[..used]), base, allowance, level).verdict;
        if used == head.len() || used == MAX_LOOKS as usize || !matches!(verdict, Verdict::Inconclusive(_)) {
            return (verdict, used);
        }
        used += 1;
    }
}

/// How often a resampled run came to what.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    red: usize,
    other: usize,
    launches: usize,
}

/// Draws a baseline of 15 launches (8 where there are few) and a head of up to 15, without overlap, `runs` times.
fn resample(pool: &[f64], head_of: Option<&[f64]>, runs: usize, slower: f64, allowance: f64) -> Tally {
    let mut rng = ChaCha12Rng::seed_from_u64(20);
    let mut tally = Tally::default();
    let (mut pool, mut other) = (pool.to_vec(), head_of.map(<[f64]>::to_vec));
    let base_size = if pool.len() < 30 { 8 } else { 15 };
    for _ in 0..runs {
        pool.shuffle(&mut rng);
        let (base, rest) = pool.split_at(base_size);
        let head = match &mut other {
            Some(other) => {
                other.shuffle(&mut rng);
                other.as_slice()
            }
            None => rest,
        };
        let head: Vec<f64> = head.iter().map(|value| value + slower.ln()).collect();
        let (verdict, launches) = gate(&commit(base), &head, allowance);
        tally.launches += launches;
        if verdict == Verdict::Regressed {
            tally.red += 1;
        } else {
            tally.other += 1;
        }
    }
    tally
}

/// The logarithm of head by base of the same launch: what a reference worker gives.
fn ratios(recording: &str, planted: &str, cell: &str) -> Vec<f64> {
    let base = logs(recording, planted, cell, Side::Base);
    logs(recording, planted, cell, Side::Head).iter().zip(base).map(|(head, base)| head - base).collect()
}

/// Measured here: over the seven cells, a bound at 5 % is overstepped by 1.2 % to 4.9 % of resampled null comparisons, one at
/// 1 % by 0 to 0.8 %. What the level promises at 10⁻⁷ rests on this: the bounds are t bounds, and hold where it can be seen.
#[test]
fn bounds_hold_their_level_on_null_launches() {
    const DRAWS: usize = 2000;
    let mut rng = ChaCha12Rng::seed_from_u64(3);
    for cell in CELLS {
        for (base_size, head_size) in [(15, 10), (5, 5)] {
            let mut values = logs("quiet", "0", cell, Side::Base);
            let (mut beyond_5, mut beyond_1) = (0, 0);
            for _ in 0..DRAWS {
                values.shuffle(&mut rng);
                let (base, rest) = values.split_at(base_size);
                let estimate = estimate(&rest[..head_size], &commit(base)).unwrap();
                beyond_5 += usize::from(estimate.lower(0.05).unwrap() > 0.0);
                beyond_1 += usize::from(estimate.lower(0.01).unwrap() > 0.0);
            }
            assert!(beyond_5 <= DRAWS * 7 / 100, "{cell} {base_size}/{head_size}: {beyond_5} of {DRAWS} at 5 %");
            assert!(beyond_1 <= DRAWS * 2 / 100, "{cell} {base_size}/{head_size}: {beyond_1} of {DRAWS} at 1 %");
        }
    }
}

/// Measured here: no red in 500 runs of each cell, with a tolerance of nothing, on the quiet machine and on the busy one,
/// with and without a reference in the same launch.
#[test]
fn null_launches_are_never_red() {
    for cell in CELLS {
        for recording in ["quiet", "busy"] {
            let alone = resample(&logs(recording, "0", cell, Side::Base), None, 500, 1.0, 0.0);
            let paired = resample(&ratios(recording, "0", cell), None, 500, 1.0, 0.0);
            assert_eq!((alone.red, paired.red), (0, 0), "{cell}, {recording}");
        }
    }
}

/// Measured here: beside a reference in the same launch, a slowdown of 5 % is found in every cell, in 97 % to 100 % of 500
/// runs, with a tolerance of nothing and 15 launches at most.
#[test]
fn planted_5_percent_is_found_beside_a_reference() {
    for cell in CELLS {
        let tally = resample(&ratios("quiet", "0", cell), Some(&ratios("quiet", "0.05", cell)), 500, 1.0, 0.0);
        assert!(tally.red * 100 >= 500 * 95, "{cell}: {tally:?}");
    }
}

/// Measured here: without anything measured beside it, 5 points beyond the tolerance are found in all of 500 runs where launches
/// deviate by 1 % to 1.4 % (execute, validate, compile, deserialize), and 8 points where by 2 % (serialize, instantiate).
#[test]
fn planted_changes_are_found_without_a_reference() {
    for cell in CELLS {
        let noisy = matches!(cell, "serialize" | "instantiate");
        let slower = if noisy { 1.10 } else { 1.07 };
        let tally = resample(&logs("quiet", "0", cell, Side::Base), None, 500, slower, 0.02);
        assert!(tally.red * 100 >= 500 * 95, "{cell}: {tally:?}");
    }
}
