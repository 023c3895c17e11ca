//! The URL of a webhook, read once into what a delivery needs.

use std::net::{IpAddr, Ipv6Addr};

use super::receiver_address::Receivers;

/// The longest URL, in bytes.
pub const MAX_URL: usize = 2048;

/// A receiver's URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The host name or address; an IPv6 address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Host and port as the request names them.
    pub authority: String,
    /// Path and query.
    pub path: String,
    /// Whether it is plain HTTP, to this machine.
    pub is_plain: bool,
}

impl Target {
    /// Parses `https://host[:port][/path][?query]`; `http://` only to this machine, and only if the settings allow private
    /// receivers.
    ///
    /// # Errors
    /// What is wrong with the URL, as a sentence. It does not repeat the URL, which may contain a secret.
    pub fn parse(url: &str, receivers: Receivers) -> Result<Self, String> {
        if url.len() > MAX_URL {
            return Err(format!("The URL is longer than {MAX_URL} characters."));
        }
        if !url.bytes().all(|byte| byte.is_ascii_graphic())
            || url.contains(['\\', '"', '<', '>', '^', '`', '{', '|', '}'])
        {
            return Err(
                "The URL has a character that no URL has. Write letters beyond ASCII percent-encoded, and host \
                        names in their form that begins with xn--."
                    .to_owned(),
            );
        }
        let (scheme, rest) = url.split_once("://").unwrap_or(("", ""));
        let is_plain = scheme.eq_ignore_ascii_case("http");
        if !is_plain && !scheme.eq_ignore_ascii_case("https") {
            return Err("The URL must begin with https://, such as https://shop.example.com/opterius.".to_owned());
        }
        if rest.contains('#') {
            return Err("The URL must not have a fragment (#).".to_owned());
        }
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
        if authority.contains('@') {
            return Err(
                "The URL must not have a user name or password. Deliveries are signed: see webhook add.".to_owned()
            );
        }
        let (host, port) = host_and_port(authority)?;
        let port = match port {
            None if is_plain => 80,
            None => 443,
            Some(text) => port_number(text)?,
        };
        let literal = host.parse::<IpAddr>().ok();
        check_host(&host, literal)?;
        if is_plain && !(is_this_machine(&host, literal) && receivers == Receivers::Private) {
            return Err("The URL must begin with https://. (http:// is for a receiver on this machine, with \
                        webhook_private_targets=yes in license-server.conf.)"
                .to_owned());
        }
        if literal.is_some_and(|address| !receivers.include(address)) {
            return Err(refusal(&host));
        }
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Self { host, port, authority: authority.to_owned(), path, is_plain })
    }
}

/// Why a receiver at this address is refused.
pub(super) fn refusal(address: &str) -> String {
    format!(
        "{address} is an address of a private network, of this machine, or of none. To allow receivers in your own \
         network, set webhook_private_targets=yes in license-server.conf."
    )
}

fn is_this_machine(host: &str, literal: Option<IpAddr>) -> bool {
    host.eq_ignore_ascii_case("localhost") || literal.is_some_and(|address| address.is_loopback())
}

fn host_and_port(authority: &str) -> Result<(String, Option<&str>), String> {
    let wrong = || "The URL must have an IPv6 address in brackets, such as https://[2001:db8::1]:8443/.".to_owned();
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']').ok_or_else(wrong)?;
            host.parse::<Ipv6Addr>().map_err(|_| wrong())?;
            (host, if rest.is_empty() { None } else { Some(rest.strip_prefix(':').ok_or_else(wrong)?) })
        }
        None => authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port))),
    };
    if port.is_some_and(|port| port.contains(':')) {
        return Err(wrong());
    }
    Ok((host.to_owned(), port))
}

fn port_number(text: &str) -> Result<u16, String> {
    let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let port = text.parse::<u16>().ok().filter(|port| is_plain && *port > 0);
    port.ok_or_else(|| "The port of the URL must be a number from 1 to 65535.".to_owned())
}

/// A host name, or an address in its usual form: the C library also takes `0x7f.1` and `2130706433` for addresses.
fn check_host(host: &str, literal: Option<IpAddr>) -> Result<(), String> {
    if literal.is_some() {
        return Ok(());
    }
    let is_label = |label: &str| {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        (1..=63).contains(&label.len())
            && label.bytes().all(is_plain)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let name = host.strip_suffix('.').unwrap_or(host);
    let last = name.rsplit('.').next().unwrap_or_default();
    let is_number = last.starts_with("0x") || last.starts_with("0X") || last.bytes().all(|byte| byte.is_ascii_digit());
    if name.len() <= 253 && name.split('.').all(is_label) && !is_number {
        Ok(())
    } else {
        Err("The URL has no host name, such as shop.example.com.".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_is_a_public_https_server() {
        let parsed = Target::parse("https://Shop.example.com/hook?a=b", Receivers::Public).unwrap();
        assert_eq!((parsed.host.as_str(), parsed.port, parsed.path.as_str()), ("Shop.example.com", 443, "/hook?a=b"));
        for (url, port, path) in [
            ("https://shop.example.com", 443, "/"),
            ("https://shop.example.com:8443?x", 8443, "/?x"),
            ("https://[2a01:4f8::1]:8443/", 8443, "/"),
            ("HTTPS://93.184.216.34/", 443, "/"),
        ] {
            let parsed = Target::parse(url, Receivers::Public).expect(url);
            assert_eq!((parsed.port, parsed.path.as_str(), parsed.is_plain), (port, path, false), "{url}");
        }
    }

    #[test]
    fn other_urls_are_refused_with_a_reason() {
        let long = format!("https://shop.example.com/{}", "x".repeat(MAX_URL));
        let (scheme, private, character) = ("must begin with https://", "webhook_private_targets", "a character");
        let table = [
            ("http://shop.example.com/", scheme),
            ("http://127.0.0.1/", scheme),
            ("http://localhost/", scheme),
            ("ftp://shop.example.com/", scheme),
            ("file:///etc/passwd", scheme),
            ("gopher://shop.example.com", scheme),
            ("shop.example.com/hook", scheme),
            ("", scheme),
            ("https://user:word@shop.example.com/", "user name or password"),
            ("https://shop.example.com@10.0.0.1/", "user name or password"),
            ("https://shop.example.com/#x", "fragment"),
            ("https://shop.example.com/ x", character),
            ("https://shop.example.com/\r\nHost: x", character),
            ("https://shop.example.com\\@10.0.0.1/", character),
            ("https://müller.example/", character),
            (&long, "longer than"),
            ("https:///path", "no host name"),
            ("https://:443/", "no host name"),
            ("https://2130706433/", "no host name"),
            ("https://0x7f.1/", "no host name"),
            ("https://127.1/", "no host name"),
            ("https://0177.0.0.1/", "no host name"),
            ("https://-a.example.com/", "no host name"),
            ("https://a..example.com/", "no host name"),
            ("https://shop.example.com:0/", "from 1 to 65535"),
            ("https://shop.example.com:65536/", "from 1 to 65535"),
            ("https://shop.example.com:+443/", "from 1 to 65535"),
            ("https://::1/", "in brackets"),
            ("https://[fe80::1%eth0]/", "in brackets"),
            ("https://[::1]x/", "in brackets"),
            ("https://127.0.0.1/", private),
            ("https://[::1]/", private),
            ("https://[::ffff:169.254.169.254]/", private),
            ("https://169.254.169.254/latest/meta-data", private),
            ("https://10.0.0.1/", private),
            ("https://0.0.0.0/", private),
        ];
        for (url, expected) in table {
            let sentence = Target::parse(url, Receivers::Public).expect_err(url);
            assert!(sentence.contains(expected), "{url}: {sentence}");
            assert!(!sentence.contains("word@"), "{sentence}");
        }
    }

    #[test]
    fn the_settings_can_allow_private_receivers_and_plain_http_to_this_machine() {
        for url in ["http://127.0.0.1:8080/", "http://localhost/", "http://[::1]:8080/", "https://10.0.0.1/hook"] {
            assert!(Target::parse(url, Receivers::Private).is_ok(), "{url}");
        }
        for url in ["http://10.0.0.1/", "http://shop.example.com/", "https://0.0.0.0/", "https://224.0.0.1/"] {
            assert!(Target::parse(url, Receivers::Private).is_err(), "{url}");
        }
    }
}
