//! The progress of long work, as one line on the terminal that is overwritten and in the end erased.

use std::io::{IsTerminal, Write, stderr};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use crate::store::CopyCounter;
use opterius_base::clock::{Clock, SystemClock};
use opterius_daemon::notify::Notifier;

/// The time before the line appears, and between two updates.
const INTERVAL: Duration = Duration::from_millis(500);

/// How often the service manager is told that the start goes on, and how long it waits for the next time.
const SERVICE_INTERVAL: Duration = Duration::from_secs(10);
const SERVICE_TIME: Duration = Duration::from_secs(120);

/// A file that grows, and the size that it is expected to reach, in bytes.
pub(crate) type Growing = (PathBuf, u64);

/// How far the work is.
enum Measure {
    /// Only the time tells.
    Time,
    File(Growing),
    Rows(Arc<CopyCounter>),
}

/// Shows progress until it is dropped, on stderr if that is a terminal.
pub(crate) struct Progress {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Progress {
    /// Starts to show how long the work takes, and how much of the file is written.
    pub(crate) fn start(work: &'static str, file: Option<Growing>) -> Self {
        Self::start_measured(work, file.map_or(Measure::Time, Measure::File))
    }

    /// The same with the rows that are copied.
    pub(crate) fn start_copy(work: &'static str, counter: &Arc<CopyCounter>) -> Self {
        Self::start_measured(work, Measure::Rows(Arc::clone(counter)))
    }

    fn start_measured(work: &'static str, measure: Measure) -> Self {
        if !stderr().is_terminal() {
            return Self { stop: None, thread: None };
        }
        Self::spawn(move |stopped| show(work, &measure, stopped))
    }

    /// The same for work at the start of a service, which the service manager is told to wait for.
    pub(crate) fn start_in_service(work: &'static str) -> Self {
        if stderr().is_terminal() {
            return Self::start(work, None);
        }
        Self::spawn(move |stopped| keep_waiting(work, &Notifier::of_process(), SERVICE_INTERVAL, stopped))
    }

    fn spawn(show: impl FnOnce(&Receiver<()>) + Send + 'static) -> Self {
        let (stop, stopped) = bounded(0);
        let thread = thread::Builder::new().name("progress".to_owned()).spawn(move || show(&stopped));
        // Without a thread there is no progress, and the work goes on.
        Self { stop: Some(stop), thread: thread.ok() }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn show(work: &str, measure: &Measure, stopped: &Receiver<()>) {
    let begin = SystemClock.monotonic();
    let mut is_shown = false;
    while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(INTERVAL) {
        is_shown = true;
        write(&line(work, measure, SystemClock.monotonic().saturating_duration_since(begin)));
    }
    if is_shown {
        write("");
    }
}

/// Tells the service manager how long the work takes, and to wait longer than it would by itself.
fn keep_waiting(work: &str, notifier: &Notifier, interval: Duration, stopped: &Receiver<()>) {
    let begin = SystemClock.monotonic();
    while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(interval) {
        let elapsed = SystemClock.monotonic().saturating_duration_since(begin);
        notifier.extend_start(&line(work, &Measure::Time, elapsed), SERVICE_TIME);
    }
}

fn write(line: &str) {
    let mut terminal = stderr().lock();
    // The carriage return and the escape sequence erase the previous line.
    let _ = write!(terminal, "\r\x1b[K{line}").and_then(|()| terminal.flush());
}

fn line(work: &str, measure: &Measure, elapsed: Duration) -> String {
    let seconds = elapsed.as_secs();
    match measure {
        Measure::Time => format!("{work}: {seconds} s"),
        Measure::File((path, size)) => {
            let written = path.metadata().map_or(0, |metadata| metadata.len()).min(*size);
            let percent = written.saturating_mul(100).checked_div(*size).unwrap_or(100);
            format!("{work}: {percent} % of {} MB, {seconds} s", size / 1_000_000)
        }
        Measure::Rows(counter) => match counter.percent() {
            Some(percent) => format!("{work}: {percent} %, {seconds} s"),
            None => format!("{work}: {seconds} s"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_tells_the_work_and_how_far_it_is() {
        let elapsed = Duration::from_millis(2500);
        assert_eq!(line("Checking", &Measure::Time, elapsed), "Checking: 2 s");
        let missing = Measure::File((PathBuf::from("/nonexistent"), 5_000_000));
        assert_eq!(line("Copying", &missing, elapsed), "Copying: 0 % of 5 MB, 2 s");
        let full = Measure::File((PathBuf::from("/proc/self/exe"), 1));
        assert_eq!(line("Copying", &full, elapsed), "Copying: 100 % of 0 MB, 2 s");
        assert_eq!(line("Moving", &Measure::Rows(Arc::default()), elapsed), "Moving: 2 s");
    }
}
