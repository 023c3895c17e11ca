//! Random tokens, and values signed with the server's secret: CSRF tokens and flash messages.

use ring::hmac::{self, Key};

use super::page_error::PageError;
use crate::random_token;
use opterius_base::hex::{hex, unhex};

/// The purpose of a signature, so that a signature for one purpose is invalid for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The sign-in form of a visitor.
    SignIn,
    /// Any form of a session.
    Form,
    /// A flash message of a session.
    Flash,
    /// What connects the two steps of signing in.
    SecondStep,
    /// The secret of a second factor that is being enrolled.
    Enrolment,
    /// The form of a link with which a user sets a password.
    SetPassword,
}

impl Purpose {
    const fn as_str(self) -> &'static str {
        match self {
            Self::SignIn => "sign-in",
            Self::Form => "form",
            Self::Flash => "flash",
            Self::SecondStep => "second-step",
            Self::Enrolment => "enrolment",
            Self::SetPassword => "set-password",
        }
    }
}

/// 32 random bytes in hexadecimal.
pub(super) fn random() -> Result<String, PageError> {
    Ok(random_token::random()?)
}

/// The hash of a session token for the database, which cannot be used to sign in.
pub(super) fn token_sha256(token: &str) -> String {
    random_token::sha256(token)
}

/// The CSRF token for the holder of this cookie.
pub(super) fn sign(key: &Key, purpose: Purpose, cookie: &str) -> String {
    hex(hmac::sign(key, &message(purpose, cookie, "")).as_ref())
}

/// Whether this is the CSRF token for the holder of this cookie, in constant time.
pub(super) fn is_signed(key: &Key, purpose: Purpose, cookie: &str, token: &str) -> bool {
    unhex(token.as_bytes()).is_some_and(|tag| hmac::verify(key, &message(purpose, cookie, ""), &tag).is_ok())
}

/// A signed message as a cookie value, for this session.
pub(super) fn seal(key: &Key, session: &str, sentence: &str) -> String {
    seal_for(Purpose::Flash, key, session, sentence)
}

/// Text that the holder of this cookie can give back, but not change.
pub(super) fn seal_for(purpose: Purpose, key: &Key, cookie: &str, sentence: &str) -> String {
    let tag = hmac::sign(key, &message(purpose, cookie, sentence));
    format!("{}.{}", hex(sentence.as_bytes()), hex(tag.as_ref()))
}

/// The message in such a cookie, if the signature is valid.
pub(super) fn unseal(key: &Key, session: &str, sealed: &str) -> Option<String> {
    unseal_for(Purpose::Flash, key, session, sealed)
}

/// What [`seal_for`] sealed, if the signature is valid.
pub(super) fn unseal_for(purpose: Purpose, key: &Key, session: &str, sealed: &str) -> Option<String> {
    let (sentence, tag) = sealed.split_once('.')?;
    let sentence = String::from_utf8(unhex(sentence.as_bytes())?).ok()?;
    hmac::verify(key, &message(purpose, session, &sentence), &unhex(tag.as_bytes())?).ok()?;
    Some(sentence)
}

/// The cookie always has 64 characters, so the parts cannot be shifted.
fn message(purpose: Purpose, cookie: &str, text: &str) -> Vec<u8> {
    [purpose.as_str(), "\0", cookie, "\0", text].concat().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_for_one_purpose_and_one_cookie() {
        let key = Key::new(hmac::HMAC_SHA256, &[7; 32]);
        let token = sign(&key, Purpose::Form, "cookie");
        assert!(is_signed(&key, Purpose::Form, "cookie", &token));
        let other = Key::new(hmac::HMAC_SHA256, &[8; 32]);
        assert!(!is_signed(&other, Purpose::Form, "cookie", &token));
        assert!(!is_signed(&key, Purpose::SignIn, "cookie", &token));
        assert!(!is_signed(&key, Purpose::Form, "another", &token));
        for wrong in ["", "00", "zz", &token.replacen(|_| true, "x", 1), &format!("{token}00")] {
            assert!(!is_signed(&key, Purpose::Form, "cookie", wrong), "{wrong}");
        }
    }

    #[test]
    fn a_flash_message_is_valid_only_for_its_session() {
        let key = Key::new(hmac::HMAC_SHA256, &[7; 32]);
        let sealed = seal(&key, "session", "License 7 is suspended – ä.");
        assert_eq!(unseal(&key, "session", &sealed).as_deref(), Some("License 7 is suspended – ä."));
        assert_eq!(unseal(&key, "another", &sealed), None);
        let (_, tag) = sealed.split_once('.').unwrap();
        for wrong in ["", ".", "41.", &format!("41.{tag}"), &sealed.to_uppercase()] {
            assert_eq!(unseal(&key, "session", wrong), None, "{wrong}");
        }
    }
}
