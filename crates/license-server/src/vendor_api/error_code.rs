//! The words for programs in the errors of the vendor API: declared once for answers, documentation and metrics.

use crate::model::string_enum::string_enum;

string_enum! {
    /// Why a call was refused or failed.
    pub enum ErrorCode {
        /// The request cannot be parsed.
        BadRequest = "bad_request",
        /// The call has no token.
        TokenMissing = "token_missing",
        /// There is no such token.
        TokenInvalid = "token_invalid",
        /// The token has ended.
        TokenExpired = "token_expired",
        /// The token has been revoked.
        TokenRevoked = "token_revoked",
        /// The token is not valid from this network.
        NetworkNotAllowed = "network_not_allowed",
        /// The token does not allow the call.
        ScopeMissing = "scope_missing",
        /// An administrator cannot be changed with a token.
        Administrator = "administrator",
        /// What the path names does not exist.
        NotFound = "not_found",
        /// The path has no such method.
        MethodNotAllowed = "method_not_allowed",
        /// The request did not arrive in time.
        RequestTimeout = "request_timeout",
        /// It is not possible in the current state.
        Conflict = "conflict",
        /// A license with the reference was created from another body.
        ReferenceTaken = "reference_taken",
        /// The Idempotency-Key was used for another call.
        IdempotencyKeyReused = "idempotency_key_reused",
        /// The body has no length.
        LengthRequired = "length_required",
        /// The license has changed since the revision in If-Match.
        PreconditionFailed = "precondition_failed",
        /// The body is too large.
        BodyTooLarge = "body_too_large",
        /// The body is not sent as JSON.
        UnsupportedMediaType = "unsupported_media_type",
        /// The Expect header asks for something unknown.
        ExpectationFailed = "expectation_failed",
        /// A member or parameter is unknown, missing or has a wrong value.
        ValidationFailed = "validation_failed",
        /// There are too many calls.
        RateLimited = "rate_limited",
        /// The head of the request is too large.
        HeadTooLarge = "head_too_large",
        /// Nothing can be stored or read at the moment.
        Unavailable = "unavailable",
        /// The server is busy.
        Busy = "busy",
    }
}

impl ErrorCode {
    /// The HTTP status of answers with this code.
    pub const fn status(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::TokenMissing | Self::TokenInvalid | Self::TokenExpired | Self::TokenRevoked => 401,
            Self::NetworkNotAllowed | Self::ScopeMissing | Self::Administrator => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::RequestTimeout => 408,
            Self::Conflict | Self::ReferenceTaken | Self::IdempotencyKeyReused => 409,
            Self::LengthRequired => 411,
            Self::PreconditionFailed => 412,
            Self::BodyTooLarge => 413,
            Self::UnsupportedMediaType => 415,
            Self::ExpectationFailed => 417,
            Self::ValidationFailed => 422,
            Self::RateLimited => 429,
            Self::HeadTooLarge => 431,
            Self::Unavailable | Self::Busy => 503,
        }
    }
}
