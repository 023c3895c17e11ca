use std::os::unix::fs::symlink;

use super::*;
use crate::testing::{Tree, named, soon};

const NOW: &str = "2026-11-25T13:00:00Z";

fn now() -> Timestamp {
    Timestamp::parse_rfc3339(NOW).unwrap()
}

fn line(time: &str, bytes: &str) -> String {
    format!("203.0.113.9 - - [{time}] \"GET / HTTP/1.1\" 200 {bytes} \"-\" \"Mozilla/5.0 (X11; Linux) \\x22[x]\"\n")
}

fn traffic(requests: u64, bytes: u64) -> Traffic {
    Traffic { requests, bytes }
}

#[test]
fn time_and_bytes_are_read_from_the_combined_format() {
    let at = Timestamp::parse_rfc3339("2026-11-25T12:32:16Z").unwrap().unix();
    let table = [
        (line("25/Nov/2026:13:32:16 +0100", "512"), Some(Entry { at, bytes: 512 })),
        (line("25/Nov/2026:07:02:16 -0530", "0"), Some(Entry { at, bytes: 0 })),
        // A username can contain any character but a quote.
        (
            "::1 - a [01/Jan/2020:00:00:00 +0000] b [25/Nov/2026:12:32:16 +0000] \"\" 400 7 \"-\" \"-\"".to_owned(),
            Some(Entry { at, bytes: 7 }),
        ),
        (line("31/Feb/2026:13:32:16 +0100", "512"), None),
        (line("25/Foo/2026:13:32:16 +0100", "512"), None),
        (line("25/Nov/2026:13:32:16", "512"), None),
        (line("25/Nov/2026:13:32:16 +99999999999", "512"), None),
        (line("25/Nov/2026:13:32:16 +0100", "-"), None),
        ("not a log line".to_owned(), None),
        (String::new(), None),
    ];
    for (text, expected) in table {
        assert_eq!(entry(text.as_bytes()), expected, "{text}");
    }
    assert_eq!(entry(b"\xff\xff \"\xff\" \xff \xff"), None);
}

#[test]
fn a_month_starts_and_ends_at_midnight_utc() {
    let table = [
        ("2026-11-25T13:00:00Z", "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z"),
        ("2026-12-31T23:59:59Z", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"),
        ("2028-02-01T00:00:00Z", "2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z"),
    ];
    for (now, begin, end) in table {
        let unix = |text| Timestamp::parse_rfc3339(text).unwrap().unix();
        assert_eq!(month_of(Timestamp::parse_rfc3339(now).unwrap()), unix(begin)..unix(end), "{now}");
    }
}

#[test]
fn the_month_is_summed_over_the_current_and_the_previous_log() {
    let tree = Tree::new();
    let long = "a".repeat(100_000);
    let log = [
        line("31/Oct/2026:23:59:59 +0000", "1"),
        // November in UTC: one just after its start, one just before its end.
        line("31/Oct/2026:23:30:00 -0100", "10"),
        line("01/Dec/2026:00:30:00 +0100", "100"),
        format!("{long}\n"),
        // The rest of a long line is not parsed as a line.
        format!("{long}{}", line("25/Nov/2026:12:00:00 +0000", "1000000")),
        line("25/Nov/2026:12:00:00 +0000", "1000"),
        // Not yet terminated.
        line("25/Nov/2026:12:00:01 +0000", "10000").trim_end().to_owned(),
    ];
    tree.write("/var/log/opterius/sites/example.com/access.log", log.concat());
    tree.write("/var/log/opterius/sites/example.com/access.log.1", line("02/Nov/2026:12:00:00 +0000", "100000"));
    tree.write("/var/log/opterius/sites/example.com/access.log.2", line("02/Nov/2026:12:00:00 +0000", "1"));
    let measured = |domain| measure(&tree.host, &named(domain), now(), soon()).unwrap();
    assert_eq!(measured("example.com"), traffic(5, 111_110));
    assert_eq!(measured("other.com"), traffic(0, 0));
}

#[test]
fn only_a_regular_file_in_the_log_directory_is_a_log() {
    let tree = Tree::new();
    let real = tree.write("/elsewhere/access.log", line("25/Nov/2026:12:00:00 +0000", "1"));
    let logs = tree.directory("/var/log/opterius/sites/a.com");
    symlink(&real, logs.join("access.log")).unwrap();
    rustix::fs::mknodat(CWD, logs.join("access.log.1"), rustix::fs::FileType::Fifo, Mode::RUSR, 0).unwrap();
    symlink(real.parent().unwrap(), logs.with_file_name("b.com")).unwrap();
    for domain in ["a.com", "b.com"] {
        assert_eq!(measure(&tree.host, &named(domain), now(), soon()).unwrap(), traffic(0, 0), "{domain}");
    }
}

#[test]
fn reading_stops_at_the_deadline() {
    let tree = Tree::new();
    tree.write("/var/log/opterius/sites/a.com/access.log", line("25/Nov/2026:12:00:00 +0000", "1"));
    let over = Deadline::within(std::time::Duration::ZERO);
    assert!(matches!(measure(&tree.host, &named("a.com"), now(), over), Err(Problem::TimedOut(_))));
}
