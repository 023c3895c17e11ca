//! The main process of the running nginx, found in /proc: a pid file can be stale or belong to another nginx, and a process
//! that an administrator started counts as well.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, kill_process};

use opterius_host::host::Host;
use opterius_host::nginx::included::MAIN;
use opterius_host::users::register::FIRST_UID;

/// How nginx titles its main process, followed by its command line.
const TITLE: &[u8] = b"nginx: master process ";

/// How nginx ends the title of a process that finishes its requests and then exits.
const LEAVING: &[u8] = b"is shutting down";

/// The main process of an nginx that uses this host's configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Master(Pid);

impl Master {
    /// All of them; more than one while nginx's program is being replaced.
    pub fn all(host: &Host) -> Vec<Self> {
        if !host.is_machine() {
            return Vec::new();
        }
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let processes = entries.filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?));
        let mut masters: Vec<Self> = processes.filter(|process| is_master(*process)).map(Self).collect();
        // A worker that was started this moment still has its parent's title; it never has children.
        let ids: Vec<u32> = masters.iter().map(|master| master.id()).collect();
        let is_of_other = |master: &Self| parent(master.id()).is_some_and(|parent| ids.contains(&parent));
        masters.retain(|master| !is_of_other(master) || !master.children().is_empty());
        let program = Host::tool("nginx").and_then(|path| fs::canonicalize(path).ok());
        // Another edition of nginx can run beside the installed one, which can also be a wrapper around the real program.
        let runs_installed = |master: &Self| program.is_some() && master.program() == program;
        if masters.iter().any(runs_installed) {
            masters.retain(runs_installed);
        }
        masters
    }

    /// Its process ID.
    pub fn id(self) -> u32 {
        self.0.as_raw_nonzero().get().cast_unsigned()
    }

    /// The file that it logs errors to, if it can be read.
    pub fn error_log(self) -> Option<PathBuf> {
        let path = PathBuf::from(format!("/proc/{}/fd/2", self.id()));
        let is_file = fs::metadata(&path).is_ok_and(|found| found.is_file());
        is_file.then_some(path)
    }

    /// The program that it runs, or ran before an update replaced it, if it can be seen.
    fn program(self) -> Option<PathBuf> {
        let running = fs::read_link(format!("/proc/{}/exe", self.id())).ok()?;
        let running = running.as_os_str().as_bytes();
        Some(Path::new(OsStr::from_bytes(running.strip_suffix(b" (deleted)").unwrap_or(running))).to_owned())
    }

    /// Its children.
    pub fn children(self) -> Vec<u32> {
        let id = self.id();
        match fs::read_to_string(format!("/proc/{id}/task/{id}/children")) {
            Ok(text) => text.split_ascii_whitespace().filter_map(|child| child.parse().ok()).collect(),
            // A kernel without this file.
            Err(_) => {
                let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
                let processes = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
                processes.filter(|process| parent(*process) == Some(id)).collect()
            }
        }
    }

    /// Makes it load its configuration. Returns whether the process still exists.
    pub fn reload(self) -> bool {
        kill_process(self.0, Signal::HUP).is_ok()
    }

    /// Whether it still runs.
    pub fn is_running(self) -> bool {
        title(self.id()).starts_with(TITLE)
    }
}

/// Whether a child of a main process has ended or will end by itself, and takes no new connections.
pub fn has_left(child: u32) -> bool {
    let title = title(child);
    title.is_empty() || title.trim_ascii_end().ends_with(LEAVING)
}

/// The title of a process, with a space between its words; empty if it ended.
fn title(process: u32) -> Vec<u8> {
    let mut title = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
    title.iter_mut().filter(|byte| **byte == 0).for_each(|byte| *byte = b' ');
    title.truncate(title.trim_ascii_end().len());
    title
}

fn is_master(process: Pid) -> bool {
    let id = process.as_raw_nonzero().get().cast_unsigned();
    let title = title(id);
    let Some(command) = title.strip_prefix(TITLE) else { return false };
    is_of_system(id) && has_our_root(id) && is_ours(command)
}

/// Whether the process belongs to a system user in every respect: every user can choose the title of a process, and start a
/// program as another user with it.
fn is_of_system(process: u32) -> bool {
    let status = fs::read(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"Uid:"));
    let ids = line.and_then(|line| std::str::from_utf8(line).ok()).unwrap_or_default();
    let mut ids = ids.split_ascii_whitespace().peekable();
    ids.peek().is_some() && ids.all(|uid| uid.parse::<u32>().is_ok_and(|uid| uid < FIRST_UID))
}

/// Whether the process has the same root directory as this one, which one in a container does not. Without the privilege to
/// look, it is assumed.
fn has_our_root(process: u32) -> bool {
    let identity = |path: &str| fs::metadata(path).ok().map(|found| (found.dev(), found.ino()));
    identity(&format!("/proc/{process}/root/")).is_none_or(|root| identity("/") == Some(root))
}

/// Whether an nginx with this command line uses the usual main file.
fn is_ours(command: &[u8]) -> bool {
    let command = String::from_utf8_lossy(command);
    let mut words = command.split_ascii_whitespace();
    while let Some(word) = words.next() {
        match word {
            "-c" => return words.next().is_some_and(|path| path == MAIN || is_same(path, MAIN)),
            "-p" => return false,
            _ => {}
        }
    }
    true
}

fn is_same(one: &str, other: &str) -> bool {
    fs::canonicalize(one).is_ok_and(|one| fs::canonicalize(other).is_ok_and(|other| one == other))
}

fn parent(process: u32) -> Option<u32> {
    let stat = fs::read(format!("/proc/{process}/stat")).ok()?;
    // The name can contain anything, so parse after the last parenthesis.
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    let rest = String::from_utf8_lossy(stat.get(end.checked_add(1)?..)?).into_owned();
    rest.split_ascii_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_nginx_with_the_usual_main_file_is_ours() {
        let table = [
            ("/usr/sbin/nginx -g daemon on; master_process on;", true),
            ("nginx", true),
            ("nginx -c /etc/nginx/nginx.conf", true),
            ("nginx -c /etc/panel/nginx.conf", false),
            ("nginx -p /srv/x -c nginx.conf", false),
        ];
        for (command, expected) in table {
            assert_eq!(is_ours(command.as_bytes()), expected, "{command}");
        }
    }

    #[test]
    fn this_process_is_not_nginx_and_has_a_parent() {
        let own = rustix::process::getpid();
        assert!(!is_master(own));
        let id = own.as_raw_nonzero().get().cast_unsigned();
        assert!(has_our_root(id) && !has_left(id) && has_left(u32::MAX));
        let expected = rustix::process::getppid().map(|parent| parent.as_raw_nonzero().get().cast_unsigned());
        assert_eq!(parent(id), expected);
    }
}
