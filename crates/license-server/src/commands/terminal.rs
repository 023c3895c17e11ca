//! Prompts on the terminal.

use std::io::{self, IsTerminal, Read, Write};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use crate::commands::failure::Failure;
use opterius_base::secret::Secret;
use opterius_daemon::signals::{self, Signals};

/// The maximum length of an input line, in bytes; longer than any password.
const MAX_LINE: usize = 4096;

/// Prompts on the terminal and returns the line that the user types.
///
/// # Errors
/// No line can be read.
pub(super) fn ask(question: &str) -> Result<String, Failure> {
    prompt(question);
    Ok(line()?.trim().to_owned())
}

/// Prompts twice for a new password without echo, or reads one line if stdin is not a terminal.
///
/// # Errors
/// No line can be read, or the two passwords differ.
pub(super) fn password(name: &str) -> Result<Secret, Failure> {
    if !io::stdin().is_terminal() {
        return Ok(Secret::new(String::clone(&*line()?)));
    }
    let first = hidden(&format!("New password for {name}: "))?;
    let second = hidden("Retype the password: ")?;
    if *first == *second {
        Ok(Secret::new(String::clone(&*first)))
    } else {
        Err(Failure::refused("the passwords do not match. Nothing was changed"))
    }
}

/// Restores the terminal settings when dropped.
struct Hidden {
    before: Termios,
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // Discard typed-ahead input, so that the shell does not get it.
        let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Flush, &self.before);
    }
}

fn hidden(question: &str) -> Result<Zeroizing<String>, Failure> {
    let failed = |error: io::Error| Failure::refused(format!("cannot turn off terminal echo: {error}"));
    // A signal must not leave the terminal without echo, so it is caught here.
    let signals = Signals::of_process().map_err(failed)?;
    let before = tcgetattr(rustix::stdio::stdin()).map_err(|error| failed(error.into()))?;
    let mut without_echo = before.clone();
    without_echo.local_modes.remove(LocalModes::ECHO);
    // Still echo the newline, so that the next output starts on a new line.
    without_echo.local_modes.insert(LocalModes::ECHONL | LocalModes::ICANON);
    let guard = Hidden { before };
    tcsetattr(rustix::stdio::stdin(), OptionalActions::Flush, &without_echo).map_err(|error| failed(error.into()))?;
    prompt(question);
    let interrupted = wait(&signals);
    let answer = if interrupted { Err(Failure::refused("interrupted. Nothing was changed")) } else { line() };
    drop(guard);
    if interrupted {
        prompt("\n");
    }
    answer
}

/// Waits for input; returns whether a signal arrived instead.
fn wait(signals: &Signals) -> bool {
    loop {
        let stdin = rustix::stdio::stdin();
        let mut descriptors = [
            PollFd::new(&signals.terminate, PollFlags::IN),
            PollFd::new(&signals.hangup, PollFlags::IN),
            PollFd::new(&stdin, PollFlags::IN),
        ];
        // If poll is interrupted, the loop repeats.
        let _ = poll(&mut descriptors, None);
        let ready = descriptors.last().is_some_and(|stdin| !stdin.revents().is_empty());
        if signals::take(&signals.terminate) > 0 || signals::take(&signals.hangup) > 0 {
            return true;
        }
        if ready {
            return false;
        }
    }
}

/// Reads one line from stdin, without the line ending.
fn line() -> Result<Zeroizing<String>, Failure> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_LINE));
    let mut stdin = io::stdin().lock();
    let mut byte = [0];
    loop {
        match stdin.read(&mut byte) {
            Ok(0) => break,
            Ok(_) if byte == [b'\n'] => break,
            Ok(_) if bytes.len() >= MAX_LINE => return Err(Failure::refused("the line on stdin is too long")),
            Ok(_) => bytes.extend_from_slice(&byte),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Failure::refused(format!("stdin cannot be read: {error}"))),
        }
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| Failure::refused("the line on stdin is not UTF-8"))?;
    Ok(Zeroizing::new(text.strip_suffix('\r').unwrap_or(text).to_owned()))
}

/// Prompts go to stderr, because a program can be reading stdout.
fn prompt(text: &str) {
    let mut stderr = io::stderr().lock();
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}
