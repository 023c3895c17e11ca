//! What keeps an answer from arriving: the step that failed, the cause in words, and what an operator does about it.

use std::fmt;
use std::io::{self, ErrorKind};
use std::time::Duration;

use opterius_license::outcome::{Failure, FailureClass};

/// The steps of a request, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Choosing the proxy.
    Proxy,
    /// Resolving the name of the license server, or of the proxy in front of it.
    Resolve,
    /// Connecting to an address.
    Connect,
    /// Having the proxy connect to the license server.
    Tunnel,
    /// The TLS handshake.
    Tls,
    /// Sending the request.
    Send,
    /// Waiting for the answer.
    Answer,
}

/// A failed step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The step.
    pub step: Step,
    /// The step and its cause as text. It begins with the step.
    pub cause: String,
    /// What an operator does about it.
    pub remedy: String,
    /// The kind.
    pub class: FailureClass,
}

impl Fault {
    /// A failure of the network.
    pub fn new(step: Step, cause: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { step, cause: cause.into(), remedy: remedy.into(), class: FailureClass::Network }
    }

    /// The same fault of an answer that is none.
    #[must_use]
    pub fn malformed(self) -> Self {
        Self { class: FailureClass::Malformed, ..self }
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::new(fault.class, fault.cause).with_remedy(fault.remedy)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.cause)
    }
}

/// An error of the operating system in words, without its number.
pub fn words(error: &io::Error) -> String {
    let word = match error.kind() {
        ErrorKind::ConnectionRefused => "connection refused",
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => "the connection was reset",
        ErrorKind::UnexpectedEof => "the connection was closed",
        ErrorKind::TimedOut | ErrorKind::WouldBlock => "no answer in time",
        ErrorKind::NetworkUnreachable | ErrorKind::AddrNotAvailable => {
            "a router on the way has no route to that address"
        }
        ErrorKind::HostUnreachable => {
            "that machine or the next hop does not answer, or a firewall on the way rejects the connection"
        }
        ErrorKind::PermissionDenied => "a firewall or the service manager forbids the connection",
        _ => {
            let text = error.to_string();
            return text.split(" (os error").next().unwrap_or_default().to_lowercase();
        }
    };
    word.to_owned()
}

/// A length of time in whole seconds, rounded up.
pub fn seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}
