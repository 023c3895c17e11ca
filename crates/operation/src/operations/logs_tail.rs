//! `/logs/tail`: reads the end of a site's log, or what was added since the last call.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use serde_json::{Value, json};

use crate::measure::bandwidth::open_log;
use crate::perform::{Context, Perform};
use crate::web::published_sites;
use opterius_host::problem::Problem;
use opterius_host::request::logs_tail::TailLog;

impl Perform for TailLog {
    fn perform(&self, Context { host, .. }: Context<'_>) -> Result<Value, Problem> {
        let TailLog { domain, username, log, offset, max_bytes } = self;
        if published_sites::owner(host, domain)?.as_ref() != Some(username) {
            return Err(Problem::NotFound(format!("The account “{username}” has no site “{domain}”.")));
        }
        let Some(file) = open_log(host, domain, log.file_name()) else {
            return Ok(json!({"data": "", "next_offset": 0, "missing": true}));
        };
        let part = Part::read(file, *offset, *max_bytes)
            .map_err(|error| Problem::failed(&format!("{} of {domain}", log.file_name()), error))?;
        Ok(json!({"data": part.text, "next_offset": part.next, "missing": false}))
    }
}

/// Part of a file.
#[derive(Debug, PartialEq, Eq)]
struct Part {
    text: String,
    /// Where the next part starts, in bytes.
    next: u64,
}

impl Part {
    /// Reads at most `limit` bytes starting at `offset`, or the last ones.
    fn read(mut file: File, offset: Option<u64>, limit: u64) -> io::Result<Self> {
        let length = file.metadata()?.len();
        let begin = match offset {
            // The log is shorter than before: it was rotated.
            Some(offset) if offset > length => 0,
            Some(offset) => offset,
            None => length.saturating_sub(limit),
        };
        file.seek(SeekFrom::Start(begin))?;
        let mut bytes = Vec::new();
        file.take(limit).read_to_end(&mut bytes)?;
        let is_full = u64::try_from(bytes.len()).is_ok_and(|length| length == limit);
        let shown = bytes.get(if offset.is_none() && begin > 0 { tail_of_character(&bytes) } else { 0 }..);
        let shown = shown.unwrap_or_default();
        let held_back = head_of_character(shown);
        // If the limit is smaller than a character, return part of it instead of never making progress.
        let held_back = if is_full && held_back == shown.len() { 0 } else { held_back };
        let shown = shown.get(..shown.len().saturating_sub(held_back)).unwrap_or_default();
        let read = u64::try_from(bytes.len().saturating_sub(held_back)).unwrap_or(u64::MAX);
        Ok(Self { text: String::from_utf8_lossy(shown).into_owned(), next: begin.saturating_add(read) })
    }
}

/// The number of bytes at the start that belong to a character that started before.
fn tail_of_character(bytes: &[u8]) -> usize {
    bytes.iter().take(3).take_while(|byte| (0x80..0xc0).contains(*byte)).count()
}

/// The number of bytes at the end that belong to an incomplete character.
fn head_of_character(bytes: &[u8]) -> usize {
    let last = bytes.utf8_chunks().last().map(|chunk| chunk.invalid()).unwrap_or_default();
    // Do not wait for more bytes if these are invalid anyway.
    let is_begun = str::from_utf8(last).is_err_and(|error| error.error_len().is_none());
    if is_begun { last.len() } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Tree, named, user};
    use opterius_host::request::logs_tail::SiteLog;

    fn part(content: &[u8], offset: Option<u64>, most: u64) -> (String, u64) {
        let tree = Tree::new();
        let file = File::open(tree.write("/log", content)).unwrap();
        let part = Part::read(file, offset, most).unwrap();
        (part.text, part.next)
    }

    #[test]
    fn a_part_starts_where_the_last_one_ended() {
        type Row<'a> = (&'a [u8], Option<u64>, u64, &'a str, u64);
        let table: [Row<'_>; 15] = [
            (b"one\ntwo\n", None, 100, "one\ntwo\n", 8),
            (b"one\ntwo\n", None, 4, "two\n", 8),
            (b"one\ntwo\n", Some(0), 4, "one\n", 4),
            (b"one\ntwo\n", Some(4), 100, "two\n", 8),
            (b"one\ntwo\n", Some(8), 100, "", 8),
            // The log was rotated.
            (b"one\ntwo\n", Some(9), 100, "one\ntwo\n", 8),
            (b"", None, 100, "", 0),
            (b"", Some(5), 100, "", 0),
            // Characters stay whole: ä is two bytes.
            ("aä".as_bytes(), Some(0), 2, "a", 1),
            ("aä".as_bytes(), Some(1), 2, "ä", 3),
            ("ää".as_bytes(), None, 3, "ä", 4),
            // An incomplete character.
            (b"a\xc3", Some(0), 100, "a", 1),
            // A character larger than the limit, and invalid bytes.
            ("ä".as_bytes(), Some(0), 1, "\u{fffd}", 1),
            (b"a\xffb\xff", Some(0), 100, "a\u{fffd}b\u{fffd}", 4),
            (b"\x80\x80\x80\x80b", None, 4, "b", 5),
        ];
        for (content, offset, most, text, next) in table {
            assert_eq!(part(content, offset, most), (text.to_owned(), next), "{content:?} {offset:?} {most}");
        }
    }

    fn ask(tree: &Tree, domain: &str, username: &str) -> Result<Value, Problem> {
        let (domain, username) = (named(domain), user(username));
        let request = TailLog { domain, username, log: SiteLog::Error, offset: None, max_bytes: 100 };
        tree.perform(&request)
    }

    #[test]
    fn a_log_is_read_only_for_the_owner_of_the_site() {
        let tree = Tree::new();
        tree.account(&["example.com", "empty.com", "linked.com"]);
        let log = tree.write("/var/log/opterius/sites/example.com/error.log", "oh\n");
        assert_eq!(
            ask(&tree, "example.com", "alice").unwrap(),
            json!({"data": "oh\n", "next_offset": 3, "missing": false})
        );
        let missing = json!({"data": "", "next_offset": 0, "missing": true});
        assert_eq!(ask(&tree, "empty.com", "alice").unwrap(), missing);
        let linked = tree.directory("/var/log/opterius/sites/linked.com");
        std::os::unix::fs::symlink(log, linked.join("error.log")).unwrap();
        assert_eq!(ask(&tree, "linked.com", "alice").unwrap(), missing);
        for (domain, username) in [("example.com", "bob"), ("unknown.com", "alice")] {
            assert!(matches!(ask(&tree, domain, username), Err(Problem::NotFound(_))), "{domain} {username}");
        }
    }
}
