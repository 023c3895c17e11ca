//! Dispatches a request to its page or form after authentication and authorization.

use super::cookies::Cookie;
use super::form::Form;
use super::page_error::PageError;
use super::page_request::PageRequest;
use super::routes::Route;
use super::signed_in_user::SignedInUser;
use super::tokens::{self, Purpose};
use super::{
    account, api_tokens, bulk, license, license_actions, licenses, licenses_csv, lists, new_api_token, new_license,
    overview, page, password, second_factor, set_password, sign_in, users, webhook_actions, webhooks,
};
use opterius_http::response::Response;

/// Renders the page.
pub(super) fn show(page_request: &PageRequest) -> Response {
    let signed_in_user = match page_request.signed_in_user() {
        Ok(signed_in_user) => signed_in_user,
        Err(error) => return page_request.page_error(None, &error.into()),
    };
    let response = match (&signed_in_user, Form::parse(page_request.query.as_bytes())) {
        (_, Err(malformed)) => Err(malformed.into()),
        (_, Ok(query)) if page_request.route == Route::SignIn => {
            sign_in::show(page_request, signed_in_user.is_some(), &query)
        }
        (_, Ok(query)) if page_request.route == Route::SetPassword => set_password::show(page_request, &query),
        (None, Ok(_)) => Ok(page_request.redirect_to_sign_in()),
        (Some(signed_in_user), Ok(query)) => page_for(page_request, signed_in_user, &query),
    };
    let response = response.unwrap_or_else(|page_error| page_request.page_error(signed_in_user.as_ref(), &page_error));
    if page_request.cookies.flash.is_some() && response.status != 303 {
        return response.with_header("Set-Cookie", page_request.cookies.clear(Cookie::Flash));
    }
    response
}

fn page_for(page_request: &PageRequest, signed_in_user: &SignedInUser, query: &Form) -> Result<Response, PageError> {
    if second_factor::is_missing(page_request, &signed_in_user.user) && page_request.route != Route::SecondFactor {
        return Ok(page::see_other(Route::SecondFactor.to_string()));
    }
    check_role(page_request, signed_in_user)?;
    match page_request.route {
        Route::Account => account::show(page_request, signed_in_user),
        Route::SecondFactor => second_factor::show(page_request, signed_in_user),
        Route::RemoveSecondFactor => second_factor::show_removal(page_request, signed_in_user),
        Route::RecoveryCodes => second_factor::show_renewal(page_request, signed_in_user),
        Route::Users => users::list(page_request, signed_in_user, query),
        Route::NewUser => users::show_new(page_request, signed_in_user),
        Route::User(id) => users::show(page_request, signed_in_user, id),
        Route::UserAction(id, action) => users::ask(page_request, signed_in_user, id, action),
        Route::Home => Ok(page::see_other(Route::landing(signed_in_user.user.administrator).to_string())),
        Route::Overview => overview::show(page_request, signed_in_user),
        Route::Licenses => licenses::show(page_request, signed_in_user, query),
        Route::LicensesCsv => licenses_csv::show(page_request, signed_in_user, query),
        Route::BulkChange => bulk::show(page_request, signed_in_user, query),
        Route::NewLicense => new_license::show(page_request, signed_in_user),
        Route::License(id) => license::show(page_request, signed_in_user, id, query, None),
        Route::LicenseAction(id, license_action) => {
            license_actions::show(page_request, signed_in_user, id, license_action, query)
        }
        Route::Plans => lists::plans(page_request, signed_in_user),
        Route::Webhooks => webhooks::list(page_request, signed_in_user),
        Route::NewWebhook => webhook_actions::show_new(page_request, signed_in_user),
        Route::Webhook(id) => webhooks::show(page_request, signed_in_user, id, query),
        Route::WebhookAction(id, action) => webhook_actions::ask(page_request, signed_in_user, id, action),
        Route::ApiTokens => api_tokens::list(page_request, signed_in_user, query),
        Route::NewApiToken => new_api_token::show(page_request, signed_in_user),
        Route::RevokeApiToken(id) => api_tokens::ask_revocation(page_request, signed_in_user, id),
        Route::History => lists::history(page_request, signed_in_user, query),
        Route::Password => password::show(page_request, signed_in_user),
        _ => Err(PageError::NotFound),
    }
}

/// Processes the form.
pub(super) fn act(page_request: &PageRequest, body: &[u8]) -> Response {
    let signed_in_user = match page_request.signed_in_user() {
        Ok(signed_in_user) => signed_in_user,
        Err(error) => return page_request.page_error(None, &error.into()),
    };
    let response = match (&signed_in_user, Form::parse(body)) {
        (_, Err(malformed)) => Err(malformed.into()),
        (_, Ok(form)) if page_request.route == Route::SignIn => sign_in::act(page_request, &form),
        (_, Ok(form)) if page_request.route == Route::SignInCode => sign_in::act_code(page_request, &form),
        (_, Ok(form)) if page_request.route == Route::SetPassword => set_password::act(page_request, &form),
        (None, Ok(_)) => Ok(page_request.redirect_to_sign_in()),
        (Some(signed_in_user), Ok(form)) => process(page_request, signed_in_user, &form),
    };
    response.unwrap_or_else(|page_error| page_request.page_error(signed_in_user.as_ref(), &page_error))
}

fn process(page_request: &PageRequest, signed_in_user: &SignedInUser, form: &Form) -> Result<Response, PageError> {
    let token = form.text("csrf");
    if !tokens::is_signed(&page_request.shared.form_secret, Purpose::Form, &signed_in_user.token, token) {
        return Err(PageError::InvalidToken);
    }
    let may_act = matches!(page_request.route, Route::SecondFactor | Route::SignOut);
    if second_factor::is_missing(page_request, &signed_in_user.user) && !may_act {
        return Ok(page::see_other(Route::SecondFactor.to_string()));
    }
    check_role(page_request, signed_in_user)?;
    match page_request.route {
        Route::EndSession => account::end_session(page_request, signed_in_user, form),
        Route::EndSessions => account::end_sessions(page_request, signed_in_user),
        Route::SecondFactor => second_factor::act(page_request, signed_in_user, form),
        Route::RemoveSecondFactor => second_factor::remove(page_request, signed_in_user, form),
        Route::RecoveryCodes => second_factor::renew(page_request, signed_in_user, form),
        Route::NewUser => users::act_new(page_request, signed_in_user, form),
        Route::UserAction(id, action) => users::act(page_request, signed_in_user, id, action, form),
        Route::SignOut => sign_in::out(page_request, signed_in_user),
        Route::BulkChange => bulk::act(page_request, signed_in_user, form),
        Route::NewLicense => new_license::act(page_request, signed_in_user, form),
        Route::Key(id) => license::show_key(page_request, signed_in_user, id),
        Route::LicenseAction(id, license_action) => {
            license_actions::act(page_request, signed_in_user, id, license_action, form)
        }
        Route::NewWebhook => webhook_actions::add(page_request, signed_in_user, form),
        Route::WebhookAction(id, action) => webhook_actions::act(page_request, signed_in_user, id, action, form),
        Route::NewApiToken => new_api_token::act(page_request, signed_in_user, form),
        Route::RevokeApiToken(id) => api_tokens::revoke(page_request, signed_in_user, id),
        Route::Password => password::act(page_request, signed_in_user, form),
        _ => Err(PageError::NotFound),
    }
}

/// For other users, the pages of administrators do not exist.
fn check_role(page_request: &PageRequest, signed_in_user: &SignedInUser) -> Result<(), PageError> {
    if page_request.route.is_for_administrators() && !signed_in_user.user.administrator {
        Err(PageError::NotFound)
    } else {
        Ok(())
    }
}
