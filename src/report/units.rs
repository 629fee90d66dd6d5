//! Figures as people read them: three significant digits and a unit. Knows nothing of cells or verdicts.
//!
//! Every text made here consists of digits, signs, spaces, ASCII letters, `µ`, `%`, `×`, brackets and commas, so it needs
//! no escaping.

use crate::model::findings::{Change, Quantity};
use crate::model::{Bytes, Nanos, Tolerance};

/// Digits that a figure shows unless two figures side by side need more to be told apart.
const DIGITS: usize = 3;
/// Digits beyond which two figures side by side are shown alike.
const MOST_DIGITS: usize = 7;
/// Shown for a figure that is not finite; the judge explains such cells.
const NOT_FINITE: &str = "not finite";

/// A figure with its unit, to three significant digits.
#[must_use]
pub fn quantity(quantity: Quantity) -> String {
    with_digits(quantity, DIGITS)
}

/// Two figures that stand side by side. Where three digits would show different figures alike, both get more digits, and
/// bytes get all of them.
#[must_use]
pub fn pair(base: Quantity, head: Quantity) -> (String, String) {
    let shown = |digits| (with_digits(base, digits), with_digits(head, digits));
    if base == head {
        return shown(DIGITS);
    }
    if let (Quantity::Bytes(base), Quantity::Bytes(head)) = (base, head) {
        let (short_base, short_head) = shown(DIGITS);
        let alike = short_base == short_head;
        return if alike { (exact_bytes(base), exact_bytes(head)) } else { (short_base, short_head) };
    }
    (DIGITS..=MOST_DIGITS).map(shown).find(|(base, head)| base != head).unwrap_or_else(|| shown(MOST_DIGITS))
}

fn with_digits(quantity: Quantity, digits: usize) -> String {
    match quantity {
        Quantity::Nanoseconds(ns) => scaled(ns, digits, 1000.0, &["ns", "µs", "ms", "s"]),
        Quantity::Bytes(bytes) => bytes_with_digits(bytes, digits),
        Quantity::Count(count) if count < 1000 => count.to_string(),
        Quantity::Count(count) => scaled(count as f64, digits, 1000.0, &["", "k", "M", "G", "T"]),
        Quantity::Score(score) => significant(score, digits),
    }
}

/// A duration to three significant digits: `4.10 µs`, `180 ms`, `3.24 s`.
#[must_use]
pub fn duration(ns: f64) -> String {
    quantity(Quantity::Nanoseconds(ns))
}

/// A size in binary units to three significant digits; exact below 1 KiB.
#[must_use]
pub fn bytes(bytes: Bytes) -> String {
    bytes_with_digits(bytes, DIGITS)
}

fn bytes_with_digits(bytes: Bytes, digits: usize) -> String {
    if bytes.0 < 1024 {
        return format!("{} B", bytes.0);
    }
    scaled(bytes.as_f64() / 1024.0, digits, 1024.0, &["KiB", "MiB", "GiB", "TiB"])
}

/// All digits, in groups of three: `1,268,120 B`.
fn exact_bytes(bytes: Bytes) -> String {
    let digits = bytes.0.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text + " B"
}

/// The largest unit in which the figure is at least one, also after rounding.
fn scaled(value: f64, digits: usize, step: f64, units: &[&str]) -> String {
    if !value.is_finite() {
        return NOT_FINITE.to_owned();
    }
    let mut scaled = value;
    let mut unit = 0;
    while unit + 1 < units.len() && rounded(scaled.abs(), digits) >= step {
        scaled /= step;
        unit += 1;
    }
    format!("{} {}", significant(scaled, digits), units[unit]).trim_end().to_owned()
}

/// What a positive figure is after rounding to so many digits. Up to 1,024 whole digits are kept, as people write
/// `1023 KiB`.
fn rounded(value: f64, digits: usize) -> f64 {
    significant(value, digits).parse().unwrap_or(value)
}

/// Decimal text with so many significant digits; whole digits are never cut.
fn significant(value: f64, digits: usize) -> String {
    if !value.is_finite() {
        return NOT_FINITE.to_owned();
    }
    if value == 0.0 {
        return "0".to_owned();
    }
    let decimals = |value: f64| {
        let exponent = value.abs().log10().floor() as i32;
        usize::try_from(i32::try_from(digits).unwrap_or(i32::MAX) - 1 - exponent).unwrap_or(0).min(12)
    };
    // Rounding may carry into a new whole digit (9.999 → 10.00), which then costs a decimal.
    let once = format!("{value:.*}", decimals(value));
    let carried = once.parse::<f64>().ok().filter(|carried| *carried != 0.0).unwrap_or(value);
    format!("{value:.*}", decimals(carried))
}

/// A fraction as a percentage with its sign: 0.031 is `+3.1 %`. Small ones keep enough decimals not to look like zero.
#[must_use]
pub fn change(fraction: f64) -> String {
    if !fraction.is_finite() {
        return NOT_FINITE.to_owned();
    }
    let text = share(fraction.abs());
    if text == "0 %" {
        return text;
    }
    format!("{}{text}", if fraction < 0.0 { '-' } else { '+' })
}

/// A fraction as a percentage without a sign: 0.02 is `2.0 %`.
#[must_use]
pub fn share(fraction: f64) -> String {
    if !fraction.is_finite() {
        return NOT_FINITE.to_owned();
    }
    let percent = fraction * 100.0;
    let decimals = match percent.abs() {
        p if p < 0.000_5 => return "0 %".to_owned(),
        p if p < 0.009_5 => 3,
        p if p < 0.995 => 2,
        p if p < 99.95 => 1,
        _ => 0,
    };
    format!("{percent:.decimals$} %")
}

/// The interval of a change in per cent, `[+2.4, +3.9]`; nothing for a point.
#[must_use]
pub fn interval(change_of: &Change) -> Option<String> {
    if change_of.low == change_of.high {
        return None;
    }
    let bound = |fraction| change(fraction).trim_end_matches(" %").to_owned();
    Some(format!("[{}, {}]", bound(change_of.low), bound(change_of.high)))
}

/// How many times the best: `1.83×`.
#[must_use]
pub fn multiple(ratio: f64) -> String {
    format!("{}×", significant(ratio, DIGITS))
}

/// The share of an allowance that is used: `155 %`, and from ten times on `12.0×`.
#[must_use]
pub fn used(fraction: f64) -> String {
    if fraction >= 10.0 { multiple(fraction) } else { format!("{:.0} %", fraction * 100.0) }
}

/// What a cell is allowed in all: the tolerance with its widening, or the absolute part where that is all there is.
#[must_use]
pub fn allowance(tolerance: &Tolerance, widened_by: f64) -> String {
    match tolerance.absolute {
        Some(absolute) if tolerance.relative + widened_by == 0.0 => bytes(absolute),
        _ => share(tolerance.relative + widened_by),
    }
}

/// All parts of a tolerance: `2.0 %`, `2.0 % + 3.0 % for days`, `2.0 % or 4.00 KiB`.
#[must_use]
pub fn tolerance(tolerance: &Tolerance, widened_by: f64) -> String {
    let mut text = share(tolerance.relative);
    if widened_by > 0.0 {
        text += &format!(" + {} for days", share(widened_by));
    }
    if let Some(absolute) = tolerance.absolute.filter(|bytes| bytes.0 > 0) {
        text += &format!(" or {}", bytes(absolute));
    }
    text
}

/// A stretch of a run, to the second: `3 min 12 s`.
#[must_use]
pub fn clock(nanos: Nanos) -> String {
    let seconds = (nanos.as_f64() / 1e9).round() as u64;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, 0) => format!("{minutes} min"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, 0, _) => format!("{hours} h"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_three_significant_digits() {
        let shown: Vec<_> = [0.0, 0.5, 4.1, 4_100.0, 18_234.0, 999_400.0, 999_600.0, 180e6, 3.2449e9, 75e9, 4000e9]
            .map(duration)
            .into();
        assert_eq!(
            shown,
            [
                "0 ns", "0.500 ns", "4.10 ns", "4.10 µs", "18.2 µs", "999 µs", "1.00 ms", "180 ms", "3.24 s", "75.0 s",
                "4000 s"
            ]
        );
        assert_eq!(duration(f64::NAN), "not finite");
        assert_eq!(duration(f64::INFINITY), "not finite");
    }

    #[test]
    fn rounding_carries_into_the_next_digit_and_unit() {
        assert_eq!(duration(9.999), "10.0 ns");
        assert_eq!(duration(99.96), "100 ns");
        assert_eq!(duration(999.96), "1.00 µs");
        assert_eq!(bytes(Bytes(1024 * 1024 - 1)), "1.00 MiB");
    }

    #[test]
    fn sizes_are_exact_below_a_kibibyte() {
        let shown = [0, 1, 1023, 1024, 10 * 1024, 1023 * 1024, 5 << 20, u64::MAX].map(|n| bytes(Bytes(n)));
        assert_eq!(shown, ["0 B", "1 B", "1023 B", "1.00 KiB", "10.0 KiB", "1023 KiB", "5.00 MiB", "16777216 TiB"]);
    }

    #[test]
    fn figures_side_by_side_are_told_apart() {
        let time = |base, head| pair(Quantity::Nanoseconds(base), Quantity::Nanoseconds(head));
        assert_eq!(time(180.0e6, 196.0e6), ("180 ms".into(), "196 ms".into()));
        assert_eq!(time(180.1e6, 180.3e6), ("180.1 ms".into(), "180.3 ms".into()));
        assert_eq!(time(180.0e6, 180.0e6), ("180 ms".into(), "180 ms".into()));
        let size = |base, head| pair(Quantity::Bytes(Bytes(base)), Quantity::Bytes(Bytes(head)));
        assert_eq!(size(1_268_120, 1_268_124), ("1,268,120 B".into(), "1,268,124 B".into()));
        assert_eq!(size(1_268_120, 2_536_240), ("1.21 MiB".into(), "2.42 MiB".into()));
    }

    #[test]
    fn counts_and_scores() {
        assert_eq!(quantity(Quantity::Count(12)), "12");
        assert_eq!(quantity(Quantity::Count(1_234_567)), "1.23 M");
        assert_eq!(quantity(Quantity::Score(1234.6)), "1235");
        assert_eq!(quantity(Quantity::Score(0.012_34)), "0.0123");
    }

    #[test]
    fn changes_carry_their_sign_and_small_ones_do_not_vanish() {
        let shown = [0.0, -0.0, 0.031, -0.004, 0.000_4, -0.000_04, 0.000_001, 0.123, 1.45, 30.0].map(change);
        assert_eq!(
            shown,
            ["0 %", "0 %", "+3.1 %", "-0.40 %", "+0.04 %", "-0.004 %", "0 %", "+12.3 %", "+145 %", "+3000 %"]
        );
        assert_eq!(change(f64::NAN), "not finite");
    }

    #[test]
    fn intervals_of_a_point_are_not_shown() {
        assert_eq!(interval(&Change { relative: 0.1, low: 0.1, high: 0.1 }), None);
        let text = interval(&Change { relative: 0.1, low: -0.004, high: 0.2 });
        assert_eq!(text.as_deref(), Some("[-0.40, +20.0]"));
    }

    #[test]
    fn tolerances_name_all_their_parts() {
        let of = |relative, absolute| Tolerance { relative, absolute };
        assert_eq!(tolerance(&of(0.02, None), 0.0), "2.0 %");
        assert_eq!(tolerance(&of(0.02, Some(Bytes(4096))), 0.03), "2.0 % + 3.0 % for days or 4.00 KiB");
        assert_eq!(allowance(&of(0.02, Some(Bytes(4096))), 0.03), "5.0 %");
        assert_eq!(allowance(&of(0.0, Some(Bytes(64))), 0.0), "64 B");
        assert_eq!(tolerance(&of(0.0, Some(Bytes(0))), 0.0), "0 %");
    }

    #[test]
    fn ratios_and_clocks() {
        assert_eq!(multiple(1.0), "1.00×");
        assert_eq!(multiple(12.345), "12.3×");
        assert_eq!([1.553, 9.99, 12.0].map(used), ["155 %", "999 %", "12.0×"]);
        let clocks = [0, 59, 60, 192, 3600, 3660].map(|seconds| clock(Nanos(seconds * 1_000_000_000)));
        assert_eq!(clocks, ["0 s", "59 s", "1 min", "3 min 12 s", "1 h", "1 h 1 min"]);
    }
}
