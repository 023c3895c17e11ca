//! What a search text finds: a license number, the beginning of a key, of an owner's name or of a host name, a reference, or
//! a server's address.

use std::net::IpAddr;

use super::engine::{Queries, Value};
use super::error::Error;
use super::license_conditions::{number as number_of, text as text_of};
use super::license_filter::Filter;
use super::transactions::ReadTransaction;
use crate::model::user_name::folded;
use opterius_license::license_key;

/// The maximum number of licenses that a search finds. Who sees this many needs a filter instead.
pub(super) const MAX_FOUND: usize = 1000;

/// The maximum number of finds that are examined for those of one owner.
const MAX_EXAMINED: usize = 10_000;

/// Shorter text is not taken for the beginning of a key or of a host name: it would find licenses by chance.
const MIN_BEGINNING: usize = 3;

/// What a search has found.
pub(super) struct Found {
    /// The numbers of the licenses.
    pub(super) ids: Vec<i64>,
    /// The license with exactly this number.
    pub(super) first: Option<i64>,
    /// Whether there are more.
    pub(super) is_cut: bool,
}

impl ReadTransaction<'_> {
    /// What the search of the filter finds; `None` if it has none.
    pub(super) fn search_of(&self, filter: &Filter) -> Result<Option<Found>, Error> {
        let Some(text) = filter.search.as_deref().map(str::trim).filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        let mut found = Found { ids: Vec::new(), first: None, is_cut: false };
        if let Some(id) = number(text)
            && self.license(id)?.is_some()
        {
            found.first = Some(id);
            found.ids.push(id);
        }
        let mut add = |sql: &str, values: &[(&'static str, Value<'static>)]| {
            self.add_found(&mut found, filter.owner, sql, values)
        };
        add("SELECT id FROM licenses WHERE reference = :text", &[("text", text_of(text))])?;
        if let Some(ip) = address(text) {
            add(
                "SELECT license AS id FROM activations WHERE ip = :ip
                    UNION ALL SELECT license FROM activations WHERE pair_ip = :ip
                    UNION ALL SELECT id FROM licenses WHERE locked_ip = :ip",
                &[("ip", text_of(ip.to_string()))],
            )?;
        }
        let beginning = |text: &str| [("from", text_of(text)), ("to", text_of(format!("{text}\u{10ffff}")))];
        add(
            "SELECT licenses.id FROM users CROSS JOIN licenses
                WHERE licenses.owner = users.id AND users.folded_name >= :from AND users.folded_name < :to",
            &beginning(&folded(text)),
        )?;
        if let Some(key) = key_beginning(text) {
            add("SELECT id FROM licenses WHERE key >= :from AND key < :to", &beginning(&key))?;
        }
        if text.chars().count() >= MIN_BEGINNING {
            add("SELECT id FROM licenses WHERE reference >= :from AND reference < :to", &beginning(text))?;
            add(
                "SELECT licenses.id FROM users CROSS JOIN licenses
                    WHERE licenses.owner = users.id AND users.mail IS NOT NULL AND lower(users.mail) >= :from
                        AND lower(users.mail) < :to",
                &beginning(&text.to_ascii_lowercase()),
            )?;
            add(
                "SELECT license AS id FROM activations
                    WHERE hostname IS NOT NULL AND lower(hostname) >= :from AND lower(hostname) < :to",
                &beginning(&text.to_ascii_lowercase()),
            )?;
        }
        Ok(Some(found))
    }

    /// Adds what the statement finds. An owner's search finds only the owner's licenses, however many others have.
    fn add_found(
        &self,
        found: &mut Found,
        owner: Option<i64>,
        sql: &str,
        values: &[(&'static str, Value<'static>)],
    ) -> Result<(), Error> {
        let own = if owner.is_some() {
            "WHERE EXISTS (SELECT 1 FROM licenses WHERE licenses.id = found.id AND licenses.owner = :owner)"
        } else {
            ""
        };
        let most = MAX_FOUND.saturating_add(1);
        // Only servers find a license several times.
        let is_unique = owner.is_none() && !sql.contains("activations");
        let examined = if is_unique { most } else { MAX_EXAMINED };
        let sql = format!(
            "SELECT DISTINCT id FROM (SELECT id FROM ({sql}) AS all_found LIMIT {examined}) AS found {own} LIMIT {most}"
        );
        let mut values = values.to_vec();
        values.extend(owner.map(|owner| ("owner", number_of(owner))));
        self.0.each_named(&sql, &values, |row| {
            let id: i64 = row.get(0)?;
            if found.ids.len() >= MAX_FOUND {
                found.is_cut = true;
                return Ok(false);
            }
            if !found.ids.contains(&id) {
                found.ids.push(id);
            }
            Ok(true)
        })
    }
}

/// A license number, as lists and messages write it: `12`, `#12` or `License 12`.
fn number(text: &str) -> Option<i64> {
    let text = text.strip_prefix("License ").or_else(|| text.strip_prefix("license ")).unwrap_or(text).trim();
    let digits = text.strip_prefix('#').unwrap_or(text);
    digits.parse().ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()))
}

fn address(text: &str) -> Option<IpAddr> {
    let text = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    text.parse::<IpAddr>().ok().map(|ip| ip.to_canonical())
}

/// The beginning of a key as it is stored.
fn key_beginning(text: &str) -> Option<String> {
    license_key::beginning(text).filter(|key| key.chars().count() >= MIN_BEGINNING)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_copied_from_a_page_or_an_e_mail_is_understood() {
        for (text, expected) in
            [("12", Some(12)), ("#12", Some(12)), ("License 12", Some(12)), ("12a", None), ("+1", None)]
        {
            assert_eq!(number(text), expected, "{text}");
        }
        for (text, expected) in [("abcd efgh–ij", Some("ABCDEFGH-IJ")), ("ab", None), ("anna@example.com", None)] {
            assert_eq!(key_beginning(text).as_deref(), expected, "{text}");
        }
        assert_eq!(address("[2001:db8::1]"), address("2001:0DB8::1"));
        assert_eq!(address("::ffff:203.0.113.5"), address("203.0.113.5"));
    }
}
