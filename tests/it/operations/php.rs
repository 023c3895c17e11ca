//! PHP of accounts: each has masters of its own, and shares nothing with another account.

use super::{hosting, is_there, page, publish, shows};
use crate::support::machine::{attempt, attempt_as, on_a_machine, run, run_as, shell_as};
use crate::support::panel::{self, Panel};
use crate::support::{SOON, eventually};
use serde_json::json;
use std::time::{Duration, Instant};

/// The processes of the accounts' masters.
fn masters() -> String {
    run("ps -eo user:32,args | grep '[p]hp-fpm: master process (/var/lib/opterius/php' || true")
}

/// Bob's page is served, before a visitor would give up.
fn bob_is_served() {
    assert_eq!(page("bob.example", "/who.php").text(), "bob");
}

/// Alice and Bob, each with a page of PHP.
fn alice_and_bob() -> Panel {
    let panel = hosting(5);
    for name in ["alice", "bob"] {
        panel.created(name, &format!("{name}.example"));
        publish(name, &format!("{name}.example"), "who.php", "<?php echo posix_getpwuid(posix_geteuid())['name'];");
        shows(&format!("{name}.example"), "/who.php", 200, name);
    }
    panel
}

/// What a script sees of another account. Each line is a hole if it ends with anything but “closed”.
const SPY: &str = r#"<?php
function show($name, $open) { echo $name, ': ', $open ? 'OPEN' : 'closed', "\n"; }
show('file', (@include '/home/bob/bob.example/public_html/secret.php') !== false);
show('home', @file_exists('/home/bob'));
show('process', count(array_filter(glob('/proc/[0-9]*'), fn ($path) => @fileowner($path) !== posix_geteuid())) > 0);
show('scripts', count(array_filter(array_keys(opcache_get_status()['scripts'] ?? []), fn ($path) => !str_starts_with($path, '/home/alice/'))) > 0);
show('apcu', function_exists('apcu_fetch') && apcu_fetch('secret') !== false);
show('shared memory', @shmop_open(4711, 'a', 0, 0) !== false);
show('semaphore', @msg_queue_exists(4711));
show('tmp', file_exists('/tmp/bobs'));
show('var tmp', file_exists('/var/tmp/bobs'));
show('shm', file_exists('/dev/shm/bobs'));
show('bus', @stream_socket_client('unix:///run/dbus/system_bus_socket') !== false);
show('notifications', @stream_socket_client('udg:///run/systemd/notify') !== false);
show('pool', @stream_socket_client('unix:///run/opterius-php/8.2/bob.sock') !== false);
show('settings', @file_get_contents('/var/lib/opterius/php/8.2/bob.conf') !== false);
show('site', @file_get_contents('/etc/nginx/sites-available/bob.example.conf') !== false);
opcache_reset();
show('end', false);
"#;

/// What the other account leaves for the spy.
const SECRETS: &str = r#"<?php
ini_set('session.use_strict_mode', 0); session_id('bobs'); session_start(); $_SESSION['secret'] = 'hers';
apcu_store('secret', 'his'); shmop_open(4711, 'c', 0666, 10); msg_get_queue(4711, 0666);
foreach (['/tmp', '/var/tmp', '/dev/shm'] as $directory) { file_put_contents("$directory/bobs", 'his'); chmod("$directory/bobs", 0666); }
echo 'left ', (include __DIR__ . '/secret.php') ? 'cached' : '', ' ', ini_get('session.save_path');
"#;

#[test]
fn one_account_sees_nothing_of_another_through_php() {
    on_a_machine(one_account_sees_nothing_of_another_through_php, || {
        let panel = hosting(5);
        panel.created("alice", "alice.example");
        panel.created("bob", "bob.example");
        publish("bob", "bob.example", "secret.php", "<?php return 'the password';");
        publish("bob", "bob.example", "leave.php", SECRETS);
        // The opcode cache does not take files of the last two seconds.
        run_as(
            "bob",
            "chmod 600 /home/bob/bob.example/public_html/secret.php; touch -d '1 minute ago' /home/bob/bob.example/public_html/*.php",
        );
        shows("bob.example", "/leave.php", 200, "left cached /home/bob/.php/sessions");
        assert!(is_there("/home/bob/.php/sessions/sess_bobs"));
        publish("alice", "alice.example", "spy.php", SPY);
        shows("alice.example", "/spy.php", 200, "end: closed");
        let seen = page("alice.example", "/spy.php").text();
        assert!(seen.contains("file: closed") && !seen.contains("OPEN"), "{seen}");
        // Bob's own secrets are still there for him.
        publish(
            "bob",
            "bob.example",
            "own.php",
            "<?php echo apcu_fetch('secret'), count(opcache_get_status()['scripts']) > 0 ? ' cached' : '';",
        );
        shows("bob.example", "/own.php", 200, "his cached");
    });
}

#[test]
fn php_runs_as_the_account_and_no_process_of_it_is_roots() {
    on_a_machine(php_runs_as_the_account_and_no_process_of_it_is_roots, || {
        let panel = hosting(5);
        panel.created("alice", "alice.example");
        let masters =
            run("ps -eo user:32,args | grep '[p]hp-fpm: master process (/var/lib/opterius/php/8.2/alice.conf)'");
        assert!(masters.lines().all(|line| line.starts_with("alice ")) && masters.lines().count() == 1, "{masters}");
        // A stopped master starts with the next request.
        publish("alice", "alice.example", "pid.php", "<?php echo 'alive ', posix_getppid();");
        run("systemctl stop opterius-php-8.2@alice.service");
        shows("alice.example", "/pid.php", 200, "alive ");
        // Suspending ends it, with what its scripts have started.
        publish(
            "alice",
            "alice.example",
            "fork.php",
            "<?php exec('setsid sleep 86000 >/dev/null 2>&1 &'); echo 'forked';",
        );
        shows("alice.example", "/fork.php", 200, "forked");
        panel.suspend("alice").ok();
        assert!(!is_there("/run/opterius-php/8.2/alice.sock"));
        assert_eq!(super::processes("alice"), "");
        panel.unsuspend("alice").ok();
        shows("alice.example", "/pid.php", 200, "alive ");
    });
}

/// PHP's `mail()` needs a setgid program.
#[test]
fn mail_is_delivered_through_a_setgid_program() {
    on_a_machine(mail_is_delivered_through_a_setgid_program, || {
        run("groupadd -r testdrop; install -d -m 0730 -g testdrop /var/spool/postfix/maildrop
             install -m 2755 -g testdrop /usr/bin/tee /usr/sbin/testdrop
             printf '#!/bin/sh\nexec /usr/sbin/testdrop /var/spool/postfix/maildrop/message >/dev/null\n' >/usr/sbin/sendmail
             chmod 755 /usr/sbin/sendmail");
        let panel = hosting(5);
        panel.created("alice", "alice.example");
        publish(
            "alice",
            "alice.example",
            "mail.php",
            "<?php var_dump(mail('a@b.example', 'Hello', 'A message of Alice'));",
        );
        shows("alice.example", "/mail.php", 200, "bool(true)");
        assert!(run("cat /var/spool/postfix/maildrop/message").contains("A message of Alice"));
    });
}

#[test]
fn pools_of_earlier_versions_and_of_gone_users_are_swept() {
    on_a_machine(pools_of_earlier_versions_and_of_gone_users_are_swept, || {
        let panel = hosting(5);
        panel.created("alice", "alice.example");
        panel.created("bob", "bob.example");
        let pool = |name: &str, user: &str| {
            run(&format!(
                "printf '; opterius-agent: pool of {name}\\n[{name}]\\nuser = {user}\\ngroup = {user}\\nlisten = /run/php/{name}.sock\\npm = ondemand\\npm.max_children = 2\\n' >/etc/php/8.2/fpm/pool.d/{name}.conf"
            ));
        };
        pool("alice.example", "alice");
        pool("gone.example", "someone-gone");
        // The next change of any account sweeps what would keep PHP from starting.
        panel.created("bob", "bob.example");
        assert!(!is_there("/etc/php/8.2/fpm/pool.d/gone.example.conf"));
        panel.created("alice", "alice.example");
        assert!(!is_there("/etc/php/8.2/fpm/pool.d/alice.example.conf"));
        panel.delete("alice").ok();
        run("systemctl restart php8.2-fpm");
        publish("bob", "bob.example", "who.php", "<?php echo 'still here';");
        shows("bob.example", "/who.php", 200, "still here");
        assert!(!is_there("/run/opterius-php/8.2/alice.sock") && !is_there("/var/lib/opterius/php/8.2/alice.conf"));
        assert!(!attempt("systemctl list-units --all --plain --no-legend 'opterius-php-*@alice.*' | grep .").0);
    });
}

#[test]
fn a_broken_pool_of_others_stops_no_operation() {
    on_a_machine(a_broken_pool_of_others_stops_no_operation, || {
        let panel = hosting(5);
        run(
            "printf '[broken]\\nuser = nobody-here\\nlisten = /run/php/broken.sock\\n' >/etc/php/8.2/fpm/pool.d/broken.conf",
        );
        panel.created("alice", "alice.example");
        panel.suspend("alice").ok();
        panel.unsuspend("alice").ok();
        publish("alice", "alice.example", "who.php", "<?php echo 'served';");
        shows("alice.example", "/who.php", 200, "served");
        panel.delete("alice").ok();
        assert!(is_there("/etc/php/8.2/fpm/pool.d/broken.conf"));
    });
}

#[test]
fn a_site_in_a_shared_master_moves_with_adopt() {
    on_a_machine(a_site_in_a_shared_master_moves_with_adopt, || {
        let panel: Panel = hosting(5);
        panel.created("alice", "alice.example");
        // As an earlier version left it.
        run("systemctl stop opterius-php-8.2@alice.socket opterius-php-8.2@alice.service
             rm /etc/systemd/system/sockets.target.wants/opterius-php-8.2@alice.socket /var/lib/opterius/php/8.2/alice.conf
             printf '; opterius-agent: pool of alice.example\\n[alice.example]\\nuser = alice\\ngroup = alice\\nlisten = /run/php/opterius-alice.example.sock\\npm = ondemand\\npm.max_children = 2\\n' >/etc/php/8.2/fpm/pool.d/alice.example.conf
             systemctl reload php8.2-fpm");
        let output = panel.helper().command(&["operation", "adopt"]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        publish("alice", "alice.example", "who.php", "<?php echo 'moved';");
        shows("alice.example", "/who.php", 200, "moved");
        assert!(
            is_there("/run/opterius-php/8.2/alice.sock") && !is_there("/etc/php/8.2/fpm/pool.d/alice.example.conf")
        );
        let versions = panel.post("/php/list-versions", &json!({})).ok()["versions"].clone();
        assert!(versions.as_array().unwrap().iter().any(|row| row["version"] == "8.2" && row["installed"] == true));
    });
}

#[test]
fn adopt_leaves_no_master_awake() {
    on_a_machine(adopt_leaves_no_master_awake, || {
        let panel = hosting(5);
        let names = ["alice", "bob", "carol"];
        for name in names {
            panel.created(name, &format!("{name}.example"));
            publish(name, &format!("{name}.example"), "who.php", "<?php echo posix_getpwuid(posix_geteuid())['name'];");
            // As an earlier version left it.
            run(&format!(
                "systemctl stop opterius-php-8.2@{name}.socket opterius-php-8.2@{name}.service
                 rm /etc/systemd/system/sockets.target.wants/opterius-php-8.2@{name}.socket /var/lib/opterius/php/8.2/{name}.conf"
            ));
        }
        assert_eq!(masters(), "");
        let output = panel.helper().command(&["operation", "adopt"]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        assert_eq!(masters(), "");
        for name in names {
            shows(&format!("{name}.example"), "/who.php", 200, name);
        }
        // One that serves visitors is not ended.
        run("rm /var/lib/opterius/php/8.2/*.conf /etc/systemd/system/sockets.target.wants/opterius-php-8.2@*.socket");
        run("systemctl stop opterius-php-8.2@bob.service opterius-php-8.2@carol.service");
        let output = panel.helper().command(&["operation", "adopt"]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        assert!(masters().starts_with("alice ") && masters().lines().count() == 1, "{}", masters());
        for name in names {
            shows(&format!("{name}.example"), "/who.php", 200, name);
        }
    });
}

#[test]
fn slow_requests_end_with_a_line_in_their_owners_log() {
    on_a_machine(slow_requests_end_with_a_line_in_their_owners_log, || {
        let _panel = alice_and_bob();
        run("mkdir /etc/systemd/system/opterius-php-8.2@alice.service.d
             printf '[Service]\nEnvironment=OPTERIUS_PHP_CHILDREN=2 OPTERIUS_PHP_SECONDS=6\n' >/etc/systemd/system/opterius-php-8.2@alice.service.d/few.conf
             systemctl daemon-reload; systemctl stop opterius-php-8.2@alice.service");
        publish("alice", "alice.example", "slow.php", "<?php sleep(60); echo 'too late';");
        // FPM forks for each connection that arrives while it runs.
        shows("alice.example", "/who.php", 200, "alice");
        let request = || {
            let curl = "curl -s -o /dev/null -w '%{http_code}' -H 'Host: alice.example' http://127.0.0.1/slow.php";
            shell_as("bob", curl).stdout(std::process::Stdio::piped()).spawn().unwrap()
        };
        let log = || attempt_as("alice", "cat /home/alice/alice.example/logs/php-fpm").1;
        // FPM notices connections that arrive together as one, so it says this only when one comes after the others.
        let mut requests = Vec::new();
        let said = eventually(SOON, || {
            requests.push(request());
            bob_is_served();
            log().contains("reached max_children")
        });
        assert!(said, "{} requests: {}", requests.len(), log());
        let said = eventually(SOON, || {
            bob_is_served();
            log().contains("execution timed out")
        });
        assert!(said, "{}", log());
        assert!(log().contains("/home/alice/alice.example/public_html/slow.php"), "{}", log());
        // PHP ends them, and not nginx, whose answer would be 504.
        for request in requests {
            assert_eq!(String::from_utf8_lossy(&request.wait_with_output().unwrap().stdout), "502");
        }
        shows("alice.example", "/who.php", 200, "alice");
        assert!(!attempt_as("bob", "cat /var/log/opterius/php/alice/fpm.log /home/alice/alice.example/logs/php-fpm").0);
        // PHP's limit comes first with nginx's settings for it.
        let read = run("grep -h fastcgi_read_timeout /etc/nginx/sites-available/alice.example.conf");
        assert!(read.lines().all(|line| line.trim() == "fastcgi_read_timeout 310s;"), "{read}");
        assert!(run("cat /etc/systemd/system/opterius-php-8.2@.service").contains("OPTERIUS_PHP_SECONDS=300"));
    });
}

#[test]
fn idle_masters_end_and_lose_no_request() {
    on_a_machine(idle_masters_end_and_lose_no_request, || {
        let _panel = alice_and_bob();
        // By default, systemd stops a socket after 20 starts in 2 s.
        run("mkdir -p /run/systemd/system/opterius-php-8.2@.socket.d
             printf '[Socket]\\nTriggerLimitIntervalSec=0\\n' >/run/systemd/system/opterius-php-8.2@.socket.d/limit.conf
             systemctl daemon-reload");
        // However a request meets the end of the master, it is answered.
        for _ in 0..40 {
            run("systemctl stop --no-block opterius-php-8.2@alice.service");
            assert_eq!(page("alice.example", "/who.php").text(), "alice");
        }
        run("systemctl is-active opterius-php-idle.timer");
        let is_running = || masters().lines().any(|line| line.starts_with("alice "));
        // The last stop is complete, so what ends from here on ends because it is idle.
        run("systemctl stop opterius-php-8.2@alice.service");
        let start = Instant::now();
        shows("alice.example", "/who.php", 200, "alice");
        // FPM ends a process after a minute without requests; the tenant can do so at once.
        run_as("alice", "pkill -u alice -f '^php-fpm: pool' || true");
        let ended = eventually(Duration::from_secs(150), || {
            bob_is_served();
            run("systemctl reset-failed opterius-php-idle.service; systemctl start opterius-php-idle.service");
            !is_running()
        });
        assert!(ended, "{}", masters());
        assert!(start.elapsed() > Duration::from_secs(30), "ended a new master after {:?}", start.elapsed());
        // Bob's has visitors.
        assert!(masters().starts_with("bob "));
        shows("alice.example", "/who.php", 200, "alice");
        assert!(is_running());
    });
}

#[test]
fn a_tenant_that_kills_its_master_harms_only_itself() {
    on_a_machine(a_tenant_that_kills_its_master_harms_only_itself, || {
        let _panel = alice_and_bob();
        publish("alice", "alice.example", "kill.php", "<?php posix_kill(posix_getppid(), 9); sleep(1);");
        for _ in 0..60 {
            page("alice.example", "/kill.php");
            bob_is_served();
        }
        let soon = |condition: &dyn Fn() -> bool| {
            eventually(Duration::from_secs(40), || {
                bob_is_served();
                condition()
            })
        };
        let is_served = || page("alice.example", "/who.php").text() == "alice";
        assert!(soon(&is_served), "{}", run("systemctl status --no-pager 'opterius-php-8.2@alice.*' || true"));
        // Until systemd stops the socket; by default, after 20 starts in 2 s, which a busy machine does not reach.
        run("mkdir /run/systemd/system/opterius-php-8.2@alice.socket.d
             printf '[Socket]\nTriggerLimitIntervalSec=10min\n' >/run/systemd/system/opterius-php-8.2@alice.socket.d/limit.conf
             systemctl daemon-reload");
        let killer = "while :; do pkill -9 -u alice php-fpm8.2; done";
        let mut killer = shell_as("alice", killer).spawn().unwrap();
        let has_failed = || {
            page("alice.example", "/who.php");
            attempt("systemctl is-failed opterius-php-8.2@alice.socket").0
        };
        let failed = soon(&has_failed);
        killer.kill().unwrap();
        killer.wait().unwrap();
        assert!(failed, "{}", run("systemctl status --no-pager 'opterius-php-8.2@alice.*' || true"));
        run("rm /run/systemd/system/opterius-php-8.2@alice.socket.d/limit.conf; systemctl daemon-reload");
        assert!(soon(&is_served), "{}", run("systemctl status --no-pager 'opterius-php-8.2@alice.*' || true"));
    });
}

/// A second PHP, as a copy of the first.
const SECOND_PHP: &str = r"cp /usr/sbin/php-fpm8.2 /usr/sbin/php-fpm8.3; cp -a /etc/php/8.2 /etc/php/8.3
    sed -i 's/8\.2/8.3/g' /etc/php/8.3/fpm/php-fpm.conf /etc/php/8.3/fpm/pool.d/www.conf
    sed 's/8\.2/8.3/g' /lib/systemd/system/php8.2-fpm.service >/etc/systemd/system/php8.3-fpm.service
    systemctl daemon-reload; systemctl start php8.3-fpm";

#[test]
fn a_site_changes_its_php_version() {
    on_a_machine(a_site_changes_its_php_version, || {
        run(SECOND_PHP);
        let panel = alice_and_bob();
        let bobs = || run("stat -c %i /run/opterius-php/8.2/bob.sock; pgrep -f '^php-fpm: master process .*/bob.conf'");
        let before = bobs();
        for (version, other) in [("8.3", "8.2"), ("8.2", "8.3"), ("8.3", "8.2")] {
            let mut body = panel::site("alice", "alice.example");
            body["php_version"] = json!(version);
            panel.post("/domains/create", &body).ok();
            shows("alice.example", "/who.php", 200, "alice");
            assert!(masters().contains(&format!("/php/{version}/alice.conf")), "{}", masters());
            // The previous one finishes its requests first.
            assert!(eventually(SOON, || !masters().contains(&format!("/php/{other}/alice.conf"))), "{}", masters());
            assert!(is_there(format!("/run/opterius-php/{version}/alice.sock")));
            for path in ["/run/opterius-php", "/var/lib/opterius/php", "/etc/systemd/system/sockets.target.wants"] {
                let left = run(&format!("find {path} | grep alice | grep -F '{other}' || true"));
                assert_eq!(left, "", "{path}");
            }
            bob_is_served();
            assert_eq!(bobs(), before);
        }
        panel.delete("alice").ok();
        assert_eq!(
            run("find /run/opterius-php /var/lib/opterius/php /etc/systemd/system /etc/php | grep alice || true"),
            ""
        );
        assert!(!is_there("/etc/systemd/system/opterius-php-8.3@.service"));
        assert!(!masters().contains("alice"));
        run("systemctl restart php8.2-fpm php8.3-fpm && systemctl is-active php8.2-fpm php8.3-fpm");
        shows("bob.example", "/who.php", 200, "bob");
    });
}
