//! Who is signed in, and what they may see.

use crate::actions::Refusal;
use crate::model::{Actor, License, Role, User};
use crate::store::ReadTransaction;

/// Who is signed in, by which token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SignedInUser {
    pub(super) user: User,
    pub(super) token: String,
}

impl SignedInUser {
    /// As whom the history names this person.
    pub(super) fn actor(&self) -> Actor {
        let role = if self.user.administrator { Role::Administrator } else { Role::Owner };
        Actor { role, name: self.user.name.clone() }
    }
}

/// The license with this number, if this user may see it. To others it does not exist.
pub(super) fn visible(transaction: &ReadTransaction<'_>, user: &User, id: i64) -> Result<License, Refusal> {
    let license = transaction.license(id)?.filter(|license| user.administrator || license.owner == user.id);
    license.ok_or_else(|| Refusal::NotFound(format!("There is no license {id}.")))
}
