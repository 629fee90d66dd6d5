//! criterion's comparison of a new process with a saved one.
//!
//! A regression is shown where both hold (criterion 0.8.2, `src/analysis/compare.rs`, `src/report.rs`, `src/stats`):
//! - p < 0.05, two-sided, of Welch's t among those of resamples of both processes' samples thrown together;
//! - the 95 % percentile interval of `mean(new) / mean(base) − 1`, each side resampled, lies above the noise threshold of 1 %.
//!
//! Two differences, for speed. The t is bootstrapped 1,000 times, the least that criterion puts up with, not 100,000: near
//! p = 0.05 that is an error of 0.7 points. The interval rests on all pairs of 400 resamples a side, taken once a launch, where
//! criterion crosses 317 of one side with fresh ones of the other. A cell has fewer than criterion's 100 samples where fewer
//! iterations were recorded, and fewer than the 10 that it asks for in the 180 ms compile, which has 8.

use std::collections::HashMap;

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::replay::figures::{Figures, Moments};

/// `significance_level`, `confidence_level` and `noise_threshold` in criterion's `src/lib.rs`.
const SIGNIFICANCE: f64 = 0.05;
const CONFIDENCE: f64 = 0.95;
const NOISE: f64 = 0.01;

/// criterion warns of fewer: `nresamples` in its `src/lib.rs`.
const T_RESAMPLES: usize = 1_000;

/// Resampled means of a side.
const MEAN_RESAMPLES: usize = 400;

/// The rule, with what it found already: it asks for one launch a side, so that the same two come up again and again.
#[derive(Debug)]
pub struct Criterion {
    seed: u64,
    /// By group, base launch and head launch.
    known: HashMap<(usize, usize, usize), bool>,
    /// By group, launch and whether it is the head: resampled means, ascending.
    means: HashMap<(usize, usize, bool), Vec<f64>>,
}

impl Criterion {
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed, known: HashMap::new(), means: HashMap::new() }
    }

    /// Whether criterion would say that the head launch regressed from the base launch.
    #[must_use]
    pub fn is_red(&mut self, group: usize, recorded: &[Figures], base: usize, head: usize) -> bool {
        if let Some(known) = self.known.get(&(group, base, head)) {
            return *known;
        }
        let (base_samples, head_samples) = (&recorded[base].base.samples, &recorded[head].head.samples);
        let seed = self.seed;
        let mut means = |launch: usize, is_head: bool, samples: &[f64]| {
            let known = self.means.entry((group, launch, is_head));
            known.or_insert_with(|| means(samples, &mut stream(seed, group, launch, usize::from(is_head)))).clone()
        };
        let (base_means, head_means) = (means(base, false, base_samples), means(head, true, head_samples));
        let red = is_beyond_noise(&base_means, &head_means)
            && is_significant(base_samples, head_samples, &mut stream(seed, group, base, 2 + head));
        self.known.insert((group, base, head), red);
        red
    }
}

/// Random numbers of their own for each question, so that the answer does not depend on what was asked before.
fn stream(seed: u64, group: usize, launch: usize, other: usize) -> ChaCha8Rng {
    let mut random = ChaCha8Rng::seed_from_u64(seed ^ (group as u64).rotate_left(32));
    random.set_stream((launch as u64) << 32 | other as u64);
    random
}

/// Means of resamples with replacement, ascending.
fn means(samples: &[f64], random: &mut ChaCha8Rng) -> Vec<f64> {
    let mut means: Vec<f64> = (0..MEAN_RESAMPLES)
        .map(|_| samples.iter().map(|_| samples[random.random_range(0..samples.len())]).sum::<f64>())
        .map(|sum| sum / samples.len() as f64)
        .collect();
    means.sort_by(f64::total_cmp);
    means
}

/// Whether the lower end of the interval, the quantile at `(1 − confidence) / 2` of all ratios, lies above the noise threshold:
/// whether fewer ratios than that lie at or below it.
fn is_beyond_noise(base: &[f64], head: &[f64]) -> bool {
    let most = (1.0 - CONFIDENCE) / 2.0 * (base.len() * head.len()) as f64;
    let (mut within, mut smaller) = (0, 0);
    for base in base {
        // Both ascend, so what is within the noise of one base mean is within that of the next.
        while head.get(smaller).is_some_and(|head| head / base - 1.0 <= NOISE) {
            smaller += 1;
        }
        within += smaller;
    }
    (within as f64) < most
}

/// Whether the t of the samples is rare among those of resamples of both thrown together.
fn is_significant(base: &[f64], head: &[f64], random: &mut ChaCha8Rng) -> bool {
    let both: Vec<f64> = head.iter().chain(base).copied().collect();
    let t = t(&Moments::of(head.iter().copied()), &Moments::of(base.iter().copied()));
    let mut draw = |count: usize| Moments::of((0..count).map(|_| both[random.random_range(0..both.len())]));
    let resampled: Vec<f64> = (0..T_RESAMPLES)
        .map(|_| {
            let head = draw(head.len());
            self::t(&head, &draw(base.len()))
        })
        .filter(|t| t.is_finite())
        .collect();
    let below = resampled.iter().filter(|one| **one < t).count();
    let rarer = below.min(resampled.len() - below) as f64;
    2.0 * rarer / (resampled.len() as f64) < SIGNIFICANCE
}

fn t(a: &Moments, b: &Moments) -> f64 {
    (a.mean - b.mean) / (a.variance() / a.count + b.variance() / b.count).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn random() -> ChaCha8Rng {
        ChaCha8Rng::seed_from_u64(5)
    }

    /// Samples around `centre` that scatter by 1 %.
    fn samples(centre: f64, count: usize) -> Vec<f64> {
        let mut random = random();
        (0..count).map(|_| centre * (1.0 + 0.01 * (random.random::<f64>() * 3.46 - 1.73))).collect()
    }

    #[test]
    fn the_interval_is_the_percentiles_of_all_ratios() {
        let (base, head) = (means(&samples(100.0, 30), &mut random()), means(&samples(102.0, 50), &mut random()));
        let mut ratios: Vec<f64> =
            base.iter().flat_map(|base| head.iter().map(move |head| head / base - 1.0)).collect();
        ratios.sort_by(f64::total_cmp);
        let lower = ratios[(0.025 * ratios.len() as f64) as usize];
        assert!((0.011..0.019).contains(&lower), "{lower}");
        assert!(is_beyond_noise(&base, &head));
        // Scaled so that the same quantile lies just below, and just above.
        for (by, beyond) in [(0.9999, false), (1.0001, true)] {
            let scale = by * (1.0 + NOISE) / (1.0 + lower);
            let head: Vec<f64> = head.iter().map(|mean| mean * scale).collect();
            assert_eq!(is_beyond_noise(&base, &head), beyond, "{by}");
        }
    }

    #[test]
    fn t_is_rare_only_where_the_sides_differ() {
        let base = samples(100.0, 100);
        let more: Vec<f64> = base.iter().map(|value| value * 1.02).collect();
        assert!(is_significant(&base, &more, &mut random()));
        assert!(is_significant(&more, &base, &mut random()));
        assert!(!is_significant(&base, &base, &mut random()));
        // Nothing scatters: no t, and no red.
        assert!(!is_significant(&[1.0; 8], &[1.0; 8], &mut random()));
    }
}
