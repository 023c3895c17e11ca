//! The answers of the calls: which schema each has, and the schemas.

use serde_json::{Map, Value, json};

use super::schema::put;
use crate::vendor_api::error_code::ErrorCode;
use crate::vendor_api::route::{ApiMethod, Route};

/// The answer of a call that succeeds.
pub(super) struct Answered {
    /// What the answer is.
    pub(super) about: &'static str,
    /// The status of a repetition, if it differs.
    pub(super) repeated: Option<u16>,
    schema: Shape,
}

/// The form of a body.
enum Shape {
    /// One of the schemas.
    One(&'static str),
    /// A page of these.
    Page(&'static str),
    /// A page of HTML.
    Html,
    /// Any JSON object.
    Json,
}

/// All schemas. One that `extends` another has the members of that one, too.
const SCHEMAS: &str = include_str!("schemas.json");

/// The schemas by their names.
pub(super) fn schemas() -> Value {
    // The test of references fails if the file is not JSON.
    let mut schemas: Value = serde_json::from_str(SCHEMAS).unwrap_or_default();
    let codes: Vec<&str> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
    if let Some(code) = schemas.pointer_mut("/Error/properties/error/properties/code") {
        put(code, "enum", json!(codes));
    }
    let bases = schemas.clone();
    for schema in schemas.as_object_mut().into_iter().flat_map(Map::values_mut) {
        let base = schema.as_object_mut().and_then(|schema| schema.remove("extends"));
        if let Some(base) = base.as_ref().and_then(Value::as_str).and_then(|name| bases.get(name)) {
            extend(schema, base);
        }
    }
    schemas
}

/// Puts the members of the base before those of the schema. `additionalProperties` of a base forbids JSON Schema's own way.
fn extend(schema: &mut Value, base: &Value) {
    let member = |of: &Value, name: &str| of.get(name).cloned().unwrap_or_default();
    if let (Value::Object(mut properties), Value::Object(own)) =
        (member(base, "properties"), member(schema, "properties"))
    {
        properties.extend(own);
        put(schema, "properties", Value::Object(properties));
    }
    if let (Value::Array(mut required), Value::Array(own)) = (member(base, "required"), member(schema, "required")) {
        required.extend(own);
        put(schema, "required", Value::Array(required));
    }
}

/// The answer of a route; `None` if it is missing here, which a test forbids.
pub(super) fn of(route: &Route) -> Option<Answered> {
    use ApiMethod::{Delete, Get, Patch, Post, Put};
    let answered = |about, schema| Some(Answered { about, repeated: None, schema });
    match (route.method, route.path) {
        (Post, "/licenses") => Some(Answered {
            about: "The license, with its key. 200: it exists with this reference and was created from the same body.",
            repeated: Some(200),
            schema: Shape::One("License"),
        }),
        (Get, "/licenses") => answered("A page of licenses.", Shape::Page("License")),
        (Get, "/licenses/{license}") => answered("The license.", Shape::One("License")),
        (Patch, "/licenses/{license}")
        | (
            Post,
            "/licenses/{license}/suspend"
            | "/licenses/{license}/resume"
            | "/licenses/{license}/cancel"
            | "/licenses/{license}/renew",
        ) => answered(
            "The license as it is afterwards. `changed` is false if it was so already.",
            Shape::One("ChangedLicense"),
        ),
        (Get, "/plans") => answered("All plans.", Shape::Page("Plan")),
        (Put, "/plans/{plan}") => answered("The plan as it is afterwards.", Shape::One("SavedPlan")),
        (Get, "/events") => answered("A page of the history.", Shape::One("Feed")),
        (Get, "/licenses/{license}/servers") => answered("A page of servers.", Shape::Page("Server")),
        (Get, "/licenses/{license}/refusals") => answered("The refused servers.", Shape::Page("RefusedServer")),
        (Get, "/licenses/{license}/blocks") => answered("The servers that are kept out.", Shape::Page("Block")),
        (Delete, "/licenses/{license}/servers/{ip}" | "/licenses/{license}/blocks/{ip}")
        | (Post, "/licenses/{license}/servers/{ip}/move") => answered(
            "What has become of the server. `changed` is false if it was so already.",
            Shape::One("ServerChange"),
        ),
        (Get, "/users") => answered("A page of users.", Shape::Page("User")),
        (Post, "/users") => answered("The user.", Shape::One("User")),
        (Get, "/users/{user}") => answered("The user.", Shape::One("User")),
        (Patch | Delete, "/users/{user}") | (Post, "/users/{user}/disable" | "/users/{user}/enable") => answered(
            "The user as it is afterwards, or was before its deletion. `changed` is false if it was so already.",
            Shape::One("ChangedUser"),
        ),
        (Get, "/webhooks") => answered("All webhooks.", Shape::Page("Webhook")),
        (Post, "/webhooks" | "/webhooks/{webhook}/rotate") => {
            answered("The webhook with its secret, which is not shown again.", Shape::One("WebhookWithSecret"))
        }
        (Get, "/webhooks/{webhook}") => answered("The webhook.", Shape::One("Webhook")),
        (Delete, "/webhooks/{webhook}") => answered("The webhook as it was.", Shape::One("RemovedWebhook")),
        (Get, "/webhooks/{webhook}/deliveries") => answered("A page of deliveries.", Shape::Page("Delivery")),
        (
            Post,
            "/webhooks/{webhook}/test" | "/webhooks/{webhook}/replay" | "/webhooks/{webhook}/deliveries/{event}/replay",
        ) => answered("What was queued.", Shape::One("Queued")),
        (Get, "/openapi.json") => answered("This document.", Shape::Json),
        (Get, "/docs") => answered("This document as a page.", Shape::Html),
        _ => None,
    }
}

impl Answered {
    /// The name of the schema of the body, or of the items of the page.
    pub(super) fn schema_name(&self) -> Option<&'static str> {
        match self.schema {
            Shape::One(name) | Shape::Page(name) => Some(name),
            Shape::Html | Shape::Json => None,
        }
    }

    /// The content by media type.
    pub(super) fn content(&self) -> Value {
        let reference = |name: &str| json!({"$ref": format!("#/components/schemas/{name}")});
        let schema = match self.schema {
            Shape::One(name) => reference(name),
            Shape::Page(name) => json!({
                "type": "object",
                "properties": {
                    "data": {"type": "array", "items": reference(name)},
                    "next": {
                        "type": ["string", "null"],
                        "description": "The `cursor` of the next page; null at the end.",
                    },
                },
                "required": ["data", "next"],
                "additionalProperties": false,
            }),
            Shape::Html => return json!({"text/html": {"schema": {"type": "string"}}}),
            Shape::Json => json!({"type": "object"}),
        };
        json!({"application/json": {"schema": schema}})
    }
}
