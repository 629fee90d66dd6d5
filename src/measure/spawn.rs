//! What a worker process is born into: cleared environment, own process group, one core, limits, death with its parent.
//!
//! Invariants: everything is computed before the fork; between fork and exec only system calls are made. What a system
//! does not offer is left out here and named by [`limitations`], never pretended. Knows nothing of the protocol.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::{Pid, Resource, Rlimit};

use crate::model::sample::EngineSpec;
use crate::model::{Bytes, Nanos};

/// Limits that the system holds a worker to over its whole life.
#[derive(Debug, Clone, Copy)]
pub struct ProcessLimits {
    /// Private writable memory, and the size of any file written.
    pub memory: Bytes,
    /// Processor time of all threads together; rounded up to whole seconds.
    pub cpu: Nanos,
}

/// What to start, and in which surroundings.
#[derive(Debug, Clone, Copy)]
pub struct Order<'a> {
    pub engine: &'a EngineSpec,
    /// Working directory and place for temporary files.
    pub scratch: &'a Path,
    pub limits: ProcessLimits,
    /// Bytes of padding in the environment. The environment lies above the stack, and its size alone moves measured
    /// times (Mytkowicz et al., "Producing wrong data without doing anything obviously wrong", 2009).
    pub padding: usize,
}

/// Builds the command, and tells which core it will run on.
pub(super) fn command(order: &Order<'_>) -> io::Result<(Command, Option<u32>)> {
    let mut command = match order.engine {
        EngineSpec::BuiltIn => {
            let mut command = Command::new(own_executable()?);
            command.arg0("tollgate").arg("worker");
            command
        }
        EngineSpec::Executable { path, args, .. } => {
            let mut command = Command::new(path);
            command.args(args);
            command
        }
    };
    command
        .env_clear()
        .env("LC_ALL", "C")
        .env("TMPDIR", order.scratch)
        .env("TOLLGATE_PAD", "x".repeat(order.padding))
        .current_dir(order.scratch)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    let core = prepare_child(&mut command, order.limits);
    Ok((command, core))
}

/// This executable, even when the file was replaced by a rebuild since it was started: both sides of a run must be
/// one and the same program.
///
/// # Errors
/// When the system does not say where it lies.
pub fn own_executable() -> io::Result<PathBuf> {
    let link = Path::new("/proc/self/exe");
    if link.exists() { Ok(link.to_owned()) } else { std::env::current_exe() }
}

/// The limits as the kernel wants them, never above the hard limits that this process is under itself.
fn resource_limits(limits: ProcessLimits) -> [(Resource, Rlimit); 4] {
    let seconds = limits.cpu.0.div_ceil(1_000_000_000).max(1);
    let bounded = |resource, wanted: u64, hard: u64| {
        let maximum = rustix::process::getrlimit(resource).maximum.unwrap_or(u64::MAX).min(hard);
        (resource, Rlimit { current: Some(wanted.min(maximum)), maximum: Some(maximum) })
    };
    [
        // RLIMIT_DATA, not RLIMIT_AS: engines reserve gigabytes of address space for each memory without using them.
        bounded(Resource::Data, limits.memory.0, limits.memory.0),
        // The soft limit says SIGXCPU, which names the cause; the hard one kills whoever ignores it.
        bounded(Resource::Cpu, seconds, seconds.saturating_add(2)),
        bounded(Resource::Fsize, limits.memory.0, limits.memory.0),
        bounded(Resource::Core, 0, 0),
    ]
}

#[cfg(target_os = "linux")]
fn prepare_child(command: &mut Command, limits: ProcessLimits) -> Option<u32> {
    use rustix::process::{Signal, getpid, getppid, set_parent_process_death_signal};
    use rustix::thread::{CpuSet, sched_setaffinity};

    let parent: Pid = getpid();
    let resources = resource_limits(limits);
    let core = worker_core();
    let affinity = core.map(|core| {
        let mut set = CpuSet::new();
        set.set(core as usize);
        set
    });
    let in_child = move || {
        // The kernel ties this to the thread that forked; `Child` therefore stays on its thread.
        set_parent_process_death_signal(Some(Signal::KILL))?;
        if getppid() != Some(parent) {
            // The parent died before the line above took effect.
            return Err(io::Error::from(rustix::io::Errno::SRCH));
        }
        if let Some(set) = &affinity {
            sched_setaffinity(None, set)?;
        }
        keep_addresses();
        for (resource, limit) in &resources {
            rustix::process::setrlimit(*resource, *limit)?;
        }
        Ok(())
    };
    // SAFETY: between fork and exec the closure makes raw system calls only; it neither allocates nor takes a lock, and
    // it touches nothing but the plain values it owns.
    unsafe {
        command.pre_exec(in_child);
    }
    core
}

#[cfg(not(target_os = "linux"))]
fn prepare_child(command: &mut Command, limits: ProcessLimits) -> Option<u32> {
    let resources = resource_limits(limits);
    let in_child = move || {
        for (resource, limit) in &resources {
            // Systems differ in which of these they know; `limitations` says that they may not hold.
            let _unknown = rustix::process::setrlimit(*resource, *limit);
        }
        Ok(())
    };
    // SAFETY: between fork and exec the closure makes system calls only; it neither allocates nor takes a lock, and it
    // touches nothing but the plain values it owns.
    unsafe {
        command.pre_exec(in_child);
    }
    None
}

/// Has the next program's memory laid out at the same addresses every time, where the system allows it: containers often do not, and
/// launches then scatter more.
#[cfg(target_os = "linux")]
fn keep_addresses() {
    // SAFETY: a system call without pointers, which sets a flag of this process.
    unsafe {
        let current = libc::personality(QUERY);
        if current >= 0 {
            let _refused = libc::personality(current as libc::c_ulong | libc::ADDR_NO_RANDOMIZE as libc::c_ulong);
        }
    }
}

/// Asks `personality` what is set, and changes nothing.
#[cfg(target_os = "linux")]
const QUERY: libc::c_ulong = 0xffff_ffff;

/// The core that workers are pinned to: the last one allowed, because interrupts and daemons gather on the first.
#[cfg(target_os = "linux")]
#[must_use]
pub fn worker_core() -> Option<u32> {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
    let allowed = sched_getaffinity(None).ok()?;
    // Setting what is set already changes nothing, but fails where the system forbids pinning.
    sched_setaffinity(None, &allowed).ok()?;
    let core = (0..CpuSet::MAX_CPU).rev().find(|core| allowed.is_set(*core))?;
    u32::try_from(core).ok()
}

/// Pinning is not to be had here.
#[cfg(not(target_os = "linux"))]
#[must_use]
pub fn worker_core() -> Option<u32> {
    None
}

/// Resident memory of a process that is its own making, private or shared, without mapped files such as its code.
#[cfg(target_os = "linux")]
pub(super) fn resident(pid: Pid) -> Option<Bytes> {
    resident_from_status(&std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?)
}

#[cfg(target_os = "linux")]
fn resident_from_status(text: &str) -> Option<Bytes> {
    let kibibytes = |field: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(field))?;
        line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()
    };
    let sum = kibibytes("RssAnon:")?.saturating_add(kibibytes("RssShmem:")?);
    Some(Bytes(sum.saturating_mul(1024)))
}

/// Resident memory of another process is not to be had here.
#[cfg(not(target_os = "linux"))]
pub(super) fn resident(_pid: Pid) -> Option<Bytes> {
    None
}

/// What this system does not let a worker be held to, in plain words.
#[must_use]
pub fn limitations() -> Vec<String> {
    let mut found = Vec::new();
    if worker_core().is_none() {
        found.push("workers are not pinned to a core: the system does not allow it".to_owned());
    }
    if cfg!(not(target_os = "linux")) {
        found.push("memory limits of workers may not be enforced on this system".to_owned());
        found.push(
            "workers are not killed by the system when Tollgate itself is killed; they end by themselves".to_owned(),
        );
    } else if resident(rustix::process::getpid()).is_none() {
        found.push("memory of workers is not watched: /proc is not mounted".to_owned());
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_whole_seconds_and_never_above_the_hard_limit() {
        let limits = resource_limits(ProcessLimits { memory: Bytes(1 << 30), cpu: Nanos(1_200_000_000) });
        for (resource, limit) in limits {
            let hard = rustix::process::getrlimit(resource).maximum;
            assert!(hard.is_none_or(|hard| limit.maximum.is_some_and(|new| new <= hard)), "{resource:?}");
            assert!(limit.current <= limit.maximum, "{resource:?}");
        }
        assert_eq!(limits[1].1.current, Some(2));
        assert_eq!(limits[3].1.current, Some(0));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn memory_of_a_process_is_private_and_shared_but_not_files() {
        let status = "VmRSS:\t    9000 kB\nRssAnon:\t     100 kB\nRssFile:\t    8000 kB\nRssShmem:\t      24 kB\n";
        assert_eq!(resident_from_status(status), Some(Bytes(124 * 1024)));
        assert_eq!(resident_from_status("VmRSS:\t    9000 kB\n"), None);
        assert!(resident(rustix::process::getpid()).is_some_and(|bytes| bytes.0 > 10_000));
    }
}
