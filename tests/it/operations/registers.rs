//! Site files are the register of sites, and the published records are copies of them: a copy that is damaged, missing or
//! wrong hides no site from any operation.

use super::is_there;
use crate::support::panel::{Panel, further_site};
use serde_json::json;
use std::fs;

fn record(domain: &str) -> String {
    format!("/var/lib/opterius/sites/{domain}.json")
}

fn file(domain: &str) -> String {
    format!("/etc/nginx/sites-available/{domain}.conf")
}

/// What can become of a record.
const CONTENTS: [Option<&str>; 5] = [None, Some(""), Some("{"), Some("\u{0}"), Some("[1]")];

fn spoil(panel: &Panel, domain: &str, content: Option<&str>) {
    let path = panel.path(&record(domain));
    match content {
        None => fs::remove_file(path).unwrap(),
        Some(content) => fs::write(path, content).unwrap(),
    }
}

#[test]
fn a_spoiled_record_hides_a_site_from_no_operation() {
    let panel = Panel::on_a_tree(0);
    panel.created("bob", "bob.example");
    for content in CONTENTS {
        panel.created("alice", "alice.example");
        panel.post("/domains/create", &further_site("alice", "blog.alice.example", "alice.example")).ok();
        let serves = |domain: &str| !panel.read(&file(domain)).contains("return 503;\n    }\n}");
        for domain in ["alice.example", "blog.alice.example"] {
            spoil(&panel, domain, content);
        }
        panel.suspend("alice").ok();
        assert!(!serves("alice.example") && !serves("blog.alice.example"), "{content:?}");
        spoil(&panel, "blog.alice.example", content);
        panel.unsuspend("alice").ok();
        assert!(serves("alice.example") && serves("blog.alice.example"), "{content:?}");
        // Any operation has rebuilt them, also that of another account.
        spoil(&panel, "alice.example", content);
        panel.suspend("bob").ok();
        panel.unsuspend("bob").ok();
        assert_eq!(panel.account("alice").unwrap()["domains"], json!(["alice.example", "blog.alice.example"]));
        // Bob cannot take a domain whose record is spoiled.
        spoil(&panel, "alice.example", content);
        for domain in ["alice.example", "shop.alice.example"] {
            panel.post("/domains/create", &further_site("bob", domain, "bob.example")).refuses(409, "conflict");
        }
        spoil(&panel, "blog.alice.example", content);
        panel.delete("alice").ok();
        for path in
            [file("alice.example"), file("blog.alice.example"), record("alice.example"), record("blog.alice.example")]
        {
            assert!(!is_there(panel.path(&path)), "{content:?}: {path}");
        }
        assert_eq!(panel.account("bob").unwrap()["domains"], json!(["bob.example"]));
    }
}

#[test]
fn a_damaged_record_is_an_error_of_reads_and_adopt_rebuilds_it() {
    let panel = Panel::on_a_tree(0);
    panel.created("alice", "alice.example");
    panel.created("bob", "bob.example");
    let before = panel.read(&record("alice.example"));
    for content in CONTENTS {
        spoil(&panel, "alice.example", content);
        let status = panel.post("/ssl/status", &json!({"domain": "alice.example"}));
        if content.is_some() {
            status.refuses(500, "operation_failed");
            assert!(status.body["error"].as_str().unwrap().contains("operation adopt"), "{status:?}");
        }
        panel.post("/ssl/status", &json!({"domain": "bob.example"})).ok();
        let stats = json!({"username": "alice", "domains": ["alice.example"], "databases": []});
        panel.post("/stats/account", &stats).ok();
        let log = json!({"domain": "alice.example", "username": "alice", "log_type": "access"});
        panel.post("/logs/tail", &log).ok();
        assert_eq!(panel.usernames(), ["alice", "bob"]);
        let adopted = panel.helper().command(&["operation", "adopt"]).output().unwrap();
        assert!(adopted.status.success(), "{adopted:?}");
        assert_eq!(panel.read(&record("alice.example")), before);
    }
}

/// Debian's layout of nginx's directories, and the plain one, on the same host at different times.
#[test]
fn a_site_is_found_in_whichever_directory_it_was_created() {
    let panel = Panel::on_a_tree(0);
    let (available, aside) = (panel.path("/etc/nginx/sites-available"), panel.path("/etc/nginx/aside"));
    fs::create_dir_all(panel.path("/etc/nginx/conf.d")).unwrap();
    fs::rename(&available, &aside).unwrap();
    panel.created("alice", "alice.example");
    panel.created("bob", "bob.example");
    assert!(is_there(panel.path("/etc/nginx/conf.d/alice.example.conf")));
    fs::rename(&aside, &available).unwrap();

    panel.post("/domains/create", &further_site("bob", "shop.alice.example", "bob.example")).refuses(409, "conflict");
    panel.suspend("alice").ok();
    assert!(!is_there(panel.path("/etc/nginx/conf.d/alice.example.conf")), "it would still be served from here");
    panel.unsuspend("alice").ok();
    panel.delete("alice").ok();
    panel.post("/domains/delete", &json!({"domain": "bob.example", "username": "bob"})).ok();
    for directory in ["conf.d", "sites-available", "sites-enabled"] {
        for domain in ["alice.example", "bob.example"] {
            assert!(!is_there(panel.path(&format!("/etc/nginx/{directory}/{domain}.conf"))), "{directory} {domain}");
        }
    }
}

/// The first line of a file says whose site it is.
#[test]
fn a_damaged_site_file_stops_only_its_own_account() {
    let panel = Panel::on_a_tree(0);
    panel.created("alice", "alice.example");
    panel.created("bob", "bob.example");
    let path = panel.path(&file("alice.example"));
    let text = panel.read(&file("alice.example"));
    fs::write(&path, text.replacen("{\"", "{", 1)).unwrap();
    let answer = panel.suspend("alice");
    answer.refuses(500, "operation_failed");
    assert!(answer.body["error"].as_str().unwrap().contains("alice.example.conf"), "{answer:?}");
    panel.suspend("bob").ok();
    panel.unsuspend("bob").ok();
    panel.post("/domains/create", &further_site("bob", "b.bob.example", "bob.example")).ok();
    fs::write(&path, text).unwrap();
    panel.suspend("alice").ok();
}
