//! Workers that hang, crash, flood, lie and hoard: each costs its own cells, is named rightly, and leaves no process.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tollgate::measure::cancel::Cancel;
use tollgate::measure::child::{Child, Stopped};
use tollgate::measure::launch::{self, Interrupted, LaunchSpec};
use tollgate::measure::spawn::{Order, ProcessLimits};
use tollgate::model::observation::Side;
use tollgate::model::sample::EngineSpec;
use tollgate::model::settings::{Effort, Limits};
use tollgate::model::{BackendSpec, Bytes, Failure, FailureKind, Launch, Nanos, Run, Sample, Stage, StageOutcome};

use crate::support::{AMPLE, SHORT, STAGES, backend, group, sample, wait_for};

/// A worker with its own folder, where it leaves its process id.
struct Fixture {
    folder: TempDir,
    sample: Sample,
    backend: BackendSpec,
    stages: Vec<Stage>,
    limits: Limits,
}

impl Fixture {
    fn new(args: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let pid_file = folder.path().join("pid").display().to_string();
        fs::create_dir(folder.path().join("scratch")).unwrap();
        Self {
            sample: sample(folder.path()),
            backend: backend(&[args, &["--pid-file", &pid_file]].concat()),
            stages: STAGES.to_vec(),
            limits: Limits { deadline: AMPLE.into(), memory: Bytes(256 << 20) },
            folder,
        }
    }

    fn deadline(mut self, deadline: Duration) -> Self {
        self.limits.deadline = deadline.into();
        self
    }

    fn scratch(&self) -> PathBuf {
        self.folder.path().join("scratch")
    }

    fn run(&self, cancel: &Cancel) -> Result<Launch, Interrupted> {
        self.run_as(7, cancel)
    }

    fn run_as(&self, id: u32, cancel: &Cancel) -> Result<Launch, Interrupted> {
        let spec = LaunchSpec {
            id,
            layout: id,
            round: 2,
            side: Side::Head,
            sample: &self.sample,
            backend: &self.backend,
            stages: &self.stages,
            limits: self.limits,
            effort: Effort::default(),
            seed: 1,
            run_started: Instant::now(),
            scratch_parent: &self.scratch(),
        };
        launch::run(&spec, cancel)
    }

    /// Runs to the end, and holds the launch to what is true of every one: nothing is left of the worker.
    fn launch(&self) -> Launch {
        let launch = self.run(&Cancel::new()).unwrap();
        self.assert_gone();
        launch
    }

    fn pid(&self) -> i32 {
        let file = self.folder.path().join("pid");
        wait_for("the worker's process id", || fs::read_to_string(&file).ok()?.parse().ok())
    }

    fn assert_gone(&self) {
        let pid = self.pid();
        wait_for("the end of the process group", || group(pid).is_empty().then_some(()));
        let left: Vec<_> = fs::read_dir(self.scratch()).unwrap().collect();
        assert!(left.is_empty(), "scratch folders were left: {left:?}");
    }
}

fn assert_alive(pid: i32) {
    assert!(group(pid).contains(&pid), "worker {pid} should be alive");
}

/// The failure of a worker with these arguments, and the stages that were recorded before it.
fn failure(fixture: &Fixture) -> (Failure, Vec<Stage>) {
    let launch = fixture.launch();
    (launch.failure.expect("the launch should have failed"), launch.stages.into_keys().collect())
}

#[test]
fn an_orderly_worker_is_recorded_in_full() {
    let launch = Fixture::new(&[]).launch();
    assert_eq!(launch.failure, None);
    assert_eq!((launch.id, launch.round, launch.side), (7, 2, Side::Head));
    assert_eq!(launch.engine.as_deref(), Some("invented 1.0"));
    assert_eq!(launch.stages.keys().copied().collect::<Vec<_>>(), STAGES);
    assert!(launch.stages.values().all(|record| record.outcome == StageOutcome::Measured));
    assert_eq!(launch.stages[&Stage::Serialize].artifact.as_ref().unwrap().size, Bytes(10_000));
    assert_eq!(launch.stages[&Stage::Compile].memory.unwrap().growth(), Bytes(8_000_000));
    // Four kernels, three times before the first stage and once after each of six.
    assert_eq!(launch.yardstick.len(), 4 * (3 + 6));
    let observations = launch.stages.values().flat_map(|record| &record.observations);
    let walls = observations.chain(launch.yardstick.iter().map(|reading| &reading.observation)).map(|o| o.wall.0);
    assert_eq!(launch.measuring, Nanos(walls.sum()));
    assert!(launch.duration.0 > 0);
}

#[test]
fn the_layout_of_a_launch_follows_from_seed_and_position() {
    let fixture = Fixture::new(&[]);
    let of = |id| fixture.run_as(id, &Cancel::new()).unwrap().stages;
    // The helper's figures depend on the shift in the request, and on nothing else.
    assert_eq!(of(3), of(3));
    assert_ne!(of(3), of(4));
}

#[test]
fn a_hang_meets_the_deadline_wherever_it_happens() {
    for point in ["hello", "after-hello", "prepare", "yardstick", "quit"] {
        let (failure, stages) = failure(&Fixture::new(&["--hang", point]).deadline(SHORT));
        assert_eq!(failure.kind, FailureKind::Deadline(SHORT.into()), "{point}: {failure:?}");
        assert_eq!(failure.stage, None, "{point}");
        assert_eq!(stages.len(), if point == "quit" { 6 } else { 0 }, "{point}");
    }
}

#[test]
fn a_hang_in_a_stage_keeps_the_stages_before_it() {
    let (failure, stages) = failure(&Fixture::new(&["--hang", "serialize"]).deadline(SHORT));
    assert_eq!(failure.kind, FailureKind::Deadline(SHORT.into()));
    assert_eq!(failure.stage, Some(Stage::Serialize));
    assert_eq!(stages, [Stage::Validate, Stage::Compile]);
}

#[test]
fn a_worker_that_never_reads_meets_the_deadline_too() {
    let mut fixture = Fixture::new(&["--hang", "after-hello"]).deadline(SHORT);
    // More than a pipe holds, so that writing the request cannot end.
    let args = vec!["x".repeat(1000); 500];
    fixture.sample.run = Run::Wasi { args, stdin: None, stdout: None, exit_code: 0 };
    assert_eq!(failure(&fixture).0.kind, FailureKind::Deadline(SHORT.into()));
}

#[test]
fn a_request_that_no_worker_accepts_is_not_sent() {
    let mut fixture = Fixture::new(&[]);
    let args = vec!["x".repeat(1 << 20)];
    fixture.sample.run = Run::Wasi { args, stdin: None, stdout: None, exit_code: 0 };
    let (failure, _) = failure(&fixture);
    assert_eq!(failure.kind, FailureKind::Stage);
    assert!(failure.detail.contains("shorten the sample's arguments"), "{}", failure.detail);
}

#[test]
fn crashes_are_named_by_signal_or_code() {
    let cases = [
        ("--abort", FailureKind::Signal(Signal::ABORT.as_raw())),
        ("--segfault", FailureKind::Signal(Signal::SEGV.as_raw())),
        ("--exit", FailureKind::Exit(7)),
        ("--half-line", FailureKind::Exit(0)),
    ];
    for (deed, kind) in cases {
        let (failure, stages) = failure(&Fixture::new(&[deed, "deserialize"]));
        assert_eq!(failure.kind, kind, "{deed}: {}", failure.detail);
        assert_eq!(failure.stage, Some(Stage::Deserialize), "{deed}");
        assert_eq!(stages, [Stage::Validate, Stage::Compile, Stage::Serialize], "{deed}");
    }
}

#[test]
fn a_crash_at_the_end_is_a_crash() {
    let (failure, stages) = failure(&Fixture::new(&["--abort", "quit"]));
    assert_eq!(failure.kind, FailureKind::Signal(Signal::ABORT.as_raw()));
    assert_eq!(failure.stage, None);
    assert_eq!(stages, STAGES);
}

#[test]
fn floods_end_at_the_longest_line() {
    for point in ["hello", "compile"] {
        let (failure, _) = failure(&Fixture::new(&["--flood", point]));
        assert_eq!(failure.kind, FailureKind::Flood, "{point}");
        assert!(failure.detail.len() < 1000, "{}", failure.detail.len());
    }
    // With line ends, the first line already is no answer.
    let (failure, _) = failure(&Fixture::new(&["--flood-lines", "compile"]));
    assert_eq!(failure.kind, FailureKind::Protocol);
}

#[test]
fn what_is_not_the_protocol_is_quoted_and_escaped() {
    let cases = [
        ("--nonsense", "execute", "the weather is \\u{1b}[31mfine\u{fffd} today"),
        ("--wrong-id", "execute", "to request"),
        ("--wrong-kind", "execute", "not an answer to what was asked: `{\\\"ready\\\""),
        ("--no-observations", "execute", "not an answer to what was asked: `{\\\"measured\\\""),
        ("--wrong-kind", "yardstick", "not an answer to what was asked"),
        ("--wrong-version", "hello", "version 999 of the protocol, this Tollgate speaks 1"),
        ("--nonsense", "hello", "no greeting"),
        ("--close", "execute", "closed its output and went on"),
    ];
    for (deed, point, words) in cases {
        let (failure, stages) = failure(&Fixture::new(&[deed, point]));
        assert_eq!(failure.kind, FailureKind::Protocol, "{deed} {point}: {}", failure.detail);
        assert!(failure.detail.contains(words), "{deed} {point}: {}", failure.detail);
        assert!(!failure.detail.contains(char::is_control), "{deed} {point}: {:?}", failure.detail);
        assert_eq!(stages.len(), if point == "execute" { 5 } else { 0 }, "{deed} {point}");
    }
}

#[test]
fn an_answer_too_many_is_noticed() {
    let (failure, _) = failure(&Fixture::new(&["--wrong-kind", "verify"]));
    assert_eq!((failure.kind, failure.stage), (FailureKind::Protocol, Some(Stage::Execute)));
    // Here the right answer follows the early one, and is left over when the next request is made.
    let (failure, _) = self::failure(&Fixture::new(&["--unasked", "verify"]));
    assert_eq!(failure.kind, FailureKind::Protocol, "{}", failure.detail);
}

#[test]
fn failures_that_a_worker_tells_keep_their_kind() {
    let cases = [
        ("--wrong-answer", "verify", FailureKind::WrongOutput, Some(Stage::Execute), 5),
        ("--fresh-differs", "verify", FailureKind::FreshDiffers, Some(Stage::Execute), 5),
        ("--fail", "compile", FailureKind::Stage, Some(Stage::Compile), 1),
        ("--fail", "prepare", FailureKind::Stage, None, 0),
    ];
    for (deed, point, kind, stage, recorded) in cases {
        let (failure, stages) = failure(&Fixture::new(&[deed, point]));
        assert_eq!((failure.kind, failure.stage, stages.len()), (kind, stage, recorded), "{deed} {point}");
    }
}

#[test]
fn memory_without_end_is_stopped_whichever_way_it_is_taken() {
    // Private memory hits the limit that the system keeps; shared memory is for the parent to notice.
    for (deed, words) in [("--allocate", "memory allocation of"), ("--share", "resident; the worker was killed")] {
        let (failure, stages) = failure(&Fixture::new(&[deed, "compile"]));
        assert_eq!(failure.kind, FailureKind::Memory(Bytes(256 << 20)), "{deed}: {}", failure.detail);
        assert!(failure.detail.contains(words), "{deed}: {}", failure.detail);
        assert_eq!((failure.stage, stages), (Some(Stage::Compile), vec![Stage::Validate]), "{deed}");
    }
}

#[test]
fn processor_time_is_limited() {
    let fixture = Fixture::new(&["--spin", "hello"]);
    let limits = ProcessLimits { memory: Bytes(256 << 20), cpu: Nanos(1) };
    let order = Order { engine: &fixture.backend.engine, scratch: &fixture.scratch(), limits, padding: 0 };
    let mut child = Child::start(&order, &Cancel::new()).unwrap();
    let Err(Stopped::Failed(failure)) = child.hello(AMPLE) else { panic!("the worker should have failed") };
    assert_eq!(failure.kind, FailureKind::Cpu(Nanos(1)));
    fixture.assert_gone();
}

#[test]
fn standard_error_never_blocks_and_its_end_is_kept() {
    let launch = Fixture::new(&["--complain", "compile"]).launch();
    assert_eq!(launch.failure, None);
    let (failure, _) = failure(&Fixture::new(&["--complain", "compile", "--exit", "serialize"]));
    assert_eq!(failure.kind, FailureKind::Exit(7));
    assert!(failure.detail.ends_with("\\u{1b}[31mthe last words"), "{}", failure.detail);
    assert!(failure.detail.len() < 5000, "{}", failure.detail.len());
}

#[test]
fn children_of_a_worker_go_with_it() {
    // Once with a clean end, and once with a death while the child holds on to the pipes.
    assert_eq!(Fixture::new(&["--fork", "validate"]).launch().failure, None);
    let (failure, _) = failure(&Fixture::new(&["--fork", "validate", "--abort", "compile"]));
    assert_eq!(failure.kind, FailureKind::Signal(Signal::ABORT.as_raw()));
}

#[test]
fn what_a_backend_cannot_do_spreads_to_what_needs_it() {
    let of = |args: &[&str]| {
        let launch = Fixture::new(args).launch();
        assert_eq!(launch.failure, None, "{args:?}");
        let unsupported = launch.stages.iter().filter_map(|(stage, record)| match &record.outcome {
            StageOutcome::Unsupported(reason) => Some((*stage, reason.clone())),
            StageOutcome::Measured => None,
        });
        unsupported.unzip::<_, _, Vec<_>, Vec<_>>()
    };
    assert_eq!(of(&["--unsupported", "validate"]).0, STAGES);
    let (stages, reasons) = of(&["--unsupported", "compile"]);
    assert_eq!(stages, STAGES[1..]);
    assert!(reasons.iter().all(|reason| reason == "invented: no compile here"), "{reasons:?}");
    assert_eq!(of(&["--unsupported", "execute"]).0, [Stage::Execute]);
    let (stages, reasons) = of(&["--compilers", "singlepass,llvm"]);
    assert_eq!(stages, STAGES);
    assert!(reasons.iter().all(|reason| reason == "this build of the engine has no cranelift"), "{reasons:?}");
}

#[test]
fn an_engine_that_cannot_start_is_named_with_a_remedy() {
    let cases = [("absent", "correct the engine's path"), ("text", "chmod +x")];
    for (name, remedy) in cases {
        let mut fixture = Fixture::new(&[]);
        let wrong = fixture.folder.path().join(name);
        if name == "text" {
            fs::write(&wrong, "not a program").unwrap();
        }
        let EngineSpec::Executable { path, .. } = &mut fixture.backend.engine else { unreachable!() };
        *path = wrong;
        let failure = fixture.run(&Cancel::new()).unwrap().failure.unwrap();
        assert_eq!(failure.kind, FailureKind::Spawn);
        assert!(failure.detail.contains(name) && failure.detail.contains(remedy), "{}", failure.detail);
    }
}

#[test]
fn a_missing_scratch_folder_is_named_with_a_remedy() {
    let fixture = Fixture::new(&[]);
    fs::remove_dir(fixture.scratch()).unwrap();
    let failure = fixture.run(&Cancel::new()).unwrap().failure.unwrap();
    assert_eq!(failure.kind, FailureKind::Spawn);
    assert!(failure.detail.contains("--out"), "{}", failure.detail);
}

#[test]
fn a_wish_to_stop_ends_a_launch_at_once() {
    let fixture = Fixture::new(&["--hang", "compile"]);
    let cancel = Cancel::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            assert_alive(fixture.pid());
            cancel.cancel();
        });
        // The deadline is a minute; an end by it would be a failure, not an interruption.
        assert_eq!(fixture.run(&cancel), Err(Interrupted));
    });
    fixture.assert_gone();
}

/// Says to a test's own second process that it plays the parent of a hanging worker, and in which folder.
const PARENT: &str = "TOLLGATE_TEST_PARENT";

/// Starts this very test once more, as the parent of a worker that hangs in a stage; returns it with the worker's id.
fn start_parent(test: &str, folder: &Path) -> (std::process::Child, i32) {
    let parent = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("{}::{test}", module_path!().split_once("::").unwrap().1)])
        .env(PARENT, folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let pid = wait_for("the worker's process id", || fs::read_to_string(folder.join("pid")).ok()?.parse().ok());
    assert_alive(pid);
    (parent, pid)
}

/// What that second process does.
fn play_parent(folder: &str, cancel: &Cancel) {
    let mut fixture = Fixture::new(&[]);
    let EngineSpec::Executable { args, .. } = &mut fixture.backend.engine else { unreachable!() };
    *args = ["--hang", "compile", "--fork", "validate", "--pid-file"].map(str::to_owned).to_vec();
    args.push(format!("{folder}/pid"));
    assert_eq!(fixture.run(cancel), Err(Interrupted));
    fs::write(format!("{folder}/interrupted"), "").unwrap();
}

fn send(process: &std::process::Child, signal: Signal) {
    kill_process(Pid::from_child(process), signal).unwrap();
}

#[test]
fn a_killed_parent_leaves_no_worker() {
    if let Ok(folder) = std::env::var(PARENT) {
        return play_parent(&folder, &Cancel::new());
    }
    let folder = tempfile::tempdir().unwrap();
    let (mut parent, pid) = start_parent("a_killed_parent_leaves_no_worker", folder.path());
    send(&parent, Signal::KILL);
    parent.wait().unwrap();
    wait_for("the end of the worker", || (!group(pid).contains(&pid)).then_some(()));
    // Its own child is beyond the reach of a parent that could do nothing any more; the test cleans up.
    for left in group(pid) {
        let _gone = kill_process(Pid::from_raw(left).unwrap(), Signal::KILL);
    }
}

#[test]
fn the_first_signal_interrupts_and_the_second_one_ends() {
    if let Ok(folder) = std::env::var(PARENT) {
        play_parent(&folder, &Cancel::install().unwrap());
        // Something that does not look at the wish to stop.
        loop {
            std::thread::sleep(Duration::from_secs(1));
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let (mut parent, pid) = start_parent("the_first_signal_interrupts_and_the_second_one_ends", folder.path());
    send(&parent, Signal::INT);
    wait_for("the interruption", || folder.path().join("interrupted").exists().then_some(()));
    wait_for("the end of the worker and its child", || group(pid).is_empty().then_some(()));
    assert!(parent.try_wait().unwrap().is_none(), "the first signal must not end the parent by itself");
    send(&parent, Signal::TERM);
    assert_eq!(parent.wait().unwrap().code(), Some(130));
}
