//! The file manager: what it reads and changes in an account's home, and that nothing of another account is touched.

mod archives;
mod hostile;
mod interruptions;
mod life;

use crate::support::machine::run;
use crate::support::panel::{Answer, Panel};
use crate::support::snapshot::Snapshot;
use serde_json::{Value, json};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// Calls `/files/WHAT` for Alice with a path, and further members.
fn ask(panel: &Panel, what: &str, path: &str, further: Value) -> Answer {
    panel.post(&format!("/files/{what}"), &body(path, further))
}

/// The body of such a call.
fn body(path: &str, further: Value) -> Value {
    let mut body = json!({"username": "alice", "path": path});
    if let Some(further) = further.as_object() {
        body.as_object_mut().unwrap().extend(further.clone());
    }
    body
}

fn list(panel: &Panel, path: &str) -> Value {
    ask(panel, "list", path, json!({})).ok()
}

/// The names in a directory.
fn names(panel: &Panel, path: &str) -> Vec<String> {
    let entries = list(panel, path)["entries"].clone();
    entries.as_array().unwrap().iter().map(|entry| entry["name"].as_str().unwrap().to_owned()).collect()
}

fn read(panel: &Panel, path: &str) -> Answer {
    ask(panel, "read", path, json!({}))
}

fn write(panel: &Panel, path: &str, content: &str) -> Answer {
    ask(panel, "write", path, json!({"content": content}))
}

fn delete(panel: &Panel, path: &str) -> Answer {
    ask(panel, "delete", path, json!({}))
}

/// A host with the accounts Alice and Bob, whose home is open to everyone.
fn with_an_open_neighbor() -> (Panel, PathBuf) {
    let panel = Panel::on_a_tree(5);
    panel.created("alice", "alice.example");
    panel.created("bob", "bob.example");
    let bob = panel.path("/home/bob");
    fs::create_dir(bob.join("open")).unwrap();
    for path in ["open/file", "open/other", "secret"] {
        fs::write(bob.join(path), "of Bob").unwrap();
        fs::set_permissions(bob.join(path), Permissions::from_mode(0o666)).unwrap();
    }
    for path in ["", "open"] {
        fs::set_permissions(bob.join(path), Permissions::from_mode(0o777)).unwrap();
    }
    (panel, bob)
}

fn of_bob(panel: &Panel) -> Snapshot {
    Snapshot::of(panel.root(), &["/home/bob"])
}

/// Gives everything in Alice's home to her.
fn hand_over(panel: &Panel) {
    run(&format!("chown -hR --reference={0} {0}", panel.path("/home/alice").display()));
}
