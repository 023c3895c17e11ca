//! Who answers: what the front thread asks of whoever knows what requests mean.

use std::net::IpAddr;

use crate::head::Head;
use crate::lane::{Responder, Work};
use crate::response::Response;
use crate::traffic::{Traffic, UNKNOWN_ROUTE};

/// A whole request.
#[derive(Debug)]
pub struct Request<'a> {
    /// Its head.
    pub head: Head<'a>,
    /// Its body, exactly as sent.
    pub body: &'a [u8],
    /// Who sent it: the other end of the connection, which may be a proxy. An IPv4 address is one, also on an IPv6 socket.
    pub peer: IpAddr,
    /// What the front has counted before it.
    pub traffic: &'a Traffic,
}

/// What is to be done about a request.
pub enum Reaction {
    /// Answer with this, from memory.
    Answer(Response),
    /// Run this in the lane for reads.
    Read(Work),
    /// Run this in the lane for writes.
    Write(Work),
    /// Run this in the lane for what waits for other machines.
    LongRunning(Work),
    /// Somebody else answers when there is something to say.
    Deferred(Box<dyn FnOnce(Responder)>),
}

/// Whoever decides what a request means. Called on the front thread, so it must not block.
pub trait Service: Send {
    /// What answers call us, in the `Server` header.
    fn name(&self) -> &'static str;

    /// The largest body that a request with this head may have, in bytes.
    fn body_limit(&self, head: &Head<'_>) -> usize;

    /// What the answer to a request with this head is counted under: one of few words of ours, never the client's.
    fn route(&self, _head: &Head<'_>) -> &'static str {
        UNKNOWN_ROUTE
    }

    /// What is to be done about the request.
    fn react(&mut self, request: &Request<'_>) -> Reaction;
}
