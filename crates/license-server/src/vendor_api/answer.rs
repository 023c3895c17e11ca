//! The answer to a call that succeeded.

use serde::Serialize;
use serde_json::Value;

use crate::metrics::CallResult;
use crate::store::KeptAnswer;
use opterius_http::response::{JSON, Response};

/// The answer to a call that succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The JSON body.
    pub body: String,
    /// The license whose full key the body has, if that is still to be recorded.
    pub reveals: Option<i64>,
    is_replayed: bool,
}

impl Answer {
    /// An answer with `value` as JSON.
    pub fn json(status: u16, value: &impl Serialize) -> Self {
        // Our own types always serialize; if one did not, an empty object is still JSON.
        let body = serde_json::to_string(value).unwrap_or_else(|_| "{}".to_owned());
        Self { status, body, reveals: None, is_replayed: false }
    }

    /// The answer that was kept for a repetition of the call.
    pub fn replayed(kept: KeptAnswer) -> Self {
        Self { status: kept.status, body: kept.body, reveals: None, is_replayed: true }
    }

    /// Marks that the body has the full key of a license, which is to be recorded.
    #[must_use]
    pub fn revealing(self, license: i64) -> Self {
        Self { reveals: Some(license), ..self }
    }

    /// What it counts as.
    pub fn result(&self) -> CallResult {
        if self.is_replayed { CallResult::Replayed } else { CallResult::Done }
    }

    /// The response. What has a revision has it as its entity tag too.
    pub fn response(self, request_id: &str) -> Response {
        let revision = serde_json::from_str::<Value>(&self.body).ok().and_then(|body| body.get("revision")?.as_i64());
        let mut response = Response::text(self.status, JSON, self.body).with_header("X-Request-Id", request_id);
        if let Some(revision) = revision {
            response = response.with_header("ETag", format!("\"{revision}\""));
        }
        if self.is_replayed {
            response = response.with_header("Idempotent-Replayed", "true");
        }
        response
    }
}
