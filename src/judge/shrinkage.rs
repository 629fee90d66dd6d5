//! What deviations of many cells have in common.
//!
//! Few launches tell little of how far they scatter, many cells together tell a lot; but cells differ, and a few noisy ones must not
//! speak for the quiet ones. Plain functions over `f64`; knows neither stages nor launches.

use statrs::function::gamma::digamma;

use super::kernels::{Deviation, KernelError};

/// The deviation `s₀` that cells of a kind scatter about, and the degrees of freedom of all of them together.
///
/// `ln s₀² = Σ wᵢ·(ln sᵢ² − ψ(dᵢ/2) + ln(dᵢ/2)) / Σ wᵢ + ψ(d₀/2) − ln(d₀/2)`, with `ψ` the digamma function, `sᵢ` the deviation of a cell
/// with `dᵢ` degrees of freedom, and `wᵢ = dᵢ`. On the scale of logarithms a cell that scatters ten times as much as the others counts as
/// one cell, not as a hundred.
///
/// Assumes: variances of cells scatter about `s₀²` as an inverse chi-square with `agreement` = `d₀` degrees of freedom. Source: Smyth
/// (2004), "Linear models and empirical Bayes methods for assessing differential expression in microarray experiments", section 6.2,
/// which does not weigh the cells.
///
/// Degenerate: cells without any deviation are left out, as they are by Smyth.
///
/// # Errors
/// No cell with a deviation; one that is negative or not finite.
pub fn typical(cells: &[Deviation], agreement: f64) -> Result<Deviation, KernelError> {
    let (mut logs, mut freedom) = (0.0, 0.0);
    for cell in cells {
        if !cell.value.is_finite() || !cell.freedom.is_finite() {
            return Err(KernelError::NotFinite);
        }
        if cell.value < 0.0 || cell.freedom < 0.0 {
            return Err(KernelError::NotPositive);
        }
        if cell.value > 0.0 && cell.freedom >= 1.0 {
            logs += cell.freedom * (2.0 * cell.value.ln() - expected(cell.freedom));
            freedom += cell.freedom;
        }
    }
    if freedom < 1.0 {
        return Err(KernelError::TooFew { have: 0, need: 1 });
    }
    let value = ((logs / freedom + expected(agreement)) / 2.0).exp();
    if value.is_finite() && value > 0.0 { Ok(Deviation { value, freedom }) } else { Err(KernelError::NotFinite) }
}

/// The expectation of the logarithm of a variance with so many degrees of freedom, whose true value is 1.
fn expected(freedom: f64) -> f64 {
    digamma(freedom / 2.0) - (freedom / 2.0).ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha12Rng;

    fn cell(value: f64, freedom: f64) -> Deviation {
        Deviation { value, freedom }
    }

    /// Box and Muller (1958).
    fn normal(random: &mut ChaCha12Rng) -> f64 {
        let (radius, angle): (f64, f64) = (random.random(), random.random());
        (-2.0 * (1.0 - radius).ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
    }

    /// Cells whose variance is drawn about `s₀²` as is assumed, each seen in `pairs` pairs.
    fn drawn(s0: f64, agreement: u32, cells: usize, pairs: usize) -> Vec<Deviation> {
        let mut random = ChaCha12Rng::seed_from_u64(5);
        let one = |_| {
            let chi_square: f64 = (0..agreement).map(|_| normal(&mut random).powi(2)).sum();
            let own = s0 * (f64::from(agreement) / chi_square).sqrt();
            let values: Vec<f64> = (0..pairs).map(|_| own * normal(&mut random)).collect();
            let mean = values.iter().sum::<f64>() / pairs as f64;
            let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
            cell((squares / (pairs as f64 - 1.0)).sqrt(), pairs as f64 - 1.0)
        };
        (0..cells).map(one).collect()
    }

    #[test]
    fn the_common_deviation_is_found_again() {
        for (agreement, pairs) in [(5, 3), (5, 8), (40, 4)] {
            let found = typical(&drawn(0.01, agreement, 4000, pairs), f64::from(agreement)).unwrap();
            assert!((found.value / 0.01 - 1.0).abs() < 0.05, "{agreement} {pairs}: {found:?}");
            assert_eq!(found.freedom, 4000.0 * (pairs as f64 - 1.0));
        }
    }

    #[test]
    fn one_noisy_cell_is_one_cell() {
        let quiet = vec![cell(0.01, 7.0); 11];
        let with = |noisy: f64| typical(&[quiet.clone(), vec![cell(noisy, 7.0)]].concat(), 5.0).unwrap().value;
        assert!(with(0.1) / with(0.01) < 1.25, "{}", with(0.1) / with(0.01));
    }

    #[test]
    fn degenerate_cells() {
        assert!(typical(&[], 5.0).is_err());
        assert!(typical(&[cell(0.0, 3.0)], 5.0).is_err());
        assert!(typical(&[cell(f64::NAN, 3.0)], 5.0).is_err());
        assert!(typical(&[cell(-0.1, 3.0)], 5.0).is_err());
        assert!(typical(&[cell(0.1, f64::INFINITY)], 5.0).is_err());
        assert!(typical(&[cell(0.1, 0.5)], 5.0).is_err());
        assert_eq!(typical(&[cell(0.0, 3.0), cell(0.01, 3.0)], 5.0), typical(&[cell(0.01, 3.0)], 5.0));
    }
}
