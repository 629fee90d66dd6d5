//! The stages of one launch, in batches, with the products that later stages start from.
//!
//! Invariants: a stage runs only on products of the stages before it, which are made once, untimed, where nobody measured them;
//! between the timed calls everything is prepared and dropped off the clock; no more than [`CHUNK`] prepared inputs or products are
//! alive at a time, because each instance reserves gigabytes of address space. Generic over the backend: knows no Wasmer.

use std::hint::black_box;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::engine::{Backend, Loader, Output, StageError, Task, Tuning};
use crate::model::observation::{Artifact, MemoryReading};
use crate::model::{Bytes, Stage};

use super::cores::Unpinned;
use super::footing::keep_freed_memory;
use super::meters::{Stopwatch, settle, threads, with_memory};

/// Most inputs and products that are alive at a time. Wasmer reserves up to 6 GiB of address space for each instance's memory; 64
/// of them stay far below the 128 TiB that a process has, and below what systems with strict accounting allow.
pub const CHUNK: u32 = 64;

/// The name of the artifact's file in the scratch folder.
const ARTIFACT_FILE: &str = "artifact";

/// One backend at work on one module.
#[derive(Debug)]
pub struct Stages<B: Backend> {
    backend: B,
    task: Task,
    scratch: PathBuf,
    validated: Option<B::Validated>,
    compiled: Option<B::Module>,
    artifact: Option<B::Artifact>,
    file: Option<PathBuf>,
    loaded: Option<B::Module>,
    /// Why there will never be a compiled module. Kept, because finding out may have taken a minute.
    refused: Option<StageError>,
    first_compile: FirstCompile,
}

/// Memory is read over the first compile alone: later ones find the allocator's memory already there.
#[derive(Debug, Clone, Copy)]
enum FirstCompile {
    Ahead,
    Done(Option<MemoryReading>),
}

impl<B: Backend> Stages<B> {
    /// A launch at its beginning. `scratch` is a folder of its own.
    pub fn new(backend: B, task: Task, scratch: PathBuf) -> Self {
        Self {
            backend,
            task,
            scratch,
            validated: None,
            compiled: None,
            artifact: None,
            file: None,
            loaded: None,
            refused: None,
            first_compile: FirstCompile::Ahead,
        }
    }

    /// Runs `batch` operations of a stage on the watch.
    ///
    /// # Errors
    /// When the stage, or one that it needs, fails or is not supported.
    pub fn run(&mut self, stage: Stage, batch: u32, watch: &mut Stopwatch) -> Result<(), StageError> {
        let batch = batch.max(1);
        match stage {
            Stage::Validate => self.validate(batch, watch),
            Stage::Compile => self.compile(batch, watch),
            Stage::CompileAllCores => self.compile_all_cores(batch, watch),
            Stage::Serialize => self.serialize(batch, watch),
            Stage::Deserialize => self.deserialize(batch, watch),
            Stage::DeserializeFile => self.deserialize_more(batch, watch, Loader::Full, true),
            Stage::DeserializeHeadless => self.deserialize_more(batch, watch, Loader::Headless, false),
            Stage::DeserializeHeadlessFile => self.deserialize_more(batch, watch, Loader::Headless, true),
            Stage::Instantiate => self.instantiate(batch, watch),
            Stage::Execute => self.execute(batch, watch),
            Stage::Jit | Stage::AotCompile | Stage::AotExecute | Stage::AotTotal => Err(StageError::Failed(format!(
                "`{stage}` is a sum of other stages and cannot be measured itself; measure those"
            ))),
        }
    }

    /// The memory reading of the first compile, once.
    pub fn take_memory(&mut self) -> Option<MemoryReading> {
        match &mut self.first_compile {
            FirstCompile::Ahead => None,
            FirstCompile::Done(reading) => reading.take(),
        }
    }

    /// Size and hash of the artifact, if it was serialized.
    pub fn artifact(&self) -> Option<Artifact> {
        let bytes = self.artifact.as_ref()?.as_ref();
        let hash = Sha256::digest(bytes);
        let sha256 = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        Some(Artifact { size: Bytes(bytes.len() as u64), sha256 })
    }

    /// Executes the fresh artifact once and the deserialized one once, and compares both with the expected output and with one
    /// another.
    ///
    /// # Errors
    /// What differs; or why neither can be executed.
    pub fn verify(&mut self) -> Result<(), StageError> {
        self.need_loaded()?;
        let fresh = self.execute_once(self.compiled()?);
        let loaded = self.execute_once(self.loaded()?);
        let differs = |text: String| Err(StageError::FreshDiffers(text));
        match (fresh, loaded) {
            (Ok(fresh), Ok(loaded)) => {
                fresh.agrees_with(&loaded)?;
                fresh.check(&self.task)
            }
            (Ok(_), Err(StageError::Failed(text))) => differs(format!("only the deserialized one fails: {text}")),
            (Err(StageError::Failed(text)), Ok(_)) => differs(format!("only the fresh one fails: {text}")),
            (Err(error), _) | (_, Err(error)) => Err(error),
        }
    }

    fn validate(&mut self, batch: u32, watch: &mut Stopwatch) -> Result<(), StageError> {
        let backend = &self.backend;
        let mut proof = Err(out_of_order());
        watch.each(batch, || proof = black_box(backend.validate()));
        match proof {
            Ok(proof) => {
                self.validated = Some(proof);
                Ok(())
            }
            Err(error) => Err(self.refuse(error)),
        }
    }

    fn compile(&mut self, batch: u32, watch: &mut Stopwatch) -> Result<(), StageError> {
        self.need_validated()?;
        for _ in 0..batch {
            // The module compiled before goes first: two at once would be in the reading of memory, and in nobody's program.
            self.compiled = None;
            let module = match self.first_compile {
                FirstCompile::Ahead => {
                    let (module, memory) = with_memory(|| self.compile_one(Tuning::Gating, watch));
                    self.first_compile = FirstCompile::Done(memory);
                    keep_freed_memory();
                    module
                }
                FirstCompile::Done(_) => self.compile_one(Tuning::Gating, watch),
            };
            self.compiled = Some(module.map_err(|error| self.refuse(error))?);
        }
        Ok(())
    }

    fn compile_all_cores(&mut self, batch: u32, watch: &mut Stopwatch) -> Result<(), StageError> {
        self.need_validated()?;
        let unpinned = Unpinned::new();
        for _ in 0..batch {
            self.compile_one(Tuning::Native { threads: unpinned.cores }, watch)?;
        }
        Ok(())
    }

    /// Compiles once. Each compilation is timed by itself and its threads have ended before the next thing is.
    fn compile_one(&self, tuning: Tuning, watch: &mut Stopwatch) -> Result<B::Module, StageError> {
        let proof = self.validated.as_ref().ok_or_else(out_of_order)?;
        let engine = self.backend.compile_engine(tuning)?;
        let alive = threads();
        let module = watch.time(|| black_box(self.backend.compile(engine, proof)));
        settle(alive);
        module
    }

    fn serialize(&mut self, batch: u32, watch: &mut Stopwatch) -> Result<(), StageError> {
        self.need_compiled()?;
        let module = self.compiled()?;
        let artifact = batched(batch, watch, || Ok(()), |()| self.backend.serialize(module))?;
        self.artifact = Some(artifact);
        Ok(())
    }

    fn deserialize(&mut self, batch: u32, watch: &mut Stopwatch) -> Result<(), StageError> {
        self.need_artifact()?;
        self.loaded = None;
        self.loaded = Some(self.load(batch, watch, Loader::Full, None)?);
        Ok(())
    }

    fn deserialize_more(
        &mut self,
        batch: u32,
        watch: &mut Stopwatch,
        loader: Loader,
        from_file: bool,
    ) -> Result<(), StageError> {
        self.need_artifact()?;
        let file = if from_file { Some(self.need_file()?) } else { None };
        self.load(batch, watch, loader, file.as_deref()).map(drop)
    }

    /// Deserializes into engines of their own for each chunk: an engine keeps the code of whatever was made with it, and a process has
    /// only so many mappings (65530 on Linux, by default).
    fn load(
        &self,
        batch: u32,
        watch: &mut Stopwatch,
        loader: Loader,
        file: Option<&Path>,
    ) -> Result<B::Module, StageError> {
        let artifact = self.artifact.as_ref().ok_or_else(out_of_order)?;
        let mut last = Err(out_of_order());
        let mut left = batch;
        while left > 0 {
            let size = left.min(CHUNK);
            let engine = self.backend.load_engine(loader)?;
            last = Ok(match file {
                None => {
                    let deserialize = |artifact| self.backend.deserialize(&engine, artifact);
                    batched(size, watch, || Ok(artifact.clone()), deserialize)?
                }
                Some(path) => batched(size, watch, || Ok(()), |()| self.backend.deserialize_file(&engine, path))?,
            });
            left -= size;
        }
        last
    }

    fn instantiate(&mut self, batch: u32, watch: &mut Stopwatch) -> Result<(), StageError> {
        self.need_loaded()?;
        let module = self.loaded()?;
        let prepare = || self.backend.prepare_instance(module);
        batched(batch, watch, prepare, |slot| self.backend.instantiate(module, slot)).map(drop)
    }

    fn execute(&mut self, batch: u32, watch: &mut Stopwatch) -> Result<(), StageError> {
        self.need_loaded()?;
        if self.backend.repeatable() { self.execute_call(batch, watch) } else { self.execute_command(batch, watch) }
    }

    /// Calls one instance again and again. The first call, off the clock, finds untouched memory and cold tables; how much of that
    /// one operation bears would depend on the size of the batch.
    fn execute_call(&self, batch: u32, watch: &mut Stopwatch) -> Result<(), StageError> {
        let mut runner = self.runner(self.loaded()?)?;
        let raw = self.backend.execute(&mut runner);
        self.backend.output(&mut runner, raw)?.check(&self.task)?;
        let mut raws = Vec::with_capacity(batch as usize);
        watch.each(batch, || raws.push(self.backend.execute(&mut runner)));
        for raw in raws {
            let checked = self.backend.output(&mut runner, raw).and_then(|output| output.check(&self.task));
            checked.map_err(repeated)?;
        }
        Ok(())
    }

    /// Runs a fresh instance each time, as a command is.
    fn execute_command(&self, batch: u32, watch: &mut Stopwatch) -> Result<(), StageError> {
        let module = self.loaded()?;
        in_chunks(
            batch,
            watch,
            || self.runner(module),
            |mut runner| {
                let raw = self.backend.execute(&mut runner);
                (runner, raw)
            },
            |(mut runner, raw)| self.backend.output(&mut runner, raw)?.check(&self.task),
        )
    }

    fn execute_once(&self, module: &B::Module) -> Result<Output, StageError> {
        let mut runner = self.runner(module)?;
        let raw = self.backend.execute(&mut runner);
        self.backend.output(&mut runner, raw)
    }

    fn runner(&self, module: &B::Module) -> Result<B::Runner, StageError> {
        let slot = self.backend.prepare_instance(module)?;
        self.backend.prepare_run(self.backend.instantiate(module, slot)?)
    }

    fn need_validated(&mut self) -> Result<(), StageError> {
        if let Some(error) = &self.refused {
            return Err(error.clone());
        }
        if self.validated.is_none() { self.validate(1, &mut Stopwatch::default()) } else { Ok(()) }
    }

    fn need_compiled(&mut self) -> Result<(), StageError> {
        self.need_validated()?;
        if self.compiled.is_none() { self.compile(1, &mut Stopwatch::default()) } else { Ok(()) }
    }

    fn need_artifact(&mut self) -> Result<(), StageError> {
        self.need_compiled()?;
        if self.artifact.is_none() { self.serialize(1, &mut Stopwatch::default()) } else { Ok(()) }
    }

    fn need_loaded(&mut self) -> Result<(), StageError> {
        self.need_artifact()?;
        if self.loaded.is_none() { self.deserialize(1, &mut Stopwatch::default()) } else { Ok(()) }
    }

    fn need_file(&mut self) -> Result<PathBuf, StageError> {
        if let Some(path) = &self.file {
            return Ok(path.clone());
        }
        let artifact = self.artifact.as_ref().ok_or_else(out_of_order)?;
        let path = self.scratch.join(ARTIFACT_FILE);
        std::fs::write(&path, artifact.as_ref()).map_err(|error| {
            StageError::Failed(format!(
                "cannot write the artifact to {path:?}: {error}; free space, or choose another folder with --out"
            ))
        })?;
        Ok(self.file.insert(path).clone())
    }

    fn compiled(&self) -> Result<&B::Module, StageError> {
        self.compiled.as_ref().ok_or_else(out_of_order)
    }

    fn loaded(&self) -> Result<&B::Module, StageError> {
        self.loaded.as_ref().ok_or_else(out_of_order)
    }

    fn refuse(&mut self, error: StageError) -> StageError {
        self.refused = Some(error.clone());
        error
    }
}

/// Every public way in makes the products first, so nobody sees this.
fn out_of_order() -> StageError {
    StageError::Failed("a stage was asked for before the one that it needs".to_owned())
}

/// The first call went well, so what failed now has to do with calling again.
fn repeated(error: StageError) -> StageError {
    let explain = |text: String| {
        format!(
            "the first call was right, a later one on the same instance was not: {text}; \
             call an export that gives the same result every time"
        )
    };
    match error {
        StageError::Failed(text) => StageError::Failed(explain(text)),
        StageError::WrongOutput(text) => StageError::WrongOutput(explain(text)),
        other @ (StageError::Unsupported(_) | StageError::FreshDiffers(_)) => other,
    }
}

/// Runs `batch` operations on the watch and gives the last product.
fn batched<I, P>(
    batch: u32,
    watch: &mut Stopwatch,
    prepare: impl FnMut() -> Result<I, StageError>,
    run: impl FnMut(I) -> Result<P, StageError>,
) -> Result<P, StageError> {
    let mut last = None;
    in_chunks(batch, watch, prepare, run, |product| {
        last = Some(product?);
        Ok(())
    })?;
    last.ok_or_else(out_of_order)
}

/// Prepares inputs, runs them on the watch into a vector that is there already, and hands the products on, chunk by chunk.
fn in_chunks<I, P>(
    batch: u32,
    watch: &mut Stopwatch,
    mut prepare: impl FnMut() -> Result<I, StageError>,
    mut run: impl FnMut(I) -> P,
    mut finish: impl FnMut(P) -> Result<(), StageError>,
) -> Result<(), StageError> {
    let mut left = batch;
    while left > 0 {
        let size = left.min(CHUNK);
        let inputs = (0..size).map(|_| prepare()).collect::<Result<Vec<I>, _>>()?;
        let (mut products, mut inputs) = (Vec::with_capacity(inputs.len()), inputs.into_iter());
        watch.each(size, || products.extend(inputs.next().map(&mut run)));
        products.into_iter().try_for_each(&mut finish)?;
        left -= size;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
