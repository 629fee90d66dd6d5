//! What a change allows that the revision before it did not: edited baselines, tolerances and the like.

use serde::{Deserialize, Serialize};

/// What a change loosens against the base revision.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Loosening {
    /// Whether the base revision makes loosening fail, whatever the change itself says about it.
    pub fails: bool,
    /// In the order of [`Kind`], then by name.
    pub items: Vec<Loosened>,
}

/// One thing that is allowed now, or not looked at any more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Loosened {
    pub kind: Kind,
    /// A cell, or what else it is of; text from files.
    pub subject: String,
    /// What held at the base revision, in plain words.
    pub from: String,
    /// What holds now.
    pub to: String,
    /// Change of a figure, as a fraction of what it was.
    pub by: Option<f64>,
    /// Why, as the baseline records it.
    pub reason: Option<String>,
}

/// The ways of allowing more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A verdict that failed the run and does not any more.
    FailOn,
    /// A tolerance.
    Tolerance,
    /// A backend that is not in the configuration any more.
    Backend,
    /// A sample that is not in the configuration any more.
    Sample,
    /// A sample that only a larger run measures now.
    Tier,
    /// A sample that is not executed any more.
    Run,
    /// An entry of a baseline that allows more.
    Entry,
    /// Entries of a baseline that are gone.
    Removed,
    /// Times that cannot be compared with what they were: of another kind of runner, or ratios to something else.
    Times,
    /// What runs or launches are said to scatter by.
    Noise,
    /// What relinking an engine is said to move.
    LayoutAllowance,
    /// What a worker may take.
    Limit,
}
