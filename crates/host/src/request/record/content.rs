//! The contents of records, by type: checked, and written in the form of a zone file.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{RecordType, target, text};
use crate::problem::Problem;
use crate::request::values::Domain;

/// The priority of an MX record without one.
const MX_PRIORITY: u16 = 10;

/// Checks the content of a record; returns its priority, if its type has one, and the rest in the form of a zone file. The
/// priority may be part of the content, as in a zone file.
///
/// # Errors
/// The content is not one of this type.
pub fn parse(
    kind: RecordType,
    text: &str,
    priority: Option<u16>,
    zone: &Domain,
) -> Result<(Option<u16>, String), Problem> {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let (priority, found) = match (kind, words.as_slice()) {
        (RecordType::A, [word]) => (None, word.parse().ok().map(|address: Ipv4Addr| address.to_string())),
        (RecordType::Aaaa, [word]) => (None, word.parse().ok().map(|address: Ipv6Addr| address.to_string())),
        (RecordType::Cname | RecordType::Ns, [word]) => (None, target(word, zone)),
        (RecordType::Mx, [host]) => (Some(priority.unwrap_or(MX_PRIORITY)), mail_host(host, zone)),
        (RecordType::Mx, [first, host]) => (Some(same(first, priority)?), mail_host(host, zone)),
        (RecordType::Srv, [weight, port, host]) => (Some(priority.unwrap_or(0)), service(weight, port, host, zone)),
        (RecordType::Srv, [first, weight, port, host]) => {
            (Some(same(first, priority)?), service(weight, port, host, zone))
        }
        (RecordType::Txt, _) => (None, Some(text::quoted(text)?)),
        (RecordType::Caa, [flags, tag, _, ..]) => (None, authority(text, flags, tag)),
        _ => (None, None),
    };
    match found {
        Some(content) => Ok((priority, content)),
        None => Err(Problem::invalid("content", rule(kind))),
    }
}

fn rule(kind: RecordType) -> &'static str {
    match kind {
        RecordType::A => "must be an IPv4 address such as 203.0.113.5",
        RecordType::Aaaa => "must be an IPv6 address such as 2001:db8::5",
        RecordType::Cname | RecordType::Ns => "must be the full name of a host, such as host.example.com",
        RecordType::Mx => "must be the full name of a mail server, such as mail.example.com",
        RecordType::Srv => "must be weight, port and full name of a host, such as: 0 5060 sip.example.com",
        RecordType::Txt => "must be a text",
        RecordType::Caa => "must be flags, tag and value, such as: 0 issue \"letsencrypt.org\"",
    }
}

/// The priority in the content, which must not contradict the field.
fn same(word: &str, priority: Option<u16>) -> Result<u16, Problem> {
    let number = word.parse().map_err(|_| Problem::invalid("content", "must begin with a priority from 0 to 65535"))?;
    match priority {
        Some(priority) if priority != number => {
            Err(Problem::invalid("content", format!("begins with the priority {number}, but “priority” is {priority}")))
        }
        _ => Ok(number),
    }
}

/// A mail server, or `.` for a domain without mail (RFC 7505).
fn mail_host(host: &str, zone: &Domain) -> Option<String> {
    if host == "." { Some(host.to_owned()) } else { target(host, zone) }
}

/// The content of an SRV record; the host `.` means that there is no such service (RFC 2782).
fn service(weight: &str, port: &str, host: &str, zone: &Domain) -> Option<String> {
    let (weight, port): (u16, u16) = (weight.parse().ok()?, port.parse().ok()?);
    Some(format!("{weight} {port} {}", mail_host(host, zone)?))
}

/// The content of a CAA record (RFC 8659 §4.1).
fn authority(text: &str, flags_word: &str, tag: &str) -> Option<String> {
    let flags: u8 = flags_word.parse().ok()?;
    let is_tag = (1..=15).contains(&tag.len()) && tag.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let value = text.trim().strip_prefix(flags_word)?.trim_start().strip_prefix(tag)?.trim_start();
    let value = match value.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"')?,
        None => value,
    };
    // Values have neither quotes nor backslashes: they are domains, parameters and URLs.
    let is_value =
        value.len() <= 255 && value.bytes().all(|byte| matches!(byte, b' '..=b'~') && !b"\"\\".contains(&byte));
    (is_tag && is_value).then(|| format!("{flags} {} \"{value}\"", tag.to_ascii_lowercase()))
}
