//! The signed-in user, and the licenses that the user can see.

use crate::actions::Refusal;
use crate::model::{Actor, License, User};
use crate::store::ReadTransaction;

/// The signed-in user and the session token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SignedInUser {
    pub(super) user: User,
    pub(super) token: String,
}

impl SignedInUser {
    /// The user as an actor in the history.
    pub(super) fn actor(&self) -> Actor {
        Actor { role: self.user.acting_role(), name: self.user.name.clone() }
    }
}

/// The license with this number, if the user can see it. Otherwise it does not exist for the user.
pub(super) fn visible(transaction: &ReadTransaction<'_>, user: &User, id: i64) -> Result<License, Refusal> {
    let license = transaction.license(id)?.filter(|license| user.administrator || license.owner == user.id);
    license.ok_or_else(|| Refusal::NotFound(format!("There is no license {id}.")))
}
