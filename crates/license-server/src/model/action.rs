//! What the history tells: every change of state has its word here.

use super::words::worded;

worded! {
    /// What the history tells. Each line is a change of state, never a mere request.
    pub enum Action {
        /// A license was made.
        Created = "created",
        /// A server took a slot.
        Activated = "activated",
        /// An activation was deleted after [`KEPT_TIME`](super::KEPT_TIME).
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
