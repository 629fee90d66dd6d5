//! Clocks and counters around an operation: wall time, processor time, context switches, page faults, resident memory.
//!
//! Invariants: between the two readings of the wall clock there is nothing but the operation, so the system calls of the other
//! meters are never timed; a meter that the system does not have reads nothing rather than zero. Knows no stages.

use std::fs;
use std::time::{Duration, Instant};

use crate::model::observation::{Lap, MemoryReading};
use crate::model::{Bytes, Nanos, Observation};

/// Parts that a batch is timed in, so that the quickest one can be told.
///
/// A batch of half a millisecond has laps of 50 µs, a thousand times what reading the clock costs and more operations than most slow
/// paths are apart.
pub const LAPS: u32 = 10;

/// Adds up timed chunks until they make one observation.
#[derive(Debug, Default)]
pub struct Stopwatch {
    operations: u32,
    wall: Duration,
    used: Usage,
    spin: f64,
    laps: Laps,
}

/// The laps of one observation: all of the same number of operations, over the borders of chunks. What is left at the end is none.
#[derive(Debug, Default)]
struct Laps {
    /// Operations of a lap.
    length: u32,
    operations: u32,
    wall: Duration,
    quickest: Option<Duration>,
}

impl Laps {
    fn add(&mut self, operations: u32, wall: Duration) {
        self.operations = self.operations.saturating_add(operations);
        self.wall += wall;
        if self.operations >= self.length {
            if self.operations == self.length {
                self.quickest = Some(self.quickest.map_or(self.wall, |quickest| quickest.min(self.wall)));
            }
            (self.operations, self.wall) = (0, Duration::ZERO);
        }
    }

    /// How many operations the lap under way still wants.
    fn left(&self) -> u32 {
        self.length.saturating_sub(self.operations).max(1)
    }

    fn told(&self) -> Option<Lap> {
        self.quickest.map(|wall| Lap { operations: self.length, wall: wall.into() })
    }
}

/// Largest share that a watch spins for: a hundred times as slow is slow enough.
const MOST_SPIN: f64 = 100.0;

impl Stopwatch {
    /// A watch for one batch, which it takes in [`LAPS`] laps where it has as many operations.
    #[must_use]
    pub fn of(batch: u32) -> Self {
        Self { laps: Laps { length: batch.div_ceil(LAPS).max(1), ..Laps::default() }, ..Self::default() }
    }

    /// The same watch, spinning for this share of what is timed: a slowdown planted to try the gate with.
    #[must_use]
    pub fn spinning(self, share: f64) -> Self {
        Self { spin: share.clamp(0.0, MOST_SPIN), ..self }
    }

    /// Times one operation that gives something.
    pub fn time<R>(&mut self, run: impl FnOnce() -> R) -> R {
        let before = Usage::of_this_process();
        let (result, wall) = self.lap(run);
        let used = Usage::of_this_process().since(before);
        self.add(1, wall, used);
        self.laps.add(1, wall);
        result
    }

    /// Times one chunk of `operations` operations, lap by lap.
    pub fn each(&mut self, operations: u32, mut run: impl FnMut()) {
        let before = Usage::of_this_process();
        let (mut left, mut total) = (operations, Duration::ZERO);
        while left > 0 {
            let size = left.min(self.laps.left());
            let ((), wall) = self.lap(|| (0..size).for_each(|_| run()));
            self.laps.add(size, wall);
            total += wall;
            left -= size;
        }
        let used = Usage::of_this_process().since(before);
        self.add(operations, total, used);
    }

    fn lap<R>(&self, run: impl FnOnce() -> R) -> (R, Duration) {
        let start = Instant::now();
        let result = run();
        if self.spin > 0.0 {
            let until = start.elapsed().mul_f64(1.0 + self.spin);
            while start.elapsed() < until {
                std::hint::spin_loop();
            }
        }
        (result, start.elapsed())
    }

    fn add(&mut self, operations: u32, wall: Duration, used: Usage) {
        self.operations = self.operations.saturating_add(operations);
        self.wall += wall;
        self.used = self.used.plus(used);
    }

    /// What was measured since the stopwatch was made.
    #[must_use]
    pub fn observation(&self) -> Observation {
        Observation {
            batch: self.operations.max(1),
            wall: self.wall.into(),
            cpu: Nanos(self.used.cpu),
            voluntary: count(self.used.voluntary),
            involuntary: count(self.used.involuntary),
            minor_faults: count(self.used.minor_faults),
            major_faults: count(self.used.major_faults),
            // The one lap of a batch of one tells nothing more.
            lap: self.laps.told().filter(|lap| lap.operations < self.operations),
        }
    }
}

/// Counters are kept as 32 bits in an observation; a stage with four thousand million faults has other problems.
fn count(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// What a process has used since it began, all its threads together, ended ones included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Usage {
    /// Nanoseconds, in steps of one microsecond: a tenth of a percent of the shortest batch.
    cpu: u64,
    voluntary: u64,
    involuntary: u64,
    minor_faults: u64,
    major_faults: u64,
}

impl Usage {
    fn of_this_process() -> Self {
        let usage = sys::usage();
        Self {
            cpu: usage.microseconds * 1000,
            voluntary: usage.voluntary,
            involuntary: usage.involuntary,
            minor_faults: usage.minor_faults,
            major_faults: usage.major_faults,
        }
    }

    fn since(self, before: Self) -> Self {
        self.zip(before, u64::saturating_sub)
    }

    fn plus(self, other: Self) -> Self {
        self.zip(other, u64::saturating_add)
    }

    fn zip(self, other: Self, f: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            cpu: f(self.cpu, other.cpu),
            voluntary: f(self.voluntary, other.voluntary),
            involuntary: f(self.involuntary, other.involuntary),
            minor_faults: f(self.minor_faults, other.minor_faults),
            major_faults: f(self.major_faults, other.major_faults),
        }
    }
}

/// Runs an operation and reads by how much it raised the resident memory at its peak.
///
/// The kernel's high-water mark is reset just before, which only Linux can do; elsewhere, and where `/proc` is not what it
/// usually is, there is no reading. Pages of files are resident too; `footing::map_own_code` keeps them out of the difference.
pub fn with_memory<R>(run: impl FnOnce() -> R) -> (R, Option<MemoryReading>) {
    let before = reset_peak().and_then(|()| resident("VmRSS:"));
    let result = run();
    let reading = before.and_then(|before| {
        let peak = resident("VmHWM:")?;
        Some(MemoryReading { before, peak })
    });
    (result, reading)
}

fn reset_peak() -> Option<()> {
    // 5 resets the peak resident set size: proc_pid_clear_refs(5).
    fs::write("/proc/self/clear_refs", "5").ok()
}

fn resident(field: &str) -> Option<Bytes> {
    parse_kib(&fs::read_to_string("/proc/self/status").ok()?, field)
}

/// A field of `/proc/self/status` that is a size, e.g. `VmHWM: 12345 kB`.
fn parse_kib(status: &str, field: &str) -> Option<Bytes> {
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024).map(Bytes)
}

/// How many threads this process has, where the system says so cheaply.
#[must_use]
pub fn threads() -> Option<u64> {
    use std::os::unix::fs::MetadataExt;
    // A folder has two links of its own and one for each folder in it, here one for each thread.
    fs::metadata("/proc/self/task").ok().map(|folder| folder.nlink().saturating_sub(2))
}

/// Longest wait for threads to end. Ending takes tens of microseconds, or a scheduler's slice of 3 ms more where other work has the core; a
/// pool that stays, as Cranelift's first compilation leaves one behind, is not waited for again.
const SETTLE_LIMIT: Duration = Duration::from_millis(5);

/// Waits until no more than `expected` threads are left, so that the end of a compiler's thread pool, which Wasmer does not wait
/// for, falls into nobody's measurement. Where threads cannot be counted, it waits a moment.
pub fn settle(expected: Option<u64>) {
    let Some(expected) = expected else {
        std::thread::sleep(Duration::from_millis(1));
        return;
    };
    let start = Instant::now();
    while threads().is_some_and(|now| now > expected) && start.elapsed() < SETTLE_LIMIT {
        // On the one core of a pinned worker, the thread that is to end runs at once. A sleep instead, of 20 µs and what the timer adds,
        // took half of the time between two compilations of a small module.
        std::thread::yield_now();
    }
}

/// `getrusage`, which neither the standard library nor rustix has.
mod sys {
    /// The part of `struct rusage` that is used.
    #[derive(Debug, Clone, Copy)]
    pub struct Used {
        pub microseconds: u64,
        pub minor_faults: u64,
        pub major_faults: u64,
        pub voluntary: u64,
        pub involuntary: u64,
    }

    pub fn usage() -> Used {
        // SAFETY: all-zero bytes are a valid `rusage`.
        let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
        // SAFETY: the pointer is to a live `rusage` of this frame; RUSAGE_SELF cannot fail.
        unsafe { libc::getrusage(libc::RUSAGE_SELF, &raw mut usage) };
        let micros = |time: libc::timeval| unsigned(time.tv_sec) * 1_000_000 + unsigned(time.tv_usec);
        Used {
            microseconds: micros(usage.ru_utime) + micros(usage.ru_stime),
            minor_faults: unsigned(usage.ru_minflt),
            major_faults: unsigned(usage.ru_majflt),
            voluntary: unsigned(usage.ru_nvcsw),
            involuntary: unsigned(usage.ru_nivcsw),
        }
    }

    fn unsigned(value: impl TryInto<u64>) -> u64 {
        value.try_into().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hint::black_box;

    /// Enough work to be seen by every meter, without depending on how long it takes.
    fn touch_new_pages(bytes: usize) -> u8 {
        let pages = vec![1_u8; bytes];
        black_box(&pages)[bytes / 2]
    }

    #[test]
    fn an_observation_counts_operations_time_and_faults() {
        // More than the allocator keeps: what is smaller may be memory that another test has touched.
        let mut watch = Stopwatch::default();
        watch.each(3, || _ = touch_new_pages(48 << 20));
        watch.each(1, || _ = touch_new_pages(48 << 20));
        watch.time(|| touch_new_pages(48 << 20));
        let seen = watch.observation();
        assert_eq!(seen.batch, 5);
        assert!(seen.wall.0 > 0 && seen.cpu.0 > 0 && seen.minor_faults > 0, "{seen:?}");
    }

    #[test]
    fn sleeping_is_not_processor_time() {
        let mut watch = Stopwatch::default();
        watch.time(|| std::thread::sleep(Duration::from_millis(30)));
        let seen = watch.observation();
        assert!(seen.wall.0 >= 30_000_000 && seen.voluntary > 0, "{seen:?}");
    }

    fn nanos(wall: u64) -> Duration {
        Duration::from_nanos(wall)
    }

    /// The quickest lap of chunks, each given by its operations and the time of one.
    fn quickest(batch: u32, chunks: &[(u32, u64)]) -> Option<(u32, u64)> {
        let mut laps = Stopwatch::of(batch).laps;
        for (operations, each) in chunks {
            let mut left = *operations;
            while left > 0 {
                let size = left.min(laps.left());
                laps.add(size, nanos(u64::from(size) * each));
                left -= size;
            }
        }
        laps.told().map(|lap| (lap.operations, lap.wall.0))
    }

    #[test]
    fn laps_are_of_one_length_over_the_borders_of_chunks() {
        assert_eq!(quickest(100, &[(100, 7)]), Some((10, 70)));
        // 25 of 3 ns, then 15 of 5: the third lap has five of each.
        assert_eq!(quickest(40, &[(25, 5), (15, 3)]), Some((4, 12)));
        assert_eq!(quickest(20, &[(1, 9), (1, 9), (1, 4), (1, 9), (16, 10)]), Some((2, 13)));
        // What is left at the end is shorter, and no lap.
        assert_eq!(quickest(25, &[(24, 5), (1, 1)]), Some((3, 15)));
        assert_eq!(quickest(2, &[(1, 5), (1, 4)]), Some((1, 4)));
        assert_eq!(quickest(1000, &[(64, 5)]), None);
    }

    #[test]
    fn a_watch_tells_its_quickest_lap() {
        let mut watch = Stopwatch::of(12);
        let mut calls = 0;
        watch.each(12, || {
            calls += 1;
            std::thread::sleep(Duration::from_millis(if calls <= 2 { 1 } else { 3 }));
        });
        let seen = watch.observation();
        let lap = seen.lap.expect("a batch of twelve has laps");
        assert_eq!((seen.batch, calls, lap.operations), (12, 12, 2));
        assert!(lap.wall.0 >= 2_000_000 && seen.wall.0 >= 32_000_000 && lap.wall < seen.wall, "{seen:?}");
    }

    #[test]
    fn a_batch_of_one_has_no_laps() {
        let mut watch = Stopwatch::of(1);
        watch.time(|| ());
        assert_eq!(watch.observation().lap, None);
    }

    #[test]
    fn nothing_timed_is_still_a_batch_of_one() {
        let seen = Stopwatch::default().observation();
        assert_eq!((seen.batch, seen.wall), (1, Nanos(0)));
    }

    #[test]
    fn sizes_are_read_from_the_status_text() {
        let status = "Name:\tx\nVmHWM:\t   12345 kB\nVmRSS:\t     678 kB\nThreads:\t1\n";
        assert_eq!(parse_kib(status, "VmHWM:"), Some(Bytes(12345 * 1024)));
        assert_eq!(parse_kib(status, "VmRSS:"), Some(Bytes(678 * 1024)));
        assert_eq!(parse_kib(status, "VmSwap:"), None);
        assert_eq!(parse_kib("VmHWM:\tmany kB\n", "VmHWM:"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_peak_is_seen_though_the_memory_is_gone() {
        // The mark is the process's: another test may reset it just before it is read, but not ten times over.
        let seen = (0..10).any(|_| {
            let (_, reading) = with_memory(|| touch_new_pages(96 << 20));
            reading.expect("Linux can reset its high-water mark").growth().0 >= 64 << 20
        });
        assert!(seen);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn settling_waits_for_threads_to_end() {
        let before = threads().expect("Linux counts threads");
        let thread = std::thread::spawn(|| std::thread::sleep(Duration::from_millis(5)));
        assert!(threads().is_some_and(|now| now > 0) && before > 0);
        drop(thread);
        settle(Some(0));
    }
}
