//! One request, after the front thread has copied what it needs of it: who it is from, and which page or form answers.

use std::net::IpAddr;
use std::sync::Arc;

use super::cookies::{Cookie, Cookies};
use super::form::{Form, encode};
use super::page::{Frame, SignedIn};
use super::places::Place;
use super::routes::Route;
use super::tokens::{self, Purpose};
use super::trouble::Trouble;
use super::{Memory, creation, deeds, license, licenses, lists, page, password, sign_in};
use crate::actions::Refusal;
use crate::model::{Actor, License, Role, User};
use crate::settings::Settings;
use crate::shared::{self, Shared};
use crate::store::{Error, Reader};
use opterius_http::response::Response;
use opterius_http::service::Request;

/// How long a result waits for the page that shows it.
const FLASH_SECONDS: u64 = 60;

/// One request.
pub(super) struct Visit {
    pub(super) shared: Arc<Shared>,
    pub(super) memory: Arc<Memory>,
    pub(super) settings: Arc<Settings>,
    pub(super) route: Route,
    pub(super) cookies: Cookies,
    pub(super) client: IpAddr,
    query: String,
}

/// Who is signed in, by which token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Person {
    pub(super) user: User,
    pub(super) token: String,
}

impl Person {
    /// As whom the history names this person.
    pub(super) fn actor(&self) -> Actor {
        let role = if self.user.administrator { Role::Administrator } else { Role::Owner };
        Actor { role, name: self.user.name.clone() }
    }
}

/// The license with this number, if this user may see it. To others it does not exist.
pub(super) fn visible(reader: &Reader<'_>, user: &User, id: i64) -> Result<License, Refusal> {
    let license = reader.license(id)?.filter(|license| user.administrator || license.owner == user.id);
    license.ok_or_else(|| Refusal::NotFound(format!("There is no license {id}.")))
}

impl Visit {
    /// What a page needs of this request.
    pub(super) fn new(
        shared: Arc<Shared>,
        memory: Arc<Memory>,
        settings: Arc<Settings>,
        request: &Request<'_>,
        route: Route,
    ) -> Self {
        let cookies = Cookies::read(&request.head, shared::is_encrypted(request, &settings));
        let client = shared::client(request, &settings);
        let query = request.head.query.unwrap_or_default().to_owned();
        Self { shared, memory, settings, route, cookies, client, query }
    }

    /// A place among the pages that wait, which is held until this one is made; without a session there is nothing to
    /// wait for long.
    pub(super) fn place(&self) -> Result<Option<Place>, Trouble> {
        let Some(session) = &self.cookies.session else { return Ok(None) };
        self.memory.places.take(session).map(Some).ok_or(Trouble::Crowded)
    }

    /// The page.
    pub(super) fn show(self) -> Response {
        let person = match self.person() {
            Ok(person) => person,
            Err(error) => return self.trouble(None, &error.into()),
        };
        let response = match (&person, Form::parse(self.query.as_bytes())) {
            (_, Err(malformed)) => Err(malformed.into()),
            (_, Ok(query)) if self.route == Route::SignIn => sign_in::show(&self, person.is_some(), &query),
            (None, Ok(_)) => Ok(self.to_sign_in()),
            (Some(person), Ok(query)) => self.page(person, &query),
        };
        let response = response.unwrap_or_else(|trouble| self.trouble(person.as_ref(), &trouble));
        if self.cookies.flash.is_some() && response.status != 303 {
            return response.with_header("Set-Cookie", self.cookies.clear(Cookie::Flash));
        }
        response
    }

    fn page(&self, person: &Person, query: &Form) -> Result<Response, Trouble> {
        self.check_role(person)?;
        match self.route {
            Route::Home => Ok(page::see_other(Route::Licenses.to_string())),
            Route::Licenses => licenses::show(self, person, query),
            Route::NewLicense => creation::show(self, person),
            Route::License(id) => license::show(self, person, id, query, None),
            Route::Deed(id, deed) => deeds::show(self, person, id, deed, query),
            Route::Plans => lists::plans(self, person),
            Route::History => lists::history(self, person, query),
            Route::Password => password::show(self, person),
            _ => Err(Trouble::Absent),
        }
    }

    /// What the form comes to.
    pub(super) fn act(self, body: &[u8]) -> Response {
        let person = match self.person() {
            Ok(person) => person,
            Err(error) => return self.trouble(None, &error.into()),
        };
        let response = match (&person, Form::parse(body)) {
            (_, Err(malformed)) => Err(malformed.into()),
            (_, Ok(form)) if self.route == Route::SignIn => sign_in::act(&self, &form),
            (None, Ok(_)) => Ok(self.to_sign_in()),
            (Some(person), Ok(form)) => self.done(person, &form),
        };
        response.unwrap_or_else(|trouble| self.trouble(person.as_ref(), &trouble))
    }

    fn done(&self, person: &Person, form: &Form) -> Result<Response, Trouble> {
        let token = form.text("csrf");
        if !tokens::is_signed(&self.shared.form_secret, Purpose::Form, &person.token, token) {
            return Err(Trouble::Forged);
        }
        self.check_role(person)?;
        match self.route {
            Route::SignOut => sign_in::out(self, person),
            Route::NewLicense => creation::act(self, person, form),
            Route::Key(id) => license::show_key(self, person, id),
            Route::Deed(id, deed) => deeds::act(self, person, id, deed, form),
            Route::Password => password::act(self, person, form),
            _ => Err(Trouble::Absent),
        }
    }

    /// What is for administrators alone is not there for others.
    fn check_role(&self, person: &Person) -> Result<(), Trouble> {
        if self.route.is_for_administrators() && !person.user.administrator { Err(Trouble::Absent) } else { Ok(()) }
    }

    fn person(&self) -> Result<Option<Person>, Error> {
        let Some(token) = &self.cookies.session else { return Ok(None) };
        let (stored, now) = (tokens::stored(token), self.shared.clock.wall());
        let user = self.shared.readers.read(|reader| reader.session(&stored, now))?;
        Ok(user.map(|user| Person { user, token: token.clone() }))
    }

    fn to_sign_in(&self) -> Response {
        page::see_other(match self.route.return_page() {
            Route::Licenses => Route::SignIn.to_string(),
            page => format!("{}?next={}", Route::SignIn, encode(&page.to_string())),
        })
    }

    /// What stands around a page for this person.
    pub(super) fn frame(&self, person: &Person, title: impl Into<String>, here: &'static str) -> Frame {
        let key = &self.shared.form_secret;
        let user = SignedIn { name: person.user.name.clone(), administrator: person.user.administrator };
        Frame {
            title: title.into(),
            user: Some(user),
            csrf: tokens::sign(key, Purpose::Form, &person.token),
            flash: self.cookies.flash.as_ref().and_then(|sealed| tokens::unseal(key, &person.token, sealed)),
            here,
        }
    }

    /// To a page, which shows what was done.
    pub(super) fn see_result(&self, token: &str, page: Route, sentence: &str) -> Response {
        let sealed = tokens::seal(&self.shared.form_secret, token, sentence);
        let cookie = self.cookies.set(Cookie::Flash, &sealed, Some(FLASH_SECONDS));
        page::see_other(page.to_string()).with_header("Set-Cookie", cookie)
    }

    fn trouble(&self, person: Option<&Person>, trouble: &Trouble) -> Response {
        // Where nothing is, nothing leads back: to whom a license does not exist, its number means nothing.
        let back = if trouble.status() == 404 { Route::Licenses } else { self.route.return_page() };
        let frame = person.map(|person| self.frame(person, "", "")).unwrap_or_default();
        page::trouble(frame, trouble, back)
    }
}
