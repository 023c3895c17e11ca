//! What was found for a verification before it is decided.

use std::net::IpAddr;

use super::super::slot::Record;
use crate::model::{Details, License};

/// What a verification will look up.
#[derive(Clone, PartialEq, Eq)]
pub struct Asked {
    /// The license key, as it is stored.
    pub key: String,
    /// The address that identifies the server.
    pub ip: IpAddr,
    /// What the server reports about itself.
    pub details: Details,
}

/// What was found for it.
#[derive(Clone)]
pub(crate) struct Found {
    /// The question.
    pub(super) asked: Asked,
    /// The license with the key.
    pub(super) license: Option<License>,
    /// What is stored about the address.
    pub(super) record: Option<Record>,
    /// The number of servers, if the rule will count them.
    pub(super) count: Option<Count>,
}

/// A number of active servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Count {
    /// Only those that were activated before this one; all if `None`.
    pub(super) before: Option<i64>,
    /// Where counting stopped.
    pub(super) most: u32,
    /// How many there are.
    pub(super) servers: u32,
}

impl Found {
    /// The number of the license, if there is one.
    pub(super) fn license_number(&self) -> Option<i64> {
        self.license.as_ref().map(|license| license.id)
    }
}
