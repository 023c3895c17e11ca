//! Aliases of sites, which are names with owners.

use super::alice_and_bob;
use crate::operations::{page, shows, state};
use crate::support::machine::on_a_machine;
use crate::support::panel::{self, Answer, Panel};
use crate::support::{SOON, eventually};
use serde_json::json;

fn alias(panel: &Panel, call: &str, domain: &str, alias: &str) -> Answer {
    panel.post(&format!("/domains/alias-{call}"), &json!({"domain": domain, "alias_domain": alias}))
}

#[test]
fn a_site_answers_to_its_aliases() {
    on_a_machine(a_site_answers_to_its_aliases, || {
        let panel = alice_and_bob();
        let before = state(&panel);
        for _ in 0..2 {
            let body = alias(&panel, "add", "alice.example", "Alias.example").ok();
            assert_eq!(body["aliases"], json!(["alias.example"]));
        }
        for name in ["alias.example", "www.alias.example", "alice.example", "www.alice.example"] {
            shows(name, "/", 200, "The page of alice");
        }
        panel.suspend("alice").ok();
        shows("alias.example", "/", 503, "");
        panel.unsuspend("alice").ok();
        shows("alias.example", "/", 200, "The page of alice");
        for _ in 0..2 {
            alias(&panel, "remove", "alice.example", "alias.example").ok();
        }
        assert!(eventually(SOON, || !page("alias.example", "/").text().contains("alice")));
        assert_eq!(before.differences(&state(&panel), &["/var/log/opterius"]), [""; 0]);
        // Deleting the account frees the name.
        alias(&panel, "add", "alice.example", "alias.example").ok();
        alias(&panel, "add", "bob.example", "alias.example").refuses(409, "conflict");
        panel.delete("alice").ok();
        alias(&panel, "add", "bob.example", "alias.example").ok();
        shows("alias.example", "/", 200, "The page of bob");
    });
}

#[test]
fn aliases_have_owners() {
    let panel = Panel::on_a_tree(0);
    for name in ["alice", "bob"] {
        panel.created(name, &format!("{name}.example"));
    }
    panel.post("/domains/create", &panel::further_site("alice", "shop.example", "alice.example")).ok();
    alias(&panel, "add", "alice.example", "alias.example").ok();
    let before = state(&panel);
    for (domain, name, status) in [
        ("bob.example", "alice.example", 409),
        ("bob.example", "alias.example", 409),
        ("bob.example", "www.alias.example", 409),
        ("bob.example", "sub.alias.example", 409),
        ("bob.example", "sub.alice.example", 409),
        ("bob.example", "co.uk", 422),
        ("bob.example", "a.localhost", 422),
        ("bob.example", &format!("{0}.{0}.{0}.{0}.example", "a".repeat(60)), 422),
        // Of the same account, too.
        ("alice.example", "alice.example", 409),
        ("alice.example", "www.alice.example", 409),
        ("alice.example", "www.alias.example", 409),
        ("alice.example", "shop.example", 409),
        ("shop.example", "alias.example", 409),
        ("nobody.example", "other.example", 404),
    ] {
        let answer = alias(&panel, "add", domain, name);
        assert_eq!(answer.status, status, "{domain} {name}: {answer:?}");
        if status == 422 {
            assert_eq!(answer.body["field"], "alias_domain", "{answer:?}");
        }
    }
    // New sites are refused, too.
    for (username, domain) in [
        ("carol", "alias.example"),
        ("carol", "www.alias.example"),
        ("carol", "sub.alias.example"),
        ("alice", "alias.example"),
        ("alice", "www.alias.example"),
    ] {
        let body = match username {
            "alice" => panel::further_site(username, domain, "alice.example"),
            _ => panel::site(username, domain),
        };
        panel.post("/domains/create", &body).refuses(409, "conflict");
    }
    assert_eq!(before.differences(&state(&panel), &[]), [""; 0]);
    // A limit, so that the first line of the site's file stays short.
    for number in 1..40 {
        alias(&panel, "add", "alice.example", &format!("alias{number}.example")).ok();
    }
    alias(&panel, "add", "alice.example", "one-more.example").refuses(409, "conflict");
    assert_eq!(panel.account("alice").unwrap()["domains"], json!(["alice.example", "shop.example"]));
    panel.delete("alice").ok();
    panel.created("carol", "alias.example");
}
