//! The table of all calls.

use super::error::ApiError;
use super::route::{ApiMethod, Handler, PathValues, Route};
use super::{events, licenses, openapi, plans, servers, users};
use crate::model::Scope;

/// All calls, in the order of the documentation.
pub static ROUTES: &[Route] = &[
    Route {
        method: ApiMethod::Post,
        path: "/licenses",
        scope: Some(Scope::LicensesWrite),
        handler: Handler::Write(licenses::create),
        query: &[],
        body: Some(licenses::NEW_LICENSE),
        status: 201,
        about: "Create a license. The answer has its key. With a reference, the same body again answers the same license.",
    },
    Route {
        method: ApiMethod::Get,
        path: "/licenses",
        scope: Some(Scope::LicensesRead),
        handler: Handler::Read(licenses::list),
        query: licenses::FILTERS,
        body: None,
        status: 200,
        about: "List licenses, newest first, with masked keys.",
    },
    Route {
        method: ApiMethod::Get,
        path: "/licenses/{license}",
        scope: Some(Scope::LicensesRead),
        handler: Handler::Read(licenses::show),
        query: &[],
        body: None,
        status: 200,
        about: "Read a license. Its key is masked unless the token has the scope keys:reveal; the history records the view.",
    },
    Route {
        method: ApiMethod::Patch,
        path: "/licenses/{license}",
        scope: Some(Scope::LicensesWrite),
        handler: Handler::Write(licenses::patch),
        query: &[],
        body: Some(licenses::CHANGES),
        status: 200,
        about: "Change members of a license; those that the body does not have stay as they are.",
    },
    Route {
        method: ApiMethod::Post,
        path: "/licenses/{license}/suspend",
        scope: Some(Scope::LicensesWrite),
        handler: Handler::Write(licenses::suspend),
        query: &[],
        body: Some(licenses::SUSPENSION),
        status: 200,
        about: "Suspend a license. Each server is refused at its next check.",
    },
    Route {
        method: ApiMethod::Post,
        path: "/licenses/{license}/resume",
        scope: Some(Scope::LicensesWrite),
        handler: Handler::Write(licenses::resume),
        query: &[],
        body: None,
        status: 200,
        about: "Resume a license after a suspension or cancellation.",
    },
    Route {
        method: ApiMethod::Post,
        path: "/licenses/{license}/cancel",
        scope: Some(Scope::LicensesWrite),
        handler: Handler::Write(licenses::cancel),
        query: &[],
        body: None,
        status: 200,
        about: "Cancel a license. The license and its history are kept.",
    },
    Route {
        method: ApiMethod::Post,
        path: "/licenses/{license}/renew",
        scope: Some(Scope::LicensesWrite),
        handler: Handler::Write(licenses::renew),
        query: &[],
        body: Some(licenses::RENEWAL),
        status: 200,
        about: "Set the expiry of a license, or add time to it.",
    },
    Route {
        method: ApiMethod::Get,
        path: "/licenses/{license}/servers",
        scope: Some(Scope::LicensesRead),
        handler: Handler::Read(servers::list),
        query: servers::PAGE,
        body: None,
        status: 200,
        about: "List the servers that use the license, in the order of activation.",
    },
    Route {
        method: ApiMethod::Delete,
        path: "/licenses/{license}/servers/{ip}",
        scope: Some(Scope::LicensesWrite),
        handler: Handler::Write(servers::revoke),
        query: servers::REVOCATION,
        body: None,
        status: 200,
        about: "Revoke the activation of a server, which frees its slot, and keep the server out if the call asks for that.",
    },
    Route {
        method: ApiMethod::Post,
        path: "/licenses/{license}/servers/{ip}/move",
        scope: Some(Scope::LicensesWrite),
        handler: Handler::Write(servers::transfer),
        query: &[],
        body: Some(servers::MOVE),
        status: 200,
        about: "Move the slot of a server, or the lock of the license, to another address.",
    },
    Route {
        method: ApiMethod::Get,
        path: "/licenses/{license}/refusals",
        scope: Some(Scope::LicensesRead),
        handler: Handler::Read(servers::refusals),
        query: &[],
        body: None,
        status: 200,
        about: "List the servers that the license was refused to, latest refusal first, with what would help each now.",
    },
    Route {
        method: ApiMethod::Get,
        path: "/licenses/{license}/blocks",
        scope: Some(Scope::LicensesRead),
        handler: Handler::Read(servers::blocks),
        query: &[],
        body: None,
        status: 200,
        about: "List the servers that the license keeps out.",
    },
    Route {
        method: ApiMethod::Delete,
        path: "/licenses/{license}/blocks/{ip}",
        scope: Some(Scope::LicensesWrite),
        handler: Handler::Write(servers::unblock),
        query: &[],
        body: None,
        status: 200,
        about: "Let a server that is kept out claim a slot again.",
    },
    Route {
        method: ApiMethod::Get,
        path: "/plans",
        scope: Some(Scope::LicensesRead),
        handler: Handler::Read(plans::list),
        query: &[],
        body: None,
        status: 200,
        about: "List the plans, smallest first.",
    },
    Route {
        method: ApiMethod::Put,
        path: "/plans/{plan}",
        scope: Some(Scope::LicensesWrite),
        handler: Handler::Write(plans::put),
        query: &[],
        body: Some(plans::LIMITS),
        status: 200,
        about: "Create a plan, or change it for all its licenses.",
    },
    Route {
        method: ApiMethod::Get,
        path: "/users",
        scope: Some(Scope::UsersWrite),
        handler: Handler::Read(users::list),
        query: users::FILTERS,
        body: None,
        status: 200,
        about: "List the users, by name.",
    },
    Route {
        method: ApiMethod::Post,
        path: "/users",
        scope: Some(Scope::UsersWrite),
        handler: Handler::Write(users::create),
        query: &[],
        body: Some(users::NEW_USER),
        status: 201,
        about: "Add a user, who cannot sign in before an administrator sends an invitation.",
    },
    Route {
        method: ApiMethod::Get,
        path: "/users/{user}",
        scope: Some(Scope::UsersWrite),
        handler: Handler::Read(users::show),
        query: &[],
        body: None,
        status: 200,
        about: "Read a user, by number or as name: and the name.",
    },
    Route {
        method: ApiMethod::Patch,
        path: "/users/{user}",
        scope: Some(Scope::UsersWrite),
        handler: Handler::Write(users::patch),
        query: &[],
        body: Some(users::CHANGES),
        status: 200,
        about: "Change members of a user who is no administrator.",
    },
    Route {
        method: ApiMethod::Post,
        path: "/users/{user}/disable",
        scope: Some(Scope::UsersWrite),
        handler: Handler::Write(users::disable),
        query: &[],
        body: None,
        status: 200,
        about: "Disable a user: signed out everywhere, and the licenses keep working.",
    },
    Route {
        method: ApiMethod::Post,
        path: "/users/{user}/enable",
        scope: Some(Scope::UsersWrite),
        handler: Handler::Write(users::enable),
        query: &[],
        body: None,
        status: 200,
        about: "Enable a disabled user again.",
    },
    Route {
        method: ApiMethod::Delete,
        path: "/users/{user}",
        scope: Some(Scope::UsersWrite),
        handler: Handler::Write(users::delete),
        query: users::HEIR,
        body: None,
        status: 200,
        about: "Delete a user, whose licenses go to another. The history is kept.",
    },
    Route {
        method: ApiMethod::Get,
        path: "/events",
        scope: Some(Scope::EventsRead),
        handler: Handler::Read(events::list),
        query: events::FEED,
        body: None,
        status: 200,
        about: "Read the history, oldest first.",
    },
    Route {
        method: ApiMethod::Get,
        path: "/openapi.json",
        scope: None,
        handler: Handler::Open(|| openapi::document(ROUTES)),
        query: &[],
        body: None,
        status: 200,
        about: "The OpenAPI document of all calls.",
    },
    Route {
        method: ApiMethod::Get,
        path: "/docs",
        scope: None,
        handler: Handler::Open(|| openapi::reference(ROUTES)),
        query: &[],
        body: None,
        status: 200,
        about: "The OpenAPI document as a page.",
    },
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
        let status = |method, path: &[&str]| find(method, path).map(|_| 200).unwrap_or_else(|error| error.status);
        assert_eq!(status(Some(ApiMethod::Get), &["licenses", ""]), 404);
        assert_eq!(status(Some(ApiMethod::Get), &["licenses", "7", ""]), 404);
        assert_eq!(status(Some(ApiMethod::Get), &[""]), 404);
        assert_eq!(status(Some(ApiMethod::Delete), &["licenses"]), 405);
        assert_eq!(status(None, &["licenses"]), 405);
        assert_eq!(status(Some(ApiMethod::Get), &["licenses", "%ff"]), 400);
    }
}
