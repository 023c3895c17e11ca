//! Faults that were there before: links in place of directories, full and read-only disks, what a tenant puts in the way, and
//! configurations that others broke. Each has the status of its class, costs nothing that it should not, and leaves other
//! accounts alone.

use super::certificates::{Bought, upload};
use super::tampering::{Fault, Tampered};
use super::{hosting, is_there, publish, shows, soon_as_before, state};
use crate::support::machine::{attempt, on_a_machine, run, run_as};
use crate::support::panel::further_site;
use serde_json::json;
use std::fs;
use std::path::Path;

/// Directories that operators move to another disk.
const MOVED: [&str; 5] =
    ["/home", "/var/log/opterius", "/var/lib/opterius", "/etc/nginx/sites-enabled", "/etc/nginx/sites-available"];

#[test]
fn directories_on_another_disk_are_used_through_their_links() {
    on_a_machine(directories_on_another_disk_are_used_through_their_links, || {
        run("mkdir -p /data/log /var/log/opterius /var/lib/opterius; mount -t tmpfs -o mode=755 none /data");
        for path in MOVED {
            let disk = format!("/data/{}", path.replace('/', "_"));
            run(&format!("cp -a {path} {disk}; rm -r {path} 2>/dev/null || umount {path}; ln -sfn {disk} {path}"));
        }
        let links = || MOVED.map(|path| fs::read_link(path).unwrap_or_else(|error| panic!("{path}: {error}")));
        let before_links = links();
        let panel = hosting(5);
        panel.created("bob", "bob.example");
        publish("bob", "bob.example", "index.html", "A page of Bob's");
        let before = state(&panel);

        // Creations that fail, and that are killed, at any tool.
        let tampered = Tampered::new();
        for fault in [Fault::Refuse as fn(usize) -> Fault, Fault::KillAfter] {
            for number in 1..=4 {
                tampered.set(Some(fault(number)));
                let answer = panel.create("alice", "alice.example");
                tampered.set(None);
                assert_eq!(links(), before_links, "{:?}: {answer:?}", fault(number));
                // PHP's reload may fail.
                assert!(matches!(answer.status, 200 | 500), "{:?}: {answer:?}", fault(number));
                if answer.status == 200 {
                    panel.delete("alice").ok();
                }
            }
        }
        panel.created("alice", "alice.example");
        publish("alice", "alice.example", "index.html", "A page of Alice's");
        publish("alice", "alice.example", "who.php", "<?php echo 'run by ', posix_getpwuid(posix_geteuid())['name'];");
        shows("alice.example", "/", 200, "A page of Alice's");
        shows("alice.example", "/who.php", 200, "run by alice");
        run_as("alice", "ln -s /etc/passwd /home/alice/alice.example/public_html/passwd");
        shows("alice.example", "/passwd", 403, "");
        panel.post("/domains/create", &further_site("alice", "blog.alice.example", "alice.example")).ok();
        panel.suspend("alice").ok();
        shows("alice.example", "/", 503, "");
        panel.unsuspend("alice").ok();
        shows("alice.example", "/", 200, "A page of Alice's");
        panel.delete("alice").ok();
        assert_eq!(links(), before_links);
        soon_as_before(&panel, &before, &[], "deleted");
        assert!(!is_there("/data/_home/alice"));
        shows("bob.example", "/", 200, "A page of Bob's");

        // A link that a tenant can replace is not followed, and not deleted.
        run("chmod 777 /data");
        panel.create("alice", "alice.example").refuses(500, "operation_failed");
        assert_eq!(links(), before_links);
        run("chmod 755 /data");
        panel.created("alice", "alice.example");
    });
}

#[test]
fn an_administrators_work_between_a_crash_and_the_next_operation_survives() {
    on_a_machine(an_administrators_work_between_a_crash_and_the_next_operation_survives, || {
        let panel = hosting(5);
        panel.created("bob", "bob.example");
        let tampered = Tampered::new();
        // Killed before useradd: the administrator takes the name, with the uid that is next.
        let killed = (1..)
            .find_map(|number| {
                tampered.set(Some(Fault::KillBefore(number)));
                let killed = panel.create("alice", "alice.example");
                let is_at_useradd = tampered.log().contains("useradd");
                tampered.set(None);
                if !is_at_useradd {
                    assert!(killed.status >= 500, "{killed:?}");
                    panel.unsuspend("bob").ok();
                }
                is_at_useradd.then_some(killed)
            })
            .unwrap();
        assert!(killed.status >= 500 && is_there("/var/lib/opterius/unfinished.json"), "{killed:?}");
        run("useradd -m -s /bin/bash alice; echo kept >/home/alice/file");
        panel.suspend("bob").ok();
        assert_eq!(panel.read("/home/alice/file"), "kept\n");
        run("id alice; userdel -r alice");

        // A running nginx tests the configuration itself.
        run("systemctl stop nginx");
        // Killed at nginx's test: the administrator edits the site's file, and puts a directory in place of the logs.
        for number in 2.. {
            tampered.set(Some(Fault::KillBefore(number)));
            let killed = panel.create("alice", "alice.example");
            assert!(killed.status >= 500, "{killed:?}");
            if tampered.log().contains("nginx") {
                break;
            }
            // The rollback runs tools as well.
            tampered.set(None);
            panel.unsuspend("bob").ok();
        }
        tampered.set(None);
        let file = "/etc/nginx/sites-available/alice.example.conf";
        let edited = format!("{}# edited\n", panel.read(file).replace("/home/alice", "/srv"));
        fs::write(file, &edited).unwrap();
        run("rm -r /var/log/opterius/sites/alice.example; mkdir /var/log/opterius/sites/alice.example
             echo kept >/var/log/opterius/sites/alice.example/file");
        run("systemctl start nginx");
        panel.unsuspend("bob").ok();
        assert_eq!(panel.read(file), edited);
        assert_eq!(panel.read("/var/log/opterius/sites/alice.example/file"), "kept\n");
        assert!(panel.account("alice").is_none() && !is_there("/home/alice") && !attempt("id alice").0);
        shows("bob.example", "/", 200, "");
    });
}

#[test]
fn each_obstacle_has_the_status_of_its_class() {
    on_a_machine(each_obstacle_has_the_status_of_its_class, || {
        let panel = hosting(5);
        panel.created("alice", "alice.example");
        panel.created("bob", "bob.example");
        let further = further_site("alice", "blog.alice.example", "alice.example");
        let place = "/home/alice/blog.alice.example";
        // What the tenant can put in the way.
        for (obstacle, end) in [
            (format!("ln -s /etc {place}"), format!("rm {place}")),
            (format!("echo x >{place}"), format!("rm {place}")),
            (format!("mkdir {place}; chmod 0 {place}"), format!("chmod 700 {place}; rmdir {place}")),
        ] {
            run_as("alice", &obstacle);
            let answer = panel.post("/domains/create", &further);
            answer.refuses(409, "conflict");
            assert!(answer.body["message"].as_str().unwrap().contains("blog.alice.example"), "{answer:?}");
            run_as("alice", &end);
        }
        // A full disk, a read-only one, and a home that is gone.
        run("mkdir /run/copy; cp -a /home/alice/. /run/copy; mount -t tmpfs -o size=64k,mode=710 none /home/alice
             cp -a /run/copy/. /home/alice; chown --reference=/run/copy/alice.example /home/alice; chgrp www-data /home/alice
             dd if=/dev/zero of=/home/alice/filling bs=1k 2>/dev/null; true");
        panel.post("/domains/create", &further).refuses(507, "insufficient_storage");
        run("rm /home/alice/filling; mount -o remount,ro /home/alice");
        let answer = panel.post("/domains/create", &further);
        answer.refuses(500, "operation_failed");
        assert!(answer.body["message"].as_str().unwrap().contains("remount,rw"), "{answer:?}");
        run("umount /home/alice; mv /home/alice /home/.aside");
        panel.post("/domains/create", &further).refuses(409, "conflict");
        run("mv /home/.aside /home/alice");
        panel.post("/domains/create", &further_site("bob", "blog.bob.example", "bob.example")).ok();
        panel.post("/domains/create", &further).ok();
        assert!(Path::new(place).is_dir());
    });
}

#[test]
fn what_is_missing_is_made_or_named_with_its_place() {
    on_a_machine(what_is_missing_is_made_or_named_with_its_place, || {
        let panel = hosting(9);
        panel.created("alice", "alice.example");
        panel.created("bob", "bob.example");
        publish("bob", "bob.example", "index.html", "A page of Bob's");
        // Our own: a certificate, logs, state.
        let bought = Bought::good_for("bob.example");
        let mut uploaded = upload(&bought.chain(), &bought.key);
        (uploaded["domain"], uploaded["username"]) = (json!("bob.example"), json!("bob"));
        panel.post("/ssl/upload", &uploaded).ok();
        shows("bob.example", "/", 301, "");
        let owners = "stat -c '%a %U:%G %n' /var/log/opterius/sites/bob.example /var/log/opterius/sites/bob.example/*";
        let before = run(owners);
        run("rm -r /var/log/opterius/sites/bob.example /var/lib/opterius/acme");
        panel.created("carol", "carol.example");
        assert_eq!(run(owners), before);
        assert!(Path::new("/var/lib/opterius/acme").is_dir());
        shows("bob.example", "/", 301, "");
        run("rm -r /var/log/opterius /var/lib/opterius/certificates/bob.example");
        panel.suspend("alice").ok();
        shows("alice.example", "/", 503, "");
        shows("bob.example", "/", 200, "A page of Bob's");
        panel.unsuspend("alice").ok();

        // Others': nginx says what it cannot open, but not which file needs it.
        for (line, name) in [
            ("listen 8181; access_log /var/log/gone/access.log;", "/var/log/gone/access.log"),
            (
                "listen 8181 ssl; ssl_certificate /etc/gone/c.pem; ssl_certificate_key /etc/gone/k.pem;",
                "/etc/gone/c.pem",
            ),
        ] {
            let text = format!("server {{\n  server_name foreign.example;\n  # {name}\n  {line}\n}}\n");
            fs::write("/etc/nginx/conf.d/foreign.conf", text).unwrap();
            let answers = [panel.create("dave", "dave.example"), panel.suspend("alice"), panel.delete("carol")];
            for answer in answers {
                answer.refuses(503, "operations_unavailable");
                let sentence = answer.body["error"].as_str().unwrap();
                for part in ["not caused by", "/etc/nginx/conf.d/foreign.conf:4", name] {
                    assert!(sentence.contains(part), "{part}: {sentence}");
                }
            }
            assert!(panel.account("dave").is_none() && is_there("/home/carol/carol.example/public_html"));
            assert_eq!(panel.account("alice").unwrap()["suspended"], true);
            run("rm /etc/nginx/conf.d/foreign.conf");
            panel.suspend("alice").ok();
            shows("alice.example", "/", 503, "");
            panel.unsuspend("alice").ok();
        }
        panel.created("dave", "dave.example");
        panel.delete("carol").ok();
        shows("bob.example", "/", 200, "A page of Bob's");
    });
}
