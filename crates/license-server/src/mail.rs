//! Mail by the local `sendmail -t -oi`: plain text to one address. The program gets no argument that depends on a user, and
//! no shell is involved.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use crate::cause::cause;
use crate::config::{Config, Sendmail};
use crate::model::mail_address;

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

/// The program that sends mail, if there is one.
pub(crate) fn program(config: &Config) -> Option<PathBuf> {
    match &config.sendmail {
        Sendmail::None => None,
        Sendmail::Program(path) => Some(path.clone()),
        Sendmail::Auto => PROGRAMS.iter().map(PathBuf::from).find(|path| path.exists()),
    }
}

/// Hands the mail to the program and waits for it, at most [`TIMEOUT`].
///
/// # Errors
/// Why it was not sent, in words.
pub(crate) fn send(program: &Path, from: Option<&str>, mail: &Mail<'_>) -> Result<(), String> {
    let message = message(from, mail)?;
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
    match (status, written) {
        (None, _) => Err(format!("{} did not end within {} seconds", program.display(), TIMEOUT.as_secs())),
        (Some(status), Some(Ok(()))) if status.success() => Ok(()),
        (Some(status), _) => Err(format!("{} failed ({status}); the mail log says why", program.display())),
    }
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
fn message(from: Option<&str>, mail: &Mail<'_>) -> Result<String, String> {
    if !mail_address::is_valid(mail.to) {
        return Err("the e-mail address is not valid".to_owned());
    }
    let from = from.filter(|from| mail_address::is_valid(from)).map_or(String::new(), |from| format!("From: {from}\n"));
    Ok(format!(
        "{from}To: {}\nSubject: {}\nAuto-Submitted: auto-generated\nMIME-Version: 1.0\nContent-Type: text/plain; \
         charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n{}",
        mail.to, mail.subject, mail.text
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_valid_addresses_get_into_a_header() {
        let mail = |to| Mail { to, subject: "Set your password", text: "Hello\n.\nBcc: mallory\n" };
        let text = message(Some("licenses@example.com"), &mail("anna@example.com")).unwrap();
        let (head, body) = text.split_once("\n\n").unwrap();
        let names: Vec<&str> = head.lines().filter_map(|line| line.split(':').next()).collect();
        assert_eq!(names[..3], ["From", "To", "Subject"]);
        assert_eq!((names.len(), body), (7, "Hello\n.\nBcc: mallory\n"));
        assert!(message(None, &mail("anna@example.com\nBcc: bert@example.com")).is_err());
        let forged = message(Some("a@example.com\nBcc: b@example.com"), &mail("anna@example.com")).unwrap();
        assert!(!forged.contains("b@example.com"), "{forged}");
    }
}
