//! The query of a GET request, as the body of an operation.

use serde_json::{Map, Value};

use opterius_base::percent;

/// The members of a query as a JSON object, with `read` set: the same operation changes something when the Panel uses POST.
pub(super) fn as_body(query: Option<&str>) -> Vec<u8> {
    let pairs = query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    let mut members: Map<String, Value> = pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decoded(name), Value::String(decoded(value))))
        .collect();
    members.insert("read".to_owned(), Value::Bool(true));
    Value::Object(members).to_string().into_bytes()
}

/// A text without percent-encoding. What is not encoded correctly stays as it is, and is then refused by the rule of its field.
fn decoded(text: &str) -> String {
    let bytes = percent::decode_form(text.as_bytes());
    bytes.map_or_else(|| text.to_owned(), |bytes| String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_query_is_an_object_that_only_reads() {
        let table = [
            (None, json!({"read": true})),
            (Some(""), json!({"read": true})),
            (Some("domain=a.example&version=8.2"), json!({"domain": "a.example", "version": "8.2", "read": true})),
            (Some("a=%41%20+b&c&=d&&x=1=2"), json!({"a": "A  b", "c": "", "": "d", "x": "1=2", "read": true})),
            (Some("read=0&values=x"), json!({"values": "x", "read": true})),
            (Some("a=%zz%4&b=%ff"), json!({"a": "%zz%4", "b": "\u{fffd}", "read": true})),
        ];
        for (query, expected) in table {
            assert_eq!(serde_json::from_slice::<Value>(&as_body(query)).unwrap(), expected, "{query:?}");
        }
    }
}
