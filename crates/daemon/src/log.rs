//! Logs to syslog, or to stderr where there is no syslog. Never blocks: lines that cannot be written are counted, and the
//! count is logged with the next line that can.

use std::io::{self, ErrorKind, Write};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use log::{Level, LevelFilter, Log, Metadata, Record};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use syslog::{Facility, LogFormat, LoggerBackend, Severity};

use opterius_base::text::one_line;

/// The syslog socket.
pub const SYSLOG_SOCKET: &str = "/dev/log";

/// Longest line in characters: syslog daemons do not truncate it, and a pipe takes it atomically.
const MAX_LINE: usize = 1000;

/// The format of a line: priority, identifier, process id. It has no host name, which journald would treat as part of the
/// message, and no time, which every syslog daemon adds itself.
#[derive(Clone, Copy, Debug)]
struct Format {
    ident: &'static str,
}

impl<T: std::fmt::Display> LogFormat<T> for Format {
    fn format<W: Write>(&self, writer: &mut W, severity: Severity, message: T) -> Result<(), syslog::Error> {
        let priority = Facility::LOG_DAEMON as u8 | severity as u8;
        write!(writer, "<{priority}>{}[{}]: {message}", self.ident, std::process::id()).map_err(syslog::Error::Write)
    }
}

type Connection = syslog::Logger<LoggerBackend, Format>;

/// Where log lines go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogTarget {
    /// syslog, or stderr where there is no syslog socket.
    Auto,
    /// syslog only.
    Syslog,
    /// stderr only.
    Stderr,
}

/// The logger behind the `log` facade.
pub struct Logger {
    ident: &'static str,
    target: LogTarget,
    socket: PathBuf,
    sink: Mutex<Sink>,
}

#[derive(Default)]
struct Sink {
    connection: Option<Connection>,
    lost: u64,
}

impl Logger {
    /// A logger that connects to the syslog socket at `socket` when it first logs. `ident` starts every line;
    /// `journalctl -t` selects by it.
    pub fn new(ident: &'static str, target: LogTarget, socket: &Path) -> Self {
        Self { ident, target, socket: socket.to_owned(), sink: Mutex::default() }
    }

    /// Makes it the process's logger.
    pub fn install(self) {
        // Fails only if a logger is already installed, which then stays in use.
        if log::set_boxed_logger(Box::new(self)).is_ok() {
            log::set_max_level(LevelFilter::Info);
        }
    }

    /// Logs one line.
    pub fn line(&self, level: Level, text: &str) {
        let mut sink = self.sink.lock().unwrap_or_else(PoisonError::into_inner);
        let text = one_line(text, MAX_LINE);
        if sink.lost > 0 {
            let report = format!("{} log lines were lost because the log was full", sink.lost);
            if self.write(&mut sink, Level::Warn, &report).is_ok() {
                sink.lost = 0;
            }
        }
        if self.write(&mut sink, level, &text).is_err() {
            sink.lost = sink.lost.saturating_add(1);
        }
    }

    fn write(&self, sink: &mut Sink, level: Level, text: &str) -> io::Result<()> {
        match self.target {
            LogTarget::Stderr => write_stderr(text),
            LogTarget::Syslog => self.write_syslog(sink, level, text),
            LogTarget::Auto => match self.write_syslog(sink, level, text) {
                // syslog exists but its queue is full.
                Err(error) if error.kind() == ErrorKind::WouldBlock => Err(error),
                Err(_) => write_stderr(text),
                Ok(()) => Ok(()),
            },
        }
    }

    /// Sends a line. Reconnects once if the connection is broken, for example because syslog was restarted.
    fn write_syslog(&self, sink: &mut Sink, level: Level, text: &str) -> io::Result<()> {
        if let Some(connection) = &mut sink.connection {
            match send(connection, level, text) {
                Err(error) if error.kind() != ErrorKind::WouldBlock => sink.connection = None,
                result => return result,
            }
        }
        let connection = sink.connection.insert(connect(self.ident, &self.socket)?);
        send(connection, level, text)
    }
}

fn connect(ident: &'static str, path: &Path) -> io::Result<Connection> {
    let socket = UnixDatagram::unbound()?;
    socket.connect(path)?;
    socket.set_nonblocking(true)?;
    Ok(syslog::Logger::new(LoggerBackend::Unix(socket), Format { ident }))
}

fn send(connection: &mut Connection, level: Level, text: &str) -> io::Result<()> {
    let sent = match level {
        Level::Error => connection.err(text),
        Level::Warn => connection.warning(text),
        Level::Info => connection.info(text),
        Level::Debug | Level::Trace => connection.debug(text),
    };
    sent.map_err(|error| match error {
        syslog::Error::Write(error) | syslog::Error::Io(error) => error,
        error => io::Error::other(error.to_string()),
    })
}

/// Writes to stderr if that does not block: it can be a pipe whose reader has stopped.
fn write_stderr(text: &str) -> io::Result<()> {
    let stderr = rustix::stdio::stderr();
    let mut ready = [PollFd::new(&stderr, PollFlags::OUT)];
    poll(&mut ready, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))?;
    if !ready.iter().any(|descriptor| descriptor.revents().contains(PollFlags::OUT)) {
        return Err(ErrorKind::WouldBlock.into());
    }
    // A single write, so that lines from several threads do not interleave.
    io::stderr().lock().write_all(format!("{text}\n").as_bytes())
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // Only our own lines: those of libraries tell an operator nothing new.
        metadata.level() <= Level::Info && metadata.target().starts_with("opterius")
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            self.line(record.level(), &record.args().to_string());
        }
    }

    fn flush(&self) {}
}

#[cfg(test)]
#[path = "log_tests.rs"]
mod tests;
