//! Actions: their names in the history, and the rules by which a license changes.
//!
//! To add an action that changes a license, edit three places:
//! 1. Here: its name in [`Action`], its variant in [`Change`], and its rule. Without a rule the crate does not compile.
//! 2. Its command: a row in `commands/license_specs.rs`. Without it the test `every_action_has_its_command` fails.
//! 3. Its dashboard page: a row in `dashboard/administrator_actions.rs`. Without it the test `every_action_has_its_page` fails.
//!
//! Everything else is derived from these. Further tests then ask for an example of the command and for its lines in the
//! documentation.
//!
//! A rule here works on plain values. Actions that also change activations, or create and delete licenses, need the store:
//! their rules are in `actions/`.

use std::net::IpAddr;

use super::change_error::{ChangeError, address_warning, check_expiry, check_server_ip, find_plan};
use super::describe::{self, billing_summary, expiry};
use super::license::{Billing, License, Plan, Status};
use super::string_enum::string_enum;
use opterius_base::clock::Timestamp;

string_enum! {
    /// The actions in the history. Each is a change of state; requests without an effect are not recorded.
    pub enum Action {
        /// A license was created.
        Created = "created",
        /// A server was activated.
        Activated = "activated",
        /// An expired activation was deleted, after [`RETENTION_TIME`](super::RETENTION_TIME) without a check-in.
        Forgotten = "forgotten",
        /// An activation was revoked, or its server is kept out.
        Revoked = "revoked",
        /// A server that was kept out can claim a slot again.
        Unblocked = "unblocked",
        /// An activation or a lock was moved to another address.
        Moved = "moved",
        /// The license was suspended.
        Suspended = "suspended",
        /// The license was resumed.
        Resumed = "resumed",
        /// The license was cancelled.
        Cancelled = "cancelled",
        /// The expiry of the license was changed.
        Renewed = "renewed",
        /// The license was deleted.
        Deleted = "deleted",
        /// The plan of the license was changed.
        PlanChanged = "plan changed",
        /// The license was locked to an address.
        Locked = "locked",
        /// The license was unlocked.
        Unlocked = "unlocked",
        /// The billing status of the license was set.
        BillingChanged = "billing changed",
        /// A user viewed the full key.
        KeyShown = "key shown",
        /// A plan was created or changed.
        PlanSet = "plan set",
        /// A user was added.
        UserAdded = "user added",
        /// The password of a user was changed.
        PasswordChanged = "password changed",
        /// A signing key was added or retired.
        KeysChanged = "keys changed",
        /// The database was replaced with a backup.
        Restored = "restored",
        /// The license server's clock was stepped.
        ClockStepped = "clock stepped",
    }
}

/// A change of a license as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Suspend the license.
    Suspend,
    /// Resume the license after a suspension or cancellation.
    Resume,
    /// Cancel the license.
    Cancel,
    /// Set the expiry; `None` means never.
    Renew(Option<Timestamp>),
    /// Change to the plan with this slug.
    SetPlan(String),
    /// Lock the license to this address.
    LockIp(IpAddr),
    /// Remove the lock.
    UnlockIp,
    /// Set the billing status.
    SetBilling(Billing),
}

/// A change that was applied: its history entry and its message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppliedChange {
    /// The action for the history.
    pub action: Action,
    /// The details for the history.
    pub detail: String,
    /// The message for the user who made the change.
    pub sentence: String,
}

impl Change {
    /// Applies the change to `license`.
    ///
    /// # Errors
    /// The change is not possible at `now` or with these plans.
    pub fn apply(&self, license: &mut License, plans: &[Plan], now: Timestamp) -> Result<AppliedChange, ChangeError> {
        match self {
            Self::Suspend => suspend(license),
            Self::Resume => resume(license),
            Self::Cancel => cancel(license),
            Self::Renew(until) => renew(license, *until, now),
            Self::SetPlan(slug) => set_plan(license, slug, plans),
            Self::LockIp(ip) => lock(license, *ip),
            Self::UnlockIp => unlock(license),
            Self::SetBilling(billing) => Ok(set_billing(license, billing)),
        }
    }
}

fn suspend(license: &mut License) -> Result<AppliedChange, ChangeError> {
    match license.status {
        Status::Suspended => conflict(license, "is already suspended."),
        Status::Cancelled => conflict(license, "is cancelled and cannot be suspended."),
        Status::Active => {
            license.status = Status::Suspended;
            let what = "suspended. The change takes effect at each server's next check.";
            applied(license, Action::Suspended, String::new(), what)
        }
    }
}

fn resume(license: &mut License) -> Result<AppliedChange, ChangeError> {
    if license.status == Status::Active {
        return conflict(license, "is neither suspended nor cancelled.");
    }
    let detail = format!("was {}", license.status.as_str());
    license.status = Status::Active;
    applied(license, Action::Resumed, detail, "resumed. The change takes effect at each server's next check.")
}

fn cancel(license: &mut License) -> Result<AppliedChange, ChangeError> {
    if license.status == Status::Cancelled {
        return conflict(license, "is already cancelled.");
    }
    license.status = Status::Cancelled;
    let what = "cancelled. The change takes effect at each server's next check.";
    applied(license, Action::Cancelled, String::new(), what)
}

fn renew(license: &mut License, until: Option<Timestamp>, now: Timestamp) -> Result<AppliedChange, ChangeError> {
    check_expiry(until, now)?;
    if until == license.expires_at {
        return conflict(license, if until.is_some() { "already has this expiry." } else { "already has no expiry." });
    }
    let detail = format!("from {} to {}", expiry(license.expires_at), expiry(until));
    license.expires_at = until;
    applied(license, Action::Renewed, detail, &describe::renewed(until))
}

fn set_plan(license: &mut License, slug: &str, plans: &[Plan]) -> Result<AppliedChange, ChangeError> {
    let plan = find_plan(plans, slug)?;
    if plan.slug == license.plan.slug {
        return conflict(license, &format!("already has the plan {}.", plan.name));
    }
    let detail = format!("from {} to {}", license.plan.slug, plan.slug);
    license.plan = plan.clone();
    applied(license, Action::PlanChanged, detail, &format!("changed to the plan {}.", plan.name))
}

fn lock(license: &mut License, ip: IpAddr) -> Result<AppliedChange, ChangeError> {
    if license.locked_ip == Some(ip) {
        return conflict(license, &format!("is already locked to {ip}."));
    }
    check_server_ip(ip)?;
    license.locked_ip = Some(ip);
    let warning = address_warning(ip);
    applied(license, Action::Locked, ip.to_string(), &format!("locked to {ip}.{warning}"))
}

fn unlock(license: &mut License) -> Result<AppliedChange, ChangeError> {
    match license.locked_ip.take() {
        None => conflict(license, "is not locked to an address."),
        Some(ip) => applied(license, Action::Unlocked, ip.to_string(), "unlocked. Servers at any address can use it."),
    }
}

fn set_billing(license: &mut License, billing: &Billing) -> AppliedChange {
    license.billing = billing.clone();
    let sentence = format!("Billing status of license {} updated.", license.id);
    AppliedChange { action: Action::BillingChanged, detail: billing_summary(billing), sentence }
}

fn applied(license: &License, action: Action, detail: String, what: &str) -> Result<AppliedChange, ChangeError> {
    Ok(AppliedChange { action, detail, sentence: format!("License {} {what}", license.id) })
}

fn conflict(license: &License, what: &str) -> Result<AppliedChange, ChangeError> {
    Err(ChangeError::Conflict(format!("License {} {what}", license.id)))
}
