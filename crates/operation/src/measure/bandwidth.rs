//! A site's traffic in the current month, from nginx's access logs.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::ops::Range;

use rustix::fs::{CWD, Mode, OFlags, openat};
use time::{Date, Month, OffsetDateTime, Time, UtcOffset};

use opterius_base::clock::Timestamp;
use opterius_base::deadline::Deadline;
use opterius_host::host::Host;
use opterius_host::layout::LOGS;
use opterius_host::problem::Problem;
use opterius_host::request::values::Domain;

/// The current log and the previous one.
const FILES: [&str; 2] = ["access.log", "access.log.1"];

/// Longest part of a line that is parsed, in bytes. nginx accepts request lines of 8 KiB; the relevant fields follow it.
const MAX_LINE: u64 = 16 * 1024;

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// The traffic of a site.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Answered requests.
    pub requests: u64,
    /// Bytes of response bodies.
    pub bytes: u64,
}

/// The traffic of a site in the month of `now` (UTC).
///
/// # Errors
/// Reading the logs timed out.
pub fn measure(host: &Host, domain: &Domain, now: Timestamp, deadline: Deadline) -> Result<Traffic, Problem> {
    let month = month_of(now);
    let mut traffic = Traffic::default();
    for name in FILES {
        if let Some(log) = open_log(host, domain, name) {
            add(&mut traffic, BufReader::with_capacity(64 * 1024, log), &month, deadline)?;
        }
    }
    Ok(traffic)
}

/// Opens a log of a site; none if it is not a regular file.
pub fn open_log(host: &Host, domain: &Domain, name: &str) -> Option<File> {
    let common = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let directory = host.path(LOGS).join(domain.as_str());
    let opened = openat(CWD, &directory, common | OFlags::DIRECTORY, Mode::empty())
        .and_then(|directory| openat(directory, name, common, Mode::empty()));
    let file = File::from(opened.ok()?);
    file.metadata().is_ok_and(|metadata| metadata.is_file()).then_some(file)
}

fn add(traffic: &mut Traffic, mut log: impl BufRead, month: &Range<i64>, deadline: Deadline) -> Result<(), Problem> {
    let mut line = Vec::new();
    let mut is_line_start = true;
    loop {
        line.clear();
        // Treat a read error as the end of the log.
        if log.by_ref().take(MAX_LINE).read_until(b'\n', &mut line).unwrap_or(0) == 0 {
            return Ok(());
        }
        if deadline.is_over() {
            let sentence = "The access logs are too large to be read within the time limit.";
            return Err(Problem::TimedOut(sentence.to_owned()));
        }
        let entry = if is_line_start { entry(&line) } else { None };
        if let Some(entry) = entry.filter(|entry| month.contains(&entry.at)) {
            traffic.requests = traffic.requests.saturating_add(1);
            traffic.bytes = traffic.bytes.saturating_add(entry.bytes);
        }
        is_line_start = line.ends_with(b"\n");
    }
}

/// The relevant fields of a line: the time in seconds since 1970, and the bytes sent.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    at: i64,
    bytes: u64,
}

/// Parses a line in the combined format. Text from clients is quoted, and nginx writes their quotes as `\x22`. The only
/// exception is the name of an authenticated user, which comes before the time.
fn entry(line: &[u8]) -> Option<Entry> {
    let mut parts = line.split(|byte| *byte == b'"');
    let (before, _request, after) = (parts.next()?, parts.next()?, parts.next()?);
    let time = before.rsplit(|byte| *byte == b'[').next()?.split(|byte| *byte == b']').next()?;
    let mut numbers = after.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    let (_status, bytes) = (numbers.next()?, numbers.next()?);
    Some(Entry { at: instant(str::from_utf8(time).ok()?)?, bytes: str::from_utf8(bytes).ok()?.parse().ok()? })
}

/// Parses `25/Nov/2026:13:32:16 +0100` to seconds since 1970.
fn instant(text: &str) -> Option<i64> {
    let (local, offset) = text.split_once(' ')?;
    let mut parts = local.split(['/', ':']);
    let mut next = || parts.next();
    let (day, month, year) = (next()?.parse().ok()?, next()?, next()?.parse().ok()?);
    let (hour, minute, second) = (next()?.parse().ok()?, next()?.parse().ok()?, next()?.parse().ok()?);
    let number = MONTHS.iter().position(|name| *name == month)?;
    let month = Month::try_from(u8::try_from(number.checked_add(1)?).ok()?).ok()?;
    // +0130 is 1 h 30 min.
    let offset: i32 = offset.parse().ok()?;
    let offset = UtcOffset::from_whole_seconds(offset / 100 * 3600 + offset % 100 * 60).ok()?;
    let date = Date::from_calendar_date(year, month, day).ok()?;
    let time = Time::from_hms(hour, minute, second).ok()?;
    Some(OffsetDateTime::new_in_offset(date, time, offset).unix_timestamp())
}

/// The month (UTC) of an instant, as a range of seconds since 1970.
fn month_of(now: Timestamp) -> Range<i64> {
    let begin = |date: Date| OffsetDateTime::new_utc(date, Time::MIDNIGHT).unix_timestamp();
    let today = OffsetDateTime::from_unix_timestamp(now.unix()).map_or(Date::MIN, OffsetDateTime::date);
    let first = today.replace_day(1).unwrap_or(today);
    let days = i64::from(first.month().length(first.year()));
    begin(first)..begin(first) + days * 86_400
}

#[cfg(test)]
#[path = "bandwidth_tests.rs"]
mod tests;
