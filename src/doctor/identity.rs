//! The identity of this server.

use crate::daemon::{MACHINE_ID_SETUP, NO_MACHINE_ID};
use crate::doctor::context::Context;
use crate::doctor::finding::Finding;

/// Whether `/etc/machine-id` identifies this server.
pub fn machine_id(context: &Context<'_>) -> Option<Finding> {
    Some(match context.identity.server_id.is_empty() {
        true => Finding::warn(NO_MACHINE_ID, MACHINE_ID_SETUP),
        false => Finding::pass("/etc/machine-id identifies this server"),
    })
}
