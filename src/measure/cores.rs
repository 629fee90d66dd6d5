//! The cores that a pinned worker may use while it measures, for information, what all of them together can do.

use std::num::NonZeroUsize;

/// While it lives, this thread and the ones it starts may use every core that the process is allowed.
#[derive(Debug)]
pub struct Unpinned {
    /// How many there are.
    pub cores: NonZeroUsize,
    #[cfg(target_os = "linux")]
    pinned: Option<rustix::thread::CpuSet>,
}

impl Unpinned {
    #[cfg(target_os = "linux")]
    #[must_use]
    pub fn new() -> Self {
        use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
        let pinned = sched_getaffinity(None).ok();
        let mut all = CpuSet::new();
        (0..CpuSet::MAX_CPU).for_each(|core| all.set(core));
        // The kernel takes what it allows of these. If it refuses, the stage is measured on the cores there are.
        let lifted = sched_setaffinity(None, &all).is_ok();
        let cores = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Self { cores, pinned: pinned.filter(|_| lifted) }
    }

    #[cfg(not(target_os = "linux"))]
    #[must_use]
    pub fn new() -> Self {
        Self { cores: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN) }
    }
}

#[cfg(target_os = "linux")]
impl Drop for Unpinned {
    fn drop(&mut self) {
        if let Some(pinned) = &self.pinned {
            // This set was in force before, so it cannot be refused but by a change of the machine, and then no pin is left to keep.
            let _ = rustix::thread::sched_setaffinity(None, pinned);
        }
    }
}

impl Default for Unpinned {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

    #[test]
    fn the_pin_is_lifted_and_put_back() {
        let allowed = sched_getaffinity(None).unwrap();
        let first = (0..CpuSet::MAX_CPU).find(|core| allowed.is_set(*core)).unwrap();
        let mut one = CpuSet::new();
        one.set(first);
        sched_setaffinity(None, &one).unwrap();
        {
            let unpinned = Unpinned::new();
            let lifted = sched_getaffinity(None).unwrap();
            assert!((0..CpuSet::MAX_CPU).all(|core| lifted.is_set(core) || !allowed.is_set(core)));
            assert_eq!(unpinned.cores.get(), lifted.count() as usize);
        }
        assert_eq!(sched_getaffinity(None).unwrap(), one);
        sched_setaffinity(None, &allowed).unwrap();
    }
}
