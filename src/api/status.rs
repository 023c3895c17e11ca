//! `GET /license/status`: the one command that explains a license problem.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::Serialize;

use crate::clock::{Now, Timestamp};
use crate::http::response::{JSON, Response};
use crate::license::standing::Standing;
use crate::license::state::{Check, State};

/// The document. The first six members are the documented ones, in their order; `tier` and `reason` are what readers of
/// the older documentation look for.
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
    recent_checks: &'a VecDeque<Check>,
}

/// The document as it was rendered last, kept for as long as nothing in it changes.
#[derive(Debug, Default)]
pub struct StatusPage {
    rendered: Option<Rendered>,
}

#[derive(Debug)]
struct Rendered {
    generation: u64,
    standing: Standing,
    accounts: Option<u64>,
    body: Arc<Vec<u8>>,
}

impl StatusPage {
    /// The answer at `now`.
    pub fn answer(&mut self, state: &State, now: Now, accounts: Option<u64>) -> Response {
        let standing = state.standing(now);
        let current = |rendered: &&Rendered| {
            rendered.generation == state.generation && rendered.standing == standing && rendered.accounts == accounts
        };
        if let Some(rendered) = self.rendered.as_ref().filter(current) {
            return Response { status: 200, content_type: JSON, headers: Vec::new(), body: Arc::clone(&rendered.body) };
        }
        let response = render(state, &standing, accounts);
        self.rendered =
            Some(Rendered { generation: state.generation, standing, accounts, body: Arc::clone(&response.body) });
        response
    }
}

fn render(state: &State, standing: &Standing, accounts: Option<u64>) -> Response {
    let terms = state.terms();
    let message = state.message(standing);
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
            grace_until: match standing {
                Standing::Grace { until } => Some(*until),
                Standing::Active | Standing::Restricted { .. } => None,
            },
            cache: &state.cache,
            recent_checks: &state.recent_checks,
        },
    )
}
