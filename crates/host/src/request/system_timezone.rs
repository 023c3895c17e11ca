//! `/system/timezone`: sets the time zone.

use serde::Serialize;

use crate::problem::Problem;
use crate::request::fields::Fields;
use crate::request::operation::Operation;

/// Sets the time zone.
#[derive(Serialize)]
pub struct SetTimezone {
    /// Its name in the time zone database.
    pub timezone: String,
}

impl Operation for SetTimezone {
    const PATHS: &'static [&'static str] = &["/system/timezone"];

    fn parse(fields: &Fields) -> Result<Self, Problem> {
        let text = fields.text("timezone")?;
        let sign = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'+' | b'/' | b'-');
        let first = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic());
        if !first || text.len() > 64 || !text.bytes().all(sign) {
            return Err(Problem::invalid(
                "timezone",
                "must be a name from the time zone database, such as Europe/Berlin",
            ));
        }
        Ok(Self { timezone: text.to_owned() })
    }
}
