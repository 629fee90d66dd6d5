//! The conversation with one worker, and the [`Launch`] that it leaves behind.
//!
//! Invariants: what was recorded before a failure is kept; an unsupported stage makes the stages that need it
//! unsupported, for the same reason; an answer is recorded only if the request allows it. Does not know in which order
//! things are asked, how often, or whether another worker is spoken with in between.

use std::collections::{BTreeMap, BTreeSet};
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

/// Padding of the environment and shift of everything else are drawn below this: one page, after which the alignments that matter to
/// caches and store forwarding repeat (4 KiB aliasing).
const LAYOUT_RANGE: u32 = 4096;

/// Added to the deadline for each full MiB of module: twice the 14 s that LLVM, the slowest backend, takes for each MiB of the
/// slowest committed sample on an idle core.
const DEADLINE_PER_MIB: Duration = Duration::from_secs(30);

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
    /// Seed of the run; with `layout` it fixes where things lie in this launch's memory.
    pub seed: u64,
    /// Launches of one number have their things at the same places. Both sides of a pair share one, so that what a place costs
    /// cancels (common random numbers: Conway, 1963, "Some tactical problems in digital simulation"); pairs differ, so that a lucky
    /// one is averaged away.
    pub layout: u32,
    /// Start of the run.
    pub run_started: Instant,
    /// Where the launch's own scratch folder is made, and removed again.
    pub scratch_parent: &'a Path,
}

impl LaunchSpec<'_> {
    /// The record of a launch that begins at `started`, with nothing in it yet.
    pub(super) fn empty(&self, started: Instant) -> Launch {
        Launch {
            id: self.id,
            sample: self.sample.id.clone(),
            backend: self.backend.id.clone(),
            side: self.side,
            round: self.round,
            offset: started.saturating_duration_since(self.run_started).into(),
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

    /// How long one request may take: the limit, and more for a large module, so that a hang of a small one is noticed early.
    fn deadline(&self) -> Duration {
        let limit: Duration = self.limits.deadline.into();
        let mebibytes = u32::try_from(self.sample.size.0 >> 20).unwrap_or(u32::MAX);
        limit.saturating_add(DEADLINE_PER_MIB.saturating_mul(mebibytes))
    }

    /// The processor time that no launch within its deadlines can exceed: every request on every core. It only backs the
    /// deadlines up, for a worker whose parent is gone.
    fn process_limits(&self, requests: u64) -> ProcessLimits {
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
        let cpu = Nanos::from(self.deadline()).0.saturating_mul(requests).saturating_mul(cores);
        ProcessLimits { memory: self.limits.memory, cpu: Nanos(cpu) }
    }
}

/// Time in the timed batches and yardsticks that a launch recorded.
pub(super) fn time_measuring(launch: &Launch) -> Nanos {
    let of_stages =
        launch.stages.values().flat_map(|record| &record.observations).map(|observation| observation.wall.0);
    let of_yardsticks = launch.yardstick.iter().map(|reading| reading.observation.wall.0);
    Nanos(of_stages.chain(of_yardsticks).fold(0, u64::saturating_add))
}

/// A worker process that was spoken with by nobody yet.
#[derive(Debug)]
pub(super) struct Worker {
    // Declared first, so that it is gone when the folder that it works in is removed.
    child: Child,
    scratch: TempDir,
    shift: u32,
}

impl Worker {
    /// Starts the worker in a scratch folder of its own. It will be asked at most `requests` times.
    ///
    /// # Errors
    /// When there is no folder, or the engine cannot be started.
    pub(super) fn start(spec: &LaunchSpec<'_>, requests: u64, cancel: &Cancel) -> Result<Self, Failure> {
        let scratch = scratch(spec.scratch_parent)?;
        let mut random = ChaCha8Rng::seed_from_u64(spec.seed);
        random.set_stream(u64::from(spec.layout));
        let order = Order {
            engine: &spec.backend.engine,
            scratch: scratch.path(),
            limits: spec.process_limits(requests),
            padding: random.random_range(0..LAYOUT_RANGE) as usize,
        };
        let child = Child::start(&order, cancel)?;
        Ok(Self { child, scratch, shift: random.random_range(0..LAYOUT_RANGE) })
    }
}

fn scratch(parent: &Path) -> Result<TempDir, Failure> {
    // Absolute, because the worker lives in another folder than this process.
    let made = parent.canonicalize().and_then(|parent| tempfile::Builder::new().prefix("launch-").tempdir_in(parent));
    made.map_err(|error| {
        let folder = parent.display().to_string();
        let detail = format!(
            "no scratch folder in `{}`: {error}; free some space there, or choose another folder with --out",
            folder.escape_debug()
        );
        Failure { stage: None, kind: FailureKind::Spawn, detail }
    })
}

/// The conversation with one worker, which fills the record of its launch.
#[derive(Debug)]
pub(super) struct Conversation<'a> {
    spec: LaunchSpec<'a>,
    worker: Worker,
    launch: &'a mut Launch,
    deadline: Duration,
    /// Measured at least once, recorded or not.
    measured: BTreeSet<Stage>,
}

impl<'a> Conversation<'a> {
    pub(super) fn new(spec: LaunchSpec<'a>, worker: Worker, launch: &'a mut Launch) -> Self {
        launch.core = worker.child.core();
        Self { deadline: spec.deadline(), spec, worker, launch, measured: BTreeSet::new() }
    }

    /// Greets the worker and sets it up for its sample. Where that is not supported, no stage is, and `false` is returned.
    ///
    /// # Errors
    /// When the worker fails, or the user interrupts; so in all that follows.
    pub(super) fn prepare(&mut self) -> Result<bool, Stopped> {
        let Hello { engine, compilers, .. } = self.worker.child.hello(self.deadline)?;
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
            scratch: self.worker.scratch.path().to_owned(),
            shift: self.worker.shift,
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

    /// Reads the yardstick; a failure counts as one of the stage before.
    pub(super) fn yardstick(&mut self, repeats: u32, after: Option<Stage>) -> Result<(), Stopped> {
        match self.ask(Command::Yardstick { repeats }, after)? {
            Answer::Yardstick(readings) if is_complete(&readings, repeats) => {
                self.launch.yardstick.extend(readings);
                Ok(())
            }
            other => Err(self.unexpected(&other, after)),
        }
    }

    /// What comes before a stage's first measurement: its output is found right, if it has one. Returns whether the stage
    /// can be measured; if not, that is recorded.
    pub(super) fn begin(&mut self, stage: Stage) -> Result<bool, Stopped> {
        if let Some(reason) = self.inherited(stage) {
            self.unsupported(stage, reason);
            return Ok(false);
        }
        if stage != Stage::Execute {
            return Ok(true);
        }
        match self.ask(Command::Verify, Some(stage))? {
            Answer::Verified => Ok(true),
            Answer::Unsupported { reason } => {
                self.unsupported(stage, reason);
                Ok(false)
            }
            other => Err(self.unexpected(&other, Some(stage))),
        }
    }

    /// Measures without recording it yet. Nothing if it turns out that the stage is unsupported; that is recorded.
    pub(super) fn measure(&mut self, measure: Measure) -> Result<Option<Measured>, Stopped> {
        let Measure { stage, max_observations, .. } = measure;
        let answer = self.ask(Command::Measure(measure), Some(stage))?;
        let first = self.measured.insert(stage);
        match answer {
            Answer::Measured(measured) if is_sound(&measured, stage, first, max_observations) => Ok(Some(measured)),
            Answer::Unsupported { reason } => {
                self.unsupported(stage, reason);
                Ok(None)
            }
            other => Err(self.unexpected(&other, Some(stage))),
        }
    }

    /// One observation of exactly this batch, of a stage that was measured before in this launch.
    pub(super) fn observe(&mut self, stage: Stage, batch: u32) -> Result<Observation, Stopped> {
        let command = Command::Measure(Measure::once(stage, batch));
        match self.ask(command, Some(stage))? {
            Answer::Measured(Measured { observations, .. })
                if observations.len() == 1 && observations[0].batch == batch =>
            {
                Ok(observations[0])
            }
            other => Err(self.unexpected(&other, Some(stage))),
        }
    }

    pub(super) fn record(&mut self, stage: Stage, measured: Measured) {
        let Measured { observations, artifact, memory } = measured;
        let record = StageRecord { outcome: StageOutcome::Measured, observations, artifact, memory };
        self.launch.stages.insert(stage, record);
    }

    /// Ends the worker for a failure, which becomes the launch's.
    pub(super) fn fail(&mut self, failure: Failure) {
        self.worker.child.kill();
        self.launch.failure = Some(failure);
    }

    pub(super) fn has_failed(&self) -> bool {
        self.launch.failure.is_some()
    }

    /// Asks the worker to end, and waits until it has.
    pub(super) fn quit(&mut self) -> Result<(), Stopped> {
        self.worker.child.quit(self.deadline)
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
        let answer = self.worker.child.request(command, self.deadline).map_err(|stopped| in_stage(stopped, stage))?;
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
        let what = format!("not an answer to what was asked: {}", excerpt(&shown));
        in_stage(self.worker.child.broke_protocol(&what), stage)
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

/// Whether a stage's record is one that the request allows; `first` if it was not measured before in this launch.
fn is_sound(measured: &Measured, stage: Stage, first: bool, max_observations: u32) -> bool {
    let is_hash = |text: &str| text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let artifact_fits = match &measured.artifact {
        Some(artifact) => stage == Stage::Serialize && is_hash(&artifact.sha256),
        None => stage != Stage::Serialize || !first,
    };
    let is_batch = |observation: &Observation| observation.batch > 0;
    artifact_fits
        && (1..=2 * max_observations.max(1) as usize).contains(&measured.observations.len())
        && measured.observations.iter().all(is_batch)
}
