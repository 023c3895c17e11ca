//! New license keys.

use ring::rand::{SecureRandom, SystemRandom};

use super::refusal::Refusal;
use crate::store::Error;
use opterius_base::secret::Secret;

/// A new license key: 160 random bits in four groups of eight characters.
///
/// # Errors
/// The system provides no random numbers.
pub fn new_key() -> Result<Secret, Refusal> {
    /// The base32 alphabet of RFC 4648: without 0, 1 and 8, which look like letters.
    const ALPHABET: [char; 32] = [
        'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N', 'O', 'P', 'Q', 'R', 'S', 'T', 'U', 'V',
        'W', 'X', 'Y', 'Z', '2', '3', '4', '5', '6', '7',
    ];
    let mut random = [0_u8; 32];
    SystemRandom::new()
        .fill(&mut random)
        .map_err(|_| Refusal::Store(Error::Failed("the system provides no random numbers".to_owned())))?;
    let letter = |byte: &u8| ALPHABET.get(usize::from(byte & 31)).copied().unwrap_or('A');
    let groups: Vec<String> = random.chunks(8).map(|group| group.iter().map(letter).collect()).collect();
    Ok(Secret::new(groups.join("-")))
}
