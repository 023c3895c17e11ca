//! Paths and addresses of redirects.

use serde::{Deserialize, Serialize, Serializer};

use crate::nginx::MAX_LOCATION;
use crate::problem::Problem;
use opterius_base::percent;

/// Longest path, in bytes after decoding.
const MAX_PATH: usize = MAX_LOCATION;

/// Longest address, in bytes.
const MAX_ADDRESS: usize = 2048;

/// The most dollar signs of an address: nginx can only write one through a variable, whose name is longer.
const MAX_DOLLARS: usize = 40;

/// The characters of an address besides letters and digits (RFC 3986, section 2).
const ADDRESS_SIGNS: &[u8] = b"-._~:/?#[]@!$&'()*+,;=%";

/// The path of requests, decoded and normalized as nginx compares it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct RequestPath(String);

impl RequestPath {
    /// Parses a path, as it is in an address: percent-encoded, or typed as it is.
    ///
    /// # Errors
    /// It is not the path of a request.
    pub fn parse(field: &str, text: &str) -> Result<Self, Problem> {
        let refuse = |rule: &str| Err(Problem::invalid(field, rule));
        if !text.starts_with('/') {
            return refuse("must be a path that starts with a slash, such as /old-page");
        }
        if text.contains(['?', '#']) {
            return refuse("must be a path alone, without ? and #: redirects apply to a path, whatever its query");
        }
        let Some(decoded) = percent::decode(text) else {
            return refuse("must be UTF-8, with only two hexadecimal digits after a percent sign (%25 for the sign)");
        };
        if decoded.contains(char::is_control) || decoded.len() > MAX_PATH {
            return refuse(&format!("must have at most {MAX_PATH} bytes and no control characters"));
        }
        if decoded.split('/').any(|name| matches!(name, "." | "..")) {
            return refuse("must not contain . or .. as a name: no request arrives with such a path");
        }
        // nginx merges slashes before it compares.
        let mut path = String::with_capacity(decoded.len());
        for sign in decoded.chars() {
            if sign != '/' || !path.ends_with('/') {
                path.push(sign);
            }
        }
        Ok(Self(path))
    }

    /// The path as nginx compares it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for RequestPath {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse("path", &text).map_err(|problem| problem.message())
    }
}

impl Serialize for RequestPath {
    /// Percent-encoded, so that it parses as the same path.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&percent::encode(&self.0, b"-._~/"))
    }
}

/// The address to which a visitor is redirected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Address(String);

impl Address {
    /// Parses an address of HTTP or HTTPS, or a path of the same site. Characters that no address has are encoded as browsers
    /// do it.
    ///
    /// # Errors
    /// It is something else.
    pub fn parse(field: &str, text: &str) -> Result<Self, Problem> {
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let is_address = match rest {
            Some(rest) => !rest.starts_with(['/', '?', '#']) && !rest.is_empty(),
            // Browsers read // and /\ as the start of a host.
            None => text.starts_with('/') && !text.starts_with("//") && !text.starts_with("/\\"),
        };
        if !is_address || text.contains(char::is_control) {
            let rule = "must be an address that starts with http:// or https://, or a path that starts with a slash";
            return Err(Problem::invalid(field, rule));
        }
        let address = percent::encode(text, ADDRESS_SIGNS);
        if address.len() > MAX_ADDRESS || address.matches('$').count() > MAX_DOLLARS {
            let rule = format!("must have at most {MAX_ADDRESS} bytes and {MAX_DOLLARS} dollar signs (%24)");
            return Err(Problem::invalid(field, rule));
        }
        Ok(Self(address))
    }

    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The host and the path; no host for a path of the same site.
    pub fn host_and_path(&self) -> (Option<&str>, &str) {
        let before = |text: &'_ str| text.find(['?', '#']).unwrap_or(text.len());
        let Some((_, rest)) = self.0.split_once("://") else {
            return (None, self.0.get(..before(&self.0)).unwrap_or_default());
        };
        let rest = rest.get(..before(rest)).unwrap_or_default();
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let host = authority.rsplit('@').next().unwrap_or_default();
        (Some(host.split(':').next().unwrap_or_default()), path)
    }
}

impl TryFrom<String> for Address {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse("address", &text).map_err(|problem| problem.message())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_compared_as_nginx_does() {
        let table = [
            ("/", Some("/")),
            ("/old", Some("/old")),
            ("/a%20b", Some("/a b")),
            ("/a b", Some("/a b")),
            ("/%C3%BC", Some("/ü")),
            ("/ü", Some("/ü")),
            ("//a///b/", Some("/a/b/")),
            ("/a%2Fb", Some("/a/b")),
            ("/100%25", Some("/100%")),
            ("/$host\"{};'\\", Some("/$host\"{};'\\")),
            ("/a%3Fb%23c", Some("/a?b#c")),
            ("", None),
            ("old", None),
            ("https://a.example/", None),
            ("/a?b", None),
            ("/a#b", None),
            ("/100%", None),
            ("/%zz", None),
            ("/%+1", None),
            ("/%ff", None),
            ("/a\nb", None),
            ("/%00", None),
            ("/a/../b", None),
            ("/a/%2e", None),
        ];
        for (text, expected) in table {
            let path = RequestPath::parse("source_path", text).ok();
            assert_eq!(path.as_ref().map(RequestPath::as_str), expected, "{text}");
            if let Some(path) = path {
                let written = serde_json::to_string(&path).unwrap();
                assert_eq!(serde_json::from_str::<RequestPath>(&written).unwrap(), path);
            }
        }
        assert!(RequestPath::parse("source_path", &format!("/{}", "a".repeat(MAX_PATH))).is_err());
    }

    #[test]
    fn addresses_keep_their_bytes_or_are_encoded_as_browsers_do() {
        let table = [
            ("https://a.example/x?y=$1&z=%20#f", Some("https://a.example/x?y=$1&z=%20#f")),
            ("http://a.example", Some("http://a.example")),
            ("/new", Some("/new")),
            ("https://a.example/\"; }\\ü x", Some("https://a.example/%22;%20%7D%5C%C3%BC%20x")),
            ("//b.example/", None),
            ("/\\b.example/", None),
            ("https://", None),
            ("https:///x", None),
            ("javascript:alert(1)", None),
            ("ftp://a.example/", None),
            ("HTTPS://a.example/", None),
            ("https://a.example/\nX: y", None),
            ("", None),
        ];
        for (text, expected) in table {
            let address = Address::parse("destination", text).ok();
            assert_eq!(address.as_ref().map(Address::as_str), expected, "{text}");
        }
        assert!(Address::parse("destination", &format!("/{}", "$".repeat(MAX_DOLLARS + 1))).is_err());
        let parts = |text: &str| {
            let address = Address::parse("x", text).unwrap();
            let (host, path) = address.host_and_path();
            (host.map(str::to_owned), path.to_owned())
        };
        assert_eq!(parts("https://u@a.example:81/x.png?y"), (Some("a.example".to_owned()), "/x.png".to_owned()));
        assert_eq!(parts("http://a.example?y=/z.png"), (Some("a.example".to_owned()), String::new()));
        assert_eq!(parts("/x.png#y"), (None, "/x.png".to_owned()));
    }
}
