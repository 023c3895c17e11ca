//! The page of one license: its facts, the servers that use it, and its history.

use std::time::Duration;

use askama::Template;

use super::deed::{Deed, Target};
use super::form::Form;
use super::license_deeds::LICENSE_DEEDS;
use super::line::Line;
use super::lists;
use super::page::{self, Layout};
use super::person::{Person, visible};
use super::routes::Route;
use super::server_deeds::MOVE;
use super::servers::{self, Known, Server};
use super::shown::used;
use super::trouble::Trouble;
use super::visit::Visit;
use crate::actions::Refusal;
use crate::model::in_words::limit;
use crate::model::{ACTIVE_TIME, Action, License};
use crate::store::Changes;
use crate::store::counting::most;
use opterius_base::clock::Timestamp;
use opterius_base::dates::Moment;
use opterius_http::response::Response;

/// For how long a line of the history stands for every time that its user is shown the key.
const KEY_NOTE_TIME: Duration = Duration::from_secs(3600);

#[derive(Template)]
#[template(path = "license.html", config = "src/dashboard/askama.toml")]
struct LicensePage {
    layout: Layout,
    facts: Facts,
    administrator: bool,
    /// The key in full, where it was asked for; masked otherwise.
    key: String,
    key_shown: bool,
    show_key: Route,
    renew_url: Option<String>,
    deeds: Vec<(&'static str, Route, &'static str)>,
    servers: Vec<Server>,
    first_servers: Option<String>,
    more_servers: Option<String>,
    lines: Vec<Line>,
    newest: Option<String>,
    older: Option<String>,
}

struct Facts {
    id: i64,
    owner: String,
    standing: &'static str,
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

/// The page.
pub(super) fn show(
    visit: &Visit,
    person: &Person,
    id: i64,
    query: &Form,
    key: Option<String>,
) -> Result<Response, Trouble> {
    let now = visit.shared.clock.wall();
    let (after, before) = (query.number("after"), query.number("before"));
    let (license, active, known, (lines, last)) = visit.shared.readers.read(|reader| {
        let license = visible(reader, &person.user, id)?;
        let lines = lists::lines(reader, Some(id), before, now)?;
        let active = reader.count_activations(id, now.minus(ACTIVE_TIME), most(license.plan.max_servers))?;
        let known = Known::read(reader, &license, after, active, now)?;
        Ok::<_, Refusal>((license, active, known, lines))
    })?;
    let page = Route::License(id);
    let administrator = person.user.administrator;
    let answer = LicensePage {
        layout: visit.layout(person, "licenses"),
        facts: facts(&license, active, now),
        administrator,
        key_shown: key.is_some(),
        key: key.unwrap_or_else(|| license.key.masked()),
        show_key: Route::Key(id),
        renew_url: visit.settings.renew_url.clone(),
        deeds: if administrator { deeds(&license) } else { Vec::new() },
        servers: known.rows(&license, now),
        first_servers: after.map(|_| format!("{page}#servers")),
        more_servers: known.next.map(|next| format!("{page}?after={next}#servers")),
        lines,
        newest: before.map(|_| format!("{page}#history")),
        older: last.map(|last| format!("{page}?before={last}#history")),
    };
    Ok(page::html(200, &format!("License {id}"), &answer))
}

/// The page with the key in full, which is written into the history: once, and not again for an hour, else a program
/// that asks without end fills the disk.
pub(super) fn show_key(visit: &Visit, person: &Person, id: i64) -> Result<Response, Trouble> {
    let (user, actor, client) = (person.user.clone(), person.actor(), visit.client);
    let key = visit.shared.writer.change(move |changes: &Changes<'_>| {
        let license = visible(changes, &user, id)?;
        let now = changes.now();
        if !changes.has_seen_key(id, &actor, now.minus(KEY_NOTE_TIME), now)? {
            changes.add_event(Some(id), &actor, Action::KeyShown, &format!("to {client}"))?;
        }
        Ok::<_, Refusal>(license.key)
    })?;
    show(visit, person, id, &Form::default(), Some(key.expose().to_owned()))
}

fn facts(license: &License, active: u32, now: Timestamp) -> Facts {
    let plan = &license.plan;
    let lock = license.locked_ip.map(|ip| (ip.to_string(), servers::address(license.id, &MOVE, ip)));
    Facts {
        id: license.id,
        owner: license.owner_name.clone(),
        standing: license.standing(now),
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
        Some(end) if ends => format!("{status}, ends with the period ({end})"),
        Some(end) => format!("{status}, the period ends {end}"),
        None => status,
    })
}

/// What an administrator can do now: id, page and label of each link.
fn deeds(license: &License) -> Vec<(&'static str, Route, &'static str)> {
    let link = |deed: &'static Deed| match deed.target {
        Target::License { label, is_possible } if is_possible(license) => {
            Some((deed.word, Route::Deed(license.id, deed), label))
        }
        Target::License { .. } | Target::Server { .. } => None,
    };
    LICENSE_DEEDS.iter().filter_map(link).collect()
}
