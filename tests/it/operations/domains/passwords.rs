//! Directories that ask for a password.

use super::alice_and_bob;
use crate::operations::{page, shows, state};
use crate::support::machine::{attempt_as, on_a_machine, run, run_as};
use crate::support::panel::{Answer, Panel};
use serde_json::json;

/// Passwords by bcrypt and Apache's MD5, both “sesame”.
fn hashes() -> [String; 2] {
    let bcrypt = run(r#"php -r 'echo password_hash("sesame", PASSWORD_BCRYPT, ["cost" => 4]);'"#);
    [bcrypt, run("openssl passwd -apr1 -salt saltsalt sesame").trim().to_owned()]
}

fn protect(panel: &Panel, path: &str, hash: &str) -> Answer {
    panel.post(
        "/domains/protected-dir/add",
        &json!({
            "domain": "alice.example", "username": "alice", "document_root": "/home/alice/alice.example/public_html",
            "path": path, "label": "Members \"only\" $x", "htaccess_enabled": false,
            "users": [{"username": "visitor", "password_hash": hash}, {"username": "other", "password_hash": hash}],
        }),
    )
}

/// What a visitor with this name and password gets, after curl(1) has sent the path as it is.
fn visit(user: &str, target: &str) -> String {
    let user = if user.is_empty() { String::new() } else { format!("-u '{user}'") };
    run(&format!(
        "curl -s --path-as-is {user} -o /run/page -w '%{{http_code}} ' -H 'Host: alice.example' 'http://127.0.0.1{target}'
         head -c 40 /run/page"
    ))
}

#[test]
fn a_protected_directory_asks_for_a_password_whatever_the_path() {
    on_a_machine(a_protected_directory_asks_for_a_password_whatever_the_path, || {
        let panel = alice_and_bob();
        run_as(
            "alice",
            "cd /home/alice/alice.example/public_html && mkdir -p secret/inner secrets SECRET pub.dir
             for name in secret secret/inner secrets SECRET pub.dir; do echo \"<?php echo 'script of $name';\" >$name/x.php
             echo \"file of $name\" >$name/x.txt; done
             echo \"<?php echo 'index';\" >secret/index.php; echo \"<?php echo 'front ', \\$_SERVER['REQUEST_URI'];\" >index.php",
        );
        shows("alice.example", "/secret/x.php", 200, "script of secret");
        let before = state(&panel);
        let [bcrypt, apr1] = hashes();
        for hash in [&bcrypt, &apr1] {
            protect(&panel, "/secret/", hash).ok();
            for target in [
                "/secret",
                "/secret/",
                "/secret/x.php",
                "/secret/x.txt",
                "//secret/x.txt",
                "//secret//x.php",
                "/./secret/x.php",
                "/a/../secret/x.php",
                "/%73ecret/x.php",
                "/secret%2Fx.php",
                "/secret/x.php/info",
                "/secret/x.php?a=b",
                "/secret/missing",
                "/secret/missing.php",
                "/secret/inner/x.php",
                "/secret/inner/x.txt",
            ] {
                assert!(visit("", target).starts_with("401 "), "{target}: {}", visit("", target));
                assert!(visit("visitor:wrong", target).starts_with("401 "), "{target}");
                assert!(!visit("visitor:sesame", target).starts_with("401 "), "{target}");
            }
            assert_eq!(visit("visitor:sesame", "/secret/x.php"), "200 script of secret");
            assert_eq!(visit("other:sesame", "/secret/x.txt"), "200 file of secret\n");
            assert_eq!(visit("visitor:sesame", "/secret/"), "200 index");
            for (target, expected) in [
                ("/secrets/x.php", "200 script of secrets"),
                ("/SECRET/x.php", "200 script of SECRET"),
                ("/pub.dir/x.txt", "200 file of pub.dir\n"),
                ("/", "200 front /"),
            ] {
                assert_eq!(visit("", target), expected);
            }
        }
        let header = page("alice.example", "/secret/").header("WWW-Authenticate").unwrap().to_owned();
        assert_eq!(header, "Basic realm=\"Members only x\"");
        // The web server can read the passwords; the account, whose PHP runs beside it, cannot.
        let file = run("find /var/lib/opterius/site-passwords -type f -printf '%m %u %g %p'");
        assert!(file.starts_with("640 root www-data /"), "{file}");
        assert!(!attempt_as("alice", "cat /var/lib/opterius/site-passwords/*").0);
        assert!(!attempt_as("alice", &format!("cat {}", file.split(' ').next_back().unwrap())).0);
        assert!(!attempt_as("alice", "ls /var/lib/opterius/site-passwords").0);
        // A directory within it can have other visitors; a dot stands for a dot.
        let other = run(r#"php -r 'echo password_hash("other", PASSWORD_BCRYPT, ["cost" => 4]);'"#);
        protect(&panel, "secret/inner", &other).ok();
        protect(&panel, "pub.dir", &other).ok();
        assert_eq!(visit("visitor:other", "/secret/inner/x.php"), "200 script of secret/inner");
        assert!(visit("visitor:sesame", "/secret/inner/x.php").starts_with("401 "));
        assert_eq!(visit("visitor:sesame", "/secret/x.php"), "200 script of secret");
        assert!(visit("", "/pub.dir/x.txt").starts_with("401 "));
        assert!(!visit("", "/pubxdir/x.txt").starts_with("401 "));
        // Certificates can still be issued, and the other site has no password.
        run(
            "mkdir -p /var/lib/opterius/acme/.well-known/acme-challenge && echo response >/var/lib/opterius/acme/.well-known/acme-challenge/x",
        );
        shows("alice.example", "/.well-known/acme-challenge/x", 200, "response");
        shows("bob.example", "/", 200, "The page of bob");
        protect(&panel, "secret", "*0").refuses(422, "validation_failed");
        panel.suspend("alice").ok();
        shows("alice.example", "/secret/x.php", 503, "");
        panel.unsuspend("alice").ok();
        assert!(visit("", "/secret/x.php").starts_with("401 "));
        for path in ["secret/inner", "pub.dir", "secret", "secret", "never"] {
            let body = json!({
                "domain": "alice.example", "username": "alice", "path": path, "htaccess_enabled": false,
                "document_root": "/home/alice/alice.example/public_html",
            });
            panel.post("/domains/protected-dir/remove", &body).ok();
        }
        shows("alice.example", "/secret/x.php", 200, "script of secret");
        run("rm -r /var/lib/opterius/acme/.well-known");
        assert_eq!(before.differences(&state(&panel), &["/var/log/opterius"]), [""; 0]);
        protect(&panel, "secret", &bcrypt).ok();
        panel.delete("alice").ok();
        assert_eq!(
            run("ls -A /var/lib/opterius/site-passwords /var/lib/opterius/site-settings | grep -v : || true").trim(),
            ""
        );
    });
}
