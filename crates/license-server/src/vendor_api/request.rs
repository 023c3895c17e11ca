//! A request to the API, copied by the front thread, and its checks in the lane.

use std::net::IpAddr;

use ring::digest::{SHA256, digest};

use super::call::Call;
use super::error::ApiError;
use super::error_code::ErrorCode;
use super::json;
use super::members::Members;
use super::route::{ApiMethod, PathValues, Route};
use crate::address::Source;
use crate::model::ApiToken;
use crate::webhooks::receiver_address::Receivers;
use opterius_base::clock::Timestamp;
use opterius_base::hex::hex;
use opterius_base::secret::Secret;
use opterius_http::head::Head;

/// The longest Idempotency-Key in bytes.
const MAX_KEY: usize = 255;

/// The most revisions in If-Match.
const MAX_REVISIONS: usize = 16;

/// A request to the API.
pub(super) struct ApiRequest {
    /// The call that it asks for.
    pub(super) route: &'static Route,
    /// The values of the path's parameters.
    pub(super) path: PathValues,
    /// The token as it was sent.
    pub(super) token: Secret,
    /// The client's address.
    pub(super) client: IpAddr,
    /// Whether that is known, and not only the address of a proxy.
    pub(super) is_client_known: bool,
    /// The number of the request.
    pub(super) request_id: String,
    raw_path: String,
    query: String,
    content_type: Option<String>,
    idempotency_key: Option<String>,
    if_match: Option<String>,
    body: Vec<u8>,
}

impl ApiRequest {
    /// Copies what the call needs of the request.
    ///
    /// # Errors
    /// 400 if a header occurs twice, 401 if there is no token.
    pub(super) fn new(
        route: &'static Route,
        path: PathValues,
        head: &Head<'_>,
        body: &[u8],
        source: Source,
        request_id: String,
    ) -> Result<Self, ApiError> {
        let token = bearer(head)?;
        Ok(Self {
            route,
            path,
            token,
            client: source.ip,
            is_client_known: source.unreadable.is_none(),
            request_id,
            raw_path: head.path.to_owned(),
            query: head.query.unwrap_or_default().to_owned(),
            content_type: single(head, "Content-Type")?,
            idempotency_key: single(head, "Idempotency-Key")?.filter(|_| route.method == ApiMethod::Post),
            if_match: single(head, "If-Match")?,
            body: body.to_vec(),
        })
    }

    /// Checks everything that needs no look at the store.
    ///
    /// # Errors
    /// 400, 415 or 422, with what is wrong.
    pub(super) fn check(self, token: ApiToken, receivers: Receivers, now: Timestamp) -> Result<Call, ApiError> {
        let body = self.parsed_body()?;
        let query = Members::of_query(&self.query, &self.route.parameters())?;
        let idempotency_key = self.idempotency_key.map(checked_key).transpose()?;
        let if_match = self.if_match.as_deref().map(revisions).transpose()?.flatten();
        // A rehearsal is the same call.
        let parts =
            [self.route.method.as_str(), &self.raw_path, &query.clone().without("dry_run").to_json(), &body.to_json()];
        let request_sha256 = hex(digest(&SHA256, parts.join("\n").as_bytes()).as_ref());
        Ok(Call {
            path: self.path,
            query,
            body,
            token: Some(token),
            client: self.client,
            request_id: self.request_id,
            if_match,
            idempotency_key,
            request_sha256,
            receivers,
            now,
        })
    }

    fn parsed_body(&self) -> Result<Members, ApiError> {
        if self.body.is_empty() || self.route.method == ApiMethod::Get {
            return Members::check(serde_json::Map::new(), &self.route.members());
        }
        let media_type = self.content_type.as_deref().unwrap_or_default();
        let (media_type, _) = media_type.split_once(';').unwrap_or((media_type, ""));
        if !media_type.trim().eq_ignore_ascii_case("application/json") {
            let message = "Send the body as JSON, with the header Content-Type: application/json.";
            return Err(ApiError::new(ErrorCode::UnsupportedMediaType, message).of("Content-Type"));
        }
        Members::check(json::parse(&self.body)?, &self.route.members())
    }
}

/// The token in `Authorization: Bearer …` (RFC 6750 §2.1). Cookies are never looked at.
fn bearer(head: &Head<'_>) -> Result<Secret, ApiError> {
    let missing = || {
        let message = "Send a token in the header Authorization: Bearer opl_…. To make one, run: opterius-license-server token add";
        ApiError::unauthorized(ErrorCode::TokenMissing, message)
    };
    let header = single(head, "Authorization")?.ok_or_else(missing)?;
    let (scheme, token) = header.trim().split_once(' ').ok_or_else(missing)?;
    if scheme.eq_ignore_ascii_case("bearer") { Ok(Secret::new(token.trim().to_owned())) } else { Err(missing()) }
}

/// The value of a header that may occur once.
fn single(head: &Head<'_>, name: &'static str) -> Result<Option<String>, ApiError> {
    match (head.all(name).count(), head.only(name)) {
        (0, _) => Ok(None),
        (_, Some(value)) => Ok(Some(value.to_owned())),
        _ => Err(ApiError::bad_request("The header occurs twice or is not UTF-8.").of(name)),
    }
}

fn checked_key(key: String) -> Result<String, ApiError> {
    let is_key = !key.is_empty() && key.len() <= MAX_KEY && key.bytes().all(|byte| byte.is_ascii_graphic());
    if is_key {
        return Ok(key);
    }
    Err(ApiError::bad_request(format!("It must have 1 to {MAX_KEY} visible ASCII characters.")).of("Idempotency-Key"))
}

/// The revisions in If-Match; `None` for `*`, which every license matches. A weak tag counts too, because a proxy that
/// compresses answers makes the tags weak.
fn revisions(header: &str) -> Result<Option<Vec<i64>>, ApiError> {
    if header.trim() == "*" {
        return Ok(None);
    }
    let malformed = || ApiError::bad_request("It must be an ETag of a license, such as \"3\", or *.").of("If-Match");
    let revision = |tag: &str| {
        let tag = tag.trim();
        let quoted = tag.strip_prefix("W/").unwrap_or(tag);
        let text = quoted.strip_prefix('"')?.strip_suffix('"')?;
        // A tag that is none of ours matches nothing.
        Some(text.parse::<i64>().unwrap_or(-1))
    };
    let found: Option<Vec<i64>> = header.split(',').map(revision).collect();
    found.filter(|found| found.len() <= MAX_REVISIONS).ok_or_else(malformed).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entity_tags_are_revisions() {
        let table = [
            ("\"3\"", Some(Some(vec![3]))),
            ("W/\"3\"", Some(Some(vec![3]))),
            ("\"3\", \"4\"", Some(Some(vec![3, 4]))),
            ("\"other\"", Some(Some(vec![-1]))),
            (" * ", Some(None)),
            ("3", None),
            ("\"3", None),
            ("", None),
        ];
        for (header, expected) in table {
            assert_eq!(revisions(header).ok(), expected, "{header}");
        }
    }
}
