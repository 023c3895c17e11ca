//! Mail with a link: what sends it can hang or fail, and holds up no one.

use super::visitor::{Visitor, encode};
use super::*;
use crate::support::http::Connection;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

/// How long a link can take while the programs before it hang.
const AFTER_OTHERS: Duration = Duration::from_secs(90);

/// A program in the place of sendmail that does what `script` says.
pub(super) fn sendmail(directory: &Path, script: &str) -> String {
    let path = directory.join("sendmail");
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path.display().to_string()
}

/// Submits the form of a new user with an e-mail address, and does not wait for the answer.
fn begin_invitation(server: &LicenseServerProcess, administrator: &Visitor<'_>, name: &str) -> Connection {
    let cookies: Vec<String> = administrator.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mail = encode(&format!("{name}@example.com"));
    let request = Request::new("POST", "/users/new")
        .header("Content-Type", "application/x-www-form-urlencoded")
        .header("Cookie", &cookies.join("; "))
        .body(format!("user={name}&mail={mail}&role=owner&csrf={}", administrator.csrf));
    let mut connection = Connection::open(server.port()).unwrap();
    connection.send(Vec::from(request)).unwrap();
    connection
}

fn is_alive(pid: &str) -> bool {
    Path::new("/proc").join(pid).exists()
}

#[test]
fn mail_programs_that_hang_hold_up_neither_verifications_nor_other_changes() {
    let mut server = server();
    let started = server.directory().join("started");
    let program = sendmail(server.directory(), &format!("echo $$ >> {}; sleep 600", started.display()));
    server.rewrite_config(&[("public_url", "https://licenses.example.com"), ("sendmail", &program)]);
    server.reload();
    let license = server.database.license("business");
    let mut administrator = Visitor::signed_in(&server, ADMINISTRATOR);
    administrator.get("/users/new");
    let invitations: Vec<Connection> =
        ["erin", "frank", "grace", "heidi"].map(|name| begin_invitation(&server, &administrator, name)).into();
    let pids = || fs::read_to_string(&started).unwrap_or_default().lines().map(str::to_owned).collect::<Vec<_>>();
    assert!(eventually(SOON, || pids().len() >= 2), "no mail is sent");

    for address in &SERVERS[..3] {
        assert_eq!(check_in(&server, &license, address).status, 200);
    }
    let mut other = Visitor::signed_in(&server, OTHER_ADMINISTRATOR);
    other.get(&format!("/licenses/{}/suspend", license.id));
    assert_eq!(
        other.post(&format!("/licenses/{}/suspend", license.id), &[("reason", "late"), ("revision", "1")]).status,
        303
    );
    assert!(pids().iter().filter(|pid| is_alive(pid)).count() <= 2, "too many programs at a time");

    for mut invitation in invitations {
        let answer = invitation.receive(AFTER_OTHERS).unwrap();
        let text = answer.text();
        assert_eq!(answer.status, 200, "{text}");
        assert!(text.contains("https://licenses.example.com/set-password?token="), "{text}");
        assert!(text.contains("was not sent") && text.contains("did not end within 10 seconds"), "{text}");
    }
    assert_eq!(pids().len(), 4);
    assert!(eventually(SOON, || !pids().iter().any(|pid| is_alive(pid))), "a program is left");
}
