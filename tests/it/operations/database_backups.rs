//! Backups of databases: what a client signed in as the account's user sees is the same afterwards, and nothing of others
//! changes, whatever is in the database.

use super::tampering::{Fault, Tampered};
use super::{databases, is_there, postgres};
use crate::support::machine::{attempt, on_a_machine, run, shell_as};
use crate::support::panel::{Answer, Panel};
use serde_json::json;

/// SQL that a client could take for a command of its own, or a name for the end of a comment.
const HOSTILE: &str = "*/ ; \n\\! touch /run/pwned\nsystem touch /run/pwned\n--x";

fn back_up(panel: &Panel) -> String {
    let body = json!({"username": "alice", "type": "databases", "databases": [], "domains": []});
    panel.post("/backup/create", &body).ok()["filename"].as_str().unwrap().to_owned()
}

fn restore(panel: &Panel, filename: &str) -> Answer {
    panel.post("/backup/restore", &json!({"filename": filename, "username": "alice", "type": "databases"}))
}

/// A statement that MariaDB makes of digits: its client would not read the text as the server does.
fn digits(sql: &str) -> String {
    let digits = sql.bytes().fold(String::new(), |digits, byte| format!("{digits}{byte:02x}"));
    format!("EXECUTE IMMEDIATE CONVERT(0x{digits} USING utf8mb4);\n")
}

/// Tables, views, routines, triggers and events of Alice's in MariaDB.
fn fill_mariadb() {
    let statements = [
        "SET NAMES utf8mb4; USE alice_shop;\n".to_owned(),
        digits(&format!("CREATE TABLE `a``b{HOSTILE}` (v INT COMMENT '{}')", HOSTILE.replace('\\', "\\\\"))),
        "CREATE TABLE parent (id INT PRIMARY KEY, b BLOB, x TEXT, g INT AS (id * 2) STORED, h INT AS (id + 1) VIRTUAL);\n".to_owned(),
        "INSERT INTO parent (id, b, x) VALUES (1, 0x00FF270A0D1A5C, '😀\\n\\\\! x'), (2, NULL, '\\'\"`');\n".to_owned(),
        "CREATE TABLE child (id INT, FOREIGN KEY (id) REFERENCES parent (id) ON DELETE CASCADE); INSERT INTO child VALUES (1);\n"
            .to_owned(),
        "CREATE SEQUENCE s; CREATE TABLE numbered (id INT DEFAULT (NEXT VALUE FOR s), v INT); INSERT INTO numbered (v) VALUES (5);\n"
            .to_owned(),
        "CREATE TABLE log (v INT) ENGINE=MyISAM; CREATE FUNCTION f() RETURNS INT RETURN (SELECT COUNT(*) FROM parent);\n".to_owned(),
        "CREATE VIEW counted AS SELECT f() AS n; CREATE SQL SECURITY INVOKER VIEW again AS SELECT * FROM counted;\n".to_owned(),
        "CREATE TRIGGER logged AFTER INSERT ON parent FOR EACH ROW INSERT INTO log VALUES (NEW.id);\n".to_owned(),
        "CREATE EVENT e ON SCHEDULE EVERY 1 DAY STARTS '2020-01-01' DO INSERT INTO log VALUES (9);\n".to_owned(),
        digits("CREATE PROCEDURE p() BEGIN\n-- \\! touch /run/pwned\nSELECT 'x\n;;\n\\! touch /run/pwned\nDELIMITER ;\n'; END"),
        // Someone who is root while reading or restoring this would be robbed.
        digits(
            "CREATE FUNCTION steal() RETURNS INT SQL SECURITY INVOKER BEGIN DECLARE CONTINUE HANDLER FOR SQLEXCEPTION BEGIN END; \
             UPDATE bob_shop.t SET v = 666; RETURN 1; END",
        ),
        "CREATE SQL SECURITY INVOKER VIEW trap AS SELECT steal() AS x;\n".to_owned(),
    ];
    databases::as_user("alice_u", &statements.concat());
}

/// What Alice sees of it.
fn in_mariadb() -> String {
    databases::as_user(
        "alice_u",
        "SET NAMES utf8mb4; USE alice_shop; SHOW FULL TABLES; CHECKSUM TABLE parent, child, numbered, log EXTENDED; SELECT *, HEX(b) \
         FROM parent; SELECT * FROM again; SELECT ROUTINE_NAME, ROUTINE_DEFINITION, DEFINER, SECURITY_TYPE FROM \
         information_schema.ROUTINES WHERE ROUTINE_SCHEMA = 'alice_shop' ORDER BY 1; SELECT TRIGGER_NAME, ACTION_STATEMENT FROM \
         information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = 'alice_shop'; SELECT EVENT_NAME, EVENT_DEFINITION, STARTS FROM \
         information_schema.EVENTS WHERE EVENT_SCHEMA = 'alice_shop'; SELECT TABLE_NAME, VIEW_DEFINITION, SECURITY_TYPE FROM \
         information_schema.VIEWS WHERE TABLE_SCHEMA = 'alice_shop' ORDER BY 1; SHOW CREATE TABLE parent; SHOW CREATE TABLE child; \
         SHOW CREATE TABLE numbered; SHOW CREATE DATABASE alice_shop; CALL p();",
    )
}

/// What the Agent adds to MariaDB for backups, and keeps.
fn helpers_in_mariadb() -> String {
    databases::root(
        "SELECT User, JSON_VALUE(Priv, '$.account_locked') FROM mysql.global_priv WHERE User LIKE '%:%'; SELECT SCHEMA_NAME \
         FROM information_schema.SCHEMATA WHERE SCHEMA_NAME LIKE '%:%';",
    )
}

#[test]
fn a_mariadb_database_comes_back_as_it_was() {
    on_a_machine(a_mariadb_database_comes_back_as_it_was, || {
        let panel = databases::shops();
        let bobs = databases::bobs();
        fill_mariadb();
        let before = in_mariadb();
        let filename = back_up(&panel);
        assert_eq!((in_mariadb(), helpers_in_mariadb()), (before.clone(), String::new()));
        databases::as_user(
            "alice_u",
            "USE alice_shop; DROP TABLE child; DELETE FROM parent; CREATE TABLE extra (v INT); DROP PROCEDURE p; CREATE PROCEDURE \
             more() SELECT 1; DROP VIEW again; ALTER DATABASE CHARACTER SET latin1;",
        );
        // A transaction of hers is open.
        let open = "MYSQL_PWD='correct horse' exec mariadb --no-defaults --user=alice_u -e 'LOCK TABLES alice_shop.parent WRITE; \
                    SELECT SLEEP(600)'";
        let mut holding = shell_as("root", open).spawn().unwrap();
        assert!(
            crate::support::eventually(crate::support::SOON, || databases::root("SHOW PROCESSLIST").contains("SLEEP"))
        );
        let answer = restore(&panel, &filename).ok();
        assert_eq!(answer["restored"], json!(["databases"]));
        holding.wait().unwrap();
        assert_eq!((in_mariadb(), databases::bobs()), (before.clone(), bobs.clone()));
        assert_eq!(helpers_in_mariadb(), "alice_shop:owner\t1\n", "a locked definer stays, and nothing else");
        // Triggers and the views of the definer work.
        databases::as_user("alice_u", "USE alice_shop; INSERT INTO parent (id) VALUES (3); SELECT * FROM again;");
        assert!(databases::as_user("alice_u", "SELECT v FROM alice_shop.log").contains('3'));
        // A suspended account is restored, and stays locked.
        panel.suspend("alice").ok();
        restore(&panel, &filename).ok();
        assert!(!attempt("MYSQL_PWD='correct horse' mariadb --no-defaults --user=alice_u -e 'SELECT 1'").0);
        panel.unsuspend("alice").ok();
        assert_eq!((in_mariadb(), databases::bobs()), (before, bobs));
        assert!(!is_there("/run/pwned"));
        panel.delete("alice").ok();
        assert_eq!(helpers_in_mariadb(), "");
    });
}

#[test]
fn a_restoration_of_mariadb_killed_at_any_tool_is_completed_by_a_repeat() {
    on_a_machine(a_restoration_of_mariadb_killed_at_any_tool_is_completed_by_a_repeat, || {
        let panel = databases::shops();
        let bobs = databases::bobs();
        fill_mariadb();
        let before = in_mariadb();
        let filename = back_up(&panel);
        let tampered = Tampered::new();
        for number in 1.. {
            databases::as_user("alice_u", "CREATE TABLE alice_shop.extra (v INT)");
            tampered.set(Some(Fault::KillAfter(number)));
            restore(&panel, &filename);
            let was_reached = tampered.count() >= number;
            tampered.set(None);
            restore(&panel, &filename).ok();
            assert_eq!((in_mariadb(), databases::bobs()), (before.clone(), bobs.clone()), "{number}");
            assert_eq!(helpers_in_mariadb(), "alice_shop:owner\t1\n", "{number}");
            if !was_reached {
                break;
            }
        }
    });
}

/// Tables, views, functions and large objects of Alice's in PostgreSQL, and functions that try to become more than she is.
fn fill_postgresql() {
    let name = format!("\"a\"\"b{}\"", "\n\\! touch /run/pwned\n\\connect bob_shop\n");
    let attempts = [
        "RESET ROLE",
        "SET SESSION AUTHORIZATION postgres",
        "SET ROLE postgres",
        "COPY (SELECT 1) TO PROGRAM 'touch /run/pwned'",
        "COPY (SELECT 1) TO '/run/postgresql/pwned'",
        "ALTER ROLE alice_u SUPERUSER",
        "ALTER ROLE bob_u NOLOGIN",
    ];
    let tried: String = attempts
        .iter()
        .map(|sql| format!("BEGIN EXECUTE {}; EXCEPTION WHEN OTHERS THEN NULL; END; ", format_args!("$x${sql}$x$")))
        .collect();
    let sql = format!(
        "CREATE EXTENSION hstore; CREATE TABLE parent (id serial PRIMARY KEY, b bytea, x text, g int GENERATED ALWAYS AS (1 + 1) \
         STORED, h hstore); INSERT INTO parent (b, x, h) VALUES ('\\x00ff270a', E'a\\n\\\\.\\n\\\\! touch /run/pwned\\n😀', 'k=>v'); \
         CREATE TABLE child (id int REFERENCES parent (id) ON DELETE CASCADE); INSERT INTO child VALUES (1); SELECT \
         lo_from_bytea(4242, 'large'); CREATE TYPE mood AS ENUM ('a', 'b'); CREATE SCHEMA other; CREATE TABLE other.{name} (v mood); \
         INSERT INTO other.{name} VALUES ('b'); CREATE FUNCTION steal() RETURNS int LANGUAGE plpgsql AS $$ BEGIN {tried} RETURN 1; \
         END $$; CREATE MATERIALIZED VIEW trap AS SELECT steal() AS x; CREATE TABLE checked (v int DEFAULT steal() CHECK (steal() = \
         v)); INSERT INTO checked DEFAULT VALUES; CREATE VIEW counted AS SELECT count(*) AS n FROM parent; CREATE TABLE secret (v \
         int); INSERT INTO secret VALUES (1), (2); ALTER TABLE secret ENABLE ROW LEVEL SECURITY; ALTER TABLE secret FORCE ROW LEVEL \
         SECURITY; CREATE POLICY one ON secret USING (v = 1); COMMENT ON TABLE parent IS 'hello'; CREATE TABLE parts (a int) \
         PARTITION BY RANGE (a); CREATE TABLE part PARTITION OF parts FOR VALUES FROM (0) TO (10); INSERT INTO parts VALUES (3);"
    );
    postgres::as_user("alice_u", "alice_shop", &sql);
}

/// What Alice sees of it.
fn in_postgresql() -> String {
    postgres::as_user(
        "alice_u",
        "alice_shop",
        "SELECT n.nspname, c.relname, c.relkind, r.rolname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_roles r \
         ON r.oid = c.relowner WHERE n.nspname IN ('public', 'other') ORDER BY 1, 2; SELECT * FROM parent; SELECT * FROM child; SELECT \
         lo_get(4242); SELECT * FROM checked; SELECT * FROM trap; SELECT * FROM secret; SELECT * FROM counted; SELECT * FROM parts; \
         SELECT pg_get_functiondef('steal'::regproc); SELECT extname, extowner::regrole FROM pg_extension ORDER BY 1; SELECT \
         obj_description('parent'::regclass); SELECT current_user, session_user; SELECT datacl FROM pg_database WHERE datname = \
         'alice_shop'; SELECT last_value FROM parent_id_seq;",
    )
}

/// Roles and databases with their settings.
fn all_of_postgresql() -> String {
    postgres::root(
        "SELECT rolname, rolsuper, rolcanlogin, rolbypassrls FROM pg_roles ORDER BY 1; SELECT datname, datdba::regrole, datallowconn \
         FROM pg_database ORDER BY 1; SELECT d.datname, setrole::regrole, setconfig FROM pg_db_role_setting LEFT JOIN pg_database d ON \
         d.oid = setdatabase ORDER BY 1, 2; SELECT roleid::regrole, member::regrole FROM pg_auth_members ORDER BY 1, 2;",
    )
}

#[test]
fn a_postgresql_database_comes_back_as_it_was() {
    on_a_machine(a_postgresql_database_comes_back_as_it_was, || {
        let panel = postgres::shops();
        let bobs = postgres::bobs();
        fill_postgresql();
        let (before, all) = (in_postgresql(), all_of_postgresql());
        let filename = back_up(&panel);
        assert_eq!((in_postgresql(), all_of_postgresql()), (before.clone(), all.clone()));
        postgres::as_user(
            "alice_u",
            "alice_shop",
            "DROP TABLE child; TRUNCATE parent; CREATE TABLE extra (v int); SELECT lo_unlink(4242); DROP SCHEMA other CASCADE;",
        );
        let open = "PGPASSWORD='correct horse' exec psql -X -w -h 127.0.0.1 -U alice_u -d alice_shop -c 'BEGIN; LOCK TABLE parent; \
                    SELECT pg_sleep(600)'";
        let mut holding = shell_as("root", open).spawn().unwrap();
        assert!(crate::support::eventually(crate::support::SOON, || {
            postgres::root("SELECT query FROM pg_stat_activity").contains("pg_sleep(600)")
        }));
        assert_eq!(restore(&panel, &filename).ok()["restored"], json!(["databases"]));
        holding.wait().unwrap();
        assert_eq!(
            (in_postgresql(), all_of_postgresql(), postgres::bobs()),
            (before.clone(), all.clone(), bobs.clone())
        );
        panel.suspend("alice").ok();
        let suspended = all_of_postgresql();
        restore(&panel, &filename).ok();
        assert_eq!(all_of_postgresql(), suspended, "a suspended account is restored, and stays locked");
        panel.unsuspend("alice").ok();
        assert_eq!((in_postgresql(), all_of_postgresql(), postgres::bobs()), (before, all, bobs));
        assert!(!is_there("/run/pwned") && !is_there("/run/postgresql/pwned"));
        panel.delete("alice").ok();
        assert!(!all_of_postgresql().contains("alice"));
    });
}

#[test]
fn a_restoration_that_cannot_go_on_says_what_is_done() {
    on_a_machine(a_restoration_that_cannot_go_on_says_what_is_done, || {
        let panel = databases::shops();
        let full = json!({"username": "alice", "type": "full", "databases": [], "domains": []});
        let filename = panel.post("/backup/create", &full).ok()["filename"].clone();
        run("systemctl stop mariadb");
        let restoration = json!({"filename": filename, "username": "alice", "type": "full"});
        let answer = panel.post("/backup/restore", &restoration);
        answer.refuses(503, "operations_unavailable");
        let error = answer.body["error"].as_str().unwrap();
        assert!(error.starts_with("The files are restored, and not all databases. "), "{answer:?}");
        databases::start_mariadb();
        assert_eq!(panel.post("/backup/restore", &restoration).ok()["restored"], json!(["files", "databases"]));
    });
}

#[test]
fn a_dump_that_grows_ends_before_the_disk_is_full() {
    on_a_machine(a_dump_that_grows_ends_before_the_disk_is_full, || {
        let panel = postgres::shops();
        // A few megabytes in the database, and 600 of text.
        postgres::as_user(
            "alice_u",
            "alice_shop",
            "CREATE TABLE large AS SELECT repeat('a', 50000000) AS text FROM generate_series(1, 12);",
        );
        let directory = "/var/backups/opterius";
        run(&format!("mkdir -p {directory} && mount -t tmpfs -o size=500m,mode=755 tmpfs {directory}"));
        let body = json!({"username": "alice", "type": "databases", "databases": [], "domains": []});
        let mut largest = 0;
        let refused = std::thread::scope(|scope| {
            let asked = scope.spawn(|| panel.post("/backup/create", &body));
            while !asked.is_finished() {
                let used = run(&format!("df --output=used -B1M {directory} | tail -1"));
                largest = largest.max(used.trim().parse().unwrap());
            }
            asked.join().unwrap()
        });
        refused.refuses(507, "insufficient_storage");
        assert!(refused.body["error"].as_str().unwrap().contains("Delete old backups"), "{refused:?}");
        assert!(largest < 300, "{largest} MB");
        assert_eq!(run(&format!("find {directory} -type f")), "");
        run(&format!("umount {directory}"));
        postgres::as_user("alice_u", "alice_shop", "TRUNCATE large;");
        back_up(&panel);
    });
}

#[test]
fn a_restoration_of_postgresql_killed_at_any_tool_is_completed_by_a_repeat() {
    on_a_machine(a_restoration_of_postgresql_killed_at_any_tool_is_completed_by_a_repeat, || {
        let panel = postgres::shops();
        let bobs = postgres::bobs();
        fill_postgresql();
        let (before, all) = (in_postgresql(), all_of_postgresql());
        let filename = back_up(&panel);
        let tampered = Tampered::new();
        for number in 1.. {
            postgres::as_user("alice_u", "alice_shop", "CREATE TABLE extra (v int)");
            tampered.set(Some(Fault::KillAfter(number)));
            restore(&panel, &filename);
            let was_reached = tampered.count() >= number;
            tampered.set(None);
            restore(&panel, &filename).ok();
            assert_eq!((in_postgresql(), postgres::bobs()), (before.clone(), bobs.clone()), "{number}");
            assert_eq!(all_of_postgresql(), all, "{number}");
            if !was_reached {
                break;
            }
        }
    });
}

/// Replaces a text in the dump of a backup, and makes the checksum right again.
fn tamper(filename: &str, from: &str, to: &str) {
    run(&format!(
        "cd /var/backups/opterius/alice && mkdir /run/unpacked && tar -C /run/unpacked -xzf {filename} && grep -q '{from}' \
         /run/unpacked/databases/mariadb/alice_shop && sed -i 's/{from}/{to}/' /run/unpacked/databases/mariadb/alice_shop && tar -C \
         /run/unpacked -czf {filename} databases/mariadb/alice_shop && python3 -c \"import hashlib, json; b = open('{filename}', 'rb').read(); m = \
         json.load(open('{filename}.json')); m['size'] = len(b); m['sha256'] = hashlib.sha256(b).hexdigest(); \
         json.dump(m, open('{filename}.json', 'w'))\""
    ));
}

#[test]
fn a_dump_does_nothing_that_its_owner_could_not_do() {
    on_a_machine(a_dump_does_nothing_that_its_owner_could_not_do, || {
        let panel = databases::shops();
        fill_mariadb();
        let (before, bobs) = (in_mariadb(), databases::bobs());
        let filename = back_up(&panel);
        run("cp -a /var/backups/opterius/alice /run/kept");
        for statement in [
            "GRANT ALL ON *.* TO alice_u@localhost;",
            "UPDATE bob_shop.t SET v = 666;",
            "SET GLOBAL general_log = 1;",
            "SELECT 1 INTO OUTFILE \"\\/var\\/lib\\/mysql\\/pwned\";",
            "LOAD DATA LOCAL INFILE \"\\/etc\\/shadow\" INTO TABLE log;",
            "CREATE DEFINER=root@localhost VIEW w AS SELECT 1;",
        ] {
            tamper(&filename, "^INSERT INTO `child` VALUES$", &format!("{statement}\\n&"));
            let answer = restore(&panel, &filename);
            assert!(answer.is(500, "operation_failed"), "{statement}: {answer:?}");
            assert_eq!((in_mariadb(), databases::bobs()), (before.clone(), bobs.clone()), "{statement}");
            assert_eq!(helpers_in_mariadb(), "", "{statement}");
            run("rm -r /run/unpacked && cp -a /run/kept/. /var/backups/opterius/alice/");
        }
        assert!(!is_there("/var/lib/mysql/pwned"));
        // A part of a dump is none.
        tamper(&filename, "^-- Opterius dump is whole$", "");
        let said = restore(&panel, &filename);
        assert!(
            said.is(500, "operation_failed") && said.body["error"].as_str().unwrap().contains("incomplete"),
            "{said:?}"
        );
        assert_eq!(in_mariadb(), before);
    });
}
