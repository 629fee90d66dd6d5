//! What an engine can do inside a worker: the trait a backend implements, and what its stages work on.
//!
//! Architecture invariants: stage order is enforced by holding products (nothing is compiled that was not validated, nothing
//! executed that was not instantiated); only `engine::wasmer` names Wasmer; nothing here reads a clock, so that preparation
//! cannot slip into a measurement: the caller decides which call is timed. Knows no protocol and no samples folder.

pub mod output;
pub mod task;
mod wasmer;

use std::path::Path;

pub use output::Output;
pub use task::Task;
pub use wasmer::Wasmer;

use crate::model::sample::BackendOptions;

/// Why a stage gave no product. Texts may quote module and import names: untrusted, escaped wherever they are shown.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StageError {
    /// The backend cannot do this, or the sample does not say how.
    #[error("unsupported: {0}")]
    Unsupported(String),
    /// The stage failed, and must not.
    #[error("failed: {0}")]
    Failed(String),
    /// The output is not the expected one.
    #[error("wrong output: {0}")]
    WrongOutput(String),
    /// The fresh and the deserialized artifact give different outputs.
    #[error("fresh and deserialized artifact differ: {0}")]
    FreshDiffers(String),
}

/// A module and the one backend that works on it for the length of a launch.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The module's bytes. Only the binary format is a module: text is refused by `validate`.
    pub module: Vec<u8>,
    /// What a WASI command is told its own name is.
    pub name: String,
    pub compiler: String,
    pub options: BackendOptions,
    pub task: Task,
}

/// With what to compile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tuning {
    /// The gating configuration: threads and CPU features as the options say.
    Gating,
    /// This many threads, and the processor's own features: what a host gets that pins nothing.
    Native { threads: std::num::NonZeroUsize },
}

/// Into what to deserialize.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loader {
    /// An engine that could compile too, with the options' CPU features.
    Full,
    /// An engine without a compiler, as small runtimes have.
    Headless,
}

/// The steps of a backend's work. Each `prepare_…` and `…_engine` makes what the step of the same name consumes, so that a
/// caller can time the step alone; products are dropped by the caller, when it chooses.
pub trait Backend {
    /// An engine to compile with or to deserialize into. Holds the memory of everything made with it.
    type Engine;
    /// Proof that the module is valid.
    type Validated;
    /// A module in memory, with the engine that holds its code.
    type Module;
    /// The serialized artifact. Cheap to clone.
    type Artifact: AsRef<[u8]> + Clone;
    /// What an instance is made from, besides the module: a store and the imports in it.
    type Slot;
    type Instance;
    /// An instance about to be executed.
    type Runner;
    /// What executing gave, before anything is looked at.
    type Raw;

    /// Imports that nobody provides and that are stubbed with traps, as `module.name`, sorted.
    fn stubbed_imports(&self) -> &[String];

    /// Stage `validate`.
    fn validate(&self) -> Result<Self::Validated, StageError>;

    /// An engine for one compilation.
    fn compile_engine(&self, tuning: Tuning) -> Result<Self::Engine, StageError>;

    /// Stage `compile`; does not validate again.
    fn compile(&self, engine: Self::Engine, proof: &Self::Validated) -> Result<Self::Module, StageError>;

    /// Stage `serialize`.
    fn serialize(&self, module: &Self::Module) -> Result<Self::Artifact, StageError>;

    /// An engine to deserialize into, any number of times.
    fn load_engine(&self, loader: Loader) -> Result<Self::Engine, StageError>;

    /// Stage `deserialize`, from memory.
    fn deserialize(&self, engine: &Self::Engine, artifact: Self::Artifact) -> Result<Self::Module, StageError>;

    /// Stage `deserialize-file`: maps a file that holds an artifact of this launch.
    fn deserialize_file(&self, engine: &Self::Engine, path: &Path) -> Result<Self::Module, StageError>;

    /// A store with all imports in it. Reserves address space for stubbed memories; make few at a time.
    fn prepare_instance(&self, module: &Self::Module) -> Result<Self::Slot, StageError>;

    /// Stage `instantiate`, with the start function of the module if it has one.
    fn instantiate(&self, module: &Self::Module, slot: Self::Slot) -> Result<Self::Instance, StageError>;

    /// Finds what the task calls and initializes what it needs.
    fn prepare_run(&self, instance: Self::Instance) -> Result<Self::Runner, StageError>;

    /// Whether a runner can be executed again and again (a call can, a WASI command cannot).
    fn repeatable(&self) -> bool;

    /// Stage `execute`. Traps are in the raw output, so that nothing is formatted while the clock runs.
    fn execute(&self, runner: &mut Self::Runner) -> Self::Raw;

    /// What the execution gave, in terms of the task.
    fn output(&self, runner: &mut Self::Runner, raw: Self::Raw) -> Result<Output, StageError>;
}

/// The compilers in this build, by name.
#[must_use]
pub fn compilers() -> Vec<&'static str> {
    wasmer::COMPILERS.to_vec()
}

/// Engine and version, as a worker introduces itself.
#[must_use]
pub fn version() -> &'static str {
    wasmer::VERSION
}
