//! The machine a run took place on, and the runner class that decides how far its times travel.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::units::Bytes;

/// Architecture and operating system, e.g. `x86_64-linux`: what exact metrics depend on, and the name of the folder that
/// holds their baselines.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Target {
    pub arch: String,
    pub os: String,
}

impl Target {
    /// The target this executable was built for.
    #[must_use]
    pub fn host() -> Self {
        Self { arch: std::env::consts::ARCH.to_owned(), os: std::env::consts::OS.to_owned() }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.arch, self.os)
    }
}

/// Target and CPU model: within one class, committed time ratios gate; across classes they advise.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RunnerClass {
    pub target: Target,
    /// The CPU's own name, cleaned of control characters and runs of spaces.
    pub cpu: String,
}

impl fmt::Display for RunnerClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.target, self.cpu)
    }
}

/// What is recorded of the machine; none of it is needed to judge but the class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    pub class: RunnerClass,
    /// Cores this process may use.
    pub cores: u32,
    pub memory: Option<Bytes>,
    /// Kernel name and release.
    pub kernel: String,
    /// One-minute load average when the run started.
    pub load: Option<f64>,
    /// Settings of the system that could not be had, in plain words (no pinning, no memory reading, …).
    pub limitations: Vec<String>,
}
