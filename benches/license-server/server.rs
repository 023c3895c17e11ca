//! The real server as a child process with a copy of a template, measured through /proc and /metrics.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use opterius_license::signature::TrustedKeys;
use opterius_license_server::installation::DataDir;
use opterius_license_server::keys::SigningKeys;
use opterius_license_server::store::{Database, Location};

use crate::answer::Sample;
use crate::failure::{During, Failure};
use crate::figures::Case;
use crate::load::{self, Kind, Requests};
use crate::template::Copy;

/// This version.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_opterius-license-server");
/// A server can check the whole database first.
const START_LIMIT: Duration = Duration::from_secs(1800);

/// A server that uses less than this much CPU time in this time is idle: it stores refusals once a second.
const IDLE_TIME: Duration = Duration::from_secs(4);
const IDLE_CPU: Duration = Duration::from_millis(1);

pub(crate) struct Server {
    child: Child,
    port: u16,
    copy: Copy,
    /// Where the database is, if not in the copy.
    place: Option<Location>,
    trusted: TrustedKeys,
    requests: Requests,
    samples: Vec<Sample>,
}

/// Counters of the server since its start.
struct Totals {
    commits: f64,
    changes: f64,
    cpu: Duration,
}

impl Server {
    /// Starts the program with the copy of a template.
    pub(crate) fn start(binary: &Path, copy: Copy) -> Result<Self, Failure> {
        Self::start_on(binary, copy, None)
    }

    /// Starts the program with the keys of the copy, and a database that can be elsewhere: the setting, and the same parsed.
    pub(crate) fn start_on(binary: &Path, copy: Copy, elsewhere: Option<(&str, &Location)>) -> Result<Self, Failure> {
        let config = copy.directory.join("license-server.conf");
        // The server needs an absolute path; OUT can be relative.
        let data = fs::canonicalize(&copy.directory).at("resolve", &copy.directory)?;
        let file = File::options().write(true).create_new(true).mode(0o600).open(&config);
        let database = elsewhere.map_or(String::new(), |(setting, _)| format!("database={setting}\n"));
        file.and_then(|mut file| writeln!(file, "port=0\nlog=stderr\ndata_dir={}\n{database}", data.display()))
            .at("write", &config)?;
        let keys = DataDir::new(&copy.directory).keys_path();
        let keys = SigningKeys::load(&keys).at("read", &keys)?;
        let trusted = TrustedKeys::parse(&keys.public_keys()).map_err(Failure::new)?;
        let log = copy.directory.join("log");
        let child = Command::new(binary)
            .args(["serve", "--config"])
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).at("create", &log)?)
            .spawn()
            .at("start", binary)?;
        let requests = Requests::new(copy.licenses);
        let place = elsewhere.map(|(_, place)| place.clone());
        let mut server = Server { child, port: 0, copy, place, trusted, requests, samples: Vec::new() };
        let begin = Instant::now();
        while begin.elapsed() < START_LIMIT && server.port == 0 {
            thread::sleep(Duration::from_millis(5));
            let output = read(&log)?;
            let port =
                output.split_once("listening on 127.0.0.1:").and_then(|(_, rest)| rest.lines().next()?.parse().ok());
            server.port = port.unwrap_or(0);
        }
        if server.port == 0 {
            return Err(Failure::new(format!("the server did not start: {}", read(&log)?)));
        }
        Ok(server)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Runs one turn of a case.
    pub(crate) fn measure(&mut self, kind: Kind, connections: usize, case: &mut Case) -> Result<(), Failure> {
        self.measure_at(&[self.port], kind, connections, case)
    }

    /// The same with every second connection to another instance. Its counters are left out.
    pub(crate) fn measure_with(
        &mut self,
        other: u16,
        kind: Kind,
        connections: usize,
        case: &mut Case,
    ) -> Result<(), Failure> {
        self.measure_at(&[self.port, other], kind, connections, case)
    }

    fn measure_at(&mut self, ports: &[u16], kind: Kind, connections: usize, case: &mut Case) -> Result<(), Failure> {
        let before = self.totals()?;
        let measured = load::run(ports, kind, connections, &mut self.requests)?;
        let after = self.totals()?;
        measured.samples.iter().try_for_each(|sample| sample.verify(&self.trusted))?;
        self.samples.extend(measured.samples);
        case.latencies.extend(measured.latencies);
        case.duration += load::TURN;
        case.answered += measured.answered;
        case.commits += after.commits - before.commits;
        case.changes += after.changes - before.changes;
        case.cpu += after.cpu - before.cpu;
        Ok(())
    }

    /// The proportional set size: shared pages count in part.
    pub(crate) fn pss_mib(&self) -> Result<f64, Failure> {
        let text = read(format!("/proc/{}/smaps_rollup", self.child.id()))?;
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
        Ok(kib.ok_or_else(|| Failure::new("no Pss: in /proc"))? / 1024.0)
    }

    /// The size of the write-ahead log, in MB. The file does not shrink by itself.
    pub(crate) fn log_megabytes(&self) -> Result<f64, Failure> {
        let log = self.copy.directory.join("licenses.db-wal");
        Ok(fs::metadata(&log).at("stat", &log)?.len() as f64 / 1e6)
    }

    /// Kills the server and checks that all sampled activations are stored.
    pub(crate) fn kill_and_check(mut self) -> Result<(), Failure> {
        self.child.kill().and_then(|()| self.child.wait()).at("kill", BINARY)?;
        let mut database = match &self.place {
            Some(place) => Database::open(place).during("open the database")?,
            None => self.copy.open()?,
        };
        self.samples.iter().try_for_each(|sample| sample.is_stored(&mut database))
    }

    /// The CPU time that the server uses until it is idle: until it has used none for [`IDLE_TIME`].
    pub(crate) fn cpu_until_idle(&self) -> Result<Duration, Failure> {
        let begin = self.cpu()?;
        let (mut last, mut since) = (begin, Instant::now());
        while since.elapsed() < IDLE_TIME {
            thread::sleep(Duration::from_millis(100));
            let cpu = self.cpu()?;
            if cpu.saturating_sub(last) > IDLE_CPU {
                (last, since) = (cpu, Instant::now());
            }
        }
        Ok(last - begin)
    }

    /// The CPU time since its start.
    pub(crate) fn cpu(&self) -> Result<Duration, Failure> {
        let mut cpu = Duration::ZERO;
        let tasks = format!("/proc/{}/task", self.child.id());
        for task in fs::read_dir(&tasks).at("list", &tasks)? {
            // The first number: CPU time in nanoseconds.
            let schedstat = read(task.at("list", &tasks)?.path().join("schedstat"))?;
            let time = schedstat.split_whitespace().next().unwrap_or_default();
            cpu += Duration::from_nanos(time.parse().during("read schedstat")?);
        }
        Ok(cpu)
    }

    fn totals(&self) -> Result<Totals, Failure> {
        let text = self.metrics().during("/metrics")?;
        let value = |name: &str| {
            let found = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse::<f64>().ok());
            found.ok_or_else(|| Failure::new(format!("no {name} in /metrics")))
        };
        Ok(Totals {
            commits: value("opterius_license_server_commits_total")?,
            changes: value("opterius_license_server_changes_total")?,
            cpu: self.cpu()?,
        })
    }

    fn metrics(&self) -> io::Result<String> {
        let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        socket.write_all(b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")?;
        let mut text = String::new();
        socket.read_to_string(&mut text)?;
        Ok(text)
    }
}

fn read(path: impl AsRef<Path>) -> Result<String, Failure> {
    fs::read_to_string(&path).at("read", path)
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
