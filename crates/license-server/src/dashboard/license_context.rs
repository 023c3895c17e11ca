//! The data that confirmation pages need about a license.

use std::net::IpAddr;

use super::format::text;
use super::signed_in_user::{SignedInUser, visible};
use crate::actions::{OWNER_CHANGES, OWNER_CHANGES_TIME, Refusal};
use crate::model::{ACTIVE_TIME, Activation, License, Plan};
use crate::store::ReadTransaction;
use crate::store::counting::{count_cap, format_count};
use opterius_base::clock::Timestamp;

/// A license, and the server that an action is about.
pub(super) struct LicenseContext {
    pub(super) license: License,
    /// The number of active servers.
    pub(super) active: u32,
    /// The address of the server, if the action is about one.
    pub(super) ip: Option<IpAddr>,
    /// The activation with this address, if any.
    pub(super) server: Option<Activation>,
    /// How many servers the owner can still revoke or move; `None` for administrators.
    pub(super) left: Option<u32>,
    pub(super) plans: Vec<Plan>,
    pub(super) now: Timestamp,
}

impl LicenseContext {
    /// Reads the license, if this user can see it, and the server with this address.
    pub(super) fn read(
        transaction: &ReadTransaction<'_>,
        signed_in_user: &SignedInUser,
        id: i64,
        ip: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        let license = visible(transaction, &signed_in_user.user, id)?;
        let active = transaction.count_activations(id, now.minus(ACTIVE_TIME), count_cap(license.plan.max_servers))?;
        let server = match ip {
            Some(ip) => transaction.activation(id, ip)?,
            None => None,
        };
        let left = if signed_in_user.user.administrator {
            None
        } else {
            let since = now.minus(OWNER_CHANGES_TIME);
            let count = transaction.count_by_owners(id, since)?;
            Some(OWNER_CHANGES.saturating_sub(count))
        };
        Ok(Self { license, active, ip, server, left, plans: transaction.plans()?, now })
    }

    /// The address of the server, or an empty string.
    pub(super) fn address(&self) -> String {
        self.ip.map(|ip| ip.to_string()).unwrap_or_default()
    }

    /// The address of the server, with its host name if known.
    pub(super) fn server_name(&self) -> String {
        let hostname = self.server.as_ref().and_then(|server| server.details.hostname.as_deref());
        hostname.map_or_else(|| self.address(), |name| format!("{} ({})", self.address(), text(name)))
    }

    /// The owner, the plan and the number of servers, as a sentence.
    pub(super) fn usage(&self) -> String {
        let owner = &self.license.owner_name;
        let plan = &self.license.plan.name;
        let servers = match self.active {
            0 => "no server uses it".to_owned(),
            1 => "1 server uses it".to_owned(),
            active => format!("{} servers use it", format_count(active, self.license.plan.max_servers)),
        };
        format!("License of {owner} with the plan {plan}; {servers}.")
    }

    /// The remaining revocations and moves, as a sentence; `None` for administrators.
    pub(super) fn left(&self) -> Option<String> {
        let left = self.left?;
        Some(format!("{left} of {OWNER_CHANGES} revocations and moves per 30 days are left."))
    }
}
