//! The vendor API below `/api/v1`: a shop or a billing system sells licenses with it.
//!
//! `routes` is the table of all calls; routing, authorization, checks of queries and bodies, and the OpenAPI document are
//! derived from it. The front thread only finds the route and copies the request (`request`); `dispatch` does the rest
//! in a lane. A change, its history and the answer that is kept for its repetition are one transaction.
//!
//! A call is authenticated by its token alone. Cookies are not looked at, and no answer allows a page of another site to
//! read it, so `Host` and `Origin` do not matter here.

pub mod answer;
mod authentication;
pub mod call;
mod dispatch;
pub mod error;
pub mod error_code;
mod events;
mod fields;
mod json;
mod licenses;
pub mod members;
mod openapi;
mod page;
mod plans;
mod request;
pub mod route;
pub mod routes;
mod servers;
mod users;
mod webhooks;

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;
use tiny_http::Method;

use self::authentication::TokenLimits;
use self::call::Call;
use self::error::ApiError;
use self::error_code::ErrorCode;
use self::request::ApiRequest;
use self::route::{ApiMethod, Handler, Route};
use crate::address::Source;
use crate::metrics::CallResult;
use crate::model::ApiToken;
use crate::shared::{Shared, source};
use crate::webhooks::receiver_address::Receivers;
use opterius_base::clock::Timestamp;
use opterius_base::hex::hex;
use opterius_http::head::Head;
use opterius_http::response::Response;
use opterius_http::service::{Reaction, Request};

/// What the paths of all calls begin with.
pub const PREFIX: &str = "/api/v1";

/// The vendor API.
pub struct VendorApi {
    shared: Arc<Shared>,
    limits: Arc<TokenLimits>,
    /// What the numbers of this process's requests begin with.
    process: String,
    requests: AtomicU64,
}

impl VendorApi {
    /// Creates the API.
    pub fn new(shared: Arc<Shared>) -> Self {
        // Unique for each start, so that a number in the log names one request.
        let start = shared.clock.wall().unix().to_be_bytes();
        let process = hex(start.get(3..).unwrap_or_default());
        Self { shared, limits: Arc::default(), process, requests: AtomicU64::new(0) }
    }

    /// The path below the prefix, if it is one of the API.
    pub fn path(path: &str) -> Option<&str> {
        path.strip_prefix(PREFIX).filter(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// A number for a request, for answers and the log.
    pub fn request_id(&self) -> String {
        format!("{}-{:x}", self.process, self.requests.fetch_add(1, Ordering::Relaxed))
    }

    /// The answer to a request that the front refused, in the form of the API.
    pub fn refusal(&self, response: Response) -> Response {
        let body = serde_json::from_slice::<Value>(&response.body).unwrap_or_default();
        let message = body.get("message").and_then(Value::as_str).unwrap_or("The request was refused.").to_owned();
        let code = match response.status {
            400 | 505 => ErrorCode::BadRequest,
            408 => ErrorCode::RequestTimeout,
            413 => ErrorCode::BodyTooLarge,
            417 => ErrorCode::ExpectationFailed,
            431 => ErrorCode::HeadTooLarge,
            // The client can send a length instead.
            501 => ErrorCode::LengthRequired,
            _ => ErrorCode::Busy,
        };
        self.shared.metrics.api_call(Err(code));
        let mut answer = ApiError::new(code, message).answer(&self.request_id());
        answer.headers.extend(response.headers);
        answer
    }

    /// Decides how to handle a request to a path below the prefix.
    pub fn react(&self, request: &Request<'_>) -> Reaction {
        let request_id = self.request_id();
        self.find(request, &request_id).unwrap_or_else(|error| {
            self.shared.metrics.api_call(Err(error.code));
            Reaction::Answer(error.answer(&request_id))
        })
    }

    fn find(&self, request: &Request<'_>, request_id: &str) -> Result<Reaction, ApiError> {
        let head = &request.head;
        let path = route::segments(Self::path(head.path).unwrap_or_default());
        let method = method(&head.method);
        let (route, values) = routes::find(method, &path)?;
        let answer = match &route.handler {
            Handler::Open(answer) => {
                self.shared.metrics.api_call(Ok(CallResult::Done));
                return Ok(Reaction::Answer(open(*answer, request_id)));
            }
            Handler::Read(_) => Reaction::Read,
            Handler::Write(_) => Reaction::Write,
        };
        let source = source(request, &self.shared.config());
        let request = ApiRequest::new(route, values, head, request.body, source, request_id.to_owned())?;
        let (shared, limits) = (Arc::clone(&self.shared), Arc::clone(&self.limits));
        Ok(answer(Box::new(move || dispatch::perform(&shared, &limits, request))))
    }
}

/// Reads a whole request to a path below the prefix as a call with this token, with the functions that a real one passes
/// through. It needs neither a store nor a connection.
///
/// # Errors
/// Why it was refused; never a failure of the server.
pub fn read(head: &Head<'_>, body: &[u8], token: ApiToken, now: Timestamp) -> Result<(&'static Route, Call), ApiError> {
    let path = route::segments(VendorApi::path(head.path).unwrap_or_default());
    let (route, values) = routes::find(method(&head.method), &path)?;
    let source = Source { ip: Ipv4Addr::LOCALHOST.into(), unreadable: None };
    let request = ApiRequest::new(route, values, head, body, source, String::new())?;
    Ok((route, request.check(token, Receivers::Public, now)?))
}

fn open(answer: fn() -> Response, request_id: &str) -> Response {
    answer().with_header("X-Request-Id", request_id)
}

/// The method, if any call has it.
fn method(method: &Method) -> Option<ApiMethod> {
    match method {
        Method::Get | Method::Head => Some(ApiMethod::Get),
        Method::Post => Some(ApiMethod::Post),
        Method::Put => Some(ApiMethod::Put),
        Method::Patch => Some(ApiMethod::Patch),
        Method::Delete => Some(ApiMethod::Delete),
        _ => None,
    }
}
