//! What baselines allow that those of the base revision did not.
//!
//! A pure function of parsed baselines. Improvements and new entries are no matter here; whatever cannot be compared with what it was is
//! told, because it may hide anything.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use super::entry::{allowance, describe, is_ratio};
use super::error::clean;
use crate::model::baseline::{Baseline, BaselineKey, Entry, TimeReference};
use crate::model::loosening::{Kind, Loosened};
use crate::model::{BackendId, SampleId};

type Baselines = BTreeMap<BackendId, Baseline>;

/// What is looser in `head` than in `base`, by backend and cell.
#[must_use]
pub fn loosened(base: &Baselines, head: &Baselines) -> Vec<Loosened> {
    let mut items = Vec::new();
    for (backend, old) in base {
        match head.get(backend) {
            Some(new) => items.extend(of_backend(backend, old, new)),
            None => items.push(item(
                Kind::Removed,
                format!("the baseline of {backend}"),
                entries(old.cells.len()),
                "no file".to_owned(),
            )),
        }
    }
    items
}

/// Samples on backends for which something else is committed than at the base revision, looser or stricter.
#[must_use]
pub fn edited(base: &Baselines, head: &Baselines) -> BTreeSet<(SampleId, BackendId)> {
    let mut edited = BTreeSet::new();
    for backend in base.keys().chain(head.keys()) {
        let cells = |side: &'_ Baselines| side.get(backend).map(|baseline| baseline.cells.clone()).unwrap_or_default();
        let (old, new) = (cells(base), cells(head));
        let differ = old.keys().chain(new.keys()).filter(|key| old.get(*key) != new.get(*key));
        edited.extend(differ.map(|key| (key.sample.clone(), backend.clone())));
    }
    edited
}

fn of_backend(backend: &BackendId, old: &Baseline, new: &Baseline) -> Vec<Loosened> {
    let reason = reason(old, new);
    let mut items = removed(backend, old, new);
    let comparable = old.runner == new.runner && old.reference == new.reference;
    if !comparable && old.cells.values().any(is_ratio) {
        items.push(item(Kind::Times, format!("times of {backend}"), origin(old), origin(new)));
    }
    for (key, entry) in &old.cells {
        let Some(now) = new.cells.get(key) else { continue };
        if comparable || !(is_ratio(entry) && is_ratio(now)) {
            items.extend(of_entry(backend, key, entry, now));
        }
    }
    items.iter_mut().for_each(|item| item.reason.clone_from(&reason));
    items
}

/// Why a baseline changed, as the updates say that are not in the old file.
#[must_use]
pub fn reason(old: &Baseline, new: &Baseline) -> Option<String> {
    let fresh = new.changes.iter().filter(|change| !old.changes.contains(change));
    let reasons: BTreeSet<&str> = fresh.filter_map(|change| change.reason.as_deref()).collect();
    (!reasons.is_empty()).then(|| reasons.into_iter().collect::<Vec<_>>().join("; "))
}

fn item(kind: Kind, subject: String, from: String, to: String) -> Loosened {
    Loosened { kind, subject, from, to, by: None, reason: None }
}

fn entries(count: usize) -> String {
    if count == 1 { "1 entry".to_owned() } else { format!("{count} entries") }
}

/// What ratios are of, in plain words.
fn origin(baseline: &Baseline) -> String {
    let reference = match &baseline.reference {
        TimeReference::Yardstick { version } => format!("the yardstick, version {version}"),
        TimeReference::Worker { sha256 } => {
            format!("the worker {}", clean(&sha256.chars().take(12).collect::<String>()))
        }
    };
    format!("ratios to {reference}, on {}", clean(&baseline.runner.to_string()))
}

/// Entries that are gone: one by one, or a sample at a time where all of them are.
fn removed(backend: &BackendId, old: &Baseline, new: &Baseline) -> Vec<Loosened> {
    let mut gone: BTreeMap<&SampleId, Vec<&BaselineKey>> = BTreeMap::new();
    for key in old.cells.keys().filter(|key| !new.cells.contains_key(*key)) {
        gone.entry(&key.sample).or_default().push(key);
    }
    let nothing = || "nothing".to_owned();
    let mut items = Vec::new();
    for (sample, keys) in gone {
        if new.cells.keys().any(|key| key.sample == *sample) {
            let one = |key: &&BaselineKey| {
                let from = old.cells.get(*key).map(describe).unwrap_or_default();
                item(Kind::Removed, format!("{key} on {backend}"), from, nothing())
            };
            items.extend(keys.iter().map(one));
        } else {
            items.push(item(Kind::Removed, format!("{sample} on {backend}"), entries(keys.len()), nothing()));
        }
    }
    items
}

/// An entry that allows more. A ratio that is as it was allows more where it is said to be known less well.
fn of_entry(backend: &BackendId, key: &BaselineKey, old: &Entry, new: &Entry) -> Option<Loosened> {
    let subject = format!("{key} on {backend}");
    match allowance(old, new) {
        Ordering::Greater => {
            let by = figure(old).zip(figure(new)).filter(|(old, _)| *old > 0.0).map(|(old, new)| new / old - 1.0);
            Some(Loosened { by, ..item(Kind::Entry, subject, describe(old), describe(new)) })
        }
        Ordering::Less => None,
        Ordering::Equal => {
            let (old, new) = (certainty(old)?, certainty(new)?);
            let text = |(deviation, launches): (f64, u32)| format!("deviation {deviation} of {launches} launches");
            (new.0 > old.0 || new.1 < old.1).then(|| item(Kind::Noise, subject, text(old), text(new)))
        }
    }
}

fn figure(entry: &Entry) -> Option<f64> {
    match entry {
        Entry::Time { ratio, .. } | Entry::Score { ratio, .. } => Some(*ratio),
        Entry::Bytes(bytes) => Some(bytes.as_f64()),
        Entry::Count(count) => Some(*count as f64),
        Entry::Unsupported(_) => None,
    }
}

fn certainty(entry: &Entry) -> Option<(f64, u32)> {
    match entry {
        Entry::Time { deviation, launches, .. } | Entry::Score { deviation, launches, .. } => {
            Some((*deviation, *launches))
        }
        Entry::Bytes(_) | Entry::Count(_) | Entry::Unsupported(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baseline::testing::{change, example, key, time};
    use crate::model::Bytes;
    use crate::model::baseline::Scatter;

    fn side(baseline: Baseline) -> Baselines {
        [(baseline.backend.clone(), baseline)].into()
    }

    /// What an edit of the example loosens: kind, subject, from, to.
    fn after(edit: impl FnOnce(&mut Baseline)) -> Vec<(Kind, String, String, String)> {
        let mut head = example();
        edit(&mut head);
        let items = loosened(&side(example()), &side(head));
        items.into_iter().map(|item| (item.kind, item.subject, item.from, item.to)).collect()
    }

    fn set(name: &'static str, entry: Entry) -> impl FnOnce(&mut Baseline) {
        move |head| drop(head.cells.insert(key(name), entry))
    }

    fn one(kind: Kind, subject: &str, from: &str, to: &str) -> Vec<(Kind, String, String, String)> {
        vec![(kind, subject.to_owned(), from.to_owned(), to.to_owned())]
    }

    #[test]
    fn what_is_the_same_stricter_or_new_is_no_loosening() {
        assert_eq!(after(|_| {}), []);
        assert_eq!(after(set("fibonacci/serialize/size", Entry::Bytes(Bytes(4241)))), []);
        assert_eq!(after(set("fibonacci/compile/time", time(1.4))), []);
        assert_eq!(after(set("fibonacci/execute/score", Entry::Score { ratio: 2.6, deviation: 0.0, launches: 1 })), []);
        assert_eq!(after(set("new/serialize/size", Entry::Bytes(Bytes(9)))), []);
        assert_eq!(after(set("matmul-simd/compile/time", time(1.0))), []);
        assert_eq!(loosened(&Baselines::new(), &side(example())), []);
    }

    #[test]
    fn raised_entries_are_told_with_both_figures() {
        assert_eq!(
            after(set("fibonacci/serialize/size", Entry::Bytes(Bytes(4300)))),
            one(Kind::Entry, "fibonacci/serialize/size on cranelift", "4242 bytes", "4300 bytes")
        );
        assert_eq!(
            after(set("fibonacci/execute/score", Entry::Score { ratio: 2.4, deviation: 0.0, launches: 1 })),
            one(Kind::Entry, "fibonacci/execute/score on cranelift", "score ratio 2.5", "score ratio 2.4")
        );
        assert_eq!(
            after(set("zlib/compile/time", Entry::Unsupported("no".to_owned()))),
            one(Kind::Entry, "zlib/compile/time on cranelift", "time ratio 3.25", "unsupported (no)")
        );
        let mut head = example();
        set("fibonacci/serialize/size", Entry::Bytes(Bytes(8484)))(&mut head);
        head.changes.push(change("2026-12-01", Some("the inliner grew")));
        let items = loosened(&side(example()), &side(head));
        assert_eq!((items[0].by, items[0].reason.as_deref()), (Some(1.0), Some("the inliner grew")));
    }

    #[test]
    fn removed_entries_are_told_by_cell_and_whole_samples_at_once() {
        assert_eq!(
            after(|head| drop(head.cells.remove(&key("zlib/serialize/size")))),
            one(Kind::Removed, "zlib/serialize/size on cranelift", "99000 bytes", "nothing")
        );
        assert_eq!(
            after(|head| head.cells.retain(|key, _| key.sample.as_str() != "fibonacci")),
            one(Kind::Removed, "fibonacci on cranelift", "6 entries", "nothing")
        );
        let items = loosened(&side(example()), &Baselines::new());
        assert_eq!((items.len(), items[0].from.as_str()), (1, "9 entries"));
        assert_eq!(items[0].subject, "the baseline of cranelift");
    }

    #[test]
    fn a_ratio_that_is_said_to_be_less_sure_is_looser() {
        let less_sure = Entry::Time { ratio: 1.5, deviation: 0.5, launches: 5 };
        let found = after(set("fibonacci/compile/time", less_sure));
        let from = "deviation 0.012 of 5 launches";
        assert_eq!(found, one(Kind::Noise, "fibonacci/compile/time on cranelift", from, "deviation 0.5 of 5 launches"));
    }

    #[test]
    fn ratios_of_another_runner_or_reference_cannot_be_compared() {
        let found = after(|head| {
            head.runner.cpu = "Other\u{1b}".to_owned();
            set("fibonacci/compile/time", time(100.0))(head);
            set("fibonacci/serialize/size", Entry::Bytes(Bytes(5000)))(head);
        });
        let kinds: Vec<_> = found.iter().map(|item| item.0).collect();
        assert_eq!(kinds, [Kind::Times, Kind::Entry], "sizes can: {found:?}");
        assert!(found[0].3.ends_with("on x86_64-linux Other\\u{1b}"), "{found:?}");
        let worker = TimeReference::Worker { sha256: "ab".repeat(32) };
        let found = after(|head| head.reference = worker);
        assert_eq!(found[0].3, "ratios to the worker abababababab, on x86_64-linux Intel(R) Xeon(R) Processor");
    }

    #[test]
    fn whatever_is_committed_differently_is_edited() {
        let mut head = example();
        set("zlib/serialize/size", Entry::Bytes(Bytes(1)))(&mut head);
        head.cells.remove(&key("matmul-simd/compile/time"));
        head.scatter.insert(crate::model::Stage::Compile, Scatter { deviation: 0.1, freedom: 1 });
        let names = |edited: BTreeSet<(SampleId, BackendId)>| -> Vec<String> {
            edited.into_iter().map(|(sample, backend)| format!("{sample} {backend}")).collect()
        };
        let (old, new) = (side(example()), side(head));
        assert_eq!(names(edited(&old, &new)), ["matmul-simd cranelift", "zlib cranelift"]);
        assert_eq!(names(edited(&old, &old)), [""; 0]);
        assert_eq!(edited(&Baselines::new(), &old).len(), 3);
    }
}
