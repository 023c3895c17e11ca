//! Redirects of a site: nginx itself is asked for the effect.

use super::alice_and_bob;
use crate::operations::{is_there, page, shows};
use crate::support::machine::{on_a_machine, run};
use crate::support::panel::{self, Answer, Panel};
use crate::support::{SOON, eventually};
use serde_json::{Value, json};

/// Waits until a visitor is redirected with this status and exactly this header `Location`.
pub(super) fn redirects(target: &str, status: u16, location: &str) {
    let mut last = None;
    let is_so = eventually(SOON, || {
        let response = page("alice.example", target);
        let found = (response.status, response.header("Location").map(str::to_owned));
        let is_so = found == (status, Some(location.to_owned()));
        last = Some(found);
        is_so
    });
    assert!(is_so, "{target}: expected {status} {location}, got {last:?}");
}

pub(super) fn sync(panel: &Panel, redirects: &Value) -> Answer {
    panel.post("/domains/redirect-sync", &json!({"domain": "alice.example", "redirects": redirects}))
}

pub(super) fn redirect(source: &str, destination: &str, kind: &str) -> Value {
    json!({"source_path": source, "destination": destination, "type": kind})
}

#[test]
fn redirects_are_answered_byte_for_byte() {
    on_a_machine(redirects_are_answered_byte_for_byte, || {
        let panel = alice_and_bob();
        let table = [
            ("/", "/", "https://b.example/?a=$1&b=$host&c=$request_uri#d"),
            ("/old", "/old", "/new"),
            ("/a b", "/a%20b?x=1", "https://b.example/%20x"),
            ("/%C3%BC", "/%C3%BC", "http://b.example"),
            ("//x///y", "/x/y", "https://b.example/$"),
            ("/$host\"; } location / {", "/$host%22;%20%7D%20location%20/%20%7B", "https://b.example/'{},;"),
            ("/\\n\\\"", "/%5Cn%5C%22", "/~!*()"),
            ("/100%25", "/100%25", "/%25"),
            ("/x.php", "/x.php", "/y.php"),
            ("/.env", "/.env", "/"),
        ];
        let all: Vec<Value> =
            table.iter().map(|(source, _, destination)| redirect(source, destination, "301")).collect();
        sync(&panel, &json!(all)).ok();
        for (_, target, destination) in table {
            // As browsers write it.
            redirects(target, 301, &destination.replace('{', "%7B").replace('}', "%7D"));
        }
        // Only the exact path, and no other site.
        shows("alice.example", "/old/", 404, "");
        shows("bob.example", "/", 200, "The page of bob");
        assert_eq!(page("bob.example", "/old").status, 404);
        // Full replacement, which survives a suspension and another change of the site.
        sync(&panel, &json!([redirect("/old", "https://c.example/", "302")])).ok();
        redirects("/old", 302, "https://c.example/");
        shows("alice.example", "/", 200, "The page of alice");
        panel.suspend("alice").ok();
        shows("alice.example", "/old", 503, "");
        panel.unsuspend("alice").ok();
        redirects("/old", 302, "https://c.example/");
        panel.post("/domains/create", &panel::site("alice", "alice.example")).ok();
        redirects("/old", 302, "https://c.example/");
        // As many as are possible.
        let many: Vec<Value> = (0..1000).map(|number| redirect(&format!("/{number}"), "/old", "301")).collect();
        sync(&panel, &json!(many)).ok();
        redirects("/999", 301, "/old");
        sync(&panel, &json!([])).ok();
        shows("alice.example", "/old", 404, "");
        assert!(!is_there("/var/lib/opterius/site-settings/alice.example.json"));
        sync(&panel, &json!([redirect("/old", "/", "301")])).ok();
        panel.delete("alice").ok();
        assert_eq!(run("ls -A /var/lib/opterius/site-settings"), "");
        shows("bob.example", "/", 200, "The page of bob");
    });
}
