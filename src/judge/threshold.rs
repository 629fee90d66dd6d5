//! The tolerance that holds for a cell, with its origin: the last rule that matches.
//!
//! Deliberately does not know what a tolerance is compared with.

use globset::{Glob, GlobMatcher};

use crate::model::settings::ThresholdRule;
use crate::model::{Cell, Tolerance};

/// The rules of a run with their globs compiled once.
#[derive(Debug)]
pub struct Thresholds<'r> {
    rules: Vec<Rule<'r>>,
    /// Rules that cannot match because their glob is malformed, in plain words.
    pub problems: Vec<String>,
}

#[derive(Debug)]
struct Rule<'r> {
    sample: Option<GlobMatcher>,
    backend: Option<GlobMatcher>,
    rule: &'r ThresholdRule,
}

/// Why a tolerance cannot be applied: not a number, negative or infinite.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("the tolerance from {origin} is not a finite number of zero or more")]
pub struct BadTolerance {
    origin: String,
}

impl<'r> Thresholds<'r> {
    /// Compiles the rules. One with a malformed glob is left out and named in [`Thresholds::problems`]: leaving it out is
    /// never laxer than what came before it, unless the rule was to tighten, which is why it is said.
    #[must_use]
    pub fn new(rules: &'r [ThresholdRule]) -> Self {
        let mut compiled = Vec::with_capacity(rules.len());
        let mut problems = Vec::new();
        for rule in rules {
            match (matcher(rule.sample.as_deref()), matcher(rule.backend.as_deref())) {
                (Ok(sample), Ok(backend)) => compiled.push(Rule { sample, backend, rule }),
                (Err(error), _) | (_, Err(error)) => problems.push(format!(
                    "the threshold from {} was not applied, its glob is malformed: {}",
                    rule.origin.escape_debug(),
                    error.escape_debug()
                )),
            }
        }
        Self { rules: compiled, problems }
    }

    /// The tolerance of a cell and where it stands; no tolerance at all, with that said, where no rule matches.
    ///
    /// # Errors
    /// When the tolerance is not a finite number of zero or more.
    pub fn effective(&self, cell: &Cell) -> Result<(Tolerance, String), BadTolerance> {
        let Some(rule) = self.rules.iter().rev().find(|rule| rule.matches(cell)) else {
            return Ok((Tolerance { relative: 0.0, absolute: None }, "no rule matches".to_owned()));
        };
        let ThresholdRule { tolerance, origin, .. } = rule.rule;
        if !tolerance.relative.is_finite() || tolerance.relative < 0.0 {
            return Err(BadTolerance { origin: origin.escape_debug().to_string() });
        }
        Ok((*tolerance, origin.clone()))
    }
}

impl Rule<'_> {
    fn matches(&self, cell: &Cell) -> bool {
        self.sample.as_ref().is_none_or(|glob| glob.is_match(cell.sample.as_str()))
            && self.backend.as_ref().is_none_or(|glob| glob.is_match(cell.backend.as_str()))
            && self.rule.stage.is_none_or(|stage| stage == cell.stage)
            && self.rule.metric.is_none_or(|metric| metric == cell.metric)
    }
}

fn matcher(glob: Option<&str>) -> Result<Option<GlobMatcher>, String> {
    glob.map(|text| Glob::new(text).map(|glob| glob.compile_matcher()).map_err(|error| error.to_string())).transpose()
}

/// Whether an id is taken by a list of globs; an empty list takes everything, a malformed glob nothing.
#[must_use]
pub fn selects(globs: &[String], id: &str) -> bool {
    globs.is_empty()
        || globs.iter().filter_map(|glob| Glob::new(glob).ok()).any(|glob| glob.compile_matcher().is_match(id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{BackendId, Metric, SampleId, Stage};

    fn rule(sample: Option<&str>, stage: Option<Stage>, relative: f64, origin: &str) -> ThresholdRule {
        ThresholdRule {
            sample: sample.map(str::to_owned),
            backend: None,
            stage,
            metric: None,
            tolerance: Tolerance { relative, absolute: None },
            origin: origin.to_owned(),
        }
    }

    fn cell(sample: &str, stage: Stage) -> Cell {
        Cell {
            sample: SampleId::new(sample).unwrap(),
            backend: BackendId::new("llvm").unwrap(),
            stage,
            metric: Metric::Time,
        }
    }

    #[test]
    fn the_last_match_holds_and_says_where_it_stands() {
        let rules = [
            rule(None, None, 0.01, "default"),
            rule(Some("contract*"), None, 0.02, "tollgate.yml:3"),
            rule(None, Some(Stage::Execute), 0.03, "tollgate.yml:9"),
        ];
        let thresholds = Thresholds::new(&rules);
        let origin = |sample, stage| thresholds.effective(&cell(sample, stage)).unwrap().1;
        assert_eq!(origin("fib", Stage::Compile), "default");
        assert_eq!(origin("contract/a", Stage::Compile), "tollgate.yml:3");
        assert_eq!(origin("contract/a", Stage::Execute), "tollgate.yml:9");
    }

    #[test]
    fn no_rule_is_no_tolerance() {
        let (tolerance, origin) = Thresholds::new(&[]).effective(&cell("a", Stage::Compile)).unwrap();
        assert_eq!((tolerance.relative, origin.as_str()), (0.0, "no rule matches"));
    }

    #[test]
    fn bad_globs_are_named_and_bad_tolerances_refused() {
        let rules = [rule(None, None, 0.01, "default"), rule(Some("[a"), None, 9.0, "tollgate.yml:3")];
        let thresholds = Thresholds::new(&rules);
        assert_eq!(thresholds.effective(&cell("a", Stage::Compile)).unwrap().0.relative, 0.01);
        assert!(thresholds.problems[0].contains("tollgate.yml:3"));
        for bad in [f64::NAN, -0.1, f64::INFINITY] {
            let rules = [rule(None, None, bad, "here")];
            assert!(Thresholds::new(&rules).effective(&cell("a", Stage::Compile)).is_err());
        }
    }

    #[test]
    fn selections_by_glob() {
        assert!(selects(&[], "a"));
        assert!(selects(&["b".to_owned(), "a*".to_owned()], "abc"));
        assert!(!selects(&["b".to_owned(), "[".to_owned()], "abc"));
    }
}
