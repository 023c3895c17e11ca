//! The other threads, as the verifier sees them: what they ask for, and what they are told.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::Receiver;

use crate::license::state::{License, PendingRequests, ReverifyReply, State};

/// Those who ask the verifier and hear from it.
pub(super) struct Clients {
    license: Arc<License>,
    woken: Receiver<()>,
    /// Who is told what the next check comes to.
    replies: Vec<ReverifyReply>,
}

impl Clients {
    /// The holders of this handle, and the end on which they wake the verifier.
    pub(super) fn new(license: Arc<License>, woken: Receiver<()>) -> Self {
        Self { license, woken, replies: Vec::new() }
    }

    /// Sleeps this long unless somebody wants something.
    pub(super) fn wait(&self, time: Duration) {
        // A disconnected channel cannot happen while we hold the handle; the time-out then still paces the loop.
        let _ = self.woken.recv_timeout(time);
    }

    /// What was asked for since the last time, but for the replies, which are owed from now on.
    pub(super) fn take_pending(&mut self) -> PendingRequests {
        let mut pending_requests = self.license.take_pending();
        self.replies.append(&mut pending_requests.replies);
        pending_requests
    }

    /// Tells everybody what is known.
    pub(super) fn publish(&self, state: &State) {
        self.license.publish(Arc::new(state.clone()));
    }

    /// Tells those who wait for a check what was published after it.
    pub(super) fn reply(&mut self) {
        let state = self.license.state();
        for reply in self.replies.drain(..) {
            reply(Some(&state));
        }
    }
}
