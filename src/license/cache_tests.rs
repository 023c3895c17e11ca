use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::*;
use opterius_base::clock::Now;
use opterius_base::secret::Secret;
use opterius_license::model::Uptime;
use opterius_license::signature::{CONTEXT, TrustedKeys};
use ring::signature::{Ed25519KeyPair, KeyPair};
use std::time::Duration;

const KEY: &str = "AAAAAAAA-BBBBBBBB-CCCCCCCC-DDDDDDDD";

struct Fixture {
    key: Secret,
    trusted: TrustedKeys,
}

impl Fixture {
    fn new(key: &str, trusted: TrustedKeys) -> Self {
        Self { key: Secret::new(key.to_owned()), trusted }
    }

    fn question(&self) -> Question<'_> {
        Question { key: &self.key, key_sha256: "key", server_id: "server", nonce: None, trusted: &self.trusted }
    }
}

fn terms() -> Terms {
    Terms {
        plan: Some("free".into()),
        max_accounts: Some(5),
        max_domains: Some(5),
        max_servers: Some(1),
        ..Terms::default()
    }
}

fn cached(verdict: Verdict) -> Cached {
    let now = Now { wall: Timestamp::from_unix(0), boot: Duration::from_millis(1500) };
    let uptime = Uptime::start("boot", now);
    let record = Some(Record {
        verdict,
        arrival: None,
        uptime,
        key_sha256: "key".into(),
        server_id: "server".into(),
        license_server: None,
    });
    let answer = Answer { status: 200, body: b"{}".to_vec(), ..Answer::default() };
    Cached { record, answer: Some(answer), address: None, previous_key_cache: None }
}

fn granted() -> Verdict {
    Verdict::Granted(Grant {
        terms: terms(),
        message: "License is valid.".into(),
        at: Timestamp::from_unix(1_772_323_200),
    })
}

fn denied() -> Verdict {
    let Verdict::Granted(previous) = granted() else { panic!() };
    Verdict::Denied(Denial {
        reason: "suspended".into(),
        message: "Unpaid.".into(),
        terms: Terms::default(),
        at: Timestamp::from_unix(1_772_323_300),
        previous: Some(previous),
    })
}

fn view() -> CachedStatus {
    CachedStatus::new(true, None, "License is valid.".into(), terms())
}

fn encoded(cached: &Cached, fixture: &Fixture) -> Vec<u8> {
    encode(&view(), cached, &fixture.question()).unwrap()
}

#[test]
fn a_written_file_reads_back_unchanged() {
    let fixture = Fixture::new(KEY, TrustedKeys::default());
    for verdict in [granted(), denied()] {
        let cached = cached(verdict);
        assert_eq!(decode(&encoded(&cached, &fixture), &fixture.question()), Ok(cached));
    }
}

#[test]
fn the_top_level_is_a_license_answer_without_the_key() {
    let fixture = Fixture::new(KEY, TrustedKeys::default());
    let text = String::from_utf8(encoded(&cached(granted()), &fixture)).unwrap();
    assert!(!text.contains(KEY));
    let document: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(document["valid"], true);
    assert_eq!(document["plan"], "free");
    for (name, value) in [("max_accounts", 5), ("max_domains", 5), ("max_servers", 1)] {
        assert_eq!(document[name], value);
        assert!(document[name].is_u64(), "only an integer 0 means unlimited to the Panel");
    }
    assert!(document["expires_at"].is_null() && document["reason"].is_null());
    assert!(document.get("subscription_status").is_none());
    assert!(
        text.trim_end().ends_with("\"\n}") && text.rfind("\"mac\"") > text.rfind("\"agent\""),
        "the MAC is the last member"
    );
}

#[test]
fn billing_is_passed_through() {
    let fixture = Fixture::new(KEY, TrustedKeys::default());
    let billing = Billing {
        subscription_status: Some("past_due".into()),
        cancel_at_period_end: Some(false),
        current_period_end: None,
    };
    let view = CachedStatus::new(true, None, String::new(), Terms { billing, ..terms() });
    let bytes = encode(&view, &cached(granted()), &fixture.question()).unwrap();
    let document: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(
        (&document["subscription_status"], &document["cancel_at_period_end"]),
        (&"past_due".into(), &false.into())
    );
    assert!(document.get("current_period_end").is_none());
}

#[test]
fn every_changed_byte_and_every_truncation_is_detected() {
    let fixture = Fixture::new(KEY, TrustedKeys::default());
    let bytes = encoded(&cached(denied()), &fixture);
    for index in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[index] ^= 1;
        assert!(decode(&changed, &fixture.question()).is_err(), "byte {index}");
        assert!(decode(&bytes[..index], &fixture.question()).is_err(), "truncated at {index}");
    }
    let longer = [bytes.as_slice(), b"\n"].concat();
    assert!(decode(&longer, &fixture.question()).is_err());
}

#[test]
fn a_file_of_another_key_or_another_server_is_rejected_with_the_reason() {
    let fixture = Fixture::new(KEY, TrustedKeys::default());
    let bytes = encoded(&cached(granted()), &fixture);
    let question = fixture.question();
    let other_key = Fixture::new("another", TrustedKeys::default());
    let table = [
        (decode(b"", &question), "it is empty"),
        (decode(b"{}", &question), "it is truncated, was edited, or was not written by this Agent"),
        (decode(b"\xff\xfe", &question), "it is truncated, was edited, or was not written by this Agent"),
        (
            decode(&bytes, &Question { key_sha256: "other", ..other_key.question() }),
            "it belongs to another license key",
        ),
        (decode(&bytes, &Question { server_id: "other", ..question }), "it comes from another server"),
        (decode(&bytes, &other_key.question()), "it was edited (its MAC is wrong)"),
    ];
    for (decoded, expected) in table {
        assert_eq!(decoded.unwrap_err(), expected);
    }
}

#[test]
fn the_file_of_the_previous_key_is_found_inside_the_file_of_a_mistyped_one() {
    let (good, mistyped) =
        (Fixture::new(KEY, TrustedKeys::default()), Fixture::new("mistyped", TrustedKeys::default()));
    let before = encoded(&cached(granted()), &good);
    let mut after = Cached { previous_key_cache: Some(before), ..cached(denied()) };
    after.record.as_mut().unwrap().key_sha256 = "mistyped".into();
    let file = encode(&view(), &after, &Question { key_sha256: "mistyped", ..mistyped.question() }).unwrap();
    assert_eq!(decode(&file, &good.question()), Ok(cached(granted())));
    assert_eq!(decode(&file, &Question { key_sha256: "mistyped", ..mistyped.question() }).as_ref(), Ok(&after));
    assert_eq!(kept(&file), after.previous_key_cache, "the embedded file, not the mistyped key's own");
    let before = after.previous_key_cache.clone().unwrap();
    assert_eq!(kept(&before).as_ref(), Some(&before));
    let third = Fixture::new("third", TrustedKeys::default());
    let third = Question { key_sha256: "third", ..third.question() };
    assert!(!belongs_elsewhere(&before, &good.question()) && belongs_elsewhere(&before, &third));
    assert!(belongs_elsewhere(&before, &Question { server_id: "other", ..good.question() }));
    assert!(decode(&file, &third).is_err());

    // A file that only tells the Panel that there is no verdict yet keeps the other key's, and its own if it is ignored.
    let told = Cached { record: None, answer: None, address: None, previous_key_cache: Some(before) };
    let file = encode(&view(), &told, &good.question()).unwrap();
    assert_eq!(decode(&file, &good.question()), Ok(cached(granted())), "the embedded record of the same key");
    assert_eq!(decode(&file, &mistyped.question()).unwrap_err(), "it was edited (its MAC is wrong)");
    assert_eq!(kept(&file), told.previous_key_cache);
    let told = Cached { previous_key_cache: None, ..told };
    let file = encode(&view(), &told, &good.question()).unwrap();
    assert_eq!((decode(&file, &good.question()).as_ref(), kept(&file)), (Ok(&told), None));
}

#[test]
fn what_a_file_tells_the_panel_is_read_from_every_json_object() {
    let told = |text: &str| Told::by(text.as_bytes());
    let valid = Told::from(&CachedStatus { valid: true, reason: None, ..view() });
    for text in [r#"{"valid":true}"#, r#"{"reason":null,"max_accounts":9,"valid":true}"#] {
        assert_eq!(told(text), Some(valid.clone()), "{text}");
    }
    for text in [r#"{"valid":"true"}"#, r#"{"valid":1}"#, r#"{"valid":false,"reason":"expired"}"#] {
        assert!(told(text).is_some_and(|told| told != valid), "{text}");
    }
    for text in ["", "{", "[true]", r#"{"other":true}"#] {
        assert_eq!(told(text), None, "{text}");
    }
}

#[test]
fn the_time_of_a_signed_request_bounds_the_recorded_arrival() {
    let wall = |seconds: i64| Timestamp::from_unix(1_772_323_200 + seconds);
    let arrival = |seconds| Some(Arrival { wall: wall(seconds), boot_id: "boot".to_owned() });
    let body = format!(r#"{{"nonce":"0123456789abcdef012345{:010x}"}}"#, wall(0).unix());
    for (recorded, expected) in [(0, 0), (60, 60), (61, 0), (-1, 0), (1_000_000, 0)] {
        assert_eq!(signed_arrival(arrival(recorded), body.as_bytes()), arrival(expected), "{recorded}");
    }
    for body in [r#"{"nonce":"0123"}"#, "{}", ""] {
        assert_eq!(signed_arrival(arrival(0), body.as_bytes()), None, "{body}");
    }
}

#[test]
fn with_a_trusted_key_the_verdict_comes_from_the_signed_answer() {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
    let trusted = TrustedKeys::parse(&STANDARD.encode(pair.public_key().as_ref())).unwrap();
    let fixture = Fixture::new(KEY, trusted);
    let signed = |body: &str| Answer {
        status: 200,
        body: body.as_bytes().to_vec(),
        signature: format!("ed25519=\"{}\"", STANDARD.encode(pair.sign(&[CONTEXT, body.as_bytes()].concat()).as_ref())),
        ..Answer::default()
    };
    let yes = signed(
        r#"{"valid":true,"max_accounts":3,"nonce":"n","key_sha256":"key","server_id":"server","issued_at":"2026-03-01T00:00:00Z"}"#,
    );
    let no = signed(
        r#"{"valid":false,"reason":"expired","nonce":"n","key_sha256":"key","server_id":"server","issued_at":"2026-03-01T00:00:00Z"}"#,
    );
    let elsewhere = signed(
        r#"{"valid":true,"max_accounts":3,"nonce":"n","key_sha256":"key","server_id":"other","issued_at":"2026-03-01T00:00:00Z"}"#,
    );
    let read_back = |verdict: Verdict, answer: Option<Answer>| {
        let bytes = encoded(&Cached { answer, ..cached(verdict) }, &fixture);
        decode(&bytes, &fixture.question()).map(|cached| cached.record.unwrap().verdict)
    };

    let Verdict::Granted(grant) = read_back(granted(), Some(yes.clone())).unwrap() else { panic!() };
    assert_eq!(grant.terms.max_accounts, Some(3), "the record says 5, the signed answer 3");
    assert_eq!(grant.at.to_string(), "2026-03-01T00:00:00Z");
    let Verdict::Denied(denial) = read_back(denied(), Some(no.clone())).unwrap() else { panic!() };
    assert_eq!(denial.reason, "expired");

    let bad = [
        (granted(), None),
        (granted(), Some(no)),
        (denied(), Some(yes.clone())),
        (granted(), Some(elsewhere)),
        (granted(), Some(Answer { signature: String::new(), ..yes.clone() })),
        (granted(), Some(Answer { status: 500, ..yes })),
    ];
    for (verdict, answer) in bad {
        assert!(read_back(verdict.clone(), answer.clone()).is_err(), "{verdict:?} {answer:?}");
    }
}

struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("opterius-cache-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("license-cache.json")
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn an_unexpected_file_type_is_reported_and_replaced_if_that_is_safe() {
    let directory = Directory::new("places");
    let file = directory.file();
    assert_eq!(load(&file), Ok(None));

    store(&file, b"first").unwrap();
    assert_eq!(load(&file), Ok(Some(b"first".to_vec())));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o644);

    let target = directory.0.join("target");
    fs::write(&target, "untouched").unwrap();
    fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink(&target, &file).unwrap();
    assert_eq!(load(&file), Err("it is a symbolic link".to_owned()));
    store(&file, b"second").unwrap();
    assert_eq!(fs::read(&target).unwrap(), b"untouched", "the link is replaced, not followed");
    assert_eq!(load(&file), Ok(Some(b"second".to_vec())));

    fs::remove_file(&file).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, &file, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0).unwrap();
    assert_eq!(load(&file), Err("it is not a regular file".to_owned()));
    store(&file, b"third").unwrap();

    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    assert_eq!(load(&file), Err("it is not a regular file".to_owned()));
    assert!(store(&file, b"fourth").is_err());
    assert!(!file.with_extension("json.new").exists(), "nothing is left behind");

    fs::remove_dir(&file).unwrap();
    File::create(&file).unwrap().set_len(1024 * 1024 * 1024).unwrap();
    assert_eq!(load(&file), Err("it is larger than 256 KiB".to_owned()));
    store(&file, b"fifth").unwrap();
    assert_eq!(load(&file), Ok(Some(b"fifth".to_vec())));
}

#[test]
fn a_leftover_of_a_killed_daemon_is_replaced_by_the_next_write() {
    let directory = Directory::new("leftover");
    fs::write(directory.0.join("license-cache.json.new"), "half").unwrap();
    store(&directory.file(), b"whole").unwrap();
    assert_eq!(fs::read_dir(&directory.0).unwrap().count(), 1);
}

#[test]
fn a_missing_directory_is_not_created() {
    let directory = Directory::new("missing");
    assert!(store(&directory.0.join("no/such/file"), b"x").is_err());
}
