//! Encryption of the secrets of second factors in the database (AES-256-GCM).
//!
//! The server must read a secret to check a code, so it cannot be hashed. Its key is derived from a signing key, which is in
//! another file than the database: a stolen backup of the database alone has no second factor to use. The key's id is
//! stored beside the secret; before a signing key is retired, what it encrypts is encrypted with the key that stays.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use zeroize::Zeroizing;

use crate::keys::{SigningKey, SigningKeys};
use crate::random_token;
use crate::store::Error;
use crate::totp::TotpSecret;
use opterius_base::hex::{hex, unhex};

/// What the encryption key is derived for.
const CONTEXT: &[u8] = b"opterius-license-server second factor v1";

/// Encrypts the secret of this user with the newest signing key.
///
/// # Errors
/// The system provides no random numbers.
pub fn seal(keys: &SigningKeys, user: i64, secret: &TotpSecret) -> Result<String, Error> {
    let failed = || Error::Failed("the second factor cannot be encrypted".to_owned());
    let key = keys.keys().first().ok_or_else(failed)?;
    let mut nonce = [0; NONCE_LEN];
    random_token::fill(&mut nonce)?;
    let mut bytes = Zeroizing::new(secret.bytes().to_vec());
    let cipher = cipher(key).ok_or_else(failed)?;
    cipher
        .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), associated(user), &mut *bytes)
        .map_err(|_| failed())?;
    Ok(format!("{}.{}.{}", key.id(), hex(&nonce), hex(&bytes)))
}

/// Decrypts the secret of this user; `None` if its key is not among these, or it is not of this user.
pub fn open(keys: &SigningKeys, user: i64, sealed: &str) -> Option<TotpSecret> {
    let mut parts = sealed.split('.');
    let (id, nonce, bytes) = (parts.next()?, parts.next()?, parts.next()?);
    let key = keys.keys().iter().find(|key| key.id() == id)?;
    let nonce = Nonce::try_assume_unique_for_key(&unhex(nonce.as_bytes())?).ok()?;
    let mut bytes = Zeroizing::new(unhex(bytes.as_bytes())?);
    let opened = cipher(key)?.open_in_place(nonce, associated(user), &mut bytes).ok()?;
    TotpSecret::from_bytes(opened)
}

/// A sealed secret is valid only for its user.
fn associated(user: i64) -> Aad<[u8; 8]> {
    Aad::from(user.to_be_bytes())
}

fn cipher(key: &SigningKey) -> Option<LessSafeKey> {
    Some(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key.derive(CONTEXT).as_slice()).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use opterius_base::clock::Timestamp;

    #[test]
    fn a_sealed_secret_opens_only_for_its_user_and_with_its_key() {
        let mut keys = SigningKeys::generate("one", Timestamp::from_unix(0)).unwrap();
        let other = SigningKeys::generate("one", Timestamp::from_unix(0)).unwrap();
        let secret = TotpSecret::generate().unwrap();
        let sealed = seal(&keys, 7, &secret).unwrap();
        assert!(open(&keys, 7, &sealed) == Some(secret.clone()));
        assert!(!sealed.contains(&hex(secret.bytes())) && !sealed.contains(secret.base32().expose()));
        assert_ne!(sealed, seal(&keys, 7, &secret).unwrap(), "each has its own nonce");
        assert!(open(&keys, 8, &sealed).is_none() && open(&other, 7, &sealed).is_none());
        for wrong in ["", "..", &sealed[..sealed.len() - 2], &sealed.replacen('.', ".00", 1)] {
            assert!(open(&keys, 7, wrong).is_none(), "{wrong}");
        }
        keys.rotate(Timestamp::from_unix(0)).unwrap();
        assert!(open(&keys, 7, &sealed) == Some(secret.clone()), "the old key still opens it");
        let newer = seal(&keys, 7, &secret).unwrap();
        keys.retire(Timestamp::from_unix(0), true).unwrap();
        assert!(open(&keys, 7, &sealed).is_none() && open(&keys, 7, &newer).is_some());
    }
}
