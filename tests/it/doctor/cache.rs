//! A cache file that the daemon cannot write, in its own mount namespace and on a machine: the cause, and a fix that works.

use super::installed::Installed;
use super::{BINARY, Found, reachable};
use crate::support::agent::{Agent, AgentBuilder};
use crate::support::fake_license_server::Reply;
use crate::support::machine::run;
use crate::support::package::{on_a_server, override_unit};
use crate::support::process;
use serde_json::json;
use std::fs;
use std::process::Command;

/// An Agent whose cache file is on a disk of its own, which only the Agent sees.
fn with_disk(options: &str) -> AgentBuilder {
    let script = format!("mkdir $DIRECTORY/disk; mount -t tmpfs none $DIRECTORY/disk -o {options}");
    let builder = Agent::builder().after_mounting(&script);
    let path = builder.directory().join("disk/license-cache.json").display().to_string();
    builder.set("license_cache", &path)
}

/// Doctor's findings in the Agent's mount namespace.
fn found_inside(agent: &Agent) -> Found {
    let mut command = Command::new("nsenter");
    command.arg(format!("--mount=/proc/{}/ns/mnt", agent.pid())).arg(BINARY);
    Found::of(command.arg("--config").arg(agent.config_path()).args(["doctor", "--json"]))
}

#[test]
fn a_file_system_that_is_read_only_for_the_daemon_or_for_all_has_its_own_fix() {
    let agent = reachable(with_disk("size=1m,ro")).start_licensed();
    let status = agent.status_after_checks(1);
    assert!(status["cache"].as_str().unwrap().starts_with("not written: "), "{status}");
    // As with ProtectSystem=, only the daemon sees it.
    let disk = agent.directory().join("disk");
    let found = Found::by(&agent.config_path());
    found.says("cache", "FAIL", "Read-only file system", &format!("ReadWritePaths={}", disk.display()));
    found.says("cache", "FAIL", "cannot write", "systemctl edit opterius-agent");

    let found = found_inside(&agent);
    let remount = format!("mount -o remount,rw {}", disk.display());
    found.says("cache", "FAIL", "Read-only file system", &remount);
    process::inside(agent.pid(), agent.directory(), &remount);
    assert_eq!(agent.reverify().json()["cache"], "ok");
    found_inside(&agent).says("cache", "PASS", "old", "");
}

#[test]
fn a_bind_mounted_file_cannot_be_replaced() {
    let script = "touch $DIRECTORY/license-cache.json $DIRECTORY/outside; \
                  mount --bind $DIRECTORY/outside $DIRECTORY/license-cache.json";
    let agent = reachable(Agent::builder().after_mounting(script)).start_licensed();
    let status = agent.status_after_checks(1);
    assert!(status["cache"].as_str().unwrap().starts_with("not written: "), "{status}");
    let fix = format!("mount the directory {} instead of the file", agent.directory().display());
    for found in [Found::by(&agent.config_path()), found_inside(&agent)] {
        found.says("cache", "FAIL", "it is a mount point of its own", &fix);
        assert!(!found.check("cache").fix.contains("reverify"), "{found:#?}");
    }
    process::inside(agent.pid(), agent.directory(), "umount $DIRECTORY/license-cache.json");
    assert_eq!(agent.reverify().json()["cache"], "ok");
    Found::by(&agent.config_path()).says("cache", "PASS", "old", "");
}

#[test]
fn a_full_disk_and_a_directory_in_the_way_have_their_own_fixes() {
    let fill = "dd if=/dev/zero of=$DIRECTORY/disk/filler bs=4k status=none 2>/dev/null || true";
    let agent = reachable(with_disk(&format!("size=64k; {fill}"))).start_licensed();
    agent.status_after_checks(1);
    Found::by(&agent.config_path()).says("cache", "FAIL", "No space left on device", "df -h");
    process::inside(agent.pid(), agent.directory(), "rm $DIRECTORY/disk/filler");
    assert_eq!(agent.reverify().json()["cache"], "ok");

    for name in ["license-cache.json", "license-cache.json.new"] {
        let agent = reachable(Agent::builder()).start_licensed();
        let path = agent.directory().join(name);
        let _ = fs::remove_file(&path);
        fs::create_dir(&path).unwrap();
        agent.reverify();
        let found = Found::by(&agent.config_path());
        found.says("cache", "FAIL", "Is a directory", &format!("mv -T {0} {0}.old; then run: ", path.display()));
        fs::rename(&path, path.with_extension("old")).unwrap();
        assert_eq!(agent.reverify().json()["cache"], "ok");
        Found::by(&agent.config_path()).says("cache", "PASS", "", "");
    }
}

#[test]
fn a_missing_directory_has_its_own_fix() {
    let builder = Agent::builder();
    let path = builder.directory().join("later/license-cache.json").display().to_string();
    let agent = reachable(builder.set("license_cache", &path)).start_licensed();
    agent.status_after_checks(1);
    Found::by(&agent.config_path()).says("cache", "FAIL", "No such file or directory", "install -d -m 1775");
}

#[test]
fn a_file_that_the_daemon_ignored_is_reported_by_its_own_word() {
    let mut agent = reachable(Agent::builder()).start_licensed();
    let good = fs::read(agent.cache_path()).unwrap();
    agent.license_server().pause();
    agent.kill();
    fs::write(agent.cache_path(), "").unwrap();
    agent.restart();
    agent.status_after_checks(1);
    fs::write(agent.cache_path(), good).unwrap();
    Found::by(&agent.config_path()).says("cache", "FAIL", "ignored: it is empty", "reverify");
}

#[test]
fn an_old_file_put_back_after_a_denial_is_found() {
    let agent = reachable(Agent::builder()).start_licensed();
    let granted = fs::read(agent.cache_path()).unwrap();
    let denial = json!({"valid": false, "reason": "suspended", "message": "Unpaid."});
    agent.license_server().reply(Reply::json(403, denial));
    agent.reverify();
    Found::by(&agent.config_path()).says("cache", "PASS", "", "");
    fs::write(agent.cache_path(), granted).unwrap();
    Found::by(&agent.config_path()).says("cache", "FAIL", "tells the Panel another state", "reverify");
    agent.reverify();
    Found::by(&agent.config_path()).says("cache", "PASS", "", "");
}

#[test]
fn the_age_of_a_verdict_does_not_depend_on_the_license_servers_clock() {
    for date in ["Sun, 01 Mar 2020 00:00:00 GMT", "Sun, 01 Mar 2099 00:00:00 GMT"] {
        let reply = Reply::granted().header("Date", date);
        let agent = reachable(Agent::builder().license(reply)).start_licensed();
        Found::by(&agent.config_path()).says("cache", "PASS", "its verdict is", "");
    }
}

#[test]
fn a_machine_id_that_identifies_no_server_is_none() {
    for machine_id in ["", "uninitialized\n", "00000000000000000000000000000000\n"] {
        let builder = Agent::builder().after_mounting("mount --bind $DIRECTORY/machine-id /etc/machine-id");
        fs::write(builder.directory().join("machine-id"), machine_id).unwrap();
        let agent = reachable(builder).start_licensed();
        assert_eq!(agent.license_server().received()[0].json.as_ref().unwrap()["server_id"], "", "{machine_id:?}");
        let warned = agent.lines().iter().any(|line| line.contains("no identity of its own") && line.contains("setup"));
        assert!(warned, "{machine_id:?}: {:#?}", agent.lines());
        let found = found_inside(&agent);
        found.says("machine ID", "WARN", "missing, empty or not initialized", "systemd-machine-id-setup");
        found.says("license server", "PASS", "license valid", "");
        Found::by(&agent.config_path()).says("machine ID", "PASS", "identifies this server", "");
    }
}

#[test]
fn on_a_machine_a_sandbox_that_is_too_tight_and_an_uninitialized_image_are_found() {
    on_a_server(on_a_machine_a_sandbox_that_is_too_tight_and_an_uninitialized_image_are_found, || {
        let machine = Installed::new();
        machine.healthy.says("cache", "PASS", "", "");
        override_unit("opterius-agent.service", "ReadWritePaths=");
        run("systemctl restart opterius-agent");
        let found = Installed::look();
        found.says("cache", "FAIL", "Read-only file system", "ReadWritePaths=/etc/opterius");
        // As the fix says.
        override_unit("opterius-agent.service", "ReadWritePaths=/etc/opterius");
        run("systemctl restart opterius-agent");
        Installed::look().says("cache", "PASS", "", "");
        run("rm -r /run/systemd/system/opterius-agent.service.d; systemctl daemon-reload");
        machine.is_well();

        for machine_id in ["uninitialized", "00000000000000000000000000000000", ""] {
            run(&format!("echo {machine_id} >/etc/machine-id"));
            let found = Installed::look();
            found.says("machine ID", "WARN", "not initialized", "systemd-machine-id-setup");
            found.apply_fix("machine ID");
            Installed::look().says("machine ID", "PASS", "", "");
        }
    });
}
