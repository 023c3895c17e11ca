//! The file of the database: it is complete after a clean stop, checked after any other end, and backups of a running server
//! are consistent.

use super::durability::Load;
use super::*;
use crate::support::license_database::LicenseDatabase;
use opterius_license_server::store::{self, Database, Location};
use std::collections::BTreeSet;
use std::fs;
use std::sync::atomic::Ordering;

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
    fs::create_dir(server.directory().join("copy")).unwrap();
    let copied = LicenseDatabase::in_directory(&server.directory().join("copy"));
    fs::copy(server.database.data_dir.database_file().unwrap(), copied.data_dir.database_file().unwrap()).unwrap();
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
