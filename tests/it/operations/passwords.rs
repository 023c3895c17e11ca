//! Passwords do not leak: they are in no command line, environment or log, and in files only as a hash.

use super::tampering::replace;
use super::{has_password, hosting};
use crate::support::machine::{attempt, on_a_machine};
use serde_json::json;
use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

const PASSWORD: &str = "unmistakable-Passw0rd";

#[test]
fn a_password_is_in_no_command_line_and_no_environment() {
    on_a_machine(a_password_is_in_no_command_line_and_no_environment, || {
        let panel = hosting(5);
        panel.created("alice", "alice.example");
        // Slow the tools down, so that the test can observe them.
        let slow = |tool: &str| format!("#!/bin/sh\nsleep 0.2; exec {tool}.real \"$@\"\n");
        for tool in ["/usr/sbin/chpasswd", "/usr/sbin/usermod"] {
            replace(tool, &slow(tool));
        }
        let (over, seen) = (AtomicBool::new(false), Mutex::new(Vec::new()));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    seen.lock().unwrap().extend(command_lines_and_environments());
                }
            });
            for _ in 0..3 {
                panel.post("/account/password", &json!({"username": "alice", "password": PASSWORD})).ok();
            }
            over.store(true, Ordering::Relaxed);
        });
        let seen = seen.into_inner().unwrap();
        assert!(
            seen.iter().any(|text| text.contains("chpasswd") || text.contains("usermod")),
            "the tool was not observed"
        );
        let shown: Vec<&String> = seen.iter().filter(|text| text.contains(PASSWORD)).collect();
        assert!(shown.is_empty(), "{shown:?}");
        assert!(has_password(&panel, "alice", PASSWORD));
        let log = panel.agent.lines().join("\n");
        assert!(!log.contains(PASSWORD), "{log}");
        let (found, files) = attempt(&format!(
            "grep -rlsF {PASSWORD} /etc /var/lib /var/log /home /run {}",
            panel.agent.directory().display()
        ));
        assert!(!found, "{files}");
    });
}

/// Command lines and environments of all other processes.
fn command_lines_and_environments() -> Vec<String> {
    let own = std::process::id().to_string();
    let entries =
        fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let numbers = entries.filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()) && *name != own);
    let texts =
        numbers.flat_map(|number| ["cmdline", "environ"].map(|file| fs::read(format!("/proc/{number}/{file}"))));
    texts.flatten().map(|bytes| String::from_utf8_lossy(&bytes).replace('\0', " ")).collect()
}
