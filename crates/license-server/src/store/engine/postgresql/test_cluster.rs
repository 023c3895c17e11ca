//! PostgreSQL for tests: a server of Debian's package in a temporary directory.

use std::fs;
use std::mem::ManuallyDrop;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use opterius_base::deadline::Deadline;
use rustix::process::{Pid, Signal, geteuid, kill_process};

/// How long anything may take on a busy machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

static NEXT: AtomicU32 = AtomicU32::new(0);

/// The data directory that each server begins with. It goes with this process: a shell waits for the end of its input.
fn template() -> &'static Path {
    static TEMPLATE: OnceLock<(PathBuf, Child)> = OnceLock::new();
    let (directory, _) = TEMPLATE.get_or_init(|| {
        let cluster = ManuallyDrop::new(Cluster::empty());
        let mut janitor = Command::new("sh");
        janitor.args(["-c", "cat >/dev/null; rm -rf -- \"$1\"", "sh"]).arg(&cluster.directory).process_group(0);
        let janitor = janitor.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let options =
            ["--no-sync", "--no-instructions", "--wal-segsize=1", "-A", "trust", "-U", "postgres", "-E", "UTF8"];
        cluster.run("initdb", &options);
        (cluster.directory.clone(), janitor)
    });
    directory
}

/// A server, ended and deleted when dropped.
pub(crate) struct Cluster {
    directory: PathBuf,
    pub(super) port: u16,
    postmaster: Option<Child>,
}

impl Cluster {
    /// A new server with these further lines in its `postgresql.conf`.
    pub(crate) fn start(settings: &str) -> Self {
        let mut cluster = Self::empty();
        fs::remove_dir(cluster.data()).unwrap();
        let copied = Command::new("cp").args(["-a", "--"]).arg(template().join("data")).arg(cluster.data()).status();
        assert!(copied.unwrap().success());
        cluster.configure(settings);
        cluster.boot();
        cluster
    }

    /// A standby of this server, which streams from it and is called `name`.
    pub(super) fn standby(&self, name: &str) -> Self {
        let mut cluster = Self::empty();
        let source = format!("host={} port={} user=postgres application_name={name}", self.sockets(), self.port);
        cluster.run("pg_basebackup", &["--no-sync", "-R", "-c", "fast", "-X", "stream", "-d", &source]);
        cluster.configure("synchronous_standby_names = ''");
        cluster.boot();
        cluster
    }

    fn empty() -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let memory = Path::new("/dev/shm");
        let parent = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let directory = parent.join(format!("opterius-pg-{}-{number}", std::process::id()));
        fs::create_dir(&directory).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let cluster = Self { directory, port, postmaster: None };
        cluster.give(cluster.directory.as_path(), 0o755);
        fs::create_dir(cluster.data()).unwrap();
        cluster.give(&cluster.data(), 0o700);
        cluster
    }

    /// Gives a file to the user of the server.
    pub(super) fn give(&self, path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        if geteuid().is_root() {
            let accounts = fs::read_to_string("/etc/passwd").unwrap();
            let line = accounts.lines().find(|line| line.starts_with("postgres:")).expect("the user postgres");
            let numbers: Vec<u32> = line.split(':').skip(2).take(2).map(|number| number.parse().unwrap()).collect();
            chown(path, Some(numbers[0]), Some(numbers[1])).unwrap();
        }
    }

    pub(super) fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    pub(super) fn sockets(&self) -> String {
        self.directory.display().to_string()
    }

    /// Appends to `postgresql.conf`.
    pub(super) fn configure(&self, settings: &str) {
        let file = self.data().join("postgresql.conf");
        let all = format!(
            "{}\nport = {}\nunix_socket_directories = '{}'\nlisten_addresses = '127.0.0.1'\nfsync = off\n\
             max_connections = 20\nshared_buffers = 16MB\n\
             min_wal_size = 2MB\nmax_wal_size = 64MB\nwal_keep_size = 16MB\ndynamic_shared_memory_type = mmap\n{settings}\n",
            fs::read_to_string(&file).unwrap(),
            self.port,
            self.sockets()
        );
        fs::write(&file, all).unwrap();
    }

    /// A program of PostgreSQL on the data directory, as the user of the server; it ends with this thread.
    fn program(&self, name: &str) -> Command {
        let versions = fs::read_dir("/usr/lib/postgresql").unwrap().map(|entry| entry.unwrap().path());
        let path = versions.max().unwrap().join("bin").join(name);
        let mut command = Command::new("setpriv");
        if geteuid().is_root() {
            command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
        }
        command.arg("--pdeathsig=QUIT").arg(path).arg("-D").arg(self.data()).stdin(Stdio::null());
        command
    }

    fn run(&self, name: &str, arguments: &[&str]) {
        let output = self.program(name).args(arguments).output().unwrap();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Starts the server and waits until it accepts connections. It refuses to as long as a process of a killed one lives.
    pub(super) fn boot(&mut self) {
        let deadline = Deadline::within(PATIENCE);
        while self.psql("SELECT 1").is_err() {
            let is_running =
                self.postmaster.as_mut().is_some_and(|postmaster| postmaster.try_wait().unwrap().is_none());
            if !is_running {
                let log = fs::File::create(self.directory.join("log")).unwrap();
                let mut command = self.program("postgres");
                command.stdout(log.try_clone().unwrap()).stderr(log).process_group(0);
                self.postmaster = Some(command.spawn().unwrap());
            }
            let log = || fs::read_to_string(self.directory.join("log")).unwrap_or_default();
            assert!(!deadline.is_over(), "the server does not start: {}", log());
            std::thread::park_timeout(Duration::from_millis(50));
        }
    }

    /// Ends the server at once, as a crash does.
    pub(super) fn kill(&mut self) {
        if let Some(mut postmaster) = self.postmaster.take() {
            let processes = self.processes(postmaster.id());
            for process in processes {
                // One may have ended by itself.
                let _ = kill_process(process, Signal::KILL);
            }
            postmaster.wait().unwrap();
            // A killed server leaves its shared memory, whose number is in line 7.
            let file = fs::read_to_string(self.data().join("postmaster.pid")).unwrap_or_default();
            if let Some(number) = file.lines().nth(6).and_then(|line| line.split_whitespace().nth(1)) {
                Command::new("ipcrm").args(["-m", number]).status().unwrap();
            }
        }
    }

    /// Stops all processes of the server; the kernel still accepts and acknowledges.
    pub(super) fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    pub(super) fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        for process in self.processes(self.postmaster.as_ref().unwrap().id()) {
            let _ = kill_process(process, signal);
        }
    }

    /// The postmaster and its children.
    fn processes(&self, postmaster: u32) -> Vec<Pid> {
        let children = fs::read_to_string(format!("/proc/{postmaster}/task/{postmaster}/children")).unwrap_or_default();
        let numbers = children.split_whitespace().map(|number| number.parse().unwrap());
        std::iter::once(postmaster.cast_signed()).chain(numbers).map(|number| Pid::from_raw(number).unwrap()).collect()
    }

    /// What psql prints, on a connection of its own.
    pub(crate) fn psql(&self, sql: &str) -> Result<String, String> {
        let port = self.port.to_string();
        let output = Command::new("psql")
            .args([
                "-X",
                "-q",
                "-t",
                "-A",
                "-h",
                &self.sockets(),
                "-p",
                &port,
                "-U",
                "postgres",
                "-d",
                "postgres",
                "-c",
                sql,
            ])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().trim().to_owned();
        if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
    }

    /// A connection string over TCP, with further settings.
    pub(super) fn over_tcp(&self, further: &str) -> String {
        format!("host=127.0.0.1 port={} dbname=postgres user=postgres {further}", self.port)
    }

    /// A connection string over the Unix socket.
    pub(crate) fn over_socket(&self) -> String {
        format!("host={} port={} dbname=postgres user=postgres", self.sockets(), self.port)
    }

    /// Waits for a condition.
    pub(super) fn until(&self, what: &str, mut condition: impl FnMut() -> bool) {
        let deadline = Deadline::within(PATIENCE);
        while !condition() {
            let log = || fs::read_to_string(self.directory.join("log")).unwrap_or_default();
            assert!(!deadline.is_over(), "never: {what}. The server's log: {}", log());
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if self.postmaster.is_some() {
            self.thaw();
        }
        self.kill();
        // The processes of a connection end a moment after the postmaster.
        let deadline = Deadline::within(Duration::from_secs(20));
        while fs::remove_dir_all(&self.directory).is_err() && self.directory.exists() && !deadline.is_over() {
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }
}
