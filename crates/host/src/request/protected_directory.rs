//! Directories of a site that ask visitors for a password.

use serde::{Deserialize, Serialize};

use crate::nginx::MAX_LOCATION;
use crate::problem::Problem;
use crate::request::fields::Fields;
use crate::request::values::exposed;
use opterius_base::secret::Secret;

/// Longest path, in bytes. Slashes come before and after it.
const MAX_PATH: usize = MAX_LOCATION - 2;

/// Longest name of a visitor, in bytes.
const MAX_NAME: usize = 64;

/// Longest label, in characters.
const MAX_LABEL: usize = 100;

/// The highest cost of bcrypt. The web server computes the hash at every request, also with a wrong password, for 3 ms at this
/// cost, and serves no other visitor meanwhile: 60 requests at a cost of 12 stopped all sites for 24 s.
const MAX_COST: u8 = 6;

/// A directory below the document root, without slashes at its ends.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct DirectoryPath(String);

impl DirectoryPath {
    /// Parses a path.
    ///
    /// # Errors
    /// It is not a plain path.
    pub fn parse(field: &str, text: &str) -> Result<Self, Problem> {
        let path = text.trim_matches('/');
        let is_name = |name: &str| {
            !matches!(name, "" | "." | "..")
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        };
        if path.len() > MAX_PATH || !path.split('/').all(is_name) {
            let rule = format!(
                "must be a directory below the site's document root, such as private/files: names of letters, digits, dots, \
                 underscores and hyphens, at most {MAX_PATH} characters"
            );
            return Err(Problem::invalid(field, rule));
        }
        Ok(Self(path.to_owned()))
    }

    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for DirectoryPath {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse("path", &text).map_err(|problem| problem.message())
    }
}

/// What browsers show when they ask for the password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label(String);

impl Label {
    /// The label of this text, without characters that the header cannot contain. The word `off` would switch the protection
    /// off.
    pub fn of(text: &str) -> Self {
        let kept = text.chars().filter(|sign| !sign.is_control() && !matches!(sign, '"' | '\\' | '$'));
        let label: String = kept.take(MAX_LABEL).collect();
        match label.trim() {
            "" | "off" => Self("Restricted Area".to_owned()),
            label => Self(label.to_owned()),
        }
    }

    /// The label.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A visitor who may enter a directory.
#[derive(Serialize)]
pub struct Visitor {
    /// The name.
    pub username: String,
    /// The hash of the password.
    #[serde(serialize_with = "exposed")]
    pub password_hash: Secret,
}

impl Visitor {
    /// Parses an entry of `users`.
    ///
    /// # Errors
    /// A member is missing, or is not a name or a hash that nginx understands.
    pub fn parse(fields: &Fields) -> Result<Self, Problem> {
        let username = fields.text("username")?;
        let is_sign = |byte: u8| byte.is_ascii_alphanumeric() || b"._-@+".contains(&byte);
        if !(1..=MAX_NAME).contains(&username.len()) || !username.bytes().all(is_sign) {
            let rule = format!("must have 1 to {MAX_NAME} characters: letters, digits, and . _ - @ +");
            return Err(Problem::invalid("username", rule));
        }
        let hash = fields.text("password_hash")?;
        if hash.starts_with('*') {
            let rule = "is no hash of a password: whatever computed it does not know the method that it was asked for. \
                        PHP's crypt() has no apr1; password_hash() computes bcrypt, which is accepted with the option cost => 5";
            return Err(Problem::invalid("password_hash", rule));
        }
        if !is_bcrypt(hash) && !is_apr1(hash) {
            let rule = format!(
                "must be a hash by Apache's MD5 ($apr1$…), or by bcrypt ($2y$…) of a cost of 4 to {MAX_COST}, such as htpasswd -B \
                     computes: the web server computes it at every request, while all other visitors wait"
            );
            return Err(Problem::invalid("password_hash", rule));
        }
        Ok(Self { username: username.to_owned(), password_hash: Secret::new(hash.to_owned()) })
    }
}

fn is_base64(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'/'))
}

fn is_bcrypt(hash: &str) -> bool {
    let rest = ["$2a$", "$2b$", "$2y$"].iter().find_map(|start| hash.strip_prefix(start));
    let Some((cost, rest)) = rest.and_then(|rest| rest.split_once('$')) else { return false };
    let is_number = cost.len() == 2 && cost.bytes().all(|byte| byte.is_ascii_digit());
    let is_cost = is_number && cost.parse::<u8>().is_ok_and(|cost| (4..=MAX_COST).contains(&cost));
    is_cost && rest.len() == 53 && is_base64(rest)
}

fn is_apr1(hash: &str) -> bool {
    let Some((salt, digest)) = hash.strip_prefix("$apr1$").and_then(|rest| rest.split_once('$')) else { return false };
    (1..=8).contains(&salt.len()) && digest.len() == 22 && is_base64(salt) && is_base64(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hashes_that_nginx_understands_are_accepted() {
        let digest = "a./".repeat(20);
        let (long, short) = (digest.get(..53).unwrap(), digest.get(..22).unwrap());
        let table = [
            (format!("$2y$05${long}"), true),
            (format!("$2a$04${long}"), true),
            (format!("$2b$06${long}"), true),
            (format!("$apr1$saltsalt${short}"), true),
            (format!("$apr1$s${short}"), true),
            ("*0".to_owned(), false),
            ("*1".to_owned(), false),
            (String::new(), false),
            ("secret".to_owned(), false),
            ("{PLAIN}secret".to_owned(), false),
            (format!("$2x$05${long}"), false),
            (format!("$2y$07${long}"), false),
            (format!("$2y$10${long}"), false),
            (format!("$2y$31${long}"), false),
            (format!("$2y$03${long}"), false),
            (format!("$2y$+5${long}"), false),
            (format!("$2y$05${long}a"), false),
            (format!("$2y$05${long}\nroot:x"), false),
            (format!("$apr1$${short}"), false),
            (format!("$apr1$saltsalts${short}"), false),
            (format!("$apr1$salt${short}:"), false),
            (format!("$1$saltsalt${short}"), false),
        ];
        for (hash, expected) in table {
            let body = serde_json::json!({"username": "visitor", "password_hash": hash});
            let fields = Fields::from_json(Some(body)).unwrap();
            assert_eq!(Visitor::parse(&fields).is_ok(), expected, "{hash:?}");
        }
    }

    #[test]
    fn a_path_is_plain_and_a_label_never_switches_protection_off() {
        for (text, expected) in [
            ("secret", Some("secret")),
            ("/a/b.c/", Some("a/b.c")),
            (".hidden", Some(".hidden")),
            ("", None),
            ("/", None),
            ("a//b", None),
            ("../x", None),
            ("a/./b", None),
            ("a b", None),
            ("a\"b", None),
            ("a(b", None),
        ] {
            let path = DirectoryPath::parse("path", text).ok();
            assert_eq!(path.as_ref().map(DirectoryPath::as_str), expected, "{text}");
        }
        for (text, expected) in [
            ("Members", "Members"),
            ("off", "Restricted Area"),
            (" off ", "Restricted Area"),
            ("\"off\"", "Restricted Area"),
            ("", "Restricted Area"),
            ("a\"b\\c$d\ne", "abcde"),
        ] {
            assert_eq!(Label::of(text).as_str(), expected);
        }
    }
}
