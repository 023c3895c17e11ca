//! The log of refusals that the Panel does not see: it ignores the answers to some calls and changes its own records, so that
//! only these lines show what differs on the server.

use std::time::Instant;

use log::warn;
use serde_json::Value;

use crate::api::gate;
use crate::api::log_limiter::LogLimiter;
use crate::api::routes::Route;
use opterius_http::response::Response;

/// Lines per minute about clients without a valid signature, which every local process can be.
const UNSIGNED_LINES: u32 = 20;

/// Lines per minute about the Panel itself, more than it causes by its calls one after another.
const SIGNED_LINES: u32 = 600;

/// Logs refused calls. Clients without a signature cannot use up the lines about the Panel's own calls.
pub struct IgnoredRefusals {
    unsigned: LogLimiter,
    signed: LogLimiter,
}

impl Default for IgnoredRefusals {
    fn default() -> Self {
        Self { unsigned: LogLimiter::new(UNSIGNED_LINES), signed: LogLimiter::new(SIGNED_LINES) }
    }
}

impl IgnoredRefusals {
    /// Logs the call, its subject and the cause, if `response` is an error and the Panel ignores it. `signed` says whether the
    /// request had a valid signature.
    pub fn note(&mut self, route: &Route, body: &[u8], signed: bool, response: &Response, now: Instant) {
        if !route.answer_ignored || response.status < 400 {
            return;
        }
        let limiter = if signed { &mut self.signed } else { &mut self.unsigned };
        if let Some(more) = limiter.note(now) {
            warn!("{}{more}", line(route, body, response));
        }
    }
}

fn line(route: &Route, body: &[u8], response: &Response) -> String {
    let subject = gate::subject(&serde_json::from_slice(body).unwrap_or_default());
    let answer: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    let text = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    format!(
        "POST {} for {subject} was rejected, but the Panel treats it as done: {} {} — {}",
        route.path,
        response.status,
        text("code"),
        text("message")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::routes::{Lookup, find};
    use tiny_http::Method;

    #[test]
    fn the_line_has_call_subject_and_cause() {
        let Lookup::Found(route) = find(&Method::Post, "/account/delete") else { panic!() };
        let response = Response::error(405, "method_not_allowed", "This path supports POST only.");
        let rest =
            "was rejected, but the Panel treats it as done: 405 method_not_allowed — This path supports POST only.";
        for (body, subject) in [
            (&br#"{"username":"alice\nbob"}"#[..], "username “alice bob”"),
            (b"\xff", "an unnamed object"),
            (b"", "an unnamed object"),
        ] {
            assert_eq!(line(route, body, &response), format!("POST /account/delete for {subject} {rest}"));
        }
    }
}
