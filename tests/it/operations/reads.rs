//! Reads of the host, and control of its services, clock and DNS zones.

use super::{hosting, page, publish, shows};
use crate::support::http::Request;
use crate::support::machine::{attempt_as, on_a_machine, run, run_as, shell_as};
use crate::support::panel::Panel;
use crate::support::{SOON, eventually};
use serde_json::{Value, json};
use std::fs;

fn service(panel: &Panel, name: &str) -> Option<Value> {
    let services = panel.post("/services/list", &json!({})).ok()["services"].clone();
    services.as_array().unwrap().iter().find(|service| service["name"] == name).cloned()
}

#[test]
fn disk_usage_excludes_links_and_mounts() {
    on_a_machine(disk_usage_excludes_links_and_mounts, || {
        let panel = hosting(5);
        panel.created("alice", "alice.example");
        let measured = || {
            let body = json!({"username": "alice", "domains": ["alice.example"], "databases": []});
            panel.helper().ask("/stats/account", &body).ok()["stats"].clone()
        };
        let before = measured();
        run_as(
            "alice",
            "head -c 3145728 /dev/zero >~/large; ln -s /usr ~/link; mkdir ~/mounted ~/bound; mkfifo ~/fifo",
        );
        run("mount -t tmpfs none /home/alice/mounted; head -c 52428800 /dev/zero >/home/alice/mounted/file");
        run("mount --bind /usr/lib /home/alice/bound");
        // Until nginx has reloaded, another site answers.
        let mut visits = 0;
        let visited = eventually(SOON, || {
            visits += u32::from(page("alice.example", "/").text().contains("This is a new site"));
            visits == 3
        });
        assert!(visited, "{visits} visits");
        // nginx writes the log line after the response.
        let counted = eventually(SOON, || measured()["bandwidth"]["domains"]["alice.example"]["request_count"] == 3);
        let after = measured();
        assert!(counted, "{after}");
        let grown =
            |name: &str| after["disk_usage"][name].as_f64().unwrap() - before["disk_usage"][name].as_f64().unwrap();
        assert!((3.0..3.5).contains(&grown("home_mb")) && (3.0..3.5).contains(&grown("total_mb")), "{before} {after}");
        // The two mount points are not counted.
        let inodes = after["inode_count"].as_u64().unwrap() - before["inode_count"].as_u64().unwrap();
        assert_eq!(inodes, 3, "{before} {after}");
    });
}

#[test]
fn a_log_is_only_readable_for_its_own_account() {
    on_a_machine(a_log_is_only_readable_for_its_own_account, || {
        let panel = hosting(5);
        for name in ["alice", "bob"] {
            panel.created(name, &format!("{name}.example"));
        }
        let tail = |username: &str, offset: i64| {
            let body = json!({"domain": "alice.example", "username": username, "log_type": "access", "offset": offset});
            panel.post("/logs/tail", &body)
        };
        publish("alice", "alice.example", "hello.txt", "hello");
        shows("alice.example", "/hello.txt", 200, "hello");
        assert!(eventually(SOON, || tail("alice", 0).ok()["data"].as_str().unwrap().contains("/hello.txt")));
        let first = tail("alice", 0).ok();
        let next = first["next_offset"].as_i64().unwrap();
        assert_eq!(tail("alice", next).ok(), json!({"data": "", "next_offset": next, "missing": false}));
        tail("bob", 0).refuses(404, "not_found");

        let log = "/var/log/opterius/sites/alice.example/access.log";
        let (linked, output) = attempt_as("alice", &format!("ln -sf /etc/shadow {log}"));
        assert!(!linked, "{output}");
        // Even if the link existed, it would not be followed.
        run(&format!("ln -sf /etc/shadow {log}"));
        assert_eq!(tail("alice", 0).ok(), json!({"data": "", "next_offset": 0, "missing": true}));
    });
}

#[test]
fn services_are_controlled_but_the_agent_and_nginx_stay_up() {
    on_a_machine(services_are_controlled_but_the_agent_and_nginx_stay_up, || {
        let panel = hosting(5);
        let act = |service: &str, action: &str| {
            panel.post("/services/action", &json!({"service": service, "action": action}))
        };
        let nginx = service(&panel, "nginx").unwrap();
        assert_eq!((&nginx["status"], &nginx["display_name"]), (&json!("active"), &json!("Nginx")), "{nginx}");
        assert!(service(&panel, "rspamd").is_none());
        assert_eq!(service(&panel, "cron").unwrap()["status"], "inactive");
        act("cron", "start").ok();
        assert_eq!(service(&panel, "cron").unwrap()["status"], "active");
        act("cron", "stop").ok();
        assert_eq!(service(&panel, "cron").unwrap()["status"], "inactive");
        act("opterius-agent", "stop").refuses(409, "conflict");
        act("rspamd", "start").refuses(404, "not_found");
        act("dbus", "stop").refuses(422, "validation_failed");

        act("nginx", "reload").ok();
        fs::write("/etc/nginx/conf.d/wrong.conf", "no such directive;\n").unwrap();
        for action in ["reload", "restart"] {
            let refusal = act("nginx", action);
            refusal.refuses(409, "conflict");
            assert!(refusal.body["message"].as_str().unwrap().contains("wrong.conf"), "{refusal:?}");
        }
        assert_eq!(run("systemctl is-active nginx").trim(), "active");

        let versions = panel.post("/php/list-versions", &json!({})).ok()["versions"].clone();
        let version = |name: &str| versions.as_array().unwrap().iter().find(|row| row["version"] == name).cloned();
        assert_eq!(version("8.2"), Some(json!({"version": "8.2", "installed": true, "active": true})));
        assert_eq!(version("7.4"), Some(json!({"version": "7.4", "installed": false, "active": false})));
    });
}

#[test]
fn the_clock_and_the_busiest_processes_are_reported() {
    on_a_machine(the_clock_and_the_busiest_processes_are_reported, || {
        let panel = hosting(5);
        panel.created("alice", "alice.example");
        panel.post("/system/timezone", &json!({"timezone": "Asia/Tokyo"})).ok();
        let time = panel.post("/system/time", &json!({})).ok();
        assert_eq!((&time["timezone"], &time["ntp_synced"]), (&json!("Asia/Tokyo"), &json!(false)), "{time}");
        assert_eq!(run("date +%Z").trim(), "JST");
        panel.post("/system/timezone", &json!({"timezone": "Asia/Nowhere"})).refuses(422, "validation_failed");

        let mut busy = shell_as("alice", "while :; do :; done").spawn().unwrap();
        let shown = eventually(SOON, || {
            let processes = panel.post("/metrics/top-processes", &json!({})).ok()["processes"].clone();
            processes.as_array().unwrap().iter().any(|process| {
                process["pid"] == busy.id()
                    && process["user"] == "alice"
                    && process["cpu_percent"].as_f64() > Some(10.0)
            })
        });
        busy.kill().unwrap();
        busy.wait().unwrap();
        assert!(shown);
    });
}

#[test]
fn a_directory_tree_has_no_services_but_other_reads_work() {
    let panel = Panel::on_a_tree(5);
    panel.created("alice", "alice.example");
    assert_eq!(panel.post_bytes("/services/list", "").ok(), json!({"services": []}));
    let zone = json!({"domain": "alice.example", "server_ip": "203.0.113.5", "ns1": "ns1.host.example", "ns2": "ns2.host.example"});
    panel.post("/dns/create-zone", &zone).refuses(503, "operations_unavailable");
    panel.post("/system/timezone", &json!({"timezone": "Europe/Berlin"})).ok();
    assert_eq!(panel.read("/etc/timezone"), "Europe/Berlin\n");
    assert_eq!(panel.post_bytes("/system/time", "").ok()["timezone"], "Europe/Berlin");
    let body = json!({"username": "alice", "domains": ["alice.example", "bob.example"], "databases": ["alice_shop"]});
    let stats = panel.post("/stats/account", &body).ok()["stats"].clone();
    assert!(stats["inode_count"].as_u64().unwrap() > 1, "{stats}");
    assert_eq!(stats["bandwidth"]["domains"]["bob.example"], json!({"request_count": 0, "bytes_mb": 0.0}));
    panel.post("/stats/account", &json!({"username": "bob"})).refuses(404, "not_found");
    let open = panel.agent.fetch(Request::post("/stats/account").body(body.to_string()));
    assert_eq!(open.status, 401);
}
