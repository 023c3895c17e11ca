//! The members of a body and the parameters of a query: declared in the table of the routes, checked here, and read as
//! typed values.

use std::net::IpAddr;

use serde_json::{Map, Value};

use super::error::ApiError;
use crate::model::block_time;
use opterius_base::clock::Timestamp;
use opterius_base::percent;
use opterius_base::text::drives_terminal;

/// A member of a body or a parameter of a query.
#[derive(Debug)]
pub struct Member {
    /// The name.
    pub name: &'static str,
    /// Which values it takes.
    pub kind: Kind,
    /// Whether it must be there.
    pub presence: Presence,
    /// What it means, for the documentation.
    pub about: &'static str,
}

/// Whether a member must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It must be there, and not be null.
    Required,
    /// It may be absent, but not null.
    Optional,
    /// It may be absent or null.
    Nullable,
}

/// Which values a member takes.
#[derive(Debug)]
pub enum Kind {
    /// A string of 1 to this many characters on one line, without blanks at its ends.
    Line(usize),
    /// A string of up to this many characters, on any number of lines.
    Text(usize),
    /// An RFC 3339 date and time.
    Instant,
    /// An IP address.
    Address,
    /// A time to keep a server out, as in [`block_time`].
    BlockTime,
    /// A boolean; in a query `1`, `0`, `true` or `false`.
    Flag,
    /// A whole number in this range.
    Integer(u64, u64),
    /// One of these strings.
    Choice(&'static [&'static str]),
    /// An array of one or more of these strings.
    Choices(fn() -> Vec<&'static str>),
    /// An array of at most this many strings, each as in [`Kind::Line`] with this many characters.
    Lines(usize, usize),
    /// An object with these members.
    Object(&'static [Member]),
    /// A string as in [`Kind::Line`], or an object with these members.
    LineOrObject(usize, &'static [Member]),
}

/// Members that have been checked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Members(Map<String, Value>);

impl Members {
    /// Checks the members of an object.
    ///
    /// # Errors
    /// 422 with the first member that is unknown, missing or has a wrong value.
    pub fn check(object: Map<String, Value>, declared: &[&'static Member]) -> Result<Self, ApiError> {
        check_object(&object, declared, "")?;
        Ok(Self(object))
    }

    /// Parses and checks a query.
    ///
    /// # Errors
    /// 400 if it is not percent-encoded UTF-8; 422 with the first parameter that is unknown, occurs twice or has a wrong
    /// value.
    pub fn of_query(query: &str, declared: &[&'static Member]) -> Result<Self, ApiError> {
        let decode = |text: &str| {
            let text = percent::decode_form(text.as_bytes()).and_then(|bytes| String::from_utf8(bytes).ok());
            text.ok_or_else(|| ApiError::bad_request("The query is not percent-encoded UTF-8."))
        };
        let mut object = Map::new();
        for piece in query.split('&').filter(|piece| !piece.is_empty()) {
            let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
            let (name, value) = (decode(name)?, decode(value)?);
            let kind = declared.iter().find(|member| member.name == name).map(|member| &member.kind);
            if object.insert(name.clone(), typed(kind, value)).is_some() {
                return Err(ApiError::invalid(name, "The parameter occurs twice."));
            }
        }
        Self::check(object, declared)
    }

    /// Whether the member is there, null or not.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// A string.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }

    /// An instant.
    pub fn instant(&self, name: &str) -> Option<Timestamp> {
        self.text(name).and_then(Timestamp::parse_rfc3339)
    }

    /// An IP address; an IPv4-mapped IPv6 address is its IPv4 address.
    pub fn address(&self, name: &str) -> Option<IpAddr> {
        self.text(name).and_then(address)
    }

    /// A boolean.
    pub fn flag(&self, name: &str) -> Option<bool> {
        self.0.get(name).and_then(Value::as_bool)
    }

    /// A whole number.
    pub fn integer(&self, name: &str) -> Option<u64> {
        self.0.get(name).and_then(Value::as_u64)
    }

    /// An array of strings.
    pub fn lines(&self, name: &str) -> Option<Vec<String>> {
        let items = self.0.get(name).and_then(Value::as_array)?;
        Some(items.iter().filter_map(Value::as_str).map(str::to_owned).collect())
    }

    /// An object.
    pub fn object(&self, name: &str) -> Option<Self> {
        self.0.get(name).and_then(Value::as_object).cloned().map(Self)
    }

    /// Without this member.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.0.remove(name);
        self
    }

    /// As JSON, with the members in the order of their names.
    pub fn to_json(&self) -> String {
        Value::Object(self.0.clone()).to_string()
    }
}

/// The value of a parameter as JSON, if it can be one of its kind; the check refuses a string in place of another type.
fn typed(kind: Option<&Kind>, value: String) -> Value {
    match (kind, value.as_str()) {
        (Some(Kind::Flag), "1" | "true") => Value::Bool(true),
        (Some(Kind::Flag), "0" | "false") => Value::Bool(false),
        (Some(Kind::Integer(..)), digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            digits.parse::<u64>().map_or(Value::String(value), Value::from)
        }
        _ => Value::String(value),
    }
}

fn check_object(object: &Map<String, Value>, declared: &[&Member], within: &str) -> Result<(), ApiError> {
    let path = |name: &str| format!("{within}{name}");
    if let Some(unknown) = object.keys().find(|name| !declared.iter().any(|member| member.name == **name)) {
        let known: Vec<&str> = declared.iter().map(|member| member.name).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        return Err(ApiError::invalid(path(unknown), format!("Unknown name. Known are: {known}.")));
    }
    for member in declared {
        match (object.get(member.name), member.presence) {
            (None, Presence::Required) => return Err(ApiError::invalid(path(member.name), "It is missing.")),
            (None, _) | (Some(Value::Null), Presence::Nullable) => {}
            (Some(value), _) => check_value(value, &member.kind, &path(member.name))?,
        }
    }
    Ok(())
}

fn check_value(value: &Value, kind: &Kind, path: &str) -> Result<(), ApiError> {
    let invalid = |message: String| Err(ApiError::invalid(path, message));
    match (kind, value) {
        (Kind::Line(most), Value::String(text)) => check_line(text, *most).or_else(invalid),
        (Kind::Text(most), Value::String(text)) => check_text(text, *most).or_else(invalid),
        (Kind::Instant, Value::String(text)) if Timestamp::parse_rfc3339(text).is_some() => Ok(()),
        (Kind::Address, Value::String(text)) if address(text).is_some() => Ok(()),
        (Kind::BlockTime, Value::String(text)) if block_time(text).is_ok() => Ok(()),
        (Kind::Flag, Value::Bool(_)) => Ok(()),
        (Kind::Integer(least, most), Value::Number(number))
            if number.as_u64().is_some_and(|number| (*least..=*most).contains(&number)) =>
        {
            Ok(())
        }
        (Kind::Choice(choices), Value::String(text)) if choices.contains(&text.as_str()) => Ok(()),
        (Kind::Choices(known), Value::Array(items)) if !items.is_empty() => {
            let known = known();
            let is_known = |item: &Value| item.as_str().is_some_and(|item| known.contains(&item));
            match items.iter().position(|item| !is_known(item)) {
                Some(index) => Err(ApiError::invalid(format!("{path}.{index}"), one_of(&known))),
                None => Ok(()),
            }
        }
        (Kind::Lines(most, _), Value::Array(items)) if items.len() > *most => {
            invalid(format!("There can be at most {most}."))
        }
        (Kind::Lines(_, length), Value::Array(items)) => {
            let check = |(index, item)| check_value(item, &Kind::Line(*length), &format!("{path}.{index}"));
            items.iter().enumerate().try_for_each(check)
        }
        (Kind::Object(members) | Kind::LineOrObject(_, members), Value::Object(object)) => {
            check_object(object, &members.iter().collect::<Vec<_>>(), &format!("{path}."))
        }
        (Kind::LineOrObject(most, _), Value::String(text)) => check_line(text, *most).or_else(invalid),
        _ => invalid(kind.expectation()),
    }
}

impl Kind {
    /// What a value must be, as a sentence.
    fn expectation(&self) -> String {
        match self {
            Self::Line(most) => format!("It must be a string of 1 to {most} characters on one line."),
            Self::Text(most) => format!("It must be a string of at most {most} characters."),
            Self::Instant => "It must be an RFC 3339 date and time, such as 2027-03-01T00:00:00Z.".to_owned(),
            Self::Address => "It must be an IP address, such as 203.0.113.5.".to_owned(),
            Self::BlockTime => "It must be 1h to 2160h or 1d to 90d, such as 7d.".to_owned(),
            Self::Flag => "It must be true or false.".to_owned(),
            Self::Integer(least, most) => format!("It must be a whole number from {least} to {most}."),
            Self::Choice(choices) => one_of(choices),
            Self::Choices(_) => "It must be an array of at least one string.".to_owned(),
            Self::Lines(most, _) => format!("It must be an array of at most {most} strings."),
            Self::Object(_) => "It must be an object.".to_owned(),
            Self::LineOrObject(..) => "It must be a string or an object.".to_owned(),
        }
    }
}

fn one_of(choices: &[&str]) -> String {
    format!("It must be one of: {}.", choices.join(", "))
}

fn check_line(text: &str, most: usize) -> Result<(), String> {
    if text.is_empty() || text.chars().count() > most {
        return Err(Kind::Line(most).expectation());
    }
    if text.chars().any(drives_terminal) {
        return Err("It contains a control character.".to_owned());
    }
    if text.trim() != text {
        return Err("It begins or ends with a blank.".to_owned());
    }
    Ok(())
}

fn check_text(text: &str, most: usize) -> Result<(), String> {
    if text.chars().count() > most {
        return Err(Kind::Text(most).expectation());
    }
    if text.chars().any(|character| drives_terminal(character) && !matches!(character, '\n' | '\t')) {
        return Err("It contains a control character other than a line feed or a tab.".to_owned());
    }
    Ok(())
}

fn address(text: &str) -> Option<IpAddr> {
    text.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

#[cfg(test)]
#[path = "members_tests.rs"]
mod tests;
