//! Permissions of tenants, the Agent, and the helper.

use crate::operations::{publish, shows};
use crate::support::fake_license_server::Reply;
use crate::support::http::{self, Request};
use crate::support::machine::{attempt_as, run, run_as};
use crate::support::package::{PORT, Service, file, install, on_a_server, show};
use crate::support::panel::{further_site, site};
use crate::support::pebble::Pebble;
use crate::support::{SOON, eventually};
use serde_json::json;
use std::fs;

#[test]
fn a_tenant_gets_neither_the_helper_nor_the_secret_nor_the_cache() {
    on_a_server(a_tenant_gets_neither_the_helper_nor_the_secret_nor_the_cache, || {
        let service = Service::install("");
        run("useradd --create-home tenant; echo theirs >/home/tenant/file; chmod 0777 /home/tenant/file");
        // curl's exit code 7: it could not connect.
        let ask = "curl --silent --max-time 5 --unix-socket /run/opterius/operation.sock http://localhost/ >/dev/null; echo $?";
        assert_eq!(run_as("tenant", ask).trim(), "7");
        assert_ne!(run_as("opterius", ask).trim(), "7");

        let conf = "/etc/opterius/agent.conf";
        let cache = "/etc/opterius/license-cache.json";
        for file in [conf, cache] {
            for script in ["echo x >>FILE", "rm -f FILE", "mv FILE /home/tenant/", "mv -f /home/tenant/file FILE"] {
                let script = script.replace("FILE", file);
                assert!(!attempt_as("tenant", &script).0, "a tenant can run: {script}");
            }
        }
        assert!(!attempt_as("tenant", &format!("cat {conf}")).0);
        assert!(!attempt_as("tenant", "touch /etc/opterius/planted").0);
        // The Agent reads its configuration and replaces its cache; the Panel reads the cache.
        run_as("opterius", &format!("cat {conf}; touch /etc/opterius/mine; mv /etc/opterius/mine {cache}"));
        for script in ["rm -f FILE", "echo x >>FILE", "mv FILE FILE.old", "touch FILE.my; mv -f FILE.my FILE"] {
            let script = script.replace("FILE", conf);
            assert!(!attempt_as("opterius", &script).0, "the Agent's user can run: {script}");
        }
        run_as("www-data", &format!("cat {cache}"));
        run("systemctl restart opterius-agent");
        assert_eq!(
            (service.status()["cache"].as_str(), run(&format!("stat -c '%a %U' {cache}")).trim()),
            (Some("ok"), "644 opterius")
        );
        assert_eq!(run(&format!("stat -c '%a %U:%G' {conf} /etc/opterius")), "640 root:opterius\n1775 root:opterius\n");
    });
}

#[test]
fn the_unprivileged_agent_creates_accounts_through_the_helper() {
    on_a_server(the_unprivileged_agent_creates_accounts_through_the_helper, || {
        run("systemctl start nginx php8.2-fpm");
        let pebble = Pebble::start();
        let service =
            Service::configure(&format!("acme_server={}\nacme_ca_file=/etc/opterius/acme-ca.pem\n", pebble.url()));
        run(&format!("cp {} /etc/opterius/acme-ca.pem", pebble.authority().display()));
        install(&file("opterius-agent"));
        let process = show("MainPID");
        assert_eq!(run(&format!("ps -o user= -p {process}")).trim(), "opterius");
        assert_eq!(
            run(&format!("grep -E '^Cap(Prm|Bnd|Amb)' /proc/{process}/status | cut -f2 | sort -u")),
            "0000000000000000\n"
        );

        run("echo 127.0.0.1 alice.example www.alice.example >>/etc/hosts");
        service.post("/domains/create", &site("alice", "alice.example")).ok();
        publish("alice", "alice.example", "who.php", "<?php echo 'run by ' . posix_getpwuid(posix_geteuid())['name'];");
        shows("alice.example", "/who.php", 200, "run by alice");
        service.post("/domains/create", &further_site("alice", "shop.alice.example", "alice.example")).ok();
        service.post("/account/password", &json!({"username": "alice", "password": "correct horse battery"})).ok();
        let issue = json!({"domain": "alice.example", "email": "alice@alice.example", "username": "alice"});
        service.post("/ssl/issue", &issue).ok();
        // The Agent reads the records that the helper published.
        assert_eq!(service.post("/ssl/status", &json!({"domain": "alice.example"})).ok()["exists"], true);
        let accounts = http::fetch(PORT, Request::get("/accounts").signed()).unwrap().json();
        let domains = json!(["alice.example", "shop.alice.example"]);
        assert_eq!(
            (&accounts["accounts"][0]["username"], &accounts["accounts"][0]["domains"]),
            (&json!("alice"), &domains)
        );
        let snapshots = http::fetch(PORT, Request::get("/metrics/realtime")).unwrap().json();
        assert!(snapshots["snapshots"][0]["mem_total_mb"].as_f64().unwrap() > 100.0, "{snapshots}");
        shows("alice.example", "/", 301, "");

        let suspend = |action: &str| json!({"username": "alice", "domains": [], "action": action});
        run("setpriv --reuid alice --regid alice --clear-groups setsid sleep 1000 >/dev/null 2>&1 &");
        service.post("/account/suspend", &suspend("suspend")).ok();
        assert_eq!(run("ps -u alice -o args= || true"), "");
        service.post("/account/suspend", &suspend("unsuspend")).ok();
        check_other_operations(&service);
        service.post("/account/delete", &json!({"username": "alice", "domains": []})).ok();
        assert_eq!(run("getent passwd alice || ls -d /home/alice* /home/.opterius* 2>/dev/null || true"), "");
        assert!(eventually(SOON, || service.status()["accounts_used"] == 0));
        let units = || run("systemctl list-units --all --plain --no-legend 'opterius-operation@*'");
        assert!(eventually(SOON, || units().trim().is_empty()), "helper units are left: {}", units());
        assert_eq!(show("MainPID"), process);
    });
}

/// The other operations, which use further tools.
fn check_other_operations(service: &Service) {
    let zones = "/var/lib/powerdns/zones.sqlite3";
    run(&format!("sqlite3 {zones} </usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql"));
    let settings = format!("launch=gsqlite3\ngsqlite3-database={zones}\n");
    fs::write("/etc/powerdns/pdns.conf", settings).unwrap();
    let alice = json!({"username": "alice", "domains": ["alice.example"], "databases": []});
    let log = json!({"username": "alice", "domain": "alice.example", "log_type": "access", "offset": 0});
    let name_servers = ["ns1.example.com", "ns2.example.com"];
    let record = json!({"domain": "alice.example", "name": "new", "type": "A", "content": "192.0.2.1", "ttl": 300, "priority": 0});
    let zone =
        json!({"domain": "alice.example", "server_ip": "192.0.2.1", "ns1": name_servers[0], "ns2": name_servers[1]});
    for (path, body) in [
        ("/ssh/toggle-shell", json!({"username": "alice", "enabled": true})),
        ("/ssh/toggle-shell", json!({"username": "alice", "enabled": false})),
        ("/dns/create-zone", zone),
        ("/dns/add-record", record),
        ("/dns/list-records", json!({"domain": "alice.example"})),
        ("/dns/delete-record", json!({"domain": "alice.example", "name": "new", "type": "A"})),
        ("/logs/tail", log),
        ("/metrics/top-processes", json!({})),
        ("/php/list-versions", json!({})),
        ("/services/action", json!({"service": "nginx", "action": "restart"})),
        ("/services/list", json!({})),
        ("/stats/account", alice),
        ("/stats/server", json!({})),
        ("/system/time", json!({})),
        ("/system/timezone", json!({"timezone": "Asia/Tokyo"})),
    ] {
        let answer = service.post(path, &body);
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        // sshd's own answer about its settings comes from inside of the sandbox, too.
        assert!(path != "/ssh/toggle-shell" || answer.body["warnings"] == json!([]), "{path}: {}", answer.body);
    }
}

#[test]
fn the_logs_of_sites_are_rotated() {
    on_a_server(the_logs_of_sites_are_rotated, || {
        run("systemctl start nginx php8.2-fpm");
        let service = Service::install("");
        service.post("/domains/create", &site("alice", "alice.example")).ok();
        publish("alice", "alice.example", "bad.php", "<?php error_log('of the account'); echo 'done';");
        let logs = "/var/log/opterius/sites/alice.example";
        let is_written = |name: &str| {
            shows("alice.example", "/bad.php", 200, "done");
            fs::metadata(format!("{logs}/{name}")).is_ok_and(|file| file.len() > 0)
        };
        let names = ["access.log", "php-error.log"];
        for name in names {
            assert!(eventually(SOON, || is_written(name)), "{name}");
        }
        let permissions = || run(&format!("cd {logs} && stat -c '%n %a %U:%G' . *.log"));
        let before = permissions();
        run("logrotate --force /etc/logrotate.d/opterius-agent 2>&1");
        assert_eq!(permissions(), before);
        for name in names {
            assert!(fs::metadata(format!("{logs}/{name}.1")).unwrap().len() > 0, "{name}");
            assert!(eventually(SOON, || is_written(name)), "nginx or PHP does not write to the new {name}");
        }
    });
}

#[test]
fn a_hundred_concurrent_operations_do_not_close_the_socket() {
    on_a_server(a_hundred_concurrent_operations_do_not_close_the_socket, || {
        let service = Service::install("");
        service.server.reply(Reply::granted());
        std::thread::scope(|scope| {
            let asking = || service.post("/account/delete", &json!({"username": "missing-user", "domains": []}));
            let clients: Vec<_> = (0..100).map(|_| scope.spawn(asking)).collect();
            for client in clients {
                client.join().unwrap().refuses(404, "not_found");
            }
        });
        assert_eq!(run("systemctl is-active opterius-operation.socket").trim(), "active");
    });
}

#[test]
fn the_helper_sees_in_its_sandbox_what_nginx_serves() {
    on_a_server(the_helper_sees_in_its_sandbox_what_nginx_serves, || {
        run("systemctl start nginx php8.2-fpm");
        let service = Service::install("");
        let created = service.post("/domains/create", &site("alice", "alice.example")).ok();
        assert_eq!(created["warnings"], json!([]));
        // 443 belongs to another program, which nginx finds out only when it reloads.
        run("systemd-run --quiet --unit=other-program perl -MIO::Socket::INET -e \
             'my $s = IO::Socket::INET->new(LocalPort => 8443, Listen => 5, ReuseAddr => 1) or die $!; sleep 1 while 1'
             until ss -ltn 'sport = :8443' | grep -q LISTEN; do sleep 0.1; done
             echo 'server { listen 8443; return 204; }' >/etc/nginx/conf.d/foreign.conf");
        let answer = service.post("/domains/create", &site("bob", "bob.example"));
        answer.refuses(409, "conflict");
        let sentence = answer.body["error"].as_str().unwrap();
        assert!(sentence.contains("bind() to") && sentence.contains("held by perl (process "), "{sentence}");
        run("systemctl stop other-program");
        service.post("/domains/create", &site("bob", "bob.example")).ok();
        shows("bob.example", "/", 200, "new site");
        let suspend = json!({"username": "alice", "domains": [], "action": "suspend"});
        service.post("/account/suspend", &suspend).ok();
        shows("alice.example", "/", 503, "");
        shows("bob.example", "/", 200, "new site");
    });
}
