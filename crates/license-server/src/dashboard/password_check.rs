//! Checking a name and a password, within the limits for attempts.

use log::warn;

use super::page_error::PageError;
use super::page_request::PageRequest;
use crate::actions::Refusal;
use crate::model::User;
use crate::passwords;
use opterius_base::secret::Secret;
use opterius_base::text::one_line;

/// The user with this name and password, and the hash that matched. A wrong name takes as long as a wrong password and gets
/// the same message.
pub(super) fn check(page_request: &PageRequest, name: &str, password: &Secret) -> Result<(User, String), PageError> {
    let (shared, attempts, client) = (&page_request.shared, &page_request.state.attempts, page_request.client);
    let now = shared.clock.monotonic();
    attempts.take(name, client, now).map_err(PageError::TooManyAttempts)?;
    let found = shared.readers.read(|transaction| transaction.user(name))?;
    let is_right = passwords::verify(password, found.as_ref().map(|(_, hash)| hash.as_str()));
    match found.filter(|(user, _)| is_right && user.can_sign_in()) {
        Some(found) => {
            attempts.succeeded(name, client, now);
            Ok(found)
        }
        None => {
            attempts.failed(name, client, now);
            warn!("Sign-in of “{}” from {client} refused: wrong name or password", one_line(name, 64));
            Err(PageError::Refused(Refusal::Invalid("Wrong password.".to_owned())))
        }
    }
}
