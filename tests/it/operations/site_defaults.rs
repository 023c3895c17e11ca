//! What sites get by default, and what answers for names that no site has.

use super::certificates::{Bought, upload};
use super::{hosting, page, publish, shows};
use crate::support::eventually;
use crate::support::http::{Connection, PROMPTLY, Request, Response};
use crate::support::machine::{attempt, on_a_machine, run, run_as};
use crate::support::process::START;

/// Everything that the web server answers to a request; empty if it closes the connection.
fn raw(head: &str) -> Vec<u8> {
    let mut connection = Connection::open(80).unwrap();
    connection.send(head).unwrap();
    connection.receive_to_end(PROMPTLY).unwrap_or_default()
}

fn nobody_answers() -> bool {
    raw("GET / HTTP/1.0\r\nHost: nobody.example\r\n\r\n").is_empty()
}

/// Whether a TLS handshake for this name succeeds.
fn shakes_hands(name: &str, options: &str) -> bool {
    attempt(&format!("openssl s_client -connect 127.0.0.1:443 -servername {name} {options} </dev/null")).0
}

#[test]
fn names_that_no_site_has_get_no_site() {
    on_a_machine(names_that_no_site_has_get_no_site, || {
        run("rm /etc/nginx/sites-enabled/default");
        let panel = hosting(0);
        panel.created("alice", "alice.example");
        panel.created("bob", "bob.example");
        publish("bob", "bob.example", "index.html", "A page");
        assert!(nobody_answers());
        let bought = Bought::good_for("alice.example");
        panel.post("/ssl/upload", &upload(&bought.chain(), &bought.key)).ok();
        assert!(shakes_hands("alice.example", "") && shakes_hands("alice.example", "-tls1_2"));
        assert!(
            !shakes_hands("nobody.example", "") && !shakes_hands("alice.example", "-tls1_1 -cipher ALL:@SECLEVEL=0")
        );
        // A session is taken up again by a new connection.
        let reused =
            "openssl s_client -connect 127.0.0.1:443 -servername alice.example -tls1_2 -reconnect </dev/null 2>&1";
        assert!(run(reused).contains("Reused, TLSv1.2"));

        // Another file's default server, also where it can only be found by nginx itself; ours gives way, and comes back.
        run("mkdir -p /etc/nginx/snippets; echo 'listen 80 default_server;' >/etc/nginx/snippets/listen.conf");
        for listen in ["listen 80 default_server;", "include /etc/nginx/snippets/listen.conf;"] {
            run(&format!("echo 'server {{ {listen} return 204; }}' >/etc/nginx/conf.d/foreign.conf"));
            panel.suspend("bob").ok();
            assert_eq!(page("nobody.example", "/").status, 204, "{listen}");
            assert!(!shakes_hands("nobody.example", "") || listen.starts_with("include"));
            run("rm /etc/nginx/conf.d/foreign.conf");
            panel.unsuspend("bob").ok();
            assert!(nobody_answers(), "{listen}");
        }
        shows("bob.example", "/", 200, "A page");
        panel.delete("alice").ok();
        panel.delete("bob").ok();
        assert_eq!(run("find /etc/nginx/ -name 'opterius-*'"), "");
    });
}

/// What a script sees of its request.
const SCRIPT: &str = "<?php if (isset($_GET['large'])) { for ($i = 0; $i < 32; $i++) header(\"X-$i: \" . str_repeat('x', 1000)); } \
                      foreach (['SERVER_SOFTWARE', 'SERVER_ADDR', 'SERVER_PORT', 'HTTP_PROXY'] as $name) echo $name, '=', $_SERVER[$name] ?? '-', ' ';";

#[test]
fn sites_have_what_their_owners_expect() {
    on_a_machine(sites_have_what_their_owners_expect, || {
        run("mkdir -p /etc/opterius/nginx.d");
        let panel = hosting(0);
        panel.created("alice", "alice.example");
        publish("alice", "alice.example", "server.php", SCRIPT);
        let answer = Response::read(&raw("GET /server.php HTTP/1.0\r\nHost: alice.example\r\nProxy: evil:80\r\n\r\n"));
        let text = answer.text();
        assert!(
            text.contains("SERVER_SOFTWARE=nginx/1") && text.contains("SERVER_ADDR=127.0.0.1 SERVER_PORT=80"),
            "{text}"
        );
        assert!(!text.contains("evil"), "{text}");
        assert_eq!(page("alice.example", "/server.php?large").status, 200);

        run_as("alice", "yes 'a { color: red }' | head -c 20000 >/home/alice/alice.example/public_html/a.css");
        let asked = "GET /a.css HTTP/1.1\r\nHost: alice.example\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n";
        let compressed = String::from_utf8_lossy(&raw(asked)).into_owned();
        assert!(compressed.starts_with("HTTP/1.1 200") && compressed.contains("Content-Encoding: gzip"));

        let hidden = [
            "wp-config.php.bak",
            "wp-config.php~",
            "config.php.save",
            "index.php.orig",
            "a.old",
            ".a.php.swp",
            ".a.swo",
            "dump.sql",
            "dump.sql.gz",
            "a.sql.zip",
            "#a.php#",
            "config.php_old",
            "config.php-2024",
            "config.php.txt",
            ".env",
            "A.BAK",
        ];
        for name in hidden {
            publish("alice", "alice.example", name, "secret");
            let target = format!("/{}", name.replace('#', "%23"));
            assert_eq!(page("alice.example", &target).status, 404, "{name}");
        }
        for name in ["a.sqlx", "bold", "old.html", "a.css.map", "a.swf"] {
            publish("alice", "alice.example", name, "public");
            assert_eq!(page("alice.example", &format!("/{name}")).status, 200, "{name}");
        }
        // A front controller must not be able to pretend that a change is in effect.
        publish("alice", "alice.example", "index.php", "<?php http_response_code(200); echo 'front';");
        shows("alice.example", "/any", 200, "front");
        assert_eq!(page("alice.example", "/.well-known/opterius-agent/0123").status, 404);

        for (length, expected) in [(66_000_000, "HTTP/1.1 100"), (68_000_000, "HTTP/1.1 413")] {
            let mut connection = Connection::open(80).unwrap();
            let request = Request::post("/index.php").header("Host", "alice.example");
            let head = String::from_utf8(request.head()).unwrap();
            let head: String = head
                .lines()
                .filter(|line| !line.is_empty() && !line.starts_with("Content-Length"))
                .map(|line| format!("{line}\r\n"))
                .collect();
            connection.send(format!("{head}Content-Length: {length}\r\nExpect: 100-continue\r\n\r\n")).unwrap();
            let answer = connection.receive_head(PROMPTLY).unwrap();
            assert!(format!("HTTP/1.1 {}", answer.status) == expected, "{length}: {}", answer.status);
        }
        assert_eq!(run("stat -c '%a %U:%G' /etc/nginx/sites-available/alice.example.conf").trim(), "640 root:root");
    });
}

#[test]
fn the_administrators_directives_survive_every_change() {
    on_a_machine(the_administrators_directives_survive_every_change, || {
        let hook = "/etc/opterius/nginx.d/alice.example.conf";
        run(&format!(
            "mkdir -p /etc/opterius/nginx.d; printf 'client_max_body_size 1g;\\nadd_header X-Hook yes;\\n' >{hook}"
        ));
        let panel = hosting(0);
        panel.created("alice", "alice.example");
        panel.created("bob", "bob.example");
        let header = || page("alice.example", "/index.html").header("X-Hook").map(str::to_owned);
        assert_eq!(header().as_deref(), Some("yes"));
        panel.suspend("alice").ok();
        assert_eq!((page("alice.example", "/").status, header()), (503, None));
        panel.unsuspend("alice").ok();
        assert_eq!(header().as_deref(), Some("yes"));
        // nginx alone takes up a change.
        run(&format!("echo 'add_header X-Hook more;' >{hook}; nginx -t && nginx -s reload"));
        assert!(eventually(START, || header().as_deref() == Some("more")));

        run(&format!("echo 'no_such_directive;' >{hook}"));
        let answer = panel.suspend("bob");
        assert!(
            answer.status >= 500 && answer.body["error"].as_str().unwrap().contains(&format!("{hook} is included")),
            "{answer:?}"
        );
        run(&format!("echo 'return 403;' >{hook}"));
        let answer = panel.created("bob", "bob.example");
        assert_eq!(answer["warnings"].to_string(), "[]");
        let answer = panel.create("alice", "alice.example");
        assert!(answer.status == 409 && answer.body["error"].as_str().unwrap().contains(hook), "{answer:?}");
        // A file that others can change is not read as root.
        run(&format!("echo 'add_header X-Hook evil;' >{hook}; chmod o+w {hook}"));
        let answer = panel.created("alice", "alice.example");
        assert!(answer["warnings"].to_string().contains("is not included"), "{answer}");
        assert_eq!(header(), None);
        run(&format!("rm {hook}"));
        panel.created("alice", "alice.example");
    });
}
