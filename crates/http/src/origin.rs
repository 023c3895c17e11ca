//! Who a request thinks it talks to, and which page sent it.
//!
//! A browser on the administrator's machine, tunnelled to us, must not be a way in: a page of another site gets neither
//! through by a name that it points at 127.0.0.1 (DNS rebinding) nor by posting across origins.

use std::net::IpAddr;

use crate::head::Head;
use crate::response::Response;

/// What the client is told, in the words of whoever answers.
#[derive(Clone, Copy, Debug)]
pub struct Refusals {
    /// The `Host` is not a name of ours; the sentence says where names are added.
    pub unknown_host: &'static str,
    /// The page is not ours.
    pub forbidden_origin: &'static str,
}

/// Checks `Host` and `Origin`.
///
/// # Errors
/// The answer to give instead: 421 for a name that is not ours, 403 for a page that is not ours.
pub fn check(head: &Head<'_>, allowed_hosts: &[String], refusals: &Refusals) -> Result<(), Response> {
    let host = head.only("host");
    // Without a Host there is no name to be fooled by; HTTP/1.1 without one did not get here.
    if head.all("host").next().is_some() && !host.is_some_and(|host| is_ours(host, allowed_hosts)) {
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

/// Whether the `Host` is an IP address, `localhost`, or one of the configured names, with or without a port.
fn is_ours(host: &str, allowed_hosts: &[String]) -> bool {
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
    let port_is_fine = port.trim_start_matches(':').bytes().all(|byte| byte.is_ascii_digit());
    let name_is_ours = name.parse::<IpAddr>().is_ok()
        || name.eq_ignore_ascii_case("localhost")
        || allowed_hosts.iter().any(|allowed| allowed.eq_ignore_ascii_case(name));
    port_is_fine && name_is_ours
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::{STORAGE, parse};

    #[test]
    fn addresses_localhost_and_configured_names_are_ours() {
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
            assert!(is_ours(host, &allowed), "{host}");
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
            assert!(!is_ours(host, &allowed), "{host}");
        }
    }

    #[test]
    fn only_a_page_of_our_own_may_call() {
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
