//! The base URL of a license server.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rustls::pki_types::ServerName;
use ureq::http::Uri;

/// What is added to the base URL.
pub(super) const VERIFICATION_PATH: &str = "/api/license/verify";

/// The base URL of a license server: HTTPS, or plain HTTP to this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerUrl {
    base: String,
    host: String,
    loopback: bool,
    plain: bool,
}

impl ServerUrl {
    /// Parses `https://host[:port][/path]`; `http://` only for a loopback address or `localhost`.
    ///
    /// # Errors
    /// What is wrong with the URL and what to write instead, as a predicate (“has no host name”).
    pub fn parse(text: &str) -> Result<Self, String> {
        let base = text.trim_end_matches('/');
        let (plain, host, port) = Self::parts(base)?;
        let loopback =
            host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        if plain && !loopback {
            return Err("must begin with https:// (http:// is for a license server on this machine only)".to_owned());
        }
        let is_port = |text: &str| {
            text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok_and(|port| port > 0)
        };
        if let Some(port) = port.filter(|port| !is_port(port)) {
            return Err(format!("has the port “{port}”; a port is a number from 1 to 65535"));
        }
        let lower = base.to_ascii_lowercase();
        for path in [VERIFICATION_PATH, "/api/license"] {
            if let Some(base) = lower.strip_suffix(path).and_then(|rest| base.get(..rest.len())) {
                return Err(format!("must not end in {path}, which the Agent adds; write {base}"));
            }
        }
        if let Some(address) = host.parse().ok().filter(|address| !is_of_one_host(*address)) {
            return Err(format!("has the address {address}, which no license server can have"));
        }
        let is_url = base.parse::<Uri>().is_ok() && ServerName::try_from(host).is_ok() && !has_wrong_percent(base);
        let parsed = Self { base: base.to_owned(), host: host.to_owned(), loopback, plain };
        is_url.then_some(parsed).ok_or_else(|| "is not a URL such as https://license.example.com".to_owned())
    }

    /// Whether the scheme is `http`, the host without brackets, and the port.
    fn parts(base: &str) -> Result<(bool, &str, Option<&str>), String> {
        let Some((scheme, rest)) = base.split_once("://") else {
            let host = base.strip_prefix("https:").unwrap_or(base).trim_start_matches('/');
            let is_host = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:/".contains(&byte));
            let instead = if is_host && host.contains('.') { host } else { "license.example.com" };
            return Err(format!("must begin with https://; write https://{instead}"));
        };
        let plain = scheme.eq_ignore_ascii_case("http");
        if !plain && !scheme.eq_ignore_ascii_case("https") {
            return Err("must begin with https://".to_owned());
        }
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
        if base.contains(|character: char| character.is_whitespace() || character.is_control()) {
            return Err("must not contain blanks".to_owned());
        }
        if base.contains('\\') {
            return Err("must have / in place of \\".to_owned());
        }
        if authority.contains('@') {
            return Err("must not contain a user name or password".to_owned());
        }
        if path.contains(['?', '#']) {
            return Err("must not contain a query or a fragment".to_owned());
        }
        if !base.is_ascii() {
            return Err(
                "must have ASCII characters only; write a host name with other letters in its form that begins with xn--"
                    .to_owned(),
            );
        }
        let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, "")) => (host, None),
            Some((host, port)) => (host, port.strip_prefix(':').or(Some(port))),
            None => authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port))),
        };
        let is_bracketed = authority.starts_with('[');
        if port.is_some_and(|port| port.contains(':')) || (is_bracketed && host.parse::<Ipv6Addr>().is_err()) {
            return Err("must have an IPv6 address in brackets, such as https://[2001:db8::1]:8443".to_owned());
        }
        if !is_bracketed {
            Self::check_name(host)?;
        }
        Ok((plain, host, port))
    }

    /// A trailing dot is allowed, and so are underscores.
    fn check_name(host: &str) -> Result<(), String> {
        if host.is_empty() {
            return Err("has no host name".to_owned());
        }
        for label in host.strip_suffix('.').unwrap_or(host).split('.') {
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
            match label.len() {
                0 => return Err(format!("has one dot too many in its host name “{host}”")),
                1..=63 if !label.bytes().all(is_plain) || label.starts_with('-') || label.ends_with('-') => {
                    return Err(format!("has “{label}” in its host name, which no name contains"));
                }
                1..=63 => {}
                length => {
                    return Err(format!(
                        "has {length} characters between two dots of its host name; at most 63 are possible"
                    ));
                }
            }
        }
        Ok(())
    }

    /// The URL of the verification endpoint.
    pub fn verification(&self) -> String {
        format!("{}{VERIFICATION_PATH}", self.base)
    }

    /// Scheme, host and port, as configured.
    pub(super) fn origin(&self) -> &str {
        let end = self.base.split_once("://").and_then(|(scheme, rest)| {
            rest.find('/').map(|place| scheme.len().saturating_add("://".len()).saturating_add(place))
        });
        end.and_then(|end| self.base.get(..end)).unwrap_or(&self.base)
    }

    /// The base URL, as configured.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The host name or address; an IPv6 address without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        let given = self.base.parse::<Uri>().ok().and_then(|uri| uri.port_u16());
        given.unwrap_or(if self.plain { 80 } else { 443 })
    }

    /// Whether both URLs lead to the same place, however they are spelled.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let place = |server: &Self| {
            let path = server.base.get(server.origin().len()..).unwrap_or_default().to_owned();
            (server.plain, server.host.trim_end_matches('.').to_ascii_lowercase(), server.port(), path)
        };
        place(self) == place(other)
    }

    /// Whether the license server is this machine.
    pub fn is_loopback(&self) -> bool {
        self.loopback
    }

    /// Whether requests use plain HTTP.
    pub fn is_plain(&self) -> bool {
        self.plain
    }
}

/// Whether a percent sign is not followed by two hexadecimal digits.
fn has_wrong_percent(text: &str) -> bool {
    text.split('%').skip(1).any(|rest| !rest.get(..2).is_some_and(|code| code.bytes().all(|b| b.is_ascii_hexdigit())))
}

/// Whether one host can have this address: it is neither unspecified nor a group's.
pub fn is_of_one_host(address: IpAddr) -> bool {
    let is_broadcast = address == IpAddr::V4(Ipv4Addr::BROADCAST);
    !address.is_unspecified() && !address.is_multicast() && !is_broadcast
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_license_server_uses_https_unless_it_is_on_this_machine() {
        let good = [
            ("https://opterius.com", "https://opterius.com/api/license/verify"),
            ("https://opterius.com/", "https://opterius.com/api/license/verify"),
            ("https://example.com:8443/base", "https://example.com:8443/base/api/license/verify"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080/api/license/verify"),
            ("http://[::1]:8080", "http://[::1]:8080/api/license/verify"),
            ("http://localhost:8080", "http://localhost:8080/api/license/verify"),
        ];
        for (text, expected) in good {
            assert_eq!(ServerUrl::parse(text).unwrap().verification(), expected);
        }
        for text in [
            "https://license.example.com.",
            "https://license_1.example.com:65535",
            "HTTPS://License.example.com:1",
            "https://203.0.113.5",
            "https://[2001:db8::1]:8443/base",
            "https://xn--mller-kva.example",
        ] {
            assert!(ServerUrl::parse(text).is_ok(), "{text}");
        }
        assert_eq!(ServerUrl::parse("https://[2001:db8::1]:8443/base").unwrap().host(), "2001:db8::1");
    }

    #[test]
    fn a_url_that_cannot_work_is_refused_with_what_to_write_instead() {
        let long = format!("https://{}.example.com", "a".repeat(64));
        let (xn, generic) = ("begins with xn--", "is not a URL such as https://license.example.com");
        let (blanks, user, query) = ("must not contain blanks", "user name or password", "a query or a fragment");
        let bad = [
            ("http://opterius.com", "must begin with https:// (http:// is for"),
            ("http://localhost.example.com", "must begin with https:// (http:// is for"),
            ("http://10.0.0.1", "must begin with https:// (http:// is for"),
            ("ftp://opterius.com", "must begin with https://"),
            ("opterius.com", "must begin with https://; write https://opterius.com"),
            ("license.example.com:8443/base", "write https://license.example.com:8443/base"),
            ("//opterius.com", "write https://opterius.com"),
            ("“https://opterius.com”", "must begin with https://"),
            ("user:word@opterius.com", "must begin with https://; write https://license.example.com"),
            ("", "must begin with https://; write https://license.example.com"),
            ("https://", "must begin with https://; write https://license.example.com"),
            ("https:/opterius.com", "must begin with https://; write https://opterius.com"),
            ("localhost:8443", "must begin with https://; write https://license.example.com"),
            ("https:///path", "has no host name"),
            ("https://:8443", "has no host name"),
            ("https://user:word@opterius.com", user),
            ("https://user@opterius.com", user),
            ("https://opterius.com/?a=b", query),
            ("https://opterius.com?a=b", query),
            ("https://opterius.com/#a", query),
            ("https://opterius.com:0", "has the port “0”; a port is a number from 1 to 65535"),
            ("https://opterius.com:65536", "has the port “65536”"),
            ("https://opterius.com:99999999999", "has the port “99999999999”"),
            ("https://opterius.com:", "has the port “”"),
            ("https://opterius.com:+443", "has the port “+443”"),
            ("https://opterius.com:-1", "has the port “-1”"),
            ("https://opterius.com:https", "has the port “https”"),
            ("https://[::1]:0", "has the port “0”"),
            ("https://[::1]8443x", "has the port “8443x”"),
            ("http://127.0.0.1:0", "has the port “0”"),
            ("https://license..example.com", "has one dot too many in its host name “license..example.com”"),
            ("https://.example.com", "has one dot too many"),
            ("https://example.com..", "has one dot too many"),
            ("https://.", "has one dot too many"),
            (&long, "has 64 characters between two dots"),
            ("https://-a.example.com", "has “-a” in its host name"),
            ("https://a-.example.com", "has “a-” in its host name"),
            ("https://a%41.example.com", "has “a%41” in its host name"),
            ("https://*.example.com", "has “*” in its host name"),
            (
                "https://opterius.com/api/license/verify",
                "must not end in /api/license/verify, which the Agent adds; write https://opterius.com",
            ),
            ("https://opterius.com:8443/base/api/license/verify/", "write https://opterius.com:8443/base"),
            ("https://Opterius.com/API/License/Verify", "write https://Opterius.com"),
            (
                "https://opterius.com/api/license",
                "must not end in /api/license, which the Agent adds; write https://opterius.com",
            ),
            ("https://opterius.com/%zz", generic),
            ("https://opterius.com/%4", generic),
            ("https://0.0.0.0", "has the address 0.0.0.0, which no license server can have"),
            ("https://224.0.0.1", "has the address 224.0.0.1"),
            ("https://255.255.255.255", "has the address 255.255.255.255"),
            ("https://[::]", "has the address ::, which"),
            ("https://[ff02::1]:8443", "has the address ff02::1"),
            ("https://license example.com", blanks),
            ("https://a.example.com https://b.example.com", blanks),
            ("https://opterius.com\u{a0}", blanks),
            ("https://opterius.com\\path", "must have / in place of \\"),
            ("https://müller.example", xn),
            ("https://opterius.сom", xn),
            ("https://::1", "must have an IPv6 address in brackets"),
            ("https://2001:db8::1", "must have an IPv6 address in brackets"),
            ("https://[::1", "must have an IPv6 address in brackets"),
            ("https://[example.com]", "must have an IPv6 address in brackets"),
            ("https://[fe80::1%eth0]", "must have an IPv6 address in brackets"),
            ("https://300.1.1.1", generic),
            ("https://1.2.3", generic),
        ];
        for (text, expected) in bad {
            let sentence = ServerUrl::parse(text).expect_err(text);
            assert!(sentence.contains(expected), "{text}: {sentence}");
            assert!(!sentence.contains("word@"), "{sentence}");
        }
    }
}
