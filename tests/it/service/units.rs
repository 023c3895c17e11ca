//! Checks of the units by systemd.

use crate::support::machine::run;
use crate::support::package::{file, install, on_a_server};

/// Highest exposure level of `systemd-analyze security` for network-facing services, times ten.
const EXPOSURE: u32 = 12;

#[test]
fn systemd_finds_no_problems_in_the_units() {
    on_a_server(systemd_finds_no_problems_in_the_units, || {
        install(&file("opterius-agent"));
        let mut exposed = vec!["opterius-agent.service"];
        let mut units = vec!["opterius-operation.socket", "opterius-operation@1.service"];
        install(&file("opterius-license-server"));
        exposed.extend([
            "opterius-license-server.service",
            "opterius-license-server-backup.service",
            "opterius-license-server-deliver.service",
        ]);
        units.push("opterius-license-server-backup.timer");
        units.extend(&exposed);
        assert_eq!(run(&format!("systemd-analyze verify --man=yes {} 2>&1", units.join(" "))), "");
        for unit in exposed {
            let path = format!("/usr/lib/systemd/system/{unit}");
            run(&format!("systemd-analyze security --offline=true --threshold={EXPOSURE} {path}"));
        }
    });
}
