//! From cells to the whole: counts, the join that decides the run, and where its time went.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::findings::{Gating, Outcome, PairFailure, Spending};
use crate::model::observation::Side;
use crate::model::settings::FailOn;
use crate::model::{CellFinding, Nanos, Results, Verdict};

/// The names of all verdicts, in the order of their severity.
const VERDICTS: [&str; 8] =
    ["pass", "improved", "new", "missing", "unsupported", "inconclusive", "regressed", "broken"];

/// Gating cells by verdict; every verdict is present.
#[must_use]
pub fn counts(cells: &[CellFinding]) -> BTreeMap<String, u32> {
    let mut counts: BTreeMap<String, u32> = VERDICTS.iter().map(|name| ((*name).to_owned(), 0)).collect();
    for finding in cells.iter().filter(|finding| finding.gating == Gating::Gates) {
        *counts.entry(finding.verdict.name().to_owned()).or_default() += 1;
    }
    counts
}

/// What one verdict makes of the run if it gates. The join of two outcomes is the greater.
#[must_use]
pub fn weight(verdict: &Verdict, fail_on: &BTreeSet<FailOn>) -> Outcome {
    let fails = |on, outcome| if fail_on.contains(&on) { outcome } else { Outcome::Pass };
    match verdict {
        Verdict::Pass | Verdict::Improved | Verdict::New | Verdict::Unsupported(_) => Outcome::Pass,
        Verdict::Missing => fails(FailOn::Missing, Outcome::Inconclusive),
        Verdict::Inconclusive(_) => fails(FailOn::Inconclusive, Outcome::Inconclusive),
        Verdict::Regressed => fails(FailOn::Regressed, Outcome::Regressed),
        Verdict::Broken(_) => Outcome::Broken,
    }
}

/// The join over the gating cells; a failed launch breaks the run whatever became of its cells.
#[must_use]
pub fn outcome(cells: &[CellFinding], failures: &[PairFailure], fail_on: &BTreeSet<FailOn>) -> Outcome {
    let gating = cells.iter().filter(|finding| finding.gating == Gating::Gates);
    let worst = gating.map(|finding| weight(&finding.verdict, fail_on)).max().unwrap_or(Outcome::Pass);
    if failures.is_empty() { worst } else { worst.max(Outcome::Broken) }
}

/// What loosening makes of the run: it is for a person to decide where this revision or the base says that it fails.
#[must_use]
pub fn of_loosening(results: &Results) -> Outcome {
    let header = &results.header;
    let Some(loosening) = &header.loosening else { return Outcome::Pass };
    let fails = loosening.fails || header.settings.fail_on.contains(&FailOn::Loosened);
    if fails && !loosening.items.is_empty() { Outcome::Inconclusive } else { Outcome::Pass }
}

/// Where the run's time went, from its launches and its end.
#[must_use]
pub fn spending(results: &Results) -> Spending {
    let mut spending = Spending {
        elapsed: results.end.elapsed,
        launches: u32::try_from(results.launches.len()).unwrap_or(u32::MAX),
        ..Spending::default()
    };
    // Launches of a pair run at the same time and take turns: their wall time counts once, at the head.
    let bases: BTreeMap<_, Nanos> = results
        .launches
        .iter()
        .filter_map(|one| Some(((head_of(one.side)?, one.round, &one.sample, &one.backend), one.measuring)))
        .collect();
    for launch in results.launches.iter().filter(|launch| head_of(launch.side).is_none()) {
        let base = bases.get(&(launch.side, launch.round, &launch.sample, &launch.backend)).copied();
        let measuring = launch.measuring.0.saturating_add(base.unwrap_or_default().0);
        spending.measuring = Nanos(spending.measuring.0.saturating_add(measuring));
        spending.workers = Nanos(spending.workers.0.saturating_add(launch.duration.0.saturating_sub(measuring)));
    }
    spending
}

/// The side that a base takes turns with; nothing for a head.
fn head_of(side: Side) -> Option<Side> {
    match side {
        Side::Base => Some(Side::Head),
        Side::ControlBase => Some(Side::ControlHead),
        Side::Head | Side::ControlHead => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::pair::blank;
    use super::*;
    use crate::model::verdict::InconclusiveReason;
    use crate::model::{BackendId, Failure, FailureKind, Metric, SampleId, Stage};

    fn cell(verdict: Verdict, gating: Gating) -> CellFinding {
        let (sample, backend) = (SampleId::new("a").unwrap(), BackendId::new("b").unwrap());
        CellFinding { verdict, gating, ..blank((&sample, &backend), Stage::Compile, Metric::Time) }
    }

    fn broken() -> Verdict {
        Verdict::Broken(Failure { stage: None, kind: FailureKind::Flood, detail: String::new() })
    }

    #[test]
    fn the_worst_gating_cell_decides() {
        let fail_on = BTreeSet::from([FailOn::Regressed]);
        let join = |verdicts: Vec<Verdict>| {
            let cells: Vec<_> = verdicts.into_iter().map(|verdict| cell(verdict, Gating::Gates)).collect();
            outcome(&cells, &[], &fail_on)
        };
        let open = || Verdict::Inconclusive(InconclusiveReason::NotConfirmed);
        assert_eq!(join(vec![Verdict::Pass, Verdict::Missing, open(), Verdict::New]), Outcome::Pass);
        assert_eq!(join(vec![Verdict::Pass, Verdict::Regressed, open()]), Outcome::Regressed);
        assert_eq!(join(vec![broken(), Verdict::Regressed]), Outcome::Broken);
        assert_eq!(weight(&open(), &BTreeSet::from([FailOn::Inconclusive])), Outcome::Inconclusive);
        assert_eq!(weight(&Verdict::Missing, &BTreeSet::from([FailOn::Missing])), Outcome::Inconclusive);
        assert_eq!(weight(&Verdict::Regressed, &BTreeSet::new()), Outcome::Pass);
    }

    #[test]
    fn what_only_advises_is_neither_counted_nor_fails() {
        let cells = [
            cell(Verdict::Regressed, Gating::Advisory("another runner".to_owned())),
            cell(Verdict::Pass, Gating::Information),
            cell(Verdict::New, Gating::Gates),
        ];
        assert_eq!(outcome(&cells, &[], &BTreeSet::from([FailOn::Regressed])), Outcome::Pass);
        let counts = counts(&cells);
        assert_eq!((counts.len(), counts["new"], counts["regressed"], counts["pass"]), (8, 1, 0, 0));
        assert!(counts.contains_key(broken().name()));
    }
}
