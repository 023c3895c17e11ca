//! `/logs/tail`: reads the end of a site's log.

use serde::Serialize;

use crate::problem::Problem;
use crate::request::fields::Fields;
use crate::request::operation::Operation;
use crate::request::values::{Domain, Username};

/// Largest part of a log, in bytes. JSON escapes can make it six times as long.
const MAX_LOG: i64 = 128 * 1024;

/// Reads part of a log.
#[derive(Serialize)]
pub struct TailLog {
    /// The site.
    pub domain: Domain,
    /// The account that owns the site.
    pub username: Username,
    /// The log to read.
    #[serde(rename = "log_type")]
    pub log: SiteLog,
    /// Where to start, in bytes; none reads the end.
    pub offset: Option<u64>,
    /// Largest number of bytes to read.
    pub max_bytes: u64,
}

impl Operation for TailLog {
    const PATHS: &'static [&'static str] = &["/logs/tail"];

    fn parse(fields: &Fields) -> Result<Self, Problem> {
        let logs = [("access", SiteLog::Access), ("error", SiteLog::Error), ("php-error", SiteLog::PhpError)];
        let offset = fields.optional_integer("offset", i64::MIN, i64::MAX)?;
        let max_bytes = fields.optional_integer("max_bytes", 1, MAX_LOG)?.unwrap_or(64 * 1024);
        Ok(Self {
            domain: fields.domain("domain")?,
            username: fields.username()?,
            log: fields.one_of("log_type", &logs)?,
            offset: offset.and_then(|offset| u64::try_from(offset).ok()),
            max_bytes: u64::try_from(max_bytes).unwrap_or_default(),
        })
    }
}

/// The logs of a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SiteLog {
    /// nginx's access log.
    Access,
    /// nginx's error log.
    Error,
    /// PHP's error log.
    PhpError,
}

impl SiteLog {
    /// The file's name.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Access => "access.log",
            Self::Error => "error.log",
            Self::PhpError => "php-error.log",
        }
    }
}
