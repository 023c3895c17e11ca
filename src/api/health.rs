//! `GET /health`: the facts that the Panel shows about a server. All members are strings; `version` is the operating
//! system's version, because the Panel stores it as that.

use std::time::Duration;

use serde::Serialize;

use opterius_base::text::duration;
use opterius_http::response::Response;

/// Facts about the host that do not change at run time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OsInfo {
    /// The operating system's name, for example `Debian GNU/Linux`.
    pub os: String,
    /// The operating system's version, for example `12`.
    pub version: String,
    /// The architecture, for example `x86_64`.
    pub arch: String,
    /// The host name.
    pub hostname: String,
}

#[derive(Serialize)]
struct Health<'a> {
    status: &'static str,
    os: &'a str,
    version: &'a str,
    arch: &'a str,
    hostname: &'a str,
    uptime: &'a str,
    agent_version: &'static str,
}

impl OsInfo {
    /// Reads the facts, once at start.
    pub fn read() -> Self {
        let uname = rustix::system::uname();
        let release = ["/etc/os-release", "/usr/lib/os-release"]
            .iter()
            .find_map(|path| std::fs::read_to_string(path).ok())
            .unwrap_or_default();
        Self {
            os: os_release(&release, "NAME").unwrap_or_else(|| uname.sysname().to_string_lossy().into_owned()),
            version: os_release(&release, "VERSION_ID").unwrap_or_else(|| "unknown".to_owned()),
            arch: uname.machine().to_string_lossy().into_owned(),
            hostname: uname.nodename().to_string_lossy().into_owned(),
        }
    }

    /// The response, `uptime` after boot.
    pub fn answer(&self, uptime: Duration) -> Response {
        let uptime = duration(uptime);
        let Self { os, version, arch, hostname } = self;
        let agent_version = env!("CARGO_PKG_VERSION");
        Response::json(200, &Health { status: "ok", os, version, arch, hostname, uptime: &uptime, agent_version })
    }
}

/// A value of os-release(5), without its quotes.
fn os_release(text: &str, name: &str) -> Option<String> {
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
    Some(value.trim().trim_matches(['"', '\'']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn os_release_is_parsed_with_and_without_quotes() {
        let text = "PRETTY_NAME=\"Ubuntu 24.04.1 LTS\"\nNAME=\"Ubuntu\"\nVERSION_ID=24.04\n";
        assert_eq!(os_release(text, "NAME").as_deref(), Some("Ubuntu"));
        assert_eq!(os_release(text, "VERSION_ID").as_deref(), Some("24.04"));
        assert_eq!(os_release(text, "VERSION"), None);
    }

    #[test]
    fn every_member_is_a_string() {
        let host =
            OsInfo { os: "Ubuntu".into(), version: "24.04".into(), arch: "x86_64".into(), hostname: "web1".into() };
        let body: serde_json::Value = serde_json::from_slice(&host.answer(Duration::from_secs(90_061)).body).unwrap();
        let members = body.as_object().unwrap();
        assert_eq!(members["uptime"], "1 day 1 h 1 min");
        assert!(members.values().all(serde_json::Value::is_string));
        for name in ["status", "os", "version", "arch", "hostname", "uptime", "agent_version"] {
            assert!(members.contains_key(name), "{name}");
        }
    }
}
