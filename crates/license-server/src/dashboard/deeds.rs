//! What is done to one license: first a page that says what will happen, then the form that does it.

use std::net::IpAddr;

use super::facts::Facts;
use super::form::Form;
use super::question::{Field, Kind, Question};
use super::routes::{Deed, Route};
use super::sentences;
use super::trouble::Trouble;
use super::visit::{Person, Visit, visible};
use crate::actions::{self, Change, Doer, Refusal};
use crate::store::Changes;
use opterius_base::clock::Timestamp;
use opterius_base::dates::last_day;
use opterius_http::response::Response;

/// The page that says what will happen.
pub(super) fn show(visit: &Visit, person: &Person, id: i64, deed: Deed, query: &Form) -> Result<Response, Trouble> {
    Ok(ask(visit, person, id, deed, query, None)?.answer())
}

/// The same page; with what was typed, when it was wrong.
fn ask(
    visit: &Visit,
    person: &Person,
    id: i64,
    deed: Deed,
    form: &Form,
    error: Option<String>,
) -> Result<Question, Trouble> {
    let ip = if matches!(deed, Deed::Revoke | Deed::Move) { Some(hidden_ip(form)?) } else { None };
    let now = visit.shared.clock.wall();
    let facts = visit.shared.readers.read(|reader| Facts::read(reader, person, id, ip, now))?;
    if let (Some(ip), None) = (ip, &facts.server)
        && (deed == Deed::Revoke || facts.license.locked_ip != Some(ip))
    {
        return Err(Refusal::NotFound(format!("License {id} is not activated on {ip}.")).into());
    }
    let words = sentences::about(deed, &facts, ip);
    let mut hidden = vec![("revision", facts.license.revision.to_string())];
    if let Some(ip) = ip {
        hidden = vec![("ip", ip.to_string())];
    }
    let typed = error.is_some().then_some(form);
    Ok(Question {
        frame: visit.frame(person, words.heading.clone(), "licenses"),
        action: Route::Deed(id, deed),
        heading: words.heading,
        sentences: words.sentences,
        hidden,
        fields: fields(deed, &facts, typed),
        confirm: words.confirm,
        dangerous: matches!(deed, Deed::Revoke | Deed::Suspend | Deed::Cancel | Deed::Delete),
        back: Route::License(id),
        error,
    })
}

/// The fields, with what was typed or what is so now.
fn fields(deed: Deed, facts: &Facts, typed: Option<&Form>) -> Vec<Field> {
    let value = |name: &str, now: String| typed.map_or(now, |form| form.text(name).to_owned());
    let address = |name, label| Field {
        name,
        label,
        value: value(name, String::new()),
        hint: "An IPv4 or IPv6 address, such as 203.0.113.5.",
        required: true,
        ..Field::default()
    };
    match deed {
        Deed::Move => vec![address("to", "New address")],
        Deed::Lock => vec![address("ip", "Address")],
        Deed::Renew => vec![Field {
            name: "until",
            label: "Last day",
            kind: Kind::Date,
            value: value("until", facts.license.expires_at.map_or(String::new(), last_day)),
            hint: "The license may be used to the end of this day (UTC). Leave it empty for a license that never expires.",
            ..Field::default()
        }],
        Deed::Plan => vec![Field {
            name: "plan",
            label: "Plan",
            kind: Kind::Select,
            value: value("plan", facts.license.plan.slug.clone()),
            required: true,
            options: facts.plans.iter().map(sentences::plan_option).collect(),
            ..Field::default()
        }],
        _ => Vec::new(),
    }
}

/// Does it.
pub(super) fn act(visit: &Visit, person: &Person, id: i64, deed: Deed, form: &Form) -> Result<Response, Trouble> {
    match run(visit, person, id, deed, form) {
        Ok(sentence) => {
            let page = if deed == Deed::Delete { Route::Licenses } else { Route::License(id) };
            Ok(visit.see_result(&person.token, page, &sentence))
        }
        Err(Trouble::Refused(Refusal::Invalid(sentence))) => {
            Ok(ask(visit, person, id, deed, form, Some(sentence))?.answer())
        }
        // What does not go together with the license is something that was typed, where something is typed.
        Err(Trouble::Refused(Refusal::Conflict(sentence) | Refusal::NotFound(sentence))) if deed.asks() => {
            Ok(ask(visit, person, id, deed, form, Some(sentence))?.answer())
        }
        Err(trouble) => Err(trouble),
    }
}

fn run(visit: &Visit, person: &Person, id: i64, deed: Deed, form: &Form) -> Result<String, Trouble> {
    let (actor, user) = (person.actor(), person.user.clone());
    let writer = &visit.shared.writer;
    let sentence = match deed {
        Deed::Revoke => {
            let ip = hidden_ip(form)?;
            writer.change(move |changes: &Changes<'_>| {
                visible(changes, &user, id)?;
                actions::revoke(changes, &actor, id, ip)
            })
        }
        Deed::Move => {
            let (from, to) = (hidden_ip(form)?, typed_ip(form, "to")?);
            writer.change(move |changes: &Changes<'_>| {
                visible(changes, &user, id)?;
                actions::move_to(changes, &actor, id, from, to)
            })
        }
        Deed::Delete => {
            let seen = seen(form)?;
            writer.change(move |changes: &Changes<'_>| actions::delete(changes, &Doer { actor: &actor, seen }, id))
        }
        _ => {
            let (seen, change) = (seen(form)?, change(deed, form)?);
            writer.change(move |changes: &Changes<'_>| {
                actions::change(changes, &Doer { actor: &actor, seen }, id, &change)
            })
        }
    };
    Ok(sentence?)
}

/// The change that the form of a deed asks for.
fn change(deed: Deed, form: &Form) -> Result<Change, Trouble> {
    match deed {
        Deed::Suspend => Ok(Change::Suspend),
        Deed::Resume => Ok(Change::Resume),
        Deed::Cancel => Ok(Change::Cancel),
        Deed::Renew => Ok(Change::Renew(typed_date(form, "until")?)),
        Deed::Plan => Ok(Change::SetPlan(form.text("plan").to_owned())),
        Deed::Lock => Ok(Change::LockIp(typed_ip(form, "ip")?)),
        Deed::Unlock => Ok(Change::UnlockIp),
        Deed::Revoke | Deed::Move | Deed::Delete => Err(Trouble::Absent),
    }
}

/// The revision that was looked at.
fn seen(form: &Form) -> Result<Option<i64>, Trouble> {
    form.number("revision").map(Some).ok_or(Trouble::Malformed)
}

/// The address of a server, as our own pages write it.
fn hidden_ip(form: &Form) -> Result<IpAddr, Trouble> {
    form.text("ip").parse().map_err(|_| Trouble::Malformed)
}

/// An address that somebody typed.
pub(super) fn typed_ip(form: &Form, name: &str) -> Result<IpAddr, Refusal> {
    let typed = form.text(name);
    let wrong = |sentence: String| Err(Refusal::Invalid(sentence));
    match typed.parse::<IpAddr>().map(|ip| ip.to_canonical()) {
        Ok(ip) => Ok(ip),
        Err(_) if typed.is_empty() => wrong("Type an address.".to_owned()),
        Err(_) => wrong("This is not an IP address such as 203.0.113.5 or 2001:db8::5.".to_owned()),
    }
}

/// A last day that somebody typed; none is never.
pub(super) fn typed_date(form: &Form, name: &str) -> Result<Option<Timestamp>, Refusal> {
    let typed = form.text(name);
    if typed.is_empty() {
        return Ok(None);
    }
    let wrong = || Refusal::Invalid("This is not a date such as 2027-03-31.".to_owned());
    Timestamp::parse_expiry(typed).map(Some).ok_or_else(wrong)
}
