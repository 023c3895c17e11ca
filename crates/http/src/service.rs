//! The interface between the front thread and the code that handles requests.

use std::net::IpAddr;

use crate::arriving::ArrivingBody;
use crate::head::Head;
use crate::lane::{Responder, Work};
use crate::response::Response;
use crate::traffic::{Traffic, UNKNOWN_ROUTE};

/// A complete request, or one whose body is still to arrive.
#[derive(Debug)]
pub struct Request<'a> {
    /// The parsed head.
    pub head: Head<'a>,
    /// The body, exactly as sent; empty if it is still to arrive.
    pub body: &'a [u8],
    /// The other end of the connection, which may be a proxy. An IPv4 client has an IPv4 address on an IPv6 socket too.
    pub peer: IpAddr,
    /// The front's counts before this request.
    pub traffic: &'a Traffic,
}

/// How to answer a request.
pub enum Reaction {
    /// Send this response now.
    Answer(Response),
    /// Run this in the lane for reads.
    Read(Work),
    /// Run this in the lane for writes.
    Write(Work),
    /// Run this in the lane for work that waits for other machines.
    LongRunning(Work),
    /// Run this in the lane for transfers, with a body that is read while it arrives.
    Receive(Box<dyn FnOnce(ArrivingBody) -> Response + Send>),
    /// Pass the responder to other code, which answers later.
    Deferred(Box<dyn FnOnce(Responder)>),
}

/// A request that the front answered with an error itself.
#[derive(Clone, Copy, Debug)]
pub struct Refused<'a> {
    /// The method, as sent.
    pub method: &'a str,
    /// The path, as sent, without the query.
    pub path: &'a str,
    /// The part of the body that has arrived.
    pub body: &'a [u8],
    /// Whether the service had accepted the request before no thread was free for it.
    pub accepted: bool,
    /// The response.
    pub response: &'a Response,
}

/// Handles requests. It is called on the front thread, so it must not block.
pub trait Service: Send {
    /// The value of the `Server` header.
    fn name(&self) -> &'static str;

    /// The largest body allowed for a request with this head, in bytes.
    fn body_limit(&self, head: &Head<'_>) -> usize;

    /// Whether a request with this head is passed on before its body has arrived. `body_limit` does not apply to it.
    fn streams(&self, _head: &Head<'_>) -> bool {
        false
    }

    /// The name under which the response is counted: one of a fixed set, never text from the client.
    fn route(&self, _head: &Head<'_>) -> &'static str {
        UNKNOWN_ROUTE
    }

    /// Learns of a request that the front refused, if its path has arrived.
    fn refused(&mut self, _refused: Refused<'_>) {}

    /// The response to a request that the front refuses, in the form that the clients of this path expect.
    fn refusal_form(&self, _path: &str, response: Response) -> Response {
        response
    }

    /// Decides how to answer the request.
    fn react(&mut self, request: &Request<'_>) -> Reaction;
}
