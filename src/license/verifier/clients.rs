//! The verifier's end of the [`License`] handle: requests from other threads, and replies to them.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::Receiver;

use crate::license::state::{License, PendingRequests, ReverifyReply, State};

/// The threads that use the license, as the verifier sees them.
pub(super) struct Clients {
    license: Arc<License>,
    woken: Receiver<()>,
    /// Called after the next check.
    replies: Vec<ReverifyReply>,
}

impl Clients {
    /// The handle that other threads hold, and the receiver on which they wake the verifier.
    pub(super) fn new(license: Arc<License>, woken: Receiver<()>) -> Self {
        Self { license, woken, replies: Vec::new() }
    }

    /// Sleeps for `time`, or until a request arrives.
    pub(super) fn wait(&self, time: Duration) {
        // The channel cannot disconnect: `self.license` holds the sender.
        let _ = self.woken.recv_timeout(time);
    }

    /// Takes the requests since the last call; keeps the callers that wait for a check.
    pub(super) fn take_pending(&mut self) -> PendingRequests {
        let mut pending_requests = self.license.take_pending();
        self.replies.append(&mut pending_requests.replies);
        pending_requests
    }

    /// Publishes the state.
    pub(super) fn publish(&self, state: &State) {
        self.license.publish(Arc::new(state.clone()));
    }

    /// Replies to the callers that wait for a check, with the state published after it.
    pub(super) fn reply(&mut self) {
        let state = self.license.state();
        for reply in self.replies.drain(..) {
            reply(Some(&state));
        }
    }
}
