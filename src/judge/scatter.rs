//! How far pairs of launches scatter in a run: what later runs shrink their own deviations towards.

use std::collections::BTreeMap;

use super::against_base;
use super::context::Pair;
use super::kernels::{KernelError, winsorised};
use super::paired;
use crate::model::baseline::Scatter;
use crate::model::{BackendId, SampleId, Stage, StageKind};

/// The deviation of pairs of launches about their cell's own centre, pooled over the cells of a stage on a backend:
/// `√(Σ dᵢ·sᵢ² / Σ dᵢ)`, where `sᵢ` is the winsorised deviation of a cell and `dᵢ` its degrees of freedom. Whatever the cells'
/// changes are, they do not matter: each cell has its own centre. Stages without two pairs in any cell are absent.
#[must_use]
pub fn observed(pairs: &BTreeMap<(SampleId, BackendId), Pair<'_>>) -> BTreeMap<BackendId, BTreeMap<Stage, Scatter>> {
    let mut sums: BTreeMap<(&BackendId, Stage), (f64, f64)> = BTreeMap::new();
    for pair in pairs.values().filter(|pair| !pair.duels.is_empty()) {
        let stages = pair.stages.iter().copied().filter(|stage| matches!(stage.kind(), StageKind::Gating));
        for stage in stages {
            if let Ok((square, freedom)) = of_cell(pair, stage) {
                let sum = sums.entry((pair.backend, stage)).or_default();
                sum.0 += square * freedom;
                sum.1 += freedom;
            }
        }
    }
    let mut scatter: BTreeMap<BackendId, BTreeMap<Stage, Scatter>> = BTreeMap::new();
    for ((backend, stage), (squares, freedom)) in sums {
        let deviation = (squares / freedom).sqrt();
        if deviation.is_finite() && deviation > 0.0 && freedom >= 1.0 {
            let scatters = scatter.entry(backend.clone()).or_default();
            // The cast saturates.
            scatters.insert(stage, Scatter { deviation, freedom: freedom as u32 });
        }
    }
    scatter
}

/// The variance of one cell's pairs of launches, and its degrees of freedom.
fn of_cell(pair: &Pair<'_>, stage: Stage) -> Result<(f64, f64), KernelError> {
    let figures = against_base::figures(pair, stage)?;
    let values: Vec<f64> = figures.iter().map(|one| one.figure.log_ratio).collect();
    if values.len() < 2 {
        return Err(KernelError::TooFew { have: values.len(), need: 2 });
    }
    let location = winsorised(&values, paired::prior(stage, None).value)?;
    Ok((location.deviation.powi(2), location.freedom))
}
