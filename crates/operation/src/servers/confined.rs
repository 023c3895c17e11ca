//! Clients that read or write tenants' data run as the user `nobody`. They sign in to the server as a temporary user who can use
//! one database only. The password is random, exists in two processes, and is never stored.

use ring::rand::{SecureRandom, SystemRandom};

use opterius_base::hex::hex;
use opterius_base::secret::Secret;
use opterius_host::problem::Problem;
use opterius_host::tool::Tool;

/// The user and group `nobody`, which own no files.
const NOBODY: u32 = 65534;

/// An installed program that runs as `nobody`.
///
/// # Errors
/// It is not installed.
pub(super) fn confined(program: &str) -> Result<Tool, Problem> {
    Tool::named(program).map(|tool| tool.user(NOBODY, NOBODY))
}

/// A password for one task.
///
/// # Errors
/// The system provides no random numbers.
pub(super) fn random_password() -> Result<Secret, Problem> {
    let mut bytes = [0; 24];
    let failed = |_| Problem::failure("The system provides no random numbers".to_owned());
    SystemRandom::new().fill(&mut bytes).map_err(failed)?;
    Ok(Secret::new(hex(&bytes)))
}
