//! JSON Schemas of parameters and bodies. They accept exactly what the checks in `members` accept.

use serde_json::{Map, Value, json};

use crate::vendor_api::members::{Kind, Member, Presence};

/// Characters that control a terminal, as in [`opterius_base::text::drives_terminal`], for a class of a pattern.
const CONTROL: &str = r"\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069";

/// Blanks that are no control characters.
const BLANK: &str = r" \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000";

/// Sets a member of an object.
pub(super) fn put(object: &mut Value, name: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert(name.to_owned(), value);
    }
}

/// The schema of an object with these members and no others.
pub(super) fn object(members: &[&Member]) -> Value {
    let properties: Map<String, Value> =
        members.iter().map(|member| (member.name.to_owned(), property(member))).collect();
    let required: Vec<&str> =
        members.iter().filter(|member| member.presence == Presence::Required).map(|member| member.name).collect();
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

fn property(member: &Member) -> Value {
    let mut schema = of(&member.kind);
    if member.presence == Presence::Nullable {
        schema = json!({"anyOf": [schema, {"type": "null"}]});
    }
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("description".to_owned(), json!(member.about));
    }
    schema
}

/// The schema of a value.
pub(super) fn of(kind: &Kind) -> Value {
    match kind {
        Kind::Line(most) => line(*most),
        Kind::Text(most) => text(*most),
        Kind::Instant => json!({"type": "string", "format": "date-time"}),
        Kind::Address => address(),
        Kind::BlockTime => {
            let days = "([1-9]|[1-8][0-9]|90)d";
            let hours = "([1-9][0-9]{0,2}|1[0-9]{3}|20[0-9]{2}|21[0-5][0-9]|2160)h";
            json!({"type": "string", "pattern": format!("^({days}|{hours})$")})
        }
        Kind::Flag => json!({"type": "boolean"}),
        Kind::Integer(least, most) => json!({"type": "integer", "minimum": least, "maximum": most}),
        Kind::Choice(choices) => json!({"type": "string", "enum": choices}),
        Kind::Choices(known) => {
            json!({"type": "array", "minItems": 1, "items": {"type": "string", "enum": known()}})
        }
        Kind::Lines(most, length) => json!({"type": "array", "maxItems": most, "items": line(*length)}),
        Kind::Object(members) => object(&members.iter().collect::<Vec<_>>()),
        Kind::LineOrObject(most, members) => {
            json!({"anyOf": [line(*most), object(&members.iter().collect::<Vec<_>>())]})
        }
    }
}

/// An IP address of either family.
pub(super) fn address() -> Value {
    json!({"type": "string", "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]})
}

fn line(most: usize) -> Value {
    let inner = format!("[^{CONTROL}]");
    let end = format!("[^{CONTROL}{BLANK}]");
    json!({"type": "string", "minLength": 1, "maxLength": most, "pattern": format!("^{end}({inner}*{end})?$")})
}

fn text(most: usize) -> Value {
    // Line feed and tab are allowed.
    let control = CONTROL.replace(r"\u0000-\u001f", r"\u0000-\u0008\u000b-\u001f");
    json!({"type": "string", "maxLength": most, "pattern": format!("^[^{control}]*$")})
}

/// The type of a schema in words.
pub(super) fn name_of(schema: &Value) -> String {
    let text = |name: &str| schema.get(name).and_then(Value::as_str);
    if let Some(choices) = schema.get("enum").and_then(Value::as_array) {
        return choices.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" | ");
    }
    let name = match schema.get("type") {
        Some(Value::Array(types)) => types.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" | "),
        Some(Value::String(name)) => name.clone(),
        _ => String::new(),
    };
    if text("format") == Some("date-time") { name.replace("string", "RFC 3339 time") } else { name }
}
