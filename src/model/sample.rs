//! Samples and backends: what is measured, resolved to the point where a worker needs nothing else.

use std::fmt;
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::ids::{BackendId, SampleId};
use super::stage::Tier;
use super::units::Bytes;

/// A module under test, how to run it and the output it must give.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    pub id: SampleId,
    /// Absolute path of the module.
    pub module: PathBuf,
    /// Lower-case hexadecimal SHA-256 of the module when the configuration was read.
    pub sha256: String,
    pub size: Bytes,
    pub tier: Tier,
    pub description: Option<String>,
    pub run: Run,
    #[serde(default)]
    pub run_files: RunFiles,
}

/// What the files that a run names held when the configuration was read, as lower-case hexadecimal SHA-256: their paths differ
/// between two checkouts of the same content.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunFiles {
    pub stdin: Option<String>,
    pub stdout: Option<String>,
}

/// How a sample is executed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Run {
    /// Nobody said how: every stage but `execute` is measured.
    Nothing,
    /// Call an export and compare its results.
    Call { export: String, args: Vec<Value>, expect: Vec<Value> },
    /// Run `_start` as a WASI command and compare what it writes.
    Wasi {
        args: Vec<String>,
        /// Absolute path of the file given as standard input; empty input without one.
        stdin: Option<PathBuf>,
        /// Absolute path of the expected standard output; without one, fresh and deserialized runs must agree.
        stdout: Option<PathBuf>,
        exit_code: i32,
    },
}

/// A WebAssembly number. Floats are held by their bits, so that equality is exact; any NaN equals `nan`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Value {
    I32(i32),
    I64(i64),
    F32(u32),
    F64(u64),
}

/// The one NaN that stands for all, per width.
const NAN32: u32 = 0x7fc0_0000;
const NAN64: u64 = 0x7ff8_0000_0000_0000;

impl Value {
    /// A 32-bit float with all NaNs folded into one.
    #[must_use]
    pub fn f32(value: f32) -> Self {
        Self::F32(if value.is_nan() { NAN32 } else { value.to_bits() })
    }

    /// A 64-bit float with all NaNs folded into one.
    #[must_use]
    pub fn f64(value: f64) -> Self {
        Self::F64(if value.is_nan() { NAN64 } else { value.to_bits() })
    }
}

impl fmt::Display for Value {
    /// `type:number`; floats print the shortest text that reads back to the same bits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::I32(v) => write!(f, "i32:{v}"),
            Self::I64(v) => write!(f, "i64:{v}"),
            Self::F32(bits) => write!(f, "f32:{:?}", f32::from_bits(*bits)),
            Self::F64(bits) => write!(f, "f64:{:?}", f64::from_bits(*bits)),
        }
    }
}

impl FromStr for Value {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("`{}` is not a value; write i32:20, i64:-1, f32:0.5 or f64:1e3", text.escape_debug());
        let (kind, number) = text.split_once(':').ok_or_else(bad)?;
        match kind {
            "i32" => number.parse().map(Self::I32).map_err(|_| bad()),
            "i64" => number.parse().map(Self::I64).map_err(|_| bad()),
            "f32" => number.parse().map(Self::f32).map_err(|_| bad()),
            "f64" => number.parse().map(Self::f64).map_err(|_| bad()),
            _ => Err(bad()),
        }
    }
}

impl TryFrom<String> for Value {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Value> for String {
    fn from(value: Value) -> Self {
        value.to_string()
    }
}

/// A compiler of an engine with its options.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackendSpec {
    pub id: BackendId,
    pub engine: EngineSpec,
    /// The compiler's name as the engine knows it; `singlepass`, `cranelift` or `llvm` for the built-in one.
    pub compiler: String,
    pub options: BackendOptions,
}

/// Which program compiles and runs modules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EngineSpec {
    /// This executable's own `worker` command.
    BuiltIn,
    /// Another executable that speaks the worker protocol, by absolute path.
    Executable { name: String, path: PathBuf, args: Vec<String>, sha256: String },
}

/// Options of a backend; all of them are part of what a baseline holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackendOptions {
    pub opt_level: OptLevel,
    pub canonicalize_nans: bool,
    pub cpu_features: CpuFeatures,
    /// Compiler threads of the gating configuration.
    pub threads: NonZeroU16,
}

/// Optimisation level, in the words of the field.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OptLevel {
    /// No optimisation. Singlepass knows no other level and ignores this option.
    None,
    /// Optimise for speed: the engine's own default.
    #[default]
    Speed,
    /// Optimise for speed and size; Cranelift only.
    SpeedAndSize,
    /// Less than the default; LLVM only.
    Less,
}

/// The CPU features that generated code may use, resolved to a sorted list of names as Wasmer writes them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpuFeatures {
    /// `x86-64-v3`, `armv8-a`, `native` or `custom`.
    pub name: String,
    /// Empty for `native`, which each runner resolves by itself and which therefore does not travel.
    pub features: Vec<String>,
}
