//! Errors of the vendor API: `{"error": {"code", "message", "field", "request_id"}}`.

use std::time::Duration;

use log::warn;
use serde::Serialize;

use super::error_code::ErrorCode;
use crate::actions::Refusal;
use crate::model::change_error::ChangeError;
use crate::store;
use crate::throttle::retry_after;
use opterius_base::text::one_line;
use opterius_http::response::Response;

/// The `Retry-After` of a 503 answer while the store fails.
const UNAVAILABLE: Duration = Duration::from_secs(5);

/// The longest name of a field in an answer, in characters.
pub const MAX_FIELD: usize = 128;

/// Why a call was refused or failed. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    /// The word for programs, which also stands for the status.
    pub code: ErrorCode,
    /// The sentence for people.
    pub message: String,
    /// The member of the body, parameter or header that is wrong.
    pub field: Option<String>,
    headers: Vec<(&'static str, String)>,
    /// The cause for the log, which the client does not see.
    cause: Option<String>,
}

impl ApiError {
    /// An error with this code and message.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), field: None, headers: Vec::new(), cause: None }
    }

    /// 400: the request cannot be parsed.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::BadRequest, message)
    }

    /// 401: the token is missing or not valid (RFC 6750 §3).
    pub fn unauthorized(code: ErrorCode, message: impl Into<String>) -> Self {
        let challenge = match code {
            ErrorCode::TokenMissing => "Bearer realm=\"opterius-license-server\"",
            _ => "Bearer realm=\"opterius-license-server\", error=\"invalid_token\"",
        };
        Self::new(code, message).with_header("WWW-Authenticate", challenge.to_owned())
    }

    /// 404.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::NotFound, message)
    }

    /// 405: the path exists, with these methods.
    pub fn wrong_method(allowed: &str) -> Self {
        let message = format!("Only {allowed} is allowed on this path.");
        Self::new(ErrorCode::MethodNotAllowed, message).with_header("Allow", allowed.to_owned())
    }

    /// 409: it is not possible in the current state.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Conflict, message)
    }

    /// 422: a member or parameter has a wrong value.
    pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(ErrorCode::ValidationFailed, message).of(field)
    }

    /// 429: too many calls.
    pub fn too_many(wait: Duration, message: impl Into<String>) -> Self {
        Self::new(ErrorCode::RateLimited, message).with_header("Retry-After", retry_after(wait).to_string())
    }

    /// Names the field.
    #[must_use]
    pub fn of(mut self, field: impl Into<String>) -> Self {
        // It can be a name that the client made up.
        self.field = Some(one_line(&field.into(), MAX_FIELD));
        self
    }

    /// Adds a header, whose value must not come from the client.
    #[must_use]
    fn with_header(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The response. A failure of the server is logged with the number of the request.
    pub fn answer(self, request_id: &str) -> Response {
        #[derive(Serialize)]
        struct Body<'a> {
            error: Members<'a>,
        }
        #[derive(Serialize)]
        struct Members<'a> {
            code: &'static str,
            message: &'a str,
            field: Option<&'a str>,
            request_id: &'a str,
        }
        if let Some(cause) = &self.cause {
            warn!("API call {request_id} failed: {cause}");
        }
        let members =
            Members { code: self.code.as_str(), message: &self.message, field: self.field.as_deref(), request_id };
        let mut response = Response::json(self.code.status(), &Body { error: members });
        response.headers = self.headers;
        response.with_header("X-Request-Id", request_id)
    }
}

impl From<store::Error> for ApiError {
    fn from(error: store::Error) -> Self {
        if error == store::Error::Taken {
            return Self::conflict("It exists already.");
        }
        // File names and causes belong in the log.
        let message = match error {
            store::Error::Unknown(_) => {
                "The connection to the database was lost while the change was stored, and it is unknown whether it was made. \
                 With an Idempotency-Key, repeat the call after the time in the Retry-After header; otherwise look first."
            }
            _ => {
                "The license server cannot store or read anything at the moment. Nothing was changed; try again after the \
                 time in the Retry-After header."
            }
        };
        let answer = Self::new(ErrorCode::Unavailable, message);
        let answer = answer.with_header("Retry-After", retry_after(UNAVAILABLE).to_string());
        Self { cause: Some(error.to_string()), ..answer }
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let message = refusal.to_string();
        match refusal {
            Refusal::NotFound(_) => Self::not_found(message),
            Refusal::Stale => Self::new(
                ErrorCode::PreconditionFailed,
                "The license has changed since the revision in If-Match. Nothing was changed; read it again.",
            )
            .of("If-Match"),
            Refusal::Unchanged(_) | Refusal::Conflict(_) => Self::conflict(message),
            Refusal::Invalid(_) => Self::new(ErrorCode::ValidationFailed, message),
            Refusal::TooOften => Self::too_many(Duration::from_secs(86_400), message),
            Refusal::Store(error) => error.into(),
        }
    }
}

/// 422: the member has a value that is not possible.
pub fn in_field(field: &str, error: ChangeError) -> ApiError {
    ApiError::invalid(field, Refusal::from(error).to_string())
}
