//! Responses of nginx and PHP to visitors of a hostile tenant's site.

use crate::operations::{hosting, page, publish, shows};
use crate::support::machine::{attempt_as, on_a_machine, run, run_as};
use crate::support::panel::{Panel, further_site, site};
use serde_json::json;

/// The content that must not be served.
const SECRET: &str = "the secret of another";

/// Alice is the attacker, and Bob the victim.
fn alice_and_bob() -> Panel {
    let panel = hosting(5);
    panel.created("alice", "alice.example");
    panel.created("bob", "bob.example");
    publish("alice", "alice.example", "index.html", "A page of Alice's");
    publish("bob", "bob.example", "secret.txt", SECRET);
    run(&format!("echo '{SECRET}' >/etc/secret.txt"));
    shows("alice.example", "/", 200, "A page of Alice's");
    shows("bob.example", "/secret.txt", 200, SECRET);
    panel
}

/// Checks that a visitor gets an error and not the secret.
fn is_refused(domain: &str, target: &str) {
    let response = page(domain, target);
    assert!(matches!(response.status, 403 | 404), "{domain}{target}: {} {}", response.status, response.text());
    assert!(!response.text().contains(SECRET), "{domain}{target}: {}", response.text());
}

#[test]
fn a_document_root_that_is_a_link_serves_no_files_of_others() {
    on_a_machine(a_document_root_that_is_a_link_serves_no_files_of_others, || {
        let _panel = alice_and_bob();
        for elsewhere in ["/home/bob/bob.example/public_html", "/etc", "/var/lib/opterius", "/"] {
            run_as("alice", &format!("cd ~alice/alice.example; rm -rf public_html; ln -s {elsewhere} public_html"));
            for target in ["/secret.txt", "/passwd", "/etc/passwd", "/etc/secret.txt", "/sites/bob.example.json", "/"] {
                is_refused("alice.example", target);
            }
        }
        // The parent directory too.
        run_as("alice", "cd; mv alice.example aside; ln -s /home/bob/bob.example alice.example; cd /; true");
        is_refused("alice.example", "/secret.txt");
    });
}

#[test]
fn links_to_another_tenants_files_are_not_followed() {
    on_a_machine(links_to_another_tenants_files_are_not_followed, || {
        let _panel = alice_and_bob();
        run_as(
            "alice",
            "cd ~alice/alice.example/public_html; ln -s /home/bob/bob.example/public_html/secret.txt a.txt; ln -s /etc/secret.txt b.txt
             ln -s /home/bob/bob.example/public_html c; ln -s ../../../bob/bob.example/public_html/secret.txt d.txt; ln -s / e
             ln -s a.txt f.txt; echo Mine >mine.txt; ln -s mine.txt g.txt; ln /etc/secret.txt h.txt 2>/dev/null || true",
        );
        for target in ["/a.txt", "/b.txt", "/c/secret.txt", "/d.txt", "/e/etc/secret.txt", "/f.txt"] {
            is_refused("alice.example", target);
            assert_eq!(page("alice.example", target).status, 403, "{target}");
        }
        // Links to the tenant's own files work.
        shows("alice.example", "/g.txt", 200, "Mine");
    });
}

#[test]
fn challenges_are_served_from_roots_directory_even_if_well_known_is_a_link() {
    on_a_machine(challenges_are_served_from_roots_directory_even_if_well_known_is_a_link, || {
        let panel = alice_and_bob();
        run("mkdir -p /var/lib/opterius/acme/.well-known/acme-challenge
             echo 'the token' >/var/lib/opterius/acme/.well-known/acme-challenge/token");
        run_as(
            "alice",
            "cd ~alice/alice.example/public_html; mkdir -p .well-known/acme-challenge; echo 'A page' >.well-known/acme-challenge/mine
             echo 'contact' >.well-known/security.txt",
        );
        shows("alice.example", "/.well-known/acme-challenge/token", 200, "the token");
        assert_eq!(page("alice.example", "/.well-known/acme-challenge/mine").status, 404);
        shows("alice.example", "/.well-known/security.txt", 200, "contact");
        run_as(
            "alice",
            "cd ~alice/alice.example/public_html; rm -rf .well-known; ln -s /etc .well-known; ln -s /etc acme-challenge",
        );
        shows("alice.example", "/.well-known/acme-challenge/token", 200, "the token");
        for target in [
            "/.well-known/secret.txt",
            "/.well-known/acme-challenge/../../secret.txt",
            "/.well-known/acme-challenge/..%2f..%2f..%2fsites",
        ] {
            let response = page("alice.example", target);
            assert!(response.status >= 400 && !response.text().contains(SECRET), "{target}: {}", response.text());
        }
        panel.suspend("alice").ok();
        shows("alice.example", "/", 503, "");
        shows("alice.example", "/.well-known/acme-challenge/token", 200, "the token");
    });
}

#[test]
fn php_source_is_never_served() {
    on_a_machine(php_source_is_never_served, || {
        const SOURCE: &str = "<?php $password = 'in the source'; echo 'ra' . 'n';";
        let panel = hosting(5);
        panel.created("alice", "alice.example");
        let mut without = further_site("alice", "old.alice.example", "alice.example");
        without["php_version"] = json!("5.6");
        panel.post("/domains/create", &without).ok();
        let names = ["x.php", "X.PHP", "x.pHp", "x.phtml", "x.php.", "x.php7", "x.phar", "index.php"];
        for (domain, name) in
            ["alice.example", "old.alice.example"].iter().flat_map(|domain| names.map(|name| (domain, name)))
        {
            publish("alice", domain, name, SOURCE);
        }
        publish("alice", "old.alice.example", "hello.html", "A page");
        shows("alice.example", "/x.php", 200, "ran");
        shows("old.alice.example", "/hello.html", 200, "A page");
        let further = [
            "/",
            "/x.php/",
            "/x.php/a/b.css",
            "/x.php?a=b",
            "/x.php%20",
            "/x.php%00",
            "/x.php;.css",
            "//x.php",
            "/./x.php",
            "/x%2ephp",
            "/x.php%2e",
        ];
        let targets: Vec<String> =
            names.iter().map(|name| format!("/{name}")).chain(further.map(str::to_owned)).collect();
        let check = |domains: &[&str]| {
            for (domain, target) in domains.iter().flat_map(|domain| targets.iter().map(move |target| (domain, target)))
            {
                let response = page(domain, target);
                assert!(!response.text().contains("in the source"), "{domain}{target}: {}", response.text());
            }
        };
        check(&["alice.example", "old.alice.example"]);
        shows("old.alice.example", "/x.php", 503, "");

        run("systemctl stop php8.2-fpm");
        check(&["alice.example"]);
        run("systemctl start php8.2-fpm");
        panel.suspend("alice").ok();
        shows("alice.example", "/x.php", 503, "");
        check(&["alice.example", "old.alice.example"]);
    });
}

#[test]
fn a_pool_runs_only_its_own_tenants_scripts() {
    on_a_machine(a_pool_runs_only_its_own_tenants_scripts, || {
        let panel = alice_and_bob();
        publish("bob", "bob.example", "who.php", "<?php echo file_get_contents(__DIR__ . '/secret.txt');");
        shows("bob.example", "/who.php", 200, SECRET);
        // A link to Bob's script is not executed, and Alice's own script cannot read his files.
        run_as(
            "alice",
            "cd ~alice/alice.example/public_html; ln -s /home/bob/bob.example/public_html/who.php link.php",
        );
        publish(
            "alice",
            "alice.example",
            "read.php",
            "<?php foreach (['/home/bob/bob.example/public_html/secret.txt', '/var/log/opterius/sites/bob.example/access.log', \
             '/etc/shadow', '/var/lib/opterius/sites/bob.example.json'] as $file) echo @file_get_contents($file) === false ? 'no,' : 'YES,';",
        );
        let response = page("alice.example", "/link.php");
        assert!(!response.text().contains(SECRET), "{}", response.text());
        shows("alice.example", "/read.php", 200, "no,no,no,no,");
        // Only the web server can connect to a pool.
        let connect = |user: &str| {
            attempt_as(
                user,
                "exec perl -MIO::Socket::UNIX -e 'exit !IO::Socket::UNIX->new(q(/run/php/opterius-bob.example.sock))'",
            )
            .0
        };
        assert!(connect("bob") || !connect("alice"));
        assert!(!connect("alice"), "Alice can connect to Bob's pool");
        assert!(
            !attempt_as("alice", "ls /home/bob/bob.example").0
                && !attempt_as("alice", "ls /var/log/opterius/sites/bob.example").0
        );
        drop(panel);
    });
}

#[test]
fn a_site_for_another_tenants_home_is_refused() {
    on_a_machine(a_site_for_another_tenants_home_is_refused, || {
        let panel = alice_and_bob();
        let mut theft = site("alice", "theft.example");
        theft["parent_domain"] = json!("alice.example");
        theft["document_root"] = json!("/home/bob/bob.example/public_html");
        let answer = panel.post("/domains/create", &theft);
        assert_eq!((answer.status, &answer.body["field"]), (422, &json!("document_root")));
        is_refused("theft.example", "/secret.txt");
    });
}
