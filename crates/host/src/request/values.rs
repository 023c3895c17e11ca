//! Values of requests: types that hold nothing else than what their rule allows.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

use crate::problem::Problem;
use opterius_base::secret::Secret;

/// The longest name of a user, as shadow-utils has it.
const MAX_USERNAME: usize = 32;
/// The longest domain (RFC 1035 §2.3.4), less the dot at its end.
const MAX_DOMAIN: usize = 253;
/// The longest document root, far below the system's limit of 4096.
const MAX_PATH: usize = 1024;

/// A domain name in lower case, in the form that the DNS has it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Domain(String);

impl Domain {
    /// Reads a domain.
    ///
    /// # Errors
    /// It is not one.
    pub fn parse(field: &str, text: &str) -> Result<Self, Problem> {
        if !text.is_ascii() {
            let rule = "must be written in the letters of the DNS; write an international name as it is there (xn--…)";
            return Err(Problem::invalid(field, rule));
        }
        let name = text.to_ascii_lowercase();
        let labels: Vec<&str> = name.split('.').collect();
        let is_label = |label: &&str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        let last_is_a_word = labels.last().is_some_and(|label| label.bytes().any(|byte| byte.is_ascii_lowercase()));
        if name.len() > MAX_DOMAIN || labels.len() < 2 || !labels.iter().all(is_label) || !last_is_a_word {
            let rule = format!(
                "must be a domain such as example.com: labels of letters, digits and hyphens between dots, at most \
                 {MAX_DOMAIN} characters"
            );
            return Err(Problem::invalid(field, rule));
        }
        Ok(Self(name))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Domain {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse("domain", &text).map_err(|problem| problem.message())
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// The name of an account's user.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Username(String);

impl Username {
    /// Reads a username. Whether the system has such a user already is another question.
    ///
    /// # Errors
    /// It is not one.
    pub fn parse(field: &str, text: &str) -> Result<Self, Problem> {
        let first = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
        let further = |byte: u8| first(byte) || byte.is_ascii_digit() || byte == b'-';
        let mut bytes = text.bytes();
        let is_name = bytes.next().is_some_and(first) && bytes.all(further) && text.len() <= MAX_USERNAME;
        if !is_name {
            let rule = format!(
                "must begin with a lower-case letter or an underscore, go on with those, digits and hyphens, and have at \
                 most {MAX_USERNAME} characters"
            );
            return Err(Problem::invalid(field, rule));
        }
        Ok(Self(text.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Username {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse("username", &text).map_err(|problem| problem.message())
    }
}

impl fmt::Display for Username {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Where a site's files are: a directory below the account's home.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DocumentRoot(String);

impl DocumentRoot {
    /// Reads the document root of a site of `username`.
    ///
    /// # Errors
    /// It is not a plain path below the home.
    pub fn parse(field: &str, text: &str, username: &Username) -> Result<Self, Problem> {
        let home = format!("/home/{username}/");
        let is_name = |name: &str| {
            (1..=255).contains(&name.len())
                && !name.starts_with('.')
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
        };
        let below = text.strip_prefix(&home).map(|below| below.strip_suffix('/').unwrap_or(below));
        match below.filter(|below| text.len() <= MAX_PATH && below.split('/').all(is_name)) {
            Some(below) => Ok(Self(format!("{home}{below}"))),
            None => Err(Problem::invalid(
                field,
                format!(
                    "must be a directory below {home}, whose names have letters, digits, dots, underscores and hyphens \
                     and do not begin with a dot, with at most {MAX_PATH} characters in all"
                ),
            )),
        }
    }

    /// The way from the home, without a slash at either end.
    pub fn from_home(&self) -> &str {
        // Behind /home/ and the name.
        self.0.splitn(4, '/').nth(3).unwrap_or_default()
    }
}

/// A version of PHP, such as 8.4.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct PhpVersion(String);

impl PhpVersion {
    /// Reads a version.
    ///
    /// # Errors
    /// It is not one.
    pub fn parse(field: &str, text: &str) -> Result<Self, Problem> {
        let digits = |part: &str| (1..=2).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
        match text.split_once('.') {
            Some((major, minor)) if digits(major) && digits(minor) => Ok(Self(text.to_owned())),
            _ => Err(Problem::invalid(field, "must be a PHP version such as 8.4")),
        }
    }

    /// The version.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for PhpVersion {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse("php_version", &text).map_err(|problem| problem.message())
    }
}

impl fmt::Display for PhpVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// An e-mail address, for the certificate authority's warnings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Email(String);

impl Email {
    /// Reads an address.
    ///
    /// # Errors
    /// It is not one.
    pub fn parse(field: &str, text: &str) -> Result<Self, Problem> {
        let wrong = || Problem::invalid(field, "must be an e-mail address such as admin@example.com");
        let (local, domain) = text.rsplit_once('@').ok_or_else(wrong)?;
        let sign = |byte: u8| byte.is_ascii_alphanumeric() || b".!#%&'*+/=?^_{|}~-".contains(&byte);
        if !(1..=64).contains(&local.len()) || !local.bytes().all(sign) || local.starts_with('-') {
            return Err(wrong());
        }
        let domain = Domain::parse(field, domain).map_err(|_| wrong())?;
        Ok(Self(format!("{local}@{domain}")))
    }

    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Writes a secret as the text that it is, for the one reader that has to have it: the helper.
///
/// # Errors
/// The serializer's own.
pub fn exposed<S: Serializer>(secret: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose())
}

/// Reads a password for a system user: what `chpasswd` can take as one line.
///
/// # Errors
/// It is too short, too long, or has characters that no line can have.
pub fn password(field: &str, text: &str) -> Result<Secret, Problem> {
    let length = text.chars().count();
    if !(8..=255).contains(&length) || text.chars().any(char::is_control) {
        return Err(Problem::invalid(field, "must have 8 to 255 characters and no control characters"));
    }
    Ok(Secret::new(text.to_owned()))
}

#[cfg(test)]
#[path = "values_tests.rs"]
mod tests;
