//! The complete life cycle of an account on a machine, as driven by the Panel.

use super::{has_password, hosting, is_there, page, publish, shows, soon_as_before, state};
use crate::support::agent::Agent;
use crate::support::eventually;
use crate::support::machine::{attempt, attempt_as, on_a_machine, run, run_as};
use crate::support::panel::{PHP, Panel, further_site, site};
use crate::support::process::START;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;

/// A PHP script that prints the user that runs it.
const WHO: &str = "<?php echo 'run by ' . posix_getpwuid(posix_geteuid())['name'];";

#[test]
fn a_new_account_has_a_user_and_a_site() {
    on_a_machine(a_new_account_has_a_user_and_a_site, || {
        let panel = hosting(5);
        panel.created("alice", "alice.example");
        check_files();
        let passwd = panel.lines_of("/etc/passwd", "alice");
        assert!(matches!(passwd.as_slice(), [line] if line.contains(":/home/alice:")), "{passwd:?}");
        let account = panel.account("alice").unwrap();
        assert_eq!(account["home"], "/home/alice");
        assert_eq!((&account["domains"], &account["suspended"]), (&json!(["alice.example"]), &json!(false)));
        assert!(account["created_at"].as_str().is_some_and(|at| at.ends_with('Z')), "{account}");
        assert!(eventually(START, || panel.agent.status()["accounts_used"] == 1), "{}", panel.agent.status());

        publish("alice", "alice.example", "hello.html", "A page of Alice's");
        publish("alice", "alice.example", "who.php", WHO);
        shows("alice.example", "/hello.html", 200, "A page of Alice's");
        shows("alice.example", "/who.php", 200, "run by alice");

        // Repeating the request changes nothing.
        let before = state(&panel);
        panel.created("alice", "alice.example");
        soon_as_before(&panel, &before, &[], "the account already existed");
    });
}

/// Checks the owners and permissions that isolate tenants.
fn check_files() {
    let permissions = |path: &str| {
        let metadata = fs::symlink_metadata(path).unwrap_or_else(|error| panic!("{path}: {error}"));
        format!("{:o} {}:{}", metadata.mode() & 0o7777, metadata.uid(), metadata.gid())
    };
    let number = |command: &str| run(command).trim().to_owned();
    let alice = format!("{}:{}", number("id -u alice"), number("id -g alice"));
    let web = format!("{}:{}", number("id -u alice"), number("getent group www-data | cut -d: -f3"));
    assert_eq!(permissions("/home/alice"), format!("710 {web}"));
    assert_eq!(
        fs::read_link("/home/alice/alice.example/logs").unwrap(),
        Path::new("/var/log/opterius/sites/alice.example")
    );
    assert_eq!(permissions("/var/log/opterius/sites/alice.example"), format!("750 0:{}", number("id -g alice")));
    for directory in
        ["/home/alice/alice.example", "/home/alice/alice.example/public_html", "/home/alice/alice.example/tmp"]
    {
        let permissions = permissions(directory);
        assert!(permissions.ends_with(&alice) || permissions.ends_with(&web), "{directory}: {permissions}");
    }
    for file in [
        "/etc/nginx/sites-available/alice.example.conf",
        "/var/lib/opterius/php/8.2/alice.conf",
        "/var/lib/opterius/sites/alice.example.json",
    ] {
        assert_eq!(fs::metadata(file).map(|metadata| metadata.uid()).unwrap_or(u32::MAX), 0, "{file}");
        assert!(fs::metadata(file).unwrap().mode() & 0o022 == 0, "{file}: {}", permissions(file));
    }
    let first = fs::read_to_string("/etc/nginx/sites-available/alice.example.conf").unwrap();
    assert!(first.starts_with("# opterius-agent: {"), "{first}");
}

#[test]
fn a_deleted_account_leaves_nothing_behind() {
    on_a_machine(a_deleted_account_leaves_nothing_behind, || {
        let panel = hosting(5);
        // The first account creates files that all accounts share.
        panel.created("bob", "bob.example");
        let before = state(&panel);

        panel.created("alice", "alice.example");
        publish("alice", "alice.example", "index.html", "A page of Alice's");
        shows("alice.example", "/", 200, "A page of Alice's");
        check_panel_reads(&panel);
        create_and_delete_further_site(&panel);
        set_passwords(&panel);
        run("touch /var/mail/alice && chown alice:mail /var/mail/alice");
        run_as("alice", "echo '@daily true' | crontab -");

        panel.delete("alice").ok();
        soon_as_before(&panel, &before, &[], "the account is deleted");
        assert!(!attempt("id alice").0 && !attempt("getent group alice").0);
        assert_eq!(panel.usernames(), ["bob"]);
        shows("bob.example", "/", page("bob.example", "/").status, "");
        assert_ne!(page("alice.example", "/").text().trim(), "A page of Alice's");

        // Repeating the requests changes nothing.
        for answer in [panel.delete("alice"), panel.suspend("alice"), panel.unsuspend("alice")] {
            assert!(matches!(answer.status, 200 | 404), "{answer:?}");
        }
        soon_as_before(&panel, &before, &["/var/log/opterius"], "operations on a missing account change nothing");
        panel.created("alice", "alice.example");
    });
}

/// The reads that the Panel sends after each creation.
fn check_panel_reads(panel: &Panel) {
    let status = panel.post("/ssl/status", &json!({"domain": "alice.example"})).ok();
    assert_eq!(status["exists"], false, "{status}");
    let body = json!({"username": "alice", "domains": ["alice.example"], "databases": []});
    let stats = panel.post("/stats/account", &body).ok()["stats"].clone();
    for number in
        ["/disk_usage/total_mb", "/disk_usage/home_mb", "/disk_usage/email_mb", "/bandwidth/total_mb", "/inode_count"]
    {
        assert!(stats.pointer(number).is_some_and(Value::is_number), "{number}: {stats}");
    }
    let log = json!({"domain": "alice.example", "username": "alice", "log_type": "access", "offset": "0", "max_bytes": 65536});
    let log = panel.post("/logs/tail", &log).ok();
    assert!(log["data"].as_str().is_some_and(|data| data.contains("GET / ")), "{log}");

    let zone = json!({"domain": "alice.example", "server_ip": "203.0.113.5", "ns1": "ns1.example.net", "ns2": "ns2.example.net"});
    run("mv /usr/bin/pdnsutil /usr/bin/pdnsutil.aside");
    panel.post("/dns/create-zone", &zone).refuses(503, "operations_unavailable");
    run("mv /usr/bin/pdnsutil.aside /usr/bin/pdnsutil");
}

fn create_and_delete_further_site(panel: &Panel) {
    let blog = further_site("alice", "blog.alice.example", "alice.example");
    panel.post("/domains/create", &blog).ok();
    panel.post("/domains/create", &blog).ok();
    publish("alice", "blog.alice.example", "who.php", WHO);
    shows("blog.alice.example", "/who.php", 200, "run by alice");
    let domains = panel.account("alice").unwrap()["domains"].clone();
    assert_eq!(domains, json!(["alice.example", "blog.alice.example"]));

    let gone = json!({"domain": "blog.alice.example", "username": "alice", "php_version": PHP});
    panel.post("/domains/delete", &gone).ok();
    assert!(is_there("/home/alice/blog.alice.example/public_html/who.php"), "its files must stay");
    for path in [
        "/etc/nginx/sites-available/blog.alice.example.conf",
        "/etc/nginx/sites-enabled/blog.alice.example.conf",
        "/var/lib/opterius/sites/blog.alice.example.json",
    ] {
        assert!(!is_there(path), "{path}");
    }
    let again = panel.post("/domains/delete", &gone);
    assert!(matches!(again.status, 200 | 404), "{again:?}");
    shows("alice.example", "/", 200, "A page of Alice's");

    // A recreated site has its files again.
    panel.post("/domains/create", &blog).ok();
    shows("blog.alice.example", "/who.php", 200, "run by alice");
}

fn set_passwords(panel: &Panel) {
    for password in ["pässwörd: $x 'y' \"z\"", "12345678"] {
        panel.post("/account/password", &json!({"username": "alice", "password": password})).ok();
        assert!(has_password(panel, "alice", password), "{password}");
    }
}

#[test]
fn a_site_without_its_php_version_is_created_with_a_warning() {
    on_a_machine(a_site_without_its_php_version_is_created_with_a_warning, || {
        let panel = hosting(5);
        let mut body = site("alice", "alice.example");
        body["php_version"] = json!("8.4");
        let answer = panel.post("/domains/create", &body).ok();
        let warnings = answer["warnings"].as_array().map_or(0, Vec::len);
        assert!(warnings > 0 && answer["warnings"].to_string().contains("8.4"), "{answer}");
        publish("alice", "alice.example", "hello.html", "A page of Alice's");
        shows("alice.example", "/hello.html", 200, "A page of Alice's");
        // Repeating the creation with an installed version changes the version.
        panel.created("alice", "alice.example");
        publish("alice", "alice.example", "who.php", WHO);
        shows("alice.example", "/who.php", 200, "run by alice");
    });
}

#[test]
fn existing_accounts_are_adopted_and_their_sites_stay_unchanged() {
    on_a_machine(existing_accounts_are_adopted_and_their_sites_stay_unchanged, || {
        run("useradd -m -s /bin/bash carol; useradd -m dave; useradd -r -d /home/erin erin
             mkdir -p /home/carol/carol.example/public_html; chown -R carol: /home/carol
             echo 'A page of Carol’s' >/home/carol/carol.example/public_html/index.html; chmod 755 /home/carol
             echo 'server { listen 80; server_name carol.example; root /home/carol/carol.example/public_html; }' \
               >/etc/nginx/sites-available/carol.example.conf
             ln -s ../sites-available/carol.example.conf /etc/nginx/sites-enabled/");
        let panel = hosting(5);
        let file = panel.read("/etc/nginx/sites-available/carol.example.conf");
        for _ in 0..2 {
            let output = panel.helper().command(&["operation", "adopt"]).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            assert_eq!(panel.usernames(), ["carol"]);
        }
        assert_eq!(panel.account("carol").unwrap()["domains"], json!(["carol.example"]));
        panel.post("/domains/create", &site("carol", "carol.example")).refuses(409, "conflict");
        panel.post("/domains/create", &site("dave", "dave.example")).refuses(409, "conflict");
        assert_eq!(panel.read("/etc/nginx/sites-available/carol.example.conf"), file);
        shows("carol.example", "/", 200, "A page of Carol’s");

        let further = further_site("carol", "blog.carol.example", "carol.example");
        let answer = panel.post("/domains/create", &further);
        assert!(matches!(answer.status, 200 | 404 | 409), "{answer:?}");
        assert!(attempt_as("carol", "test -r /home/carol/carol.example/public_html/index.html").0);
    });
}

/// certbot keeps calling the hook from the time when the certificate was issued, even after upgrades.
#[test]
fn a_hook_that_calls_the_agent_runs_the_helper() {
    let panel = Panel::on_a_tree(5);
    let mut hook = panel.helper().command(&["operation", "renewed"]);
    let output = hook.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && stderr.contains("RENEWED_LINEAGE is not set"), "{output:?}");
    let output = hook.env("RENEWED_LINEAGE", "/etc/letsencrypt/live/a.example").output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && stderr.contains("is not the certificate of a site"), "{output:?}");
}

/// The helper of a child process runs in another directory than the Agent.
#[test]
fn a_relative_configuration_path_works_for_the_helper_too() {
    let script = r#"cd "$(dirname "$3")" && exec "$1" "$2" "$(basename "$3")""#;
    let agent = Agent::builder().launcher(["sh", "-c", script, "sh"].map(str::to_owned).into());
    let directory = agent.directory().to_owned();
    let panel = Panel::of_on_a_tree(agent, 5);
    panel.created("alice", "alice.example");
    assert_eq!(panel.usernames(), ["alice"]);
    let mut adopt = panel.helper().command(&["operation", "adopt"]);
    let program = adopt.get_program().to_owned();
    let output = Command::new(program)
        .args(["--config", "agent.conf", "operation", "adopt"])
        .current_dir(&directory)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(adopt.output().unwrap().status.success());
}
