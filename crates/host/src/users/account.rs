//! What is known of an account besides what the system's register says: since when it is there, and what a suspended one
//! gets back.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::host::Host;
use crate::layout;
use crate::problem::Problem;
use crate::request::values::{Domain, Username};
use crate::sites::site_record;
use crate::users::register::Register;
use opterius_base::clock::Timestamp;

/// What is known of an account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Whose it is.
    pub username: Username,
    /// When it was made or taken in.
    pub created_at: Option<Timestamp>,
    /// What it gets back, while it is suspended.
    pub suspended: Option<Suspended>,
}

/// What a suspended account had before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suspended {
    /// Since when.
    pub at: Timestamp,
    /// Its shell.
    pub shell: String,
    /// Whether its password was locked.
    pub password_locked: bool,
    /// The day on which it expires, in days since 1970-01-01.
    pub expires: Option<i64>,
}

/// The file of an account.
pub fn path(host: &Host, username: &Username) -> PathBuf {
    host.path(layout::ACCOUNTS).join(format!("{username}.json"))
}

impl Account {
    /// What is known of an account; a file that is not there tells nothing.
    ///
    /// # Errors
    /// The file is damaged: what a suspended account gets back cannot be guessed.
    pub fn read(host: &Host, username: &Username) -> Result<Self, Problem> {
        let path = path(host, username);
        match fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                Ok(Self { username: username.clone(), created_at: None, suspended: None })
            }
            bytes => bytes
                .and_then(|bytes| serde_json::from_slice(&bytes).map_err(Into::into))
                .map_err(|error| Problem::failed(&path.display().to_string(), error)),
        }
    }

    /// The bytes of the file.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Our own types always serialize.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// Forgets an account.
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

/// All accounts, as `GET /accounts` answers them, without any rights.
///
/// # Errors
/// The register cannot be read.
pub fn list(host: &Host) -> Result<Value, Problem> {
    let register = Register::read(host)?;
    let mut domains: BTreeMap<Username, Vec<Domain>> = BTreeMap::new();
    for record in site_record::read_all(host) {
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
    Ok(json!({ "accounts": accounts }))
}
