//! A daemon as a child process, its stderr, and its configuration file.

use super::eventually;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::io::{self, BufRead as _, BufReader, Read, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// Time limit, on a loaded machine, for starting a process or checking a license.
pub const START: Duration = Duration::from_secs(30);

/// The child process and the thread that reads its stderr. Dropping it kills the process; if the test failed, it prints the
/// process's stderr.
pub struct Process {
    child: Mutex<Child>,
    lines: Arc<Lines>,
    reader: Option<JoinHandle<()>>,
}

impl Process {
    /// Starts it with stderr as a pipe.
    pub fn start(mut command: Command) -> Process {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let lines = Arc::new(Lines::default());
        let stderr = child.stderr.take().expect("stderr is a pipe");
        let reader = std::thread::spawn({
            let lines = Arc::clone(&lines);
            move || lines.collect(stderr)
        });
        Process { child: Mutex::new(child), lines, reader: Some(reader) }
    }

    /// The port it listens on. Waits until it listens, and fails if the process exits instead.
    pub fn port(&self) -> u16 {
        let line = self.lines.wait_for(|line| listening_port(line).is_some(), START);
        let port = line.as_deref().and_then(listening_port);
        port.unwrap_or_else(|| panic!("the daemon did not start to listen: {:#?}", self.lines()))
    }

    pub fn pid(&self) -> u32 {
        self.child.lock().unwrap().id()
    }

    /// All lines on stderr so far.
    pub fn lines(&self) -> Vec<String> {
        self.lines.seen.lock().unwrap().lines.clone()
    }

    /// The first line on stderr, including earlier ones, for which `wanted` holds.
    pub fn wait_for_line(&self, wanted: impl Fn(&str) -> bool, within: Duration) -> Option<String> {
        self.lines.wait_for(wanted, within)
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child.lock().unwrap());
        kill_process(pid, signal).unwrap();
    }

    pub fn is_running(&self) -> bool {
        self.child.lock().unwrap().try_wait().unwrap().is_none()
    }

    /// The exit status; fails if the process does not exit in time.
    pub fn wait_exit(&self, within: Duration) -> ExitStatus {
        assert!(eventually(within, || !self.is_running()), "still running after {within:?}: {:#?}", self.lines());
        self.lines.wait_for_end(within);
        self.child.lock().unwrap().wait().unwrap()
    }

    /// Kills the process, like a power failure.
    pub fn kill(&self) {
        let mut child = self.child.lock().unwrap();
        let _ = child.kill();
        let _ = child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
        if std::thread::panicking() {
            eprintln!("stderr of the daemon: {:#?}", self.lines());
        }
    }
}

/// The daemon's stderr, line by line.
#[derive(Default)]
struct Lines {
    seen: Mutex<Seen>,
    changed: Condvar,
}

#[derive(Default)]
struct Seen {
    lines: Vec<String>,
    ended: bool,
}

impl Lines {
    fn collect(&self, stderr: impl Read) {
        for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
            self.seen.lock().unwrap().lines.push(String::from_utf8_lossy(&line).into_owned());
            self.changed.notify_all();
        }
        self.seen.lock().unwrap().ended = true;
        self.changed.notify_all();
    }

    fn wait_for(&self, wanted: impl Fn(&str) -> bool, within: Duration) -> Option<String> {
        let find = |seen: &Seen| seen.lines.iter().find(|line| wanted(line)).cloned();
        let missing = |seen: &mut Seen| find(seen).is_none() && !seen.ended;
        let (seen, _) = self.changed.wait_timeout_while(self.seen.lock().unwrap(), within, missing).unwrap();
        find(&seen)
    }

    fn wait_for_end(&self, within: Duration) {
        let missing = |seen: &mut Seen| !seen.ended;
        drop(self.changed.wait_timeout_while(self.seen.lock().unwrap(), within, missing).unwrap());
    }
}

/// The port in a line that contains `listening on 127.0.0.1:PORT`.
fn listening_port(line: &str) -> Option<u16> {
    let (_, after) = line.split_once("listening on 127.0.0.1:")?;
    let digits = after.split(|character: char| !character.is_ascii_digit()).next()?;
    digits.parse().ok()
}

/// A command without the proxy variables of the machine that runs the tests.
pub fn command(words: &[String]) -> Command {
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().to_ascii_lowercase().ends_with("_proxy") {
            command.env_remove(&name);
        }
    }
    command
}

/// The command line of a launcher that runs `script` in a separate mount namespace before it executes the daemon.
/// `$DIRECTORY` is this directory. Mounts disappear with the process.
pub fn after_mounting(directory: &Path, script: &str) -> Vec<String> {
    let script = format!("set -e; DIRECTORY={}; {script}; exec \"$@\"", directory.display());
    ["unshare", "--mount", "sh", "-c", &script, "sh"].map(str::to_owned).into()
}

/// Runs a shell script in the mount namespace of process `pid`. `$DIRECTORY` is this directory.
pub fn inside(pid: u32, directory: &Path, script: &str) {
    let mut command = Command::new("nsenter");
    command.arg(format!("--mount=/proc/{pid}/ns/mnt")).args(["sh", "-c", script]).env("DIRECTORY", directory);
    assert!(command.status().unwrap().success(), "{script}");
}

/// The keys of a configuration file and their values.
#[derive(Clone)]
pub struct Settings(Vec<(String, String)>);

impl Settings {
    pub fn new<const N: usize>(defaults: [(&str, &str); N]) -> Settings {
        Settings(defaults.map(|(key, value)| (key.to_owned(), value.to_owned())).into())
    }

    /// Sets or adds a key.
    pub fn set(&mut self, key: &str, value: &str) {
        match self.0.iter_mut().find(|(known, _)| known == key) {
            Some((_, old)) => value.clone_into(old),
            None => self.0.push((key.to_owned(), value.to_owned())),
        }
    }

    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str())
    }

    pub fn unset(&mut self, key: &str) {
        self.0.retain(|(known, _)| known != key);
    }

    /// Writes the file, readable only by its owner.
    pub fn write(&self, path: &Path) {
        let text: String = self.0.iter().map(|(key, value)| format!("{key}={value}\n")).collect();
        let result = write_private(path, text.as_bytes());
        result.unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
    }
}

pub fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600).open(path)?.write_all(bytes)
}
