//! `serve` rejects unusable installations with a message and an exit code, and leaves them unchanged. Creating an empty
//! database in place of a lost one would deny all customers at once.

use super::*;
use crate::support::license_server_process::command_words;
use crate::support::process::{self, Process};
use opterius_license_server::store::Database;
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::Path;

/// A user ID that owns nothing else on the machine.
pub(super) const STRANGER: u32 = 65_534;

/// An installation with data and a stopped server.
pub(super) fn stopped() -> LicenseServerProcess {
    let server = LicenseServerProcess::start();
    for license in server.database.licenses("free", 200).iter().step_by(20) {
        assert_granted(&server.verify(&question(license, SERVERS[0])));
    }
    server.signal(Signal::TERM);
    assert_eq!(server.wait_exit(START).code(), Some(0), "{:#?}", server.lines());
    server
}

/// Runs `serve` until it exits; returns its exit code and output.
pub(super) fn serve(server: &LicenseServerProcess, launcher: &[&str]) -> (Option<i32>, String) {
    let mut words: Vec<String> = launcher.iter().map(|word| (*word).to_owned()).collect();
    words.extend(command_words(server.directory(), &["serve"]));
    let process = Process::start(process::command(&words));
    let code = process.wait_exit(START).code();
    (code, process.lines().join("\n"))
}

/// Name, mode and bytes of every file, except lock files and an empty write-ahead log.
fn snapshot(directory: &Path) -> BTreeMap<String, (u32, Vec<u8>)> {
    let entries = fs::read_dir(directory).unwrap().map(Result::unwrap);
    let named = entries.map(|entry| (entry.file_name().into_string().unwrap(), entry.path()));
    let read = |path: &Path| (path.metadata().unwrap().mode(), fs::read(path).unwrap());
    let files = named.map(|(name, path)| (name, read(&path)));
    let is_empty_log =
        |name: &str, bytes: &[u8]| name.ends_with("-shm") || (name.ends_with("-wal") && bytes.is_empty());
    files.filter(|(name, (_, bytes))| !name.ends_with(".lock") && !is_empty_log(name, bytes)).collect()
}

/// Asserts that `serve` rejects an installation that `damage` has modified: exit code 78, these texts, no changes.
fn refused(what: &str, damage: impl FnOnce(&LicenseServerProcess), expected: &[&str]) {
    let server = stopped();
    damage(&server);
    let data = server.database.data_dir.database_file().unwrap().parent().unwrap().to_owned();
    let before = snapshot(&data);
    let (code, output) = serve(&server, &[]);
    assert_eq!(code, Some(78), "{what}: {output}");
    assert!(expected.iter().all(|part| output.contains(part)), "{what}: {output}");
    assert_eq!(output.lines().count(), 1, "{what}: {output}");
    let after = snapshot(&data);
    assert!(before == after, "{what}: {:?} became {:?}", before.keys(), after.keys());
}

#[test]
fn missing_files_are_not_recreated() {
    refused(
        "no database",
        |server| fs::remove_file(server.database.data_dir.database_file().unwrap()).unwrap(),
        &["licenses.db: the database is missing", "init", "Restore a backup"],
    );
    refused(
        "no keys",
        |server| fs::remove_file(server.database.data_dir.keys_path()).unwrap(),
        &["signing-keys.json: the signing keys are missing", "Restore the file from a backup"],
    );
}

#[test]
fn a_database_and_keys_of_different_installations_are_rejected() {
    let other = stopped();
    let expected =
        ["licenses.db and ", "signing-keys.json belong to different installations. Restore both from backups"];
    let copy = |from: &Path, to: &Path| assert!(fs::copy(from, to).unwrap() > 0);
    refused(
        "other keys",
        |server| copy(&other.database.data_dir.keys_path(), &server.database.data_dir.keys_path()),
        &expected,
    );
    refused(
        "another database",
        |server| {
            copy(other.database.data_dir.database_file().unwrap(), server.database.data_dir.database_file().unwrap())
        },
        &expected,
    );
}

/// Changes the bytes of the database.
fn edit(server: &LicenseServerProcess, change: impl FnOnce(&mut Vec<u8>)) {
    let path = server.database.data_dir.database_file().unwrap();
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_damaged_database_is_rejected() {
    let expected = ["licenses.db: the database is unusable: ", "Nothing was changed. Move it away, "];
    refused("an empty file", |server| edit(server, Vec::clear), &expected);
    refused("garbage in front", |server| edit(server, |bytes| bytes[..200].fill(0xa5)), &expected);
    refused("another file", |server| edit(server, |bytes| *bytes = b"<html>not found</html>".repeat(100)), &expected);
    refused("half of it", |server| edit(server, |bytes| bytes.truncate(bytes.len() / 2)), &expected);
    refused("a page less", |server| edit(server, |bytes| bytes.truncate(bytes.len() - 4096)), &expected);
    refused(
        "garbage in the middle",
        |server| {
            edit(server, |bytes| {
                let middle = bytes.len() / 2 / 4096 * 4096;
                bytes[middle..middle + 8192].fill(0xa5);
            });
        },
        &expected,
    );
    refused(
        "a page of zeros",
        |server| {
            edit(server, |bytes| {
                let end = bytes.len() - 4096;
                bytes[end..].fill(0);
            });
        },
        &expected,
    );
}

#[test]
fn a_database_of_a_newer_version_is_rejected() {
    let set_version = |server: &LicenseServerProcess| {
        // SQLite keeps `user_version` in bytes 60 to 63 of the header.
        edit(server, |bytes| bytes[60..64].copy_from_slice(&99_u32.to_be_bytes()));
    };
    refused(
        "a newer schema",
        set_version,
        &["was written by a newer version of this program (schema 99, this version supports"],
    );
}

#[test]
fn files_that_others_can_read_are_rejected() {
    let open = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    refused(
        "world-readable keys",
        |server| open(&server.database.data_dir.keys_path(), 0o644),
        &["signing-keys.json: other users can read the signing keys. Run: chmod 0600 "],
    );
    refused(
        "group-readable keys",
        |server| open(&server.database.data_dir.keys_path(), 0o640),
        &["signing-keys.json: other users can read the signing keys. Run: chmod 0600 "],
    );
    refused(
        "a world-readable database",
        |server| open(server.database.data_dir.database_file().unwrap(), 0o644),
        &["licenses.db: ", "other users can read or write the database. Run: chmod 0600 "],
    );
}

#[test]
fn damaged_keys_are_rejected() {
    let expected = ["signing-keys.json: the file is damaged. Restore it from a backup"];
    for bytes in ["", "{}", "null", "{\"installation\": \"a\", \"keys\": []}"] {
        refused("damaged keys", |server| fs::write(server.database.data_dir.keys_path(), bytes).unwrap(), &expected);
    }
}

#[test]
fn another_user_is_advised_to_run_as_the_owner() {
    let server = stopped();
    // Let the stranger reach the files.
    for (path, mode) in
        [(server.directory(), 0o755), (&server.config_path(), 0o644), (&server.directory().join("data"), 0o755)]
    {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }
    let as_stranger = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    let (code, output) = serve(&server, &as_stranger);
    assert_eq!(code, Some(77), "{output}");
    assert!(output.contains("licenses.db: permission denied. Run as the user who owns the database"), "{output}");
    for name in ["licenses.db", "use.lock", ""] {
        chown(server.directory().join("data").join(name), Some(STRANGER), Some(STRANGER)).unwrap();
    }
    for name in ["licenses.db-wal", "licenses.db-shm"] {
        // These may not exist.
        let _ = chown(server.directory().join("data").join(name), Some(STRANGER), Some(STRANGER));
    }
    let (code, output) = serve(&server, &as_stranger);
    assert_eq!(code, Some(77), "{output}");
    assert!(output.contains("signing-keys.json: permission denied. Run as the user who owns the file"), "{output}");
    fs::set_permissions(server.directory().join("data"), Permissions::from_mode(0o700)).unwrap();
    chown(server.directory().join("data"), Some(0), Some(0)).unwrap();
    let (code, output) = serve(&server, &as_stranger);
    assert_eq!(code, Some(77), "{output}");
    assert!(output.contains("permission denied"), "{output}");
}

#[test]
fn a_second_server_on_an_installation_is_rejected() {
    let server = LicenseServerProcess::start();
    let (code, output) = serve(&server, &[]);
    assert_eq!(code, Some(1), "{output}");
    let named = format!(
        "another license server is already running on this installation (process {}). Nothing was changed",
        server.pid()
    );
    assert!(output.contains(&named), "{output}");
    let license = server.database.license("free");
    assert_granted(&server.verify(&question(&license, SERVERS[0])));
}

#[test]
fn a_port_conflict_names_the_process_that_holds_it() {
    let mut server = LicenseServerProcess::start();
    let port = server.port().to_string();
    let data = stopped().database.data_dir.database_file().unwrap().parent().unwrap().display().to_string();
    let other = stopped();
    server.rewrite_config(&[("port", &port), ("data_dir", &data)]);
    fs::copy(server.config_path(), other.config_path()).unwrap();
    let text = fs::read_to_string(other.config_path()).unwrap();
    let own = other.database.data_dir.database_file().unwrap().parent().unwrap().display().to_string();
    fs::write(other.config_path(), text.replace(&data, &own)).unwrap();
    let (code, output) = serve(&other, &[]);
    assert_eq!(code, Some(1), "{output}");
    assert!(output.contains(&format!("cannot listen on 127.0.0.1:{port}")), "{output}");
    assert!(output.contains(&format!("(process {})", server.pid())), "{output}");
    assert!(output.contains("license-server.conf"), "{output}");
}

#[test]
fn init_never_overwrites_files() {
    let server = stopped();
    let data = server.database.data_dir.database_file().unwrap().parent().unwrap().to_owned();
    let again = |what: &str| {
        let before = snapshot(&data);
        let output = server.run(&["init"]);
        assert_eq!(output.status.code(), Some(1), "{what}: {output:?}");
        let output = String::from_utf8(output.stderr).unwrap();
        assert!(output.contains("already exists. Nothing was changed"), "{what}: {output}");
        assert!(before == snapshot(&data), "{what}");
    };
    again("both");
    let keys = fs::read(server.database.data_dir.keys_path()).unwrap();
    fs::remove_file(server.database.data_dir.keys_path()).unwrap();
    again("only the database");
    process::write_private(&server.database.data_dir.keys_path(), &keys).unwrap();
    fs::remove_file(server.database.data_dir.database_file().unwrap()).unwrap();
    again("only the keys");
}

#[test]
fn a_new_installation_is_private() {
    let server = LicenseServerProcess::start();
    let data = server.database.data_dir.database_file().unwrap().parent().unwrap().to_owned();
    assert_eq!(data.metadata().unwrap().mode() & 0o777, 0o700);
    for (name, (mode, _)) in snapshot(&data) {
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    assert!(Database::open(server.database.data_dir.database()).is_ok());
}

#[test]
fn a_configuration_error_names_the_line() {
    let server = stopped();
    let table = [
        ("port=http\n", 78, "license-server.conf:1: port"),
        (
            "log=stderr\nlisten_addr=0.0.0.0\n",
            78,
            "license-server.conf:2: listen_addr “0.0.0.0” is not a loopback address",
        ),
        ("data_dri=/tmp\n", 78, "Did you mean “data_dir”?"),
        ("data_dir\n", 78, "license-server.conf:1"),
        ("\0\u{1}\u{2}", 78, "license-server.conf:1"),
    ];
    for (text, expected, message) in table {
        fs::write(server.config_path(), text).unwrap();
        let (code, output) = serve(&server, &[]);
        assert_eq!(code, Some(expected), "{text:?}: {output}");
        assert!(output.contains(message), "{text:?}: {output}");
    }
    fs::remove_file(server.config_path()).unwrap();
    let (code, output) = serve(&server, &[]);
    assert_eq!(code, Some(78), "{output}");
    assert!(output.contains("license-server.conf"), "{output}");
    // An empty file has the defaults, and the default directory of a new machine has no installation.
    fs::write(server.config_path(), "").unwrap();
    let hidden = process::after_mounting(server.directory(), "mount -t tmpfs none /var/lib");
    let hidden: Vec<&str> = hidden.iter().map(String::as_str).collect();
    let (code, output) = serve(&server, &hidden);
    assert_eq!(code, Some(78), "{output}");
    assert!(output.contains("/var/lib/opterius-license-server/licenses.db: the database is missing"), "{output}");
}
