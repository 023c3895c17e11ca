//! Databases from within the sandbox of the helper's unit, and from scripts of a site.

use super::eviction::{delete, served, suspension};
use crate::operations::{publish, shows};
use crate::support::machine::{attempt, run};
use crate::support::package::on_a_server;
use serde_json::json;

/// Says which of the servers' sockets a script can connect to.
const SOCKETS: &str = "<?php foreach (['mysqld/mysqld.sock', 'postgresql/.s.PGSQL.5432'] as $path) \
                       echo $path, @stream_socket_client(\"unix:///run/$path\") ? ' opened ' : ' closed ';";

#[test]
fn the_helper_uses_both_servers_and_scripts_reach_them() {
    on_a_server(the_helper_uses_both_servers_and_scripts_reach_them, || {
        let service = served();
        run(
            "systemctl start mariadb; pg_ctlcluster --skip-systemctl-redirect $(ls /etc/postgresql) main start; sleep 1",
        );
        let password = "correct horse";
        for (path, name, sign_in) in [
            (
                "/databases",
                "username",
                "MYSQL_PWD='correct horse' mariadb --no-defaults --user=alice_u alice_shop -e 'SELECT 1'",
            ),
            (
                "/postgres",
                "pg_username",
                "PGPASSWORD='correct horse' psql -X -w -h 127.0.0.1 -U alice_u -d alice_shop -c 'SELECT 1'",
            ),
        ] {
            let call = |what: &str, body| service.post(&format!("{path}/{what}"), &body);
            call("create", json!({"name": "alice_shop"})).ok();
            let user = json!({name: "alice_u", "password": password, "database": "alice_shop", "host": "localhost"});
            call("user-create", user).ok();
            run(sign_in);
            call("user-password", json!({name: "alice_u", "password": password, "host": "localhost"})).ok();
            assert_eq!(call("info", json!({"name": "alice_shop"})).ok()["table_count"], 0);
            service.post("/account/suspend", &suspension("alice", "suspend")).ok();
            assert!(!attempt(sign_in).0);
            service.post("/account/suspend", &suspension("alice", "unsuspend")).ok();
            run(sign_in);
        }
        service.post("/databases/repair", &json!({"name": "alice_shop", "action": "repair"})).ok();
        publish("bob", "bob.example", "sockets.php", SOCKETS);
        shows("bob.example", "/sockets.php", 200, "mysqld/mysqld.sock opened postgresql/.s.PGSQL.5432 opened");
        delete(&service, "alice");
        let left =
            run("ls -A /var/lib/mysql /var/lib/opterius/databases; setpriv --reuid postgres --clear-groups psql -h \
                        /run/postgresql -A -t -c 'SELECT datname FROM pg_database UNION SELECT rolname FROM pg_roles'");
        assert!(!left.contains("alice"), "{left}");
    });
}
