//! The Agent under test: its successive processes, its clocks, the small disk of its cache, and its log.

use crate::license_server::TestLicenseServer;
use crate::support::TempDirectory;
use crate::support::agent::LICENSE_KEY;
use crate::support::http::{self, Request, SECRET};
use crate::support::process::{self, Process, START, Settings};
use crate::support::{eventually, pause};
use crate::world::World;
use rustix::process::{Pid, Signal, kill_process};
use std::collections::VecDeque;
use std::fs;
use std::io::Write as _;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

/// The syslog socket, in the private /dev that the script sets up.
const LOG: &str = "/dev/log";

/// The number of last log lines to keep.
const MAX_LINES: usize = 60;

/// A shell script that sets the Agent's boot id, boot clock and wall clock.
const CLOCKS: &str = "mount --bind $DIRECTORY/boot_id /proc/sys/kernel/random/boot_id; \
     set -- unshare --time --boottime $(cat $DIRECTORY/boottime) env LD_PRELOAD=$LIBFAKETIME FAKETIME_NO_CACHE=1 \
     FAKETIME_TIMESTAMP_FILE=$DIRECTORY/wall FAKETIME_DONT_FAKE_MONOTONIC=1 NO_FAKE_STAT=1 \"$@\"";

pub struct Daemon<'a> {
    world: &'a World,
    directory: TempDirectory,
    cache: PathBuf,
    settings: Settings,
    process: Mutex<Option<Process>>,
    log: Mutex<(Option<UnixDatagram>, VecDeque<String>)>,
}

impl<'a> Daemon<'a> {
    /// An Agent that is not yet started, for the host at `root`, with its cache on the small disk `disk`.
    pub fn new(world: &'a World, license_server: &TestLicenseServer<'_>, root: &Path, disk: &Path) -> Daemon<'a> {
        let server = &license_server.server;
        let directory = TempDirectory::new();
        let path = |name: &str| directory.path().join(name);
        fs::write(path("license-ca.pem"), server.ca_pem()).unwrap();
        let cache = disk.join("license-cache.json");
        for old in [&cache, &disk.join("full")] {
            let _ = fs::remove_file(old);
        }
        let settings = Settings::new([
            ("secret", SECRET),
            ("license_key", LICENSE_KEY),
            ("license_server", &server.url()),
            ("license_public_key", &license_server.public_key),
            ("license_ca_file", &path("license-ca.pem").display().to_string()),
            ("license_cache", &cache.display().to_string()),
            ("port", &world.port.to_string()),
            ("log", "syslog"),
            ("ip_discovery_url", ""),
            ("operations", "child"),
            ("host_root", &root.display().to_string()),
        ]);
        let daemon = Daemon { world, directory, cache, settings, process: Mutex::default(), log: Mutex::default() };
        daemon.set_wall_clock(0);
        daemon.set_log(true);
        daemon
    }

    /// Starts the next process, optionally after a reboot, with the boot clock advanced by `ahead` seconds.
    pub fn start(&self, boots: bool, ahead: i64) {
        let mut inner = self.world.lock();
        let ended = inner.boot_clock();
        inner.life += 1;
        let boot_clock = if boots { ahead - ended as i64 + inner.boot + 60 } else { inner.boot + ahead };
        inner.boot = boot_clock;
        let (now, reachable, life) = (inner.now(), inner.reachable, inner.life);
        if boots {
            inner.belief.boots(ended);
        }
        inner.belief.starts(reachable, now);
        drop(inner);
        if boots || life == 1 {
            self.write("boot_id", &format!("00000000-0000-0000-0000-{life:012}"));
        }
        self.write("boottime", &boot_clock.to_string());
        let mut settings = self.settings.clone();
        // The address tells the test's license server which process sends a request.
        settings.set("server_ip", &format!("10.0.{}.{}", life / 256, life % 256));
        settings.write(&self.directory.path().join("agent.conf"));
        if eventually(START, || self.is_ready()) {
            self.world.lock().running = true;
            self.world.count("starts");
        } else {
            self.world.violated("the Agent did not start");
        }
    }

    /// Whether it answers requests. A start waits for a port that a killed process is still releasing, so it always
    /// succeeds.
    fn is_ready(&self) -> bool {
        let mut process = self.process.lock().unwrap();
        match &*process {
            Some(running) if running.is_running() => {}
            Some(_) => return false,
            None => *process = Some(Process::start(self.command())),
        }
        drop(process);
        http::fetch(self.world.port, Request::get("/health")).is_ok_and(|health| health.status == 200)
    }

    fn command(&self) -> std::process::Command {
        let mut words = process::after_mounting(self.directory.path(), CLOCKS);
        words.push(std::env::var("SOAK_AGENT").unwrap());
        let mut command = process::command(&words);
        command.arg("--config").arg(self.directory.path().join("agent.conf"));
        command
    }

    /// Kills it, like a power failure.
    pub fn kill(&self) {
        let mut inner = self.world.lock();
        if let Some(process) = self.process.lock().unwrap().take() {
            if !process.is_running() {
                self.world.violated("the Agent exited by itself");
            }
            process.kill();
        }
        let now = inner.now();
        inner.running = false;
        inner.belief.killed(now);
        self.world.count("SIGKILL");
    }

    /// Stops it, like systemd.
    pub fn stop(&self) {
        self.world.lock().running = false;
        let Some(process) = self.process.lock().unwrap().take() else { return };
        process.signal(Signal::TERM);
        let ended = eventually(Duration::from_secs(15), || !process.is_running());
        let succeeded = ended && process.wait_exit(START).success();
        if !succeeded {
            self.world.violated("the Agent did not stop, or exited with an error");
        }
    }

    pub fn pid(&self) -> Option<u32> {
        let running = self.world.lock().running;
        self.process.lock().unwrap().as_ref().filter(|_| running).map(Process::pid)
    }

    pub fn hang_up(&self) {
        if let Some(pid) = self.pid().and_then(|pid| Pid::from_raw(pid.cast_signed())) {
            // Fails if it was just killed.
            let _ = kill_process(pid, Signal::HUP);
            self.world.count("SIGHUP");
        }
    }

    /// Sets the offset of the wall clock, in seconds.
    pub fn set_wall_clock(&self, ahead: i64) {
        let mut inner = self.world.lock();
        let before = inner.now();
        inner.belief.transaction(before);
        self.write("wall", &format!("{ahead:+}"));
        (inner.wall, inner.steps) = (ahead, inner.steps + 1);
        let now = inner.now();
        inner.belief.clock_was_set(before, now);
        self.world.count("clock steps");
    }

    /// Fills the disk of the cache, or frees the space.
    pub fn fill_disk(&self, full: bool) {
        let filler = self.cache.with_file_name("full");
        if !full {
            let _ = fs::remove_file(&filler);
        }
        self.world.lock().belief.disk_fills(full);
        if full {
            let mut file = fs::File::create(&filler).unwrap();
            while file.write_all(&[0; 1024]).is_ok() {}
            self.world.count("disk full");
        }
    }

    /// Creates or removes the log's socket.
    pub fn set_log(&self, exists: bool) {
        let mut log = self.log.lock().unwrap();
        let _ = fs::remove_file(LOG);
        log.0 = exists.then(|| UnixDatagram::bind(LOG).unwrap());
        if let Some(socket) = &log.0 {
            socket.set_nonblocking(true).unwrap();
        } else {
            self.world.count("log gone");
        }
    }

    /// Reads the log until the phase ends.
    pub fn read_log(&self) {
        while !self.world.is_over() {
            self.read_log_now();
            pause(Duration::from_millis(300));
        }
    }

    fn read_log_now(&self) {
        let mut log = self.log.lock().unwrap();
        let (socket, lines) = &mut *log;
        let mut line = [0; 2048];
        while let Some(length) = socket.as_ref().and_then(|socket| socket.recv(&mut line).ok()) {
            let text = String::from_utf8_lossy(&line[..length]).into_owned();
            // Tools that operations run also log.
            if !text.contains("opterius-agent[") {
                continue;
            }
            lines.push_back(text);
            if lines.len() > MAX_LINES {
                lines.pop_front();
            }
            self.world.count("log lines");
        }
    }

    /// Whether the cache file is complete, as the Panel would read it.
    pub fn is_cache_intact(&self) -> bool {
        fs::read(&self.cache).map_or(true, |bytes| {
            serde_json::from_slice::<serde_json::Value>(&bytes).is_ok_and(|it| it["valid"].is_boolean())
        })
    }

    pub fn last_lines(&self) -> Vec<String> {
        let stderr = self.process.lock().unwrap().as_ref().map(Process::lines).unwrap_or_default();
        self.log.lock().unwrap().1.iter().cloned().chain(stderr).collect()
    }

    /// Atomically replaces a file in the Agent's directory.
    fn write(&self, name: &str, text: &str) {
        let path = self.directory.path().join(name);
        let new = path.with_extension("new");
        fs::write(&new, text).unwrap();
        fs::rename(&new, &path).unwrap();
    }
}
