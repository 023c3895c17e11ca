//! What `serve` refuses to work with: each is told in a sentence, with its exit code, and left as it is. An empty
//! database in place of a lost one would deny every customer at once.

use super::*;
use crate::support::license_server_process::command_words;
use crate::support::process::{self, Process};
use opterius_license_server::store::Database;
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::Path;

/// Neither root nor anybody else on the machine.
pub(super) const STRANGER: u32 = 65_534;

/// An installation that was in use and is not now.
pub(super) fn stopped() -> LicenseServerProcess {
    let server = LicenseServerProcess::start();
    for license in server.database.licenses("free", 200).iter().step_by(20) {
        assert_granted(&server.verify(&question(license, SERVERS[0])));
    }
    server.signal(Signal::TERM);
    assert_eq!(server.wait_exit(START).code(), Some(0), "{:#?}", server.lines());
    server
}

/// How `serve` ends, and what it says.
pub(super) fn serve(server: &LicenseServerProcess, launcher: &[&str]) -> (Option<i32>, String) {
    let mut words: Vec<String> = launcher.iter().map(|word| (*word).to_owned()).collect();
    words.extend(command_words(server.directory(), &["serve"]));
    let process = Process::start(process::command(&words));
    let code = process.wait_exit(START).code();
    (code, process.lines().join("\n"))
}

/// Name, mode and bytes of every file, but for the lock, and for the log once everything is in the database's own file.
fn snapshot(directory: &Path) -> BTreeMap<String, (u32, Vec<u8>)> {
    let entries = fs::read_dir(directory).unwrap().map(Result::unwrap);
    let named = entries.map(|entry| (entry.file_name().into_string().unwrap(), entry.path()));
    let read = |path: &Path| (path.metadata().unwrap().mode(), fs::read(path).unwrap());
    let files = named.map(|(name, path)| (name, read(&path)));
    let is_empty_log =
        |name: &str, bytes: &[u8]| name.ends_with("-shm") || (name.ends_with("-wal") && bytes.is_empty());
    files.filter(|(name, (_, bytes))| !name.ends_with(".lock") && !is_empty_log(name, bytes)).collect()
}

/// After this has happened to a good installation, `serve` ends with 78 and these words, and changes nothing.
fn refused(what: &str, happens: impl FnOnce(&LicenseServerProcess), told: &[&str]) {
    let server = stopped();
    happens(&server);
    let data = server.database.data_dir.database_path().parent().unwrap().to_owned();
    let before = snapshot(&data);
    let (code, said) = serve(&server, &[]);
    assert_eq!(code, Some(78), "{what}: {said}");
    assert!(told.iter().all(|part| said.contains(part)), "{what}: {said}");
    assert_eq!(said.lines().count(), 1, "{what}: {said}");
    let after = snapshot(&data);
    assert!(before == after, "{what}: {:?} became {:?}", before.keys(), after.keys());
}

#[test]
fn what_is_missing_is_not_made_anew() {
    refused(
        "no database",
        |server| fs::remove_file(server.database.data_dir.database_path()).unwrap(),
        &["licenses.db: there is no database", "init", "Restore a backup"],
    );
    refused(
        "no keys",
        |server| fs::remove_file(server.database.data_dir.keys_path()).unwrap(),
        &["signing-keys.json: there are no signing keys", "Restore the file from a backup"],
    );
}

#[test]
fn a_database_and_keys_of_two_installations_are_not_mixed() {
    let other = stopped();
    let told = ["licenses.db and ", "signing-keys.json do not belong together. Restore both from backups"];
    let take = |from: &Path, to: &Path| assert!(fs::copy(from, to).unwrap() > 0);
    refused(
        "other keys",
        |server| take(&other.database.data_dir.keys_path(), &server.database.data_dir.keys_path()),
        &told,
    );
    refused(
        "another database",
        |server| take(&other.database.data_dir.database_path(), &server.database.data_dir.database_path()),
        &told,
    );
}

/// Changes the bytes of the database.
fn edit(server: &LicenseServerProcess, change: impl FnOnce(&mut Vec<u8>)) {
    let path = server.database.data_dir.database_path();
    let mut bytes = fs::read(&path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_damaged_database_is_not_served_from() {
    let told = ["licenses.db: cannot be used: ", "Nothing was changed; move it away, "];
    refused("an empty file", |server| edit(server, Vec::clear), &told);
    refused("garbage in front", |server| edit(server, |bytes| bytes[..200].fill(0xa5)), &told);
    refused("another file", |server| edit(server, |bytes| *bytes = b"<html>not found</html>".repeat(100)), &told);
    refused("half of it", |server| edit(server, |bytes| bytes.truncate(bytes.len() / 2)), &told);
    refused("a page less", |server| edit(server, |bytes| bytes.truncate(bytes.len() - 4096)), &told);
    refused(
        "garbage in the middle",
        |server| {
            edit(server, |bytes| {
                let middle = bytes.len() / 2 / 4096 * 4096;
                bytes[middle..middle + 8192].fill(0xa5);
            });
        },
        &told,
    );
    refused(
        "a page of zeros",
        |server| {
            edit(server, |bytes| {
                let end = bytes.len() - 4096;
                bytes[end..].fill(0);
            });
        },
        &told,
    );
}

#[test]
fn a_database_of_a_newer_version_is_left_to_it() {
    let set_version = |server: &LicenseServerProcess| {
        // SQLite keeps `user_version` in bytes 60 to 63 of the header.
        edit(server, |bytes| bytes[60..64].copy_from_slice(&99_u32.to_be_bytes()));
    };
    refused(
        "a newer schema",
        set_version,
        &["was written by a newer version of this program (schema 99, this one knows"],
    );
}

#[test]
fn files_that_others_may_read_are_told_of() {
    let open = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    refused(
        "keys for all",
        |server| open(&server.database.data_dir.keys_path(), 0o644),
        &["signing-keys.json: other users may read the signing keys. Run: chmod 0600 "],
    );
    refused(
        "keys for a group",
        |server| open(&server.database.data_dir.keys_path(), 0o640),
        &["signing-keys.json: other users may read the signing keys. Run: chmod 0600 "],
    );
    refused(
        "a database for all",
        |server| open(&server.database.data_dir.database_path(), 0o644),
        &["licenses.db: ", "other users may read or write it. Run: chmod 0600 "],
    );
}

#[test]
fn damaged_keys_are_told_of() {
    let told = ["signing-keys.json: is damaged. Restore it from a backup"];
    for bytes in ["", "{}", "null", "{\"installation\": \"a\", \"keys\": []}"] {
        refused("damaged keys", |server| fs::write(server.database.data_dir.keys_path(), bytes).unwrap(), &told);
    }
}

#[test]
fn another_user_is_told_whom_to_run_as() {
    let server = stopped();
    // As far as the files themselves, the stranger comes.
    for (path, mode) in
        [(server.directory(), 0o755), (&server.config_path(), 0o644), (&server.directory().join("data"), 0o755)]
    {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }
    let as_stranger = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    let (code, said) = serve(&server, &as_stranger);
    assert_eq!(code, Some(77), "{said}");
    assert!(said.contains("licenses.db: permission denied. Run as the user who owns the database"), "{said}");
    for name in ["licenses.db", ""] {
        chown(server.directory().join("data").join(name), Some(STRANGER), Some(STRANGER)).unwrap();
    }
    for name in ["licenses.db-wal", "licenses.db-shm"] {
        // They may be gone.
        let _ = chown(server.directory().join("data").join(name), Some(STRANGER), Some(STRANGER));
    }
    let (code, said) = serve(&server, &as_stranger);
    assert_eq!(code, Some(77), "{said}");
    assert!(said.contains("signing-keys.json: permission denied. Run as the user who owns the file"), "{said}");
    fs::set_permissions(server.directory().join("data"), Permissions::from_mode(0o700)).unwrap();
    chown(server.directory().join("data"), Some(0), Some(0)).unwrap();
    let (code, said) = serve(&server, &as_stranger);
    assert_eq!(code, Some(77), "{said}");
    assert!(said.contains("permission denied"), "{said}");
}

#[test]
fn a_second_server_on_one_installation_names_the_first() {
    let server = LicenseServerProcess::start();
    let (code, said) = serve(&server, &[]);
    assert_eq!(code, Some(1), "{said}");
    let named =
        format!("another license server runs on this installation (process {}). Nothing was changed", server.pid());
    assert!(said.contains(&named), "{said}");
    let license = server.database.license("free");
    assert_granted(&server.verify(&question(&license, SERVERS[0])));
}

#[test]
fn a_port_that_somebody_holds_is_told_with_its_holder() {
    let mut server = LicenseServerProcess::start();
    let port = server.port().to_string();
    let data = stopped().database.data_dir.database_path().parent().unwrap().display().to_string();
    let other = stopped();
    server.rewrite_config(&[("port", &port), ("data_dir", &data)]);
    fs::copy(server.config_path(), other.config_path()).unwrap();
    let text = fs::read_to_string(other.config_path()).unwrap();
    let own = other.database.data_dir.database_path().parent().unwrap().display().to_string();
    fs::write(other.config_path(), text.replace(&data, &own)).unwrap();
    let (code, said) = serve(&other, &[]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(&format!("cannot listen on 127.0.0.1:{port}")), "{said}");
    assert!(said.contains(&format!("(process {})", server.pid())), "{said}");
    assert!(said.contains("license-server.conf"), "{said}");
}

#[test]
fn init_never_touches_what_is_there() {
    let server = stopped();
    let data = server.database.data_dir.database_path().parent().unwrap().to_owned();
    let again = |what: &str| {
        let before = snapshot(&data);
        let output = server.run(&["init"]);
        assert_eq!(output.status.code(), Some(1), "{what}: {output:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("is there already. Nothing was changed"), "{what}: {said}");
        assert!(before == snapshot(&data), "{what}");
    };
    again("both");
    let keys = fs::read(server.database.data_dir.keys_path()).unwrap();
    fs::remove_file(server.database.data_dir.keys_path()).unwrap();
    again("the database alone");
    process::write_private(&server.database.data_dir.keys_path(), &keys).unwrap();
    fs::remove_file(server.database.data_dir.database_path()).unwrap();
    again("the keys alone");
}

#[test]
fn a_new_installation_is_private() {
    let server = LicenseServerProcess::start();
    let data = server.database.data_dir.database_path().parent().unwrap().to_owned();
    assert_eq!(data.metadata().unwrap().mode() & 0o777, 0o700);
    for (name, (mode, _)) in snapshot(&data) {
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    assert!(Database::open(&server.database.data_dir.database_path()).is_ok());
}

#[test]
fn a_configuration_that_is_wrong_is_told_with_its_line() {
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
    for (text, expected, told) in table {
        fs::write(server.config_path(), text).unwrap();
        let (code, said) = serve(&server, &[]);
        assert_eq!(code, Some(expected), "{text:?}: {said}");
        assert!(said.contains(told), "{text:?}: {said}");
    }
    fs::remove_file(server.config_path()).unwrap();
    let (code, said) = serve(&server, &[]);
    assert_eq!(code, Some(78), "{said}");
    assert!(said.contains("license-server.conf"), "{said}");
    // An empty file has the defaults, and there is no installation at the default place of a new machine.
    fs::write(server.config_path(), "").unwrap();
    let hidden = process::after_mounting(server.directory(), "mount -t tmpfs none /var/lib");
    let hidden: Vec<&str> = hidden.iter().map(String::as_str).collect();
    let (code, said) = serve(&server, &hidden);
    assert_eq!(code, Some(78), "{said}");
    assert!(said.contains("/var/lib/opterius-license-server/licenses.db: there is no database"), "{said}");
}
