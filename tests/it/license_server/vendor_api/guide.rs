//! docs/vendor-api.md: its command lines work as they are, and its tables name calls that exist.

use super::*;
use std::process::Command;

fn guide() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/vendor-api.md");
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Runs a command line of the guide in a shell, with the variables that it uses.
fn shell(line: &str, variables: &[(&str, &str)]) -> String {
    let output = Command::new("sh").args(["-c", line]).envs(variables.iter().copied()).output().unwrap();
    assert!(output.status.success(), "{line}\n{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_command_line_of_the_guide_works() {
    let guide = guide();
    let server = LicenseServerProcess::start();
    let prefix = "    opterius-license-server token add shop --scopes ";
    let scopes = guide.lines().find_map(|line| line.strip_prefix(prefix)).expect("the guide makes a token");
    let token = add_token(&server, "shop", scopes, &[]);
    let (api, authorization) = (format!("{}/api/v1", server.url()), format!("Authorization: Bearer {token}"));
    let lines: Vec<&str> = guide.lines().filter_map(|line| line.strip_prefix("    ")).collect();
    let calls: Vec<&str> = lines.into_iter().filter(|line| line.starts_with("curl ")).collect();
    assert!(calls.len() >= 12, "{calls:?}");
    let mut key = None;
    for call in calls {
        let answer = shell(call, &[("API", &api), ("AUTH", &authorization)]);
        let answer: Value = serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{call}\n{error}\n{answer}"));
        assert_eq!(answer.get("error"), None, "{call}\n{answer}");
        if key.is_none() {
            assert_eq!(
                (&answer["reference"], &answer["standing"]),
                (&json!("order-1001"), &json!("active")),
                "{answer}"
            );
            key = answer["key"].as_str().map(str::to_owned);
            // The servers that the section about support finds.
            let question = json!({"key": key, "server_ip": "203.0.113.1", "hostname": "web-1.example.com"});
            assert_granted(&server.verify(&question));
        }
        if call.contains("/move") {
            assert_eq!((&answer["changed"], &answer["ip"]), (&json!(true), &json!("203.0.113.2")), "{answer}");
        }
        if call.contains("block=7d") {
            assert!(answer["kept_out_until"].is_string(), "{answer}");
        }
        if call.contains("hostname=") {
            assert_eq!(answer["data"].as_array().map(Vec::len), Some(1), "{answer}");
        }
    }
    assert_eq!(server.fetch(request(&token, "GET", "/licenses/ref:order-1002", None)).status, 404, "dry_run sold one");
    let license = server.fetch(request(&token, "GET", "/licenses/ref:order-1001", None)).json();
    assert_eq!((&license["standing"], &license["plan"]), (&json!("cancelled"), &json!("datacenter")), "{license}");
}

/// The check of the guide accepts a signature as the license server makes it, and no other.
#[test]
fn the_check_of_a_signature_in_the_guide_is_right() {
    let guide = guide();
    let begin = guide.find("    SIGNED=").expect("the guide checks a signature");
    let script: String = guide[begin..].lines().take(2).map(|line| format!("{}\n", line.trim_start())).collect();
    let (secret, body) = ("whsec_test", r#"{"id":"evt_1"}"#);
    // As in the test of the license server, which another implementation computed.
    let genuine = "t=1800000000,v1=45705be2a45ab5acdd1395cc695e9e7073125385ec24194921c401dff44176f8";
    let rotated = genuine.replace(",v1=", ",v1=00ff,v1=");
    for (signature, time, expected) in [
        (genuine, "1800000000", "genuine\n"),
        (rotated.as_str(), "1800000000", "genuine\n"),
        (genuine, "1800000001", "forged\n"),
        ("t=1800000000,v1=", "1800000000", "forged\n"),
    ] {
        let variables = [("SECRET", secret), ("BODY", body), ("TIME", time), ("SIGNATURE", signature)];
        assert_eq!(shell(&script, &variables), expected, "{signature} {time}");
    }
}

#[test]
fn the_tables_of_the_guide_name_calls_that_exist() {
    let guide = guide();
    let document = LicenseServerProcess::start().fetch(Request::get("/api/v1/openapi.json")).json();
    let paths = document["paths"].as_object().unwrap();
    let mut found = 0;
    for quoted in
        guide.lines().filter(|line| line.starts_with("| ")).flat_map(|line| line.split('`').skip(1).step_by(2))
    {
        let Some((method, path)) =
            quoted.split_once(' ').filter(|(method, _)| method.chars().all(|c| c.is_ascii_uppercase()))
        else {
            continue;
        };
        let path = path.replace("ref:ID", "{license}").replace('…', "/licenses/{license}");
        let operation = paths.get(&path).and_then(|item| item.get(method.to_ascii_lowercase()));
        assert!(operation.is_some(), "{quoted}: there is no {method} {path}");
        found += 1;
    }
    assert!(found > 15, "{found}");
}
