//! Percentages, durations and sizes as people write them. Pure; every error says what to write instead.

use std::num::NonZeroU64;
use std::time::Duration;

use crate::model::{Bytes, Nanos};

use super::problem::escaped;

/// Largest percentage accepted, in percent: ten times the baseline is no gate any more, and more is a slip of the keyboard.
const MAX_PERCENT: f64 = 1000.0;

/// Reads `5%` or `0.5 %` as a fraction (0.05, 0.005).
pub(super) fn percent(text: &str) -> Result<f64, String> {
    percentage(text, "a tolerance")
}

/// As [`percent`], of something that is called `what` when it is wrong.
pub(super) fn percentage(text: &str, what: &str) -> Result<f64, String> {
    let bad = |why: &str| format!("`{}` is not {what}: {why}; write a percentage such as 5% or 0.5 %", escaped(text));
    let number = text.trim().strip_suffix('%').ok_or_else(|| bad("it has no percent sign"))?.trim_end();
    // Written out rather than `f64::from_str` alone, which takes `inf`, `nan` and `1e9` too.
    if !number.chars().all(|c| c.is_ascii_digit() || "+-.".contains(c)) {
        return Err(bad("it is not a plain number"));
    }
    let value: f64 = number.parse().map_err(|_| bad("it is not a plain number"))?;
    match value {
        v if v < 0.0 => Err(bad("it is negative")),
        v if v > MAX_PERCENT => Err(bad("it is more than 1000 %")),
        v => Ok(v / 100.0),
    }
}

/// Reads `2m`, `90s` or `1h 30m`.
pub(super) fn duration(text: &str) -> Result<Nanos, String> {
    let bad = |why: &str| format!("`{}` is not a duration: {why}; write one such as 90s or 5m", escaped(text));
    let duration = humantime::parse_duration(text.trim()).map_err(|error| bad(&escaped(&error.to_string())))?;
    if duration == Duration::ZERO { Err(bad("it must be longer than nothing")) } else { Ok(Nanos::from(duration)) }
}

/// Reads `4 GiB`, `1.5 MiB`, `512 KiB` or `100 B`.
pub(super) fn bytes(text: &str) -> Result<Bytes, String> {
    const UNITS: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];
    let bad =
        |why: &str| format!("`{}` is not a size: {why}; write one such as 512 KiB, 1 MiB or 4 GiB", escaped(text));
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = (&text[..end], text[end..].trim_start());
    let Some((_, unit)) = UNITS.iter().find(|(name, _)| *name == unit) else {
        return Err(bad("its unit is not one of B, KiB, MiB and GiB"));
    };
    let value: f64 = number.parse().map_err(|_| bad("it is not a plain number"))?;
    let size = value * *unit as f64;
    // The largest whole number that a float holds exactly: 8 PiB.
    if size > 9_007_199_254_740_992.0 { Err(bad("it is too large")) } else { Ok(Bytes(size.round() as u64)) }
}

/// A size that is not zero, for limits.
pub(super) fn some_bytes(text: &str) -> Result<Bytes, String> {
    let size = bytes(text)?;
    NonZeroU64::new(size.0)
        .map(|_| size)
        .ok_or_else(|| format!("`{}` leaves no memory at all; write a size such as 4 GiB", escaped(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_is_read() {
        assert_eq!(percent("5%"), Ok(0.05));
        assert_eq!(percent(" 0.5 % "), Ok(0.005));
        assert_eq!(percent("0%"), Ok(0.0));
        assert_eq!(percent("1000%"), Ok(10.0));
        assert_eq!(duration("1h 30m"), Ok(Nanos(5_400_000_000_000)));
        assert_eq!(bytes("4 GiB"), Ok(Bytes(4 << 30)));
        assert_eq!(bytes("1.5MiB"), Ok(Bytes(3 << 19)));
        assert_eq!(bytes("100 B"), Ok(Bytes(100)));
        assert_eq!(bytes("0 B"), Ok(Bytes(0)));
    }

    #[test]
    fn everything_else_is_refused() {
        for bad in ["", "5", "%", "-1%", "nan%", "inf%", "1e1%", "1000.1%", "5%%", "five%", "."] {
            assert!(percent(bad).is_err(), "{bad}");
        }
        for bad in ["", "5", "0s", "-5m", "5 bananas", "18446744073709551616s"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
        for bad in ["", "5", "B", "-1 B", "1e3 B", "4 GB", "1.2.3 MiB", "99999999999 GiB"] {
            assert!(bytes(bad).is_err(), "{bad}");
        }
        assert!(some_bytes("0 GiB").is_err());
    }

    #[test]
    fn errors_say_what_to_write() {
        assert_eq!(
            percent("5").unwrap_err(),
            "`5` is not a tolerance: it has no percent sign; write a percentage such as 5% or 0.5 %"
        );
        assert_eq!(
            duration("5\n").unwrap_err(),
            "`5\\n` is not a duration: time unit needed, for example 5sec or 5ms; write one such as 90s or 5m"
        );
        assert_eq!(
            bytes("4 GB").unwrap_err(),
            "`4 GB` is not a size: its unit is not one of B, KiB, MiB and GiB; write one such as 512 KiB, 1 MiB or 4 GiB"
        );
    }
}
