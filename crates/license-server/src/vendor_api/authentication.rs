//! Authentication by token, and its limits.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use log::warn;
use ring::hmac;

use super::error::ApiError;
use super::error_code::ErrorCode;
use super::request::ApiRequest;
use crate::actions::{split_token, token_secret_sha256};
use crate::model::{ApiToken, ApiTokenState};
use crate::shared::Shared;
use crate::store::{Error, WriteTransaction};
use crate::throttle::{NetworkThrottle, Throttle};
use opterius_base::text::one_line;

/// Calls with one token that are allowed at once, and the time for one more.
const CALLS: u32 = 300;
const CALL_TIME: Duration = Duration::from_millis(33);

/// Wrong tokens that are allowed at once from an address and the networks around it, and the time for one more. A right token
/// from there is never limited by them.
const WRONG_TOKENS: [(u32, Duration); 3] =
    [(30, Duration::from_secs(2)), (60, Duration::from_secs(1)), (120, Duration::from_millis(500))];

/// The time within which further uses of a token are not recorded.
const USE_TIME: Duration = Duration::from_secs(60);

/// The limits of tokens.
pub(super) struct TokenLimits {
    calls: Mutex<Throttle<i64>>,
    wrong: Mutex<NetworkThrottle>,
}

impl Default for TokenLimits {
    fn default() -> Self {
        Self {
            calls: Mutex::new(Throttle::new(CALLS, CALL_TIME)),
            wrong: Mutex::new(NetworkThrottle::new(WRONG_TOKENS)),
        }
    }
}

/// The token of the request, if it allows the call.
///
/// # Errors
/// 401 if it is not valid, 403 if it does not allow the call or not from here, 429 if there are too many calls.
pub(super) fn authenticate(shared: &Shared, limits: &TokenLimits, request: &ApiRequest) -> Result<ApiToken, ApiError> {
    let (now, at) = (shared.clock.wall(), shared.clock.monotonic());
    let Some(token) = find(shared, request)? else {
        take_wrong(limits, request, at)?;
        warn!("API call {} from {} refused: wrong token", request.request_id, request.client);
        return Err(ApiError::unauthorized(ErrorCode::TokenInvalid, "The token is not valid."));
    };
    match token.state(now) {
        ApiTokenState::Active => {}
        ApiTokenState::Expired => {
            return Err(ApiError::unauthorized(ErrorCode::TokenExpired, "The token has expired."));
        }
        ApiTokenState::Revoked => {
            return Err(ApiError::unauthorized(ErrorCode::TokenRevoked, "The token has been revoked."));
        }
    }
    // The address of a proxy that withholds the client's is no client.
    let is_valid = request.is_client_known && token.is_valid_from(request.client);
    if !token.networks.is_empty() && !is_valid {
        take_wrong(limits, request, at)?;
        warn!("Token {} refused: it is not valid from {}", one_line(&token.name, 64), request.client);
        let message = format!("The token is not valid from {}.", request.client);
        return Err(ApiError::new(ErrorCode::NetworkNotAllowed, message));
    }
    let taken = limits.calls.lock().unwrap_or_else(PoisonError::into_inner).take(token.id, at);
    taken.map_err(|wait| {
        ApiError::too_many(wait, "Too many calls with this token. Try again after the time in the Retry-After header.")
    })?;
    if token.last_used_at.is_none_or(|used| now.since(used) >= USE_TIME) {
        let id = token.id;
        let touch = move |transaction: &WriteTransaction<'_>| transaction.touch_api_token(id);
        // If it cannot be stored, the call itself says so where it matters.
        shared.writer.submit(touch, |_: Result<(), Error>| {});
    }
    match request.route.scope {
        Some(scope) if !token.allows(scope) => {
            let message = format!("The token {} does not have the scope {}.", token.name, scope.as_str());
            Err(ApiError::new(ErrorCode::ScopeMissing, message))
        }
        _ => Ok(token),
    }
}

/// The token with this number and secret.
fn find(shared: &Shared, request: &ApiRequest) -> Result<Option<ApiToken>, Error> {
    let Some((id, secret)) = split_token(request.token.expose()) else { return Ok(None) };
    let found = shared.readers.read(|transaction| transaction.api_token(id))?;
    let presented = token_secret_sha256(secret);
    // With a key that no client knows, so that the comparison takes no time that tells how much is right.
    let is_right = |stored: &str| {
        let tag = hmac::sign(&shared.form_secret, stored.as_bytes());
        hmac::verify(&shared.form_secret, presented.as_bytes(), tag.as_ref()).is_ok()
    };
    Ok(found.filter(|(_, stored)| is_right(stored)).map(|(token, _)| token))
}

/// Limits what a network can try, and what it writes into the log.
fn take_wrong(limits: &TokenLimits, request: &ApiRequest, at: Instant) -> Result<(), ApiError> {
    let taken = limits.wrong.lock().unwrap_or_else(PoisonError::into_inner).take(request.client, at);
    taken.map_err(|wait| ApiError::too_many(wait, "Too many wrong tokens from this network."))
}
