//! Accounts on a server with the installed package: what their visitors get, what their scripts see, which faults of others
//! an operation names, and that nothing is left.

use super::eviction::{delete, others_go_on, served, suspension};
use crate::operations::certificates::{Bought, upload};
use crate::operations::tenants::eviction::{tasks_of, uid};
use crate::operations::uploads::upload_to;
use crate::operations::{publish, shows};
use crate::support::machine::{attempt, run, run_as};
use crate::support::package::{PORT, Service, on_a_server};
use crate::support::panel::{Answer, site};
use crate::support::snapshot::Snapshot;
use crate::support::{SOON, eventually};
use serde_json::json;
use std::fs;
use std::path::Path;

/// What an account can change on the server; directories of temporary files are searched by owner.
const PLACES: [&str; 7] =
    ["/etc", "/home", "/var/lib/opterius", "/var/log/opterius", "/var/mail", "/var/spool/cron", "/dev/shm"];

/// What belongs to the server and not to an account: the license, and the setting of sshd that the first account needs.
const OF_THE_SERVER: [&str; 2] = ["/etc/opterius/license-cache.json", "/etc/ssh/sshd_config.d/50-opterius.conf"];

/// Leaves something of the account in each place that is not in its home, and a process.
const LEAVE: &str = r#"<?php
foreach (['/tmp', '/var/tmp', '/dev/shm'] as $directory) { touch("$directory/left"); chmod("$directory/left", 0666); }
shmop_open(4711, 'c', 0666, 10); exec('setsid sleep 86000 >/dev/null 2>&1 &'); echo 'left by ', posix_getpwuid(posix_geteuid())['name'];
"#;

/// What a script of Alice's sees of Bob.
const SPY: &str = r#"<?php
$seen = ['his file' => @file_get_contents('HOMES/bob/bob.example/public_html/secret.php'), 'his home' => @scandir('HOMES/bob'),
  'his processes' => array_filter(glob('/proc/[0-9]*'), fn ($path) => @fileowner($path) !== posix_geteuid()),
  'his shared memory' => @shmop_open(4711, 'a', 0, 0), 'his PHP' => @stream_socket_client('unix:///run/opterius-php/8.2/bob.sock'),
  'the helper' => @stream_socket_client('unix:///run/opterius/operation.sock'), 'the secret' => @file_get_contents('/etc/opterius/agent.conf'),
  'his script' => array_filter(array_keys(opcache_get_status()['scripts'] ?? []), fn ($path) => str_contains($path, '/bob/'))];
foreach (['/tmp', '/var/tmp', '/dev/shm'] as $directory) $seen[$directory] = @scandir($directory) != ['.', '..'];
$mine = file_put_contents('/home/alice/written', 'mine') === 4;
echo 'seen: ', implode(', ', array_keys(array_filter($seen))), '; mine: ', $mine ? 'yes' : 'no';
"#;

fn suspend(service: &Service, username: &str, action: &str) -> Answer {
    service.post("/account/suspend", &suspension(username, action))
}

/// Bob's scripts leave traces, of which those of Alice, whose home is in this directory, see nothing.
fn alice_sees_nothing_of_bob(homes: &str) {
    publish("bob", "bob.example", "secret.php", "<?php return 'the password';");
    run_as("bob", "cd /home/bob/bob.example/public_html; chmod 600 secret.php; touch -d '1 minute ago' secret.php");
    publish("bob", "bob.example", "leave.php", &format!("{LEAVE} include __DIR__ . '/secret.php';"));
    shows("bob.example", "/leave.php", 200, "left by bob");
    publish("alice", "alice.example", "spy.php", &SPY.replace("HOMES", homes));
    shows("alice.example", "/spy.php", 200, "seen: ; mine: yes");
}

/// A visitor who trusts the authority of this certificate asks for the page over TLS; curl's output and exit code.
fn over_tls(domain: &str, trusted: &str) -> String {
    fs::write("/run/trusted.pem", trusted).unwrap();
    let ask = "curl --silent --max-time 10 --write-out ' %{http_code}' --cacert /run/trusted.pem";
    attempt(&format!("{ask} --resolve {domain}:443:127.0.0.1 https://{domain}/; echo \" exit $?\"")).1
}

fn certificate_for_alice() -> (Bought, serde_json::Value) {
    let bought = Bought::good_for("alice.example");
    let body = upload(&bought.chain(), &bought.key);
    (bought, body)
}

#[test]
fn accounts_come_and_go_on_a_server_and_nothing_is_left() {
    on_a_server(accounts_come_and_go_on_a_server_and_nothing_is_left, || {
        run("systemctl start nginx php8.2-fpm");
        let service = Service::install("");
        let units = || run("systemctl list-units --all --plain --no-legend 'opterius-php-*' | awk '{ print $1 }'");
        let before = (Snapshot::of(Path::new("/"), &PLACES), units());
        for (username, domain) in [("bob", "bob.example"), ("alice", "alice.example")] {
            let created = service.post("/domains/create", &site(username, domain)).ok();
            assert_eq!((&created["account_created"], &created["warnings"]), (&json!(true), &json!([])), "{created}");
            publish(username, domain, "index.html", "A page");
        }
        let uploaded = "alice.example/public_html/uploaded.html";
        upload_to(PORT, "alice", uploaded, b"From her own computer").ok();
        shows("alice.example", "/uploaded.html", 200, "From her own computer");
        assert_eq!(run(&format!("stat -c %U /home/alice/{uploaded}")).trim(), "alice");
        alice_sees_nothing_of_bob("/home");
        for username in ["alice", "bob"] {
            let master = format!("[p]hp-fpm: master process (/var/lib/opterius/php/8.2/{username}.conf)");
            assert_eq!(run(&format!("ps -eo user:32,args | grep '{master}' | cut -d' ' -f1")).trim(), username);
        }

        let (bought, body) = certificate_for_alice();
        service.post("/ssl/upload", &body).ok();
        let expect = |text: &str| {
            let last = || over_tls("alice.example", &bought.chain());
            assert!(eventually(SOON, || last().contains(text)), "{}", last());
        };
        expect("A page\n 200 exit 0");
        shows("alice.example", "/", 301, "");
        suspend(&service, "alice", "suspend").ok();
        expect(" 503 exit 0");
        assert_eq!(tasks_of(&uid("alice")), "");
        shows("bob.example", "/leave.php", 200, "left by bob");
        suspend(&service, "alice", "unsuspend").ok();
        expect("A page\n 200 exit 0");
        others_go_on(&service);

        // What runs other programs: crontab, ssh-keygen, and sshd for its settings.
        run("systemctl start cron");
        let job = json!({"username": "alice", "schedule": "0 4 * * *", "command": "date +%F", "cron_job_id": 7});
        assert_eq!(service.post("/cron/create", &job).ok()["warnings"], json!([]));
        assert!(run_as("alice", "crontab -l").contains("\n0 4 * * * date +\\%F\n"));
        for kind in ["rsa", "ed25519"] {
            let body = json!({"username": "alice", "key_type": kind, "comment": ""});
            assert_eq!(service.post("/ssh/generate-key", &body).ok()["warnings"], json!([]));
        }
        let keys = service.post("/ssh/list-keys", &json!({"username": "alice"})).ok()["keys"].clone();
        assert_eq!(keys.as_array().unwrap().len(), 2, "{keys}");

        // Alice's own traces, outside of her home.
        publish("alice", "alice.example", "leave.php", LEAVE);
        run("curl --silent --insecure --fail --resolve alice.example:443:127.0.0.1 https://alice.example/leave.php");
        // The suspension has ended what Bob's had started.
        shows("bob.example", "/leave.php", 200, "left by bob");
        let (alice, bob) = (uid("alice"), uid("bob"));
        assert!(attempt("pgrep -u alice -x sleep").0);
        delete(&service, "alice");
        assert_eq!(tasks_of(&alice), "");
        assert!(over_tls("alice.example", &bought.chain()).contains(" 000 exit"));
        assert!(attempt("pgrep -u bob -x sleep").0, "a process of Bob's is gone");
        others_go_on(&service);
        delete(&service, "bob");
        let mut left = Vec::new();
        eventually(SOON, || {
            left = before.0.differences(&Snapshot::of(Path::new("/"), &PLACES), &OF_THE_SERVER);
            left.is_empty() && before.1 == units()
        });
        assert_eq!(left, [""; 0], "left behind or lost");
        assert_eq!(units(), before.1);
        assert_eq!(run("find /run/opterius-php -not -type d"), "");
        for uid in [alice, bob] {
            assert_eq!(run(&format!("ipcs -c | grep -w {uid}; find /run /tmp /var/tmp -uid {uid}; true")), "");
            assert_eq!(tasks_of(&uid), "");
        }
    });
}

#[test]
fn a_held_port_is_named_and_only_the_certificate_fails() {
    on_a_server(a_held_port_is_named_and_only_the_certificate_fails, || {
        let service = served();
        run("systemd-run --quiet --unit=other-program perl -MIO::Socket::INET -e \
             'my $s = IO::Socket::INET->new(LocalPort => 443, Listen => 5, ReuseAddr => 1) or die $!; sleep 1 while 1'
             until ss -ltn 'sport = :443' | grep -q LISTEN; do sleep 0.1; done");
        let (bought, body) = certificate_for_alice();
        let answer = service.post("/ssl/upload", &body);
        answer.refuses(409, "conflict");
        let sentence = answer.body["error"].as_str().unwrap();
        assert!(sentence.contains("443") && sentence.contains("held by perl (process "), "{sentence}");
        assert_eq!(service.post("/ssl/status", &json!({"domain": "alice.example"})).ok()["exists"], false);
        shows("alice.example", "/", 200, "A page");
        others_go_on(&service);
        suspend(&service, "alice", "suspend").ok();
        shows("alice.example", "/", 503, "");
        suspend(&service, "alice", "unsuspend").ok();
        run("systemctl stop other-program");
        service.post("/ssl/upload", &body).ok();
        assert!(eventually(SOON, || over_tls("alice.example", &bought.chain()).contains("A page\n 200 exit 0")));
        others_go_on(&service);
    });
}

#[test]
fn a_fault_of_others_is_named_and_a_suspension_still_locks_out() {
    on_a_server(a_fault_of_others_is_named_and_a_suspension_still_locks_out, || {
        let service = served();
        let foreign = "/etc/nginx/sites-enabled/other.conf";
        fs::write(foreign, "server {\n  listen 80;\n  server_name other.example;\n  fastcgi_foo 1;\n}\n").unwrap();
        run("setpriv --reuid alice --regid alice --clear-groups setsid sleep 1000 >/dev/null 2>&1 &");
        let delete = json!({"username": "bob", "domains": []});
        let (_, certificate) = certificate_for_alice();
        for (path, body) in [
            ("/domains/create", &site("carol", "carol.example")),
            ("/ssl/upload", &certificate),
            ("/account/delete", &delete),
            ("/account/suspend", &suspension("alice", "suspend")),
        ] {
            let answer = service.post(path, body);
            answer.refuses(503, "operations_unavailable");
            let sentence = answer.body["error"].as_str().unwrap();
            assert!(
                sentence.contains("not caused by th") && sentence.contains(&format!("{foreign}:4")),
                "{path}: {sentence}"
            );
        }
        assert!(!attempt("id carol").0 && !Path::new("/home/carol").exists());
        assert!(eventually(SOON, || tasks_of(&uid("alice")).is_empty()), "{}", tasks_of(&uid("alice")));
        assert!(run("getent passwd alice").trim().ends_with("/nologin"));
        assert!(run("getent shadow alice").starts_with("alice:!"));
        shows("bob.example", "/", 200, "A page");
        run(&format!("rm {foreign}"));
        suspend(&service, "alice", "suspend").ok();
        shows("alice.example", "/", 503, "");
        suspend(&service, "alice", "unsuspend").ok();
        shows("alice.example", "/", 200, "A page");
        others_go_on(&service);
    });
}

#[test]
fn names_of_the_server_and_of_others_are_refused() {
    on_a_server(names_of_the_server_and_of_others_are_refused, || {
        run("echo \"192.0.2.1 server.provider.example $(hostname)\" >>/etc/hosts
             echo 'server { listen 80; server_name panel.provider.example
               *.wild.example .dot.example; return 204; }' >/etc/nginx/conf.d/panel.conf");
        let service = served();
        // Users of nss-systemd stand for those of a directory service; the next numbers are theirs, too.
        let next = run("id -u alice").trim().parse::<u32>().unwrap() + 1;
        run(&format!(
            "mkdir -p /run/userdb && cd /run/userdb
             for n in 0 1 2 3; do uid=$(({next} + n))
               printf '{{\"userName\":\"dave%s\",\"uid\":%s,\"gid\":%s,\"homeDirectory\":\"/h\",\"shell\":\"/bin/sh\"}}' $n $uid $uid >dave$n.user
               ln -s dave$n.user $uid.user; done; getent passwd dave0"
        ));
        let before = Snapshot::of(Path::new("/"), &PLACES);
        for domain in [
            "server.provider.example",
            "panel.provider.example",
            "a.wild.example",
            "dot.example",
            "x.dot.example",
            "www.alice.example",
            "sub.alice.example",
        ] {
            service.post("/domains/create", &site("mallory", domain)).refuses(409, "conflict");
        }
        for domain in ["co.uk", "github.io"] {
            service.post("/domains/create", &site("mallory", domain)).refuses(422, "validation_failed");
        }
        for username in ["docker", "lxd", "www-data", "opterius"] {
            service.post("/domains/create", &site(username, "new.example")).refuses(422, "validation_failed");
        }
        for username in ["dave0", "alice"] {
            service.post("/domains/create", &site(username, "new.example")).refuses(409, "conflict");
        }
        assert_eq!(before.differences(&Snapshot::of(Path::new("/"), &PLACES), &OF_THE_SERVER), [""; 0]);
        shows("panel.provider.example", "/", 204, "");
        others_go_on(&service);
        service.post("/domains/create", &site("mallory", "provider.example")).ok();
        assert!(run("id -u mallory").trim().parse::<u32>().unwrap() > next + 3);
        delete(&service, "mallory");
        shows("panel.provider.example", "/", 204, "");
    });
}

#[test]
fn homes_on_another_disk_are_used_through_their_link() {
    on_a_server(homes_on_another_disk_are_used_through_their_link, || {
        run(
            "mkdir /data && cp -a /home /data/home && { rm -r /home 2>/dev/null || umount /home; }; ln -sfn /data/home /home",
        );
        let is_link = || fs::read_link("/home").is_ok_and(|target| target == Path::new("/data/home"));
        assert!(is_link());
        let service = served();
        alice_sees_nothing_of_bob("/home");
        alice_sees_nothing_of_bob("/data/home");
        suspend(&service, "alice", "suspend").ok();
        shows("alice.example", "/", 503, "");
        suspend(&service, "alice", "unsuspend").ok();
        shows("alice.example", "/spy.php", 200, "mine: yes");
        others_go_on(&service);
        assert!(is_link() && Path::new("/data/home/alice/written").exists());
        delete(&service, "alice");
        assert!(
            is_link() && run("ls -A /data/home").lines().all(|name| !name.contains("alice") && !name.starts_with('.'))
        );
        others_go_on(&service);
    });
}
