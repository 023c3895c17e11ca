//! One-time passwords from the time (TOTP, RFC 6238): SHA-1, steps of 30 seconds, 6 digits, as every authenticator app
//! makes them.

use ring::hmac::{HMAC_SHA1_FOR_LEGACY_USE_ONLY, Key, sign};
use zeroize::Zeroizing;

use crate::random_token;
use crate::store::Error;
use opterius_base::clock::Timestamp;
use opterius_base::percent;
use opterius_base::secret::Secret;

/// The length of a time step in seconds.
const STEP: i64 = 30;

/// How many steps a clock may be early or late.
const DRIFT: i64 = 1;

/// The length of a code in digits.
pub const DIGITS: usize = 6;

/// The length of a secret in bytes, that of a SHA-1 (RFC 4226, section 4).
pub const SECRET: usize = 20;

/// The secret of a second factor.
#[derive(Clone, PartialEq, Eq)]
pub struct TotpSecret(Zeroizing<[u8; SECRET]>);

impl TotpSecret {
    /// A new secret.
    ///
    /// # Errors
    /// The system provides no random numbers.
    pub fn generate() -> Result<Self, Error> {
        let mut bytes = Zeroizing::new([0; SECRET]);
        random_token::fill(bytes.as_mut_slice())?;
        Ok(Self(bytes))
    }

    /// The secret with these bytes; `None` if there are not [`SECRET`] of them.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self(Zeroizing::new(bytes.try_into().ok()?)))
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        self.0.as_slice()
    }

    /// The secret in Base32, as apps accept it.
    pub fn base32(&self) -> Secret {
        Secret::new(base32(self.bytes()))
    }

    /// The code of a time step.
    pub fn code(&self, step: i64) -> String {
        let hash = sign(&Key::new(HMAC_SHA1_FOR_LEGACY_USE_ONLY, self.bytes()), &step.to_be_bytes());
        // The last four bits say where the four bytes of the code begin (RFC 4226, section 5.3).
        let offset = usize::from(hash.as_ref().last().copied().unwrap_or_default() & 0x0f);
        let bytes = hash.as_ref().get(offset..).and_then(|rest| rest.first_chunk::<4>()).copied().unwrap_or_default();
        let number = u32::from_be_bytes(bytes) & 0x7fff_ffff;
        format!("{:0width$}", number % 1_000_000, width = DIGITS)
    }

    /// The time step of this code around `now`; `None` if it is wrong. The caller refuses steps that were used.
    pub fn step_of(&self, code: &str, now: Timestamp) -> Option<i64> {
        let code: String = code.chars().filter(|character| !character.is_whitespace()).collect();
        let current = now.unix().div_euclid(STEP);
        let steps = current.saturating_sub(DRIFT)..=current.saturating_add(DRIFT);
        // All are compared: the time must not tell which of them was nearly right.
        steps.fold(
            None,
            |found, step| {
                if is_equal(self.code(step).as_bytes(), code.as_bytes()) { Some(step) } else { found }
            },
        )
    }

    /// The URI that apps read from a QR code. The name is encoded.
    pub fn uri(&self, issuer: &str, name: &str) -> Secret {
        let (issuer, name) = (encode(issuer), encode(name));
        let secret = self.base32();
        Secret::new(format!(
            "otpauth://totp/{issuer}:{name}?secret={}&issuer={issuer}&algorithm=SHA1&digits={DIGITS}&period={STEP}",
            secret.expose()
        ))
    }
}

/// The last time step whose code is accepted at `now`.
pub fn last_step(now: Timestamp) -> i64 {
    now.unix().div_euclid(STEP).saturating_add(DRIFT)
}

/// Compares in constant time.
fn is_equal(left: &[u8], right: &[u8]) -> bool {
    let differs = left.iter().zip(right).fold(0, |differs, (left, right)| differs | (left ^ right));
    left.len() == right.len() && differs == 0
}

/// Base32 of RFC 4648 without padding.
pub fn base32(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let bits: Vec<bool> = bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1 == 1)).collect();
    let letter = |bits: &[bool]| {
        let value = (0..5).fold(0, |value, index| value << 1 | usize::from(bits.get(index).copied().unwrap_or(false)));
        ALPHABET.get(value).copied().map_or('A', char::from)
    };
    bits.chunks(5).map(letter).collect()
}

/// Percent-encodes for a URI.
fn encode(text: &str) -> String {
    percent::encode(text, b"-._~")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret() -> TotpSecret {
        TotpSecret::from_bytes(b"12345678901234567890").unwrap()
    }

    #[test]
    fn codes_are_those_of_the_rfc() {
        // RFC 6238, appendix B, SHA-1; the last six of its eight digits.
        for (at, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(secret().code(at / 30), code, "{at}");
        }
        // RFC 4226, appendix D.
        let codes: Vec<String> = (0..10).map(|step| secret().code(step)).collect();
        let expected =
            ["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"];
        assert_eq!(codes, expected);
    }

    #[test]
    fn a_code_is_good_for_its_step_and_its_neighbours() {
        let at = |seconds| Timestamp::from_unix(seconds);
        let code = secret().code(1000);
        for (seconds, expected) in
            [(29_969, None), (29_970, Some(1000)), (30_000, Some(1000)), (30_059, Some(1000)), (30_060, None)]
        {
            assert_eq!(secret().step_of(&code, at(seconds)), expected, "{seconds}");
        }
        let (left, right) = code.split_at(3);
        assert_eq!(secret().step_of(&format!(" {left} {right}\n"), at(30_000)), Some(1000));
        for wrong in ["", "0", &code[..5], &format!("{code}0"), "ａ", "-00001"] {
            assert_eq!(secret().step_of(wrong, at(30_000)), None, "{wrong}");
        }
    }

    #[test]
    fn base32_is_that_of_the_rfc() {
        // RFC 4648, section 10.
        for (bytes, text) in
            [("", ""), ("f", "MY"), ("fo", "MZXQ"), ("foo", "MZXW6"), ("foob", "MZXW6YQ"), ("fooba", "MZXW6YTB")]
        {
            assert_eq!(base32(bytes.as_bytes()), text);
        }
        assert_eq!(secret().base32().expose(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
    }

    #[test]
    fn a_name_cannot_change_the_uri() {
        let uri = secret().uri("Opterius Licenses", "a&secret=x#é/");
        let expected = "otpauth://totp/Opterius%20Licenses:a%26secret%3Dx%23%C3%A9%2F?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\
                        &issuer=Opterius%20Licenses&algorithm=SHA1&digits=6&period=30";
        assert_eq!(uri.expose(), expected);
    }
}
