//! Backups: they bring back what was lost, and nothing of another account is in them or changed by them.

use super::{hosting, shows};
use crate::support::eventually;
use crate::support::http::{Request, Response};
use crate::support::machine::{attempt, attempt_as, on_a_machine, run, run_as};
use crate::support::panel::{Answer, Panel};
use crate::support::process::START;
use crate::support::snapshot::Snapshot;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use time::OffsetDateTime;

const DIRECTORY: &str = "/var/backups/opterius";

/// What Alice has, beside what her site was created with.
const TREE: &str = "cd ~ && umask 022 && mkdir -p alice.example/public_html/sub .hidden && echo '<?php echo 40 + 2;' >alice.example/public_html/index.php \
     && echo text >.hidden/file && chmod 600 .hidden/file && printf '#!/bin/sh' >tool && chmod 755 tool \
     && ln -s ../tool .hidden/link && ln -s /home/bob/secret elsewhere && touch -d 2020-02-02 tool \
     && head -c 300000 /dev/urandom >alice.example/public_html/sub/large && : >'strange \"name'";

fn with_two_accounts() -> Panel {
    let panel = hosting(0);
    panel.created("alice", "alice.example");
    panel.created("bob", "bob.example");
    run_as("bob", "cd ~ && echo secret >secret && chmod 600 secret");
    run_as("alice", TREE);
    panel
}

fn create(panel: &Panel, username: &str) -> Answer {
    panel.post("/backup/create", &json!({"username": username, "type": "files", "databases": [], "domains": []}))
}

fn created(panel: &Panel, username: &str) -> String {
    let body = create(panel, username).ok();
    assert!(body["size_mb"].is_number() && body["duration"].is_number(), "{body}");
    body["filename"].as_str().unwrap().to_owned()
}

fn restore(panel: &Panel, filename: &str) -> Answer {
    panel.post("/backup/restore", &json!({"filename": filename, "username": "alice", "type": "files"}))
}

fn restore_files(panel: &Panel, filename: &str, files: &[&str], overwrite: bool) -> Answer {
    let body = json!({
        "filename": filename, "username": "alice", "document_root": "/home/alice/alice.example/public_html", "files": files,
        "overwrite": overwrite,
    });
    panel.post("/backup/restore-files", &body)
}

fn browse(panel: &Panel, filename: &str, path: &str) -> Value {
    panel.post("/backup/browse", &json!({"filename": filename, "path": path})).ok()["entries"].clone()
}

fn list(panel: &Panel) -> Vec<Value> {
    panel.post("/backup/list", &json!({})).ok()["backups"].as_array().unwrap().clone()
}

fn home(username: &str) -> Snapshot {
    Snapshot::of(Path::new("/"), &[&format!("/home/{username}")])
}

/// Nothing but complete backups.
fn is_tidy() {
    let left = run(&format!(
        "find {DIRECTORY} -type f | grep -Ev '/(alice|bob)_(files|full|databases)_[0-9TZ]+[.]tar[.]gz([.]json)?$' || true"
    ));
    assert_eq!(left, "");
    assert_eq!(run("find /home -name '.opterius*'"), "");
}

#[test]
fn a_backup_brings_back_what_was_lost() {
    on_a_machine(a_backup_brings_back_what_was_lost, || {
        let panel = with_two_accounts();
        run_as(
            "alice",
            "mkdir -p ~/.hidden/modes && cd ~/.hidden/modes && for mode in 400 444 664 777; do touch $mode; chmod $mode $mode; done && \
             mkdir -m 775 shared && touch shared/file",
        );
        let (before, others) = (home("alice"), home("bob"));
        assert_eq!(list(&panel), [json!(null); 0]);
        let filename = created(&panel, "alice");
        let listed = list(&panel);
        assert_eq!(listed.len(), 1);
        for (key, value) in [
            ("filename", json!(filename)),
            ("username", json!("alice")),
            ("type", json!("files")),
            ("usable", json!(true)),
        ] {
            assert_eq!(listed[0][key], value, "{listed:?}");
        }
        let names = |entries: &Value| -> Vec<String> {
            entries.as_array().unwrap().iter().map(|entry| entry["name"].as_str().unwrap().to_owned()).collect()
        };
        let top = browse(&panel, &filename, "/");
        assert!(
            [".hidden", "alice.example", "elsewhere", "strange \"name", "tool"]
                .iter()
                .all(|name| names(&top).contains(&(*name).to_owned())),
            "{top}"
        );
        let site = browse(&panel, &filename, "alice.example/public_html");
        let index = site.as_array().unwrap().iter().find(|entry| entry["name"] == "index.php").unwrap();
        assert_eq!(
            (&index["path"], &index["is_dir"], &index["size"]),
            (&json!("alice.example/public_html/index.php"), &json!(false), &json!(19))
        );
        panel.post("/backup/browse", &json!({"filename": filename, "path": "missing"})).refuses(404, "not_found");

        // The site is broken: files are gone, changed, and of another kind.
        run_as(
            "alice",
            "cd ~ && rm -r .hidden tool 'strange \"name' elsewhere && echo broken >alice.example/public_html/index.php && rm alice.example/public_html/sub/large",
        );
        shows("alice.example", "/index.php", 200, "broken");
        let body = restore(&panel, &filename).ok();
        assert_eq!((&body["restored"], &body["warnings"]), (&json!(["files"]), &json!([])), "{body}");
        assert_eq!(before.differences(&home("alice"), &[]), [""; 0]);
        assert_eq!(run_as("alice", "date -r ~/tool +%F").trim(), "2020-02-02");
        run_as("alice", "touch -d '1 minute ago' ~/alice.example/public_html/index.php");
        shows("alice.example", "/index.php", 200, "42");
        // What is not in the backup stays.
        run_as("alice", "echo mine >~/later");
        restore(&panel, &filename).ok();
        assert_eq!(run_as("alice", "cat ~/later").trim(), "mine");
        assert_eq!(others.differences(&home("bob"), &[]), [""; 0]);
        is_tidy();

        panel.post("/backup/delete", &json!({"filename": filename})).ok();
        assert_eq!(list(&panel), [json!(null); 0]);
        panel.post("/backup/delete", &json!({"filename": filename})).refuses(404, "not_found");
    });
}

/// A signed request to download a backup. Each is signed in another second, because its signature is accepted once.
fn download(filename: &str) -> Request {
    static SECONDS: AtomicI64 = AtomicI64::new(2);
    let at = OffsetDateTime::now_utc() + time::Duration::seconds(SECONDS.fetch_add(1, Ordering::Relaxed));
    Request::get(&format!("/backup/download?filename={filename}")).signed_at(at)
}

#[test]
fn a_backup_is_sent_to_who_signs_for_it() {
    on_a_machine(a_backup_is_sent_to_who_signs_for_it, || {
        let panel = with_two_accounts();
        run_as("alice", "head -c 20000000 /dev/urandom >~/large");
        let filename = created(&panel, "alice");
        let path = format!("{DIRECTORY}/alice/{filename}");
        let fetch = |request: &Request| {
            let mut connection = panel.agent.send(request.bytes());
            Response::read(&connection.receive_to_end(START).unwrap())
        };
        let request = download(&filename);
        let response = fetch(&request);
        assert_eq!(response.status, 200, "{}", response.text());
        assert!(response.body == std::fs::read(&path).unwrap());
        assert_eq!(response.header("content-disposition").unwrap(), format!("attachment; filename=\"{filename}\""));
        // A signature does not cover the file's name.
        assert_eq!(panel.agent.fetch(&request).status, 401);
        assert_eq!(panel.agent.fetch(Request::get(&format!("/backup/download?filename={filename}"))).status, 401);
        for (name, status) in [
            ("alice_files_20200101T000000Z.tar.gz", 404),
            ("../alice_files_20200101T000000Z.tar.gz", 422),
            ("/etc/passwd", 422),
            ("", 422),
        ] {
            assert_eq!(panel.agent.fetch(download(name)).status, status, "{name}");
        }
        // Clients that do not read hold up neither the Agent nor each other.
        let stalled: Vec<_> = (0..3).map(|_| panel.agent.send(download(&filename).bytes())).collect();
        assert_eq!(panel.agent.status()["valid"], true);
        assert!(fetch(&download(&filename)).body.len() > 20_000_000);
        drop(stalled);
        assert!(fetch(&download(&filename)).body.len() > 20_000_000);
    });
}

#[test]
fn some_files_are_restored_over_existing_ones_only_if_asked() {
    on_a_machine(some_files_are_restored_over_existing_ones_only_if_asked, || {
        let panel = with_two_accounts();
        let filename = created(&panel, "alice");
        let before = home("alice");
        run_as("alice", "cd ~/alice.example/public_html && echo new >index.php && rm sub/large && echo new >~/tool");
        let root = "alice.example/public_html";
        let both = [&format!("{root}/index.php")[..], &format!("/home/alice/{root}/sub")];
        let body = restore_files(&panel, &filename, &both, false).ok();
        assert_eq!((&body["restored"], &body["skipped"]), (&json!(1), &json!(1)), "{body}");
        assert_eq!(run_as("alice", &format!("cat ~/{root}/index.php")).trim(), "new");
        let body = restore_files(&panel, &filename, &both, true).ok();
        assert_eq!((&body["restored"], &body["skipped"]), (&json!(2), &json!(0)), "{body}");
        assert_eq!(run_as("alice", "cat ~/tool").trim(), "new", "it was not selected");
        restore_files(&panel, &filename, &["tool"], true).ok();
        assert_eq!(before.differences(&home("alice"), &[]), [""; 0]);
        restore_files(&panel, &filename, &["missing", &format!("{root}/inde")], true).refuses(404, "not_found");
        for files in [
            json!([]),
            json!(["/home/bob/secret"]),
            json!(["../bob/secret"]),
            json!([""]),
            json!([7]),
            json!("index.php"),
        ] {
            let body = json!({"filename": filename, "username": "alice", "document_root": "/home/alice", "files": files, "overwrite": true});
            panel.post("/backup/restore-files", &body).refuses(422, "validation_failed");
        }
        is_tidy();
    });
}

#[test]
fn a_damaged_backup_is_never_restored() {
    on_a_machine(a_damaged_backup_is_never_restored, || {
        let panel = with_two_accounts();
        let filename = created(&panel, "alice");
        let path = format!("{DIRECTORY}/alice/{filename}");
        run(&format!("cp {path} /run/whole; cp {path}.json /run/manifest"));
        run_as("alice", "rm ~/tool");
        let before = home("alice");
        for damage in [
            format!("printf x | dd of={path} bs=1 seek=5000 conv=notrunc"),
            format!("truncate -s -1 {path}"),
            format!("printf x >>{path}"),
            format!(": >{path}"),
            format!("rm {path}.json"),
            format!("echo {{}} >{path}.json"),
            format!("sed -i 's/\"sha256\":\"./\"sha256\":\"/' {path}.json"),
        ] {
            run(&damage);
            restore(&panel, &filename).refuses(409, "conflict");
            restore_files(&panel, &filename, &["tool"], true).refuses(409, "conflict");
            assert_eq!(before.differences(&home("alice"), &[]), [""; 0], "{damage}");
            run(&format!("cp /run/whole {path}; cp /run/manifest {path}.json"));
        }
        let body = restore(&panel, &filename).ok();
        assert_eq!(body["warnings"], json!([]), "{body}");
        assert!(run_as("alice", "cat ~/tool").starts_with("#!"));
        // Fewer files than the manifest says.
        run(&format!("sed -i -E 's/\"entries\":([0-9]+)/\"entries\":1\\1/' {path}.json"));
        let body = restore(&panel, &filename).ok();
        assert!(body["warnings"][0].as_str().unwrap().contains("The backup is incomplete: "), "{body}");
    });
}

#[test]
fn a_path_that_is_too_long_costs_no_backup_its_restoration() {
    on_a_machine(a_path_that_is_too_long_costs_no_backup_its_restoration, || {
        let panel = with_two_accounts();
        run_as("alice", "cd ~ && perl -e '$n = q(d) x 250; for (1..17) { mkdir $n or die; chdir $n or die }'");
        let body = create(&panel, "alice").ok();
        assert_eq!(body["skipped"], 1, "{body}");
        run_as("alice", "rm ~/tool");
        let restored = restore(&panel, body["filename"].as_str().unwrap()).ok();
        assert_eq!(restored["warnings"], json!([]), "{restored}");
        assert!(run_as("alice", "cat ~/tool").starts_with("#!"));
    });
}

#[test]
fn a_backup_is_closed_to_accounts_and_of_one_account_only() {
    on_a_machine(a_backup_is_closed_to_accounts_and_of_one_account_only, || {
        let panel = with_two_accounts();
        run("chmod 755 /home/bob");
        run_as(
            "alice",
            "cd ~ && mkfifo fifo && ln -s /home/bob bobs && ln /home/alice/tool hard && mkdir closed && echo x >closed/file && chmod 0 closed",
        );
        let body = create(&panel, "alice").ok();
        assert_eq!(body["skipped"], 2, "{body}");
        let filename = body["filename"].as_str().unwrap();
        let path = format!("{DIRECTORY}/alice/{filename}");
        let content =
            run(&format!("tar -xzOf {path} | grep -ac secret || true; tar -tzf {path} | grep -c bobs/ || true"));
        assert_eq!(content, "0\n0\n");
        for user in ["alice", "bob", "www-data", "nobody"] {
            let (reads, printed) =
                attempt_as(user, &format!("ls {DIRECTORY}; ls {DIRECTORY}/alice || cat {path} >/dev/null"));
            assert!(!reads, "{user}: {printed}");
        }
        // Of another account.
        for (path, body) in [
            ("/backup/restore", json!({"filename": filename, "username": "bob", "type": "files"})),
            (
                "/backup/restore-files",
                json!({"filename": filename, "username": "bob", "document_root": "/home/bob", "files": ["tool"], "overwrite": true}),
            ),
        ] {
            panel.post(path, &body).refuses(422, "validation_failed");
        }
        // Links that the account puts in the way of a restoration lead nowhere.
        let others = home("bob");
        run_as(
            "alice",
            "cd ~ && chmod 755 closed && rm -r alice.example/public_html/sub .hidden && ln -s /home/bob alice.example/public_html/sub; ln -s /home/bob .hidden",
        );
        run("chmod 777 /home/bob");
        let others_open = home("bob");
        let body = restore(&panel, filename).ok();
        assert!(body["warnings"][0].as_str().unwrap().contains("is a directory in the backup"), "{body}");
        assert_eq!(others_open.differences(&home("bob"), &[]), [""; 0]);
        run("chmod 755 /home/bob");
        assert_eq!(others.differences(&home("bob"), &[]), [""; 0]);
        // With the account, its backups go.
        let bobs = created(&panel, "bob");
        panel.delete("alice").ok();
        assert_eq!(run(&format!("ls {DIRECTORY}")).trim(), "bob");
        panel.post("/backup/browse", &json!({"filename": bobs, "path": ""})).ok();
    });
}

#[test]
fn too_many_backups_and_a_full_disk_are_refused_and_leave_nothing() {
    on_a_machine(too_many_backups_and_a_full_disk_are_refused_and_leave_nothing, || {
        let panel = with_two_accounts();
        let filename = created(&panel, "alice");
        let holding = |file: &str| format!("flock --nonblock --no-fork {file} true");
        run(&format!("systemd-run --quiet --unit=hold flock {DIRECTORY}/alice sleep 1000"));
        assert!(eventually(START, || !attempt(&holding(&format!("{DIRECTORY}/alice"))).0));
        create(&panel, "alice").refuses(409, "conflict");
        restore(&panel, &filename).refuses(409, "conflict");
        created(&panel, "bob");
        run("systemctl stop hold");
        for number in [1, 2] {
            run(&format!(
                "systemd-run --quiet --unit=hold-{number} flock /var/lib/opterius/backup-{number}.lock sleep 1000"
            ));
            assert!(eventually(START, || !attempt(&holding(&format!("/var/lib/opterius/backup-{number}.lock"))).0));
        }
        create(&panel, "bob").refuses(409, "conflict");
        run("systemctl stop hold-1");
        restore(&panel, &filename).ok();
        run("systemctl stop hold-2");

        run(&format!("mount -t tmpfs -o size=400m,mode=755 tmpfs {DIRECTORY}"));
        run_as("alice", "head -c 300000000 /dev/urandom >~/large");
        create(&panel, "alice").refuses(507, "insufficient_storage");
        assert_eq!(run(&format!("find {DIRECTORY} -type f")), "");
        run(&format!("umount {DIRECTORY}; mount -t tmpfs -o size=100m,mode=755 tmpfs {DIRECTORY}"));
        create(&panel, "bob").refuses(507, "insufficient_storage");
        assert_eq!(run(&format!("find {DIRECTORY} -type f; umount {DIRECTORY}")), "");
        is_tidy();
    });
}

/// Starts an operation, and kills the helper once the script succeeds.
fn kill_when(panel: &Panel, path: &str, body: &Value, script: &str) {
    let mut helper = panel.helper().start(path, body);
    assert!(eventually(START, || attempt(script).0), "{script}");
    helper.kill().unwrap();
    helper.wait().unwrap();
}

#[test]
fn a_killed_backup_or_restoration_is_completed_by_a_repeat() {
    on_a_machine(a_killed_backup_or_restoration_is_completed_by_a_repeat, || {
        let panel = with_two_accounts();
        // Enough for gzip to take a second or two.
        run_as("alice", "head -c 60000000 /dev/urandom >~/large");
        let (before, others) = (home("alice"), home("bob"));
        let partial = format!("{DIRECTORY}/alice/.partial-archive");
        let backup = json!({"username": "alice", "type": "files"});
        for moment in [format!("test -e {partial}"), format!("test $(stat -c %s {partial}) -gt 1000000")] {
            kill_when(&panel, "/backup/create", &backup, &moment);
            assert_eq!(list(&panel), [json!(null); 0], "{moment}");
            let filename = created(&panel, "alice");
            is_tidy();
            panel.post("/backup/delete", &json!({"filename": filename})).ok();
        }
        let filename = created(&panel, "alice");
        let restoration = json!({"filename": filename, "username": "alice", "type": "files"});
        let hidden = "/home/alice/.opterius-restore";
        for moment in [format!("test -e {hidden}"), format!("test $(stat -c %s {hidden}/large) -gt 1000000")] {
            run_as("alice", "rm ~/tool; echo broken >~/alice.example/public_html/index.php; echo broken >~/large");
            kill_when(&panel, "/backup/restore", &restoration, &moment);
            assert_eq!(run_as("alice", "cat ~/large").trim(), "broken", "{moment}");
            restore(&panel, &filename).ok();
            assert_eq!(before.differences(&home("alice"), &[]), [""; 0], "{moment}");
            is_tidy();
        }
        assert_eq!(others.differences(&home("bob"), &[]), [""; 0]);
        assert!(list(&panel).iter().all(|backup| backup["usable"] == true));
    });
}
