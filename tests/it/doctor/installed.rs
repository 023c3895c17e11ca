//! A machine with the Agent as it is installed. Within a machine only.

use super::{BINARY, Found};
use crate::support::agent::LICENSE_KEY;
use crate::support::eventually;
use crate::support::http::SECRET;
use crate::support::license_server::LicenseServer;
use crate::support::machine::run;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const CONFIG: &str = "/etc/opterius/agent.conf";

/// The helper's socket, for as long as nothing is asked of it.
const SOCKET: &str = "[Socket]\nListenStream=/run/opterius/operation.sock\nSocketMode=0600\nAccept=yes\n";
const HELPER: &str = "[Service]\nExecStart=/usr/local/bin/opterius-agent operation\nStandardInput=socket\n";

/// The Agent as a service, with a license of `server`.
pub struct Installed {
    pub healthy: Found,
}

impl Installed {
    pub fn with(server: &LicenseServer) -> Installed {
        run("useradd --system --no-create-home --shell /usr/sbin/nologin opterius
            install -d -m 1775 -o root -g opterius /etc/opterius; install -d /var/lib/opterius /run/opterius");
        run(&format!("install -m 0755 {BINARY} /usr/local/bin/opterius-agent"));
        let units = Path::new("/usr/lib/systemd/system");
        fs::write(units.join("opterius-agent.service"), include_str!("../../../dist/opterius-agent.service")).unwrap();
        fs::write(units.join("opterius-operation.socket"), SOCKET).unwrap();
        fs::write(units.join("opterius-operation@.service"), HELPER).unwrap();
        let settings =
            format!("secret={SECRET}\nlicense_key={LICENSE_KEY}\nlicense_server={}\nip_discovery_url=\n", server.url());
        fs::write(CONFIG, settings).unwrap();
        run(&format!(
            "chown root:opterius {CONFIG}; chmod 0640 {CONFIG}; systemctl daemon-reload
            systemctl enable --now opterius-operation.socket opterius-agent; systemctl start nginx"
        ));
        let installed =
            |found: &Found| found.check("license").verdict == "PASS" && found.check("journal").verdict == "PASS";
        let ready = eventually(Duration::from_secs(30), || {
            Path::new("/etc/opterius/license-cache.json").exists() && {
                let found = Installed::look();
                found.checks.contains_key("license") && installed(&found)
            }
        });
        let healthy = Installed::look();
        println!("{}", run("opterius-agent doctor || true"));
        assert!(ready, "{healthy:#?}");
        Installed { healthy }
    }

    /// What the doctor finds now.
    pub fn look() -> Found {
        Found::of(Command::new("/usr/local/bin/opterius-agent").args(["doctor", "--json"]))
    }

    /// After `script` exactly these checks have another verdict, the first of them this one, with these words.
    pub fn broken_by(&self, script: &str, broken: &[&str], verdict: &str, seen: &str, fix: &str) -> Found {
        run(script);
        let found = Installed::look();
        found.says(broken[0], verdict, seen, fix);
        found.differs_in(&self.healthy, broken);
        found
    }

    /// All is as it was.
    pub fn is_well(&self) {
        let mut last = None;
        let well = eventually(Duration::from_secs(15), || {
            let found = last.insert(Installed::look());
            let same = |(name, check): (&String, &super::Check)| {
                found.checks.get(name).is_some_and(|now| now.verdict == check.verdict)
            };
            self.healthy.checks.iter().all(same)
        });
        assert!(well, "{last:#?}");
    }
}

/// Replaces a line of agent.conf.
pub fn set(key: &str, value: &str) {
    run(&format!("sed -i '/^{key}=/d' {CONFIG}; echo '{key}={value}' >>{CONFIG}"));
}
