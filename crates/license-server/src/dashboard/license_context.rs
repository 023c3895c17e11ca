//! The data that confirmation pages need about a license.

use std::net::IpAddr;

use super::format::text;
use super::signed_in_user::{SignedInUser, visible};
use crate::actions::{OWNER_CHANGES, OWNER_CHANGES_TIME, Refusal};
use crate::model::{ACTIVE_TIME, Activation, Block, License, Plan, RefusedServer};
use crate::store::ReadTransaction;
use crate::store::counting::format_count;
use opterius_base::clock::Timestamp;

/// The maximum number of servers to choose from.
const MAX_OTHERS: u32 = 200;

/// A license, and the server that an action is about.
pub(super) struct LicenseContext {
    pub(super) license: License,
    /// The number of active servers.
    pub(super) active: u32,
    /// The address of the server, if the action is about one.
    pub(super) ip: Option<IpAddr>,
    /// The activation with this address, if any.
    pub(super) server: Option<Activation>,
    /// The last refusal of this address, if any.
    pub(super) refused: Option<RefusedServer>,
    /// The block of this address, if any.
    pub(super) block: Option<Block>,
    /// Servers that use the license, if this address was refused.
    pub(super) others: Vec<Activation>,
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
        let active = transaction.active_servers(&license, now)?;
        let (mut server, mut refused, mut block, mut others) = (None, None, None, Vec::new());
        if let Some(ip) = ip {
            server = transaction.activation(id, ip)?;
            refused = transaction.refused_server(id, ip)?;
            block = transaction.blocks(id, now)?.into_iter().find(|block| block.ip == ip);
            if refused.is_some() {
                others = transaction.activations_after(id, i64::MIN, now.minus(ACTIVE_TIME), MAX_OTHERS)?;
                others.retain(|other| other.ip != ip);
            }
        }
        let left = if signed_in_user.user.administrator {
            None
        } else {
            let since = now.minus(OWNER_CHANGES_TIME);
            let count = transaction.count_by_owners(id, since)?;
            Some(OWNER_CHANGES.saturating_sub(count))
        };
        Ok(Self { license, active, ip, server, refused, block, others, left, plans: transaction.plans()?, now })
    }

    /// The address of the server, or an empty string.
    pub(super) fn address(&self) -> String {
        self.ip.map(|ip| ip.to_string()).unwrap_or_default()
    }

    /// The address of the server, with its host name if known.
    pub(super) fn server_name(&self) -> String {
        let details = self.server.as_ref().map(|server| &server.details);
        let details = details.or(self.refused.as_ref().map(|refused| &refused.details));
        let hostname = details.and_then(|details| details.hostname.as_deref());
        let other = self.server.iter().flat_map(|server| &server.addresses).find(|side| Some(side.ip) != self.ip);
        let address = match other {
            Some(other) => format!("{} and {}, one server", self.address(), other.ip),
            None => self.address(),
        };
        hostname.map_or_else(|| address.clone(), |name| format!("{address} ({})", text(name)))
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
