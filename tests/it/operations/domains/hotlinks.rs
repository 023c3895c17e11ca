//! Files that no other site may show, and .htaccess files.

use super::alice_and_bob;
use crate::operations::{page, shows, state};
use crate::support::machine::{on_a_machine, run, run_as};
use crate::support::panel::{self, Panel};
use serde_json::{Value, json};

/// The status for a visitor with this header `Referer`.
fn referred(from: &str, target: &str) -> String {
    let header = if from.is_empty() { String::new() } else { format!("-H 'Referer: {from}'") };
    run(&format!(
        "curl -s -o /dev/null -w '%{{http_code}} %{{redirect_url}}' -H 'Host: alice.example' {header} 'http://127.0.0.1{target}'"
    ))
}

#[test]
fn other_sites_cannot_show_protected_files() {
    on_a_machine(other_sites_cannot_show_protected_files, || {
        let panel = alice_and_bob();
        run_as(
            "alice",
            "cd /home/alice/alice.example/public_html && echo x | tee a.jpg a.JPG a.png .b.jpg no.gif >/dev/null
             echo '<?php echo 1;' >a.php",
        );
        let set = |changes: Value| {
            let mut body = json!({
                "domain": "alice.example", "username": "alice", "document_root": "/home/alice/alice.example/public_html",
                "htaccess_enabled": false, "enabled": true,
                "allowed_domains": ["friend.example", "alice.example", "www.alice.example", "https://www.other.example/", format!("{}.example", "a".repeat(63))],
                "allowed_extensions": [".JPG", "gif"], "allow_direct": true, "redirect_url": null,
            });
            body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
            panel.post("/domains/hotlink/set", &body)
        };
        let before = state(&panel);
        set(json!({})).ok();
        for (from, target, expected) in [
            ("https://evil.example/x", "/a.jpg", "403 "),
            ("https://evil.example/friend.example", "/a.JPG", "403 "),
            ("https://notfriend.example/", "/a.jpg", "403 "),
            ("https://friend.example.evil.example/", "/a.jpg", "403 "),
            ("https://friend.example/x", "/a.jpg", "200 "),
            ("http://www.friend.example", "/a.jpg", "200 "),
            ("https://www.other.example/", "/a.jpg", "200 "),
            ("https://www.alice.example/page", "/a.jpg", "200 "),
            ("http://alice.example/", "/a.JPG", "200 "),
            ("", "/a.jpg", "200 "),
            ("https://evil.example/", "/a.png", "200 "),
            ("https://evil.example/", "/a.php", "200 "),
            ("https://evil.example/", "/.b.jpg", "404 "),
            ("", "/missing.jpg", "404 "),
        ] {
            assert_eq!(referred(from, target), expected, "{from} {target}");
        }
        set(json!({"allow_direct": false, "redirect_url": "https://b.example/no.jpg?a=$b"})).ok();
        assert_eq!(referred("", "/a.jpg"), "302 https://b.example/no.jpg?a=$b");
        assert_eq!(referred("https://evil.example/", "/a.jpg"), "302 https://b.example/no.jpg?a=$b");
        set(json!({"redirect_url": "/a.png"})).ok();
        assert_eq!(page("alice.example", "/a.jpg").status, 200);
        assert_eq!(referred("https://evil.example/", "/a.jpg"), "302 http://127.0.0.1/a.png");
        run(
            "mkdir -p /var/lib/opterius/acme/.well-known/acme-challenge && echo response >/var/lib/opterius/acme/.well-known/acme-challenge/x.jpg",
        );
        assert_eq!(referred("https://evil.example/", "/.well-known/acme-challenge/x.jpg"), "200 ");
        run("rm -r /var/lib/opterius/acme/.well-known");
        set(json!({"enabled": false, "allowed_extensions": [], "allowed_domains": ["not valid"]})).ok();
        assert_eq!(referred("https://evil.example/", "/a.jpg"), "200 ");
        assert_eq!(before.differences(&state(&panel), &["/var/log/opterius"]), [""; 0]);
        shows("bob.example", "/", 200, "The page of bob");
    });
}

#[test]
fn htaccess_files_are_honestly_refused() {
    let panel = Panel::on_a_tree(0);
    panel.created("alice", "alice.example");
    let before = state(&panel);
    let toggle = |enabled: bool| {
        let root = "/home/alice/alice.example";
        panel.post(
            "/domains/toggle-htaccess",
            &json!({
                "domain": "alice.example", "username": "alice", "document_root": format!("{root}/public_html"),
                "php_version": panel::PHP, "logs_dir": format!("{root}/logs"), "htaccess_enabled": enabled,
            }),
        )
    };
    let answer = toggle(true);
    answer.refuses(409, "conflict");
    assert!(answer.body["error"].as_str().unwrap().contains("does not read .htaccess"), "{answer:?}");
    assert_eq!(toggle(false).ok()["htaccess_enabled"], false);
    assert_eq!(before.differences(&state(&panel), &[]), [""; 0]);
}
