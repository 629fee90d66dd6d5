//! A recording out of the results of a paired run: what `replay` reads, without anything else that a run knows.

use std::fmt::Write as _;

use crate::judge::duel::{Duel, duels};
use crate::model::observation::{Side, StageOutcome};
use crate::model::sample::EngineSpec;
use crate::model::{Observation, Results, Stage, StageKind, StageRecord};

/// How a worker of this program is told to plant a slowdown: `worker --spin 0.02`.
pub const WORKER: &str = "worker";
pub const SPIN: &str = "--spin";

/// One line for each pair of launches, in the order of samples, backends and rounds. Half blocks are left out, and so are pairs
/// without a whole one.
#[must_use]
pub fn lines(results: &Results) -> String {
    let mut out = String::new();
    for ((sample, backend), duels) in duels(&results.launches, Side::Base, Side::Head) {
        let spec = results.header.backends.iter().find(|spec| spec.id == backend);
        let planted = spec.map_or(0.0, |spec| planted(&spec.engine));
        for duel in duels {
            let blocks = blocks(&duel, &format!("{sample}/{backend}"));
            if !blocks.is_empty() {
                _ = writeln!(out, "{{\"planted\": {planted}, \"blocks\": [{}]}}", blocks.join(", "));
            }
        }
    }
    out
}

/// The slowdown that an engine of ours was told to plant.
fn planted(engine: &EngineSpec) -> f64 {
    match engine {
        EngineSpec::Executable { args, .. } => match args.as_slice() {
            [worker, spin, share] if worker == WORKER && spin == SPIN => share.parse().unwrap_or(0.0),
            _ => 0.0,
        },
        EngineSpec::BuiltIn => 0.0,
    }
}

/// The blocks of all stages, by their number, as objects of cells.
fn blocks(duel: &Duel<'_>, prefix: &str) -> Vec<String> {
    let mut numbered: Vec<Vec<String>> = Vec::new();
    for stage in Stage::ALL.iter().copied().filter(|stage| matches!(stage.kind(), StageKind::Gating)) {
        let (Some(base), Some(head)) = (measured(duel.base.stages.get(&stage)), measured(duel.head.stages.get(&stage)))
        else {
            continue;
        };
        for (number, (base, head)) in base.chunks_exact(2).zip(head.chunks_exact(2)).enumerate() {
            // The order within a block is not kept in results; replay does not use it.
            let texts = [("A", &base[0]), ("B", &head[0]), ("B", &head[1]), ("A", &base[1])].map(observation);
            if numbered.len() <= number {
                numbered.push(Vec::new());
            }
            numbered[number].push(format!("\"{prefix}/{stage}\": [{}]", texts.join(", ")));
        }
    }
    numbered.into_iter().map(|cells| format!("{{{}}}", cells.join(", "))).collect()
}

fn measured(record: Option<&StageRecord>) -> Option<&[Observation]> {
    record.filter(|record| record.outcome == StageOutcome::Measured).map(|record| record.observations.as_slice())
}

fn observation((side, observation): (&str, &Observation)) -> String {
    format!("[\"{side}\", [{:.1}]]", observation.per_operation())
}
