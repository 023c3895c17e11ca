//! Cron jobs on a machine with Debian's cron: it runs what the Panel added, and nothing that was disabled.

use super::tampering::{Fault, Tampered};
use super::{hosting, is_there};
use crate::support::eventually;
use crate::support::machine::{attempt_as, on_a_machine, run, run_as};
use crate::support::panel::{Answer, Panel};
use serde_json::{Value, json};
use std::fs;
use std::time::Duration;

/// Jobs of every minute start within this time.
const A_MINUTE: Duration = Duration::from_secs(75);

const SPOOL: &str = "/var/spool/cron/crontabs";
const DISABLED: &str = "/var/spool/cron/opterius-suspended/alice";

fn create(panel: &Panel, id: u64, command: &str) -> Answer {
    let body = json!({"username": "alice", "schedule": "* * * * *", "command": command, "cron_job_id": id});
    panel.post("/cron/create", &body)
}

fn toggle(panel: &Panel, command: &str, enabled: bool) -> Answer {
    panel.post("/cron/toggle", &json!({"username": "alice", "command": command, "enabled": enabled}))
}

fn delete(panel: &Panel, command: &str) -> Answer {
    panel.post("/cron/delete", &json!({"username": "alice", "command": command}))
}

/// An account's crontab, without the three lines that crontab(1) writes above it; empty without one.
fn crontab(username: &str) -> Vec<u8> {
    let bytes = fs::read(format!("{SPOOL}/{username}")).unwrap_or_default();
    let header = if bytes.starts_with(b"# DO NOT EDIT") { 3 } else { 0 };
    bytes.split_inclusive(|byte| *byte == b'\n').skip(header).flatten().copied().collect()
}

fn with_both() -> Panel {
    let panel = hosting(5);
    panel.created("alice", "alice.example");
    panel.created("bob", "bob.example");
    panel
}

#[test]
fn cron_runs_the_jobs_as_the_account_unless_they_are_disabled() {
    on_a_machine(cron_runs_the_jobs_as_the_account_unless_they_are_disabled, || {
        let panel = with_both();
        assert!(create(&panel, 1, "true").ok()["warnings"].to_string().contains("systemctl start cron"));
        delete(&panel, "true").ok();
        run("systemctl start cron");
        let own = b"# Alice's\nMAILTO=\"\"\nGREETING=hello\n* * * * * echo own >/home/alice/own\n";
        fs::write("/run/own", own).unwrap();
        run("crontab -u alice /run/own; echo '0 0 1 1 * true' | crontab -u bob -");
        let of_bob = crontab("bob");

        // Without a login shell, with signs that are special to cron, and with a variable from above.
        let typed = r#"printf '%s [%s]' "$(id -un) $GREETING" 'a%b\%c\\d\ne ä' >/home/alice/ran"#;
        assert_eq!(create(&panel, 1, typed).ok()["warnings"], json!([]));
        create(&panel, 2, "touch /home/alice/disabled").ok();
        create(&panel, 3, "touch /home/alice/deleted").ok();
        create(&panel, 4, "touch /home/alice/enabled").ok();
        toggle(&panel, "touch /home/alice/disabled", false).ok();
        toggle(&panel, "touch /home/alice/enabled", false).ok();
        toggle(&panel, "touch /home/alice/enabled", true).ok();
        delete(&panel, "touch /home/alice/deleted").ok();
        let listed = run("crontab -u alice -l");
        assert!(listed.starts_with(str::from_utf8(own).unwrap()), "{listed}");
        assert_eq!(crontab("bob"), of_bob);

        let ran = || fs::read_to_string("/home/alice/ran").unwrap_or_default();
        let all = || !ran().is_empty() && is_there("/home/alice/enabled") && is_there("/home/alice/own");
        assert!(eventually(A_MINUTE, all), "{}", run("journalctl --no-pager -n 30 -u cron; ls -l /home/alice"));
        assert_eq!(ran(), r"alice hello [a%b\%c\\d\ne ä]");
        assert!(!is_there("/home/alice/disabled") && !is_there("/home/alice/deleted"));
        assert_eq!(run("stat -c %U:%G /home/alice/ran").trim(), "alice:alice");

        // What is removed leaves no trace of ours, and an account's end none at all.
        for command in [typed, "touch /home/alice/disabled", "touch /home/alice/enabled"] {
            delete(&panel, command).ok();
        }
        assert_eq!(crontab("alice"), own);
        create(&panel, 1, typed).ok();
        panel.delete("alice").ok();
        assert!(!is_there(format!("{SPOOL}/alice")) && crontab("bob") == of_bob);
        create(&panel, 1, typed).refuses(404, "not_found");
    });
}

#[test]
fn jobs_of_a_suspended_account_change_and_do_not_start() {
    on_a_machine(jobs_of_a_suspended_account_change_and_do_not_start, || {
        let panel = with_both();
        create(&panel, 1, "first").ok();
        panel.suspend("alice").ok();
        let nothing_starts = || assert!(!is_there(format!("{SPOOL}/alice")));
        create(&panel, 2, "second").ok();
        nothing_starts();
        toggle(&panel, "first", false).ok();
        delete(&panel, "second").ok();
        create(&panel, 3, "third").ok();
        nothing_starts();
        assert_eq!(run(&format!("stat -c %U:%a {DISABLED}")).trim(), "alice:600");
        panel.unsuspend("alice").ok();
        let jobs: Vec<String> =
            run("crontab -u alice -l").lines().filter(|line| line.contains("* *")).map(str::to_owned).collect();
        assert_eq!(jobs, ["#* * * * * first", "* * * * * third"]);
        assert!(!is_there(DISABLED));
        // A suspension that was interrupted before it moved the file.
        panel.suspend("alice").ok();
        run(&format!("mv {DISABLED} {SPOOL}/alice"));
        delete(&panel, "third").ok();
        nothing_starts();
        create(&panel, 3, "third").ok();
        panel.unsuspend("alice").ok();
        assert!(run("crontab -u alice -l").contains("#* * * * * first\n"));
        // The first job of an account that has none is added while it is suspended.
        for command in ["first", "third"] {
            delete(&panel, command).ok();
        }
        panel.suspend("alice").ok();
        create(&panel, 4, "fourth").ok();
        nothing_starts();
        panel.unsuspend("alice").ok();
        assert!(run_as("alice", "crontab -l").contains("* * * * * fourth"));
        panel.suspend("alice").ok();
        panel.delete("alice").ok();
        assert!(!is_there(DISABLED));
    });
}

#[test]
fn lines_of_a_tenant_are_never_changed() {
    on_a_machine(lines_of_a_tenant_are_never_changed, || {
        let panel = with_both();
        run("echo '0 0 1 1 * true' | crontab -u bob -");
        let of_bob = crontab("bob");
        create(&panel, 1, "first").ok();
        let block = String::from_utf8(crontab("alice")).unwrap();
        let marks: Vec<&str> = block.lines().collect();
        let (begin, end) = (marks[0], marks[marks.len() - 1]);
        delete(&panel, "first").ok();
        // As the tenant installs them, with our marks in the wrong places.
        let crontabs: Vec<Vec<u8>> = vec![
            b"# \xff\xfe not text\nPATH=/usr/bin\n@reboot true\n".to_vec(),
            b"A=b\r\n1 1 1 1 1 crlf\r\n".to_vec(),
            format!("{begin}\n1 1 1 1 1 mine\n").into_bytes(),
            format!("{end}\n{begin}\n{begin}\n1 1 1 1 1 mine\n").into_bytes(),
            format!("{begin}\n# Opterius job 1\n{end}\n1 1 1 1 1 first\n").into_bytes(),
            b"# Opterius job 1\n\n1 1 1 1 1 first\n".to_vec(),
            b"# Opterius job -1\n1 1 1 1 1 first\n# Opterius job 99999999999999999999\n1 1 1 1 1 first\n".to_vec(),
        ];
        let without_ours = |bytes: &[u8]| -> Vec<Vec<u8>> {
            bytes
                .split_inclusive(|byte| *byte == b'\n')
                .map(<[u8]>::to_vec)
                .filter(|line| !line.ends_with(b"7 7 7 7 7 ours\n") && line != b"# Opterius job 7\n")
                .collect()
        };
        for own in crontabs {
            fs::write("/run/own", &own).unwrap();
            run("chmod 644 /run/own");
            run_as("alice", "crontab /run/own");
            let shown = String::from_utf8_lossy(&own).into_owned();
            let body = json!({"username": "alice", "schedule": "7 7 7 7 7", "command": "ours", "cron_job_id": 7});
            panel.post("/cron/create", &body).ok();
            assert!(crontab("alice").windows(15).any(|part| part == b"\n7 7 7 7 7 ours".as_slice()), "{shown}");
            toggle(&panel, "ours", false).ok();
            let kept = without_ours(&crontab("alice"));
            assert!(without_ours(&own).iter().all(|line| kept.contains(line)), "{shown}: {kept:?}");
            for command in ["mine", "first", "true", "crlf"] {
                toggle(&panel, command, false).refuses(404, "not_found");
                delete(&panel, command).refuses(404, "not_found");
            }
            delete(&panel, "ours").ok();
            assert_eq!(crontab("alice"), own, "{shown}");
        }
        assert_eq!(crontab("bob"), of_bob);
        // What cron itself would ignore, because root wrote it there.
        for (own, status) in [(&b"no job at all\n"[..], 409), (b"0 0 1 1 * whole", 200)] {
            fs::write(format!("{SPOOL}/alice"), own).unwrap();
            let answer = create(&panel, 7, "ours");
            assert_eq!(answer.status, status, "{answer:?}");
            assert!(crontab("alice").starts_with(own), "{answer:?}");
            assert!(status == 200 || crontab("alice") == own, "{answer:?}");
        }
        // Whom an administrator keeps from using cron, the Panel does not let in.
        run("echo root >/etc/cron.allow");
        let answer = create(&panel, 8, "another");
        answer.refuses(409, "conflict");
        assert!(answer.body["message"].as_str().unwrap().contains("cron.allow"), "{answer:?}");
        assert!(!attempt_as("alice", "crontab -l").0);
    });
}

#[test]
fn a_change_of_a_crontab_killed_at_any_tool_is_completed_by_a_repeat() {
    on_a_machine(a_change_of_a_crontab_killed_at_any_tool_is_completed_by_a_repeat, || {
        let panel = with_both();
        run(
            "systemctl start cron; printf 'A=b\\n0 0 1 1 * own\\n' | crontab -u alice -; echo '0 0 1 1 * true' | crontab -u bob -",
        );
        let (own, of_bob) = (crontab("alice"), crontab("bob"));
        create(&panel, 7, "ours").ok();
        let with_job = crontab("alice");
        toggle(&panel, "ours", false).ok();
        let without_job = crontab("alice");
        delete(&panel, "ours").ok();
        let tampered = Tampered::new();
        type Step<'a> = (&'a dyn Fn() -> Answer, &'a [u8]);
        let steps: [Step<'_>; 3] = [
            (&|| create(&panel, 7, "ours"), &with_job),
            (&|| toggle(&panel, "ours", false), &without_job),
            (&|| delete(&panel, "ours"), &own),
        ];
        for fault in [Fault::KillBefore as fn(usize) -> Fault, Fault::KillAfter, Fault::Refuse] {
            for number in 1.. {
                let mut reached = false;
                for (step, expected) in &steps {
                    let before = crontab("alice");
                    tampered.set(Some(fault(number)));
                    let answer = step();
                    let what = format!("{:?} {} {answer:?}", fault(number), tampered.log());
                    reached |= tampered.count() >= number;
                    tampered.set(None);
                    let now = crontab("alice");
                    assert!(now == before || now == *expected, "half done: {what}");
                    let again = step();
                    assert!(matches!(again.status, 200 | 404), "{what}: {again:?}");
                    assert_eq!(crontab("alice"), *expected, "{what}");
                    assert_eq!(crontab("bob"), of_bob, "{what}");
                }
                if !reached {
                    assert!(number > 1, "a change must run tools");
                    break;
                }
            }
        }
        let left: Vec<Value> =
            fs::read_dir(SPOOL).unwrap().map(|entry| json!(entry.unwrap().file_name().to_str())).collect();
        assert_eq!(left.len(), 2, "{left:?}");
    });
}
