//! Performs a call in its lane: authentication, checks, and the handler in a transaction.

use super::answer::Answer;
use super::authentication::{TokenLimits, authenticate};
use super::call::Call;
use super::error::ApiError;
use super::error_code::ErrorCode;
use super::request::ApiRequest;
use super::route::{Handler, Write};
use crate::shared::Shared;
use crate::store::{Error, KeptAnswer, WriteTransaction};
use opterius_http::response::Response;

/// Performs the call.
pub(super) fn perform(shared: &Shared, limits: &TokenLimits, request: ApiRequest) -> Response {
    let request_id = request.request_id.clone();
    let result = run(shared, limits, request);
    shared.metrics.api_call(result.as_ref().map(Answer::result).map_err(|error| error.code));
    match result {
        Ok(answer) => answer.response(&request_id),
        Err(error) => error.answer(&request_id),
    }
}

fn run(shared: &Shared, limits: &TokenLimits, request: ApiRequest) -> Result<Answer, ApiError> {
    let token = authenticate(shared, limits, &request)?;
    let handler = &request.route.handler;
    let call = request.check(token, shared.config().receivers, shared.clock.wall())?;
    match handler {
        Handler::Read(read) => {
            let answer = shared.readers.read(|transaction| read(transaction, &call))?;
            record_view(shared, call, answer)
        }
        Handler::Write(change) => change_once(shared, call, *change),
        // The front thread has answered.
        Handler::Open(_) => Err(ApiError::not_found("There is nothing at this path.")),
    }
}

/// Records that a key is shown, before it is.
fn record_view(shared: &Shared, call: Call, answer: Answer) -> Result<Answer, ApiError> {
    let Some(license) = answer.reveals else { return Ok(answer) };
    shared.writer.change(move |transaction: &WriteTransaction<'_>| call.record_key_view(transaction, license))?;
    Ok(answer)
}

/// Why a change is rolled back.
enum RolledBack {
    /// It was refused or failed.
    Refused(ApiError),
    /// It was a rehearsal.
    DryRun(Answer),
}

impl From<Error> for RolledBack {
    fn from(error: Error) -> Self {
        Self::Refused(error.into())
    }
}

impl From<ApiError> for RolledBack {
    fn from(error: ApiError) -> Self {
        Self::Refused(error)
    }
}

fn change_once(shared: &Shared, call: Call, change: Write) -> Result<Answer, ApiError> {
    match shared.writer.change(move |transaction: &WriteTransaction<'_>| in_transaction(transaction, &call, change)) {
        Ok(answer) | Err(RolledBack::DryRun(answer)) => Ok(answer),
        Err(RolledBack::Refused(error)) => Err(error),
    }
}

/// Changes are made one after another, so that of two calls with the same key the second finds the answer of the first.
fn in_transaction(transaction: &WriteTransaction<'_>, call: &Call, change: Write) -> Result<Answer, RolledBack> {
    let token = call.token_id();
    if let Some(key) = &call.idempotency_key
        && let Some(kept) = transaction.kept_answer(token, key, transaction.now())?
    {
        if kept.request_sha256 == call.request_sha256 {
            return Ok(Answer::replayed(kept));
        }
        let message = "Another call was made with this key in the last 24 hours. Use a new key for each call.";
        return Err(ApiError::new(ErrorCode::IdempotencyKeyReused, message).of("Idempotency-Key").into());
    }
    let answer = change(transaction, call)?;
    if call.is_dry_run() {
        return Err(RolledBack::DryRun(answer));
    }
    if let Some(key) = &call.idempotency_key {
        let kept = KeptAnswer {
            request_sha256: call.request_sha256.clone(),
            status: answer.status,
            body: answer.body.clone(),
        };
        transaction.keep_answer(token, key, &kept)?;
    }
    Ok(answer)
}
