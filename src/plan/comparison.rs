//! How each planned pair stands to the base of a run: what is the same on both sides is not measured.
//!
//! Invariant: `Same` is said only where engine, compiler, options, module and the way to run are known and equal; a doubt is
//! measured. Identity is by content: the paths of the two sides differ, for they lie in two checkouts.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::model::results::{Base, BaseKind, Comparison, PlannedPair};
use crate::model::sample::{EngineSpec, Run};
use crate::model::{BackendId, BackendSpec, Sample, SampleId};

/// What a Tollgate is started with to be the built-in engine.
const BUILT_IN_ARGS: [&str; 1] = ["worker"];

/// The two sides of a run.
#[derive(Debug, Clone, Copy)]
pub struct Sides<'a> {
    /// Of the head.
    pub samples: &'a [Sample],
    /// Of the head.
    pub backends: &'a [BackendSpec],
    pub base: &'a Base,
    /// Lower-case hexadecimal SHA-256 of this very executable, where it is known: another copy of it is the built-in engine.
    pub own_sha256: Option<&'a str>,
}

/// Sets the comparison of every pair. With `measure_same`, what is the same on both sides is paired too, to see the noise; so it
/// is where the base is the head itself.
pub fn compare(plan: &mut [PlannedPair], sides: &Sides<'_>, measure_same: bool) {
    let measure_same = measure_same || sides.base.kind == BaseKind::Itself;
    for pair in plan {
        pair.comparison = match comparison(pair, sides) {
            Comparison::Same if measure_same => Comparison::Paired,
            other => other,
        };
    }
}

/// Has those measured that are the same on both sides and held to something else: nothing can differ from the base, but a baseline or
/// a tolerance that was edited may not be met.
pub fn mark_edited(plan: &mut [PlannedPair], edited: &BTreeSet<(SampleId, BackendId)>) {
    let is_edited = |pair: &&mut PlannedPair| edited.contains(&(pair.sample.clone(), pair.backend.clone()));
    for pair in plan.iter_mut().filter(|pair| pair.comparison == Comparison::Same).filter(is_edited) {
        pair.comparison = Comparison::Edited;
    }
}

fn comparison(pair: &PlannedPair, sides: &Sides<'_>) -> Comparison {
    fn sample<'s>(samples: &'s [Sample], pair: &PlannedPair) -> Option<&'s Sample> {
        samples.iter().find(|sample| sample.id == pair.sample)
    }
    fn backend<'b>(backends: &'b [BackendSpec], pair: &PlannedPair) -> Option<&'b BackendSpec> {
        backends.iter().find(|backend| backend.id == pair.backend)
    }
    let samples = sample(sides.samples, pair).zip(sample(&sides.base.samples, pair));
    let backends = backend(sides.backends, pair).zip(backend(&sides.base.backends, pair));
    let (Some((head_sample, base_sample)), Some((head_backend, base_backend))) = (samples, backends) else {
        return Comparison::Alone;
    };
    if same_backend(head_backend, base_backend, sides.own_sha256) && same_sample(head_sample, base_sample) {
        Comparison::Same
    } else {
        Comparison::Paired
    }
}

fn same_backend(head: &BackendSpec, base: &BackendSpec, own_sha256: Option<&str>) -> bool {
    same_engine(&head.engine, &base.engine, own_sha256)
        && head.compiler == base.compiler
        && head.options == base.options
}

/// Whether two engines are the same program, started in the same way. Name and path do not tell.
fn same_engine(head: &EngineSpec, base: &EngineSpec, own_sha256: Option<&str>) -> bool {
    let is_built_in = |engine: &EngineSpec| match engine {
        EngineSpec::BuiltIn => true,
        EngineSpec::Executable { args, sha256, .. } => Some(sha256.as_str()) == own_sha256 && args[..] == BUILT_IN_ARGS,
    };
    match (head, base) {
        (
            EngineSpec::Executable { args, sha256, .. },
            EngineSpec::Executable { args: base_args, sha256: base_sha256, .. },
        ) => !sha256.is_empty() && sha256 == base_sha256 && args == base_args,
        (head, base) => is_built_in(head) && is_built_in(base),
    }
}

/// Whether two samples are the same module, run in the same way; a doubt is a no.
pub fn same_sample(head: &Sample, base: &Sample) -> bool {
    head.sha256 == base.sha256 && same_run(head, base)
}

fn same_run(head: &Sample, base: &Sample) -> bool {
    match (&head.run, &base.run) {
        (
            Run::Wasi { args, stdin, stdout, exit_code },
            Run::Wasi { args: base_args, stdin: base_stdin, stdout: base_stdout, exit_code: base_code },
        ) => {
            args == base_args
                && exit_code == base_code
                && same_file((stdin, &head.run_files.stdin), (base_stdin, &base.run_files.stdin))
                && same_file((stdout, &head.run_files.stdout), (base_stdout, &base.run_files.stdout))
        }
        (head, base) => head == base,
    }
}

/// Whether two files, each a path and a checksum, have the same content. Without a checksum, nobody knows.
fn same_file(head: (&Option<PathBuf>, &Option<String>), base: (&Option<PathBuf>, &Option<String>)) -> bool {
    match (head, base) {
        ((None, _), (None, _)) => true,
        ((Some(_), Some(head)), (Some(_), Some(base))) => head == base,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;

    use super::*;
    use crate::model::sample::{BackendOptions, CpuFeatures, OptLevel, RunFiles};
    use crate::model::{BackendId, Bytes, SampleId, Stage, Tier, Value};

    const OWN: &str = "0bc0";

    fn sample(id: &str, folder: &str) -> Sample {
        Sample {
            id: SampleId::new(id).unwrap(),
            module: PathBuf::from(format!("{folder}/m.wasm")),
            sha256: "aa".to_owned(),
            size: Bytes(1),
            tier: Tier::Pr,
            description: None,
            run: Run::Wasi {
                args: vec!["x".to_owned()],
                stdin: Some(PathBuf::from(format!("{folder}/in"))),
                stdout: None,
                exit_code: 0,
            },
            run_files: RunFiles { stdin: Some("11".to_owned()), stdout: None },
        }
    }

    fn executable(sha256: &str, args: &[&str]) -> EngineSpec {
        EngineSpec::Executable {
            name: format!("engine {sha256}"),
            path: PathBuf::from(format!("/{sha256}")),
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
            sha256: sha256.to_owned(),
        }
    }

    fn backend(id: &str, engine: EngineSpec) -> BackendSpec {
        BackendSpec {
            id: BackendId::new(id).unwrap(),
            engine,
            compiler: "cranelift".to_owned(),
            options: BackendOptions {
                opt_level: OptLevel::Speed,
                canonicalize_nans: false,
                cpu_features: CpuFeatures { name: "native".to_owned(), features: vec![] },
                threads: NonZeroU16::MIN,
            },
        }
    }

    fn kind() -> BaseKind {
        BaseKind::Revision { name: "main".to_owned(), commit: "c0".to_owned() }
    }

    /// The comparison of one sample on one backend.
    fn of(
        head: (&Sample, &BackendSpec),
        base: (&Sample, &BackendSpec),
        kind: BaseKind,
        measure_same: bool,
    ) -> Comparison {
        let base = Base { kind, samples: vec![base.0.clone()], backends: vec![base.1.clone()] };
        let mut plan = [PlannedPair {
            sample: head.0.id.clone(),
            backend: head.1.id.clone(),
            stages: vec![Stage::Compile],
            comparison: Comparison::default(),
        }];
        let (samples, backends) = ([head.0.clone()], [head.1.clone()]);
        let sides = Sides { samples: &samples, backends: &backends, base: &base, own_sha256: Some(OWN) };
        compare(&mut plan, &sides, measure_same);
        plan[0].comparison
    }

    #[test]
    fn the_same_content_in_another_folder_is_the_same() {
        let (head, base) = (sample("a", "/head"), sample("a", "/base"));
        let engine = backend("x", EngineSpec::BuiltIn);
        assert_eq!(of((&head, &engine), (&base, &engine), kind(), false), Comparison::Same);
        assert_eq!(of((&head, &engine), (&base, &engine), kind(), true), Comparison::Paired);
        assert_eq!(of((&head, &engine), (&base, &engine), BaseKind::Itself, false), Comparison::Paired);
        // What is only said about a sample, nothing is measured of.
        let told = Sample { description: Some("new".to_owned()), tier: Tier::Smoke, ..head };
        assert_eq!(of((&told, &engine), (&base, &engine), kind(), false), Comparison::Same);
    }

    #[test]
    fn what_is_absent_from_the_base_is_alone() {
        let engine = backend("x", EngineSpec::BuiltIn);
        let (a, b) = (sample("a", "/h"), sample("b", "/h"));
        for measure_same in [false, true] {
            assert_eq!(of((&a, &engine), (&b, &engine), kind(), measure_same), Comparison::Alone);
            let other = backend("y", EngineSpec::BuiltIn);
            assert_eq!(of((&a, &engine), (&a, &other), kind(), measure_same), Comparison::Alone);
        }
    }

    #[test]
    fn every_difference_of_a_sample_is_measured() {
        let engine = backend("x", EngineSpec::BuiltIn);
        let head = sample("a", "/h");
        let wasi = |args: &[&str], stdin: Option<&str>, stdout: Option<&str>, exit_code| Sample {
            run: Run::Wasi {
                args: args.iter().map(|arg| (*arg).to_owned()).collect(),
                stdin: stdin.map(PathBuf::from),
                stdout: stdout.map(PathBuf::from),
                exit_code,
            },
            ..head.clone()
        };
        assert_eq!(wasi(&["x"], Some("/h/in"), None, 0), head);
        let files = |stdin: Option<&str>| RunFiles { stdin: stdin.map(str::to_owned), stdout: None };
        let call = |value| Run::Call { export: "run".to_owned(), args: vec![Value::I32(value)], expect: vec![] };
        let different = [
            Sample { sha256: "bb".to_owned(), ..head.clone() },
            Sample { run: Run::Nothing, ..head.clone() },
            Sample { run: call(1), ..head.clone() },
            Sample { run_files: files(Some("22")), ..head.clone() },
            Sample { run_files: files(None), ..head.clone() },
            wasi(&[], Some("/h/in"), None, 0),
            wasi(&["x"], None, None, 0),
            wasi(&["x"], Some("/h/in"), Some("/h/out"), 0),
            wasi(&["x"], Some("/h/in"), None, 1),
        ];
        for other in &different {
            assert_eq!(of((&head, &engine), (other, &engine), kind(), false), Comparison::Paired, "{other:?}");
            assert_eq!(of((other, &engine), (&head, &engine), kind(), false), Comparison::Paired, "{other:?}");
        }
        let (one, two) = (Sample { run: call(1), ..head.clone() }, Sample { run: call(2), ..head.clone() });
        assert_eq!(of((&one, &engine), (&two, &engine), kind(), false), Comparison::Paired);
        assert_eq!(of((&one, &engine), (&one, &engine), kind(), false), Comparison::Same);
    }

    #[test]
    fn engines_are_told_apart_by_content_and_arguments() {
        let sample = sample("a", "/h");
        let compare = |head: EngineSpec, base: EngineSpec| {
            of((&sample, &backend("x", head)), (&sample, &backend("x", base)), kind(), false)
        };
        let built_in = || EngineSpec::BuiltIn;
        assert_eq!(compare(built_in(), executable(OWN, &["worker"])), Comparison::Same);
        assert_eq!(compare(executable(OWN, &["worker"]), built_in()), Comparison::Same);
        assert_eq!(compare(built_in(), executable(OWN, &[])), Comparison::Paired);
        assert_eq!(compare(built_in(), executable("77", &["worker"])), Comparison::Paired);
        assert_eq!(compare(executable("77", &["w"]), executable("77", &["w"])), Comparison::Same);
        assert_eq!(compare(executable("77", &["w"]), executable("77", &["v"])), Comparison::Paired);
        assert_eq!(compare(executable("77", &["w"]), executable("78", &["w"])), Comparison::Paired);
        // Not looked up: nobody knows what it is.
        assert_eq!(compare(executable("", &["w"]), executable("", &["w"])), Comparison::Paired);
    }

    #[test]
    fn other_compilers_and_options_are_measured() {
        let sample = sample("a", "/h");
        let head = backend("x", EngineSpec::BuiltIn);
        let compiler = BackendSpec { compiler: "llvm".to_owned(), ..head.clone() };
        let options = |change: &dyn Fn(&mut BackendOptions)| {
            let mut backend = head.clone();
            change(&mut backend.options);
            backend
        };
        let different = [
            compiler,
            options(&|options| options.canonicalize_nans = true),
            options(&|options| options.opt_level = OptLevel::None),
            options(&|options| options.threads = NonZeroU16::MAX),
            options(&|options| options.cpu_features.features.push("avx".to_owned())),
        ];
        for other in &different {
            assert_eq!(of((&sample, &head), (&sample, other), kind(), false), Comparison::Paired, "{other:?}");
        }
    }

    #[test]
    fn without_knowing_ourselves_no_executable_is_the_built_in_engine() {
        assert!(!same_engine(&EngineSpec::BuiltIn, &executable("", &["worker"]), None));
        assert!(same_engine(&EngineSpec::BuiltIn, &EngineSpec::BuiltIn, None));
    }
}
