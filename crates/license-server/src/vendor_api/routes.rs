//! The table of all calls.

use super::error::ApiError;
use super::route::{ApiMethod, PathValues, Route};
use super::{events, licenses, openapi, plans, servers, users, webhooks};
use crate::model::Scope;

/// All calls, in the order of the documentation.
pub static ROUTES: &[Route] = &[
    Route::post(
        "/licenses",
        Scope::LicensesWrite,
        licenses::create,
        "Create a license. The answer has its key. With a reference, the same body again answers the same license.",
    )
    .with_body(licenses::NEW_LICENSE)
    .with_status(201),
    Route::read("/licenses", Scope::LicensesRead, licenses::list, "List licenses, newest first, with masked keys.")
        .with_query(licenses::FILTERS),
    Route::read(
        "/licenses/{license}",
        Scope::LicensesRead,
        licenses::show,
        "Read a license. Its key is masked unless the token has the scope keys:reveal; the history records the view.",
    ),
    Route::patch(
        "/licenses/{license}",
        Scope::LicensesWrite,
        licenses::patch,
        "Change members of a license; those that the body does not have stay as they are.",
    )
    .with_body(licenses::CHANGES),
    Route::post(
        "/licenses/{license}/suspend",
        Scope::LicensesWrite,
        licenses::suspend,
        "Suspend a license. Each server is refused at its next check.",
    )
    .with_body(licenses::SUSPENSION),
    Route::post(
        "/licenses/{license}/resume",
        Scope::LicensesWrite,
        licenses::resume,
        "Resume a license after a suspension or cancellation.",
    ),
    Route::post(
        "/licenses/{license}/cancel",
        Scope::LicensesWrite,
        licenses::cancel,
        "Cancel a license. The license and its history are kept.",
    ),
    Route::post(
        "/licenses/{license}/renew",
        Scope::LicensesWrite,
        licenses::renew,
        "Set the expiry of a license, or add time to it.",
    )
    .with_body(licenses::RENEWAL),
    Route::read(
        "/licenses/{license}/servers",
        Scope::LicensesRead,
        servers::list,
        "List the servers that use the license, in the order of activation.",
    )
    .with_query(servers::PAGE),
    Route::delete(
        "/licenses/{license}/servers/{ip}",
        Scope::LicensesWrite,
        servers::revoke,
        "Revoke the activation of a server, which frees its slot, and keep the server out if the call asks for that.",
    )
    .with_query(servers::REVOCATION),
    Route::post(
        "/licenses/{license}/servers/{ip}/move",
        Scope::LicensesWrite,
        servers::transfer,
        "Move the slot of a server, or the lock of the license, to another address.",
    )
    .with_body(servers::MOVE),
    Route::read(
        "/licenses/{license}/refusals",
        Scope::LicensesRead,
        servers::refusals,
        "List the servers that the license was refused to, latest refusal first, with what would help each now.",
    ),
    Route::read(
        "/licenses/{license}/blocks",
        Scope::LicensesRead,
        servers::blocks,
        "List the servers that the license keeps out.",
    ),
    Route::delete(
        "/licenses/{license}/blocks/{ip}",
        Scope::LicensesWrite,
        servers::unblock,
        "Let a server that is kept out claim a slot again.",
    ),
    Route::read("/plans", Scope::LicensesRead, plans::list, "List the plans, smallest first."),
    Route::put("/plans/{plan}", Scope::LicensesWrite, plans::put, "Create a plan, or change it for all its licenses.")
        .with_body(plans::LIMITS),
    Route::read("/users", Scope::UsersWrite, users::list, "List the users, by name.").with_query(users::FILTERS),
    Route::post(
        "/users",
        Scope::UsersWrite,
        users::create,
        "Add a user, who cannot sign in before an administrator sends an invitation.",
    )
    .with_body(users::NEW_USER)
    .with_status(201),
    Route::read("/users/{user}", Scope::UsersWrite, users::show, "Read a user, by number or as name: and the name."),
    Route::patch("/users/{user}", Scope::UsersWrite, users::patch, "Change members of a user who is no administrator.")
        .with_body(users::CHANGES),
    Route::post(
        "/users/{user}/disable",
        Scope::UsersWrite,
        users::disable,
        "Disable a user: signed out everywhere, and the licenses keep working.",
    ),
    Route::post("/users/{user}/enable", Scope::UsersWrite, users::enable, "Enable a disabled user again."),
    Route::delete(
        "/users/{user}",
        Scope::UsersWrite,
        users::delete,
        "Delete a user, whose licenses go to another. The history is kept.",
    )
    .with_query(users::HEIR),
    Route::read("/events", Scope::EventsRead, events::list, "Read the history, oldest first.").with_query(events::FEED),
    Route::read("/webhooks", Scope::EventsRead, webhooks::list, "List the webhooks, without their secrets."),
    Route::post(
        "/webhooks",
        Scope::WebhooksWrite,
        webhooks::create,
        "Add a webhook. The answer has the secret that signs its deliveries; no other answer does.",
    )
    .with_body(webhooks::NEW_WEBHOOK)
    .with_status(201),
    Route::read("/webhooks/{webhook}", Scope::EventsRead, webhooks::show, "Read a webhook, without its secret."),
    Route::delete(
        "/webhooks/{webhook}",
        Scope::WebhooksWrite,
        webhooks::delete,
        "Remove a webhook. Deliveries that are pending are lost.",
    ),
    Route::post(
        "/webhooks/{webhook}/test",
        Scope::WebhooksWrite,
        webhooks::test,
        "Send a test event, whatever events the webhook wants. Its delivery has the answer of the receiver.",
    )
    .with_status(202),
    Route::post(
        "/webhooks/{webhook}/rotate",
        Scope::WebhooksWrite,
        webhooks::rotate,
        "Give a webhook a new secret. For 24 hours, deliveries are signed with the old one as well.",
    ),
    Route::read(
        "/webhooks/{webhook}/deliveries",
        Scope::EventsRead,
        webhooks::deliveries,
        "List the deliveries of the last 7 days, newest event first, with the last answer to each.",
    )
    .with_query(webhooks::PAGE),
    Route::post(
        "/webhooks/{webhook}/deliveries/{event}/replay",
        Scope::WebhooksWrite,
        webhooks::replay,
        "Send an event again, with the same id.",
    )
    .with_status(202),
    Route::post(
        "/webhooks/{webhook}/replay",
        Scope::WebhooksWrite,
        webhooks::replay_given_up,
        "Send all events again that were given up.",
    )
    .with_status(202),
    Route::open("/openapi.json", || openapi::document(ROUTES), "The OpenAPI document of all calls."),
    Route::open("/docs", || openapi::reference(ROUTES), "The OpenAPI document as a page."),
];

/// The route with this method and path, and the values of the path's parameters.
///
/// # Errors
/// 404 if no route has the path, 405 if none has the method with it, 400 if a parameter is malformed.
pub fn find(method: Option<ApiMethod>, path: &[&str]) -> Result<(&'static Route, PathValues), ApiError> {
    let matching: Vec<&'static Route> = ROUTES.iter().filter(|route| route.matches(path)).collect();
    if matching.is_empty() {
        return Err(ApiError::not_found("There is nothing at this path."));
    }
    let found = matching.iter().find(|route| Some(route.method) == method);
    let route = found.ok_or_else(|| ApiError::wrong_method(&allowed(&matching)))?;
    Ok((route, route.path_values(path)?))
}

/// The value of the `Allow` header.
fn allowed(routes: &[&'static Route]) -> String {
    let mut methods: Vec<ApiMethod> = routes.iter().map(|route| route.method).collect();
    methods.sort_unstable();
    let names = methods.iter().map(|method| if *method == ApiMethod::Get { "GET, HEAD" } else { method.as_str() });
    names.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vendor_api::route::segments;

    #[test]
    fn no_two_calls_have_the_same_method_and_form_of_path() {
        for (index, route) in ROUTES.iter().enumerate() {
            let path = segments(route.path);
            let same = |other: &&Route| other.method == route.method && other.matches(&path);
            assert_eq!(ROUTES.iter().filter(same).count(), 1, "{index}: {} {}", route.method.as_str(), route.path);
            assert!(route.path.starts_with('/') && route.about.ends_with('.'), "{}", route.path);
        }
    }

    #[test]
    fn a_path_is_found_with_its_parameters() {
        let (route, values) = find(Some(ApiMethod::Get), &["licenses", "ref:a%2Fb"]).unwrap();
        assert_eq!((route.path, values), ("/licenses/{license}", vec![("license", "ref:a/b".to_owned())]));
        let status =
            |method, path: &[&str]| find(method, path).map(|_| 200).unwrap_or_else(|error| error.code.status());
        assert_eq!(status(Some(ApiMethod::Get), &["licenses", ""]), 404);
        assert_eq!(status(Some(ApiMethod::Get), &["licenses", "7", ""]), 404);
        assert_eq!(status(Some(ApiMethod::Get), &[""]), 404);
        assert_eq!(status(Some(ApiMethod::Delete), &["licenses"]), 405);
        assert_eq!(status(None, &["licenses"]), 405);
        assert_eq!(status(Some(ApiMethod::Get), &["licenses", "%ff"]), 400);
    }
}
