//! The units as systemd reads them.

use crate::support::machine::run;
use crate::support::package::{file, install, on_a_server};

/// What `systemd-analyze security` may find of what faces others, in tenths.
const EXPOSURE: u32 = 12;

#[test]
fn systemd_has_nothing_to_say_against_the_units() {
    on_a_server(systemd_has_nothing_to_say_against_the_units, || {
        install(&file("opterius-agent"));
        let mut exposed = vec!["opterius-agent.service"];
        let mut units = vec!["opterius-operation.socket", "opterius-operation@1.service"];
        install(&file("opterius-license-server"));
        exposed.push("opterius-license-server.service");
        units.extend(&exposed);
        assert_eq!(run(&format!("systemd-analyze verify --man=yes {} 2>&1", units.join(" "))), "");
        for unit in exposed {
            let path = format!("/usr/lib/systemd/system/{unit}");
            run(&format!("systemd-analyze security --offline=true --threshold={EXPOSURE} {path}"));
        }
    });
}
