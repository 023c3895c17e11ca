//! Lanes: bounded queues served by worker threads, for requests that take time. Reads and writes have separate lanes, so
//! that a long write never delays a read.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use crossbeam_channel::{Receiver, SendError, Sender, unbounded};

use crate::response::Response;
use crate::slab::Key;
use opterius_base::waker::Waker;

/// A request's work, run by a lane.
pub type Work = Box<dyn FnOnce() -> Response + Send>;

/// Answers a request from another thread. The response goes to the front thread, the only one that writes to clients.
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

    /// Sends the response.
    pub fn answer(mut self, response: Response) {
        self.send(response);
    }

    fn send(&mut self, response: Response) {
        self.answered = true;
        // The front only ends with the process.
        let _ = self.answers.send((self.key, response));
        self.waker.wake();
    }
}

impl Drop for Responder {
    /// Answers with status 500 if nothing else did, so that no client is left without a response.
    fn drop(&mut self) {
        if !self.answered {
            self.send(Response::error(500, "internal_error", "The request ended without a response. See the log."));
        }
    }
}

const WAITING: u8 = 0;
const TAKEN: u8 = 1;
const GIVEN_UP: u8 = 2;

/// State shared by a queued job and the front: either a thread takes the job, or the front gives it up.
#[derive(Clone, Debug, Default)]
pub struct Ticket(Arc<AtomicU8>);

impl Ticket {
    /// Gives the job up; false if it is already running.
    pub fn give_up(&self) -> bool {
        self.0.compare_exchange(WAITING, GIVEN_UP, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    fn take(&self) -> bool {
        self.0.compare_exchange(WAITING, TAKEN, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

/// One request waiting for a thread.
pub struct Job {
    ticket: Ticket,
    work: Work,
    responder: Responder,
}

/// The front's end of a lane, which adds jobs.
#[derive(Clone)]
pub struct Lane {
    sender: Sender<Job>,
    capacity: usize,
}

impl Lane {
    /// A lane with room for `capacity` waiting requests, and the end from which its threads take them.
    pub fn new(capacity: usize) -> (Self, Receiver<Job>) {
        // A bounded channel would allocate its full capacity at once, for a load that may never come. Only the front adds
        // jobs, so that it can enforce the capacity itself.
        let (sender, receiver) = unbounded();
        (Self { sender, capacity }, receiver)
    }

    /// Queues the work; none if the lane is full. The front then answers at once, because a connection that waits for a
    /// handler cannot be evicted.
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

/// The loop of a lane's thread. Ends when the front is gone.
pub fn run(jobs: &Receiver<Job>) {
    for job in jobs {
        if job.ticket.take() {
            let response = (job.work)();
            job.responder.answer(response);
        } else {
            // The front has already answered.
            job.responder.forget();
        }
    }
}

impl Responder {
    fn forget(mut self) {
        self.answered = true;
    }
}

/// The response when no thread is free in time. The Panel shows it and does not retry, so it asks the user to.
pub fn busy() -> Response {
    Response::error(
        503,
        "busy",
        "The server is busy with other operations. Nothing was changed; try again in a few seconds.",
    )
    .with_header("Retry-After", "5")
}
