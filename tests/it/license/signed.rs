//! Signed answers.

use super::*;

#[test]
fn only_an_answer_signed_for_this_request_is_accepted() {
    let (server, stranger) = (SigningKey::generate(), SigningKey::generate());
    let public = server.public_base64();
    let mut agent = Agent::builder().own_license_server().set("license_public_key", &public).spawn();
    let (server, stranger) = (Arc::new(server), Arc::new(stranger));
    let table: Vec<(&str, Script)> = vec![
        ("is not signed", Arc::new(|received| answer_to(received, json!({})))),
        ("is not signed", Arc::new(|_| denial("suspended", "Unpaid."))),
        ("is not signed by", {
            let stranger = Arc::clone(&stranger);
            Arc::new(move |received| answer_to(received, json!({})).signed(&stranger))
        }),
        ("is not signed by", Arc::new(|received| answer_to(received, json!({})).header(SIGNATURE, "ed25519=\"AAAA\""))),
        ("is not signed by", {
            let server = Arc::clone(&server);
            Arc::new(move |received| tampered(answer_to(received, json!({})).signed(&server)))
        }),
        ("another request (nonce)", signed(&server, json!({"nonce": "0".repeat(32)}))),
        ("another request (nonce)", signed(&server, json!({"nonce": null}))),
        ("another license key", signed(&server, json!({"key_sha256": sha256(b"another key")}))),
        ("another license key", signed(&server, json!({"key_sha256": LICENSE_KEY}))),
        ("another server", signed(&server, json!({"server_id": sha256(b"another server")}))),
        ("another server", signed(&server, json!({"server_id": null}))),
        ("no issued_at", signed(&server, json!({"issued_at": null}))),
        ("another request (nonce)", signed(&server, json!({"valid": false, "nonce": "0".repeat(32)}))),
    ];
    for (cause, script) in &table {
        let script = Arc::clone(script);
        agent.license_server().reply_with(move |received| script(received));
        agent.restart();
        assert_unverified(&agent, &[cause]);
        assert!(!agent.cache_path().exists(), "{cause}: a cache without a verdict");
    }
    let good = signed(&server, json!({}));
    agent.license_server().reply_with(move |received| good(received));
    agent.restart();
    let status = agent.status_after_checks(1);
    assert_active(&status);
    // An untrusted answer cannot restrict the host either.
    for (cause, script) in &table {
        let script = Arc::clone(script);
        agent.license_server().reply_with(move |received| script(received));
        agent.restart();
        let status = agent.status_after_checks(1);
        assert_grace(&agent, &status, cause);
    }
    let denied = signed(&server, json!({"valid": false, "reason": "suspended", "message": "Unpaid."}));
    agent.license_server().reply_with(move |received| denied(received));
    agent.restart();
    let status = agent.status_after_checks(1);
    assert_restricted(&status, "server", "suspended");
}

#[test]
fn an_answer_signed_with_the_older_key_only_is_accepted_with_one_warning() {
    let (current, older) = (SigningKey::generate(), Arc::new(SigningKey::generate()));
    let both = format!("{},{}", current.public_base64(), older.public_base64());
    let builder = Agent::builder().own_license_server().set("license_public_key", &both);
    let agent = builder.spawn();
    let old = signed(&older, json!({}));
    agent.license_server().reply_with(move |received| old(received));
    agent.reverify();
    let status = agent.reverify().json();
    assert_active(&status);
    let checks = status["recent_checks"].as_array().unwrap();
    assert!(checks.iter().filter(|check| check["verdict"] == "granted").count() >= 2, "{status}");
    let lines = agent.lines();
    let warnings = lines.iter().filter(|line| line.contains("signs with an older key only")).count();
    assert_eq!(warnings, 1, "{lines:#?}");
}

#[test]
fn a_signed_grant_survives_a_restart_and_an_edited_one_does_not() {
    let server = Arc::new(SigningKey::generate());
    let mut agent = signed_license(&server);
    agent.license_server().pause();
    agent.restart();
    assert_eq!(agent.status()["cache"], "ok");
    assert_grace(&agent, &agent.status_after_checks(1), "connection refused");

    let cache = fs::read_to_string(agent.cache_path()).unwrap();
    fs::write(agent.cache_path(), cache.replace("\"max_accounts\": 5", "\"max_accounts\": 9")).unwrap();
    agent.restart();
    let status = agent.status_after_checks(1);
    assert_restricted(&status, "none", "unreachable");
    assert_eq!(status["cache"], "ignored: it was edited (its MAC is wrong)");
}

#[test]
fn knowing_the_license_key_is_not_enough_to_forge_a_signed_grant_in_the_cache() {
    let server = Arc::new(SigningKey::generate());
    let mut agent = signed_license(&server);
    let granted = fs::read_to_string(agent.cache_path()).unwrap();
    let verified = agent.status()["last_verified_at"].clone();
    agent.license_server().pause();

    // Edited limits and a later grant time: those of the signed answer apply, and of the request that it answers.
    let later = granted.replace(verified.as_str().unwrap(), "2126-03-01T00:00:00Z");
    fs::write(agent.cache_path(), sealed(&later.replace("\"max_accounts\": 5", "\"max_accounts\": 9"))).unwrap();
    agent.restart();
    let status = agent.status_after_checks(1);
    assert_eq!(status["max_accounts"], 5, "{status}");
    let earlier = instant(&verified) - instant(&status["last_verified_at"]);
    assert!((0..=2).contains(&earlier.whole_seconds()), "{verified}, {status}");
    assert_grace(&agent, &status, "connection refused");

    // Without the answer, with an edited one, or with one signed by another key, the file is ignored.
    let cache: Value = serde_json::from_str(&granted).unwrap();
    let stored = cache["agent"]["answer"]["body"].as_str().unwrap();
    let edited = String::from_utf8(BASE64.decode(stored).unwrap()).unwrap().replace("free", "huge");
    let signature = cache["agent"]["answer"]["signature"].as_str().unwrap();
    let foreign = SigningKey::generate().signature_header(&BASE64.decode(stored).unwrap());
    let quoted = |text: &str| serde_json::to_string(text).unwrap();
    for forged in [
        granted.replace(stored, &BASE64.encode(&edited)),
        granted.replace(&quoted(signature), &quoted(&foreign)),
        granted.replace(&quoted(signature), "\"\""),
    ] {
        assert_ne!(forged, granted);
        fs::write(agent.cache_path(), sealed(&forged)).unwrap();
        agent.restart();
        let status = agent.status_after_checks(1);
        assert_restricted(&status, "none", "unreachable");
        let actual = status["cache"].as_str().unwrap();
        assert!(actual.starts_with("ignored: the answer is not signed"), "{actual}");
    }

    // A recorded denial cannot be turned into a grant.
    let denied = signed(&server, json!({"valid": false, "reason": "suspended", "message": "Unpaid."}));
    agent.license_server().reply_with(move |received| denied(received));
    agent.license_server().resume();
    agent.restart();
    agent.status_after_checks(1);
    agent.license_server().pause();
    let denial: Value = serde_json::from_str(&fs::read_to_string(agent.cache_path()).unwrap()).unwrap();
    let forged = granted.replace(stored, denial["agent"]["answer"]["body"].as_str().unwrap());
    let denied_signature = denial["agent"]["answer"]["signature"].as_str().unwrap();
    let forged = forged.replace(&quoted(signature), &quoted(denied_signature));
    fs::write(agent.cache_path(), sealed(&forged)).unwrap();
    agent.restart();
    let status = agent.status_after_checks(1);
    assert_restricted(&status, "none", "unreachable");
    assert_eq!(status["cache"], "ignored: its record contradicts the signed answer");
}

#[test]
fn changing_the_public_keys_invalidates_grants_signed_with_the_old_ones() {
    let (server, other) = (Arc::new(SigningKey::generate()), SigningKey::generate());
    let mut agent = signed_license(&server);
    agent.license_server().pause();
    agent.rewrite_config(&[("license_public_key", &other.public_base64())]);
    agent.signal(Signal::HUP);
    let ended = eventually(PATIENCE, || agent.status()["valid"] == false);
    assert!(ended, "{}", agent.status());
    agent.restart();
    let status = agent.status_after_checks(1);
    assert_restricted(&status, "none", "unreachable");

    // The file keeps the grant, so it is valid again with the right key.
    agent.rewrite_config(&[("license_public_key", &server.public_base64())]);
    agent.restart();
    assert_grace(&agent, &agent.status_after_checks(1), "connection refused");
}

const SIGNATURE: &str = "Opterius-Signature";

pub(super) type Script = Arc<dyn Fn(&ReceivedRequest) -> Reply + Send + Sync>;

/// An Agent with a signed grant.
fn signed_license(server: &Arc<SigningKey>) -> Agent {
    let builder = Agent::builder().own_license_server().set("license_public_key", &server.public_base64());
    let mut agent = builder.spawn();
    let good = signed(server, json!({}));
    agent.license_server().reply_with(move |received| good(received));
    agent.restart();
    assert_eq!(agent.status_after_checks(1)["valid"], true);
    agent
}

/// A signed grant for the request, with these members changed.
pub(super) fn signed(key: &Arc<SigningKey>, change: Value) -> Script {
    let key = Arc::clone(key);
    Arc::new(move |received| answer_to(received, change.clone()).signed(&key))
}

/// A grant that belongs to the request, with these members changed.
fn answer_to(received: &ReceivedRequest, change: Value) -> Reply {
    let bound = json!({
        "nonce": text(received, "nonce"),
        "issued_at": OffsetDateTime::now_utc().format(&Rfc3339).unwrap(),
        "key_sha256": sha256(LICENSE_KEY.as_bytes()),
        "server_id": server_id(),
    });
    Reply::json(200, with(with(grant(), bound), change))
}

/// The reply with its body changed after signing.
fn tampered(mut reply: Reply) -> Reply {
    reply.body = String::from_utf8(reply.body).unwrap().replace("\"max_accounts\":5", "\"max_accounts\":9").into();
    reply
}

/// The cache file with a valid MAC, as anyone who knows the license key can compute it.
fn sealed(cache: &str) -> String {
    use ring::hmac::{HMAC_SHA256, Key, sign};
    let (covered, _) = cache.split_once(",\n  \"mac\": \"").unwrap();
    let context = format!("opterius-license-cache/v1{}", server_id());
    let derived = sign(&Key::new(HMAC_SHA256, LICENSE_KEY.as_bytes()), context.as_bytes());
    let mac = sign(&Key::new(HMAC_SHA256, derived.as_ref()), covered.as_bytes());
    format!("{covered},\n  \"mac\": \"{}\"\n}}\n", hex(mac.as_ref()))
}
