//! The inside of a worker: reads requests, works on its one sample with its one backend, answers.
//!
//! Invariants: standard output belongs to the protocol and is out of everybody else's reach before anything else happens; every
//! request is answered once, in order, also when something panics; the process ends at once when its parent is gone. Reads no
//! configuration, no environment and no clock but the monotonic one.

use std::collections::BTreeSet;
use std::fs::File;
use std::hint::black_box;
use std::io::{self, BufRead, Read, Write};
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Instant;

use crate::engine::{self, Backend, Setup, StageError, Task, Wasmer};
use crate::model::{Nanos, Stage};

use super::chance::pin;
use super::footing::{map_own_code, move_memory};
use super::meters::Stopwatch;
use super::observe::observe;
use super::protocol::{
    Answer, Command, FailedKind, Hello, MAX_LINE, Measure, Measured, PROTOCOL_VERSION, Prepare, Reply, Request,
};
use super::stages::Stages;
use super::yardstick::Yardstick;

/// Longest text of a failure, in bytes; a reader wants the beginning, and a line has a limit.
const MAX_DETAIL: usize = 16 << 10;
/// Most stubbed imports that are told.
const MAX_STUBS: usize = 1000;
/// Longest name of one that is told, in characters.
const MAX_NAME: usize = 200;
/// Largest shift: more than a page, so that every placement within one can occur, and far from the stack's end.
const MAX_SHIFT: u32 = 64 << 10;
/// Largest module that is read, in bytes: four times what Wasmer takes.
const MAX_MODULE: u64 = 4 << 30;

/// Most readings of every kernel at a time: they take ten seconds and two thirds of the longest line.
const MAX_REPEATS: u32 = 1000;

/// Exit code for requests that are not the protocol, and for a worker that cannot even start.
const EXIT_PROTOCOL: u8 = 2;

/// Runs a worker until it is told to quit or its parent is gone. `spin` is a slowdown to plant, as a share of each operation's own
/// time: for trying the gate, 0 otherwise.
#[must_use]
pub fn main(spin: f64) -> ExitCode {
    match serve(spin) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody else is left to tell; if standard error is gone too, the exit code must do.
            let _ = writeln!(io::stderr(), "worker: {error}");
            ExitCode::from(EXIT_PROTOCOL)
        }
    }
}

/// What ends a worker early.
#[derive(Debug, thiserror::Error)]
enum WorkerError {
    #[error("cannot set up standard output: {0}")]
    Output(io::Error),
    #[error("cannot write a reply: {0}")]
    Reply(io::Error),
    #[error("cannot encode a reply: {0}")]
    Encode(serde_json::Error),
    #[error("a request is longer than {MAX_LINE} bytes")]
    TooLong,
    #[error("a request cannot be read: {0}")]
    Request(serde_json::Error),
}

fn serve(spin: f64) -> Result<(), WorkerError> {
    let mut replies = Replies(claim_stdout().map_err(WorkerError::Output)?);
    replies.send(&Hello {
        protocol: PROTOCOL_VERSION,
        engine: engine::version().to_owned(),
        compilers: engine::compilers().into_iter().map(str::to_owned).collect(),
    })?;
    let requests = listen();
    let mut worker = Worker { spin, ..Worker::default() };
    // Things are moved for everything after `prepare`, which comes first, and the stack for everything after that.
    while let Some(request) = next(&requests)? {
        let shift = match &request.command {
            Command::Quit => return Ok(()),
            Command::Prepare(prepare) => prepare.shift.min(MAX_SHIFT),
            _ => 0,
        };
        pin(shift);
        move_memory(shift);
        worker.answer_to(request, &mut replies)?;
        if shift > 0 {
            return lower(shift, &mut || worker.serve_rest(&requests, &mut replies));
        }
    }
    Ok(())
}

/// Calls `run` from at least `bytes` further down the stack.
#[inline(never)]
fn lower<R>(bytes: u32, run: &mut dyn FnMut() -> R) -> R {
    let pad = [0_u8; 16];
    black_box(&pad);
    let result = if bytes < FRAME { run() } else { lower(bytes - FRAME, run) };
    // Used after the call, so that the frame stays.
    black_box(&pad);
    result
}

/// About what one call of [`lower`] takes from the stack.
const FRAME: u32 = 64;

/// Takes standard output for the protocol; whatever prints from now on, prints to standard error.
fn claim_stdout() -> io::Result<File> {
    let protocol = io::stdout().as_fd().try_clone_to_owned()?;
    // SAFETY: both descriptors are numbers of this process's own standard streams; nothing else is touched.
    if unsafe { libc::dup2(libc::STDERR_FILENO, libc::STDOUT_FILENO) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(File::from(protocol))
}

/// The one line-writing end.
struct Replies(File);

impl Replies {
    fn send(&mut self, message: &impl serde::Serialize) -> Result<(), WorkerError> {
        self.write(&encode(message)?)
    }

    /// Sends a reply, or says that it is too long to be sent.
    fn reply(&mut self, id: u64, answer: Answer) -> Result<(), WorkerError> {
        let line = encode(&Reply { id, answer })?;
        if line.len() <= MAX_LINE {
            return self.write(&line);
        }
        let detail = format!("the reply has {} bytes, {MAX_LINE} are allowed; ask for less at a time", line.len());
        self.send(&Reply { id, answer: Answer::Failed { kind: FailedKind::Stage, detail } })
    }

    fn write(&mut self, line: &[u8]) -> Result<(), WorkerError> {
        self.0.write_all(line).map_err(WorkerError::Reply)
    }
}

fn encode(message: &impl serde::Serialize) -> Result<Vec<u8>, WorkerError> {
    let mut line = serde_json::to_vec(message).map_err(WorkerError::Encode)?;
    line.push(b'\n');
    Ok(line)
}

type Incoming = Result<Request, WorkerError>;

/// Reads requests in a thread of its own, which is how the worker learns that its parent is gone while it works.
fn listen() -> Receiver<Incoming> {
    let (sender, receiver) = sync_channel(1);
    std::thread::spawn(move || read_requests(&sender));
    receiver
}

fn read_requests(requests: &SyncSender<Incoming>) {
    let mut stdin = io::stdin().lock();
    loop {
        let mut line = Vec::new();
        match (&mut stdin).take(MAX_LINE as u64 + 1).read_until(b'\n', &mut line) {
            // Whatever is being measured, nobody will hear of it. Destructors of a compiler at work must not run.
            Ok(0) | Err(_) => exit_now(),
            Ok(length) if length > MAX_LINE => {
                let _ = requests.send(Err(WorkerError::TooLong));
                return;
            }
            Ok(_) => {
                let request = serde_json::from_slice(&line).map_err(WorkerError::Request);
                let last = request.is_err() || matches!(&request, Ok(Request { command: Command::Quit, .. }));
                // The receiver is gone only when the process ends.
                if requests.send(request).is_err() || last {
                    return;
                }
            }
        }
    }
}

fn exit_now() -> ! {
    // SAFETY: always sound; it ends the process without running anything of it.
    unsafe { libc::_exit(0) }
}

fn next(requests: &Receiver<Incoming>) -> Result<Option<Request>, WorkerError> {
    requests.recv().ok().transpose()
}

/// A worker with what it has been given.
#[derive(Default)]
struct Worker {
    stages: Option<Stages<Wasmer>>,
    yardstick: Option<Yardstick>,
    /// Stages that have run before in this launch.
    warm: BTreeSet<Stage>,
    /// Slowdown that is planted in every stage, as a share of its own time.
    spin: f64,
}

impl Worker {
    fn serve_rest(&mut self, requests: &Receiver<Incoming>, replies: &mut Replies) -> Result<(), WorkerError> {
        while let Some(request) = next(requests)? {
            if request.command == Command::Quit {
                break;
            }
            self.answer_to(request, replies)?;
        }
        Ok(())
    }

    fn answer_to(&mut self, request: Request, replies: &mut Replies) -> Result<(), WorkerError> {
        let Request { id, command } = request;
        // What a panic leaves behind is products of finished stages, which are never half made.
        let answer = catch_unwind(AssertUnwindSafe(|| self.answer(command)));
        let answer = answer.unwrap_or_else(|payload| {
            let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let text = text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_default();
            Err(StageError::Failed(format!("the engine panicked: {text}")))
        });
        replies.reply(id, answer.unwrap_or_else(|error| answer_for(&error)))
    }

    fn answer(&mut self, command: Command) -> Result<Answer, StageError> {
        match command {
            Command::Prepare(prepare) => self.prepare(prepare),
            Command::Yardstick { repeats } if repeats > MAX_REPEATS => Err(StageError::Failed(format!(
                "{repeats} readings of the yardstick do not fit a reply; ask for at most {MAX_REPEATS}"
            ))),
            Command::Yardstick { repeats } => {
                let yardstick = self.yardstick.get_or_insert_with(Yardstick::new);
                Ok(Answer::Yardstick(yardstick.read(repeats)))
            }
            Command::Measure(request) => self.measure(&request),
            Command::Verify => self.prepared()?.verify().map(|()| Answer::Verified),
            Command::Quit => Err(StageError::Failed("`quit` is not answered".to_owned())),
        }
    }

    fn prepare(&mut self, prepare: Prepare) -> Result<Answer, StageError> {
        if self.stages.is_some() {
            return Err(StageError::Failed(
                "this worker is prepared already; start another for another sample".to_owned(),
            ));
        }
        let module = read_module(&prepare.module)?;
        let name = prepare.module.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let task = Task::load(&prepare.run).map_err(|error| StageError::Failed(error.to_string()))?;
        let Prepare { compiler, options, scratch, .. } = prepare;
        let backend = Wasmer::new(Setup { module, name, compiler, options, task: task.clone() })?;
        map_own_code();
        let stubbed_imports = shortened(backend.stubbed_imports());
        self.stages = Some(Stages::new(backend, task, scratch));
        Ok(Answer::Ready { stubbed_imports })
    }

    fn measure(&mut self, request: &Measure) -> Result<Answer, StageError> {
        let stage = request.stage;
        let warm = self.warm.contains(&stage);
        let start = Instant::now();
        let spin = self.spin;
        let stages = self.prepared()?;
        let observations = observe(
            request,
            warm,
            || Nanos::from(start.elapsed()),
            |batch| {
                let mut watch = Stopwatch::of(batch).spinning(spin);
                stages.run(stage, batch, &mut watch)?;
                Ok(watch.observation())
            },
        )?;
        let artifact = if stage == Stage::Serialize && !warm { stages.artifact() } else { None };
        let memory = if stage == Stage::Compile { stages.take_memory() } else { None };
        self.warm.insert(stage);
        Ok(Answer::Measured(Measured { observations, artifact, memory }))
    }

    fn prepared(&mut self) -> Result<&mut Stages<Wasmer>, StageError> {
        self.stages.as_mut().ok_or_else(|| StageError::Failed("nothing is prepared; `prepare` comes first".to_owned()))
    }
}

fn read_module(path: &std::path::Path) -> Result<Vec<u8>, StageError> {
    let failed = |error: io::Error| StageError::Failed(format!("cannot read the module {path:?}: {error}"));
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(StageError::Failed(format!("the module {path:?} is not a file")));
    }
    if metadata.len() > MAX_MODULE {
        return Err(StageError::Failed(format!("the module {path:?} is larger than {} GiB", MAX_MODULE >> 30)));
    }
    let mut module = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or_default());
    file.take(MAX_MODULE).read_to_end(&mut module).map_err(failed)?;
    Ok(module)
}

/// The names, bounded in number and length.
fn shortened(names: &[String]) -> Vec<String> {
    let mut told: Vec<String> =
        names.iter().take(MAX_STUBS).map(|name| name.chars().take(MAX_NAME).collect()).collect();
    if names.len() > MAX_STUBS {
        told.push(format!("… and {} more", names.len() - MAX_STUBS));
    }
    told
}

fn answer_for(error: &StageError) -> Answer {
    let failed = |kind, detail: &str| Answer::Failed { kind, detail: cut(detail) };
    match error {
        StageError::Unsupported(reason) => Answer::Unsupported { reason: cut(reason) },
        StageError::Failed(detail) => failed(FailedKind::Stage, detail),
        StageError::WrongOutput(detail) => failed(FailedKind::WrongOutput, detail),
        StageError::FreshDiffers(detail) => failed(FailedKind::FreshDiffers, detail),
    }
}

/// At most [`MAX_DETAIL`] bytes of the text.
fn cut(text: &str) -> String {
    if text.len() <= MAX_DETAIL {
        text.to_owned()
    } else {
        format!("{}…", &text[..text.floor_char_boundary(MAX_DETAIL)])
    }
}
