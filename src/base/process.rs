//! Programs that are no workers, run to their end: git and the builds of engines.
//!
//! Invariants: each runs in a process group of its own, which is ended when the user wants to stop; its output goes to files,
//! so that nobody waits for a full pipe; its input is empty, so that nothing waits for an answer; it sees no token of a job, and none
//! of the files by which a step speaks to its runner. What a program that ended well
//! left running is its own business, such as a compiler's cache server.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use crate::measure::cancel::Cancel;

/// First and longest sleep of the waiting loop: git is done in milliseconds, a build in minutes.
const FIRST_SLEEP: Duration = Duration::from_millis(1);
const LONGEST_SLEEP: Duration = Duration::from_millis(50);

/// How long a program that is asked to end may take, before it is killed: git removes what it had begun.
const GRACE: Duration = Duration::from_secs(5);

/// Most that is read of what a program wrote.
const MAX_OUTPUT: u64 = 4 << 20;

/// How a program ended, and what it said.
#[derive(Debug)]
pub struct Ran {
    pub status: ExitStatus,
    /// Everything up to 4 MiB; of more, the end.
    pub stdout: Vec<u8>,
    /// As `stdout`; empty where the two were one.
    pub stderr: Vec<u8>,
}

/// Why there is no end to speak of.
#[derive(Debug)]
pub enum Stopped {
    /// It could not be started or waited for, or its output not be kept.
    Failed(io::Error),
    /// The user wants to stop; the program was ended.
    Interrupted,
}

impl From<io::Error> for Stopped {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

/// Where a program's two streams go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Streams {
    Apart,
    /// Both in one, as on a terminal.
    Together,
}

/// Runs a program to its end.
///
/// # Errors
/// When it cannot be started, or the user wants to stop.
pub fn run(command: &mut Command, streams: Streams, cancel: &Cancel) -> Result<Ran, Stopped> {
    if cancel.is_wanted() {
        return Err(Stopped::Interrupted);
    }
    let stdout = tempfile::tempfile()?;
    let stderr = if streams == Streams::Apart { tempfile::tempfile()? } else { stdout.try_clone()? };
    without_secrets(command, std::env::vars_os().map(|(name, _)| name));
    command.stdin(Stdio::null()).stdout(stdout.try_clone()?).stderr(stderr.try_clone()?).process_group(0);
    let mut group = Group::enter(command.spawn()?, cancel);
    let status = group.wait()?;
    let stderr = if streams == Streams::Apart { tail(stderr)? } else { Vec::new() };
    Ok(Ran { status, stdout: tail(stdout)?, stderr })
}

/// Tokens of a job, and the files through which a step sets variables and outputs for the steps after it.
const SECRETS: [&str; 11] = [
    "GITHUB_TOKEN",
    "GH_TOKEN",
    "GITHUB_ENTERPRISE_TOKEN",
    "GH_ENTERPRISE_TOKEN",
    "GITEA_TOKEN",
    "FORGEJO_TOKEN",
    "GITHUB_ENV",
    "GITHUB_PATH",
    "GITHUB_OUTPUT",
    "GITHUB_STATE",
    "GITHUB_STEP_SUMMARY",
];

/// What begins so is an input of an action, or the runner's own service with its token.
const SECRET_PREFIXES: [&str; 2] = ["INPUT_", "ACTIONS_"];

/// Keeps from a program what a change under test must not have: it may build with the sources of a pull request.
fn without_secrets(command: &mut Command, names: impl Iterator<Item = OsString>) {
    for name in names {
        let text = name.to_string_lossy();
        if SECRETS.contains(&text.as_ref()) || SECRET_PREFIXES.iter().any(|prefix| text.starts_with(prefix)) {
            command.env_remove(&name);
        }
    }
}

/// The end of a file.
fn tail(mut file: File) -> io::Result<Vec<u8>> {
    let length = file.metadata()?.len();
    file.seek(io::SeekFrom::Start(length.saturating_sub(MAX_OUTPUT)))?;
    let mut content = Vec::new();
    file.take(MAX_OUTPUT).read_to_end(&mut content)?;
    Ok(content)
}

/// A program with its process group, which dies with the handle unless the program has ended.
struct Group<'c> {
    process: std::process::Child,
    group: Pid,
    cancel: &'c Cancel,
    reaped: bool,
}

impl<'c> Group<'c> {
    fn enter(process: std::process::Child, cancel: &'c Cancel) -> Self {
        let group = Pid::from_child(&process);
        cancel.enter(group);
        Self { process, group, cancel, reaped: false }
    }

    fn wait(&mut self) -> Result<ExitStatus, Stopped> {
        if self.wait_until(|group| group.cancel.is_wanted())? {
            return self.reap();
        }
        self.kill(Signal::TERM);
        let until = Instant::now() + GRACE;
        self.wait_until(|_| Instant::now() >= until)?;
        Err(Stopped::Interrupted)
    }

    /// Waits until it has exited, which is told, or until `enough`.
    fn wait_until(&self, enough: impl Fn(&Self) -> bool) -> io::Result<bool> {
        let mut sleep = FIRST_SLEEP;
        while !self.has_exited()? {
            if enough(self) {
                return Ok(false);
            }
            std::thread::sleep(sleep);
            sleep = (sleep * 2).min(LONGEST_SLEEP);
        }
        Ok(true)
    }

    fn kill(&self, signal: Signal) {
        // A group that has just gone is no error here.
        _ = kill_process_group(self.group, signal);
    }

    /// Whether it has ended, without reaping it: its number must stay taken until nobody can kill it any more.
    fn has_exited(&self) -> io::Result<bool> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        match waitid(WaitId::Pid(self.group), options) {
            Ok(status) => Ok(status.is_some()),
            Err(rustix::io::Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn reap(&mut self) -> Result<ExitStatus, Stopped> {
        self.cancel.leave(self.group);
        self.reaped = true;
        Ok(self.process.wait()?)
    }
}

impl Drop for Group<'_> {
    fn drop(&mut self) {
        if !self.reaped {
            // The leader may have ended and left others behind.
            self.kill(Signal::KILL);
            _ = self.reap();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn the_end_and_both_streams_are_told() {
        let cancel = Cancel::new();
        let ran = run(&mut shell("echo out; echo err >&2; cat; exit 7"), Streams::Apart, &cancel).unwrap();
        assert_eq!((ran.status.code(), &*ran.stdout, &*ran.stderr), (Some(7), &b"out\n"[..], &b"err\n"[..]));
        let ran = run(&mut shell("echo out; echo err >&2; echo out"), Streams::Together, &cancel).unwrap();
        assert_eq!((&*ran.stdout, &*ran.stderr), (&b"out\nerr\nout\n"[..], &b""[..]));
    }

    #[test]
    fn a_job_s_secrets_are_not_handed_on() {
        let mut command = Command::new("sh");
        let names = ["PATH", "GITHUB_TOKEN", "INPUT_GITHUB-TOKEN", "ACTIONS_RUNTIME_TOKEN", "GITHUB_ENV", "GITHUB_SHA"];
        without_secrets(&mut command, names.into_iter().map(OsString::from));
        let removed: Vec<_> = command.get_envs().filter(|(_, value)| value.is_none()).map(|(name, _)| name).collect();
        assert_eq!(removed, ["ACTIONS_RUNTIME_TOKEN", "GITHUB_ENV", "GITHUB_TOKEN", "INPUT_GITHUB-TOKEN"]);
    }

    #[test]
    fn of_much_output_the_end_is_kept() {
        let ran = run(&mut shell("yes | head -c 5000000; echo end"), Streams::Apart, &Cancel::new()).unwrap();
        assert_eq!(ran.stdout.len() as u64, MAX_OUTPUT);
        assert!(ran.stdout.ends_with(b"\nend\n"));
    }

    /// Polls; nothing here takes a fraction of the limit.
    fn wait_for(what: impl Fn() -> bool) {
        let until = Instant::now() + Duration::from_secs(60);
        while !what() {
            assert!(Instant::now() < until, "waited in vain");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn an_interruption_ends_the_whole_group() {
        for script in
            ["sleep 600 & echo $! > started; wait", "trap : TERM; sleep 600 & echo $! > started; wait; exec sleep 600"]
        {
            let folder = tempfile::tempdir().unwrap();
            let cancel = Cancel::new();
            let mut command = shell(script);
            command.current_dir(folder.path());
            let started = || std::fs::read_to_string(folder.path().join("started")).unwrap_or_default();
            let stopped = std::thread::scope(|scope| {
                scope.spawn(|| {
                    wait_for(|| started().ends_with('\n'));
                    cancel.cancel();
                });
                run(&mut command, Streams::Apart, &cancel)
            });
            assert!(matches!(stopped, Err(Stopped::Interrupted)), "{stopped:?}");
            let sleeper = format!("/proc/{}/stat", started().trim());
            wait_for(|| {
                let stat = std::fs::read_to_string(&sleeper).unwrap_or_default();
                stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with(['Z', 'X']))
            });
            assert!(matches!(run(&mut shell("true"), Streams::Apart, &cancel), Err(Stopped::Interrupted)));
        }
    }

    #[test]
    fn what_cannot_be_started_is_an_error() {
        let absent = run(&mut Command::new("/nowhere/at/all"), Streams::Apart, &Cancel::new());
        assert!(matches!(absent, Err(Stopped::Failed(error)) if error.kind() == io::ErrorKind::NotFound));
    }
}
