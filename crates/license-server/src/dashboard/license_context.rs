//! What is known of a license before something is done to it.

use std::net::IpAddr;

use super::format::text;
use super::signed_in_user::{SignedInUser, visible};
use crate::actions::{OWNER_CHANGES, OWNER_CHANGES_TIME, Refusal};
use crate::model::{ACTIVE_TIME, Activation, License, Plan};
use crate::store::ReadTransaction;
use crate::store::counting::{count_cap, format_count};
use opterius_base::clock::Timestamp;

/// What a page needs to know to say what will happen.
pub(super) struct LicenseContext {
    pub(super) license: License,
    /// Servers that hold a slot.
    pub(super) active: u32,
    /// The address of the server that it is about, where it is about one.
    pub(super) ip: Option<IpAddr>,
    /// That server, where it uses the license.
    pub(super) server: Option<Activation>,
    /// How often the owner may still revoke or move; none for whom there is no limit.
    pub(super) left: Option<u32>,
    pub(super) plans: Vec<Plan>,
    pub(super) now: Timestamp,
}

impl LicenseContext {
    /// What this person may know of the license, and of the server with this address.
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

    /// The server's address.
    pub(super) fn address(&self) -> String {
        self.ip.map(|ip| ip.to_string()).unwrap_or_default()
    }

    /// The server by its address, and by its hostname where it has told one.
    pub(super) fn server_name(&self) -> String {
        let hostname = self.server.as_ref().and_then(|server| server.details.hostname.as_deref());
        hostname.map_or_else(|| self.address(), |name| format!("{} ({})", self.address(), text(name)))
    }

    /// Who uses it now.
    pub(super) fn users(&self) -> String {
        let owner = &self.license.owner_name;
        let plan = &self.license.plan.name;
        let use_it = match self.active {
            0 => "no server uses it".to_owned(),
            1 => "1 server uses it".to_owned(),
            active => format!("{} servers use it", format_count(active, self.license.plan.max_servers)),
        };
        format!("It is the license of {owner} with the plan {plan}; {use_it}.")
    }

    /// How often servers may still be revoked or moved, for whom that is limited.
    pub(super) fn left(&self) -> Option<String> {
        let left = self.left?;
        Some(format!("{left} of {OWNER_CHANGES} revocations and moves are left in these 30 days."))
    }
}
