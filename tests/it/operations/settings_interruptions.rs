//! Changes of a site's settings, killed at any tool: a repeat completes them, and another account's site stays as it is.

use super::php_settings::SECOND_PHP;
use super::tampering::{Fault, Tampered};
use super::{hosting, publish, shows, state};
use crate::support::machine::{on_a_machine, run};
use crate::support::panel::{Answer, PHP, Panel};
use serde_json::{Value, json};

/// A hash of “sesame”, by Apache's MD5.
const HASH: &str = "$apr1$saltsalt$1wcO0UXrrrYuRqru5simD1";

/// Calls that change something and calls that take it back.
fn changes() -> Vec<(&'static str, Value, &'static str, Value)> {
    let alias = json!({"domain": "alice.example", "alias_domain": "alias.example"});
    let directory = json!({
        "domain": "alice.example", "username": "alice", "document_root": "/home/alice/alice.example/public_html",
        "path": "secret", "users": [{"username": "visitor", "password_hash": HASH}],
    });
    let php = |memory: &str, functions: &str| {
        let values = json!({"memory_limit": memory, "disable_functions": functions});
        json!({"domain": "alice.example", "version": PHP, "values": values})
    };
    let redirects = |list: Value| json!({"domain": "alice.example", "redirects": list});
    let redirect = json!([{"source_path": "/old", "destination": "/new", "type": "301"}]);
    let hotlink = |enabled: bool| {
        json!({
            "domain": "alice.example", "username": "alice", "document_root": "/home/alice/alice.example/public_html",
            "enabled": enabled, "allowed_domains": ["friend.example"], "allowed_extensions": ["png"], "allow_direct": true,
            "redirect_url": null,
        })
    };
    let directives = |text: &str| json!({"domain": "alice.example", "directives": text});
    let version = |old: &str, new: &str| json!({"domain": "alice.example", "username": "alice", "old_version": old, "new_version": new});
    let extension = |enable: bool| json!({"version": PHP, "extension": "shmop", "enable": enable});
    vec![
        ("/domains/alias-add", alias.clone(), "/domains/alias-remove", alias),
        ("/domains/redirect-sync", redirects(redirect), "/domains/redirect-sync", redirects(json!([]))),
        ("/domains/protected-dir/add", directory.clone(), "/domains/protected-dir/remove", directory),
        ("/domains/hotlink/set", hotlink(true), "/domains/hotlink/set", hotlink(false)),
        ("/domains/custom-nginx", directives("etag off;"), "/domains/custom-nginx", directives("")),
        ("/php/config", php("64M", "exec"), "/php/config", php("", "")),
        ("/php/switch-version", version(PHP, "8.3"), "/php/switch-version", version("8.3", PHP)),
        ("/php/extensions", extension(false), "/php/extensions", extension(true)),
    ]
}

#[test]
fn changes_of_settings_killed_at_any_tool_are_completed_by_a_repeat() {
    on_a_machine(changes_of_settings_killed_at_any_tool_are_completed_by_a_repeat, || {
        run(SECOND_PHP);
        let panel = hosting(5);
        for name in ["alice", "bob"] {
            panel.created(name, &format!("{name}.example"));
            publish(name, &format!("{name}.example"), "index.html", &format!("The page of {name}"));
        }
        let tampered = Tampered::new();
        let mut count = 0;
        for (path, body, back_path, back) in changes() {
            // Files that all accounts share are there after the first time.
            panel.post(path, &body).ok();
            let after = state(&panel);
            panel.post(back_path, &back).ok();
            let before = state(&panel);
            for fault in [Fault::KillBefore as fn(usize) -> Fault, Fault::KillAfter] {
                for number in 1.. {
                    let one = killed(&panel, &tampered, (path, &body), fault(number), &after);
                    let other = killed(&panel, &tampered, (back_path, &back), fault(number), &before);
                    shows("bob.example", "/", 200, "The page of bob");
                    if !one && !other {
                        break;
                    }
                    count += 1;
                }
            }
        }
        assert!(count > 10, "the changes must run tools: {count}");
    });
}

/// Performs a call with a fault, and again without: the result must be as it is without a fault. Returns whether the fault was
/// reached.
fn killed(
    panel: &Panel,
    tampered: &Tampered,
    (path, body): (&str, &Value),
    fault: Fault,
    expected: &crate::support::snapshot::Snapshot,
) -> bool {
    let (Fault::KillBefore(number) | Fault::KillAfter(number) | Fault::Refuse(number)) = fault;
    tampered.set(Some(fault));
    let answer: Answer = panel.post(path, body);
    let reached = tampered.count() >= number;
    let what = format!("{path} {fault:?} {}", tampered.log());
    tampered.set(None);
    assert!(reached || answer.status == 200, "{what}: {answer:?}");
    let repeated = panel.post(path, body);
    assert_eq!(repeated.status, 200, "{what}: {answer:?}, {repeated:?}");
    let left = expected.differences(&state(panel), &["/var/log/opterius"]);
    assert_eq!(left, [""; 0], "{what}");
    reached
}
