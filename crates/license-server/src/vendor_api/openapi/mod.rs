//! The OpenAPI 3.1 document at `/api/v1/openapi.json`, and its rendering at `/api/v1/docs`.
//!
//! Everything about requests is derived from the routes: paths, parameters, bodies, scopes. Only the answers are described
//! here ([`answers`]), and a test asks for one of each route.

mod answers;
mod operation;
mod reference;
mod schema;

use std::sync::OnceLock;

use serde_json::{Map, Value, json};

use super::PREFIX;
use super::route::Route;
use opterius_http::response::{JSON, Response};

pub(super) use self::reference::reference;

/// What the document says about the API as a whole.
const ABOUT: &str = "Sell licenses by a shop or a billing system. Every call has a token in the header Authorization: Bearer \
                     opl_…; make one with: opterius-license-server token add. Times are RFC 3339. Errors have a code for \
                     programs and a message for people.";

/// The document, as an answer.
pub(super) fn document(routes: &'static [Route]) -> Response {
    static TEXT: OnceLock<String> = OnceLock::new();
    Response::text(200, JSON, TEXT.get_or_init(|| value(routes).to_string()).clone())
}

/// The document of these routes.
fn value(routes: &[Route]) -> Value {
    let mut paths = Map::new();
    for route in routes {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            path.insert(route.method.as_str().to_ascii_lowercase(), operation::operation(route));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Opterius license server: vendor API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
        },
        "servers": [{"url": PREFIX}],
        "security": [{"token": []}],
        "tags": tags(routes),
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "description": "A token: opl_<id>_<secret>."}},
            "schemas": answers::schemas(),
            "responses": operation::errors(),
        },
    })
}

/// The first segment of each path, in order.
fn tags(routes: &[Route]) -> Vec<Value> {
    let mut names: Vec<&str> = Vec::new();
    for route in routes {
        let name = operation::tag(route);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.into_iter().map(|name| json!({"name": name})).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vendor_api::route::Handler;
    use crate::vendor_api::routes::ROUTES;

    #[test]
    fn the_document_has_the_routes_and_nothing_else() {
        let document = value(ROUTES);
        let mut documented: Vec<String> = Vec::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            documented.extend(item.as_object().unwrap().keys().map(|method| format!("{method} {path}")));
        }
        let mut expected: Vec<String> = ROUTES
            .iter()
            .map(|route| format!("{} {}", route.method.as_str().to_ascii_lowercase(), route.path))
            .collect();
        documented.sort();
        expected.sort();
        assert_eq!(documented, expected);
        for route in ROUTES {
            let operation = &document["paths"][route.path][route.method.as_str().to_ascii_lowercase()];
            let names = |place: &str| -> Vec<&str> {
                let all = operation["parameters"].as_array().unwrap().iter();
                all.filter(|parameter| parameter["in"] == place).map(|found| found["name"].as_str().unwrap()).collect()
            };
            let query: Vec<&str> = route.parameters().into_iter().map(|member| member.name).collect();
            assert_eq!(names("query"), query, "{}", route.path);
            assert_eq!(names("path").len(), route.path.matches('{').count(), "{}", route.path);
            let properties = &operation["requestBody"]["content"]["application/json"]["schema"]["properties"];
            let mut members: Vec<&str> = route.members().into_iter().map(|member| member.name).collect();
            members.sort_unstable();
            let body: Vec<&str> = properties.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
            assert_eq!(body, members, "{}", route.path);
            assert_eq!(operation["requestBody"].is_object(), route.body.is_some(), "{}", route.path);
            let is_open = matches!(route.handler, Handler::Open(_));
            assert_eq!(operation["security"] == json!([]), is_open, "{}", route.path);
        }
    }

    #[test]
    fn every_call_has_its_answer_and_every_reference_its_target() {
        for route in ROUTES {
            assert!(answers::of(route).is_some(), "{} {}: add its answer", route.method.as_str(), route.path);
        }
        let document = value(ROUTES);
        let text = document.to_string();
        for target in text.split("\"$ref\":\"#").skip(1).map(|rest| rest.split('"').next().unwrap()) {
            assert!(document.pointer(target).is_some(), "{target}");
        }
        for name in document["components"]["schemas"].as_object().unwrap().keys() {
            assert!(text.contains(&format!("#/components/schemas/{name}\"")), "{name} is not used");
        }
    }
}
