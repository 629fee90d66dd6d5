//! Filters: which samples, backends and stages a run takes. Nothing is ever left out silently: a filter that matches
//! nothing is an error that lists what there is.

use std::collections::BTreeSet;

use globset::{Glob, GlobSet, GlobSetBuilder};

use crate::model::results::{Comparison, PlannedPair};
use crate::model::{BackendSpec, Run, Sample, Stage, StageKind, Tier};

/// Why no plan could be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    #[error("`{}` is not a glob: {problem}", glob.escape_debug())]
    Glob { glob: String, problem: String },
    #[error("--{what} `{}` matches nothing; there are: {known}", glob.escape_debug())]
    NoMatch { what: &'static str, glob: String, known: String },
    #[error(
        "no sample belongs to the tier `{tier}`; take a larger one with --tier, or set `tier: {tier}` for some samples"
    )]
    EmptyTier { tier: Tier },
}

/// The filters of a run, as given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Globs over sample ids; empty takes all of the tier, given ones take what they match whatever its tier.
    pub samples: Vec<String>,
    /// Globs over backend ids; empty takes all.
    pub backends: Vec<String>,
    /// Globs over stage names, composites standing for their parts; empty takes all.
    pub stages: Vec<String>,
}

impl Selection {
    /// The measured stages that the filter names, in order.
    ///
    /// # Errors
    /// When a glob is malformed or matches no stage.
    pub fn stage_set(&self) -> Result<BTreeSet<Stage>, PlanError> {
        if self.stages.is_empty() {
            return Ok(Stage::ALL.iter().copied().filter(|stage| stage.is_measured()).collect());
        }
        let names: Vec<&str> = Stage::ALL.iter().map(|stage| stage.as_str()).collect();
        let globs = globs("stage", &self.stages, &names)?;
        let named = Stage::ALL.iter().copied().filter(|stage| globs.is_match(stage.as_str()));
        Ok(named
            .flat_map(|stage| match stage.kind() {
                StageKind::Composite(parts) => parts.to_vec(),
                StageKind::Gating | StageKind::Information => vec![stage],
            })
            .collect())
    }
}

/// Every selected sample on every selected backend, with the stages to measure in order.
///
/// # Errors
/// When a filter is malformed or matches nothing, or the tier is empty.
pub fn pairs(
    samples: &[Sample],
    backends: &[BackendSpec],
    selection: &Selection,
    tier: Tier,
) -> Result<Vec<PlannedPair>, PlanError> {
    let stages = selection.stage_set()?;
    let sample_ids: Vec<&str> = samples.iter().map(|sample| sample.id.as_str()).collect();
    let backend_ids: Vec<&str> = backends.iter().map(|backend| backend.id.as_str()).collect();
    let sample_globs = globs("sample", &selection.samples, &sample_ids)?;
    let backend_globs = globs("backend", &selection.backends, &backend_ids)?;

    let mut pairs = Vec::new();
    for sample in samples {
        let taken =
            if selection.samples.is_empty() { sample.tier <= tier } else { sample_globs.is_match(sample.id.as_str()) };
        if !taken {
            continue;
        }
        for backend in backends {
            if selection.backends.is_empty() || backend_globs.is_match(backend.id.as_str()) {
                let stages = stages.iter().copied().filter(|stage| is_planned(*stage, sample)).collect();
                let comparison = Comparison::default();
                pairs.push(PlannedPair { sample: sample.id.clone(), backend: backend.id.clone(), stages, comparison });
            }
        }
    }
    pairs.sort();
    if pairs.is_empty() {
        return Err(PlanError::EmptyTier { tier });
    }
    Ok(pairs)
}

/// A sample that does not say how it is run has no `execute` cell to be measured, judged or missed.
fn is_planned(stage: Stage, sample: &Sample) -> bool {
    stage != Stage::Execute || sample.run != Run::Nothing
}

fn globs(what: &'static str, globs: &[String], known: &[&str]) -> Result<GlobSet, PlanError> {
    let mut set = GlobSetBuilder::new();
    for text in globs {
        let glob = Glob::new(text)
            .map_err(|error| PlanError::Glob { glob: text.clone(), problem: error.kind().to_string() })?;
        let matcher = glob.compile_matcher();
        if !known.iter().any(|name| matcher.is_match(name)) {
            return Err(PlanError::NoMatch { what, glob: text.clone(), known: known.join(", ") });
        }
        set.add(glob);
    }
    set.build().map_err(|error| PlanError::Glob { glob: globs.join(" "), problem: error.to_string() })
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;
    use std::path::PathBuf;

    use super::*;
    use crate::model::sample::{BackendOptions, CpuFeatures, EngineSpec, OptLevel};
    use crate::model::{BackendId, Bytes, SampleId};

    fn sample(id: &str, tier: Tier, run: Run) -> Sample {
        Sample {
            id: SampleId::new(id).unwrap(),
            module: PathBuf::from("/m.wasm"),
            sha256: String::new(),
            size: Bytes(1),
            tier,
            description: None,
            run_files: Default::default(),
            run,
        }
    }

    fn backend(id: &str) -> BackendSpec {
        BackendSpec {
            id: BackendId::new(id).unwrap(),
            engine: EngineSpec::BuiltIn,
            compiler: "cranelift".to_owned(),
            options: BackendOptions {
                opt_level: OptLevel::Speed,
                canonicalize_nans: false,
                cpu_features: CpuFeatures { name: "native".to_owned(), features: vec![] },
                threads: NonZeroU16::MIN,
            },
        }
    }

    fn call() -> Run {
        Run::Call { export: "run".to_owned(), args: vec![], expect: vec![] }
    }

    fn select(samples: &[&str], stages: &[&str]) -> Selection {
        let own = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Selection { samples: own(samples), backends: vec![], stages: own(stages) }
    }

    #[test]
    fn a_tier_holds_the_smaller_ones_and_a_name_overrides_it() {
        let samples =
            [sample("a", Tier::Smoke, call()), sample("b", Tier::Pr, call()), sample("c", Tier::Full, call())];
        let backends = [backend("x"), backend("y")];
        let names = |selection: &Selection, tier| -> Vec<String> {
            let pairs = pairs(&samples, &backends, selection, tier).unwrap();
            pairs.iter().map(|pair| format!("{}/{}", pair.sample, pair.backend)).collect()
        };
        assert_eq!(names(&select(&[], &[]), Tier::Pr), ["a/x", "a/y", "b/x", "b/y"]);
        assert_eq!(names(&select(&["c"], &[]), Tier::Smoke), ["c/x", "c/y"]);
    }

    #[test]
    fn a_filter_that_matches_nothing_lists_what_there_is() {
        let error = pairs(&[sample("a", Tier::Pr, call())], &[backend("x")], &select(&["z*"], &[]), Tier::Pr);
        assert_eq!(error.unwrap_err().to_string(), "--sample `z*` matches nothing; there are: a");
        let error = select(&[], &["exec"]).stage_set().unwrap_err().to_string();
        assert!(error.starts_with("--stage `exec` matches nothing; there are: validate, compile,"), "{error}");
        let error = pairs(&[sample("a", Tier::Full, call())], &[backend("x")], &select(&[], &[]), Tier::Pr);
        assert_eq!(error.unwrap_err(), PlanError::EmptyTier { tier: Tier::Pr });
    }

    #[test]
    fn a_composite_stands_for_its_parts() {
        let stages = select(&[], &["aot-compile", "deserialize-headless*"]).stage_set().unwrap();
        let names: Vec<_> = stages.iter().map(|stage| stage.as_str()).collect();
        assert_eq!(names, ["validate", "compile", "serialize", "deserialize-headless", "deserialize-headless-file"]);
    }

    #[test]
    fn a_sample_that_cannot_run_has_no_execute_cell() {
        let plan = pairs(&[sample("a", Tier::Pr, Run::Nothing)], &[backend("x")], &select(&[], &[]), Tier::Pr).unwrap();
        assert!(!plan[0].stages.contains(&Stage::Execute));
        assert_eq!(plan[0].stages.first(), Some(&Stage::Validate));
    }
}
