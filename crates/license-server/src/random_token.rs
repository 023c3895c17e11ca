//! Random tokens, and the hashes of them that are stored.

use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};

use crate::store::Error;
use opterius_base::hex::hex;

/// 32 random bytes in hexadecimal.
///
/// # Errors
/// The system provides no random numbers.
pub fn random() -> Result<String, Error> {
    let mut bytes = [0; 32];
    fill(&mut bytes)?;
    Ok(hex(&bytes))
}

/// 16 random bytes in hexadecimal: enough that no two are the same.
///
/// # Errors
/// The system provides no random numbers.
pub fn random_id() -> Result<String, Error> {
    let mut bytes = [0; 16];
    fill(&mut bytes)?;
    Ok(hex(&bytes))
}

/// Fills the buffer with random bytes.
///
/// # Errors
/// The system provides no random numbers.
pub fn fill(bytes: &mut [u8]) -> Result<(), Error> {
    let failed = |_| Error::Failed("the system provides no random numbers".to_owned());
    SystemRandom::new().fill(bytes).map_err(failed)
}

/// The SHA-256 of the text, in hexadecimal. What is stored of a token: it cannot be used in its place.
pub fn sha256(text: &str) -> String {
    hex(digest(&SHA256, text.as_bytes()).as_ref())
}
