//! Synchronization of the clock, with a service that stands in for systemd-timesyncd: no test sets this machine's clock.

use super::hosting;
use crate::support::machine::{on_a_machine, run};
use serde_json::json;

/// Installs a service that runs this script once and stays active.
fn install(more: &str, script: &str) {
    run(&format!(
        "rm -f /etc/systemd/system/systemd-timesyncd.service
         printf '%s\\n' '[Unit]' '{more}' '[Service]' Type=oneshot RemainAfterExit=yes \"ExecStart=/bin/sh -c '{script}'\" \
           >/etc/systemd/system/systemd-timesyncd.service
         systemctl daemon-reload; mkdir -p /run/systemd/timesync"
    ));
}

#[test]
fn the_clock_is_synchronized_by_the_service_of_the_host() {
    on_a_machine(the_clock_is_synchronized_by_the_service_of_the_host, || {
        let panel = hosting(5);
        let ask = || panel.post("/system/ntp-sync", &json!({}));
        run("ln -sf /dev/null /etc/systemd/system/systemd-timesyncd.service; systemctl daemon-reload");
        let answer = ask();
        answer.refuses(503, "operations_unavailable");
        assert!(answer.body["error"].as_str().unwrap().contains("apt-get install systemd-timesyncd"), "{answer:?}");

        install("", "touch /run/systemd/timesync/synchronized; echo ran >>/run/ran");
        for times in 1..3 {
            let answer = ask().ok();
            let expected = json!({"method": "systemd-timesyncd", "synchronized": true, "warnings": []});
            assert_eq!(answer, expected);
            assert_eq!(run("wc -l </run/ran").trim(), times.to_string());
        }
        // No server answers.
        install("", "true");
        let answer = ask().ok();
        assert!(answer["synchronized"] == false && answer["warnings"].to_string().contains("timedatectl"), "{answer}");
        // As in a container.
        run("systemctl stop systemd-timesyncd");
        install("ConditionPathExists=/nowhere", "true");
        let answer = ask();
        answer.refuses(503, "operations_unavailable");
        assert!(answer.body["error"].as_str().unwrap().contains("conditions"), "{answer:?}");
        install("", "exit 1");
        ask().refuses(500, "operation_failed");
    });
}
