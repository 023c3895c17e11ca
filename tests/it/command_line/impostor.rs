//! An impostor on the port: while the daemon is stopped, any local user can listen there.

use super::{ConfigFile, Finished, run};
use crate::support::http::SECRET;
use crate::support::pause;
use serde_json::{Value, json};
use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

#[test]
fn another_server_on_the_port_is_not_mistaken_for_the_agent() {
    let html = "<html><head><title>Welcome</title></head><body>It works!</body></html>";
    let huge = "x".repeat(200 * 1024);
    let table: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", Vec::new()),
        ("rubbish", b"\x16\x03\x01\x02\x00 rubbish\r\n\r\n".to_vec()),
        ("SSH", b"SSH-2.0-OpenSSH_9.2p1\r\n".to_vec()),
        ("HTML", answer(200, "text/html", html)),
        ("HTML, not found", answer(404, "text/html", html)),
        ("a redirect", b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n".to_vec()),
        ("other JSON", answer(200, "application/json", r#"{"status":"ok"}"#)),
        ("a list", answer(200, "application/json", r#"[{"valid":true}]"#)),
        ("valid as a text", answer(200, "application/json", r#"{"valid":"true"}"#)),
        ("valid with an error status", answer(500, "application/json", r#"{"valid":true}"#)),
        ("too long", answer(200, "application/json", &format!(r#"{{"valid":true,"message":"{huge}"}}"#))),
        ("truncated", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"valid\":true}".to_vec()),
        ("not UTF-8", [&answer(200, "application/json", "")[..], b"\xff\xfe"].concat()),
    ];
    for (what, bytes) in table {
        for arguments in [&["status"][..], &["status", "--json"], &["reverify"]] {
            let finished = against(&bytes, arguments);
            assert_eq!(finished.code, Some(2), "{what}, {arguments:?}: {finished:?}");
            assert_eq!(finished.stdout, "", "{what}, {arguments:?}");
            assert!(finished.stderr.contains("127.0.0.1:"), "{what}: {}", finished.stderr);
            assert!(finished.stderr.len() < 2000, "{what}: {} bytes", finished.stderr.len());
            let is_named = finished.stderr.contains("the response is longer than 64 KiB");
            assert_eq!(is_named, what == "too long", "{what}: {}", finished.stderr);
        }
    }
}

#[test]
fn a_server_that_never_answers_times_out() {
    let began = Instant::now();
    let finished = with_impostor(|_| Ok(()), Hangup::Never, &["status"]);
    finished.expect(2);
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    let drip = |client: &mut TcpStream| {
        loop {
            client.write_all(b"H")?;
            pause(Duration::from_millis(200));
        }
    };
    let began = Instant::now();
    with_impostor(drip, Hangup::AtOnce, &["status"]).expect(2);
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

/// Terminal controls: ESC [ and ESC ], their one-character forms, BEL, BS, DEL, line ends, and a text direction override.
const HOSTILE: &str = "a\u{1b}[31mb\u{1b}]0;c\u{7}d\u{9b}2Je\u{9d}0;f\u{8}\u{7f}g\r\nh\u{202e}i\u{0}j";

#[test]
fn no_escape_sequence_of_an_impostor_reaches_the_terminal() {
    let error = json!({ "error": HOSTILE, "message": HOSTILE }).to_string();
    let answers = [
        answer(200, "application/json", &hostile_status(true)),
        answer(200, "application/json", &hostile_status(false)),
        answer(401, "application/json", &error),
        answer(200, "text/plain", HOSTILE),
        answer(200, HOSTILE, "{}"),
        format!("HTTP/1.1 200 {HOSTILE}\r\n\r\n").into_bytes(),
        format!("HTTP/1.1 200 OK\r\n{HOSTILE}: {HOSTILE}\r\n\r\n").into_bytes(),
        format!("{HOSTILE}\r\n\r\n").into_bytes(),
        format!("HTTP/1.1 302 Found\r\nLocation: http://{HOSTILE}/\r\nContent-Length: 0\r\n\r\n").into_bytes(),
    ];
    for bytes in answers {
        for arguments in [&["status"][..], &["reverify"]] {
            against(&bytes, arguments).contains_no_escape_sequences();
        }
    }
}

#[test]
fn no_escape_sequence_of_an_impostor_reaches_the_terminal_as_json() {
    for valid in [true, false] {
        let finished = against(&answer(200, "application/json", &hostile_status(valid)), &["status", "--json"]);
        finished.contains_no_escape_sequences();
        if finished.code != Some(2) {
            let shown: Value = serde_json::from_str(&finished.stdout).unwrap();
            assert_eq!(shown["valid"], valid);
        }
    }
}

/// An HTTP response with this body.
fn answer(status: u16, kind: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status} Some\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}").into_bytes()
}

fn hostile_status(valid: bool) -> String {
    let names = ["plan", "expires_at", "message", "reason", "tier", "state", "source", "cache", "grace_until"];
    let times = ["last_verified_at", "last_checked_at", "next_check_at"];
    let mut status = json!({ "valid": valid, "recent_checks": [{ "at": HOSTILE, "verdict": HOSTILE }] });
    for name in names.into_iter().chain(times) {
        status[name] = HOSTILE.into();
    }
    status.to_string()
}

/// When the impostor closes its end.
#[derive(Clone, Copy)]
enum Hangup {
    AtOnce,
    Never,
}

fn against(bytes: &[u8], arguments: &[&str]) -> Finished {
    with_impostor(|client| client.write_all(bytes), Hangup::AtOnce, arguments)
}

/// Runs the command while an impostor listens on the daemon's address.
fn with_impostor(
    speak: impl Fn(&mut TcpStream) -> io::Result<()> + Sync,
    hangup: Hangup,
    arguments: &[&str],
) -> Finished {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let config = ConfigFile::new(format!("secret={SECRET}\nport={}\n", address.port()));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (mut client, _) = listener.accept().unwrap();
            let _ = client.read(&mut [0; 4096]);
            let spoken = speak(&mut client);
            if let (Ok(()), Hangup::AtOnce) = (spoken, hangup) {
                let _ = client.shutdown(Shutdown::Write);
            }
            let _ = io::copy(&mut client, &mut io::sink());
        });
        // The impostor must not wait forever for a client that never comes.
        let _knock = KnockOnDrop(address);
        run([&["--config", config.text()], arguments].concat())
    })
}

struct KnockOnDrop(SocketAddr);

impl Drop for KnockOnDrop {
    fn drop(&mut self) {
        drop(TcpStream::connect(self.0));
    }
}
