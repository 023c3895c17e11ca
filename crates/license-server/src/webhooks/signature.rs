//! The signature of a delivery: HMAC-SHA256 over `timestamp.body`, in hexadecimal.
//!
//! The time is signed too, so that a receiver can reject a delivery that was recorded and sent again.

use ring::hmac::{HMAC_SHA256, Key, sign};
use ring::rand::{SecureRandom, SystemRandom};

use opterius_base::clock::Timestamp;
use opterius_base::hex::hex;
use opterius_base::secret::Secret;

/// The header of the signature.
pub const HEADER: &str = "Opterius-Signature";

/// What every secret begins with, so that scanners for leaked secrets can find it.
const PREFIX: &str = "whsec_";

/// A new secret: 256 random bits in hexadecimal, after its prefix. The whole text is the key of the HMAC. `None` if the
/// system provides no random numbers.
pub fn new_secret() -> Option<Secret> {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).ok()?;
    Some(Secret::new(format!("{PREFIX}{}", hex(&bytes))))
}

/// The value of the header: `t=<seconds since 1970>,v1=<HMAC>`, with one `v1` for each secret.
pub fn header(secrets: &[Secret], at: Timestamp, body: &[u8]) -> String {
    let message = [format!("{}.", at.unix()).as_bytes(), body].concat();
    let signature = |secret: &Secret| {
        let key = Key::new(HMAC_SHA256, secret.expose().as_bytes());
        format!(",v1={}", hex(sign(&key, &message).as_ref()))
    };
    let signatures: String = secrets.iter().map(signature).collect();
    format!("t={}{signatures}", at.unix())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The signature was computed by OpenSSL:
    /// `printf '1800000000.{"id":"evt_1"}' | openssl dgst -sha256 -hmac whsec_test`.
    #[test]
    fn a_signature_is_that_of_another_implementation() {
        let secret = Secret::new("whsec_test".to_owned());
        let at = Timestamp::from_unix(1_800_000_000);
        let expected = "45705be2a45ab5acdd1395cc695e9e7073125385ec24194921c401dff44176f8";
        assert_eq!(
            header(std::slice::from_ref(&secret), at, br#"{"id":"evt_1"}"#),
            format!("t=1800000000,v1={expected}")
        );
        let two = header(&[secret, Secret::new("whsec_other".to_owned())], at, b"x");
        assert_eq!(two.matches(",v1=").count(), 2, "{two}");
    }

    #[test]
    fn a_secret_is_long_and_new() {
        let (one, other) = (new_secret().unwrap(), new_secret().unwrap());
        assert!(one != other && one.length() == PREFIX.len() + 64 && one.expose().starts_with(PREFIX));
    }
}
