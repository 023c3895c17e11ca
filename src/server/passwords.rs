//! Passwords, kept as argon2id hashes in the PHC string format (19 MiB, 2 passes: OWASP's first choice).

use std::sync::{Mutex, PoisonError};

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use ring::rand::{SecureRandom, SystemRandom};

use crate::secret::Secret;

/// The fewest characters of a password (NIST SP 800-63B for a password that stands alone: 15; we leave the vendor some
/// room), and the most bytes that are hashed.
const FEWEST: usize = 12;
const MOST: usize = 1024;

/// One hash at a time: each takes 19 MiB, and a crowd that signs in must not take all memory.
static TURN: Mutex<()> = Mutex::new(());

/// Checks a new password.
///
/// # Errors
/// A sentence that says why it cannot be one.
pub fn check(password: &Secret) -> Result<(), String> {
    if password.length() < FEWEST {
        return Err(format!("The password needs at least {FEWEST} characters."));
    }
    if password.expose().len() > MOST {
        return Err(format!("The password is longer than {MOST} bytes."));
    }
    Ok(())
}

/// The hash to store.
///
/// # Errors
/// A sentence: the system gives no random numbers or no memory.
pub fn hash(password: &Secret) -> Result<String, String> {
    let mut salt = [0; 16];
    SystemRandom::new().fill(&mut salt).map_err(|_| "the system gives no random numbers".to_owned())?;
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let hashed = Argon2::default().hash_password_with_salt(password.expose().as_bytes(), &salt);
    hashed.map(|hash: PasswordHash| hash.to_string()).map_err(|error| format!("the password cannot be hashed: {error}"))
}

/// Whether this is the password of this hash. Without a hash, because there is no such user, it takes as long and says
/// no: how long an answer takes does not tell who exists.
pub fn verify(password: &Secret, hash: Option<&str>) -> bool {
    /// The hash of nothing that anybody can type.
    const NOBODY: &str =
        "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    if password.expose().len() > MOST {
        return false;
    }
    let Ok(parsed) = PasswordHash::new(hash.unwrap_or(NOBODY)) else { return false };
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    Argon2::default().verify_password(password.expose().as_bytes(), &parsed).is_ok() && hash.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    #[test]
    fn only_the_password_itself_opens() {
        let stored = hash(&secret("correct horse battery")).unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        assert!(verify(&secret("correct horse battery"), Some(&stored)));
        for wrong in ["", "correct horse batter", "Correct horse battery", "correct horse battery "] {
            assert!(!verify(&secret(wrong), Some(&stored)), "{wrong}");
        }
        assert_ne!(stored, hash(&secret("correct horse battery")).unwrap(), "each hash has a salt of its own");
        assert!(!verify(&secret("correct horse battery"), None));
        assert!(!verify(&secret("correct horse battery"), Some("damaged")));
    }

    #[test]
    fn a_password_is_neither_short_nor_endless() {
        assert!(check(&secret("elevenchars")).is_err());
        assert_eq!(check(&secret("twelve chars")), Ok(()));
        assert!(check(&secret(&"a".repeat(1025))).is_err());
    }
}
