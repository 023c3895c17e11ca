//! One request, after the front thread has copied what it needs of it: who it is from, and what every
//! page does with it.

use std::net::IpAddr;
use std::sync::Arc;

use super::cookies::{Cookie, Cookies};
use super::dashboard_state::DashboardState;
use super::form::encode;
use super::page::{self, Layout, LayoutUser};
use super::page_error::PageError;
use super::page_slots::PageSlot;
use super::routes::Route;
use super::signed_in_user::SignedInUser;
use super::tokens::{self, Purpose};
use crate::config::Config;
use crate::shared::{self, Shared};
use crate::store::Error;
use opterius_http::response::Response;
use opterius_http::service::Request;

/// How long a result waits for the page that shows it.
const FLASH_SECONDS: u64 = 60;

/// One request.
pub(super) struct PageRequest {
    pub(super) shared: Arc<Shared>,
    pub(super) state: Arc<DashboardState>,
    pub(super) config: Arc<Config>,
    pub(super) route: Route,
    pub(super) cookies: Cookies,
    pub(super) client: IpAddr,
    pub(super) query: String,
}

impl PageRequest {
    /// What a page needs of this request.
    pub(super) fn new(
        shared: Arc<Shared>,
        state: Arc<DashboardState>,
        config: Arc<Config>,
        request: &Request<'_>,
        route: Route,
    ) -> Self {
        let cookies = Cookies::read(&request.head, shared::is_encrypted(request, &config));
        let client = shared::client(request, &config);
        let query = request.head.query.unwrap_or_default().to_owned();
        Self { shared, state, config, route, cookies, client, query }
    }

    /// A place among the pages that wait, which is held until this one is made; without a session there is nothing to
    /// wait for long.
    pub(super) fn page_slot(&self) -> Result<Option<PageSlot>, PageError> {
        let Some(session) = &self.cookies.session else { return Ok(None) };
        self.state.page_slots.take(session).map(Some).ok_or(PageError::TooManyPages)
    }

    /// Who is signed in.
    pub(super) fn signed_in_user(&self) -> Result<Option<SignedInUser>, Error> {
        let Some(token) = &self.cookies.session else { return Ok(None) };
        let (stored, now) = (tokens::token_sha256(token), self.shared.clock.wall());
        let user = self.shared.readers.read(|transaction| transaction.session(&stored, now))?;
        Ok(user.map(|user| SignedInUser { user, token: token.clone() }))
    }

    /// To the form to sign in, and from there back to where this request was for.
    pub(super) fn redirect_to_sign_in(&self) -> Response {
        page::see_other(match self.route.return_page() {
            Route::Licenses => Route::SignIn.to_string(),
            page => format!("{}?next={}", Route::SignIn, encode(&page.to_string())),
        })
    }

    /// What stands above the content of a page for this person.
    pub(super) fn layout(&self, signed_in_user: &SignedInUser, section: &'static str) -> Layout {
        let key = &self.shared.form_secret;
        let user =
            LayoutUser { name: signed_in_user.user.name.clone(), administrator: signed_in_user.user.administrator };
        Layout {
            user: Some(user),
            csrf: tokens::sign(key, Purpose::Form, &signed_in_user.token),
            flash: self.cookies.flash.as_ref().and_then(|sealed| tokens::unseal(key, &signed_in_user.token, sealed)),
            section,
        }
    }

    /// To a page, which shows what was done.
    pub(super) fn redirect_with_flash(&self, token: &str, page: Route, sentence: &str) -> Response {
        let sealed = tokens::seal(&self.shared.form_secret, token, sentence);
        let cookie = self.cookies.set(Cookie::Flash, &sealed, Some(FLASH_SECONDS));
        page::see_other(page.to_string()).with_header("Set-Cookie", cookie)
    }

    /// The page that says why there is no other.
    pub(super) fn page_error(&self, signed_in_user: Option<&SignedInUser>, page_error: &PageError) -> Response {
        // Where nothing is, nothing leads back: to whom a license does not exist, its number means nothing.
        let back = if page_error.status() == 404 { Route::Licenses } else { self.route.return_page() };
        let layout = signed_in_user.map(|signed_in_user| self.layout(signed_in_user, "")).unwrap_or_default();
        page::page_error(layout, page_error, back)
    }
}
