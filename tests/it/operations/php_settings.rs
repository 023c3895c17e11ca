//! Settings, versions and extensions of PHP: PHP itself is asked for the effect.

use super::{hosting, is_there, page, publish, shows, state};
use crate::support::http::Request;
use crate::support::machine::{on_a_machine, run};
use crate::support::panel::{self, Answer, PHP, Panel};
use crate::support::{SOON, eventually};
use serde_json::{Value, json};

/// What a script is asked for: its settings, and whether it can call a function.
const SCRIPT: &str = r#"<?php foreach (['memory_limit', 'max_execution_time', 'upload_max_filesize', 'post_max_size',
    'max_input_vars', 'display_errors', 'allow_url_fopen'] as $key) { echo ini_get($key), ' '; }
echo function_exists('exec') ? 'exec' : '-', ' ', function_exists('shell_exec') ? 'shell_exec' : '-', ' ', getmypid();"#;

/// The settings that the Agent and Debian's php.ini have for a site.
const DEFAULTS: &str = "128M 300 64M 64M 1000  1 exec shell_exec ";

/// Alice with two sites, and Bob, each with the script.
fn alice_and_bob() -> Panel {
    let panel = hosting(5);
    for name in ["alice", "bob"] {
        panel.created(name, &format!("{name}.example"));
        publish(name, &format!("{name}.example"), "i.php", SCRIPT);
    }
    panel.post("/domains/create", &panel::further_site("alice", "shop.example", "alice.example")).ok();
    publish("alice", "shop.example", "i.php", SCRIPT);
    panel
}

/// Waits until a site's script sees these settings, whichever process answers.
fn sees(domain: &str, expected: &str) {
    let mut last = String::new();
    let is_so = eventually(SOON, || {
        last = page(domain, "/i.php").text();
        last.starts_with(expected)
    });
    assert!(is_so, "{domain}: expected {expected}, got {last}");
}

fn set(panel: &Panel, domain: &str, values: &Value) -> Answer {
    panel.post("/php/config", &json!({"domain": domain, "version": PHP, "values": values}))
}

fn shown(panel: &Panel, domain: &str) -> Value {
    let request = Request::get(&format!("/php/config?domain={domain}&version={PHP}")).signed();
    panel.send(request).ok()["values"].clone()
}

#[test]
fn php_runs_with_a_sites_settings() {
    on_a_machine(php_runs_with_a_sites_settings, || {
        let panel = alice_and_bob();
        for domain in ["alice.example", "shop.example", "bob.example"] {
            sees(domain, DEFAULTS);
        }
        let defaults = json!({
            "memory_limit": "128M", "max_execution_time": "300", "upload_max_filesize": "64M", "post_max_size": "64M",
            "max_input_vars": "1000", "display_errors": "Off", "allow_url_fopen": "On", "disable_functions": "",
        });
        assert_eq!(shown(&panel, "alice.example"), defaults);
        let before = state(&panel);
        let values = json!({
            "memory_limit": "512m", "max_execution_time": "60", "upload_max_filesize": "100M", "post_max_size": "101M",
            "max_input_vars": "5000", "display_errors": "On", "allow_url_fopen": "Off", "disable_functions": "exec, passthru",
        });
        let answer = set(&panel, "alice.example", &values).ok();
        let stored = json!({
            "memory_limit": "512M", "max_execution_time": "60", "upload_max_filesize": "100M", "post_max_size": "101M",
            "max_input_vars": "5000", "display_errors": "On", "allow_url_fopen": "Off", "disable_functions": "exec,passthru",
        });
        assert_eq!(answer["values"], stored);
        assert_eq!(shown(&panel, "alice.example"), stored);
        let alices = "512M 60 100M 101M 5000 1  - shell_exec ";
        sees("alice.example", alices);
        // The account's sites share processes. Each keeps its own settings; disabled functions are the account's.
        for _ in 0..30 {
            assert!(page("alice.example", "/i.php").text().starts_with(alices));
            let text = page("shop.example", "/i.php").text();
            assert!(text.starts_with("128M 300 64M 64M 1000  1 - shell_exec "), "{text}");
        }
        assert_eq!(shown(&panel, "shop.example")["disable_functions"], "exec,passthru");
        sees("bob.example", DEFAULTS);
        // nginx takes as much as PHP.
        for name in ["alice", "bob"] {
            publish(name, &format!("{name}.example"), "in.php", "<?php echo strlen(file_get_contents('php://input'));");
        }
        let upload = |domain: &str, mebibytes: u32| {
            run(&format!(
                "head -c {mebibytes}M /dev/zero | curl -s -w ' %{{http_code}}' -H 'Host: {domain}' -H 'Expect:' -T - http://127.0.0.1/in.php | tail -c 100"
            ))
        };
        assert!(upload("alice.example", 90).ends_with(" 200"), "{}", upload("alice.example", 90));
        assert!(upload("alice.example", 102).ends_with(" 413"));
        assert!(upload("bob.example", 90).ends_with(" 413"));
        // The settings survive a suspension, a repeated creation, and another change of the site.
        panel.suspend("alice").ok();
        panel.unsuspend("alice").ok();
        sees("alice.example", alices);
        panel.post("/domains/create", &panel::site("alice", "alice.example")).ok();
        panel.post("/domains/alias-add", &json!({"domain": "alice.example", "alias_domain": "alias.example"})).ok();
        sees("alias.example", alices);
        panel.post("/domains/alias-remove", &json!({"domain": "alice.example", "alias_domain": "alias.example"})).ok();
        // One of them, and back to php.ini.
        set(&panel, "shop.example", &json!({"memory_limit": "64M", "disable_functions": ""})).ok();
        sees("shop.example", "64M 300 64M 64M 1000  1 exec shell_exec ");
        sees("alice.example", "512M 60 100M 101M 5000 1  exec shell_exec ");
        let nothing: serde_json::Map<String, Value> =
            stored.as_object().unwrap().keys().map(|key| (key.clone(), json!(""))).collect();
        for domain in ["alice.example", "shop.example"] {
            set(&panel, domain, &json!(nothing)).ok();
        }
        assert_eq!(shown(&panel, "alice.example"), defaults);
        let log = ["/var/log/opterius"];
        let differences = before.differences(&state(&panel), &log);
        let differences: Vec<_> = differences.iter().filter(|line| !line.contains("/public_html")).collect();
        assert!(differences.is_empty(), "{differences:?}");
        // What is not asked of the right version changes nothing.
        let body = json!({"domain": "alice.example", "version": "8.1", "values": {"memory_limit": "64M"}});
        panel.post("/php/config", &body).refuses(409, "conflict");
    });
}

/// A second PHP, as a copy of the first.
pub(super) const SECOND_PHP: &str = r"cp /usr/sbin/php-fpm8.2 /usr/sbin/php-fpm8.3; cp -a /etc/php/8.2 /etc/php/8.3
    sed -i 's/8\.2/8.3/g' /etc/php/8.3/fpm/php-fpm.conf /etc/php/8.3/fpm/pool.d/www.conf
    sed 's/8\.2/8.3/g' /lib/systemd/system/php8.2-fpm.service >/etc/systemd/system/php8.3-fpm.service
    systemctl daemon-reload; systemctl start php8.3-fpm";

#[test]
fn a_switch_of_the_version_takes_the_settings_along_and_leaves_nothing() {
    on_a_machine(a_switch_of_the_version_takes_the_settings_along_and_leaves_nothing, || {
        run(SECOND_PHP);
        let panel = alice_and_bob();
        let switch = |domain: &str, version: &str| {
            panel.post(
                "/php/switch-version",
                &json!({"domain": domain, "username": "alice", "old_version": PHP, "new_version": version}),
            )
        };
        set(&panel, "alice.example", &json!({"memory_limit": "96M", "disable_functions": "exec"})).ok();
        sees("alice.example", "96M 300 64M 64M 1000  1 - shell_exec ");
        let bobs = || run("stat -c %i /run/opterius-php/8.2/bob.sock");
        let before = bobs();
        // The second site stays, and what the first has disabled is no longer of its master.
        for _ in 0..2 {
            assert_eq!(switch("alice.example", "8.3").ok()["new_version"], "8.3");
        }
        sees("alice.example", "96M 300 64M 64M 1000  1 - shell_exec ");
        sees("shop.example", "128M 300 64M 64M 1000  1 ");
        switch("shop.example", "8.3").ok();
        sees("shop.example", "128M 300 64M 64M 1000  1 - shell_exec ");
        let is_old =
            || run("ps -eo args | grep '[p]hp-fpm: master process (/var/lib/opterius/php/8.2/alice.conf' || true");
        assert!(eventually(SOON, || is_old().is_empty()), "{}", is_old());
        for path in ["/run/opterius-php", "/var/lib/opterius/php", "/etc/systemd/system/sockets.target.wants"] {
            assert_eq!(run(&format!("find {path} | grep alice | grep -F 8.2 || true")), "", "{path}");
        }
        assert_eq!(bobs(), before);
        sees("bob.example", DEFAULTS);
        let answer = switch("alice.example", "8.1");
        answer.refuses(404, "not_found");
        assert!(answer.body["error"].as_str().unwrap().contains("8.2, 8.3"), "{answer:?}");
        let body = json!({"domain": "bob.example", "username": "alice", "old_version": PHP, "new_version": "8.3"});
        panel.post("/php/switch-version", &body).refuses(409, "conflict");
        // While suspended, it takes effect afterwards.
        panel.suspend("alice").ok();
        switch("alice.example", "8.2").ok();
        assert!(!is_there("/run/opterius-php/8.2/alice.sock"));
        shows("alice.example", "/i.php", 503, "");
        panel.unsuspend("alice").ok();
        sees("alice.example", "96M 300 64M 64M 1000  1 - shell_exec ");
        panel.delete("alice").ok();
        assert_eq!(
            run("find /run/opterius-php /var/lib/opterius/php /etc/systemd/system /etc/php | grep alice || true"),
            ""
        );
    });
}

#[test]
fn an_extension_is_loaded_in_all_masters_or_in_none() {
    on_a_machine(an_extension_is_loaded_in_all_masters_or_in_none, || {
        let panel = alice_and_bob();
        for name in ["alice", "bob"] {
            publish(
                name,
                &format!("{name}.example"),
                "ext.php",
                "<?php echo extension_loaded('shmop') ? 'yes' : 'no';",
            );
        }
        let listed = |name: &str| {
            let body = panel.post("/php/list-extensions", &json!({"version": PHP})).ok();
            let rows = body["extensions"].as_array().unwrap().clone();
            rows.iter().find(|row| row["name"] == name).unwrap()["installed"].clone()
        };
        let change = |name: &str, enable: bool| {
            panel.post("/php/extensions", &json!({"version": PHP, "extension": name, "enable": enable}))
        };
        let before = state(&panel);
        assert_eq!(listed("shmop"), true);
        for (enable, expected) in [(false, "no"), (false, "no"), (true, "yes"), (true, "yes")] {
            assert_eq!(change("shmop", enable).ok()["warnings"], json!([]));
            assert_eq!(listed("shmop"), enable);
            for domain in ["alice.example", "bob.example"] {
                let shows_it = || page(domain, "/ext.php").text() == expected;
                assert!(eventually(SOON, shows_it), "{domain} {expected}");
            }
        }
        let answer = change("redis", true);
        answer.refuses(404, "not_found");
        assert!(answer.body["error"].as_str().unwrap().contains("apt-get install php8.2-redis"), "{answer:?}");
        // One that does not load is taken back.
        run("echo 'extension=broken.so' >/etc/php/8.2/mods-available/broken.ini");
        let refused = change("broken", true);
        assert!(refused.status == 500 && refused.body["error"].as_str().unwrap().contains("broken"), "{refused:?}");
        assert_eq!(listed("broken"), false);
        run("rm /etc/php/8.2/mods-available/broken.ini");
        assert_eq!(before.differences(&state(&panel), &["/var/log/opterius"]), [""; 0]);
        sees("bob.example", DEFAULTS);
    });
}

#[test]
fn a_version_that_is_not_installed_is_refused_with_its_package() {
    let panel = Panel::on_a_tree(0);
    assert_eq!(panel.post("/php/install", &json!({"version": PHP})).ok()["installed"], true);
    let answer = panel.post("/php/install", &json!({"version": "7.0"}));
    answer.refuses(503, "operations_unavailable");
    assert!(answer.body["error"].as_str().unwrap().contains("apt-get install php7.0-fpm"), "{answer:?}");
    let answer = panel.post("/php/list-extensions", &json!({"version": "7.0"}));
    answer.refuses(404, "not_found");
    assert!(answer.body["error"].as_str().unwrap().contains("PHP 8.2"), "{answer:?}");
}
