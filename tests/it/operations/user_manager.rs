//! The service manager of an account's user, which a session of SFTP would start, with a real sshd and login manager.

use super::hosting;
use super::ssh::{authorize, sftp, start_sshd, toggle};
use super::tenants::eviction::uid;
use crate::support::machine::{attempt, on_a_machine, run, run_as};
use crate::support::process::START;
use crate::support::{SOON, eventually};
use std::fs;
use std::process::{Child, Command, Stdio};

/// A service of the user's, as a tenant uploads it.
fn upload_service(username: &str) {
    run_as(
        username,
        "mkdir -p ~/.config/systemd/user/default.target.wants; cd ~/.config/systemd/user
         printf '[Service]\nExecStart=/bin/sleep 7000\n' >uploaded.service
         ln -s ../uploaded.service default.target.wants/",
    );
}

fn mask(username: &str) -> String {
    format!("/etc/systemd/system/user@{}.service", uid(username))
}

fn is_masked(username: &str) -> bool {
    fs::read_link(mask(username)).is_ok_and(|target| target.to_str() == Some("/dev/null"))
}

/// Whether systemd starts the manager.
fn starts(username: &str) -> bool {
    attempt(&format!("systemctl start user@{}.service", uid(username))).0
}

fn is_running(username: &str) -> bool {
    attempt(&format!("pgrep -u {username} -f '[s]ystemd --user'")).0
        || attempt(&format!("pgrep -u {username} -f 'sleep [7]000'")).0
}

fn runs_service(username: &str) -> bool {
    eventually(SOON, || attempt(&format!("pgrep -u {username} -f 'sleep [7]000'")).0)
}

/// A session of SFTP that stays open until it is ended.
fn open_sftp(username: &str) -> Child {
    let line = format!("exec sftp {} {username}@127.0.0.1", super::ssh::OPTIONS);
    let child = Command::new("sh").args(["-c", &line]).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let sessions = || attempt(&format!("loginctl --no-legend list-sessions | grep -w {username}")).0;
    assert!(eventually(START, sessions), "{}", run("loginctl list-sessions"));
    child
}

#[test]
fn a_session_of_sftp_starts_no_manager() {
    on_a_machine(a_session_of_sftp_starts_no_manager, || {
        run("find /run/systemd /etc/systemd -lname /dev/null -name 'systemd-logind*' -delete; systemctl daemon-reload
             systemctl start systemd-logind");
        let panel = hosting(5);
        start_sshd();
        for username in ["alice", "bob"] {
            panel.created(username, &format!("{username}.example"));
            authorize(username);
            upload_service(username);
            assert!(is_masked(username) && !starts(username), "{username}");
            assert!(sftp(username) && sftp(username));
        }
        // Bob has a shell, so his session starts it.
        toggle(&panel, "bob", true);
        assert!(!is_masked("bob") && sftp("bob") && runs_service("bob"));
        run("loginctl enable-linger bob");
        assert!(!is_running("alice"), "{}", run("ps -u alice -o args"));
        run("loginctl enable-linger alice");
        assert!(!starts("alice") && !is_running("alice"));

        // With a shell, and with a session from before, for which systemd remembers the mask.
        let mut session = open_sftp("alice");
        toggle(&panel, "alice", true);
        assert!(!is_masked("alice") && starts("alice") && runs_service("alice"));

        // Without it again, what runs ends, also in a session that is still open.
        toggle(&panel, "alice", false);
        assert!(is_masked("alice") && !is_running("alice"), "{}", run("ps -u alice -o args"));
        session.wait().unwrap();
        assert!(!starts("alice") && sftp("alice") && !is_running("alice"), "{}", run("ps -u alice -o args"));
        assert!(is_running("bob"));

        // Services that run without a session come back with the shell, and not with the end of a suspension.
        panel.suspend("alice").ok();
        panel.unsuspend("alice").ok();
        assert!(!is_running("alice"), "{}", run("ps -u alice -o args"));
        toggle(&panel, "alice", true);
        assert!(runs_service("alice"));

        // An account of an earlier version has no mask.
        toggle(&panel, "alice", false);
        run(&format!("rm {}", mask("alice")));
        assert!(starts("alice") && runs_service("alice"));
        let output = panel.helper().command(&["operation", "adopt"]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        assert!(is_masked("alice") && !is_running("alice") && !starts("alice"), "{output:?}");
        assert!(is_running("bob") && !is_masked("bob"));

        // Nothing of an account stays, and nothing of an administrator's is touched.
        let masked = mask("alice");
        panel.delete("alice").ok();
        assert!(fs::symlink_metadata(masked).is_err());
        let own = mask("bob");
        fs::write(&own, "[Service]\nExecStart=/bin/sleep 100\n").unwrap();
        toggle(&panel, "bob", false);
        toggle(&panel, "bob", true);
        panel.delete("bob").ok();
        assert!(fs::read_to_string(&own).unwrap().contains("sleep 100"));
        fs::remove_file(own).unwrap();
        assert_eq!(run("find /etc/systemd/system -name '*user@*' -o -name '.opterius*'"), "");
    });
}
