//! The members of a request's JSON object, each read into the type that its rule allows. Each rule is told in the words of
//! the refusal.

use serde_json::{Map, Value};

use crate::problem::Problem;
use crate::request::values::{Domain, Username};

/// The members of a request's JSON object.
#[derive(Debug)]
pub struct Fields(Map<String, Value>);

impl Fields {
    /// Reads a body. An empty one is an object without members: the Panel sends it so.
    ///
    /// # Errors
    /// It is not a JSON object.
    pub fn parse(body: &[u8]) -> Result<Self, Problem> {
        if body.is_empty() {
            return Self::of_json(None);
        }
        let read = serde_json::from_slice(body);
        Self::of_json(Some(read.map_err(|error| Problem::invalid("body", format!("is not JSON ({error})")))?))
    }

    /// The members of a document that has been read; of none there are none.
    ///
    /// # Errors
    /// It is not an object.
    pub fn of_json(body: Option<Value>) -> Result<Self, Problem> {
        match body {
            None => Ok(Self(Map::new())),
            Some(Value::Object(members)) => Ok(Self(members)),
            // PHP writes an empty array for no data at all.
            Some(Value::Array(items)) if items.is_empty() => Ok(Self(Map::new())),
            Some(_) => Err(Problem::invalid("body", "must be a JSON object")),
        }
    }

    fn given(&self, field: &str) -> Option<&Value> {
        self.0.get(field).filter(|value| !value.is_null())
    }

    /// A text that must be there.
    ///
    /// # Errors
    /// It is missing, null, or not a text.
    pub fn text(&self, field: &str) -> Result<&str, Problem> {
        match self.0.get(field) {
            None => Err(Problem::invalid(field, "is missing")),
            Some(Value::Null) => Err(Problem::invalid(field, "must be a text and is null")),
            Some(Value::String(text)) => Ok(text),
            Some(_) => Err(Problem::invalid(field, "must be a text")),
        }
    }

    /// A text that may be missing, null or empty: then none.
    ///
    /// # Errors
    /// It is not a text.
    pub fn optional_text(&self, field: &str) -> Result<Option<&str>, Problem> {
        match self.given(field) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
            Some(_) => Err(Problem::invalid(field, "must be a text")),
        }
    }

    /// A whole number, or one written as a text, as HTML forms give it; none when it is missing or null.
    ///
    /// # Errors
    /// It is neither, or out of range.
    pub fn optional_integer(&self, field: &str, least: i64, most: i64) -> Result<Option<i64>, Problem> {
        let wrong = || Problem::invalid(field, format!("must be a whole number from {least} to {most}"));
        let number = match self.given(field) {
            None => return Ok(None),
            Some(Value::Number(number)) => number.as_i64(),
            Some(Value::String(text)) => text.parse().ok(),
            Some(_) => None,
        };
        number.filter(|number| (least..=most).contains(number)).map(Some).ok_or_else(wrong)
    }

    /// The texts of a list that may be missing.
    ///
    /// # Errors
    /// It is not a list of at most `most` texts.
    pub fn texts(&self, field: &str, most: usize) -> Result<Vec<&str>, Problem> {
        let wrong = || Problem::invalid(field, format!("must be a list of at most {most} texts"));
        match self.given(field) {
            None => Ok(Vec::new()),
            Some(Value::Array(items)) if items.len() <= most => {
                items.iter().map(|item| item.as_str().ok_or_else(wrong)).collect()
            }
            Some(_) => Err(wrong()),
        }
    }

    /// A domain that must be there.
    ///
    /// # Errors
    /// It is missing or not a domain.
    pub fn domain(&self, field: &str) -> Result<Domain, Problem> {
        Domain::parse(field, self.text(field)?)
    }

    /// The domains of a list that may be missing.
    ///
    /// # Errors
    /// One of them is not a domain.
    pub fn domains(&self, field: &str) -> Result<Vec<Domain>, Problem> {
        self.texts(field, 1000)?.into_iter().map(|text| Domain::parse(field, text)).collect()
    }

    /// A username that must be there.
    ///
    /// # Errors
    /// It is missing or not a username.
    pub fn username(&self) -> Result<Username, Problem> {
        Username::parse("username", self.text("username")?)
    }

    /// A username that may be missing, null or empty: then none.
    ///
    /// # Errors
    /// It is not a username.
    pub fn optional_username(&self) -> Result<Option<Username>, Problem> {
        self.optional_text("username")?.map(|text| Username::parse("username", text)).transpose()
    }

    /// A text that must be one of these.
    ///
    /// # Errors
    /// It is missing or another one.
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
