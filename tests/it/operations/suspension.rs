//! An account that is suspended is out in every way, and comes back exactly as it was.

use super::{has_password, hosting, is_there, processes, publish, shows, soon_as_before, state};
use crate::support::eventually;
use crate::support::machine::{attempt, on_a_machine, run, run_as, shell_as};
use crate::support::panel::{Panel, further_site};
use crate::support::process::START;
use serde_json::json;

/// What has lines of users.
const REGISTERS: [&str; 4] = ["/etc/passwd", "/etc/shadow", "/etc/group", "/etc/gshadow"];

fn lines(panel: &Panel, username: &str) -> Vec<Vec<String>> {
    REGISTERS.map(|file| panel.lines_of(file, username)).into()
}

#[test]
fn a_suspended_account_is_out_and_comes_back_as_it_was() {
    on_a_machine(a_suspended_account_is_out_and_comes_back_as_it_was, || {
        let panel = hosting(5);
        panel.created("alice", "alice.example");
        panel.post("/domains/create", &further_site("alice", "blog.alice.example", "alice.example")).ok();
        panel.created("bob", "bob.example");
        panel.post("/account/password", &json!({"username": "alice", "password": "correct horse"})).ok();
        // As an administrator may have it.
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
            check_out(&panel);
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

/// No page, no process, no way in, no job.
fn check_out(panel: &Panel) {
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
    assert!(fields[1].starts_with('!') || fields[1].starts_with('*'), "the password is locked: {shadow:?}");
    let today: u64 = run("echo $(( $(date +%s) / 86400 ))").trim().parse().unwrap();
    assert!(fields[7].parse::<u64>().is_ok_and(|day| day < today), "expired: {shadow:?}");
    let (entered, printed) = attempt("su -s /bin/sh alice -c 'echo I am in'");
    assert!(!entered && !printed.contains("I am in"), "{printed}");
    assert!(!is_there("/var/spool/cron/crontabs/alice"), "no job of hers is run");
}

#[test]
fn a_new_password_is_no_way_out_of_a_suspension() {
    on_a_machine(a_new_password_is_no_way_out_of_a_suspension, || {
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
fn a_suspended_account_can_be_deleted_and_made_again() {
    on_a_machine(a_suspended_account_can_be_deleted_and_made_again, || {
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
        assert!(!is_there("/var/spool/cron/crontabs/alice"), "nothing of the earlier Alice");
    });
}

/// What a tenant runs to stay.
const STUBBORN: [&str; 4] = [
    // Signals that can be ignored are.
    "trap '' TERM HUP INT QUIT USR1; setsid sh -c \"trap '' TERM HUP; while :; do sleep 1; done\" & while :; do sleep 1; done",
    // Stopped, so that nothing but the kernel ends it.
    "kill -STOP $$",
    // Another number at every moment: what was listed is gone before it is signalled.
    "exec perl -e 'use POSIX; while (1) { my $child = fork; exit if $child; POSIX::setsid() }'",
    // As many as may be, and a new one for each that goes.
    "prlimit --nproc=40 --pid $$; exec perl -e '$SIG{CHLD} = q(IGNORE); while (1) { select undef, undef, undef, 0.01 if !defined fork }'",
];

/// What stops everything that has the tenant's rights, be it root's means of ending it.
const STOPPERS: [&str; 2] = [
    "exec perl -e 'while (1) { kill q(STOP), -1 }'",
    // And is another process at every moment.
    "exec perl -e 'use POSIX; while (1) { kill q(STOP), -1; my $child = fork; exit if $child; kill q(STOP), -1; POSIX::setsid() }'",
];

#[test]
fn processes_that_stop_what_would_end_them_are_gone() {
    on_a_machine(processes_that_stop_what_would_end_them_are_gone, || {
        let panel = hosting(5);
        panel.created("alice", "alice.example");
        for stopper in STOPPERS {
            let mut stoppers = [(); 3].map(|()| shell_as("alice", stopper).spawn().unwrap());
            // What works in her home has her rights, and is not hers either.
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
fn processes_that_will_not_die_are_gone() {
    on_a_machine(processes_that_will_not_die_are_gone, || {
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
