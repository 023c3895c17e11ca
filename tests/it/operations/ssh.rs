//! Shells and SFTP of accounts, with a real sshd and its real clients.

use super::{hosting, publish, shows};
use crate::support::eventually;
use crate::support::machine::{attempt, on_a_machine, run, run_as, shell_as};
use crate::support::panel::Panel;
use crate::support::process::START;
use serde_json::json;
use std::process::{Child, Command, Stdio};

pub(super) const OPTIONS: &str = "-i /run/key -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
                       -o LogLevel=ERROR -o ConnectTimeout=10";

/// Starts sshd as Debian does, on a machine whose boot has reached the point where users may log in.
pub(super) fn start_sshd() {
    run(
        "rm -f /run/nologin; ssh-keygen -A >/dev/null; systemctl start ssh; rm -f /run/key; ssh-keygen -q -t ed25519 -N '' -f /run/key",
    );
}

/// Lets the test log in as this user.
pub(super) fn authorize(username: &str) {
    run("chmod 644 /run/key.pub");
    run_as(username, "umask 077; mkdir -p ~/.ssh && cat /run/key.pub >~/.ssh/authorized_keys");
}

/// What a command over SSH prints, if it succeeds.
fn ssh(username: &str, command: &str) -> Result<String, String> {
    let (succeeded, printed) = attempt(&format!("timeout 30 ssh {OPTIONS} {username}@127.0.0.1 {command}"));
    if succeeded { Ok(printed) } else { Err(printed) }
}

/// Whether SFTP works in both directions.
pub(super) fn sftp(username: &str) -> bool {
    let script = format!(
        "cd /run && echo hello >/run/sent && rm -f /run/received && printf '%s\\n' 'put /run/sent sent' 'get sent /run/received' \
         'rm sent' | timeout 30 sftp -b - {OPTIONS} {username}@127.0.0.1 && grep -q hello /run/received"
    );
    attempt(&script).0
}

/// Whether a port of the server can be reached through the connection.
fn forwards(username: &str) -> bool {
    let request = "printf 'GET / HTTP/1.0\\r\\n\\r\\n'";
    let (_, printed) = attempt(&format!("{request} | timeout 20 ssh {OPTIONS} -W 127.0.0.1:80 {username}@127.0.0.1"));
    let reverse = format!(
        "timeout 5 ssh {OPTIONS} -o ExitOnForwardFailure=yes -N -R 127.0.0.1:2299:127.0.0.1:80 {username}@127.0.0.1"
    );
    let (code, refused) = attempt(&format!("{reverse}; echo code $?"));
    assert!(code, "{refused}");
    printed.contains("HTTP/1.1") || refused.contains("code 124")
}

/// A session that runs until it is ended, with a process that has left it.
fn session(username: &str, seconds: u32) -> Child {
    let command = format!("'setsid -f sleep {seconds}0; exec sleep {seconds}'");
    let line = format!("exec ssh {OPTIONS} {username}@127.0.0.1 {command}");
    let child = Command::new("sh").args(["-c", &line]).stdin(Stdio::null()).spawn().unwrap();
    assert!(eventually(START, || running(seconds) && running(seconds * 10)), "{}", run("ps -eo user,args"));
    child
}

fn running(seconds: u32) -> bool {
    attempt(&format!("pgrep -f '^sleep {seconds}$'")).0
}

pub(super) fn toggle(panel: &Panel, username: &str, enabled: bool) -> serde_json::Value {
    let answer = panel.post("/ssh/toggle-shell", &json!({"username": username, "enabled": enabled})).ok();
    assert_eq!(answer["warnings"], json!([]), "{answer}");
    answer
}

fn shell(username: &str) -> String {
    run(&format!("getent passwd {username} | cut -d: -f7")).trim().to_owned()
}

#[test]
fn an_account_has_sftp_and_a_shell_only_while_it_is_enabled() {
    on_a_machine(an_account_has_sftp_and_a_shell_only_while_it_is_enabled, || {
        let panel = hosting(5);
        start_sshd();
        for (user, domain) in [("alice", "alice.example"), ("bob", "bob.example")] {
            let answer = panel.created(user, domain);
            assert_eq!(answer["warnings"], json!([]), "{answer}");
            authorize(user);
            publish(user, domain, "who.php", "<?php echo 'alive';");
        }
        toggle(&panel, "bob", true);
        let mut of_bob = session("bob", 3311);

        // Without a shell, which is how an account begins.
        assert_eq!(shell("alice"), "/usr/sbin/nologin");
        assert!(sftp("alice") && !forwards("alice"));
        assert!(ssh("alice", "id").is_err_and(|printed| !printed.contains("uid=")));
        assert!(ssh("alice", "").is_err());
        assert!(ssh("bob", "id -un").is_ok_and(|printed| printed.trim() == "bob") && sftp("bob") && forwards("bob"));

        // With a shell.
        for _ in 0..2 {
            assert_eq!(toggle(&panel, "alice", true)["shell"], "/bin/bash");
        }
        assert!(ssh("alice", "id -un").is_ok_and(|printed| printed.trim() == "alice"));
        assert!(sftp("alice") && forwards("alice"));

        // Without it again: what runs in her sessions ends, and nothing else.
        let mut of_alice = session("alice", 4411);
        let mut elsewhere = shell_as("alice", "exec sleep 5511").spawn().unwrap();
        shows("alice.example", "/who.php", 200, "alive");
        toggle(&panel, "alice", false);
        assert!(!running(4411) && !running(44110), "{}", run("ps -eo user,args"));
        assert!(running(5511) && running(3311) && running(33110), "{}", run("ps -eo user,args"));
        of_alice.wait().unwrap();
        shows("alice.example", "/who.php", 200, "alive");
        assert!(ssh("alice", "id").is_err() && sftp("alice") && !forwards("alice"));

        // A suspended account has neither, whatever is toggled meanwhile.
        panel.suspend("alice").ok();
        elsewhere.wait().unwrap();
        assert!(!sftp("alice") && ssh("alice", "id").is_err());
        toggle(&panel, "alice", true);
        assert!(!sftp("alice") && ssh("alice", "id").is_err());
        assert_eq!(shell("alice"), "/usr/sbin/nologin");
        panel.unsuspend("alice").ok();
        assert!(ssh("alice", "id -un").is_ok_and(|printed| printed.trim() == "alice"));
        // A shell of an administrator's choice comes back.
        run("usermod -s /bin/sh alice");
        toggle(&panel, "alice", false);
        panel.suspend("alice").ok();
        panel.unsuspend("alice").ok();
        assert!(ssh("alice", "id").is_err() && sftp("alice"));
        assert_eq!(toggle(&panel, "alice", true)["shell"], "/bin/sh");

        panel.delete("alice").ok();
        assert!(!sftp("alice") && running(3311) && ssh("bob", "true").is_ok());
        of_bob.kill().unwrap();
        of_bob.wait().unwrap();
    });
}

#[test]
fn other_memberships_stay_and_a_broken_sshd_stops_no_creation() {
    on_a_machine(other_memberships_stay_and_a_broken_sshd_stops_no_creation, || {
        let panel = hosting(5);
        run(
            "ssh-keygen -A >/dev/null; groupadd readers; echo 'NoSuchKeyword yes' >/etc/ssh/sshd_config.d/10-broken.conf",
        );
        let warnings = panel.created("alice", "alice.example")["warnings"].to_string();
        assert!(warnings.contains("10-broken.conf") && warnings.contains("not caused by this change"), "{warnings}");
        run("rm /etc/ssh/sshd_config.d/10-broken.conf; usermod -aG readers alice");
        let groups = || run("id -Gn alice");
        assert!(groups().contains("opterius-sftp"), "{}", groups());
        toggle(&panel, "alice", true);
        assert!(groups().contains("readers") && groups().contains("opterius-accounts"), "{}", groups());
        assert!(!groups().contains("opterius-sftp"), "{}", groups());
        // A Match block of an administrator that comes first is noticed.
        run("printf 'Match User alice\\n ForceCommand /bin/date\\n' >/etc/ssh/sshd_config.d/20-mine.conf");
        let answer = panel.post("/ssh/toggle-shell", &json!({"username": "alice", "enabled": false})).ok();
        assert!(answer["warnings"].to_string().contains("does not confine"), "{answer}");
        panel.post("/ssh/toggle-shell", &json!({"username": "root", "enabled": true})).refuses(404, "not_found");
        assert_eq!(panel.usernames(), ["alice"]);
    });
}
