//! Host operations with the real tools, on a disposable machine where necessary, and otherwise on a directory tree.

mod adoption;
mod backups;
mod bad_input;
pub(crate) mod certificates;
mod cron;
mod customer;
mod database_backups;
mod database_interruptions;
mod databases;
mod dns;
mod domains;
mod effect;
mod faults;
mod files;
mod interruptions;
mod limits;
mod mariadb_obstacles;
mod ntp_sync;
mod passwords;
mod php;
mod php_settings;
mod postgres;
mod postgres_obstacles;
mod provisioning;
mod reads;
mod registers;
mod settings_interruptions;
mod site_defaults;
mod site_names;
mod ssh;
mod ssh_keys;
mod suspension;
mod tampering;
pub(crate) mod tenants;
pub(crate) mod uploads;
mod user_manager;
mod usernames;

use crate::support::http::{Connection, Request, Response};
use crate::support::machine::{run, run_as};
use crate::support::panel::Panel;
use crate::support::snapshot::Snapshot;
use crate::support::{SOON, eventually};
use std::path::Path;
use std::process::Command;

/// The directories that are compared before and after operations.
const HOST: [&str; 7] =
    ["/etc", "/home", "/var/lib/opterius", "/var/log/opterius", "/var/mail", "/var/spool/cron/crontabs", "/run/php"];

/// Starts nginx and PHP, and returns a Panel with a license for this many accounts. Only on a disposable machine.
fn hosting(max_accounts: u64) -> Panel {
    run("systemctl start nginx php8.2-fpm");
    Panel::on_the_machine(max_accounts)
}

/// The response that a visitor of the site gets.
pub(crate) fn page(domain: &str, target: &str) -> Response {
    let mut connection = Connection::open(80).unwrap();
    let request = Request::get(target).header("Host", domain).header("Connection", "close");
    // Use HTTP/1.0, in which a body without a length ends with the connection.
    let head = String::from_utf8(request.bytes()).unwrap().replace("HTTP/1.1", "HTTP/1.0");
    connection.send(head).unwrap();
    Response::read(&connection.receive_to_end(SOON).unwrap())
}

/// Waits until a visitor gets this status and a page with this text: nginx's new workers start shortly after the reload.
pub(crate) fn shows(domain: &str, target: &str, status: u16, text: &str) {
    let mut last = None;
    let matched = eventually(SOON, || {
        let response = page(domain, target);
        let matched = response.status == status && response.text().contains(text);
        last = Some(response);
        matched
    });
    let last = last.map(|response| format!("{} {}", response.status, response.text()));
    assert!(matched, "{domain}{target}: expected {status} with {text:?}, got {last:?}");
}

/// As the account's user, writes a file to the document root of a site.
pub(crate) fn publish(username: &str, domain: &str, name: &str, content: &str) {
    let script = format!("cat >'/home/{username}/{domain}/public_html/{name}' <<'END'\n{content}\nEND");
    run_as(username, &script);
}

/// Waits until the host is in the same state as before, except below the paths of `except`: PHP removes a socket shortly
/// after its reload.
fn soon_as_before(panel: &Panel, before: &Snapshot, except: &[&str], what: &str) {
    let mut left = Vec::new();
    eventually(SOON, || {
        left = before.differences(&state(panel), except);
        left.is_empty()
    });
    assert_eq!(left, [""; 0], "left behind or lost: {what}");
}

/// The current state of everything that an operation can change.
fn state(panel: &Panel) -> Snapshot {
    Snapshot::of(panel.root(), if panel.root() == Path::new("/") { &HOST } else { &["/"] })
}

/// The live processes of a user, without zombies.
fn processes(username: &str) -> String {
    run(&format!("ps -eo user:32,stat,args | awk '$1 == \"{username}\" && $2 !~ /^Z/'"))
}

/// Whether this is the user's password: crypt(3) computes the same hash.
fn has_password(panel: &Panel, username: &str, password: &str) -> bool {
    let line = panel.lines_of("/etc/shadow", username).remove(0);
    let hash = line.split(':').nth(1).unwrap();
    let output = Command::new("perl").args(["-e", "print crypt($ARGV[0], $ARGV[1])", password, hash]).output().unwrap();
    hash.starts_with('$') && output.stdout == hash.as_bytes()
}

/// Whether the path exists, even as a dangling link.
fn is_there(path: impl AsRef<Path>) -> bool {
    path.as_ref().symlink_metadata().is_ok()
}
