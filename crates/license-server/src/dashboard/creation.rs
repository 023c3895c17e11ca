//! Making a license.

use std::sync::Arc;

use super::field::{Field, Kind, plan_option, typed_date, typed_ip};
use super::form::Form;
use super::person::Person;
use super::question::Question;
use super::routes::Route;
use super::tokens;
use super::trouble::Trouble;
use super::visit::Visit;
use crate::actions::{self, Refusal};
use crate::store::{Changes, Error};
use opterius_http::response::Response;

/// The most users that are proposed as owners; a browser is not to be given thousands.
const PROPOSED: usize = 200;

/// The form.
pub(super) fn show(visit: &Visit, person: &Person) -> Result<Response, Trouble> {
    ask(visit, person, &Form::default(), None)
}

fn ask(visit: &Visit, person: &Person, form: &Form, error: Option<String>) -> Result<Response, Trouble> {
    let (users, plans) = visit.shared.readers.read(|reader| Ok::<_, Error>((reader.users()?, reader.plans()?)))?;
    let value = |name: &str| form.text(name).to_owned();
    let proposed = users.into_iter().take(PROPOSED).map(|user| (user.name, String::new())).collect();
    let fields = vec![
        Field {
            name: "owner",
            label: "Owner",
            value: value("owner"),
            hint: "The name of a user. Users are made with: opterius-license-server user add",
            required: true,
            options: proposed,
            ..Field::default()
        },
        Field {
            name: "plan",
            label: "Plan",
            kind: Kind::Select,
            value: value("plan"),
            required: true,
            options: plans.iter().map(plan_option).collect(),
            ..Field::default()
        },
        Field {
            name: "until",
            label: "Last day",
            kind: Kind::Date,
            value: value("until"),
            hint: "The license may be used to the end of this day (UTC). Leave it empty for a license that never expires.",
            ..Field::default()
        },
        Field {
            name: "ip",
            label: "Locked to the address",
            value: value("ip"),
            hint: "Leave it empty for a license that may be used at any address.",
            ..Field::default()
        },
    ];
    let question = Question {
        layout: visit.layout(person, "licenses"),
        title: "New license".to_owned(),
        action: Route::NewLicense,
        heading: "New license".to_owned(),
        sentences: vec!["The license gets a key of its own, which its owner sees on its page.".to_owned()],
        hidden: vec![("once", tokens::random()?)],
        fields,
        confirm: "Make the license",
        dangerous: false,
        back: Route::Licenses,
        error,
    };
    Ok(question.answer())
}

/// Makes it.
pub(super) fn act(visit: &Visit, person: &Person, form: &Form) -> Result<Response, Trouble> {
    match make(visit, person, form) {
        Ok(id) => {
            let sentence = format!("License {id} is made. Give its key to its owner, or let them see it here.");
            Ok(visit.see_result(&person.token, Route::License(id), &sentence))
        }
        // What is not there is something that was typed.
        Err(Refusal::Invalid(sentence) | Refusal::NotFound(sentence)) => ask(visit, person, form, Some(sentence)),
        Err(refusal) => Err(refusal.into()),
    }
}

fn make(visit: &Visit, person: &Person, form: &Form) -> Result<i64, Refusal> {
    let until = typed_date(form, "until")?;
    let ip = if form.text("ip").is_empty() { None } else { Some(typed_ip(form, "ip")?) };
    let (owner, plan) = (form.text("owner").to_owned(), form.text("plan").to_owned());
    let (once, actor, memory) = (form.text("once").to_owned(), person.actor(), Arc::clone(&visit.memory));
    let key = actions::new_key()?;
    let made = visit.shared.writer.change(move |changes: &Changes<'_>| {
        // On the writer's thread, where the same form cannot be looked at twice at the same time.
        if let Some(id) = memory.once.find(&once) {
            return Ok(id);
        }
        let id = actions::create(changes, &actor, &owner, &plan, until, ip, &key)?;
        memory.once.note(&once, id);
        Ok(id)
    });
    if made.is_err() {
        visit.memory.once.forget(form.text("once"));
    }
    made
}
