//! A server that ends with the tests, however they end.

use super::{PATIENCE, eventually};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Starts a server, prints its process number, and waits for the end of its input, which comes when the server is dropped or
/// the process of the tests is gone. Then it kills the server and its children. It stops the server first, so that no child
/// is added meanwhile. The kernel sends SIGHUP when a parent dies and a process of the group is stopped.
const SUPERVISOR: &str = r#"
trap '' HUP
log=$1; shift
"$@" </dev/null >>"$log" 2>&1 &
server=$!
echo "$server"
exec >/dev/null
cat
kill -STOP "$server"
pkill -KILL -P "$server"
kill -KILL "$server"
wait
"#;

/// A running server and its children.
pub(super) struct Supervised {
    supervisor: Child,
    server: Pid,
}

impl Supervised {
    /// Starts it; what it prints is appended to `log`.
    pub(super) fn start(words: &[String], log: &Path) -> Supervised {
        let mut command = Command::new("sh");
        // In a process group of its own, the supervisor survives an interrupt from the keyboard and can clean up.
        command.args(["-c", SUPERVISOR, "sh"]).arg(log).args(words).process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        command.current_dir("/").env("LC_ALL", "C.UTF-8");
        let mut supervisor = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(supervisor.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let server = line.trim().parse().ok().and_then(Pid::from_raw);
        Supervised { supervisor, server: server.unwrap_or_else(|| panic!("{words:?} did not start")) }
    }

    /// The process number of the server itself.
    pub(super) fn number(&self) -> i32 {
        self.server.as_raw_nonzero().get()
    }

    pub(super) fn is_running(&self) -> bool {
        is_running(self.server)
    }

    /// Sends a signal to the server itself.
    pub(super) fn signal(&self, signal: Signal) {
        send(&[self.server], signal);
    }

    /// Stops all processes. The kernel still accepts connections and acknowledges what they receive.
    pub(super) fn freeze(&self) {
        self.signal(Signal::STOP);
        assert!(eventually(PATIENCE, || is_stopped(self.server)), "the server does not stop");
        let children = self.children();
        send(&children, Signal::STOP);
        let all_stop = || children.iter().all(|child| is_stopped(*child) || !is_running(*child));
        assert!(eventually(PATIENCE, all_stop), "a child of the server does not stop");
    }

    /// Continues all processes.
    pub(super) fn thaw(&self) {
        send(&self.children(), Signal::CONT);
        self.signal(Signal::CONT);
    }

    /// Kills all processes, as the loss of the machine does.
    pub(super) fn kill(&self) {
        self.signal(Signal::STOP);
        eventually(PATIENCE, || is_stopped(self.server) || !self.is_running());
        let mut processes = self.children();
        processes.push(self.server);
        send(&processes, Signal::KILL);
        let gone = || processes.iter().all(|process| !is_running(*process));
        assert!(eventually(PATIENCE, gone), "a process survives SIGKILL");
    }

    fn children(&self) -> Vec<Pid> {
        let path = format!("/proc/{0}/task/{0}/children", self.server.as_raw_nonzero());
        let list = fs::read_to_string(path).unwrap_or_default();
        list.split_whitespace().filter_map(|number| number.parse().ok().and_then(Pid::from_raw)).collect()
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        drop(self.supervisor.stdin.take());
        let _ = self.supervisor.wait();
    }
}

/// Sends a signal to those processes that still exist.
fn send(processes: &[Pid], signal: Signal) {
    for process in processes {
        let _ = kill_process(*process, signal);
    }
}

/// The state of a process: R, S, D, T, Z and so on; see proc(5).
fn state(process: Pid) -> Option<char> {
    let text = fs::read_to_string(format!("/proc/{}/stat", process.as_raw_nonzero())).ok()?;
    text.rsplit_once(") ")?.1.chars().next()
}

fn is_stopped(process: Pid) -> bool {
    state(process) == Some('T')
}

fn is_running(process: Pid) -> bool {
    state(process).is_some_and(|state| !['Z', 'X'].contains(&state))
}
