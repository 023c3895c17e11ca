//! Signed answers: Ed25519 over the exact bytes of the body, in the header `Opterius-Signature`.
//!
//! The header has one or more `keyid="…", ed25519="<base64>"`, so that a vendor can rotate keys without locking out Agents
//! that have only one of them. The caller learns which trusted key matched, so that an Agent can warn that its keys are
//! outdated.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{ED25519, UnparsedPublicKey};

/// The prefix of the signed bytes, which keeps signatures from other protocols from being valid here.
pub const CONTEXT: &[u8] = b"opterius-license-verify/v1\n";

/// The name of the signature header.
pub const HEADER: &str = "opterius-signature";

/// The most signatures checked: more is not a key rotation but an attempt to waste CPU time.
const MAX_SIGNATURES: usize = 8;

/// The public keys that can sign an answer, the current one first. Empty: answers need no signature.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedKeys(Vec<[u8; 32]>);

/// The trusted key that signed an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignedBy {
    /// The first of the trusted keys.
    CurrentKey,
    /// Another trusted key: after the vendor's next rotation, this Agent may trust none of the vendor's keys.
    OlderKey,
}

impl TrustedKeys {
    /// Parses Base64 keys of 32 bytes, separated by commas or whitespace, the current one first.
    ///
    /// # Errors
    /// A sentence that quotes the invalid key.
    pub fn parse(text: &str) -> Result<Self, String> {
        let words = text.split([',', ' ', '\t', '\n']).filter(|word| !word.is_empty());
        let keys: Result<Vec<[u8; 32]>, String> = words
            .map(|word| {
                let bytes = STANDARD.decode(word).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
                bytes.ok_or_else(|| format!("“{word}” is not an Ed25519 public key (Base64 of 32 bytes)"))
            })
            .collect();
        keys.map(Self)
    }

    /// Whether no key is trusted, so that answers need no signature.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The trusted key that signed `body`, if any.
    pub fn verify(&self, header: &str, body: &[u8]) -> Option<SignedBy> {
        let message = [CONTEXT, body].concat();
        let signatures = signatures(header);
        let signed = |key: &[u8; 32]| {
            let key = UnparsedPublicKey::new(&ED25519, key);
            signatures.iter().any(|signature| key.verify(&message, signature).is_ok())
        };
        let (current, older) = self.0.split_first()?;
        if signed(current) {
            Some(SignedBy::CurrentKey)
        } else {
            older.iter().any(signed).then_some(SignedBy::OlderKey)
        }
    }
}

/// The values of all `ed25519="…"` members of the header. `keyid` is only for human readers: every trusted key is tried,
/// so a wrong `keyid` cannot change the result.
fn signatures(header: &str) -> Vec<Vec<u8>> {
    header
        .split([',', ';'])
        .filter_map(|member| member.trim().strip_prefix("ed25519=\"")?.strip_suffix('"'))
        .take(MAX_SIGNATURES)
        .filter_map(|value| STANDARD.decode(value).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::signature::{Ed25519KeyPair, KeyPair};

    fn key(seed: u8) -> Ed25519KeyPair {
        Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap()
    }

    fn trusted(keys: &[&Ed25519KeyPair]) -> TrustedKeys {
        let words: Vec<String> = keys.iter().map(|key| STANDARD.encode(key.public_key().as_ref())).collect();
        TrustedKeys::parse(&words.join(", ")).unwrap()
    }

    fn member(key: &Ed25519KeyPair, body: &[u8]) -> String {
        let signature = key.sign(&[CONTEXT, body].concat());
        format!("keyid=\"k\", ed25519=\"{}\"", STANDARD.encode(signature.as_ref()))
    }

    #[test]
    fn one_valid_signature_by_a_trusted_key_is_required_and_sufficient() {
        let (current, older, stranger) = (key(1), key(2), key(3));
        let keys = trusted(&[&current, &older]);
        let body = br#"{"valid":true}"#;
        let both = format!("{}, {}", member(&stranger, body), member(&older, body));
        let table = [
            (member(&current, body), Some(SignedBy::CurrentKey)),
            (member(&older, body), Some(SignedBy::OlderKey)),
            (both, Some(SignedBy::OlderKey)),
            (format!("{}; {}", member(&older, body), member(&current, body)), Some(SignedBy::CurrentKey)),
            (member(&stranger, body), None),
            (member(&current, br#"{"valid":true} "#), None),
            (String::new(), None),
            ("ed25519=\"\"".to_owned(), None),
            ("ed25519=\"AAAA\"".to_owned(), None),
        ];
        for (header, expected) in table {
            assert_eq!(keys.verify(&header, body), expected, "{header}");
        }
        assert_eq!(TrustedKeys::default().verify(&member(&current, body), body), None);
    }

    #[test]
    fn a_signature_without_the_context_is_rejected() {
        let current = key(1);
        let body = br#"{"valid":true}"#;
        let header = format!("ed25519=\"{}\"", STANDARD.encode(current.sign(body).as_ref()));
        assert_eq!(trusted(&[&current]).verify(&header, body), None);
    }

    #[test]
    fn every_changed_byte_of_body_or_signature_is_detected() {
        let current = key(1);
        let keys = trusted(&[&current]);
        let body = br#"{"valid":false,"reason":"expired"}"#.to_vec();
        let header = member(&current, &body);
        for index in 0..body.len() {
            let mut changed = body.clone();
            changed[index] ^= 1;
            assert_eq!(keys.verify(&header, &changed), None, "byte {index} of the body");
        }
        let value = header.find("ed25519").unwrap() + "ed25519=\"".len();
        for index in value..header.len() - 1 {
            let mut changed = header.clone().into_bytes();
            changed[index] = if changed[index] == b'A' { b'B' } else { b'A' };
            assert_eq!(keys.verify(&String::from_utf8(changed).unwrap(), &body), None, "byte {index} of the header");
        }
    }

    #[test]
    fn an_invalid_key_is_quoted() {
        assert!(TrustedKeys::parse("AAAA").unwrap_err().contains("AAAA"));
        assert!(TrustedKeys::parse("").unwrap().is_empty());
    }
}
