//! The cookies of the dashboard: names, parsing and attributes.

use opterius_base::hex::unhex;
use opterius_http::head::Head;

/// The cookies of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Cookies {
    /// Whether the client's connection is encrypted.
    pub(super) encrypted: bool,
    /// The session token.
    pub(super) session: Option<String>,
    /// The token of a browser that is not signed in, which the sign-in form is bound to.
    pub(super) visitor: Option<String>,
    /// The signed result message of the last form.
    pub(super) flash: Option<String>,
}

/// A kind of cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cookie {
    Session,
    Visitor,
    Flash,
}

impl Cookie {
    /// The name. With the `__Host-` prefix, browsers accept the cookie only over HTTPS and only from this host.
    const fn name(self, encrypted: bool) -> &'static str {
        match (self, encrypted) {
            (Self::Session, true) => "__Host-opterius_session",
            (Self::Session, false) => "opterius_session",
            (Self::Visitor, true) => "__Host-opterius_visitor",
            (Self::Visitor, false) => "opterius_visitor",
            (Self::Flash, true) => "__Host-opterius_flash",
            (Self::Flash, false) => "opterius_flash",
        }
    }
}

impl Cookies {
    /// The cookies in this request head.
    pub(super) fn read(head: &Head<'_>, encrypted: bool) -> Self {
        let texts: Vec<&str> = head.all("cookie").filter_map(|value| str::from_utf8(value).ok()).collect();
        Self::parse(&texts, encrypted)
    }

    fn parse(texts: &[&str], encrypted: bool) -> Self {
        let value = |cookie: Cookie| {
            let pairs = texts.iter().flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
            let mut values = pairs.filter(|(name, _)| *name == cookie.name(encrypted)).map(|(_, value)| value);
            // Ignore duplicates: one of them may have been planted by another site.
            values.next().filter(|_| values.next().is_none()).map(str::to_owned)
        };
        Self {
            encrypted,
            session: value(Cookie::Session).filter(|token| is_token(token)),
            visitor: value(Cookie::Visitor).filter(|token| is_token(token)),
            flash: value(Cookie::Flash),
        }
    }

    /// The `Set-Cookie` value; without `seconds`, a session cookie.
    pub(super) fn set(&self, cookie: Cookie, value: &str, seconds: Option<u64>) -> String {
        let age = seconds.map_or(String::new(), |seconds| format!("; Max-Age={seconds}"));
        let secure = if self.encrypted { "; Secure" } else { "" };
        format!("{}={value}; Path=/; HttpOnly; SameSite=Strict{age}{secure}", cookie.name(self.encrypted))
    }

    /// The `Set-Cookie` value that deletes the cookie.
    pub(super) fn clear(&self, cookie: Cookie) -> String {
        self.set(cookie, "", Some(0))
    }
}

/// Whether the text is a well-formed token: 32 bytes in hexadecimal.
fn is_token(text: &str) -> bool {
    text.len() == 64 && unhex(text.as_bytes()).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_well_formed_unique_cookie_is_accepted() {
        let token = "0123456789abcdef".repeat(4);
        let session = |texts: &[String], encrypted| {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            Cookies::parse(&texts, encrypted).session
        };
        let plain = format!("opterius_session={token}");
        let prefixed = format!("__Host-opterius_session={token}");
        let table = [
            (vec![plain.clone()], false, true),
            (vec![format!("a=b; {plain};c=d")], false, true),
            (vec!["a=b".to_owned(), plain.clone()], false, true),
            (vec![prefixed.clone()], true, true),
            (vec![plain.clone()], true, false),
            (vec![prefixed], false, false),
            (vec![format!("{plain}; {plain}")], false, false),
            (vec![format!("{plain}0")], false, false),
            (vec![plain.to_uppercase()], false, false),
            (vec!["opterius_session=".to_owned()], false, false),
            (vec![], false, false),
        ];
        for (texts, encrypted, expected) in table {
            assert_eq!(session(&texts, encrypted).is_some(), expected, "{texts:?} {encrypted}");
        }
    }

    #[test]
    fn cookies_are_httponly_and_same_site() {
        let cookies = |encrypted| Cookies { encrypted, ..Cookies::default() };
        assert_eq!(
            cookies(false).set(Cookie::Session, "x", Some(60)),
            "opterius_session=x; Path=/; HttpOnly; SameSite=Strict; Max-Age=60"
        );
        assert_eq!(
            cookies(true).set(Cookie::Visitor, "x", None),
            "__Host-opterius_visitor=x; Path=/; HttpOnly; SameSite=Strict; Secure"
        );
        assert!(cookies(true).clear(Cookie::Session).contains("=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0"));
    }
}
