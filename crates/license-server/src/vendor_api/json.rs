//! JSON objects without anything that two readers could understand differently: no member twice, no number that is
//! rounded to infinity, no deep nesting.

use std::cell::RefCell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::error::ApiError;
use super::error_code::ErrorCode;

/// The deepest nesting of a body; no call needs more than three levels.
const MAX_DEPTH: usize = 8;

/// Parses the body of a call: a JSON object.
///
/// # Errors
/// 400 if it is not JSON or not an object, 422 if a member occurs twice or is nested too deeply; with the member.
pub(super) fn parse(body: &[u8]) -> Result<Map<String, Value>, ApiError> {
    let place = Place::default();
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let parsed = Strict(&place).deserialize(&mut deserializer).and_then(|value| deserializer.end().map(|()| value));
    match parsed {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(ApiError::bad_request("The body is JSON, but not an object.")),
        Err(error) => Err(place.error(&error)),
    }
}

/// Where the parser is, and what it has found wrong.
#[derive(Default)]
struct Place {
    path: RefCell<Vec<String>>,
    wrong: RefCell<Option<String>>,
}

impl Place {
    fn error(&self, error: &serde_json::Error) -> ApiError {
        let path = self.path.borrow().join(".");
        let answer = match self.wrong.take() {
            Some(message) => ApiError::new(ErrorCode::ValidationFailed, message),
            None if error.to_string().starts_with("number out of range") => {
                ApiError::new(ErrorCode::ValidationFailed, "The number is out of range.")
            }
            // The position alone: the words of the parser can contain text of the client.
            None => ApiError::bad_request(format!(
                "The body is not JSON: line {}, column {}.",
                error.line(),
                error.column()
            )),
        };
        if path.is_empty() { answer } else { answer.of(path) }
    }

    fn wrong<E: Error>(&self, message: String) -> E {
        self.wrong.replace(Some(message));
        E::custom("wrong")
    }

    /// Parses a value below the current one; after an error, the path still leads to it.
    fn below<T, E>(&self, name: String, parse: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        self.path.borrow_mut().push(name);
        let value = parse()?;
        self.path.borrow_mut().pop();
        Ok(value)
    }

    fn check_depth<E: Error>(&self) -> Result<(), E> {
        if self.path.borrow().len() < MAX_DEPTH {
            return Ok(());
        }
        Err(self.wrong(format!("The body is nested more than {MAX_DEPTH} levels deep.")))
    }
}

#[derive(Clone, Copy)]
struct Strict<'p>(&'p Place);

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        let out_of_range = || self.0.wrong("The number is out of range.".to_owned());
        Number::from_f64(value).map(Value::Number).ok_or_else(out_of_range)
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        self.0.check_depth()?;
        let mut all = Vec::new();
        while let Some(item) = self.0.below(all.len().to_string(), || items.next_element_seed(self))? {
            all.push(item);
        }
        Ok(Value::Array(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        self.0.check_depth()?;
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            self.0.below(name.clone(), || {
                if object.contains_key(&name) {
                    return Err(self.0.wrong("The member occurs twice.".to_owned()));
                }
                object.insert(name.clone(), members.next_value_seed(self)?);
                Ok(())
            })?;
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_object_is_parsed_as_it_is() {
        let text = r#"{"a": [1, -2, 1.5, "x", null, true], "b": {"c": {}}, "ä": "\u00e9"}"#;
        assert_eq!(
            Value::Object(parse(text.as_bytes()).unwrap()),
            json!({"a": [1, -2, 1.5, "x", null, true], "b": {"c": {}}, "ä": "é"})
        );
    }

    #[test]
    fn what_two_readers_could_understand_differently_is_refused() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(200), "]".repeat(200));
        let table: [(&[u8], u16, Option<&str>); 18] = [
            (b"", 400, None),
            (b"[]", 400, None),
            (b"null", 400, None),
            (b"{", 400, None),
            (b"{} {}", 400, None),
            (b"{\"a\":1,}", 400, None),
            (b"\xef\xbb\xbf{}", 400, None),
            (b"{\"a\":\"\xff\"}", 400, Some("a")),
            (b"{\"a\":\"\\ud800\"}", 400, Some("a")),
            (b"{\"a\":\"\n\"}", 400, Some("a")),
            (b"{\"a\":NaN}", 400, Some("a")),
            (b"{\"a\":01}", 400, Some("a")),
            (b"{\"a\":1e400}", 422, Some("a")),
            (b"{\"a\":1,\"a\":2}", 422, Some("a")),
            (b"{\"a\":1,\"\\u0061\":2}", 422, Some("a")),
            (b"{\"o\":{\"a\":1,\"a\":2}}", 422, Some("o.a")),
            (b"{\"l\":[1,{\"a\":1,\"a\":2}]}", 422, Some("l.1.a")),
            (deep.as_bytes(), 422, Some("a.0.0.0.0.0.0.0")),
        ];
        for (body, status, field) in table {
            let error = parse(body).unwrap_err();
            let text = String::from_utf8_lossy(body);
            assert_eq!((error.code.status(), error.field.as_deref()), (status, field), "{text}");
        }
    }
}
