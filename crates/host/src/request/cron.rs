//! The values of a cron job: its schedule and its command.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::problem::Problem;
use crate::request::fields::Fields;

/// Longest schedule, in bytes: a list of all minutes fits.
const MAX_SCHEDULE: usize = 256;

/// Longest command, in bytes of the crontab: Debian's cron refuses a longer one.
const MAX_COMMAND: usize = 998;

/// Largest id, which every JSON parser reads exactly.
const MAX_ID: i64 = (1 << 53) - 1;

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// A field of a schedule: its name, its range, and the names of its values, in order from the smallest.
struct Part {
    name: &'static str,
    min: u32,
    max: u32,
    names: &'static [&'static str],
}

/// The five fields, in order. Day 7 of the week is Sunday, too.
const PARTS: [Part; 5] = [
    Part { name: "minute", min: 0, max: 59, names: &[] },
    Part { name: "hour", min: 0, max: 23, names: &[] },
    Part { name: "day of the month", min: 1, max: 31, names: &[] },
    Part { name: "month", min: 1, max: 12, names: &MONTHS },
    Part { name: "day of the week", min: 0, max: 7, names: &DAYS },
];

/// When a job runs: five fields with single spaces between them, in a form that cron accepts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Schedule(String);

impl Schedule {
    /// Parses a schedule.
    ///
    /// # Errors
    /// It does not have five fields, or one of them is invalid.
    pub fn parse(field: &str, text: &str) -> Result<Self, Problem> {
        let invalid = |rule: String| Problem::invalid(field, rule);
        let words: Vec<&str> = text.split([' ', '\t']).filter(|word| !word.is_empty()).collect();
        if words.len() != PARTS.len() || text.len() > MAX_SCHEDULE {
            return Err(invalid(format!(
                "must have five fields in at most {MAX_SCHEDULE} bytes: minute, hour, day of the month, month, day of the week, \
                 such as 30 4 * * 1-5; words such as @daily are not supported (write 0 0 * * *)"
            )));
        }
        for (word, part) in words.iter().zip(&PARTS) {
            if !word.split(',').all(|item| part.accepts(item)) {
                let Part { name, min, max, names } = part;
                let names = match (names.first(), names.last()) {
                    (Some(first), Some(last)) => format!(", or {first} to {last}"),
                    _ => String::new(),
                };
                return Err(invalid(format!(
                    "has an invalid {name}: each must be *, a number from {min} to {max}{names}, a range such as {min}-{max}, or \
                     one of these with a step, such as */{max}"
                )));
            }
        }
        Ok(Self(words.join(" ")))
    }

    /// The five fields.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Part {
    /// Whether this is a value, a range, or `*`, the latter two possibly with a step.
    fn accepts(&self, item: &str) -> bool {
        let (values, step) = item.split_once('/').map_or((item, None), |(values, step)| (values, Some(step)));
        if step.is_some_and(|step| !number(step).is_some_and(|step| (1..=self.max).contains(&step))) {
            return false;
        }
        match values.split_once('-') {
            _ if values == "*" => true,
            Some((first, last)) => match (self.value(first), self.value(last)) {
                (Some(first), Some(last)) => first <= last,
                _ => false,
            },
            None => step.is_none() && self.value(values).is_some(),
        }
    }

    fn value(&self, text: &str) -> Option<u32> {
        let named = self.names.iter().zip(self.min..).find(|(name, _)| text.eq_ignore_ascii_case(name));
        let value = named.map(|(_, value)| value).or_else(|| number(text));
        value.filter(|value| (self.min..=self.max).contains(value))
    }
}

/// A number of one or two digits.
fn number(text: &str) -> Option<u32> {
    let is_number = (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

/// The command of a job, as a shell gets it.
#[derive(Clone, PartialEq, Eq)]
pub struct CronCommand(String);

impl CronCommand {
    /// Reads the command of a request.
    ///
    /// # Errors
    /// It is missing, empty, too long, or not one line.
    pub fn parse(fields: &Fields) -> Result<Self, Problem> {
        let field = "command";
        let text = fields.text(field)?;
        if text.trim().is_empty() {
            return Err(Problem::invalid(field, "must not be empty"));
        }
        if text.contains(|sign: char| sign.is_control() && sign != '\t') {
            return Err(Problem::invalid(field, "must be one line without control characters"));
        }
        let command = Self(text.to_owned());
        if command.in_crontab().len() > MAX_COMMAND {
            let rule =
                format!("must have at most {MAX_COMMAND} bytes, with each % counted twice; put more into a script");
            return Err(Problem::invalid(field, rule));
        }
        Ok(command)
    }

    /// The command as it is written in a crontab. There, `\%` is a percent sign, `\\` a backslash, and a percent sign alone the
    /// end of the command; a backslash before anything else stays.
    pub fn in_crontab(&self) -> String {
        let mut written = String::with_capacity(self.0.len());
        let mut signs = self.0.chars().peekable();
        while let Some(sign) = signs.next() {
            let is_special =
                sign == '%' || (sign == '\\' && signs.peek().is_some_and(|next| matches!(next, '%' | '\\')));
            if is_special {
                written.push('\\');
            }
            written.push(sign);
        }
        written
    }

    /// The command itself. It can contain a password, so it is never logged.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for CronCommand {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("CronCommand(…)")
    }
}

impl Serialize for CronCommand {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// Reads the Panel's id of a job.
///
/// # Errors
/// It is missing or not a positive number.
pub fn job_id(fields: &Fields) -> Result<u64, Problem> {
    let field = "cron_job_id";
    let id = fields.optional_integer(field, 1, MAX_ID)?;
    id.map(i64::unsigned_abs).ok_or_else(|| Problem::invalid(field, "is missing"))
}

#[cfg(test)]
#[path = "cron_tests.rs"]
mod tests;
