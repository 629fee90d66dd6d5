//! `cargo bench`: the committed samples through criterion, with its HTML report in `target/criterion`.
//!
//! The ids are the ones the field knows, `fibonacci/wasmer-cranelift/ab-compile`; what is timed is what `tollgate run` times, by the
//! same code. Criterion measures in one process, so its intervals say nothing about the next launch: look with this, gate with
//! `tollgate run`.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use criterion::Criterion;
use tollgate::engine::{Setup, StageError, Task, Wasmer};
use tollgate::measure::meters::Stopwatch;
use tollgate::measure::stages::Stages;
use tollgate::model::Stage;
use tollgate::model::sample::{BackendSpec, EngineSpec, Sample};

/// Benchmarks by name, and the stages that one operation of each consists of.
const BENCHMARKS: [(&str, &[Stage]); 5] = [
    ("ab-compile", &[Stage::Validate, Stage::Compile]),
    ("serialize", &[Stage::Serialize]),
    ("deserialize", &[Stage::Deserialize]),
    ("c-instantiate", &[Stage::Instantiate]),
    ("d-call", &[Stage::Execute]),
];

/// Criterion's fewest. With the times below, all committed samples take a few minutes.
const SAMPLES: usize = 10;
const WARM_UP: Duration = Duration::from_millis(100);
const MEASUREMENT: Duration = Duration::from_millis(500);

/// Longest operation that is repeated the ten times and more that criterion wants; LLVM needs longer for a megabyte.
const LONGEST: Duration = Duration::from_secs(1);

fn main() -> Result<(), Box<dyn Error>> {
    let mut criterion = Criterion::default()
        .sample_size(SAMPLES)
        .warm_up_time(WARM_UP)
        .measurement_time(MEASUREMENT)
        .configure_from_args();
    let config = tollgate::config::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tollgate.yml"))?;
    let scratch = tempfile::tempdir()?;
    let filter = Filter::from_args();
    for sample in &config.samples {
        for backend in config.backends.iter().filter(|backend| backend.engine == EngineSpec::BuiltIn) {
            let group = format!("{}/wasmer-{}", sample.id, backend.id);
            if BENCHMARKS.iter().any(|(name, _)| filter.selects(&format!("{group}/{name}"))) {
                let folder = tempfile::tempdir_in(scratch.path())?;
                bench(&mut criterion, &filter, &group, prepare(sample, backend, folder.path())?);
            }
        }
    }
    criterion.final_summary();
    Ok(())
}

fn prepare(sample: &Sample, backend: &BackendSpec, scratch: &Path) -> Result<Stages<Wasmer>, Box<dyn Error>> {
    let task = Task::load(&sample.run)?;
    let backend = Wasmer::new(Setup {
        module: std::fs::read(&sample.module)?,
        name: sample.id.to_string(),
        compiler: backend.compiler.clone(),
        options: backend.options.clone(),
        task: task.clone(),
    })?;
    Ok(Stages::new(backend, task, scratch.to_owned()))
}

fn bench(criterion: &mut Criterion, filter: &Filter, group: &str, mut stages: Stages<Wasmer>) {
    let mut benchmarks = criterion.benchmark_group(group);
    for (name, parts) in BENCHMARKS {
        let id = format!("{group}/{name}");
        if !filter.selects(&id) {
            continue;
        }
        match operate(&mut stages, parts, 1) {
            Err(error) => skipped(&id, &error.to_string()),
            Ok(time) if time > LONGEST => skipped(&id, &format!("one operation takes {:.1} s", time.as_secs_f64())),
            Ok(_) => {
                benchmarks.bench_function(name, |bencher| {
                    bencher.iter_custom(|iterations| repeat(&mut stages, parts, iterations));
                });
            }
        }
    }
    benchmarks.finish();
}

/// What criterion asks for, in batches of what a stage takes at once.
fn repeat(stages: &mut Stages<Wasmer>, parts: &[Stage], iterations: u64) -> Duration {
    let mut total = Duration::ZERO;
    let mut left = iterations;
    while left > 0 {
        let batch = u32::try_from(left).unwrap_or(u32::MAX).min(tollgate::measure::observe::MAX_BATCH);
        // It went well before, so this is for criterion to stop at.
        total += operate(stages, parts, batch).unwrap_or_else(|error| panic!("{error}"));
        left -= u64::from(batch);
    }
    total
}

fn operate(stages: &mut Stages<Wasmer>, parts: &[Stage], batch: u32) -> Result<Duration, StageError> {
    let mut watch = Stopwatch::default();
    for stage in parts {
        stages.run(*stage, batch, &mut watch)?;
    }
    Ok(watch.observation().wall.into())
}

#[expect(clippy::print_stderr, reason = "criterion prints too, and a benchmark that is left out must be told")]
fn skipped(id: &str, reason: &str) {
    eprintln!("{id}: skipped: {}", reason.escape_debug());
}

/// What was asked for on the command line, as far as it decides what is worth preparing; criterion does the filtering proper.
struct Filter(Vec<String>);

impl Filter {
    fn from_args() -> Self {
        let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
        // Beside an option of criterion's, a word may be its value; and what is no plain text is a pattern.
        let plain =
            |arg: &String| arg.chars().all(|c| c.is_ascii_alphanumeric() || "/_-".contains(c)) && !arg.starts_with('-');
        Self(if args.iter().all(plain) { args } else { Vec::new() })
    }

    fn selects(&self, id: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|part| id.contains(part.as_str()))
    }
}
