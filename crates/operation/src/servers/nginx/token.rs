//! The token of a site's file: a page that only this machine can ask for, and by which the helper recognizes that nginx
//! serves exactly this file.
//!
//! It is a digest of the file and its certificate, so it changes with both, and the same state has the same token. The page
//! contains another value, which no other server knows, however it answers unknown pages.

use std::fmt::Write;

use ring::digest::{Context, SHA256};

use opterius_base::hex::hex;

/// The start of the page's path. Without a token, it is never passed on to a tenant's scripts, which could pretend.
pub const PATH: &str = "/.well-known/opterius-agent/";

/// The length of a token, in characters.
const LENGTH: usize = 32;

/// What stands for the token in a file whose token is not known yet.
pub const PLACEHOLDER: &str = "00000000000000000000000000000000";

/// The token of these bytes.
pub fn of(parts: &[&[u8]]) -> String {
    let mut digest = Context::new(&SHA256);
    for part in parts {
        digest.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        digest.update(part);
    }
    let mut token = hex(digest.finish().as_ref());
    token.truncate(LENGTH);
    token
}

/// The content of a token's page.
pub fn answer(token: &str) -> String {
    of(&[token.as_bytes(), b"answer"])
}

/// Writes the locations of a server block that answer for a token. A real client's address is used: behind a proxy, others
/// could claim to be this machine. `allow` and `deny` would not protect a `return`.
pub fn write(text: &mut String, token: &str) {
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        "    location = {PATH}{token} {{\n        access_log off;\n        default_type text/plain;\n        \
         if ($realip_remote_addr !~ \"^(127\\.|::1$)\") {{\n            return 404;\n        }}\n        return 200 {answer};\n    }}\n    \
         location ^~ {PATH} {{\n        return 404;\n    }}\n\n",
        answer = answer(token),
    );
}

/// Replaces the placeholder in a file by its token.
pub fn insert(text: &str, token: &str) -> String {
    let locations = |token: &str| {
        let mut written = String::new();
        write(&mut written, token);
        written
    };
    text.replace(&locations(PLACEHOLDER), &locations(token))
}

/// The token in a site's file, if it has one.
pub fn find(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once(&format!("location = {PATH}"))?;
    let token = rest.get(..LENGTH)?;
    token.bytes().all(|byte| byte.is_ascii_hexdigit()).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_found_in_its_file_and_depends_on_all_parts() {
        let token = of(&[b"a", b"bc"]);
        assert_eq!((token.len(), PLACEHOLDER.len()), (LENGTH, LENGTH));
        assert_ne!(token, of(&[b"ab", b"c"]));
        let mut text = String::from("server {\n");
        write(&mut text, &token);
        assert_eq!(find(&text), Some(token.as_str()));
        let mut placeholder = String::from("server {\n");
        write(&mut placeholder, PLACEHOLDER);
        assert_eq!(insert(&placeholder, &token), text);
        assert!(text.contains(&answer(&token)) && answer(&token) != token);
        assert_eq!(find("location = /.well-known/opterius-agent/xyz"), None);
    }
}
