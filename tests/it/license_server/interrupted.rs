//! Files that are not what they should be: left by something that was killed, or put there by somebody else.

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

/// How a command ends, and what it says.
fn run(directory: &Path, words: &[&str]) -> (Option<i32>, String) {
    let process = start(directory, words);
    let code = process.wait_exit(START).code();
    (code, process.lines().join("\n"))
}

#[test]
fn whenever_init_is_killed_the_next_one_makes_an_installation_or_finds_it_whole() {
    for round in 0..25 {
        let directory = directory();
        let killed = start(directory.path(), &["init"]);
        let began = std::time::Instant::now();
        while began.elapsed() < Duration::from_micros(400 * round) {
            std::hint::spin_loop();
        }
        killed.signal(Signal::KILL);
        killed.wait_exit(START);
        let (code, said) = run(directory.path(), &["init"]);
        let whole = code == Some(1) && said.contains("is there already");
        assert!(code == Some(0) || whole, "round {round}: {code:?} {said}");
        let (code, said) = run(directory.path(), &["check"]);
        assert_eq!(code, Some(0), "round {round}: {said}");
        let left = fs::read_dir(directory.path().join("data")).unwrap().map(|entry| entry.unwrap().file_name());
        let left: Vec<_> = left.filter(|name| name.to_string_lossy().contains("unfinished")).collect();
        assert!(left.is_empty(), "round {round}: {left:?}");
    }
}

#[test]
fn a_lock_that_leads_elsewhere_is_not_followed() {
    let server = LicenseServerProcess::start();
    server.signal(Signal::TERM);
    server.wait_exit(START);
    let (data, target) = (server.directory().join("data"), server.directory().join("target"));
    fs::write(&target, "somebody else's").unwrap();
    fs::remove_file(data.join("serve.lock")).unwrap();
    let link = |how: &str, lock: &Path| match how {
        "a symbolic link" => symlink(&target, lock).unwrap(),
        "a hard link" => fs::hard_link(&target, lock).unwrap(),
        _ => assert!(std::process::Command::new("mkfifo").arg(lock).status().unwrap().success()),
    };
    for what in ["a symbolic link", "a hard link", "a pipe"] {
        let lock = data.join("serve.lock");
        link(what, &lock);
        let (code, said) = run(server.directory(), &["serve"]);
        assert_eq!(code, Some(1), "{what}: {said}");
        assert!(said.contains("serve.lock: "), "{what}: {said}");
        assert_eq!(fs::read_to_string(&target).unwrap(), "somebody else's", "{what}");
        fs::remove_file(lock).unwrap();
    }
}

#[test]
fn a_directory_that_others_may_write_into_is_refused() {
    let server = LicenseServerProcess::start();
    server.signal(Signal::TERM);
    server.wait_exit(START);
    for mode in [0o777, 0o770, 0o702] {
        fs::set_permissions(server.directory().join("data"), Permissions::from_mode(mode)).unwrap();
        let (code, said) = run(server.directory(), &["serve"]);
        assert_eq!(code, Some(78), "{mode:o}: {said}");
        assert!(said.contains("other users may write into it") && said.contains("chmod 0700"), "{said}");
    }
}
