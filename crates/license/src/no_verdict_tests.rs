use std::time::Duration;

use crate::outcome::{Answer, Destination, Failure, Outcome, Question, read};
use crate::signature::TrustedKeys;
use opterius_base::secret::Secret;

const KEY: &str = "AAAABBBB-CCCCDDDD-EEEEFFFF-GGGGHHHH";

/// 32 zero bytes: a key that signs nothing.
const PUBLIC_KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

/// The failure, which must be the same whether or not answers must be signed.
fn failure(answer: &Answer) -> Failure {
    let key = Secret::new(KEY.to_owned());
    let failures = ["", PUBLIC_KEY].map(|trusted| {
        let trusted = TrustedKeys::parse(trusted).unwrap();
        let question = Question { key: &key, key_sha256: "k", server_id: "s", nonce: Some("n"), trusted: &trusted };
        match read(answer, &question).outcome {
            Outcome::Inconclusive(failure) => failure,
            outcome => panic!("{outcome:?}"),
        }
    });
    let [unsigned, signed] = failures;
    assert_eq!(unsigned, signed);
    unsigned
}

fn of(status: u16, body: impl Into<Vec<u8>>) -> Answer {
    Answer { status, body: body.into(), ..Answer::default() }
}

fn typed(status: u16, content_type: &str, body: &str) -> Answer {
    Answer { content_type: Some(content_type.to_owned()), ..of(status, body) }
}

fn to(status: u16, target: &str) -> Answer {
    Answer { location: Some(target.to_owned()), ..of(status, "<html>Moved</html>") }
}

fn assert_failure(answer: &Answer, cause: &str, remedy: &str) {
    let failure = failure(answer);
    assert_eq!(failure.cause, cause);
    assert!(failure.remedy.as_ref().is_some_and(|text| text.contains(remedy)), "{cause}: {:?}", failure.remedy);
}

#[test]
fn a_redirect_names_its_target_and_the_setting() {
    let moved = "license_server=https://new.example.com in agent.conf, then run: systemctl reload opterius-agent";
    let based = "set license_server=https://new.example.com:8443/base in agent.conf";
    let (portal, operator) = ("captive portal", "ask the license server's operator for its https:// address");
    let doubt = " (a login page or a captive portal?)";
    let base = |base: &str| Destination::Base(base.to_owned());
    let verify = "https://new.example.com/api/license/verify";
    let again = ", which is the same URL again";
    let keyed = format!("https://new.example.com/{KEY}");
    let table = [
        (301, verify, base("https://new.example.com"), "", moved),
        (303, " https://new.example.com/api/license/verify?from=old", base("https://new.example.com"), "", moved),
        (307, "/base/api/license/verify", base("https://new.example.com:8443/base"), "", based),
        (308, verify, Destination::Here, again, "redirects in a circle"),
        (302, "https://wifi.example.com/login", Destination::Elsewhere, doubt, portal),
        (302, "/login", Destination::Elsewhere, doubt, portal),
        (302, "https://new.example.com/", Destination::Elsewhere, doubt, portal),
        (301, "http://new.example.com/api/license/verify", Destination::Elsewhere, "", operator),
        (301, "https:///api/license/verify/?from=old", Destination::Elsewhere, "", operator),
        (301, verify, base(&keyed), "", operator),
    ];
    for (status, target, destination, doubt, remedy) in table {
        let shown = target.trim();
        let cause = format!(
            "the license server's answer redirects to {shown} (HTTP {status}), which the Agent does not follow{doubt}"
        );
        assert_failure(&Answer { destination, ..to(status, target) }, &cause, remedy);
    }
    let long = failure(&to(301, &format!("https://new.example.com/{}/api/license/verify", "x".repeat(9000))));
    assert!(long.cause.chars().count() < 500, "{long}");
}

#[test]
fn a_status_without_a_verdict_says_what_it_means() {
    let unavailable = "answered that it is not available now (HTTP 503)";
    let wait = |seconds| Answer { retry_after: Some(Duration::from_secs(seconds)), ..of(503, "") };
    let address = "answered that it has no license service at this address";
    let (base, firewall, later) = ("it is the base URL", "web application firewall", "the Agent asks again by itself");
    let table = [
        (of(404, ""), format!("{address} (HTTP 404)"), base),
        (of(405, ""), format!("{address} (HTTP 405)"), base),
        (of(410, ""), format!("{address} (HTTP 410)"), base),
        (
            of(404, "<!DOCTYPE html>\n<head><TITLE lang=en>404\n Not Found</TITLE>"),
            format!("{address} (HTTP 404) with an HTML page, “404 Not Found”"),
            base,
        ),
        (of(404, r#"{"message":"The route does not exist."}"#), format!("{address} (HTTP 404): “The route does not exist.”"), base),
        (
            of(400, r#"{"error":"bad_request"}"#),
            "answered that it does not understand the Agent's request (HTTP 400): “bad_request”".to_owned(),
            "fault of the license server",
        ),
        (
            typed(401, "text/html; charset=utf-8", "Unauthorized"),
            "answered that a user name and a password are missing (HTTP 401): “Unauthorized”".to_owned(),
            firewall,
        ),
        (
            typed(403, "text/html", "<center>Attention!</center>"),
            "answered that access is forbidden, without a verdict on the license (HTTP 403) with an HTML page".to_owned(),
            firewall,
        ),
        (
            of(407, ""),
            "answered that a proxy on the way wants a user name and a password (HTTP 407)".to_owned(),
            "proxy=http://USER:PASSWORD@HOST:PORT",
        ),
        (
            Answer { retry_after: Some(Duration::from_secs(90)), ..of(429, "") },
            "answered that it limits the rate of requests (HTTP 429); it asks to wait 90 s".to_owned(),
            later,
        ),
        (of(500, ""), "answered that it has an internal error (HTTP 500)".to_owned(), later),
        (
            typed(500, "text/html", "<br />\n<b>Fatal error</b>:  Uncaught Error in /a.php"),
            "answered that it has an internal error (HTTP 500): “Fatal error: Uncaught Error in /a.php”".to_owned(),
            "fault of the license server",
        ),
        (
            of(503, "<html><title>Just a moment...</title>"),
            format!("{unavailable} with an HTML page, “Just a moment...”"),
            firewall,
        ),
        (
            of(503, "<html><title>ERROR: The requested URL could not be retrieved</title>"),
            format!("{unavailable} with an HTML page, “ERROR: The requested URL could not be retrieved”"),
            "contact its operator",
        ),
        (of(503, "\u{feff}<html></html>"), format!("{unavailable} with an HTML page"), later),
        (of(503, b"\x1b\x9f\xff\0\x80".to_vec()), unavailable.to_owned(), later),
        (of(503, "a\u{7}b"), unavailable.to_owned(), later),
        (of(503, r#"{"error":{"message":"Busy."}}"#), format!("{unavailable}: “Busy.”"), later),
        (wait(0), unavailable.to_owned(), later),
        (wait(119), format!("{unavailable}; it asks to wait 119 s"), later),
        (wait(120), format!("{unavailable}; it asks to wait 0 h 2 min"), later),
        (wait(86_400), format!("{unavailable}; it asks to wait 1 day 0 h 0 min"), later),
        (wait(86_401), unavailable.to_owned(), later),
        (wait(u64::MAX), unavailable.to_owned(), later),
        (
            of(502, "<html><head><title>502 Bad Gateway</title></head>"),
            "answered through a gateway that gets no proper answer from it (HTTP 502) with an HTML page, “502 Bad Gateway”"
                .to_owned(),
            "contact its operator",
        ),
        (
            Answer { retry_after: Some(Duration::from_secs(3)), ..of(503, r#"{"message":"Maintenance."}"#) },
            "answered that it is not available now (HTTP 503): “Maintenance.”; it asks to wait 3 s".to_owned(),
            later,
        ),
        (
            of(504, b"\x1f\x8b\x08".to_vec()),
            "answered through a gateway that gets no proper answer from it (HTTP 504)".to_owned(),
            "contact",
        ),
        (of(526, ""), "answered through Cloudflare, which does not trust its certificate (HTTP 526)".to_owned(), "contact"),
        (of(530, ""), "answered through Cloudflare, which gets no answer from it (HTTP 530)".to_owned(), "contact"),
        (of(418, ""), "answered without a verdict on the license (HTTP 418)".to_owned(), "operator"),
        (of(304, ""), "answered without a verdict on the license (HTTP 304)".to_owned(), "operator"),
        (of(302, ""), "answered without a verdict on the license (HTTP 302)".to_owned(), "operator"),
        (to(302, " "), "answered without a verdict on the license (HTTP 302) with an HTML page".to_owned(), "operator"),
    ];
    for (answer, cause, remedy) in table {
        assert_failure(&answer, &format!("the license server {cause}"), remedy);
    }
}

#[test]
fn a_body_that_is_no_license_answer_is_named_for_what_it_is() {
    let json = r#"{"valid":true,"max_accounts":5}"#;
    let utf16: Vec<u8> = json.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let utf32: Vec<u8> = json.chars().flat_map(|character| u32::from(character).to_le_bytes()).collect();
    let with_mark: Vec<u8> = [vec![0xff, 0xfe], utf16.clone()].concat();
    let portal = "(a captive portal or proxy page?)";
    let (sign_in, report, page) =
        ("sign in there or exempt this server", "fault of the license server", "an HTML page");
    let table: [(Answer, String, &str); 42] = [
        (
            of(200, "<!doctype html><html><head><title>\n Sign in to\tHotel &amp; Wi-Fi </title></head>"),
            format!("is {page}, “Sign in to Hotel &amp; Wi-Fi” {portal}"),
            sign_in,
        ),
        (of(200, "  <HTML><body>Sign in</body></HTML>"), format!("is {page} {portal}"), sign_in),
        (of(200, "<html><title></title>"), format!("is {page} {portal}"), sign_in),
        (of(200, "<html><title>unclosed"), format!("is {page} {portal}"), sign_in),
        (of(200, "\u{feff}<html></html>"), format!("is {page} {portal}"), sign_in),
        (typed(200, "text/HTML; charset=utf-8", "<div>Sign in</div>"), format!("is {page} {portal}"), sign_in),
        (of(200, b"<html><title>Caf\xe9</title>".to_vec()), format!("is {page}, “Caf\u{fffd}” {portal}"), sign_in),
        (of(200, "Sign in first."), "is text, not JSON: “Sign in first.”".to_owned(), sign_in),
        (of(200, "<?xml version='1.0'?><a>b</a>"), "is XML, not JSON: “b”".to_owned(), report),
        (
            of(200, "PHP Fatal error:  Uncaught Error in /a.php"),
            "is a PHP error message: “PHP Fatal error: Uncaught Error in /a.php”".to_owned(),
            report,
        ),
        (of(200, format!("Notice: a\n{json}\nNotice: b")), "has text around the JSON: “Notice: a”".to_owned(), report),
        (of(200, format!("callback({json});")), "has text around the JSON: “callback(”".to_owned(), report),
        (of(200, "<html><script>var a={\"b\":1};</script>"), format!("is {page} {portal}"), sign_in),
        (of(200, "\0\0\0"), "is not text: it has control characters".to_owned(), report),
        (of(200, "\u{feff}\u{feff}<html></html>"), format!("is {page} {portal}"), sign_in),
        (
            of(200, format!("\u{feff}\u{feff}{json}")),
            "begins with a byte-order mark, which JSON must not".to_owned(),
            report,
        ),
        (of(200, utf32.clone()), "is UTF-32 text, not UTF-8".to_owned(), report),
        (of(200, [vec![0xff, 0xfe, 0, 0], utf32].concat()), "is UTF-32 text, not UTF-8".to_owned(), report),
        (of(200, ""), "is empty (HTTP 200)".to_owned(), report),
        (of(204, ""), "is empty (HTTP 204)".to_owned(), report),
        (typed(200, "text/html", "\r\n "), "is empty (HTTP 200)".to_owned(), report),
        (of(200, "\u{feff}"), "is empty (HTTP 200)".to_owned(), report),
        (of(200, format!("\u{feff}{json}")), "begins with a byte-order mark, which JSON must not".to_owned(), report),
        (
            typed(
                200,
                "text/html",
                &format!(
                    "<br />\n<b>Warning</b>:  Undefined variable $a in <b>/a.php</b> on line <b>3</b><br />\n{json}\n"
                ),
            ),
            "has text before the JSON (a PHP warning?): “Warning: Undefined variable $a in /a.php on line 3”"
                .to_owned(),
            report,
        ),
        (
            of(200, format!("Notice: {{a}} {json}")),
            "has text before the JSON (a PHP warning?): “Notice: {a}”".to_owned(),
            report,
        ),
        (
            of(200, format!("\u{feff}Deprecated: a\n{json}")),
            "has text before the JSON (a PHP warning?): “Deprecated: a”".to_owned(),
            report,
        ),
        (of(200, format!("{json}\n<b>Warning</b>: a")), "has text after the JSON: “Warning: a”".to_owned(), report),
        (of(200, format!("{json}{json}")), format!("has text after the JSON: “{json}”"), report),
        (of(200, format!("{json}\0")), "has text after the JSON".to_owned(), report),
        (
            typed(200, "text/html", "<br />\n<b>Fatal error</b>:  Uncaught Error in /a.php"),
            "is a PHP error message: “Fatal error: Uncaught Error in /a.php”".to_owned(),
            report,
        ),
        (of(200, r#"{"valid":true,"max_acc"#), "ends in the middle: the JSON is cut off".to_owned(), report),
        (of(200, r#"{"valid":true,"max_accounts":5"#), "ends in the middle: the JSON is cut off".to_owned(), report),
        (of(200, utf16), "is UTF-16 text, not UTF-8".to_owned(), report),
        (of(200, with_mark), "is UTF-16 text, not UTF-8".to_owned(), report),
        (
            of(200, b"\x1f\x8b\x08\0\0".to_vec()),
            "is compressed (gzip), which the Agent did not ask for".to_owned(),
            report,
        ),
        (of(200, b"{\"valid\":true,\"message\":\"\xe9\"}".to_vec()), "is not UTF-8 text (byte 26)".to_owned(), report),
        (of(200, "[true]"), "is a list, not a JSON object".to_owned(), report),
        (of(200, "\"valid\""), "is the text “valid”, not a JSON object".to_owned(), report),
        (of(200, "-7"), "is -7, not a JSON object".to_owned(), report),
        (of(200, "null"), "is null, not a JSON object".to_owned(), report),
        (of(200, format!("{}{}", "{\"a\":".repeat(200), "1")), "is JSON that is nested too deeply".to_owned(), report),
        (
            of(200, "{\"valid\":true,\n\"max_accounts\":NaN}"),
            "is not correct JSON (line 2, column 16)".to_owned(),
            report,
        ),
    ];
    for (answer, cause, remedy) in table {
        assert_failure(&answer, &format!("the license server's answer {cause}"), remedy);
    }
}

#[test]
fn an_answer_in_the_protocols_form_that_breaks_it_is_quoted() {
    let number = "a non-negative integer, but";
    let table = [
        (
            r#"{"valid":"true","max_accounts":5}"#,
            "says “valid” is the text “true”, which is neither true nor false".to_owned(),
        ),
        (r#"{"valid":1,"max_accounts":5}"#, "says “valid” is 1, which is neither true nor false".to_owned()),
        (r#"{"valid":null}"#, "says “valid” is null, which is neither true nor false".to_owned()),
        (r#"{"error":{"code":7,"message":"Busy."}}"#, "does not say whether the license is valid: “Busy.”".to_owned()),
        (r#"{"license":{"valid":true}}"#, "does not say whether the license is valid".to_owned()),
        (
            r#"{"success":false,"message":"Try\nagain."}"#,
            "does not say whether the license is valid: “Try again.”".to_owned(),
        ),
        (r#"{"valid":true}"#, "says valid but has no account limit (max_accounts)".to_owned()),
        (r#"{"valid":true,"max_accounts":-1}"#, format!("is wrong: “max_accounts” is not {number} -1")),
        (r#"{"valid":true,"max_accounts":5.0}"#, format!("is wrong: “max_accounts” is not {number} 5.0")),
        (r#"{"valid":true,"max_accounts":"5"}"#, format!("is wrong: “max_accounts” is not {number} the text “5”")),
        (
            r#"{"valid":true,"max_accounts":5,"max_servers":[1]}"#,
            format!("is wrong: “max_servers” is not {number} a list"),
        ),
        (
            r#"{"valid":true,"max_accounts":5,"expires_at":"soon"}"#,
            "is wrong: “expires_at” is not a date such as 2027-03-01T00:00:00Z, but the text “soon”".to_owned(),
        ),
        (
            r#"{"valid":true,"max_accounts":5,"expires_at":1772323200}"#,
            "is wrong: “expires_at” is not a date such as 2027-03-01T00:00:00Z, but 1772323200".to_owned(),
        ),
    ];
    let (key, trusted) = (Secret::new(KEY.to_owned()), TrustedKeys::default());
    let question = Question { key: &key, key_sha256: "k", server_id: "s", nonce: Some("n"), trusted: &trusted };
    for (body, cause) in table {
        let Outcome::Inconclusive(failure) = read(&of(200, body), &question).outcome else { panic!("{body}") };
        assert_eq!(failure.cause, format!("the license server's answer {cause}"));
        assert!(failure.remedy.is_some_and(|remedy| remedy.contains("fault of the license server")), "{cause}");
    }
    assert_failure(
        &of(200, " ".repeat(64 * 1024 + 1)),
        "the license server's answer is longer than 64 KiB",
        "fault of the license server",
    );
}

#[test]
fn no_sentence_contains_the_license_key_or_controls_a_terminal() {
    let echo = format!("Key\u{1b}[2J\u{202e} {KEY}, {}", KEY.to_lowercase());
    let split = format!("Key {}<b>{}</b>", &KEY[..9], &KEY[9..]);
    let long = format!("{} {KEY}", "x".repeat(80));
    for text in [echo, split, long] {
        let json = serde_json::json!({"message": text, "valid": text}).to_string();
        for answer in [
            to(302, &format!("https://a.example.com/login?key={text}")),
            to(302, &format!("https://a.example.com/{text}/api/license/verify")),
            of(200, format!("<html><title>{text}</title>")),
            of(502, format!("<html><title>{text}</title>")),
            of(200, format!("{text} {{\"valid\":true}}")),
            of(200, format!("{{\"valid\":true}} {text}")),
            of(200, format!("<br>{text}")),
            of(200, text.clone()),
            of(403, text.clone()),
            of(200, serde_json::json!(text).to_string()),
            of(500, serde_json::json!({"message": text}).to_string()),
            of(200, serde_json::json!({"error": text}).to_string()),
            of(503, serde_json::json!({"error": text}).to_string()),
        ] {
            let Failure { cause, remedy, .. } = failure(&answer);
            let shown = format!("{cause} {}", remedy.unwrap_or_default());
            assert!(!shown.to_uppercase().contains(KEY), "{shown}");
            assert!(!shown.contains(|character: char| character.is_control() || character == '\u{202e}'), "{shown:?}");
            assert!(shown.chars().count() < 900, "{shown}");
        }
        let key = Secret::new(KEY.to_owned());
        let trusted = TrustedKeys::default();
        let question = Question { key: &key, key_sha256: "k", server_id: "s", nonce: None, trusted: &trusted };
        let Outcome::Inconclusive(failure) = read(&of(200, json), &question).outcome else { panic!() };
        assert!(!failure.cause.to_uppercase().contains(KEY), "{failure}");
    }
}
