//! `GET /license/status`: the complete license status, including the cause of a problem.

use std::collections::VecDeque;

use serde::Serialize;

use crate::api::cached_response::CachedResponse;
use crate::license::state::{RecentCheck, State};
use opterius_base::clock::{Now, Timestamp};
use opterius_http::response::Response;
use opterius_license::warning::Warning;

/// The response body. The first six members are the documented ones, in their order; `tier` and `reason` are from the older
/// documentation.
#[derive(Serialize)]
struct Status<'a> {
    valid: bool,
    plan: Option<&'a str>,
    max_accounts: Option<u64>,
    max_servers: Option<u64>,
    expires_at: Option<Timestamp>,
    message: &'a str,
    reason: Option<&'a str>,
    tier: Option<&'a str>,
    state: &'static str,
    source: &'static str,
    license_server: Option<&'a str>,
    accounts_used: Option<u64>,
    last_verified_at: Option<Timestamp>,
    last_checked_at: Option<Timestamp>,
    next_check_at: Option<Timestamp>,
    grace_until: Option<Timestamp>,
    cache: &'a str,
    config_read_at: Option<Timestamp>,
    warnings: &'a [Warning],
    recent_checks: &'a VecDeque<RecentCheck>,
}

/// The inputs of a response: the published state, the number of accounts, and the time, by the wall clock in seconds and by
/// the boot clock in tenths of a second.
type CacheKey = (u64, Option<u64>, Timestamp, u128);

/// The cached response. What time changes in it is computed ten times a second at most.
#[derive(Debug, Default)]
pub struct StatusPage(CachedResponse<CacheKey>);

impl StatusPage {
    /// The response at `now`.
    pub fn answer(&mut self, state: &State, now: Now, accounts: Option<u64>) -> Response {
        let key = (state.generation, accounts, now.wall, now.boot.as_millis() / 100);
        self.0.answer(key, |_| render(state, accounts, now))
    }
}

fn render(state: &State, accounts: Option<u64>, now: Now) -> Response {
    let standing = state.standing(now);
    let (terms, message) = (state.terms(), state.message(&standing, now));
    Response::json(
        200,
        &Status {
            valid: standing.is_valid(),
            plan: terms.plan.as_deref(),
            max_accounts: terms.max_accounts,
            max_servers: terms.max_servers,
            expires_at: terms.expires_at,
            message: &message,
            reason: standing.reason(),
            tier: terms.plan.as_deref(),
            state: standing.state(),
            source: state.source(),
            license_server: state.license_server(),
            accounts_used: accounts,
            last_verified_at: state.last_verified_at(),
            last_checked_at: state.last_checked_at,
            next_check_at: state.next_check_at,
            grace_until: standing.grace_until(),
            cache: &state.cache,
            config_read_at: state.config_read_at,
            warnings: &state.warnings(&standing, accounts, now),
            recent_checks: &state.recent_checks,
        },
    )
}
