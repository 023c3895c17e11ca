//! How a deed is done to a license: first a page that says what will happen, then the form that does it.

use super::deed::{Deed, Target};
use super::facts::Facts;
use super::field::{Field, server_ip};
use super::form::Form;
use super::person::Person;
use super::question::Question;
use super::routes::Route;
use super::trouble::Trouble;
use super::visit::Visit;
use crate::actions::{Doer, Refusal};
use crate::model::Action;
use crate::store::Changes;
use opterius_http::response::Response;

/// The page that says what will happen.
pub(super) fn show(
    visit: &Visit,
    person: &Person,
    id: i64,
    deed: &'static Deed,
    query: &Form,
) -> Result<Response, Trouble> {
    Ok(ask(visit, person, id, deed, query, None)?.answer())
}

/// The same page; with what was typed, when it was wrong.
fn ask(
    visit: &Visit,
    person: &Person,
    id: i64,
    deed: &'static Deed,
    form: &Form,
    error: Option<String>,
) -> Result<Question, Trouble> {
    let facts = look(visit, person, id, deed, form)?;
    let heading = (deed.heading)(&facts);
    let hidden = match facts.ip {
        Some(ip) => ("ip", ip.to_string()),
        None => ("revision", facts.license.revision.to_string()),
    };
    let typed = error.is_some().then_some(form);
    let field = deed.field.map(|field| field(&facts)).map(|field| match typed {
        Some(form) => Field { value: form.text(field.name).to_owned(), ..field },
        None => field,
    });
    Ok(Question {
        layout: visit.layout(person, "licenses"),
        title: heading.clone(),
        action: Route::Deed(id, deed),
        heading,
        sentences: (deed.sentences)(&facts),
        hidden: vec![hidden],
        fields: field.into_iter().collect(),
        confirm: deed.confirm,
        dangerous: deed.dangerous,
        back: Route::License(id),
        error,
    })
}

/// What is known of what it is to be done to, which has to be there.
fn look(visit: &Visit, person: &Person, id: i64, deed: &Deed, form: &Form) -> Result<Facts, Trouble> {
    let ip = match deed.target {
        Target::License { .. } => None,
        Target::Server { .. } => Some(server_ip(form)?),
    };
    let now = visit.shared.clock.wall();
    let facts = visit.shared.readers.read(|reader| Facts::read(reader, person, id, ip, now))?;
    let is_lock = matches!(deed.target, Target::Server { or_to_lock: true }) && facts.license.locked_ip == ip;
    match ip {
        Some(ip) if facts.server.is_none() && !is_lock => {
            Err(Refusal::NotFound(format!("License {id} is not activated on {ip}.")).into())
        }
        _ => Ok(facts),
    }
}

/// Does it.
pub(super) fn act(
    visit: &Visit,
    person: &Person,
    id: i64,
    deed: &'static Deed,
    form: &Form,
) -> Result<Response, Trouble> {
    match run(visit, person, id, deed, form) {
        Ok(sentence) => {
            let page = if deed.tells == Action::Deleted { Route::Licenses } else { Route::License(id) };
            Ok(visit.see_result(&person.token, page, &sentence))
        }
        Err(Trouble::Refused(Refusal::Invalid(sentence))) => {
            Ok(ask(visit, person, id, deed, form, Some(sentence))?.answer())
        }
        // What does not go together with the license is something that was typed, where something is typed.
        Err(Trouble::Refused(Refusal::Conflict(sentence) | Refusal::NotFound(sentence))) if deed.field.is_some() => {
            Ok(ask(visit, person, id, deed, form, Some(sentence))?.answer())
        }
        Err(trouble) => Err(trouble),
    }
}

fn run(visit: &Visit, person: &Person, id: i64, deed: &Deed, form: &Form) -> Result<String, Trouble> {
    // The revision that was looked at. A server is named by its address, whatever became of the license.
    let seen = match deed.target {
        Target::License { .. } => Some(form.number("revision").ok_or(Trouble::Malformed)?),
        Target::Server { .. } => None,
    };
    let order = (deed.order)(form)?;
    let (actor, user) = (person.actor(), person.user.clone());
    let done = visit
        .shared
        .writer
        .change(move |changes: &Changes<'_>| order.perform(changes, &user, &Doer { actor: &actor, seen }, id));
    Ok(done?)
}
