//! Nothing of an account lives on after its suspension or deletion, whatever its tenant tries, and no other account's
//! operations wait for it.

use crate::operations::{hosting, is_there, publish, shows};
use crate::support::eventually;
use crate::support::machine::{attempt, attempt_as, on_a_machine, run, run_as, shell_as};
use crate::support::panel::Panel;
use crate::support::process::START;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// How long an operation of an account that is not concerned may take, on a loaded machine.
const SECONDS: Duration = Duration::from_secs(20);

/// Alice, who is evicted, and Bob, whose page must go on.
fn alice_and_bob() -> Panel {
    let panel = hosting(20);
    for (username, domain) in [("bob", "bob.example"), ("alice", "alice.example")] {
        panel.created(username, domain);
        publish(username, domain, "index.html", "A page");
    }
    shows("bob.example", "/", 200, "A page");
    panel
}

/// Bob's page is served, and a third account is created, suspended, unsuspended and deleted, each within seconds.
fn others_go_on(panel: &Panel, during: &str) {
    shows("bob.example", "/", 200, "A page");
    let timed = |what: &str, operation: &dyn Fn() -> u16| {
        let start_time = Instant::now();
        let status = operation();
        let time = start_time.elapsed();
        println!("{during}: {what} of another account answered {status} after {time:.1?}");
        assert!(status == 200 && time < SECONDS, "{during}: {what}: {status} after {time:?}");
    };
    timed("creation", &|| panel.create("carol", "carol.example").status);
    timed("suspension", &|| panel.suspend("carol").status);
    timed("unsuspension", &|| panel.unsuspend("carol").status);
    timed("suspension", &|| panel.suspend("bob").status);
    shows("bob.example", "/", 503, "");
    timed("unsuspension", &|| panel.unsuspend("bob").status);
    timed("deletion", &|| panel.delete("carol").status);
    assert!(!is_there("/home/carol") && !attempt("id carol").0);
}

/// Every task of the machine with one of these uids in any of its four places, as /proc shows them to this process, except
/// those that have ended.
pub(crate) fn tasks_of(uids: &str) -> String {
    run(&format!(
        r"cd /proc; for task in [0-9]*/task/[0-9]*; do
            LC_ALL=C awk -v uids='{uids}' -v task=$task '
                BEGIN {{ split(uids, list); for (n in list) own[list[n]] = 1 }}
                /^State:/ {{ dead = $2 ~ /[ZX]/ }}
                /^Uid:/ {{ for (n = 2; n <= 5; n++) if ($n in own) found = 1 }}
                END {{ if (found && !dead) print task }}' $task/status 2>/dev/null
          done; true"
    ))
}

pub(crate) fn uid(username: &str) -> String {
    run(&format!("id -u {username}")).trim().to_owned()
}

/// Scripts of Alice's that a look at the processes can miss, or that a signal does not reach.
const SURVIVORS: [(&str, &str); 7] = [
    ("a name that is not text", "exec perl -e '$0 = qq(\\xff\\xfe); sleep 1000'"),
    ("a name with line ends", "exec perl -e '$0 = qq(a\\nUid:\\t0\\t0\\t0\\t0\\nState:\\tZ); sleep 1000'"),
    ("a name with parentheses", "exec perl -e '$0 = qq[) Z 1 (]; sleep 1000'"),
    (
        "a main thread that has ended",
        "exec perl -Mthreads -MPOSIX -e 'threads->create(sub { sleep 1000 }); sleep 1; syscall((POSIX::uname)[4] eq q(aarch64) ? 93 : 60, 0)'",
    ),
    (
        "stopped by its tracer",
        "exec perl -e 'if (fork == 0) { syscall(101, 0, 0, 0, 0); kill STOP => $$; sleep 1000 } sleep 1000'",
    ),
    ("stopped", "kill -STOP $$"),
    (
        "its own session, ignoring signals",
        "trap '' TERM HUP INT QUIT; setsid sh -c 'trap \"\" TERM HUP; while :; do sleep 1; done'",
    ),
];

pub(crate) fn survivors() -> Vec<Child> {
    SURVIVORS.map(|(_, script)| shell_as("alice", script).spawn().unwrap()).into()
}

/// Processes of Alice's with other uids: a setuid tool that is stopped, and subordinate uids.
pub(crate) fn mixed(subordinate: u32) -> Vec<Child> {
    let start = |words: &[&str], script: &str| {
        Command::new("setpriv").args(words).args(["perl", "-e", script]).spawn().unwrap()
    };
    let uid = subordinate.to_string();
    vec![
        start(&["--ruid", "alice", "--regid", "alice", "--clear-groups"], "kill STOP => $$; sleep 1000"),
        start(&["--reuid", &uid, "--regid", &uid, "--clear-groups"], "sleep 1000"),
        start(
            &["--reuid", &uid, "--regid", &uid, "--clear-groups"],
            "while (1) { exit if fork; select undef, undef, undef, 0.001 }",
        ),
    ]
}

#[test]
fn no_process_lives_on_and_others_go_on() {
    on_a_machine(no_process_lives_on_and_others_go_on, || {
        let panel = alice_and_bob();
        // What earlier versions gave each account; Bob has the same range.
        run("printf 'alice:300000:65536\nbob:300000:65536\n' | tee -a /etc/subuid >>/etc/subgid");
        let alice = uid("alice");
        let all = format!("{alice} 300007");
        for (round, name) in ["suspend", "delete"].into_iter().enumerate() {
            let mut children = survivors();
            children.extend(mixed(300_007));
            assert!(eventually(START, || tasks_of(&all).lines().count() > SURVIVORS.len()), "{}", tasks_of(&all));
            let start_time = Instant::now();
            let answer = if round == 0 { panel.suspend("alice") } else { panel.delete("alice") };
            println!("{name} answered after {:.1?}", start_time.elapsed());
            answer.ok();
            assert_eq!(tasks_of(&all), "", "after {name}: {}", run("ps -eLo pid,tid,user:20,stat,args"));
            for child in &mut children {
                child.wait().unwrap();
            }
            others_go_on(&panel, name);
            if round == 0 {
                panel.unsuspend("alice").ok();
            }
        }
        assert_eq!(run("grep -h alice /etc/subuid /etc/subgid || true"), "");
        panel.created("dave", "dave.example");
        assert_eq!(run("grep -h dave /etc/subuid /etc/subgid || true"), "", "an account gets no subordinate ids");
    });
}

#[test]
fn a_frozen_cgroup_is_ended() {
    on_a_machine(a_frozen_cgroup_is_ended, || {
        let panel = alice_and_bob();
        let group = run(
            "dir=$(awk '$3 == \"cgroup2\" { print $2; exit }' /proc/mounts); mkdir $dir/opterius-test-frozen; echo $dir/opterius-test-frozen",
        );
        let group = group.trim();
        let alice = uid("alice");
        for name in ["suspend", "delete"] {
            let mut child = shell_as("alice", "while :; do :; done").spawn().unwrap();
            // Frozen before it is Alice's, it would be another's.
            assert!(eventually(START, || tasks_of(&alice).contains(&format!("{}/task", child.id()))));
            run(&format!("echo {} >{group}/cgroup.procs; echo 1 >{group}/cgroup.freeze", child.id()));
            let answer = if name == "suspend" { panel.suspend("alice") } else { panel.delete("alice") };
            answer.ok();
            assert_eq!(tasks_of(&alice), "", "after {name}");
            child.wait().unwrap();
            others_go_on(&panel, name);
            run(&format!("echo 0 >{group}/cgroup.freeze"));
            if name == "suspend" {
                panel.unsuspend("alice").ok();
            }
        }
        run(&format!("rmdir {group}"));
    });
}

/// A setuid tool of Alice's (her real uid, root's effective uid) that is stopped while it holds both kinds of locks.
pub(crate) fn hold_locks() -> Child {
    let script = r#"use Fcntl; open my $l, ">>", "/etc/.pwd.lock"; my $f = pack "s s l! l! i", 1, 0, 0, 0, 0;
        fcntl $l, 6, $f or die; open my $p, ">", "/etc/passwd.lock"; print $p "$$\0"; close $p; kill STOP => $$; sleep 1000"#;
    Command::new("setpriv").args(["--ruid", "alice", "--keep-groups", "perl", "-e", script]).spawn().unwrap()
}

pub(crate) fn holds_locks(child: &Child) -> bool {
    run("cat /etc/passwd.lock 2>/dev/null | tr -d '\\0' || true") == child.id().to_string()
        && tasks_of(&uid("alice")).contains(&format!("{}/task", child.id()))
}

#[test]
fn a_stopped_tool_that_holds_the_lock_of_passwd_stops_no_account() {
    on_a_machine(a_stopped_tool_that_holds_the_lock_of_passwd_stops_no_account, || {
        let panel = alice_and_bob();
        let mut children = Vec::new();
        for name in ["others", "suspend", "unsuspend", "delete"] {
            children.push(hold_locks());
            assert!(eventually(START, || holds_locks(children.last().unwrap())), "{name}");
            let start_time = Instant::now();
            match name {
                "others" => others_go_on(&panel, "a held lock"),
                "suspend" => _ = panel.suspend("alice").ok(),
                "unsuspend" => _ = panel.unsuspend("alice").ok(),
                _ => _ = panel.delete("alice").ok(),
            }
            println!("{name} with a held lock: {:.1?}", start_time.elapsed());
            assert!(name == "others" || start_time.elapsed() < SECONDS, "{name}: {:?}", start_time.elapsed());
        }
        for child in &mut children {
            child.wait().unwrap();
        }
        others_go_on(&panel, "after the deletion");
    });
}

/// Alice opens the file of the lock, for which she needs no permission on it (O_PATH), and locks 10,000 parts of her own file.
#[test]
fn a_tenant_that_seems_to_hold_the_lock_stops_no_account() {
    on_a_machine(a_tenant_that_seems_to_hold_the_lock_stops_no_account, || {
        let panel = alice_and_bob();
        let script = "import fcntl, os, time\nos.open('/etc/.pwd.lock', os.O_PATH)\nown = open('/tmp/alices', 'w+')\n\
                      for part in range(10000): fcntl.lockf(own, fcntl.LOCK_EX, 1, 2 * part)\n\
                      others = [open('/etc/passwd') for _ in range(200)]\ntime.sleep(1000)";
        let mut command = Command::new("setpriv");
        command.args(["--reuid", "alice", "--regid", "alice", "--clear-groups", "/usr/bin/python3", "-c", script]);
        run("touch /etc/.pwd.lock");
        let mut child = command.spawn().unwrap();
        let locks = || run("grep -c POSIX /proc/locks || true").trim().parse::<u32>().unwrap_or(0);
        assert!(eventually(START, || locks() >= 10_000), "{}", locks());
        let start_time = Instant::now();
        others_go_on(&panel, "many locks");
        panel.suspend("alice").ok();
        assert!(start_time.elapsed() < SECONDS, "{:?}", start_time.elapsed());
        child.wait().unwrap();
    });
}

#[test]
fn a_lock_of_roots_is_named() {
    on_a_machine(a_lock_of_roots_is_named, || {
        let panel = alice_and_bob();
        let mut holder = Command::new("sleep").arg("1000").spawn().unwrap();
        run(&format!("printf '%s' {} >/etc/passwd.lock", holder.id()));
        let start_time = Instant::now();
        let answer = panel.create("carol", "carol.example");
        assert!(start_time.elapsed() < Duration::from_secs(30), "{:?}", start_time.elapsed());
        let sentence = answer.body["error"].as_str().unwrap();
        for part in ["/etc/passwd.lock", &format!("process {}", holder.id()), "sleep", "root"] {
            assert!(answer.status >= 400 && sentence.contains(part), "{part} is not in {answer:?}");
        }
        assert!(!attempt("id carol").0 && !is_there("/home/carol"));
        assert!(holder.try_wait().unwrap().is_none(), "a process of root's must not be ended");
        holder.kill().unwrap();
        holder.wait().unwrap();
        others_go_on(&panel, "after the lock");
    });
}

/// Files, IPC objects and jobs of Alice's outside of her home, and others of Bob's.
pub(crate) fn leave_files() {
    run(
        "mkdir -p /tmp/systemd-private-0-x.service-y/tmp /var/lib/systemd/linger /var/spool/cron/atjobs; chmod 1777 /tmp/systemd-private-0-x.service-y/tmp",
    );
    run(
        "printf 'alice:300000:65536\n' >>/etc/subuid; touch /tmp/of-subordinate; chown 300009:300009 /tmp/of-subordinate",
    );
    run_as(
        "bob",
        "mkdir -m 0777 /tmp/of-bob; touch /tmp/of-bob/bobs /var/tmp/bobs; perl -e 'shmget(4712, 100, 0600 | 01000) // die $!'",
    );
    run_as(
            "alice",
            "echo '@daily true' | crontab -; echo true | at now + 1 hour 2>/dev/null
             for dir in /tmp /var/tmp /dev/shm /tmp/of-bob /tmp/systemd-private-0-x.service-y/tmp; do
               mkdir -p $dir/alices/deep; touch $dir/alices/deep/file $dir/alices-file; ln -s /etc $dir/alices-link; mkfifo $dir/alices-pipe; done
             perl -e 'shmget(4711, 100, 0600 | 01000) // die $!; semget(4711, 1, 0600 | 01000) // die $!; semget(0, 1, 0600) // die $! for 1..20000; msgget(4711, 0600 | 01000) // die $!'",
        );
}

/// Checks that nothing of Alice's is left, and everything of Bob's.
pub(crate) fn check_left(alice: &str) {
    let left = run(&format!(
            "for id in {alice} 300009; do find / -xdev -uid $id -not -path '/proc/*' 2>/dev/null; find /dev/shm /tmp /run -uid $id 2>/dev/null; done
             ls -d /var/mail/alice /run/sudo/ts/alice /var/lib/systemd/linger/alice /var/spool/cron/*/alice 2>/dev/null
             ipcs -c | grep -w -e alice -e {alice}; atq | grep -w alice; true"
        ));
    assert_eq!(left, "");
    run("test -e /tmp/of-bob/bobs && test -e /var/tmp/bobs && ipcs -m | grep -w bob");
}

#[test]
fn jobs_and_leftovers_outside_of_the_home_go() {
    on_a_machine(jobs_and_leftovers_outside_of_the_home_go, || {
        let panel = alice_and_bob();
        let alice = uid("alice");
        leave_files();
        run("touch /var/lib/systemd/linger/alice /var/mail/alice; mkdir -p /run/sudo/ts; touch /run/sudo/ts/alice");
        let jobs =
            || run("find /var/spool/cron/atjobs -user alice; ls /var/spool/cron/crontabs /var/lib/systemd/linger; atq");
        let before = jobs();
        assert!(before.contains("alice"), "{before}");

        panel.suspend("alice").ok();
        assert!(!jobs().contains("alice"), "{}", jobs());
        panel.unsuspend("alice").ok();
        assert_eq!(jobs(), before, "unsuspending restores all jobs");

        panel.delete("alice").ok();
        check_left(&alice);
        others_go_on(&panel, "after the deletion");
    });
}

/// What can be in the way when a home is deleted, and what removes it.
const OBSTACLES: [(&str, &str, &str); 5] = [
    (
        "an immutable file",
        "touch $HOME/x; chattr +i $HOME/x || { mount --bind $HOME/x $HOME/x; }",
        "chattr -i $AT/x; umount $AT/x; true",
    ),
    ("a mount of root's", "mkdir $HOME/m; mount -t tmpfs none $HOME/m; touch $HOME/m/x", "umount $AT/m"),
    ("a mounted file", "touch $HOME/f; mount --bind /etc/hostname $HOME/f", "umount $AT/f"),
    ("a mounted directory of Bob's", "mkdir -p $HOME/a/b; mount --bind /home/bob $HOME/a/b", "umount -R $AT/a/b"),
    ("a home that is a mount point", "mount --bind $HOME $HOME", "umount $AT"),
];

#[test]
fn what_is_in_the_way_in_a_home_costs_that_home_alone() {
    on_a_machine(what_is_in_the_way_in_a_home_costs_that_home_alone, || {
        let panel = alice_and_bob();
        panel.delete("alice").ok();
        let homes = run("ls -A /home");
        for (what, obstruct, remove) in OBSTACLES {
            panel.created("alice", "alice.example");
            run_as("alice", "mkdir -p ~/many; cd ~/many; seq 200 | xargs touch");
            run(&format!("HOME=/home/alice; {obstruct}"));
            let start_time = Instant::now();
            let body = panel.delete("alice").ok();
            println!("{what}: {:.1?} {body}", start_time.elapsed());
            let warnings = body["warnings"].to_string();
            assert!(warnings.contains("umount") || warnings.contains("chattr"), "{what}: {body}");
            assert!(!attempt("id alice").0, "{what}");
            let at = run("ls -d /home/alice /home/.opterius-deleted-* 2>/dev/null | head -1");
            let at = at.trim();
            assert!(
                !at.is_empty() && !is_there(format!("{at}/many")),
                "{what}: the rest of {at} must be deleted: {}",
                run(&format!("ls -la {at}"))
            );
            others_go_on(&panel, what);
            run(&format!("AT={at}; {remove}; rm -rf --one-file-system /home/alice"));
            run("test -e /home/bob/bob.example && test -s /etc/hostname");
            panel.created("dave", "dave.example");
            panel.delete("dave").ok();
            assert_eq!(run("ls -A /home"), homes, "{what}: a later deletion finishes the rest");
        }
    });
}

#[test]
fn what_makes_files_in_a_deleted_home_costs_that_home_alone() {
    on_a_machine(what_makes_files_in_a_deleted_home_costs_that_home_alone, || {
        let panel = alice_and_bob();
        let homes = run("ls -A /home | grep -v alice");
        // Not of her uid, so that no eviction ends it: it stands for whatever has survived.
        let script = "while (1) { for my $home (glob '/home/.opterius-deleted-*') { for (1 .. 50) { mkdir qq($home/$_); open F, '>', qq($home/$_/x) } } }";
        let mut maker = Command::new("perl").args(["-e", script]).spawn().unwrap();
        let start_time = Instant::now();
        let answer = panel.delete("alice");
        println!("{:.1?} {answer:?}", start_time.elapsed());
        assert_eq!(answer.status, 200, "{answer:?}");
        others_go_on(&panel, "files are made in a deleted home");
        maker.kill().unwrap();
        maker.wait().unwrap();
        others_go_on(&panel, "afterwards");
        assert_eq!(run("ls -A /home"), homes);
    });
}

/// Mounts a FUSE file system for a user, as fusermount does; its process then ends.
pub(crate) fn mount_fuse(uid: &str, path: &str) {
    let script = r#"my ($uid, $path) = @ARGV; open my $f, "+<", "/dev/fuse" or die "fuse: $!";
        my $options = "fd=" . fileno($f) . ",rootmode=40000,user_id=$uid,group_id=$uid";
        my $number = (`uname -m` =~ /aarch64/) ? 40 : 165;
        my ($source, $type) = ("x", "fuse.x"); syscall($number, $source, $path, $type, 6, $options) == 0 or die "mount: $!""#;
    let output = Command::new("perl").args(["-e", script, uid, path]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_file_system_that_the_tenant_has_mounted_is_unmounted() {
    on_a_machine(a_file_system_that_the_tenant_has_mounted_is_unmounted, || {
        let panel = alice_and_bob();
        run("test -e /dev/fuse || mknod /dev/fuse c 10 229");
        let homes = run("ls -A /home | grep -v alice");
        run_as("alice", "mkdir -p ~/a/'b c' ~/d");
        for path in ["/home/alice/a/b c", "/home/alice/d"] {
            mount_fuse(&uid("alice"), path);
        }
        let body = panel.delete("alice").ok();
        assert!(!body["warnings"].to_string().contains("mount"), "{body}");
        assert_eq!(run("grep fuse.x /proc/mounts || true"), "");
        assert_eq!(run("ls -A /home"), homes);
        others_go_on(&panel, "after the deletion");
    });
}

#[test]
fn bytes_in_passwd_that_are_not_text_cost_no_account() {
    on_a_machine(bytes_in_passwd_that_are_not_text_cost_no_account, || {
        let panel = alice_and_bob();
        run("printf '%s\n' 'alice:correct horse' | chpasswd");
        // As root: chfn asks a tenant for its password, which changes nothing about the file.
        run("chfn -r $(printf '\\377') alice; LC_ALL=C grep -q $(printf '\\377') /etc/passwd");
        run("printf '\\377\\376:x:broken\\n' | tee -a /etc/shadow >>/etc/group");
        others_go_on(&panel, "a line that is not text");
        panel.suspend("alice").ok();
        assert!(!attempt_as("alice", "true").0 || tasks_of(&uid("alice")).is_empty());
        shows("alice.example", "/", 503, "");
        panel.unsuspend("alice").ok();
        shows("alice.example", "/", 200, "A page");
        assert_eq!(panel.usernames().len(), 2);
        panel.delete("alice").ok();
        assert!(!attempt("id alice").0);
        others_go_on(&panel, "after the deletion");
    });
}
