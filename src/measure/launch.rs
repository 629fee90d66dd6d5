//! One launch: the script of requests that turns a sample on a backend into a [`Launch`].
//!
//! Invariants: what was recorded before a failure is kept; an unsupported stage makes the stages that need it
//! unsupported, for the same reason; nothing is measured of `execute` before its output was found right. Does not know
//! how launches are scheduled or judged.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tempfile::TempDir;

use super::cancel::Cancel;
use super::child::{Child, Stopped};
use super::death::excerpt;
use super::protocol::{Answer, Command, FailedKind, Hello, Measure, Measured, Prepare};
use super::spawn::{Order, ProcessLimits};
use crate::model::observation::{Kernel, Side, YardstickReading};
use crate::model::settings::{Effort, Limits};
use crate::model::{
    BackendSpec, Failure, FailureKind, Launch, Nanos, Observation, Sample, Stage, StageOutcome, StageRecord,
};

/// Padding of the environment and offset of the stack are drawn below this: one page, after which the alignments that
/// matter to caches and store forwarding repeat (4 KiB aliasing).
const LAYOUT_RANGE: u32 = 4096;

/// All that a launch depends on.
#[derive(Debug, Clone, Copy)]
pub struct LaunchSpec<'a> {
    /// Position in the schedule, from 0.
    pub id: u32,
    pub round: u32,
    pub side: Side,
    pub sample: &'a Sample,
    pub backend: &'a BackendSpec,
    /// In the order of measuring.
    pub stages: &'a [Stage],
    pub limits: Limits,
    pub effort: Effort,
    /// Seed of the run; with `id` it fixes the layout noise of this launch.
    pub seed: u64,
    /// Start of the run.
    pub run_started: Instant,
    /// Where the launch's own scratch folder is made, and removed again.
    pub scratch_parent: &'a Path,
}

/// The user wants the run to stop; what the launch had recorded is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

/// Runs one launch to its end, good or bad.
///
/// # Errors
/// Only when the user interrupts; everything else that goes wrong is the launch's `failure`.
pub fn run(spec: &LaunchSpec<'_>, cancel: &Cancel) -> Result<Launch, Interrupted> {
    let started = Instant::now();
    let mut launch = empty(spec, started);
    match converse(spec, &mut launch, cancel) {
        Ok(()) => {}
        Err(Stopped::Failed(failure)) => launch.failure = Some(failure),
        Err(Stopped::Interrupted) => return Err(Interrupted),
    }
    launch.duration = started.elapsed().into();
    launch.measuring = Nanos(time_measuring(&launch));
    Ok(launch)
}

/// Starts the worker in a scratch folder of its own, and goes through the script with it. Both are gone on return.
fn converse(spec: &LaunchSpec<'_>, launch: &mut Launch, cancel: &Cancel) -> Result<(), Stopped> {
    let scratch = scratch(spec.scratch_parent)?;
    let mut random = ChaCha8Rng::seed_from_u64(spec.seed);
    random.set_stream(u64::from(spec.id));
    let order = Order {
        engine: &spec.backend.engine,
        scratch: scratch.path(),
        limits: process_limits(spec),
        padding: random.random_range(0..LAYOUT_RANGE) as usize,
    };
    let child = Child::start(&order, cancel).map_err(Stopped::Failed)?;
    launch.core = child.core();
    let deadline = deadline(spec);
    Script { spec, child, launch, deadline }.play(scratch.path(), random.random_range(0..LAYOUT_RANGE))
}

/// Added to the deadline for each full MiB of module: twice the 14 s that LLVM, the slowest backend, takes for each MiB of the
/// slowest committed sample on an idle core.
const DEADLINE_PER_MIB: Duration = Duration::from_secs(30);

/// How long one request may take: the limit, and more for a large module, so that a hang of a small one is noticed early.
fn deadline(spec: &LaunchSpec<'_>) -> Duration {
    let limit: Duration = spec.limits.deadline.into();
    let mebibytes = u32::try_from(spec.sample.size.0 >> 20).unwrap_or(u32::MAX);
    limit.saturating_add(DEADLINE_PER_MIB.saturating_mul(mebibytes))
}

fn scratch(parent: &Path) -> Result<TempDir, Stopped> {
    // Absolute, because the worker lives in another folder than this process.
    let made = parent.canonicalize().and_then(|parent| tempfile::Builder::new().prefix("launch-").tempdir_in(parent));
    made.map_err(|error| {
        let folder = parent.display().to_string();
        let detail = format!(
            "no scratch folder in `{}`: {error}; free some space there, or choose another folder with --out",
            folder.escape_debug()
        );
        Stopped::Failed(Failure { stage: None, kind: FailureKind::Spawn, detail })
    })
}

fn empty(spec: &LaunchSpec<'_>, started: Instant) -> Launch {
    Launch {
        id: spec.id,
        sample: spec.sample.id.clone(),
        backend: spec.backend.id.clone(),
        side: spec.side,
        round: spec.round,
        offset: started.saturating_duration_since(spec.run_started).into(),
        duration: Nanos(0),
        measuring: Nanos(0),
        core: None,
        engine: None,
        stubbed_imports: Vec::new(),
        yardstick: Vec::new(),
        stages: BTreeMap::new(),
        failure: None,
    }
}

/// The processor time that no launch within its deadlines can exceed: every request on every core. It only backs the
/// deadlines up, for a worker whose parent is gone.
fn process_limits(spec: &LaunchSpec<'_>) -> ProcessLimits {
    let requests = spec.stages.len() as u64 * 2 + 5;
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
    let cpu = Nanos::from(deadline(spec)).0.saturating_mul(requests).saturating_mul(cores);
    ProcessLimits { memory: spec.limits.memory, cpu: Nanos(cpu) }
}

fn time_measuring(launch: &Launch) -> u64 {
    let of_stages =
        launch.stages.values().flat_map(|record| &record.observations).map(|observation| observation.wall.0);
    let of_yardsticks = launch.yardstick.iter().map(|reading| reading.observation.wall.0);
    of_stages.chain(of_yardsticks).fold(0, u64::saturating_add)
}

/// The conversation with one worker.
struct Script<'a> {
    spec: &'a LaunchSpec<'a>,
    child: Child,
    launch: &'a mut Launch,
    deadline: Duration,
}

impl Script<'_> {
    fn play(mut self, scratch: &Path, stack_offset: u32) -> Result<(), Stopped> {
        if self.prepare(scratch, stack_offset)? {
            self.yardstick(self.spec.effort.yardsticks_before, None)?;
            for stage in self.spec.stages {
                if self.stage(*stage)? {
                    self.yardstick(self.spec.effort.yardsticks_after, Some(*stage))?;
                }
            }
        }
        self.child.quit(self.deadline)
    }

    /// Whether there is anything to measure.
    fn prepare(&mut self, scratch: &Path, stack_offset: u32) -> Result<bool, Stopped> {
        let Hello { engine, compilers, .. } = self.child.hello(self.deadline)?;
        self.launch.engine = Some(engine);
        let compiler = &self.spec.backend.compiler;
        if !compilers.contains(compiler) {
            self.all_unsupported(&format!("this build of the engine has no {compiler}"));
            return Ok(false);
        }
        let command = Command::Prepare(Prepare {
            module: self.spec.sample.module.clone(),
            run: self.spec.sample.run.clone(),
            compiler: compiler.clone(),
            options: self.spec.backend.options.clone(),
            scratch: scratch.to_owned(),
            stack_offset,
        });
        match self.ask(command, None)? {
            Answer::Ready { stubbed_imports } => {
                self.launch.stubbed_imports = stubbed_imports;
                Ok(true)
            }
            Answer::Unsupported { reason } => {
                self.all_unsupported(&reason);
                Ok(false)
            }
            other => Err(self.unexpected(&other, None)),
        }
    }

    fn yardstick(&mut self, repeats: u32, after: Option<Stage>) -> Result<(), Stopped> {
        match self.ask(Command::Yardstick { repeats }, after)? {
            Answer::Yardstick(readings) if is_complete(&readings, repeats) => {
                self.launch.yardstick.extend(readings);
                Ok(())
            }
            other => Err(self.unexpected(&other, after)),
        }
    }

    /// Whether the worker did anything for the stage.
    fn stage(&mut self, stage: Stage) -> Result<bool, Stopped> {
        if let Some(reason) = self.inherited(stage) {
            self.unsupported(stage, reason);
            return Ok(false);
        }
        if stage == Stage::Execute {
            match self.ask(Command::Verify, Some(stage))? {
                Answer::Verified => {}
                Answer::Unsupported { reason } => {
                    self.unsupported(stage, reason);
                    return Ok(true);
                }
                other => return Err(self.unexpected(&other, Some(stage))),
            }
        }
        let Effort { min_batch, max_observations, time_cap, .. } = self.spec.effort;
        let command = Command::Measure(Measure { stage, batch: None, min_batch, max_observations, time_cap });
        match self.ask(command, Some(stage))? {
            Answer::Measured(measured) if is_sound(&measured, stage, max_observations) => {
                let Measured { observations, artifact, memory } = measured;
                let record = StageRecord { outcome: StageOutcome::Measured, observations, artifact, memory };
                self.launch.stages.insert(stage, record);
                Ok(true)
            }
            Answer::Unsupported { reason } => {
                self.unsupported(stage, reason);
                Ok(true)
            }
            other => Err(self.unexpected(&other, Some(stage))),
        }
    }

    /// The reason why a stage cannot be done, where one that it starts from could not.
    fn inherited(&self, stage: Stage) -> Option<String> {
        let first = (stage != Stage::Validate).then_some(Stage::Validate);
        first.iter().chain(stage.needs()).find_map(|needed| match &self.launch.stages.get(needed)?.outcome {
            StageOutcome::Unsupported(reason) => Some(reason.clone()),
            StageOutcome::Measured => None,
        })
    }

    fn unsupported(&mut self, stage: Stage, reason: String) {
        let outcome = StageOutcome::Unsupported(reason);
        self.launch
            .stages
            .insert(stage, StageRecord { outcome, observations: Vec::new(), artifact: None, memory: None });
    }

    fn all_unsupported(&mut self, reason: &str) {
        for stage in self.spec.stages {
            self.unsupported(*stage, reason.to_owned());
        }
    }

    /// Asks; a failure is recorded as one of `stage`.
    fn ask(&mut self, command: Command, stage: Option<Stage>) -> Result<Answer, Stopped> {
        let answer = self.child.request(command, self.deadline).map_err(|stopped| in_stage(stopped, stage))?;
        let Answer::Failed { kind, detail } = answer else { return Ok(answer) };
        let kind = match kind {
            FailedKind::Stage => FailureKind::Stage,
            FailedKind::WrongOutput => FailureKind::WrongOutput,
            FailedKind::FreshDiffers => FailureKind::FreshDiffers,
        };
        Err(Stopped::Failed(Failure { stage, kind, detail }))
    }

    fn unexpected(&mut self, answer: &Answer, stage: Option<Stage>) -> Stopped {
        let shown = serde_json::to_vec(answer).unwrap_or_default();
        in_stage(self.child.broke_protocol(&format!("not an answer to what was asked: {}", excerpt(&shown))), stage)
    }
}

fn in_stage(stopped: Stopped, stage: Option<Stage>) -> Stopped {
    match stopped {
        Stopped::Failed(failure) => Stopped::Failed(Failure { stage, ..failure }),
        Stopped::Interrupted => Stopped::Interrupted,
    }
}

/// Whether every kernel was read as often as asked for: a ratio to a yardstick with a hole would mean something else.
fn is_complete(readings: &[YardstickReading], repeats: u32) -> bool {
    let of = |kernel| readings.iter().filter(|reading| reading.kernel == kernel).count();
    Kernel::ALL.iter().all(|kernel| of(*kernel) == repeats as usize)
        && readings.iter().all(|reading| reading.observation.batch > 0)
}

/// Whether a stage's record is one that the request allows.
fn is_sound(measured: &Measured, stage: Stage, max_observations: u32) -> bool {
    let is_hash = |text: &str| text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let artifact_fits = match &measured.artifact {
        Some(artifact) => stage == Stage::Serialize && is_hash(&artifact.sha256),
        None => stage != Stage::Serialize,
    };
    let is_batch = |observation: &Observation| observation.batch > 0;
    artifact_fits
        && (1..=2 * max_observations.max(1) as usize).contains(&measured.observations.len())
        && measured.observations.iter().all(is_batch)
}
