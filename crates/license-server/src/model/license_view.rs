//! A license in JSON: the one view of the API, of the command line and of webhooks.

use std::net::IpAddr;

use serde::Serialize;

use super::license::{Billing, License};
use opterius_base::clock::Timestamp;

/// A license in JSON.
#[derive(Serialize)]
pub struct LicenseView<'a> {
    id: i64,
    key: String,
    /// Whether only the first and last characters of the key are there.
    key_masked: bool,
    owner: &'a str,
    /// The plan's slug.
    plan: &'a str,
    plan_name: &'a str,
    /// Accounts per server; 0 is unlimited.
    max_accounts: u32,
    /// Servers; 0 is unlimited.
    max_servers: u32,
    /// The status that the vendor sets.
    status: &'static str,
    /// The status including expiry.
    standing: &'static str,
    expires_at: Option<Timestamp>,
    lock_ip: Option<IpAddr>,
    reference: Option<&'a str>,
    note: &'a str,
    labels: &'a [String],
    suspension_reason: Option<&'a str>,
    trial: bool,
    billing: &'a Billing,
    active_servers: u32,
    over_limit: bool,
    last_check_at: Option<Timestamp>,
    created_at: Timestamp,
    revision: i64,
}

impl<'a> LicenseView<'a> {
    /// The license with its key, or with the key masked. `active_servers` need not be counted further than to one more than
    /// the plan allows.
    pub fn new(license: &'a License, shows_key: bool, active_servers: u32, now: Timestamp) -> Self {
        let License { plan, key, .. } = license;
        Self {
            id: license.id,
            key: if shows_key { key.expose().to_owned() } else { key.masked() },
            key_masked: !shows_key,
            owner: &license.owner_name,
            plan: &plan.slug,
            plan_name: &plan.name,
            max_accounts: plan.max_accounts,
            max_servers: plan.max_servers,
            status: license.status.as_str(),
            standing: license.effective_status(now),
            expires_at: license.expires_at,
            lock_ip: license.locked_ip,
            reference: license.reference.as_deref(),
            note: &license.note,
            labels: &license.labels,
            suspension_reason: license.suspension_reason.as_deref(),
            trial: license.is_trial,
            billing: &license.billing,
            active_servers,
            over_limit: plan.max_servers > 0 && active_servers > plan.max_servers,
            last_check_at: license.last_check_at,
            created_at: license.created_at,
            revision: license.revision,
        }
    }
}
