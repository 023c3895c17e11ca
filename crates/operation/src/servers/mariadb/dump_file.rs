//! The file of a dump: a line of ours, what `mariadb-dump` wrote, and a last line that says that it is whole.
//!
//! On the way back into a server, the definers of views, triggers, events and routines are left out: to set them would take a
//! privilege to act as any user. Nothing depends on this filter but that the statements succeed, because the user who runs
//! them cannot do more than the account's own.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;

use opterius_host::problem::Problem;

const FIRST: &str = "-- Opterius dump 1 ";
const LAST: &[u8] = b"-- Opterius dump is whole\n";

/// Longest first line, in bytes.
const MAX_FIRST: u64 = 200;

/// How much of a line is held at once, in bytes; also, how far into a line a definer is looked for.
const CHUNK: u64 = 64 * 1024;

/// How lines begin in which `mariadb-dump` or `mysqldump` names a definer.
const DEFINERS: [&[u8]; 5] = [
    b"CREATE DEFINER=",
    b"/*!50013 DEFINER=",
    b"/*!50003 CREATE*/ /*!50017 DEFINER=",
    b"/*!50003 CREATE*/ /*!50020 DEFINER=",
    b"/*!50106 CREATE*/ /*!50117 DEFINER=",
];

/// Characters of a database by default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Characters {
    pub set: String,
    pub collation: String,
}

impl Characters {
    /// None if these are no names of MariaDB's.
    pub(super) fn new(set: &str, collation: &str) -> Option<Self> {
        let is_name =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        (is_name(set) && is_name(collation)).then(|| Self { set: set.to_owned(), collation: collation.to_owned() })
    }
}

/// Writes the first line.
pub(super) fn begin(mut file: &File, characters: &Characters) -> io::Result<()> {
    file.write_all(format!("{FIRST}{} {}\n", characters.set, characters.collation).as_bytes())
}

/// Writes the last line.
pub(super) fn end(mut file: &File) -> io::Result<()> {
    file.write_all(LAST)
}

/// A whole dump.
pub(super) struct Dump {
    file: File,
    /// The characters of the database.
    pub characters: Characters,
}

impl Dump {
    /// Reads the first and the last line.
    ///
    /// # Errors
    /// They are missing, so it is no dump, or a part of one.
    pub(super) fn open(file: OwnedFd) -> Result<Self, Problem> {
        let mut file = File::from(file);
        let broken = || Problem::failure("The dump of the database is damaged or incomplete".to_owned());
        let failed = |error: io::Error| Problem::failed("The dump of the database cannot be read", error);
        let length = i64::try_from(LAST.len()).unwrap_or(0);
        let mut last = Vec::new();
        file.seek(SeekFrom::End(length.saturating_neg())).map_err(|_| broken())?;
        file.read_to_end(&mut last).map_err(failed)?;
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        let mut first = Vec::new();
        BufReader::new(&file).take(MAX_FIRST).read_until(b'\n', &mut first).map_err(failed)?;
        let first = String::from_utf8_lossy(&first);
        let characters = first.trim_end().strip_prefix(FIRST).and_then(|rest| rest.split_once(' '));
        let characters = characters.and_then(|(set, collation)| Characters::new(set, collation));
        if last != LAST { Err(broken()) } else { Ok(Self { file, characters: characters.ok_or_else(broken)? }) }
    }

    /// Its lines from the beginning, to be read once at a time.
    pub(super) fn lines(&self) -> io::Result<BufReader<File>> {
        let mut file = self.file.try_clone()?;
        file.seek(SeekFrom::Start(0))?;
        Ok(BufReader::new(file))
    }
}

/// Copies a dump, without definers, and with another name of the database where statements name it.
pub(super) fn copy(mut from: impl BufRead, mut to: impl Write, database: &str, other: &str) -> io::Result<()> {
    let mut line = Vec::new();
    let mut place = Place::default();
    let mut is_start = true;
    loop {
        line.clear();
        if from.by_ref().take(CHUNK).read_until(b'\n', &mut line)? == 0 {
            return to.flush();
        }
        let [before, between, rest] =
            if is_start { place.parts(&line, database, other) } else { [line.as_slice(), b"", b""] };
        to.write_all(before)?;
        to.write_all(between)?;
        to.write_all(rest)?;
        is_start = line.ends_with(b"\n");
    }
}

/// Where a line is. Routines, triggers and events have blocks with a delimiter of their own, and what follows the first line of
/// their statement is a tenant's text, whatever it looks like.
#[derive(Default)]
struct Place {
    /// The delimiter of the block; empty outside of blocks.
    delimiter: Vec<u8>,
    is_body: bool,
}

impl Place {
    /// A line in three parts: what is kept, what is new, and what is kept again.
    fn parts<'a>(&mut self, line: &'a [u8], database: &str, other: &'a str) -> [&'a [u8]; 3] {
        if let Some(delimiter) = line.strip_prefix(b"DELIMITER ").map(<[u8]>::trim_ascii_end) {
            if delimiter == b";" {
                *self = Self::default();
            } else if self.delimiter.is_empty() {
                delimiter.clone_into(&mut self.delimiter);
            }
            return [line, b"", b""];
        }
        // The delimiter of an event is in no line of its body.
        let is_statement = !self.is_body || line.trim_ascii_end().ends_with(&self.delimiter);
        if let Some(parts) = is_statement.then(|| renamed(line, database, other)).flatten() {
            return parts;
        }
        if let Some(parts) = (!self.is_body).then(|| without_definer(line)).flatten() {
            self.is_body = !self.delimiter.is_empty();
            return parts;
        }
        [line, b"", b""]
    }
}

/// A line in three parts, with another name of the database.
fn renamed<'a>(line: &'a [u8], database: &str, other: &'a str) -> Option<[&'a [u8]; 3]> {
    // The default of a column can be the next number of a sequence, which has the database in front of its name.
    let found = [("ALTER DATABASE `", "ALTER DATABASE `", "` CHARACTER SET "), ("  `", " DEFAULT nextval(`", "`.`")]
        .iter()
        .find_map(|(start, before, after)| {
            let named = format!("{before}{database}{after}");
            let is_found = |part: &[u8]| part == named.as_bytes();
            let at = line.starts_with(start.as_bytes()).then(|| line.windows(named.len()).position(is_found))??;
            Some(at.saturating_add(before.len()))
        })?;
    let end = found.saturating_add(database.len());
    Some([line.get(..found)?, other.as_bytes(), line.get(end..)?])
}

/// A line that names a definer in three parts, of which the second is empty.
fn without_definer(line: &[u8]) -> Option<[&[u8]; 3]> {
    DEFINERS.iter().find_map(|start| {
        let rest = line.strip_prefix(*start).and_then(after_account)?;
        let kept = start.len().saturating_sub(b"DEFINER=".len());
        Some([line.get(..kept)?, b"".as_slice(), rest])
    })
}

/// What follows an account: `user`@`host`, or a role.
fn after_account(text: &[u8]) -> Option<&[u8]> {
    let rest = after_quoted(text)?;
    rest.strip_prefix(b"@").map_or(Some(rest), after_quoted)
}

/// What follows a name in backticks.
fn after_quoted(text: &[u8]) -> Option<&[u8]> {
    let mut rest = text.strip_prefix(b"`")?;
    loop {
        let at = rest.iter().position(|byte| *byte == b'`')?;
        rest = rest.get(at.saturating_add(1)..)?;
        match rest.strip_prefix(b"`") {
            Some(more) => rest = more,
            None => return Some(rest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn copied(text: &str) -> String {
        let mut to = Vec::new();
        copy(text.as_bytes(), &mut to, "a_b", "x:y").unwrap();
        String::from_utf8(to).unwrap()
    }

    #[test]
    fn definers_are_left_out() {
        for (from, to) in [
            ("CREATE DEFINER=`a_u`@`localhost` PROCEDURE `p`()\n", "CREATE  PROCEDURE `p`()\n"),
            ("CREATE DEFINER=`ro``le` FUNCTION `f`()\n", "CREATE  FUNCTION `f`()\n"),
            ("/*!50013 DEFINER=`a`@`%` SQL SECURITY INVOKER */\n", "/*!50013  SQL SECURITY INVOKER */\n"),
            (
                "/*!50003 CREATE*/ /*!50017 DEFINER=`a`@`b`*/ /*!50003 TRIGGER `t`\n",
                "/*!50003 CREATE*/ /*!50017 */ /*!50003 TRIGGER `t`\n",
            ),
            ("/*!50106 CREATE*/ /*!50117 DEFINER=`a`@`b`*/ x", "/*!50106 CREATE*/ /*!50117 */ x"),
            ("  `id` int(11) DEFAULT nextval(`a_b`.`s`),\n", "  `id` int(11) DEFAULT nextval(`x:y`.`s`),\n"),
            ("ALTER DATABASE `a_b` CHARACTER SET latin1;\n", "ALTER DATABASE `x:y` CHARACTER SET latin1;\n"),
        ] {
            assert_eq!(copied(from), to);
        }
    }

    #[test]
    fn the_body_of_a_routine_or_an_event_stays() {
        let body = "BEGIN\nSELECT '\nCREATE DEFINER=`a`@`b` VIEW x\n/*!50013 DEFINER=`a`@`b` y\nALTER DATABASE `a_b` CHARACTER SET z';\n";
        let text = |definer: &str, name: &str| {
            format!(
                "DELIMITER ;;\n/*!50003 SET x */ ;;\n/*!50106 CREATE*/ /*!50117 {definer}*/ /*!50106 EVENT `e` {body}END */ ;;\nALTER \
                 DATABASE `{name}` CHARACTER SET latin1 ;;\nDELIMITER ;\nDELIMITER ;;\nCREATE {definer} PROCEDURE `p`()\n{body}END \
                 ;;\nDELIMITER ;\nALTER DATABASE `{name}` CHARACTER SET x ;\n/*!50013 {definer} SQL */\n"
            )
        };
        assert_eq!(copied(&text("DEFINER=`a`@`b`", "a_b")), text("", "x:y"));
    }

    #[test]
    fn everything_else_stays() {
        let long = format!("('{}CREATE DEFINER=`a`@`b` x'),\n", "x".repeat(65534));
        for text in [
            "",
            "\n",
            " CREATE DEFINER=`a`@`b` PROCEDURE\n",
            "('CREATE DEFINER=`a`@`b`')\n",
            "CREATE DEFINER=`a",
            "CREATE DEFINER=a@b x\n",
            "ALTER DATABASE `a_bc` CHARACTER SET x\n",
            "ALTER DATABASE `a_b` COMMENT x\n",
            "('  ` DEFAULT nextval(`a_b`.`s`)'),\n",
            &long,
        ] {
            assert_eq!(copied(text), text);
        }
    }
}
