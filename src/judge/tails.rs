//! Tails of distributions: how unlikely a value is, and how far out a probability lies.
//!
//! Total like the kernels: what has no answer is an error, never a number. Far tails keep their digits, because the levels that
//! gate are as small as 10⁻¹².

use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

use super::kernels::KernelError;

/// Degrees of freedom above which Student's t is taken as normal: its 10⁻⁷ quantile is then within 0.1 %.
const MOST_FREEDOM: f64 = 10_000.0;

/// Quantiles are sought up to here; a bound so far out says nothing.
const MOST_QUANTILE: f64 = 1e15;

/// Steps of a bisection: each halves the distance, so these exhaust the digits of any start.
const BISECTIONS: u32 = 80;

/// The probability that Student's t with some degrees of freedom exceeds `t`. Student (1908), "The probable error of a mean".
///
/// # Errors
/// A `t` that is not a number, degrees of freedom that are not positive.
pub fn beyond_t(t: f64, freedom: f64) -> Result<f64, KernelError> {
    let in_range = freedom > 0.0 && !t.is_nan();
    if !in_range {
        return Err(KernelError::Level);
    }
    let t_distribution = StudentsT::new(0.0, 1.0, freedom.min(MOST_FREEDOM)).map_err(|_| KernelError::Level)?;
    Ok(t_distribution.cdf(-t))
}

/// The value that Student's t exceeds with probability `level`: [`beyond_t`] inverted by bisection, at any level, where the
/// library's own inverse stops early in far tails.
///
/// # Errors
/// A level outside `(0, 1/2]`, degrees of freedom that are not positive, a value that is too large for a number.
pub fn upper_t(level: f64, freedom: f64) -> Result<f64, KernelError> {
    invert(level, |t| beyond_t(t, freedom))
}

/// The probability that a standard normal exceeds `z`.
///
/// # Errors
/// A `z` that is not a number.
pub fn beyond_normal(z: f64) -> Result<f64, KernelError> {
    if z.is_nan() { Err(KernelError::NotFinite) } else { Ok(Normal::standard().cdf(-z)) }
}

/// The value that a standard normal exceeds with probability `level`.
///
/// # Errors
/// A level outside `(0, 1/2]`.
pub fn upper_normal(level: f64) -> Result<f64, KernelError> {
    invert(level, beyond_normal)
}

/// Where a tail that falls from one half at 0 reaches a level.
fn invert(level: f64, tail: impl Fn(f64) -> Result<f64, KernelError>) -> Result<f64, KernelError> {
    let in_range = level > 0.0 && level <= 0.5;
    if !in_range {
        return Err(KernelError::Level);
    }
    let (mut low, mut high) = (0.0, 1.0);
    while tail(high)? > level {
        high *= 2.0;
        if high > MOST_QUANTILE {
            return Err(KernelError::Unresolved);
        }
    }
    for _ in 0..BISECTIONS {
        let middle = f64::midpoint(low, high);
        if tail(middle)? > level { low = middle } else { high = middle }
    }
    Ok(high)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64, relative: f64) {
        assert!((found - expected).abs() <= relative * expected.abs(), "found {found}, expected {expected}");
    }

    #[test]
    fn tails_of_t_agree_with_tables_and_closed_forms() {
        // Tables: t(0.025; 10), t(0.0005; 5).
        close(beyond_t(2.228_139, 10.0).unwrap(), 0.025, 1e-6);
        close(upper_t(0.0005, 5.0).unwrap(), 6.868_827, 1e-6);
        // One degree of freedom is Cauchy; two have t = (1 − 2p) / √(2p(1 − p)). Both at levels far beyond any table.
        for level in [0.3, 1e-3, 1e-6, 1e-9, 1e-12] {
            close(upper_t(level, 1.0).unwrap(), 1.0 / (std::f64::consts::PI * level).tan(), 1e-5);
            close(upper_t(level, 2.0).unwrap(), (1.0 - 2.0 * level) / (2.0 * level * (1.0 - level)).sqrt(), 1e-5);
        }
        assert_eq!(beyond_t(0.0, 3.0), Ok(0.5));
        assert_eq!(beyond_t(f64::INFINITY, 3.0), Ok(0.0));
        assert_eq!(beyond_t(f64::NEG_INFINITY, 3.0), Ok(1.0));
    }

    #[test]
    fn tails_of_the_normal_agree_with_tables() {
        close(upper_normal(0.025).unwrap(), 1.959_963_985, 1e-8);
        close(upper_normal(1e-9).unwrap(), 5.997_807_015, 1e-8);
        close(beyond_normal(upper_normal(1e-12).unwrap()).unwrap(), 1e-12, 1e-6);
        close(upper_t(1e-6, f64::INFINITY).unwrap(), upper_normal(1e-6).unwrap(), 2e-3);
    }

    #[test]
    fn what_has_no_answer_is_an_error() {
        for freedom in [0.0, -1.0, f64::NAN] {
            assert_eq!(beyond_t(1.0, freedom), Err(KernelError::Level));
            assert_eq!(upper_t(0.1, freedom), Err(KernelError::Level));
        }
        assert_eq!(beyond_t(f64::NAN, 3.0), Err(KernelError::Level));
        assert_eq!(beyond_normal(f64::NAN), Err(KernelError::NotFinite));
        for level in [0.0, -1.0, 0.6, f64::NAN] {
            assert_eq!(upper_t(level, 3.0), Err(KernelError::Level));
            assert_eq!(upper_normal(level), Err(KernelError::Level));
        }
        assert_eq!(upper_t(1e-300, 0.5), Err(KernelError::Unresolved));
    }
}
