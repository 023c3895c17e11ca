//! Password hashes: argon2id in the PHC string format (19 MiB, 2 passes: OWASP's first recommendation).

use std::sync::{Mutex, PoisonError};

use argon2::password_hash::Error;
use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use ring::rand::{SecureRandom, SystemRandom};

use opterius_base::secret::Secret;

/// The minimum length of a password in characters (NIST SP 800-63B asks for 15 without a second factor; this leaves the
/// vendor some room), and the maximum in bytes.
const MIN_CHARACTERS: usize = 12;
const MAX_BYTES: usize = 1024;

/// The 19 MiB buffer of all hash computations. One at a time, so that many sign-ins do not exhaust memory; and reused,
/// because the C library caches freed memory per thread.
static MEMORY: Mutex<Vec<Block>> = Mutex::new(Vec::new());

#[cfg(test)]
thread_local! {
    /// The work of this thread: blocks of memory that were computed.
    pub(crate) static WORK: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// Checks a new password.
///
/// # Errors
/// A sentence that says why it is not acceptable.
pub fn check(password: &Secret) -> Result<(), String> {
    if password.length() < MIN_CHARACTERS {
        return Err(format!("The password must have at least {MIN_CHARACTERS} characters."));
    }
    if password.expose().len() > MAX_BYTES {
        return Err(format!("The password must not be longer than {MAX_BYTES} bytes."));
    }
    Ok(())
}

/// The hash to store.
///
/// # Errors
/// A sentence: no random numbers or no memory available.
pub fn hash(password: &Secret) -> Result<String, String> {
    let mut salt = [0; 16];
    SystemRandom::new().fill(&mut salt).map_err(|_| "the system provides no random numbers".to_owned())?;
    let mut output = [0; 32];
    let hashed = compute(password, &salt, &Params::DEFAULT, &mut output).and_then(|()| {
        let text = PasswordHash {
            algorithm: Algorithm::Argon2id.ident(),
            version: Some(Version::V0x13.into()),
            params: ParamsString::try_from(&Params::DEFAULT)?,
            salt: Some(Salt::new(&salt)?),
            hash: Some(Output::new(&output)?),
        };
        Ok(text.to_string())
    });
    hashed.map_err(|error| format!("the password cannot be hashed: {error}"))
}

/// Whether the password matches the hash. Without a hash, for an unknown user or one who has no password yet, it takes
/// equally long and returns false, so that timing does not reveal which users exist.
pub fn verify(password: &Secret, hash: Option<&str>) -> bool {
    /// A well-formed hash that no password matches.
    const DUMMY_HASH: &str =
        "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    if password.expose().len() > MAX_BYTES {
        return false;
    }
    let hash = hash.filter(|hash| PasswordHash::new(hash).is_ok());
    let is_right = matches(password, hash.unwrap_or(DUMMY_HASH)).unwrap_or(false);
    is_right && hash.is_some()
}

fn matches(password: &Secret, hash: &str) -> Option<bool> {
    let parsed = PasswordHash::new(hash).ok().filter(|parsed| parsed.algorithm == Algorithm::Argon2id.ident())?;
    let (salt, expected) = (parsed.salt?, parsed.hash?);
    let mut output = vec![0; expected.as_ref().len()];
    compute(password, salt.as_ref(), &Params::try_from(&parsed).ok()?, &mut output).ok()?;
    // `Output` compares in constant time.
    Some(Output::new(&output).ok()? == expected)
}

fn compute(password: &Secret, salt: &[u8], params: &Params, output: &mut [u8]) -> Result<(), Error> {
    let mut memory = MEMORY.lock().unwrap_or_else(PoisonError::into_inner);
    let missing = params.block_count().saturating_sub(memory.len());
    memory.try_reserve_exact(missing).map_err(|_| Error::OutOfMemory)?;
    let length = memory.len().saturating_add(missing);
    memory.resize(length, Block::default());
    #[cfg(test)]
    WORK.with(|work| work.set(work.get() + params.block_count() * usize::try_from(params.t_cost()).unwrap()));
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
    let computed = argon2.hash_password_into_with_memory(password.expose().as_bytes(), salt, output, &mut memory[..]);
    // Nothing derived from a password stays in memory.
    memory.fill(Block::default());
    computed.map_err(Error::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    #[test]
    fn only_the_exact_password_matches() {
        let stored = hash(&secret("correct horse battery")).unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        assert!(verify(&secret("correct horse battery"), Some(&stored)));
        for wrong in ["", "correct horse batter", "Correct horse battery", "correct horse battery "] {
            assert!(!verify(&secret(wrong), Some(&stored)), "{wrong}");
        }
        assert_ne!(stored, hash(&secret("correct horse battery")).unwrap(), "each hash has its own salt");
        assert!(!verify(&secret("correct horse battery"), None));
        assert!(!verify(&secret("correct horse battery"), Some("damaged")));
    }

    #[test]
    fn password_length_is_limited() {
        assert!(check(&secret("elevenchars")).is_err());
        assert_eq!(check(&secret("twelve chars")), Ok(()));
        assert!(check(&secret(&"a".repeat(1025))).is_err());
    }
}
