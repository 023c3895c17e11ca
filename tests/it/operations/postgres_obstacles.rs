//! What one account holds in PostgreSQL, and what settings it gives its database, holds up no operation.

use std::process::Child;

use super::postgres::{as_user, bobs, create_user, root, shops};
use crate::support::machine::{on_a_machine, shell_as};
use crate::support::panel::{Answer, Panel};
use crate::support::{SOON, eventually};
use serde_json::json;

/// Transactions that hold roles, databases, and their settings.
const HOLDING: [&str; 4] = [
    "GRANT SELECT ON t TO bob_web",
    "GRANT SELECT ON t TO bob_u",
    "SET ROLE NONE; ALTER ROLE alice_u IN DATABASE bob_shop SET work_mem = ''4MB''",
    "SET ROLE NONE; ALTER ROLE alice_u PASSWORD ''correct horse''",
];

/// An open transaction of Alice's.
fn held(sql: &str) -> Child {
    let sql = sql.replace("''", "'\\''");
    let script = format!(
        "PGPASSWORD='correct horse' exec psql -X -h 127.0.0.1 -U alice_u -d alice_shop -c 'SET client_min_messages = error' -c 'BEGIN' \
         -c '{sql}' -c 'SELECT pg_sleep(600)'"
    );
    let child = shell_as("root", &script).spawn().unwrap();
    assert!(eventually(SOON, || sleeping() == "1\n"), "{sql}");
    child
}

fn sleeping() -> String {
    root("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%' AND pid <> pg_backend_pid()")
}

fn back_up(panel: &Panel, account: &str) -> String {
    let body = json!({"username": account, "type": "databases", "databases": [], "domains": []});
    panel.post("/backup/create", &body).ok()["filename"].as_str().unwrap().to_owned()
}

fn restore(panel: &Panel, account: &str, filename: &str) -> Answer {
    panel.post("/backup/restore", &json!({"filename": filename, "username": account, "type": "databases"}))
}

#[test]
fn open_transactions_of_one_account_hold_up_no_other() {
    on_a_machine(open_transactions_of_one_account_hold_up_no_other, || {
        let panel = shops();
        let ended = |mut holding: Child, is_in_the_way: bool| {
            if !is_in_the_way {
                root("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'alice_u'");
            }
            holding.wait().unwrap();
            assert!(eventually(SOON, || sleeping() == "0\n"));
        };
        for sql in HOLDING {
            panel.post("/postgres/create", &json!({"name": "bob_shop"})).ok();
            create_user(&panel, "bob_web", "bob_shop").ok();
            create_user(&panel, "bob_u", "bob_shop").ok();
            as_user("bob_web", "bob_shop", "CREATE TABLE IF NOT EXISTS w AS SELECT 8 AS v;");
            let filename = back_up(&panel, "bob");
            let holding = held(sql);
            restore(&panel, "bob", &filename).ok();
            panel.post("/postgres/user-password", &json!({"pg_username": "bob_u", "password": "correct horse"})).ok();
            assert_eq!(as_user("bob_u", "bob_shop", "SELECT v FROM w"), "8\n");
            ended(holding, sleeping() == "0\n");
            let holding = held(sql);
            panel.post("/postgres/user-delete", &json!({"pg_username": "bob_web"})).ok();
            ended(holding, sleeping() == "0\n");
            let holding = held(sql.replace("bob_web", "bob_u").as_str());
            panel.post("/postgres/delete", &json!({"name": "bob_shop"})).ok();
            panel.post("/postgres/user-delete", &json!({"pg_username": "bob_u"})).ok();
            ended(holding, sleeping() == "0\n");
        }
        panel.post("/postgres/create", &json!({"name": "bob_shop"})).ok();
        create_user(&panel, "bob_u", "bob_shop").ok();
        let holding = held(HOLDING[1]);
        panel.delete("bob").ok();
        ended(holding, true);
        assert_eq!(root("SELECT rolname FROM pg_roles WHERE rolname LIKE 'bob%'"), "");
        assert_eq!(as_user("alice_u", "alice_shop", "SELECT v FROM t"), "7\n");
    });
}

#[test]
fn settings_of_a_database_keep_no_operation_from_it() {
    on_a_machine(settings_of_a_database_keep_no_operation_from_it, || {
        let panel = shops();
        let bobs_before = bobs();
        let hostile = "ALTER DATABASE alice_shop SET local_preload_libraries = 'nonexistent'";
        let template = "ALTER DATABASE alice_shop IS_TEMPLATE true";
        as_user("alice_u", "postgres", template);
        as_user("alice_u", "postgres", hostile);
        let filename = back_up(&panel, "alice");
        panel.post("/postgres/info", &json!({"name": "alice_shop"})).ok();
        restore(&panel, "alice", &filename).ok();
        assert_eq!(root("SELECT datname FROM pg_database WHERE datname LIKE 'alice%'"), "alice_shop\n");
        as_user("alice_u", "postgres", template);
        panel.post("/postgres/delete", &json!({"name": "alice_shop"})).ok();
        panel.post("/postgres/create", &json!({"name": "alice_shop"})).ok();
        create_user(&panel, "alice_u", "alice_shop").ok();
        as_user("alice_u", "postgres", template);
        as_user("alice_u", "postgres", hostile);
        panel.delete("alice").ok();
        assert_eq!(root("SELECT datname FROM pg_database WHERE datname LIKE 'alice%'"), "");
        assert_eq!(bobs(), bobs_before);
    });
}
