//! What is done to licenses: the word of it in the history, and the rule by which a license changes.
//!
//! To add an action that changes a license, write it in three places; what is missing is named:
//! 1. Here: its word in [`Action`], its variant in [`Change`], and its rule. Without a rule nothing compiles.
//! 2. Its command, a row of `commands/license_forms.rs`. Without it the test `every_action_has_its_command` fails.
//! 3. Its page in the dashboard, a row of `dashboard/administrator_actions.rs`. Without it the test `every_action_has_its_page`
//!    fails.
//!
//! Everything else follows from these. Tests then ask for an example of the command, and for its lines in the documents.
//!
//! A rule looks at plain values alone. What also frees or moves the slots of servers, or makes and deletes licenses, has
//! its rule where the store can be asked: in `actions/`.

use std::net::IpAddr;

use super::change_error::{ChangeError, check_expiry, check_server_ip, find_plan};
use super::describe::{self, billing_summary, expiry};
use super::license::{Billing, License, Plan, Status};
use super::string_enum::string_enum;
use opterius_base::clock::Timestamp;

string_enum! {
    /// What the history records. Each line is a change of state, never a mere request.
    pub enum Action {
        /// A license was made.
        Created = "created",
        /// A server took a slot.
        Activated = "activated",
        /// An activation was deleted after [`RETENTION_TIME`](super::RETENTION_TIME).
        Forgotten = "forgotten",
        /// An activation was taken away.
        Revoked = "revoked",
        /// An activation or a lock went to another address.
        Moved = "moved",
        /// The license was suspended.
        Suspended = "suspended",
        /// The license was resumed.
        Resumed = "resumed",
        /// The license was cancelled.
        Cancelled = "cancelled",
        /// The license got another expiry.
        Renewed = "renewed",
        /// The license was deleted.
        Deleted = "deleted",
        /// The license got another plan.
        PlanChanged = "plan changed",
        /// The license was locked to an address.
        Locked = "locked",
        /// The lock was taken off.
        Unlocked = "unlocked",
        /// Billing facts were set.
        BillingChanged = "billing changed",
        /// The key was shown in full.
        KeyShown = "key shown",
        /// A plan was made or changed.
        PlanSet = "plan set",
        /// A user was made.
        UserAdded = "user added",
        /// A user got another password.
        PasswordChanged = "password changed",
        /// A signing key was added or ended.
        KeysChanged = "keys changed",
        /// The license server's clock was set.
        ClockStepped = "clock stepped",
    }
}

/// A change of a license as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// No use for now.
    Suspend,
    /// Use again, after a suspension or a cancellation.
    Resume,
    /// No use any more.
    Cancel,
    /// Another end; none is never.
    Renew(Option<Timestamp>),
    /// Another plan, by its slug.
    SetPlan(String),
    /// Use at this address alone.
    LockIp(IpAddr),
    /// Use anywhere.
    UnlockIp,
    /// Other billing facts.
    SetBilling(Billing),
}

/// What a change comes to: its line in the history, and the sentence for whoever asked for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppliedChange {
    /// What was done.
    pub action: Action,
    /// The particulars, in words.
    pub detail: String,
    /// All of it in a sentence.
    pub sentence: String,
}

impl Change {
    /// Changes the value, where that makes sense at `now` and with these plans.
    ///
    /// # Errors
    /// Why it does not.
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
        Status::Suspended => conflict(license, "is suspended already."),
        Status::Cancelled => conflict(license, "is cancelled, so there is nothing to suspend."),
        Status::Active => {
            license.status = Status::Suspended;
            let what = "is suspended. Its servers learn of it at their next check.";
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
    applied(license, Action::Resumed, detail, "may be used again. Its servers learn of it at their next check.")
}

fn cancel(license: &mut License) -> Result<AppliedChange, ChangeError> {
    if license.status == Status::Cancelled {
        return conflict(license, "is cancelled already.");
    }
    license.status = Status::Cancelled;
    let what = "is cancelled. Its servers learn of it at their next check.";
    applied(license, Action::Cancelled, String::new(), what)
}

fn renew(license: &mut License, until: Option<Timestamp>, now: Timestamp) -> Result<AppliedChange, ChangeError> {
    check_expiry(until, now)?;
    if until == license.expires_at {
        return conflict(license, if until.is_some() { "ends then already." } else { "never ends already." });
    }
    let detail = format!("from {} to {}", expiry(license.expires_at), expiry(until));
    license.expires_at = until;
    applied(license, Action::Renewed, detail, &describe::renewed(until))
}

fn set_plan(license: &mut License, slug: &str, plans: &[Plan]) -> Result<AppliedChange, ChangeError> {
    let plan = find_plan(plans, slug)?;
    if plan.slug == license.plan.slug {
        return conflict(license, &format!("has the plan {} already.", plan.name));
    }
    let detail = format!("from {} to {}", license.plan.slug, plan.slug);
    license.plan = plan.clone();
    applied(license, Action::PlanChanged, detail, &format!("has the plan {} now.", plan.name))
}

fn lock(license: &mut License, ip: IpAddr) -> Result<AppliedChange, ChangeError> {
    if license.locked_ip == Some(ip) {
        return conflict(license, &format!("is locked to {ip} already."));
    }
    check_server_ip(ip)?;
    license.locked_ip = Some(ip);
    applied(license, Action::Locked, ip.to_string(), &format!("is locked to {ip} now."))
}

fn unlock(license: &mut License) -> Result<AppliedChange, ChangeError> {
    match license.locked_ip.take() {
        None => conflict(license, "is not locked to an address."),
        Some(ip) => applied(license, Action::Unlocked, ip.to_string(), "may be used at any address now."),
    }
}

fn set_billing(license: &mut License, billing: &Billing) -> AppliedChange {
    license.billing = billing.clone();
    let sentence = format!("The billing facts of license {} are changed.", license.id);
    AppliedChange { action: Action::BillingChanged, detail: billing_summary(billing), sentence }
}

fn applied(license: &License, action: Action, detail: String, what: &str) -> Result<AppliedChange, ChangeError> {
    Ok(AppliedChange { action, detail, sentence: format!("License {} {what}", license.id) })
}

fn conflict(license: &License, what: &str) -> Result<AppliedChange, ChangeError> {
    Err(ChangeError::Conflict(format!("License {} {what}", license.id)))
}
