//! The values of SSH keys.

use serde::{Serialize, Serializer};

use crate::problem::Problem;
use crate::request::fields::Fields;
use opterius_base::secret::Secret;

/// The types of keys that an account can be given.
pub const TYPES: [&str; 6] = [
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
];

/// Longest public key, in bytes: an RSA key of 16,384 bits, the largest that OpenSSH takes, has 2,800.
const MAX_PUBLIC: usize = 4096;

/// Longest private key, in bytes.
const MAX_PRIVATE: usize = 32 * 1024;

/// Longest comment, in bytes.
const MAX_COMMENT: usize = 255;

/// The line of a public key, as in a file `id_ed25519.pub`: type, key, comment. The key may still not be one of its type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PublicKeyLine(String);

impl PublicKeyLine {
    /// Parses a line.
    ///
    /// # Errors
    /// It is not one line, or does not begin with a type and Base64.
    pub fn parse(field: &str, text: &str) -> Result<Self, Problem> {
        // A pasted line often ends with its line end.
        let line = text.trim_matches([' ', '\t', '\r', '\n']);
        let invalid = |rule: String| Err(Problem::invalid(field, rule));
        if line.len() > MAX_PUBLIC || line.contains(char::is_control) {
            return invalid(format!("must be one line of at most {MAX_PUBLIC} bytes without control characters"));
        }
        let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
        let key = rest.split(' ').next().unwrap_or_default();
        let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
        if TYPES.contains(&kind) && !key.is_empty() && key.bytes().all(is_base64) {
            return Ok(Self(line.to_owned()));
        }
        invalid(format!(
            "must be a public key as in a file such as id_ed25519.pub: type, key and comment. The type must be one of: {}. \
             Options (such as command=…) are not accepted; the account can add them to ~/.ssh/authorized_keys",
            TYPES.join(", ")
        ))
    }

    /// The line, without its end.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The fingerprint of a key, as ssh-keygen prints it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// Parses a fingerprint.
    ///
    /// # Errors
    /// It is not one of SHA-256 in Base64 without padding.
    pub fn parse(field: &str, text: &str) -> Result<Self, Problem> {
        let digest = text.strip_prefix("SHA256:").unwrap_or_default();
        let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
        if digest.len() == 43 && digest.bytes().all(is_base64) {
            return Ok(Self(text.to_owned()));
        }
        Err(Problem::invalid(field, "must be a fingerprint as ssh-keygen -l prints it: SHA256: and 43 characters"))
    }

    /// The fingerprint.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The type of a key to generate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyType {
    /// RSA.
    Rsa,
    /// Ed25519.
    Ed25519,
}

impl KeyType {
    /// Reads a type.
    ///
    /// # Errors
    /// It is missing or another one.
    pub fn parse(fields: &Fields) -> Result<Self, Problem> {
        fields.one_of("key_type", &[("rsa", Self::Rsa), ("ed25519", Self::Ed25519)])
    }

    /// The type, as ssh-keygen calls it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Rsa => "rsa",
            Self::Ed25519 => "ed25519",
        }
    }
}

/// Reads the comment of a new key, which may be empty.
///
/// # Errors
/// It is too long, or not one line.
pub fn comment(fields: &Fields) -> Result<String, Problem> {
    let field = "comment";
    let text = fields.optional_text(field)?.unwrap_or_default();
    if text.len() > MAX_COMMENT || text.contains(char::is_control) {
        let rule = format!("must be one line of at most {MAX_COMMENT} bytes without control characters");
        return Err(Problem::invalid(field, rule));
    }
    Ok(text.to_owned())
}

/// Reads a private key in PEM format, with line ends of Unix; none if it is missing or empty.
///
/// # Errors
/// It is too long or in another format.
pub fn private_key(fields: &Fields) -> Result<Option<Secret>, Problem> {
    let field = "private_key";
    let Some(text) = fields.optional_text(field)? else { return Ok(None) };
    let text = text.trim();
    let is_text = text.bytes().all(|byte| byte.is_ascii_graphic() || matches!(byte, b' ' | b'\r' | b'\n'));
    let is_key = text.starts_with("-----BEGIN ") && text.contains(" PRIVATE KEY-----") && text.ends_with("-----");
    if text.len() > MAX_PRIVATE || !is_text || !is_key {
        let rule =
            "must be empty, or a private key as in a file such as id_ed25519 (-----BEGIN OPENSSH PRIVATE KEY-----)";
        return Err(Problem::invalid(field, rule));
    }
    Ok(Some(Secret::new(format!("{}\n", text.replace("\r\n", "\n")))))
}

/// Serializes an optional secret in plain text, for the request to the helper.
///
/// # Errors
/// Errors of the serializer.
pub fn exposed<S: Serializer>(secret: &Option<Secret>, serializer: S) -> Result<S::Ok, S::Error> {
    secret.as_ref().map(Secret::expose).serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_public_key_is_one_line_without_options() {
        let parse = |text: &str| PublicKeyLine::parse("public_key", text).map(|line| line.0).ok();
        for (text, expected) in [
            ("ssh-ed25519 AAAA me@home", "ssh-ed25519 AAAA me@home"),
            (" ssh-rsa AAAA=\r\n", "ssh-rsa AAAA="),
            ("ecdsa-sha2-nistp256 A+/= ä “b”", "ecdsa-sha2-nistp256 A+/= ä “b”"),
        ] {
            assert_eq!(parse(text).as_deref(), Some(expected));
        }
        for text in [
            "",
            "ssh-ed25519",
            "ssh-ed25519 ",
            "ssh-ed25519  AAAA",
            "ssh-ed25519\tAAAA",
            "ssh-dss AAAA",
            "SSH-RSA AAAA",
            "ssh-rsa AA*A",
            "ssh-rsa AAAA\nssh-rsa BBBB",
            "ssh-rsa AAAA a\0b",
            "no-pty ssh-rsa AAAA",
            "command=\"id\" ssh-rsa AAAA",
            "# ssh-rsa AAAA",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
        assert_eq!(parse(&format!("ssh-rsa {}", "A".repeat(4096))), None);
    }

    #[test]
    fn fingerprints_comments_and_private_keys_have_their_forms() {
        let digest = "a+/9".repeat(11);
        for (text, is_valid) in [
            (format!("SHA256:{}", &digest[1..]), true),
            (format!("SHA256:{digest}"), false),
            (format!("sha256:{}", &digest[1..]), false),
            (format!("SHA256:{}=", &digest[2..]), false),
            ("MD5:00:11".to_owned(), false),
        ] {
            assert_eq!(Fingerprint::parse("fingerprint", &text).is_ok(), is_valid, "{text}");
        }
        let fields = |name: &str, text: &str| Fields::from_json(Some(json!({name: text}))).unwrap();
        for (text, is_valid) in
            [("", true), ("-me@home ä", true), ("a\nb", false), ("a\u{7f}", false), (&"x".repeat(256), false)]
        {
            assert_eq!(comment(&fields("comment", text)).is_ok(), is_valid, "{text}");
        }
        let pem = "-----BEGIN OPENSSH PRIVATE KEY-----\r\nAAAA\r\n-----END OPENSSH PRIVATE KEY-----";
        let key = private_key(&fields("private_key", pem)).ok().flatten().unwrap();
        assert!(key.expose().ends_with("KEY-----\n") && !key.expose().contains('\r'));
        assert!(private_key(&fields("private_key", "")).is_ok_and(|key| key.is_none()));
        for text in
            ["x", "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----", &format!("{pem}\0"), &format!("{pem} x")]
        {
            assert!(private_key(&fields("private_key", text)).is_err(), "{text}");
        }
    }
}
