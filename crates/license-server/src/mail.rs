//! Mail: plain text to one address, handed to a mail server of this machine (`smtp`), or to a program, as `sendmail -t -oi`.
//! The program gets no argument that depends on a user, and no shell is involved.

use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use crate::cause::cause;
use crate::config::{Config, MailSystem};
use crate::model::mail_address;
use crate::random_token::random;
use crate::smtp;
use opterius_base::clock::{Clock, SystemClock, Timestamp};
use opterius_http::response::format_date;

/// How long the program may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Where mail systems install their `sendmail`.
const PROGRAMS: [&str; 2] = ["/usr/sbin/sendmail", "/usr/lib/sendmail"];

/// A mail.
pub(crate) struct Mail<'a> {
    /// The address of the recipient.
    pub to: &'a str,
    /// The subject, in ASCII.
    pub subject: &'static str,
    /// The text, in lines.
    pub text: &'a str,
}

/// The mail server that is used if nothing else is configured. Only root can listen there.
const LOCAL_SERVER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 25);

/// What takes over a mail.
pub(crate) enum Transport {
    /// The connection to a mail server, or why there is none.
    Server(Result<TcpStream, String>),
    /// A program.
    Program(PathBuf),
}

/// What sends mail, if anything does: by default a mail server on this machine, else the system's `sendmail`.
pub(crate) fn find(config: &Config) -> Option<Transport> {
    match &config.mail {
        MailSystem::None => None,
        MailSystem::Program(path) => Some(Transport::Program(path.clone())),
        MailSystem::Server(server) => Some(Transport::Server(smtp::connect(*server))),
        MailSystem::Auto => match smtp::connect(LOCAL_SERVER) {
            Ok(stream) => Some(Transport::Server(Ok(stream))),
            Err(_) => PROGRAMS.iter().map(PathBuf::from).find(|path| path.exists()).map(Transport::Program),
        },
    }
}

/// How links reach their users, in words, for `check`.
pub(crate) fn describe(config: &Config) -> String {
    match find(config) {
        None => "links to set a password are only shown: no mail system is found, or mail=none is set".to_owned(),
        Some(Transport::Server(Ok(stream))) => {
            let server = stream.peer_addr().map_or_else(|_| String::new(), |server| format!(" at {server}"));
            format!("links to set a password are sent by the mail server{server}")
        }
        Some(Transport::Server(Err(cause))) => {
            format!("links to set a password are only shown: {cause}. Start it, or change mail in license-server.conf")
        }
        Some(Transport::Program(program)) => {
            format!("links to set a password are sent by {}. {SANDBOX}", program.display())
        }
    }
}

/// Hands the mail over, within [`TIMEOUT`].
///
/// # Errors
/// Why it was not sent, in words.
pub(crate) fn send(transport: Transport, from: Option<&str>, mail: &Mail<'_>) -> Result<(), String> {
    let now = SystemClock.wall();
    match transport {
        Transport::Server(stream) => {
            let from = from.map_or_else(default_sender, |from| Ok(from.to_owned()))?;
            smtp::send(stream?, &from, mail.to, &message(Some(&from), mail, now)?)
        }
        Transport::Program(program) => run(&program, &message(from, mail, now)?),
    }
}

/// The sender if none is configured: mail servers want a complete address.
fn default_sender() -> Result<String, String> {
    let read = |path: &&str| fs::read_to_string(path).ok().filter(|name| !name.trim().is_empty());
    let host = ["/etc/mailname", "/proc/sys/kernel/hostname"].iter().find_map(read).unwrap_or_default();
    let sender = format!("opterius-license-server@{}", host.trim());
    if mail_address::is_valid(&sender) {
        Ok(sender)
    } else {
        Err(format!("“{sender}” is no e-mail address: set mail_from in license-server.conf"))
    }
}

/// Runs the program and waits for it.
fn run(program: &Path, message: &str) -> Result<(), String> {
    let failed = |error: &std::io::Error| format!("{}: {}", program.display(), cause(error));
    let mut child = Command::new(program)
        .args(["-t", "-oi"])
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(|error| failed(&error))?;
    // The message is far smaller than a pipe, so that this never waits. A program that reads nothing is judged below.
    let written = child.stdin.take().map(|mut stdin| stdin.write_all(message.as_bytes()));
    let status = wait(&mut child).map_err(|error| failed(&error))?;
    let failure = match (status, written) {
        (None, _) => format!("{} did not end within {} seconds", program.display(), TIMEOUT.as_secs()),
        (Some(status), Some(Ok(()))) if status.success() => return Ok(()),
        (Some(status), _) => format!("{} failed ({status}); the mail log says why", program.display()),
    };
    Err(if is_sandboxed() { format!("{failure}. {SANDBOX}") } else { failure })
}

/// What to do about a program that cannot work in a sandbox.
const SANDBOX: &str = "The sandbox of the service keeps programs such as Postfix's from queueing mail. Install a \
                                  mail server that listens at 127.0.0.1:25, and set mail=smtp://127.0.0.1:25 in \
                                  license-server.conf";

/// Whether programs that this process starts get no privileges by set-user-ID and set-group-ID bits.
fn is_sandboxed() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().any(|line| line.strip_prefix("NoNewPrivs:").is_some_and(|value| value.trim() == "1"))
}

/// Waits for the program; `None` if it did not end in time and was killed.
fn wait(child: &mut Child) -> std::io::Result<Option<ExitStatus>> {
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let ended = group.is_some_and(|pid| {
        let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) else { return false };
        let timeout = Timespec { tv_sec: i64::try_from(TIMEOUT.as_secs()).unwrap_or(10), tv_nsec: 0 };
        poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&timeout)).is_ok_and(|ready| ready > 0)
    });
    if !ended && let Some(group) = group {
        let _ = kill_process_group(group, Signal::KILL);
    }
    let status = child.wait()?;
    Ok(Some(status).filter(|_| ended))
}

/// The headers and the text. Nothing but valid addresses gets into a header.
fn message(from: Option<&str>, mail: &Mail<'_>, now: Timestamp) -> Result<String, String> {
    if !mail_address::is_valid(mail.to) {
        return Err("the e-mail address is not valid".to_owned());
    }
    let mut head = String::new();
    if let Some((from, (_, domain))) =
        from.filter(|from| mail_address::is_valid(from)).and_then(|from| Some((from, from.split_once('@')?)))
    {
        let id = random().map_err(|error| error.to_string())?;
        head = format!("From: {from}\nMessage-ID: <{id}@{domain}>\n");
    }
    Ok(format!(
        "{head}To: {}\nSubject: {}\nDate: {}\nAuto-Submitted: auto-generated\nMIME-Version: 1.0\nContent-Type: text/plain; \
         charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n{}",
        mail.to,
        mail.subject,
        // The form of HTTP, with the zone as mail writes it (RFC 5322, section 3.3).
        format_date(now).replace("GMT", "+0000"),
        mail.text
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_valid_addresses_get_into_a_header() {
        let mail = |to| Mail { to, subject: "Set your password", text: "Hello\n.\nBcc: mallory\n" };
        let now = Timestamp::from_unix(1_772_323_200);
        let text = message(Some("licenses@example.com"), &mail("anna@example.com"), now).unwrap();
        let (head, body) = text.split_once("\n\n").unwrap();
        let names: Vec<&str> = head.lines().filter_map(|line| line.split(':').next()).collect();
        assert_eq!(names[..4], ["From", "Message-ID", "To", "Subject"]);
        assert!(head.contains("\nDate: Sun, 01 Mar 2026 00:00:00 +0000\n"), "{head}");
        assert_eq!((names.len(), body), (9, "Hello\n.\nBcc: mallory\n"));
        assert!(message(None, &mail("anna@example.com\nBcc: bert@example.com"), now).is_err());
        let forged = message(Some("a@example.com\nBcc: b@example.com"), &mail("anna@example.com"), now).unwrap();
        assert!(!forged.contains("b@example.com"), "{forged}");
    }
}
