//! A FastCGI request to a PHP master: proof that the one behind the socket answers, and with which settings.
//!
//! The tenant controls the master, so everything that it sends is limited in size and time.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType, socket_with};

use opterius_base::deadline::Deadline;

/// The path that FPM answers itself, without a script. nginx passes only paths of scripts, so no visitor can ask for it.
pub const PING: &str = "/opterius-agent/ping";

/// Largest answer, in bytes.
const MAX_ANSWER: u64 = 8 * 1024;

/// Record types, and the role of a responder (FastCGI specification, section 8).
const BEGIN_REQUEST: u8 = 1;
const PARAMETERS: u8 = 4;
const STDIN: u8 = 5;
const STDOUT: u8 = 6;
const RESPONDER: u8 = 1;

/// The answer to [`PING`] of the master behind the socket, without its header.
///
/// # Errors
/// Nothing listens on the socket, or nothing answers before the deadline.
pub fn ping(socket: &Path, deadline: Deadline) -> io::Result<String> {
    let mut stream = connect(socket)?;
    let left = deadline.left().max(Duration::from_millis(1));
    stream.set_read_timeout(Some(left))?;
    stream.set_write_timeout(Some(left))?;
    stream.write_all(&request())?;
    let mut bytes = Vec::new();
    let mut part = [0_u8; 1024];
    // A read can wait as long as the whole deadline, so check it after each.
    loop {
        let length = stream.read(&mut part)?;
        bytes.extend(part.iter().take(length));
        if length == 0 {
            break;
        }
        if deadline.is_over() || u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MAX_ANSWER {
            return Err(io::ErrorKind::TimedOut.into());
        }
    }
    let output = String::from_utf8_lossy(&output(&bytes)).into_owned();
    let body = output.split_once("\r\n\r\n").map(|(_, body)| body.trim().to_owned());
    body.filter(|body| !body.is_empty()).ok_or_else(|| io::Error::other("the connection was closed without an answer"))
}

/// Connects without waiting: while the queue of a stopped master is full, which its tenant can cause, a connection would wait
/// without a limit.
fn connect(path: &Path) -> io::Result<UnixStream> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    match net::connect(&socket, &SocketAddrUnix::new(path)?) {
        Err(Errno::AGAIN) => return Err(io::Error::other("its queue of requests is full")),
        connected => connected?,
    }
    let stream = UnixStream::from(socket);
    stream.set_nonblocking(false)?;
    Ok(stream)
}

fn request() -> Vec<u8> {
    let parameters =
        [("SCRIPT_NAME", PING), ("SCRIPT_FILENAME", PING), ("REQUEST_METHOD", "GET"), ("SERVER_PROTOCOL", "HTTP/1.1")];
    let mut content = Vec::new();
    for (name, value) in parameters {
        content.extend([name, value].map(|text| u8::try_from(text.len()).unwrap_or(0)));
        content.extend(name.bytes().chain(value.bytes()));
    }
    let begin = [0, RESPONDER, 0, 0, 0, 0, 0, 0];
    [record(BEGIN_REQUEST, &begin), record(PARAMETERS, &content), record(PARAMETERS, &[]), record(STDIN, &[])].concat()
}

/// One record of request 1.
fn record(kind: u8, content: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(content.len()).unwrap_or(0).to_be_bytes();
    [&[1, kind, 0, 1, high, low, 0, 0][..], content].concat()
}

/// The content of all complete output records.
fn output(mut bytes: &[u8]) -> Vec<u8> {
    let mut output = Vec::new();
    while let [_, kind, _, _, high, low, padding, _, rest @ ..] = bytes {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let Some((content, after)) = rest.split_at_checked(length) else { break };
        if *kind == STDOUT {
            output.extend(content);
        }
        bytes = after.get(usize::from(*padding)..).unwrap_or_default();
    }
    output
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    #[test]
    fn output_is_joined_and_damaged_records_end_it() {
        let whole = [record(STDOUT, b"ab"), record(7, b"stderr"), record(STDOUT, b"cd"), record(3, &[0; 8])].concat();
        assert_eq!(output(&whole), b"abcd");
        let mut padded = record(STDOUT, b"ab");
        padded[6] = 3;
        padded.extend([0; 3]);
        padded.extend(record(STDOUT, b"cd"));
        assert_eq!(output(&padded), b"abcd");
        let cut = record(STDOUT, b"abcdef");
        assert_eq!(output(&cut[..cut.len() - 1]), b"");
        assert_eq!(output(&[1, 6, 0]), b"");
    }

    #[test]
    fn a_master_that_talks_forever_or_says_nothing_is_given_up() {
        let path = std::env::temp_dir().join(format!("opterius-fastcgi-{}.sock", std::process::id()));
        let listener = UnixListener::bind(&path).unwrap();
        let serving = std::thread::spawn(move || {
            let (mut endless, _) = listener.accept().unwrap();
            while endless.write_all(&[1, STDOUT, 0, 1, 255, 255, 0, 0]).is_ok() {}
            let (silent, _) = listener.accept().unwrap();
            silent
        });
        assert!(ping(&path, Deadline::within(Duration::from_secs(20))).is_err());
        assert!(ping(&path, Deadline::within(Duration::from_millis(20))).is_err());
        drop(serving.join().unwrap());
        std::fs::remove_file(&path).unwrap();
        assert!(ping(&path, Deadline::within(Duration::from_secs(20))).is_err());
    }

    #[test]
    fn a_full_queue_is_an_answer_at_once() {
        let path = std::env::temp_dir().join(format!("opterius-fastcgi-queue-{}.sock", std::process::id()));
        let listener = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None).unwrap();
        net::bind(&listener, &SocketAddrUnix::new(&path).unwrap()).unwrap();
        net::listen(&listener, 1).unwrap();
        let waiting: Vec<UnixStream> = (0..10).map_while(|_| connect(&path).ok()).collect();
        assert!((1..10).contains(&waiting.len()), "{}", waiting.len());
        let error = ping(&path, Deadline::within(Duration::from_secs(60))).unwrap_err();
        assert!(error.to_string().contains("queue"), "{error}");
        std::fs::remove_file(path).unwrap();
    }
}
