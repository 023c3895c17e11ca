//! PHP of accounts: each has masters of its own, and shares nothing with another account.

use super::{hosting, is_there, publish, shows};
use crate::support::machine::{attempt, on_a_machine, run, run_as};
use crate::support::panel::Panel;
use serde_json::json;

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
        let seen = super::page("alice.example", "/spy.php").text();
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
