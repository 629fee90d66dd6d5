//! Two runs side by side: what each is, and in what they differ besides their figures.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::machine::RunnerClass;

/// Two runs, of which the second is judged by what the first measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compared {
    pub a: Origin,
    pub b: Origin,
    /// Sorted by what differs.
    pub differences: Vec<Difference>,
}

/// What tells a run from others. All text comes from outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Version of Tollgate.
    pub tollgate: String,
    pub commit: Option<String>,
    /// RFC 3339 in UTC.
    pub started: String,
    /// What the engines say of themselves.
    pub engines: BTreeSet<String>,
    pub runner: RunnerClass,
}

/// Something that is not the same in both runs. All text comes from outside.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Difference {
    /// Such as `backend llvm: optimisation level`.
    pub what: String,
    pub a: String,
    pub b: String,
}
