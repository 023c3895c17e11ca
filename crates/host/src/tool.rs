//! Runs external programs: without a shell, with an explicit environment, and with a deadline.

use std::ffi::{OsStr, OsString};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::ioctl_fionbio;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitOptions, getpid, kill_process, kill_process_group, pidfd_open, set_child_subreaper,
    wait,
};

use crate::host::Host;
use crate::problem::Problem;
use crate::processes::{self, Stat};
use opterius_base::deadline::Deadline;
use opterius_base::text::one_line;

/// Largest captured output per stream, in bytes; the rest is read and discarded.
pub const MAX_OUTPUT: usize = 1024 * 1024;

/// Longest part of a tool's output that an error message shows, in characters.
const MAX_MESSAGE: usize = 600;

/// A program to run.
pub struct Tool {
    name: String,
    command: Command,
    input: Option<Vec<u8>>,
    keeps_other_children: bool,
    largest_output: usize,
    output: Option<OwnedFd>,
}

/// A program's exit status and output.
#[derive(Debug)]
pub struct Output {
    /// The program's name, for messages.
    pub name: String,
    /// The exit code; none if it was killed by a signal.
    pub code: Option<i32>,
    /// Captured stdout, as text.
    pub stdout: String,
    /// Captured stderr, as text.
    pub stderr: String,
}

impl Tool {
    /// An installed program, by name.
    ///
    /// # Errors
    /// It is not installed.
    pub fn named(name: &str) -> Result<Self, Problem> {
        let sentence = || format!("The operation needs {name}, which is not installed on this server.");
        Host::tool(name).map(Self::at).ok_or_else(|| Problem::Unavailable(sentence()))
    }

    /// A program, by path.
    pub fn at(path: PathBuf) -> Self {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut command = Command::new(path);
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("LC_ALL", "C.UTF-8").env("HOME", "/root");
        command.current_dir("/").process_group(0).stdin(Stdio::null());
        Self { name, command, input: None, keeps_other_children: false, largest_output: MAX_OUTPUT, output: None }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args(mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.command.args(arguments);
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.command.env(name, value.into());
        self
    }

    /// Sets its stdin. Passwords are passed this way, never as arguments, which every user can see.
    #[must_use]
    pub fn input(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.command.stdin(Stdio::piped());
        self.input = Some(bytes.into());
        self
    }

    /// Sets its stdin to a file descriptor.
    #[must_use]
    pub fn descriptor(mut self, descriptor: OwnedFd) -> Self {
        self.command.stdin(descriptor);
        self
    }

    /// Writes its stdout to a file descriptor instead of capturing it.
    #[must_use]
    pub fn output_to(mut self, descriptor: OwnedFd) -> Self {
        self.output = Some(descriptor);
        self
    }

    /// Runs it with this uid and gid, and without further groups.
    #[must_use]
    pub fn user(mut self, uid: u32, gid: u32) -> Self {
        self.command.uid(uid).gid(gid).env("HOME", "/nonexistent");
        self
    }

    /// For a process with other children: leaves them alone, and also any orphans of this program.
    #[must_use]
    pub fn keep_other_children(mut self) -> Self {
        self.keeps_other_children = true;
        self
    }

    /// Captures up to `bytes` of each stream instead of [`MAX_OUTPUT`].
    #[must_use]
    pub fn capture(mut self, bytes: usize) -> Self {
        self.largest_output = bytes;
        self
    }

    /// Runs it, and kills it with all its children at the deadline.
    ///
    /// # Errors
    /// It cannot be started, or it timed out.
    pub fn run(mut self, deadline: Deadline) -> Result<Output, Problem> {
        let failed = |error: std::io::Error| Problem::failed(&self.name, error);
        if !self.keeps_other_children {
            // Orphans of a killed child then become children of this process, where they can be found.
            set_child_subreaper(Some(getpid())).map_err(|error| failed(error.into()))?;
        }
        let output = self.output.take().map_or_else(Stdio::piped, Stdio::from);
        let child = self.command.stdout(output).stderr(Stdio::piped()).spawn();
        // It has the descriptors for its streams now: who reads what it writes must see the end of it.
        self.command.stdin(Stdio::null()).stdout(Stdio::null());
        let mut child = child.map_err(failed)?;
        let collected = || Collected { bytes: Vec::new(), limit: self.largest_output };
        let (mut stdout, mut stderr) = (collected(), collected());
        let ended = communicate(&mut child, self.input.take(), &mut stdout, &mut stderr, deadline);
        if !matches!(ended, Ok(true)) {
            kill(&mut child);
            if !self.keeps_other_children {
                kill_orphans();
            }
        }
        match ended {
            Err(error) => Err(failed(error)),
            Ok(false) => {
                Err(Problem::TimedOut(format!("{} timed out and was stopped, along with its children.", self.name)))
            }
            Ok(true) => {
                let status = child.wait().map_err(failed)?;
                // Background processes that it left running end with it.
                let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
                let signal = status.signal().map(|signal| format!("killed by signal {signal}")).unwrap_or_default();
                let stderr = stderr.text();
                let stderr = if stderr.trim().is_empty() { signal } else { stderr };
                Ok(Output { name: self.name, code: status.code(), stdout: stdout.text(), stderr })
            }
        }
    }

    /// Runs it, and treats any exit code but 0 as an error.
    ///
    /// # Errors
    /// It cannot be started, timed out, or failed; the message includes its output.
    pub fn succeed(self, deadline: Deadline) -> Result<Output, Problem> {
        let output = self.run(deadline)?;
        if output.code == Some(0) { Ok(output) } else { Err(Problem::failure(output.complaint())) }
    }
}

impl Output {
    /// Whether the exit code is 0.
    pub fn is_success(&self) -> bool {
        self.code == Some(0)
    }

    /// An error message with the exit code and the tool's output, in one line.
    pub fn complaint(&self) -> String {
        let output = if self.stderr.trim().is_empty() { &self.stdout } else { &self.stderr };
        let code = self.code.map_or("a signal".to_owned(), |code| format!("code {code}"));
        format!("{} failed with {code}: {}", self.name, one_line(output, MAX_MESSAGE))
    }
}

/// Captured output of a stream.
struct Collected {
    bytes: Vec<u8>,
    limit: usize,
}

impl Collected {
    /// Reads all available bytes; false at the end of the stream.
    fn read(&mut self, stream: &mut impl Read) -> std::io::Result<bool> {
        let mut buffer = [0; 8192];
        loop {
            match stream.read(&mut buffer) {
                Ok(0) => return Ok(false),
                Ok(length) => {
                    let room = self.limit.saturating_sub(self.bytes.len());
                    self.bytes.extend(buffer.iter().take(length.min(room)));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

/// Feeds the child and reads its output until it exits; false if the deadline comes first.
fn communicate(
    child: &mut Child,
    input: Option<Vec<u8>>,
    out: &mut Collected,
    err: &mut Collected,
    deadline: Deadline,
) -> std::io::Result<bool> {
    let process = pidfd_open(Pid::from_child(child), PidfdFlags::empty())?;
    let (mut stdout, mut stderr) = (child.stdout.take(), child.stderr.take());
    let mut feed = child.stdin.take().zip(input).map(|(stdin, bytes)| Feed { stdin, bytes, written: 0 });
    for stream in [stdout.as_ref().map(AsFd::as_fd), stderr.as_ref().map(AsFd::as_fd)].into_iter().flatten() {
        ioctl_fionbio(stream, true)?;
    }
    if let Some(feed) = &feed {
        ioctl_fionbio(&feed.stdin, true)?;
    }
    loop {
        if feed.as_mut().is_some_and(Feed::write) {
            // Dropping the pipe closes it, so that the tool sees the end of its input.
            feed = None;
        }
        if let Some(stream) = &mut stdout
            && !out.read(stream)?
        {
            stdout = None;
        }
        if let Some(stream) = &mut stderr
            && !err.read(stream)?
        {
            stderr = None;
        }
        let mut watched = vec![PollFd::new(&process, PollFlags::IN)];
        watched.extend(stdout.iter().map(|stream| PollFd::new(stream, PollFlags::IN)));
        watched.extend(stderr.iter().map(|stream| PollFd::new(stream, PollFlags::IN)));
        watched.extend(feed.iter().map(|feed| PollFd::new(&feed.stdin, PollFlags::OUT)));
        let left = deadline.left();
        if left.is_zero() {
            return Ok(false);
        }
        match poll(&mut watched, Timespec::try_from(left + Duration::from_millis(1)).ok().as_ref()) {
            Err(rustix::io::Errno::INTR) => {}
            result => _ = result?,
        }
        if watched.first().is_some_and(|process| !process.revents().is_empty()) {
            // Its last output is still in the pipes. Do not wait for other processes that hold them open.
            for (stream, collected) in [
                (stdout.as_mut().map(|stream| stream as &mut dyn Read), out),
                (stderr.as_mut().map(|stream| stream as &mut dyn Read), err),
            ] {
                if let Some(mut stream) = stream {
                    collected.read(&mut stream)?;
                }
            }
            return Ok(true);
        }
    }
}

/// Input that remains to be written to a tool.
struct Feed {
    stdin: ChildStdin,
    bytes: Vec<u8>,
    written: usize,
}

impl Feed {
    /// Writes as much as the pipe accepts; true once everything is written or the reader is gone.
    fn write(&mut self) -> bool {
        while let Some(rest) = self.bytes.get(self.written..).filter(|rest| !rest.is_empty()) {
            match self.stdin.write(rest) {
                Ok(length) => self.written = self.written.saturating_add(length),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return true,
            }
        }
        true
    }
}

fn kill(child: &mut Child) {
    let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
    let _ = child.kill();
    let _ = child.wait();
}

/// Kills all descendants of a killed child, in any process group or session: orphans become children of this process, so
/// this repeats until there are none left.
fn kill_orphans() {
    let until = Deadline::within(Duration::from_secs(5));
    loop {
        for process in children() {
            let _ = kill_process(process, Signal::KILL);
        }
        match wait(WaitOptions::NOHANG) {
            // No children left.
            Err(_) => return,
            Ok(Some(_)) => {}
            Ok(None) if until.is_over() => return,
            Ok(None) => {
                let pause = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };
                let _ = poll(&mut [], Some(&pause));
            }
        }
    }
}

/// The children of this process.
fn children() -> Vec<Pid> {
    let own = std::process::id();
    let is_child = |process: &u32| Stat::read(*process).is_some_and(|stat| stat.parent == own);
    let numbers = processes::all().into_iter().filter(is_child);
    numbers.filter_map(|process| Pid::from_raw(process.cast_signed())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn soon() -> Deadline {
        Deadline::within(Duration::from_secs(20))
    }

    fn shell(script: &str) -> Tool {
        Tool::named("sh").unwrap().args(["-c", script])
    }

    #[test]
    fn a_tool_gets_only_the_given_input_and_environment() {
        let large = "x".repeat(1_000_000);
        let output = shell("wc -c; env").input(large).run(soon()).unwrap();
        assert!(output.stdout.starts_with("1000000\n") && output.is_success(), "{output:?}");
        assert!(!output.stdout.contains("CARGO") && output.stdout.contains("LC_ALL=C.UTF-8"), "{output:?}");
    }

    #[test]
    fn output_is_limited_and_shown_in_one_line() {
        let output = shell("yes | head -c 3000000; echo 'no\nway' >&2; exit 3").run(soon()).unwrap();
        assert_eq!((output.stdout.len(), output.code), (MAX_OUTPUT, Some(3)));
        assert_eq!(output.complaint(), "sh failed with code 3: no way");
        assert!(matches!(shell("exit 1").succeed(soon()), Err(Problem::Failed(_))));
        let sentence = shell("kill -9 $$").succeed(soon()).unwrap_err().message();
        assert!(sentence.contains("signal 9"), "{sentence}");
    }

    #[test]
    fn the_error_names_a_missing_program() {
        let Err(Problem::Unavailable(sentence)) = Tool::named("no-such-program").map(|_| ()) else { panic!() };
        assert!(sentence.contains("no-such-program"), "{sentence}");
    }
}
