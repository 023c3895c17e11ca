//! A customer's whole site through the Panel, by signed requests alone: account, DNS, certificate, database, application, PHP,
//! cron, alias, redirect, password, backup, restoration, suspension, deletion. A second customer next door notices nothing.

use super::certificates::{comes_to_serve, ended, request};
use super::databases::start_mariadb;
use super::dns::{ask, start_powerdns};
use super::uploads::upload_to;
use super::{HOST, shows};
use crate::support::http::Request;
use crate::support::machine::{attempt, on_a_machine, run};
use crate::support::panel::{Panel, site};
use crate::support::pebble::Pebble;
use crate::support::snapshot::Snapshot;
use crate::support::{SOON, eventually};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

/// How soon cron runs a job that is due every minute.
const A_MINUTE: Duration = Duration::from_secs(90);

/// Where certbot keeps every request and key that it ever made, readable by root alone.
const OF_CERTBOT: [&str; 2] = ["/etc/letsencrypt/csr", "/etc/letsencrypt/keys"];

const ROOT: &str = "/home/alice/alice.example/public_html";

/// A shop: it counts its visits in its database, and says what PHP it has.
const SHOP: &str = r#"<?php
mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);
require __DIR__ . '/config.php';
$shop = new mysqli('localhost', 'alice_web', PASSWORD, 'alice_shop');
$shop->query('CREATE TABLE IF NOT EXISTS visits (id INT AUTO_INCREMENT PRIMARY KEY)');
if (($_GET['do'] ?? '') === 'buy') $shop->query('INSERT INTO visits () VALUES ()');
echo 'visits: ', $shop->query('SELECT COUNT(*) FROM visits')->fetch_row()[0], '; memory: ', ini_get('memory_limit');
"#;

/// Makes the archive of the application, as a customer has it on a computer of their own.
fn archive() -> Vec<u8> {
    run("rm -rf /run/app && mkdir -p /run/app/shop/admin");
    std::fs::write("/run/app/shop/index.php", SHOP).unwrap();
    std::fs::write("/run/app/shop/admin/index.php", "<?php echo 'the books';").unwrap();
    run("cd /run/app && tar -czf shop.tar.gz shop");
    std::fs::read("/run/app/shop.tar.gz").unwrap()
}

/// The state of a customer: files, crontab, zone and database.
fn customer(username: &str) -> (Snapshot, String) {
    let files = Snapshot::of(Path::new("/"), &[&format!("/home/{username}")]);
    let others = run(&format!(
        "crontab -u {username} -l; pdnsutil list-zone {username}.example
         mariadb-dump --no-defaults --skip-dump-date --databases {username}_shop
         mariadb --no-defaults -e \"SELECT User, Host, Priv FROM mysql.global_priv WHERE User LIKE '{username}%'\""
    ));
    (files, others)
}

/// Everything on the server that an account can leave something in.
fn server() -> (Snapshot, String) {
    let directories: Vec<&str> = HOST.into_iter().chain(["/var/backups", "/var/lib/mysql/alice_shop"]).collect();
    let others = run(
        "pdnsutil list-all-zones; mariadb --no-defaults -e 'SHOW DATABASES; SELECT User, Host FROM mysql.global_priv'; getent passwd",
    );
    (Snapshot::of(Path::new("/"), &directories), others)
}

fn visit(target: &str, options: &str) -> String {
    let url = format!("https://alice.example{target}");
    attempt(&format!(
        "curl -sk --max-time 20 {options} -w ' %{{http_code}} %{{redirect_url}}' --resolve '*:443:127.0.0.1' '{url}'"
    ))
    .1
}

fn sees(target: &str, options: &str, expected: &str) {
    assert!(eventually(SOON, || visit(target, options).contains(expected)), "{target}: {}", visit(target, options));
}

#[test]
fn a_customer_has_a_whole_site_and_leaves_no_trace() {
    on_a_machine(a_customer_has_a_whole_site_and_leaves_no_trace, || {
        run("systemctl start nginx php8.2-fpm cron");
        run("echo 127.0.0.1 alice.example www.alice.example bob.example www.bob.example >>/etc/hosts");
        start_mariadb();
        start_powerdns();
        let pebble = Pebble::start();
        let panel = Panel::with_certificates(&pebble);
        let ok = |path: &str, body: Value| panel.post(path, &body).ok();
        let open = |username: &str, password: &str| {
            let domain = format!("{username}.example");
            ok("/domains/create", site(username, &domain));
            ok(
                "/dns/create-zone",
                json!({"domain": domain, "server_ip": "203.0.113.7", "ns1": "ns1.host.example", "ns2": "ns2.host.example"}),
            );
            ok("/databases/create", json!({"name": format!("{username}_shop")}));
            ok(
                "/databases/user-create",
                json!({
                    "username": format!("{username}_web"), "password": password, "database": format!("{username}_shop"), "host": "localhost",
                }),
            );
        };
        // Bob is there first. What all accounts share exists from then on.
        open("bob", "bob's pass\\word");
        ok("/cron/create", json!({"username": "bob", "schedule": "0 0 1 1 *", "command": "true", "cron_job_id": 1}));
        panel
            .post("/ssl/issue-async", &json!({"domain": "bob.example", "email": "bob@bob.example", "username": "bob"}));
        assert_eq!(ended(&panel, "bob.example")["state"], "issued");
        ok("/backup/create", json!({"username": "bob", "type": "full", "databases": [], "domains": []}));
        let (before, bob) = (server(), customer("bob"));

        // The account, its DNS and its certificate.
        open("alice", "it's \"a\" p$ss\\word");
        assert_eq!(ask("alice.example", 1).unwrap(), [(1, vec![203, 0, 113, 7])]);
        panel.post("/ssl/issue-async", &request("alice.example"));
        assert_eq!(ended(&panel, "alice.example")["state"], "issued");
        comes_to_serve("alice.example", |seen| seen.contains("DNS:www.alice.example"));
        shows("alice.example", "/", 301, "");

        // The application: an archive is uploaded and unpacked, and its settings are typed in.
        upload_to(panel.agent.port(), "alice", &format!("{ROOT}/shop.tar.gz"), &archive()).ok();
        assert_eq!(
            ok("/files/archive", json!({"username": "alice", "path": format!("{ROOT}/shop.tar.gz")}))["action"],
            "extracted"
        );
        ok("/files/delete", json!({"username": "alice", "path": format!("{ROOT}/shop.tar.gz")}));
        let config = r#"<?php const PASSWORD = 'it\'s "a" p$ss\\word';"#;
        ok("/files/write", json!({"username": "alice", "path": format!("{ROOT}/shop/config.php"), "content": config}));
        sees("/shop/", "", "visits: 0");
        sees("/shop/?do=buy", "", "visits: 1");

        // PHP, cron, an alias, a redirect, and a password.
        ok("/php/config", json!({"domain": "alice.example", "version": "8.2", "values": {"memory_limit": "96M"}}));
        sees("/shop/", "", "memory: 96M");
        ok(
            "/cron/create",
            json!({"username": "alice", "schedule": "* * * * *", "command": "date '+%Y' >~/cron-was-here", "cron_job_id": 2}),
        );
        ok("/domains/alias-add", json!({"domain": "alice.example", "alias_domain": "shop.example"}));
        ok(
            "/dns/create-zone",
            json!({"domain": "shop.example", "server_ip": "203.0.113.7", "ns1": "ns1.host.example", "ns2": "ns2.host.example"}),
        );
        shows("shop.example", "/shop/", 200, "visits: 1");
        let redirects = json!([{"source_path": "/old", "destination": "/shop/", "type": "301"}]);
        ok("/domains/redirect-sync", json!({"domain": "alice.example", "redirects": redirects}));
        sees("/old", "", "301 https://alice.example/shop/");
        let hash = run("openssl passwd -apr1 -salt saltsalt sesame").trim().to_owned();
        ok(
            "/domains/protected-dir/add",
            json!({
                "domain": "alice.example", "username": "alice", "document_root": ROOT, "path": "shop/admin", "label": "The books",
                "htaccess_enabled": false, "users": [{"username": "accountant", "password_hash": hash}],
            }),
        );
        sees("/shop/admin/", "", " 401 ");
        sees("/shop/admin/", "-u accountant:sesame", "the books 200");

        // A backup; then the site is broken; then it is restored.
        let backup = ok(
            "/backup/create",
            json!({"username": "alice", "type": "full", "databases": ["alice_shop"], "domains": ["alice.example"]}),
        );
        let filename = backup["filename"].as_str().unwrap().to_owned();
        ok("/files/delete", json!({"username": "alice", "path": format!("{ROOT}/shop")}));
        ok("/databases/delete", json!({"name": "alice_shop"}));
        sees("/shop/", "", " 404 ");
        ok("/databases/create", json!({"name": "alice_shop"}));
        ok(
            "/databases/user-create",
            json!({
                "username": "alice_web", "password": "it's \"a\" p$ss\\word", "database": "alice_shop", "host": "localhost",
            }),
        );
        let restored = ok("/backup/restore", json!({"filename": filename, "username": "alice", "type": "full"}));
        assert_eq!(restored["restored"], json!(["files", "databases"]), "{restored}");
        sees("/shop/", "", "visits: 1; memory: 96M");
        sees("/shop/?do=buy", "", "visits: 2");
        sees("/shop/admin/", "", " 401 ");
        assert!(eventually(A_MINUTE, || attempt("grep -qx 20.. /home/alice/cron-was-here").0), "cron ran nothing");

        // Suspended, and back.
        panel.suspend("alice").ok();
        sees("/shop/", "", " 503 ");
        shows("shop.example", "/shop/", 503, "");
        panel.unsuspend("alice").ok();
        sees("/shop/", "", "visits: 2; memory: 96M");
        sees("/old", "", "301 https://alice.example/shop/");

        // Gone without a trace, and the neighbor has noticed nothing.
        panel.delete("alice").ok();
        assert!(ask("alice.example", 1).is_err() && ask("shop.example", 1).is_err());
        let mut left = Vec::new();
        eventually(SOON, || {
            let now = server();
            left = before.0.differences(&now.0, &OF_CERTBOT);
            if now.1 != before.1 {
                left.push(format!("{}\n{}", before.1, now.1));
            }
            left.is_empty()
        });
        assert_eq!(left, [""; 0], "left behind or lost");
        let now = customer("bob");
        assert_eq!(bob.0.differences(&now.0, &[]), [""; 0]);
        assert_eq!(bob.1, now.1);
        assert_eq!(panel.agent.fetch(Request::get("/health")).status, 200);
    });
}
