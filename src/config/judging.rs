//! What a configuration says about judging, from its text alone: for a file that is read from elsewhere, without what lies beside it.
//!
//! Looks at no file. What the samples and engines are worth is not asked here, so that a text with mistakes in those sections is taken.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use super::problem::{ConfigError, Problems};
use super::raw::{MAX_FILE, Value};
use super::{BASELINES, KEYS, VERSION, backends, settings, top, version};
use crate::model::settings::{FailOn, Limits, ThresholdRule};
use crate::model::{BackendId, Stage};

/// The sections of a configuration that decide about judging.
#[derive(Debug, Clone, PartialEq)]
pub struct Judging {
    /// The built-in rules, then the file's in order.
    pub thresholds: Vec<ThresholdRule>,
    pub layout_allowances: BTreeMap<Stage, f64>,
    pub limits: Limits,
    pub fail_on: BTreeSet<FailOn>,
    /// Names of the backends, in the order of the file.
    pub backends: Vec<BackendId>,
    /// The folder of baselines, as written: relative to the file, unless it is absolute.
    pub baselines: PathBuf,
}

/// Reads those sections out of a text. `name` is what the file is called in messages and origins.
///
/// # Errors
/// When the text is no configuration, or with every problem in those sections.
pub fn judging(text: &str, name: &str) -> Result<Judging, ConfigError> {
    let shown: Arc<str> = name.into();
    if text.len() as u64 > MAX_FILE {
        let reason = format!("it has {} bytes, of at most {MAX_FILE}; is it a configuration?", text.len());
        return Err(ConfigError::Unreadable { path: name.into(), reason });
    }
    let mut problems = Problems::default();
    let Some(mut keys) = top(text, &shown, &mut problems) else {
        // Whatever it is, it is no mapping, and a problem says so.
        problems.finish(name)?;
        return Err(ConfigError::Unreadable { path: name.into(), reason: "it is no configuration".to_owned() });
    };
    let place = keys.place.clone();
    if !keys.has("version") {
        problems.error(&place, format!("no `version`; begin the file with `version: {VERSION}`"));
    }
    keys.parsed("version", version, &mut problems);
    let mut take = |key: &'static str| keys.take(key).map(|(_, node)| node);
    let rules = take("thresholds");
    let judging = Judging {
        // Which ids there are is not known, so no rule can be said to match nothing.
        thresholds: settings::thresholds(rules, &[], &[], &mut problems),
        layout_allowances: settings::layout_allowances(take("layout-allowance"), &mut problems),
        limits: settings::limits(take("limits"), &mut problems),
        fail_on: settings::fail_on(take("fail-on"), &mut problems),
        backends: match take("backends").map(|node| node.value) {
            Some(Value::Mapping(entries)) => {
                entries.into_iter().filter_map(|entry| BackendId::new(entry.key).ok()).collect()
            }
            _ => backends::defaults(std::env::consts::ARCH).into_iter().map(|spec| spec.id).collect(),
        },
        baselines: match take("baselines").map(|node| node.value) {
            Some(Value::Scalar(folder)) => folder.into(),
            _ => BASELINES.into(),
        },
    };
    // Sections that were left alone are known ones.
    for key in KEYS {
        take(key);
    }
    keys.finish(&mut problems);
    problems.finish(name)?;
    Ok(judging)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_decides_about_judging_is_read_without_any_file() {
        let text = "version: 1\nsamples: [nowhere/*.wasm]\nengines: {own: {worker: nowhere}}\nbackends: {a: {engine: own}, b: {}}\n\
                    thresholds: [{sample: 'fib*', metric: size, tolerance: 5%}]\nfail-on: [loosened]\nbaselines: accepted\n";
        let read = judging(text, "tollgate.yml").unwrap();
        assert_eq!(read.fail_on, [FailOn::Loosened].into());
        assert_eq!(read.baselines, PathBuf::from("accepted"));
        assert_eq!(read.backends.iter().map(BackendId::as_str).collect::<Vec<_>>(), ["a", "b"]);
        let own = read.thresholds.last().unwrap();
        assert_eq!((own.tolerance.relative, own.origin.as_str()), (0.05, "tollgate.yml:5"));
        let plain = judging("version: 1\n", "tollgate.yml").unwrap();
        assert_eq!(plain.backends.len(), 3);
        assert_eq!(plain.fail_on, [FailOn::Regressed].into());
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        for (text, told) in [
            ("", "the file is empty"),
            ("[]", "must be a mapping"),
            ("version: 9\n", "version 9 is newer"),
            ("version: 1\nfail-on: [nothing]\n", "x.yml:2:11"),
            ("version: 1\nfail-no: []\n", "did you mean `fail-on`"),
        ] {
            let error = judging(text, "x.yml").unwrap_err().to_string();
            assert!(error.contains(told), "{text}: {error}");
        }
    }
}
