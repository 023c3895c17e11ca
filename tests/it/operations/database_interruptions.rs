//! Operations on databases that are killed before or after any of their tools: a repeat completes them, and the deletion of the
//! account leaves nothing.

use super::hosting;
use super::tampering::{Fault, Tampered};
use crate::support::machine::{attempt, on_a_machine, run};
use crate::support::panel::{Answer, Panel};
use serde_json::{Value, json};

/// What differs between the two servers.
struct Server {
    start: &'static str,
    path: &'static str,
    user: &'static str,
    /// Lists everything that has Alice's name.
    list: &'static str,
    /// Counts the rows of a table as her user.
    sign_in: &'static str,
}

const MARIADB: Server = Server {
    start: "systemctl start mariadb",
    path: "/databases",
    user: "username",
    list: "mariadb --no-defaults -N -B -e \"SELECT SCHEMA_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME LIKE 'alice%'; \
           SELECT User FROM mysql.global_priv WHERE User LIKE 'alice%'; SELECT User, Db FROM mysql.db WHERE User LIKE 'alice%'\"",
    sign_in: "MYSQL_PWD='correct horse' mariadb --no-defaults --user=alice_u alice_shop -e 'SHOW TABLES'",
};

const POSTGRESQL: Server = Server {
    start: "pg_ctlcluster --skip-systemctl-redirect $(ls /etc/postgresql) main start; sleep 1",
    path: "/postgres",
    user: "pg_username",
    list: "setpriv --reuid postgres --regid postgres --clear-groups psql -X -A -t -h /run/postgresql -c \"SELECT datname FROM \
           pg_database WHERE datname LIKE 'alice%' UNION ALL SELECT rolname FROM pg_roles WHERE rolname LIKE 'alice%'\"",
    sign_in: "PGPASSWORD='correct horse' psql -X -w -h 127.0.0.1 -U alice_u -d alice_shop -c '\\dt'",
};

impl Server {
    fn call(&self, panel: &Panel, what: &str, body: &Value) -> Answer {
        panel.post(&format!("{}/{what}", self.path), body)
    }

    fn database() -> Value {
        json!({"name": "alice_shop"})
    }

    fn user(&self) -> Value {
        json!({self.user: "alice_u", "password": "correct horse", "database": "alice_shop", "host": "localhost"})
    }

    /// All changes, in their order: path, body, and whether she can sign in afterwards.
    fn changes(&self) -> Vec<(&'static str, Value, bool)> {
        let password = |password: &str| json!({self.user: "alice_u", "password": password, "host": "localhost"});
        let mut changes = vec![
            ("create", Self::database(), false),
            ("user-create", self.user(), true),
            ("user-password", password("battery staple"), false),
            ("user-password", password("correct horse"), true),
            ("user-delete", json!({self.user: "alice_u"}), false),
            ("delete", Self::database(), false),
        ];
        if self.path == MARIADB.path {
            changes.insert(2, ("repair", json!({"name": "alice_shop", "action": "optimize"}), true));
        }
        changes
    }
}

fn survive_every_kill(server: &Server) {
    let panel = hosting(5);
    run(server.start);
    let tampered = Tampered::new();
    panel.created("alice", "alice.example");
    for fault in [Fault::KillBefore as fn(usize) -> Fault, Fault::KillAfter] {
        for number in 1.. {
            let mut was_reached = false;
            for (what, body, signs_in) in server.changes() {
                tampered.set(Some(fault(number)));
                let killed = server.call(&panel, what, &body);
                was_reached |= tampered.count() >= number;
                let log = tampered.log();
                tampered.set(None);
                let repeated = server.call(&panel, what, &body);
                let shown = format!("{what} {:?}: {killed:?}, {repeated:?}\n{log}", fault(number));
                let is_deletion = what.ends_with("delete");
                assert!(repeated.status == 200 || (is_deletion && repeated.status == 404), "{shown}");
                if signs_in {
                    run(server.sign_in);
                }
            }
            assert_eq!(run(server.list), "", "{:?}", fault(number));
            assert!(!super::is_there("/var/lib/opterius/databases/alice.json"));
            if !was_reached {
                break;
            }
        }
    }
}

fn are_deleted_with_their_account(server: &Server) {
    let panel = hosting(5);
    run(server.start);
    let tampered = Tampered::new();
    for number in 1.. {
        panel.created("alice", "alice.example");
        let mut was_reached = false;
        for (what, body) in [("create", Server::database()), ("user-create", server.user())] {
            tampered.set(Some(Fault::KillAfter(number)));
            server.call(&panel, what, &body);
            was_reached |= tampered.count() >= number;
            tampered.set(None);
        }
        let answer = panel.delete("alice");
        assert_eq!((answer.status, run(server.list).as_str()), (200, ""), "{number}: {answer:?}");
        if !was_reached {
            break;
        }
    }
}

/// Suspends and unsuspends Alice, and deletes her account, killed at each tool in turn.
fn are_suspended_and_deleted(server: &Server) {
    let panel = hosting(5);
    run(server.start);
    let tampered = Tampered::new();
    let killed = |operation: &dyn Fn() -> Answer, number: usize| {
        tampered.set(Some(Fault::KillAfter(number)));
        operation();
        let was_reached = tampered.count() >= number;
        let log = tampered.log();
        tampered.set(None);
        let repeated = operation();
        assert!(matches!(repeated.status, 200 | 404), "{number}: {repeated:?}\n{log}");
        was_reached
    };
    let make = || {
        panel.created("alice", "alice.example");
        server.call(&panel, "create", &Server::database()).ok();
        server.call(&panel, "user-create", &server.user()).ok();
    };
    make();
    for number in 1.. {
        let suspending = killed(&|| panel.suspend("alice"), number);
        assert!(!attempt(server.sign_in).0, "suspended, killed after tool {number}");
        let returning = killed(&|| panel.unsuspend("alice"), number);
        run(server.sign_in);
        if !suspending && !returning {
            break;
        }
    }
    for number in 1.. {
        let deleting = killed(&|| panel.delete("alice"), number);
        assert_eq!(run(server.list), "", "killed after tool {number}");
        if !deleting {
            break;
        }
        make();
    }
}

#[test]
fn changes_of_mariadb_killed_at_any_tool_are_completed_by_a_repeat() {
    on_a_machine(changes_of_mariadb_killed_at_any_tool_are_completed_by_a_repeat, || survive_every_kill(&MARIADB));
}

#[test]
fn changes_of_postgresql_killed_at_any_tool_are_completed_by_a_repeat() {
    on_a_machine(changes_of_postgresql_killed_at_any_tool_are_completed_by_a_repeat, || {
        survive_every_kill(&POSTGRESQL)
    });
}

#[test]
fn interrupted_changes_of_mariadb_go_with_the_account() {
    on_a_machine(interrupted_changes_of_mariadb_go_with_the_account, || are_deleted_with_their_account(&MARIADB));
}

#[test]
fn interrupted_changes_of_postgresql_go_with_the_account() {
    on_a_machine(interrupted_changes_of_postgresql_go_with_the_account, || are_deleted_with_their_account(&POSTGRESQL));
}

#[test]
fn users_of_mariadb_are_locked_and_deleted_whatever_is_killed() {
    on_a_machine(users_of_mariadb_are_locked_and_deleted_whatever_is_killed, || are_suspended_and_deleted(&MARIADB));
}

#[test]
fn users_of_postgresql_are_locked_and_deleted_whatever_is_killed() {
    on_a_machine(users_of_postgresql_are_locked_and_deleted_whatever_is_killed, || {
        are_suspended_and_deleted(&POSTGRESQL)
    });
}
