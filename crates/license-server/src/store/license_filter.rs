//! Which licenses a list has, in which order, and where it continues.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::model::Standing;
use opterius_base::clock::Timestamp;

/// Which licenses to list. All conditions must hold; the default lists all, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only licenses of the user with this number.
    pub owner: Option<i64>,
    /// Only the license with exactly this reference.
    pub reference: Option<String>,
    /// Only licenses of the plan with this slug.
    pub plan: Option<String>,
    /// Only licenses with this standing.
    pub standing: Option<Standing>,
    /// Only licenses that expire after this instant.
    pub expires_after: Option<Timestamp>,
    /// Only licenses that expire at or before this instant.
    pub expires_before: Option<Timestamp>,
    /// Only licenses that a server at this address uses, or that are locked to it.
    pub server_ip: Option<IpAddr>,
    /// Only licenses that a server with exactly this host name uses, in any case.
    pub hostname: Option<String>,
    /// Only licenses with more active servers than their plan allows.
    pub over_limit: bool,
    /// Only licenses that no server has ever used.
    pub never_used: bool,
    /// Only trials.
    pub trial: bool,
    /// Only licenses with this label.
    pub label: Option<String>,
    /// Only licenses that this text finds: a license number, the beginning of a key or of an owner's name, a reference, a
    /// server's address, or the beginning of its host name. The license with this number comes first.
    pub search: Option<String>,
    /// The order.
    pub sort: Sort,
    /// Where to continue: [`LicensePage::next`](super::LicensePage::next) of the previous page in the same order.
    pub after: Option<Cursor>,
    /// Whether to count all servers, however many, for JSON output.
    pub all_servers: bool,
}

impl Filter {
    /// Whether it asks for what few licenses have in common.
    pub(super) const fn is_narrow(&self) -> bool {
        self.reference.is_some() || self.server_ip.is_some() || self.hostname.is_some()
    }
}

/// The order of a list. Licenses with the same value are in the order of their numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// The highest number first.
    #[default]
    Newest,
    /// The lowest number first.
    Oldest,
    /// The earliest expiry first; licenses that never expire last.
    Expiry,
    /// The latest expiry first, after licenses that never expire.
    LatestExpiry,
    /// By the owner's name.
    Owner,
    /// The latest check-in first.
    LastCheck,
    /// The earliest check-in first; licenses that were never used before all others.
    OldestCheck,
}

impl Sort {
    /// All orders.
    pub const ALL: &[Self] = &[
        Self::Newest,
        Self::Oldest,
        Self::Expiry,
        Self::LatestExpiry,
        Self::Owner,
        Self::LastCheck,
        Self::OldestCheck,
    ];

    /// Its name in URLs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Newest => "newest",
            Self::Oldest => "oldest",
            Self::Expiry => "expiry",
            Self::LatestExpiry => "latest-expiry",
            Self::Owner => "owner",
            Self::LastCheck => "last-check",
            Self::OldestCheck => "oldest-check",
        }
    }

    /// Whether the order is by number alone.
    pub(super) const fn is_by_number(self) -> bool {
        matches!(self, Self::Newest | Self::Oldest)
    }

    pub(super) const fn is_descending(self) -> bool {
        matches!(self, Self::Newest | Self::LatestExpiry | Self::LastCheck)
    }
}

/// A position in a list: the value that it is sorted by, and the number of the license. In text, `VALUE.NUMBER`, or
/// `NUMBER` if it is sorted by number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The expiry or check-in in seconds since 1970, or the name of the owner.
    pub(super) value: CursorValue,
    /// The number of the license.
    pub(super) id: i64,
}

/// What a list is sorted by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CursorValue {
    /// By number.
    None,
    /// By time.
    Time(i64),
    /// By name.
    Name(String),
}

impl Cursor {
    /// Parses the position in a list with this order; `None` if it is not one.
    pub fn parse(text: &str, sort: Sort) -> Option<Self> {
        if sort.is_by_number() {
            return Some(Self { value: CursorValue::None, id: number(text)? });
        }
        let (value, id) = text.rsplit_once('.')?;
        let value = match sort {
            Sort::Owner => CursorValue::Name(value.to_owned()),
            _ => CursorValue::Time(number(value)?),
        };
        Some(Self { value, id: number(id)? })
    }

    /// The position before all licenses.
    pub(super) const fn before_all(sort: Sort) -> Self {
        let first = if sort.is_descending() { i64::MAX } else { 0 };
        let value = match sort {
            Sort::Newest | Sort::Oldest => CursorValue::None,
            Sort::Owner => CursorValue::Name(String::new()),
            _ => CursorValue::Time(first),
        };
        Self { value, id: first }
    }

    /// Whether it is a position in a list with this order.
    pub(super) fn fits(&self, sort: Sort) -> bool {
        match self.value {
            CursorValue::None => sort.is_by_number(),
            CursorValue::Time(_) => !sort.is_by_number() && sort != Sort::Owner,
            CursorValue::Name(_) => sort == Sort::Owner,
        }
    }
}

fn number(text: &str) -> Option<i64> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    i64::from_str(text).ok().filter(|_| is_plain)
}

impl fmt::Display for Cursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            CursorValue::None => write!(formatter, "{}", self.id),
            CursorValue::Time(value) => write!(formatter, "{value}.{}", self.id),
            CursorValue::Name(value) => write!(formatter, "{value}.{}", self.id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_read_back_in_its_own_order_only() {
        for (text, sort) in [
            ("12", Sort::Newest),
            ("12", Sort::Oldest),
            ("1800000000.7", Sort::Expiry),
            ("0.7", Sort::LastCheck),
            ("anna.b@example.com.7", Sort::Owner),
        ] {
            let cursor = Cursor::parse(text, sort).unwrap();
            assert!(cursor.fits(sort));
            assert_eq!(cursor.to_string(), text);
        }
        for (text, sort) in [
            ("", Sort::Newest),
            ("-1", Sort::Newest),
            ("+1", Sort::Newest),
            ("1.2", Sort::Newest),
            ("7", Sort::Expiry),
            ("anna.7", Sort::Expiry),
            ("anna.", Sort::Owner),
            ("7", Sort::Owner),
        ] {
            assert_eq!(Cursor::parse(text, sort), None, "{text}");
        }
        assert!(!Cursor::parse("12", Sort::Newest).unwrap().fits(Sort::Expiry));
    }
}
