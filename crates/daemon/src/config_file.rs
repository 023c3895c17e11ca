//! A configuration file of `key=value` lines: read from disk, split into entries, and converted to typed values, with a
//! one-sentence message for every error. The daemon defines the keys and their meaning.

use std::fmt;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Read};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use opterius_base::text::{cause, is_invisible};
use rustix::fs::OFlags;

use crate::log::LogTarget;
use crate::near_miss::near_miss;
use crate::{EXIT_CONFIGURATION, EXIT_PERMISSION};

/// Largest configuration file, in bytes.
const MAX_FILE: u64 = 64 * 1024;

/// Longest part of an unknown key that a message shows, in characters.
const MAX_SHOWN_KEY: usize = 40;

/// Why the configuration cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// This user is not permitted to read the file, or a file that it names.
    Permission(String),
    /// Any other error.
    Invalid(String),
}

impl Error {
    /// The exit code for a configuration that cannot be used.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Permission(_) => EXIT_PERMISSION,
            Self::Invalid(_) => EXIT_CONFIGURATION,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Permission(sentence) | Self::Invalid(sentence) => formatter.write_str(sentence),
        }
    }
}

/// The absolute form of a path from the command line: the programs that use the file later run in other directories. A path
/// that has none stays as it is, and cannot be read.
pub fn absolute(path: impl Into<PathBuf>) -> PathBuf {
    let path = path.into();
    std::path::absolute(&path).unwrap_or(path)
}

/// Reads the file, which must be a regular file of limited size in UTF-8. `creation` completes the message for a missing
/// file, for example “Create it with at least the line secret=…”.
///
/// # Errors
/// One sentence with the file's path and the fix.
pub fn read(path: &Path, creation: &str) -> Result<String, Error> {
    let shown = path.display();
    // Opening a pipe or a device must not block.
    let flags = (OFlags::NONBLOCK | OFlags::CLOEXEC).bits().cast_signed();
    let opened = OpenOptions::new().read(true).custom_flags(flags).open(path);
    let file = opened.map_err(|error| match error.kind() {
        ErrorKind::NotFound => {
            Error::Invalid(format!("{shown}: there is no such file. {creation}, or name another with --config PATH"))
        }
        ErrorKind::PermissionDenied => {
            Error::Permission(format!("{shown}: permission denied. Run as root, or let this user read the file"))
        }
        _ => Error::Invalid(format!("{shown}: cannot be opened: {}", cause(&error))),
    })?;
    let metadata = file.metadata().map_err(|error| Error::Invalid(format!("{shown}: {}", cause(&error))))?;
    if !metadata.is_file() {
        return Err(Error::Invalid(format!("{shown}: is not a regular file")));
    }
    let mut bytes = Vec::new();
    file.take(MAX_FILE.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|error| Error::Invalid(format!("{shown}: cannot be read: {}", cause(&error))))?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > MAX_FILE) {
        return Err(Error::Invalid(format!(
            "{shown}: is larger than {} KiB, the limit for a configuration file",
            MAX_FILE / 1024
        )));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
        let line = valid.split(|byte| *byte == b'\n').count();
        Error::Invalid(format!("{shown}:{line}: is not UTF-8 text; save the file as UTF-8"))
    })
}

/// The keys of a file.
pub trait Key: Copy + PartialEq + 'static {
    /// The owner of the keys in a sentence, such as “the Agent”.
    const SUBJECT: &'static str;
    /// Keys without which the daemon would run with the wrong settings: a misspelling of one is an error, not a warning.
    const VITAL: &'static [&'static str];
    /// All keys with their names.
    const KEYS: &'static [(&'static str, Self)];
}

/// The key with this name, ignoring case.
pub fn find<K: Key>(key: &str) -> Option<K> {
    K::KEYS.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, known)| *known)
}

/// One line with a known key.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a, K> {
    known: K,
    /// The key, as spelled in the file.
    pub key: &'a str,
    /// The value, without surrounding quotes.
    pub value: &'a str,
    /// The line number, starting at 1.
    pub line: usize,
}

/// The lines of a file that have known keys, each key once.
#[derive(Clone, Debug)]
pub struct Entries<'a, K> {
    name: &'a str,
    entries: Vec<Entry<'a, K>>,
}

impl<'a, K: Key> Entries<'a, K> {
    /// Splits the text of the file, which messages call `name`. Tolerated mistakes are added to `warnings`.
    ///
    /// # Errors
    /// One sentence with file, line and fix.
    pub fn parse(text: &'a str, name: &'a str, warnings: &mut Vec<String>) -> Result<Self, Error> {
        let mut entries: Vec<Entry<'a, K>> = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let number = index.saturating_add(1);
            let Some(entry) = entry::<K>(line, number, name, warnings)? else { continue };
            if let Some(earlier) = entries.iter_mut().find(|earlier| earlier.known == entry.known) {
                let (key, earlier_line) = (entry.key, earlier.line);
                warnings.push(format!("{name}:{number}: {key} overrides the value in line {earlier_line}"));
                *earlier = entry;
            } else {
                entries.push(entry);
            }
        }
        Ok(Self { name, entries })
    }

    /// The file's name in messages.
    pub fn name(&self) -> &str {
        self.name
    }

    /// The line with this key.
    pub fn entry(&self, known: K) -> Option<&Entry<'a, K>> {
        debug_assert!(K::KEYS.iter().any(|(_, key)| *key == known), "every key must be listed in KEYS");
        self.entries.iter().find(|entry| entry.known == known)
    }

    /// The value, unless it is empty: an empty value means the default, like a missing key.
    pub fn value(&self, known: K) -> Option<(&Entry<'a, K>, &'a str)> {
        self.entry(known).filter(|entry| !entry.value.is_empty()).map(|entry| (entry, entry.value))
    }

    /// A message about a line: file, line and key, followed by `sentence`.
    pub fn about(&self, entry: &Entry<'_, K>, sentence: impl fmt::Display) -> String {
        format!("{}:{}: {} {sentence}", self.name, entry.line, entry.key)
    }

    /// The same message as an error.
    pub fn wrong(&self, entry: &Entry<'_, K>, sentence: impl fmt::Display) -> Error {
        Error::Invalid(self.about(entry, sentence))
    }

    /// An integer from `min` to `max`.
    ///
    /// # Errors
    /// The value is not such an integer.
    pub fn integer<T: TryFrom<u64>>(&self, known: K, default: T, min: u64, max: u64) -> Result<T, Error> {
        let Some((entry, value)) = self.value(known) else { return Ok(default) };
        let number = value.parse::<u64>().ok().filter(|number| (min..=max).contains(number));
        number
            .and_then(|number| T::try_from(number).ok())
            .ok_or_else(|| self.wrong(entry, format!("“{value}” must be a whole number from {min} to {max}")))
    }

    /// An absolute path.
    ///
    /// # Errors
    /// The value is a relative path.
    pub fn absolute_path(&self, known: K, default: &str) -> Result<PathBuf, Error> {
        match self.value(known) {
            None => Ok(PathBuf::from(default)),
            Some((_, value)) if value.starts_with('/') => Ok(PathBuf::from(value)),
            Some((entry, value)) => Err(self.wrong(entry, format!("“{value}” must be an absolute path"))),
        }
    }

    /// An IP address.
    ///
    /// # Errors
    /// The value is not an IP address.
    pub fn ip_address(&self, known: K, default: IpAddr) -> Result<IpAddr, Error> {
        match self.value(known) {
            None => Ok(default),
            Some((entry, value)) => value
                .parse()
                .map_err(|_| self.wrong(entry, format!("“{value}” is not an IP address such as 127.0.0.1"))),
        }
    }

    /// Host names, separated by commas.
    ///
    /// # Errors
    /// One of them is not a host name.
    pub fn host_names(&self, known: K) -> Result<Vec<String>, Error> {
        let Some((entry, value)) = self.value(known) else { return Ok(Vec::new()) };
        let names = value.split([',', ' ']).filter(|name| !name.is_empty());
        names
            .map(|name| {
                let is_name =
                    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'));
                let problem = || {
                    self.wrong(entry, format!("“{name}” is not a host name; separate names with commas, without ports"))
                };
                if is_name { Ok(name.to_owned()) } else { Err(problem()) }
            })
            .collect()
    }

    /// The log target.
    ///
    /// # Errors
    /// The value is not `auto`, `syslog` or `stderr`.
    pub fn log_target(&self, known: K) -> Result<LogTarget, Error> {
        match self.value(known) {
            None => Ok(LogTarget::Auto),
            Some((entry, value)) => match value.to_ascii_lowercase().as_str() {
                "auto" => Ok(LogTarget::Auto),
                "syslog" => Ok(LogTarget::Syslog),
                "stderr" => Ok(LogTarget::Stderr),
                _ => Err(self.wrong(entry, format!("“{value}” must be auto, syslog or stderr"))),
            },
        }
    }
}

fn entry<'a, K: Key>(
    line: &'a str,
    number: usize,
    name: &str,
    warnings: &mut Vec<String>,
) -> Result<Option<Entry<'a, K>>, Error> {
    let is_unseen = |character: char| character.is_whitespace() || is_invisible(character);
    let line = line.trim_start_matches(is_unseen).trim_end();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let Some((key, value)) = line.split_once('=') else {
        return Err(Error::Invalid(format!("{name}:{number}: this line is not key=value; {}", instead::<K>(line))));
    };
    let (key, value) = (key.trim_matches(is_unseen), unquote(value.trim()));
    if let Some(known) = find(key) {
        return Ok(Some(Entry { known, key, value, line: number }));
    }
    // Show only the key: if the key is a misspelling, the value may be a secret.
    let shown: String = key.chars().filter(|character| !character.is_control()).take(MAX_SHOWN_KEY).collect();
    let bare = bare_name(key);
    if let Some(meant) = K::VITAL.iter().find(|vital| vital.eq_ignore_ascii_case(bare)) {
        return Err(Error::Invalid(format!(
            "{name}:{number}: “{shown}” is not a key: write {meant}=… without quotes or other characters around the line"
        )));
    }
    if let Some(meant) = near_miss(key, K::VITAL) {
        return Err(Error::Invalid(format!("{name}:{number}: “{shown}” is not a key. Did you mean “{meant}”?")));
    }
    warnings.push(format!("{name}:{number}: “{shown}” is not a key of {}; the line is ignored", K::SUBJECT));
    Ok(None)
}

/// What is likely meant by a line without `=`.
fn instead<K: Key>(line: &str) -> String {
    match line.split_once([':', '＝', ' ', '\t']).and_then(|(key, _)| find::<K>(bare_name(key)).map(|_| bare_name(key)))
    {
        Some(key) => format!("write {key}=… with an equals sign"),
        None => "start comments with #, and write a value in the line of its key".to_owned(),
    }
}

/// A key without what is not part of any name.
fn bare_name(key: &str) -> &str {
    key.trim_matches(|character: char| !character.is_ascii_alphanumeric())
}

fn unquote(value: &str) -> &str {
    let quoted = |quote: char| value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    quoted('"').or_else(|| quoted('\'')).unwrap_or(value)
}

#[cfg(test)]
#[path = "config_file_tests.rs"]
mod tests;
