//! `move`: a database is copied to the other engine and back, whole or not at all. The oracles are `psql` and SQLite itself.

use crate::support::engine::DatabasePlace;
use crate::support::eventually;
use crate::support::http::{Request, Response};
use crate::support::license_database::{OWNER, TestLicense};
use crate::support::license_server_process::{LicenseServerProcess, SERVERS, command_words};
use crate::support::postgresql::{Cluster, PASSWORD, ScratchDatabase};
use crate::support::process::{self, Process, START};
use opterius_license_server::random_token::sha256;
use rustix::process::Signal;
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The token of a session that goes on.
const TOKEN: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// Every table has rows, with missing, empty and unusual values, and some have several pages of them.
const FILL: &str = "
    INSERT INTO sessions (token_sha256, user_id, ends_at, started_at, used_at, address, browser)
        SELECT 'TOKEN', id, 9000000000, unixepoch(), unixepoch(), '203.0.113.9', 'Firefox' FROM users WHERE name = 'alice';
    UPDATE users SET second_factor = 'encrypted', second_factor_at = 5, second_factor_step = 7, mail = 'a@example.com'
        WHERE name <> 'alice';
    INSERT INTO recovery_codes (user_id, code_sha256) SELECT users.id, 'code' || value FROM users, json_each('[1,2,3]');
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500)
        INSERT INTO licenses (key, owner, plan, status, expires_at, created_at, revision, note, labels, reference)
        SELECT 'KEY-' || i, 1, 'business', 'active', iif(i % 2, NULL, 4102444800), i, i,
            char(10) || '“|\\' || char(9) || '''é' || char(128512), iif(i % 3, '', 'a b'), iif(i % 5, NULL, 'shop-' || i)
        FROM n;
    INSERT INTO license_labels (label, license) SELECT value, licenses.id FROM licenses, json_each('[\"a\",\"b\"]') WHERE labels <> '';
    INSERT INTO activations (license, ip, sequence, started_at, last_seen_at, observed_ip, hostname)
        SELECT licenses.id, '198.51.100.' || value, licenses.id * 10 + value, 1, 2, '198.51.100.1',
            iif(value = 1, NULL, 'Host' || licenses.id)
        FROM licenses, json_each('[1,2,10]') WHERE licenses.key LIKE 'KEY-%';
    INSERT OR IGNORE INTO refusals (license, ip, reason, message, first_at, last_at, denials)
        VALUES (1, '::1', 'expired', '', 1, 2, 3);
    INSERT OR IGNORE INTO blocks (license, ip, ends_at, server_id) VALUES (1, '::2', 9000000000, NULL);
    INSERT INTO api_answers SELECT id, 'key', 'sha', 201, '{\"a\":\"b\"}', 3 FROM api_tokens;
    INSERT INTO webhook_events (name, type, created_at, license, data) VALUES ('evt_a', 'license.created', 1, 1, '{}'),
        ('evt_b', 'server.refused', 2, NULL, '{}');
    INSERT INTO webhook_deliveries (webhook, event, state, queued_at, next_at, status, answer)
        SELECT webhooks.id, webhook_events.id, 'given up', 1, 2, 500, 'no' FROM webhooks, webhook_events
        WHERE webhook_events.name LIKE 'evt\\__' ESCAPE '\\';
    INSERT OR IGNORE INTO daily_figures (day, granted, refused, servers) VALUES (1, 9223372036854775807, 3, NULL), (-1, 0, 0, 4);
    INSERT OR IGNORE INTO latest_figures (id, figures) VALUES (1, '{}');
    DELETE FROM activations WHERE license = (SELECT id FROM licenses WHERE key = 'KEY-2500');
    DELETE FROM license_labels WHERE license = (SELECT id FROM licenses WHERE key = 'KEY-2500');
    DELETE FROM licenses WHERE key = 'KEY-2500';
    INSERT INTO deferred_check_ins (license, ip, at) SELECT license, ip, 3 FROM activations WHERE ip = '198.51.100.10';
    INSERT INTO api_creations SELECT max(id), 1, 'sha', 4 FROM licenses;
    INSERT INTO expiry_notices SELECT max(id), 5, 30 FROM licenses;";

fn stop(server: &LicenseServerProcess) {
    server.signal(Signal::TERM);
    assert!(server.wait_exit(START).success());
}

/// A stopped server with a full database in a file, and a license of the server at the first address.
fn full() -> (LicenseServerProcess, TestLicense) {
    let server = LicenseServerProcess::builder_at(DatabasePlace::in_directory()).start();
    let license = server.database.license("free");
    assert_eq!(verify(&server, &license, SERVERS[0]).status, 200);
    assert_eq!(verify(&server, &license, SERVERS[1]).status, 403);
    for words in [
        &["token", "add", "shop", "--scopes", "licenses:read"][..],
        &["webhook", "add", "https://shop.example.com/hook", "--events", "license.created"],
        &["user", "add", "bob", "--invite"],
    ] {
        let output = server.run(words);
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    stop(&server);
    let connection = rusqlite::Connection::open(file(&server)).unwrap();
    connection.execute_batch(&FILL.replace("TOKEN", &sha256(TOKEN))).unwrap();
    (server, license)
}

fn verify(server: &LicenseServerProcess, license: &TestLicense, address: &str) -> Response {
    server.verify(&json!({"key": license.key, "server_ip": address}))
}

fn file(server: &LicenseServerProcess) -> PathBuf {
    server.directory().join("data/licenses.db")
}

/// Runs `move`; returns its exit code and output.
fn move_database(server: &LicenseServerProcess, from: &str, to: &str) -> (Option<i32>, String) {
    let output = server.run(&["move", "--from", from, "--to", to]);
    let text = [output.stdout.as_slice(), &output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&text).into_owned())
}

fn assert_moved(server: &LicenseServerProcess, from: &str, to: &str) -> String {
    let (code, output) = move_database(server, from, to);
    assert_eq!(code, Some(0), "{output}");
    output
}

/// The tables with their columns by name.
fn tables(connection: &rusqlite::Connection) -> Vec<(String, Vec<String>)> {
    let strings = |sql: &str| -> Vec<String> {
        let mut statement = connection.prepare(sql).unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let names =
        strings("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name");
    let columns = |name: &String| strings(&format!("SELECT name FROM pragma_table_info('{name}') ORDER BY name"));
    names.iter().map(|name| (name.clone(), columns(name))).collect()
}

/// A query for all rows of a table as lines.
fn lines_query(table: &str, columns: &[String]) -> String {
    let column = |name: &String| format!("coalesce(CAST(\"{name}\" AS TEXT), '∅')");
    let line = columns.iter().map(column).collect::<Vec<_>>().join(" || '|' || ");
    let condition = if table == "settings" { " WHERE name NOT IN ('application', 'schema_version')" } else { "" };
    format!("SELECT {line} FROM {table}{condition}")
}

/// A table: its name, and the number and the SHA-256 of its rows as lines.
type Summary = (String, String);

/// All tables of a file.
fn rows_of_file(path: &Path) -> Vec<Summary> {
    let connection = rusqlite::Connection::open(path).unwrap();
    let rows = |(table, columns): (String, Vec<String>)| {
        let mut statement = connection.prepare(&lines_query(&table, &columns)).unwrap();
        let mut lines: Vec<String> = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        lines.sort_unstable();
        (table, format!("{} {}", lines.len(), sha256(&lines.join("\n"))))
    };
    tables(&connection).into_iter().map(rows).collect()
}

/// All tables of a database of PostgreSQL, which are those of the file.
fn rows_of_server(database: &ScratchDatabase, like: &Path) -> Vec<Summary> {
    let tables = tables(&rusqlite::Connection::open(like).unwrap());
    let rows = |(table, columns): (String, Vec<String>)| {
        let lines = lines_query(&table, &columns);
        let text = database.psql(&format!(
            "SELECT count(*) || ' ' || encode(sha256(convert_to(coalesce(string_agg(line, chr(10)
                ORDER BY line COLLATE \"C\"), ''), 'UTF8')), 'hex') FROM ({lines}) AS lines (line)"
        ));
        (table, text)
    };
    tables.into_iter().map(rows).collect()
}

#[test]
fn a_moved_database_is_the_same_and_the_server_goes_on_with_it() {
    let (mut server, license) = full();
    let source = file(&server);
    let before = rows_of_file(&source);
    for (table, rows) in &before {
        assert!(!rows.starts_with("0 "), "{table} has no rows");
    }
    let target = ScratchDatabase::empty();
    let output = assert_moved(&server, &source.display().to_string(), &target.uri());
    for expected in [
        "activations",
        "7498",
        "signing-keys.json",
        "set database in license-server.conf to the connection string",
        "check",
    ] {
        assert!(output.contains(expected), "“{expected}” in {output}");
    }
    assert_eq!(rows_of_server(&target, &source), before);
    assert_eq!(rows_of_file(&source), before, "the source is unchanged");

    server.rewrite_config(&[("database", &target.uri())]);
    let check = server.run(&["check"]);
    assert!(check.status.success(), "{}", String::from_utf8_lossy(&check.stdout));
    server.restart();
    assert_goes_on(&server, &license, 2502);
    let check_ins =
        "SELECT (SELECT count(*) FROM deferred_check_ins), count(*) FROM activations WHERE last_seen_at = 3";
    assert_eq!(target.psql(check_ins), "0|2499", "what waited when the server stopped is with the servers");
    stop(&server);

    let back = server.directory().join("data/back.db");
    assert_moved(&server, &target.uri(), &back.display().to_string());
    assert_eq!(rows_of_file(&back), rows_of_server(&target, &back));
    let left: Vec<_> =
        fs::read_dir(server.directory().join("data")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!left.iter().any(|path| path.display().to_string().contains("moving")), "{left:?}");
    server.rewrite_config(&[("database", &back.display().to_string())]);
    server.restart();
    assert_goes_on(&server, &license, 2503);
}

/// The server answers, a session goes on, and the next license has this number.
fn assert_goes_on(server: &LicenseServerProcess, license: &TestLicense, next: i64) {
    assert_eq!(verify(server, license, SERVERS[0]).status, 200);
    assert_eq!(verify(server, license, SERVERS[1]).status, 403);
    let page = server.fetch(Request::get("/licenses").header("Cookie", &format!("opterius_session={TOKEN}")));
    assert_eq!(page.status, 200, "{}", page.head_text());
    let created = server.run(&["license", "create", "--owner", OWNER, "--plan", "free", "--json"]);
    let created: serde_json::Value = serde_json::from_slice(&created.stdout).unwrap();
    assert_eq!(created["id"], json!(next), "{created}");
}

#[test]
fn what_cannot_be_moved_is_refused_and_nothing_is_changed() {
    let (mut server, _) = full();
    let source = file(&server).display().to_string();
    let refused = |server: &LicenseServerProcess, from: &str, to: &str, code: i32, expected: &str| {
        let (found, output) = move_database(server, from, to);
        assert!(found == Some(code) && output.contains(expected), "{from} {to}: {found:?} {output}");
        assert!(!output.contains(PASSWORD), "{output}");
    };
    let empty = ScratchDatabase::empty();
    let other = ScratchDatabase::empty();
    other.psql("CREATE TABLE orders (id BIGINT); INSERT INTO orders VALUES (7)");
    refused(&server, &source, &other.uri(), 78, "the database is not empty");
    assert_eq!(other.psql("SELECT * FROM orders"), "7");
    let taken = server.directory().join("taken.db");
    fs::write(&taken, "mine").unwrap();
    refused(&server, &source, &taken.display().to_string(), 1, "already exists");
    assert_eq!(fs::read_to_string(&taken).unwrap(), "mine");
    refused(&server, &source, &source, 1, "the source and the target");
    refused(&server, "/nonexistent.db", &empty.uri(), 78, "/nonexistent.db");
    refused(&server, &taken.display().to_string(), &empty.uri(), 78, "taken.db");
    refused(&server, &other.uri(), "/nonexistent/new.db", 78, "has no tables of the license server");
    refused(&server, &source, "/nonexistent/new.db", 1, "/nonexistent/new.db");
    refused(&server, &source, "postgresql://opterius@127.0.0.1:1/opterius", 1, "127.0.0.1:1");
    refused(&server, &source, &Cluster::tcp_uri(1), 64, "must not have a password");
    refused(&server, &source, "licenses.db", 64, "absolute path");
    server.restart();
    refused(&server, &source, &empty.uri(), 1, "systemctl stop opterius-license-server");
    stop(&server);
    let before = rows_of_file(&file(&server));
    // Another process that is no license server, as SQLite sees it.
    let connection = rusqlite::Connection::open(&source).unwrap();
    connection.query_row("SELECT count(*) FROM plans", [], |row| row.get::<_, i64>(0)).unwrap();
    refused(&server, &source, &empty.uri(), 1, "another process uses the database");
    drop(connection);
    assert_eq!(empty.psql("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"), "0");

    // The other direction: a server that is connected, and a schema of another program.
    assert_moved(&server, &source, &empty.uri());
    server.rewrite_config(&[("database", &empty.uri())]);
    server.restart();
    let back = server.directory().join("back.db").display().to_string();
    refused(&server, &empty.uri(), &back, 1, "are connected");
    stop(&server);
    empty.psql("ALTER TABLE licenses ADD COLUMN other BIGINT");
    refused(&server, &empty.uri(), &back, 78, "The difference is in licenses");
    assert!(!Path::new(&back).exists() && !Path::new(&format!("{back}.moving")).exists());
    assert_eq!(rows_of_file(&file(&server)), before);
}

#[test]
fn the_databases_can_be_named_by_configuration_files() {
    let (server, _) = full();
    let target = ScratchDatabase::empty();
    let other = server.directory().join("other.conf");
    fs::write(&other, format!("data_dir=/nonexistent\ndatabase={}\n", target.uri())).unwrap();
    let (own, other) = (server.config_path().display().to_string(), other.display().to_string());
    let output = server.run(&["move", "--from-config", &own, "--to-config", &other]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains(&format!("--config {other} check")), "{output:?}");
    assert_eq!(rows_of_server(&target, &file(&server)), rows_of_file(&file(&server)));
    for words in [&["move", "--from-config", &own][..], &["move", "--from-config", &own, "--from", "/a", "--to", "/b"]]
    {
        assert_eq!(server.run(words).status.code(), Some(64), "{words:?}");
    }
}

#[test]
fn an_interrupted_move_leaves_nothing_and_is_repeated() {
    let (server, _) = full();
    let source = file(&server);
    let target = ScratchDatabase::empty();
    let start = |from: &str, to: &str| {
        Process::start(process::command(&command_words(server.directory(), &["move", "--from", from, "--to", to])))
    };
    let (from, uri) = (source.display().to_string(), target.uri());
    let connected = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename = 'opterius'";
    let objects = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace";
    for delay in [0, 20, 60] {
        let interrupted = start(&from, &uri);
        assert!(eventually(START, || target.psql(connected) != "0"));
        std::thread::park_timeout(Duration::from_millis(delay));
        interrupted.kill();
        assert!(eventually(START, || target.psql(connected) == "0"));
        if target.psql(objects) != "0" {
            // It was done before it was killed.
            break;
        }
    }
    if target.psql(objects) == "0" {
        assert_moved(&server, &from, &uri);
    }
    assert_eq!(rows_of_server(&target, &source), rows_of_file(&source));

    let back = server.directory().join("back.db");
    let unfinished = server.directory().join("back.db.moving");
    let interrupted = start(&uri, &back.display().to_string());
    assert!(eventually(START, || unfinished.exists() || back.exists()));
    interrupted.kill();
    assert!(eventually(START, || target.psql(connected) == "0"));
    if !back.exists() {
        assert!(unfinished.exists());
        assert_moved(&server, &uri, &back.display().to_string());
    }
    assert!(!unfinished.exists());
    assert_eq!(rows_of_file(&back), rows_of_server(&target, &source));
}

#[test]
fn a_full_disk_of_the_target_is_said_and_the_move_is_repeated() {
    let (server, _) = full();
    let from = file(&server).display().to_string();
    let cluster = Cluster::builder().on_disk(64).start();
    // A database that was never used has files to write before it can say what is wrong.
    cluster.psql("SELECT 1");
    cluster.fill_disk();
    let (code, output) = move_database(&server, &from, &cluster.uri());
    assert!(code == Some(1) && output.contains("full"), "{code:?} {output}");
    cluster.free_disk();
    if !cluster.is_running() || !cluster.answers_within(Duration::from_secs(20)) {
        cluster.restart();
    }
    assert_moved(&server, &from, &cluster.uri());
    assert_eq!(cluster.psql("SELECT count(*) FROM activations WHERE license > 1"), "7497");

    let program = crate::support::programs::license_server();
    let script = format!(
        "mkdir $DIRECTORY/small; mount -t tmpfs none $DIRECTORY/small -o mode=0700,size=600k
         move='{} move --from {from} --to'
         ! $move $DIRECTORY/small/new.db 2>$DIRECTORY/said || exit 1
         ls -A $DIRECTORY/small >$DIRECTORY/left
         mount -o remount,size=60m $DIRECTORY/small
         exec $move $DIRECTORY/small/new.db",
        Path::new(&program).display()
    );
    let words = process::after_mounting(server.directory(), &script);
    let output = process::command(&[&words[..], &["true".to_owned()]].concat()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let read = |name: &str| fs::read_to_string(server.directory().join(name)).unwrap();
    assert!(read("said").contains("the disk is full"), "{}", read("said"));
    assert_eq!(read("left"), "");
}
