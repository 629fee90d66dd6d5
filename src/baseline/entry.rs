//! What one entry of a baseline allows, compared with another, and how that reads.
//!
//! Pure functions of entries. Knows nothing of runs, verdicts or files.

use std::cmp::Ordering;

use crate::model::baseline::Entry;
use crate::model::stage::Metric;

use super::error::clean;

/// Whether the entry is a ratio to a reference, and so bound to a runner class.
pub fn is_ratio(entry: &Entry) -> bool {
    matches!(entry, Entry::Time { .. } | Entry::Score { .. })
}

/// Whether there is an entry and it says that the backend cannot do the stage.
pub fn is_unsupported(entry: Option<&Entry>) -> bool {
    matches!(entry, Some(Entry::Unsupported(_)))
}

/// Why an entry cannot stand in a baseline for this metric, if it cannot.
pub fn unfit(metric: Metric, entry: &Entry) -> Option<String> {
    let fits = matches!(
        (metric, entry),
        (Metric::Time, Entry::Time { .. } | Entry::Unsupported(_))
            | (Metric::Score, Entry::Score { .. })
            | (Metric::Size | Metric::Memory, Entry::Bytes(_))
            | (Metric::Instructions, Entry::Count(_))
    );
    if !fits {
        return Some(format!("what was measured is no entry for `{metric}`"));
    }
    match entry {
        Entry::Time { ratio, deviation, launches } | Entry::Score { ratio, deviation, launches } => {
            let sound =
                ratio.is_finite() && *ratio > 0.0 && deviation.is_finite() && *deviation >= 0.0 && *launches > 0;
            (!sound).then(|| {
                format!("what was measured is not usable: ratio {ratio}, deviation {deviation}, {launches} launches")
            })
        }
        Entry::Bytes(_) | Entry::Count(_) | Entry::Unsupported(_) => None,
    }
}

/// Whether `new` allows more than `old` (greater), less, or the same.
pub fn allowance(old: &Entry, new: &Entry) -> Ordering {
    match (old, new) {
        (Entry::Unsupported(_), Entry::Unsupported(_)) => Ordering::Equal,
        (Entry::Unsupported(_), _) => Ordering::Less,
        (Entry::Time { ratio: old, .. }, Entry::Time { ratio: new, .. }) => new.total_cmp(old),
        (Entry::Score { ratio: old, .. }, Entry::Score { ratio: new, .. }) => old.total_cmp(new),
        (Entry::Bytes(old), Entry::Bytes(new)) => new.cmp(old),
        (Entry::Count(old), Entry::Count(new)) => new.cmp(old),
        // To be unsupported allows everything, and so does a figure that is not comparable.
        _ => Ordering::Greater,
    }
}

/// What an entry allows, in plain words.
pub fn describe(entry: &Entry) -> String {
    match entry {
        Entry::Time { ratio, .. } => format!("time ratio {ratio}"),
        Entry::Score { ratio, .. } => format!("score ratio {ratio}"),
        Entry::Bytes(bytes) => format!("{} bytes", bytes.0),
        Entry::Count(count) => format!("{count} instructions"),
        Entry::Unsupported(reason) => format!("unsupported ({})", clean(reason)),
    }
}

/// How an entry changes, in plain words; `comparable` where a percentage between the two means something.
pub fn difference(old: &Entry, new: &Entry, comparable: bool) -> String {
    let figure = |entry: &Entry| match entry {
        Entry::Time { ratio, .. } | Entry::Score { ratio, .. } => Some(*ratio),
        Entry::Bytes(bytes) => Some(bytes.as_f64()),
        Entry::Count(count) => Some(*count as f64),
        Entry::Unsupported(_) => None,
    };
    let mut text = format!("{} → {}", describe(old), describe(new));
    if !comparable {
        text.push_str(" (on another runner class or reference)");
    } else if let (Some(old), Some(new)) = (figure(old), figure(new))
        && old > 0.0
    {
        text += &format!(" ({:+.2} %)", (new / old - 1.0) * 100.0);
    }
    text
}
