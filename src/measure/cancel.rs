//! Stopping on request: Ctrl-C and termination signals become a flag that every waiting loop polls.
//!
//! Invariants: the first signal only sets the flag, so that the caller can save what was measured; the second one kills
//! every live worker group and ends the process at once. Handlers run on a thread of their own, never in signal context.
//! Knows of workers nothing but their process groups.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, Signal, kill_process_group};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Exit code after a second signal, as `exit.rs` defines it; measuring imports nothing but the model.
const EXIT_INTERRUPTED: i32 = 130;

/// Why signals cannot be caught.
#[derive(Debug, thiserror::Error)]
#[error("catch SIGINT, SIGTERM and SIGHUP: {0}; check that the process may start threads and open pipes")]
pub struct CancelError(#[from] std::io::Error);

/// The wish to stop, shared by everything that waits. Clones are one and the same.
#[derive(Debug, Clone, Default)]
pub struct Cancel {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    wanted: AtomicBool,
    /// Live worker groups. A group leaves before its leader is reaped, so that no recycled number is ever killed.
    groups: Mutex<Vec<Pid>>,
}

impl Cancel {
    /// Not wanted yet, and bound to no signal.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A wish bound to SIGINT, SIGTERM and SIGHUP for the rest of the process's life. To be made once, early.
    ///
    /// # Errors
    /// When the handlers or their thread cannot be set up.
    pub fn install() -> Result<Self, CancelError> {
        let cancel = Self::new();
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
        let on_signal = cancel.clone();
        std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            for _ in signals.forever() {
                on_signal.signalled();
            }
        })?;
        Ok(cancel)
    }

    fn signalled(&self) {
        if self.shared.wanted.swap(true, Ordering::Relaxed) {
            self.kill_groups();
            // Not `std::process::exit`: destructors of statics would run under a main thread still at work.
            signal_hook::low_level::exit(EXIT_INTERRUPTED);
        }
    }

    /// Wishes to stop, as a first signal does.
    pub fn cancel(&self) {
        self.shared.wanted.store(true, Ordering::Relaxed);
    }

    /// Whether somebody wished to stop.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.shared.wanted.load(Ordering::Relaxed)
    }

    /// Takes a worker group among those that a second signal kills.
    pub fn enter(&self, group: Pid) {
        self.groups().push(group);
    }

    /// Takes it out again; to be called before the leader is reaped.
    pub fn leave(&self, group: Pid) {
        self.groups().retain(|live| *live != group);
    }

    fn kill_groups(&self) {
        for group in self.groups().iter() {
            // A group that has just gone is no error here.
            let _gone = kill_process_group(*group, Signal::KILL);
        }
    }

    fn groups(&self) -> MutexGuard<'_, Vec<Pid>> {
        self.shared.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
