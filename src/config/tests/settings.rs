//! Thresholds, limits, fail-on and the top level.

use crate::config::settings::{default_layout_allowances, default_thresholds};
use crate::model::settings::Tolerance;
use crate::model::{Bytes, Metric, Nanos, Stage};

use super::*;

#[test]
fn a_command_line_lists_verdicts_with_commas() {
    let list = fail_on_list;
    assert_eq!(list("none"), Ok(BTreeSet::new()));
    assert_eq!(list("missing, regressed"), Ok(BTreeSet::from([FailOn::Missing, FailOn::Regressed])));
    assert_eq!(list("broken"), Err("`broken` always fails; remove it".to_owned()));
    assert!(list("").is_err() && list("regressed,").is_err() && list("none,regressed").is_err());
}

#[test]
fn rules_follow_the_defaults_and_know_their_line() {
    let folder = Folder::new();
    let defaults = default_thresholds();
    let config = folder.load_in(
        "\
thresholds:
  - {metric: size, tolerance: 0.25%}
  - sample: \"*\"
    backend: llvm
    stage: compile
    metric: memory
    tolerance: 10 %
    tolerance-bytes: 1.5 MiB
limits: {deadline: 3m, memory: 4 GiB}
fail-on: [missing, inconclusive]
baselines: ../kept
",
    );
    let (head, own) = config.thresholds.split_at(defaults.len());
    assert_eq!(head, defaults);
    let size = ThresholdRule {
        sample: None,
        backend: None,
        stage: None,
        metric: Some(Metric::Size),
        tolerance: Tolerance { relative: 0.0025, absolute: None },
        origin: "tollgate.yml:4".to_owned(),
    };
    let memory = ThresholdRule {
        sample: Some("*".to_owned()),
        backend: Some("llvm".to_owned()),
        stage: Some(Stage::Compile),
        metric: Some(Metric::Memory),
        tolerance: Tolerance { relative: 0.1, absolute: Some(Bytes(3 << 19)) },
        origin: "tollgate.yml:5".to_owned(),
    };
    assert_eq!(own, [size, memory]);
    assert_eq!(config.limits, Limits { deadline: Nanos(180_000_000_000), memory: Bytes(4 << 30) });
    assert_eq!(config.fail_on, BTreeSet::from([FailOn::Missing, FailOn::Inconclusive]));
    assert_eq!(config.baselines, folder.path().join("../kept"));
    assert_eq!(config.warnings, Vec::<String>::new());
    assert_eq!(folder.load_in("fail-on: []\n").fail_on, BTreeSet::new());
}

#[test]
fn every_cell_has_a_default_rule() {
    let rules = default_thresholds();
    for stage in Stage::ALL.iter().filter(|stage| stage.kind() == crate::model::StageKind::Gating) {
        for metric in Metric::ALL {
            let matches = |rule: &&ThresholdRule| {
                rule.stage.is_none_or(|of| of == *stage) && rule.metric.is_none_or(|of| of == *metric)
            };
            assert!(rules.iter().any(|rule| matches(&rule)), "{stage} {metric}");
        }
    }
}

#[test]
fn wrong_rules_are_refused() {
    let folder = Folder::new();
    let error = |rule: &str| folder.error_in(&format!("thresholds:\n  - {rule}\n"));
    assert_eq!(error("{metric: time}"), "tollgate.yml:4:5: a threshold has no `tolerance`; write one such as 5%");
    assert_eq!(
        error("{tolerance: 5}"),
        "tollgate.yml:4:17: `5` is not a tolerance: it has no percent sign; write a percentage such as 5% or 0.5 %"
    );
    assert_eq!(
        error("{tolerance: -5%}"),
        "tollgate.yml:4:17: `-5%` is not a tolerance: it is negative; write a percentage such as 5% or 0.5 %"
    );
    assert_eq!(
        error("{tolerance: .inf%}"),
        "tollgate.yml:4:17: `.inf%` is not a tolerance: it is not a plain number; write a percentage such as 5% or 0.5 %"
    );
    assert_eq!(
        error("{tolerance: 1001%}"),
        "tollgate.yml:4:17: `1001%` is not a tolerance: it is more than 1000 %; write a percentage such as 5% or 0.5 %"
    );
    assert_eq!(error("{tolerance: [5%]}"), "tollgate.yml:4:17: `tolerance` must be a text or number, not a list");
    assert_eq!(
        error("{stage: compiling, tolerance: 5%}"),
        "tollgate.yml:4:13: unknown stage `compiling`; known: validate, compile, compile-all-cores, serialize, deserialize, deserialize-file, deserialize-headless, deserialize-headless-file, instantiate, execute, jit, aot-compile, aot-execute, aot-total"
    );
    assert_eq!(
        error("{stage: jit, tolerance: 5%}"),
        "tollgate.yml:4:13: `jit` is a sum and never judged itself; write rules for its parts: validate, compile, instantiate, execute"
    );
    assert_eq!(
        error("{stage: compile-all-cores, tolerance: 5%}"),
        "tollgate.yml:4:13: `compile-all-cores` is shown and never judged; remove the rule"
    );
    assert_eq!(
        error("{metric: speed, tolerance: 5%}"),
        "tollgate.yml:4:14: unknown metric `speed`; known: time, instructions, size, memory, score"
    );
    assert_eq!(
        error("{metric: time, tolerance: 5%, tolerance-bytes: 1 KiB}"),
        "tollgate.yml:4:52: `tolerance-bytes` needs `metric: size` or `metric: memory` beside it"
    );
    assert_eq!(
        error("{metric: size, tolerance: 5%, tolerance-bytes: 1 KB}"),
        "tollgate.yml:4:52: `1 KB` is not a size: its unit is not one of B, KiB, MiB and GiB; write one such as 512 KiB, 1 MiB or 4 GiB"
    );
    assert_eq!(
        error("{sample: \"[a\", tolerance: 5%}"),
        "tollgate.yml:4:14: `[a` is not a glob: unclosed character class; missing ']'; correct it"
    );
    assert_eq!(
        error("{tolerence: 5%, tolerance: 5%}"),
        "tollgate.yml:4:6: unknown key `tolerence` in a threshold; did you mean `tolerance`? known here: sample, backend, stage, metric, tolerance, tolerance-bytes"
    );
    assert_eq!(
        error("5%"),
        "tollgate.yml:4:5: a threshold must be a mapping with keys out of sample, backend, stage, metric, tolerance, tolerance-bytes, not a text or number"
    );
    assert_eq!(
        folder.error_in("thresholds: {tolerance: 5%}\n"),
        "tollgate.yml:3:13: `thresholds` must be a list of rules, not a mapping; begin each with `- `"
    );
}

#[test]
fn rules_that_never_hold_are_warned_of() {
    let folder = Folder::new();
    let config = folder.load_in(
        "thresholds:\n  - {sample: fib*, tolerance: 5%}\n  - {backend: clif, tolerance: 5%}\n  - {stage: execute, metric: size, tolerance: 5%}\n",
    );
    assert_eq!(
        config.warnings,
        [
            "tollgate.yml:4:14: no sample has an id that matches `fib*`; the rule never holds",
            "tollgate.yml:5:15: no backend has an id that matches `clif`; the rule never holds",
            "tollgate.yml:6:5: this rule matches nothing: size is measured of serialize only, not of execute",
        ]
    );
}

#[test]
fn wrong_limits_and_verdicts_are_refused() {
    let folder = Folder::new();
    assert_eq!(
        folder.error_in("limits: {deadline: 5}\n"),
        "tollgate.yml:3:20: `5` is not a duration: time unit needed, for example 5sec or 5ms; write one such as 90s or 5m"
    );
    assert_eq!(
        folder.error_in("limits: {deadline: 0s}\n"),
        "tollgate.yml:3:20: `0s` is not a duration: it must be longer than nothing; write one such as 90s or 5m"
    );
    assert_eq!(
        folder.error_in("limits: {memory: 0 GiB}\n"),
        "tollgate.yml:3:18: `0 GiB` leaves no memory at all; write a size such as 4 GiB"
    );
    assert_eq!(
        folder.error_in("limits: {memory: 4}\n"),
        "tollgate.yml:3:18: `4` is not a size: its unit is not one of B, KiB, MiB and GiB; write one such as 512 KiB, 1 MiB or 4 GiB"
    );
    assert_eq!(
        folder.error_in("limits: {cpu: 4}\n"),
        "tollgate.yml:3:10: unknown key `cpu` in `limits`; known here: deadline, memory"
    );
    assert_eq!(
        folder.error_in("limits: 5m\n"),
        "tollgate.yml:3:9: `limits` must be a mapping with keys out of deadline, memory, not a text or number"
    );
    assert_eq!(folder.error_in("fail-on: [broken]\n"), "tollgate.yml:3:11: `broken` always fails; remove it");
    assert_eq!(
        folder.error_in("fail-on: [regresed]\n"),
        "tollgate.yml:3:11: unknown verdict `regresed`; did you mean `regressed`? known: regressed, inconclusive, missing, loosened"
    );
    assert_eq!(
        folder.error_in("fail-on: regressed\n"),
        "tollgate.yml:3:10: `fail-on` must be a list such as [one, two], not a text or number"
    );
    assert_eq!(
        folder.error_in("baselines: a.wasm\n"),
        "tollgate.yml:3:12: `baselines` is `a.wasm`, which is no folder; name one"
    );
    assert_eq!(
        folder.error_in("baselines: []\n"),
        "tollgate.yml:3:12: `baselines` must be a text or number, not a list"
    );
}

#[test]
fn layout_allowances_stand_in_for_the_defaults() {
    let folder = Folder::new();
    let defaults = default_layout_allowances();
    assert_eq!(folder.load_in("layout-allowance:\n").layout_allowances, defaults);
    let config = folder.load_in("layout-allowance: {instantiate: 2 %, execute: 0%}\n");
    let mut expected = defaults;
    expected.extend([(Stage::Instantiate, 0.02), (Stage::Execute, 0.0)]);
    assert_eq!(config.layout_allowances, expected);
    let error = |text: &str| folder.error_in(&format!("layout-allowance: {text}\n"));
    assert_eq!(
        error("{instanciate: 2%}"),
        "tollgate.yml:3:20: unknown stage `instanciate`; did you mean `instantiate`? known: validate, compile, serialize, deserialize, deserialize-file, deserialize-headless, deserialize-headless-file, instantiate, execute"
    );
    assert_eq!(
        error("{execute: 2, compile: [1%]}"),
        "\
2 problems in tollgate.yml and what it names:
  tollgate.yml:3:29: `2` is not an allowance: it has no percent sign; write a percentage such as 5% or 0.5 %
  tollgate.yml:3:41: `layout-allowance` must be a text or number, not a list"
    );
    assert_eq!(
        error("2%"),
        "tollgate.yml:3:19: `layout-allowance` must be a mapping from stages to percentages, such as {instantiate: 2%}, not a text or number"
    );
}

#[test]
fn the_version_is_required_and_known() {
    let folder = Folder::new();
    assert_eq!(folder.error("samples: [a.wasm]\n"), "tollgate.yml:1:1: no `version`; begin the file with `version: 1`");
    assert_eq!(
        folder.error("version: 2\nsamples: [a.wasm]\n"),
        "tollgate.yml:1:10: version 2 is newer than this Tollgate, which reads version 1; update Tollgate"
    );
    assert_eq!(
        folder.error("version: 0\nsamples: [a.wasm]\n"),
        "tollgate.yml:1:10: `0` is no version of this file; write `version: 1`"
    );
    assert_eq!(
        folder.error("version: one\nsamples: [a.wasm]\n"),
        "tollgate.yml:1:10: `one` is no version of this file; write `version: 1`"
    );
    assert_eq!(
        folder.error("version: 1\n"),
        "tollgate.yml:1:1: no `samples`; list at least one: a sample file, a module, a folder or a glob"
    );
    assert_eq!(
        folder.error("version: 1\nsamples: []\n"),
        "tollgate.yml:2:1: `samples` needs at least one entry: a sample file, a module, a folder or a glob"
    );
    assert_eq!(
        folder.error("version: 1\nsamples:\n"),
        "tollgate.yml:2:1: `samples` needs at least one entry: a sample file, a module, a folder or a glob"
    );
    assert_eq!(
        folder.error("version: 1\nsamples: a.wasm\n"),
        "tollgate.yml:2:10: `samples` must be a list, not a text or number; begin each entry with `- `"
    );
}
