//! The file manager: what it reads and changes in an account's home, and that nothing of another account is touched.

mod hostile;
mod interruptions;
mod life;

use crate::support::panel::{Answer, Panel};
use serde_json::{Value, json};

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
