//! Checks of the `Host` and `Origin` headers.
//!
//! They stop another website from reaching this server through a browser that can connect to it, for example through an
//! administrator's tunnel: neither by a name that resolves to 127.0.0.1 (DNS rebinding) nor by a cross-origin request.

use std::net::IpAddr;

use crate::head::Head;
use crate::response::Response;

/// The messages of the refusals, chosen by the service.
#[derive(Clone, Copy, Debug)]
pub struct Refusals {
    /// The `Host` is not one of this server's names; the message says where to add a name.
    pub unknown_host: &'static str,
    /// The `Origin` is another site.
    pub forbidden_origin: &'static str,
}

/// Checks `Host` and `Origin`.
///
/// # Errors
/// The response to send instead: 421 for an unknown `Host`, 403 for a foreign `Origin`.
pub fn check(head: &Head<'_>, allowed_hosts: &[String], refusals: &Refusals) -> Result<(), Response> {
    let host = head.only("host");
    // An HTTP/1.0 request may have no Host, and then no name to rebind; an HTTP/1.1 request without one is refused earlier.
    if head.all("host").next().is_some() && !host.is_some_and(|host| is_allowed(host, allowed_hosts)) {
        return Err(Response::error(421, "unknown_host", refusals.unknown_host));
    }
    let own = |origin: &str| {
        let host = host.unwrap_or_default();
        ["http://", "https://"].iter().any(|scheme| origin.strip_prefix(scheme).is_some_and(|rest| rest == host))
    };
    if head.all("origin").next().is_some() && !head.only("origin").is_some_and(own) {
        return Err(Response::error(403, "forbidden_origin", refusals.forbidden_origin));
    }
    Ok(())
}

/// Whether `host` is an IP address, `localhost`, or one of the configured names, with or without a port.
fn is_allowed(host: &str, allowed_hosts: &[String]) -> bool {
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, port)) => (address, port),
            None => return false,
        },
        None => match host.split_once(':') {
            Some((name, port)) => (name, port),
            None => (host, ""),
        },
    };
    let port_is_valid = port.trim_start_matches(':').bytes().all(|byte| byte.is_ascii_digit());
    let name_is_allowed = name.parse::<IpAddr>().is_ok()
        || name.eq_ignore_ascii_case("localhost")
        || allowed_hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(name));
    port_is_valid && name_is_allowed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::{STORAGE, parse};

    #[test]
    fn addresses_localhost_and_configured_names_are_allowed() {
        let allowed = ["panel.example.com".to_owned()];
        let good = [
            "127.0.0.1",
            "127.0.0.1:7443",
            "[::1]:7443",
            "[::1]",
            "localhost",
            "LOCALHOST:7443",
            "203.0.113.5:7443",
            "panel.example.com",
            "Panel.Example.COM:80",
        ];
        for host in good {
            assert!(is_allowed(host, &allowed), "{host}");
        }
        let bad = [
            "",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example:7443",
            "127.0.0.1:x",
            "[::1",
            "localhost:80@evil",
            "example.com",
            "127.0.0.1,evil",
            "panel.example.com.",
            "0x7f000001",
        ];
        for host in bad {
            assert!(!is_allowed(host, &allowed), "{host}");
        }
    }

    #[test]
    fn only_same_origin_requests_are_allowed() {
        let table = [
            ("Host: 127.0.0.1:7443\r\n", 0),
            ("Host: 127.0.0.1:7443\r\nOrigin: http://127.0.0.1:7443\r\n", 0),
            ("Host: 127.0.0.1:7443\r\nOrigin: https://127.0.0.1:7443\r\n", 0),
            ("Host: 127.0.0.1:7443\r\nOrigin: http://127.0.0.1\r\n", 403),
            ("Host: 127.0.0.1:7443\r\nOrigin: null\r\n", 403),
            ("Host: 127.0.0.1:7443\r\nOrigin:\r\n", 403),
            ("Host: 127.0.0.1:7443\r\nOrigin: http://evil.example\r\n", 403),
            ("Host: 127.0.0.1:7443\r\nOrigin: http://127.0.0.1:7443\r\nOrigin: null\r\n", 403),
            ("Host: evil.example\r\nOrigin: http://evil.example\r\n", 421),
        ];
        let refusals = Refusals { unknown_host: "Not our name.", forbidden_origin: "Not our page." };
        for (headers, expected) in table {
            let bytes = format!("GET / HTTP/1.1\r\n{headers}\r\n");
            let mut storage = STORAGE;
            let (head, _) = parse(bytes.as_bytes(), &mut storage).unwrap();
            let status = check(&head, &[], &refusals).err().map_or(0, |answer| answer.status);
            assert_eq!(status, expected, "{headers}");
        }
    }
}
