//! Connection URIs, such as `postgresql://user:password@host1:5432,host2:5433/dbname?sslmode=verify-full`.
//!
//! Source: <https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS>

use super::settings::Settings;

/// Whether the text is a URI; returns what follows the scheme.
pub(super) fn strip_scheme(text: &str) -> Option<&str> {
    text.strip_prefix("postgresql://").or_else(|| text.strip_prefix("postgres://"))
}

/// Splits what follows the scheme. Messages repeat nothing of it: a character that is not encoded moves a part of the
/// password to any other place.
///
/// # Errors
/// A sentence.
pub(super) fn parse(rest: &str) -> Result<Settings, String> {
    let mut settings = Settings::default();
    let user_end = rest.find(['@', '/']).filter(|&end| rest.get(end..).is_some_and(|rest| rest.starts_with('@')));
    let (user, rest) = match user_end.and_then(|end| rest.split_at_checked(end)) {
        Some((user, rest)) => (user, rest.strip_prefix('@').unwrap_or(rest)),
        None => ("", rest),
    };
    if rest.contains('@') {
        return Err(
            "there is an “@” behind the hosts. In a user name and a password write %40 instead of @, %2F instead \
                    of /, %3F instead of ? and %3A instead of :; elsewhere write %40 instead of @"
                .to_owned(),
        );
    }
    let (name, password) = user.split_once(':').unwrap_or((user, ""));
    add(&mut settings, "user", name)?;
    add(&mut settings, "password", password)?;
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (hosts, database) = rest.split_once('/').unwrap_or((rest, ""));
    parse_hosts(&mut settings, hosts)?;
    add(&mut settings, "dbname", database)?;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (keyword, value) =
            pair.split_once('=').ok_or("a setting behind the question mark is not written keyword=value")?;
        settings.add(decode(keyword)?, decode(value)?);
    }
    Ok(settings)
}

/// Hosts with commas between them, each with its port.
fn parse_hosts(settings: &mut Settings, hosts: &str) -> Result<(), String> {
    let (mut names, mut ports) = (Vec::new(), Vec::new());
    for host in hosts.split(',') {
        let (name, port) = match host.strip_prefix('[') {
            Some(host) => {
                let (name, port) = host.split_once(']').ok_or("an IPv6 address has no closing bracket")?;
                let port = if port.is_empty() { Some("") } else { port.strip_prefix(':') };
                (name, port.ok_or("there are characters between an IPv6 address and the colon of its port")?)
            }
            None => host.split_once(':').unwrap_or((host, "")),
        };
        names.push(decode(name)?);
        ports.push(decode(port)?);
    }
    for (keyword, values) in [("host", names), ("port", ports)] {
        if values.iter().any(|value| !value.is_empty()) {
            settings.add(keyword.to_owned(), values.join(","));
        }
    }
    Ok(())
}

fn add(settings: &mut Settings, keyword: &str, value: &str) -> Result<(), String> {
    if !value.is_empty() {
        settings.add(keyword.to_owned(), decode(value)?);
    }
    Ok(())
}

/// Percent-decodes.
fn decode(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next(), rest.next()].map(|digit| char::from(digit.unwrap_or(b'?')).to_digit(16));
            match digits.map(|digit| digit.and_then(|digit| u8::try_from(digit).ok())) {
                [Some(high), Some(low)] => bytes.push(high << 4 | low),
                _ => return Err("a “%” is not followed by two hexadecimal digits. Write %25 for a “%”".to_owned()),
            }
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).map_err(|_| "the percent-encoded bytes are not UTF-8".to_owned())
}
