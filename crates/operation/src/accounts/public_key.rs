//! Public keys of SSH, in lines of authorized_keys (sshd(8)) and in the format of RFC 4253 §6.6.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use ring::digest::{SHA256, digest};

use opterius_host::request::ssh_key::TYPES;

/// Further types that sshd may read and an account is not given.
const FURTHER_TYPES: [&str; 2] = ["sk-ecdsa-sha2-nistp256@openssh.com", "ssh-dss"];

/// The fewest bits of an RSA key that is imported.
const MIN_RSA_BITS: usize = 2048;

/// A public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    /// The type.
    pub kind: String,
    /// The key in binary form.
    pub blob: Vec<u8>,
    /// The comment, as bytes of any kind.
    pub comment: Vec<u8>,
    /// Whether there are options before it.
    pub has_options: bool,
}

impl PublicKey {
    /// Parses a line of authorized_keys as sshd does, for whom it ends at a zero byte; none if it has no key.
    pub fn parse(line: &[u8]) -> Option<Self> {
        let line = line.split(|byte| *byte == 0).next().unwrap_or_default();
        let line = skip_blanks(line.strip_suffix(b"\n").unwrap_or(line));
        if line.starts_with(b"#") {
            return None;
        }
        Self::without_options(line).or_else(|| {
            let key = Self::without_options(skip_blanks(after_options(line)))?;
            Some(Self { has_options: true, ..key })
        })
    }

    fn without_options(line: &[u8]) -> Option<Self> {
        let (kind, rest) = word(line);
        let kind = TYPES.iter().chain(&FURTHER_TYPES).find(|name| name.as_bytes() == kind)?;
        let (encoded, comment) = word(skip_blanks(rest));
        let encoded = encoded.strip_suffix(b"\r").unwrap_or(encoded);
        let blob = STANDARD.decode(encoded).ok()?;
        let (inner, _) = string(&blob)?;
        let comment = skip_blanks(comment).trim_ascii_end().to_vec();
        (inner == kind.as_bytes()).then(|| Self { kind: (*kind).to_owned(), blob, comment, has_options: false })
    }

    /// The fingerprint that ssh-keygen prints.
    pub fn fingerprint(&self) -> String {
        format!("SHA256:{}", STANDARD_NO_PAD.encode(digest(&SHA256, &self.blob)))
    }

    /// Checks that the key has the parts of its type, and is long enough.
    ///
    /// # Errors
    /// The rest of a sentence about the key.
    pub fn check(&self) -> Result<(), String> {
        let parts = strings(&self.blob);
        let damaged = || Err(format!("is damaged: its content is not that of a key of type {}", self.kind));
        let Some([_, parts @ ..]) = parts.as_deref() else { return damaged() };
        match (self.kind.as_str(), parts) {
            ("ssh-ed25519", [key]) if key.len() == 32 => Ok(()),
            ("sk-ssh-ed25519@openssh.com", [key, application]) if key.len() == 32 && !application.is_empty() => Ok(()),
            ("ssh-rsa", [exponent, modulus]) if !exponent.is_empty() => match bits(modulus) {
                length if length < MIN_RSA_BITS => {
                    Err(format!("is an RSA key of {length} bits; at least {MIN_RSA_BITS} are needed"))
                }
                _ => Ok(()),
            },
            (kind, [curve, point]) => {
                let is_named = kind.strip_prefix("ecdsa-sha2-").is_some_and(|name| name.as_bytes() == *curve);
                if is_named && point.starts_with(&[4]) { Ok(()) } else { damaged() }
            }
            _ => damaged(),
        }
    }
}

/// The bits of a positive number in two's complement.
fn bits(number: &[u8]) -> usize {
    let digits = number.get(number.iter().take_while(|byte| **byte == 0).count()..).unwrap_or_default();
    let unused = digits.first().map_or(0, |byte| byte.leading_zeros());
    digits.len().saturating_mul(8).saturating_sub(usize::try_from(unused).unwrap_or(0))
}

/// All strings of a key; none if something else is in it.
fn strings(mut bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let (one, rest) = string(bytes)?;
        found.push(one);
        bytes = rest;
    }
    Some(found)
}

/// The first string (RFC 4251 §5), and what follows it.
pub fn string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

fn is_blank(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

fn skip_blanks(text: &[u8]) -> &[u8] {
    text.get(text.iter().take_while(|byte| is_blank(byte)).count()..).unwrap_or_default()
}

/// The text up to the first blank, and the rest.
fn word(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(is_blank).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, &[]))
}

/// What follows the options, which end at the first blank outside of quotes.
fn after_options(line: &[u8]) -> &[u8] {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let end = line.iter().position(|byte| {
        let is_end = !is_quoted && is_blank(byte);
        is_quoted ^= *byte == b'"' && !is_escaped;
        is_escaped = *byte == b'\\' && !is_escaped;
        is_end
    });
    end.and_then(|end| line.get(end..)).unwrap_or_default()
}

#[cfg(test)]
#[path = "public_key_tests.rs"]
mod tests;
