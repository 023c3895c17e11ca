//! Validated types for the values of requests.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

use crate::problem::Problem;
use opterius_base::secret::Secret;

/// Longest username that shadow-utils accepts.
const MAX_USERNAME: usize = 32;
/// Longest domain (RFC 1035 §2.3.4), without the trailing dot.
const MAX_DOMAIN: usize = 253;
/// Longest document root, well below the system's limit of 4096.
const MAX_PATH: usize = 1024;

/// A lowercase domain name in ASCII form.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Domain(String);

impl Domain {
    /// Parses a domain.
    ///
    /// # Errors
    /// It is not a valid domain.
    pub fn parse(field: &str, text: &str) -> Result<Self, Problem> {
        if !text.is_ascii() {
            let rule = "must be in ASCII; write an international domain in its xn--… form";
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
                "must be a domain such as example.com: labels of letters, digits and hyphens, separated by dots, at most \
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

/// The username of an account.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Username(String);

impl Username {
    /// Parses a username. Does not check whether the user exists.
    ///
    /// # Errors
    /// It is not a valid username.
    pub fn parse(field: &str, text: &str) -> Result<Self, Problem> {
        let first = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
        let further = |byte: u8| first(byte) || byte.is_ascii_digit() || byte == b'-';
        let mut bytes = text.bytes();
        let is_name = bytes.next().is_some_and(first) && bytes.all(further) && text.len() <= MAX_USERNAME;
        if !is_name {
            let rule = format!(
                "must start with a lowercase letter or underscore, contain only lowercase letters, digits, underscores and \
                 hyphens, and have at most {MAX_USERNAME} characters"
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

/// The directory of a site's files, below the account's home.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DocumentRoot(String);

impl DocumentRoot {
    /// Parses the document root of a site that belongs to `username`.
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
                    "must be a directory below {home} of at most {MAX_PATH} characters, whose names consist of letters, \
                     digits, dots, underscores and hyphens and do not start with a dot"
                ),
            )),
        }
    }

    /// The path relative to the home, without a slash at either end.
    pub fn from_home(&self) -> &str {
        // What follows /home/USERNAME/.
        self.0.splitn(4, '/').nth(3).unwrap_or_default()
    }
}

/// A version of PHP, such as 8.4.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct PhpVersion(String);

impl PhpVersion {
    /// Parses a version.
    ///
    /// # Errors
    /// It is not of the form 8.4.
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

/// An email address, for warnings from the certificate authority.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Email(String);

impl Email {
    /// Parses an address.
    ///
    /// # Errors
    /// It is not a valid email address.
    pub fn parse(field: &str, text: &str) -> Result<Self, Problem> {
        let wrong = || Problem::invalid(field, "must be an email address such as admin@example.com");
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

/// Serializes a secret in plain text, for the request to the helper.
///
/// # Errors
/// Errors of the serializer.
pub fn exposed<S: Serializer>(secret: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose())
}

/// Validates a password for a system user, which must fit in one line of input for `chpasswd`.
///
/// # Errors
/// It is too short, too long, or contains control characters.
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
