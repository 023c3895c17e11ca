//! `license list`: the filters of the API, page by page.

use super::vendor_api::{add_token, request};
use super::*;
use std::process::Output;

/// Licenses that differ in everything that can be filtered.
fn with_licenses() -> LicenseServerProcess {
    let server = LicenseServerProcess::start();
    let run = |words: &[&str]| {
        let output = server.run(words);
        assert!(output.status.success(), "{words:?}: {}", text(&output));
    };
    server.database.change(|transaction| actions::add_user(transaction, &operator(), "bert", "x", false));
    let first = server.database.license("free");
    assert_granted(
        &server.verify(&json!({"key": first.key, "server_ip": SERVERS[0], "hostname": "web-1.example.com"})),
    );
    let full = server.database.license("business");
    for address in &SERVERS[..2] {
        assert_granted(&server.verify(&question(&full, address)));
    }
    run(&["license", "set-plan", &full.id.to_string(), "free"]);
    run(&["license", "create", "--owner", "bert", "--plan", "starter", "--reference", "A 1&2", "--trial"]);
    run(&["license", "create", "--owner", "bert", "--plan", "free", "--expires", "2126-03-01"]);
    for (id, words) in
        [("3", &["license", "suspend"][..]), ("4", &["license", "set-labels"]), ("1", &["license", "cancel"])]
    {
        run(&[words, &[id][..], if words[1] == "set-labels" { &["eu,gold"][..] } else { &[] }].concat());
    }
    server
}

/// Names and values, as in the query of the API.
type Filters = &'static [(&'static str, &'static str)];

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.clone(), output.stderr.clone()].concat()).into_owned()
}

fn ids(list: &Value) -> Vec<i64> {
    list.as_array().unwrap().iter().map(|license| license["id"].as_i64().unwrap()).collect()
}

#[test]
fn the_command_line_has_the_filters_of_the_api_with_the_same_names() {
    let server = with_licenses();
    let token = add_token(&server, "shop", "licenses:read", &[]);
    let table: [(Filters, &[i64]); 15] = [
        (&[], &[4, 3, 2, 1]),
        (&[("reference", "A 1&2")], &[3]),
        (&[("reference", "A 1")], &[]),
        (&[("owner", "BERT")], &[4, 3]),
        (&[("plan", "free")], &[4, 2, 1]),
        (&[("standing", "suspended")], &[3]),
        (&[("standing", "active")], &[4, 2]),
        (&[("expires_before", "2126-03-02T00:00:00Z")], &[4]),
        (&[("expires_before", "2126-02-28T00:00:00Z")], &[]),
        (&[("server_ip", SERVERS[1])], &[2]),
        (&[("hostname", "WEB-1.example.com")], &[1]),
        (&[("label", "gold")], &[4]),
        (&[("over_limit", "1")], &[2]),
        (&[("never_used", "1"), ("owner", "bert")], &[4, 3]),
        (&[("trial", "1"), ("standing", "suspended"), ("plan", "starter")], &[3]),
    ];
    for (filters, expected) in table {
        let mut words = vec!["license".to_owned(), "list".to_owned(), "--json".to_owned()];
        let mut query = String::new();
        for (name, value) in filters {
            words.push(format!("--{}", name.replace('_', "-")));
            // What is a flag there is one here.
            if *value != "1" {
                words.push((*value).to_owned());
            }
            query.push_str(&format!("&{name}={}", value.replace('&', "%26").replace(' ', "%20").replace(':', "%3A")));
        }
        let output = server.run(&words.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(output.status.success(), "{words:?}: {}", text(&output));
        let listed: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(ids(&listed), expected, "{words:?}");
        let response = server.fetch(request(&token, "GET", &format!("/licenses?limit=100{query}"), None));
        assert_eq!(response.status, 200, "{query}: {}", response.text());
        assert_eq!(response.json()["data"], listed, "{query}");
    }
    for (words, expected) in [
        (["--owner", "nobody"], "There is no user “nobody”"),
        (["--plan", "gold"], "gold"),
        (["--standing", "gone"], "must be one of"),
    ] {
        let output = server.run(&[&["license", "list"], &words[..]].concat());
        assert!(!output.status.success() && text(&output).contains(expected), "{words:?}: {}", text(&output));
    }
}

#[test]
fn a_list_is_continued_where_it_ended() {
    let server = LicenseServerProcess::start();
    server.database.licenses("free", 460);
    let list = |words: &[&str]| {
        let output = server.run(&[&["license", "list", "--json"], words].concat());
        assert!(output.status.success(), "{words:?}: {}", text(&output));
        let listed: Value = serde_json::from_slice(&output.stdout).unwrap();
        (ids(&listed), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (all, nothing) = list(&["--all"]);
    assert!(all.len() >= 460 && all.is_sorted_by(|one, next| one > next) && nothing.is_empty(), "{all:?} {nothing}");
    let (first, more) = list(&[]);
    assert_eq!(first, all[..50]);
    assert!(more.contains("there are more licenses: continue with --cursor"), "{more}");
    // More than is read at a time, and not a multiple of it.
    let (mut walked, mut cursor): (Vec<i64>, Option<String>) = (Vec::new(), None);
    loop {
        let words: Vec<&str> =
            ["--limit", "230"].into_iter().chain(cursor.iter().flat_map(|at| ["--cursor", at])).collect();
        let (page, more) = list(&words);
        walked.extend(page);
        let next = more.split("--cursor ").nth(1).map(|rest| rest.split(',').next().unwrap().to_owned());
        if next.is_none() {
            break;
        }
        assert_eq!(walked.len() % 230, 0, "{more}");
        cursor = next;
    }
    assert_eq!(walked, all);
    let (exactly, nothing) = list(&["--limit", &all.len().to_string()]);
    assert!(exactly == all && nothing.is_empty(), "{nothing}");
}
