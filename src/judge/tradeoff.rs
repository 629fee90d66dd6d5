//! How the backends stand to each other: geometric means over the samples that all of them measured, as ratios to the best.

use std::collections::{BTreeMap, BTreeSet};

use super::kernels::geometric_mean;
use crate::model::findings::{Quantity, TradeOff};
use crate::model::{BackendId, CellFinding, Metric, SampleId, Stage};

type Figures<'f> = BTreeMap<&'f BackendId, BTreeMap<&'f SampleId, f64>>;

/// The trade-off of the backends that measured a compile; empty with fewer than two, and where no sample is common to all.
/// Each column is over those of the common samples for which every backend has it.
#[must_use]
pub fn tradeoffs(cells: &[CellFinding]) -> Vec<TradeOff> {
    let compile = figures(cells, Stage::Compile, Metric::Time);
    let common = common(&compile, &compile);
    if compile.len() < 2 || common.is_empty() {
        return Vec::new();
    }
    let column = |stage, metric| column(&figures(cells, stage, metric), &compile, &common);
    let times = column(Stage::Compile, Metric::Time);
    let sizes = column(Stage::Serialize, Metric::Size);
    let memories = column(Stage::Compile, Metric::Memory);
    let executes = column(Stage::Execute, Metric::Time);
    compile
        .keys()
        .map(|backend| TradeOff {
            backend: (*backend).clone(),
            samples: u32::try_from(common.len()).unwrap_or(u32::MAX),
            compile: times.get(backend).copied(),
            size: sizes.get(backend).copied(),
            memory: memories.get(backend).copied(),
            execute: executes.get(backend).copied(),
        })
        .collect()
}

/// What each backend measured; figures of zero have no place in a geometric mean and are left out.
fn figures(cells: &[CellFinding], stage: Stage, metric: Metric) -> Figures<'_> {
    let mut figures: Figures<'_> = BTreeMap::new();
    for finding in cells.iter().filter(|one| one.cell.stage == stage && one.cell.metric == metric) {
        let value = match finding.head {
            Some(Quantity::Nanoseconds(nanos)) => nanos,
            Some(Quantity::Bytes(bytes)) => bytes.as_f64(),
            Some(Quantity::Count(_) | Quantity::Score(_)) | None => continue,
        };
        if value.is_finite() && value > 0.0 {
            figures.entry(&finding.cell.backend).or_default().insert(&finding.cell.sample, value);
        }
    }
    figures
}

/// Samples for which every one of `backends` has a figure.
fn common<'f>(figures: &Figures<'f>, backends: &Figures<'f>) -> BTreeSet<&'f SampleId> {
    let of = |backend| -> BTreeSet<&'f SampleId> {
        figures.get(backend).map(|samples| samples.keys().copied().collect()).unwrap_or_default()
    };
    backends.keys().map(|backend| of(*backend)).reduce(|a, b| &a & &b).unwrap_or_default()
}

fn column<'f>(
    figures: &Figures<'f>,
    backends: &Figures<'f>,
    samples: &BTreeSet<&'f SampleId>,
) -> BTreeMap<&'f BackendId, f64> {
    let samples = &common(figures, backends) & samples;
    let mut means = BTreeMap::new();
    for (backend, own) in figures.iter().filter(|(backend, _)| backends.contains_key(*backend)) {
        let values: Vec<f64> = samples.iter().filter_map(|sample| own.get(sample).copied()).collect();
        if let Ok(mean) = geometric_mean(&values) {
            means.insert(*backend, mean);
        }
    }
    let best = means.values().copied().fold(f64::INFINITY, f64::min);
    means.into_iter().map(|(backend, mean)| (backend, mean / best)).filter(|(_, ratio)| ratio.is_finite()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::pair::blank;
    use super::*;
    use crate::model::Bytes;

    fn cell(sample: &str, backend: &str, stage: Stage, metric: Metric, head: Quantity) -> CellFinding {
        let (sample, backend) = (SampleId::new(sample).unwrap(), BackendId::new(backend).unwrap());
        CellFinding { head: Some(head), ..blank((&sample, &backend), stage, metric) }
    }

    fn compile(sample: &str, backend: &str, nanos: f64) -> CellFinding {
        cell(sample, backend, Stage::Compile, Metric::Time, Quantity::Nanoseconds(nanos))
    }

    #[test]
    fn ratios_to_the_best_over_common_samples() {
        let cells = [
            compile("a", "llvm", 800.0),
            compile("b", "llvm", 200.0),
            compile("a", "singlepass", 10.0),
            compile("b", "singlepass", 40.0),
            compile("only-llvm", "llvm", 1e9),
            cell("a", "llvm", Stage::Serialize, Metric::Size, Quantity::Bytes(Bytes(100))),
            cell("a", "singlepass", Stage::Serialize, Metric::Size, Quantity::Bytes(Bytes(300))),
            cell("b", "llvm", Stage::Execute, Metric::Time, Quantity::Nanoseconds(1.0)),
        ];
        let found = tradeoffs(&cells);
        let [llvm, singlepass] = found.as_slice() else { panic!("{found:?}") };
        // Geometric means of 800 and 200, and of 10 and 40: 400 and 20.
        assert!((llvm.compile.unwrap() - 20.0).abs() < 1e-9);
        assert!((singlepass.compile.unwrap() - 1.0).abs() < 1e-12);
        assert_eq!((llvm.samples, llvm.size, llvm.execute), (2, Some(1.0), None));
        assert!((singlepass.size.unwrap() - 3.0).abs() < 1e-9);
    }

    #[test]
    fn one_backend_has_nothing_to_trade() {
        assert!(tradeoffs(&[compile("a", "llvm", 1.0)]).is_empty());
        assert!(tradeoffs(&[compile("a", "llvm", 1.0), compile("b", "singlepass", 1.0)]).is_empty());
    }
}
