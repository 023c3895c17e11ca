//! That the laboratory leaves nothing behind, however its process ends.

use crate::support::postgresql::{Cluster, PgBouncer};
use crate::support::{SOON, eventually};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

/// What the process of the tests prints before it waits to be killed.
const MARK: &str = "the clusters are at";

// The test below starts this one in a process of its own, and kills it.
#[test]
#[ignore = "runs in a process that another test kills"]
fn clusters_until_killed() {
    let cluster = Cluster::start();
    let standby = cluster.synchronous_standby();
    let small = Cluster::builder().on_disk(64).start();
    let bouncer = PgBouncer::start(&cluster, 1);
    small.freeze();
    standby.kill();
    let directories = [&cluster, &standby, &small].map(|cluster| cluster.socket_directory().display().to_string());
    println!("{MARK} {}", directories.join(" "));
    assert!(bouncer.port() > 0 && std::io::stdin().read_line(&mut String::new()).is_err());
}

#[test]
fn a_killed_process_of_tests_leaves_no_server_no_disk_and_no_directory() {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "postgresql::leftovers::clusters_until_killed", "--ignored", "--nocapture"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let line = lines.filter_map(|line| line.split_once(MARK).map(|(_, rest)| rest.to_owned())).next().unwrap();
    let prefix = format!("opterius-postgresql-{}-", child.id());
    assert!(!processes_of(&prefix).is_empty() && mounts_of(&prefix) == 1);
    let segments: Vec<String> = line.split_whitespace().map(shared_memory).collect();
    assert!(segments.iter().all(|segment| exists(segment)), "{segments:?}");
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(eventually(SOON, || processes_of(&prefix).is_empty()), "{:#?}", processes_of(&prefix));
    for directory in line.split_whitespace() {
        assert!(directory.contains(&prefix) && eventually(SOON, || !Path::new(directory).exists()), "{directory}");
    }
    assert_eq!(mounts_of(&prefix), 0);
    assert!(!segments.iter().any(|segment| exists(segment)), "{segments:?}");
}

/// The command lines that contain this text.
fn processes_of(text: &str) -> Vec<String> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = entries.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
    lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " ")).filter(|line| line.contains(text)).collect()
}

fn mounts_of(text: &str) -> usize {
    std::fs::read_to_string("/proc/self/mountinfo").unwrap().lines().filter(|line| line.contains(text)).count()
}

/// The number of the shared memory of the cluster in this directory.
fn shared_memory(directory: &str) -> String {
    let files = ["data/postmaster.pid", "disk/data/postmaster.pid"].map(|name| Path::new(directory).join(name));
    let text = files.iter().find_map(|file| std::fs::read_to_string(file).ok()).unwrap();
    text.lines().nth(6).unwrap().split_whitespace().last().unwrap().to_owned()
}

/// Whether shared memory with this number exists; see proc(5).
fn exists(segment: &str) -> bool {
    let text = std::fs::read_to_string("/proc/sysvipc/shm").unwrap();
    text.lines().any(|line| line.split_whitespace().nth(1) == Some(segment))
}
