//! The OpenAPI document of the real server: valid, in the form of the calls, and true for generated requests.

use super::*;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A program of the Python environment that `tests/run` installs.
fn tool(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/api-tools/bin").join(name);
    assert!(path.exists(), "{} is missing: run tests/run, or: tests/api-tools/install", path.display());
    path
}

fn run(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

#[test]
fn the_document_is_valid_and_needs_no_token() {
    let shop = Shop::start();
    let response = shop.server.fetch(Request::get("/api/v1/openapi.json"));
    assert_eq!((response.status, response.header("Content-Type")), (200, Some("application/json")));
    let file = shop.server.directory().join("openapi.json");
    std::fs::write(&file, response.text()).unwrap();
    let output = run(Command::new(tool("openapi-spec-validator")).args(["--schema", "3.1"]).arg(&file));
    assert!(output.status.success(), "{output:?}");
    std::fs::write(&file, response.text().replace("\"responses\"", "\"answers\"")).unwrap();
    let output = run(Command::new(tool("openapi-spec-validator")).args(["--schema", "3.1"]).arg(&file));
    assert!(!output.status.success(), "the validator finds nothing");
}

/// Generated requests, valid and invalid: no answer that is undocumented, of another form, or a failure of the server; no
/// call without a token; nothing accepted that the document forbids.
#[test]
fn the_server_keeps_what_its_document_says() {
    let shop = Shop::start();
    for reference in ["a", "b", "c"] {
        shop.sell(reference);
    }
    let settings = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/api-tools/schemathesis.toml");
    let output = run(Command::new(tool("schemathesis"))
        .current_dir(shop.server.directory())
        .arg("--config-file")
        .arg(settings)
        .args(["run", &format!("{}/api/v1/openapi.json", shop.server.url()), "--header"])
        .arg(format!("Authorization: Bearer {}", shop.token)));
    let text = String::from_utf8_lossy(&output.stdout);
    let end = text.lines().rev().take(300).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("\n");
    assert!(output.status.success(), "{end}\n{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_page_of_the_document_has_every_call_and_no_script() {
    let server = LicenseServerProcess::start();
    let document = server.fetch(Request::get("/api/v1/openapi.json")).json();
    let page = server.fetch(Request::get("/api/v1/docs"));
    assert_eq!((page.status, page.header("Content-Type")), (200, Some("text/html; charset=utf-8")));
    let text = page.text();
    assert!(!text.contains("<script") && !text.contains("http://") && !text.contains("https://"), "{text}");
    for (path, operations) in document["paths"].as_object().unwrap() {
        for operation in operations.as_object().unwrap().values() {
            let id = operation["operationId"].as_str().unwrap();
            assert!(
                text.contains(&format!("id=\"{id}\""))
                    && text.replace("<wbr>", "").contains(&format!("<code>{path}</code>")),
                "{id}"
            );
        }
    }
    for name in document["components"]["schemas"].as_object().unwrap().keys() {
        assert!(text.contains(&format!("id=\"schema-{name}\"")), "{name}");
    }
}
