//! How far pairs of launches scatter in a run: what later runs shrink their own deviations towards.

use std::collections::BTreeMap;

use super::against_base;
use super::context::Pair;
use super::kernels::{Deviation, KernelError, winsorised};
use super::paired;
use super::shrinkage::typical;
use crate::model::baseline::Scatter;
use crate::model::{BackendId, SampleId, Stage, StageKind};

/// The deviation of pairs of launches about their cell's own centre that is typical of the cells of a stage on a backend, of the
/// winsorised deviation of each. Whatever the cells' changes are, they do not matter: each cell has its own centre. Stages without two
/// pairs in any cell are absent.
#[must_use]
pub fn observed(pairs: &BTreeMap<(SampleId, BackendId), Pair<'_>>) -> BTreeMap<BackendId, BTreeMap<Stage, Scatter>> {
    let mut cells: BTreeMap<(&BackendId, Stage), Vec<Deviation>> = BTreeMap::new();
    for pair in pairs.values().filter(|pair| !pair.duels.is_empty()) {
        let stages = pair.stages.iter().copied().filter(|stage| matches!(stage.kind(), StageKind::Gating));
        for stage in stages {
            cells.entry((pair.backend, stage)).or_default().extend(of_cell(pair, stage));
        }
    }
    let mut scatter: BTreeMap<BackendId, BTreeMap<Stage, Scatter>> = BTreeMap::new();
    for ((backend, stage), cells) in cells {
        if let Ok(Deviation { value: deviation, freedom }) = typical(&cells, paired::CELLS_FREEDOM) {
            let scatters = scatter.entry(backend.clone()).or_default();
            // The cast saturates.
            scatters.insert(stage, Scatter { deviation, freedom: freedom as u32 });
        }
    }
    scatter
}

/// The deviation of one cell's pairs of launches.
fn of_cell(pair: &Pair<'_>, stage: Stage) -> Result<Deviation, KernelError> {
    let figures = against_base::figures(pair, stage)?;
    let values: Vec<f64> = figures.iter().map(|one| one.figure.log_ratio).collect();
    if values.len() < 2 {
        return Err(KernelError::TooFew { have: values.len(), need: 2 });
    }
    let location = winsorised(&values, paired::prior(stage, None).value)?;
    Ok(Deviation { value: location.deviation, freedom: location.freedom })
}
