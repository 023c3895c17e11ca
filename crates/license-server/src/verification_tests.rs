use super::*;
use crate::model::{Plan, Status};
use crate::rules::Denial;
use opterius_license::outcome::{self, Answer as Received, Outcome};
use opterius_license::signature::TrustedKeys;

const NOW: Timestamp = Timestamp::from_unix(1_772_323_200);
const KEY: &str = "AAAAAAAA-BBBBBBBB-CCCCCCCC-DDDDDDDD";

fn license() -> License {
    License {
        id: 1,
        key: Secret::new(KEY.to_owned()),
        owner: 1,
        owner_name: "alice".to_owned(),
        plan: Plan { slug: "business".into(), name: "Business".into(), max_accounts: 100, max_servers: 5 },
        status: Status::Active,
        expires_at: Some(Timestamp::from_unix(1_803_859_200)),
        locked_ip: None,
        billing: Billing::default(),
        reference: None,
        note: String::new(),
        labels: Vec::new(),
        suspension_reason: None,
        is_trial: false,
        last_check_at: None,
        created_at: NOW,
        revision: 1,
    }
}

fn text(response: &Response) -> String {
    String::from_utf8(response.body.to_vec()).unwrap()
}

#[test]
fn a_request_is_parsed_or_the_error_says_what_is_wrong() {
    let good =
        read(br#"{"key":"K","server_ip":"::ffff:203.0.113.5","hostname":"a\nb\u200b\u202e","nonce":"n","extra":[1]}"#)
            .ok()
            .unwrap();
    assert_eq!(good.key.expose(), "K");
    assert_eq!(good.reported_ip, Some([203, 0, 113, 5].into()));
    assert_eq!(good.details.hostname.as_deref(), Some("a b"), "no control or invisible characters are stored");
    assert_eq!(good.repeated.nonce.as_deref(), Some("n"));
    for (address, expected) in [("null", None), (r#""""#, None), (r#""2a01:4f8::1""#, Some("2a01:4f8::1"))] {
        let question = read(format!(r#"{{"key":"K","server_ip":{address}}}"#).as_bytes()).ok().unwrap();
        assert_eq!(question.reported_ip.map(|ip| ip.to_string()).as_deref(), expected);
    }
    let table: [(&str, &str, &str); 13] = [
        ("", "empty_request", "reachable"),
        ("x", "bad_request", "not JSON"),
        ("[1]", "bad_request", "not an object"),
        ("\"key\"", "bad_request", "not an object"),
        ("{}", "validation_failed", "“key” is missing"),
        (r#"{"key":null}"#, "validation_failed", "“key” is missing"),
        (r#"{"key":""}"#, "validation_failed", "“key” is empty"),
        (r#"{"key":5}"#, "validation_failed", "“key” is not a string"),
        (r#"{"key":"K","server_ip":"localhost"}"#, "validation_failed", "“server_ip” is not an IP address"),
        (r#"{"key":"K","server_ip":"203.0.113.5:80"}"#, "validation_failed", "“server_ip”"),
        (r#"{"key":"K","server_ip":7}"#, "validation_failed", "“server_ip” is not a string"),
        (r#"{"key":"K","hostname":["a"]}"#, "validation_failed", "“hostname” is not a string"),
        (r#"{"key":"K","nonce":1}"#, "validation_failed", "“nonce” is not a string"),
    ];
    for (body, code, words) in table {
        let malformed = read(body.as_bytes()).err().unwrap();
        assert_eq!(malformed.code, code, "{body}");
        assert!(malformed.message.contains(words), "{body}: {}", malformed.message);
    }
    let nonce = "n".repeat(300);
    assert!(read(format!(r#"{{"key":"K","nonce":"{nonce}"}}"#).as_bytes()).is_err());
    let hostname = "h".repeat(5000);
    let long = read(format!(r#"{{"key":"K","hostname":"{hostname}"}}"#).as_bytes()).ok().unwrap();
    assert_eq!(long.details.hostname.unwrap().chars().count(), 128, "a long host name is cut, not rejected");
    let wrong = read(br#"{"key":5,"nonce":"n","server_id":"s"}"#).err().unwrap();
    assert_eq!(wrong.repeated.nonce.as_deref(), Some("n"), "the error response repeats the nonce");
}

#[test]
fn a_response_has_its_members_in_order() {
    let keys = SigningKeys::generate("one", NOW).ok().unwrap();
    let mut question = read(format!(r#"{{"key":"{KEY}","nonce":"n","server_id":"s"}}"#).as_bytes()).ok().unwrap();
    let granted = (license(), Decision::Granted);
    let fingerprint = key_fingerprint(&question.key);
    let tail =
        format!(r#""nonce":"n","issued_at":"2026-03-01T00:00:00Z","key_sha256":"{fingerprint}","server_id":"s"}}"#);
    let terms = r#""max_accounts":100,"max_domains":100,"max_servers":5,"expires_at":"2027-03-01T00:00:00Z","#;

    let response = answer(&question, Some(&granted), NOW, &keys);
    let head = r#"{"valid":true,"reason":null,"message":"License is valid.","plan":"business","#;
    assert_eq!((response.status, text(&response)), (200, format!("{head}{terms}{tail}")));

    question.details.panel_version = Some("2.8.14".to_owned());
    let response = answer(&question, Some(&granted), NOW, &keys);
    assert!(text(&response).contains(r#""plan":{"slug":"business","name":"Business"},"#), "{}", text(&response));

    question.details.panel_version = None;
    let denied = (license(), Decision::Denied(Denial::ServerLimit { active: 5, allowed: 5 }));
    let response = answer(&question, Some(&denied), NOW, &keys);
    let head = r#"{"valid":false,"reason":"server_limit_reached","message":"License is already activated on 5 of 5 allowed servers.","plan":"business","#;
    assert_eq!((response.status, text(&response)), (403, format!("{head}{terms}{tail}")));

    let response = answer(&question, None, NOW, &keys);
    let head = r#"{"valid":false,"reason":"invalid_key","message":"License key is not known.","#;
    assert_eq!((response.status, text(&response)), (403, format!("{head}{tail}")));

    let mut billed = license();
    billed.billing.subscription_status = Some("past_due".to_owned());
    billed.billing.cancel_at_period_end = Some(false);
    billed.billing.current_period_end = Some(NOW);
    let response = answer(&question, Some(&(billed, Decision::Granted)), NOW, &keys);
    let billing =
        r#""subscription_status":"past_due","cancel_at_period_end":false,"current_period_end":"2026-03-01T00:00:00Z","#;
    assert!(text(&response).contains(billing), "{}", text(&response));
}

#[test]
fn an_error_is_signed_and_says_nothing_about_the_license() {
    let keys = SigningKeys::generate("one", NOW).ok().unwrap();
    let repeated = Repeated { nonce: Some("n".to_owned()), server_id: None };
    let response = error(429, ("rate_limited", "Wait."), &repeated, None, NOW, &keys);
    assert_eq!(
        text(&response),
        r#"{"error":"rate_limited","message":"Wait.","nonce":"n","issued_at":"2026-03-01T00:00:00Z"}"#
    );
    let (name, signature) = &response.headers[0];
    assert_eq!(*name, "Opterius-Signature");
    assert!(TrustedKeys::parse(&keys.public_keys()).unwrap().verify(signature, &response.body).is_some());
}

#[test]
fn the_agent_understands_every_response() {
    let keys = SigningKeys::generate("one", NOW).ok().unwrap();
    let trusted = TrustedKeys::parse(&keys.public_keys()).unwrap();
    let question = read(format!(r#"{{"key":"{KEY}","nonce":"n","server_id":"s"}}"#).as_bytes()).ok().unwrap();
    let key_sha256 = key_fingerprint(&question.key);
    let asked = outcome::Question {
        key: &question.key,
        key_sha256: &key_sha256,
        server_id: "s",
        nonce: Some("n"),
        trusted: &trusted,
    };
    let outcome = |response: Response| {
        let signature = response.headers[0].1.clone();
        let body = response.body.to_vec();
        outcome::read(&Received { status: response.status, body, signature, ..Received::default() }, &asked).outcome
    };
    let granted = outcome(answer(&question, Some(&(license(), Decision::Granted)), NOW, &keys));
    let Outcome::Granted { terms, .. } = granted else { panic!("{granted:?}") };
    assert_eq!((terms.plan.as_deref(), terms.max_accounts, terms.max_servers), (Some("business"), Some(100), Some(5)));
    let denied = outcome(answer(&question, None, NOW, &keys));
    assert!(matches!(&denied, Outcome::Denied { reason, .. } if reason == "invalid_key"), "{denied:?}");
    let failed = outcome(error(503, ("unavailable", "Wait."), &question.repeated, Some(&question.key), NOW, &keys));
    assert!(matches!(failed, Outcome::Inconclusive(_)), "{failed:?}");
}
