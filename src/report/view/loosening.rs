//! What a revision allows that its base did not, in a list that a reader cannot overlook.

use super::{Listed, TEXT_LENGTH, base, bounded, plural};
use crate::model::Results;
use crate::model::loosening::{Kind, Loosened};
use crate::report::units;

/// Lines before the rest is counted.
const MOST_LINES: usize = 40;

/// How much is loosened.
pub(super) fn count(results: &Results) -> usize {
    results.header.loosening.as_ref().map_or(0, |loosening| loosening.items.len())
}

/// The list; nothing where nothing is loosened.
pub(super) fn listed(results: &Results) -> Option<Listed> {
    let items = &results.header.loosening.as_ref()?.items;
    if items.is_empty() {
        return None;
    }
    let of = results.header.base.as_ref().map_or_else(|| "the base".to_owned(), |base| base::name(&base.kind));
    let title = format!("Loosened: {} less strict here than in {of}", plural(items.len(), "rule"));
    let mut lines: Vec<String> = items.iter().take(MOST_LINES).map(line).collect();
    if items.len() > lines.len() {
        lines.push(format!("and {} more, all of them in results.json", items.len() - lines.len()));
    }
    if base::unchanged(results).is_some() {
        lines.push("nothing was measured in this run, so what that lets pass is not known".to_owned());
    }
    Some(Listed { title, lines })
}

fn line(item: &Loosened) -> String {
    let [subject, from, to] = [&item.subject, &item.from, &item.to].map(|text| bounded(text, TEXT_LENGTH));
    let by = item.by.filter(|by| by.is_finite()).map(|by| format!(" ({})", units::change(by))).unwrap_or_default();
    let what = match item.kind {
        Kind::Tolerance => "tolerance of ",
        Kind::Entry => "baseline of ",
        Kind::FailOn
        | Kind::Backend
        | Kind::Sample
        | Kind::Tier
        | Kind::Run
        | Kind::Removed
        | Kind::Times
        | Kind::Noise
        | Kind::LayoutAllowance
        | Kind::Limit => "",
    };
    let reason = match (&item.reason, item.kind) {
        (Some(reason), _) => format!("; reason: {}", bounded(reason, TEXT_LENGTH)),
        (None, Kind::Entry | Kind::Removed | Kind::Times) => "; no reason recorded".to_owned(),
        (None, _) => String::new(),
    };
    format!("{what}{subject}: {from} → {to}{by}{reason}")
}
