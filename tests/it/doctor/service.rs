//! The unit, the service, the log and the helper's socket, on a machine.

use super::installed::Installed;
use crate::support::machine::run;
use crate::support::package::on_a_server;

#[test]
fn each_fault_of_the_service_is_found_by_its_own_check() {
    on_a_server(each_fault_of_the_service_is_found_by_its_own_check, || {
        let machine = Installed::new();
        for check in ["unit", "service", "port", "daemon", "license", "operations", "journal", "syslog", "cache writer"]
        {
            machine.healthy.says(check, "PASS", "", "");
        }

        let copy = "cp /usr/lib/systemd/system/opterius-agent.service /etc/systemd/system/; systemctl daemon-reload";
        machine.broken_by(copy, &["unit"], "FAIL", "/etc/systemd/system", "mv ").apply_fix("unit");
        machine.is_well();

        let drop_in = "/etc/systemd/system/opterius-agent.service.d";
        let add = format!("mkdir {drop_in}; printf '[Service]\\nNice=5\\n' >{drop_in}/a.conf; systemctl daemon-reload");
        machine.broken_by(&add, &["unit"], "WARN", "a.conf", "systemctl revert opterius-agent");
        run("systemctl revert opterius-agent");
        machine.is_well();

        machine
            .broken_by("systemctl disable opterius-agent", &["service"], "WARN", "at boot", "enable")
            .apply_fix("service");
        machine.is_well();
        let stop = "systemctl stop opterius-agent";
        machine.broken_by(stop, &["service", "daemon"], "FAIL", "inactive", "enable --now").apply_fix("service");
        machine.is_well();

        let stop = "systemctl stop opterius-operation.socket";
        machine
            .broken_by(stop, &["operations"], "FAIL", "operation.sock does not exist", "enable --now")
            .apply_fix("operations");
        machine.is_well();

        let chown = "chown root:root /etc/opterius";
        machine.broken_by(chown, &["cache writer"], "FAIL", "root:root 1775", "chown").apply_fix("cache writer");
        machine.is_well();
        let chown = "chown www-data /etc/opterius/license-cache.json";
        machine.broken_by(chown, &["cache writer"], "FAIL", "sticky", "chown opterius").apply_fix("cache writer");
        machine.is_well();
        let chown = "chown root:root /etc/opterius/agent.conf";
        machine.broken_by(chown, &["permissions"], "FAIL", "root:root 0640", "chown").apply_fix("permissions");
        machine.is_well();

        let hide = "mv /dev/log /dev/log.old";
        machine.broken_by(hide, &["syslog"], "WARN", "/dev/log does not exist", "systemctl restart");
        run("mv /dev/log.old /dev/log");
        machine.is_well();
        let forget = "systemctl stop opterius-agent; journalctl --rotate; journalctl --vacuum-time=1s; rm -rf /run/log/journal/*/* /var/log/journal/*/*; \
                      systemctl kill -s KILL systemd-journald; systemctl restart systemd-journald";
        let broken = ["journal", "service", "daemon"];
        machine.broken_by(forget, &broken, "WARN", "no line", "systemctl restart opterius-agent").apply_fix("journal");
        machine.is_well();
    });
}
