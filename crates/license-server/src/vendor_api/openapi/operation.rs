//! The operations of the document: one for each route.

use serde_json::{Value, json};

use super::answers;
use super::schema::{self, put};
use crate::vendor_api::members::Presence;
use crate::vendor_api::route::{ApiMethod, Handler, Route, parameter, segments};

/// The errors: name, status, and when they come.
pub(super) const ERRORS: [(&str, u16, &str); 10] = [
    ("Malformed", 400, "The request cannot be parsed."),
    ("Unauthorized", 401, "The token is missing or not valid."),
    ("Forbidden", 403, "The token does not allow the call, or not from this network."),
    ("NotFound", 404, "What the path names does not exist."),
    ("Conflict", 409, "It is not possible in the current state, or the Idempotency-Key was used for another call."),
    ("Stale", 412, "The license has changed since the revision in If-Match."),
    ("UnsupportedMediaType", 415, "The body is not sent as application/json."),
    ("Invalid", 422, "A member or parameter is unknown, missing or has a wrong value; the error names it."),
    ("TooMany", 429, "Too many calls; try again after the time in Retry-After."),
    ("Unavailable", 503, "Nothing can be stored or read at the moment; try again after the time in Retry-After."),
];

/// The first segment of the path; calls without a token are about the document.
pub(super) fn tag(route: &Route) -> &'static str {
    if is_open(route) {
        return "document";
    }
    segments(route.path).first().copied().unwrap_or_default()
}

/// The operation of a route.
pub(super) fn operation(route: &Route) -> Value {
    let (about, details) = route.about.split_once(". ").unwrap_or((route.about, ""));
    let mut operation = json!({
        "operationId": operation_id(route),
        "summary": about.trim_end_matches('.'),
        "tags": [tag(route)],
        "parameters": parameters(route),
        "responses": responses(route),
    });
    let scope = route.scope.map(|scope| format!("Scope of the token: {}.", scope.as_str()));
    let description: Vec<String> =
        [Some(details.to_owned()).filter(|details| !details.is_empty()), scope].into_iter().flatten().collect();
    if !description.is_empty() {
        put(&mut operation, "description", json!(description.join(" ")));
    }
    if route.body.is_some() {
        let members = route.members();
        let is_required = members.iter().any(|member| member.presence == Presence::Required);
        let content = json!({"application/json": {"schema": schema::object(&members)}});
        put(&mut operation, "requestBody", json!({"required": is_required, "content": content}));
    }
    if is_open(route) {
        put(&mut operation, "security", json!([]));
    }
    operation
}

fn is_open(route: &Route) -> bool {
    matches!(route.handler, Handler::Open(_))
}

/// Method and path as one word, such as `post_licenses_license_suspend`.
pub(super) fn operation_id(route: &Route) -> String {
    let words =
        segments(route.path).into_iter().map(|segment| parameter(segment).unwrap_or(segment).replace(['.', '-'], "_"));
    let words: Vec<String> = std::iter::once(route.method.as_str().to_ascii_lowercase()).chain(words).collect();
    words.join("_")
}

fn parameters(route: &Route) -> Vec<Value> {
    let mut parameters: Vec<Value> = path_parameters(route).map(in_path).collect();
    for member in route.parameters() {
        parameters.push(json!({
            "name": member.name,
            "in": "query",
            "required": member.presence == Presence::Required,
            "description": member.about,
            "schema": schema::of(&member.kind),
        }));
    }
    let is_change = matches!(route.handler, Handler::Write(_));
    if is_change && route.method == ApiMethod::Post {
        parameters.push(json!({
            "name": "Idempotency-Key",
            "in": "header",
            "required": false,
            "description": "A repetition with the same key within 24 hours is answered like the first call, and changes \
                            nothing; with the header Idempotent-Replayed: true.",
            "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
        }));
    }
    if is_change && route.path.contains("{license}") {
        parameters.push(json!({
            "name": "If-Match",
            "in": "header",
            "required": false,
            "description": "The ETag of the license: the call is refused with 412 if the license has changed since.",
            "schema": {"type": "string", "pattern": "^([*]|(W/)?\"[0-9]{1,18}\")$", "examples": ["\"3\""]},
        }));
    }
    parameters
}

/// The names of the path's parameters.
pub(super) fn path_parameters(route: &Route) -> impl Iterator<Item = &'static str> {
    segments(route.path).into_iter().filter_map(parameter)
}

/// What a parameter of the path means.
pub(super) fn about_path(name: &str) -> &'static str {
    match name {
        "license" => "The license's number, or `ref:` and its reference.",
        "ip" => "The address of the server.",
        "plan" => "The plan's slug.",
        "user" => "The user's number, or `name:` and the name.",
        "webhook" => "The webhook's number.",
        "event" => "The event's id, such as `evt_5f0c…`.",
        _ => "Its number or name.",
    }
}

fn in_path(name: &str) -> Value {
    let about = about_path(name);
    let schema =
        if name == "ip" { schema::address() } else { json!({"type": "string", "minLength": 1, "examples": ["1"]}) };
    json!({"name": name, "in": "path", "required": true, "description": about, "schema": schema})
}

fn responses(route: &Route) -> Value {
    let mut responses = json!({});
    if let Some(answer) = answers::of(route) {
        let headers =
            json!({"X-Request-Id": {"description": "The number of the request.", "schema": {"type": "string"}}});
        let answered = json!({"description": answer.about, "headers": headers, "content": answer.content()});
        for status in [Some(route.status), answer.repeated].into_iter().flatten() {
            put(&mut responses, &status.to_string(), answered.clone());
        }
    }
    for (name, status, _) in ERRORS {
        if can_fail_with(route, status) {
            let reference = json!({"$ref": format!("#/components/responses/{name}")});
            put(&mut responses, &status.to_string(), reference);
        }
    }
    responses
}

fn can_fail_with(route: &Route, status: u16) -> bool {
    let is_change = matches!(route.handler, Handler::Write(_));
    match status {
        404 => !is_open(route),
        409 => is_change,
        412 => is_change && route.path.contains("{license}"),
        415 => route.method != ApiMethod::Get,
        _ => !is_open(route),
    }
}

/// The components that operations refer to.
pub(super) fn errors() -> Value {
    let mut errors = json!({});
    for (name, status, about) in ERRORS {
        let mut error = json!({
            "description": about,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
        });
        if matches!(status, 429 | 503) {
            let retry =
                json!({"description": "Seconds until the next attempt.", "schema": {"type": "integer", "minimum": 0}});
            put(&mut error, "headers", json!({"Retry-After": retry}));
        }
        put(&mut errors, name, error);
    }
    errors
}
