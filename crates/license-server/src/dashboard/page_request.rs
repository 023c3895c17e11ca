//! A request to the dashboard, copied by the front thread, with the operations that all pages share.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::browser;
use super::cookies::{Cookie, Cookies};
use super::dashboard_state::DashboardState;
use super::form::{Form, encode};
use super::page::{self, Layout, LayoutUser};
use super::page_error::PageError;
use super::page_slots::PageSlot;
use super::routes::Route;
use super::signed_in_user::SignedInUser;
use super::tokens::{self, Purpose};
use crate::actions::Refusal;
use crate::config::Config;
use crate::shared::{self, Shared};
use crate::store::{Error, NewSession, WriteTransaction};
use opterius_http::response::Response;
use opterius_http::service::Request;

/// The lifetime of the flash cookie.
const FLASH_SECONDS: u64 = 60;

/// The lifetime of a session, regardless of activity.
pub(super) const SESSION_TIME: Duration = Duration::from_secs(12 * 3600);

/// How often the last use of a session is recorded. Each record is a write.
const TOUCH_INTERVAL: Duration = Duration::from_secs(300);

/// A request to the dashboard.
pub(super) struct PageRequest {
    pub(super) shared: Arc<Shared>,
    pub(super) state: Arc<DashboardState>,
    pub(super) config: Arc<Config>,
    pub(super) route: Route,
    pub(super) cookies: Cookies,
    pub(super) client: IpAddr,
    /// The browser in a few words.
    pub(super) browser: String,
    pub(super) query: String,
}

/// A session that is about to start.
pub(super) struct SessionStart {
    token_sha256: String,
    address: String,
    browser: String,
}

impl SessionStart {
    /// Starts the session of this user.
    pub(super) fn start(&self, transaction: &WriteTransaction<'_>, user: i64) -> Result<(), Error> {
        transaction.insert_session(&NewSession {
            token_sha256: &self.token_sha256,
            user,
            ends_at: transaction.now().plus(SESSION_TIME),
            address: &self.address,
            browser: &self.browser,
        })
    }
}

impl PageRequest {
    /// Copies what pages need of the request.
    pub(super) fn new(
        shared: Arc<Shared>,
        state: Arc<DashboardState>,
        config: Arc<Config>,
        request: &Request<'_>,
        route: Route,
    ) -> Self {
        let cookies = Cookies::read(&request.head, shared::is_encrypted(request, &config));
        let client = shared::client(request, &config);
        let browser = browser::describe(request.head.only("user-agent").unwrap_or_default());
        let query = request.head.query.unwrap_or_default().to_owned();
        Self { shared, state, config, route, cookies, client, browser, query }
    }

    /// A slot in the page queue, held until the page is rendered. Requests without a session need none: their pages are
    /// cheap.
    pub(super) fn page_slot(&self) -> Result<Option<PageSlot>, PageError> {
        let Some(session) = &self.cookies.session else { return Ok(None) };
        self.state.page_slots.take(session).map(Some).ok_or(PageError::TooManyPages)
    }

    /// The signed-in user, if any.
    pub(super) fn signed_in_user(&self) -> Result<Option<SignedInUser>, Error> {
        let Some(token) = &self.cookies.session else { return Ok(None) };
        let (token_sha256, now) = (tokens::token_sha256(token), self.shared.clock.wall());
        let Some((user, used_at)) = self.shared.readers.read(|transaction| transaction.session(&token_sha256, now))?
        else {
            return Ok(None);
        };
        if used_at.plus(TOUCH_INTERVAL) <= now {
            // Without waiting: a page must not depend on whether this is stored.
            self.shared
                .writer
                .submit(move |transaction| transaction.touch_session(&token_sha256), |_: Result<(), Error>| {});
        }
        Ok(Some(SignedInUser { user, token: token.clone() }))
    }

    /// What starts a session of this client, on the writer thread.
    pub(super) fn session_start(&self, token: &str) -> SessionStart {
        SessionStart {
            token_sha256: tokens::token_sha256(token),
            address: self.client.to_string(),
            browser: self.browser.clone(),
        }
    }

    /// Creates something once, on the writer thread, and returns its number: a form that is sent again, by a double click or
    /// a reload, gives the number of what it created, without the rest.
    pub(super) fn create_once<T: Send + 'static>(
        &self,
        form: &Form,
        create: impl FnOnce(&WriteTransaction<'_>) -> Result<(i64, T), Refusal> + Send + 'static,
    ) -> Result<(i64, Option<T>), Refusal> {
        let (once, state) = (form.text("once").to_owned(), Arc::clone(&self.state));
        let created = self.shared.writer.change(move |transaction: &WriteTransaction<'_>| {
            // Here, so that two copies of a form cannot be processed concurrently.
            if let Some(id) = state.submitted_forms.find(&once) {
                return Ok((id, None));
            }
            let (id, rest) = create(transaction)?;
            state.submitted_forms.record(&once, id);
            Ok((id, Some(rest)))
        });
        if created.is_err() {
            self.state.submitted_forms.forget(form.text("once"));
        }
        created
    }

    /// Redirects to the sign-in form, which leads back to the requested page.
    pub(super) fn redirect_to_sign_in(&self) -> Response {
        page::see_other(match self.route.return_page() {
            _ if self.route == Route::Home => Route::SignIn.to_string(),
            page => format!("{}?next={}", Route::SignIn, encode(&page.to_string())),
        })
    }

    /// The header of a page for this user.
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

    /// Redirects to a page that shows the message once.
    pub(super) fn redirect_with_flash(&self, token: &str, page: impl fmt::Display, sentence: &str) -> Response {
        let sealed = tokens::seal(&self.shared.form_secret, token, sentence);
        let cookie = self.cookies.set(Cookie::Flash, &sealed, Some(FLASH_SECONDS));
        page::see_other(page.to_string()).with_header("Set-Cookie", cookie)
    }

    /// The page for an error.
    pub(super) fn page_error(&self, signed_in_user: Option<&SignedInUser>, page_error: &PageError) -> Response {
        // After a 404 the link leads to the list: the license itself may not exist for this user.
        let back = if page_error.status() == 404 { Route::Licenses } else { self.route.return_page() };
        let layout = signed_in_user.map(|signed_in_user| self.layout(signed_in_user, "")).unwrap_or_default();
        page::page_error(layout, page_error, back)
    }
}
