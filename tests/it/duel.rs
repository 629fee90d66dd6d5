//! Pairs of launches: both sides take turns, a disturbance or a failure of one is dealt with, and no process is left.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tollgate::measure::cancel::Cancel;
use tollgate::measure::duel::{self, Contender, DuelSpec};
use tollgate::measure::launch::{self, Interrupted, LaunchSpec};
use tollgate::model::observation::Side;
use tollgate::model::sample::EngineSpec;
use tollgate::model::settings::{Effort, Limits};
use tollgate::model::{
    BackendSpec, Bytes, FailureKind, Launch, Nanos, Observation, Run, Sample, Stage, StageOutcome, StageRecord,
};

use crate::support::{AMPLE, SHORT, STAGES, backend, group, sample, wait_for};

/// Eight blocks at most, and 300 ms for them: what these tests count on, whatever the default is.
fn effort() -> Effort {
    Effort { min_batch: Nanos(1_000_000), max_blocks: 8, block_time_cap: Nanos(300_000_000), ..Effort::default() }
}

/// Two misbehaving workers with a folder, where they leave their process ids and one log of what both were asked.
struct Fixture {
    folder: TempDir,
    sample: Sample,
    backends: [BackendSpec; 2],
    round: u32,
    control: bool,
    head_only: Vec<Stage>,
    deadline: Duration,
    effort: Effort,
}

/// Arguments for both sides.
fn both(args: &[&str]) -> Fixture {
    Fixture::new(args, args)
}

fn of_base(args: &[&str]) -> Fixture {
    Fixture::new(args, &[])
}

fn of_head(args: &[&str]) -> Fixture {
    Fixture::new(&[], args)
}

impl Fixture {
    fn new(base: &[&str], head: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("scratch")).unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let side = |name: &str, args: &[&str]| {
            let log = format!("{name}={}", path("log"));
            let pid = path(name);
            backend(&[args, &["--pid-file", &pid, "--log", &log]].concat())
        };
        Self {
            sample: sample(folder.path()),
            backends: [side("base", base), side("head", head)],
            round: 0,
            control: false,
            head_only: Vec::new(),
            deadline: AMPLE,
            effort: effort(),
            folder,
        }
    }

    fn scratch(&self) -> PathBuf {
        self.folder.path().join("scratch")
    }

    fn run(&self, cancel: &Cancel) -> Result<[Launch; 2], Interrupted> {
        let [base, head] = self.backends.each_ref().map(|backend| Contender { sample: &self.sample, backend });
        let spec = DuelSpec {
            id: 6,
            round: self.round,
            control: self.control,
            base,
            head,
            stages: &STAGES,
            head_only: &self.head_only,
            limits: Limits { deadline: self.deadline.into(), memory: Bytes(256 << 20) },
            effort: self.effort,
            seed: 1,
            run_started: Instant::now(),
            scratch_parent: &self.scratch(),
        };
        duel::run(&spec, cancel)
    }

    /// Runs to the end, and holds the pair to what is true of every one.
    fn launches(&self) -> [Launch; 2] {
        let launches = self.run(&Cancel::new()).unwrap();
        self.assert_gone();
        let [base, head] = &launches;
        assert_eq!((base.id, head.id), (6, 7));
        assert_eq!((base.offset, base.duration), (head.offset, head.duration));
        for launch in &launches {
            let observations = launch.stages.values().flat_map(|record| &record.observations);
            let yardstick = launch.yardstick.iter().map(|reading| &reading.observation);
            assert_eq!(launch.measuring, Nanos(observations.chain(yardstick).map(|seen| seen.wall.0).sum()));
        }
        launches
    }

    /// The process id that one side has left.
    fn pid(&self, side: &str) -> i32 {
        wait_for("the worker's process id", || fs::read_to_string(self.folder.path().join(side)).ok()?.parse().ok())
    }

    fn assert_gone(&self) {
        for side in ["base", "head"] {
            let Ok(pid) = fs::read_to_string(self.folder.path().join(side)) else { continue };
            let pid: i32 = pid.parse().unwrap();
            wait_for("the end of the worker and its children", || group(pid).is_empty().then_some(()));
        }
        let left: Vec<_> = fs::read_dir(self.scratch()).map(Iterator::collect).unwrap_or_default();
        assert!(left.is_empty(), "scratch folders were left: {left:?}");
    }

    /// What both were asked for one point, in order: whom, and of which batch.
    fn log(&self, point: &str) -> Vec<(String, String)> {
        let log = fs::read_to_string(self.folder.path().join("log")).unwrap();
        let lines = log.lines().map(|line| line.split(' ').map(str::to_owned).collect::<Vec<_>>());
        lines.filter(|line| line[1] == point).map(|line| (line[0].clone(), line[2].clone())).collect()
    }

    /// The same as one letter for each request: small where it opens a stage, large where it observes.
    fn turns(&self, point: &str) -> String {
        let letter = |(side, batch): (String, String)| match (side.as_str(), batch.as_str()) {
            ("base", "null") => 'b',
            ("base", _) => 'B',
            (_, "null") => 'h',
            _ => 'H',
        };
        self.log(point).into_iter().map(letter).collect()
    }
}

/// What is recorded of a stage that was measured.
fn record(launch: &Launch, stage: Stage) -> &StageRecord {
    let record = &launch.stages[&stage];
    assert_eq!(record.outcome, StageOutcome::Measured, "{stage}");
    record
}

fn observations(launch: &Launch, stage: Stage) -> &[Observation] {
    &record(launch, stage).observations
}

/// The number of observations of both sides.
fn counts([base, head]: &[Launch; 2], stage: Stage) -> (usize, usize) {
    (observations(base, stage).len(), observations(head, stage).len())
}

fn stages(launch: &Launch) -> Vec<Stage> {
    launch.stages.keys().copied().collect()
}

#[test]
fn an_orderly_pair_is_recorded_in_full() {
    let [base, head] = both(&[]).launches();
    assert_eq!((base.side, head.side), (Side::Base, Side::Head));
    for launch in [&base, &head] {
        assert_eq!(launch.failure, None);
        assert_eq!(launch.engine.as_deref(), Some("invented 1.0"));
        assert_eq!(stages(launch), STAGES);
        assert_eq!(record(launch, Stage::Serialize).artifact.as_ref().unwrap().size, Bytes(10_000));
        assert_eq!(record(launch, Stage::Compile).memory.unwrap().growth(), Bytes(8_000_000));
        for (stage, blocks, batch) in [
            (Stage::Validate, 8, 1),
            // Of 20 ms: three blocks would fit, and two are even.
            (Stage::Compile, 2, 1),
            (Stage::Serialize, 8, 2),
            (Stage::Deserialize, 8, 2),
            (Stage::Instantiate, 8, 250),
            (Stage::Execute, 8, 56),
        ] {
            let seen = observations(launch, stage);
            assert_eq!(seen.len(), 2 * blocks, "{stage}");
            assert!(seen.iter().all(|seen| seen.batch == batch), "{stage}");
        }
    }
    // Four kernels, three times after the last stage, of the head alone.
    assert_eq!((base.yardstick.len(), head.yardstick.len()), (0, 12));
}

#[test]
fn sides_take_turns_and_the_next_round_begins_with_the_other() {
    let turns = [0, 1, 2].map(|round| {
        let fixture = Fixture { round, ..both(&["--time", "compile=1.25"]) };
        fixture.launches();
        // The outputs of both are found right before either is timed.
        assert_eq!(fixture.log("verify").len(), 2);
        fixture.turns("compile")
    });
    let (base_first, head_first) = ("bhBHHBHBBH", "hbHBBHBHHB");
    assert_eq!(turns[0], turns[2]);
    assert!(turns[..2] == [base_first, head_first] || turns[..2] == [head_first, base_first], "{turns:?}");
}

#[test]
fn the_sample_decides_with_the_seed_who_begins() {
    let first = |name: &str| {
        let mut fixture = both(&[]);
        fixture.sample.id = tollgate::model::SampleId::new(name).unwrap();
        fixture.launches();
        fixture.turns("compile").starts_with('b')
    };
    let begun = ["a", "b", "c", "d", "e", "f", "g", "h"].map(first);
    assert!(begun.contains(&true) && begun.contains(&false), "{begun:?}");
    assert_eq!(begun[0], first("a"));
}

#[test]
fn both_use_the_larger_batch() {
    let fixture = Fixture::new(&["--time", "instantiate=2"], &["--time", "execute=2"]);
    for launch in fixture.launches() {
        assert!(observations(&launch, Stage::Instantiate).iter().all(|seen| seen.batch == 250));
        assert!(observations(&launch, Stage::Execute).iter().all(|seen| seen.batch == 56));
    }
}

#[test]
fn disturbed_blocks_stay_and_others_are_made_for_them() {
    // Its ninth answer, the eighth observation, falls into the fourth block, and the eighteenth into the ninth, made for the fourth.
    let pair = of_head(&["--disturb", "validate=9"]).launches();
    assert_eq!(counts(&pair, Stage::Validate), (20, 20));
    assert_eq!(observations(&pair[1], Stage::Validate).iter().filter(|seen| seen.is_disturbed()).count(), 2);
    assert_eq!(counts(&pair, Stage::Execute), (16, 16));
    let always = of_base(&["--disturb", "validate=1"]).launches();
    assert_eq!(counts(&always, Stage::Validate), (32, 32));
}

#[test]
fn what_is_slow_on_both_sides_is_done_once() {
    for (round, turns) in [(0, ["bh", "hb"]), (1, ["hb", "bh"])] {
        let fixture = Fixture { round, ..both(&["--time", "compile=50"]) };
        let pair = fixture.launches();
        assert_eq!(counts(&pair, Stage::Compile), (1, 1));
        assert_eq!(record(&pair[0], Stage::Compile).memory.unwrap().growth(), Bytes(8_000_000));
        assert!(turns.contains(&fixture.turns("compile").as_str()), "{round}");
        assert_eq!(counts(&pair, Stage::Serialize), (16, 16));
    }
}

#[test]
fn what_takes_long_on_both_sides_counts_from_the_first_operation_on() {
    // 200 ms: one block, of which the openings are the first half.
    let fixture = both(&["--time", "compile=10"]);
    let pair = fixture.launches();
    assert_eq!(counts(&pair, Stage::Compile), (2, 2));
    assert!(["bhHB", "hbBH"].contains(&fixture.turns("compile").as_str()), "{}", fixture.turns("compile"));
    assert_eq!(record(&pair[1], Stage::Compile).memory.unwrap().growth(), Bytes(8_000_000));
    let failing = Fixture::new(&["--time", "compile=10", "--fail", "compile#2"], &["--time", "compile=10"]);
    let [base, head] = failing.launches();
    assert_eq!((stages(&base), base.failure.unwrap().stage), (vec![Stage::Validate], Some(Stage::Compile)));
    assert_eq!(observations(&head, Stage::Compile).len(), 3);
}

#[test]
fn what_is_slow_on_one_side_is_done_once_more_on_both() {
    let fixture = of_head(&["--time", "compile=50"]);
    let pair = fixture.launches();
    assert_eq!(counts(&pair, Stage::Compile), (1, 1));
    assert!(["bhBH", "hbHB"].contains(&fixture.turns("compile").as_str()), "{}", fixture.turns("compile"));
}

#[test]
fn a_side_that_stopped_warming_up_is_brought_level() {
    // The base's 19 ms are less than a first operation that needs no batch, the head's 21 ms are more.
    let fixture = Fixture::new(&["--time", "compile=0.95"], &["--time", "compile=1.05"]);
    fixture.launches();
    let turns = fixture.turns("compile");
    assert!(["bhHBHHBHBBH", "hbHHBBHBHHB"].contains(&turns.as_str()), "{turns}");
}

#[test]
fn an_opening_that_lost_the_core_is_done_again() {
    // Thirty milliseconds, half of which the core was somebody else's.
    let fixture = Fixture::new(&["--time", "serialize=38", "--disturb", "serialize=1"], &["--time", "serialize=38"]);
    let [base, _] = fixture.launches();
    let turns = fixture.turns("serialize");
    assert!(turns.starts_with("bbhBHHB") || turns.starts_with("hbbHBBH"), "{turns}");
    // What is told the first time alone is kept.
    assert!(record(&base, Stage::Serialize).artifact.is_some());
}

#[test]
fn a_stage_that_one_side_supports_is_measured_of_that_one() {
    for (fixture, able) in [(of_base(&["--unsupported", "compile"]), 1), (of_head(&["--unsupported", "compile"]), 0)] {
        let pair = fixture.launches();
        assert!(pair.iter().all(|launch| launch.failure.is_none()));
        assert_eq!(counts(&pair, Stage::Validate), (16, 16));
        let unsupported = &pair[1 - able].stages;
        assert_eq!(unsupported.len(), 6);
        for stage in &STAGES[1..] {
            let reason = StageOutcome::Unsupported("invented: no compile here".to_owned());
            assert_eq!(unsupported[stage].outcome, reason, "{stage}");
            assert_eq!(observations(&pair[able], *stage).len(), 3, "{stage}");
        }
        assert_eq!(record(&pair[able], Stage::Serialize).artifact.as_ref().unwrap().size, Bytes(10_000));
        assert!(record(&pair[able], Stage::Compile).memory.is_some());
    }
}

#[test]
fn an_engine_without_the_compiler_leaves_the_other_side_alone() {
    for (fixture, able) in [(of_base(&["--compilers", "llvm"]), 1), (of_head(&["--compilers", "llvm"]), 0)] {
        let pair = fixture.launches();
        assert!(pair.iter().all(|launch| launch.failure.is_none()));
        assert!(pair[1 - able].stages.values().all(|record| record.outcome != StageOutcome::Measured));
        assert_eq!((pair[1 - able].stages.len(), pair[1 - able].yardstick.len()), (6, 0));
        assert!(STAGES.iter().all(|stage| observations(&pair[able], *stage).len() == 3));
        assert_eq!(pair[able].yardstick.len(), if able == 1 { 12 } else { 0 });
    }
    let pair = both(&["--compilers", "llvm"]).launches();
    assert!(pair.iter().all(|launch| launch.failure.is_none() && launch.stages.len() == 6));
}

#[test]
fn a_slow_stage_of_one_side_alone_is_not_repeated() {
    let fixture = Fixture::new(&["--time", "compile=50", "--abort", "compile"], &["--time", "compile=50"]);
    let [base, head] = fixture.launches();
    assert_eq!(base.failure.unwrap().stage, Some(Stage::Compile));
    assert_eq!(observations(&head, Stage::Compile).len(), 1);
    assert_eq!(fixture.turns("compile").matches(['h', 'H']).count(), 1);
}

#[test]
fn a_failing_head_ends_the_pair_and_whole_blocks_are_kept() {
    // Its fourth request of the stage is the third observation: one into the second block.
    let [base, head] = of_head(&["--abort", "deserialize#4"]).launches();
    let failure = head.failure.as_ref().unwrap();
    assert!(matches!(failure.kind, FailureKind::Signal(_)), "{failure:?}");
    assert_eq!(failure.stage, Some(Stage::Deserialize));
    assert_eq!(base.failure, None);
    assert_eq!(stages(&base), STAGES[..4]);
    assert_eq!(counts(&[base, head], Stage::Deserialize), (2, 2));
}

#[test]
fn a_head_that_fails_before_the_first_block_leaves_nothing_of_the_stage() {
    for point in ["deserialize", "deserialize#2", "deserialize#3"] {
        let [base, head] = of_head(&["--abort", point]).launches();
        assert_eq!(head.failure.as_ref().unwrap().stage, Some(Stage::Deserialize));
        assert_eq!((stages(&base), stages(&head)), (STAGES[..3].to_vec(), STAGES[..3].to_vec()), "{point}");
    }
}

#[test]
fn every_way_to_fail_is_the_heads_own() {
    let cases = [
        ("--hang", "hello", FailureKind::Deadline(SHORT.into()), None, 0),
        ("--abort", "prepare", FailureKind::Signal(6), None, 0),
        ("--exit", "yardstick", FailureKind::Exit(7), Some(Stage::Execute), 6),
        ("--hang", "serialize#3", FailureKind::Deadline(SHORT.into()), Some(Stage::Serialize), 2),
        ("--wrong-answer", "verify", FailureKind::WrongOutput, Some(Stage::Execute), 5),
        ("--fail", "execute#6", FailureKind::Stage, Some(Stage::Execute), 6),
        ("--abort", "quit", FailureKind::Signal(6), None, 6),
        ("--another-batch", "compile#2", FailureKind::Protocol, Some(Stage::Compile), 1),
        ("--two-observations", "compile#2", FailureKind::Protocol, Some(Stage::Compile), 1),
        ("--refuse", "compile#2", FailureKind::Protocol, Some(Stage::Compile), 1),
        ("--no-observations", "compile", FailureKind::Protocol, Some(Stage::Compile), 1),
        ("--no-observations", "compile#2", FailureKind::Protocol, Some(Stage::Compile), 1),
        ("--flood", "compile#3", FailureKind::Flood, Some(Stage::Compile), 1),
        ("--share", "compile#3", FailureKind::Memory(Bytes(256 << 20)), Some(Stage::Compile), 1),
    ];
    for (deed, point, kind, stage, recorded) in cases {
        let mut fixture = of_head(&[deed, point]);
        fixture.deadline = SHORT;
        let [base, head] = fixture.launches();
        let failure = head.failure.unwrap();
        assert_eq!((failure.kind, failure.stage), (kind, stage), "{deed} {point}: {}", failure.detail);
        assert_eq!((base.failure, base.stages.len(), head.stages.len()), (None, recorded, recorded), "{deed} {point}");
    }
}

#[test]
fn a_failing_base_does_not_hide_the_head() {
    let cases = [
        // What of the base is recorded, and of how many observations the head's record of that last stage is.
        ("--hang", "hello", None, 0, 3),
        ("--wrong-version", "hello", None, 0, 3),
        ("--fail", "prepare", None, 0, 3),
        ("--exit", "serialize", Some(Stage::Serialize), 2, 3),
        ("--hang", "serialize#2", Some(Stage::Serialize), 2, 3),
        ("--fail", "serialize#3", Some(Stage::Serialize), 2, 3),
        ("--nonsense", "serialize#4", Some(Stage::Serialize), 3, 2),
        ("--fresh-differs", "verify", Some(Stage::Execute), 5, 3),
    ];
    for (deed, point, stage, recorded, of_head) in cases {
        let mut fixture = of_base(&[deed, point]);
        fixture.deadline = SHORT;
        let [base, head] = fixture.launches();
        let failure = base.failure.unwrap();
        assert_eq!((failure.stage, base.stages.len()), (stage, recorded), "{deed} {point}: {}", failure.detail);
        assert_eq!(head.failure, None, "{deed} {point}");
        assert_eq!(stages(&head), STAGES, "{deed} {point}");
        assert_eq!(observations(&head, stage.unwrap_or(Stage::Validate)).len(), of_head, "{deed} {point}");
        assert_eq!(observations(&head, Stage::Execute).len(), 3, "{deed} {point}");
        assert_eq!(record(&head, Stage::Serialize).artifact.as_ref().unwrap().size, Bytes(10_000));
        assert!(record(&head, Stage::Compile).memory.is_some());
        assert_eq!(head.yardstick.len(), 12);
    }
}

#[test]
fn a_base_that_fails_at_the_end_costs_nothing() {
    let [base, head] = of_base(&["--exit", "quit"]).launches();
    assert_eq!(base.failure.unwrap().kind, FailureKind::Exit(7));
    assert_eq!((head.failure, head.stages.len()), (None, 6));
}

#[test]
fn an_engine_that_cannot_start_is_its_own_sides_failure() {
    for side in [0, 1] {
        let mut fixture = both(&[]);
        let EngineSpec::Executable { path, .. } = &mut fixture.backends[side].engine else { unreachable!() };
        path.push("absent");
        let pair = fixture.launches();
        assert_eq!(pair[side].failure.as_ref().unwrap().kind, FailureKind::Spawn);
        assert_eq!(pair[1 - side].failure, None);
        assert_eq!((pair[0].stages.len(), pair[1].stages.len()), if side == 0 { (0, 6) } else { (0, 0) });
    }
}

#[test]
fn a_missing_scratch_folder_is_named_with_a_remedy() {
    let fixture = both(&[]);
    fs::remove_dir(fixture.scratch()).unwrap();
    for launch in fixture.launches() {
        // Whichever is started first; without the head there is no pair.
        assert!(launch.failure.is_none_or(|failure| failure.detail.contains("--out")));
    }
    assert!(fixture.launches()[1].failure.is_some());
}

#[test]
fn a_null_control_is_the_base_on_both_sides() {
    let [base, head] = Fixture { control: true, ..both(&[]) }.launches();
    assert_eq!((base.side, head.side), (Side::ControlBase, Side::ControlHead));
    // Nothing committed is compared with it.
    assert_eq!((base.yardstick.len(), head.yardstick.len()), (0, 0));
    assert_eq!((stages(&base), stages(&head)), (STAGES.to_vec(), STAGES.to_vec()));
}

#[test]
fn what_is_for_information_is_measured_of_the_head_at_the_end() {
    let fixture = Fixture { head_only: vec![Stage::CompileAllCores], ..both(&[]) };
    let [base, head] = fixture.launches();
    assert_eq!(stages(&base), STAGES);
    assert_eq!(observations(&head, Stage::CompileAllCores).len(), 3);
    let log = fs::read_to_string(fixture.folder.path().join("log")).unwrap();
    let lines: Vec<&str> = log.lines().filter(|line| !line.contains("quit")).collect();
    assert_eq!(lines.last(), Some(&"head compile-all-cores null"));
    let refused = Fixture { head_only: vec![Stage::CompileAllCores], ..of_head(&["--unsupported", "validate"]) };
    let [base, head] = refused.launches();
    assert_eq!((base.stages.len(), head.stages.len()), (6, 7));
    assert!(matches!(head.stages[&Stage::CompileAllCores].outcome, StageOutcome::Unsupported(_)));
}

#[test]
fn both_sides_have_the_layout_of_the_first() {
    let fixture = both(&[]);
    let [base, head] = fixture.launches();
    let alone = |id, backend| {
        let spec = LaunchSpec {
            id,
            layout: id,
            round: 0,
            side: Side::Head,
            sample: &fixture.sample,
            backend,
            stages: &STAGES,
            limits: Limits { deadline: AMPLE.into(), memory: Bytes(256 << 20) },
            effort: Effort { max_observations: 2, ..effort() },
            seed: 1,
            run_started: Instant::now(),
            scratch_parent: &fixture.scratch(),
        };
        launch::run(&spec, &Cancel::new()).unwrap()
    };
    // The helper's yardsticks follow from the layout and from nothing else; the base's has none to compare.
    assert_eq!(head.yardstick[..4], alone(6, &fixture.backends[1]).yardstick[..4]);
    assert_ne!(head.yardstick[..4], alone(7, &fixture.backends[0]).yardstick[..4]);
    let again = fixture.launches();
    assert_eq!((&base.stages, &head.stages), (&again[0].stages, &again[1].stages));
    assert_eq!(observations(&base, Stage::Validate), observations(&head, Stage::Validate));
}

#[test]
fn a_worker_that_talks_to_standard_error_while_it_is_idle_blocks_nobody() {
    // Ten times what a pipe holds and more, from a thread of its own, while the other one is asked.
    for fixture in
        [of_base(&["--mutter", "validate"]), of_head(&["--mutter", "validate"]), both(&["--mutter", "validate"])]
    {
        let pair = fixture.launches();
        assert!(pair.iter().all(|launch| launch.failure.is_none() && launch.stages.len() == 6));
    }
}

#[test]
fn the_death_of_the_idle_one_is_noticed_when_it_is_asked_next() {
    // It answers, and dies after that.
    let [base, head] = of_base(&["--die-after", "validate"]).launches();
    assert!(matches!(base.failure.unwrap().kind, FailureKind::Signal(6)));
    assert_eq!((base.stages.len(), head.failure, head.stages.len()), (0, None, 6));
}

#[test]
fn a_wish_to_stop_ends_both_at_once() {
    for fixture in [of_base(&["--hang", "compile"]), of_head(&["--hang", "compile#3"])] {
        let cancel = Cancel::new();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for pid in ["base", "head"].map(|side| fixture.pid(side)) {
                    assert!(group(pid).contains(&pid), "worker {pid} should be alive");
                }
                cancel.cancel();
            });
            // The deadline is a minute; an end by it would be a failure, not an interruption.
            assert_eq!(fixture.run(&cancel), Err(Interrupted));
        });
        fixture.assert_gone();
    }
}

#[test]
fn a_request_that_no_worker_accepts_is_not_sent() {
    let mut fixture = both(&[]);
    fixture.sample.run = Run::Wasi { args: vec!["x".repeat(1 << 20)], stdin: None, stdout: None, exit_code: 0 };
    let [_, head] = fixture.launches();
    assert!(head.failure.unwrap().detail.contains("shorten the sample's arguments"));
}
