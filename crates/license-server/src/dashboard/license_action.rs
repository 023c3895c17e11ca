//! What can be done to one license, each on a page of its own that says what will happen.

use std::net::IpAddr;

use super::field::Field;
use super::form::Form;
use super::license_context::LicenseContext;
use super::page_error::PageError;
use super::signed_in_user::visible;
use crate::actions::{self, ChangeContext, Refusal};
use crate::model::{Action, Change, License, User};
use crate::store::WriteTransaction;

/// All that the dashboard has to know of it.
#[derive(Debug)]
pub(super) struct LicenseAction {
    /// The word in the address.
    pub(super) word: &'static str,
    /// How the history tells of it.
    pub(super) history_action: Action,
    pub(super) target: Target,
    pub(super) heading: fn(&LicenseContext) -> String,
    /// What will happen.
    pub(super) confirm_text: fn(&LicenseContext) -> Vec<String>,
    /// What has to be filled in, with what is so now.
    pub(super) field: Option<fn(&LicenseContext) -> Field>,
    /// The words on the button.
    pub(super) confirm: &'static str,
    /// Whether it takes something away.
    pub(super) dangerous: bool,
    /// What its form asks for.
    pub(super) parse: fn(&Form) -> Result<Operation, PageError>,
}

/// To what it is done.
#[derive(Debug)]
pub(super) enum Target {
    /// To the license, by administrators alone. Its page has the link, as long as it is possible.
    License { label: &'static str, is_available: fn(&License) -> bool },
    /// To a server of it, by the license's owner, too.
    Server {
        /// Whether it is also done to an address that the license is only locked to.
        accepts_locked_address: bool,
    },
}

/// What a form asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Change(Change),
    Delete,
    Revoke(IpAddr),
    Move { from: IpAddr, to: IpAddr },
}

/// An action is named by its word.
impl PartialEq for LicenseAction {
    fn eq(&self, other: &Self) -> bool {
        self.word == other.word
    }
}

impl Eq for LicenseAction {}

impl Operation {
    /// Does it, if this user may see the license, and returns what was done in a sentence.
    pub(super) fn perform(
        &self,
        transaction: &WriteTransaction<'_>,
        user: &User,
        context: &ChangeContext<'_>,
        id: i64,
    ) -> Result<String, Refusal> {
        visible(transaction, user, id)?;
        match self {
            Self::Change(change) => actions::change(transaction, context, id, change),
            Self::Delete => actions::delete(transaction, context, id),
            Self::Revoke(ip) => actions::revoke(transaction, context.actor, id, *ip),
            Self::Move { from, to } => actions::move_to(transaction, context.actor, id, *from, *to),
        }
    }
}
