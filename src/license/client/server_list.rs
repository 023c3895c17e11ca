//! The license servers of agent.conf: instances of one vendor, which sign with the same keys and know the same licenses.

use crate::license::client::url::ServerUrl;
use opterius_base::text::one_line;

/// The most license servers. They share the time of one check, and each needs enough of it for a handshake over a slow line.
pub const MAX_SERVERS: usize = 4;

/// The longest URL that an error quotes, in characters.
const MAX_QUOTATION: usize = 100;

/// One to four license servers, each once, in the order of agent.conf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerList {
    first: ServerUrl,
    others: Vec<ServerUrl>,
}

impl ServerList {
    /// Parses one base URL, or several that are separated by commas.
    ///
    /// # Errors
    /// What is wrong with which URL and what to write instead, as a predicate.
    pub fn parse(text: &str) -> Result<Self, String> {
        let Some((first, rest)) = text.split_once(',') else {
            if text.matches("://").count() > 1 {
                return Err("has several URLs: separate them with commas".to_owned());
            }
            return Ok(Self { first: ServerUrl::parse(text)?, others: Vec::new() });
        };
        let mut list = Self { first: Self::one(first)?, others: Vec::new() };
        for url in rest.split(',') {
            let server = Self::one(url)?;
            if list.iter().any(|other| other.is_same(&server)) {
                return Err(format!("names “{}” twice; remove one of them", quoted(url)));
            }
            list.others.push(server);
        }
        match list.count() {
            0..=MAX_SERVERS => Ok(list),
            count => Err(format!("has {count} URLs; at most {MAX_SERVERS} are possible")),
        }
    }

    fn one(url: &str) -> Result<ServerUrl, String> {
        let url = url.trim();
        if url.is_empty() {
            return Err("has no URL before, after or between commas; remove the comma that is too much".to_owned());
        }
        ServerUrl::parse(url).map_err(|fault| format!("has “{}”, which {fault}", quoted(url)))
    }

    /// The one that is configured first.
    pub fn first(&self) -> &ServerUrl {
        &self.first
    }

    /// All of them, in the order of agent.conf.
    pub fn iter(&self) -> impl Iterator<Item = &ServerUrl> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// All of them, but first the one with this base URL, if it is there: it answered last.
    pub fn beginning_with(&self, base: Option<&str>) -> Vec<&ServerUrl> {
        let (mut servers, others): (Vec<_>, Vec<_>) = self.iter().partition(|server| Some(server.base()) == base);
        servers.extend(others);
        servers
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.others.len().saturating_add(1)
    }

    /// Whether there is more than one.
    pub fn is_several(&self) -> bool {
        !self.others.is_empty()
    }

    /// Whether each of them is this machine.
    pub fn is_loopback(&self) -> bool {
        self.iter().all(ServerUrl::is_loopback)
    }
}

/// The URL as an error quotes it, without user and password.
fn quoted(url: &str) -> String {
    let begin = url.find("://").map_or(0, |place| place.saturating_add("://".len()));
    let (scheme, rest) = url.split_at_checked(begin).unwrap_or(("", url));
    let rest = rest.rsplit_once('@').map_or(rest.to_owned(), |(_, rest)| format!("…@{rest}"));
    one_line(&format!("{scheme}{rest}"), MAX_QUOTATION)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bases(servers: &[&ServerUrl]) -> Vec<String> {
        servers.iter().map(|server| server.base().to_owned()).collect()
    }

    #[test]
    fn urls_keep_their_order_and_the_one_that_answered_last_comes_first() {
        let list = ServerList::parse("https://a.example, https://b.example/base/ ,http://127.0.0.1:8").unwrap();
        let [a, b, c] = ["https://a.example", "https://b.example/base", "http://127.0.0.1:8"];
        for (last, expected) in [
            (None, [a, b, c]),
            (Some(a), [a, b, c]),
            (Some(b), [b, a, c]),
            (Some(c), [c, a, b]),
            (Some("x"), [a, b, c]),
        ] {
            assert_eq!(bases(&list.beginning_with(last)), expected, "{last:?}");
        }
        assert!(list.is_several() && !list.is_loopback());
        let single = ServerList::parse("https://a.example/").unwrap();
        assert_eq!((bases(&single.beginning_with(None)), single.count()), (vec![a.to_owned()], 1));
        assert!(!single.is_several());
        assert!(ServerList::parse("http://localhost:1,https://127.0.0.1:2").unwrap().is_loopback());
    }

    #[test]
    fn a_list_that_cannot_work_is_refused_and_names_the_url() {
        let empty = "has no URL before, after or between commas";
        let bad = [
            (
                "https://a.example,http://b.example",
                "has “http://b.example”, which must begin with https:// (http:// is",
            ),
            ("https://a.example,b.example", "has “b.example”, which must begin with https://; write https://b.example"),
            ("https://a..example,https://b.example", "has “https://a..example”, which has one dot too many"),
            (
                "https://a.example,https://u:sesame@b.example",
                "has “https://…@b.example”, which must not contain a user",
            ),
            ("https://a.example/api/license/verify,https://b.example", "must not end in /api/license/verify"),
            ("https://a.example,", empty),
            (",https://a.example", empty),
            ("https://a.example, ,https://b.example", empty),
            (",", empty),
            ("https://a.example https://b.example", "has several URLs: separate them with commas"),
            ("https://a.example,https://b.example https://c.example", "must not contain blanks"),
            ("https://a.example,https://A.example:443/", "names “https://A.example:443/” twice"),
            ("https://a.example,https://b.example,https://a.example.", "names “https://a.example.” twice"),
            ("https://a.x,https://b.x,https://c.x,https://d.x,https://e.x", "has 5 URLs; at most 4 are possible"),
        ];
        for (text, expected) in bad {
            let fault = ServerList::parse(text).unwrap_err();
            assert!(fault.contains(expected) && !fault.contains("sesame"), "{text}: {fault}");
        }
        for text in ["https://a.example,https://a.example:8443", "https://a.example/x,https://a.example/y"] {
            assert_eq!(ServerList::parse(text).unwrap().count(), 2, "{text}");
        }
        // One URL is refused in the same words as ever.
        assert_eq!(ServerList::parse("https://").unwrap_err(), ServerUrl::parse("https://").unwrap_err());
    }
}
