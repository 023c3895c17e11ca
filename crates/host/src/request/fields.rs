//! The members of a request's JSON object, each parsed into a type. The error for an invalid member states its rule.

use serde_json::{Map, Value};

use crate::problem::Problem;
use crate::request::values::{Domain, Username};

/// Longest domain of a site. File names have at most 255 bytes, and what follows the domain in the names of a site's files
/// has up to 9 (`.conf.new`).
const MAX_SITE_DOMAIN: usize = 240;

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

    /// Whether there is such a member, even null.
    pub fn has(&self, field: &str) -> bool {
        self.0.contains_key(field)
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

    /// A required domain that a site is to have.
    ///
    /// # Errors
    /// It is missing, not a domain, or too long for the names of a site's files.
    pub fn site_domain(&self, field: &str) -> Result<Domain, Problem> {
        let domain = self.domain(field)?;
        if domain.as_str().len() > MAX_SITE_DOMAIN {
            let rule = format!("must have at most {MAX_SITE_DOMAIN} characters, because files are named after it");
            return Err(Problem::invalid(field, rule));
        }
        Ok(domain)
    }

    /// The items of a required list. PHP encodes a list with gaps as an object.
    ///
    /// # Errors
    /// It is missing, something else, or longer than `max`.
    fn items(&self, field: &str, max: usize) -> Result<Vec<&Value>, Problem> {
        let items: Vec<&Value> = match self.0.get(field) {
            None => return Err(Problem::invalid(field, "is missing")),
            Some(Value::Array(items)) => items.iter().collect(),
            Some(Value::Object(members)) if members.keys().all(|key| key.parse::<usize>().is_ok()) => {
                members.values().collect()
            }
            Some(_) => return Err(Problem::invalid(field, "must be a list")),
        };
        if items.len() > max {
            return Err(Problem::invalid(field, format!("must have at most {max} entries, and has {}", items.len())));
        }
        Ok(items)
    }

    /// The objects in a required list, each read by `read`. An error names the entry, counted from 1.
    ///
    /// # Errors
    /// It is missing or not a list of objects, has more than `max`, or `read` refuses one.
    pub fn objects<T>(
        &self,
        field: &str,
        max: usize,
        read: impl Fn(&Self) -> Result<T, Problem>,
    ) -> Result<Vec<T>, Problem> {
        let items = self.items(field, max)?.into_iter().zip(1_usize..);
        let object = |item: &Value| match item {
            Value::Object(members) => read(&Self(members.clone())),
            _ => Err(Problem::invalid(field, "must be an object")),
        };
        items.map(|(item, number)| object(item).map_err(|problem| in_entry(field, number, problem))).collect()
    }

    /// The strings in a required list, each read by `read`. An error names the entry, counted from 1.
    ///
    /// # Errors
    /// It is missing or not a list of strings, has more than `max`, or `read` refuses one.
    pub fn texts<T>(
        &self,
        field: &str,
        max: usize,
        read: impl Fn(&str) -> Result<T, Problem>,
    ) -> Result<Vec<T>, Problem> {
        let items = self.items(field, max)?.into_iter().zip(1_usize..);
        let text = |item: &Value| match item {
            Value::String(text) => read(text),
            _ => Err(Problem::invalid(field, "must be a string")),
        };
        items.map(|(item, number)| text(item).map_err(|problem| in_entry(field, number, problem))).collect()
    }

    /// The members of a required object, each a text or a number.
    ///
    /// # Errors
    /// It is missing, or something else.
    pub fn texts_by_name(&self, field: &str) -> Result<Vec<(String, String)>, Problem> {
        let members = match self.0.get(field) {
            None => return Err(Problem::invalid(field, "is missing")),
            Some(Value::Object(members)) => members,
            Some(_) => return Err(Problem::invalid(field, "must be an object")),
        };
        let text = |(name, value): (&String, &Value)| match value {
            Value::String(text) => Ok((name.clone(), text.clone())),
            Value::Number(number) => Ok((name.clone(), number.to_string())),
            // PHP's empty string, as Laravel sends it.
            Value::Null => Ok((name.clone(), String::new())),
            _ => Err(Problem::invalid(field, "must contain strings only")),
        };
        members.iter().map(text).collect()
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

/// A problem with an entry of a list: the field is the list, and the rule names the entry.
pub fn in_entry(field: &str, number: usize, problem: Problem) -> Problem {
    match problem {
        Problem::Invalid { field: member, rule } if member == field => {
            Problem::invalid(field, format!("is invalid in entry {number}, which {rule}"))
        }
        Problem::Invalid { field: member, rule } => {
            Problem::invalid(field, format!("is invalid in entry {number}, whose “{member}” {rule}"))
        }
        problem => problem,
    }
}

#[cfg(test)]
#[path = "fields_tests.rs"]
mod tests;
