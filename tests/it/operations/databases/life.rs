//! Databases of accounts that are suspended or deleted, and servers that are stopped, frozen, full, missing, or another user's.

use super::{PASSWORD, as_user, bobs, call, create, create_user, root, shops, start_mariadb, try_as};
use crate::operations::{hosting, is_there, shows};
use crate::support::machine::{on_a_machine, run, shell_as};
use crate::support::{SOON, eventually};
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::json;
use std::time::Instant;

#[test]
fn a_suspension_locks_the_users_and_ends_their_connections() {
    on_a_machine(a_suspension_locks_the_users_and_ends_their_connections, || {
        let panel = shops();
        create_user(&panel, "alice_closed", "alice_shop", "localhost").ok();
        root("ALTER USER alice_closed@localhost ACCOUNT LOCK");
        let bobs_before = bobs();
        let all = || root("SELECT User, Host, Priv FROM mysql.global_priv WHERE User LIKE 'alice%' ORDER BY User");
        let before = all();
        let mut sleeping = shell_as(
            "root",
            &format!("MYSQL_PWD='{PASSWORD}' exec mariadb --no-defaults --user=alice_u -e 'SELECT SLEEP(600)'"),
        )
        .spawn()
        .unwrap();
        let connections = || root("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER LIKE 'alice%'");
        assert!(eventually(SOON, || connections() == "1\n"));
        for _ in 0..2 {
            panel.suspend("alice").ok();
            assert_eq!(connections(), "0\n");
            assert!(
                try_as("alice_u", PASSWORD, "localhost", "SELECT 1").unwrap_err().contains("4151"),
                "the account is locked"
            );
        }
        sleeping.wait().unwrap();
        // New users and passwords of a suspended account wait for its end.
        create_user(&panel, "alice_new", "alice_shop", "localhost").ok();
        assert!(try_as("alice_new", PASSWORD, "localhost", "SELECT 1").is_err());
        call(
            &panel,
            "user-password",
            json!({"username": "alice_u", "password": "battery staple", "host": "localhost"}),
        )
        .ok();
        assert!(try_as("alice_u", "battery staple", "localhost", "SELECT 1").is_err());
        call(&panel, "user-password", json!({"username": "alice_u", "password": PASSWORD, "host": "localhost"})).ok();
        // Without the server, it is not unsuspended, and a repeat completes it.
        run("systemctl stop mariadb");
        panel.unsuspend("alice").refuses(503, "operations_unavailable");
        assert_eq!(panel.account("alice").unwrap()["suspended"], true);
        start_mariadb();
        for _ in 0..2 {
            panel.unsuspend("alice").ok();
        }
        assert_eq!(as_user("alice_u", "SELECT v FROM alice_shop.t"), "7\n");
        assert_eq!(as_user("alice_new", "SELECT v FROM alice_shop.t"), "7\n");
        call(&panel, "user-delete", json!({"username": "alice_new"})).ok();
        let locks = |text: &str| text.matches("\"account_locked\":true").count();
        assert_eq!((locks(&all()), locks(&before)), (1, 1), "{}", all());
        assert!(try_as("alice_closed", PASSWORD, "localhost", "SELECT 1").is_err());
        assert_eq!(bobs(), bobs_before);
    });
}

#[test]
fn a_deletion_is_not_complete_before_the_databases_are_gone() {
    on_a_machine(a_deletion_is_not_complete_before_the_databases_are_gone, || {
        let panel = shops();
        let bobs_before = bobs();
        run("systemctl stop mariadb");
        let answer = panel.delete("alice");
        assert!(answer.is(503, "operations_unavailable"), "{answer:?}");
        let said = answer.body["error"].as_str().unwrap();
        assert!(said.contains("systemctl start mariadb") && said.contains("delete the account again"), "{said}");
        create(&panel, "bob_more").refuses(503, "operations_unavailable");
        assert!(panel.account("alice").is_some());
        start_mariadb();
        // A connection of hers holds a table.
        let held = format!(
            "MYSQL_PWD='{PASSWORD}' exec mariadb --no-defaults --user=alice_u -e 'LOCK TABLES alice_shop.t WRITE; SELECT SLEEP(600)'"
        );
        let mut holding = shell_as("root", &held).spawn().unwrap();
        assert!(eventually(SOON, || root("SHOW PROCESSLIST").contains("SLEEP")));
        panel.delete("alice").ok();
        holding.wait().unwrap();
        assert!(panel.account("alice").is_none());
        let left = root("SHOW DATABASES; SELECT User, Host, Db FROM mysql.db; SELECT User FROM mysql.global_priv");
        assert!(!left.contains("alice") && !is_there("/var/lib/opterius/databases/alice.json"), "{left}");
        assert_eq!(bobs(), bobs_before);
        // The next account of this name starts with nothing.
        panel.created("alice", "alice.example");
        call(&panel, "info", json!({"name": "alice_shop"})).refuses(404, "not_found");
    });
}

#[test]
fn a_database_in_use_is_deleted() {
    on_a_machine(a_database_in_use_is_deleted, || {
        let panel = shops();
        let bobs_before = bobs();
        // Opens the table again as soon as it is interrupted.
        let script = format!(
            "while :; do MYSQL_PWD='{PASSWORD}' mariadb --no-defaults --user=alice_u -e 'BEGIN; SELECT * FROM alice_shop.t; SELECT SLEEP(600)'; done"
        );
        let mut holding = shell_as("root", &script).spawn().unwrap();
        assert!(eventually(SOON, || root("SHOW PROCESSLIST").contains("SLEEP")));
        call(&panel, "delete", json!({"name": "alice_shop"})).ok();
        kill_process_group(Pid::from_child(&holding), Signal::KILL).unwrap();
        holding.wait().unwrap();
        assert_eq!(root("SHOW DATABASES LIKE 'alice%'"), "");
        assert_eq!(bobs(), bobs_before);
    });
}

#[test]
fn a_server_that_does_not_answer_holds_up_nothing_else() {
    on_a_machine(a_server_that_does_not_answer_holds_up_nothing_else, || {
        let panel = shops();
        run("pkill -STOP -x mariadbd");
        let start = Instant::now();
        let answer = create(&panel, "alice_more");
        assert!(matches!(answer.status, 503 | 504), "{answer:?}");
        assert!(panel.suspend("alice").status >= 500);
        assert_eq!(panel.account("alice").unwrap()["suspended"], true);
        shows("alice.example", "/", 503, "");
        panel.delete("alice").refuses(503, "operations_unavailable");
        assert!(start.elapsed() < SOON * 6, "{:?}", start.elapsed());
        run("pkill -CONT -x mariadbd");
        panel.delete("alice").ok();
        assert_eq!(root("SHOW DATABASES LIKE 'alice%'"), "");
    });
}

#[test]
fn all_connections_of_one_account_stop_no_operation() {
    on_a_machine(all_connections_of_one_account_stop_no_operation, || {
        let panel = shops();
        root("SET GLOBAL max_connections = 12");
        // Each tries again: Bob has one of the connections for a moment when he tries.
        let script = format!(
            "export MYSQL_PWD='{PASSWORD}'
             for i in $(seq 20); do (for n in $(seq 30); do mariadb --no-defaults --user=alice_u -e 'SELECT SLEEP(600)' || sleep 0.1; done) & \
             done; wait"
        );
        let mut crowd = shell_as("root", &script).spawn().unwrap();
        let refused =
            || try_as("bob_u", PASSWORD, "localhost", "SELECT 1").is_err_and(|error| error.contains("Too many"));
        assert!(eventually(SOON, refused));
        create(&panel, "bob_more").ok();
        create_user(&panel, "bob_more", "bob_more", "localhost").ok();
        panel.suspend("alice").ok();
        crowd.wait().unwrap();
        assert_eq!(try_as("bob_more", PASSWORD, "localhost", "SELECT 1"), Ok("1\n".to_owned()));
    });
}

#[test]
fn a_missing_or_foreign_server_is_an_answer_in_words() {
    on_a_machine(a_missing_or_foreign_server_is_an_answer_in_words, || {
        let panel = hosting(5);
        panel.created("alice", "alice.example");
        let refused = |wanted: &str| {
            let answer = create(&panel, "alice_shop");
            let said = answer.body["error"].as_str().unwrap_or_default().to_owned();
            assert!(answer.is(503, "operations_unavailable") && said.contains(wanted), "{answer:?}");
        };
        refused("systemctl start mariadb");
        // Another user's program in the server's place learns nothing.
        run("mkdir -p /run/mysqld && chmod 777 /run/mysqld");
        let script = "import socket; s = socket.socket(socket.AF_UNIX); s.bind('/run/mysqld/mysqld.sock'); s.listen(9); import time; time.sleep(600)";
        let mut impostor = shell_as("alice", &format!("exec python3 -c \"{script}\"")).spawn().unwrap();
        assert!(eventually(SOON, || is_there("/run/mysqld/mysqld.sock")));
        refused("and not “mysql”");
        impostor.kill().unwrap();
        impostor.wait().unwrap();
        run("rm -rf /run/mysqld; mv /usr/sbin/mariadbd /usr/sbin/hidden; rm -f /usr/sbin/mysqld");
        refused("apt-get install mariadb-server");
        panel.delete("alice").ok();
    });
}
