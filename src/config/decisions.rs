//! Of a configuration, only what decides on figures that are there already: for judging a run without its samples, its engines or
//! a file system, such as the base revision of a pull request as the forge gives it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::model::settings::{FailOn, Limits, ThresholdRule};
use crate::model::{BackendId, Stage};

use super::problem::{ConfigError, Problems, escaped};
use super::raw::Value;
use super::{BASELINES, KEYS, backends, settings, top, version};

/// What a configuration decides about figures.
#[derive(Debug, Clone, PartialEq)]
pub struct Decisions {
    /// The built-in rules, then the file's in order: the last one that matches a cell holds.
    pub thresholds: Vec<ThresholdRule>,
    pub fail_on: BTreeSet<FailOn>,
    pub layout_allowances: BTreeMap<Stage, f64>,
    pub limits: Limits,
    /// Names of the backends, in the order of the file.
    pub backends: Vec<BackendId>,
    /// The folder of the baselines as it is written, relative to the file.
    pub baselines: String,
}

impl Default for Decisions {
    /// As without a file.
    fn default() -> Self {
        Self {
            thresholds: settings::default_thresholds(),
            fail_on: settings::default_fail_on(),
            layout_allowances: settings::default_layout_allowances(),
            limits: settings::default_limits(),
            backends: backends::defaults(std::env::consts::ARCH).into_iter().map(|spec| spec.id).collect(),
            baselines: BASELINES.to_owned(),
        }
    }
}

/// Reads the text of a configuration that is called `name`.
///
/// # Errors
/// With every problem found in what decides. What samples, engines and backends are is not looked at.
pub fn decisions(text: &str, name: &str) -> Result<Decisions, ConfigError> {
    let mut problems = Problems::default();
    let mut read = Decisions::default();
    let shown: Arc<str> = escaped(name).into();
    if let Some(mut keys) = top(text, &shown, &mut problems) {
        keys.parsed("version", version, &mut problems);
        let mut node = |key| keys.take(key).map(|(_, node)| node);
        // Of no rule it is known whether it matches anything, which is a warning, and nobody's here.
        read.thresholds = settings::thresholds(node("thresholds"), &[], &[], &mut problems);
        read.layout_allowances = settings::layout_allowances(node("layout-allowance"), &mut problems);
        read.fail_on = settings::fail_on(node("fail-on"), &mut problems);
        read.limits = settings::limits(node("limits"), &mut problems);
        if let Some(Value::Mapping(entries)) = node("backends").map(|node| node.value) {
            read.backends = entries.into_iter().filter_map(|entry| BackendId::new(entry.key).ok()).collect();
        }
        if let Some((_, folder)) = keys.text("baselines", &mut problems) {
            read.baselines = folder;
        }
        for key in KEYS {
            keys.take(key);
        }
        keys.finish(&mut problems);
    }
    problems.finish(&shown).map(|_| read)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "version: 1\nsamples: [gone.wasm]\nengines: {old: {path: gone}}\nbaselines: kept/here\n\
                        thresholds: [{sample: 'fib*', metric: time, tolerance: 7%}]\nfail-on: [regressed, missing]\n\
                        layout-allowance: {instantiate: 1%}\nbackends: {a: {engine: old}, b: {}}\nlimits: {memory: 1 GiB}\n";

    #[test]
    fn what_decides_is_read_without_what_is_measured() {
        let read = decisions(TEXT, "tollgate.yml").unwrap();
        let rule = read.thresholds.last().unwrap();
        assert_eq!((rule.sample.as_deref(), rule.tolerance.relative), (Some("fib*"), 0.07));
        assert_eq!(rule.origin, "tollgate.yml:5");
        assert_eq!(read.fail_on, [FailOn::Regressed, FailOn::Missing].into());
        assert_eq!((read.baselines.as_str(), read.layout_allowances[&Stage::Instantiate]), ("kept/here", 0.01));
        assert_eq!(read.backends.iter().map(BackendId::as_str).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(read.limits.memory.0, 1 << 30);
        assert_eq!(decisions("version: 1\nsamples: []\n", "x").unwrap(), Decisions::default());
    }

    #[test]
    fn what_decides_wrongly_is_refused_with_its_place() {
        for (text, said) in [
            ("", "empty"),
            ("version: 9\n", "newer than this Tollgate"),
            ("version: 1\nfail-no: []\n", "t.yml:2:1: unknown key `fail-no`"),
            ("version: 1\nthresholds: [{tolerance: much}]\n", "t.yml:2"),
            ("version: 1\nfail-on: [red]\n", "t.yml:2"),
        ] {
            let error = decisions(text, "t.yml").unwrap_err().to_string();
            assert!(error.contains(said), "{text:?}: {error}");
        }
    }
}
