//! The Agent as a child process, which never outlives the demo.

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

use crate::demo_dir::{DemoDir, shortest};
use crate::waiting::{has_arrived, wait};
use opterius_base::clock::{Clock, SystemClock};
use opterius_base::text::one_line;
use opterius_license_server::commands::failure::Failure;

/// Lines of the log that are shown when the Agent has ended.
const LAST_LINES: usize = 10;

/// The running Agent.
pub(super) struct Agent {
    child: Child,
    process: Pid,
    /// Has something to read once the process has ended.
    descriptor: OwnedFd,
    log: PathBuf,
}

impl Agent {
    pub(super) fn start(program: &Path, directory: &DemoDir) -> Result<Self, Failure> {
        let log = directory.path("agent.log");
        let failed = |error: io::Error| Failure::refused(format!("the Agent cannot be started: {error}"));
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(&log).map_err(failed)?;
        let mut command = Command::new("setpriv");
        // The kernel itself ends the Agent when this process is gone: nobody else could after a SIGKILL. It watches the
        // thread that starts the child, so this must be the main one, which lives as long as the process.
        command.args(["--pdeathsig", "TERM", "--"]).arg(program).arg("--config").arg(directory.path("agent.conf"));
        // Ctrl-C is for this process, which then ends the Agent in good order.
        command.process_group(0);
        // A proxy is not needed on the way to this machine.
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

    /// Asks it to end; nothing happens when it has ended.
    pub(super) fn request_stop(&mut self) {
        // Its number is not given to another process before it was waited for, and only we do that.
        if !self.has_ended() {
            let _ = kill_process(self.process, Signal::TERM);
        }
    }

    /// Waits until it has ended, and ends it by force at `deadline` or when another signal comes.
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

    /// What it said last.
    pub(super) fn last_lines(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<String> = text.lines().map(|line| format!("  {}", one_line(line, 1000))).collect();
        let last = lines.get(lines.len().saturating_sub(LAST_LINES)..).unwrap_or_default();
        format!("Its last lines, in {}:\n{}", shortest(&self.log), last.join("\n"))
    }
}

/// The status of the Agent, once its license is valid.
pub(super) fn status(program: &Path, directory: &DemoDir) -> Option<Value> {
    let mut command = Command::new(program);
    command.arg("--config").arg(directory.path("agent.conf")).args(["status", "--json"]).stderr(Stdio::null());
    let output = command.output().ok().filter(|output| output.status.success())?;
    serde_json::from_slice(&output.stdout).ok()
}
