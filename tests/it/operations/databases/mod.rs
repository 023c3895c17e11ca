//! MariaDB on a machine: its own client, signed in as the users of the Panel, says what they can do.

mod life;

use super::hosting;
use super::tampering::{replace, restore};
use crate::support::machine::{attempt, on_a_machine, run};
use crate::support::panel::{Answer, Panel};
use serde_json::{Value, json};

const PASSWORD: &str = "correct horse";

/// A password of everything that a shell, a client or SQL could take for something else.
const HOSTILE: &str = "\\'\"`; DROP DATABASE bob_shop; -- \\G \\! id #$(id) ä€😀 %_\\";

pub(super) fn start_mariadb() {
    run("systemctl start mariadb && mariadb --no-defaults -e 'SELECT 1'");
}

fn call(panel: &Panel, what: &str, body: Value) -> Answer {
    panel.post(&format!("/databases/{what}"), &body)
}

fn create(panel: &Panel, name: &str) -> Answer {
    call(panel, "create", json!({"name": name}))
}

fn create_user(panel: &Panel, username: &str, database: &str, host: &str) -> Answer {
    call(panel, "user-create", json!({"username": username, "password": PASSWORD, "database": database, "host": host}))
}

/// Runs SQL as root.
pub(super) fn root(sql: &str) -> String {
    std::fs::write("/run/root.sql", sql).unwrap();
    run("mariadb --no-defaults --batch --skip-column-names </run/root.sql")
}

/// Runs SQL as a user of MariaDB, over the socket or the network; the error, if it fails.
fn try_as(user: &str, password: &str, host: &str, sql: &str) -> Result<String, String> {
    std::fs::write("/run/user.sql", sql).unwrap();
    std::fs::write("/run/user.password", password).unwrap();
    let protocol = if host == "%" { "--protocol=tcp --host=127.0.0.1" } else { "--protocol=socket" };
    let (succeeded, printed) = attempt(&format!(
        "MYSQL_PWD=\"$(cat /run/user.password)\" mariadb --no-defaults --user={user} {protocol} --batch --skip-column-names </run/user.sql"
    ));
    if succeeded { Ok(printed) } else { Err(printed) }
}

pub(super) fn as_user(user: &str, sql: &str) -> String {
    try_as(user, PASSWORD, "localhost", sql).unwrap_or_else(|error| panic!("{user}: {sql}: {error}"))
}

/// Everything of Bob's in MariaDB: data, users, passwords and privileges.
pub(super) fn bobs() -> String {
    let data = run("mariadb-dump --no-defaults --skip-dump-date --databases bob_shop");
    let users =
        root("SELECT User, Host, Priv FROM mysql.global_priv WHERE User LIKE 'bob%'; SHOW GRANTS FOR bob_u@localhost;");
    data + &users
}

/// Alice and Bob with a database, a user and a table each.
pub(super) fn shops() -> Panel {
    let panel = hosting(5);
    start_mariadb();
    for name in ["alice", "bob"] {
        panel.created(name, &format!("{name}.example"));
        let database = format!("{name}_shop");
        assert_eq!(create(&panel, &database).ok()["created"], true);
        create_user(&panel, &format!("{name}_u"), &database, "localhost").ok();
        as_user(
            &format!("{name}_u"),
            &format!("CREATE TABLE {name}_shop.t (v INT); INSERT INTO {name}_shop.t VALUES (7);"),
        );
    }
    panel
}

#[test]
fn users_have_their_own_database_and_nothing_else() {
    on_a_machine(users_have_their_own_database_and_nothing_else, || {
        let panel = shops();
        let bobs_before = bobs();
        // The name of this database would match a pattern that is not escaped.
        root("CREATE DATABASE aliceXshop; CREATE TABLE aliceXshop.t (v INT);");
        assert_eq!(as_user("alice_u", "SELECT v FROM alice_shop.t"), "7\n");
        assert_eq!(as_user("alice_u", "SHOW DATABASES"), "alice_shop\ninformation_schema\n");
        for sql in [
            "SELECT * FROM bob_shop.t",
            "SELECT * FROM aliceXshop.t",
            "SELECT * FROM mysql.global_priv",
            "CREATE DATABASE alice_more",
            "CREATE USER x@localhost",
            "GRANT SELECT ON alice_shop.* TO bob_u@localhost",
            "ALTER USER bob_u@localhost IDENTIFIED BY 'x'",
            "SELECT 1 INTO OUTFILE '/tmp/x'",
            "LOAD DATA INFILE '/etc/passwd' INTO TABLE alice_shop.t",
            "SET GLOBAL general_log = 1",
            "SHOW GRANTS FOR bob_u@localhost",
        ] {
            assert!(try_as("alice_u", PASSWORD, "localhost", sql).is_err(), "{sql}");
        }
        let info = call(&panel, "info", json!({"name": "alice_shop"})).ok();
        assert_eq!(info["users"], json!([{"username": "alice_u", "host": "localhost"}]), "{info}");
        assert_eq!((&info["table_count"], &info["tables"][0]["name"]), (&json!(1), &json!("t")), "{info}");
        assert!(info["size_mb"].is_number() && info["tables"][0]["size_kb"].as_u64() > Some(0), "{info}");
        assert_eq!(info["tables"][0]["rows"], 1, "{info}");
        let stats = json!({"username": "alice", "domains": [], "databases": ["bob_shop"]});
        let size =
            |panel: &Panel| panel.post("/stats/account", &stats).ok()["stats"]["database_size_mb"].as_f64().unwrap();
        assert!((0.01..1.0).contains(&size(&panel)));

        // Any host: over the network, and over the socket as well.
        create_user(&panel, "alice_far", "alice_shop", "%").ok();
        for host in ["%", "localhost"] {
            assert_eq!(try_as("alice_far", PASSWORD, host, "SELECT v FROM alice_shop.t"), Ok("7\n".to_owned()));
        }
        assert!(try_as("alice_u", PASSWORD, "%", "SELECT 1").is_ok(), "the loopback address is localhost by name");

        // A second host of the same name has a password of its own; without a host, both go.
        create_user(&panel, "alice_far", "alice_shop", "localhost").ok();
        call(&panel, "user-password", json!({"username": "alice_far", "password": HOSTILE, "host": "localhost"})).ok();
        assert_eq!(try_as("alice_far", HOSTILE, "localhost", "SELECT 1"), Ok("1\n".to_owned()));
        call(&panel, "user-password", json!({"username": "alice_far", "password": "battery staple", "host": null}))
            .ok();
        assert!(try_as("alice_far", HOSTILE, "localhost", "SELECT 1").is_err());
        assert!(try_as("alice_far", "battery staple", "localhost", "SELECT 1").is_ok());
        call(&panel, "user-delete", json!({"username": "alice_far", "host": null})).ok();
        assert_eq!(root("SELECT COUNT(*) FROM mysql.global_priv WHERE User = 'alice_far'"), "0\n");
        call(&panel, "user-delete", json!({"username": "alice_far"})).refuses(404, "not_found");

        for action in ["repair", "optimize"] {
            assert_eq!(call(&panel, "repair", json!({"name": "alice_shop", "action": action})).ok()["tables"], 1);
        }
        call(&panel, "delete", json!({"name": "alice_shop"})).ok();
        call(&panel, "delete", json!({"name": "alice_shop"})).refuses(404, "not_found");
        call(&panel, "info", json!({"name": "alice_shop"})).refuses(404, "not_found");
        assert_eq!(
            as_user("alice_u", "SHOW DATABASES"),
            "information_schema\n",
            "privileges of a deleted database stay"
        );
        assert_eq!(bobs(), bobs_before);
        panel.delete("alice").ok();
        assert_eq!(root("SELECT User FROM mysql.global_priv WHERE User LIKE 'alice%'"), "");
        assert_eq!(bobs(), bobs_before);
    });
}

#[test]
fn no_password_is_in_an_argument_or_a_log() {
    on_a_machine(no_password_is_in_an_argument_or_a_log, || {
        let panel = shops();
        run("systemctl set-environment MYSQLD_OPTS=--log-bin=/var/lib/mysql/binlog && systemctl stop mariadb");
        start_mariadb();
        root(
            "SET GLOBAL general_log_file = '/run/mysqld/general.log', GLOBAL general_log = 1, GLOBAL slow_query_log_file = \
              '/run/mysqld/slow.log', GLOBAL slow_query_log = 1, GLOBAL long_query_time = 0;",
        );
        // Options of root must not change what is asked, and its command line is recorded.
        run("printf '[client]\\nuser=nobody\\n[mysql]\\nhtml\\n' >~root/.my.cnf");
        replace(
            "/usr/bin/mariadb",
            "#!/bin/sh\ncase $(readlink /proc/$PPID/exe) in */opterius-operation) ;; *) exec /usr/bin/mariadb.real \"$@\";; esac\n\
             printf '%s\\n' \"$@\" >>/run/arguments; env >>/run/arguments; exec /usr/bin/mariadb.real \"$@\"\n",
        );
        let secret = "Zu3eGeheim'\\x";
        call(
            &panel,
            "user-create",
            json!({"username": "alice_s", "password": secret, "database": "alice_shop", "host": "localhost"}),
        )
        .ok();
        call(&panel, "user-password", json!({"username": "alice_s", "password": secret, "host": "localhost"})).ok();
        restore("/usr/bin/mariadb");
        assert!(try_as("alice_s", secret, "localhost", "SELECT 1").is_ok());
        assert!(run("cat /run/arguments").contains("--no-defaults"));
        assert!(run("cat /var/lib/mysql/binlog.0*").contains("alice_s"));
        let digits: String = "Zu3eGeheim".bytes().map(|byte| format!("{byte:02x}")).collect();
        let found = run(&format!(
            "grep -rilE 'Zu3eGeheim|{digits}' /run/arguments /run/mysqld/general.log /run/mysqld/slow.log /var/log /var/lib/opterius \
             /var/lib/mysql /etc || true"
        ));
        assert_eq!(found, "");
        assert!(!panel.agent.lines().iter().any(|line| line.contains("Zu3eGeheim")));
    });
}

#[test]
fn what_others_made_is_not_touched() {
    on_a_machine(what_others_made_is_not_touched, || {
        let panel = shops();
        panel.created("alice_x", "x.example");
        root(
            "CREATE DATABASE alice_old; CREATE TABLE alice_old.t (v INT); CREATE USER alice_old@localhost; GRANT ALL ON alice_old.* TO alice_old@localhost; CREATE DATABASE alice_none; CREATE DATABASE alice_panel; CREATE USER panel@localhost; GRANT ALL ON alice_panel.* TO panel@localhost; CREATE DATABASE \
              pdns_x; CREATE USER alice_wide@localhost; GRANT SELECT ON bob_shop.* TO alice_wide@localhost; CREATE USER \
              bob_own@localhost; GRANT ALL ON bob_shop.* TO bob_own@localhost;",
        );
        let before = root("SELECT * FROM mysql.global_priv; SELECT * FROM mysql.db; SHOW DATABASES;");
        let registered = run("cat /var/lib/opterius/databases/*");
        let user = |name: &str, database: &str| create_user(&panel, name, database, "localhost");
        let password = |name: &str| {
            call(&panel, "user-password", json!({"username": name, "password": PASSWORD, "host": "localhost"}))
        };
        create(&panel, "alice_old").refuses(409, "conflict");
        call(&panel, "delete", json!({"name": "alice_old"})).refuses(409, "conflict");
        call(&panel, "info", json!({"name": "alice_old"})).refuses(409, "conflict");
        call(&panel, "repair", json!({"name": "alice_old", "action": "repair"})).refuses(409, "conflict");
        user("alice_u2", "alice_old").refuses(409, "conflict");
        user("alice_old", "alice_shop").refuses(409, "conflict");
        password("alice_old").refuses(409, "conflict");
        call(&panel, "user-delete", json!({"username": "alice_old"})).refuses(409, "conflict");
        // Names of nobody, of other accounts, and of two accounts at once.
        create(&panel, "pdns_new").refuses(404, "not_found");
        call(&panel, "delete", json!({"name": "pdns_x"})).refuses(409, "conflict");
        user("bob_u2", "alice_shop").refuses(409, "conflict");
        user("root_u", "alice_shop").refuses(404, "not_found");
        create(&panel, "alice_x_shop").refuses(409, "conflict");
        user("alice_x_u", "alice_shop").refuses(409, "conflict");
        user("alice_u2", "alice_missing").refuses(404, "not_found");
        assert_eq!(root("SELECT * FROM mysql.global_priv; SELECT * FROM mysql.db; SHOW DATABASES;"), before);
        assert_eq!(run("cat /var/lib/opterius/databases/*"), registered);

        // The register says whose it is, also when another account comes whose name is in front as well.
        assert_eq!(create(&panel, "bob_y_db").ok()["created"], true);
        panel.created("bob_y", "y.example");
        create(&panel, "bob_y_db").refuses(409, "conflict");
        call(&panel, "info", json!({"name": "bob_y_db"})).ok();
        panel.delete("bob_y").ok();
        assert!(root("SHOW DATABASES").contains("bob_y_db"), "it is Bob's");
        call(&panel, "delete", json!({"name": "bob_y_db"})).ok();

        // The administrator hands over what names and privileges tell apart.
        panel.delete("alice_x").ok();
        let printed = run(&format!(
            "{} --config {} operation adopt",
            crate::support::programs::agent(),
            panel.agent.config_path().display()
        ));
        for sentence in [
            "database “alice_old” now belongs to “alice”",
            "user “alice_old@localhost” now",
            "user “bob_own@localhost” now",
            "“alice_wide@localhost” was not given",
        ] {
            assert!(printed.contains(sentence), "{printed}");
        }
        call(&panel, "info", json!({"name": "alice_old"})).ok();
        panel.delete("alice").ok();
        let left = root("SHOW DATABASES; SELECT User FROM mysql.global_priv WHERE User LIKE 'alice%'");
        assert!(
            !left.contains("alice_old")
                && left.contains("alice_none")
                && left.contains("alice_panel")
                && left.contains("alice_wide")
                && left.contains("pdns_x"),
            "{left}"
        );
    });
}

#[test]
fn names_of_tables_are_no_statements() {
    on_a_machine(names_of_tables_are_no_statements, || {
        let panel = shops();
        let bobs_before = bobs();
        let names = [
            "a`b",
            "a\\\\`; DROP DATABASE bob_shop; -- x",
            "delimiter x",
            "a;b",
            "a\nDELIMITER x\ny",
            "\\\\G",
            "ä€",
            "'\"",
        ];
        for name in names {
            as_user(
                "alice_u",
                &format!(
                    "SET sql_mode='ANSI_QUOTES,NO_BACKSLASH_ESCAPES';\nSET @n = {};\n EXECUTE IMMEDIATE CONCAT('CREATE TABLE alice_shop.`', REPLACE(CONVERT(@n USING utf8mb4), '`', '``'), '` (v INT) ENGINE=MyISAM');",
                    hex(name)
                ),
            );
        }
        for action in ["repair", "optimize"] {
            let answer = call(&panel, "repair", json!({"name": "alice_shop", "action": action})).ok();
            assert_eq!(answer["tables"], names.len() + 1, "{answer}");
        }
        let info = call(&panel, "info", json!({"name": "alice_shop"})).ok();
        let listed: Vec<&str> =
            info["tables"].as_array().unwrap().iter().map(|table| table["name"].as_str().unwrap()).collect();
        assert!(names.iter().all(|name| listed.contains(name)), "{listed:?}");
        // A table whose file is damaged is named.
        root(
            "CREATE TABLE alice_shop.broken (v INT) ENGINE=MyISAM; INSERT INTO alice_shop.broken VALUES (1); FLUSH TABLES;",
        );
        run("rm /var/lib/mysql/alice_shop/broken.MYD");
        let answer = call(&panel, "repair", json!({"name": "alice_shop", "action": "repair"}));
        assert!(
            answer.is(500, "operation_failed") && answer.body["error"].as_str().unwrap().contains("broken"),
            "{answer:?}"
        );
        call(&panel, "delete", json!({"name": "alice_shop"})).ok();
        assert_eq!(bobs(), bobs_before);
    });
}

fn hex(text: &str) -> String {
    text.bytes().fold("0x".to_owned(), |digits, byte| format!("{digits}{byte:02x}"))
}
