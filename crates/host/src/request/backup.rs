//! Backups of accounts: their kinds, and the names of their files.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

use crate::problem::Problem;
use crate::request::fields::Fields;
use crate::request::values::Username;
use opterius_base::clock::Timestamp;

/// How the names of backups end.
const END: &str = ".tar.gz";

/// What a backup contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BackupKind {
    /// Files and databases.
    Full,
    /// The home.
    Files,
    /// The databases.
    Databases,
}

impl BackupKind {
    const ALL: [Self; 3] = [Self::Full, Self::Files, Self::Databases];

    /// The word of requests and file names.
    pub fn word(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Files => "files",
            Self::Databases => "databases",
        }
    }

    /// Whether it contains the home.
    pub fn has_files(self) -> bool {
        self != Self::Databases
    }

    /// Whether it contains databases.
    pub fn has_databases(self) -> bool {
        self != Self::Files
    }

    /// The required field `type`.
    ///
    /// # Errors
    /// It is missing, or no kind of backup.
    pub fn parse(fields: &Fields) -> Result<Self, Problem> {
        let text = fields.text("type")?;
        if text == "email" {
            let rule = "must be full, files or databases: this version of the Agent manages no mailboxes";
            return Err(Problem::invalid("type", rule));
        }
        fields.one_of("type", &Self::ALL.map(|kind| (kind.word(), kind)))
    }
}

/// The name of a backup's file: `USERNAME_KIND_20261129T073015Z.tar.gz`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BackupName {
    username: Username,
    kind: &'static str,
    /// `20261129T073015Z`
    instant: String,
}

impl BackupName {
    /// The name of a backup that begins at `now`.
    pub fn new(username: Username, kind: BackupKind, now: Timestamp) -> Self {
        let instant = now.to_string().replace(['-', ':'], "");
        Self { username, kind: kind.word(), instant }
    }

    /// Parses a name; none if it is not a backup's.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.strip_suffix(END)?.rsplitn(3, '_');
        let (instant, kind, username) = (parts.next()?, parts.next()?, parts.next()?);
        let is_digit = |(at, byte): (usize, u8)| match at {
            8 => byte == b'T',
            15 => byte == b'Z',
            _ => byte.is_ascii_digit(),
        };
        if instant.len() != 16 || !instant.bytes().enumerate().all(is_digit) {
            return None;
        }
        let kind = BackupKind::ALL.into_iter().find(|known| known.word() == kind)?.word();
        Some(Self { username: Username::parse("username", username).ok()?, kind, instant: instant.to_owned() })
    }

    /// The required field `filename`.
    ///
    /// # Errors
    /// It is missing, or not the name of a backup.
    pub fn field(fields: &Fields) -> Result<Self, Problem> {
        let rule = "must be the name of a backup, as /backup/list returns it";
        Self::parse(fields.text("filename")?).ok_or_else(|| Problem::invalid("filename", rule))
    }

    /// The account.
    pub fn username(&self) -> &Username {
        &self.username
    }

    /// What the backup contains.
    pub fn kind(&self) -> BackupKind {
        BackupKind::ALL.into_iter().find(|kind| kind.word() == self.kind).unwrap_or(BackupKind::Full)
    }

    /// The order of creation: a later backup has a larger text.
    pub fn instant(&self) -> &str {
        &self.instant
    }

    /// Checks that it is a backup of this account: a request for one account never touches a backup of another.
    ///
    /// # Errors
    /// It is another account's.
    pub fn check_account(&self, username: &Username) -> Result<(), Problem> {
        if self.username == *username {
            return Ok(());
        }
        Err(Problem::invalid(
            "filename",
            format!("must be a backup of “{username}”, and is one of “{}”", self.username),
        ))
    }
}

impl fmt::Display for BackupName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}_{}_{}{END}", self.username, self.kind, self.instant)
    }
}

impl Serialize for BackupName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_whose_backup_it_is_of_what_and_from_when() {
        let at = Timestamp::parse_rfc3339("2026-11-29T07:30:15Z").unwrap();
        for (username, kind) in [("joe", BackupKind::Full), ("joe_x", BackupKind::Files), ("_", BackupKind::Databases)]
        {
            let username = Username::parse("username", username).unwrap();
            let name = BackupName::new(username.clone(), kind, at);
            assert_eq!(name.to_string(), format!("{username}_{}_20261129T073015Z.tar.gz", kind.word()));
            let parsed = BackupName::parse(&name.to_string()).unwrap();
            assert_eq!((parsed.username(), parsed.kind(), &parsed), (&username, kind, &name));
        }
        let earlier = BackupName::new(
            Username::parse("", "joe").unwrap(),
            BackupKind::Full,
            at.minus(std::time::Duration::from_secs(1)),
        );
        assert!(earlier.instant() < "20261129T073015Z");
    }

    #[test]
    fn nothing_else_is_a_name() {
        for text in [
            "",
            ".tar.gz",
            "joe_full_20261129T073015Z.tar",
            "joe_full_20261129T073015Z.tar.gz.json",
            "joe_full_20261129T073015.tar.gz",
            "joe_full_20261129 073015Z.tar.gz",
            "joe_email_20261129T073015Z.tar.gz",
            "_full_20261129T073015Z.tar.gz.tar.gz",
            "../joe_full_20261129T073015Z.tar.gz",
            "joe/../bob_full_20261129T073015Z.tar.gz",
            "Joe_full_20261129T073015Z.tar.gz",
            "full_20261129T073015Z.tar.gz",
            "joe_full_２0261129T073015Z.tar.gz",
        ] {
            assert_eq!(BackupName::parse(text), None, "{text}");
        }
    }
}
