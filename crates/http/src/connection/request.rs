//! The request that arrives on a connection: its bytes, and how much of it is there.

use std::net::IpAddr;

use tiny_http::Method;

use crate::head::{self, Framing, Refusal};
use crate::limits::KEPT_BUFFER;
use crate::service::{Reaction, Request, Service};
use crate::traffic::Traffic;

/// A growing buffer takes at least this much more at a time.
const GROWTH: usize = 16 * 1024;

/// What has become of the request that is being read.
pub enum Progress {
    /// Not all of it is there.
    Incomplete,
    /// It is whole, and this is to be done about it.
    Complete(InFlight, Reaction),
    /// The head is there and the client waits to be told to go on.
    Continue,
}

/// What is still to be known of a whole request when it is answered.
#[derive(Clone, Copy, Debug)]
pub struct InFlight {
    /// Its bounds in the buffer.
    pub framing: Framing,
    /// Whether it was a HEAD.
    pub without_body: bool,
    /// What its answer is counted under.
    pub route: &'static str,
}

/// What has arrived of a request, and of those that follow it.
#[derive(Debug)]
pub(super) struct RequestBuffer {
    received: Vec<u8>,
    missing: Missing,
}

/// What a request that is not whole lacks.
#[derive(Clone, Copy, Debug)]
enum Missing {
    /// The end of its head, which is not in the first bytes that were `scanned`.
    HeadEnd { scanned: usize },
    /// The rest of its body.
    Body(Framing),
}

impl RequestBuffer {
    /// Nothing has arrived.
    pub(super) fn new() -> Self {
        Self { received: Vec::new(), missing: Missing::HeadEnd { scanned: 0 } }
    }

    /// Bytes that are held.
    pub(super) fn held(&self) -> usize {
        self.received.capacity()
    }

    /// Whether nothing of a request has arrived.
    pub(super) fn is_empty(&self) -> bool {
        self.received.is_empty()
    }

    /// Whether the head was good and the body is still to come.
    pub(super) fn waits_for_body(&self) -> bool {
        matches!(self.missing, Missing::Body(_))
    }

    /// How much to read next, at most `most`. Of a body never more than this request needs: what follows it is left to the
    /// kernel, which pushes back.
    pub(super) fn wanted(&self, most: usize) -> usize {
        match self.missing {
            Missing::HeadEnd { .. } => most,
            Missing::Body(framing) => framing.length().saturating_sub(self.received.len()).clamp(1, most),
        }
    }

    /// Grows by steps that follow what has arrived, never what was announced.
    pub(super) fn keep(&mut self, bytes: &[u8]) {
        let free = self.received.capacity().saturating_sub(self.received.len());
        if free < bytes.len() && self.received.capacity() >= GROWTH {
            self.received.reserve_exact(bytes.len().max(GROWTH.max(self.received.len() / 4)));
        } else if free < bytes.len() {
            self.received.reserve(bytes.len());
        }
        self.received.extend_from_slice(bytes);
    }

    /// Looks at what has arrived, and has `service` look at the request of `peer` when it is whole.
    pub(super) fn progress(
        &mut self,
        peer: IpAddr,
        service: &mut dyn Service,
        traffic: &Traffic,
    ) -> Result<Progress, Refusal> {
        let Some(head_length) = self.head_length()? else { return Ok(Progress::Incomplete) };
        let (head, rest) = self.received.split_at_checked(head_length).unwrap_or_default();
        let mut storage = head::STORAGE;
        let (head, framing) = head::parse(head, &mut storage)?;
        if !self.waits_for_body() && framing.body_length > 0 {
            let limit = u64::try_from(service.body_limit(&head)).unwrap_or(u64::MAX);
            if framing.body_length > limit {
                return Err(Refusal::BodyTooLarge);
            }
        }
        let body = usize::try_from(framing.body_length).ok().and_then(|length| rest.get(..length));
        if let Some(body) = body {
            let in_flight =
                InFlight { framing, without_body: head.method == Method::Head, route: service.route(&head) };
            let reaction = service.react(&Request { head, body, peer, traffic });
            return Ok(Progress::Complete(in_flight, reaction));
        }
        self.missing = Missing::Body(framing);
        Ok(if framing.expects_continue { Progress::Continue } else { Progress::Incomplete })
    }

    /// The length of the head; none while what is missing has not arrived.
    fn head_length(&mut self) -> Result<Option<usize>, Refusal> {
        match self.missing {
            Missing::HeadEnd { scanned } => {
                let found = head::find_end(&self.received, scanned)?;
                if found.is_none() {
                    self.missing = Missing::HeadEnd { scanned: self.received.len() };
                }
                Ok(found)
            }
            Missing::Body(framing) => Ok((self.received.len() >= framing.length()).then_some(framing.head_length)),
        }
    }

    /// Forgets the complete request; pipelined bytes behind it stay.
    pub(super) fn finish(&mut self, framing: Framing) {
        self.received.drain(..framing.length().min(self.received.len()));
        if self.received.is_empty() && self.received.capacity() > KEPT_BUFFER {
            self.received = Vec::new();
        }
        self.missing = Missing::HeadEnd { scanned: 0 };
    }
}
