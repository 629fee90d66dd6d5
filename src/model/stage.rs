//! Stages, metrics and tiers: the closed vocabularies of the field.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What a stage's figure is: measured and gated, measured for information, or a sum of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StageKind {
    /// Measured, and judged against the tolerance.
    Gating,
    /// Measured and shown, never judged.
    Information,
    /// The sum of the stages it names, shown and never judged: its parts are.
    Composite(&'static [Stage]),
}

macro_rules! vocabulary {
    ($(#[$doc:meta])* $name:ident, $what:literal { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $text)] $variant,)* }

        impl $name {
            /// Every value, in the order in which reports show them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name used in files, reports and on the command line.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = String;
            fn from_str(text: &str) -> Result<Self, String> {
                Self::ALL.iter().copied().find(|v| v.as_str() == text).ok_or_else(|| {
                    let known: Vec<_> = Self::ALL.iter().map(|v| v.as_str()).collect();
                    format!(concat!("unknown ", $what, " `{}`; known: {}"), text.escape_debug(), known.join(", "))
                })
            }
        }
    };
}

vocabulary! {
    /// One step of a backend's work on a sample, or a sum of such steps.
    Stage, "stage" {
        /// a: parse and validate the module.
        Validate = "validate",
        /// b: compile it with one thread and pinned CPU features.
        Compile = "compile",
        /// Compile on all cores with the runner's own CPU features; for information.
        CompileAllCores = "compile-all-cores",
        /// b': serialize the compiled artifact to memory.
        Serialize = "serialize",
        /// c': deserialize the artifact from memory into the full engine.
        Deserialize = "deserialize",
        /// c' from a mapped file.
        DeserializeFile = "deserialize-file",
        /// c' into an engine without a compiler, from memory.
        DeserializeHeadless = "deserialize-headless",
        /// c' into an engine without a compiler, from a mapped file.
        DeserializeHeadlessFile = "deserialize-headless-file",
        /// c: instantiate the deserialized artifact.
        Instantiate = "instantiate",
        /// d: execute the deserialized artifact.
        Execute = "execute",
        /// a+b+c+d: what a just-in-time host waits for.
        Jit = "jit",
        /// a+b+b': what filling a cache costs.
        AotCompile = "aot-compile",
        /// c'+c+d: what running from a cache costs.
        AotExecute = "aot-execute",
        /// Both of the ahead-of-time composites.
        AotTotal = "aot-total",
    }
}

impl Stage {
    /// What kind of figure this stage has.
    #[must_use]
    pub fn kind(self) -> StageKind {
        use Stage::*;
        match self {
            Validate
            | Compile
            | Serialize
            | Deserialize
            | DeserializeFile
            | DeserializeHeadless
            | DeserializeHeadlessFile
            | Instantiate
            | Execute => StageKind::Gating,
            CompileAllCores => StageKind::Information,
            Jit => StageKind::Composite(&[Validate, Compile, Instantiate, Execute]),
            AotCompile => StageKind::Composite(&[Validate, Compile, Serialize]),
            AotExecute => StageKind::Composite(&[Deserialize, Instantiate, Execute]),
            AotTotal => StageKind::Composite(&[Validate, Compile, Serialize, Deserialize, Instantiate, Execute]),
        }
    }

    /// Whether a worker measures this stage (composites are derived).
    #[must_use]
    pub fn is_measured(self) -> bool {
        !matches!(self.kind(), StageKind::Composite(_))
    }

    /// The stages whose product this one starts from, in the order in which they must have run.
    #[must_use]
    pub fn needs(self) -> &'static [Stage] {
        use Stage::*;
        match self {
            Validate | Compile | CompileAllCores | Jit | AotCompile | AotExecute | AotTotal => &[],
            Serialize => &[Compile],
            Deserialize | DeserializeFile | DeserializeHeadless | DeserializeHeadlessFile => &[Compile, Serialize],
            Instantiate => &[Compile, Serialize, Deserialize],
            Execute => &[Compile, Serialize, Deserialize, Instantiate],
        }
    }
}

vocabulary! {
    /// What is measured of a stage.
    Metric, "metric" {
        /// Wall time of one operation.
        Time = "time",
        /// Instructions retired by one operation.
        Instructions = "instructions",
        /// Size of the serialized artifact.
        Size = "size",
        /// Growth of the peak resident memory over the stage.
        Memory = "memory",
        /// The sample's own figure, higher is better.
        Score = "score",
    }
}

vocabulary! {
    /// How much of the suite a run takes; each tier contains the ones before it.
    Tier, "tier" {
        /// Seconds: does it work at all.
        Smoke = "smoke",
        /// Minutes: every pull request.
        Pr = "pr",
        /// Everything: nightly.
        Full = "full",
    }
}
