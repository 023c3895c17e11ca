//! Error messages of the command line suggest commands for the same installation.

use super::installation::{STRANGER, serve, stopped};
use crate::support::license_server_process::command_words;
use crate::support::process;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};

#[test]
fn check_reports_wrong_permissions_and_owners() {
    let server = stopped();
    let data = server.directory().join("data");
    let check = |launcher: &[&str]| {
        let mut words: Vec<String> = launcher.iter().map(|word| (*word).to_owned()).collect();
        words.extend(command_words(server.directory(), &["check"]));
        let output = process::command(&words).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let display = data.display();
    let (code, output) = check(&[]);
    assert_eq!(code, Some(0), "{output}");
    assert!(
        output.contains(&format!("{display}: all files belong to user root; no access for other users")),
        "{output}"
    );
    assert!(output.contains("licenses.db: intact (schema "), "{output}");

    let [database, keys] =
        [server.database.data_dir.database_file().unwrap().to_owned(), server.database.data_dir.keys_path()];
    for (path, open, closed) in [(&data, 0o755, "0700"), (&database, 0o644, "0600"), (&keys, 0o640, "0600")] {
        fs::set_permissions(path, Permissions::from_mode(open)).unwrap();
        let (code, output) = check(&[]);
        assert_eq!(code, Some(78), "{output}");
        let expected =
            format!("{}: other users have access (mode {open:04o}). Run: chmod {closed} {0}", path.display());
        assert!(output.contains(&expected), "{output}");
        assert!(!output.contains("no access for other users"), "{output}");
        let mode = u32::from_str_radix(closed, 8).unwrap();
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    for path in [server.directory(), &server.config_path()] {
        fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
    }
    let (code, output) = check(&["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]);
    assert_eq!(code, Some(77), "{output}");
    assert!(output.contains(&format!("{display}: this user (nobody) cannot read the directory")), "{output}");

    chown(&keys, Some(STRANGER), None).unwrap();
    let (code, output) = check(&[]);
    assert_eq!(code, Some(78), "{output}");
    let expected = format!("belongs to user nobody, but {display} to user root. serve can use only its own files");
    assert!(output.contains(&expected) && output.contains(&format!("Run: chown -R root:root {display}")), "{output}");

    fs::remove_dir_all(&data).unwrap();
    let (code, output) = check(&[]);
    assert_eq!(code, Some(78), "{output}");
    assert!(output.contains(&format!("no such directory. Create it with: install -d -m 0700 {display}")), "{output}");
}

#[test]
fn not_found_errors_suggest_a_command_for_this_installation() {
    let server = stopped();
    let program = format!("opterius-license-server --config {}", server.config_path().display());
    let list = format!("There is no license 9999. See: {program} license list");
    let users = format!("There is no user “bob”. See: {program} user list; or add the user: {program} user add bob");
    let table: [(&[&str], &str); 6] = [
        (&["license", "show", "9999"], &list),
        (&["history", "9999"], &list),
        (&["license", "set-plan", "9999", "free"], &list),
        (&["license", "create", "--owner", "bob", "--plan", "free"], &users),
        (&["license", "list", "--owner", "bob"], &users),
        (
            &["backup", "/nowhere/licenses.db"],
            "no such directory /nowhere. Create it with: install -d -m 0700 /nowhere",
        ),
    ];
    for (words, expected) in table {
        let output = server.run(words);
        assert_eq!(output.status.code(), Some(1), "{words:?}: {output:?}");
        let output = String::from_utf8(output.stderr).unwrap();
        assert!(output.contains(expected), "{words:?}: {output}");
    }
    fs::remove_file(server.database.data_dir.database_file().unwrap()).unwrap();
    let (code, output) = serve(&server, &[]);
    assert_eq!(code, Some(78), "{output}");
    assert!(output.contains(&format!("only for a new installation, run: {program} init")), "{output}");
}
