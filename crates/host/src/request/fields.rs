//! The members of a request's JSON object, each parsed into a type. The error for an invalid member states its rule.

use serde_json::{Map, Value};

use crate::problem::Problem;
use crate::request::values::{Domain, Username};

/// The members of a request's JSON object.
#[derive(Debug)]
pub struct Fields(Map<String, Value>);

impl Fields {
    /// Parses a body. An empty one is an object without members: the Panel sends it when it has no data.
    ///
    /// # Errors
    /// It is not a JSON object.
    pub fn parse(body: &[u8]) -> Result<Self, Problem> {
        if body.is_empty() {
            return Self::from_json(None);
        }
        let read = serde_json::from_slice(body);
        Self::from_json(Some(read.map_err(|error| Problem::invalid("body", format!("is not JSON ({error})")))?))
    }

    /// The members of a parsed document; none has no members.
    ///
    /// # Errors
    /// It is not an object.
    pub fn from_json(body: Option<Value>) -> Result<Self, Problem> {
        match body {
            None => Ok(Self(Map::new())),
            Some(Value::Object(members)) => Ok(Self(members)),
            // PHP encodes an empty object as an empty array.
            Some(Value::Array(items)) if items.is_empty() => Ok(Self(Map::new())),
            Some(_) => Err(Problem::invalid("body", "must be a JSON object")),
        }
    }

    fn non_null(&self, field: &str) -> Option<&Value> {
        self.0.get(field).filter(|value| !value.is_null())
    }

    /// A required string.
    ///
    /// # Errors
    /// It is missing, null, or not a string.
    pub fn text(&self, field: &str) -> Result<&str, Problem> {
        match self.0.get(field) {
            None => Err(Problem::invalid(field, "is missing")),
            Some(Value::Null) => Err(Problem::invalid(field, "must be a string, not null")),
            Some(Value::String(text)) => Ok(text),
            Some(_) => Err(Problem::invalid(field, "must be a string")),
        }
    }

    /// A required string that may be null: the Panel's framework turns an empty text of a form into null.
    ///
    /// # Errors
    /// It is missing, or neither a string nor null.
    pub fn text_or_null(&self, field: &str) -> Result<&str, Problem> {
        match self.0.get(field) {
            Some(Value::Null) => Ok(""),
            _ => self.text(field),
        }
    }

    /// An optional string; none if it is missing, null or empty.
    ///
    /// # Errors
    /// It is not a string.
    pub fn optional_text(&self, field: &str) -> Result<Option<&str>, Problem> {
        match self.non_null(field) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
            Some(_) => Err(Problem::invalid(field, "must be a string")),
        }
    }

    /// An optional integer, as a number or as a string (values from HTML forms); none if it is missing or null.
    ///
    /// # Errors
    /// It is not an integer from `min` to `max`.
    pub fn optional_integer(&self, field: &str, min: i64, max: i64) -> Result<Option<i64>, Problem> {
        let invalid = || Problem::invalid(field, format!("must be a whole number from {min} to {max}"));
        let number = match self.non_null(field) {
            None => return Ok(None),
            Some(Value::Number(number)) => number.as_i64(),
            Some(Value::String(text)) => text.parse().ok(),
            Some(_) => None,
        };
        number.filter(|number| (min..=max).contains(number)).map(Some).ok_or_else(invalid)
    }

    /// A required boolean, as JSON's or as `0` and `1` (values from HTML forms).
    ///
    /// # Errors
    /// It is missing or something else.
    pub fn boolean(&self, field: &str) -> Result<bool, Problem> {
        match self.0.get(field) {
            None => Err(Problem::invalid(field, "is missing")),
            Some(Value::Bool(value)) => Ok(*value),
            Some(value) if *value == 1 || *value == "1" => Ok(true),
            Some(value) if *value == 0 || *value == "0" => Ok(false),
            Some(_) => Err(Problem::invalid(field, "must be true or false")),
        }
    }

    /// A required domain.
    ///
    /// # Errors
    /// It is missing or not a domain.
    pub fn domain(&self, field: &str) -> Result<Domain, Problem> {
        Domain::parse(field, self.text(field)?)
    }

    /// The strings in an optional list that is only a hint: whatever else is there is ignored, because the Panel fills such
    /// lists from its own records, which may contain anything. PHP encodes a list with gaps as an object.
    pub fn hints(&self, field: &str) -> Vec<&str> {
        match self.0.get(field) {
            Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect(),
            Some(Value::Object(members)) => members.values().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        }
    }

    /// A required username.
    ///
    /// # Errors
    /// It is missing or not a username.
    pub fn username(&self) -> Result<Username, Problem> {
        Username::parse("username", self.text("username")?)
    }

    /// An optional username; none if it is missing, null or empty.
    ///
    /// # Errors
    /// It is not a username.
    pub fn optional_username(&self) -> Result<Option<Username>, Problem> {
        self.optional_text("username")?.map(|text| Username::parse("username", text)).transpose()
    }

    /// A required string that must be one of `words`.
    ///
    /// # Errors
    /// It is missing or has another value.
    pub fn one_of<T: Copy>(&self, field: &str, words: &[(&str, T)]) -> Result<T, Problem> {
        let text = self.text(field)?;
        let allowed = || words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning);
        found.ok_or_else(|| Problem::invalid(field, format!("must be one of: {}", allowed())))
    }
}

#[cfg(test)]
#[path = "fields_tests.rs"]
mod tests;
