//! Sums of stages that a user lives with. Shown, never judged: their parts are.

use super::pair::blank;
use crate::model::findings::{Against, Change, Gating, Quantity};
use crate::model::{CellFinding, Metric, Stage, StageKind, Verdict};

/// The composites of one pair, from its time cells; absent where a part is absent or broken.
#[must_use]
pub fn cells(pair: &[&CellFinding]) -> Vec<CellFinding> {
    Stage::ALL
        .iter()
        .filter_map(|stage| match stage.kind() {
            StageKind::Composite(parts) => sum(*stage, parts, pair),
            StageKind::Gating | StageKind::Information => None,
        })
        .collect()
}

fn sum(stage: Stage, parts: &[Stage], pair: &[&CellFinding]) -> Option<CellFinding> {
    let cells: Vec<&CellFinding> = parts
        .iter()
        .map(|part| pair.iter().find(|one| one.cell.stage == *part && one.cell.metric == Metric::Time).copied())
        .collect::<Option<_>>()?;
    let first = cells.first()?;
    if cells.iter().any(|part| matches!(part.verdict, Verdict::Broken(_))) {
        return None;
    }
    let total = |figure: fn(&CellFinding) -> Option<Quantity>| -> Option<f64> {
        let nanos: Option<Vec<f64>> = cells
            .iter()
            .map(|part| match figure(part) {
                Some(Quantity::Nanoseconds(nanos)) => Some(nanos),
                _ => None,
            })
            .collect();
        nanos.map(|nanos| nanos.iter().sum::<f64>()).filter(|sum| sum.is_finite() && *sum > 0.0)
    };
    let mut composite = blank((&first.cell.sample, &first.cell.backend), stage, Metric::Time);
    let head = total(|part| part.head)?;
    let base = total(|part| part.base);
    composite.gating = Gating::Information;
    // A sum of parts that were compared with different things is one against the baseline, which all of them have.
    if cells.iter().all(|part| part.against == Against::Base) {
        composite.against = Against::Base;
    }
    composite.head = Some(Quantity::Nanoseconds(head));
    composite.base = base.map(Quantity::Nanoseconds);
    composite.change = base.and_then(|base| change(base, head, &cells));
    composite.launches = cells.iter().map(|part| part.launches).min().unwrap_or(0);
    Some(composite)
}

/// The change of the sum, with the bounds that it has if all parts are at theirs at once: never narrower than the truth,
/// however the parts depend on each other.
fn change(base: f64, head: f64, parts: &[&CellFinding]) -> Option<Change> {
    let bound = |bound: fn(&Change) -> f64| -> Option<f64> {
        let sum: Option<f64> = parts
            .iter()
            .map(|part| match (part.base, &part.change) {
                (Some(Quantity::Nanoseconds(nanos)), Some(change)) => Some(nanos * (1.0 + bound(change))),
                _ => None,
            })
            .sum();
        sum.map(|sum| sum / base - 1.0).filter(|share| share.is_finite())
    };
    let relative = Some(head / base - 1.0).filter(|share| share.is_finite())?;
    Some(Change { relative, low: bound(|change| change.low)?, high: bound(|change| change.high)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{BackendId, SampleId};

    fn part(stage: Stage, base: f64, head: f64) -> CellFinding {
        let (sample, backend) = (SampleId::new("a").unwrap(), BackendId::new("b").unwrap());
        let mut part = blank((&sample, &backend), stage, Metric::Time);
        let relative = head / base - 1.0;
        part.base = Some(Quantity::Nanoseconds(base));
        part.head = Some(Quantity::Nanoseconds(head));
        part.change = Some(Change { relative, low: relative - 0.01, high: relative + 0.01 });
        part.launches = 5;
        part
    }

    #[test]
    fn a_composite_is_the_sum_of_its_parts() {
        let parts = [
            part(Stage::Validate, 100.0, 110.0),
            part(Stage::Compile, 800.0, 810.0),
            part(Stage::Serialize, 100.0, 100.0),
        ];
        let found = cells(&parts.iter().collect::<Vec<_>>());
        let [aot] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!(
            (aot.cell.stage, &aot.gating, &aot.verdict),
            (Stage::AotCompile, &Gating::Information, &Verdict::Pass)
        );
        assert_eq!(aot.head, Some(Quantity::Nanoseconds(1020.0)));
        assert_eq!(aot.base, Some(Quantity::Nanoseconds(1000.0)));
        let change = aot.change.unwrap();
        assert!((change.relative - 0.02).abs() < 1e-12 && (change.low - 0.01).abs() < 1e-12, "{change:?}");
        assert_eq!((aot.launches, &aot.tolerance), (5, &None));
    }

    #[test]
    fn a_part_without_a_figure_or_base_leaves_out_what_needs_it() {
        let mut parts =
            [part(Stage::Validate, 100.0, 110.0), part(Stage::Compile, 800.0, 810.0), part(Stage::Serialize, 1.0, 1.0)];
        parts[1].base = None;
        let found = cells(&parts.iter().collect::<Vec<_>>());
        assert_eq!((found.len(), found[0].base, found[0].change), (1, None, None));
        parts[1].head = None;
        assert!(cells(&parts.iter().collect::<Vec<_>>()).is_empty());
    }
}
