//! A machine with the Agent installed from its package. Runs in a disposable server only.

use super::{Check, Found};
use crate::support::machine::run;
use crate::support::package::Service;
use crate::support::{SOON, eventually};
use std::process::Command;

const CONFIG: &str = "/etc/opterius/agent.conf";

/// The Agent as a service with a valid license, and doctor's report on it.
pub struct Installed {
    _service: Service,
    pub healthy: Found,
}

impl Installed {
    pub fn new() -> Installed {
        let service = Service::install("");
        run("systemctl start nginx");
        service.says("License: valid");
        let healthy = Installed::look();
        println!("{}", run("opterius-agent doctor"));
        Installed { _service: service, healthy }
    }

    /// Runs doctor now.
    pub fn look() -> Found {
        Found::of(Command::new("opterius-agent").args(["doctor", "--json"]))
    }

    /// Runs `script`; exactly the `broken` checks change their verdict, and the first one reports `verdict`, `seen` and `fix`.
    pub fn broken_by(&self, script: &str, broken: &[&str], verdict: &str, seen: &str, fix: &str) -> Found {
        run(script);
        let found = Installed::look();
        found.says(broken[0], verdict, seen, fix);
        found.differs_in(&self.healthy, broken);
        found
    }

    /// Waits until all verdicts are as at the start.
    pub fn is_well(&self) {
        let mut last = None;
        let well = eventually(SOON, || {
            let found = last.insert(Installed::look());
            let same = |(name, check): (&String, &Check)| {
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
