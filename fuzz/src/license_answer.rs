//! Responses of the license server: only a literal `true` with a limit grants, and a denial never becomes valid by itself.

use std::time::Duration;

use opterius_base::clock::{Now, Timestamp};
use opterius_base::secret::Secret;
use opterius_license::model::{Denial, Grant, Record, Terms, Verdict};
use opterius_license::outcome::{self, Answer, MAX_BODY, Outcome, Question};
use opterius_license::signature::TrustedKeys;
use opterius_license::standing::{Evidence, GRACE, standing};
use serde_json::{Value, json};

use super::input::Input;

const KEY: &str = "AAAABBBB-CCCCDDDD";
const BOOT: &str = "boot";
/// Statuses that can carry a verdict, and some that cannot.
const STATUSES: [u16; 16] = [200, 201, 204, 299, 300, 302, 400, 401, 403, 404, 409, 410, 422, 429, 500, 503];

/// The input is a byte for the status, two bytes for a time, and the body.
pub fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let status = STATUSES[usize::from(input.byte()) % STATUSES.len()];
    let moment = Duration::from_secs(60 * u64::try_from(input.number()).unwrap());
    let body = input.rest();
    let key = Secret::new(KEY.to_owned());
    let question = Question { key: &key, key_sha256: "", server_id: "", nonce: None, trusted: &TrustedKeys::default() };
    let answer = Answer { status, body: body.to_vec(), ..Answer::default() };
    let outcome = outcome::read(&answer, &question).outcome;
    assert_eq!(outcome::read(&answer, &question).outcome, outcome);

    let value = serde_json::from_slice::<Value>(body).unwrap_or_default();
    let at = Timestamp::from_unix(1_777_636_800);
    match outcome {
        Outcome::Granted { terms, message } => {
            assert!((200..=299).contains(&status) && value["valid"] == Value::Bool(true) && body.len() <= MAX_BODY);
            let limit = ["max_accounts", "max_domains"].iter().find_map(|name| value[name].as_u64());
            assert_eq!(terms.max_accounts, Some(limit.expect("a grant has a limit")));
            check_texts(&terms, &message, "");
            near_misses(&value, |body| outcome::read(&Answer { body, ..answer.clone() }, &question).outcome);
            granted(Grant { terms, message, at }, moment);
        }
        Outcome::Denied { reason, message, terms } => {
            assert_eq!(value["valid"], Value::Bool(false));
            assert!(!matches!(status, 300..=400 | 429 | 500..), "HTTP {status} cannot deny");
            check_texts(&terms, &message, &reason);
            assert!(!reason.is_empty() && !message.is_empty());
            denied(Denial { reason, message, terms, at, previous: None }, moment);
        }
        Outcome::Inconclusive(failure) => {
            assert!(!failure.cause.is_empty());
            let definite = status == 200 && body.len() <= MAX_BODY && value["valid"] == Value::Bool(false);
            assert!(!definite, "a definite denial was ignored: {failure}");
        }
    }
}

/// Near misses of a grant are not verdicts: a `valid` that is not the literal, or an invalid limit.
fn near_misses(granted: &Value, read: impl Fn(Vec<u8>) -> Outcome) {
    let yes = [json!(1), json!("true"), json!([true]), json!({}), Value::Null].map(|value| json!({"valid": value}));
    let limits =
        [json!("5"), json!(-1), json!(5.5), json!(true), json!([])].map(|value| json!({"max_accounts": value}));
    let none = json!({"max_accounts": null, "max_domains": null});
    for change in yes.into_iter().chain(limits).chain([none]) {
        let mut near = granted.clone();
        let (near, change) = (near.as_object_mut().unwrap(), change.as_object().unwrap());
        near.extend(change.clone());
        let outcome = read(serde_json::to_vec(near).unwrap());
        assert!(matches!(outcome, Outcome::Inconclusive(_)), "{change:?} became {outcome:?}");
    }
}

/// Checks the stored texts of a response, which appear in the log, the status and the Panel's page.
fn check_texts(terms: &Terms, message: &str, reason: &str) {
    let billing = &terms.billing;
    let short = [&terms.plan, &billing.subscription_status, &billing.current_period_end];
    // Lowercasing can turn one character into three.
    let short = short.into_iter().flatten().map(|text| (text.as_str(), 3 * 64));
    for (text, limit) in short.chain([(message, 500), (reason, 64)]) {
        assert!(text.chars().count() <= limit && !text.chars().any(char::is_control), "{text:?}");
        assert!(!text.to_ascii_lowercase().contains(&KEY.to_ascii_lowercase()), "the key is in {text:?}");
    }
}

/// A grant is valid until it expires, or for 48 hours without the server.
fn granted(grant: Grant, moment: Duration) {
    let (at, expires_at) = (grant.at, grant.terms.expires_at);
    let record = record(Verdict::Granted(grant));
    for (confirmed, passed) in [(true, moment), (false, moment), (false, Duration::ZERO), (true, Duration::ZERO)] {
        let now = Now { wall: at.plus(passed), boot: passed };
        let valid = standing(&evidence(&record, confirmed), now).is_valid();
        let is_over = expires_at.is_some_and(|end| now.wall >= end);
        assert_eq!(valid, !is_over && (confirmed || passed < GRACE), "{passed:?} after the grant, {confirmed}");
    }
}

/// A denial is effective at every time, also after an earlier grant.
fn denied(denial: Denial, moment: Duration) {
    let at = denial.at;
    let terms = Terms { max_accounts: Some(0), ..Terms::default() };
    let previous = Grant { terms, message: String::new(), at: at.plus(moment) };
    let after_grant = Denial { previous: Some(previous), ..denial.clone() };
    for verdict in [denial, after_grant].map(Verdict::Denied) {
        let record = record(verdict);
        for wall in [at, at.plus(moment), at.minus(moment)] {
            for confirmed in [true, false] {
                let standing = standing(&evidence(&record, confirmed), Now { wall, boot: moment });
                assert!(!standing.is_valid(), "a denial became {standing:?}");
            }
        }
    }
}

fn record(verdict: Verdict) -> Record {
    let now = Now { wall: verdict.at(), boot: Duration::ZERO };
    Record::new(verdict, BOOT, now, String::new(), String::new())
}

fn evidence(record: &Record, confirmed: bool) -> Evidence<'_> {
    Evidence { has_key: true, record: Some(record), confirmed, failure: None, boot_id: BOOT }
}
