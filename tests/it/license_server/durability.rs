//! What was answered is stored: a server that is killed at any moment knows everything that it has said, and a backup
//! beside it is whole.

use super::*;
use crate::support::http::fetch;
use crate::support::license_database::LicenseDatabase;
use opterius_base::clock::SystemClock;
use opterius_license_server::installation::DataDir;
use opterius_license_server::store::{self, Database};
use std::collections::BTreeSet;
use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

const THREADS: usize = 4;

/// So many that none of them is asked for too often.
const LICENSES: usize = 16;

/// Servers that verify, each once and each new, until there is no answer any more or enough is enough.
struct Load {
    port: u16,
    licenses: Vec<TestLicense>,
    next: AtomicUsize,
    enough: AtomicBool,
    /// License and address of each that was told that it may.
    granted: Mutex<Vec<(i64, String)>>,
}

impl Load {
    fn new(server: &LicenseServerProcess) -> Load {
        let licenses = server.database.licenses("datacenter", LICENSES);
        let (next, enough, granted) = (AtomicUsize::new(0), AtomicBool::new(false), Mutex::new(Vec::new()));
        Load { port: server.port(), licenses, next, enough, granted }
    }

    fn go_on(&self) {
        while !self.enough.load(Ordering::Relaxed) {
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

    /// Goes on in several threads while `work` runs.
    fn during<T>(&self, work: impl FnOnce() -> T) -> T {
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(|| self.go_on())).collect();
            let result = work();
            self.enough.store(true, Ordering::Relaxed);
            threads.into_iter().for_each(|thread| thread.join().unwrap());
            result
        })
    }

    fn granted(&self) -> usize {
        self.granted.lock().unwrap().len()
    }

    fn wait_for(&self, count: usize) {
        let reached = eventually(START, || self.granted() >= count);
        assert!(reached, "only {} of {count}", self.granted());
    }
}

#[test]
fn a_server_killed_under_load_knows_everything_that_it_has_answered() {
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
        assert!(lost.is_empty(), "killed after {count}: answered and forgotten: {lost:?}");
        assert_eq!(server.database.defects(), [] as [String; 0], "killed after {count}");
    }
    assert!(all.len() >= 600, "{}", all.len());
}

#[test]
fn a_server_that_is_told_to_stop_answers_what_it_has_begun_and_leaves_it_in_one_file() {
    let server = LicenseServerProcess::start();
    let load = Load::new(&server);
    load.during(|| {
        load.wait_for(50);
        server.signal(rustix::process::Signal::TERM);
        assert_eq!(server.wait_exit(START).code(), Some(0), "{:#?}", server.lines());
    });
    // As somebody would who copies what looks like the database.
    let copy = DataDir::new(&server.directory().join("copy"));
    fs::create_dir(server.directory().join("copy")).unwrap();
    fs::copy(server.database.data_dir.database_path(), copy.database_path()).unwrap();
    let copied = LicenseDatabase::new(copy, Arc::new(SystemClock));
    for (id, address) in load.granted.into_inner().unwrap() {
        assert!(copied.addresses(id).contains(&address), "{address}");
    }
}

#[test]
fn a_backup_under_load_is_whole_and_of_one_moment() {
    let server = LicenseServerProcess::start();
    let load = Load::new(&server);
    let source = server.database.data_dir.database_path();
    for round in 0..3 {
        let target = server.directory().join(format!("backup-{round}.db"));
        let before = load.granted();
        load.enough.store(false, Ordering::Relaxed);
        load.during(|| {
            load.wait_for(before + 60);
            store::backup(&source, &target).unwrap_or_else(|error| panic!("{error}"));
            load.wait_for(before + 120);
        });
        assert_eq!(store::check(&target).unwrap(), [] as [String; 0]);
        let mut backup = Database::open(&target).unwrap_or_else(|error| panic!("{error}"));
        let (mut activations, lines) =
            (Vec::new(), backup.read(|reader| reader.history(None, None, u32::MAX)).unwrap());
        for license in &load.licenses {
            activations.extend(backup.read(|reader| reader.activations(license.id)).unwrap());
        }
        assert!((before + 60..load.granted()).contains(&activations.len()), "{}", activations.len());
        let told: BTreeSet<i64> =
            lines.iter().filter(|line| line.action == Action::Activated).map(|line| line.id).collect();
        let stored: BTreeSet<i64> = activations.iter().map(|activation| activation.sequence).collect();
        assert_eq!(stored, told, "each activation has its line in the history, and each line its activation");
    }
}

#[test]
fn a_backup_beside_the_log_of_a_killed_server_is_refused_rather_than_mixed_with_it() {
    let mut server = LicenseServerProcess::start();
    let (load, source) = (Load::new(&server), server.database.data_dir.database_path());
    let backup = server.directory().join("backup.db");
    load.during(|| load.wait_for(100));
    store::backup(&source, &backup).unwrap_or_else(|error| panic!("{error}"));
    let in_backup = load.granted();
    load.enough.store(false, Ordering::Relaxed);
    load.during(|| {
        load.wait_for(400);
        server.kill();
    });
    let log = source.with_file_name("licenses.db-wal");
    assert!(log.metadata().unwrap().len() > 0, "the server was killed");
    fs::copy(&backup, &source).unwrap();
    match server.try_restart() {
        Ok(()) => assert_eq!(server.database.defects(), [] as [String; 0]),
        Err((code, said)) => {
            assert_eq!(code, Some(78), "{said}");
            assert!(said.contains("with the -wal and -shm files beside it, and restore a backup"), "{said}");
        }
    }
    // As the sentence says.
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
