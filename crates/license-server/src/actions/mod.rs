//! Actions of users, shared by the dashboard and the command line: each is checked, stored and recorded in the history in
//! one transaction.
//!
//! `model/action.rs` explains how to add an action.

mod blocks;
mod license_key;
mod licenses;
mod password_links;
mod plans;
mod refusal;
mod second_factors;
mod servers;
mod tokens;
mod users;
mod webhooks;

pub use crate::model::Change;
pub use license_key::new_key;
pub use licenses::{
    ChangeContext, ChangedLicense, CreatedLicense, LicenseTerms, change, change_all, create, create_license, delete,
};
pub use password_links::{
    INVITATION_TIME, LINK_ENDED, NewLink, RESET_TIME, make_password_link, usable_password_link, use_password_link,
};
pub use plans::{PlanEffect, SavedPlan, plan_effect, set_plan};
pub use refusal::{OWNER_CHANGES, OWNER_CHANGES_TIME, Refusal};
pub use second_factors::{Proof, add_second_factor, put_recovery_codes, remove_second_factor, use_proof};
pub use servers::{move_to, revoke, unblock};
pub use tokens::{
    TokenField, TokenTerms, WrongTerm, add_token, find_token, revoke_token, split_token, token_secret_sha256,
    wrong_terms,
};
pub use users::{
    MAX_TRANSFER, NewUser, UserChange, add_user, change_user, check_user_name, create_user, delete_user, disable_user,
    enable_user, end_sessions, set_password, transfer_licenses,
};
pub use webhooks::{
    add_webhook, find_webhook, lost_with, names as event_names, remove_webhook, replay, replay_given_up,
    rotate_webhook, test_webhook,
};

#[cfg(test)]
#[path = "../actions_tests.rs"]
mod tests;
