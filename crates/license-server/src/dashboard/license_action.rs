//! The definition of an action on a license, with its confirmation page.

use std::net::IpAddr;
use std::time::Duration;

use super::field::Field;
use super::form::Form;
use super::license_context::LicenseContext;
use super::page_error::PageError;
use super::signed_in_user::visible;
use crate::actions::{self, ChangeContext, Refusal};
use crate::model::{Action, Change, License, User};
use crate::store::WriteTransaction;

/// An action on a license.
#[derive(Debug)]
pub(super) struct LicenseAction {
    /// The last segment of its URL.
    pub(super) name: &'static str,
    /// The action that it records in the history.
    pub(super) history_action: Action,
    pub(super) target: ActionTarget,
    pub(super) heading: fn(&LicenseContext) -> String,
    /// What will happen, in sentences.
    pub(super) confirm_text: fn(&LicenseContext) -> Vec<String>,
    /// The input fields, with the current values.
    pub(super) fields: fn(&LicenseContext) -> Vec<Field>,
    /// The label of the button.
    pub(super) confirm: &'static str,
    /// Whether it is destructive.
    pub(super) dangerous: bool,
    /// Parses the form.
    pub(super) parse: fn(&Form) -> Result<Operation, PageError>,
}

/// What an action applies to.
#[derive(Debug)]
pub(super) enum ActionTarget {
    /// The license. Only for administrators; the page of the license has a link while the action is available.
    License { label: &'static str, is_available: fn(&License) -> bool },
    /// A server of the license. Also for the owner of the license.
    Server(Presence),
}

/// What the license has to do with the address of an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    /// It is activated there.
    Activated,
    /// It is activated there, or locked to it.
    ActivatedOrLocked,
    /// It was refused there.
    Refused,
    /// It keeps the server there out.
    KeptOut,
}

/// The operation that a form requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Change(Change),
    Delete,
    Revoke { ip: IpAddr, block: Option<Duration> },
    Unblock(IpAddr),
    Move { from: IpAddr, to: IpAddr },
}

/// Actions are equal if their names are.
impl PartialEq for LicenseAction {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for LicenseAction {}

impl LicenseAction {
    /// The label of the link that leads back. Beside “Cancel license”, nothing may read like dismissing the page.
    pub(super) fn back_label(&self) -> &'static str {
        match self.history_action {
            Action::Cancelled | Action::Deleted => "Keep the license",
            _ => "Go back",
        }
    }
}

impl Operation {
    /// Performs the operation, if the user can see the license, and returns the message for the user.
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
            Self::Revoke { ip, block } => actions::revoke(transaction, context.actor, id, *ip, *block),
            Self::Unblock(ip) => actions::unblock(transaction, context.actor, id, *ip),
            Self::Move { from, to } => actions::move_to(transaction, context.actor, id, *from, *to),
        }
    }
}
