//! The base URL of a license server.

use std::net::IpAddr;

use ureq::http::Uri;

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
    /// What is wrong with the URL, as a predicate (“has no host name”).
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let base = text.trim_end_matches('/');
        let uri: Uri = base.parse().map_err(|_| "is not a URL such as https://license.example.com")?;
        let authority = uri.authority().ok_or("is not a URL such as https://license.example.com")?;
        if authority.as_str().contains('@') {
            return Err("must not contain a user name or password");
        }
        if uri.query().is_some() || text.contains('#') {
            return Err("must not contain a query or a fragment");
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err("has no host name");
        }
        let loopback =
            host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        match uri.scheme_str() {
            Some("https") => Ok(Self { base: base.to_owned(), host, loopback, plain: false }),
            Some("http") if loopback => Ok(Self { base: base.to_owned(), host, loopback, plain: true }),
            Some("http") => Err("must begin with https:// (http:// is for a license server on this machine only)"),
            _ => Err("must begin with https://"),
        }
    }

    /// The URL of the verification endpoint.
    pub fn verification(&self) -> String {
        format!("{}/api/license/verify", self.base)
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

    /// Whether the license server is this machine.
    pub fn is_loopback(&self) -> bool {
        self.loopback
    }

    /// Whether requests use plain HTTP.
    pub fn is_plain(&self) -> bool {
        self.plain
    }
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
        let bad = [
            "http://opterius.com",
            "http://localhost.example.com",
            "ftp://opterius.com",
            "opterius.com",
            "",
            "https://",
            "https://user:word@opterius.com",
            "https://opterius.com/?a=b",
            "https://opterius.com/#a",
            "http://10.0.0.1",
        ];
        for text in bad {
            assert!(ServerUrl::parse(text).is_err(), "{text}");
        }
    }
}
