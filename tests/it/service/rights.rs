//! Who may do what: a tenant nothing, the Agent little, the helper what it is asked.

use crate::operations::{publish, shows};
use crate::support::eventually;
use crate::support::license_server::Reply;
use crate::support::machine::{attempt_as, run, run_as};
use crate::support::package::{SOON, Service, on_a_server, show};
use crate::support::panel::{further_site, site};
use crate::support::pebble::Pebble;
use serde_json::json;

#[test]
fn a_tenant_gets_neither_the_helper_nor_the_secret_nor_the_cache() {
    on_a_server(a_tenant_gets_neither_the_helper_nor_the_secret_nor_the_cache, || {
        let service = Service::install("");
        run("useradd --create-home tenant; echo theirs >/home/tenant/file; chmod 0777 /home/tenant/file");
        // curl's 7: it could not connect.
        let ask = "curl --silent --max-time 5 --unix-socket /run/opterius/operation.sock http://localhost/ >/dev/null; echo $?";
        assert_eq!(run_as("tenant", ask).trim(), "7");
        assert_ne!(run_as("opterius", ask).trim(), "7");

        let conf = "/etc/opterius/agent.conf";
        let cache = "/etc/opterius/license-cache.json";
        for file in [conf, cache] {
            for script in ["echo x >>FILE", "rm -f FILE", "mv FILE /home/tenant/", "mv -f /home/tenant/file FILE"] {
                let script = script.replace("FILE", file);
                assert!(!attempt_as("tenant", &script).0, "a tenant may: {script}");
            }
        }
        assert!(!attempt_as("tenant", &format!("cat {conf}")).0);
        assert!(!attempt_as("tenant", "touch /etc/opterius/planted").0);
        // The Agent reads its configuration and replaces its cache; the Panel reads the cache.
        run_as("opterius", &format!("cat {conf}; touch /etc/opterius/mine; mv /etc/opterius/mine {cache}"));
        for script in ["rm -f FILE", "echo x >>FILE", "mv FILE FILE.old", "touch FILE.my; mv -f FILE.my FILE"] {
            let script = script.replace("FILE", conf);
            assert!(!attempt_as("opterius", &script).0, "the Agent's user may: {script}");
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
fn the_agent_without_rights_has_accounts_made_by_the_helper() {
    on_a_server(the_agent_without_rights_has_accounts_made_by_the_helper, || {
        run("systemctl start nginx php8.2-fpm");
        let pebble = Pebble::start();
        let service =
            Service::configure(&format!("acme_server={}\nacme_ca_file=/etc/opterius/acme-ca.pem\n", pebble.url()));
        run(&format!("cp {} /etc/opterius/acme-ca.pem", pebble.authority().display()));
        crate::support::package::install(&crate::support::package::file("opterius-agent"));
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
        shows("alice.example", "/", 301, "");

        let suspend = |action: &str| json!({"username": "alice", "domains": [], "action": action});
        run("setpriv --reuid alice --regid alice --clear-groups setsid sleep 1000 >/dev/null 2>&1 &");
        service.post("/account/suspend", &suspend("suspend")).ok();
        assert_eq!(run("ps -u alice -o args= || true"), "");
        service.post("/account/suspend", &suspend("unsuspend")).ok();
        service.post("/services/list", &json!({})).ok();
        service.post("/services/action", &json!({"service": "nginx", "action": "reload"})).ok();
        service.post("/account/delete", &json!({"username": "alice", "domains": []})).ok();
        assert_eq!(run("getent passwd alice || ls /home"), "");
        assert!(eventually(SOON, || service.status()["accounts_used"] == 0));
        // Nothing of the helpers stays.
        assert_eq!(run("systemctl list-units --all --plain --no-legend 'opterius-operation@*'").trim(), "");
        assert_eq!(show("MainPID"), process);
    });
}

#[test]
fn a_hundred_operations_at_once_do_not_close_the_socket() {
    on_a_server(a_hundred_operations_at_once_do_not_close_the_socket, || {
        let service = Service::install("");
        service.server.reply(Reply::granted());
        std::thread::scope(|scope| {
            let asking = || service.post("/account/delete", &json!({"username": "nobody-there", "domains": []}));
            let clients: Vec<_> = (0..100).map(|_| scope.spawn(asking)).collect();
            for client in clients {
                client.join().unwrap().refuses(404, "not_found");
            }
        });
        assert_eq!(run("systemctl is-active opterius-operation.socket").trim(), "active");
    });
}
