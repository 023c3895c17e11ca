//! A throw-away machine for one test: a systemd of its own over a private copy of this machine's files, where root is
//! root, and real users, nginx and PHP come and go without a trace.
//!
//! The test runs itself once more within `tests/with-systemd`; there its body runs, and out here its verdict is read.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// What a test may take in there.
const LIMIT: &str = "--timeout=280";

/// The environment variable that says in which test's machine we are.
const INSIDE: &str = "OPTERIUS_TEST_MACHINE";

/// Whether this is the process of a test on its machine.
pub fn is_inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// Runs `body` on a machine of its own. `test` is the test that calls this: it is found again by its name.
pub fn on_a_machine<Test: Fn()>(_test: Test, body: impl FnOnce()) {
    let (_, name) = std::any::type_name::<Test>().split_once("::").unwrap();
    if std::env::var(INSIDE).is_ok_and(|inside| inside == name) {
        // The files are still this machine's, where packages may come and go: what is compared is a copy.
        run("cp -a /etc /run/etc && mount --bind /run/etc /etc");
        return body();
    }
    require_what_it_takes();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/with-systemd");
    let mut command = Command::new(script);
    command.args([LIMIT, "--boot-timeout=60", "--"]).arg(std::env::current_exe().unwrap());
    command.args(["--exact", name, "--nocapture"]).env(INSIDE, name).stdin(Stdio::null());
    let Output { status, stdout, stderr } = command.output().unwrap();
    let printed = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    println!("{printed}");
    assert!(status.success() && printed.contains("1 passed"), "on its machine the test ended with {status}");
}

/// Runs a shell script as root, and what it prints; it must succeed.
pub fn run(script: &str) -> String {
    let (succeeded, printed) = attempt(script);
    assert!(succeeded, "{script}\n{printed}");
    printed
}

/// Runs a shell script as root: whether it succeeded, and what it printed on either stream.
pub fn attempt(script: &str) -> (bool, String) {
    finish(shell(script))
}

/// The same with the rights of an account alone.
pub fn attempt_as(user: &str, script: &str) -> (bool, String) {
    finish(shell_as(user, script))
}

/// The same; it must succeed.
pub fn run_as(user: &str, script: &str) -> String {
    let (succeeded, printed) = attempt_as(user, script);
    assert!(succeeded, "as {user}: {script}\n{printed}");
    printed
}

/// A shell with the rights of an account, for a process that goes on by itself.
pub fn shell_as(user: &str, script: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--reuid", user, "--regid", user, "--clear-groups", "sh", "-c", script]).stdin(Stdio::null());
    command.env("HOME", format!("/home/{user}")).current_dir("/").process_group(0);
    command
}

fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]).stdin(Stdio::null());
    command
}

fn finish(mut command: Command) -> (bool, String) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let printed = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&printed).into_owned())
}

/// Without these there is nothing to test; a test that skips itself would say that all is well.
pub fn require_what_it_takes() {
    let missing = |path: &&str| !Path::new(path).exists();
    let tools = [
        "/usr/lib/systemd/systemd",
        "/usr/bin/dbus-daemon",
        "/usr/bin/setpriv",
        "/usr/sbin/useradd",
        "/usr/sbin/nginx",
        "/usr/sbin/php-fpm8.2",
        "/usr/bin/crontab",
        "/usr/bin/pdnsutil",
        "/usr/bin/pgrep",
        "/usr/bin/certbot",
        "/usr/bin/openssl",
        "/usr/bin/pebble",
        "/usr/sbin/nft",
        "/usr/sbin/iptables",
        "/usr/sbin/ufw",
    ];
    let missing: Vec<&str> = tools.into_iter().filter(missing).collect();
    let packages = "systemd dbus util-linux passwd nginx-light php-fpm cron pdns-server pdns-backend-sqlite3 pdns-tools \
                    procps certbot openssl pebble nftables iptables ufw";
    assert!(missing.is_empty(), "these tests need {missing:?}. Run: apt-get install -y {packages}");
    assert!(rustix::process::geteuid().is_root(), "these tests boot a systemd of their own and need root");
}
