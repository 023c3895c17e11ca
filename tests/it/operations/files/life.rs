//! What a customer does with the file manager, from a new directory to its deletion.

use super::super::{hosting, shows, state};
use super::{ask, delete, list, names, read, write};
use crate::support::machine::{on_a_machine, run, run_as};
use crate::support::panel::Panel;
use crate::support::snapshot::Snapshot;
use serde_json::json;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

#[test]
fn a_site_is_put_in_place_and_taken_away_through_the_file_manager() {
    on_a_machine(a_site_is_put_in_place_and_taken_away_through_the_file_manager, || {
        let panel = hosting(5);
        panel.created("alice", "alice.example");
        panel.created("bob", "bob.example");
        run_as("bob", "umask 077; echo secret >~/secret; echo '@daily true' | crontab -");
        let of_bob =
            || Snapshot::of(Path::new("/"), &["/home/bob", "/var/spool/cron/crontabs", "/etc", "/var/lib/opterius"]);
        let before = of_bob();
        let root = "/home/alice/alice.example/public_html";

        ask(&panel, "mkdir", &format!("{root}/app"), json!({})).ok();
        write(&panel, &format!("{root}/app/index.php"), "<?php echo strtoupper('it runs');").ok();
        shows("alice.example", "/app/index.php", 200, "IT RUNS");
        write(&panel, &format!("{root}/app/index.php"), "<?php echo get_current_user();").ok();
        shows("alice.example", "/app/index.php", 200, "alice");
        let stat = run(&format!("stat -c '%U %G %a' {root}/app {root}/app/index.php"));
        assert_eq!(stat, "alice alice 755\nalice alice 644\n");

        ask(&panel, "rename", &format!("{root}/app"), json!({"new_name": "shop"})).ok();
        shows("alice.example", "/shop/index.php", 200, "alice");
        ask(&panel, "chmod", &format!("{root}/shop"), json!({"permissions": "700"})).ok();
        assert_eq!(run(&format!("stat -c %a {root}/shop")), "700\n");
        ask(&panel, "chmod", &format!("{root}/shop"), json!({"permissions": "0755"})).ok();

        // A suspended account's files can be cleaned, and its site stays closed.
        panel.suspend("alice").ok();
        assert!(
            read(&panel, &format!("{root}/shop/index.php")).ok()["content"].as_str().unwrap().contains("current_user")
        );
        write(&panel, &format!("{root}/shop/index.php"), "cleaned").ok();
        shows("alice.example", "/shop/index.php", 503, "");
        panel.unsuspend("alice").ok();
        shows("alice.example", "/shop/index.php", 200, "cleaned");

        for needed in ["/home/alice", "/home/alice/alice.example", root] {
            delete(&panel, needed).refuses(409, "conflict");
            ask(&panel, "rename", needed, json!({"new_name": "gone"})).refuses(409, "conflict");
        }
        delete(&panel, &format!("{root}/shop")).ok();
        shows("alice.example", "/shop/index.php", 404, "");
        delete(&panel, &format!("{root}/shop")).refuses(404, "not_found");
        assert_eq!(before.differences(&of_bob(), &["/var/lib/opterius"]), [""; 0]);
        for what in ["list", "read", "delete"] {
            let body = json!({"username": "nobody", "path": "/home/nobody/x"});
            panel.post(&format!("/files/{what}"), &body).refuses(404, "not_found");
        }
    });
}

#[test]
fn a_list_has_what_the_panel_reads() {
    let panel = Panel::on_a_tree(5);
    panel.created("alice", "alice.example");
    let home = panel.path("/home/alice");
    // The Panel's import sends a relative path, each time.
    assert_eq!(ask(&panel, "mkdir", "_imports", json!({})).ok()["created"], true);
    assert_eq!(ask(&panel, "mkdir", "_imports", json!({})).ok()["created"], false);
    write(&panel, "/home/alice/note.txt", "hello").ok();
    symlink("note.txt", home.join("link")).unwrap();
    let answer = list(&panel, "/home/alice/");
    assert_eq!(answer["path"], "/home/alice");
    let entries = answer["entries"].as_array().unwrap();
    for entry in entries {
        assert!(entry["name"].is_string() && entry["is_dir"].is_boolean() && entry["size"].is_u64(), "{entry}");
        assert_eq!(entry["path"], format!("/home/alice/{}", entry["name"].as_str().unwrap()));
        // What it shows, chmod takes back.
        if entry["type"] != "link" {
            let permissions = json!({"permissions": entry["permissions"]});
            ask(&panel, "chmod", entry["path"].as_str().unwrap(), permissions).ok();
        }
    }
    assert_eq!(names(&panel, "."), ["_imports", "alice.example", "link", "note.txt"]);
    assert_eq!(list(&panel, "_imports")["entries"], json!([]));
}

#[test]
fn text_survives_the_way_through_the_panel() {
    let panel = Panel::on_a_tree(5);
    panel.created("alice", "alice.example");
    for text in ["", "a\r\nb\tc\"\\/", "ü 😀 \u{feff}", "\u{1}\u{1b}[2J\u{7f}", &"line\n".repeat(150_000)] {
        let answer = write(&panel, "note.txt", text).ok();
        assert_eq!((&answer["path"], &answer["size"]), (&json!("/home/alice/note.txt"), &json!(text.len())));
        let answer = read(&panel, "/home/alice/note.txt").ok();
        assert_eq!((&answer["path"], answer["content"].as_str()), (&json!("/home/alice/note.txt"), Some(text)));
        assert_eq!(fs::read_to_string(panel.path("/home/alice/note.txt")).unwrap(), text);
    }
    // The Panel sends an empty text as null.
    ask(&panel, "write", "note.txt", json!({"content": null})).ok();
    assert_eq!(fs::read(panel.path("/home/alice/note.txt")).unwrap(), b"");
    // As large as the Agent shows, and with as many escapes.
    let largest = "\"\n".repeat(512 * 1024);
    fs::write(panel.path("/home/alice/note.txt"), &largest).unwrap();
    assert_eq!(read(&panel, "note.txt").ok()["content"], largest);
    fs::write(panel.path("/home/alice/note.txt"), format!("{largest}.")).unwrap();
    let answer = read(&panel, "note.txt");
    answer.refuses(409, "conflict");
    assert!(answer.body["error"].as_str().unwrap().contains("1048577 bytes"), "{answer:?}");
}

#[test]
fn a_written_file_keeps_its_mode_and_a_refused_one_its_content() {
    let panel = Panel::on_a_tree(5);
    panel.created("alice", "alice.example");
    let home = panel.path("/home/alice");
    let owner = fs::metadata(&home).unwrap().uid();
    write(&panel, "config.php", "one").ok();
    let file = home.join("config.php");
    let mode = || fs::metadata(&file).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode(), fs::metadata(&file).unwrap().uid()), (0o644, owner));
    ask(&panel, "chmod", "config.php", json!({"permissions": "640"})).ok();
    write(&panel, "config.php", "two").ok();
    assert_eq!((mode(), fs::metadata(&file).unwrap().uid()), (0o640, owner));
    ask(&panel, "chmod", "config.php", json!({"permissions": "0400"})).ok();
    write(&panel, "config.php", "three").refuses(409, "conflict");
    assert_eq!(fs::read_to_string(&file).unwrap(), "two");
    // A program that runs.
    let program = home.join("program");
    fs::copy("/bin/sleep", &program).unwrap();
    std::os::unix::fs::chown(&program, Some(owner), Some(owner)).unwrap();
    let mut running = std::process::Command::new(&program).arg("100").spawn().unwrap();
    let refused = write(&panel, "program", "text");
    running.kill().unwrap();
    running.wait().unwrap();
    refused.refuses(409, "conflict");
    assert!(refused.body["error"].as_str().unwrap().contains("is a program that runs"), "{refused:?}");
    fs::remove_file(&program).unwrap();
    // A file that nobody may open can be named, and opened again.
    ask(&panel, "chmod", "config.php", json!({"permissions": "000"})).ok();
    read(&panel, "config.php").refuses(409, "conflict");
    ask(&panel, "chmod", "config.php", json!({"permissions": "644"})).ok();
    assert_eq!(read(&panel, "config.php").ok()["content"], "two");
    for (path, further) in
        [("config.php", json!({"new_name": "alice.example"})), ("config.php", json!({"new_name": "config.php"}))]
    {
        ask(&panel, "rename", path, further).refuses(409, "conflict");
    }
    let answer = ask(&panel, "rename", "config.php", json!({"new_name": "-rf"})).ok();
    assert_eq!(answer["path"], "/home/alice/-rf");
    assert_eq!(names(&panel, ""), ["alice.example", "-rf"]);
    delete(&panel, "-rf").ok();
    assert!(state(&panel).paths_with("-rf").is_empty());
}
