//! Lanes: bounded queues with threads behind them, for requests that take time. A lane for reads and one for writes, so
//! that a long write never keeps a read waiting.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use crossbeam_channel::{Receiver, SendError, Sender, unbounded};

use crate::response::Response;
use crate::slab::Key;
use opterius_base::waker::Waker;

/// What a lane runs.
pub type Work = Box<dyn FnOnce() -> Response + Send>;

/// Who answers a request that was handed on: the answer goes to the front thread, which alone writes to clients.
pub struct Responder {
    key: Key,
    answers: Sender<(Key, Response)>,
    waker: Waker,
    answered: bool,
}

impl Responder {
    pub(super) fn new(key: Key, answers: Sender<(Key, Response)>, waker: Waker) -> Self {
        Self { key, answers, waker, answered: false }
    }

    /// Gives the answer.
    pub fn answer(mut self, response: Response) {
        self.send(response);
    }

    fn send(&mut self, response: Response) {
        self.answered = true;
        // The front is gone only when the process ends.
        let _ = self.answers.send((self.key, response));
        self.waker.wake();
    }
}

impl Drop for Responder {
    /// A client is never left without an answer, whatever happened to whoever owed it one.
    fn drop(&mut self) {
        if !self.answered {
            self.send(Response::error(500, "internal_error", "The request ended without an answer. See the log."));
        }
    }
}

const WAITING: u8 = 0;
const TAKEN: u8 = 1;
const GIVEN_UP: u8 = 2;

/// The state that a waiting job and the front share: either a thread takes the job, or the front gives it up.
#[derive(Clone, Debug, Default)]
pub struct Ticket(Arc<AtomicU8>);

impl Ticket {
    /// Gives the job up; false when it is being run already.
    pub fn give_up(&self) -> bool {
        self.0.compare_exchange(WAITING, GIVEN_UP, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    fn take(&self) -> bool {
        self.0.compare_exchange(WAITING, TAKEN, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

/// One request that waits for a thread.
pub struct Job {
    ticket: Ticket,
    work: Work,
    responder: Responder,
}

/// The front's end of a lane.
#[derive(Clone)]
pub struct Lane {
    sender: Sender<Job>,
    capacity: usize,
}

impl Lane {
    /// A lane with room for `capacity` waiting requests, and the end that its threads take from.
    pub fn new(capacity: usize) -> (Self, Receiver<Job>) {
        // A bounded channel takes all its memory at once, for a crowd that may never come. The front alone adds to it, so
        // it can count.
        let (sender, receiver) = unbounded();
        (Self { sender, capacity }, receiver)
    }

    /// Queues the work; none when the lane is full. The front then answers itself, at once: a connection that waits for an
    /// answer is one that cannot be closed for another.
    pub(super) fn queue(&self, work: Work, responder: Responder) -> Option<Ticket> {
        let ticket = Ticket::default();
        if self.sender.len() >= self.capacity {
            responder.forget();
            return None;
        }
        match self.sender.send(Job { ticket: ticket.clone(), work, responder }) {
            Ok(()) => Some(ticket),
            Err(SendError(job)) => {
                job.responder.forget();
                None
            }
        }
    }
}

/// What a lane's thread does until the front is gone.
pub fn run(jobs: &Receiver<Job>) {
    for job in jobs {
        if job.ticket.take() {
            let response = (job.work)();
            job.responder.answer(response);
        } else {
            // The front has answered in our stead.
            job.responder.forget();
        }
    }
}

impl Responder {
    fn forget(mut self) {
        self.answered = true;
    }
}

/// The answer when there is no thread for a request in time. The Panel shows it and does not try again, so it says who
/// should.
pub fn busy() -> Response {
    Response::error(
        503,
        "busy",
        "The server is busy with other operations. Nothing was changed; try again in a few seconds.",
    )
    .with_header("Retry-After", "5")
}
