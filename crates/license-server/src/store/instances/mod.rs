//! One database for several instances: how verifications of one instance share their statements, and how the changes of all
//! keep out of each other's way.
//!
//! Most verifications refresh a server that keeps its slot. That needs no lock: earlier servers of a license can only become
//! fewer meanwhile, and a row that another instance has deleted, moved or paired is not refreshed. So a batch first decides
//! all its verifications by what one statement finds, and refreshes by one statement. Whatever has to change more is decided
//! again under the lock of its license, in a second transaction. Changes that are no verifications take turns: each has a
//! lock that verifications under a license's lock share.
//!
//! Locks are taken in one order: changes, then licenses by number, then activations by license and address.

pub(super) mod batch;
mod found;
mod pending;
mod prefetch;
pub(super) mod writer;
