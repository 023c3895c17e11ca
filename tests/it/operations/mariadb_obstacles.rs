//! Sessions that write, lock and prepare transactions in MariaDB while a database is restored, deleted, repaired or dumped.

use super::databases::{as_user, bobs, root, shops};
use crate::support::machine::{attempt, on_a_machine, shell_as};
use crate::support::panel::{Answer, Panel};
use crate::support::{SOON, eventually};
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};

fn back_up(panel: &Panel) -> Answer {
    let body = json!({"username": "alice", "type": "databases", "databases": [], "domains": []});
    panel.post("/backup/create", &body)
}

fn restore(panel: &Panel, filename: &Value) -> Answer {
    panel.post("/backup/restore", &json!({"filename": filename, "username": "alice", "type": "databases"}))
}

fn said(answer: &Answer) -> String {
    answer.body["error"].as_str().unwrap_or_default().to_owned()
}

/// Names of sessions and privileges that a restoration makes.
fn state() -> String {
    root("SELECT User, Host, Db FROM mysql.db WHERE User LIKE 'alice%' ORDER BY 1; SHOW GRANTS FOR alice_u@localhost;")
}

#[test]
fn a_busy_database_is_restored() {
    on_a_machine(a_busy_database_is_restored, || {
        let panel = shops();
        let bobs_before = bobs();
        as_user(
            "alice_u",
            "USE alice_shop; CREATE TABLE busy (id INT PRIMARY KEY, v INT); INSERT INTO busy SELECT seq, 0 FROM seq_1_to_100000; \
             CREATE TABLE last (v INT)",
        );
        let filename = back_up(&panel).ok()["filename"].clone();
        let before = state();
        let script = "for i in 1 2 3; do while :; do MYSQL_PWD='correct horse' mariadb --no-defaults --user=alice_u -e 'INSERT INTO \
                      alice_shop.busy SELECT seq, 1 FROM alice_shop.t, alice_shop.seq_1_to_500 ON DUPLICATE KEY UPDATE busy.v = busy.v + 1; \
                      INSERT INTO alice_shop.busy SELECT 100001, 1 FROM alice_shop.t ON DUPLICATE KEY UPDATE busy.v = busy.v + 1'; done \
                      2>/dev/null & done; wait";
        let mut writing = shell_as("root", script).spawn().unwrap();
        let rows = || root("SELECT COUNT(*) FROM alice_shop.busy");
        assert!(eventually(SOON, || rows() == "100001\n"));
        for _ in 0..3 {
            restore(&panel, &filename).ok();
            assert!(["100000\n", "100001\n"].contains(&rows().as_str()));
            assert_eq!((root("SELECT v FROM alice_shop.t"), state()), ("7\n".to_owned(), before.clone()));
        }
        kill_process_group(Pid::from_child(&writing), Signal::KILL).unwrap();
        writing.wait().unwrap();
        assert_eq!(root("SELECT User FROM mysql.global_priv WHERE User LIKE '%:%'"), "");
        assert_eq!(bobs(), bobs_before);
    });
}

#[test]
fn a_user_who_was_kept_out_by_an_interruption_comes_back_or_is_gone() {
    on_a_machine(a_user_who_was_kept_out_by_an_interruption_comes_back_or_is_gone, || {
        let panel = shops();
        let bobs_before = bobs();
        let before = state();
        let filename = back_up(&panel).ok()["filename"].clone();
        let interrupt = || {
            root(
                "UPDATE mysql.db SET User = 'alice:u' WHERE User = 'alice_u'; FLUSH PRIVILEGES; DROP TABLE alice_shop.t",
            )
        };
        interrupt();
        restore(&panel, &filename).ok();
        assert_eq!((as_user("alice_u", "SELECT v FROM alice_shop.t"), state()), ("7\n".to_owned(), before.clone()));
        interrupt();
        let user =
            json!({"username": "alice_u", "password": "correct horse", "database": "alice_shop", "host": "localhost"});
        panel.post("/databases/user-create", &user).ok();
        restore(&panel, &filename).ok();
        assert_eq!(state(), before);
        interrupt();
        panel.delete("alice").ok();
        assert_eq!(root("SELECT User FROM mysql.db WHERE User LIKE 'alice%'; SHOW DATABASES LIKE 'alice%'"), "");
        assert_eq!(bobs(), bobs_before);
    });
}

#[test]
fn a_prepared_transaction_costs_no_part_of_a_database() {
    on_a_machine(a_prepared_transaction_costs_no_part_of_a_database, || {
        let panel = shops();
        let bobs_before = bobs();
        as_user(
            "alice_u",
            "CREATE TABLE alice_shop.a (v INT); CREATE TABLE alice_shop.xt (v INT); INSERT INTO alice_shop.xt VALUES (1)",
        );
        let filename = back_up(&panel).ok()["filename"].clone();
        let before = state();
        as_user("alice_u", "XA START 'x'; UPDATE alice_shop.xt SET v = 2; XA END 'x'; XA PREPARE 'x'");
        for answer in [restore(&panel, &filename), panel.post("/databases/delete", &json!({"name": "alice_shop"}))] {
            assert_eq!(answer.status, 504, "{answer:?}");
            assert!(said(&answer).contains("XA ROLLBACK"), "{answer:?}");
            assert_eq!(root("SHOW TABLES FROM alice_shop; SELECT v FROM alice_shop.t"), "a\nt\nxt\n7\n");
        }
        assert_eq!(root("SELECT User FROM mysql.global_priv WHERE User LIKE '%:%'"), "");
        // It is in the way of nobody else.
        panel.post("/databases/create", &json!({"name": "bob_more"})).ok();
        panel.post("/databases/delete", &json!({"name": "bob_more"})).ok();
        assert_eq!(bobs(), bobs_before);
        root("XA ROLLBACK 'x'");
        let user =
            json!({"username": "alice_u", "password": "correct horse", "database": "alice_shop", "host": "localhost"});
        panel.post("/databases/user-create", &user).ok();
        restore(&panel, &filename).ok();
        assert_eq!(state(), before);
        panel.delete("alice").ok();
    });
}

#[test]
fn a_table_in_use_is_neither_damaged_nor_too_large() {
    on_a_machine(a_table_in_use_is_neither_damaged_nor_too_large, || {
        let panel = shops();
        let bobs_before = bobs();
        let script = "MYSQL_PWD='correct horse' exec mariadb --no-defaults --user=alice_u -e 'LOCK TABLES alice_shop.t WRITE; SELECT \
                      SLEEP(600)'";
        let mut holding = shell_as("root", script).spawn().unwrap();
        assert!(eventually(SOON, || root("SHOW PROCESSLIST").contains("SLEEP")));
        for action in ["repair", "optimize"] {
            let answer = panel.post("/databases/repair", &json!({"name": "alice_shop", "action": action}));
            assert!(answer.status == 504 && said(&answer).contains("in use by another session"), "{answer:?}");
        }
        let answer = back_up(&panel);
        assert!(answer.status == 504 && said(&answer).contains("another session holds a table"), "{answer:?}");
        assert!(
            attempt("MYSQL_PWD='correct horse' mariadb --no-defaults --user=bob_u -e 'SELECT v FROM bob_shop.t'").0
        );
        holding.kill().unwrap();
        holding.wait().unwrap();
        assert!(eventually(SOON, || !root("SHOW PROCESSLIST").contains("SLEEP")));
        back_up(&panel).ok();
        assert_eq!(bobs(), bobs_before);
    });
}
