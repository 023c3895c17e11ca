use super::*;

/// The framing of a request, or its refusal's error code.
fn framed(text: &str) -> Result<Framing, &'static str> {
    let bytes = text.as_bytes();
    let code = |refusal: Refusal| refusal.answer().1;
    let length = find_end(bytes, 0).map_err(code)?.expect("the head is not complete");
    let mut storage = STORAGE;
    parse(&bytes[..length], &mut storage).map(|(_, framing)| framing).map_err(code)
}

fn framing(head_length: usize, body_length: u64) -> Framing {
    Framing { head_length, body_length, expects_continue: false, keep_alive: true }
}

#[test]
fn the_calls_of_a_panel_are_understood() {
    let get = "GET /license/status?x=1&y=2 HTTP/1.1\r\nHost: 127.0.0.1:7443\r\nContent-Type: application/json\r\n\r\n";
    assert_eq!(framed(get), Ok(framing(get.len(), 0)));
    let mut storage = STORAGE;
    let (head, _) = parse(get.as_bytes(), &mut storage).unwrap();
    assert_eq!((head.path, head.query, &head.method), ("/license/status", Some("x=1&y=2"), &Method::Get));
    assert_eq!(head.only("CONTENT-TYPE"), Some("application/json"));
    assert_eq!(head.only("accept"), None);

    let post = "POST /domains/create HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\nExpect: 100-Continue\r\n\r\n";
    assert_eq!(framed(post), Ok(Framing { expects_continue: true, ..framing(post.len(), 12) }));
}

#[test]
fn keep_alive_follows_the_version_and_the_connection_header() {
    let table = [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", true),
        ("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", false),
        ("GET / HTTP/1.1\r\nHost: a\r\nConnection: foo, CLOSE\r\n\r\n", false),
        ("GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n\r\n", true),
        ("GET / HTTP/1.0\r\n\r\n", false),
        ("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", false),
    ];
    for (text, expected) in table {
        assert_eq!(framed(text).unwrap().keep_alive, expected, "{text}");
    }
}

#[test]
fn ambiguous_heads_are_refused() {
    let table = [
        ("GET / HTTP/1.1\r\n\r\n", "bad_request"),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", "bad_request"),
        ("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", "bad_request"),
        ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", "bad_request"),
        ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "bad_request"),
        ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n", "bad_request"),
        ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", "bad_request"),
        ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n", "bad_request"),
        ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x10\r\n\r\n", "bad_request"),
        ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1 1\r\n\r\n", "bad_request"),
        ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n", "bad_request"),
        ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551616\r\n\r\n", "body_too_large"),
        ("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", "transfer_encoding_not_supported"),
        ("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n", "transfer_encoding_not_supported"),
        (
            "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: x\r\nContent-Length: 3\r\n\r\n",
            "transfer_encoding_not_supported",
        ),
        ("GET / HTTP/1.1\r\nHost: a\r\nExpect: magic\r\n\r\n", "expectation_failed"),
        ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", "http_version_not_supported"),
        ("GET / HTTP/1.2\r\nHost: a\r\n\r\n", "http_version_not_supported"),
        ("GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", "bad_request"),
        ("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "bad_request"),
        ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", "bad_request"),
        ("GET / HTTP/1.1\r\nHost : a\r\n\r\n", "bad_request"),
        ("GET / HTTP/1.1\r\nHost: a\r\n folded: b\r\n\r\n", "bad_request"),
        ("GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n", "bad_request"),
        ("GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n", "bad_request"),
        ("GET / HTTP/1.1\r\nHost: a\u{1b}\r\n\r\n", "bad_request"),
        ("GET / HTTP/1.1\nHost: a\r\n\r\n", "bad_request"),
        ("nonsense\r\n\r\n", "bad_request"),
        ("\r\n\r\n", "bad_request"),
    ];
    for (text, expected) in table {
        assert_eq!(framed(text), Err(expected), "{text:?}");
    }
}

#[test]
fn a_head_has_8_kib_and_64_headers_at_most() {
    let with_padding = |padding: usize| format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(padding));
    let room = MAX_HEAD - with_padding(0).len();
    assert!(framed(&with_padding(room)).is_ok());
    assert_eq!(framed(&with_padding(room + 1)), Err("head_too_large"));
    assert_eq!(find_end(&[b'x'; MAX_HEAD], 0), Ok(None));
    assert_eq!(find_end(&[b'x'; MAX_HEAD + 1], MAX_HEAD), Err(Refusal::HeadTooLarge));

    let with_headers = |count: usize| format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(count - 1));
    assert!(framed(&with_headers(64)).is_ok());
    assert_eq!(framed(&with_headers(65)), Err("head_too_large"));
}

#[test]
fn the_end_is_found_however_the_bytes_arrive() {
    let text = b"GET / HTTP/1.1\r\nHost: a\r\n\r\nnext";
    let end = text.len() - 4;
    for step in 1..text.len() {
        let (mut seen, mut found) = (0, None);
        while found.is_none() {
            let upto = (seen + step).min(text.len());
            found = find_end(&text[..upto], seen).unwrap();
            seen = upto;
        }
        assert_eq!(found, Some(end), "in steps of {step}");
    }
    assert_eq!(
        find_end(b"GET / HTTP/1.1\n", 0),
        Err(Refusal::Malformed("A line of the request head does not end with CR LF."))
    );
}

#[test]
fn one_empty_line_before_a_request_is_ignored() {
    // RFC 9112 §2.2. More than one is refused.
    let text = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(framed(&format!("\r\n{text}")), Ok(framing(text.len() + 2, 0)));
    assert_eq!(framed(&format!("\r\n\r\n{text}")), Err("bad_request"));
}
