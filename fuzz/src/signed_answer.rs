//! Signed responses: only the exact bytes that the vendor signed are trusted, and only if they are for this request,
//! this key and this host.

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use opterius_base::secret::Secret;
use opterius_license::identity::key_fingerprint;
use opterius_license::outcome::{self, Answer, FailureClass, MAX_BODY, Outcome, Question};
use opterius_license::signature::{CONTEXT, SignedBy, TrustedKeys};
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::Value;

use super::input::{Input, with_a_changed_byte};

const SERVER_ID: &str = "host";
const NONCE: &str = "nonce";

static VENDOR: LazyLock<Ed25519KeyPair> = LazyLock::new(|| Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap());
static TRUSTED: LazyLock<TrustedKeys> =
    LazyLock::new(|| TrustedKeys::parse(&STANDARD.encode(VENDOR.public_key())).unwrap());

/// The input is three bytes that select a change, a line with an arbitrary signature header, and a body.
pub fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let (place, bit) = (input.number(), input.byte());
    let foreign = input.text();
    let body = input.rest();
    let value = signature(body);
    let header = |value: &str| format!("keyid=\"k\", ed25519=\"{value}\"");

    if !foreign.contains(&value) {
        assert_eq!(TRUSTED.verify(&foreign, body), None, "a signature that the vendor did not make");
    }
    assert_eq!(TRUSTED.verify(&header(&value), body), Some(SignedBy::CurrentKey));
    if let Some(changed) = with_a_changed_byte(body, place, bit) {
        assert_eq!(TRUSTED.verify(&header(&value), &changed), None, "a changed byte of the body");
    }
    let changed = with_a_changed_byte(value.as_bytes(), place, bit).and_then(|bytes| String::from_utf8(bytes).ok());
    if let Some(changed) = changed {
        assert_eq!(TRUSTED.verify(&header(&changed), body), None, "a changed byte of the signature");
    }
    read(body, &header(&value), &foreign);
}

/// Checks how the Agent reads the body, signed and unsigned.
fn read(body: &[u8], header: &str, foreign: &str) {
    let key = Secret::new("AAAABBBB-CCCCDDDD".to_owned());
    let key_sha256 = key_fingerprint(&key);
    let question =
        Question { key: &key, key_sha256: &key_sha256, server_id: SERVER_ID, nonce: Some(NONCE), trusted: &TRUSTED };
    let answer = |body: &[u8], signature: &str| {
        let answer = Answer { status: 200, signature: signature.to_owned(), body: body.to_vec(), ..Answer::default() };
        outcome::read(&answer, &question)
    };
    let parsed = answer(body, header);
    if !matches!(parsed.outcome, Outcome::Inconclusive(_)) {
        assert!(body.len() <= MAX_BODY);
        assert_eq!(parsed.signed_by, Some(SignedBy::CurrentKey));
        // Validly signed, but for another request, key or host.
        for (name, own) in [("nonce", NONCE), ("key_sha256", &key_sha256), ("server_id", SERVER_ID)] {
            let mut other: Value = serde_json::from_slice(body).expect("a verdict is JSON");
            assert_eq!(other[name], own, "the verdict is not for this request");
            other[name] = "other".into();
            let other = serde_json::to_vec(&other).unwrap();
            let header = format!("ed25519=\"{}\"", signature(&other));
            assert_class(answer(&other, &header).outcome, FailureClass::Untrusted);
        }
    }
    if TRUSTED.verify(foreign, body).is_none() && body.len() <= MAX_BODY {
        let value = serde_json::from_slice::<Value>(body).unwrap_or_default();
        let in_form = value.as_object().is_some_and(|object| object.contains_key("valid"));
        let class = if in_form { FailureClass::Untrusted } else { FailureClass::Malformed };
        assert_class(answer(body, foreign).outcome, class);
    }
}

fn assert_class(outcome: Outcome, class: FailureClass) {
    let Outcome::Inconclusive(failure) = outcome else { panic!("trusted: {outcome:?}") };
    assert_eq!(failure.class, class);
}

fn signature(body: &[u8]) -> String {
    STANDARD.encode(VENDOR.sign(&[CONTEXT, body].concat()))
}
