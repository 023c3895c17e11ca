//! The receive buffer of a connection, and the request that arrives in it.

use std::net::IpAddr;
use std::str;

use tiny_http::Method;

use crate::head::{self, Framing, Refusal};
use crate::limits::RETAINED_BUFFER;
use crate::service::{Reaction, Request, Service};
use crate::traffic::Traffic;

/// Minimum growth of a large buffer, in bytes.
const GROWTH: usize = 16 * 1024;

/// How far the current request has come.
pub enum Progress {
    /// Part of it is missing.
    Incomplete,
    /// It is complete, or its body is read elsewhere, and this is the service's reaction.
    Complete(InFlight, Reaction),
    /// The head is complete, and the client waits for `100 Continue`.
    Continue,
}

/// What is needed of a request to answer it.
#[derive(Clone, Copy, Debug)]
pub struct InFlight {
    /// Its extent in the buffer.
    pub framing: Framing,
    /// Whether the response has no body, because the method is HEAD.
    pub without_body: bool,
    /// The name under which its response is counted.
    pub route: &'static str,
    /// Whether its body was not received before the reaction. The connection closes after the response.
    pub streamed: bool,
}

/// Received bytes of the current request and of pipelined requests behind it.
#[derive(Debug)]
pub(super) struct RequestBuffer {
    received: Vec<u8>,
    missing: Missing,
}

/// The missing part of an incomplete request.
#[derive(Clone, Copy, Debug)]
enum Missing {
    /// The end of its head, which is not in the first `scanned` bytes.
    HeadEnd { scanned: usize },
    /// The rest of its body.
    Body(Framing),
}

impl RequestBuffer {
    /// An empty buffer.
    pub(super) fn new() -> Self {
        Self { received: Vec::new(), missing: Missing::HeadEnd { scanned: 0 } }
    }

    /// Its capacity in bytes.
    pub(super) fn held(&self) -> usize {
        self.received.capacity()
    }

    /// Whether it is empty.
    pub(super) fn is_empty(&self) -> bool {
        self.received.is_empty()
    }

    /// Whether the head is complete and valid, and the body is incomplete.
    pub(super) fn waits_for_body(&self) -> bool {
        matches!(self.missing, Missing::Body(_))
    }

    /// How many bytes to read next, at most `limit`. While a body arrives, never more than this request needs: what follows
    /// stays in the kernel's buffer, which slows the client down.
    pub(super) fn wanted(&self, limit: usize) -> usize {
        match self.missing {
            Missing::HeadEnd { .. } => limit,
            Missing::Body(framing) => framing.length().saturating_sub(self.received.len()).clamp(1, limit),
        }
    }

    /// Appends bytes. The buffer grows with what has arrived, never with what the client announced.
    pub(super) fn append(&mut self, bytes: &[u8]) {
        let free = self.received.capacity().saturating_sub(self.received.len());
        if free < bytes.len() && self.received.capacity() >= GROWTH {
            self.received.reserve_exact(bytes.len().max(GROWTH.max(self.received.len() / 4)));
        } else if free < bytes.len() {
            self.received.reserve(bytes.len());
        }
        self.received.extend_from_slice(bytes);
    }

    /// Parses what has arrived, and passes the request of `peer` to `service` once it is complete.
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
        let without_body = head.method == Method::Head;
        if !self.waits_for_body() && framing.body_length > 0 {
            if service.streams(&head) {
                let in_flight = InFlight { framing, without_body, route: service.route(&head), streamed: true };
                return Ok(Progress::Complete(in_flight, service.react(&Request { head, body: b"", peer, traffic })));
            }
            let limit = u64::try_from(service.body_limit(&head)).unwrap_or(u64::MAX);
            if framing.body_length > limit {
                return Err(Refusal::BodyTooLarge);
            }
        }
        let body = usize::try_from(framing.body_length).ok().and_then(|length| rest.get(..length));
        if let Some(body) = body {
            let in_flight = InFlight { framing, without_body, route: service.route(&head), streamed: false };
            let reaction = service.react(&Request { head, body, peer, traffic });
            return Ok(Progress::Complete(in_flight, reaction));
        }
        self.missing = Missing::Body(framing);
        Ok(if framing.expects_continue { Progress::Continue } else { Progress::Incomplete })
    }

    /// The length of the head; none while the request is incomplete.
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

    /// Method, path and body of the current request, as far as they have arrived; none before its first line is complete.
    pub(super) fn outline(&self) -> Option<(&str, &str, &[u8])> {
        let end = self.received.iter().position(|byte| *byte == b'\n')?;
        let line = str::from_utf8(self.received.get(..end)?).ok()?;
        let mut words = line.trim_end().split(' ');
        let (method, target) = (words.next()?, words.next()?);
        let path = target.split_once('?').map_or(target, |(path, _)| path);
        let head_end = self.received.windows(4).position(|bytes| bytes == b"\r\n\r\n").map(|end| end.saturating_add(4));
        Some((method, path, head_end.and_then(|end| self.received.get(end..)).unwrap_or_default()))
    }

    /// Takes the part of the body that has arrived.
    pub(super) fn take_body(&mut self, framing: Framing) -> Vec<u8> {
        let mut body = self.received.split_off(framing.head_length.min(self.received.len()));
        body.truncate(usize::try_from(framing.body_length).unwrap_or(usize::MAX));
        body
    }

    /// Drops the completed request; pipelined bytes behind it stay.
    pub(super) fn finish(&mut self, framing: Framing) {
        self.received.drain(..framing.length().min(self.received.len()));
        if self.received.is_empty() && self.received.capacity() > RETAINED_BUFFER {
            self.received = Vec::new();
        }
        self.missing = Missing::HeadEnd { scanned: 0 };
    }
}
