//! Actions of users, shared by the dashboard and the command line: each is checked, stored and recorded in the history in
//! one transaction.
//!
//! `model/action.rs` explains how to add an action.

mod license_key;
mod licenses;
mod plans;
mod refusal;
mod servers;
mod tokens;
mod users;
mod webhooks;

pub use crate::model::Change;
pub use license_key::new_key;
pub use licenses::{ChangeContext, ChangedLicense, LicenseTerms, change, change_all, create, create_license, delete};
pub use plans::set_plan;
pub use refusal::{OWNER_CHANGES, OWNER_CHANGES_TIME, Refusal};
pub use servers::{move_to, revoke, unblock};
pub use tokens::{TokenTerms, add_token, revoke_token, split_token, token_secret_sha256};
pub use users::{add_user, check_user_name, set_password};
pub use webhooks::{
    add_webhook, find_webhook, names as event_names, remove_webhook, replay, replay_given_up, rotate_webhook,
    test_webhook,
};

#[cfg(test)]
#[path = "../actions_tests.rs"]
mod tests;
