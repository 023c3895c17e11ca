//! Certificate operations that are killed at any moment.

use super::uploads::{Bought, upload};
use super::{certified, comes_to_serve, request, status};
use crate::operations::tampering::{Fault, Tampered};
use crate::support::machine::{attempt, on_a_machine};
use crate::support::panel::Answer;
use serde_json::json;

#[test]
fn a_change_killed_at_any_tool_leaves_a_valid_configuration_and_a_repeat_completes_it() {
    on_a_machine(a_change_killed_at_any_tool_leaves_a_valid_configuration_and_a_repeat_completes_it, || {
        let (_pebble, panel) = certified();
        let bought = Bought::good_for("alice.example");
        let upload = || panel.post("/ssl/upload", &upload(&bought.chain(), &bought.key));
        let issue = || panel.post("/ssl/issue", &request("alice.example"));
        let delete = || panel.post("/ssl/delete", &json!({"domain": "alice.example"}));
        let tampered = Tampered::new();
        // Each operation starts with the state that the previous one left.
        let round: [(&str, &dyn Fn() -> Answer, &str); 4] = [
            ("upload", &upload, "upload"),
            ("issue", &issue, "acme"),
            ("upload", &upload, "upload"),
            ("delete", &delete, "none"),
        ];
        for fault in [Fault::KillBefore as fn(usize) -> Fault, Fault::KillAfter] {
            for number in 1.. {
                let mut reached = false;
                for (name, operation, source) in round {
                    tampered.set(Some(fault(number)));
                    let answer = operation();
                    reached |= tampered.count() >= number;
                    let what = format!("{name}: {:?} {}", fault(number), tampered.log());
                    tampered.set(None);
                    let (is_valid, output) = attempt("nginx -t");
                    assert!(is_valid, "{what}: {answer:?} {output}");
                    let repeated = operation();
                    assert_eq!(repeated.status, 200, "{what}: {answer:?}, {repeated:?}");
                    let found = status(&panel, "alice.example");
                    assert_eq!(found["source"].as_str().unwrap_or("none"), source, "{what}: {found}");
                    comes_to_serve("alice.example", |seen| seen.is_empty() == (source == "none"));
                }
                if !reached {
                    break;
                }
            }
        }
    });
}
