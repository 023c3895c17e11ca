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

use super::change_error::{
    ChangeError, check_expiry, check_labels, check_note, check_reason, check_reference, check_server_ip, find_plan,
};
use super::describe::{self, billing_summary, expiry};
use super::license::{Billing, License, Plan, Status};
use super::period::{Basis, Period};
use super::string_enum::string_enum;
use super::users::User;
use opterius_base::clock::Timestamp;

string_enum! {
    /// The actions in the history. Each is a change of state; requests without an effect are not recorded.
    pub enum Action {
        /// A license was created.
        Created = "created",
        /// A server was activated.
        Activated = "activated",
        /// A second address of a server was recognized: an IPv4 and an IPv6 address of one server.
        Paired = "paired",
        /// Two addresses turned out to be those of two hosts, or one was silent for too long.
        Separated = "separated",
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
        /// The license went to another owner.
        Transferred = "transferred",
        /// The reference of the license was changed.
        ReferenceChanged = "reference changed",
        /// The note of the license was changed.
        NoteChanged = "note changed",
        /// The labels of the license were changed.
        LabelsChanged = "labels changed",
        /// The license was made a trial, or a full license.
        TrialChanged = "trial changed",
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
        /// The name, display name, e-mail address or role of a user was changed.
        UserChanged = "user changed",
        /// A user was disabled.
        UserDisabled = "user disabled",
        /// A user was enabled again.
        UserEnabled = "user enabled",
        /// A user was deleted.
        UserDeleted = "user deleted",
        /// A user got a link to set a first password.
        UserInvited = "user invited",
        /// A user got a link to set a new password.
        PasswordLinkMade = "password link made",
        /// A user enrolled a second factor.
        SecondFactorAdded = "second factor added",
        /// The second factor of a user was removed.
        SecondFactorRemoved = "second factor removed",
        /// A user signed in with a recovery code.
        RecoveryCodeUsed = "recovery code used",
        /// A user got new recovery codes.
        RecoveryCodesMade = "recovery codes made",
        /// All sessions of a user were ended.
        SessionsEnded = "sessions ended",
        /// The password of a user was changed.
        PasswordChanged = "password changed",
        /// A token of the vendor API was added.
        TokenAdded = "token added",
        /// A token of the vendor API was revoked.
        TokenRevoked = "token revoked",
        /// A signing key was added or retired.
        KeysChanged = "keys changed",
        /// The database was replaced with a backup.
        Restored = "restored",
        /// A webhook was added.
        WebhookAdded = "webhook added",
        /// A webhook was removed.
        WebhookRemoved = "webhook removed",
        /// A webhook got a new secret.
        WebhookRotated = "webhook secret changed",
        /// The license server's clock was stepped.
        ClockStepped = "clock stepped",
    }
}

/// A change of a license as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Suspend the license.
    Suspend,
    /// Suspend the license for this reason; change the reason if it is suspended.
    SuspendFor(String),
    /// Resume the license after a suspension or cancellation.
    Resume,
    /// Cancel the license.
    Cancel,
    /// Set the expiry; `None` means never.
    Renew(Option<Timestamp>),
    /// Add time, beginning at the expiry or now.
    Extend(Period, Basis),
    /// Change to the plan with this slug.
    SetPlan(String),
    /// Lock the license to this address.
    LockIp(IpAddr),
    /// Remove the lock.
    UnlockIp,
    /// Set the billing status.
    SetBilling(Billing),
    /// Give the license to this user.
    Transfer(User),
    /// Set or remove the vendor's own number of it.
    SetReference(Option<String>),
    /// Set the vendor's note.
    SetNote(String),
    /// Set the vendor's labels.
    SetLabels(Vec<String>),
    /// Make it a trial or a full license.
    SetTrial(bool),
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
            Self::Suspend => suspend(license, None),
            Self::SuspendFor(reason) => suspend(license, Some(reason)),
            Self::Resume => resume(license, now),
            Self::Cancel => cancel(license),
            Self::Renew(until) => renew(license, *until, now),
            Self::Extend(period, basis) => extend(license, *period, *basis, now),
            Self::SetPlan(slug) => set_plan(license, slug, plans, now),
            Self::LockIp(ip) => lock(license, *ip, now),
            Self::UnlockIp => unlock(license, now),
            Self::SetBilling(billing) => Ok(set_billing(license, billing)),
            Self::Transfer(user) => transfer(license, user),
            Self::SetReference(reference) => set_reference(license, reference.as_deref()),
            Self::SetNote(note) => set_note(license, note),
            Self::SetLabels(labels) => set_labels(license, labels),
            Self::SetTrial(is_trial) => set_trial(license, *is_trial),
        }
    }
}

fn suspend(license: &mut License, reason: Option<&String>) -> Result<AppliedChange, ChangeError> {
    reason.map_or(Ok(()), |reason| check_reason(reason))?;
    let detail = reason.map_or(String::new(), String::clone);
    match license.status {
        Status::Cancelled => conflict(license, "is cancelled and cannot be suspended."),
        Status::Suspended if reason.is_none() || reason == license.suspension_reason.as_ref() => {
            unchanged(license, "is already suspended.")
        }
        Status::Suspended => {
            license.suspension_reason = reason.cloned();
            applied(license, Action::Suspended, detail, "is already suspended; the reason was changed.")
        }
        Status::Active => {
            license.status = Status::Suspended;
            license.suspension_reason = reason.cloned();
            let what = "suspended. The change takes effect at each server's next check.";
            applied(license, Action::Suspended, detail, what)
        }
    }
}

fn resume(license: &mut License, now: Timestamp) -> Result<AppliedChange, ChangeError> {
    if license.status == Status::Active {
        return unchanged(license, "is neither suspended nor cancelled.");
    }
    let detail = format!("was {}", license.status.as_str());
    license.status = Status::Active;
    license.suspension_reason = None;
    let what = match license.next_step(now) {
        Some(next_step) => format!("resumed. {next_step}"),
        None => "resumed. The change takes effect at each server's next check.".to_owned(),
    };
    applied(license, Action::Resumed, detail, &what)
}

fn cancel(license: &mut License) -> Result<AppliedChange, ChangeError> {
    if license.status == Status::Cancelled {
        return unchanged(license, "is already cancelled.");
    }
    license.status = Status::Cancelled;
    license.suspension_reason = None;
    let what = "cancelled. The change takes effect at each server's next check.";
    applied(license, Action::Cancelled, String::new(), what)
}

fn renew(license: &mut License, until: Option<Timestamp>, now: Timestamp) -> Result<AppliedChange, ChangeError> {
    check_expiry(until, now)?;
    if until == license.expires_at {
        return unchanged(license, if until.is_some() { "already has this expiry." } else { "already has no expiry." });
    }
    let detail = format!("from {} to {}", expiry(license.expires_at), expiry(until));
    license.expires_at = until;
    let what = with_next_step(license, describe::renewed(until), now);
    applied(license, Action::Renewed, detail, &what)
}

fn extend(license: &mut License, period: Period, basis: Basis, now: Timestamp) -> Result<AppliedChange, ChangeError> {
    match basis.start(license.expires_at, now) {
        Some(start) => renew(license, Some(period.after(start)), now),
        None => conflict(license, "never expires, so that no time can be added. To give it an end, set its expiry."),
    }
}

fn set_plan(license: &mut License, slug: &str, plans: &[Plan], now: Timestamp) -> Result<AppliedChange, ChangeError> {
    let plan = find_plan(plans, slug)?;
    if plan.slug == license.plan.slug {
        return unchanged(license, &format!("already has the plan {}.", plan.name));
    }
    let detail = format!("from {} to {}", license.plan.slug, plan.slug);
    license.plan = plan.clone();
    let what = with_next_step(license, format!("changed to the plan {}.", plan.name), now);
    applied(license, Action::PlanChanged, detail, &what)
}

fn lock(license: &mut License, ip: IpAddr, now: Timestamp) -> Result<AppliedChange, ChangeError> {
    if license.locked_ip == Some(ip) {
        return unchanged(license, &format!("is already locked to {ip}."));
    }
    check_server_ip(ip)?;
    license.locked_ip = Some(ip);
    let what = with_next_step(license, format!("locked to {ip}."), now);
    applied(license, Action::Locked, ip.to_string(), &what)
}

fn unlock(license: &mut License, now: Timestamp) -> Result<AppliedChange, ChangeError> {
    let Some(ip) = license.locked_ip.take() else { return unchanged(license, "is not locked to an address.") };
    let what = match license.next_step(now) {
        Some(next_step) => format!("unlocked. {next_step}"),
        None => "unlocked. Servers at any address can use it.".to_owned(),
    };
    applied(license, Action::Unlocked, ip.to_string(), &what)
}

fn set_billing(license: &mut License, billing: &Billing) -> AppliedChange {
    license.billing = billing.clone();
    let sentence = format!("Billing status of license {} updated.", license.id);
    AppliedChange { action: Action::BillingChanged, detail: billing_summary(billing), sentence }
}

fn transfer(license: &mut License, user: &User) -> Result<AppliedChange, ChangeError> {
    if license.owner == user.id {
        return unchanged(license, &format!("already belongs to {}.", user.name));
    }
    let detail = format!("from {} to {}", license.owner_name, user.name);
    license.owner = user.id;
    license.owner_name.clone_from(&user.name);
    applied(license, Action::Transferred, detail, &format!("transferred to {}.", user.name))
}

fn set_reference(license: &mut License, reference: Option<&str>) -> Result<AppliedChange, ChangeError> {
    reference.map_or(Ok(()), check_reference)?;
    if license.reference.as_deref() == reference {
        return unchanged(license, "already has this reference.");
    }
    let shown = |reference: Option<&str>| reference.unwrap_or("none").to_owned();
    let detail = format!("from {} to {}", shown(license.reference.as_deref()), shown(reference));
    license.reference = reference.map(str::to_owned);
    let what = reference.map_or("has no reference any more.".to_owned(), |new| format!("has the reference {new}."));
    applied(license, Action::ReferenceChanged, detail, &what)
}

fn set_note(license: &mut License, note: &str) -> Result<AppliedChange, ChangeError> {
    check_note(note)?;
    if license.note == note {
        return unchanged(license, "already has this note.");
    }
    note.clone_into(&mut license.note);
    // The owner sees the history, and not the note.
    let (detail, what) = if note.is_empty() { ("removed", "has no note any more.") } else { ("", "has the new note.") };
    applied(license, Action::NoteChanged, detail.to_owned(), what)
}

fn set_labels(license: &mut License, labels: &[String]) -> Result<AppliedChange, ChangeError> {
    check_labels(labels)?;
    if license.labels == labels {
        return unchanged(license, "already has these labels.");
    }
    license.labels = labels.to_vec();
    let shown = if labels.is_empty() { "none".to_owned() } else { labels.join(", ") };
    // The owner sees the history, and not the labels.
    applied(license, Action::LabelsChanged, String::new(), &format!("has the labels: {shown}."))
}

fn set_trial(license: &mut License, is_trial: bool) -> Result<AppliedChange, ChangeError> {
    let what = if is_trial { "a trial" } else { "a full license" };
    if license.is_trial == is_trial {
        return unchanged(license, &format!("is already {what}."));
    }
    license.is_trial = is_trial;
    applied(license, Action::TrialChanged, format!("to {what}"), &format!("is now {what}."))
}

/// The message with what must still be done before servers can use the license.
fn with_next_step(license: &License, what: String, now: Timestamp) -> String {
    license.next_step(now).map_or(what.clone(), |next_step| format!("{what} {next_step}"))
}

fn applied(license: &License, action: Action, detail: String, what: &str) -> Result<AppliedChange, ChangeError> {
    Ok(AppliedChange { action, detail, sentence: format!("License {} {what}", license.id) })
}

fn conflict(license: &License, what: &str) -> Result<AppliedChange, ChangeError> {
    Err(ChangeError::Conflict(format!("License {} {what}", license.id)))
}

fn unchanged(license: &License, what: &str) -> Result<AppliedChange, ChangeError> {
    Err(ChangeError::Unchanged(format!("License {} {what}", license.id)))
}
