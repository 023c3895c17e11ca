//! Host operations with the real tools. What needs a machine gets a throw-away one; what does not works on a tree of
//! files below a temporary directory.

mod bad_input;
mod certificates;
mod interruptions;
mod limits;
mod passwords;
mod provisioning;
mod reads;
mod suspension;
mod tampering;
mod tenants;

use crate::support::eventually;
use crate::support::http::{Connection, PROMPTLY, Request, Response};
use crate::support::machine::{run, run_as};
use crate::support::panel::Panel;
use crate::support::snapshot::Snapshot;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// What an operation may change, and what it must not.
const HOST: [&str; 7] =
    ["/etc", "/home", "/var/lib/opterius", "/var/log/opterius", "/var/mail", "/var/spool/cron/crontabs", "/run/php"];

/// nginx and PHP at work, and a Panel with a license for so many accounts. Within a machine only.
fn hosting(max_accounts: u64) -> Panel {
    run("systemctl start nginx php8.2-fpm");
    Panel::on_the_machine(max_accounts)
}

/// What a visitor of the site gets.
fn page(domain: &str, target: &str) -> Response {
    let mut connection = Connection::open(80).unwrap();
    let request = Request::get(target).header("Host", domain).header("Connection", "close");
    // A body without a length ends with the connection, as HTTP/1.0 has it.
    let head = String::from_utf8(request.bytes()).unwrap().replace("HTTP/1.1", "HTTP/1.0");
    connection.send(head).unwrap();
    Response::read(&connection.receive_to_end(PROMPTLY).unwrap())
}

/// A visitor soon gets this status and a page with this text: nginx's new workers take over a moment after the reload.
pub(crate) fn shows(domain: &str, target: &str, status: u16, text: &str) {
    let mut last = None;
    let shown = eventually(Duration::from_secs(10), || {
        let response = page(domain, target);
        let shown = response.status == status && response.text().contains(text);
        last = Some(response);
        shown
    });
    let last = last.map(|response| format!("{} {}", response.status, response.text()));
    assert!(shown, "{domain}{target}: {status} with {text:?} was to come, and not {last:?}");
}

/// Puts a file into the document root of an account's site, as the account.
pub(crate) fn publish(username: &str, domain: &str, name: &str, content: &str) {
    let script = format!("cat >'/home/{username}/{domain}/public_html/{name}' <<'END'\n{content}\nEND");
    run_as(username, &script);
}

/// The host soon is as it was, but for what is below the paths of `except`: PHP gives a socket up a moment after its
/// reload.
fn soon_as_before(panel: &Panel, before: &Snapshot, except: &[&str], what: &str) {
    let mut left = Vec::new();
    eventually(Duration::from_secs(10), || {
        left = before.differences(&state(panel), except);
        left.is_empty()
    });
    assert_eq!(left, [""; 0], "left behind, or gone with it: {what}");
}

/// All that an operation may change, as it is now.
fn state(panel: &Panel) -> Snapshot {
    Snapshot::of(panel.root(), if panel.root() == Path::new("/") { &HOST } else { &["/"] })
}

/// The processes of a user that are alive; what has ended and waits for its parent, a test, is not.
fn processes(username: &str) -> String {
    run(&format!("ps -eo user:32,stat,args | awk '$1 == \"{username}\" && $2 !~ /^Z/'"))
}

/// Whether the user signs in with this password: crypt(3) makes the same hash of it.
fn has_password(panel: &Panel, username: &str, password: &str) -> bool {
    let line = panel.lines_of("/etc/shadow", username).remove(0);
    let hash = line.split(':').nth(1).unwrap();
    let made = Command::new("perl").args(["-e", "print crypt($ARGV[0], $ARGV[1])", password, hash]).output().unwrap();
    hash.starts_with('$') && made.stdout == hash.as_bytes()
}

/// Whether something has this path, be it a link to nowhere.
fn is_there(path: impl AsRef<Path>) -> bool {
    path.as_ref().symlink_metadata().is_ok()
}
