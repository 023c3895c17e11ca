//! The Agent as a child process that never outlives the demo.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use serde_json::Value;

use crate::demo_dir::{DemoDir, relative};
use crate::waiting::{has_arrived, wait};
use opterius_base::clock::{Clock, SystemClock};
use opterius_base::text::one_line;
use opterius_license_server::commands::failure::Failure;

/// The number of log lines in the message when the Agent has exited.
const LAST_LINES: usize = 10;

/// The running Agent.
pub(super) struct Agent {
    child: Child,
    process: Pid,
    /// A pidfd; readable once the process has exited.
    descriptor: OwnedFd,
    log: PathBuf,
}

impl Agent {
    pub(super) fn start(program: &Path, directory: &DemoDir) -> Result<Self, Failure> {
        let log = directory.path("agent.log");
        let failed = |error: io::Error| Failure::refused(format!("cannot start the Agent: {error}"));
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(&log).map_err(failed)?;
        let mut command = Command::new("setpriv");
        // The kernel terminates the Agent when this process dies, even by SIGKILL. The kernel watches the thread that spawns
        // the child, so this must be the main thread.
        command.args(["--pdeathsig", "TERM", "--"]).arg(program).arg("--config").arg(directory.path("agent.conf"));
        // Ctrl-C must reach only this process, which then stops the Agent gracefully.
        command.process_group(0);
        // Requests to this machine must not use a proxy.
        for name in ["ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "http_proxy", "https_proxy"] {
            command.env_remove(name);
        }
        command.stdin(Stdio::null()).stdout(file.try_clone().map_err(failed)?).stderr(file);
        let mut child = command.spawn().map_err(failed)?;
        let process = Pid::from_child(&child);
        match pidfd_open(process, PidfdFlags::empty()) {
            Ok(descriptor) => Ok(Self { child, process, descriptor, log }),
            Err(error) => {
                let _ = child.kill().and_then(|()| child.wait());
                Err(failed(error.into()))
            }
        }
    }

    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }

    pub(super) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Asks the Agent to stop, unless it has exited.
    pub(super) fn request_stop(&mut self) {
        // The process ID cannot be reused before this process waits for the child.
        if !self.has_ended() {
            let _ = kill_process(self.process, Signal::TERM);
        }
    }

    /// Stops the Agent and waits for it; kills it at `deadline` or on another signal.
    pub(super) fn stop(mut self, deadline: Instant, stop: &UnixStream) {
        self.request_stop();
        while !self.has_ended() {
            let left = deadline.saturating_duration_since(SystemClock.monotonic());
            wait(&[self.descriptor(), stop.as_fd()], Some(left));
            if has_arrived(stop) || SystemClock.monotonic() >= deadline {
                break;
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// The last lines of the log, for an error message.
    pub(super) fn last_lines(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<String> = text.lines().map(|line| format!("  {}", one_line(line, 1000))).collect();
        let last = lines.get(lines.len().saturating_sub(LAST_LINES)..).unwrap_or_default();
        format!("Its last lines, in {}:\n{}", relative(&self.log), last.join("\n"))
    }
}

/// The status of the Agent; `None` until its license is valid.
pub(super) fn status(program: &Path, directory: &DemoDir) -> Option<Value> {
    let mut command = Command::new(program);
    command.arg("--config").arg(directory.path("agent.conf")).args(["status", "--json"]).stderr(Stdio::null());
    let output = command.output().ok().filter(|output| output.status.success())?;
    serde_json::from_slice(&output.stdout).ok()
}
