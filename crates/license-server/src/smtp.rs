//! A minimal SMTP client (RFC 5321) that hands one mail to a mail server of this machine. It needs no privileges, unlike the
//! programs that write into a mail system's queue, so it works in a sandbox.
//!
//! The server is on a loopback address: the mail contains a secret and is not encrypted on the way.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::cause::cause;
use opterius_base::clock::{Clock, SystemClock};
use opterius_base::text::one_line;

/// The time for the whole conversation.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The most bytes that the server can send in all.
const MAX_REPLIES: usize = 64 * 1024;

/// The longest part of a refusal that is shown, in characters.
const MAX_SHOWN: usize = 160;

/// Connects to the server.
///
/// # Errors
/// Why there is no connection, in words.
pub(crate) fn connect(server: SocketAddr) -> Result<TcpStream, String> {
    TcpStream::connect_timeout(&server, TIMEOUT).map_err(|error| format!("the mail server {server}: {}", cause(&error)))
}

/// Sends the message, whose lines end with LF, and waits until the server has taken it over.
///
/// # Errors
/// Why it was not sent, in words.
pub(crate) fn send(stream: TcpStream, from: &str, to: &str, message: &str) -> Result<(), String> {
    let server = stream.peer_addr().map_or_else(|_| "unknown".to_owned(), |address| address.to_string());
    let clock = SystemClock;
    let ends_at = clock.monotonic() + TIMEOUT;
    let mut conversation = Conversation { stream, ends_at, clock, unread: Vec::new(), received: 0 };
    conversation.hold(from, to, message).map_err(|failure| format!("the mail server {server}: {failure}"))
}

struct Conversation {
    stream: TcpStream,
    ends_at: Instant,
    clock: SystemClock,
    /// What was received of the next line.
    unread: Vec<u8>,
    received: usize,
}

impl Conversation {
    fn hold(&mut self, from: &str, to: &str, message: &str) -> Result<(), String> {
        self.expect(220)?;
        // An address literal is for clients without a name of their own.
        self.command("EHLO [127.0.0.1]", 250)?;
        self.command(&format!("MAIL FROM:<{from}>"), 250)?;
        self.command(&format!("RCPT TO:<{to}>"), 250)?;
        self.command("DATA", 354)?;
        self.write(&transparent(message))?;
        self.command(".", 250)?;
        // The server has the mail: how it takes the farewell does not matter.
        let _ = self.command("QUIT", 221);
        Ok(())
    }

    fn command(&mut self, line: &str, expected: u16) -> Result<(), String> {
        self.write(&format!("{line}\r\n"))?;
        self.expect(expected)
    }

    fn write(&mut self, text: &str) -> Result<(), String> {
        let remaining = self.remaining()?;
        let written =
            self.stream.set_write_timeout(Some(remaining)).and_then(|()| self.stream.write_all(text.as_bytes()));
        written.map_err(|error| failure(&error))
    }

    /// Reads a reply of one or more lines, the last with a space after its code.
    fn expect(&mut self, expected: u16) -> Result<(), String> {
        loop {
            let line = self.line()?;
            let is_last = line.as_bytes().get(3) != Some(&b'-');
            if is_last {
                let code = line.get(..3).and_then(|code| code.parse::<u16>().ok());
                return if code == Some(expected) {
                    Ok(())
                } else {
                    Err(format!("“{}”", one_line(&line, MAX_SHOWN)))
                };
            }
        }
    }

    fn line(&mut self) -> Result<String, String> {
        loop {
            if let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                return Ok(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            if self.received >= MAX_REPLIES {
                return Err("it sends too much".to_owned());
            }
            let remaining = self.remaining()?;
            let mut buffer = [0; 1024];
            let read = self.stream.set_read_timeout(Some(remaining)).and_then(|()| self.stream.read(&mut buffer));
            let count = read.map_err(|error| failure(&error))?;
            let Some(part) = buffer.get(..count).filter(|part| !part.is_empty()) else {
                return Err("it closed the connection".to_owned());
            };
            self.received = self.received.saturating_add(count);
            self.unread.extend_from_slice(part);
        }
    }

    /// The rest of the time, never zero, which would mean no limit.
    fn remaining(&self) -> Result<Duration, String> {
        let remaining = self.ends_at.saturating_duration_since(self.clock.monotonic());
        if remaining.is_zero() { Err(too_slow()) } else { Ok(remaining) }
    }
}

fn too_slow() -> String {
    format!("it did not take the mail within {} seconds", TIMEOUT.as_secs())
}

fn failure(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut => too_slow(),
        _ => cause(error),
    }
}

/// The message as it is sent: lines end with CRLF, and none is the dot that ends the mail (RFC 5321, section 4.5.2).
fn transparent(message: &str) -> String {
    let line = |line: &str| {
        let dot = if line.starts_with('.') { "." } else { "" };
        format!("{dot}{}\r\n", line.replace('\r', ""))
    };
    message.lines().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_of_the_text_ends_the_mail() {
        assert_eq!(transparent("a\n.\n\n..b\r\nc\rd"), "a\r\n..\r\n\r\n...b\r\ncd\r\n");
    }
}
