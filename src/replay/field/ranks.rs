//! The Mann-Whitney U test as benchstat makes it.
//!
//! Mann and Whitney (1947), "On a test of whether one of two random variables is stochastically larger than the other": exact
//! without ties for up to 50 launches a side, else normal with corrections for ties and continuity. With ties go-moremath is
//! exact up to 25 a side, by Klotz (1966); here the normal approximation serves from the first tie on, because resampling with
//! replacement makes ties in most draws and the exact distribution would have to be built for each.

use statrs::distribution::{ContinuousCDF, Normal};

/// `DefaultThresholds.CompareAlpha` in benchmath/sample.go; a difference is shown where p is not above it.
const LEVEL: f64 = 0.05;

/// `MannWhitneyExactLimit` in stats/utest.go.
const EXACT_LIMIT: usize = 50;

/// The test for a fixed number of launches a side.
#[derive(Debug)]
pub struct Ranks {
    launches: usize,
    /// P(U ≤ u) without ties, at index u.
    exact: Vec<f64>,
}

impl Ranks {
    #[must_use]
    pub fn new(launches: usize) -> Self {
        Self { launches, exact: if launches <= EXACT_LIMIT { exact(launches, launches) } else { Vec::new() } }
    }

    /// Whether the two sides differ, in either direction.
    #[must_use]
    pub fn differ(&self, a: &[f64], b: &[f64]) -> bool {
        self.p(a, b) <= LEVEL
    }

    /// The two-sided p; 1 where all values are equal or a side has none.
    fn p(&self, a: &[f64], b: &[f64]) -> f64 {
        let mut merged: Vec<(f64, bool)> = a.iter().map(|value| (*value, true)).collect();
        merged.extend(b.iter().map(|value| (*value, false)));
        merged.sort_by(|x, y| x.0.total_cmp(&y.0));
        let (mut rank_sum, mut ties, mut before) = (0.0, 0.0, 0.0);
        for group in merged.chunk_by(|x, y| x.0 == y.0) {
            let size = group.len() as f64;
            let of_a = group.iter().filter(|(_, is_a)| *is_a).count() as f64;
            rank_sum += (before + (size + 1.0) / 2.0) * of_a;
            ties += size.powi(3) - size;
            before += size;
        }
        let (n_a, n_b) = (a.len() as f64, b.len() as f64);
        let u = rank_sum - n_a * (n_a + 1.0) / 2.0;
        let least = u.min(n_a * n_b - u);
        let is_exact = ties == 0.0 && a.len() == self.launches && b.len() == self.launches;
        if is_exact && let Some(below) = self.exact.get(least as usize) {
            return (2.0 * below).min(1.0);
        }
        let n = n_a + n_b;
        let deviation = (n_a * n_b * (n + 1.0 - ties / (n * (n - 1.0))) / 12.0).sqrt();
        let distance = ((least - n_a * n_b / 2.0).abs() - 0.5).max(0.0);
        if deviation > 0.0 { (2.0 * Normal::standard().sf(distance / deviation)).min(1.0) } else { 1.0 }
    }
}

/// P(U ≤ u) for every u, by the number of ways to choose `a` of the ranks: each choice of ranks is equally likely.
fn exact(a: usize, b: usize) -> Vec<f64> {
    let most = a * b;
    // ways[i][u]: choices of i of the ranks so far whose sum exceeds the least possible by u, as a share of all of them.
    let mut ways = vec![vec![0.0_f64; most + 1]; a + 1];
    ways[0][0] = 1.0;
    for rank in 0..a + b {
        for chosen in (0..a.min(rank + 1)).rev() {
            // The (chosen + 1)-th rank of the choice is `rank`, which is this much above the least that it could be.
            let above = rank - chosen;
            if above > b {
                continue;
            }
            for u in above..=most {
                let more = ways[chosen][u - above];
                ways[chosen + 1][u] += more;
            }
        }
    }
    let total: f64 = ways[a].iter().sum();
    let mut sum = 0.0;
    ways[a]
        .iter()
        .map(|way| {
            sum += way / total;
            sum
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// benchmath/anone.go, `uTestMinP`: the least p of two samples of so many.
    const LEAST: [(usize, f64); 5] = [
        (2, 0.333_333_333_333_333_3),
        (3, 0.1),
        (4, 0.028_571_428_571_428_57),
        (5, 0.007_936_507_936_507_936),
        (9, 4.113_533_525_298_231e-5),
    ];

    #[test]
    fn the_least_p_is_benchstats() {
        for (launches, least) in LEAST {
            let a: Vec<f64> = (0..launches).map(|value| value as f64).collect();
            let b: Vec<f64> = a.iter().map(|value| value + 100.0).collect();
            let ranks = Ranks::new(launches);
            assert!((ranks.p(&a, &b) / least - 1.0).abs() < 1e-9, "{launches}");
            assert_eq!(ranks.p(&b, &a), ranks.p(&a, &b));
            assert_eq!(ranks.differ(&a, &b), least <= 0.05);
        }
    }

    #[test]
    fn the_critical_values_are_those_of_the_tables() {
        // Two-sided 0.05, Mann and Whitney (1947) and every textbook since: 2 of 5 and 5, 8 of 7 and 7 (0.0379), 23 of 10 and 10.
        for (launches, critical) in [(5, 2), (7, 8), (10, 23), (20, 127)] {
            let below = exact(launches, launches);
            assert!(2.0 * below[critical] <= 0.05 && 2.0 * below[critical + 1] > 0.05, "{launches}");
            assert!((below[launches * launches] - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn ties_are_corrected_for_and_equal_sides_do_not_differ() {
        let ranks = Ranks::new(10);
        // Hollander and Wolfe's kind of example, computed by hand: U = 4.5, ties of 2, 3 and 2, so that the deviation is
        // √(25/12 · (11 − (6 + 24 + 6)/90)).
        let (a, b) = ([1.0, 2.0, 2.0, 3.0, 5.0], [3.0, 3.0, 6.0, 5.0, 7.0]);
        let deviation = (25.0 / 12.0 * (11.0 - 36.0 / 90.0_f64)).sqrt();
        let wins: f64 = a
            .iter()
            .flat_map(|x| {
                b.iter().map(move |y| {
                    if x > y {
                        1.0
                    } else if x == y {
                        0.5
                    } else {
                        0.0
                    }
                })
            })
            .sum();
        let z = ((wins - 12.5).abs() - 0.5) / deviation;
        assert!((ranks.p(&a, &b) - 2.0 * Normal::standard().sf(z)).abs() < 1e-12);
        assert_eq!(ranks.p(&[1.0; 10], &[1.0; 10]), 1.0);
        assert_eq!(ranks.p(&[], &[1.0]), 1.0);
        // At ten a side, the approximation decides as the exact test does around the critical value.
        let a: Vec<f64> = (0..10).map(f64::from).collect();
        for shift in 0..11 {
            let b: Vec<f64> = a.iter().map(|value| value + 0.5 + f64::from(shift)).collect();
            let approximate = Ranks { launches: 0, exact: Vec::new() };
            assert_eq!(ranks.differ(&a, &b), approximate.differ(&a, &b), "{shift}");
        }
        assert!(ranks.differ(&a, &a.iter().map(|value| value + 20.0).collect::<Vec<_>>()));
    }
}
