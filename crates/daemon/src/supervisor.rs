//! Supervises the threads of a daemon: if an essential thread ends, the process exits, because a daemon that has lost a
//! thread would look alive but not work.
//!
//! This runs on the main thread, which also talks to the service manager.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, unbounded};
use log::{error, info, warn};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::log::LogTarget;
use crate::notify::{Notifier, Progress, Report};
use crate::output::complain;
use crate::signals::{self, Signals};
use crate::watchdog::Watchdog;
use crate::{EXIT_FAILURE, EXIT_INTERNAL, Program};
use opterius_base::clock::Clock;
use opterius_base::waker::Waker;

/// The name of the thread whose end completes a shutdown.
const FRONT: &str = "front";

/// The code that a thread runs.
pub type Body = Box<dyn FnOnce() + Send>;

/// Starts a thread with a name and a body.
pub type Spawn = dyn Fn(&str, Body) -> io::Result<()>;

/// A [`Spawn`] that starts real threads.
pub fn spawn() -> Box<Spawn> {
    Box::new(|name, body| thread::Builder::new().name(name.to_owned()).spawn(body).map(drop))
}

/// Why a daemon exited abnormally.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// An essential thread ended.
    ThreadEnded(String),
    /// A second signal ended the shutdown and cut off running requests.
    StoppedAtOnce,
    /// The daemon could not start.
    Start(String),
}

impl Failure {
    /// A failure to start because of this error.
    pub fn start(error: io::Error) -> Self {
        Self::Start(format!("cannot start: {error}"))
    }

    /// The message, unless it has already been logged.
    fn sentence(&self, program: Program) -> Option<String> {
        match self {
            Self::ThreadEnded(name) => {
                let subject = program.subject;
                Some(format!("internal error: the thread {name} has ended; {subject} exits"))
            }
            Self::StoppedAtOnce => None,
            Self::Start(sentence) => Some(sentence.clone()),
        }
    }
}

/// Reports a failure to the log and to stderr, and returns the exit code.
pub fn conclude(ended: &Result<(), Failure>, program: Program, target: LogTarget) -> u8 {
    let Err(failure) = ended else { return 0 };
    if let Some(sentence) = failure.sentence(program) {
        error!("{sentence}");
        if target != LogTarget::Stderr {
            complain(program.name, &sentence);
        }
    }
    match failure {
        Failure::Start(_) | Failure::StoppedAtOnce => EXIT_FAILURE,
        Failure::ThreadEnded(_) => EXIT_INTERNAL,
    }
}

/// Makes a panic, which is always a bug, log a message and end the process. The service manager starts a new one.
pub fn report_panics(program: Program) {
    std::panic::set_hook(Box::new(move |panic| {
        let thread = thread::current().name().unwrap_or("unnamed").to_owned();
        let sentence = format!("internal error in thread {thread}: {panic}");
        // stderr first: the panic may come from the logger itself.
        complain(program.name, &sentence);
        error!("{sentence}");
        std::process::exit(i32::from(EXIT_INTERNAL));
    }));
}

/// Starts threads and waits for them; owned by the main thread.
pub struct Supervisor {
    spawn: Box<Spawn>,
    names: Sender<String>,
    ended: Receiver<String>,
    /// Whether the daemon has answered the watchdog's request since the watchdog was last fed.
    answered: Arc<AtomicBool>,
    waker: Waker,
}

/// How to stop a daemon.
pub struct Stop {
    /// Makes the front thread end once running requests are answered.
    pub begin: Box<dyn Fn()>,
    /// How long running requests have to finish.
    pub time: Duration,
}

/// The daemon's reactions to events.
pub trait Lifecycle {
    /// Reloads the configuration, on SIGHUP.
    fn reload(&mut self);

    /// The status for the service manager.
    fn report(&self) -> Report;
}

/// Reports to the main thread that a thread has ended, whatever the reason.
struct ExitGuard {
    name: String,
    names: Sender<String>,
    waker: Waker,
}

impl Drop for ExitGuard {
    fn drop(&mut self) {
        let _ = self.names.send(std::mem::take(&mut self.name));
        self.waker.wake();
    }
}

impl Supervisor {
    /// A supervisor that starts threads with `spawn`.
    ///
    /// # Errors
    /// The process has run out of file descriptors.
    pub fn new(spawn: Box<Spawn>) -> io::Result<Self> {
        let (names, ended) = unbounded();
        Ok(Self { spawn, names, ended, answered: Arc::default(), waker: Waker::new()? })
    }

    /// Wakes the main thread to report a changed status.
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Starts an essential thread: if it ends, the daemon exits.
    ///
    /// # Errors
    /// The thread cannot be created.
    pub fn start(&self, name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let exit_guard = ExitGuard { name: name.to_owned(), names: self.names.clone(), waker: self.waker.clone() };
        (self.spawn)(
            name,
            Box::new(move || {
                let _exit_guard = exit_guard;
                body();
            }),
        )
    }

    /// Starts the front thread, which answers clients. A shutdown is complete when it ends.
    ///
    /// # Errors
    /// The thread cannot be created.
    pub fn start_front(&self, run: impl FnOnce() -> io::Result<()> + Send + 'static) -> io::Result<()> {
        self.start(FRONT, move || {
            if let Err(error) = run() {
                error!("The front thread failed: {error}");
            }
        })
    }

    /// Starts the thread that sends requests to the daemon like a client. It only records that it got a response: the main
    /// thread feeds the watchdog, so that the watchdog covers the main thread too.
    ///
    /// # Errors
    /// The thread cannot be created.
    pub fn start_watchdog(&self, watchdog: Option<Watchdog>) -> io::Result<()> {
        let Some(watchdog) = watchdog else { return Ok(()) };
        let (answered, waker) = (Arc::clone(&self.answered), self.waker.clone());
        self.start("watchdog", move || {
            watchdog.run(|| {
                answered.store(true, Ordering::Release);
                waker.wake();
            });
        })
    }

    /// Waits for signals and ended threads until the daemon has stopped. SIGTERM triggers `stop`; `lifecycle` handles the
    /// other events.
    ///
    /// # Errors
    /// The daemon exited abnormally.
    pub fn watch(
        &self,
        signals: &Signals,
        clock: &dyn Clock,
        stop: &Stop,
        notifier: Notifier,
        lifecycle: &mut dyn Lifecycle,
    ) -> Result<(), Failure> {
        let mut stopping: Option<Instant> = None;
        let mut progress = Progress::new(notifier, clock.monotonic());
        loop {
            progress.update(|| lifecycle.report(), clock.monotonic());
            let until = stopping.or(progress.ready_by());
            self.wait(signals, until.map(|until| until.saturating_duration_since(clock.monotonic())));
            self.waker.clear();
            if self.answered.swap(false, Ordering::Acquire) {
                progress.alive();
            }
            while let Ok(name) = self.ended.try_recv() {
                match stopping {
                    Some(_) if name == FRONT => return Ok(()),
                    Some(_) => {}
                    None => return Err(Failure::ThreadEnded(name)),
                }
            }
            let terminations = signals::take(&signals.terminate);
            // Signals that arrive together count as one: timeout(1) sends one to the process and one to its group.
            if terminations > 0 && stopping.is_some() {
                warn!("Stopped immediately by a second signal");
                return Err(Failure::StoppedAtOnce);
            }
            if terminations > 0 {
                info!("Stopping: running requests have {} s", stop.time.as_secs());
                progress.stopping();
                (stop.begin)();
                stopping = Some(clock.monotonic() + stop.time + Duration::from_secs(1));
            }
            if stopping.is_some_and(|until| clock.monotonic() >= until) {
                return Ok(());
            }
            if signals::take(&signals.hangup) > 0 {
                progress.reloading(clock.monotonic());
                lifecycle.reload();
            }
        }
    }

    fn wait(&self, signals: &Signals, left: Option<Duration>) {
        let mut descriptors = [
            PollFd::new(&signals.hangup, PollFlags::IN),
            PollFd::new(&signals.terminate, PollFlags::IN),
            PollFd::new(self.waker.descriptor(), PollFlags::IN),
        ];
        let left = left.and_then(|left| Timespec::try_from(left + Duration::from_millis(1)).ok());
        // An interrupted wait only causes an extra check.
        let _ = poll(&mut descriptors, left.as_ref());
    }
}
