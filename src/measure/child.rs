//! The parent's end of one worker process: requests with deadlines, and a death certificate when there is no answer.
//!
//! Invariants: nothing a worker does blocks the parent (all pipes are non-blocking, and every wait ends with a tick of
//! `TICK`); whatever a worker writes is bounded in memory; dropping the handle kills the whole process group and reaps
//! the worker. Does not know what is measured: stages are the caller's.
//!
//! A descendant that leaves the process group, or outlives a parent that was killed with SIGKILL, is beyond reach of
//! these means; the built-in worker starts no processes.

use std::io::{self, Read, Write};
use std::marker::PhantomData;
use std::os::fd::AsFd;
use std::process::{ChildStderr, ChildStdin, ChildStdout, ExitStatus};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use super::cancel::Cancel;
use super::death::{cause_of_death, excerpt, printable, spawn_advice};
use super::protocol::{Answer, Command, Hello, MAX_LINE, PROTOCOL_VERSION, Reply, Request};
use super::spawn::{self, Order, ProcessLimits};
use crate::model::{Bytes, Failure, FailureKind};

/// Longest sleep of a waiting loop: how soon Ctrl-C, a death or an excess of memory is noticed. Twenty wake-ups of some
/// microseconds in a second are below what any stage's scatter shows, also when they land on the worker's core.
const TICK: Duration = Duration::from_millis(50);

/// How long a worker that closed its output may take to die of whatever made it do so; freeing 16 GiB takes about one.
const GRACE: Duration = Duration::from_secs(2);

/// Kept of standard error, in bytes: the last words are the ones that explain.
const TAIL: usize = 4096;

/// What is said of a worker that gave no answer in time.
const LATE: &str = "the worker was killed; where it only needs longer, raise `limits: deadline` in the configuration";

/// Why there is no answer.
#[derive(Debug)]
pub enum Stopped {
    /// The worker failed, and is dead by now.
    Failed(Failure),
    /// The user wants the run to stop.
    Interrupted,
}

/// A live worker. Bound to the thread that started it, because Linux kills the worker when that thread ends.
#[derive(Debug)]
pub struct Child {
    process: std::process::Child,
    /// The process group; its number is the worker's own.
    group: Pid,
    /// Absent once closed, by either side.
    stdin: Option<ChildStdin>,
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    /// Read from standard output and not yet taken as a line.
    incoming: Vec<u8>,
    /// The last [`TAIL`] bytes of standard error.
    last_words: Vec<u8>,
    next_id: u64,
    core: Option<u32>,
    limits: ProcessLimits,
    /// Highest resident memory seen, and when it was looked at last.
    resident: Bytes,
    looked: Instant,
    reaped: bool,
    cancel: Cancel,
    bound_to_thread: PhantomData<*const ()>,
}

impl Child {
    /// Starts a worker.
    ///
    /// # Errors
    /// [`FailureKind::Spawn`] when there is no such executable, it may not be executed, or the system is out of processes.
    pub fn start(order: &Order<'_>, cancel: &Cancel) -> Result<Self, Failure> {
        let failed = |error: io::Error| failure(FailureKind::Spawn, spawn_advice(order.engine, &error));
        let (mut command, core) = spawn::command(order).map_err(failed)?;
        let mut process = command.spawn().map_err(failed)?;
        let group = Pid::from_child(&process);
        cancel.enter(group);
        let child = Self {
            group,
            stdin: process.stdin.take(),
            stdout: process.stdout.take(),
            stderr: process.stderr.take(),
            process,
            incoming: Vec::new(),
            last_words: Vec::new(),
            next_id: 1,
            core,
            limits: order.limits,
            resident: Bytes(0),
            looked: Instant::now(),
            reaped: false,
            cancel: cancel.clone(),
            bound_to_thread: PhantomData,
        };
        child.make_pipes_non_blocking().map_err(failed)?;
        Ok(child)
    }

    /// The core that the worker is pinned to.
    #[must_use]
    pub fn core(&self) -> Option<u32> {
        self.core
    }

    /// Waits for the worker's greeting.
    ///
    /// # Errors
    /// When the worker dies, talks nonsense, or speaks another version of the protocol.
    pub fn hello(&mut self, deadline: Duration) -> Result<Hello, Stopped> {
        let line = self.exchange(&[], deadline)?;
        // The version first: a greeting of another version may have other fields.
        let version = serde_json::from_slice::<serde_json::Value>(&line)
            .ok()
            .and_then(|value| value.get("protocol").and_then(serde_json::Value::as_u64));
        match version {
            Some(version) if version != u64::from(PROTOCOL_VERSION) => Err(self.broke_protocol(&format!(
                "the worker speaks version {version} of the protocol, this Tollgate speaks {PROTOCOL_VERSION}; \
                 use an engine built for this version"
            ))),
            _ => serde_json::from_slice(&line)
                .map_err(|error| self.broke_protocol(&format!("no greeting ({error}): {}", excerpt(&line)))),
        }
    }

    /// Asks for one thing and waits for the answer. After an error the worker is dead.
    ///
    /// # Errors
    /// When the worker dies, hangs, floods, exceeds a limit or answers something that is not the protocol, or when the
    /// user wants to stop.
    pub fn request(&mut self, command: Command, deadline: Duration) -> Result<Answer, Stopped> {
        let id = self.next_id;
        let line = self.line(command)?;
        if !self.incoming.is_empty() {
            let unasked = format!("the worker spoke without being asked: {}", excerpt(&self.incoming));
            return Err(self.broke_protocol(&unasked));
        }
        let reply = self.exchange(&line, deadline)?;
        match serde_json::from_slice::<Reply>(&reply) {
            Ok(reply) if reply.id == id => Ok(reply.answer),
            Ok(other) => {
                let what = format!("answer {} to request {id}: {}", other.id, excerpt(&reply));
                Err(self.broke_protocol(&what))
            }
            Err(error) => Err(self.broke_protocol(&format!("no answer ({error}): {}", excerpt(&reply)))),
        }
    }

    /// Asks the worker to end, and waits until it has. After this the handle is an empty shell.
    ///
    /// # Errors
    /// When it does not end within the deadline, or ends with a signal or a code other than 0.
    pub fn quit(&mut self, deadline: Duration) -> Result<(), Stopped> {
        let mut line = self.line(Command::Quit)?;
        let until = Instant::now() + deadline;
        while !self.has_exited() {
            self.check(until, deadline)?;
            self.wait(&mut line, until);
            // Whatever it still says has no meaning, and a full buffer would keep the wait from sleeping.
            self.incoming.clear();
        }
        let status = self.reap();
        if status.is_some_and(|status| status.success()) { Ok(()) } else { Err(self.died(status)) }
    }

    /// Kills the worker for an answer that the caller cannot accept.
    pub fn broke_protocol(&mut self, detail: &str) -> Stopped {
        self.fail(FailureKind::Protocol, detail)
    }

    fn line(&mut self, command: Command) -> Result<Vec<u8>, Stopped> {
        let request = Request { id: self.next_id, command };
        self.next_id += 1;
        match serde_json::to_vec(&request) {
            Ok(mut line) if line.len() < MAX_LINE => {
                line.push(b'\n');
                Ok(line)
            }
            Ok(line) => {
                let length = line.len();
                let what =
                    format!("a request of {length} bytes, of {MAX_LINE} possible; shorten the sample's arguments");
                Err(self.fail(FailureKind::Stage, &what))
            }
            Err(error) => {
                let what = format!("the request cannot be written: {error}; use paths that are valid UTF-8");
                Err(self.fail(FailureKind::Stage, &what))
            }
        }
    }

    /// Writes `line` and waits for one line; the only place that waits for a worker's words.
    fn exchange(&mut self, line: &[u8], deadline: Duration) -> Result<Vec<u8>, Stopped> {
        let until = Instant::now() + deadline;
        let mut outgoing = line.to_vec();
        loop {
            if let Some(line) = self.take_line() {
                return Ok(line);
            }
            if self.incoming.len() > MAX_LINE {
                let shown = excerpt(&self.incoming);
                return Err(
                    self.fail(FailureKind::Flood, &format!("over {MAX_LINE} bytes without a line's end: {shown}"))
                );
            }
            self.check(until, deadline)?;
            // Asked before the last reading, so that nothing the dying worker wrote is missed.
            let exited = self.has_exited();
            if exited {
                self.read_stdout();
                if self.incoming.contains(&b'\n') || self.incoming.len() > MAX_LINE {
                    continue;
                }
                let status = self.reap();
                return Err(self.died(status));
            }
            if self.stdout.is_none() {
                return Err(self.fell_silent(until, deadline));
            }
            self.wait(&mut outgoing, until);
        }
    }

    /// Everything that ends a wait from the parent's side.
    fn check(&mut self, until: Instant, deadline: Duration) -> Result<(), Stopped> {
        if self.cancel.is_wanted() {
            self.kill();
            return Err(Stopped::Interrupted);
        }
        if Instant::now() >= until {
            return Err(self.fail(FailureKind::Deadline(deadline.into()), LATE));
        }
        if self.looked.elapsed() >= TICK {
            self.looked = Instant::now();
            self.resident = self.resident.max(spawn::resident(self.group).unwrap_or_default());
            if self.resident > self.limits.memory {
                let what = format!("{} resident; the worker was killed", self.resident);
                return Err(self.fail(FailureKind::Memory(self.limits.memory), &what));
            }
        }
        Ok(())
    }

    /// One turn of waiting: sends what the worker takes, reads what it says, sleeps for a tick at most.
    fn wait(&mut self, outgoing: &mut Vec<u8>, until: Instant) {
        let sleep = TICK.min(until.saturating_duration_since(Instant::now()));
        let timeout = Timespec { tv_sec: 0, tv_nsec: i64::from(sleep.subsec_nanos()) };
        let mut fds = Vec::with_capacity(3);
        if let Some(stdin) = self.stdin.as_ref().filter(|_| !outgoing.is_empty()) {
            fds.push(PollFd::new(stdin, PollFlags::OUT));
        }
        fds.extend(self.stdout.as_ref().map(|pipe| PollFd::new(pipe, PollFlags::IN)));
        fds.extend(self.stderr.as_ref().map(|pipe| PollFd::new(pipe, PollFlags::IN)));
        if fds.is_empty() || poll(&mut fds, Some(&timeout)).is_err() {
            // Nothing to wait for, or a signal came: the flag it set is looked at after a short sleep all the same.
            std::thread::sleep(sleep.min(Duration::from_millis(5)));
        }
        self.write_stdin(outgoing);
        self.read_stdout();
        self.read_stderr();
    }

    fn write_stdin(&mut self, outgoing: &mut Vec<u8>) {
        let Some(stdin) = self.stdin.as_mut().filter(|_| !outgoing.is_empty()) else { return };
        match stdin.write(outgoing) {
            Ok(written) => drop(outgoing.drain(..written)),
            Err(error) if is_transient(&error) => {}
            // The worker closed its input: what it says or how it ends will tell why.
            Err(_) => self.stdin = None,
        }
    }

    /// Reads until a line is whole, too much, or there is no more for now.
    fn read_stdout(&mut self) {
        let mut buffer = [0; 1 << 16];
        while self.incoming.len() <= MAX_LINE {
            let Some(stdout) = self.stdout.as_mut() else { return };
            match stdout.read(&mut buffer) {
                Ok(0) => self.stdout = None,
                Ok(read) => {
                    self.incoming.extend_from_slice(&buffer[..read]);
                    if buffer[..read].contains(&b'\n') {
                        return;
                    }
                }
                Err(error) if is_transient(&error) => return,
                Err(_) => self.stdout = None,
            }
        }
    }

    /// Reads once: a worker that never stops writing there must not keep the parent from looking at the clock.
    fn read_stderr(&mut self) {
        let mut buffer = [0; 1 << 16];
        let Some(stderr) = self.stderr.as_mut() else { return };
        match stderr.read(&mut buffer) {
            Ok(0) => self.stderr = None,
            Ok(read) => {
                self.last_words.extend_from_slice(&buffer[..read]);
                let excess = self.last_words.len().saturating_sub(TAIL);
                self.last_words.drain(..excess);
            }
            Err(error) if is_transient(&error) => {}
            Err(_) => self.stderr = None,
        }
    }

    fn take_line(&mut self) -> Option<Vec<u8>> {
        let end = self.incoming.iter().position(|byte| *byte == b'\n').filter(|end| *end <= MAX_LINE)?;
        let rest = self.incoming.split_off(end + 1);
        let mut line = std::mem::replace(&mut self.incoming, rest);
        line.pop();
        Some(line)
    }

    /// Standard output was closed: usually the first sign of a death.
    fn fell_silent(&mut self, until: Instant, deadline: Duration) -> Stopped {
        let patience = (Instant::now() + GRACE).min(until);
        while Instant::now() < patience {
            if let Err(stopped) = self.check(until, deadline) {
                return stopped;
            }
            if self.has_exited() {
                let status = self.reap();
                return self.died(status);
            }
            self.wait(&mut Vec::new(), patience);
        }
        self.broke_protocol("the worker closed its output and went on")
    }

    /// Whether the worker has ended. It stays a zombie, so that its number, and the group's, remain taken.
    fn has_exited(&self) -> bool {
        if self.reaped {
            return true;
        }
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        // Any other error says that there is no such child any more, so it has ended as well.
        !matches!(waitid(WaitId::Pid(self.group), options), Ok(None) | Err(Errno::INTR))
    }

    /// Kills what is left of the group and takes the worker's status. After this the handle is an empty shell.
    fn reap(&mut self) -> Option<ExitStatus> {
        if self.reaped {
            return None;
        }
        self.reaped = true;
        self.read_last_words();
        self.cancel.leave(self.group);
        // The leader is alive or a zombie, so the number is still this group's; who has just gone is no error.
        let _gone = kill_process_group(self.group, Signal::KILL);
        self.stdin = None;
        self.process.wait().ok()
    }

    /// Kills the worker, if it lives. After this the handle is an empty shell.
    pub fn kill(&mut self) {
        let _status = self.reap();
    }

    /// What lies in the pipe of standard error now; bounded, because the worker may still be writing.
    fn read_last_words(&mut self) {
        const PIPES_FULL: usize = 16;
        for _ in 0..PIPES_FULL {
            self.read_stderr();
        }
    }

    fn fail(&mut self, kind: FailureKind, detail: &str) -> Stopped {
        self.kill();
        let last_words = printable(&self.last_words);
        let detail = match (detail, last_words.as_str()) {
            (detail, "") => detail.to_owned(),
            ("", words) => format!("it said:\n{words}"),
            (detail, words) => format!("{detail}; it said:\n{words}"),
        };
        Stopped::Failed(failure(kind, detail))
    }

    fn died(&mut self, status: Option<ExitStatus>) -> Stopped {
        let words = String::from_utf8_lossy(&self.last_words);
        let (kind, remark) = cause_of_death(status, &words, self.resident, self.limits);
        self.fail(kind, remark)
    }

    fn make_pipes_non_blocking(&self) -> io::Result<()> {
        let pipes = [
            self.stdin.as_ref().map(AsFd::as_fd),
            self.stdout.as_ref().map(AsFd::as_fd),
            self.stderr.as_ref().map(AsFd::as_fd),
        ];
        for pipe in pipes.into_iter().flatten() {
            fcntl_setfl(pipe, fcntl_getfl(pipe)? | OFlags::NONBLOCK)?;
        }
        Ok(())
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
    }
}

fn failure(kind: FailureKind, detail: String) -> Failure {
    Failure { stage: None, kind, detail }
}

fn is_transient(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
