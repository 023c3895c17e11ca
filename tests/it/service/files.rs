//! The file manager of an installed Agent: in the helper's sandbox, while the tenant's processes do what they can.

use crate::support::machine::{run, run_as, shell_as};
use crate::support::package::{Service, on_a_server};
use crate::support::panel::{Answer, site};
use crate::support::snapshot::Snapshot;
use crate::support::{SOON, eventually};
use serde_json::{Value, json};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command};

/// What of Bob's must stay as it is.
const OF_BOB: [&str; 2] = ["/home/bob", "/var/spool/cron/crontabs"];

fn ask(service: &Service, what: &str, path: &str, further: &Value) -> Answer {
    let mut body = json!({"username": "alice", "path": path});
    body.as_object_mut().unwrap().extend(further.as_object().unwrap().clone());
    service.post(&format!("/files/{what}"), &body)
}

fn accounts() -> Service {
    run("systemctl start nginx php8.2-fpm");
    let service = Service::install("");
    assert!(eventually(SOON, || service.status()["valid"] == true));
    for (user, domain) in [("alice", "alice.example"), ("bob", "bob.example")] {
        service.post("/domains/create", &site(user, domain)).ok();
    }
    // What the tenant's traps lead to lets everyone read and write.
    run_as(
        "bob",
        "cd && mkdir -m 777 open && echo secret >open/file && chmod 666 open/file && chmod 711 . && echo '@daily true' | crontab -",
    );
    service
}

#[test]
fn the_file_manager_works_in_the_helpers_sandbox() {
    on_a_server(the_file_manager_works_in_the_helpers_sandbox, || {
        let service = accounts();
        let before = Snapshot::of(Path::new("/"), &OF_BOB);
        let nothing = json!({});
        ask(&service, "mkdir", "app", &nothing).ok();
        ask(&service, "write", "app/index.php", &json!({"content": "<?php"})).ok();
        ask(&service, "chmod", "app/index.php", &json!({"permissions": "640"})).ok();
        assert_eq!(run("stat -c '%U %G %a' /home/alice/app/index.php"), "alice alice 640\n");
        assert_eq!(ask(&service, "archive", "app", &nothing).ok()["action"], "compressed");
        ask(&service, "rename", "app", &json!({"new_name": "old"})).ok();
        assert_eq!(ask(&service, "archive", "app.tar.gz", &nothing).ok()["action"], "extracted");
        assert_eq!(ask(&service, "read", "app/index.php", &nothing).ok()["content"], "<?php");
        run_as("alice", "cd && zip -qr app.zip app && rm -r app");
        assert_eq!(ask(&service, "archive", "app.zip", &nothing).ok()["action"], "extracted");
        assert_eq!(run("stat -c '%U %G %a' /home/alice/app/index.php"), "alice alice 640\n");
        ask(&service, "delete", "app", &nothing).ok();
        ask(&service, "read", "../bob/open/file", &nothing).refuses(422, "validation_failed");
        assert_eq!(before.differences(&Snapshot::of(Path::new("/"), &OF_BOB), &[]), [""; 0]);
        // No process of the converter's is left, and no file but those of the account.
        assert_eq!(
            run("find /home/alice ! -user alice ! -name logs; ps -eo uid= | grep -E ' 655[23][0-9]$' || true"),
            ""
        );
    });
}

/// A shell of Alice's that repeats a script until it is dropped.
struct Repeated(Child);

impl Repeated {
    fn start(script: &str) -> Repeated {
        let mut command: Command = shell_as("alice", &format!("cd; while :; do {script}; done"));
        Repeated(command.stderr(std::process::Stdio::null()).process_group(0).spawn().unwrap())
    }
}

impl Drop for Repeated {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-KILL", "--", &format!("-{}", self.0.id())]).status();
        let _ = self.0.wait();
    }
}

#[test]
fn a_tenant_neither_misleads_nor_stops_the_file_manager() {
    on_a_server(a_tenant_neither_misleads_nor_stops_the_file_manager, || {
        let service = accounts();
        let before = Snapshot::of(Path::new("/"), &OF_BOB);
        run_as(
            "alice",
            "cd && mkdir t1 && echo mine >t1/file && ln -s ../bob/open t2 && mkdir app && (cd app && seq 300 | xargs touch) && \
                         zip -qr app.zip app && rm -r app && seq 200000 >large",
        );
        let nothing = json!({});
        let swap = "mv -T t1 t3 && mv -T t2 t1 && mv -T t3 t2";
        let plant = "for d in .opterius-*; do ln -sfn /home/bob/open \"$d/unfinished/app\"; ln -sf /home/bob/open/file \"$d\"; done";
        // Each signal and each trace reaches what has the tenant's uid alone.
        let kill = "for p in /proc/[0-9]*; do p=${p#/proc/}; [ $p = $$ ] || { kill -STOP $p; kill -KILL $p; }; done";
        let traps = [Repeated::start(swap), Repeated::start(plant)];
        let mut reached = 0;
        for _ in 0..25 {
            for (what, path, further) in [
                ("read", "t1/file", nothing.clone()),
                ("write", "t1/file", json!({"content": "mine"})),
                ("write", "large", json!({"content": "x".repeat(50_000)})),
                ("chmod", "t1/file", json!({"permissions": "600"})),
                ("list", "t1", nothing.clone()),
                ("mkdir", "t1/directory", nothing.clone()),
                ("archive", "app.zip", nothing.clone()),
                ("delete", "app", nothing.clone()),
                ("delete", "t1/directory", nothing.clone()),
            ] {
                let answer = ask(&service, what, path, &further);
                assert!(matches!(answer.status, 200 | 404 | 409), "{what} {path}: {answer:?}");
                assert!(!answer.body.to_string().contains("secret"), "{what} {path}: {answer:?}");
                reached += u32::from(answer.status == 200);
            }
        }
        assert!(reached > 25, "{reached}");
        drop(traps);
        assert_eq!(before.differences(&Snapshot::of(Path::new("/"), &OF_BOB), &[]), [""; 0]);
        // While the tenant signals every process, each call does its work.
        run_as("alice", "cd && rm -rf app .opterius-*");
        let mut killer = Repeated::start(kill);
        for _ in 0..5 {
            ask(&service, "write", "large", &json!({"content": "y"})).ok();
            ask(&service, "archive", "app.zip", &nothing).ok();
            ask(&service, "delete", "app", &nothing).ok();
        }
        assert!(killer.0.try_wait().unwrap().is_none(), "it has ended itself");
        drop(killer);
        assert_eq!(before.differences(&Snapshot::of(Path::new("/"), &OF_BOB), &[]), [""; 0]);
    });
}
