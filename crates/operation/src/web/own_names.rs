//! Names of the server itself, of its Panel and of its Agent. A site with one of them would get their visitors, and the
//! passwords that they enter.

use std::collections::BTreeSet;

use rustix::system::uname;

use opterius_host::host::Host;
use opterius_host::lines;

/// Largest file that is read here, in bytes.
const MAX_FILE: u64 = 1024 * 1024;

/// The Panel's settings, and the one that has its address.
const PANEL_SETTINGS: &str = "/opt/opterius/.env";
const PANEL_ADDRESS: &str = "APP_URL=";

/// All such names, in lowercase.
pub fn of(host: &Host) -> BTreeSet<String> {
    let text = |path: &str| lines::text(&host.path(path), MAX_FILE);
    let mut names = host_names(host, &text("/etc/hostname"), &text("/etc/hosts"), &text("/etc/resolv.conf"));
    names.extend(text("/etc/mailname").lines().next().map(str::to_owned));
    names.extend(text(PANEL_SETTINGS).lines().filter_map(panel_name).map(str::to_owned));
    names.extend(host.agent_names.iter().cloned());
    let lower = |name: String| name.trim().trim_end_matches('.').to_ascii_lowercase();
    names.into_iter().map(lower).filter(|name| !name.is_empty()).collect()
}

/// The host name, its aliases in hosts(5), and its names in the domains of resolv.conf(5).
fn host_names(host: &Host, hostname: &str, hosts: &str, resolver: &str) -> BTreeSet<String> {
    let mut names: BTreeSet<String> =
        hostname.lines().map(str::trim).filter(|line| !line.starts_with('#')).map(str::to_owned).collect();
    if host.is_machine() {
        names.insert(uname().nodename().to_string_lossy().into_owned());
    }
    let short: Vec<String> = names.iter().filter_map(|name| name.split('.').next()).map(str::to_owned).collect();
    let domains =
        resolver.lines().filter_map(|line| line.strip_prefix("search").or_else(|| line.strip_prefix("domain")));
    let domains: Vec<&str> = domains.flat_map(str::split_ascii_whitespace).collect();
    for line in hosts.lines().map(|line| line.split('#').next().unwrap_or_default()) {
        let aliases: Vec<&str> = line.split_ascii_whitespace().skip(1).collect();
        if aliases.iter().any(|alias| names.contains(*alias)) {
            names.extend(aliases.iter().map(|alias| (*alias).to_owned()));
        }
    }
    names.extend(short.iter().flat_map(|name| domains.iter().map(move |domain| format!("{name}.{domain}"))));
    names
}

/// The host in a line with the Panel's address.
fn panel_name(line: &str) -> Option<&str> {
    let address = line.trim().strip_prefix(PANEL_ADDRESS)?.trim_matches(['"', '\'']);
    let (_, rest) = address.split_once("://")?;
    rest.split(['/', ':']).next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use opterius_host::host::Acme;

    #[test]
    fn the_hosts_names_are_found() {
        let host = Host::new("/nonexistent".into(), Acme { server: String::new(), authority: None }, "".into());
        let hosts = "127.0.0.1 localhost\n127.0.1.1 server1.example.com server1 # me\n127.0.0.1 shop.example\n";
        let names = host_names(&host, "server1\n", hosts, "search lan.example corp.example\nnameserver ::1\n");
        let expected = ["server1", "server1.corp.example", "server1.example.com", "server1.lan.example"];
        assert_eq!(names, expected.map(str::to_owned).into());
        for (line, expected) in [
            ("APP_URL=https://panel.example.com:8443", Some("panel.example.com")),
            ("APP_URL=\"http://panel.example.com/x\"", Some("panel.example.com")),
            ("APP_NAME=https://x", None),
            ("APP_URL=", None),
        ] {
            assert_eq!(panel_name(line), expected, "{line}");
        }
    }
}
