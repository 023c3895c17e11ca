//! CONNECT: the proxy opens the connection to the license server (RFC 9110 §9.3.6).

use std::io::{self, ErrorKind};

use crate::license::client::fault::{Fault, Step, words};
use crate::license::client::proxy::Proxy;
use opterius_base::stream::Stream;

/// The longest head of the proxy's answer, in bytes.
const MAX_HEAD: usize = 8 * 1024;

/// Has the proxy connect to `target` (`host:port`). Afterwards the stream leads there.
pub fn open(stream: &mut dyn Stream, proxy: &Proxy, target: &str) -> Result<(), Fault> {
    let head = exchange(stream, proxy, target).map_err(|error| unanswered(proxy, &error))?;
    match status(&head) {
        Some(200..=299) => Ok(()),
        status => Err(refused(proxy, target, status, &head)),
    }
}

/// Sends the request and reads the head of the answer. One byte at a time: what follows belongs to the license server.
fn exchange(stream: &mut dyn Stream, proxy: &Proxy, target: &str) -> io::Result<Vec<u8>> {
    let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n");
    if let Some(authorization) = &proxy.authorization {
        request.extend(["Proxy-Authorization: ", authorization.expose(), "\r\n"]);
    }
    request.push_str("\r\n");
    stream.write_all(request.as_bytes())?;
    stream.flush()?;
    let mut head = Vec::new();
    let mut byte = [0];
    while !is_complete(&head) && head.len() < MAX_HEAD {
        match stream.read(&mut byte) {
            Ok(1..) => head.extend(byte),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // What came before the end or the error tells more.
            _ if !head.is_empty() => break,
            Ok(_) => return Err(ErrorKind::UnexpectedEof.into()),
            Err(error) => return Err(error),
        }
    }
    Ok(head)
}

fn is_complete(head: &[u8]) -> bool {
    head.ends_with(b"\r\n\r\n") || head.ends_with(b"\n\n")
}

/// The status of a complete head; `None` if it is not one.
fn status(head: &[u8]) -> Option<u16> {
    let line = head.strip_prefix(b"HTTP/1.")?.get(2..5)?;
    std::str::from_utf8(line).ok()?.parse().ok().filter(|_| is_complete(head))
}

fn fault(proxy: &Proxy, sentence: &str, remedy: String) -> Fault {
    Fault::new(
        Step::Tunnel,
        format!("connecting through the proxy {} port {}: {sentence}", proxy.host, proxy.port),
        remedy,
    )
}

fn unanswered(proxy: &Proxy, error: &io::Error) -> Fault {
    let sentence = match error.kind() {
        ErrorKind::TimedOut => "it accepts the connection but does not answer".to_owned(),
        ErrorKind::UnexpectedEof => "it closed the connection without an answer".to_owned(),
        _ => words(error),
    };
    let remedy = format!("check that it is an HTTP proxy that allows CONNECT, and its log; fix {}", proxy.setting());
    fault(proxy, &sentence, remedy)
}

/// The sentence and the remedy for an answer that is not a yes.
fn refused(proxy: &Proxy, target: &str, status: Option<u16>, head: &[u8]) -> Fault {
    let Proxy { host, port, .. } = proxy;
    let ask = format!("ask the administrator of the proxy {host} to allow CONNECT to {target}");
    let Some(status) = status else {
        return if head.first() == Some(&0x15) {
            fault(proxy, "it speaks TLS", format!("write https:// instead of http:// in {}", proxy.setting()))
        } else {
            fault(
                proxy,
                "its answer breaks off, or is not HTTP/1.1",
                format!(
                    "check what listens on {host} port {port}; the Agent needs an HTTP proxy: fix {}",
                    proxy.setting()
                ),
            )
        };
    };
    let (sentence, remedy) = match status {
        407 => (
            if !offers_basic(head) {
                "it wants a form of authentication that the Agent does not support (only Basic)"
            } else if proxy.authorization.is_some() {
                "it wants another user and password"
            } else {
                "it wants a user and password"
            },
            format!(
                "set proxy=http{}://USER:PASSWORD@{host}:{port} in agent.conf (write characters such as # and @ in them as %23 \
                 and %40), then run: systemctl reload opterius-agent",
                if proxy.is_tls { "s" } else { "" }
            ),
        ),
        401 | 403 | 451 => ("it forbids the connection to the license server", ask),
        502..=504 => (
            "it cannot reach the license server",
            format!("check the network and the DNS of the proxy {host}: it must reach {target}"),
        ),
        400 | 405 | 501 => (
            "it does not open connections (CONNECT)",
            format!("check that {host} port {port} is a proxy, not a web server: fix {}; or {ask}", proxy.setting()),
        ),
        _ => ("it refused the connection to the license server", ask),
    };
    fault(proxy, &format!("{sentence} (HTTP {status})"), remedy)
}

/// Whether the challenge offers Basic, or none is given.
fn offers_basic(head: &[u8]) -> bool {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let mut challenges = head.lines().filter_map(|line| line.strip_prefix("proxy-authenticate:")).peekable();
    challenges.peek().is_none() || challenges.any(|challenge| challenge.contains("basic"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_of_a_proxy_has_its_sentence_and_its_remedy() {
        let plain = Proxy::parse("http://proxy.test:3128").unwrap();
        let known = Proxy::parse("http://alice:sesame@proxy.test:3128").unwrap();
        let table = [
            (
                &plain,
                &b"HTTP/1.1 407 Who?\r\n\r\n"[..],
                "wants a user and password (HTTP 407)",
                "USER:PASSWORD@proxy.test:3128",
            ),
            (&known, b"HTTP/1.1 407 Who?\r\n\r\n", "wants another user and password (HTTP 407)", "%23"),
            (&known, b"HTTP/1.1 407 Who?\r\nProxy-Authenticate: Basic realm=\"a\"\r\n\r\n", "another user", "USER"),
            (&known, b"HTTP/1.1 407 Who?\r\nProxy-authenticate: NTLM\r\n\r\n", "only Basic", "USER"),
            (
                &plain,
                b"HTTP/1.0 403 Forbidden\r\n\r\n",
                "forbids",
                "administrator of the proxy proxy.test to allow CONNECT to license.test:443",
            ),
            (&plain, b"HTTP/1.1 503 No\r\n\r\n", "cannot reach the license server (HTTP 503)", "DNS of the proxy"),
            (&plain, b"HTTP/1.1 405 No\r\n\r\n", "does not open connections", "web server"),
            (&plain, b"HTTP/1.1 302 Found\r\n\r\n", "refused", "administrator"),
            (&plain, b"SSH-2.0-OpenSSH\r\n\r\n", "not HTTP/1.1", "HTTP proxy"),
            (&plain, b"HTTP/1.1 200", "not HTTP/1.1", "HTTP proxy"),
            (&plain, b"\x15\x03\x01\x00\x02\x02\x46", "speaks TLS", "https://"),
        ];
        for (proxy, head, sentence, remedy) in table {
            let fault = refused(proxy, "license.test:443", status(head), head);
            let begin = "connecting through the proxy proxy.test port 3128: ";
            assert!(fault.cause.starts_with(begin) && fault.cause.contains(sentence), "{}", fault.cause);
            assert!(fault.remedy.contains(remedy), "{}", fault.remedy);
        }
    }
}
