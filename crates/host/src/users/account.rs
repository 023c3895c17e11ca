//! Account records: what /etc/passwd does not contain, that is, the creation time and the state to restore after a
//! suspension.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::host::Host;
use crate::layout;
use crate::problem::Problem;
use crate::request::values::{Domain, Username};
use crate::sites::site_record;
use crate::users::register::Register;
use opterius_base::clock::Timestamp;

/// How long the creating request can be repeated: a Panel or a billing system that got no answer tries again within
/// minutes, or the next day.
const REPEAT_TIME: Duration = Duration::from_secs(24 * 3600);

/// The record of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The account's username.
    pub username: Username,
    /// When the account was created or adopted.
    pub created_at: Option<Timestamp>,
    /// The request that created the account; none if it was adopted.
    pub creation: Option<Creation>,
    /// The login shell that was taken away last, if any.
    #[serde(default)]
    pub previous_shell: Option<String>,
    /// The state to restore; none if the account is not suspended.
    pub suspended: Option<Suspended>,
}

/// The request that created an account. A request with the same values shortly afterwards is its repeat; any other request
/// to create an account of this name is another customer's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Creation {
    /// The first domain.
    pub domain: Domain,
    /// Its document root, as the Panel sent it.
    pub document_root: String,
}

/// The state before a suspension.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suspended {
    /// When the account was suspended.
    pub at: Timestamp,
    /// The login shell.
    pub shell: String,
    /// Whether the password was locked.
    pub password_locked: bool,
    /// The user's expiry date, in days since 1970-01-01.
    pub expires: Option<i64>,
    /// Whether its services ran without a session. Records of earlier versions do not say.
    #[serde(default)]
    pub linger: bool,
}

/// The path of an account's record.
pub fn path(host: &Host, username: &Username) -> PathBuf {
    host.path(layout::ACCOUNTS).join(format!("{username}.json"))
}

impl Account {
    /// Reads the record of an account; an empty one if there is no file.
    ///
    /// # Errors
    /// The file is damaged. The state of a suspended account cannot be guessed.
    pub fn read(host: &Host, username: &Username) -> Result<Self, Problem> {
        let path = path(host, username);
        match fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self {
                username: username.clone(),
                created_at: None,
                creation: None,
                suspended: None,
                previous_shell: None,
            }),
            bytes => bytes
                .and_then(|bytes| serde_json::from_slice(&bytes).map_err(Into::into))
                .map_err(|error| Problem::failed(&path.display().to_string(), error)),
        }
    }

    /// Whether a request with these values, at `now`, repeats the one that created the account. Nothing else tells the
    /// customer who was created from the next one of the same name, so the time for it is limited.
    pub fn is_created_by(&self, creation: &Creation, now: Timestamp) -> bool {
        let is_recent = self.created_at.is_some_and(|at| now.since(at) <= REPEAT_TIME);
        is_recent && self.creation.as_ref() == Some(creation)
    }

    /// The content of the record's file.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Our own types always serialize.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// Deletes the record of an account.
///
/// # Errors
/// The file cannot be deleted.
pub fn forget(host: &Host, username: &Username) -> Result<(), Problem> {
    let path = path(host, username);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Problem::failed(&path.display().to_string(), error)),
        _ => Ok(()),
    }
}

/// All accounts, as the body of `GET /accounts`. Needs no privileges.
///
/// # Errors
/// The users and groups, or the directory of published records, cannot be read.
pub fn list(host: &Host) -> Result<Value, Problem> {
    let register = Register::read(host)?;
    let mut domains: BTreeMap<Username, Vec<Domain>> = BTreeMap::new();
    let published = site_record::read_all(host)?;
    for record in published.records {
        domains.entry(record.username).or_default().push(record.domain);
    }
    let mut names: Vec<Username> =
        register.accounts().iter().filter_map(|name| Username::parse("username", name).ok()).collect();
    names.sort();
    let accounts: Vec<Value> = names
        .iter()
        .map(|username| {
            let account = Account::read(host, username).ok();
            json!({
                "username": username,
                "home": register.user(username.as_str()).map(|user| &user.home),
                "domains": domains.get(username).map_or(&[][..], Vec::as_slice),
                "suspended": account.as_ref().is_some_and(|account| account.suspended.is_some()),
                "created_at": account.and_then(|account| account.created_at),
            })
        })
        .collect();
    // Whose these sites are is not known, so the list says that it is incomplete.
    let warnings: Vec<String> = published.damaged.iter().map(|(_, problem)| problem.message()).collect();
    Ok(json!({ "accounts": accounts, "warnings": warnings }))
}
