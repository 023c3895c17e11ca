//! The body of `POST /api/license/verify`: stored fields respect their limits, and the Agent trusts every response to
//! its own request, with the verdict that was sent, and no other response.

use std::sync::LazyLock;

use opterius_base::clock::Timestamp;
use opterius_base::secret::Secret;
use opterius_http::response::Response;
use opterius_license::identity::key_fingerprint;
use opterius_license::license_key::{beginning, stored_form};
use opterius_license::outcome::{self, Answer, Failure, FailureClass, Outcome};
use opterius_license::signature::{HEADER, TrustedKeys};
use opterius_license_server::keys::SigningKeys;
use opterius_license_server::model::{Billing, License, Plan, Status};
use opterius_license_server::rules::{Decision, Denial};
use opterius_license_server::verification::{self, Malformed, Question, Repeated};
use serde_json::Value;

static KEYS: LazyLock<SigningKeys> = LazyLock::new(|| SigningKeys::generate("fuzz", NOW).ok().unwrap());
static TRUSTED: LazyLock<TrustedKeys> = LazyLock::new(|| TrustedKeys::parse(&KEYS.public_keys()).unwrap());

const NOW: Timestamp = Timestamp::from_unix(1_777_636_800);

/// The input is a body. The Agent reads the responses to it.
pub fn check(data: &[u8]) {
    let question = match verification::read(data) {
        Ok(question) => question,
        Err(malformed) => return check_refusal(&malformed),
    };
    check_question(&question, data);
    let license = License {
        id: 1,
        key: question.key.clone(),
        owner: 1,
        owner_name: "alice".to_owned(),
        plan: Plan { slug: "free".to_owned(), name: "Free".to_owned(), max_accounts: 5, max_servers: 1 },
        status: Status::Active,
        expires_at: None,
        locked_ip: None,
        billing: Billing { subscription_status: None, cancel_at_period_end: None, current_period_end: None },
        reference: None,
        note: String::new(),
        labels: Vec::new(),
        suspension_reason: None,
        is_trial: false,
        last_check_at: None,
        created_at: NOW,
        revision: 1,
    };
    let granted = (license.clone(), Decision::Granted);
    let denied = (license, Decision::Denied(Denial::Suspended));
    for (verdict, reason) in [(Some(&granted), None), (Some(&denied), Some("suspended")), (None, Some("invalid_key"))] {
        let response = verification::answer(&question, verdict, NOW, &KEYS);
        assert_eq!(response.status, if reason.is_none() { 200 } else { 403 });
        check_outcome(understood(&response, &question), reason, &question);
        let other = Question {
            repeated: Repeated { nonce: Some("of another request".into()), ..question.repeated.clone() },
            ..question.clone()
        };
        if other.repeated != question.repeated {
            let Outcome::Inconclusive(failure) = understood(&response, &other) else {
                panic!("a response to another request is trusted")
            };
            assert_eq!(failure.class, FailureClass::Untrusted);
        }
    }
}

/// The Agent reads the decision. An Agent that did not identify itself trusts no response.
fn check_outcome(outcome: Outcome, reason: Option<&str>, question: &Question) {
    match (outcome, reason) {
        (Outcome::Inconclusive(failure), _) => {
            assert!(failure.class == FailureClass::Untrusted && question.repeated.server_id.is_none(), "{failure}");
        }
        (Outcome::Granted { terms, .. }, None) => assert_eq!(terms.max_accounts, Some(5)),
        // A short key can be part of the reason and is masked there.
        (Outcome::Denied { reason: read, .. }, Some(reason)) => {
            assert!(read == reason || question.key.length() < 16, "{reason} was read as {read}");
        }
        (read, reason) => panic!("{reason:?} was read as {read:?}"),
    }
}

fn check_question(question: &Question, data: &[u8]) {
    let object: Value = serde_json::from_slice(data).expect("a request is JSON");
    // The key stays as it was sent, because the response has its fingerprint; the stored form is one for all spellings.
    let key = question.key.expose();
    assert!(!key.is_empty() && object["key"] == *key);
    let stored = stored_form(key);
    assert_eq!(stored_form(&stored), stored, "the stored form of {key:?} changes again");
    if let Some(own) = beginning(key) {
        let is_canonical = |character: char| matches!(character, 'A'..='Z' | '2'..='7' | '-');
        assert!(own.len() <= 35 && own.chars().all(is_canonical), "{key:?} begins {own:?}");
        assert!(own.len() < 35 || own == stored, "{key:?} is stored as {stored:?}, but begins {own:?}");
    }
    let details = &question.details;
    let texts = [&details.hostname, &details.agent_version, &details.panel_version, &details.os, &details.server_id];
    for text in texts.into_iter().flatten() {
        assert!((1..=128).contains(&text.chars().count()) && !text.contains(char::is_control), "{text:?}");
    }
    for (name, repeated) in [("nonce", &question.repeated.nonce), ("server_id", &question.repeated.server_id)] {
        assert_eq!(object[name].as_str(), repeated.as_deref());
        assert!(repeated.as_ref().is_none_or(|text| text.len() <= 256));
    }
    if let Some(address) = question.reported_ip {
        assert_eq!(address, address.to_canonical());
    }
}

/// An error is not a verdict for any Agent.
fn check_refusal(malformed: &Malformed) {
    let Malformed { code, message, repeated } = malformed;
    let response = verification::error(400, (code, message), repeated, None, NOW, &KEYS);
    let body: Value = serde_json::from_slice(&response.body).unwrap();
    assert!(body["error"] == **code && body.get("valid").is_none());
    let key = Secret::new("AAAABBBB-CCCCDDDD".to_owned());
    let outcome = read(&response, &key, repeated);
    assert!(matches!(outcome, Outcome::Inconclusive(Failure { class: FailureClass::Http, .. })), "{outcome:?}");
}

fn understood(response: &Response, question: &Question) -> Outcome {
    read(response, &question.key, &question.repeated)
}

/// Reads the response like the Agent that sent the request. An Agent without a server id trusts no response.
fn read(response: &Response, key: &Secret, repeated: &Repeated) -> Outcome {
    let signature = response.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(HEADER)).unwrap().1.clone();
    let answer = Answer { status: response.status, signature, body: response.body.to_vec(), ..Answer::default() };
    let key_sha256 = key_fingerprint(key);
    let question = outcome::Question {
        key,
        key_sha256: &key_sha256,
        server_id: repeated.server_id.as_deref().unwrap_or_default(),
        nonce: repeated.nonce.as_deref(),
        trusted: &TRUSTED,
    };
    outcome::read(&answer, &question).outcome
}
