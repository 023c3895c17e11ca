//! Suspension and deletion from within the sandbox of the shipped unit, which hides the machine's temporary files, denies
//! mounting, and has few privileges.

use crate::operations::tenants::eviction::{
    check_left, hold_locks, holds_locks, leave_files, mixed, mount_fuse, survivors, tasks_of, uid,
};
use crate::operations::tenants::flood::{FLOOD, python};
use crate::operations::{publish, shows};
use crate::support::machine::{attempt, run, run_as};
use crate::support::package::{Service, on_a_server};
use crate::support::panel::site;
use crate::support::process::START;
use crate::support::{SOON, eventually};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Instant;

pub(super) fn served() -> Service {
    run("systemctl start nginx php8.2-fpm");
    let service = Service::install("");
    for (username, domain) in [("bob", "bob.example"), ("alice", "alice.example")] {
        service.post("/domains/create", &site(username, domain)).ok();
        publish(username, domain, "index.html", "A page");
    }
    shows("bob.example", "/", 200, "A page");
    service
}

pub(super) fn suspension(username: &str, action: &str) -> Value {
    json!({"username": username, "domains": [], "action": action})
}

pub(super) fn delete(service: &Service, username: &str) -> Value {
    service.post("/account/delete", &json!({"username": username, "domains": []})).ok()
}

/// Bob's page is served, and another account comes and goes, each within seconds.
pub(super) fn others_go_on(service: &Service) {
    let start_time = Instant::now();
    service.post("/domains/create", &site("carol", "carol.example")).ok();
    service.post("/account/suspend", &suspension("bob", "suspend")).ok();
    shows("bob.example", "/", 503, "");
    service.post("/account/suspend", &suspension("bob", "unsuspend")).ok();
    delete(service, "carol");
    assert!(start_time.elapsed() < SOON * 3, "{:?}", start_time.elapsed());
    shows("bob.example", "/", 200, "A page");
}

/// The machine's directory of temporary files can hold no more files, because Alice has made them all.
#[test]
fn a_full_directory_of_temporary_files_stops_no_operation() {
    on_a_server(a_full_directory_of_temporary_files_stops_no_operation, || {
        let service = served();
        run("mount -t tmpfs -o nr_inodes=60,mode=1777 full /tmp");
        run_as("alice", "cd /tmp; i=0; while touch f$i 2>/dev/null; do i=$((i+1)); done; test $i -gt 10");
        assert!(!attempt("touch /tmp/one-more").0);
        others_go_on(&service);
        delete(&service, "alice");
        run("touch /tmp/one-more; umount --lazy /tmp");
    });
}

/// Alice's files are among many of Bob's, also in a directory of his in which all can write.
#[test]
fn files_of_an_account_among_many_of_another_go() {
    on_a_server(files_of_an_account_among_many_of_another_go, || {
        let service = served();
        let alice = uid("alice");
        run("mount -t tmpfs -o mode=1777 fresh /tmp");
        run_as(
            "bob",
            "cd /tmp; seq -f bobs-%.0f 1 25000 | xargs touch; mkdir -m 777 shared; cd shared; seq 1 12000 | xargs touch",
        );
        run_as(
            "alice",
            "set -e; for n in 1 2 3; do touch /tmp/alices-$n /tmp/shared/alices-$n /var/tmp/alices-$n; done",
        );
        run_as("bob", "cd /tmp; seq -f later-%.0f 1 5000 | xargs touch");
        let warnings = delete(&service, "alice")["warnings"].to_string();
        assert!(!warnings.contains("tmp"), "{warnings}");
        assert_eq!(run(&format!("find /tmp /var/tmp -xdev -uid {alice}")), "");
        assert_eq!(run("find /tmp -user bob -type f | wc -l").trim(), "42000");
        others_go_on(&service);
        delete(&service, "bob");
        assert_eq!(run("find /tmp -type f | wc -l").trim(), "0");
        run("umount --lazy /tmp");
    });
}

/// The package closes systemd's socket to accounts, and their service managers start without it.
#[test]
fn a_flood_of_messages_to_systemd_stops_no_operation() {
    on_a_server(a_flood_of_messages_to_systemd_stops_no_operation, || {
        let service = served();
        let mut flood: Vec<_> = (0..6).map(|_| python("alice", FLOOD)).collect();
        let send = "import socket; socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b'STATUS=x', '/run/systemd/notify')";
        assert_eq!(python("alice", send).wait().unwrap().code(), Some(1));
        for path in ["journal/stdout", "io.system.ManagedOOM", "userdb/io.systemd.DynamicUser"] {
            let connect = format!("import socket; socket.socket(socket.AF_UNIX).connect('/run/systemd/{path}')");
            assert!(Path::new("/run/systemd").join(path).exists(), "{path}");
            assert_eq!(python("alice", &connect).wait().unwrap().code(), Some(1), "{path}");
        }
        others_go_on(&service);
        service.post("/ssh/toggle-shell", &json!({"username": "bob", "enabled": true})).ok();
        run(&format!("systemctl start user@{}.service", uid("bob")));
        assert!(eventually(SOON, || attempt("pgrep -u bob -f '[s]ystemd --user'").0));
        delete(&service, "alice");
        for child in &mut flood {
            child.wait().unwrap();
        }
        others_go_on(&service);
    });
}

#[test]
fn the_sandboxed_helper_ends_everything_of_an_account() {
    on_a_server(the_sandboxed_helper_ends_everything_of_an_account, || {
        let service = served();
        let alice = uid("alice");
        let all = format!("{alice} 300007");
        leave_files();
        for name in ["suspend", "delete"] {
            let mut children = survivors();
            children.extend(mixed(300_007));
            children.push(hold_locks());
            assert!(eventually(START, || holds_locks(children.last().unwrap()) && tasks_of(&all).lines().count() > 7));
            let start_time = Instant::now();
            if name == "suspend" {
                service.post("/account/suspend", &suspension("alice", "suspend")).ok();
            } else {
                let body = delete(&service, "alice");
                // That there is no PowerDNS here is another matter.
                let warnings = body["warnings"].as_array().unwrap();
                assert!(warnings.iter().all(|warning| warning.as_str().unwrap().contains("PowerDNS")), "{body}");
            }
            println!("{name}: {:.1?}", start_time.elapsed());
            assert!(start_time.elapsed() < SOON, "{name}: {:?}", start_time.elapsed());
            assert_eq!(tasks_of(&all), "", "after {name}");
            for child in &mut children {
                child.wait().unwrap();
            }
            others_go_on(&service);
            if name == "suspend" {
                service.post("/account/suspend", &suspension("alice", "unsuspend")).ok();
            }
        }
        check_left(&alice);
        assert_eq!(run("getent passwd alice; ls -d /home/alice* /home/.opterius* 2>/dev/null; true"), "");
    });
}

#[test]
fn a_held_lock_and_mounts_stop_no_account_of_the_sandboxed_helper() {
    on_a_server(a_held_lock_and_mounts_stop_no_account_of_the_sandboxed_helper, || {
        let service = served();
        let mut holder = hold_locks();
        assert!(eventually(START, || holds_locks(&holder)));
        others_go_on(&service);
        holder.wait().unwrap();

        run("test -e /dev/fuse || mknod /dev/fuse c 10 229");
        run_as("alice", "mkdir -p ~/fuse ~/tmpfs ~/files; cd ~/files; seq 100 | xargs touch");
        mount_fuse(&uid("alice"), "/home/alice/fuse");
        run("mount -t tmpfs none /home/alice/tmpfs");
        let body = delete(&service, "alice");
        let warnings = body["warnings"].to_string();
        assert!(warnings.contains("umount") && !warnings.contains("fuse"), "{body}");
        assert!(!attempt("id alice").0);
        assert_eq!(run("grep fuse.x /proc/mounts || true"), "");
        assert_eq!(run("ls -A /home/.opterius-deleted-*"), "tmpfs\n");
        others_go_on(&service);
        run("umount /home/.opterius-deleted-*/tmpfs");
        others_go_on(&service);
        assert_eq!(run("ls -d /home/.opterius-deleted-* 2>/dev/null || true"), "");
    });
}

#[test]
fn user_services_end_and_start_again() {
    on_a_server(user_services_end_and_start_again, || {
        let service = served();
        run(
            "find /run/systemd /etc/systemd -lname /dev/null -name 'systemd-logind*' -delete; systemctl daemon-reload; systemctl start systemd-logind",
        );
        run_as(
            "alice",
            "mkdir -p ~/.config/systemd/user/default.target.wants; cd ~/.config/systemd/user
             printf '[Service]\nExecStart=/bin/sleep 1000\nRestart=always\nRestartSec=100ms\n' >stays.service
             ln -s ../stays.service default.target.wants/",
        );
        assert!(!attempt(&format!("systemctl start user@{}.service", uid("alice"))).0, "without a shell");
        service.post("/ssh/toggle-shell", &json!({"username": "alice", "enabled": true})).ok();
        run("loginctl enable-linger alice");
        let alice = uid("alice");
        let is_running = || attempt("pgrep -u alice -x sleep").0;
        assert!(eventually(SOON, is_running), "{}", run("systemctl status --no-pager 'user@*' || true"));
        service.post("/account/suspend", &suspension("alice", "suspend")).ok();
        assert_eq!(tasks_of(&alice), "");
        assert_eq!(run("ls /var/lib/systemd/linger"), "");
        others_go_on(&service);
        assert_eq!(tasks_of(&alice), "", "after a while");
        service.post("/account/suspend", &suspension("alice", "unsuspend")).ok();
        assert!(eventually(SOON, is_running), "{}", run("systemctl status --no-pager 'user@*' || true"));
        delete(&service, "alice");
        assert_eq!(tasks_of(&alice), "");
        assert_eq!(run(&format!("ls /var/lib/systemd/linger; ls -d /run/user/{alice} 2>/dev/null || true")), "");
        others_go_on(&service);
    });
}
