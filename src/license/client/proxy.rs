//! The proxy in front of the license server: which one, by the configuration and the environment, and what its URL says.

use std::fmt;
use std::fs;
use std::net::Ipv6Addr;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::license::client::fault::{Fault, Step};
use crate::license::client::no_proxy;
use crate::license::client::url::ServerUrl;
use opterius_base::secret::Secret;

/// The variables that name a proxy for https://, in the order of curl.
const VARIABLES: [&str; 4] = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
/// The variables that name exceptions.
const EXCEPTIONS: [&str; 2] = ["no_proxy", "NO_PROXY"];

/// A proxy that understands CONNECT.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    /// Whether the connection to the proxy itself is TLS.
    pub is_tls: bool,
    /// The host name or address; an IPv6 address without brackets.
    pub host: String,
    /// The TCP port.
    pub port: u16,
    /// The value of `Proxy-Authorization`.
    pub authorization: Option<Secret>,
    /// The variable of the environment that names the proxy; `None` for the one of agent.conf.
    pub variable: Option<&'static str>,
}

/// Without user and password.
impl fmt::Debug for Proxy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} port {}", self.host, self.port)
    }
}

impl Proxy {
    /// Where the proxy is named.
    pub fn setting(&self) -> String {
        match self.variable {
            Some(variable) => format!("{variable} in the Agent's environment, or set proxy=http://… in agent.conf"),
            None => "proxy=… in agent.conf, then run: systemctl reload opterius-agent".to_owned(),
        }
    }

    /// Parses `[http[s]://][user:password@]host[:port][/]`. Without a port it is 80, or 443 for https://.
    ///
    /// # Errors
    /// What is wrong with the URL and what to write instead, as a predicate. It quotes nothing of user and password.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        let is_tls = match scheme.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            "socks" | "socks4" | "socks4a" | "socks5" | "socks5h" => {
                return Err(
                    "is a SOCKS proxy, which the Agent does not support; set proxy=http://… in agent.conf, or add \
                            the license server to NO_PROXY"
                        .to_owned(),
                );
            }
            _ => {
                return Err("is not a proxy URL such as http://proxy.example.com:3128 (http:// or https://)".to_owned());
            }
        };
        let authority = authority(rest)?;
        let (user, place) = authority.rsplit_once('@').map_or((None, authority), |(user, place)| (Some(user), place));
        let (host, port) = host_and_port(place)
            .ok_or("must name a host and a port from 1 to 65535, such as http://proxy.example.com:3128")?;
        let authorization = user.map(credentials).transpose()?;
        let port = port.unwrap_or(if is_tls { 443 } else { 80 });
        Ok(Self { is_tls, host: host.to_owned(), port, authorization, variable: None })
    }
}

/// What is before the path. A character that ends it inside of user or password would cut the URL silently.
fn authority(rest: &str) -> Result<&str, String> {
    let encode = |character: char| {
        let code = u32::from(character);
        Err(format!(
            "has “{character}” where it cannot be: write {character} in a proxy's user or password as %{code:02X}"
        ))
    };
    let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at_checked(end).unwrap_or_default();
    match tail.chars().next() {
        Some('/') if tail.len() > 1 && !tail.contains('@') => {
            return Err("must end after the port: a proxy has no path".to_owned());
        }
        Some('/') if tail.len() == 1 => {}
        Some(character) => return encode(character),
        None => {}
    }
    if authority.matches('@').count() > 1 {
        return encode('@');
    }
    Ok(authority)
}

fn host_and_port(place: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = if let Some(rest) = place.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        address.parse::<Ipv6Addr>().ok()?;
        (address, if port.is_empty() { None } else { Some(port.strip_prefix(':')?) })
    } else {
        let (host, port) = place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port)));
        let is_host = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        if host.is_empty() || !host.bytes().all(is_host) {
            return None;
        }
        (host, port)
    };
    match port {
        None => Some((host, None)),
        Some(port) => port.parse().ok().filter(|port| *port != 0).map(|port| (host, Some(port))),
    }
}

/// The value of `Proxy-Authorization` (RFC 7617) for the part of the URL before `@`.
fn credentials(user: &str) -> Result<Secret, String> {
    let (name, password) = user.split_once(':').unwrap_or((user, ""));
    let decode =
        |text| decode(text).ok_or("has a % without two digits after it: write % in a proxy's user or password as %25");
    let pair = [decode(name)?, b":".to_vec(), decode(password)?].concat();
    Ok(Secret::new(format!("Basic {}", STANDARD.encode(pair))))
}

/// Percent-decoding; `None` where a `%` has no two hexadecimal digits after it.
fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        let byte = match byte {
            b'%' => u8::try_from(digit(bytes.next())? * 16 + digit(bytes.next())?).ok()?,
            byte => byte,
        };
        decoded.push(byte);
    }
    Some(decoded)
}

/// The variables of a process that concern proxies.
#[derive(Clone, Default)]
pub struct ProxyVariables(Vec<(&'static str, String)>);

impl ProxyVariables {
    /// Those of this process.
    pub fn own() -> Self {
        Self::by(|name| std::env::var(name).ok())
    }

    /// Those of another process, from its `/proc/PID/environ`; `None` if it cannot be read.
    pub fn of(environ: &Path) -> Option<Self> {
        let bytes = fs::read(environ).ok()?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let value = |name: &str| {
            text.split('\0').find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).map(str::to_owned)
        };
        Some(Self::by(value))
    }

    /// Those that `read` returns.
    fn by(read: impl Fn(&str) -> Option<String>) -> Self {
        let known = VARIABLES.into_iter().chain(EXCEPTIONS);
        // An empty variable is none, as in curl.
        Self(known.filter_map(|name| Some((name, read(name).filter(|value| !value.trim().is_empty())?))).collect())
    }

    /// The variables whose values differ from those of `other`, the exceptions last; each with whether it is set here and
    /// there. Without any proxy, there is nothing to make an exception from.
    pub fn differences(&self, other: &Self) -> Vec<(&'static str, bool, bool)> {
        let proxied = [self, other].iter().any(|variables| variables.first(&VARIABLES).is_some());
        let value = |variables: &Self, name| variables.first(&[name]).map(|(_, value)| value.clone());
        let names = VARIABLES.into_iter().chain(EXCEPTIONS).filter(|_| proxied);
        let compared = names.map(|name| (name, value(self, name), value(other, name)));
        let different = compared.filter(|(_, here, there)| here != there);
        different.map(|(name, here, there)| (name, here.is_some(), there.is_some())).collect()
    }

    fn first(&self, names: &[&str]) -> Option<&(&'static str, String)> {
        names.iter().find_map(|name| self.0.iter().find(|(known, _)| known == name))
    }

    /// The proxy to use for `target`: the configured one; else the environment's, except for what `NO_PROXY` lists and for a
    /// license server on this machine. Plain HTTP, which is for this machine only, never uses a proxy.
    ///
    /// # Errors
    /// The environment names a proxy that cannot be used.
    pub fn choose(&self, configured: Option<&Proxy>, target: &ServerUrl) -> Result<Option<Proxy>, Fault> {
        if target.is_plain() {
            return Ok(None);
        }
        if configured.is_some() {
            return Ok(configured.cloned());
        }
        let excepted =
            self.first(&EXCEPTIONS).is_some_and(|(_, list)| no_proxy::excepts(list, target.host(), target.port()));
        let Some((variable, value)) = self.first(&VARIABLES).filter(|_| !target.is_loopback() && !excepted) else {
            return Ok(None);
        };
        match Proxy::parse(value.trim()) {
            Ok(proxy) => Ok(Some(Proxy { variable: Some(variable), ..proxy })),
            Err(sentence) => Err(Fault::new(
                Step::Proxy,
                format!("choosing the proxy: {variable} in the Agent's environment {sentence}"),
                format!(
                    "fix {variable} where the service gets it (systemctl cat opterius-agent), or set proxy=http://… in agent.conf"
                ),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (bool, String, u16, Option<String>) {
        let proxy = Proxy::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let authorization = proxy.authorization.map(|value| {
            let (_, pair) = value.expose().split_once("Basic ").unwrap();
            String::from_utf8(STANDARD.decode(pair).unwrap()).unwrap()
        });
        (proxy.is_tls, proxy.host, proxy.port, authorization)
    }

    #[test]
    fn a_proxy_url_means_what_it_says() {
        let table = [
            ("http://proxy.example.com:3128", (false, "proxy.example.com", 3128, None)),
            ("HTTP://proxy.example.com:3128/", (false, "proxy.example.com", 3128, None)),
            ("https://proxy.example.com", (true, "proxy.example.com", 443, None)),
            ("http://proxy.example.com", (false, "proxy.example.com", 80, None)),
            ("proxy.example.com:8080", (false, "proxy.example.com", 8080, None)),
            ("alice:word@proxy:8080", (false, "proxy", 8080, Some("alice:word"))),
            ("http://alice@proxy:8080", (false, "proxy", 8080, Some("alice:"))),
            ("http://alice:a:b@proxy:8080", (false, "proxy", 8080, Some("alice:a:b"))),
            ("http://al%40ice:%23%2f%3F%25%c3%a9@proxy:8080", (false, "proxy", 8080, Some("al@ice:#/?%é"))),
            ("http://a+b:c d@proxy:1", (false, "proxy", 1, Some("a+b:c d"))),
            ("http://[2001:db8::1]:3128", (false, "2001:db8::1", 3128, None)),
            ("http://[2001:db8::1]", (false, "2001:db8::1", 80, None)),
            ("http://10.0.0.1:3128", (false, "10.0.0.1", 3128, None)),
        ];
        for (text, (is_tls, host, port, pair)) in table {
            assert_eq!(parsed(text), (is_tls, host.to_owned(), port, pair.map(str::to_owned)), "{text}");
        }
    }

    #[test]
    fn a_proxy_url_that_cannot_mean_what_it_says_is_refused_with_the_remedy() {
        let table = [
            ("http://alice:open#sesame@proxy:3128", "as %23"),
            ("http://alice:open/sesame@proxy:3128", "as %2F"),
            ("http://alice:open?sesame@proxy:3128", "as %3F"),
            ("http://alice:open\\sesame@proxy:3128", "as %5C"),
            ("http://alice:open@sesame@proxy:3128", "as %40"),
            ("http://alice:open%sesame@proxy:3128", "as %25"),
            ("http://alice:open%2@proxy:3128", "as %25"),
            ("http://proxy:3128#sesame", "as %23"),
            ("http://proxy:3128/sesame", "no path"),
            ("http://proxy:3128?sesame", "as %3F"),
            ("http://proxy:70000", "1 to 65535"),
            ("http://proxy:0", "1 to 65535"),
            ("http://proxy:", "1 to 65535"),
            ("http://alice:sesame@:3128", "name a host"),
            ("http://pro xy:3128", "name a host"),
            ("http://[2001:db8::g]:3128", "name a host"),
            ("http://2001:db8::1:3128", "name a host"),
            ("http://", "name a host"),
            ("ftp://alice:sesame@proxy:3128", "http:// or https://"),
            ("socks5://alice:sesame@proxy:1080", "SOCKS proxy"),
            ("socks5h://proxy:1080", "NO_PROXY"),
            ("SOCKS4a://proxy:1080", "proxy=http://"),
            ("socks4://proxy", "SOCKS proxy"),
        ];
        for (text, word) in table {
            let error = Proxy::parse(text).unwrap_err();
            assert!(error.contains(word) && !error.contains("sesame"), "{text}: {error}");
        }
    }

    #[test]
    fn differing_variables_are_named() {
        let variables = |set: &[(&str, &str)]| {
            ProxyVariables::by(|name| {
                set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
            })
        };
        type Row = (&'static [(&'static str, &'static str)], &'static [(&'static str, &'static str)], &'static str);
        let table: [Row; 8] = [
            (&[("PATH", "/bin")], &[("PATH", "/sbin")], ""),
            (&[("HTTPS_PROXY", "http://a:b@c")], &[], "HTTPS_PROXY true false"),
            (&[], &[("https_proxy", "x")], "https_proxy false true"),
            (&[("ALL_PROXY", "x")], &[("ALL_PROXY", "y")], "ALL_PROXY true true"),
            (&[("ALL_PROXY", "x")], &[("ALL_PROXY", "x")], ""),
            (&[("HTTPS_PROXY", "")], &[], ""),
            (&[("NO_PROXY", "a")], &[], ""),
            (
                &[("NO_PROXY", "a"), ("HTTPS_PROXY", "x")],
                &[("HTTPS_PROXY", "x"), ("no_proxy", "a")],
                "no_proxy false true, NO_PROXY true false",
            ),
        ];
        for (here, there, expected) in table {
            let differences = variables(here).differences(&variables(there));
            let words: Vec<String> =
                differences.iter().map(|(name, here, there)| format!("{name} {here} {there}")).collect();
            assert_eq!(words.join(", "), expected, "{here:?} {there:?}");
        }
    }

    #[test]
    fn the_proxy_is_chosen_as_by_curl() {
        let remote = "https://license.test";
        type Row<'a> = (&'a str, Option<&'a str>, &'a [(&'a str, &'a str)], Result<Option<&'a str>, &'a str>);
        let table: [Row<'_>; 22] = [
            (remote, None, &[], Ok(None)),
            (remote, Some("http://a:1"), &[("https_proxy", "http://b:2"), ("NO_PROXY", "*")], Ok(Some("a port 1"))),
            (remote, None, &[("https_proxy", "http://a:1"), ("HTTPS_PROXY", "http://b:2")], Ok(Some("a port 1"))),
            (remote, None, &[("HTTPS_PROXY", "http://a:1"), ("all_proxy", "http://b:2")], Ok(Some("a port 1"))),
            (remote, None, &[("all_proxy", "http://a:1"), ("ALL_PROXY", "http://b:2")], Ok(Some("a port 1"))),
            (remote, None, &[("ALL_PROXY", "http://a:1"), ("HTTP_PROXY", "http://b:2")], Ok(Some("a port 1"))),
            (remote, None, &[("HTTP_PROXY", "http://a:1"), ("http_proxy", "http://a:1")], Ok(None)),
            (remote, None, &[("https_proxy", ""), ("HTTPS_PROXY", "http://a:1")], Ok(Some("a port 1"))),
            (remote, None, &[("HTTPS_PROXY", " a:1 ")], Ok(Some("a port 1"))),
            (remote, None, &[("HTTPS_PROXY", "http://a:1"), ("ALL_PROXY", "socks5h://b:2")], Ok(Some("a port 1"))),
            (
                remote,
                None,
                &[("ALL_PROXY", "socks5://a:1")],
                Err("ALL_PROXY in the Agent's environment is a SOCKS proxy"),
            ),
            (remote, None, &[("HTTPS_PROXY", "socks5h://a:1"), ("ALL_PROXY", "http://b:2")], Err("HTTPS_PROXY")),
            (remote, None, &[("HTTPS_PROXY", "http://u:a#b@c:1")], Err("%23")),
            (remote, None, &[("ALL_PROXY", "socks5://a:1"), ("NO_PROXY", "localhost, license.test")], Ok(None)),
            (remote, None, &[("HTTPS_PROXY", "http://a:1"), ("NO_PROXY", "localhost, license.test")], Ok(None)),
            (remote, None, &[("HTTPS_PROXY", "http://a:1"), ("NO_PROXY", "license.test:8443")], Ok(Some("a port 1"))),
            (
                remote,
                None,
                &[("HTTPS_PROXY", "http://a:1"), ("no_proxy", "x"), ("NO_PROXY", "*")],
                Ok(Some("a port 1")),
            ),
            (
                "https://license.test:8443",
                None,
                &[("HTTPS_PROXY", "http://a:1"), ("NO_PROXY", "license.test:8443")],
                Ok(None),
            ),
            ("https://10.1.2.3", None, &[("HTTPS_PROXY", "http://a:1"), ("NO_PROXY", "10.0.0.0/8")], Ok(None)),
            ("https://localhost", None, &[("HTTPS_PROXY", "http://a:1")], Ok(None)),
            ("https://localhost", Some("http://a:1"), &[], Ok(Some("a port 1"))),
            ("http://localhost", Some("http://a:1"), &[("HTTPS_PROXY", "http://b:2")], Ok(None)),
        ];
        for (server, configured, environment, expected) in table {
            let read =
                |name: &str| environment.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
            let configured = configured.map(|text| Proxy::parse(text).unwrap());
            let chosen = ProxyVariables::by(read).choose(configured.as_ref(), &ServerUrl::parse(server).unwrap());
            match (chosen, expected) {
                (Ok(proxy), Ok(expected)) => {
                    assert_eq!(proxy.map(|proxy| format!("{proxy:?}")), expected.map(str::to_owned), "{environment:?}");
                }
                (Err(fault), Err(word)) => assert!(fault.cause.contains(word), "{environment:?}: {}", fault.cause),
                (chosen, _) => panic!("{environment:?}: {chosen:?}"),
            }
        }
    }
}
