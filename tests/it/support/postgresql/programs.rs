//! The programs of PostgreSQL, and the user who runs its server.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Where Debian installs each version of PostgreSQL.
const VERSIONS: &str = "/usr/lib/postgresql";

/// The server refuses to run as root, so root runs it as this user.
const SERVER_USER: &str = "postgres";

/// A program of the newest version that is installed.
pub(super) fn program(name: &str) -> String {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    let newest = || {
        let versions = fs::read_dir(VERSIONS).into_iter().flatten().flatten();
        let number = |path: &Path| path.file_name()?.to_str()?.parse::<u32>().ok();
        let newest =
            versions.map(|entry| entry.path()).filter(|path| number(path).is_some()).max_by_key(|path| number(path));
        newest.unwrap_or_else(|| panic!("no PostgreSQL in {VERSIONS}. Run: apt-get install postgresql")).join("bin")
    };
    DIRECTORY.get_or_init(newest).join(name).display().to_string()
}

/// A command line that runs as the user of the server.
pub(super) fn as_server_user(words: &[&str]) -> Vec<String> {
    let user = format!("--reuid={SERVER_USER}");
    let group = format!("--regid={SERVER_USER}");
    let prefix: &[&str] =
        if is_root() { &["setpriv", &user, &group, "--clear-groups", "--no-new-privs", "--"] } else { &[] };
    prefix.iter().chain(words).map(|&word| word.to_owned()).collect()
}

/// Runs a program as the user of the server; it must succeed.
pub(super) fn run_as_server_user(words: &[&str]) {
    let words = as_server_user(words);
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).current_dir("/").stdin(Stdio::null()).env("LC_ALL", "C.UTF-8");
    run(command);
}

/// Gives a directory to the user of the server.
pub(super) fn give_to_server_user(path: &Path) {
    if is_root() {
        let mut command = Command::new("chown");
        command.arg(format!("{SERVER_USER}:")).arg(path);
        run(command);
    }
}

/// Runs a command that must succeed.
pub(super) fn run(mut command: Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

pub(super) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
