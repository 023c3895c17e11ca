//! What the command line says when something is not in order: what to do, on this installation.

use super::installation::{STRANGER, serve, stopped};
use crate::support::license_server_process::command_words;
use crate::support::process;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};

#[test]
fn check_says_what_others_may_see_and_what_this_user_cannot() {
    let server = stopped();
    let data = server.directory().join("data");
    let check = |launcher: &[&str]| {
        let mut words: Vec<String> = launcher.iter().map(|word| (*word).to_owned()).collect();
        words.extend(command_words(server.directory(), &["check"]));
        let output = process::command(&words).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let shown = data.display();
    let (code, said) = check(&[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains(&format!("{shown}: all of user root, closed to others")), "{said}");
    assert!(said.contains("licenses.db: whole (schema "), "{said}");

    let [database, keys] = [server.database.data_dir.database_path(), server.database.data_dir.keys_path()];
    for (path, open, closed) in [(&data, 0o755, "0700"), (&database, 0o644, "0600"), (&keys, 0o640, "0600")] {
        fs::set_permissions(path, Permissions::from_mode(open)).unwrap();
        let (code, said) = check(&[]);
        assert_eq!(code, Some(78), "{said}");
        let told = format!("{}: is open to other users (mode {open:04o}). Run: chmod {closed} {0}", path.display());
        assert!(said.contains(&told), "{said}");
        assert!(!said.contains("closed to others"), "{said}");
        let mode = u32::from_str_radix(closed, 8).unwrap();
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    for path in [server.directory(), &server.config_path()] {
        fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
    }
    let (code, said) = check(&["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]);
    assert_eq!(code, Some(77), "{said}");
    assert!(said.contains(&format!("{shown}: what is in it cannot be seen by this user (nobody)")), "{said}");

    chown(&keys, Some(STRANGER), None).unwrap();
    let (code, said) = check(&[]);
    assert_eq!(code, Some(78), "{said}");
    let told = format!("belongs to user nobody, and {shown} to user root: serve can use only what is its own");
    assert!(said.contains(&told) && said.contains(&format!("Run: chown -R root:root {shown}")), "{said}");

    fs::remove_dir_all(&data).unwrap();
    let (code, said) = check(&[]);
    assert_eq!(code, Some(78), "{said}");
    assert!(said.contains(&format!("there is no such directory. Make it with: install -d -m 0700 {shown}")), "{said}");
}

#[test]
fn what_is_not_there_is_told_with_what_to_do_on_this_installation() {
    let server = stopped();
    let program = format!("opterius-license-server --config {}", server.config_path().display());
    let list = format!("There is no license 9999. See: {program} license list");
    let users = format!("There is no user “bob”. See: {program} user list; or make one: {program} user add bob");
    let table: [(&[&str], &str); 6] = [
        (&["license", "show", "9999"], &list),
        (&["history", "9999"], &list),
        (&["license", "set-plan", "9999", "free"], &list),
        (&["license", "create", "--owner", "bob", "--plan", "free"], &users),
        (&["license", "list", "--owner", "bob"], &users),
        (
            &["backup", "/nowhere/licenses.db"],
            "there is no directory /nowhere. Make it with: install -d -m 0700 /nowhere",
        ),
    ];
    for (words, told) in table {
        let output = server.run(words);
        assert_eq!(output.status.code(), Some(1), "{words:?}: {output:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(told), "{words:?}: {said}");
    }
    fs::remove_file(server.database.data_dir.database_path()).unwrap();
    let (code, said) = serve(&server, &[]);
    assert_eq!(code, Some(78), "{said}");
    assert!(said.contains(&format!("only for a new installation: {program} init")), "{said}");
}
