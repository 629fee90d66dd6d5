//! Stages on a backend that only counts, and on the real ones with small modules.

use std::cell::RefCell;
use std::num::NonZeroU16;
use std::path::Path;

use super::*;
use crate::engine::output::Datum;
use crate::engine::{Setup, Wasmer, compilers};
use crate::model::sample::{BackendOptions, CpuFeatures, OptLevel, Value};

/// Writes down what is asked of it; every instance returns how often it was executed, and a deserialized one `shift` more.
#[derive(Default)]
struct Counting {
    log: RefCell<Vec<&'static str>>,
    repeatable: bool,
    shift: i32,
    stubborn: bool,
}

impl Counting {
    fn note(&self, what: &'static str) {
        self.log.borrow_mut().push(what);
    }

    fn count(&self, what: &str) -> usize {
        self.log.borrow().iter().filter(|seen| **seen == what).count()
    }
}

impl Backend for Counting {
    type Engine = ();
    type Validated = ();
    type Module = i32;
    type Artifact = &'static [u8];
    type Slot = ();
    type Instance = i32;
    type Runner = i32;
    type Raw = i32;

    fn stubbed_imports(&self) -> &[String] {
        &[]
    }

    fn validate(&self) -> Result<(), StageError> {
        self.note("validate");
        Ok(())
    }

    fn compile_engine(&self, _: Tuning) -> Result<(), StageError> {
        Ok(())
    }

    fn compile(&self, (): (), (): &()) -> Result<i32, StageError> {
        self.note("compile");
        if self.stubborn { Err(StageError::Unsupported("stubborn".to_owned())) } else { Ok(0) }
    }

    fn serialize(&self, _: &i32) -> Result<&'static [u8], StageError> {
        self.note("serialize");
        Ok(b"artifact")
    }

    fn load_engine(&self, _: Loader) -> Result<(), StageError> {
        self.note("load_engine");
        Ok(())
    }

    fn deserialize(&self, (): &(), _: &'static [u8]) -> Result<i32, StageError> {
        self.note("deserialize");
        Ok(self.shift)
    }

    fn deserialize_file(&self, (): &(), path: &Path) -> Result<i32, StageError> {
        self.note("deserialize_file");
        assert_eq!(std::fs::read(path).unwrap(), b"artifact");
        Ok(self.shift)
    }

    fn prepare_instance(&self, _: &i32) -> Result<(), StageError> {
        self.note("prepare");
        Ok(())
    }

    fn instantiate(&self, module: &i32, (): ()) -> Result<i32, StageError> {
        self.note("instantiate");
        Ok(*module)
    }

    fn prepare_run(&self, instance: i32) -> Result<i32, StageError> {
        Ok(instance)
    }

    fn repeatable(&self) -> bool {
        self.repeatable
    }

    fn execute(&self, runner: &mut i32) -> i32 {
        self.note("execute");
        *runner
    }

    fn output(&self, _: &mut i32, raw: i32) -> Result<Output, StageError> {
        Ok(Output::Values(vec![Datum::Number(Value::I32(raw))]))
    }
}

fn counting(backend: Counting) -> (Stages<Counting>, tempfile::TempDir) {
    let scratch = tempfile::tempdir().unwrap();
    let task = Task::Call { export: "f".into(), args: vec![], expect: vec![Value::I32(0)] };
    (Stages::new(backend, task, scratch.path().to_owned()), scratch)
}

fn run<B: Backend>(stages: &mut Stages<B>, stage: Stage, batch: u32) -> Result<u32, StageError> {
    let mut watch = Stopwatch::default();
    stages.run(stage, batch, &mut watch)?;
    Ok(watch.observation().batch)
}

#[test]
fn what_a_stage_needs_is_made_once() {
    let (mut stages, _scratch) = counting(Counting { repeatable: true, ..Counting::default() });
    assert_eq!(run(&mut stages, Stage::Execute, 5), Ok(5));
    assert_eq!(run(&mut stages, Stage::DeserializeFile, 2), Ok(2));
    assert_eq!(run(&mut stages, Stage::Instantiate, 3), Ok(3));
    let counts =
        ["validate", "compile", "serialize", "deserialize", "deserialize_file"].map(|what| stages.backend.count(what));
    assert_eq!(counts, [1, 1, 1, 1, 2]);
    // One for the call and its five and the one before them, three for the stage.
    assert_eq!((stages.backend.count("instantiate"), stages.backend.count("execute")), (4, 6));
}

#[test]
fn few_inputs_are_alive_at_a_time() {
    let (mut stages, _scratch) = counting(Counting::default());
    assert_eq!(run(&mut stages, Stage::Instantiate, 2 * CHUNK + 5), Ok(2 * CHUNK + 5));
    let log = stages.backend.log.borrow();
    let mut alive = 0;
    for step in log.iter() {
        match *step {
            "prepare" => alive += 1,
            "instantiate" => alive -= 1,
            _ => {}
        }
        assert!(alive <= CHUNK);
    }
    assert_eq!(alive, 0);
}

#[test]
fn engines_hold_no_more_than_a_chunk() {
    let (mut stages, _scratch) = counting(Counting::default());
    for stage in [Stage::Deserialize, Stage::DeserializeHeadlessFile] {
        assert_eq!(run(&mut stages, stage, 2 * CHUNK + 5), Ok(2 * CHUNK + 5));
    }
    assert_eq!(stages.backend.count("load_engine"), 6);
}

#[test]
fn a_command_gets_a_fresh_instance_each_time() {
    let (mut stages, _scratch) = counting(Counting::default());
    assert_eq!(run(&mut stages, Stage::Execute, 3), Ok(3));
    assert_eq!((stages.backend.count("instantiate"), stages.backend.count("execute")), (3, 3));
}

#[test]
fn a_refused_module_is_not_compiled_again() {
    let (mut stages, _scratch) = counting(Counting { stubborn: true, ..Counting::default() });
    let refused = Err(StageError::Unsupported("stubborn".to_owned()));
    for stage in [Stage::Compile, Stage::Serialize, Stage::Execute, Stage::CompileAllCores] {
        assert_eq!(run(&mut stages, stage, 1), refused);
    }
    assert_eq!(stages.backend.count("compile"), 1);
}

#[test]
fn a_deserialized_artifact_that_answers_otherwise_is_found() {
    let (mut stages, _scratch) = counting(Counting { shift: 1, repeatable: true, ..Counting::default() });
    assert_eq!(
        stages.verify(),
        Err(StageError::FreshDiffers("fresh gives (i32:0), deserialized gives (i32:1)".to_owned()))
    );
    assert!(matches!(run(&mut stages, Stage::Execute, 1), Err(StageError::WrongOutput(_))));
}

#[test]
fn sums_of_stages_are_not_measured() {
    let (mut stages, _scratch) = counting(Counting::default());
    for stage in Stage::ALL.iter().copied().filter(|stage| !stage.is_measured()) {
        assert!(matches!(run(&mut stages, stage, 1), Err(StageError::Failed(_))));
    }
    assert_eq!(stages.backend.log.borrow().len(), 0);
}

#[test]
fn a_scratch_folder_that_cannot_be_written_to_is_named() {
    let task = Task::Nothing;
    let mut stages = Stages::new(Counting::default(), task, "/nonexistent/scratch".into());
    let text = run(&mut stages, Stage::DeserializeFile, 1).unwrap_err().to_string();
    assert!(text.contains("/nonexistent/scratch/artifact") && text.contains("--out"), "{text}");
}

const FIBONACCI: &str = r#"(module (func $fib (export "fib") (param i32) (result i32)
    (if (result i32) (i32.lt_s (local.get 0) (i32.const 2))
        (then (local.get 0))
        (else (i32.add
            (call $fib (i32.sub (local.get 0) (i32.const 1)))
            (call $fib (i32.sub (local.get 0) (i32.const 2))))))))"#;

const GREETING: &str = r#"(module
    (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 1)
    ;; A buffer of 64 bytes at 100, to be read into; what came is written out twice.
    (data (i32.const 0) "\64\00\00\00\40\00\00\00")
    (func (export "_start")
        (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
        (i32.store (i32.const 4) (i32.load (i32.const 8)))
        (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
        (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
        (drop (call $write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 8)))
        (call $exit (i32.const 3))))"#;

/// Real stages of a module in the text format, with the machine's own CPU features.
fn real(compiler: &str, module: &str, task: Task) -> (Stages<Wasmer>, tempfile::TempDir) {
    let scratch = tempfile::tempdir().unwrap();
    let options = BackendOptions {
        opt_level: OptLevel::Speed,
        canonicalize_nans: false,
        cpu_features: CpuFeatures { name: "native".to_owned(), features: vec![] },
        threads: NonZeroU16::MIN,
    };
    let module = wat::parse_str(module).unwrap();
    let setup = Setup { module, name: "sample".into(), compiler: compiler.to_owned(), options, task: task.clone() };
    (Stages::new(Wasmer::new(setup).unwrap(), task, scratch.path().to_owned()), scratch)
}

fn call(export: &str, args: &[Value], expect: &[Value]) -> Task {
    Task::Call { export: export.to_owned(), args: args.to_vec(), expect: expect.to_vec() }
}

fn greeting(stdout: &[u8], exit_code: i32) -> Task {
    Task::Wasi { args: vec![], stdin: b"hello\xff".to_vec(), stdout: Some(stdout.to_vec()), exit_code }
}

#[test]
fn every_compiler_does_every_stage() {
    for compiler in compilers() {
        let task = call("fib", &[Value::I32(10)], &[Value::I32(55)]);
        let (mut stages, _scratch) = real(compiler, FIBONACCI, task);
        for stage in Stage::ALL.iter().copied().filter(|stage| stage.is_measured()) {
            assert_eq!(run(&mut stages, stage, 3), Ok(3), "{compiler} {stage}");
        }
        assert_eq!(stages.verify(), Ok(()), "{compiler}");
        let artifact = stages.artifact().unwrap();
        assert!(artifact.size.0 > 0 && artifact.sha256.len() == 64);
        // Artifacts of the same module are the same, or sizes could not be compared.
        run(&mut stages, Stage::Compile, 1).unwrap();
        run(&mut stages, Stage::Serialize, 1).unwrap();
        assert_eq!(stages.artifact(), Some(artifact), "{compiler}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn memory_is_read_over_the_first_compile_alone() {
    for compiler in compilers() {
        let (mut stages, _scratch) = real(compiler, FIBONACCI, Task::Nothing);
        assert_eq!(stages.take_memory(), None);
        run(&mut stages, Stage::Serialize, 1).unwrap();
        run(&mut stages, Stage::Compile, 2).unwrap();
        // Its figures are the whole process's, in which other tests run beside this one: the workers' tests look at those.
        assert!(stages.take_memory().is_some(), "{compiler}");
        assert_eq!(stages.take_memory(), None);
    }
}

#[test]
fn a_command_is_run_and_checked() {
    for compiler in compilers() {
        let (mut stages, _scratch) = real(compiler, GREETING, greeting(b"hello\xffhello\xff", 3));
        assert_eq!(run(&mut stages, Stage::Execute, 3), Ok(3), "{compiler}");
        assert_eq!(stages.verify(), Ok(()), "{compiler}");
    }
}

#[test]
fn a_command_with_another_output_or_exit_code_is_wrong() {
    let compiler = compilers()[0];
    for task in [greeting(b"hello\xff", 3), greeting(b"hello\xffhello\xff", 0)] {
        let (mut stages, _scratch) = real(compiler, GREETING, task);
        let Err(StageError::WrongOutput(text)) = stages.verify() else { panic!("must be wrong") };
        assert!(text.contains("standard error ends with: hello"), "{text}");
        assert!(matches!(run(&mut stages, Stage::Execute, 1), Err(StageError::WrongOutput(_))));
    }
}

#[test]
fn a_wrong_result_a_trap_and_a_missing_export_are_told_apart() {
    let compiler = compilers()[0];
    let module = r#"(module (memory (export "memory") 1) (global $n (mut i32) (i32.const 0))
        (func (export "one") (result i32) (i32.const 1))
        (func $deep unreachable) (func (export "trap") (call $deep))
        (func (export "counter") (result i32)
            (global.set $n (i32.add (global.get $n) (i32.const 1))) (global.get $n)))"#;
    let outcome = |task| run(&mut real(compiler, module, task).0, Stage::Execute, 2).unwrap_err();
    assert_eq!(
        outcome(call("one", &[], &[Value::I32(2)])),
        StageError::WrongOutput("expected (i32:2), got (i32:1)".to_owned())
    );
    let text = |task| match outcome(task) {
        StageError::Failed(text) | StageError::WrongOutput(text) | StageError::Unsupported(text) => text,
        StageError::FreshDiffers(text) => panic!("{text}"),
    };
    assert!(text(call("trap", &[], &[])).contains("trapped: unreachable, in deep"));
    assert!(text(call("two", &[], &[])).contains("it exports: counter, one, trap"));
    assert!(text(call("memory", &[], &[])).contains("not a function but a memory"));
    assert!(text(call("one", &[Value::I32(1)], &[])).contains("the sample passes (i32:1)"));
    assert!(text(call("counter", &[], &[Value::I32(1)])).contains("the same result every time"));
    assert!(text(Task::Nothing).contains("add `call:` or `wasi:`"));
}

#[test]
fn without_its_host_a_module_is_still_measured_up_to_execution() {
    let module = r#"(module (import "env" "db_read" (func $read (result i32))) (import "env" "memory" (memory 1))
        (import "env" "table" (table 2 funcref)) (import "env" "base" (global i32)) (import "env" "top" (global (mut i64)))
        (func (export "f") (result i32) (call $read)))"#;
    for compiler in compilers() {
        let (mut stages, _scratch) = real(compiler, module, call("f", &[], &[]));
        assert_eq!(run(&mut stages, Stage::Instantiate, 2), Ok(2), "{compiler}");
        let unsupported = StageError::Unsupported(
            "the sample cannot run here: the module called the import env.db_read, which nobody provides".to_owned(),
        );
        assert_eq!(run(&mut stages, Stage::Execute, 1), Err(unsupported.clone()), "{compiler}");
        assert_eq!(stages.verify(), Err(unsupported), "{compiler}");
    }
}

#[test]
fn a_stub_that_is_never_called_hinders_nothing() {
    let module = r#"(module (import "env" "db_read" (func)) (func (export "f") (result i32) (i32.const 7)))"#;
    for compiler in compilers() {
        let (mut stages, _scratch) = real(compiler, module, call("f", &[], &[Value::I32(7)]));
        assert_eq!(stages.verify(), Ok(()), "{compiler}");
        assert_eq!(run(&mut stages, Stage::Execute, 3), Ok(3), "{compiler}");
    }
}

#[test]
fn a_start_function_that_needs_the_host_makes_instantiating_unsupported() {
    let module = r#"(module (import "env" "log" (func $log)) (start $log))"#;
    let (mut stages, _scratch) = real(compilers()[0], module, Task::Nothing);
    assert_eq!(run(&mut stages, Stage::Deserialize, 1), Ok(1));
    let Err(StageError::Unsupported(text)) = run(&mut stages, Stage::Instantiate, 1) else { panic!("must not run") };
    assert!(text.contains("env.log"), "{text}");
}

#[cfg(feature = "singlepass")]
#[test]
fn singlepass_refuses_vectors_and_says_so_at_every_stage() {
    let module = r#"(module (func (export "f") (result i32)
        (i32x4.extract_lane 1 (i32x4.add (v128.const i32x4 1 2 3 4) (v128.const i32x4 1 2 3 4)))))"#;
    let (mut stages, _scratch) = real("singlepass", module, call("f", &[], &[Value::I32(4)]));
    assert_eq!(run(&mut stages, Stage::Validate, 1), Ok(1));
    for stage in [Stage::Compile, Stage::Serialize, Stage::Execute] {
        let Err(StageError::Unsupported(text)) = run(&mut stages, stage, 1) else { panic!("{stage} must not work") };
        assert!(text.contains("which uses simd"), "{text}");
    }
}

#[test]
fn a_broken_module_fails_wherever_it_is_met_first() {
    let task = Task::Nothing;
    let setup = Setup {
        module: b"\0asm\x01\0\0\0\x01\x7f".to_vec(),
        name: "sample".into(),
        compiler: compilers()[0].to_owned(),
        options: BackendOptions {
            opt_level: OptLevel::Speed,
            canonicalize_nans: false,
            cpu_features: CpuFeatures { name: "native".to_owned(), features: vec![] },
            threads: NonZeroU16::MIN,
        },
        task: task.clone(),
    };
    let mut stages = Stages::new(Wasmer::new(setup).unwrap(), task, std::env::temp_dir());
    for stage in [Stage::Compile, Stage::Validate, Stage::Execute] {
        let Err(StageError::Failed(text)) = run(&mut stages, stage, 1) else { panic!("{stage} must fail") };
        assert!(text.contains("at offset 0x"), "{text}");
    }
}
