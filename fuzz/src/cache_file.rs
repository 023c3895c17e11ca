//! The cache file: a written file reads back unchanged, and a file that differs in one byte, or belongs to another key or
//! host, is refused.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use opterius_agent::license::cache::{Cached, CachedStatus, decode, encode, kept};
use opterius_base::clock::Timestamp;
use opterius_base::hex::hex;
use opterius_base::secret::Secret;
use opterius_license::identity::key_fingerprint;
use opterius_license::model::{Arrival, Denial, Grant, Record, Terms, Uptime, Verdict};
use opterius_license::outcome::{Answer, Question};
use opterius_license::signature::TrustedKeys;
use ring::hmac;
use serde_json::Value;

use super::input::{Input, with_a_changed_byte};

const KEY: &str = "AAAABBBB-CCCCDDDD";
const SERVER_ID: &str = "host";

/// Reads the input as a cache file, and also writes and reads a file with values from the input.
pub fn check(data: &[u8]) {
    in_flight(KEY, SERVER_ID, |question| {
        if decode(data, question).is_ok() {
            let ours = has_our_mac(data) || embedded_cache(data).is_some_and(|file| has_our_mac(&file));
            assert!(ours, "a file without our MAC is accepted");
        }
        if let Some(kept) = kept(data) {
            assert!(kept.len() <= 100 * 1024);
        }
    });
    written_and_changed(data);
}

/// Independent check of the MAC: the last member covers every byte before it.
fn has_our_mac(data: &[u8]) -> bool {
    let covered = data.len().saturating_sub(b",\n  \"mac\": \"\"\n}\n".len() + 64);
    let key = hmac::Key::new(hmac::HMAC_SHA256, KEY.as_bytes());
    let key = hmac::sign(&key, &[b"opterius-license-cache/v1", SERVER_ID.as_bytes()].concat());
    let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.as_ref()), &data[..covered]);
    data[covered..] == *format!(",\n  \"mac\": \"{}\"\n}}\n", hex(mac.as_ref())).as_bytes()
}

/// The file of the previous key, which has its own MAC.
fn embedded_cache(data: &[u8]) -> Option<Vec<u8>> {
    let file: Value = serde_json::from_slice(data).ok()?;
    STANDARD.decode(file["agent"]["set_aside"].as_str()?).ok()
}

/// The input is bytes that select a change, three lines of text, and the response's body.
fn written_and_changed(data: &[u8]) {
    let mut input = Input::new(data);
    let (place, bit, kind) = (input.number(), input.byte(), input.byte());
    let (at, used) = (Timestamp::from_unix(i64::try_from(input.number()).unwrap()), input.number());
    let (plan, message, reason) = (input.text(), input.text(), input.text());
    let body = input.rest();
    let terms = Terms { plan: Some(plan), max_accounts: Some(5), expires_at: Some(at), ..Terms::default() };
    let grant = Grant { terms: terms.clone(), message: message.clone(), at };
    let granted = kind & 1 == 0;
    let verdict = if granted {
        Verdict::Granted(grant)
    } else {
        let previous = (kind & 2 == 0).then_some(grant);
        Verdict::Denied(Denial { reason: reason.clone(), message: message.clone(), terms: terms.clone(), at, previous })
    };
    let used = Duration::from_secs(u64::try_from(used).unwrap());
    let uptime = Uptime { boot_id: reason.clone(), reading: used, used };
    let answer = Answer { status: 200, signature: message.clone(), body: body.to_vec(), ..Answer::default() };
    let view = CachedStatus::new(granted, (!granted).then_some(reason), message, terms);
    in_flight(KEY, SERVER_ID, |question| {
        let arrival = (kind & 16 == 0).then(|| Arrival { wall: at, boot_id: uptime.boot_id.clone() });
        let (key_sha256, server_id) = (question.key_sha256.to_owned(), SERVER_ID.to_owned());
        let record = (kind & 32 == 0).then_some(Record {
            verdict,
            arrival,
            uptime,
            key_sha256,
            server_id,
            license_server: None,
        });
        let previous_key_cache = (kind & 4 == 0 && !has_our_mac(body)).then(|| body.to_vec());
        let cached = Cached { record, answer: (kind & 8 == 0).then_some(answer), address: None, previous_key_cache };
        let bytes = encode(&view, &cached, question).expect("every value can be encoded");
        assert!(has_our_mac(&bytes));
        assert_eq!(decode(&bytes, question).as_ref(), Ok(&cached), "a written file reads back unchanged");
        assert!(serde_json::from_slice::<CachedStatus>(&bytes).is_ok_and(|read| read == view), "the Panel can read it");
        let changed = with_a_changed_byte(&bytes, place, bit).unwrap();
        assert!(decode(&changed, question).is_err(), "a changed byte is accepted");
        assert!(decode(&bytes[..place % bytes.len()], question).is_err(), "a truncated file is accepted");
        for (key, server_id) in [("AAAABBBB-CCCCDDDE", SERVER_ID), (KEY, "another host")] {
            in_flight(key, server_id, |other| {
                assert!(decode(&bytes, other).is_err(), "accepted with {key} on {server_id}")
            });
        }
    });
}

fn in_flight(key: &str, server_id: &str, read: impl FnOnce(&Question<'_>)) {
    let key = Secret::new(key.to_owned());
    let key_sha256 = key_fingerprint(&key);
    let trusted = TrustedKeys::default();
    read(&Question { key: &key, key_sha256: &key_sha256, server_id, nonce: None, trusted: &trusted });
}
