//! What one account holds in PostgreSQL, and what settings it gives its database, holds up no operation on another account, nor
//! its own suspension.

use std::process::Child;

use super::databases::{root as mariadb, start_mariadb};
use super::postgres::{as_user, bobs, create_user, root, shops, try_as};
use crate::support::machine::{on_a_machine, run, shell_as};
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
fn an_open_transaction_does_not_keep_its_own_account_from_being_suspended() {
    on_a_machine(an_open_transaction_does_not_keep_its_own_account_from_being_suspended, || {
        let panel = shops();
        create_user(&panel, "bob_web", "bob_shop").ok();
        let bobs_before = bobs();
        for sql in HOLDING {
            let mut holding = held(sql);
            panel.suspend("alice").ok();
            assert_eq!(root("SELECT count(*) FROM pg_stat_activity WHERE usename LIKE 'alice%'"), "0\n");
            assert!(try_as("alice_u", "correct horse", "alice_shop", "SELECT 1").is_err());
            holding.wait().unwrap();
            panel.unsuspend("alice").ok();
            assert_eq!(as_user("alice_u", "alice_shop", "SELECT v FROM t"), "7\n");
        }
        // An administrator's transaction is not ended: the suspension fails, and no session of hers goes on.
        let script = "exec setpriv --reuid postgres --regid postgres --clear-groups psql -X -h /run/postgresql -c BEGIN \
                      -c 'ALTER ROLE alice_u CONNECTION LIMIT 7' -c 'SELECT pg_sleep(45)'";
        let mut administrator = shell_as("root", script).spawn().unwrap();
        assert!(eventually(SOON, || root(
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(45)%' AND pid <> pg_backend_pid()"
        ) == "1\n"));
        let script =
            "PGPASSWORD='correct horse' exec psql -X -h 127.0.0.1 -U alice_u -d alice_shop -c 'SELECT pg_sleep(600)'";
        let mut holding = shell_as("root", script).spawn().unwrap();
        assert!(eventually(SOON, || sleeping() == "1\n"));
        panel.suspend("alice").refuses(504, "operation_timeout");
        assert_eq!(sleeping(), "0\n");
        holding.wait().unwrap();
        assert!(administrator.wait().unwrap().success());
        panel.suspend("alice").ok();
        assert_eq!(bobs(), bobs_before);
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

#[test]
fn a_stopped_server_keeps_nothing_alive_in_the_other() {
    on_a_machine(a_stopped_server_keeps_nothing_alive_in_the_other, || {
        let panel = shops();
        let bobs_before = bobs();
        start_mariadb();
        panel.post("/databases/create", &json!({"name": "alice_shop"})).ok();
        let user =
            json!({"username": "alice_m", "password": "correct horse", "database": "alice_shop", "host": "localhost"});
        panel.post("/databases/user-create", &user).ok();
        run("systemctl stop mariadb");
        panel.suspend("alice").refuses(503, "operations_unavailable");
        assert!(try_as("alice_u", "correct horse", "alice_shop", "SELECT 1").is_err());
        panel.delete("alice").refuses(503, "operations_unavailable");
        assert_eq!(root("SELECT rolname FROM pg_roles WHERE rolname LIKE 'alice%'"), "");
        start_mariadb();
        panel.delete("alice").ok();
        assert!(!mariadb("SHOW DATABASES").contains("alice"));
        assert_eq!(bobs(), bobs_before);
    });
}
