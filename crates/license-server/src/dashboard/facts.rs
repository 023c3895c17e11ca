//! What is known of a license before something is done to it.

use std::net::IpAddr;

use super::visit::{Person, visible};
use crate::actions::{OWNER_CHANGES, OWNER_CHANGES_TIME, Refusal};
use crate::model::{ACTIVE_TIME, Activation, License, Plan};
use crate::store::Reader;
use crate::store::counting::most;
use opterius_base::clock::Timestamp;

/// What a page needs to know to say what will happen.
pub(super) struct Facts {
    pub(super) license: License,
    /// Servers that hold a slot.
    pub(super) active: u32,
    /// The server that it is about, where it is about one.
    pub(super) server: Option<Activation>,
    /// How often the owner may still revoke or move; none for whom there is no limit.
    pub(super) left: Option<u32>,
    pub(super) plans: Vec<Plan>,
    pub(super) now: Timestamp,
}

impl Facts {
    /// What this person may know of the license, and of the server with this address.
    pub(super) fn read(
        reader: &Reader<'_>,
        person: &Person,
        id: i64,
        ip: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<Self, Refusal> {
        let license = visible(reader, &person.user, id)?;
        let active = reader.count_activations(id, now.minus(ACTIVE_TIME), most(license.plan.max_servers))?;
        let server = match ip {
            Some(ip) => reader.activation(id, ip)?,
            None => None,
        };
        let left = if person.user.administrator {
            None
        } else {
            let since = now.minus(OWNER_CHANGES_TIME);
            let count = reader.count_by_owners(id, since)?;
            Some(OWNER_CHANGES.saturating_sub(count))
        };
        Ok(Self { license, active, server, left, plans: reader.plans()?, now })
    }
}
