//! A tenant keeps systemd, or a look at all processes, busy: with messages, with threads.

use super::eviction::{tasks_of, uid};
use crate::operations::{hosting, is_there, publish, shows};
use crate::support::eventually;
use crate::support::machine::{attempt, on_a_machine, run};
use crate::support::panel::{Answer, Panel};
use crate::support::process::START;
use serde_json::json;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long an operation may take while systemd does not answer, on a loaded machine: it usually takes 10 to 15 s.
const BOUND: Duration = Duration::from_secs(45);

/// Alice, who attacks, and others with a page of PHP.
fn alice_and_others() -> Panel {
    let panel = hosting(20);
    for name in ["alice", "bob", "carol"] {
        panel.created(name, &format!("{name}.example"));
        publish(name, &format!("{name}.example"), "who.php", "<?php echo 'alive';");
        shows(&format!("{name}.example"), "/who.php", 200, "alive");
    }
    panel
}

/// A Python program of an account's.
pub(crate) fn python(username: &str, program: &str) -> Child {
    python_with("--init-groups", username, program)
}

fn python_without_groups(username: &str, program: &str) -> Child {
    python_with("--clear-groups", username, program)
}

fn python_with(groups: &str, username: &str, program: &str) -> Child {
    let mut command = Command::new("setpriv");
    command.args(["--reuid", username, "--regid", username, groups, "/usr/bin/python3", "-c", program]);
    command.stdin(Stdio::null()).spawn().unwrap()
}

/// Fills the socket on which systemd receives messages of services, which it reads before anything else.
pub(crate) const FLOOD: &str = "import socket\ns = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\nwhile True:\n  try: \
                     s.sendto(b'STATUS=x', '/run/systemd/notify')\n  except OSError: pass";

fn systemd_answers() -> bool {
    attempt("timeout 3 systemctl is-active nginx").0
}

fn timed(what: &str, operation: impl FnOnce() -> Answer) -> String {
    let start_time = Instant::now();
    let answer = operation();
    println!("{what}: {} after {:.1?}", answer.status, start_time.elapsed());
    assert!(start_time.elapsed() < BOUND, "{what}: {:?}", start_time.elapsed());
    answer.ok()["warnings"].to_string()
}

#[test]
fn a_flood_of_messages_to_systemd_stops_no_account() {
    on_a_machine(a_flood_of_messages_to_systemd_stops_no_account, || {
        let panel = alice_and_others();
        let mut flood: Vec<Child> = (0..6).map(|_| python("alice", FLOOD)).collect();
        assert!(eventually(START, || !systemd_answers()), "six processes do not keep systemd busy");

        assert_eq!(timed("suspension of another", || panel.suspend("bob")), "[]");
        shows("bob.example", "/who.php", 503, "");
        assert_eq!(tasks_of(&uid("bob")), "");
        assert!(!is_there("/run/opterius-php/8.2/bob.sock") && run("getent shadow bob").starts_with("bob:!"));
        assert_eq!(timed("creation of another", || panel.create("dave", "dave.example")), "[]");
        timed("deletion of another", || panel.delete("carol"));
        assert!(!attempt("id carol").0 && !is_there("/home/carol"));
        panel.unsuspend("bob").ok();
        shows("bob.example", "/who.php", 200, "alive");
        assert!(eventually(START, systemd_answers) && tasks_of(&uid("alice")).lines().count() >= flood.len());
        // The service manager of an account with a shell still starts.
        panel.post("/ssh/toggle-shell", &json!({"username": "dave", "enabled": true})).ok();
        run(&format!("systemctl start user@{}.service", uid("dave")));
        assert!(eventually(START, || attempt("pgrep -u dave -f '[s]ystemd --user'").0));

        timed("suspension of the tenant itself", || panel.suspend("alice"));
        assert_eq!(tasks_of(&uid("alice")), "");
        for child in &mut flood {
            child.wait().unwrap();
        }
        panel.delete("alice").ok();
        shows("bob.example", "/who.php", 200, "alive");
    });
}

/// A flood from which nothing keeps the tenant: its processes are in no group of accounts.
#[test]
fn a_flood_that_goes_on_ends_with_the_suspension_of_its_account() {
    on_a_machine(a_flood_that_goes_on_ends_with_the_suspension_of_its_account, || {
        let panel = alice_and_others();
        let mut flood: Vec<Child> = (0..6).map(|_| python_without_groups("alice", FLOOD)).collect();
        assert!(eventually(START, || !systemd_answers()), "six processes do not keep systemd busy");
        let warnings = timed("suspension of the tenant itself", || panel.suspend("alice"));
        println!("{warnings}");
        assert_eq!(tasks_of(&uid("alice")), "");
        shows("alice.example", "/who.php", 503, "");
        assert!(!is_there("/run/opterius-php/8.2/alice.sock") && run("getent shadow alice").starts_with("alice:!"));
        for child in &mut flood {
            child.wait().unwrap();
        }
        assert!(eventually(START, systemd_answers));
        assert_eq!(tasks_of(&uid("alice")), "");
        shows("bob.example", "/who.php", 200, "alive");
        panel.unsuspend("alice").ok();
        shows("alice.example", "/who.php", 200, "alive");

        let mut flood: Vec<Child> = (0..6).map(|_| python_without_groups("alice", FLOOD)).collect();
        assert!(eventually(START, || !systemd_answers()), "six processes do not keep systemd busy");
        let alice = uid("alice");
        let start_time = Instant::now();
        let answer = panel.delete("alice");
        println!("deletion of the tenant itself: {answer:?} after {:.1?}", start_time.elapsed());
        assert!(start_time.elapsed() < BOUND, "{:?}", start_time.elapsed());
        // Its sites could not be removed from nginx, which waits for systemd: nothing is lost, and a suspension ends the flood.
        if answer.status != 200 {
            timed("suspension of the tenant itself", || panel.suspend("alice"));
            panel.delete("alice").ok();
        }
        assert_eq!(tasks_of(&alice), "");
        assert!(!attempt("id alice").0 && !is_there("/home/alice"));
        for child in &mut flood {
            child.wait().unwrap();
        }
        shows("bob.example", "/who.php", 200, "alive");
    });
}

/// Threads of Alice's, more than any look at all tasks should cost others.
#[test]
fn many_threads_of_one_account_hold_up_no_other() {
    on_a_machine(many_threads_of_one_account_hold_up_no_other, || {
        let panel = alice_and_others();
        let threads = "import threading, time\nthreading.stack_size(32768)\nfor n in range(12000): \
                       threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()\ntime.sleep(1000)";
        let mut child = python("alice", threads);
        let tasks = || run(&format!("ls /proc/{}/task 2>/dev/null | wc -l", child.id())).trim().parse::<u32>().unwrap();
        assert!(eventually(Duration::from_secs(60), || tasks() > 12_000), "{}", tasks());
        let bound = Duration::from_secs(20);
        for _ in 0..2 {
            let start_time = Instant::now();
            panel.suspend("bob").ok();
            println!("suspension of another: {:.1?}", start_time.elapsed());
            assert!(start_time.elapsed() < bound, "{:?}", start_time.elapsed());
            panel.unsuspend("bob").ok();
        }
        assert!(tasks() > 12_000);
        panel.suspend("alice").ok();
        assert_eq!(tasks_of(&uid("alice")), "");
        child.wait().unwrap();
        shows("bob.example", "/who.php", 200, "alive");
    });
}

/// Two tenants can arrange for a process whose main task is Bob's in all places, and another one Alice's: Alice runs a setuid
/// program of Bob's, and its tasks change their ids without the others.
#[test]
fn a_task_of_an_account_in_a_process_of_another_ends() {
    on_a_machine(a_task_of_an_account_in_a_process_of_another_ends, || {
        let panel = alice_and_others();
        let (alice, bob) = (uid("alice"), uid("bob"));
        let number = if cfg!(target_arch = "aarch64") { 147 } else { 117 };
        let program = format!(
            "import ctypes, threading, time\nlibc = ctypes.CDLL(None)\ndef become(uid):\n  assert libc.syscall({number}, uid, \
             uid, uid) == 0\ndef other():\n  become({alice})\n  time.sleep(1000)\n\
             threading.Thread(target=other, daemon=True).start()\ntime.sleep(1)\nbecome({bob})\ntime.sleep(1000)"
        );
        let start = || {
            let mut command = Command::new("setpriv");
            command.args(["--ruid", "alice", "--euid", "bob", "--regid", "bob", "--clear-groups"]);
            let child = command.args(["/usr/bin/python3", "-c", &program]).spawn().unwrap();
            let main = || run(&format!("grep ^Uid: /proc/{}/status || true", child.id()));
            let expected = format!("Uid:\t{bob}\t{bob}\t{bob}\t{bob}\n");
            assert!(eventually(START, || main() == expected), "{}", main());
            assert!(tasks_of(&alice).contains(&format!("{}/task/", child.id())), "{}", tasks_of(&alice));
            child
        };
        let mut child = start();
        panel.suspend("alice").ok();
        assert_eq!(tasks_of(&alice), "");
        child.wait().unwrap();
        shows("bob.example", "/who.php", 200, "alive");
        panel.unsuspend("alice").ok();
        let mut child = start();
        panel.delete("alice").ok();
        assert_eq!(tasks_of(&alice), "");
        child.wait().unwrap();
        shows("bob.example", "/who.php", 200, "alive");
    });
}
