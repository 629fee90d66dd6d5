//! WASI through wasmer-wasix, shut off from the machine: no folders, no network, no environment, no threads.
//!
//! Standard input comes from memory, output goes to memory, in bounds. Nothing runs in the background, so that nothing but the
//! module's own work is on the core while it is measured.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use wasmer::{Imports, Instance, Memory, Module, RuntimeError, Store};
use wasmer_wasix::os::task::thread::WasiThreadError;
use wasmer_wasix::runtime::task_manager::{TaskWasm, VirtualTaskManager};
use wasmer_wasix::virtual_fs::{AsyncRead, AsyncSeek, AsyncWrite, FsError, NullFile, ReadBuf, StaticFile, VirtualFile};
use wasmer_wasix::{
    PluggableRuntime, WasiEnv, WasiError, WasiFunctionEnv, WasiModuleInstanceHandles, WasiModuleTreeHandles,
    WasiVersion,
};

use crate::engine::{StageError, Task};

/// Most bytes of standard output that are kept; writing more fails inside the module.
const STDOUT_LIMIT: usize = 64 << 20;
/// Most bytes of standard error that are kept; the rest is dropped.
const STDERR_LIMIT: usize = 64 << 10;

/// The versions of WASI by the names that modules import them under.
const VERSIONS: [(&str, WasiVersion); 4] = [
    ("wasi_unstable", WasiVersion::Snapshot0),
    ("wasi_snapshot_preview1", WasiVersion::Snapshot1),
    ("wasix_32v1", WasiVersion::Wasix32v1),
    ("wasix_64v1", WasiVersion::Wasix64v1),
];

/// What all processes of a launch share.
pub struct System {
    runtime: Arc<PluggableRuntime>,
    /// The functions of every version, to know which imports are provided.
    provided: Imports,
}

impl System {
    /// Whether imports of this module name may belong to WASI.
    pub fn has_namespace(name: &str) -> bool {
        name == "wasi" || VERSIONS.iter().any(|(namespace, _)| *namespace == name)
    }

    /// The system of a launch.
    pub fn new() -> Self {
        let engine = wasmer::Engine::from(wasmer::sys::EngineBuilder::headless());
        let mut runtime = PluggableRuntime::new(Arc::new(NoTasks));
        runtime.set_engine(engine.clone());
        let runtime = Arc::new(runtime);
        let mut provided = Imports::new();
        let mut store = Store::new(engine);
        if let Ok(env) = environment(&runtime, "module", &[], Vec::new(), &Captured::default(), &Captured::default()) {
            let env = WasiFunctionEnv::new(&mut store, env);
            for (_, version) in VERSIONS {
                let imports = wasmer_wasix::generate_import_object_from_env(&mut store, &env.env, version);
                provided.extend(&imports);
            }
        }
        Self { runtime, provided }
    }

    /// Whether WASI has this function.
    pub fn provides(&self, module: &str, name: &str) -> bool {
        self.provided.exists(module, name)
    }

    /// A process about to be started, with the imports of the versions that its module asks for.
    pub fn process(
        &self,
        store: &mut Store,
        module: &Module,
        name: &str,
        task: &Task,
    ) -> Result<(Process, Imports), StageError> {
        let (args, stdin) = match task {
            Task::Wasi { args, stdin, .. } => (args.as_slice(), stdin.clone()),
            Task::Nothing | Task::Call { .. } => (&[][..], Vec::new()),
        };
        let (stdout, stderr) = (Captured::default(), Captured::default());
        let env = environment(&self.runtime, name, args, stdin, &stdout, &stderr)?;
        let env = WasiFunctionEnv::new(store, env);
        let imports = env
            .import_object_for_all_wasi_versions(store, module)
            .map_err(|error| StageError::Failed(format!("no WASI imports can be made: {error}")))?;
        Ok((Process { env, stdout, stderr }, imports))
    }
}

fn environment(
    runtime: &Arc<PluggableRuntime>,
    name: &str,
    args: &[String],
    stdin: Vec<u8>,
    stdout: &Captured,
    stderr: &Captured,
) -> Result<WasiEnv, StageError> {
    let stdin: Box<dyn VirtualFile + Send + Sync> = Box::new(StaticFile::new(stdin));
    WasiEnv::builder(name)
        .args(args)
        .stdin(stdin)
        .stdout(Box::new(Capture {
            file: NullFile::default(),
            captured: stdout.clone(),
            limit: Limit::Fail(STDOUT_LIMIT),
        }))
        .stderr(Box::new(Capture {
            file: NullFile::default(),
            captured: stderr.clone(),
            limit: Limit::Drop(STDERR_LIMIT),
        }))
        .disable_default_builtins(true)
        .runtime(runtime.clone())
        .build()
        .map_err(|error| StageError::Failed(format!("no WASI process can be made: {error}")))
}

/// A WASI process: what its imports act upon.
pub struct Process {
    env: WasiFunctionEnv,
    stdout: Captured,
    stderr: Captured,
}

impl Process {
    /// Tells WASI which memory is the instance's; must come before any of its functions is called.
    pub fn attach(
        &mut self,
        store: &mut Store,
        instance: &Instance,
        imported: Option<Memory>,
    ) -> Result<(), StageError> {
        let exported = || instance.exports.iter().memories().next().map(|(_, memory)| memory.clone());
        let memory = imported.or_else(exported).ok_or_else(|| {
            StageError::Failed("the module imports WASI functions but neither imports nor exports a memory".to_owned())
        })?;
        let handles = WasiModuleInstanceHandles::new(memory, store, instance.clone(), None);
        let handles = WasiModuleTreeHandles::Static(handles);
        self.env
            .initialize_handles_and_layout(store, instance.clone(), handles, None, true)
            .map_err(|error| StageError::Failed(format!("WASI cannot use the instance: {error}")))
    }

    /// What has been written to standard output and standard error; taken, not copied.
    pub fn take_output(&self) -> (Vec<u8>, Vec<u8>) {
        (std::mem::take(&mut *self.stdout.bytes()), std::mem::take(&mut *self.stderr.bytes()))
    }
}

/// The exit code, if this is how a process ends itself.
pub fn exit_code(error: &RuntimeError) -> Option<i32> {
    match error.downcast_ref::<WasiError>() {
        Some(WasiError::Exit(code)) => Some(code.raw()),
        _ => None,
    }
}

/// Bytes that both the process and we hold.
#[derive(Debug, Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Captured {
    fn bytes(&self) -> MutexGuard<'_, Vec<u8>> {
        // Nobody can leave half a byte behind.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What happens to bytes beyond the limit.
#[derive(Debug, Clone, Copy)]
enum Limit {
    Fail(usize),
    Drop(usize),
}

/// A file that can only be written to, at its end. For everything else it is the null file.
#[derive(Debug)]
struct Capture {
    file: NullFile,
    captured: Captured,
    limit: Limit,
}

impl AsyncWrite for Capture {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let mut bytes = self.captured.bytes();
        match self.limit {
            Limit::Fail(limit) if bytes.len() + data.len() > limit => {
                return Poll::Ready(Err(io::ErrorKind::StorageFull.into()));
            }
            Limit::Drop(limit) => {
                let room = limit.saturating_sub(bytes.len()).min(data.len());
                bytes.extend_from_slice(&data[..room]);
            }
            Limit::Fail(_) => bytes.extend_from_slice(data),
        }
        Poll::Ready(Ok(data.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Capture {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.file).poll_read(cx, data)
    }
}

impl AsyncSeek for Capture {
    fn start_seek(mut self: Pin<&mut Self>, position: io::SeekFrom) -> io::Result<()> {
        Pin::new(&mut self.file).start_seek(position)
    }

    fn poll_complete(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        Pin::new(&mut self.file).poll_complete(cx)
    }
}

impl VirtualFile for Capture {
    fn last_accessed(&self) -> u64 {
        0
    }

    fn last_modified(&self) -> u64 {
        0
    }

    fn created_time(&self) -> u64 {
        0
    }

    fn size(&self) -> u64 {
        self.captured.bytes().len() as u64
    }

    fn set_len(&mut self, _: u64) -> Result<(), FsError> {
        Err(FsError::PermissionDenied)
    }

    fn unlink(&mut self) -> Result<(), FsError> {
        Ok(())
    }

    fn poll_read_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(0))
    }

    fn poll_write_ready(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(8192))
    }
}

/// A task manager without tasks: a sample that starts threads or processes is told that there are none.
#[derive(Debug)]
struct NoTasks;

impl VirtualTaskManager for NoTasks {
    fn sleep_now(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + Sync + 'static>> {
        Box::pin(Sleep { time, waiting: None })
    }

    fn task_shared(
        &self,
        _: Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = ()> + Send + 'static>> + Send + 'static>,
    ) -> Result<(), WasiThreadError> {
        Err(WasiThreadError::Unsupported)
    }

    fn task_wasm(&self, _: TaskWasm) -> Result<(), WasiThreadError> {
        Err(WasiThreadError::Unsupported)
    }

    fn task_dedicated(&self, _: Box<dyn FnOnce() + Send + 'static>) -> Result<(), WasiThreadError> {
        Err(WasiThreadError::Unsupported)
    }

    fn thread_parallelism(&self) -> Result<usize, WasiThreadError> {
        Ok(1)
    }
}

/// Wakes its task after a time. A thread of its own waits, and only if somebody polls in vain.
struct Sleep {
    time: Duration,
    waiting: Option<Instant>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(start) = self.waiting else {
            self.waiting = Some(Instant::now());
            let (waker, time) = (cx.waker().clone(), self.time);
            std::thread::spawn(move || {
                std::thread::sleep(time);
                waker.wake();
            });
            return Poll::Pending;
        };
        if start.elapsed() >= self.time { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process").finish_non_exhaustive()
    }
}
