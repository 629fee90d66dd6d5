//! Wasmer as a backend. With its submodules, the only code that names Wasmer.
//!
//! An engine is made for each compilation and for each batch of deserializations, because Wasmer's engines keep the code of
//! everything ever made with them. Panics of a compiler are caught and told as what they are: Singlepass meets what it does not
//! support with one.

mod config;
mod imports;
mod refusal;
mod wasi;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use wasmer::{
    Extern, Function, Imports, Instance, InstantiationError, Memory, Module, RuntimeError, Store, Value as WasmValue,
};
// The `bytes` crate's type, which Wasmer's artifacts come in, where a public name for it can be had.
use wasmer_wasix::virtual_net::Bytes;

use super::output::Datum;
use super::{Backend, Loader, Output, Setup, StageError, Task, Tuning};
use crate::model::sample::Value;
use config::Config;
use imports::{Provision, StubCalled};
use wasi::Process;

pub(super) use config::COMPILERS;

/// Wasmer does not export its version; `Cargo.toml` pins it, and a test holds this to the lock file.
pub(super) const VERSION: &str = "wasmer 7.4.2";

/// A module with one Wasmer compiler.
pub struct Wasmer {
    module: Vec<u8>,
    name: String,
    task: Task,
    config: Config,
    provision: Provision,
    /// Where modules are validated; nothing is ever compiled with it.
    validator: wasmer::Engine,
}

impl std::fmt::Debug for Wasmer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wasmer").field("name", &self.name).field("config", &self.config).finish_non_exhaustive()
    }
}

impl Wasmer {
    /// Makes the backend ready. Does not look at the module but for what it imports; a module that cannot be read imports
    /// nothing, and fails in stage `validate`.
    ///
    /// # Errors
    /// When the compiler or one of its options is not known to this build.
    pub fn new(setup: Setup) -> Result<Self, StageError> {
        let config = Config::new(&setup.compiler, &setup.options)?;
        let validator = config.compile_engine(Tuning::Gating)?;
        let provision = Provision::of(&setup.module);
        Ok(Self { module: setup.module, name: setup.name, task: setup.task, config, provision, validator })
    }

    /// Instantiating and executing needs what the code was compiled for.
    fn require_cpu_features(&self) -> Result<(), StageError> {
        match self.config.missing_cpu_features() {
            None => Ok(()),
            Some(reason) => Err(StageError::Unsupported(reason)),
        }
    }
}

/// An engine that several modules can hold; cloning Wasmer's own handle allocates.
#[derive(Debug, Clone)]
pub struct Engine(Arc<wasmer::Engine>);

/// Proof that this launch's module is valid.
#[derive(Debug)]
pub struct Validated(());

/// A module and the engine that holds its code. Fields are dropped in order: Wasmer wants the module gone first.
#[derive(Debug)]
pub struct Loaded {
    module: Module,
    engine: Engine,
}

/// A serialized artifact.
#[derive(Debug, Clone)]
pub struct Artifact(Bytes);

impl AsRef<[u8]> for Artifact {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// A store with everything that the module imports.
#[derive(Debug)]
pub struct Slot {
    store: Store,
    imports: Imports,
    process: Option<Process>,
}

/// An instance in its store.
#[derive(Debug)]
pub struct Instantiated {
    instance: Instance,
    store: Store,
    process: Option<Process>,
    imports: Imports,
}

/// An instance with the function to call.
#[derive(Debug)]
pub struct Runner {
    function: Function,
    args: Vec<WasmValue>,
    store: Store,
    process: Option<Process>,
}

impl Backend for Wasmer {
    type Engine = Engine;
    type Validated = Validated;
    type Module = Loaded;
    type Artifact = Artifact;
    type Slot = Slot;
    type Instance = Instantiated;
    type Runner = Runner;
    type Raw = Result<Box<[WasmValue]>, RuntimeError>;

    fn stubbed_imports(&self) -> &[String] {
        self.provision.stubs()
    }

    fn validate(&self) -> Result<Validated, StageError> {
        match Module::validate(&self.validator, &self.module) {
            Ok(()) => Ok(Validated(())),
            Err(error) => Err(refusal::of_validation(&self.config.name, &self.module, &error)),
        }
    }

    fn compile_engine(&self, tuning: Tuning) -> Result<Engine, StageError> {
        Ok(Engine(Arc::new(self.config.compile_engine(tuning)?)))
    }

    fn compile(&self, engine: Engine, _: &Validated) -> Result<Loaded, StageError> {
        // A compiler that panics leaves nothing behind but its engine, which is dropped here.
        let compiled = catch_unwind(AssertUnwindSafe(|| {
            // SAFETY: the module is valid, which the proof says.
            unsafe { Module::from_binary_unchecked(&*engine.0, &self.module) }
        }));
        match compiled {
            Ok(Ok(module)) => Ok(Loaded { module, engine }),
            Ok(Err(error)) => Err(refusal::of_compilation(&self.config.name, &self.module, &error)),
            Err(payload) => Err(refusal::of_panic(&self.config.name, &self.module, payload.as_ref())),
        }
    }

    fn serialize(&self, module: &Loaded) -> Result<Artifact, StageError> {
        module.module.serialize().map(Artifact).map_err(failed)
    }

    fn load_engine(&self, loader: Loader) -> Result<Engine, StageError> {
        Ok(Engine(Arc::new(self.config.load_engine(loader)?)))
    }

    fn deserialize(&self, engine: &Engine, artifact: Artifact) -> Result<Loaded, StageError> {
        // SAFETY: the artifact was serialized by this process and has not left its memory.
        let module = unsafe { Module::deserialize(&*engine.0, artifact.0) }.map_err(failed)?;
        Ok(Loaded { module, engine: engine.clone() })
    }

    fn deserialize_file(&self, engine: &Engine, path: &Path) -> Result<Loaded, StageError> {
        // SAFETY: this process wrote the file, from an artifact of its own, into a folder that is its own.
        let module = unsafe { Module::deserialize_from_file(&*engine.0, path) }.map_err(failed)?;
        Ok(Loaded { module, engine: engine.clone() })
    }

    fn prepare_instance(&self, module: &Loaded) -> Result<Slot, StageError> {
        self.require_cpu_features()?;
        let mut store = Store::new(wasmer::Engine::clone(&module.engine.0));
        let (imports, process) = self.provision.fill(&mut store, &module.module, &self.name, &self.task)?;
        Ok(Slot { store, imports, process })
    }

    fn instantiate(&self, module: &Loaded, slot: Slot) -> Result<Instantiated, StageError> {
        let Slot { mut store, imports, process } = slot;
        match Instance::new(&mut store, &module.module, &imports) {
            Ok(instance) => Ok(Instantiated { instance, store, process, imports }),
            Err(InstantiationError::Start(error)) => Err(trap("the start function", &error)),
            Err(error) => Err(failed(error)),
        }
    }

    fn prepare_run(&self, instance: Instantiated) -> Result<Runner, StageError> {
        let Instantiated { instance, mut store, mut process, imports } = instance;
        if let Some(process) = &mut process {
            process.attach(&mut store, &instance, imported_memory(&imports))?;
        }
        let (export, args, command) = match &self.task {
            Task::Nothing => {
                let reason = "the sample does not say how it is executed: add `call:` or `wasi:` to it";
                return Err(StageError::Unsupported(reason.to_owned()));
            }
            Task::Call { export, args, .. } => (export.as_str(), args.as_slice(), false),
            Task::Wasi { .. } => ("_start", &[][..], true),
        };
        let function = find(&instance, &store, export, args)?;
        // A library for WASI wants to be initialized once before anything else is called.
        if !command && let Ok(initialize) = instance.exports.get_function("_initialize") {
            initialize.call(&mut store, &[]).map_err(|error| trap("_initialize", &error))?;
        }
        Ok(Runner { function, args: args.iter().map(to_wasm).collect(), store, process })
    }

    fn repeatable(&self) -> bool {
        !matches!(self.task, Task::Wasi { .. })
    }

    fn execute(&self, runner: &mut Runner) -> Self::Raw {
        runner.function.call(&mut runner.store, &runner.args)
    }

    fn output(&self, runner: &mut Runner, raw: Self::Raw) -> Result<Output, StageError> {
        let command = matches!(self.task, Task::Wasi { .. });
        match (raw, &runner.process) {
            (Ok(_), Some(process)) if command => Ok(left_behind(process, 0)),
            (Ok(results), _) => Ok(Output::Values(results.iter().map(from_wasm).collect())),
            (Err(error), process) => match (wasi::exit_code(&error), process) {
                (Some(code), Some(process)) if command => Ok(left_behind(process, code)),
                (Some(code), _) => Err(StageError::Failed(format!("the call ended the process with exit code {code}"))),
                (None, _) => Err(trap("the sample", &error)),
            },
        }
    }
}

fn left_behind(process: &Process, exit_code: i32) -> Output {
    let (stdout, stderr) = process.take_output();
    Output::Process { exit_code, stdout, stderr }
}

fn failed(error: impl std::fmt::Display) -> StageError {
    StageError::Failed(error.to_string())
}

/// Most frames of a trap's trace that are told.
const FRAMES: usize = 5;

/// A trap, with where it happened. Running into a stub is not the backend's failure.
fn trap(what: &str, error: &RuntimeError) -> StageError {
    if let Some(called) = error.downcast_ref::<StubCalled>() {
        return StageError::Unsupported(format!("{what} cannot run here: {called}"));
    }
    let frames: Vec<_> = error
        .trace()
        .iter()
        .take(FRAMES)
        .map(|frame| match frame.function_name() {
            Some(name) => name.to_owned(),
            None => format!("function {}", frame.func_index()),
        })
        .collect();
    let place = if frames.is_empty() { String::new() } else { format!(", in {}", frames.join(" from ")) };
    StageError::Failed(format!("{what} trapped: {}{place}", error.message()))
}

/// The memory among the imports, by the name that toolchains give it.
fn imported_memory(imports: &Imports) -> Option<Memory> {
    match imports.get_export("env", "memory") {
        Some(Extern::Memory(memory)) => Some(memory),
        _ => None,
    }
}

/// Most exports that a message lists.
const LISTED: usize = 12;

/// The exported function of that name that takes those arguments.
fn find(instance: &Instance, store: &Store, name: &str, args: &[Value]) -> Result<Function, StageError> {
    let function = match instance.exports.get_extern(name) {
        Some(Extern::Function(function)) => function.clone(),
        Some(other) => {
            return Err(StageError::Failed(format!("the export `{name}` is not a function but a {}", kind(other))));
        }
        None => {
            let mut names: Vec<_> = instance.exports.iter().functions().map(|(name, _)| name.as_str()).collect();
            names.sort_unstable();
            let more = if names.len() > LISTED { ", …" } else { "" };
            names.truncate(LISTED);
            return Err(StageError::Failed(format!(
                "the module exports no function `{name}`; it exports: {}{more}",
                names.join(", ")
            )));
        }
    };
    let ty = function.ty(store);
    if ty.params().iter().ne(args.iter().map(|arg| to_wasm(arg).ty()).collect::<Vec<_>>().iter()) {
        let given: Vec<_> = args.iter().map(ToString::to_string).collect();
        return Err(StageError::Failed(format!(
            "`{name}` takes {:?}, the sample passes ({})",
            ty.params(),
            given.join(", ")
        )));
    }
    Ok(function)
}

fn kind(export: &Extern) -> &'static str {
    match export {
        Extern::Function(_) => "function",
        Extern::Global(_) => "global",
        Extern::Table(_) => "table",
        Extern::Memory(_) => "memory",
        Extern::Tag(_) => "tag",
    }
}

fn to_wasm(value: &Value) -> WasmValue {
    match *value {
        Value::I32(number) => WasmValue::I32(number),
        Value::I64(number) => WasmValue::I64(number),
        Value::F32(bits) => WasmValue::F32(f32::from_bits(bits)),
        Value::F64(bits) => WasmValue::F64(f64::from_bits(bits)),
    }
}

fn from_wasm(value: &WasmValue) -> Datum {
    match value {
        WasmValue::I32(number) => Datum::Number(Value::I32(*number)),
        WasmValue::I64(number) => Datum::Number(Value::I64(*number)),
        WasmValue::F32(number) => Datum::Number(Value::f32(*number)),
        WasmValue::F64(number) => Datum::Number(Value::f64(*number)),
        WasmValue::V128(bits) => Datum::Other(format!("v128:{bits:#034x}")),
        WasmValue::FuncRef(None) | WasmValue::ExternRef(None) | WasmValue::ExceptionRef(None) => {
            Datum::Other("ref:null".to_owned())
        }
        WasmValue::FuncRef(Some(_)) | WasmValue::ExternRef(Some(_)) | WasmValue::ExceptionRef(Some(_)) => {
            Datum::Other("ref".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_version_is_the_one_that_is_locked() {
        let lock = include_str!("../../Cargo.lock");
        let number = super::VERSION.strip_prefix("wasmer ").unwrap();
        assert!(lock.contains(&format!("name = \"wasmer\"\nversion = \"{number}\"\n")), "{number}");
    }
}
