//! A tenant's log, which is the tenant's own file, and the rotation of everybody's logs with the real logrotate.

use crate::operations::hosting;
use crate::support::eventually;
use crate::support::machine::{attempt_as, on_a_machine, run, run_as, shell_as};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

/// Time for one rotation of all logs. gzip alone would take minutes for the sparse file.
const ROTATION: Duration = Duration::from_secs(20);

const LOGS: &str = "/var/log/opterius/sites";

/// Rotates all logs now.
fn rotate() -> Duration {
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("dist/opterius-agent.logrotate");
    // Defaults of an administrator, the worst of them for a large file.
    let defaults = "printf 'compress\\nshred\\ncopytruncate\\n' >/run/defaults.conf";
    let started = Instant::now();
    run(&format!(
        "{defaults} && chmod 644 /run/defaults.conf && cp {} /run/ours.conf && chmod 644 /run/ours.conf
                  timeout 120 logrotate --force --state /run/rotation /run/defaults.conf /run/ours.conf",
        ours.display()
    ));
    started.elapsed()
}

#[test]
fn a_sparse_log_of_one_account_does_not_occupy_the_rotation() {
    on_a_machine(a_sparse_log_of_one_account_does_not_occupy_the_rotation, || {
        let panel = hosting(5);
        panel.created("alice", "alice.example");
        panel.created("bob", "bob.example");
        run_as("alice", &format!("truncate -s 50G {LOGS}/alice.example/php-error.log"));
        // The file stays open, and has a second name.
        let open = format!("exec 3>>{LOGS}/alice.example/php-error.log; exec sleep 600");
        let mut keeps = shell_as("alice", &open).spawn().unwrap();
        attempt_as("alice", &format!("ln {LOGS}/alice.example/php-error.log /home/alice/linked"));
        for number in 1..=3 {
            let line = format!("a line of round {number}");
            for name in ["access.log", "error.log", "php-error.log"] {
                run(&format!("echo '{line}' >>{LOGS}/bob.example/{name}"));
            }
            let took = rotate();
            assert!(took < ROTATION, "round {number}: {took:?}");
            for name in ["access.log", "error.log", "php-error.log"] {
                let rotated = fs::read_to_string(format!("{LOGS}/bob.example/{name}.1")).unwrap();
                assert!(rotated.contains(&line), "{name}: {rotated}");
                assert_eq!(fs::metadata(format!("{LOGS}/bob.example/{name}")).unwrap().len(), 0, "{name}");
            }
            // The tenant makes the rotated file large again, and the new one too.
            run_as("alice", &format!("truncate -s 50G {LOGS}/alice.example/php-error.log"));
            run_as("alice", &format!("truncate -s 60G /proc/{}/fd/3 || true", keeps.id()));
        }
        assert!(Path::new(&format!("{LOGS}/bob.example/access.log.2.gz")).exists(), "older logs are compressed");
        let own = fs::metadata(format!("{LOGS}/alice.example/php-error.log")).unwrap();
        assert_eq!(own.uid().to_string(), run("id -u alice").trim());
        keeps.kill().unwrap();
        keeps.wait().unwrap();
        panel.delete("alice").ok();
        assert!(eventually(ROTATION, || !Path::new(&format!("{LOGS}/alice.example")).exists()));
        assert_eq!(panel.usernames(), ["bob"]);
    });
}
