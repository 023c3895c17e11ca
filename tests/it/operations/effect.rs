//! A change is in effect once it is answered with 200: nginx's own view is not enough, because it refuses reloads in silence.

use super::{hosting, page, publish, shows};
use crate::support::eventually;
use crate::support::machine::{attempt, on_a_machine, run};
use crate::support::panel::{Panel, site};
use crate::support::process::START;
use serde_json::json;
use std::path::Path;
use std::process::{Child, Command};

/// A program that holds a port until it is dropped.
struct Holder(Child);

impl Holder {
    fn of(port: u16) -> Holder {
        let script = format!(
            "use IO::Socket::INET; my $s = IO::Socket::INET->new(LocalPort => {port}, Listen => 5, ReuseAddr => 1) or die $!; sleep 1 while 1"
        );
        let child = Command::new("perl").args(["-e", &script]).spawn().unwrap();
        let listens = || attempt(&format!("ss -ltn 'sport = :{port}' | grep -q LISTEN")).0;
        assert!(eventually(START, listens), "nothing listens on port {port}");
        Holder(child)
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// Alice, and Bob, whose operations must go on.
fn alice_and_bob() -> Panel {
    let panel = hosting(0);
    for (user, domain) in [("alice", "alice.example"), ("bob", "bob.example")] {
        panel.created(user, domain);
        publish(user, domain, "index.html", "A page");
        shows(domain, "/", 200, "A page");
    }
    panel
}

/// Whether the user can log in.
fn can_log_in(panel: &Panel, user: &str) -> bool {
    !panel.lines_of("/etc/passwd", user)[0].ends_with("/nologin") || attempt(&format!("su -s /bin/sh {user} -c true")).0
}

#[test]
fn a_port_that_another_program_holds_is_named_and_the_change_taken_back() {
    on_a_machine(a_port_that_another_program_holds_is_named_and_the_change_taken_back, || {
        let panel = alice_and_bob();
        let holder = Holder::of(8443);
        run("echo 'server { listen 8443; return 204; }' >/etc/nginx/conf.d/foreign.conf");
        let answer = panel.create("carol", "carol.example");
        answer.refuses(409, "conflict");
        let sentence = answer.body["error"].as_str().unwrap();
        for part in ["8443", "Address already in use", &format!("perl (process {})", holder.0.id())] {
            assert!(sentence.contains(part), "{part}: {sentence}");
        }
        assert!(panel.account("carol").is_none() && !Path::new("/home/carol").exists());
        // nginx cannot load anything, so the page stays, and the suspension does not claim otherwise. It does the rest.
        let answer = panel.suspend("alice");
        answer.refuses(409, "conflict");
        assert!(answer.body["error"].as_str().unwrap().contains("may still be served"), "{answer:?}");
        assert!(!can_log_in(&panel, "alice") && panel.account("alice").unwrap()["suspended"] == true);
        assert_eq!(page("alice.example", "/").status, 200);
        // A deletion stops before anything is lost.
        panel.delete("bob").refuses(409, "conflict");
        assert!(Path::new("/home/bob/bob.example/public_html/index.html").exists());
        assert_eq!(page("bob.example", "/").status, 200);

        drop(holder);
        panel.suspend("alice").ok();
        assert_eq!(page("alice.example", "/").status, 503);
        panel.created("carol", "carol.example");
        assert_eq!(page("carol.example", "/").status, 200);
        panel.delete("bob").ok();
        assert!(!page("bob.example", "/").text().contains("A page"));
    });
}

#[test]
fn a_fault_in_another_file_is_not_blamed_on_the_change() {
    on_a_machine(a_fault_in_another_file_is_not_blamed_on_the_change, || {
        let panel = alice_and_bob();
        run("printf 'server {\\n  listen 80;\\n  server_nmae x.example;\\n}\\n' >/etc/nginx/conf.d/foreign.conf");
        for answer in [panel.create("carol", "carol.example"), panel.delete("bob")] {
            answer.refuses(503, "operations_unavailable");
            let sentence = answer.body["error"].as_str().unwrap();
            for part in ["not caused by this change", "/etc/nginx/conf.d/foreign.conf:3", "server_nmae"] {
                assert!(sentence.contains(part), "{part}: {sentence}");
            }
        }
        assert!(panel.account("carol").is_none() && panel.account("bob").is_some());
        let answer = panel.suspend("alice");
        answer.refuses(503, "operations_unavailable");
        let sentence = answer.body["error"].as_str().unwrap();
        assert!(sentence.contains("foreign.conf:3") && sentence.contains("not caused by the suspension"), "{sentence}");
        assert!(!can_log_in(&panel, "alice"));

        run("rm /etc/nginx/conf.d/foreign.conf");
        panel.suspend("alice").ok();
        assert_eq!(page("alice.example", "/").status, 503);
        panel.delete("bob").ok();
        panel.created("carol", "carol.example");
    });
}

#[test]
fn a_name_that_another_file_has_is_named() {
    on_a_machine(a_name_that_another_file_has_is_named, || {
        let panel = alice_and_bob();
        let foreign = |names: &str| {
            run(&format!(
                "echo 'server {{ listen 80; server_name {names}; return 204; }}' >/etc/nginx/conf.d/0-foreign.conf"
            ));
        };
        // Whether the creation is refused beforehand or afterwards: it is not claimed, and nothing stays.
        foreign("carol.example");
        let answer = panel.create("carol", "carol.example");
        assert!(matches!(answer.status, 409 | 422), "{answer:?}");
        assert!(answer.body["error"].as_str().unwrap().contains("0-foreign.conf"), "{answer:?}");
        assert!(panel.account("carol").is_none());
        // A name that comes later, for a site that exists.
        foreign("alice.example");
        let answer = panel.unsuspend("bob");
        answer.ok();
        let answer = panel.suspend("alice");
        answer.refuses(409, "conflict");
        assert!(answer.body["error"].as_str().unwrap().contains("0-foreign.conf"), "{answer:?}");
        foreign("www.alice.example");
        let answer = panel.suspend("alice").ok();
        assert!(answer["warnings"].to_string().contains("0-foreign.conf"), "{answer}");
        assert_eq!((page("alice.example", "/").status, page("bob.example", "/").status), (503, 200));
    });
}

#[test]
fn a_site_is_placed_where_nginx_includes_it() {
    on_a_machine(a_site_is_placed_where_nginx_includes_it, || {
        run("sed -i '/sites-enabled/d' /etc/nginx/nginx.conf");
        let panel = alice_and_bob();
        panel.delete("alice").ok();
        assert_eq!(run("find /etc/nginx -name '*alice*'"), "");
        // Back to Debian's way: the site moves, and is not there twice.
        run(
            "sed -i 's|include /etc/nginx/conf.d.*|&\\n include /etc/nginx/sites-enabled/*;|' /etc/nginx/nginx.conf; rm -f /etc/nginx/sites-enabled/default",
        );
        panel.created("bob", "bob.example");
        assert_eq!(
            run("find /etc/nginx/ -name bob.example.conf -type l").trim(),
            "/etc/nginx/sites-enabled/bob.example.conf"
        );
        shows("bob.example", "/", 200, "A page");
        run("sed -i '/conf.d/d; /sites-enabled/d' /etc/nginx/nginx.conf");
        let answer = panel.create("carol", "carol.example");
        answer.refuses(503, "operations_unavailable");
        assert!(answer.body["error"].as_str().unwrap().contains("/etc/nginx/nginx.conf"), "{answer:?}");
        assert!(panel.account("carol").is_none() && panel.account("bob").is_some());
    });
}

#[test]
fn an_nginx_that_was_started_by_hand_or_is_stopped() {
    on_a_machine(an_nginx_that_was_started_by_hand_or_is_stopped, || {
        let panel = alice_and_bob();
        run("systemctl stop nginx");
        let answer = panel.created("carol", "carol.example");
        assert!(answer["warnings"].to_string().contains("nginx does not run"), "{answer}");
        panel.suspend("bob").ok();
        // Another program that answers is not nginx.
        let holder = Holder::of(80);
        let answer = panel.create("dave", "dave.example");
        assert!(answer.status == 409 && answer.body["error"].as_str().unwrap().contains("perl"), "{answer:?}");
        drop(holder);
        run("nginx && echo 1 >/run/nginx.pid");
        let answer = panel.created("dave", "dave.example");
        assert_eq!(answer["warnings"], json!([]), "{answer}");
        publish("dave", "dave.example", "index.html", "A page");
        assert_eq!((page("dave.example", "/").status, page("bob.example", "/").status), (200, 503));
        panel.unsuspend("bob").ok();
        assert_eq!(page("bob.example", "/").status, 200);
        panel.post("/domains/delete", &site("dave", "dave.example")).ok();
        assert!(!page("dave.example", "/").text().contains("A page"));
    });
}
