//! Which page or form answers a request, once it is known who it is from and whether they may.

use super::cookies::Cookie;
use super::form::Form;
use super::person::Person;
use super::routes::Route;
use super::tokens::{self, Purpose};
use super::trouble::Trouble;
use super::visit::Visit;
use super::{creation, deeds, license, licenses, lists, page, password, sign_in};
use opterius_http::response::Response;

/// The page.
pub(super) fn show(visit: &Visit) -> Response {
    let person = match visit.person() {
        Ok(person) => person,
        Err(error) => return visit.trouble(None, &error.into()),
    };
    let response = match (&person, Form::parse(visit.query.as_bytes())) {
        (_, Err(malformed)) => Err(malformed.into()),
        (_, Ok(query)) if visit.route == Route::SignIn => sign_in::show(visit, person.is_some(), &query),
        (None, Ok(_)) => Ok(visit.to_sign_in()),
        (Some(person), Ok(query)) => page_for(visit, person, &query),
    };
    let response = response.unwrap_or_else(|trouble| visit.trouble(person.as_ref(), &trouble));
    if visit.cookies.flash.is_some() && response.status != 303 {
        return response.with_header("Set-Cookie", visit.cookies.clear(Cookie::Flash));
    }
    response
}

fn page_for(visit: &Visit, person: &Person, query: &Form) -> Result<Response, Trouble> {
    check_role(visit, person)?;
    match visit.route {
        Route::Home => Ok(page::see_other(Route::Licenses.to_string())),
        Route::Licenses => licenses::show(visit, person, query),
        Route::NewLicense => creation::show(visit, person),
        Route::License(id) => license::show(visit, person, id, query, None),
        Route::Deed(id, deed) => deeds::show(visit, person, id, deed, query),
        Route::Plans => lists::plans(visit, person),
        Route::History => lists::history(visit, person, query),
        Route::Password => password::show(visit, person),
        _ => Err(Trouble::Absent),
    }
}

/// What the form comes to.
pub(super) fn act(visit: &Visit, body: &[u8]) -> Response {
    let person = match visit.person() {
        Ok(person) => person,
        Err(error) => return visit.trouble(None, &error.into()),
    };
    let response = match (&person, Form::parse(body)) {
        (_, Err(malformed)) => Err(malformed.into()),
        (_, Ok(form)) if visit.route == Route::SignIn => sign_in::act(visit, &form),
        (None, Ok(_)) => Ok(visit.to_sign_in()),
        (Some(person), Ok(form)) => done(visit, person, &form),
    };
    response.unwrap_or_else(|trouble| visit.trouble(person.as_ref(), &trouble))
}

fn done(visit: &Visit, person: &Person, form: &Form) -> Result<Response, Trouble> {
    let token = form.text("csrf");
    if !tokens::is_signed(&visit.shared.form_secret, Purpose::Form, &person.token, token) {
        return Err(Trouble::Forged);
    }
    check_role(visit, person)?;
    match visit.route {
        Route::SignOut => sign_in::out(visit, person),
        Route::NewLicense => creation::act(visit, person, form),
        Route::Key(id) => license::show_key(visit, person, id),
        Route::Deed(id, deed) => deeds::act(visit, person, id, deed, form),
        Route::Password => password::act(visit, person, form),
        _ => Err(Trouble::Absent),
    }
}

/// What is for administrators alone is not there for others.
fn check_role(visit: &Visit, person: &Person) -> Result<(), Trouble> {
    if visit.route.is_for_administrators() && !person.user.administrator { Err(Trouble::Absent) } else { Ok(()) }
}
