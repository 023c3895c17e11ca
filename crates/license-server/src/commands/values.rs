//! Parsers for values on the command line, with a message for each error.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use crate::model::{Basis, Period, Scope, Standing};
use crate::network::{Network, parse_networks};
use crate::store::{Cursor, Sort};
use opterius_base::clock::Timestamp;
use opterius_base::secret::Secret;
use opterius_base::text::one_line;
use opterius_license::license_key;

/// The maximum length of an invalid value in a message, in characters.
const MAX_SHOWN: usize = 80;

/// No key is shorter than this, in bytes.
const SHORTEST_KEY: usize = 16;

/// A reference to a license.
#[derive(Clone, PartialEq, Eq)]
pub enum LicenseRef {
    /// By its number.
    Number(i64),
    /// By its full key.
    Key(Secret),
}

impl fmt::Debug for LicenseRef {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(formatter, "Number({number})"),
            Self::Key(key) => write!(formatter, "Key({})", key.masked()),
        }
    }
}

/// A license's number or key. A key never consists of digits only.
///
/// # Errors
/// It is neither.
pub fn license_ref(text: &str) -> Result<LicenseRef, String> {
    let text = text.trim();
    let digits = text.strip_prefix('#').unwrap_or(text);
    if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return digits
            .parse()
            .map(LicenseRef::Number)
            .map_err(|_| format!("“{}” is not a license number", printable(text)));
    }
    // Too short for a key, so it is no secret and can be repeated.
    if !text.is_empty() && text.len() < SHORTEST_KEY {
        return Err(format!("“{}” is neither a license number nor a full key", printable(text)));
    }
    let is_foreign = text.len() <= 255 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    match license_key::own(text).or_else(|| is_foreign.then(|| text.to_owned())) {
        Some(key) if !key.is_empty() => Ok(LicenseRef::Key(Secret::new(key))),
        _ => Err("ID must be a license number, such as 12, or a full key".to_owned()),
    }
}

/// An IP address; an IPv4-mapped IPv6 address becomes IPv4.
///
/// # Errors
/// It is not an IP address.
pub fn ip(text: &str) -> Result<IpAddr, String> {
    let address = text.trim().parse::<IpAddr>().map(|address| address.to_canonical());
    address.map_err(|_| format!("“{}” is not an IP address such as 203.0.113.5", printable(text)))
}

/// The end of a date, or an RFC 3339 instant.
///
/// # Errors
/// It is neither.
pub fn date(text: &str) -> Result<Timestamp, String> {
    let wrong = || {
        format!(
            "“{}” is not a date. Use YYYY-MM-DD, which includes that day (UTC), or RFC 3339, such as 2027-03-01T00:00:00Z",
            printable(text)
        )
    };
    Timestamp::parse_expiry(text).ok_or_else(wrong)
}

/// A date, or `never`.
///
/// # Errors
/// It is neither.
pub fn date_or_never(text: &str) -> Result<Option<Timestamp>, String> {
    if text.trim().eq_ignore_ascii_case("never") { Ok(None) } else { date(text).map(Some) }
}

/// Scopes of a token, separated by commas.
///
/// # Errors
/// One of them does not exist.
pub fn scopes(text: &str) -> Result<Vec<Scope>, String> {
    let mut scopes = Vec::new();
    for word in words(text) {
        let known = Scope::ALL.iter().copied().find(|scope| scope.as_str() == word);
        let all: Vec<&str> = Scope::ALL.iter().map(|scope| scope.as_str()).collect();
        let scope =
            known.ok_or_else(|| format!("“{}” is not a scope. Scopes are: {}", printable(word), all.join(", ")))?;
        if !scopes.contains(&scope) {
            scopes.push(scope);
        }
    }
    Ok(scopes)
}

/// Networks, separated by commas.
///
/// # Errors
/// One of them is not a network.
pub fn networks(text: &str) -> Result<Vec<Network>, String> {
    parse_networks(text).map_err(|(word, error)| format!("--networks “{}” {error}", printable(word)))
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split([',', ' ']).map(str::trim).filter(|word| !word.is_empty())
}

/// A period, as ISO 8601 writes it.
///
/// # Errors
/// It is not one of years, months, weeks and days.
pub fn period(text: &str) -> Result<Period, String> {
    text.parse().map_err(|()| format!("--add “{}” must be a period such as P1M, P1Y, P2W or P10D", printable(text)))
}

/// Where added time begins.
///
/// # Errors
/// There is no such basis.
pub fn basis(text: &str) -> Result<Basis, String> {
    let found = Basis::ALL.into_iter().find(|(name, _)| *name == text);
    let wrong = || format!("--basis “{}” must be expiry, now or now_if_expired", printable(text));
    found.map(|(_, basis)| basis).ok_or_else(wrong)
}

/// A standing of licenses.
///
/// # Errors
/// There is no such standing.
pub fn standing(text: &str) -> Result<Standing, String> {
    let all: Vec<&str> = Standing::ALL.iter().map(|standing| standing.as_str()).collect();
    let found = Standing::ALL.iter().copied().find(|standing| standing.as_str() == text);
    found.ok_or_else(|| format!("--standing “{}” must be one of: {}", printable(text), all.join(", ")))
}

/// The number of items to list.
///
/// # Errors
/// It is not a number above 0.
pub fn limit(text: &str) -> Result<u64, String> {
    let number = text.parse::<u64>().ok().filter(|number| *number > 0);
    number.ok_or_else(|| format!("--limit “{}” must be a number above 0", printable(text)))
}

/// A position in a list of licenses, newest first.
///
/// # Errors
/// It is none.
pub fn cursor(text: &str) -> Result<Cursor, String> {
    let wrong = || format!("--cursor “{}” must be the one that the previous list ended with", printable(text));
    Cursor::parse(text, Sort::Newest).ok_or_else(wrong)
}

/// Labels, separated by commas.
pub fn labels(text: &str) -> Vec<String> {
    words(text).map(str::to_owned).collect()
}

/// `yes` or `no`.
///
/// # Errors
/// It is neither.
pub fn yes_or_no(text: &str) -> Result<bool, String> {
    match text {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err(format!("“{}” must be yes or no", printable(text))),
    }
}

/// A whole number from 0 to `most`.
///
/// # Errors
/// It is not.
pub fn integer<T: TryFrom<u64> + fmt::Display>(name: &str, text: &str, most: T) -> Result<T, String> {
    let number = text.trim().parse::<u64>().ok().and_then(|number| T::try_from(number).ok());
    number.ok_or_else(|| format!("--{name} “{}” must be a whole number from 0 to {most}", printable(text)))
}

/// A time such as `90m`, `6h` or `2d`, of at most a year.
///
/// # Errors
/// It is not.
pub fn time(name: &str, text: &str) -> Result<Duration, String> {
    const UNITS: [(char, u64); 3] = [('m', 60), ('h', 3600), ('d', 86_400)];
    let seconds = UNITS.iter().find_map(|(unit, length)| {
        let number = text.trim().strip_suffix(*unit)?;
        let number = number.parse::<u64>().ok().filter(|_| number.bytes().all(|byte| byte.is_ascii_digit()))?;
        number.checked_mul(*length).filter(|seconds| *seconds <= 366 * 86_400)
    });
    let wrong = || format!("--{name} “{}” must be a time such as 90m, 6h or 2d, of at most a year", printable(text));
    seconds.map(Duration::from_secs).ok_or_else(wrong)
}

/// An invalid value, made safe for a message.
pub fn printable(text: &str) -> String {
    one_line(text, MAX_SHOWN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_license_is_identified_by_number_or_key() {
        let key = "AAAAAAAA-BBBBBBBB-CCCCCCCC-22222222";
        let table = [
            ("12", Ok(LicenseRef::Number(12))),
            ("#12", Ok(LicenseRef::Number(12))),
            (key, Ok(LicenseRef::Key(Secret::new(key.to_owned())))),
            ("aaaaaaaabbbbbbbbcccccccc22222222", Ok(LicenseRef::Key(Secret::new(key.to_owned())))),
            ("“aaaaaaaa–BBBBBBBB cccccccc\u{a0}22222222”\u{200b}", Ok(LicenseRef::Key(Secret::new(key.to_owned())))),
        ];
        for (text, expected) in table {
            assert_eq!(license_ref(text), expected, "{text}");
        }
        for text in ["", "#", "-x y", "99999999999999999999", "1' OR '1'='1", "<b>"] {
            assert!(license_ref(text).is_err(), "{text}");
        }
    }

    #[test]
    fn addresses_are_canonical() {
        assert_eq!(ip("::ffff:203.0.113.5"), Ok("203.0.113.5".parse().unwrap()));
        assert_eq!(ip("2001:DB8::1"), Ok("2001:db8::1".parse().unwrap()));
        for text in ["", "203.0.113", "203.0.113.5/24", "localhost"] {
            assert!(ip(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_date_includes_the_whole_day() {
        assert_eq!(date("2027-02-28").unwrap().to_string(), "2027-03-01T00:00:00Z");
        assert_eq!(date("2027-03-01T02:00:00+02:00").unwrap().to_string(), "2027-03-01T00:00:00Z");
        assert_eq!(date_or_never("Never"), Ok(None));
        for text in ["", "tomorrow", "2027-02-29", "1772323200", "01.03.2027"] {
            assert!(date(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_time_has_a_unit() {
        for (text, seconds) in [("90m", 5400), ("6h", 21_600), ("2d", 172_800), ("0h", 0), ("366d", 31_622_400)] {
            assert_eq!(time("every", text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "h", "6", "+6h", "-6h", "1.5h", "367d", "99999999999999999999d", "6 h", "6w"] {
            assert!(time("every", text).unwrap_err().contains("--every"), "{text}");
        }
    }

    #[test]
    fn integers_are_in_their_range() {
        assert_eq!(integer("max-servers", "0", u32::MAX), Ok(0));
        assert_eq!(integer("max-servers", "4294967295", u32::MAX), Ok(u32::MAX));
        assert_eq!(integer("agent-port", "65535", u16::MAX), Ok(65535));
        for text in ["", "-1", "1.5", "4294967296", "many"] {
            assert!(integer("max-servers", text, u32::MAX).is_err(), "{text}");
        }
    }
}
