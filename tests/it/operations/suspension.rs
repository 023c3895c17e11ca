//! A suspended account has no access of any kind, and unsuspending restores it exactly.

use super::{has_password, hosting, is_there, processes, publish, shows, soon_as_before, state};
use crate::support::eventually;
use crate::support::machine::{attempt, on_a_machine, run, run_as, shell_as};
use crate::support::panel::{Panel, further_site};
use crate::support::process::START;
use serde_json::json;

/// The files that list users.
const USER_FILES: [&str; 4] = ["/etc/passwd", "/etc/shadow", "/etc/group", "/etc/gshadow"];

fn lines(panel: &Panel, username: &str) -> Vec<Vec<String>> {
    USER_FILES.map(|file| panel.lines_of(file, username)).into()
}

#[test]
fn a_suspended_account_has_no_access_and_is_restored_exactly() {
    on_a_machine(a_suspended_account_has_no_access_and_is_restored_exactly, || {
        let panel = hosting(5);
        panel.created("alice", "alice.example");
        panel.post("/domains/create", &further_site("alice", "blog.alice.example", "alice.example")).ok();
        panel.created("bob", "bob.example");
        panel.post("/account/password", &json!({"username": "alice", "password": "correct horse"})).ok();
        // Settings that an administrator may have changed.
        run("usermod -s /bin/sh -e 2031-05-06 alice; chage -M 90 -W 5 alice");
        for (user, domain) in [("alice", "alice.example"), ("alice", "blog.alice.example"), ("bob", "bob.example")] {
            publish(user, domain, "index.html", "A page");
            publish(user, domain, "who.php", "<?php echo 'alive';");
        }
        shows("alice.example", "/who.php", 200, "alive");
        let crontab = "# Alice's own\n*/5 * * * * true\n";
        run_as("alice", &format!("printf '%s' \"{crontab}\" | crontab -"));
        let before = state(&panel);
        let registered = lines(&panel, "alice");
        let mut running = shell_as("alice", "trap '' TERM HUP INT; while :; do sleep 1; done").spawn().unwrap();

        for _ in 0..2 {
            panel.suspend("alice").ok();
            check_suspended(&panel);
        }
        running.wait().unwrap();
        shows("bob.example", "/", 200, "A page");
        for _ in 0..2 {
            panel.unsuspend("alice").ok();
            assert_eq!(lines(&panel, "alice"), registered);
            assert_eq!(before.differences(&state(&panel), &["/var/log/opterius"]), [""; 0]);
        }
        assert_eq!(run("crontab -u alice -l"), crontab);
        assert_eq!(panel.account("alice").unwrap()["suspended"], false);
        for domain in ["alice.example", "blog.alice.example"] {
            shows(domain, "/", 200, "A page");
            shows(domain, "/who.php", 200, "alive");
        }
    });
}

/// Checks that the account has no pages, processes, logins or cron jobs.
fn check_suspended(panel: &Panel) {
    assert_eq!(processes("alice"), "");
    for domain in ["alice.example", "blog.alice.example"] {
        shows(domain, "/", 503, "");
        shows(domain, "/who.php", 503, "");
    }
    let account = panel.account("alice").unwrap();
    assert_eq!(account["suspended"], true, "{account}");
    let passwd = panel.lines_of("/etc/passwd", "alice");
    assert!(passwd[0].ends_with("/nologin") || passwd[0].ends_with("/false"), "{passwd:?}");
    let shadow = panel.lines_of("/etc/shadow", "alice");
    let fields: Vec<&str> = shadow[0].split(':').collect();
    assert!(fields[1].starts_with('!') || fields[1].starts_with('*'), "the password must be locked: {shadow:?}");
    let today: u64 = run("echo $(( $(date +%s) / 86400 ))").trim().parse().unwrap();
    assert!(fields[7].parse::<u64>().is_ok_and(|day| day < today), "expired: {shadow:?}");
    let (entered, printed) = attempt("su -s /bin/sh alice -c 'echo I am in'");
    assert!(!entered && !printed.contains("I am in"), "{printed}");
    assert!(!is_there("/var/spool/cron/crontabs/alice"), "cron must not run her jobs");
}

#[test]
fn a_new_password_does_not_end_a_suspension() {
    on_a_machine(a_new_password_does_not_end_a_suspension, || {
        let panel = hosting(5);
        panel.created("alice", "alice.example");
        let set = |password: &str| panel.post("/account/password", &json!({"username": "alice", "password": password}));
        set("correct horse").ok();
        panel.suspend("alice").ok();
        let expected = if set("battery staple").status == 200 { "battery staple" } else { "correct horse" };
        let hash = panel.lines_of("/etc/shadow", "alice")[0].split(':').nth(1).unwrap().to_owned();
        assert!(hash.starts_with('!') || hash.starts_with('*'), "{hash}");
        panel.unsuspend("alice").ok();
        assert!(has_password(&panel, "alice", expected), "{expected}");
    });
}

#[test]
fn a_suspended_account_can_be_deleted_and_created_again() {
    on_a_machine(a_suspended_account_can_be_deleted_and_created_again, || {
        let panel = hosting(5);
        panel.created("bob", "bob.example");
        let before = state(&panel);
        panel.created("alice", "alice.example");
        run_as("alice", "echo '@daily true' | crontab -");
        panel.suspend("alice").ok();
        panel.delete("alice").ok();
        soon_as_before(&panel, &before, &[], "deleted");
        panel.created("alice", "alice.example");
        assert_eq!(panel.account("alice").unwrap()["suspended"], false);
        publish("alice", "alice.example", "index.html", "A page");
        shows("alice.example", "/", 200, "A page");
        assert!(!is_there("/var/spool/cron/crontabs/alice"), "the new account must not get the old crontab");
    });
}

/// Scripts with which a tenant's processes try to survive.
const STUBBORN: [&str; 4] = [
    // Ignores all signals that can be ignored.
    "trap '' TERM HUP INT QUIT USR1; setsid sh -c \"trap '' TERM HUP; while :; do sleep 1; done\" & while :; do sleep 1; done",
    // Stops itself, so that only SIGKILL ends it.
    "kill -STOP $$",
    // Forks constantly, so that its pid changes before it can be signaled.
    "exec perl -e 'use POSIX; while (1) { my $child = fork; exit if $child; POSIX::setsid() }'",
    // Fills its process limit, and replaces each process that ends.
    "prlimit --nproc=40 --pid $$; exec perl -e '$SIG{CHLD} = q(IGNORE); while (1) { select undef, undef, undef, 0.01 if !defined fork }'",
];

/// Scripts that stop every process with the tenant's uid, which could include root's attempts to kill them.
const STOPPERS: [&str; 2] = [
    "exec perl -e 'while (1) { kill q(STOP), -1 }'",
    // The same, forking constantly.
    "exec perl -e 'use POSIX; while (1) { kill q(STOP), -1; my $child = fork; exit if $child; kill q(STOP), -1; POSIX::setsid() }'",
];

#[test]
fn processes_that_stop_their_killers_are_killed() {
    on_a_machine(processes_that_stop_their_killers_are_killed, || {
        let panel = hosting(5);
        panel.created("alice", "alice.example");
        for stopper in STOPPERS {
            let mut stoppers = [(); 3].map(|()| shell_as("alice", stopper).spawn().unwrap());
            // The thread that works in her home has her privileges, but her processes must not be able to signal it.
            panel.post("/domains/create", &further_site("alice", "blog.alice.example", "alice.example")).ok();
            panel.suspend("alice").ok();
            assert_eq!(processes("alice"), "", "{stopper}");
            for child in &mut stoppers {
                child.wait().unwrap();
            }
            panel.unsuspend("alice").ok();
        }
    });
}

#[test]
fn stubborn_processes_are_killed() {
    on_a_machine(stubborn_processes_are_killed, || {
        let panel = hosting(5);
        for after in ["suspend", "delete"] {
            panel.created("alice", "alice.example");
            let uid = run("id -u alice").trim().to_owned();
            let mut stubborn = STUBBORN.map(|script| shell_as("alice", script).spawn().unwrap());
            assert!(eventually(START, || processes("alice").lines().count() > 4));
            let answer = if after == "suspend" { panel.suspend("alice") } else { panel.delete("alice") };
            answer.ok();
            assert_eq!(processes(if after == "suspend" { "alice" } else { &uid }), "", "after {after}");
            for child in &mut stubborn {
                child.wait().unwrap();
            }
            if after == "suspend" {
                panel.unsuspend("alice").ok();
            }
        }
    });
}
