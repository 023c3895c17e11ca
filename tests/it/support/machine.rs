//! A disposable machine for one test: a separate systemd over a private copy of this machine's files, with root privileges,
//! real users, nginx and PHP, all of which leave no trace.
//!
//! The test starts itself again within `tests/with-systemd`, where its body runs; the outer process reads the result.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Time limit for a test on its machine.
const LIMIT: &str = "--timeout=900";

/// The environment variable with the name of the test on whose machine this process runs.
const INSIDE: &str = "OPTERIUS_TEST_MACHINE";

/// Whether this process runs on a disposable machine.
pub fn is_inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// Runs `body` on a disposable machine. `test` is the calling test function, which is started again by its name.
pub fn on_a_machine<Test: Fn()>(_test: Test, body: impl FnOnce()) {
    let (_, name) = std::any::type_name::<Test>().split_once("::").unwrap();
    if std::env::var(INSIDE).is_ok_and(|inside| inside == name) {
        // /etc is still shared with this machine, where packages can change: use a private copy for comparisons.
        run("cp -a /etc /run/etc && mount --bind /run/etc /etc");
        return body();
    }
    require_tools();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/with-systemd");
    let mut command = Command::new(script);
    command.args([LIMIT, "--boot-timeout=60", "--"]).arg(std::env::current_exe().unwrap());
    command.args(["--exact", name, "--nocapture"]).env(INSIDE, name).stdin(Stdio::null());
    let Output { status, stdout, stderr } = command.output().unwrap();
    let printed = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    println!("{printed}");
    let why = || {
        let lines = printed.lines().skip_while(|line| !line.contains("panicked at"));
        lines
            .take_while(|line| !line.starts_with("stack backtrace") && !line.starts_with("note: "))
            .collect::<Vec<_>>()
            .join("\n")
    };
    assert!(status.success() && printed.contains("1 passed"), "the test on the machine ended with {status}\n{}", why());
}

/// Runs a shell script as root, which must succeed, and returns its output.
pub fn run(script: &str) -> String {
    let (succeeded, printed) = attempt(script);
    assert!(succeeded, "{script}\n{printed}");
    printed
}

/// Runs a shell script as root; returns whether it succeeded, and its output on both streams.
pub fn attempt(script: &str) -> (bool, String) {
    finish(shell(script))
}

/// Runs a shell script as an account's user; returns whether it succeeded, and its output.
pub fn attempt_as(user: &str, script: &str) -> (bool, String) {
    finish(shell_as(user, script))
}

/// Runs a shell script as an account's user, which must succeed, and returns its output.
pub fn run_as(user: &str, script: &str) -> String {
    let (succeeded, printed) = attempt_as(user, script);
    assert!(succeeded, "as {user}: {script}\n{printed}");
    printed
}

/// A shell that runs as an account's user, for a background process.
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

/// Fails without the required tools, because a skipped test would look like a success.
pub fn require_tools() {
    let missing = |path: &&str| !Path::new(path).exists();
    let tools = [
        "/usr/lib/systemd/systemd",
        "/usr/bin/dbus-daemon",
        "/usr/bin/setpriv",
        "/usr/sbin/useradd",
        "/usr/sbin/nginx",
        "/usr/sbin/php-fpm8.2",
        "/usr/bin/crontab",
        "/usr/sbin/cron",
        "/usr/bin/at",
        "/usr/bin/pdnsutil",
        "/usr/bin/pgrep",
        "/usr/bin/certbot",
        "/usr/bin/openssl",
        "/usr/bin/pebble",
        "/usr/sbin/nft",
        "/usr/sbin/iptables",
        "/usr/sbin/ufw",
        "/usr/sbin/logrotate",
        "/usr/sbin/pdns_server",
        "/usr/sbin/sshd",
        "/usr/bin/sftp",
        "/usr/bin/ssh-keygen",
        "/usr/bin/sqlite3",
        "/usr/sbin/mariadbd",
        "/usr/bin/mariadb",
        "/usr/bin/pg_ctlcluster",
        "/usr/bin/psql",
    ];
    let missing: Vec<&str> = tools.into_iter().filter(missing).collect();
    let packages = "systemd dbus util-linux passwd nginx-light php-fpm cron at pdns-server pdns-backend-sqlite3 pdns-tools \
                    procps certbot openssl pebble nftables iptables ufw logrotate openssh-server openssh-client \
                    sqlite3 mariadb-server mariadb-client postgresql postgresql-client";
    assert!(missing.is_empty(), "these tests need {missing:?}. Run: apt-get install -y {packages}");
    assert!(rustix::process::geteuid().is_root(), "these tests boot a separate systemd and need root");
}
