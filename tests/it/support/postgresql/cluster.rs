//! A cluster: a server of PostgreSQL with its databases.

use super::directory::Directory;
use super::programs::{as_server_user, program};
use super::psql;
use super::supervised::Supervised;
use super::template;
use super::{PASSWORD, PATIENCE, ROLE, eventually, reserve_port};
use rustix::process::Signal;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Mutex;
use std::time::Duration;

/// Configures a cluster before it starts.
pub struct ClusterBuilder {
    settings: Vec<(String, String)>,
    disk: Option<u32>,
    on_real_disk: bool,
}

impl ClusterBuilder {
    /// Sets a parameter of postgresql.conf.
    pub fn set(mut self, name: &str, value: &str) -> ClusterBuilder {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Puts the data on a small disk of its own, which a test can fill. 30 MB are in use from the beginning. Needs root.
    pub fn on_disk(mut self, megabytes: u32) -> ClusterBuilder {
        self.disk = Some(megabytes);
        self.set("min_wal_size", "2MB").set("max_wal_size", "4MB").set("wal_keep_size", "0")
    }

    /// Puts the data where a commit takes the time of a disk, for measurements. By default it is in memory, which survives
    /// whatever the tests do.
    pub fn on_real_disk(mut self) -> ClusterBuilder {
        self.on_real_disk = true;
        self
    }

    /// Starts the server and waits until it answers.
    pub fn start(self) -> Cluster {
        let directory = if self.on_real_disk { Directory::on_disk() } else { Directory::new() };
        let place = self.disk.map_or_else(|| directory.path().to_owned(), |megabytes| directory.mount_disk(megabytes));
        let data = place.join("data");
        template::copy_to(&data);
        Cluster::start_in(directory, data, &self.settings)
    }
}

/// A running server. Dropping it kills the processes and deletes the data.
pub struct Cluster {
    server: Mutex<Option<Supervised>>,
    pub(super) data: PathBuf,
    port: u16,
    _reserved: TcpListener,
    /// Last, so that it outlives the server.
    pub(super) directory: Directory,
}

impl Cluster {
    pub fn builder() -> ClusterBuilder {
        ClusterBuilder { settings: Vec::new(), disk: None, on_real_disk: false }
    }

    pub fn start() -> Cluster {
        Cluster::builder().start()
    }

    /// Starts a server with this data directory.
    pub(super) fn start_in(directory: Directory, data: PathBuf, settings: &[(String, String)]) -> Cluster {
        let (reserved, port) = reserve_port();
        let cluster = Cluster { server: Mutex::new(None), data, port, _reserved: reserved, directory };
        let socket = cluster.socket_directory().display().to_string();
        cluster.configure("port", &port.to_string());
        cluster.configure("unix_socket_directories", &socket);
        settings.iter().for_each(|(name, value)| cluster.configure(name, value));
        cluster.restart();
        cluster
    }

    /// Appends a parameter to postgresql.conf; takes effect at the next start.
    pub fn configure(&self, name: &str, value: &str) {
        let mut file = OpenOptions::new().append(true).open(self.data.join("postgresql.conf")).unwrap();
        writeln!(file, "{name} = '{value}'").unwrap();
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// The directory of the server's Unix socket.
    pub fn socket_directory(&self) -> &Path {
        self.directory.path()
    }

    /// The address of a database over the Unix socket, which needs no password.
    pub fn uri_of(&self, database: &str) -> String {
        format!("postgresql://{ROLE}@/{database}?host={}&port={}", self.socket_directory().display(), self.port)
    }

    /// The address of the license server's database over the Unix socket.
    pub fn uri(&self) -> String {
        self.uri_of(ROLE)
    }

    /// The address of the license server's database over TCP, through this port: the server's own, or a proxy's.
    pub fn tcp_uri(port: u16) -> String {
        format!("postgresql://{ROLE}:{PASSWORD}@127.0.0.1:{port}/{ROLE}")
    }

    /// Runs SQL as the superuser in a database; returns the rows, columns separated by `|`.
    pub fn try_psql(&self, database: &str, sql: &str) -> Result<String, String> {
        psql::run(&self.address(), "postgres", database, sql)
    }

    /// The same in the license server's database; it must succeed.
    pub fn psql(&self, sql: &str) -> String {
        self.psql_in(ROLE, sql)
    }

    pub fn psql_in(&self, database: &str, sql: &str) -> String {
        self.try_psql(database, sql).unwrap_or_else(|error| panic!("{sql}: {error}\n{}", self.log()))
    }

    /// Whether the server answers a new connection within this time.
    pub fn answers_within(&self, limit: Duration) -> bool {
        psql::run_within(limit, &self.address(), "postgres", ROLE, "SELECT 1").is_ok()
    }

    pub(super) fn address(&self) -> [String; 4] {
        psql::address(&self.socket_directory().display().to_string(), self.port)
    }

    /// Runs SQL as [`ROLE`] over TCP, through this port: the server's own, a proxy's or PgBouncer's.
    pub fn tcp_psql(port: u16, sql: &str) -> Result<String, String> {
        psql::run(&psql::address("127.0.0.1", port), ROLE, ROLE, sql)
    }

    /// Runs pgbench with a script as [`ROLE`] over TCP, through this port.
    pub fn pgbench(&self, port: u16, script: &str, options: &[&str]) -> Output {
        psql::pgbench(self.directory.path(), port, script, options)
    }

    /// Creates a database of [`ROLE`], as a copy of `template`.
    pub fn create_database(&self, name: &str, template: &str) {
        self.psql_in("postgres", &format!("CREATE DATABASE {name} OWNER {ROLE} TEMPLATE {template}"));
    }

    /// Ends the connections of a database and deletes it.
    pub fn drop_database(&self, name: &str) {
        let _ = self.try_psql("postgres", &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
    }

    /// What the server logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    pub fn is_running(&self) -> bool {
        self.with_server(Supervised::is_running)
    }

    /// Stops all processes. The kernel still accepts connections and acknowledges what they receive.
    pub fn freeze(&self) {
        self.with_server(Supervised::freeze);
    }

    pub fn thaw(&self) {
        self.with_server(Supervised::thaw);
    }

    /// Kills all processes with SIGKILL, like the loss of the machine.
    pub fn kill(&self) {
        self.with_server(Supervised::kill);
    }

    /// Ends the sessions and the server in order (a “fast” shutdown).
    pub fn stop(&self) {
        self.with_server(|server| {
            server.signal(Signal::INT);
            assert!(eventually(PATIENCE, || !server.is_running()), "the server does not end: {}", self.log());
        });
    }

    /// Kills the server if it runs, starts it again on the same port, and waits until it answers.
    pub fn restart(&self) {
        self.try_restart().unwrap_or_else(|log| panic!("PostgreSQL does not start: {log}"));
    }

    /// The same; if the server does not start, returns its log.
    pub fn try_restart(&self) -> Result<(), String> {
        let mut server = self.server.lock().unwrap();
        if let Some(old) = server.take() {
            old.kill();
        }
        let words = as_server_user(&[&program("postgres"), "-D", &self.data.display().to_string()]);
        let new = Supervised::start(&words, &self.log_path());
        eventually(PATIENCE, || self.is_ready(&new) || !new.is_running());
        let started = new.is_running() && self.is_ready(&new);
        *server = Some(new);
        if started { Ok(()) } else { Err(self.log()) }
    }

    /// What `pg_ctl` looks at: the status in `postmaster.pid`. The file of a killed server stays, so the first line must be the
    /// number of this one.
    fn is_ready(&self, server: &Supervised) -> bool {
        let text = fs::read_to_string(self.data.join("postmaster.pid")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        lines.first() == Some(&server.number().to_string().as_str())
            && lines.get(7).is_some_and(|status| ["ready", "standby"].contains(status))
    }

    /// Fills the disk of [`ClusterBuilder::on_disk`].
    pub fn fill_disk(&self) {
        let path = self.filler();
        let mut file = File::create(&path).unwrap();
        let block = [1; 65536];
        let error = loop {
            if let Err(error) = file.write_all(&block) {
                break error;
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::StorageFull, "{}: {error}", path.display());
    }

    /// Frees what [`Self::fill_disk`] took.
    pub fn free_disk(&self) {
        fs::remove_file(self.filler()).unwrap();
    }

    fn filler(&self) -> PathBuf {
        self.data.parent().unwrap().join("filler")
    }

    fn log_path(&self) -> PathBuf {
        self.directory.path().join("log")
    }

    fn with_server<T>(&self, work: impl FnOnce(&Supervised) -> T) -> T {
        work(self.server.lock().unwrap().as_ref().unwrap())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("the end of PostgreSQL's log: {:#?}", &lines[lines.len().saturating_sub(40)..]);
        }
    }
}
