//! What visitors and tenants do to nginx's and PHP's logs while others' sites change.

use crate::operations::domains::alice_and_bob;
use crate::operations::uploads::Ending;
use crate::operations::{is_there, page, shows};
use crate::support::machine::{on_a_machine, run, run_as, shell_as};
use crate::support::panel::PHP;
use crate::support::{SOON, eventually};
use serde_json::{Value, json};
use std::fs::OpenOptions;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

fn redirects(from: &str) -> Value {
    json!({"domain": "bob.example", "redirects": [{"source_path": from, "destination": "/new", "type": "301"}]})
}

#[test]
fn what_visitors_write_into_nginxs_log_is_not_taken_for_nginxs_words() {
    on_a_machine(what_visitors_write_into_nginxs_log_is_not_taken_for_nginxs_words, || {
        let panel = alice_and_bob();
        let default = "/etc/nginx/conf.d/opterius-default.conf";
        run("rm -f /etc/nginx/sites-enabled/default");
        panel.post("/domains/redirect-sync", &redirects("/first")).ok();
        assert!(is_there(default));
        let master = run("cat /run/nginx.pid").trim().to_owned();
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let writing = scope.spawn(|| {
                let mut log = OpenOptions::new().append(true).open("/var/log/nginx/error.log").unwrap();
                let time = "2026/11/28 12:00:00";
                let mut count = 0;
                while !is_over.load(Ordering::Relaxed) {
                    for message in ["duplicate default server", "could not build server_names_hash", "the disk is full"]
                    {
                        let forged = format!("[emerg] {master}#{master}: {message}");
                        writeln!(log, "{time} [error] 9#9: *1 too large body, referrer: \"x {forged}\"").unwrap();
                        // With a line break in a path, a visitor can even write whole lines.
                        writeln!(log, "{time} {forged} for 0.0.0.0:80 in /etc/nginx/conf.d/opterius-default.conf:1")
                            .unwrap();
                    }
                    count += 1;
                    run("sleep 0.002");
                }
                count
            });
            // Also if an assertion fails.
            let end_writing = Ending(&is_over);
            for number in 0..5 {
                let answer = panel.post("/domains/redirect-sync", &redirects(&format!("/old{number}"))).ok();
                assert_eq!(answer["warnings"], json!([]), "{answer}");
                assert_eq!(page("bob.example", &format!("/old{number}")).status, 301);
            }
            panel.suspend("bob").ok();
            panel.unsuspend("bob").ok();
            drop(end_writing);
            assert!(writing.join().unwrap() > 10);
        });
        assert!(is_there(default));
        // A real complaint is still told.
        run("echo 'no_such_directive;' >/etc/nginx/conf.d/zz.conf");
        let answer = panel.post("/domains/redirect-sync", &redirects("/late"));
        assert!(answer.status != 200 && answer.body.to_string().contains("no_such_directive"), "{answer:?}");
        run("rm /etc/nginx/conf.d/zz.conf");
        panel.post("/domains/redirect-sync", &redirects("/late")).ok();
        shows("alice.example", "/", 200, "The page of alice");
    });
}

/// Keeps a lease of the file: whoever opens it waits 45 s.
const LEASE: &str = "import fcntl, os, signal, sys, time
signal.signal(signal.SIGIO, signal.SIG_IGN)
log = os.open(sys.argv[1], os.O_RDWR)
while True:
  try:
    if fcntl.fcntl(log, fcntl.F_GETLEASE) == fcntl.F_UNLCK: fcntl.fcntl(log, fcntl.F_SETLEASE, fcntl.F_WRLCK); open('leased', 'w')
  except OSError: os.system('pkill -KILL -x -U $(id -u) php-fpm8.2')
  time.sleep(0.02)";

#[test]
fn a_lease_on_the_log_of_php_holds_up_no_other_account() {
    on_a_machine(a_lease_on_the_log_of_php_holds_up_no_other_account, || {
        let panel = alice_and_bob();
        std::fs::write("/run/lease.py", LEASE).unwrap();
        let log = "/var/log/opterius/php/alice/fpm.log";
        run_as("alice", &format!("test -w {log} || touch {log}"));
        let mut holding = shell_as("alice", &format!("cd; exec python3 /run/lease.py {log}")).spawn().unwrap();
        assert!(eventually(SOON, || is_there("/home/alice/leased")));
        let config = |name: &str, functions: &str| {
            let values = json!({"disable_functions": functions});
            panel.post("/php/config", &json!({"domain": format!("{name}.example"), "version": PHP, "values": values}))
        };
        let began = Instant::now();
        let hers = std::thread::scope(|scope| {
            let hers = scope.spawn(|| config("alice", "exec"));
            config("bob", "exec").ok();
            hers.join().unwrap()
        });
        assert!(began.elapsed() < Duration::from_secs(30), "{:?}, {hers:?}", began.elapsed());
        holding.kill().unwrap();
        holding.wait().unwrap();
    });
}
