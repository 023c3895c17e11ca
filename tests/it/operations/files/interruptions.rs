//! Helpers that are killed while they change files, and disks that are full.

use super::super::{hosting, state};
use super::{ask, body, names, read, write};
use crate::support::machine::{on_a_machine, run};
use crate::support::panel::{Panel, answer};
use crate::support::pause;
use serde_json::json;
use std::fs;
use std::time::Instant;

/// Moments at which an operation is killed.
const MOMENTS: u32 = 24;

#[test]
fn a_write_killed_at_any_moment_leaves_the_old_or_the_new_content() {
    let panel = Panel::on_a_tree(5);
    panel.created("alice", "alice.example");
    let (old, new) = ("old\n".repeat(200_000), "new\n".repeat(200_000));
    let start = |content: &str| panel.helper().start("/files/write", &body("file", json!({"content": content})));
    let start_time = Instant::now();
    answer(start(&old)).ok();
    let whole = start_time.elapsed();
    for number in 0..MOMENTS {
        let mut helper = start(&new);
        pause(whole * number / MOMENTS);
        let _ = helper.kill();
        helper.wait().unwrap();
        let found = fs::read_to_string(panel.path("/home/alice/file")).unwrap();
        assert!(found == old || found == new, "{} bytes", found.len());
        write(&panel, "file", &old).ok();
        assert_eq!(fs::read_to_string(panel.path("/home/alice/file")).unwrap(), old);
        assert_eq!(names(&panel, ""), ["alice.example", "file"]);
    }
}

#[test]
fn a_deletion_killed_at_any_moment_is_completed_by_a_repeat() {
    let panel = Panel::on_a_tree(5);
    panel.created("alice", "alice.example");
    panel.created("bob", "bob.example");
    let before = state(&panel);
    let fill = || {
        for number in 0..300 {
            let directory = panel.path(&format!("/home/alice/tree/{number}/a/b"));
            fs::create_dir_all(&directory).unwrap();
            fs::write(directory.join("file"), "").unwrap();
        }
        run(&format!("chown -R --reference={0} {0}/tree", panel.path("/home/alice").display()));
    };
    fill();
    let start = || panel.helper().start("/files/delete", &body("tree", json!({})));
    let start_time = Instant::now();
    answer(start()).ok();
    let whole = start_time.elapsed();
    for number in 0..8 {
        fill();
        let mut helper = start();
        pause(whole * number / 8);
        let _ = helper.kill();
        helper.wait().unwrap();
        let repeated = ask(&panel, "delete", "tree", json!({}));
        assert!(matches!(repeated.status, 200 | 404), "{repeated:?}");
        assert_eq!(before.differences(&state(&panel), &[]), [""; 0]);
    }
}

#[test]
fn a_full_disk_leaves_the_old_content_and_says_so() {
    on_a_machine(a_full_disk_leaves_the_old_content_and_says_so, || {
        let panel = hosting(5);
        panel.created("alice", "alice.example");
        // The home is a disk of its own, which is full.
        run("cp -a /home/alice /run/copy; mount -t tmpfs -o size=1m,mode=710 none /home/alice
             cp -a /run/copy/. /home/alice; chown --reference=/run/copy /home/alice");
        write(&panel, "file", "old").ok();
        run("dd if=/dev/zero of=/home/alice/filling bs=1k 2>/dev/null; true");
        let answer = write(&panel, "file", &"new".repeat(100_000));
        answer.refuses(507, "insufficient_storage");
        assert!(answer.body["error"].as_str().unwrap().contains("No space left"), "{answer:?}");
        assert_eq!(read(&panel, "file").ok()["content"], "old");
        run("rm /home/alice/filling");
        assert_eq!(names(&panel, ""), [".php", "alice.example", "file"]);
        write(&panel, "file", &"new".repeat(100_000)).ok();
        run("umount --lazy /home/alice");
    });
}
