//! Homes whose content attacks the process that deletes them.

use crate::operations::{hosting, is_there};
use crate::support::machine::{attempt, on_a_machine, run, run_as, shell_as};
use crate::support::panel::Panel;
use crate::support::snapshot::Snapshot;
use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const OTHERS: [&str; 5] = ["/etc", "/home", "/srv", "/var/mail", "/var/lib/opterius"];

/// Alice's account, and files of Bob and root that must stay. The snapshot is from before Alice's account was created.
fn alice_and_other_files() -> (Panel, Snapshot) {
    let panel = hosting(5);
    panel.created("bob", "bob.example");
    run("mkdir -p /srv/victim/deep/deeper; echo kept | tee /srv/victim/kept /srv/victim/deep/kept >/srv/victim/deep/deeper/kept
         chown -R bob /srv/victim/deep");
    let before = Snapshot::of(Path::new("/"), &OTHERS);
    panel.created("alice", "alice.example");
    (panel, before)
}

fn all_gone(before: &Snapshot) {
    assert!(!is_there("/home/alice"), "{}", run("find /home/alice | head -50"));
    assert_eq!(before.differences(&Snapshot::of(Path::new("/"), &OTHERS), &[]), [""; 0]);
}

#[test]
fn a_home_with_all_kinds_of_files_is_deleted_and_nothing_else() {
    on_a_machine(a_home_with_all_kinds_of_files_is_deleted_and_nothing_else, || {
        let (panel, before) = alice_and_other_files();
        run_as(
            "alice",
            "cd /home/alice; ln -s /srv/victim a; ln -s / b; ln -s .. c; ln -s . d; ln -s nowhere e; ln -s /home/bob f
             mkdir -p g/h; ln -s /srv/victim g/h/i; mkfifo j; cp /bin/true k; chmod 6755 k; mkdir closed; touch closed/x; chmod 0 closed
             perl -MIO::Socket::UNIX -e 'IO::Socket::UNIX->new(Local => q(/home/alice/socket), Listen => 1)'
             perl -e 'mkdir qq(new\\nline); open F, q(>), qq(new\\nline/\\xff\\xfe.\\r\\t *?); mkdir q(-rf); mkdir qq(\\xc3\\x28); mkdir q( )'
             touch -- '-rf/x' '$(id)' ';id' '*' '...' \"$(perl -e 'print q(n) x 255')\"; mkdir immutable; chmod 0555 immutable",
        );
        // Only root could create these, by mistake.
        run("ln /srv/victim/kept /home/alice/hard; mknod /home/alice/null c 1 3; ln -s /etc/shadow /var/mail/alice");
        let links = fs::metadata("/srv/victim/kept").unwrap();
        deep_directories(Path::new("/home/alice/deep"), 5000);
        panel.delete("alice").ok();
        all_gone(&before);
        assert_eq!(std::os::unix::fs::MetadataExt::nlink(&links), 2, "the test must create a hard link");
    });
}

/// Nested directories, much deeper than the longest possible path.
fn deep_directories(path: &Path, levels: usize) {
    fs::create_dir(path).unwrap();
    let open = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
    let mut directory = openat(CWD, path, open, Mode::empty()).unwrap();
    let name = OsStr::from_bytes(b"directory");
    for _ in 0..levels {
        mkdirat(&directory, name, Mode::RWXU).unwrap();
        directory = openat(&directory, name, open, Mode::empty()).unwrap();
    }
}

#[test]
fn directories_replaced_by_links_during_deletion_are_not_followed() {
    on_a_machine(directories_replaced_by_links_during_deletion_are_not_followed, || {
        let (panel, before) = alice_and_other_files();
        for round in 0..4 {
            run_as(
                "alice",
                "cd /home/alice; for n in 1 2 3 4 5 6 7 8; do mkdir -p s$n/deep/deeper; (cd s$n/deep/deeper; seq 300 | xargs touch); done",
            );
            // The tenant's own process, which the deletion kills first.
            let script = "cd /home/alice; trap '' TERM HUP; while :; do for n in 1 2 3 4; do mv s$n x; ln -s /srv/victim s$n; rm s$n; mv x s$n; done; done 2>/dev/null";
            let mut swapper = shell_as("alice", script).spawn().unwrap();
            // And an attacker that is never killed.
            let (over, swaps) = (AtomicBool::new(false), AtomicUsize::new(0));
            let answer = std::thread::scope(|scope| {
                scope.spawn(|| {
                    while !over.load(Ordering::Relaxed) {
                        (5..=8).for_each(|number| swap(number, &swaps));
                    }
                });
                let answer = panel.delete("alice");
                over.store(true, Ordering::Relaxed);
                answer
            });
            swapper.wait().unwrap();
            assert!(swaps.load(Ordering::Relaxed) > 0, "nothing was swapped in round {round}");
            assert!(matches!(answer.status, 200 | 500), "{answer:?}");
            panel.delete("alice");
            all_gone(&before);
            panel.created("alice", "alice.example");
        }
    });
}

/// Briefly replaces one of the tenant's directories with a link to files that are not the tenant's.
fn swap(number: usize, swaps: &AtomicUsize) {
    let (place, aside) = (format!("/home/alice/s{number}"), format!("/home/alice/x{number}"));
    if fs::rename(&place, &aside).is_ok() {
        if symlink("/srv/victim", &place).is_ok() {
            let _ = fs::remove_file(&place);
        }
        if fs::rename(&aside, &place).is_ok() {
            swaps.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[test]
fn mounts_below_a_home_are_not_entered() {
    on_a_machine(mounts_below_a_home_are_not_entered, || {
        let (panel, before) = alice_and_other_files();
        run_as("alice", "mkdir -p /home/alice/a/mount /home/alice/z; touch /home/alice/z/x");
        for mount in [
            "mount --bind /srv/victim /home/alice/a/mount",
            "mount --bind /home/bob /home/alice/a/mount",
            "mount -t tmpfs none /home/alice/a/mount",
        ] {
            run(mount);
            run("test -e /home/alice/a/mount/kept || touch /home/alice/a/mount/kept-too");
            let answer = panel.delete("alice");
            let body = answer.body.to_string();
            assert!(answer.status == 200 || (answer.status >= 400 && body.contains("mount")), "{mount}: {answer:?}");
            run("test -e /srv/victim/kept && test -e /srv/victim/deep/deeper/kept && test -e /home/bob/bob.example");
            // The mount point may have been moved aside with the home.
            run("at=$(awk '$2 ~ \"^/home/.*/a/mount$\" { print $2 }' /proc/mounts); test -e $at/kept || test -e $at/kept-too
                 umount $at; rm -f /home/bob/kept-too /srv/victim/kept-too");
            let again = panel.delete("alice");
            assert!(matches!(again.status, 200 | 404), "{again:?}");
            if attempt("id alice").0 || is_there("/home/alice") {
                panic!("{mount}: after unmounting, a repeat must delete the rest: {answer:?}, {again:?}");
            }
            all_gone(&before);
            panel.created("alice", "alice.example");
            run_as("alice", "mkdir -p /home/alice/a/mount");
        }
    });
}

#[test]
fn very_many_files_are_deleted_in_time() {
    on_a_machine(very_many_files_are_deleted_in_time, || {
        const DIRECTORIES: usize = 100;
        const FILES: usize = 1000;
        run("mount -t tmpfs -o mode=755,nr_inodes=0 none /home");
        let (panel, before) = alice_and_other_files();
        for directory in (0..DIRECTORIES).map(|number| format!("/home/alice/many{number}")) {
            fs::create_dir(&directory).unwrap();
            (0..FILES).for_each(|number| drop(fs::File::create(format!("{directory}/{number}")).unwrap()));
        }
        let start_time = Instant::now();
        panel.delete("alice").ok();
        println!("{} files deleted in {:?}", DIRECTORIES * FILES, start_time.elapsed());
        assert!(start_time.elapsed() < Duration::from_secs(60), "{:?}", start_time.elapsed());
        all_gone(&before);
    });
}
