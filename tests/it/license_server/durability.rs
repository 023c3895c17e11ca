//! Durability: every granted activation survives a kill at any moment, and backups of a running server are consistent.

use super::*;
use crate::support::http::fetch;
use crate::support::license_database::LicenseDatabase;
use opterius_base::clock::SystemClock;
use opterius_license_server::installation::DataDir;
use opterius_license_server::store::{self, Database, Location};
use std::collections::BTreeSet;
use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

const THREADS: usize = 4;

/// Enough licenses to stay below the rate limit of each.
const LICENSES: usize = 16;

/// Servers that verify once each, until the license server is gone or the test is done.
struct Load {
    port: u16,
    licenses: Vec<TestLicense>,
    next: AtomicUsize,
    done: AtomicBool,
    /// License and address of each granted verification.
    granted: Mutex<Vec<(i64, String)>>,
}

impl Load {
    fn new(server: &LicenseServerProcess) -> Load {
        let licenses = server.database.licenses("datacenter", LICENSES);
        let (next, done, granted) = (AtomicUsize::new(0), AtomicBool::new(false), Mutex::new(Vec::new()));
        Load { port: server.port(), licenses, next, done, granted }
    }

    fn send_until_done(&self) {
        while !self.done.load(Ordering::Relaxed) {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let license = &self.licenses[number % LICENSES];
            let address = format!("10.{}.{}.{}", number >> 16, (number >> 8) & 255, number & 255);
            let body = json!({"key": license.key, "server_ip": address, "hostname": "h".repeat(200)});
            match fetch(self.port, Request::post(VERIFY).body(body.to_string())) {
                Ok(response) if response.status == 200 => self.granted.lock().unwrap().push((license.id, address)),
                Ok(response) => assert_error(&response, 429, "rate_limited"),
                Err(_) => return,
            }
        }
    }

    /// Sends requests from several threads while `work` runs.
    fn during<T>(&self, work: impl FnOnce() -> T) -> T {
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(|| self.send_until_done())).collect();
            let result = work();
            self.done.store(true, Ordering::Relaxed);
            threads.into_iter().for_each(|thread| thread.join().unwrap());
            result
        })
    }

    fn granted(&self) -> usize {
        self.granted.lock().unwrap().len()
    }

    fn wait_for(&self, count: usize) {
        let reached = eventually(START, || self.granted() >= count);
        assert!(reached, "only {} of {count} granted", self.granted());
    }
}

#[test]
fn a_killed_server_has_stored_every_granted_activation() {
    let mut server = LicenseServerProcess::start();
    let mut all: BTreeSet<(i64, String)> = BTreeSet::new();
    for count in [1, 7, 40, 3, 150, 300, 20, 90] {
        let load = Load::new(&server);
        load.during(|| {
            load.wait_for(count);
            server.kill();
        });
        all.extend(load.granted.into_inner().unwrap());
        server.restart();
        let licenses: BTreeSet<i64> = all.iter().map(|(id, _)| *id).collect();
        let stored: BTreeSet<(i64, String)> = licenses
            .into_iter()
            .flat_map(|id| server.database.addresses(id).into_iter().map(move |address| (id, address)))
            .collect();
        let lost: Vec<_> = all.difference(&stored).collect();
        assert!(lost.is_empty(), "killed after {count}: granted but lost: {lost:?}");
        assert_eq!(server.database.defects(), [] as [String; 0], "killed after {count}");
    }
    assert!(all.len() >= 600, "{}", all.len());
}

#[test]
fn a_graceful_stop_answers_pending_requests_and_checkpoints_the_database() {
    let server = LicenseServerProcess::start();
    let load = Load::new(&server);
    load.during(|| {
        load.wait_for(50);
        server.signal(rustix::process::Signal::TERM);
        assert_eq!(server.wait_exit(START).code(), Some(0), "{:#?}", server.lines());
    });
    // Copy only the main database file.
    let copy = DataDir::new(&server.directory().join("copy"));
    fs::create_dir(server.directory().join("copy")).unwrap();
    fs::copy(server.database.data_dir.database_file().unwrap(), copy.database_file().unwrap()).unwrap();
    let copied = LicenseDatabase::new(copy, Arc::new(SystemClock));
    for (id, address) in load.granted.into_inner().unwrap() {
        assert!(copied.addresses(id).contains(&address), "{address}");
    }
}

#[test]
fn only_a_database_that_is_not_as_it_was_left_is_checked_at_the_start() {
    let mut server = LicenseServerProcess::start();
    let was_checked =
        |server: &LicenseServerProcess| server.lines().iter().any(|line| line.contains("Checked the whole database"));
    assert!(was_checked(&server), "a new one");
    let stop = |server: &LicenseServerProcess| {
        server.signal(rustix::process::Signal::TERM);
        assert_eq!(server.wait_exit(START).code(), Some(0), "{:#?}", server.lines());
    };
    stop(&server);
    server.restart();
    assert!(!was_checked(&server), "a clean stop");
    let load = Load::new(&server);
    load.during(|| {
        load.wait_for(20);
        server.kill();
    });
    server.restart();
    assert!(was_checked(&server), "a kill");
    stop(&server);
    let path = server.database.data_dir.database_file().unwrap();
    fs::write(path, fs::read(path).unwrap()).unwrap();
    server.restart();
    assert!(was_checked(&server), "another program has written to the file");
}

#[test]
fn a_backup_under_load_is_consistent() {
    let server = LicenseServerProcess::start();
    let load = Load::new(&server);
    let source = server.database.data_dir.database_file().unwrap();
    for round in 0..3 {
        let target = server.directory().join(format!("backup-{round}.db"));
        let before = load.granted();
        load.done.store(false, Ordering::Relaxed);
        load.during(|| {
            load.wait_for(before + 60);
            store::backup(source, &target).unwrap_or_else(|error| panic!("{error}"));
            load.wait_for(before + 120);
        });
        assert_eq!(store::check(&Location::File(target.clone())).unwrap(), [] as [String; 0]);
        let mut backup = Database::open_file(&target).unwrap_or_else(|error| panic!("{error}"));
        let (mut activations, lines) =
            (Vec::new(), backup.read(|transaction| transaction.history(None, None, u32::MAX)).unwrap());
        for license in &load.licenses {
            activations.extend(backup.read(|transaction| transaction.activations(license.id)).unwrap());
        }
        assert!((before + 60..load.granted()).contains(&activations.len()), "{}", activations.len());
        let recorded: BTreeSet<i64> =
            lines.iter().filter(|line| line.action == Action::Activated).map(|line| line.id).collect();
        let stored: BTreeSet<i64> = activations.iter().map(|activation| activation.sequence).collect();
        assert_eq!(stored, recorded, "activations and history entries must match");
    }
}

#[test]
fn a_backup_restored_beside_the_log_of_a_killed_server_is_not_corrupted() {
    let mut server = LicenseServerProcess::start();
    let (load, source) = (Load::new(&server), server.database.data_dir.database_file().unwrap().to_owned());
    let backup = server.directory().join("backup.db");
    load.during(|| load.wait_for(100));
    store::backup(&source, &backup).unwrap_or_else(|error| panic!("{error}"));
    let in_backup = load.granted();
    load.done.store(false, Ordering::Relaxed);
    load.during(|| {
        load.wait_for(400);
        server.kill();
    });
    let log = source.with_file_name("licenses.db-wal");
    assert!(log.metadata().unwrap().len() > 0, "the server was killed");
    fs::copy(&backup, &source).unwrap();
    match server.try_restart() {
        Ok(()) => assert_eq!(server.database.defects(), [] as [String; 0]),
        Err((code, output)) => {
            assert_eq!(code, Some(78), "{output}");
            assert!(output.contains("licenses.db-wal, belongs to another database"), "{output}");
        }
    }
    // Follow the instructions of the message.
    server.kill();
    for name in ["licenses.db", "licenses.db-wal", "licenses.db-shm"] {
        let _ = fs::remove_file(source.with_file_name(name));
    }
    fs::copy(&backup, &source).unwrap();
    server.restart();
    let found: usize = load.licenses.iter().map(|license| server.database.activations(license.id).len()).sum();
    assert_eq!(found, in_backup);
    assert_eq!(server.database.defects(), [] as [String; 0]);
}
