//! No ghosts: every thread of a daemon is watched, and when one ends that should not, the process ends. A daemon that has
//! lost a thread would look alive and not be.
//!
//! The main thread, which watches, is also the one that speaks to the service manager.

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

/// The name of the thread that ends first when the daemon is told to stop.
const FRONT: &str = "front";

/// What a thread does.
pub type Body = Box<dyn FnOnce() + Send>;

/// Starts a thread with this name that does this.
pub type Spawn = dyn Fn(&str, Body) -> io::Result<()>;

/// Starts threads of this process.
pub fn spawn() -> Box<Spawn> {
    Box::new(|name, body| thread::Builder::new().name(name.to_owned()).spawn(body).map(drop))
}

/// Why a daemon ended other than by being told to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// A thread that must live has ended.
    ThreadEnded(String),
    /// It was told to stop twice, and requests were cut off.
    StoppedAtOnce,
    /// The system refused something at start.
    Start(String),
}

impl Failure {
    /// The system refused this.
    pub fn start(error: io::Error) -> Self {
        Self::Start(format!("cannot start: {error}"))
    }

    /// What is said about it, where the log has not said it yet.
    fn sentence(&self, program: Program) -> Option<String> {
        match self {
            Self::ThreadEnded(name) => {
                let subject = program.subject;
                Some(format!("internal error: the thread {name} has ended; {subject} ends with it"))
            }
            Self::StoppedAtOnce => None,
            Self::Start(sentence) => Some(sentence.clone()),
        }
    }
}

/// Tells how the daemon ended to whoever reads the log, and to whoever has started it; returns the exit code.
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

/// A panic is a defect. It is told to whoever reads the log and ends the process; the service manager starts a new one.
pub fn report_panics(program: Program) {
    std::panic::set_hook(Box::new(move |panic| {
        let thread = thread::current().name().unwrap_or("unnamed").to_owned();
        let sentence = format!("internal error in thread {thread}: {panic}");
        // stderr first: the panic may have come from the log itself.
        complain(program.name, &sentence);
        error!("{sentence}");
        std::process::exit(i32::from(EXIT_INTERNAL));
    }));
}

/// The threads of a daemon besides the main one, which holds this.
pub struct Supervisor {
    spawn: Box<Spawn>,
    names: Sender<String>,
    ended: Receiver<String>,
    /// Whether the daemon has answered its own request since the watchdog was fed.
    answered: Arc<AtomicBool>,
    waker: Waker,
}

/// How a daemon is told to stop.
pub struct Stop {
    /// Has the thread end that answers clients, once running requests are answered.
    pub begin: Box<dyn Fn()>,
    /// How long those may still take.
    pub time: Duration,
}

/// What a daemon does besides living.
pub trait Lifecycle {
    /// SIGHUP: reads the configuration again.
    fn reload(&mut self);

    /// Tells the service manager how it is.
    fn report(&self) -> Report;
}

/// Tells the main thread that a thread has ended, however it did.
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
    /// A crew whose threads are started in this way.
    ///
    /// # Errors
    /// The process has no descriptor left.
    pub fn new(spawn: Box<Spawn>) -> io::Result<Self> {
        let (names, ended) = unbounded();
        Ok(Self { spawn, names, ended, answered: Arc::default(), waker: Waker::new()? })
    }

    /// Has the main thread look for what is new to report.
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Starts a thread that must not end before the daemon does.
    ///
    /// # Errors
    /// The system has no thread to give.
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

    /// Starts the thread that answers clients; the daemon has stopped when it has.
    ///
    /// # Errors
    /// The system has no thread to give.
    pub fn start_front(&self, run: impl FnOnce() -> io::Result<()> + Send + 'static) -> io::Result<()> {
        self.start(FRONT, move || {
            if let Err(error) = run() {
                error!("The front thread cannot go on: {error}");
            }
        })
    }

    /// Starts the thread that asks the daemon as a client does. It only says that it was answered: the main thread feeds the
    /// watchdog, so that it has to live, too.
    ///
    /// # Errors
    /// The system has no thread to give.
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

    /// Waits for signals and for threads that end, until the daemon has stopped: SIGTERM ends it by `stop`, and of the
    /// rest `lifecycle` are done.
    ///
    /// # Errors
    /// It ended otherwise.
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
            progress.tell(|| lifecycle.report(), clock.monotonic());
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
            // Signals that came together are one: timeout(1) sends to a process and to its group.
            if terminations > 0 && stopping.is_some() {
                warn!("Stopped at once by a second signal");
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
        // An interrupted wait looks at everything once too often.
        let _ = poll(&mut descriptors, left.as_ref());
    }
}
