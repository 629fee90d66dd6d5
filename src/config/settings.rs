//! The sections that decide about judging: `thresholds`, `layout-allowance`, `limits` and `fail-on`, with their defaults.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use globset::{GlobBuilder, GlobMatcher};

use crate::model::sample::BackendSpec;
use crate::model::settings::{FailOn, Limits, ThresholdRule, Tolerance};
use crate::model::stage::StageKind;
use crate::model::{Bytes, Metric, Nanos, Sample, Stage};

use super::problem::{Place, Problems, escaped};
use super::quantity::{bytes, duration, percent, percentage, some_bytes};
use super::raw::{Node, Value};
use super::reader::{Keys, text, texts, word};

pub(super) const RULE_KEYS: &[&str] = &["sample", "backend", "stage", "metric", "tolerance", "tolerance-bytes"];
pub(super) const LIMIT_KEYS: &[&str] = &["deadline", "memory"];

/// Verdicts that can be made to fail a run, as the configuration writes them.
pub(super) const FAIL_ON: &[(&str, FailOn)] = &[
    ("regressed", FailOn::Regressed),
    ("inconclusive", FailOn::Inconclusive),
    ("missing", FailOn::Missing),
    ("loosened", FailOn::Loosened),
];

/// Where built-in rules say they stand.
const DEFAULT_ORIGIN: &str = "default";

/// Time of validate, compile and execute: recorded pairs of launches of these stages scatter by less than 1 %, so that 2 % is decided
/// with few of them, and a slowdown of 3 % is found.
const TIME_LONG_STAGES: f64 = 0.02;
/// Time of every other stage: these last micro- to milliseconds, and recorded pairs of launches scatter by 1.5 %.
const TIME_OTHER_STAGES: f64 = 0.05;
/// Artifact size: byte-identical over runs, so any change is real. Sixteen bytes more in each function of Singlepass' code are
/// 0.11 % to 0.28 % of an artifact of ours.
const SIZE: f64 = 0.001;
/// Peak memory. Chosen, not measured.
const MEMORY: f64 = 0.10;
/// Peak memory of small modules, where a tenth is a few pages. Chosen, not measured.
const MEMORY_BYTES: Bytes = Bytes(1 << 20);
/// Instructions: they repeat to within 0.04 % in the worst stage of a contract of 290 kB; the rest is chosen.
const INSTRUCTIONS: f64 = 0.01;
/// A sample's own figure is a time in disguise, so it has that of `execute`.
const SCORE: f64 = TIME_LONG_STAGES;

/// For each request to a worker, beside what a launch adds for the size of the module. Chosen, not measured: short enough that
/// a hang does not eat a continuous-integration job.
pub(super) const DEADLINE: Nanos = Nanos(120 * 1_000_000_000);
/// For each worker. Chosen, not measured: half of what a hosted runner with 16 GiB has.
pub(super) const MEMORY_LIMIT: Bytes = Bytes(8 << 30);

/// The built-in rules, which match every cell.
pub(super) fn default_thresholds() -> Vec<ThresholdRule> {
    let rule = |stage, metric, relative, absolute| ThresholdRule {
        sample: None,
        backend: None,
        stage,
        metric: Some(metric),
        tolerance: Tolerance { relative, absolute },
        origin: DEFAULT_ORIGIN.to_owned(),
    };
    vec![
        rule(None, Metric::Time, TIME_OTHER_STAGES, None),
        rule(Some(Stage::Validate), Metric::Time, TIME_LONG_STAGES, None),
        rule(Some(Stage::Compile), Metric::Time, TIME_LONG_STAGES, None),
        rule(Some(Stage::Execute), Metric::Time, TIME_LONG_STAGES, None),
        rule(None, Metric::Size, SIZE, None),
        rule(None, Metric::Memory, MEMORY, Some(MEMORY_BYTES)),
        rule(None, Metric::Instructions, INSTRUCTIONS, None),
        rule(None, Metric::Score, SCORE, None),
    ]
}

/// What relinking alone may move. Three relinks with a few unused functions, 14 pairs of launches each, moved instantiate by
/// −2.8 ± 0.2 %, −1.3 ± 0.5 % and −0.4 ± 0.3 %, validate and Singlepass' compile by up to 0.5 ± 0.2 %, and Cranelift's compile
/// and execute not at all.
const LAYOUT_INSTANTIATE: f64 = 0.035;
/// What relinking may move of every other stage.
const LAYOUT_OTHER: f64 = 0.01;

pub(super) fn default_layout_allowances() -> BTreeMap<Stage, f64> {
    let gating = Stage::ALL.iter().copied().filter(|stage| matches!(stage.kind(), StageKind::Gating));
    gating.map(|stage| (stage, if stage == Stage::Instantiate { LAYOUT_INSTANTIATE } else { LAYOUT_OTHER })).collect()
}

pub(super) fn default_limits() -> Limits {
    Limits { deadline: DEADLINE, memory: MEMORY_LIMIT }
}

pub(super) fn default_fail_on() -> BTreeSet<FailOn> {
    BTreeSet::from([FailOn::Regressed])
}

/// Reads `thresholds`: the built-in rules, then the file's.
pub(super) fn thresholds(
    node: Option<Node>,
    samples: &[Sample],
    backends: &[BackendSpec],
    problems: &mut Problems,
) -> Vec<ThresholdRule> {
    let mut rules = default_thresholds();
    let Some(node) = node else {
        return rules;
    };
    match node.value {
        Value::List(items) => {
            for item in items {
                rules.extend(rule(item, samples, backends, problems));
            }
        }
        Value::Nothing => {}
        _ => {
            let message = format!("`thresholds` must be a list of rules, not {}; begin each with `- `", node.kind());
            problems.error(&node.place, message);
        }
    }
    rules
}

fn rule(node: Node, samples: &[Sample], backends: &[BackendSpec], problems: &mut Problems) -> Option<ThresholdRule> {
    let mut keys = Keys::new(node, "a threshold", RULE_KEYS, problems)?;
    let place = keys.place.clone();
    let sample_ids = samples.iter().map(|sample| sample.id.as_str());
    let sample = glob(&mut keys, "sample", sample_ids, problems);
    let backend_ids = backends.iter().map(|backend| backend.id.as_str());
    let backend = glob(&mut keys, "backend", backend_ids, problems);
    let stage = keys.parsed("stage", judged_stage, problems).map(|(_, stage)| stage);
    let metric = keys.parsed("metric", Metric::from_str, problems).map(|(_, metric)| metric);
    if !keys.has("tolerance") {
        problems.error(&place, "a threshold has no `tolerance`; write one such as 5%");
    }
    let relative = keys.parsed("tolerance", percent, problems).map(|(_, relative)| relative);
    let absolute = keys.parsed("tolerance-bytes", bytes, problems);
    keys.finish(problems);
    if let Some((at, _)) = &absolute
        && !matches!(metric, Some(Metric::Size | Metric::Memory))
    {
        problems.error(at, "`tolerance-bytes` needs `metric: size` or `metric: memory` beside it");
    }
    if let (Some(stage), Some(metric)) = (stage, metric) {
        check_pair(stage, metric, &place, problems);
    }
    let tolerance = Tolerance { relative: relative?, absolute: absolute.map(|(_, bytes)| bytes) };
    let origin = format!("{}:{}", place.file, place.line);
    Some(ThresholdRule { sample, backend, stage, metric, tolerance, origin })
}

/// Warns of a rule whose stage has no such metric: artifacts are sized once they are serialized, and memory is read around
/// the compile.
fn check_pair(stage: Stage, metric: Metric, place: &Place, problems: &mut Problems) {
    let only = match metric {
        Metric::Size => Stage::Serialize,
        Metric::Memory => Stage::Compile,
        Metric::Score => Stage::Execute,
        Metric::Time | Metric::Instructions => return,
    };
    if stage != only {
        problems.warn(place, format!("this rule matches nothing: {metric} is measured of {only} only, not of {stage}"));
    }
}

/// A stage that is judged; tolerances of others would be read by nobody.
fn judged_stage(text: &str) -> Result<Stage, String> {
    let stage = Stage::from_str(text)?;
    match stage.kind() {
        StageKind::Gating => Ok(stage),
        StageKind::Information => Err(format!("`{stage}` is shown and never judged; remove the rule")),
        StageKind::Composite(parts) => {
            let parts: Vec<_> = parts.iter().map(|part| part.as_str()).collect();
            Err(format!("`{stage}` is a sum and never judged itself; write rules for its parts: {}", parts.join(", ")))
        }
    }
}

/// A glob over ids; a warning where it matches none, for a rule that never holds is a trap.
fn glob<'a>(
    keys: &mut Keys,
    key: &'static str,
    mut ids: impl Iterator<Item = &'a str>,
    problems: &mut Problems,
) -> Option<String> {
    let (place, text) = keys.text(key, problems)?;
    let matcher = problems.check(&place, compile_glob(&text))?;
    if !ids.any(|id| matcher.is_match(id)) {
        problems.warn(&place, format!("no {key} has an id that matches `{}`; the rule never holds", escaped(&text)));
    }
    Some(text)
}

/// A glob over ids, in which `*` stops at `/` no more than anywhere else: ids are names, not paths.
fn compile_glob(text: &str) -> Result<GlobMatcher, String> {
    let glob = GlobBuilder::new(text).literal_separator(false).build();
    glob.map(|glob| glob.compile_matcher())
        .map_err(|error| format!("`{}` is not a glob: {}; correct it", escaped(text), error.kind()))
}

/// Reads `layout-allowance`: the defaults, with the file's in their places.
pub(super) fn layout_allowances(node: Option<Node>, problems: &mut Problems) -> BTreeMap<Stage, f64> {
    let mut allowances = default_layout_allowances();
    let Some(node) = node else {
        return allowances;
    };
    let entries = match node.value {
        Value::Mapping(entries) => entries,
        Value::Nothing => Vec::new(),
        _ => {
            let message = format!(
                "`layout-allowance` must be a mapping from stages to percentages, such as {{instantiate: 2%}}, not {}",
                node.kind()
            );
            problems.error(&node.place, message);
            return allowances;
        }
    };
    for entry in entries {
        let stage = problems.check(&entry.place, allowed_stage(&entry.key));
        let place = entry.node.place.clone();
        let written = text(entry.node, "layout-allowance", problems);
        let allowance = written.and_then(|text| problems.check(&place, percentage(&text, "an allowance")));
        if let (Some(stage), Some(allowance)) = (stage, allowance) {
            allowances.insert(stage, allowance);
        }
    }
    allowances
}

/// A stage whose times gate, and which relinking can therefore turn red.
fn allowed_stage(text: &str) -> Result<Stage, String> {
    let gating: Vec<_> = Stage::ALL
        .iter()
        .filter(|stage| stage.kind() == StageKind::Gating)
        .map(|stage| (stage.as_str(), *stage))
        .collect();
    word(text, "stage", &gating)
}

/// Reads `limits`.
pub(super) fn limits(node: Option<Node>, problems: &mut Problems) -> Limits {
    let defaults = default_limits();
    let Some(mut keys) = node.and_then(|node| Keys::or_empty(node, "`limits`", LIMIT_KEYS, problems)) else {
        return defaults;
    };
    let deadline = keys.parsed("deadline", duration, problems).map_or(defaults.deadline, |(_, deadline)| deadline);
    let memory = keys.parsed("memory", some_bytes, problems).map_or(defaults.memory, |(_, memory)| memory);
    keys.finish(problems);
    Limits { deadline, memory }
}

/// Reads `fail-on`.
pub(super) fn fail_on(node: Option<Node>, problems: &mut Problems) -> BTreeSet<FailOn> {
    let Some(node) = node else {
        return default_fail_on();
    };
    let listed = texts(node, "fail-on", problems).into_iter();
    let verdict = |(place, text): (Place, String)| problems.check(&place, failing_verdict(&text));
    listed.filter_map(verdict).collect()
}

/// Reads what stands in for `fail-on` on a command line: verdicts with commas between them, or `none`.
///
/// # Errors
/// When a verdict is unknown or always fails.
pub fn fail_on_list(text: &str) -> Result<BTreeSet<FailOn>, String> {
    if text == "none" {
        return Ok(BTreeSet::new());
    }
    text.split(',').map(|verdict| failing_verdict(verdict.trim())).collect()
}

fn failing_verdict(text: &str) -> Result<FailOn, String> {
    match text {
        "broken" => Err("`broken` always fails; remove it".to_owned()),
        other => word(other, "verdict", FAIL_ON),
    }
}
