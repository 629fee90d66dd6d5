//! What to type next: to see red rows again, to accept them, and to begin.

use std::collections::{BTreeMap, BTreeSet};

use super::headline::is_new;
use super::rows::gates;
use super::{Step, base};
use crate::model::findings::Against;
use crate::model::{BackendId, CellFinding, Findings, Results, SampleId, Stage, Verdict};

/// Commands shown; somebody who has more red pairs runs the whole thing again.
const MOST_COMMANDS: usize = 5;
/// Stages named in one command; beyond, the command measures all of them.
const MOST_STAGES: usize = 3;

/// How to see red rows again, how to accept them, and how to begin. A row that is red against the base is seen against the same
/// base again, and no update of a baseline makes it green.
pub(super) fn steps(results: &Results, findings: &Findings) -> Vec<Step> {
    let mut pairs: BTreeMap<(&SampleId, &BackendId), BTreeSet<Option<Stage>>> = BTreeMap::new();
    for failure in &findings.failures {
        pairs.entry((&failure.sample, &failure.backend)).or_default().insert(failure.failure.stage);
    }
    let mut against_base = BTreeSet::new();
    let red = |f: &&CellFinding| gates(f) && matches!(f.verdict, Verdict::Regressed);
    for finding in findings.cells.iter().filter(red) {
        let cell = &finding.cell;
        if finding.against == Against::Base {
            against_base.insert((&cell.sample, &cell.backend));
        }
        pairs.entry((&cell.sample, &cell.backend)).or_default().insert(Some(cell.stage));
    }
    let base = base::arguments(results);
    let commands: Vec<_> = pairs
        .iter()
        .map(|(pair, stages)| {
            let command = command(pair.0, pair.1, stages);
            if against_base.contains(pair) { command + &base } else { command }
        })
        .collect();
    let mut steps = Vec::new();
    if !commands.is_empty() {
        let more = commands.len().saturating_sub(MOST_COMMANDS);
        let commands = commands.into_iter().take(MOST_COMMANDS).collect();
        steps.push(Step { purpose: "See it again", commands, more });
    }
    let update = |reason: bool| {
        let reason = if reason { " --reason \"why\"" } else { "" };
        vec![format!("tollgate run --update-baselines{reason}")]
    };
    if findings.cells.iter().any(|f| red(&f) && f.against == Against::Baseline) {
        steps.push(Step { purpose: "Accept it", commands: update(true), more: 0 });
    } else if findings.failures.is_empty() && findings.cells.iter().any(is_new) {
        steps.push(Step { purpose: "Write the baseline", commands: update(false), more: 0 });
    } else if findings.cells.iter().any(|f| f.verdict == Verdict::Missing) {
        steps.push(Step { purpose: "Drop what is gone", commands: update(false), more: 0 });
    }
    steps
}

fn command(sample: &SampleId, backend: &BackendId, stages: &BTreeSet<Option<Stage>>) -> String {
    let mut command = format!("tollgate run --sample {sample} --backend {backend}");
    // A failure outside any stage needs the whole launch to show again.
    if stages.len() <= MOST_STAGES && !stages.contains(&None) {
        for stage in stages.iter().flatten() {
            command += &format!(" --stage {stage}");
        }
    }
    command
}
