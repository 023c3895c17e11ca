//! `GET /license/status`: the complete license status, including the cause of a problem.

use std::collections::VecDeque;

use serde::Serialize;

use crate::api::cached_response::CachedResponse;
use crate::license::state::{RecentCheck, State};
use opterius_base::clock::{Now, Timestamp};
use opterius_http::response::Response;
use opterius_license::clocks::Difference;
use opterius_license::standing::Standing;
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

/// The inputs of a response: the published state, the current standing, the number of accounts, the warnings, which appear
/// with time, and the clocks while one of them is wrong.
type CacheKey = (u64, Standing, Option<u64>, Vec<Warning>, Option<Difference>);

/// The cached response.
#[derive(Debug, Default)]
pub struct StatusPage(CachedResponse<CacheKey>);

impl StatusPage {
    /// The response at `now`.
    pub fn answer(&mut self, state: &State, now: Now, accounts: Option<u64>) -> Response {
        let standing = state.standing(now);
        let warnings = state.warnings(&standing, accounts, now);
        let key = (state.generation, standing, accounts, warnings, state.clock_difference(now));
        self.0.answer(key, |(_, standing, accounts, warnings, _)| render(state, standing, *accounts, warnings, now))
    }
}

fn render(state: &State, standing: &Standing, accounts: Option<u64>, warnings: &[Warning], now: Now) -> Response {
    let terms = state.terms();
    let message = state.message(standing, now);
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
            accounts_used: accounts,
            last_verified_at: state.last_verified_at(),
            last_checked_at: state.last_checked_at,
            next_check_at: state.next_check_at,
            grace_until: standing.grace_until(),
            cache: &state.cache,
            config_read_at: state.config_read_at,
            warnings,
            recent_checks: &state.recent_checks,
        },
    )
}
