//! The page of a license: its summary, its servers and its history.

use std::time::Duration;

use askama::Template;

use super::administrator_actions::LICENSE_ACTIONS;
use super::form::Form;
use super::format::used;
use super::history_line::HistoryLine;
use super::license_action::{ActionTarget, LicenseAction};
use super::lists;
use super::page::{self, Layout};
use super::page_error::PageError;
use super::page_request::PageRequest;
use super::refused_servers::{self, Blocked, Refused, Viewer};
use super::routes::Route;
use super::server_actions::MOVE;
use super::servers::{self, Server, ServerList};
use super::signed_in_user::{SignedInUser, visible};
use super::standing_badge::StandingBadge;
use crate::actions::Refusal;
use crate::model::describe::limit;
use crate::model::{Action, License, Status};
use crate::refused;
use crate::store::WriteTransaction;
use opterius_base::clock::Timestamp;
use opterius_base::dates::Moment;
use opterius_http::response::Response;

/// How long one history entry covers further views of the key by the same user.
const KEY_VIEW_TIME: Duration = Duration::from_secs(3600);

#[derive(Template)]
#[template(path = "license.html", config = "src/dashboard/askama.toml")]
struct LicensePage {
    layout: Layout,
    summary: LicenseSummary,
    administrator: bool,
    /// The full key on request, otherwise masked.
    key: String,
    key_shown: bool,
    show_key: Route,
    renew_url: Option<String>,
    license_actions: Vec<ActionLink>,
    servers: Vec<Server>,
    refused: Vec<Refused>,
    blocked: Vec<Blocked>,
    first_servers: Option<String>,
    more_servers: Option<String>,
    lines: Vec<HistoryLine>,
    newest: Option<String>,
    older: Option<String>,
}

/// A link to an action.
struct ActionLink {
    name: &'static str,
    page: Route,
    label: &'static str,
    dangerous: bool,
}

struct LicenseSummary {
    id: i64,
    owner: String,
    badge: StandingBadge,
    is_trial: bool,
    reference: Option<String>,
    /// Why it is suspended; the owner is told too.
    suspension_reason: Option<String>,
    /// What only the vendor sees.
    note: String,
    labels: Vec<String>,
    last_check: Option<Moment>,
    plan: String,
    accounts: String,
    used: String,
    /// Whether more servers are active than the plan allows.
    over: bool,
    expiry: Option<Moment>,
    created: Moment,
    lock: Option<(String, String)>,
    subscription: Option<String>,
}

/// Renders the page.
pub(super) fn show(
    page_request: &PageRequest,
    signed_in_user: &SignedInUser,
    id: i64,
    query: &Form,
    key: Option<String>,
) -> Result<Response, PageError> {
    let now = page_request.shared.clock.wall();
    let (after, before) = (query.number("after"), query.number("before"));
    let administrator = signed_in_user.user.administrator;
    let (license, active, server_list, refused, blocks, (lines, last)) =
        page_request.shared.readers.read(|transaction| {
            let license = visible(transaction, &signed_in_user.user, id)?;
            let lines = lists::lines(transaction, Some(id), before, !administrator, now)?;
            let active = transaction.active_servers(&license, now)?;
            let server_list = ServerList::read(transaction, &license, after, active, now)?;
            let refused = refused::refused(transaction, &license, now)?;
            let blocks = transaction.blocks(id, now)?;
            Ok::<_, Refusal>((license, active, server_list, refused, blocks, lines))
        })?;
    let page = Route::License(id);
    let renew_url = page_request.config.renew_url.as_deref();
    let viewer = if administrator { Viewer::Administrator } else { Viewer::Owner { renew_url } };
    let answer = LicensePage {
        layout: page_request.layout(signed_in_user, "licenses"),
        summary: summary(&license, active, now),
        administrator,
        key_shown: key.is_some(),
        key: key.unwrap_or_else(|| license.key.masked()),
        show_key: Route::Key(id),
        renew_url: page_request.config.renew_url.clone(),
        license_actions: if administrator { license_actions(&license) } else { Vec::new() },
        servers: server_list.rows(&license, now),
        refused: refused_servers::rows(&license, &refused, viewer, now),
        blocked: refused_servers::blocked(id, &blocks, now),
        first_servers: after.map(|_| format!("{page}#servers")),
        more_servers: server_list.next.map(|next| format!("{page}?after={next}#servers")),
        lines,
        newest: before.map(|_| format!("{page}#history")),
        older: last.map(|last| format!("{page}?before={last}#history")),
    };
    Ok(page::html(200, &format!("License {id}"), &answer))
}

/// The page with the full key. The view is recorded in the history, at most once an hour for each user, so that repeated
/// requests cannot fill the disk.
pub(super) fn show_key(
    page_request: &PageRequest,
    signed_in_user: &SignedInUser,
    id: i64,
) -> Result<Response, PageError> {
    let (user, actor, client) = (signed_in_user.user.clone(), signed_in_user.actor(), page_request.client);
    let key = page_request.shared.writer.change(move |transaction: &WriteTransaction<'_>| {
        let license = visible(transaction, &user, id)?;
        let now = transaction.now();
        if !transaction.has_seen_key(id, &actor, now.minus(KEY_VIEW_TIME), now)? {
            transaction.add_event(Some(id), &actor, Action::KeyShown, &format!("to {client}"))?;
        }
        Ok::<_, Refusal>(license.key)
    })?;
    show(page_request, signed_in_user, id, &Form::default(), Some(key.expose().to_owned()))
}

fn summary(license: &License, active: u32, now: Timestamp) -> LicenseSummary {
    let plan = &license.plan;
    let lock = license.locked_ip.map(|ip| (ip.to_string(), servers::address(license.id, &MOVE, ip)));
    LicenseSummary {
        id: license.id,
        owner: license.owner_name.clone(),
        badge: StandingBadge::new(license, now),
        is_trial: license.is_trial,
        reference: license.reference.clone(),
        suspension_reason: license.suspension_reason.clone().filter(|_| license.status == Status::Suspended),
        note: license.note.clone(),
        labels: license.labels.clone(),
        last_check: license.last_check_at.map(|at| Moment::new(at, now)),
        plan: plan.name.clone(),
        accounts: limit(plan.max_accounts),
        used: used(active, plan.max_servers),
        over: plan.max_servers > 0 && active > plan.max_servers,
        expiry: license.expires_at.map(|at| Moment::expiry(at, now)),
        created: Moment::new(license.created_at, now),
        lock,
        subscription: subscription(license, now),
    }
}

fn subscription(license: &License, now: Timestamp) -> Option<String> {
    let billing = &license.billing;
    let status = billing.subscription_status.as_ref()?.replace('_', " ");
    let end = billing.current_period_end.map(|end| Moment::expiry(end, now).text);
    let ends = billing.cancel_at_period_end == Some(true);
    Some(match end {
        Some(end) if ends => format!("{status}, ends with the current period ({end})"),
        Some(end) => format!("{status}, current period ends {end}"),
        None => status,
    })
}

/// The actions that are available to an administrator.
fn license_actions(license: &License) -> Vec<ActionLink> {
    let link = |license_action: &'static LicenseAction| match license_action.target {
        ActionTarget::License { label, is_available } if is_available(license) => Some(ActionLink {
            name: license_action.name,
            page: Route::LicenseAction(license.id, license_action),
            label,
            dangerous: license_action.dangerous,
        }),
        ActionTarget::License { .. } | ActionTarget::Server(_) => None,
    };
    LICENSE_ACTIONS.iter().filter_map(link).collect()
}
