//! PostgreSQL on a machine: its own client, signed in as the users of the Panel, says what they can do.

use super::hosting;
use crate::support::machine::{attempt, on_a_machine, run, shell_as};
use crate::support::panel::{Answer, Panel};
use crate::support::{SOON, eventually};
use serde_json::{Value, json};

const PASSWORD: &str = "correct horse";

/// A password of everything that a shell, a client or SQL could take for something else.
const HOSTILE: &str = "\\'\"`; DROP DATABASE bob_shop; -- \\g \\! id :x $$ $(id) ä€😀 %_\\";

fn start_postgresql() {
    run("pg_ctlcluster --skip-systemctl-redirect $(ls /etc/postgresql) main start");
    assert!(eventually(SOON, || attempt(
        "setpriv --reuid postgres --clear-groups psql -h /run/postgresql -c 'SELECT 1'"
    )
    .0));
}

fn call(panel: &Panel, what: &str, body: Value) -> Answer {
    panel.post(&format!("/postgres/{what}"), &body)
}

fn create(panel: &Panel, name: &str) -> Answer {
    call(panel, "create", json!({"name": name}))
}

pub(super) fn create_user(panel: &Panel, username: &str, database: &str) -> Answer {
    call(panel, "user-create", json!({"pg_username": username, "password": PASSWORD, "database": database}))
}

/// Runs SQL as the superuser.
pub(super) fn root(sql: &str) -> String {
    std::fs::write("/run/root.sql", sql).unwrap();
    run(
        "setpriv --reuid postgres --regid postgres --clear-groups psql -X -q -A -t -v ON_ERROR_STOP=1 -h /run/postgresql \
         </run/root.sql",
    )
}

/// Runs SQL as a role, over the network with its password; the error, if it fails.
pub(super) fn try_as(user: &str, password: &str, database: &str, sql: &str) -> Result<String, String> {
    std::fs::write("/run/user.sql", sql).unwrap();
    std::fs::write("/run/user.password", password).unwrap();
    let script = format!(
        "PGPASSWORD=\"$(cat /run/user.password)\" psql -X -q -A -t -w -v ON_ERROR_STOP=1 -h 127.0.0.1 -U {user} -d {database} \
         </run/user.sql"
    );
    let (succeeded, printed) = attempt(&script);
    if succeeded { Ok(printed) } else { Err(printed) }
}

pub(super) fn as_user(user: &str, database: &str, sql: &str) -> String {
    try_as(user, PASSWORD, database, sql).unwrap_or_else(|error| panic!("{user}: {sql}: {error}"))
}

/// Everything of Bob's in PostgreSQL: data, roles, passwords and privileges.
pub(super) fn bobs() -> String {
    let dump = "setpriv --reuid postgres --regid postgres --clear-groups";
    let data = run(&format!("{dump} pg_dump -h /run/postgresql --create bob_shop | grep -v restrict"));
    let roles = root(
        "SELECT r.rolname, a.rolpassword, r.rolcanlogin, r.rolconnlimit FROM pg_roles r JOIN pg_authid a USING (oid) WHERE \
         r.rolname LIKE 'bob%' ORDER BY 1; SELECT roleid::regrole, member::regrole FROM pg_auth_members WHERE \
         member::regrole::text LIKE 'bob%'; SELECT setrole::regrole, setconfig FROM pg_db_role_setting WHERE \
         setrole::regrole::text LIKE 'bob%'; SELECT datname, datacl, datallowconn FROM pg_database WHERE datname LIKE 'bob%'",
    );
    data + &roles
}

/// Alice and Bob with a database, a user and a table each.
pub(super) fn shops() -> Panel {
    let panel = hosting(5);
    start_postgresql();
    for name in ["alice", "bob"] {
        panel.created(name, &format!("{name}.example"));
        let database = format!("{name}_shop");
        assert_eq!(create(&panel, &database).ok()["created"], true);
        create_user(&panel, &format!("{name}_u"), &database).ok();
        as_user(&format!("{name}_u"), &database, "CREATE TABLE t (v INT); INSERT INTO t VALUES (7);");
    }
    panel
}

#[test]
fn roles_have_their_own_database_and_nothing_else() {
    on_a_machine(roles_have_their_own_database_and_nothing_else, || {
        let panel = shops();
        let bobs_before = bobs();
        assert_eq!(as_user("alice_u", "alice_shop", "SELECT v FROM t"), "7\n");
        assert!(try_as("alice_u", PASSWORD, "bob_shop", "SELECT 1").is_err());
        for sql in [
            "CREATE DATABASE alice_more",
            "CREATE ROLE alice_more",
            "ALTER ROLE bob_u PASSWORD 'x'",
            "ALTER ROLE alice_u SUPERUSER",
            "SET ROLE postgres",
            "SET ROLE \"bob_shop:owner\"",
            "GRANT \"alice_shop:owner\" TO bob_u",
            "ALTER DATABASE alice_shop RENAME TO bob_x",
            "COPY t FROM PROGRAM 'id'",
            "COPY t FROM '/etc/passwd'",
            "SELECT pg_read_file('/etc/passwd')",
            "SELECT * FROM pg_authid",
            "SELECT lo_import('/etc/passwd')",
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'postgres' UNION SELECT 1/0 = 1",
        ] {
            assert!(try_as("alice_u", PASSWORD, "alice_shop", sql).is_err(), "{sql}");
        }
        // What one user makes is there for the other, and stays when the first is deleted.
        create_user(&panel, "alice_two", "alice_shop").ok();
        as_user(
            "alice_two",
            "alice_shop",
            "INSERT INTO t VALUES (8); CREATE TABLE two (v INT); RESET ROLE; CREATE TABLE own (v INT);",
        );
        as_user("alice_u", "alice_shop", "INSERT INTO two VALUES (9);");
        let info = call(&panel, "info", json!({"name": "alice_shop"})).ok();
        assert_eq!((&info["users"], &info["table_count"]), (&json!(["alice_two", "alice_u"]), &json!(3)), "{info}");
        assert!(
            info["size"].as_str().unwrap().contains("kB") || info["size"].as_str().unwrap().contains("MB"),
            "{info}"
        );
        let stats = json!({"username": "alice", "domains": [], "databases": []});
        assert!(panel.post("/stats/account", &stats).ok()["stats"]["database_size_mb"].as_f64().unwrap() > 1.0);
        call(&panel, "user-delete", json!({"pg_username": "alice_two"})).ok();
        call(&panel, "user-delete", json!({"pg_username": "alice_two"})).refuses(404, "not_found");
        assert_eq!(
            as_user("alice_u", "alice_shop", "SELECT count(*) FROM t; SELECT v FROM two; SELECT count(*) FROM own"),
            "2\n9\n0\n"
        );

        call(&panel, "user-password", json!({"pg_username": "alice_u", "password": HOSTILE})).ok();
        assert!(try_as("alice_u", PASSWORD, "alice_shop", "SELECT 1").is_err());
        assert_eq!(try_as("alice_u", HOSTILE, "alice_shop", "SELECT 1"), Ok("1\n".to_owned()));

        call(&panel, "delete", json!({"name": "alice_shop"})).ok();
        call(&panel, "delete", json!({"name": "alice_shop"})).refuses(404, "not_found");
        call(&panel, "info", json!({"name": "alice_shop"})).refuses(404, "not_found");
        assert_eq!(root("SELECT rolname FROM pg_roles WHERE rolname LIKE 'alice%'"), "alice_u\n");
        panel.delete("alice").ok();
        assert_eq!(root("SELECT rolname FROM pg_roles WHERE rolname LIKE 'alice%'"), "");
        assert_eq!(bobs(), bobs_before);
    });
}

#[test]
fn what_others_made_in_postgresql_is_not_touched() {
    on_a_machine(what_others_made_in_postgresql_is_not_touched, || {
        let panel = shops();
        panel.created("alice_x", "x.example");
        root("CREATE ROLE alice_old LOGIN; CREATE DATABASE alice_old OWNER alice_old");
        let all = || {
            root(
                "SELECT rolname, rolpassword, rolcanlogin FROM pg_authid; SELECT datname, datdba, datacl FROM pg_database; SELECT * FROM pg_auth_members",
            )
        };
        let before = all();
        create(&panel, "alice_old").refuses(409, "conflict");
        for what in ["delete", "info"] {
            call(&panel, what, json!({"name": "alice_old"})).refuses(409, "conflict");
        }
        create_user(&panel, "alice_u2", "alice_old").refuses(409, "conflict");
        create_user(&panel, "alice_old", "alice_shop").refuses(409, "conflict");
        create_user(&panel, "bob_u2", "alice_shop").refuses(409, "conflict");
        create_user(&panel, "alice_u2", "alice_none").refuses(404, "not_found");
        call(&panel, "user-password", json!({"pg_username": "alice_old", "password": PASSWORD}))
            .refuses(409, "conflict");
        call(&panel, "user-delete", json!({"pg_username": "alice_old"})).refuses(409, "conflict");
        create(&panel, "nobody_shop").refuses(404, "not_found");
        create(&panel, "alice_x_shop").refuses(409, "conflict");
        assert_eq!(all(), before);
    });
}

#[test]
fn no_postgresql_password_is_in_an_argument_or_a_log() {
    on_a_machine(no_postgresql_password_is_in_an_argument_or_a_log, || {
        let panel = shops();
        root(
            "ALTER SYSTEM SET log_statement = 'all'; ALTER SYSTEM SET log_min_duration_statement = 0; ALTER SYSTEM SET log_min_error_statement = 'error'; SELECT pg_reload_conf();",
        );
        run("printf '\\\\set ECHO all\\n\\\\pset format html\\n' | tee ~root/.psqlrc >/var/lib/postgresql/.psqlrc");
        super::tampering::replace(
            "/usr/bin/setpriv",
            "#!/bin/sh\nprintf '%s\\n' \"$@\" >>/tmp/arguments; env >>/tmp/arguments; exec /usr/bin/setpriv.real \"$@\"\n",
        );
        run("touch /tmp/arguments; chmod 666 /tmp/arguments");
        let secret = "Zu3eGeheim'\\x";
        call(&panel, "user-create", json!({"pg_username": "alice_s", "password": secret, "database": "alice_shop"}))
            .ok();
        call(&panel, "user-password", json!({"pg_username": "alice_s", "password": secret})).ok();
        // An error in a statement with a password.
        root("ALTER ROLE alice_s CONNECTION LIMIT 5; ALTER SYSTEM SET default_transaction_read_only = off;");
        super::tampering::restore("/usr/bin/setpriv");
        assert!(run("cat /tmp/arguments").contains("log_statement=none"));
        assert!(try_as("alice_s", secret, "alice_shop", "SELECT 'seen in the log'").is_ok());
        assert!(
            eventually(SOON, || attempt("grep -rqs 'seen in the log' /var/log/postgresql").0),
            "the server logs statements"
        );
        let found = run("grep -rils 'Zu3eGeheim' /tmp/arguments /var/log /var/lib/opterius /etc || true");
        assert_eq!(found, "");
        assert!(!panel.agent.lines().iter().any(|line| line.contains("Zu3eGeheim")));
    });
}

#[test]
fn a_hostile_owner_of_a_database_reaches_nothing() {
    on_a_machine(a_hostile_owner_of_a_database_reaches_nothing, || {
        let panel = shops();
        // Functions in place of the system's, and settings that would find them, or make a superuser someone else.
        as_user(
            "alice_u",
            "alice_shop",
            "CREATE FUNCTION public.count(anyelement) RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN ALTER ROLE alice_u SUPERUSER; \
             RETURN 1; END $$; CREATE TABLE public.pg_class (oid oid, relkind \"char\", relispartition bool, relnamespace oid); \
             ALTER DATABASE alice_shop SET search_path = public, pg_catalog; ALTER DATABASE alice_shop SET \
             default_transaction_read_only = on; ALTER DATABASE alice_shop SET standard_conforming_strings = off; ALTER DATABASE \
             alice_shop SET client_encoding = 'LATIN1'; ALTER DATABASE alice_shop SET statement_timeout = 1; ALTER DATABASE \
             alice_shop SET role = 'alice_shop:owner';",
        );
        assert_eq!(call(&panel, "info", json!({"name": "alice_shop"})).ok()["table_count"], 2);
        assert_eq!(root("SELECT rolsuper FROM pg_roles WHERE rolname = 'alice_u'"), "f\n");
        // Privileges for Bob's role keep PostgreSQL from deleting it, and so does a database that is closed.
        as_user(
            "alice_u",
            "alice_shop",
            "SET statement_timeout = 0; SET default_transaction_read_only = off; GRANT CONNECT ON DATABASE alice_shop TO bob_u; \
             GRANT SELECT ON t TO bob_u; CREATE SCHEMA bobs; GRANT ALL ON SCHEMA bobs TO bob_u; ALTER DEFAULT PRIVILEGES GRANT \
             SELECT ON TABLES TO bob_u;",
        );
        as_user("alice_u", "postgres", "ALTER DATABASE alice_shop ALLOW_CONNECTIONS false");
        call(&panel, "info", json!({"name": "alice_shop"})).refuses(409, "conflict");
        call(&panel, "user-delete", json!({"pg_username": "bob_u"})).ok();
        assert_eq!(root("SELECT rolname FROM pg_roles WHERE rolname LIKE 'bob%'"), "bob_shop:owner\n");
        create_user(&panel, "bob_u", "bob_shop").ok();
        assert_eq!(as_user("bob_u", "bob_shop", "SELECT v FROM t"), "7\n");
        // An open transaction of hers does not keep her account alive.
        let held = format!(
            "PGPASSWORD='{PASSWORD}' exec psql -X -h 127.0.0.1 -U alice_u -d alice_shop -c 'SET statement_timeout = 0' -c 'BEGIN' -c 'SELECT pg_sleep(600) FROM t'"
        );
        let mut holding = shell_as("root", &held).spawn().unwrap();
        assert!(eventually(SOON, || root(
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)%' AND pid <> pg_backend_pid()"
        ) == "1\n"));
        panel.delete("alice").ok();
        holding.wait().unwrap();
        assert_eq!(
            root(
                "SELECT datname FROM pg_database WHERE datname LIKE 'alice%'; SELECT rolname FROM pg_roles WHERE rolname LIKE 'alice%'"
            ),
            ""
        );
        assert_eq!(as_user("bob_u", "bob_shop", "SELECT v FROM t"), "7\n");
    });
}

#[test]
fn nobody_inherits_what_a_deleted_role_left_elsewhere() {
    on_a_machine(nobody_inherits_what_a_deleted_role_left_elsewhere, || {
        let panel = shops();
        // As in PostgreSQL 14 and earlier, where everyone may create something in the superuser's database.
        root("GRANT CREATE ON SCHEMA public TO PUBLIC");
        let trap =
            "CREATE FUNCTION public.trap() RETURNS text LANGUAGE sql SECURITY DEFINER AS 'SELECT current_user::text'";
        as_user("bob_u", "postgres", trap);
        // In Alice's database, where she lets him, and with something of hers on top of his.
        as_user(
            "alice_u",
            "alice_shop",
            "GRANT CONNECT ON DATABASE alice_shop TO bob_u; GRANT CREATE ON SCHEMA public TO bob_u",
        );
        as_user("bob_u", "alice_shop", &format!("{trap}; CREATE TABLE his (v INT); GRANT SELECT ON his TO PUBLIC"));
        as_user("alice_u", "alice_shop", "CREATE VIEW hers AS SELECT v FROM his");
        call(&panel, "user-delete", json!({"pg_username": "bob_u"})).ok();
        assert!(
            try_as("alice_u", PASSWORD, "postgres", "SELECT public.trap()").unwrap_err().contains("does not exist")
        );
        assert!(
            try_as("alice_u", PASSWORD, "alice_shop", "SELECT public.trap()").unwrap_err().contains("does not exist")
        );
        assert_eq!(as_user("alice_u", "alice_shop", "SELECT v FROM t"), "7\n");
    });
}

#[test]
fn a_suspension_locks_the_roles_and_ends_their_connections() {
    on_a_machine(a_suspension_locks_the_roles_and_ends_their_connections, || {
        let panel = shops();
        create_user(&panel, "alice_closed", "alice_shop").ok();
        root("ALTER ROLE alice_closed NOLOGIN");
        let bobs_before = bobs();
        let held = format!(
            "PGPASSWORD='{PASSWORD}' exec psql -X -h 127.0.0.1 -U alice_u -d alice_shop -c 'SELECT pg_sleep(600)'"
        );
        let mut holding = shell_as("root", &held).spawn().unwrap();
        let connections = || root("SELECT count(*) FROM pg_stat_activity WHERE usename LIKE 'alice%'");
        assert!(eventually(SOON, || connections() == "1\n"));
        for _ in 0..2 {
            panel.suspend("alice").ok();
            assert_eq!(connections(), "0\n");
            assert!(
                try_as("alice_u", PASSWORD, "alice_shop", "SELECT 1").unwrap_err().contains("not permitted to log in")
            );
        }
        holding.wait().unwrap();
        create_user(&panel, "alice_new", "alice_shop").ok();
        assert!(try_as("alice_new", PASSWORD, "alice_shop", "SELECT 1").is_err());
        run("pg_ctlcluster --skip-systemctl-redirect $(ls /etc/postgresql) main stop");
        panel.unsuspend("alice").refuses(503, "operations_unavailable");
        panel.delete("alice").refuses(503, "operations_unavailable");
        start_postgresql();
        assert_eq!(bobs(), bobs_before);
        panel.delete("alice").ok();
        assert_eq!(root("SELECT rolname FROM pg_roles WHERE rolname LIKE 'alice%'"), "");
        // The same for an account that comes back.
        panel.suspend("bob").ok();
        assert!(try_as("bob_u", PASSWORD, "bob_shop", "SELECT 1").is_err());
        for _ in 0..2 {
            panel.unsuspend("bob").ok();
        }
        assert_eq!(bobs(), bobs_before);
        assert_eq!(as_user("bob_u", "bob_shop", "SELECT v FROM t"), "7\n");
    });
}
