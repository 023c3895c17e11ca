//! Archives: what goes in comes out, and what a hostile one tries. The programs that make them are Debian's own.

use super::super::hosting;
use super::{ask, body, hand_over, list, names, of_bob, read, with_an_open_neighbor};
use crate::support::machine::{attempt, on_a_machine, run, run_as};
use crate::support::panel::{Answer, Panel, answer};
use crate::support::snapshot::Snapshot;
use crate::support::{SOON, eventually, pause};
use rustix::fs::RenameFlags;
use serde_json::json;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

fn archive(panel: &Panel, path: &str) -> Answer {
    ask(panel, "archive", path, json!({}))
}

/// Runs a script in Alice's home, and gives her what it makes.
fn in_home(panel: &Panel, script: &str) {
    run(&format!("cd {} && {script}", panel.path("/home/alice").display()));
    hand_over(panel);
}

/// Whether nothing hidden is left in Alice's home.
fn nothing_is_left(panel: &Panel) -> bool {
    names(panel, "").iter().all(|name| !name.starts_with(".opterius"))
}

#[test]
fn a_directory_is_compressed_and_unpacked_with_everything_in_it() {
    let panel = Panel::on_a_tree(5);
    panel.created("alice", "alice.example");
    in_home(
        &panel,
        "mkdir -p site/a/b && echo page >site/a/b/index.php && touch site/-rf \"site/$(printf 'new\\nline')\" && chmod 640 site/-rf && \
         ln -s a/b/index.php site/link && ln -s /etc/passwd site/passwd && mkfifo site/fifo",
    );
    let before = Snapshot::of(panel.root(), &["/home/alice/site"]);
    let made = archive(&panel, "site").ok();
    assert_eq!((&made["action"], &made["path"]), (&json!("compressed"), &json!("/home/alice/site.tar.gz")));
    assert!(made["skipped"] == 1 && made["warnings"][0].as_str().unwrap().contains("fifo"), "{made}");
    // A second one does not replace the first.
    assert_eq!(archive(&panel, "/home/alice/site/").ok()["path"], "/home/alice/site-2.tar.gz");
    let listed = run(&format!("tar -tzf {}", panel.path("/home/alice/site.tar.gz").display()));
    assert!(listed.contains("site/a/b/index.php\n") && listed.contains("site/-rf\n"), "{listed}");
    let owner = fs::metadata(panel.path("/home/alice")).unwrap().uid();
    assert_eq!(fs::metadata(panel.path("/home/alice/site.tar.gz")).unwrap().uid(), owner);

    archive(&panel, "site.tar.gz").refuses(409, "conflict");
    assert_eq!(before.differences(&Snapshot::of(panel.root(), &["/home/alice/site"]), &[]), [""; 0]);
    in_home(&panel, "mkdir copy && mv site.tar.gz copy/SITE.TGZ");
    let unpacked = archive(&panel, "copy/SITE.TGZ").ok();
    assert_eq!((&unpacked["action"], &unpacked["path"]), (&json!("extracted"), &json!("/home/alice/copy")));
    // The link to /etc is left out.
    assert!(unpacked["warnings"][0].as_str().unwrap().contains("site/passwd"), "{unpacked}");
    let differences = attempt(&format!(
        "cd {0} && rm site/passwd site/fifo && diff -r --no-dereference site copy/site",
        panel.path("/home/alice").display()
    ));
    assert_eq!(differences, (true, String::new()));
    assert_eq!(fs::metadata(panel.path("/home/alice/copy/site/-rf")).unwrap().permissions().mode() & 0o7777, 0o640);
    assert_eq!(read(&panel, "copy/site/link").ok()["content"], "page\n");
    // A single file.
    assert_eq!(archive(&panel, "copy/site/-rf").ok()["path"], "/home/alice/copy/site/-rf.tar.gz");
    assert!(nothing_is_left(&panel));
}

#[test]
fn a_zip_archive_is_unpacked_beside_itself_and_replaces_nothing() {
    let panel = Panel::on_a_tree(5);
    panel.created("alice", "alice.example");
    in_home(
        &panel,
        "mkdir -p w/app/sub && echo one >w/app/index.php && echo two >w/app/sub/ü.txt && chmod 4777 w/app/index.php && ln -s index.php w/app/link && \
         echo top >w/top && (cd w && zip -qry ../app.zip .) && rm -r w",
    );
    archive(&panel, "/home/alice/app.zip").ok();
    assert_eq!(names(&panel, ""), ["alice.example", "app", "app.zip", "top"]);
    assert_eq!(read(&panel, "app/sub/ü.txt").ok()["content"], "two\n");
    assert_eq!(read(&panel, "app/link").ok()["content"], "one\n");
    let status = fs::metadata(panel.path("/home/alice/app/index.php")).unwrap();
    assert_eq!((status.mode() & 0o7777, status.uid()), (0o755, fs::metadata(panel.path("/home/alice")).unwrap().uid()));
    // What is there stays, and nothing else of the archive appears.
    in_home(&panel, "echo mine >top && rm -r app");
    let refused = archive(&panel, "app.zip");
    refused.refuses(409, "conflict");
    assert!(refused.body["error"].as_str().unwrap().contains("“top”"), "{refused:?}");
    assert_eq!(names(&panel, ""), ["alice.example", "app.zip", "top"]);
    assert_eq!(read(&panel, "top").ok()["content"], "mine\n");
    // A directory with such a name is compressed, a link refused.
    in_home(&panel, "mkdir d.zip && ln -s app.zip l.zip && ln -s /etc/passwd m");
    assert_eq!(archive(&panel, "d.zip").ok()["path"], "/home/alice/d.zip.tar.gz");
    assert_eq!(archive(&panel, "l.zip").ok()["action"], "compressed");
    assert!(!run(&format!("zcat {}", panel.path("/home/alice/l.zip.tar.gz").display())).contains("mine"));
    archive(&panel, "").refuses(409, "conflict");
    archive(&panel, "missing.zip").refuses(404, "not_found");
}

#[test]
fn damaged_and_foreign_archives_are_an_answer_in_words() {
    let panel = Panel::on_a_tree(5);
    panel.created("alice", "alice.example");
    in_home(
        &panel,
        "seq 100000 >text && zip -q whole.zip text && head -c 9000 whole.zip >cut.zip && zip -q -P secret locked.zip text && \
         tar -czf whole.tgz text && head -c 9000 whole.tgz >cut.tar.gz && cp whole.zip zip.tar.gz && cp text text.zip && \
         gzip -c text >text.tar.gz && : >empty.zip && printf 'PK' >short.zip && head -c 5000 /dev/urandom >noise && \
         (printf 'PK\\003\\004'; cat noise) >noise.zip && (printf '\\037\\213\\010\\000'; cat noise) >noise.tgz && \
         printf '#mtree\\n./x type=file contents=/etc/passwd\\n' >mtree && gzip -c mtree >tree.tar.gz && cp mtree tree.zip && \
         gzip -c mtree >tree.gz.zip && (printf 'PK\\003\\004\\n'; cat mtree) >after.zip && (printf 'PK'; cat mtree) >half.zip && \
         mkfifo fifo && printf \"#mtree\\n./x type=file contents=$PWD/fifo\\n\" | gzip >waits.tgz && rm text noise mtree && \
         truncate -s 20M hole && tar --sparse -czf sparse.tgz hole && tar --sparse --format=posix -czf pax.tgz hole && rm hole",
    );
    let before = names(&panel, "");
    for name in
        before.iter().filter(|name| !name.starts_with("whole") && name.contains('.') && *name != "alice.example")
    {
        let refused = archive(&panel, name);
        refused.refuses(409, "conflict");
        assert!(refused.body["error"].as_str().unwrap().len() < 700, "{name}: {refused:?}");
        assert_eq!(names(&panel, ""), before, "{name}");
    }
}

#[test]
fn archives_of_all_usual_programs_are_unpacked() {
    let panel = Panel::on_a_tree(5);
    panel.created("alice", "alice.example");
    in_home(
        &panel,
        "mkdir -p site/sub && echo page >site/sub/index.php && ln -s sub/index.php site/link && ln site/sub/index.php site/hard && \
         touch -d @1600000000 site/sub/index.php && chmod 640 site/sub/index.php && \
         long=$(printf 'n%.0s' $(seq 90)) && mkdir -p site/$long/$long && echo deep >site/$long/$long/file && \
         for format in v7 oldgnu gnu ustar posix; do tar --format=$format -czf tar-$format.tgz site 2>/dev/null || true; done && \
         for format in gnutar ustar pax; do bsdtar --format=$format -czf bsdtar-$format.tgz site; done && \
         python3 -c 'import tarfile; [(a := tarfile.open(f\"python-{f}.tgz\", \"w:gz\", format=f), a.add(\"site\"), a.close()) for f in (0, 1, 2)]' && \
         (cat tar-gnu.tgz; echo something else) >behind.tgz && \
         zip -qry zip.zip site && bsdtar --format=zip -cf bsdtar.zip site",
    );
    let archives: Vec<String> =
        names(&panel, "").into_iter().filter(|it| it.ends_with(".tgz") || it.ends_with(".zip")).collect();
    assert_eq!(archives.len(), 14, "{archives:?}");
    for name in archives {
        in_home(&panel, &format!("mkdir copy && cp {name} copy"));
        archive(&panel, &format!("copy/{name}")).ok();
        // The oldest form has no room for the long names.
        let differences = attempt(&format!(
            "cd {} && diff -r --no-dereference {} site copy/site",
            panel.path("/home/alice").display(),
            if name.starts_with("tar-v7") { "-x 'n*'" } else { "" }
        ));
        assert_eq!(differences, (true, String::new()), "{name}");
        let status = fs::metadata(panel.path("/home/alice/copy/site/sub/index.php")).unwrap();
        assert_eq!((status.mode() & 0o7777, status.mtime()), (0o640, 1_600_000_000), "{name}");
        in_home(&panel, "rm -r copy");
    }
    assert!(nothing_is_left(&panel));
}

#[test]
fn a_hostile_archive_reaches_nothing_outside_of_its_directory() {
    let (panel, bob) = with_an_open_neighbor();
    let before = of_bob(&panel);
    let target = bob.join("open").display().to_string();
    in_home(
        &panel,
        &format!(
            "mkdir w && cd w && echo evil >file && \
             tar -czPf ../up.tgz --transform 's,^,../../bob/open/,' file && tar -czPf ../absolute.tgz --transform 's,^,{target}/,' file && \
             ln -s {target} link && tar -cf t1.tar link && rm link && mkdir link && echo evil >link/file && tar -rf t1.tar link/file && gzip -c t1.tar >../through.tgz && \
             rm -r link && ln -s {target}/file soft && tar -cf t2.tar soft && rm soft && echo evil >soft && tar -rf t2.tar soft && gzip -c t2.tar >../onto.tgz && \
             mkdir d && ln -s ../../../bob/open d/x && tar -cf t3.tar d && rm d/x && mkdir d/x && echo evil >d/x/file && tar -rf t3.tar d/x/file && gzip -c t3.tar >../deep.tgz && \
             mkfifo fifo && mknod device b 7 0 && chmod 666 device && cp /bin/true setuid && chmod 6777 setuid && tar -czf ../special.tgz fifo device setuid && \
             cd .. && rm -r w"
        ),
    );
    for name in ["up.tgz", "absolute.tgz"] {
        archive(&panel, name).refuses(409, "conflict");
    }
    for name in ["through.tgz", "onto.tgz", "deep.tgz"] {
        let answer = archive(&panel, name);
        assert!(matches!(answer.status, 200 | 409), "{name}: {answer:?}");
        assert_eq!(before.differences(&of_bob(&panel), &[]), [""; 0], "{name}");
        in_home(&panel, "rm -rf link soft d");
    }
    let special = archive(&panel, "special.tgz").ok();
    assert_eq!((&special["entries"], &special["skipped"]), (&json!(1), &json!(2)));
    assert_eq!(fs::metadata(panel.path("/home/alice/setuid")).unwrap().permissions().mode() & 0o7777, 0o755);
    assert_eq!(before.differences(&of_bob(&panel), &[]), [""; 0]);
    assert!(nothing_is_left(&panel));
}

#[test]
fn bombs_are_stopped_by_what_they_unpack_and_leave_nothing() {
    let panel = Panel::on_a_tree(5);
    panel.created("alice", "alice.example");
    in_home(
        &panel,
        "head -c 100M /dev/zero >zeros && zip -q zeros.zip zeros && tar -czf zeros.tar.gz zeros && rm zeros && touch one && \
         yes one | head -n 100001 | tar --hard-dereference -czf many.tgz -T - && rm one",
    );
    let before = names(&panel, "");
    for (name, words) in [("zeros.zip", "bytes"), ("zeros.tar.gz", "bytes"), ("many.tgz", "100000 files")] {
        // On a busy machine, the time limit can come first. It leaves nothing either.
        let refused = (0..3).map(|_| archive(&panel, name)).find(|answer| answer.status != 504).unwrap();
        refused.refuses(409, "conflict");
        assert!(refused.body["error"].as_str().unwrap().contains(words), "{name}: {refused:?}");
        assert_eq!(names(&panel, ""), before, "{name}");
    }
}

#[test]
fn directories_swapped_while_an_archive_is_unpacked_lead_to_no_other_account() {
    let (panel, bob) = with_an_open_neighbor();
    let before = of_bob(&panel);
    in_home(
        &panel,
        "mkdir -p w/open && cd w && seq -f 'open/%g' 400 | xargs touch && tar -czf ../app.tgz open && cd .. && rm -r w",
    );
    let home = panel.path("/home/alice");
    let unfinished = || -> Option<PathBuf> {
        let hidden = fs::read_dir(&home).ok()?.flatten().map(|entry| entry.path());
        hidden
            .filter(|path| path.to_string_lossy().contains(".opterius-unpack"))
            .map(|path| path.join("unfinished"))
            .next()
    };
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                let Some(directory) = unfinished().and_then(|path| fs::File::open(path).ok()) else { continue };
                let _ = rustix::fs::symlinkat(&bob, &directory, "aside");
                for _ in 0..50 {
                    let _ = rustix::fs::renameat_with(&directory, "open", &directory, "aside", RenameFlags::EXCHANGE);
                }
            }
        });
        for _ in 0..15 {
            let answer = archive(&panel, "app.tgz");
            assert!(matches!(answer.status, 200 | 404 | 409), "{answer:?}");
            in_home(&panel, "rm -rf open aside");
        }
        is_over.store(true, Ordering::Relaxed);
    });
    assert_eq!(before.differences(&of_bob(&panel), &[]), [""; 0]);
    in_home(&panel, "rm -rf open aside");
    archive(&panel, "app.tgz").ok();
    assert!(nothing_is_left(&panel));
}

#[test]
fn an_archive_killed_at_any_moment_is_completed_by_a_repeat() {
    const MOMENTS: u32 = 12;
    let panel = Panel::on_a_tree(5);
    panel.created("alice", "alice.example");
    in_home(
        &panel,
        "mkdir -p w/app && cd w && seq -f 'app/%g' 1000 | xargs touch && seq 100000 >top && tar -czf ../app.tgz app top && cd .. && rm -r w",
    );
    let start = || panel.helper().start("/files/archive", &body("app.tgz", json!({})));
    let start_time = Instant::now();
    answer(start()).ok();
    let whole = start_time.elapsed();
    let unpacked = Snapshot::of(panel.root(), &["/home/alice"]);
    for number in 0..MOMENTS {
        in_home(&panel, "rm -rf app top");
        let mut helper = start();
        pause(whole * number / MOMENTS);
        let _ = helper.kill();
        helper.wait().unwrap();
        let repeated = archive(&panel, "app.tgz");
        // It was complete already, and nothing is replaced.
        assert!(repeated.status == 200 || repeated.status == 409, "{repeated:?}");
        assert_eq!(unpacked.differences(&Snapshot::of(panel.root(), &["/home/alice"]), &[]), [""; 0], "{repeated:?}");
    }
    // What the time limit stops leaves nothing either.
    run(&format!("truncate -s 3G {}", panel.path("/home/alice/sparse").display()));
    panel.helper().within(1).ask("/files/archive", &body("sparse", json!({}))).refuses(504, "operation_timeout");
    run(&format!("rm {}", panel.path("/home/alice/sparse").display()));
    assert_eq!(unpacked.differences(&Snapshot::of(panel.root(), &["/home/alice"]), &[]), [""; 0]);
}

#[test]
fn a_suspension_ends_the_accounts_archive_and_no_other() {
    on_a_machine(a_suspension_ends_the_accounts_archive_and_no_other, || {
        let panel = hosting(5);
        for (user, size) in [("alice", "4G"), ("bob", "1G")] {
            panel.created(user, &format!("{user}.example"));
            run_as(user, &format!("cd && truncate -s {size} sparse"));
        }
        let start = |user: &str| {
            let helper = panel.helper().start("/files/archive", &json!({"username": user, "path": "sparse"}));
            let begun = format!("ls -d /home/{user}/.opterius-write-*");
            assert!(eventually(SOON, || attempt(&begun).0), "{user}: {}", run(&format!("ls -la /home/{user}")));
            helper
        };
        let (mut of_alice, of_bob) = (start("alice"), start("bob"));
        // The places for what takes long are for all accounts.
        let second = archive(&panel, "alice.example");
        second.refuses(409, "conflict");
        assert!(second.body["error"].as_str().unwrap().contains("Another archive of this account"), "{second:?}");
        panel.suspend("alice").ok();
        assert!(!of_alice.wait().unwrap().success());
        assert_eq!(answer(of_bob).ok()["path"], "/home/bob/sparse.tar.gz");
        panel.unsuspend("alice").ok();
        run_as("alice", "cd && truncate -s 1M sparse");
        archive(&panel, "sparse").ok();
        assert_eq!(names(&panel, ""), [".php", "alice.example", "sparse", "sparse.tar.gz"]);
    });
}

#[test]
fn archives_work_in_a_home_of_the_machine_and_fail_on_a_full_disk() {
    on_a_machine(archives_work_in_a_home_of_the_machine_and_fail_on_a_full_disk, || {
        let panel = hosting(5);
        panel.created("alice", "alice.example");
        run_as("alice", "cd && mkdir site && seq 100000 >site/text && head -c 3M /dev/urandom >site/noise");
        archive(&panel, "site").ok();
        run_as("alice", "cd && rm -r site");
        archive(&panel, "site.tar.gz").ok();
        assert_eq!(run_as("alice", "cd && wc -l <site/text"), "100000\n");
        // The home is a disk of its own, which is full.
        run("cp -a /home/alice /run/copy; mount -t tmpfs -o size=8m,mode=710 none /home/alice
             cp -a /run/copy/. /home/alice; chown --reference=/run/copy /home/alice");
        let before = names(&panel, "");
        archive(&panel, "site").refuses(507, "insufficient_storage");
        run_as("alice", "cd && mkdir new && mv site.tar.gz new");
        archive(&panel, "new/site.tar.gz").refuses(507, "insufficient_storage");
        run_as("alice", "cd && mv new/site.tar.gz . && rmdir new");
        assert_eq!(names(&panel, ""), before);
        // Without the program, the answer says how to install it.
        run("umount --lazy /home/alice");
        run_as("alice", "cd && bsdtar --format=zip -cf site.zip site");
        run("mv /usr/bin/bsdtar /usr/bin/bsdtar.away");
        let answer = archive(&panel, "site.zip");
        run("mv /usr/bin/bsdtar.away /usr/bin/bsdtar");
        answer.refuses(503, "operations_unavailable");
        assert!(answer.body["error"].as_str().unwrap().contains("libarchive-tools"), "{answer:?}");
        assert!(
            list(&panel, "")["entries"]
                .as_array()
                .unwrap()
                .iter()
                .all(|entry| !entry["name"].as_str().unwrap().contains("opterius"))
        );
    });
}
