//! The Panel's signature: HMAC-SHA256 over timestamp ‖ METHOD ‖ path ‖ body, without separators, in lowercase hex.
//!
//! The signature covers the bytes as received: PHP escapes slashes and non-ASCII letters in JSON, and the timestamp is
//! signed as text. The key is the text of the secret, never hex-decoded. The Panel normally sends identical signatures
//! within one second, so the Agent cannot reject repeated ones; the time window limits replays.

use std::time::Duration;

use ring::hmac;

use opterius_base::clock::Timestamp;
use opterius_base::hex::unhex;
use opterius_http::response::Response;
use opterius_http::service::Request;

/// What the signature covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coverage {
    /// The whole body.
    Body,
    /// Nothing of the body: the Panel signs uploads as if they had none. Such a signature must not be accepted twice.
    NoBody,
}

/// Why a request fails authentication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// The signature or the timestamp is missing.
    Missing,
    /// An upload has no signature, like those of the Panel's file manager.
    UnsignedUpload,
    /// The timestamp is not RFC 3339.
    TimestampMalformed,
    /// The timestamp differs too much from this server's clock, in seconds (positive: the Panel is ahead).
    TimestampOutsideWindow(i64),
    /// The signature is wrong.
    Wrong,
    /// The signature is accepted only once, and may have been used before.
    Used,
}

impl Rejection {
    /// The message for the Panel's administrator.
    pub fn message(self) -> String {
        match self {
            Self::Missing => {
                "This path requires the headers X-Signature and X-Timestamp. The Panel sends them once its server entry \
                 (Servers → Edit) has the secret from agent.conf."
                    .to_owned()
            }
            Self::UnsignedUpload => {
                "Uploads need a signature, and the Panel's file manager sends them without one. Upload by SFTP instead."
                    .to_owned()
            }
            Self::TimestampMalformed => "X-Timestamp is not an RFC 3339 date and time.".to_owned(),
            Self::TimestampOutsideWindow(seconds) => {
                let direction = if seconds > 0 { "ahead of" } else { "behind" };
                format!("X-Timestamp is {} s {direction} this server's clock. Synchronize both clocks.", seconds.unsigned_abs())
            }
            Self::Used => {
                "The signature of an upload or a download is accepted once, and this one was used before or is older than the \
                 Agent's start. Repeat the request with a new signature."
                    .to_owned()
            }
            Self::Wrong => {
                "The signature is wrong: the Panel's secret for this server (Servers → Edit) is not the one in agent.conf."
                    .to_owned()
            }
        }
    }

    /// The error code, which the Panel shows.
    pub fn code(self) -> &'static str {
        match self {
            Self::Missing | Self::UnsignedUpload => "signature_missing",
            Self::TimestampMalformed | Self::TimestampOutsideWindow(_) => "timestamp_outside_window",
            Self::Wrong => "signature_invalid",
            Self::Used => "signature_used",
        }
    }

    /// The 401 response.
    pub fn answer(self) -> Response {
        Response::error(401, self.code(), &self.message())
    }
}

/// A valid signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The signature itself.
    pub bytes: Vec<u8>,
    /// When the request was signed.
    pub signed_at: Timestamp,
}

/// Checks the signature of a request.
///
/// # Errors
/// Why authentication fails.
pub fn verify(
    request: &Request<'_>,
    coverage: Coverage,
    secret: &hmac::Key,
    now: Timestamp,
    window: Duration,
) -> Result<Signature, Rejection> {
    let head = &request.head;
    let (Some(signature), Some(timestamp)) = (head.only("x-signature"), head.only("x-timestamp")) else {
        return Err(Rejection::Missing);
    };
    let signed_at = Timestamp::parse_rfc3339(timestamp).ok_or(Rejection::TimestampMalformed)?;
    if now.since(signed_at).max(signed_at.since(now)) > window {
        return Err(Rejection::TimestampOutsideWindow(signed_at.unix().saturating_sub(now.unix())));
    }
    let signature = unhex(signature.as_bytes()).ok_or(Rejection::Wrong)?;
    let covers = |body: &[u8]| {
        let message = [timestamp.as_bytes(), head.method.as_str().as_bytes(), head.path.as_bytes(), body].concat();
        hmac::verify(secret, &message, &signature).is_ok()
    };
    let body = if coverage == Coverage::NoBody { b"" } else { request.body };
    if covers(body) { Ok(Signature { bytes: signature, signed_at }) } else { Err(Rejection::Wrong) }
}

#[cfg(test)]
#[path = "authentication_tests.rs"]
mod tests;
