//! In what two runs differ besides their figures: samples, engines, options, machine and effort.
//!
//! Names what the runs recorded and judges nothing. Paths do not count: the same file lies elsewhere on another machine.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::compared::{Difference, Origin};
use crate::model::observation::Side;
use crate::model::sample::{EngineSpec, OptLevel};
use crate::model::settings::Effort;
use crate::model::{BackendId, BackendSpec, Results, Run, Sample, SampleId};

/// Characters of a checksum that tell two files apart.
const SHORT: usize = 12;

/// What tells a run from others.
#[must_use]
pub fn origin(results: &Results) -> Origin {
    let header = &results.header;
    Origin {
        tollgate: header.tollgate.clone(),
        commit: header.commit.clone(),
        started: header.started.clone(),
        engines: results.launches.iter().filter_map(|launch| launch.engine.clone()).collect(),
        runner: header.machine.class.clone(),
    }
}

/// All differences, sorted. Commit, date and seed differ always and are not among them.
#[must_use]
pub fn differences(a: &Results, b: &Results) -> Vec<Difference> {
    let mut list = List::default();
    let (first, second) = (&a.header, &b.header);
    list.note("tollgate", &first.tollgate, &second.tollgate);
    list.note("runner", &first.machine.class.to_string(), &second.machine.class.to_string());
    list.note("cores", &first.machine.cores.to_string(), &second.machine.cores.to_string());
    list.note("yardstick", &format!("version {}", first.yardstick), &format!("version {}", second.yardstick));
    list.note("effort", &effort(&first.effort), &effort(&second.effort));
    list.note("stages selected in one run only", &stages(a, b), &stages(b, a));
    list.samples(a, b);
    list.backends(a, b);
    list.differences.sort();
    list.differences
}

#[derive(Default)]
struct List {
    differences: Vec<Difference>,
}

impl List {
    fn note(&mut self, what: &str, a: &str, b: &str) {
        if a != b {
            self.differences.push(Difference { what: what.to_owned(), a: a.to_owned(), b: b.to_owned() });
        }
    }

    fn samples(&mut self, a: &Results, b: &Results) {
        let of = |results: &Results| -> BTreeMap<SampleId, Sample> {
            let planned: BTreeSet<_> = results.header.plan.iter().map(|pair| &pair.sample).collect();
            let samples = results.header.samples.iter().filter(|sample| planned.contains(&sample.id));
            samples.map(|sample| (sample.id.clone(), sample.clone())).collect()
        };
        let (a, b) = (of(a), of(b));
        for id in a.keys().chain(b.keys()).collect::<BTreeSet<_>>() {
            let (Some(first), Some(second)) = (a.get(id), b.get(id)) else {
                self.note(&format!("sample {id}"), presence(a.get(id)), presence(b.get(id)));
                continue;
            };
            let module = |sample: &Sample| format!("{}, sha256 {}", sample.size, short(&sample.sha256));
            if first.sha256 != second.sha256 {
                self.note(&format!("sample {id}: module"), &module(first), &module(second));
            }
            self.note(&format!("sample {id}: run"), &run(&first.run), &run(&second.run));
        }
    }

    fn backends(&mut self, a: &Results, b: &Results) {
        let of = |results: &Results| -> BTreeMap<BackendId, BackendSpec> {
            let planned: BTreeSet<_> = results.header.plan.iter().map(|pair| &pair.backend).collect();
            let backends = results.header.backends.iter().filter(|spec| planned.contains(&spec.id));
            backends.map(|spec| (spec.id.clone(), spec.clone())).collect()
        };
        let (specs_a, specs_b) = (of(a), of(b));
        for id in specs_a.keys().chain(specs_b.keys()).collect::<BTreeSet<_>>() {
            let (Some(first), Some(second)) = (specs_a.get(id), specs_b.get(id)) else {
                self.note(&format!("backend {id}"), presence(specs_a.get(id)), presence(specs_b.get(id)));
                continue;
            };
            let mut note = |what: &str, a: &str, b: &str| self.note(&format!("backend {id}: {what}"), a, b);
            note("engine", &engine(a, first), &engine(b, second));
            note("compiler", &first.compiler, &second.compiler);
            let (x, y) = (&first.options, &second.options);
            note("optimisation level", level(x.opt_level), level(y.opt_level));
            note("NaN canonicalisation", on(x.canonicalize_nans), on(y.canonicalize_nans));
            note("CPU features", &x.cpu_features.name, &y.cpu_features.name);
            if x.cpu_features.name == y.cpu_features.name {
                note("CPU features", &x.cpu_features.features.join(" "), &y.cpu_features.features.join(" "));
            }
            note("compiler threads", &x.threads.to_string(), &y.threads.to_string());
        }
    }
}

fn presence<T>(one: Option<&T>) -> &'static str {
    if one.is_some() { "measured" } else { "not measured" }
}

fn on(value: bool) -> &'static str {
    if value { "on" } else { "off" }
}

fn level(level: OptLevel) -> &'static str {
    match level {
        OptLevel::None => "none",
        OptLevel::Less => "less",
        OptLevel::Speed => "speed",
        OptLevel::SpeedAndSize => "speed-and-size",
    }
}

fn short(sha256: &str) -> String {
    sha256.chars().take(SHORT).collect()
}

/// What the workers of a backend said of themselves, and of an executable which file it was.
fn engine(results: &Results, spec: &BackendSpec) -> String {
    let heads = results.launches.iter().filter(|launch| launch.side == Side::Head && launch.backend == spec.id);
    let said: BTreeSet<&str> = heads.filter_map(|launch| launch.engine.as_deref()).collect();
    let said = if said.is_empty() { "unknown".to_owned() } else { said.into_iter().collect::<Vec<_>>().join(", ") };
    match &spec.engine {
        EngineSpec::BuiltIn => said,
        EngineSpec::Executable { name, args, sha256, .. } => {
            // A path may lead anywhere on the machine; what it ends in will do.
            let args: String =
                args.iter().filter_map(|arg| arg.rsplit(['/', '\\']).next()).map(|arg| format!(" {arg}")).collect();
            format!("{said} ({name}{args}, sha256 {})", short(sha256))
        }
    }
}

/// How a sample is executed, in a line.
fn run(run: &Run) -> String {
    match run {
        Run::Nothing => "not executed".to_owned(),
        Run::Call { export, args, expect } => {
            let list =
                |values: &[crate::model::Value]| values.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            format!("{export}({}) = {}", list(args), list(expect))
        }
        Run::Wasi { args, stdin, stdout, exit_code } => {
            let name = |path: &Option<std::path::PathBuf>| {
                let name = path.as_ref().and_then(|path| path.file_name());
                name.map_or_else(|| "nothing".to_owned(), |name| name.to_string_lossy().into_owned())
            };
            format!("wasi [{}], input {}, output {}, exit {exit_code}", args.join(" "), name(stdin), name(stdout))
        }
    }
}

fn effort(effort: &Effort) -> String {
    let ms = |nanos: crate::model::Nanos| nanos.as_f64() / 1e6;
    format!(
        "batches of {} ms, up to {} in {} ms, or {} blocks in {} ms",
        ms(effort.min_batch),
        effort.max_observations,
        ms(effort.time_cap),
        effort.max_blocks,
        ms(effort.block_time_cap)
    )
}

/// Stages that one run selected and the other did not.
fn stages(one: &Results, other: &Results) -> String {
    let only = one.header.settings.stages.difference(&other.header.settings.stages);
    let only: Vec<&str> = only.map(|stage| stage.as_str()).collect();
    if only.is_empty() { "none".to_owned() } else { only.join(", ") }
}
