//! `doctor`: each problem is found by its own check and by no other.

mod agreement;
mod cache;
mod configuration;
mod host;
mod installed;
mod license_server;
mod network;
mod service;

use crate::support::agent::{Agent, AgentBuilder};
use crate::support::machine::attempt;
use crate::support::{SOON, eventually};
use opterius_agent::doctor::CHECKS;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{Command, Output, Stdio};

const BINARY: &str = env!("CARGO_BIN_EXE_opterius-agent");

/// The findings of one run of `doctor`.
#[derive(Clone, Debug)]
struct Found {
    code: Option<i32>,
    checks: BTreeMap<String, Check>,
}

#[derive(Clone, Debug)]
struct Check {
    verdict: String,
    seen: String,
    fix: String,
}

impl Found {
    fn by(config: &Path) -> Found {
        Found::of(Command::new(BINARY).arg("--config").arg(config).args(["doctor", "--json"]))
    }

    fn of(command: &mut Command) -> Found {
        // Ignore the proxy settings of the developer's environment.
        for name in ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
            command.env_remove(name);
        }
        let Output { status, stdout, stderr } = command.stdin(Stdio::null()).output().unwrap();
        let document: Value = serde_json::from_slice(&stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&stderr)));
        let checks = document["checks"].as_array().unwrap();
        let mut documented = CHECKS.iter();
        for check in checks {
            assert!(
                documented.any(|(name, _)| check["check"] == *name),
                "{} is out of order in CHECKS",
                check["check"]
            );
        }
        let checks = checks.iter().map(|check| {
            let text = |name: &str| check[name].as_str().unwrap_or_default().to_owned();
            (text("check"), Check { verdict: text("verdict"), seen: text("seen"), fix: text("fix") })
        });
        let found = Found { code: status.code(), checks: checks.collect() };
        let failed = found.checks.values().any(|check| check.verdict == "FAIL");
        assert_eq!(found.code, Some(i32::from(failed)), "{found:#?}");
        for (name, check) in &found.checks {
            assert_eq!(
                check.verdict == "PASS",
                check.fix.is_empty(),
                "a fix exactly where there is a problem: {name} {check:?}"
            );
        }
        found
    }

    fn check(&self, name: &str) -> &Check {
        self.checks.get(name).unwrap_or_else(|| panic!("no {name} in {self:#?}"))
    }

    /// The check reports this verdict, and these words in its observation and its fix.
    fn says(&self, name: &str, verdict: &str, seen: &str, fix: &str) {
        let check = self.check(name);
        let says = check.verdict == verdict && check.seen.contains(seen) && check.fix.contains(fix);
        assert!(says, "{name}: expected {verdict}, “{seen}”, “{fix}”: {check:#?}");
    }

    /// Of the checks in both reports, exactly the `broken` ones have a different verdict than in `healthy`.
    fn differs_in(&self, healthy: &Found, broken: &[&str]) {
        let changed = |name: &&String| {
            let before = healthy.checks.get(*name);
            before.is_some_and(|before| before.verdict != self.checks[*name].verdict)
        };
        let changed: Vec<&String> = self.checks.keys().filter(changed).collect();
        let mut broken = broken.to_vec();
        broken.sort_unstable();
        assert_eq!(changed, broken, "{self:#?}");
    }

    /// Runs the check's suggested fix verbatim.
    fn apply_fix(&self, name: &str) {
        let fix = &self.check(name).fix;
        let (done, printed) = attempt(fix);
        assert!(done, "{fix}: {printed}");
    }
}

/// Gives the daemon a fixed port and its files the modes of an installation, before it reads them.
fn reachable(builder: AgentBuilder) -> AgentBuilder {
    let config = builder.directory().join("agent.conf");
    fs::write(&config, "").unwrap();
    fs::set_permissions(&config, fs::Permissions::from_mode(0o640)).unwrap();
    fs::set_permissions(builder.directory(), fs::Permissions::from_mode(0o755)).unwrap();
    // The kernel does not soon choose the same port again.
    let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    builder.set("port", &port.to_string())
}

/// Lets the file be newer than what the daemon read; times are compared in whole seconds.
fn age(agent: &Agent, file: &Path) {
    let read_at = agent.status()["config_read_at"].as_str().unwrap().to_owned();
    let read_at = time::OffsetDateTime::parse(&read_at, &time::format_description::well_known::Rfc3339).unwrap();
    let bytes = fs::read(file).unwrap();
    let newer = eventually(SOON, || {
        fs::write(file, &bytes).unwrap();
        fs::metadata(file).unwrap().mtime() > read_at.unix_timestamp()
    });
    assert!(newer);
}
