//! Links and other traps in paths that root uses: at a new site, at the logs, at the home.

use crate::operations::{HOST, hosting, page, publish, shows};
use crate::support::machine::{attempt_as, on_a_machine, run, run_as};
use crate::support::panel::{Panel, further_site};
use crate::support::snapshot::Snapshot;
use crate::support::{SOON, eventually};
use serde_json::json;
use std::path::Path;

/// The directories that a new site of Alice can change.
const OF_THE_SITE: [&str; 7] = [
    "/etc/nginx/sites-available",
    "/etc/nginx/sites-enabled",
    "/etc/php/8.2/fpm/pool.d",
    "/home/alice",
    "/run/php",
    "/var/lib/opterius/sites",
    "/var/log/opterius/sites",
];

fn alice() -> Panel {
    let panel = hosting(5);
    panel.created("alice", "alice.example");
    publish("alice", "alice.example", "index.html", "A page of Alice's");
    shows("alice.example", "/", 200, "A page of Alice's");
    panel
}

#[test]
fn traps_at_the_path_of_a_new_site_change_nothing_else() {
    on_a_machine(traps_at_the_path_of_a_new_site_change_nothing_else, || {
        let panel = alice();
        run(
            "mkdir -p /srv/victim/public_html /srv/victim/tmp; echo kept >/srv/victim/public_html/kept; chmod -R go= /srv/victim",
        );
        let traps = [
            "ln -s /etc $SITE",
            "ln -s /srv/victim $SITE",
            "ln -s /srv/nowhere $SITE",
            "ln -s $SITE $SITE",
            "mkdir $SITE; ln -s /etc $SITE/public_html",
            "mkdir $SITE; ln -s /srv/victim $SITE/tmp",
            "mkdir $SITE; ln -s /etc $SITE/logs",
            "mkdir $SITE; ln -s /srv/nowhere $SITE/public_html",
            "mkdir -p $SITE/logs/kept",
            "mkdir -p $SITE; touch $SITE/public_html $SITE/tmp $SITE/logs",
            "mkfifo $SITE",
            "mkdir $SITE; mkfifo $SITE/public_html $SITE/tmp $SITE/logs",
            "touch $SITE",
            "mkdir $SITE; chmod 0 $SITE",
            "mkdir -p $SITE/public_html; chmod 0777 $SITE $SITE/public_html; chmod u+s,g+s $SITE",
        ];
        for (number, trap) in traps.iter().enumerate() {
            let domain = format!("new{number}.example");
            run_as("alice", &format!("SITE=/home/alice/{domain}; {trap}"));
            let before = state();
            let answer = panel.post("/domains/create", &further_site("alice", &domain, "alice.example"));
            let now = state();
            assert_eq!(before.differences(&now, &OF_THE_SITE), [""; 0], "{trap}: {answer:?}");
            let of_others: Vec<String> =
                before.differences(&now, &[]).into_iter().filter(|line| !line.contains(&domain)).collect();
            let directories =
                |line: &String| !OF_THE_SITE.iter().any(|directory| line.starts_with(&format!("{directory}: ")));
            let of_others: Vec<String> = of_others.into_iter().filter(directories).collect();
            assert_eq!(of_others, [""; 0], "{trap}: {answer:?}");
            assert!(matches!(answer.status, 200 | 409 | 500), "{trap}: {answer:?}");
            if answer.status != 200 {
                assert!(
                    now.paths_with(&domain).iter().all(|path| path.starts_with("/home/alice")),
                    "{trap}: {answer:?}"
                );
            }
            for target in ["/passwd", "/kept", "/nginx/nginx.conf"] {
                assert_ne!(page(&domain, target).status, 200, "{trap}");
            }
            // The logs that root writes for the site cannot be redirected.
            panel.suspend("alice").ok();
            panel.unsuspend("alice").ok();
            assert_eq!(before.differences(&state(), &OF_THE_SITE), [""; 0], "{trap}: {answer:?}");
        }
        shows("alice.example", "/", 200, "A page of Alice's");
        panel.delete("alice").ok();
        assert!(Path::new("/srv/victim/public_html/kept").exists());
    });
}

fn state() -> Snapshot {
    Snapshot::of(Path::new("/"), &[HOST.as_slice(), &["/srv"]].concat())
}

#[test]
fn a_logs_link_of_the_tenant_does_not_redirect_logs() {
    on_a_machine(a_logs_link_of_the_tenant_does_not_redirect_logs, || {
        let panel = alice();
        publish("alice", "alice.example", "wrong.php", "<?php error_log('from the script'); echo 'ran';");
        run("echo old >/etc/access.log; touch /etc/error.log");
        let before = Snapshot::of(Path::new("/"), &["/etc"]);
        run_as("alice", "cd ~alice/alice.example; rm logs; ln -s /etc logs");
        // The tenant can read root's directory of logs but not change it.
        let directory = "/var/log/opterius/sites/alice.example";
        for script in ["rm access.log", "ln -sf /etc/shadow php-error.log", "mv error.log x", "touch new", "mkdir new"]
        {
            assert!(!attempt_as("alice", &format!("cd {directory} && {script}")).0, "{script}");
        }
        assert!(
            attempt_as("alice", &format!("cat {directory}/access.log")).0,
            "the tenant must be able to read the log"
        );
        shows("alice.example", "/wrong.php", 200, "ran");
        shows("alice.example", "/?from-the-visitor", 200, "A page of Alice's");
        run("systemctl kill -s USR1 --kill-who=main nginx");
        panel.created("alice", "alice.example");
        panel.suspend("alice").ok();
        panel.unsuspend("alice").ok();
        let tail = |log: &str| {
            let body = json!({"domain": "alice.example", "username": "alice", "log_type": log});
            panel.post("/logs/tail", &body).ok()["data"].as_str().unwrap().to_owned()
        };
        assert!(eventually(SOON, || tail("access").contains("from-the-visitor")), "{}", tail("access"));
        assert!(tail("php-error").contains("from the script"));
        assert_eq!(before.differences(&Snapshot::of(Path::new("/"), &["/etc"]), &[]), [""; 0]);
    });
}

#[test]
fn a_reused_domain_does_not_expose_the_previous_accounts_logs() {
    on_a_machine(a_reused_domain_does_not_expose_the_previous_accounts_logs, || {
        let panel = alice();
        panel.created("bob", "bob.example");
        panel.post("/domains/create", &further_site("alice", "shop.example", "alice.example")).ok();
        publish("alice", "shop.example", "index.html", "A shop of Alice's");
        shows("shop.example", "/?of-alice", 200, "A shop of Alice's");
        panel
            .post("/domains/delete", &json!({"domain": "shop.example", "username": "alice", "php_version": "8.2"}))
            .ok();
        panel.post("/domains/create", &further_site("bob", "shop.example", "bob.example")).ok();
        publish("bob", "shop.example", "wrong.php", "<?php error_log('of Bob'); echo 'ran';");
        shows("shop.example", "/wrong.php?of-bob", 200, "ran");
        let logs = "/var/log/opterius/sites/shop.example";
        for name in ["access.log", "error.log", "php-error.log"] {
            assert!(!attempt_as("alice", &format!("cat {logs}/{name}")).0, "Alice can read Bob's {name}");
            let text = run_as("bob", &format!("cat {logs}/{name}"));
            assert!(!text.contains("of-alice"), "{name} contains Alice's log: {text}");
        }
        assert!(run_as("bob", &format!("cat {logs}/php-error.log")).contains("of Bob"));
        panel.delete("bob").ok();
        assert!(!Path::new(logs).exists());
    });
}

#[test]
fn changes_of_a_tenant_to_its_home_affect_nothing_else() {
    on_a_machine(changes_of_a_tenant_to_its_home_affect_nothing_else, || {
        let panel = alice();
        // The tenant can neither change nor replace these.
        assert!(
            !attempt_as("alice", "mv /home/alice /home/aside").0
                && !attempt_as("alice", "rm /run/php/opterius-alice.example.sock").0
        );
        for file in ["/etc/nginx/sites-available/alice.example.conf", "/var/lib/opterius/sites/alice.example.json"] {
            assert!(!attempt_as("alice", &format!("echo x >>{file}")).0, "{file}");
        }
        // Other users cannot read an account's record, which has the state before the suspension.
        panel.suspend("alice").ok();
        assert!(!attempt_as("nobody", "cat /var/lib/opterius/accounts/alice.json").0);
        run("test -e /var/lib/opterius/accounts/alice.json");
        panel.unsuspend("alice").ok();
        // Everything still works without the site's directory.
        run_as("alice", "cd; cd /home/alice; rm -rf alice.example; ln -s /etc alice.example");
        let before = Snapshot::of(Path::new("/"), &["/etc"]);
        panel.suspend("alice").ok();
        panel.unsuspend("alice").ok();
        assert_eq!(before.differences(&Snapshot::of(Path::new("/"), &["/etc"]), &["/etc/shadow"]), [""; 0]);
        panel.delete("alice").ok();
        run("test -e /etc/passwd && ! test -e /home/alice && nginx -t");
    });
}
