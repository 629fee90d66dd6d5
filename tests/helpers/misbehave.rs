//! A worker for the tests: it answers everything in good order with invented figures, or misbehaves where it is told to.
//!
//! Invariants: it measures nothing and reads no clock; its figures follow from its arguments and the request alone, so
//! runs with it are reproducible. It spells the protocol out in JSON instead of using Tollgate's types, so that a change
//! of the wire format shows as a failing test.
//!
//! Usage: `misbehave [--DEED POINT] [--time STAGE=FACTOR] [--size BYTES] [--machine FACTOR] [--unsupported STAGE]
//! [--compilers A,B] [--pid-file PATH] [--disturb STAGE=N] [--log NAME=PATH]`. A point is `hello`, `prepare`, `yardstick`, `verify`,
//! `quit` or a stage, with `#N` for the Nth request of that kind alone. `--time` and `--size` plant regressions; `--machine` slows
//! stages and yardsticks alike, as another runner would; `--disturb` makes every Nth answer for a stage one that lost the core;
//! `--log` appends a line for each request to a file that two workers may share.

use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::os::fd::{FromRawFd, OwnedFd};
use std::process::{Command, exit};
use std::time::Duration;

use rustix::process::{Signal, getpid, kill_process};
use serde_json::{Value, json};

/// Invented nanoseconds of one operation of each stage.
const STAGES: [(&str, f64); 10] = [
    ("validate", 1_400_000.0),
    ("compile", 20_000_000.0),
    ("compile-all-cores", 12_000_000.0),
    ("serialize", 800_000.0),
    ("deserialize", 600_000.0),
    ("deserialize-file", 650_000.0),
    ("deserialize-headless", 590_000.0),
    ("deserialize-headless-file", 640_000.0),
    ("instantiate", 4_000.0),
    ("execute", 18_000.0),
];

/// Invented nanoseconds of each yardstick kernel.
const KERNELS: [(&str, f64); 4] =
    [("arithmetic", 1e6), ("pointer-chase", 2e6), ("branchy-sort", 1.5e6), ("allocate-and-hash", 3e6)];

/// Scatter of the invented figures, as a fraction: figures without any cannot be judged.
const SCATTER: f64 = 0.002;

#[derive(Default)]
struct Script {
    /// What to do at which point.
    deeds: BTreeMap<String, String>,
    factors: BTreeMap<String, f64>,
    unsupported: Vec<String>,
    size_delta: i64,
    machine: f64,
    compilers: Vec<String>,
    disturbed: BTreeMap<String, u64>,
    /// Under which name to log to which file.
    log: Option<(String, String)>,
    /// How often each point was reached.
    visits: BTreeMap<String, u64>,
    /// Differs between pairs of launches and comes from the request, as everything here.
    layout: u64,
    /// Differs between the sides of a pair: both get one layout, and without this the same figures.
    luck: u64,
}

fn main() {
    let mut script = parse(std::env::args().skip(1));
    serve(&mut script);
}

fn parse(mut args: impl Iterator<Item = String>) -> Script {
    let compilers = ["singlepass", "cranelift", "llvm"].map(str::to_owned).to_vec();
    let mut script = Script { machine: 1.0, compilers, ..Script::default() };
    while let Some(flag) = args.next() {
        let value = args.next().unwrap_or_default();
        match flag.as_str() {
            "--time" => {
                let (stage, factor) = value.split_once('=').unwrap();
                script.factors.insert(stage.to_owned(), factor.parse().unwrap());
            }
            "--size" => script.size_delta = value.parse().unwrap(),
            // The one exception to figures that follow from seed and arguments alone, for both sides being the same.
            "--luck" if value == "own" => script.luck = u64::from(std::process::id()),
            "--luck" => script.luck = value.parse().unwrap(),
            "--machine" => script.machine = value.parse().unwrap(),
            "--unsupported" => script.unsupported.push(value),
            "--compilers" => script.compilers = value.split(',').map(str::to_owned).collect(),
            "--disturb" => {
                let (stage, every) = value.split_once('=').unwrap();
                script.disturbed.insert(stage.to_owned(), every.parse().unwrap());
            }
            "--log" => {
                let (name, path) = value.split_once('=').unwrap();
                script.log = Some((name.to_owned(), path.to_owned()));
            }
            "--pid-file" => std::fs::write(value, std::process::id().to_string()).unwrap(),
            "--sleep" => loop {
                std::thread::sleep(Duration::from_secs(1));
            },
            deed => drop(script.deeds.insert(value, deed.trim_start_matches("--").to_owned())),
        }
    }
    script
}

fn serve(script: &mut Script) {
    let protocol = if script.deeds.get("hello").is_some_and(|deed| deed == "wrong-version") { 999 } else { 1 };
    let hello = json!({ "protocol": protocol, "engine": "invented 1.0", "compilers": script.compilers });
    misbehave(script, "hello", 0);
    say(&hello);
    misbehave(script, "after-hello", 0);
    for line in std::io::stdin().lock().lines() {
        let Ok(request) = line.map(|line| serde_json::from_str::<Value>(&line).unwrap()) else { return };
        let id = request["id"].as_u64().unwrap();
        let (point, answer) = answer(script, &request["command"]);
        log(script, &point, &request["command"]["measure"]["batch"]);
        misbehave(script, &point, id);
        let Some(answer) = answer else { return };
        say(&json!({ "id": id, "answer": answer }));
        if script.deeds.get(&point).is_some_and(|deed| deed == "die-after") {
            std::process::abort();
        }
    }
}

/// The point of the script that a request stands for, and the right answer to it.
fn answer(script: &mut Script, command: &Value) -> (String, Option<Value>) {
    if let Some(prepare) = command.get("prepare") {
        script.layout = prepare["shift"].as_u64().unwrap();
        return ("prepare".into(), Some(json!({ "ready": { "stubbed_imports": [] } })));
    }
    if let Some(yardstick) = command.get("yardstick") {
        let repeats = yardstick["repeats"].as_u64().unwrap();
        return ("yardstick".into(), Some(json!({ "yardstick": readings(script, repeats) })));
    }
    if let Some(measure) = command.get("measure") {
        let stage = measure["stage"].as_str().unwrap().to_owned();
        let answer = measured(script, &stage, measure);
        return (stage, Some(answer));
    }
    match command.as_str() {
        Some("verify") => ("verify".into(), Some(json!("verified"))),
        Some("quit") => ("quit".into(), None),
        _ => panic!("unknown command {command}"),
    }
}

fn readings(script: &Script, repeats: u64) -> Vec<Value> {
    let each = |repeat| {
        KERNELS.iter().map(move |(kernel, nanoseconds)| {
            let wall = nanoseconds * script.machine * scatter(script, kernel, repeat);
            json!({ "kernel": kernel, "observation": observation(wall, 1) })
        })
    };
    (0..repeats).flat_map(each).collect()
}

fn measured(script: &mut Script, stage: &str, measure: &Value) -> Value {
    if script.unsupported.iter().any(|unsupported| unsupported == stage) {
        return json!({ "unsupported": { "reason": format!("invented: no {stage} here") } });
    }
    let base = STAGES.iter().find(|(name, _)| *name == stage).unwrap().1;
    let factor = script.factors.get(stage).copied().unwrap_or(1.0);
    let each = base * factor * script.machine;
    let min_batch = measure["min_batch"].as_f64().unwrap();
    let batch = measure["batch"].as_f64().unwrap_or_else(|| (min_batch / each).ceil().max(1.0));
    let visit = visit(script, &format!("measured {stage}"));
    let disturbed = script.disturbed.get(stage).is_some_and(|every| visit.is_multiple_of(*every));
    let observations: Vec<Value> = (0..measure["max_observations"].as_u64().unwrap())
        .map(|index| {
            let wall = each * scatter(script, stage, 100 * (visit - 1) + index) * batch;
            let mut observation = observation(wall, batch as u64);
            if disturbed {
                observation["involuntary"] = json!(1);
                observation["cpu"] = json!((wall / 2.0) as u64);
            }
            observation
        })
        .collect();
    let size = 10_000 + script.size_delta;
    let artifact =
        (stage == "serialize" && visit == 1).then(|| json!({ "size": size, "sha256": format!("{size:064x}") }));
    let memory = (stage == "compile" && visit == 1).then(|| json!({ "before": 10_000_000, "peak": 18_000_000 }));
    json!({ "measured": { "observations": observations, "artifact": artifact, "memory": memory } })
}

fn observation(wall: f64, batch: u64) -> Value {
    let wall = wall as u64;
    json!({
        "batch": batch, "wall": wall, "cpu": wall, "voluntary": 0, "involuntary": 0, "minor_faults": 0, "major_faults": 0
    })
}

/// A factor within `1 ± SCATTER` that looks random and is not: FNV-1a over what the figure belongs to.
fn scatter(script: &Script, name: &str, index: u64) -> f64 {
    let text = format!("{} {name} {index}", script.layout ^ script.luck << 32);
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    1.0 + SCATTER * ((hash >> 40) as f64 / (1_u64 << 23) as f64 - 1.0)
}

/// Counts a visit of a point, and tells which one it is, from 1.
fn visit(script: &mut Script, point: &str) -> u64 {
    let count = script.visits.entry(point.to_owned()).or_default();
    *count += 1;
    *count
}

/// One whole line, so that two workers do not write into each other's.
fn log(script: &Script, point: &str, batch: &Value) {
    let Some((name, path)) = &script.log else { return };
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
    file.write_all(format!("{name} {point} {batch}\n").as_bytes()).unwrap();
}

fn say(value: &Value) {
    write_out(format!("{value}\n").as_bytes());
}

/// Writes as long as somebody reads.
fn write_out(bytes: &[u8]) {
    let mut out = std::io::stdout().lock();
    if out.write_all(bytes).and_then(|()| out.flush()).is_err() {
        exit(0);
    }
}

/// Does what the script says for this point; returns where the worker then goes on in good order.
fn misbehave(script: &mut Script, point: &str, id: u64) {
    let visit = visit(script, point);
    let Some(deed) = script.deeds.get(point).or_else(|| script.deeds.get(&format!("{point}#{visit}"))) else { return };
    match deed.as_str() {
        "hang" => hang(),
        "spin" => spin(),
        "abort" => std::process::abort(),
        "segfault" => segfault(),
        "exit" => exit(7),
        "flood" => flood(&[b'x'; 1 << 16]),
        "flood-lines" => flood(b"more and more and more\n"),
        "nonsense" => write_out(b"the weather is \x1b[31mfine\xff today\n"),
        "unasked" => say(&json!({ "id": id, "answer": "verified" })),
        "wrong-id" => say(&json!({ "id": id + 1, "answer": "verified" })),
        "wrong-kind" => say(&json!({ "id": id, "answer": { "ready": { "stubbed_imports": [] } } })),
        "half-line" => {
            write_out(b"{\"id\":");
            exit(0);
        }
        "no-observations" => {
            say(
                &json!({ "id": id, "answer": { "measured": { "observations": [], "artifact": null, "memory": null } } }),
            );
        }
        "another-batch" => {
            let observations = [observation(1e6, 12_345)];
            say(
                &json!({ "id": id, "answer": { "measured": { "observations": observations, "artifact": null, "memory": null } } }),
            );
        }
        "two-observations" => {
            let observations = [observation(1e6, 1), observation(1e6, 1)];
            say(
                &json!({ "id": id, "answer": { "measured": { "observations": observations, "artifact": null, "memory": null } } }),
            );
        }
        "refuse" => say(&json!({ "id": id, "answer": { "unsupported": { "reason": "invented: not any more" } } })),
        "wrong-answer" => failed(id, "wrong-output", "expected `6765`, got `6766`"),
        "fresh-differs" => failed(id, "fresh-differs", "fresh `1`, deserialized `2`"),
        "fail" => failed(id, "stage", "invented: not a module"),
        "allocate" => allocate(),
        "share" => share(),
        "close" => close(),
        "fork" => fork(),
        "complain" => complain(),
        "mutter" => drop(std::thread::spawn(complain)),
        "wrong-version" | "die-after" => {}
        other => panic!("unknown deed {other}"),
    }
}

fn failed(id: u64, kind: &str, detail: &str) {
    say(&json!({ "id": id, "answer": { "failed": { "kind": kind, "detail": detail } } }));
}

fn rest() -> ! {
    loop {
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// Does nothing any more, and does not let itself be asked to end either.
fn hang() -> ! {
    let ignored = std::sync::Arc::default();
    signal_hook::flag::register(signal_hook::consts::SIGTERM, ignored).unwrap();
    rest()
}

fn spin() -> ! {
    let mut count = 0_u64;
    loop {
        count = std::hint::black_box(count.wrapping_add(1));
    }
}

/// The runtime's own handler lets the first one pass.
fn segfault() -> ! {
    loop {
        kill_process(getpid(), Signal::SEGV).unwrap();
    }
}

fn flood(bytes: &[u8]) -> ! {
    loop {
        write_out(bytes);
    }
}

/// Private memory, written to, without end.
fn allocate() -> ! {
    let mut hoard = Vec::new();
    loop {
        hoard.push(vec![1_u8; 1 << 22]);
        std::hint::black_box(&hoard);
    }
}

/// Shared memory, which the limit on private memory does not see.
fn share() -> ! {
    let length = 1 << 40;
    let access = rustix::mm::ProtFlags::READ | rustix::mm::ProtFlags::WRITE;
    let flags = rustix::mm::MapFlags::SHARED | rustix::mm::MapFlags::NORESERVE;
    // SAFETY: a fresh mapping at an address of the kernel's choice; it is never unmapped.
    let start = unsafe { rustix::mm::mmap_anonymous(std::ptr::null_mut(), length, access, flags) };
    let start = start.unwrap().cast::<u8>();
    for page in 0.. {
        // SAFETY: far below the length of the mapping for any machine's memory.
        unsafe { start.add(page << 12).write_volatile(1) };
    }
    rest()
}

fn close() -> ! {
    // SAFETY: nothing is written to standard output after this, and nothing else is opened in its place.
    drop(unsafe { OwnedFd::from_raw_fd(1) });
    rest()
}

/// A child in the same process group that holds on to all pipes.
#[expect(clippy::zombie_processes, reason = "leaving it behind is the deed")]
fn fork() {
    let this = std::env::current_exe().unwrap();
    Command::new(this).args(["--sleep", ""]).spawn().unwrap();
}

fn complain() {
    let mut errors = std::io::stderr().lock();
    let line = [&[b'!'; 1023][..], b"\n"].concat();
    for _ in 0..10 << 10 {
        errors.write_all(&line).unwrap();
    }
    errors.write_all(b"\x1b[31mthe last words\n").unwrap();
}
