//! Invalid values in every field of every operation: the error names the field, and nothing changes.

use super::{is_there, state};
use crate::support::panel::{Answer, PHP, Panel, site};
use crate::support::snapshot::Snapshot;
use serde_json::{Value, json};

/// Values that are not strings.
fn non_strings() -> Vec<Value> {
    vec![Value::Null, json!(7), json!(1.5), json!(true), json!([]), json!(["a.example"]), json!({}), json!({"a": 1})]
}

/// Strings that are not valid as a name, path or domain.
fn hostile_strings() -> Vec<Value> {
    let long = "a".repeat(5000);
    let texts = [
        "",
        " ",
        ".",
        "..",
        "/",
        "../etc",
        "../../etc/passwd",
        "/etc",
        "/etc/passwd",
        "/srv/.ssh",
        "-rf",
        "--help",
        "a b",
        "a\nb",
        "\n",
        "a\r\nb",
        "a\tb",
        "a\0",
        "\0",
        "a;id",
        "$(id)",
        "`id`",
        "a|id",
        "a&id",
        "a>b",
        "'a'",
        "\"a\"",
        "a\\b",
        "a*",
        "a?",
        "~root",
        "{a}",
        "%2e%2e",
        "alicе",
        "ａlice",
        "alice\u{200d}",
        "\u{202e}alice",
        "bücher.example",
        "ехample.com",
        "example。com",
        "8．2",
        "# a",
        "a:b:c",
        "a,b",
        "alice.example\n",
        "alice.example;",
        "alice.example }\nserver {",
        &long,
    ];
    texts.into_iter().map(Value::from).collect()
}

/// A public key that ssh-keygen made.
const PUBLIC_KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGZOeAUtlcN345H53XC9IyZRQoYDg2JrjKFcfWJkICpf me";

/// Valid operations: path, body, and required fields.
fn operations() -> Vec<(&'static str, Value, Vec<&'static str>)> {
    let fresh = site("bob", "bob.example");
    let domain = || json!({"domain": "alice.example", "username": "alice"});
    let backup = "alice_files_20261129T073015Z.tar.gz";
    let certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    vec![
        ("/domains/create", fresh, vec!["domain", "document_root", "username", "php_version"]),
        ("/domains/delete", domain(), vec!["domain", "username"]),
        (
            "/account/suspend",
            json!({"username": "alice", "domains": [], "action": "suspend"}),
            vec!["username", "action"],
        ),
        ("/account/password", json!({"username": "alice", "password": "correct horse"}), vec!["username"]),
        ("/account/delete", json!({"username": "alice", "domains": []}), vec!["username"]),
        (
            "/ssl/issue",
            json!({"domain": "alice.example", "email": "a@example.com", "username": "alice"}),
            vec!["domain", "email"],
        ),
        ("/ssl/issue-async", json!({"domain": "alice.example", "email": "a@example.com"}), vec!["domain", "email"]),
        (
            "/ssl/upload",
            json!({"domain": "alice.example", "username": "alice", "certificate": certificate, "private_key": certificate}),
            vec!["domain", "username", "certificate", "private_key"],
        ),
        ("/ssl/renew", json!({"domain": "alice.example"}), vec!["domain"]),
        ("/ssl/delete", domain(), vec!["domain"]),
        ("/ssl/status", json!({"domain": "alice.example"}), vec!["domain"]),
        (
            "/dns/create-zone",
            json!({"domain": "alice.example", "server_ip": "203.0.113.5", "ns1": "ns1.example.net", "ns2": "ns2.example.net"}),
            vec!["domain", "server_ip", "ns1", "ns2"],
        ),
        (
            "/dns/add-record",
            json!({"domain": "alice.example", "name": "www", "type": "A", "content": "203.0.113.5", "ttl": 300}),
            vec!["domain", "type", "content"],
        ),
        ("/dns/list-records", json!({"domain": "alice.example"}), vec!["domain"]),
        ("/dns/delete-record", json!({"domain": "alice.example", "name": "www", "type": "A"}), vec!["domain", "type"]),
        ("/databases/create", json!({"name": "alice_shop"}), vec!["name"]),
        ("/databases/delete", json!({"name": "alice_shop"}), vec!["name"]),
        ("/databases/info", json!({"name": "alice_shop"}), vec!["name"]),
        ("/databases/repair", json!({"name": "alice_shop", "action": "repair"}), vec!["name", "action"]),
        (
            "/databases/user-create",
            json!({"username": "alice_u", "password": "correct horse", "database": "alice_shop", "host": "%"}),
            vec!["username", "database"],
        ),
        (
            "/databases/user-password",
            json!({"username": "alice_u", "password": "correct horse", "host": "localhost"}),
            vec!["username"],
        ),
        ("/databases/user-delete", json!({"username": "alice_u", "host": null}), vec!["username"]),
        ("/postgres/create", json!({"name": "alice_shop"}), vec!["name"]),
        ("/postgres/delete", json!({"name": "alice_shop"}), vec!["name"]),
        ("/postgres/info", json!({"name": "alice_shop"}), vec!["name"]),
        (
            "/postgres/user-create",
            json!({"pg_username": "alice_u", "password": "correct horse", "database": "alice_shop"}),
            vec!["pg_username", "database"],
        ),
        (
            "/postgres/user-password",
            json!({"pg_username": "alice_u", "password": "correct horse"}),
            vec!["pg_username"],
        ),
        ("/postgres/user-delete", json!({"pg_username": "alice_u"}), vec!["pg_username"]),
        (
            "/domains/redirect-sync",
            json!({"domain": "alice.example", "redirects": [redirect("/old", "https://b.example/")]}),
            vec!["domain"],
        ),
        (
            "/domains/alias-add",
            json!({"domain": "alice.example", "alias_domain": "alias.example"}),
            vec!["domain", "alias_domain"],
        ),
        (
            "/domains/alias-remove",
            json!({"domain": "alice.example", "alias_domain": "alias.example"}),
            vec!["domain", "alias_domain"],
        ),
        ("/domains/protected-dir/add", protected("secret", HASH), vec!["domain", "username", "document_root"]),
        ("/domains/protected-dir/remove", protected("secret", HASH), vec!["domain", "username"]),
        ("/domains/hotlink/set", hotlink(), vec!["domain", "username"]),
        (
            "/domains/toggle-htaccess",
            json!({"domain": "alice.example", "username": "alice", "htaccess_enabled": false}),
            vec!["domain", "username"],
        ),
        ("/domains/custom-nginx", json!({"domain": "alice.example", "directives": "etag on;"}), vec!["domain"]),
        (
            "/php/config",
            json!({"domain": "alice.example", "version": PHP, "values": {"memory_limit": "64M"}}),
            vec!["domain", "version"],
        ),
        (
            "/php/switch-version",
            json!({"domain": "alice.example", "username": "alice", "old_version": PHP, "new_version": PHP}),
            vec!["domain", "username", "new_version"],
        ),
        ("/php/list-extensions", json!({"version": PHP}), vec!["version"]),
        (
            "/php/extensions",
            json!({"version": PHP, "extension": "shmop", "enable": true}),
            vec!["version", "extension"],
        ),
        ("/php/install", json!({"version": PHP}), vec!["version"]),
        ("/ssh/toggle-shell", json!({"username": "alice", "enabled": true}), vec!["username"]),
        ("/ssh/list-keys", json!({"username": "alice"}), vec!["username"]),
        (
            "/ssh/generate-key",
            json!({"username": "alice", "key_type": "ed25519", "comment": ""}),
            vec!["username", "key_type"],
        ),
        (
            "/ssh/import-key",
            json!({"username": "alice", "public_key": PUBLIC_KEY, "private_key": ""}),
            vec!["username", "public_key"],
        ),
        (
            "/ssh/delete-key",
            json!({"username": "alice", "fingerprint": format!("SHA256:{}", "a".repeat(43))}),
            vec!["username", "fingerprint"],
        ),
        (
            "/cron/create",
            json!({"username": "alice", "schedule": "0 4 * * *", "command": "true", "cron_job_id": 7}),
            vec!["username", "schedule"],
        ),
        ("/cron/toggle", json!({"username": "alice", "command": "true", "enabled": true}), vec!["username"]),
        ("/cron/delete", json!({"username": "alice", "command": "true"}), vec!["username"]),
        ("/stats/account", json!({"username": "alice", "domains": [], "databases": []}), vec!["username"]),
        ("/services/action", json!({"service": "nginx", "action": "reload"}), vec!["service", "action"]),
        (
            "/logs/tail",
            json!({"domain": "alice.example", "username": "alice", "log_type": "access", "offset": 0}),
            vec!["domain", "username", "log_type"],
        ),
        ("/system/timezone", json!({"timezone": "Europe/Berlin"}), vec!["timezone"]),
        ("/files/list", json!({"username": "alice", "path": "/home/alice"}), vec!["username"]),
        ("/files/read", json!({"username": "alice", "path": "note.txt"}), vec!["username"]),
        ("/files/write", json!({"username": "alice", "path": "note.txt", "content": "x"}), vec!["username"]),
        ("/files/mkdir", json!({"username": "alice", "path": "_imports"}), vec!["username"]),
        ("/files/rename", json!({"username": "alice", "path": "note.txt", "new_name": "x"}), vec!["username"]),
        ("/files/chmod", json!({"username": "alice", "path": "note.txt", "permissions": "644"}), vec!["username"]),
        ("/files/delete", json!({"username": "alice", "path": "note.txt"}), vec!["username"]),
        ("/files/archive", json!({"username": "alice", "path": "note.txt"}), vec!["username"]),
        ("/backup/create", json!({"username": "alice", "type": "files"}), vec!["username", "type"]),
        ("/backup/delete", json!({"filename": backup}), vec!["filename"]),
        ("/backup/browse", json!({"filename": backup, "path": ""}), vec!["filename"]),
        (
            "/backup/restore",
            json!({"filename": backup, "username": "alice", "type": "files"}),
            vec!["filename", "username", "type"],
        ),
        (
            "/backup/restore-files",
            json!({
                "filename": backup, "username": "alice", "document_root": "/home/alice", "files": ["a"], "overwrite": true,
            }),
            vec!["filename", "username"],
        ),
    ]
}

/// Values that are no path in Alice's home.
fn invalid_paths() -> Vec<Value> {
    let (long, name) = ("a/".repeat(2100), "a".repeat(256));
    let texts = [
        "/",
        "/etc/passwd",
        "/home",
        "/home/bob",
        "/home/alice2/x",
        "/home/bob/../alice/x",
        "..",
        "../bob",
        "a/../../b",
    ];
    let texts = texts.into_iter().chain(["/home/alice/..", "a\0b", "\0", "a\u{fffd}", &long, &name]);
    non_strings().into_iter().chain(texts.map(Value::from)).collect()
}

fn redirect(source: &str, destination: &str) -> Value {
    json!({"source_path": source, "destination": destination, "type": "301"})
}

/// A hash of bcrypt, as far as its form goes.
const HASH: &str = "$2y$05$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234";

fn protected(path: &str, hash: &str) -> Value {
    json!({
        "domain": "alice.example", "username": "alice", "document_root": "/home/alice/alice.example/public_html",
        "path": path, "label": "Members", "htaccess_enabled": false,
        "users": [{"username": "visitor", "password_hash": hash}],
    })
}

fn hotlink() -> Value {
    json!({
        "domain": "alice.example", "username": "alice", "document_root": "/home/alice/alice.example/public_html",
        "htaccess_enabled": false, "enabled": true, "allowed_domains": ["friend.example"],
        "allowed_extensions": ["jpg"], "allow_direct": true, "redirect_url": null,
    })
}

/// Requests with one invalid field: path, field, and body.
fn invalid_requests() -> Vec<(&'static str, &'static str, Value)> {
    let mut wrong = Vec::new();
    for (path, body, fields) in operations() {
        let with = |field: &str, value: Value| {
            let mut body = body.clone();
            body[field] = value;
            body
        };
        for field in fields {
            let mut without = body.clone();
            without.as_object_mut().unwrap().remove(field);
            wrong.push((path, field, without));
            wrong.extend(
                non_strings().into_iter().chain(hostile_strings()).map(|value| (path, field, with(field, value))),
            );
        }
        if path.starts_with("/files/") {
            wrong.extend(invalid_paths().into_iter().map(|value| (path, "path", with("path", value))));
        }
        let more: &[(&str, Value)] = match path {
            "/files/write" => &[("content", json!(7)), ("content", json!(["x"])), ("content", json!({}))],
            "/files/mkdir" => &[("path", json!("a\nb")), ("path", json!("/home/alice/\u{1b}[2J"))],
            "/files/rename" => &[
                ("new_name", Value::Null),
                ("new_name", json!("")),
                ("new_name", json!("..")),
                ("new_name", json!("a/b")),
                ("new_name", json!("/etc/passwd")),
                ("new_name", json!("a\nb")),
                ("new_name", json!("a\0")),
                ("new_name", json!("a".repeat(256))),
                ("new_name", json!(7)),
            ],
            "/files/chmod" => &[
                ("permissions", Value::Null),
                ("permissions", json!(644)),
                ("permissions", json!("")),
                ("permissions", json!("4755")),
                ("permissions", json!("2755")),
                ("permissions", json!("1777")),
                ("permissions", json!("00644")),
                ("permissions", json!("888")),
                ("permissions", json!("u+s")),
                ("permissions", json!("-644")),
            ],
            "/domains/redirect-sync" => &[
                ("redirects", Value::Null),
                ("redirects", json!("/old")),
                ("redirects", json!({"a": redirect("/a", "/b")})),
                ("redirects", json!(["/old"])),
                ("redirects", json!([{"source_path": "/old", "type": "301"}])),
                ("redirects", json!([redirect("old", "/new")])),
                ("redirects", json!([redirect("/old?x=1", "/new")])),
                ("redirects", json!([redirect("/%2e%2e/x", "/new")])),
                ("redirects", json!([redirect("/a\nb", "/new")])),
                ("redirects", json!([redirect("/%00", "/new")])),
                ("redirects", json!([redirect("/old", "//b.example")])),
                ("redirects", json!([redirect("/old", "javascript:alert(1)")])),
                ("redirects", json!([redirect("/old", "https://b.example/\r\nSet-Cookie: a=b")])),
                ("redirects", json!([redirect("/old", "/new"), redirect("//old", "/other")])),
                ("redirects", json!([redirect("/.well-known/acme-challenge/x", "/new")])),
                ("redirects", json!([redirect("/.well-known/acme-challenge", "/new")])),
                ("redirects", json!([{"source_path": "/old", "destination": "/new", "type": "307"}])),
                ("redirects", (0..1001).map(|number| redirect(&format!("/{number}"), "/new")).collect()),
            ],
            "/domains/protected-dir/add" => &[
                ("document_root", json!("/home/bob/bob.example/public_html")),
                ("path", Value::Null),
                ("path", json!("")),
                ("path", json!("/")),
                ("path", json!("a/../b")),
                ("path", json!("a b")),
                ("path", json!("a\"b")),
                ("path", json!("(a|b)")),
                ("label", json!(7)),
                ("users", Value::Null),
                ("users", json!("visitor")),
                ("users", json!([{"username": "visitor"}])),
                ("users", json!([{"username": "visitor", "password_hash": "*0"}])),
                ("users", json!([{"username": "visitor", "password_hash": "$1$salt$abc"}])),
                ("users", json!([{"username": "a:b", "password_hash": HASH}])),
                ("users", json!([{"username": "", "password_hash": HASH}])),
                ("users", json!([{"username": "#a", "password_hash": HASH}])),
                ("users", json!([{"username": "a", "password_hash": HASH}, {"username": "a", "password_hash": HASH}])),
            ],
            "/domains/protected-dir/remove" => &[("path", json!("..")), ("path", json!(7))],
            "/domains/hotlink/set" => &[
                ("enabled", Value::Null),
                ("enabled", json!("on")),
                ("allow_direct", json!("x")),
                ("allowed_domains", json!("friend.example")),
                ("allowed_domains", json!(["friend example"])),
                ("allowed_domains", json!(["~.*"])),
                ("allowed_domains", json!(["none"])),
                ("allowed_extensions", json!([])),
                ("allowed_extensions", json!(["j|pg"])),
                ("allowed_extensions", json!([".*"])),
                ("redirect_url", json!("//b.example/")),
                ("redirect_url", json!("/nohotlink.jpg")),
                ("redirect_url", json!("https://www.alice.example/nohotlink.JPG?x")),
            ],
            "/domains/toggle-htaccess" => &[("htaccess_enabled", Value::Null), ("htaccess_enabled", json!("no"))],
            "/domains/custom-nginx" => &[
                ("directives", json!(7)),
                ("directives", json!(["etag on;"])),
                ("directives", json!("etag on")),
                ("directives", json!("include /etc/passwd;")),
                ("directives", json!("}\nserver { listen 81; }")),
                ("directives", json!("etag on;".repeat(1300))),
            ],
            "/php/config" => &[
                ("values", Value::Null),
                ("values", json!([])),
                ("values", json!({})),
                ("values", json!({"extension": "x.so"})),
                ("values", json!({"memory_limit": "-1"})),
                ("values", json!({"memory_limit": "64M\nphp_admin_value[x] = y"})),
                ("values", json!({"memory_limit": "1T"})),
                ("values", json!({"max_execution_time": "0"})),
                ("values", json!({"upload_max_filesize": "2G"})),
                ("values", json!({"post_max_size": ["64M"]})),
                ("values", json!({"max_input_vars": "1e9"})),
                ("values", json!({"display_errors": "stderr"})),
                ("values", json!({"allow_url_fopen": true})),
                ("values", json!({"disable_functions": "exec\";"})),
                ("values", json!({"disable_functions": "a,".repeat(1500) + &"b".repeat(2001)})),
                ("read", json!("maybe")),
            ],
            "/php/extensions" => &[("enable", Value::Null), ("enable", json!("x")), ("extension", json!("Shmop"))],
            "/domains/create" => &[
                ("document_root", json!("/home/alice/alice.example/public_html")),
                ("document_root", json!("/home/bob")),
                ("document_root", json!("/home/bobby/x")),
                ("document_root", json!("/home/bob/../alice/x")),
                ("document_root", json!("/home/bob/.ssh")),
                ("parent_domain", json!(7)),
                ("parent_domain", json!("../etc")),
                ("parent_domain", json!(["alice.example"])),
                ("php_version", json!(8.2)),
            ],
            "/databases/create" | "/databases/delete" | "/databases/info" | "/postgres/create" | "/postgres/delete"
            | "/postgres/info" => &[
                ("name", json!("mysql")),
                ("name", json!("alice")),
                ("name", json!("alice_")),
                ("name", json!("_shop")),
                ("name", json!("alice_shop`")),
                ("name", json!("alice_%")),
                ("name", json!("alice_shop:owner")),
                ("name", json!("alice_shöp")),
                ("name", json!(format!("alice_{}", "x".repeat(59)))),
            ],
            "/databases/repair" => &[("action", json!("drop")), ("action", json!("REPAIR"))],
            "/databases/user-create" | "/databases/user-password" | "/databases/user-delete" => &[
                ("username", json!("root")),
                ("username", json!("alice_u@localhost")),
                ("username", json!(format!("alice_{}", "x".repeat(75)))),
                ("host", json!("192.0.2.%")),
                ("host", json!("localhost'")),
                ("host", json!(7)),
                ("host", json!(["%"])),
            ],
            "/postgres/user-create" | "/postgres/user-password" | "/postgres/user-delete" => &[
                ("pg_username", json!("postgres")),
                ("pg_username", json!("alice_u\"")),
                ("pg_username", json!(format!("alice_{}", "x".repeat(58)))),
            ],
            "/account/password" => &[("password", json!(["correct horse"]))],
            "/dns/add-record" => &[
                ("name", json!("-x")),
                ("name", json!("www.example.org.")),
                ("type", json!("SOA")),
                ("ttl", json!(-1)),
                ("ttl", json!("a day")),
                ("priority", json!(70_000)),
            ],
            "/ssh/generate-key" => &[
                ("key_type", json!("dsa")),
                ("key_type", json!("RSA")),
                ("comment", json!(7)),
                ("comment", json!("a\nb")),
                ("comment", json!("x".repeat(256))),
            ],
            "/ssh/import-key" => &[
                ("public_key", json!(format!("no-pty {PUBLIC_KEY}"))),
                ("public_key", json!(format!("{PUBLIC_KEY}\n{PUBLIC_KEY}"))),
                ("public_key", json!(PUBLIC_KEY.replace("ssh-ed25519", "ssh-rsa"))),
                ("public_key", json!(PUBLIC_KEY.replace("AAAAI", "AAAAJ"))),
                ("public_key", json!("ssh-ed25519 AAAA")),
                ("private_key", json!(7)),
                ("private_key", json!("x")),
                ("private_key", json!(["-----BEGIN OPENSSH PRIVATE KEY-----"])),
                ("private_key", json!("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----")),
            ],
            "/ssh/delete-key" => &[
                ("fingerprint", json!("a".repeat(43))),
                ("fingerprint", json!(format!("SHA256:{}", "a".repeat(44)))),
                ("fingerprint", json!("MD5:00:11:22:33:44:55:66:77:88:99:aa:bb:cc:dd:ee:ff")),
            ],
            "/cron/create" => &[
                ("command", Value::Null),
                ("command", json!(7)),
                ("command", json!(["true"])),
                ("command", json!("")),
                ("command", json!(" \t")),
                ("command", json!("a\n* * * * * b")),
                ("command", json!("a\rb")),
                ("command", json!("a\0b")),
                ("command", json!("x".repeat(999))),
                ("command", json!("%".repeat(500))),
                ("cron_job_id", Value::Null),
                ("cron_job_id", json!(0)),
                ("cron_job_id", json!(-1)),
                ("cron_job_id", json!(1.5)),
                ("cron_job_id", json!("7\n")),
                ("cron_job_id", json!("x")),
                ("cron_job_id", json!([7])),
                ("schedule", json!("* * * *")),
                ("schedule", json!("* * * * * *")),
                ("schedule", json!("60 * * * *")),
                ("schedule", json!("5-1 * * * *")),
                ("schedule", json!("*/0 * * * *")),
                ("schedule", json!("@daily")),
                ("schedule", json!("* * * * *\n* * * * * b")),
            ],
            "/cron/delete" => &[("command", Value::Null), ("command", json!("")), ("command", json!("a\nb"))],
            "/ssh/toggle-shell" | "/cron/toggle" => {
                &[("enabled", Value::Null), ("enabled", json!("yes")), ("enabled", json!(2)), ("enabled", json!([]))]
            }
            "/dns/delete-record" => &[("id", json!(0)), ("id", json!("x")), ("name", Value::Null)],
            "/logs/tail" => &[
                ("log_type", json!("mail")),
                ("log_type", json!("../../../etc/passwd")),
                ("offset", json!("x")),
                ("max_bytes", json!(0)),
                ("max_bytes", json!(99999999)),
                ("max_bytes", json!("many")),
            ],
            "/services/action" => &[("action", json!("disable")), ("action", json!("reload;id"))],
            _ => &[],
        };
        if body.get("password").is_some() {
            let passwords =
                [Value::Null, json!(12345678), json!("short"), json!("with a\nline"), json!("with a\0zero")];
            wrong.extend(passwords.into_iter().map(|value| (path, "password", with("password", value))));
        }
        wrong.extend(more.iter().map(|(field, value)| (path, *field, with(field, value.clone()))));
    }
    wrong
}

/// A host with one account, and its state.
fn with_alice() -> (Panel, Snapshot) {
    let panel = Panel::on_a_tree(5);
    panel.created("alice", "alice.example");
    let before = state(&panel);
    (panel, before)
}

/// Sends all invalid requests with `ask`; all must be refused.
fn all_are_refused(ask: impl Fn(&Panel, &str, &Value) -> Answer) {
    let (panel, before) = with_alice();
    for (path, field, body) in invalid_requests() {
        let answer = ask(&panel, path, &body);
        let shown = body.to_string().chars().take(300).collect::<String>();
        assert!(
            answer.is(422, "validation_failed") && answer.body["field"] == field,
            "{path} {field} {shown}: {answer:?}"
        );
        assert_eq!(before.differences(&state(&panel), &[]), [""; 0], "{path} {shown}");
    }
}

#[test]
fn the_agent_names_an_invalid_field_and_nothing_changes() {
    all_are_refused(Panel::post);
}

#[test]
fn the_helper_names_an_invalid_field_and_nothing_changes() {
    all_are_refused(|panel, path, body| match path {
        // The Agent handles this one itself.
        "/ssl/status" => panel.post(path, body),
        _ => panel.helper().ask(path, body),
    });
}

/// What a Panel's lists of domains and databases may contain: the Agent uses them as a hint, or not at all.
fn hints() -> Vec<Value> {
    let long = format!("{}.example.com", "a".repeat(300));
    let mut hints = non_strings();
    hints.push(json!("alice.example"));
    hints.push(json!(["h_i.example.com", long, "../etc", "", "a b", "bücher.example", "*", "*.example.com"]));
    hints.push(json!(["alice.example", 7, null, ["x"], {"a": "b"}, 1.5, true]));
    hints.push(json!({"0": "alice.example", "2": "h_i.example.com"}));
    hints.push((0..2000).map(|number| format!("d{number}.example")).collect());
    hints
}

#[test]
fn no_list_of_domains_fails_a_call_that_only_takes_it_as_a_hint() {
    let panel = Panel::on_a_tree(50);
    panel.created("bob", "bob.example");
    for (number, hint) in hints().into_iter().enumerate() {
        let name = format!("alice{number}");
        let domain = format!("{name}.example");
        panel.created(&name, &domain);
        for action in ["suspend", "unsuspend"] {
            let body = json!({"username": name, "domains": hint, "action": action});
            assert_eq!(panel.post("/account/suspend", &body).ok()["suspended"], action == "suspend", "{hint}");
            assert_eq!(panel.account(&name).unwrap()["suspended"], action == "suspend", "{hint}");
        }
        let body = json!({"username": name, "domains": hint, "databases": hint});
        let stats = panel.post("/stats/account", &body).ok()["stats"]["bandwidth"]["domains"].clone();
        let asked = hint.as_array().map(|list| list.iter().filter(|name| name.is_string()).cloned());
        for name in asked.into_iter().flatten() {
            assert!(stats[name.as_str().unwrap()]["request_count"].is_number(), "{name}: {stats}");
        }
        panel.post("/account/delete", &json!({"username": name, "domains": hint})).ok();
        assert_eq!(panel.usernames(), ["bob"], "{hint}");
    }
}

#[test]
fn a_body_that_is_not_an_object_is_refused() {
    let (panel, before) = with_alice();
    let deep = "[".repeat(10_000);
    for body in
        ["[1]", "null", "7", "\"alice\"", "{", "{\"username\":\"alice\"", "\u{feff}{}", "{\"a\":1}{\"b\":2}", &deep]
    {
        for (path, ..) in operations() {
            let answer = panel.post_bytes(path, body);
            assert!(answer.is(422, "validation_failed"), "{path} {body}: {answer:?}");
        }
    }
    assert_eq!(before.differences(&state(&panel), &[]), [""; 0]);
}

#[test]
fn existing_users_and_domains_cannot_be_taken_over() {
    let (panel, before) = with_alice();
    let ask = |path: &str, body: &Value| [panel.post(path, body), panel.helper().ask(path, body)];
    let refused = |path: &str, body: Value, status: u16, error: &str| {
        for answer in ask(path, &body) {
            assert!(answer.is(status, error), "{path} {body}: {answer:?}");
        }
        assert_eq!(before.differences(&state(&panel), &[]), [""; 0], "{path} {body}");
    };
    // System users and groups, and a domain of another account, in upper or lower case.
    for username in ["root", "www-data", "shadow", "opterius-accounts"] {
        for answer in ask("/domains/create", &site(username, "bob.example")) {
            let reserved = answer.is(422, "validation_failed") && answer.body["field"] == "username";
            assert!(reserved || answer.is(409, "conflict"), "{username}: {answer:?}");
        }
        assert_eq!(before.differences(&state(&panel), &[]), [""; 0], "{username}");
    }
    refused("/domains/create", site("bob", "alice.example"), 409, "conflict");
    refused(
        "/domains/create",
        json!({"domain": "ALICE.example", "document_root": "/home/bob/x", "username": "bob", "php_version": PHP}),
        409,
        "conflict",
    );
    // Users that are not accounts do not exist for any operation.
    for username in ["root", "www-data", "bob"] {
        refused(
            "/account/suspend",
            json!({"username": username, "domains": [], "action": "suspend"}),
            404,
            "not_found",
        );
        refused("/account/password", json!({"username": username, "password": "correct horse"}), 404, "not_found");
    }
    for domain in ["bob.example", "default"] {
        let answers = ask("/domains/delete", &json!({"domain": domain, "username": "alice"}));
        assert!(answers.iter().all(|answer| answer.status != 500), "{answers:?}");
    }
    let mut further = site("alice", "blog.alice.example");
    further["parent_domain"] = json!("bob.example");
    refused("/domains/create", further, 404, "not_found");
    for username in ["root", "www-data"] {
        let answers = ask("/account/delete", &json!({"username": username, "domains": []}));
        assert!(answers.iter().all(|answer| matches!(answer.status, 200 | 404)), "{answers:?}");
    }
    assert_eq!(before.differences(&state(&panel), &[]), [""; 0]);
}

#[test]
fn a_home_without_a_user_is_left_alone() {
    let (panel, _) = with_alice();
    std::fs::create_dir_all(panel.path("/home/bob/kept")).unwrap();
    let before = state(&panel);
    panel.create("bob", "bob.example").refuses(409, "conflict");
    panel.delete("bob").refuses(404, "not_found");
    assert_eq!(before.differences(&state(&panel), &[]), [""; 0]);
}

#[test]
fn an_account_cannot_use_the_domain_of_another() {
    let (panel, _) = with_alice();
    panel.created("bob", "bob.example");
    let before = state(&panel);
    let mut below = site("bob", "blog.alice.example");
    below["parent_domain"] = json!("alice.example");
    for (path, body) in [
        ("/domains/create", below),
        ("/domains/delete", json!({"domain": "alice.example", "username": "bob", "php_version": PHP})),
        ("/logs/tail", json!({"domain": "alice.example", "username": "bob", "log_type": "access"})),
    ] {
        for answer in [panel.post(path, &body), panel.helper().ask(path, &body)] {
            assert!(matches!(answer.status, 404 | 409), "{path}: {answer:?}");
        }
        assert_eq!(before.differences(&state(&panel), &[]), [""; 0], "{path}");
    }
}

#[test]
fn the_helper_accepts_only_known_operations() {
    let (panel, before) = with_alice();
    let helper = panel.helper();
    for path in [
        "/",
        "",
        "/bin/sh",
        "/domains/create/",
        "/../domains/create",
        "/files/download",
        "/domains/Create",
        "/license/status",
    ] {
        let answer = helper.ask(path, &json!({}));
        assert!((400..500).contains(&answer.status), "{path}: {answer:?}");
    }
    let garbage = ["", "{", "[]", "null", "{}", r#"{"path":"/account/delete"}"#, r#"{"path":7,"body":{}}"#, "\0\0\0\0"];
    for request in garbage {
        let output = helper.start_with(request).wait_with_output().unwrap();
        let refused = serde_json::from_slice::<Value>(&output.stdout).is_ok_and(|answer| answer["status"] != 200);
        assert!(refused || !output.status.success(), "{request}: {output:?}");
    }
    // The size limit applies while it reads.
    let endless = helper.ask_with(vec![b' '; 8 * 1024 * 1024]);
    assert!((400..500).contains(&endless.status), "{endless:?}");
    assert_eq!(before.differences(&state(&panel), &[]), [""; 0]);
}

#[test]
fn unknown_members_of_a_request_have_no_effect() {
    let (panel, before) = with_alice();
    // Unknown members are ignored, especially those that would select a host or change limits.
    let mut body = site("alice", "alice.example");
    for (member, value) in
        [("host_root", "/"), ("max_accounts", "1000"), ("home", "/root"), ("uid", "0"), ("shell", "/bin/bash")]
    {
        body[member] = json!(value);
    }
    panel.post("/domains/create", &body).ok();
    panel.helper().ask("/domains/create", &body).ok();
    assert_eq!(before.differences(&state(&panel), &[]), [""; 0]);
    assert!(!is_there("/home/alice"), "the machine itself was changed");
}
