//! Leftovers of killed processes, and files planted by other users.

use super::*;
use crate::support::TempDirectory;
use crate::support::license_server_process::{command_words, config_path};
use crate::support::process::{self, Process};
use rustix::process::Signal;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

fn directory() -> TempDirectory {
    let directory = TempDirectory::new();
    let data = directory.path().join("data").display().to_string();
    fs::write(config_path(directory.path()), format!("data_dir={data}\nport=0\nlog=stderr\n")).unwrap();
    directory
}

fn start(directory: &Path, words: &[&str]) -> Process {
    Process::start(process::command(&command_words(directory, words)))
}

/// Runs a command; returns its exit code and output.
fn run(directory: &Path, words: &[&str]) -> (Option<i32>, String) {
    let process = start(directory, words);
    let code = process.wait_exit(START).code();
    (code, process.lines().join("\n"))
}

#[test]
fn init_recovers_from_a_kill_at_any_moment() {
    for round in 0..25 {
        let directory = directory();
        let killed = start(directory.path(), &["init"]);
        let began = std::time::Instant::now();
        while began.elapsed() < Duration::from_micros(400 * round) {
            std::hint::spin_loop();
        }
        killed.signal(Signal::KILL);
        killed.wait_exit(START);
        let (code, output) = run(directory.path(), &["init"]);
        let whole = code == Some(1) && output.contains("already exists");
        assert!(code == Some(0) || whole, "round {round}: {code:?} {output}");
        let (code, output) = run(directory.path(), &["check"]);
        assert_eq!(code, Some(0), "round {round}: {output}");
        let left = fs::read_dir(directory.path().join("data")).unwrap().map(|entry| entry.unwrap().file_name());
        let left: Vec<_> = left.filter(|name| name.to_string_lossy().contains("unfinished")).collect();
        assert!(left.is_empty(), "round {round}: {left:?}");
    }
}

#[test]
fn a_lock_file_that_is_a_link_or_a_pipe_is_rejected() {
    let server = LicenseServerProcess::start();
    server.signal(Signal::TERM);
    server.wait_exit(START);
    let (data, target) = (server.directory().join("data"), server.directory().join("target"));
    fs::write(&target, "foreign").unwrap();
    fs::remove_file(data.join("serve.lock")).unwrap();
    let link = |how: &str, lock: &Path| match how {
        "a symbolic link" => symlink(&target, lock).unwrap(),
        "a hard link" => fs::hard_link(&target, lock).unwrap(),
        _ => assert!(std::process::Command::new("mkfifo").arg(lock).status().unwrap().success()),
    };
    for what in ["a symbolic link", "a hard link", "a pipe"] {
        let lock = data.join("serve.lock");
        link(what, &lock);
        let (code, output) = run(server.directory(), &["serve"]);
        assert_eq!(code, Some(1), "{what}: {output}");
        assert!(output.contains("serve.lock: "), "{what}: {output}");
        assert_eq!(fs::read_to_string(&target).unwrap(), "foreign", "{what}");
        fs::remove_file(lock).unwrap();
    }
}

#[test]
fn a_directory_that_others_can_write_into_is_rejected() {
    let server = LicenseServerProcess::start();
    server.signal(Signal::TERM);
    server.wait_exit(START);
    for mode in [0o777, 0o770, 0o702] {
        fs::set_permissions(server.directory().join("data"), Permissions::from_mode(mode)).unwrap();
        let (code, output) = run(server.directory(), &["serve"]);
        assert_eq!(code, Some(78), "{mode:o}: {output}");
        assert!(
            output.contains("other users can write into this directory") && output.contains("chmod 0700"),
            "{output}"
        );
    }
}
