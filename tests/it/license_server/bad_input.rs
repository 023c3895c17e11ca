//! Invalid and hostile requests change nothing, and later valid requests are answered.

use super::*;

/// A server that trusts X-Forwarded-For from the tests.
fn behind_a_proxy() -> LicenseServerProcess {
    LicenseServerProcess::builder().set("trusted_proxies", "127.0.0.1").start()
}

fn from(address: &str, body: impl Into<Vec<u8>>) -> Request {
    Request::post(VERIFY).header("X-Forwarded-For", address).body(body)
}

#[test]
fn hostile_keys_match_no_license() {
    let server = behind_a_proxy();
    let license = server.database.license("free");
    let before = server.database.history(None);
    let keys = [
        "x".to_owned(),
        "x".repeat(64),
        "x".repeat(10_000),
        "x".repeat(60_000),
        "\0".to_owned(),
        "🔑".repeat(100),
        "' OR '1'='1".to_owned(),
        "'; DROP TABLE licenses; --".to_owned(),
        "<script>alert(1)</script>".to_owned(),
        "%".to_owned(),
        "%00%s%n{}".to_owned(),
        "_".repeat(license.key.len()),
        format!("{0}{0}", license.key),
        license.key.replace('-', "А"),
        format!("{}%", &license.key[..8]),
        license.key[..license.key.len() - 1].to_owned(),
        "../../etc/passwd".to_owned(),
        "\u{202e}\r\nSet-Cookie: a=b".to_owned(),
    ];
    for (number, key) in keys.iter().enumerate() {
        let hostname: String = key.chars().take(100).collect();
        let body = json!({"key": key, "server_ip": "203.0.113.5", "hostname": hostname, "nonce": "n"});
        let response = server.fetch(from(&format!("9.9.9.{number}"), body.to_string()));
        assert_denied(&response, "invalid_key", "License key is not known.");
        assert!(!response.head_text().contains("Set-Cookie"), "{}", response.head_text());
    }
    assert_eq!(server.database.history(None), before);
    assert_eq!(server.database.activations(license.id), []);
    assert_granted(&server.fetch(from("9.9.9.9", question(&license, "203.0.113.5").to_string())));
}

#[test]
fn an_invalid_body_gets_an_error_message() {
    let server = LicenseServerProcess::start();
    let license = server.database.license("free");
    let before = server.database.history(None);
    let key = &license.key;
    let bad = "bad_request";
    let invalid = "validation_failed";
    let table: Vec<(Vec<u8>, &str, &str)> = vec![
        (b"key=AAAA&server_ip=203.0.113.5".to_vec(), bad, "not JSON"),
        (b"{".to_vec(), bad, "not JSON"),
        (b"\xff\xfe{}".to_vec(), bad, "not JSON"),
        (b"{\"key\": \"\xff\"}".to_vec(), bad, "not JSON"),
        (format!("{{\"key\": \"{key}\"}} trailing").into(), bad, "not JSON"),
        ("[".repeat(60_000).into(), bad, "not JSON"),
        (format!("{{\"key\": {}", "{\"a\":".repeat(10_000)).into(), bad, "not JSON"),
        (b"null".to_vec(), bad, "not an object"),
        (format!("\"{key}\"").into(), bad, "not an object"),
        (format!("[\"{key}\"]").into(), bad, "not an object"),
        (b"12345678901234567890123456789012345678901234567890".to_vec(), bad, "not an object"),
        (b"{}".to_vec(), invalid, "“key” is missing"),
        (b"{\"key\": null}".to_vec(), invalid, "“key” is missing"),
        (b"{\"Key\": \"AAAA\"}".to_vec(), invalid, "“key” is missing"),
        (b"{\"key\": \"\"}".to_vec(), invalid, "“key” is empty"),
        (b"{\"key\": 5}".to_vec(), invalid, "“key” is not a string"),
        (format!("{{\"key\": [\"{key}\"]}}").into(), invalid, "“key” is not a string"),
        (format!("{{\"key\": \"{key}\", \"hostname\": {{}}}}").into(), invalid, "“hostname” is not a string"),
        (format!("{{\"key\": \"{key}\", \"server_ip\": 3405803781}}").into(), invalid, "“server_ip” is not a string"),
        (format!("{{\"key\": \"{key}\", \"nonce\": 1}}").into(), invalid, "“nonce” is not a string"),
        (with_text(key, "nonce", &"n".repeat(257)), invalid, "“nonce” is longer than 256 bytes"),
        (with_text(key, "server_id", &"ä".repeat(129)), invalid, "“server_id” is longer than 256 bytes"),
    ];
    for (body, code, part) in table {
        let excerpt = String::from_utf8_lossy(&body[..body.len().min(100)]).into_owned();
        let response = server.verify_bytes(body);
        assert_error(&response, 400, code);
        assert!(response.json()["message"].as_str().unwrap().contains(part), "{excerpt}: {}", response.text());
    }
    for address in
        ["203.0.113.999", "203.0.113.5:80", " 203.0.113.5", "203.0.113.0/24", "fe80::1%eth0", "::g", "0x7f.1"]
    {
        let response = server.verify_bytes(with_text(key, "server_ip", address));
        assert_error(&response, 400, "validation_failed");
        let message = response.json()["message"].clone();
        assert_eq!(message, "The field “server_ip” is not an IP address such as 203.0.113.5.", "{address}");
    }
    assert_eq!(server.database.history(None), before);
    assert_granted(&server.verify(&question(&license, "203.0.113.5")));
}

fn with_text(key: &str, member: &str, text: &str) -> Vec<u8> {
    json!({"key": key, member: text}).to_string().into()
}

#[test]
fn a_body_of_a_mebibyte_is_refused_before_it_is_read() {
    let server = LicenseServerProcess::start();
    let license = server.database.license("free");
    let body = json!({"key": license.key, "hostname": "h".repeat(1024 * 1024)}).to_string();
    let mut connection = crate::support::http::Connection::open(server.port()).unwrap();
    // The server may close the connection before the whole body is sent.
    let _ = connection.send(Request::post(VERIFY).body(body).bytes());
    let response = connection.receive(PROMPTLY).unwrap();
    assert_error(&response, 413, "body_too_large");
    assert_eq!(server.database.activations(license.id), []);
    assert_granted(&server.verify(&question(&license, "203.0.113.5")));
}

#[test]
fn the_response_identifies_which_duplicate_key_counted() {
    let server = LicenseServerProcess::start();
    let license = server.database.license("free");
    let body = format!("{{\"key\": \"AAAA\", \"key\": \"{}\"}}", license.key);
    let response = server.verify_bytes(body);
    assert_granted(&response);
    assert_eq!(response.json()["key_sha256"], crate::license::sha256(license.key.as_bytes()));
}

#[test]
fn stored_details_are_short_and_on_one_line() {
    let server = LicenseServerProcess::start();
    let license = server.database.license("free");
    let hostname = format!("<b>a\r\nb\u{1b}[31m{}", "h".repeat(10_000));
    assert_granted(&server.verify(&json!({"key": license.key, "server_ip": "203.0.113.5", "hostname": hostname})));
    let stored = server.database.activations(license.id)[0].details.hostname.clone().unwrap();
    assert!(stored.chars().count() <= 256 && !stored.contains(char::is_control), "{stored:?}");
    let history = server.database.history_lines(license.id).join("\n");
    assert!(!history.contains('\u{1b}') && !history.contains('\r'), "{history:?}");
    let lines = server.lines().join("\n");
    assert!(!lines.contains("<b>"), "client text in the log: {lines}");
}

#[test]
fn every_form_of_an_address_is_normalized() {
    let table = [
        ("203.0.113.5", "203.0.113.5"),
        ("10.0.0.9", "10.0.0.9"),
        ("192.168.1.1", "192.168.1.1"),
        ("::ffff:203.0.113.5", "203.0.113.5"),
        ("2a01:4f8::1", "2a01:4f8::1"),
        ("2A01:04F8:0:0:0:0:0:1", "2a01:4f8::1"),
        // These identify no host, so the source address of the connection counts.
        ("127.0.0.1", "127.0.0.1"),
        ("0.0.0.0", "127.0.0.1"),
        ("::1", "127.0.0.1"),
        ("", "127.0.0.1"),
    ];
    let server = LicenseServerProcess::start();
    for (reported, expected) in table {
        let license = server.database.license("free");
        assert_granted(&server.verify(&question(&license, reported)));
        assert_eq!(server.database.addresses(license.id), [expected], "{reported}");
        let activation = &server.database.activations(license.id)[0];
        assert_eq!(activation.observed_ip, ip("127.0.0.1"), "both addresses are stored");
        assert_eq!(activation.reported_ip.is_some(), !reported.is_empty(), "{reported}");
    }
}

#[test]
fn x_forwarded_for_is_trusted_only_from_a_configured_proxy() {
    // The trusted proxies, the X-Forwarded-For header, and the resulting address.
    let table = [
        ("127.0.0.0/8", "9.9.9.9", "9.9.9.9"),
        ("127.0.0.0/8,10.0.0.0/8", "8.8.8.8, 9.9.9.9:4711, 10.9.9.9", "9.9.9.9"),
        ("127.0.0.1", "9.9.9.9", "9.9.9.9"),
        ("127.0.0.1", "8.8.8.8, 9.9.9.9", "9.9.9.9"),
        ("127.0.0.1", "9.9.9.9, 127.0.0.1", "9.9.9.9"),
        ("127.0.0.1", "2a01:4f8::1", "2a01:4f8::1"),
        // A client on the machine of the proxy.
        ("127.0.0.1", "127.0.0.1", "203.0.113.5"),
        // For a private source address, the reported address counts.
        ("127.0.0.1", "10.0.0.7", "203.0.113.5"),
        ("127.0.0.1", "9.9.9.9:51234", "9.9.9.9"),
        ("127.0.0.1", "[2a01:4f8::1]:443", "2a01:4f8::1"),
        ("127.0.0.1", "\"[2a01:4f8::1]\"", "2a01:4f8::1"),
        ("127.0.0.1", "for=9.9.9.9;proto=https", "9.9.9.9"),
        ("127.0.0.1", "unknown, 9.9.9.9", "9.9.9.9"),
        // If the address is not readable, the reported one does not take its place.
        ("127.0.0.1", "nonsense", "127.0.0.1"),
        ("127.0.0.1", "9.9.9.9, nonsense", "127.0.0.1"),
        ("127.0.0.1", "9.9.9.9, unknown, 127.0.0.1", "127.0.0.1"),
        ("127.0.0.1", "", "127.0.0.1"),
        ("10.0.0.1", "9.9.9.9", "203.0.113.5"),
        ("", "9.9.9.9", "203.0.113.5"),
    ];
    for (trusted, forwarded, expected) in table {
        let server = LicenseServerProcess::builder().set("trusted_proxies", trusted).start();
        let license = server.database.license("free");
        let response = server.fetch(from(forwarded, question(&license, "203.0.113.5").to_string()));
        assert_granted(&response);
        assert_eq!(server.database.addresses(license.id), [expected], "{forwarded} of {trusted}");
        let warned = server
            .lines()
            .iter()
            .any(|line| line.contains("127.0.0.1 forwards requests, but its X-Forwarded-For is ignored"));
        assert_eq!(warned, !trusted.starts_with("127."), "{forwarded} of {trusted}: {:#?}", server.lines());
    }
}

#[test]
fn an_unreadable_address_of_a_trusted_proxy_is_warned_of_once_and_frees_no_slot() {
    let server = behind_a_proxy();
    let license = server.database.license("free");
    let long = format!("unknown\u{202e}{}", "x".repeat(500));
    for (number, forwarded) in [&long, "_hidden", "", "unknown"].into_iter().enumerate() {
        // Each claims another address, and none of them takes or gets a slot of its own.
        let claim = question(&license, &format!("203.0.113.{number}")).to_string();
        assert_granted(&server.fetch(from(forwarded, claim)));
    }
    // A relayed request without the header is not the proxy's own.
    let claim = question(&license, "203.0.113.9").to_string();
    assert_granted(&server.fetch(Request::post(VERIFY).header("X-Real-IP", "9.9.9.9").body(claim)));
    assert_eq!(server.database.addresses(license.id), ["127.0.0.1"]);
    assert_no_slot(&server.fetch(from("9.9.9.9", question(&license, "203.0.113.5").to_string())), 1, 1);

    let warnings: Vec<String> = server.lines().into_iter().filter(|line| line.contains("trusted proxy")).collect();
    let [warning] = warnings.as_slice() else { panic!("{warnings:#?}") };
    assert!(warning.contains("The trusted proxy 127.0.0.1 sends “unknown xxx"), "{warning}");
    assert!(warning.contains("x…”, which is no IP address, in X-Forwarded-For."), "{warning}");
    assert!(warning.len() < 400 && !warning.contains('\u{202e}'), "{warning}");
}

#[test]
fn a_bad_trusted_proxy_is_a_configuration_error_with_its_line() {
    for (value, fault) in [
        ("10.0.0.1/8", "“10.0.0.1/8” has bits set after its prefix"),
        ("127.0.0.1, ::1/129", "“::1/129” needs a number from 0 to 128 after the slash"),
        ("0.0.0.0/0", "“0.0.0.0/0” is every address"),
        ("proxy.example.com", "“proxy.example.com” is not an IP address"),
    ] {
        let mut server = LicenseServerProcess::start();
        server.rewrite_config(&[("trusted_proxies", value)]);
        let check = server.run(&["check"]);
        let text = String::from_utf8_lossy(&check.stderr).into_owned() + &String::from_utf8_lossy(&check.stdout);
        assert_eq!(check.status.code(), Some(78), "{text}");
        assert!(text.contains("license-server.conf:") && text.contains(fault), "{text}");
    }
}

#[test]
fn a_key_is_the_same_key_however_it_was_pasted() {
    let server = behind_a_proxy();
    let license = server.database.license("free");
    let key = &license.key;
    let spellings = [
        key.clone(),
        key.to_lowercase(),
        key.replace('-', ""),
        key.replace('-', " "),
        key.replace('-', "\u{a0}"),
        key.replace('-', "–"),
        key.replace('-', "—"),
        key.replace('-', "\u{200b}-\u{2060}"),
        format!("\u{feff} {key}\r\n"),
        format!("\"{key}\""),
        format!("“{}”", key.to_lowercase()),
        format!("license_key={key}"),
        key.chars().map(|character| char::from_u32(u32::from(character) + 0xfee0).unwrap()).collect(),
    ];
    for spelling in spellings {
        let body = json!({"key": spelling, "server_id": "s", "nonce": "n"}).to_string();
        let response = server.fetch(from("9.9.9.9", body));
        assert_granted(&response);
        assert!(is_signed_by(&response, &server.public_keys()));
        let sent = crate::license::sha256(spelling.as_bytes());
        assert_eq!(
            response.json()["key_sha256"],
            sent,
            "the fingerprint is that of the key as it was sent: {spelling:?}"
        );
        let show = server.run(&["license", "show", &spelling]);
        assert!(show.status.success(), "{spelling:?}: {}", String::from_utf8_lossy(&show.stderr));
    }
    assert_eq!(server.database.addresses(license.id), ["9.9.9.9"]);
}
