//! Signatures that are accepted only once, because they do not cover the request's body.

use std::collections::HashMap;
use std::time::Duration;

use crate::api::authentication::Signature;
use opterius_base::clock::Timestamp;

/// Most signatures that are remembered. A Panel makes far fewer uploads within the signature window.
const MAX: usize = 4096;

/// The signatures used since the Agent's start. Those from before are unknown, and not accepted.
#[derive(Debug)]
pub struct UsedSignatures {
    started_at: Timestamp,
    used: HashMap<Vec<u8>, Timestamp>,
}

impl UsedSignatures {
    /// None used yet, by an Agent that starts now.
    pub fn since(started_at: Timestamp) -> Self {
        Self { started_at, used: HashMap::new() }
    }

    /// Whether the signature, valid for `window`, has not been used; from now on, it has.
    pub fn use_once(&mut self, signature: Signature, now: Timestamp, window: Duration) -> bool {
        let Signature { bytes, signed_at } = signature;
        if signed_at.unix() <= self.started_at.unix() {
            return false;
        }
        // The others are refused for their age.
        self.used.retain(|_, signed_at| now.since(*signed_at) <= window);
        self.used.len() < MAX && self.used.insert(bytes, signed_at).is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(300);

    fn signature(bytes: &[u8], at: i64) -> Signature {
        Signature { bytes: bytes.to_vec(), signed_at: Timestamp::from_unix(at) }
    }

    #[test]
    fn a_signature_is_accepted_once_and_never_from_before_the_start() {
        let mut used = UsedSignatures::since(Timestamp::from_unix(1000));
        let mut once = |bytes: &[u8], at, now| used.use_once(signature(bytes, at), Timestamp::from_unix(now), WINDOW);
        assert!(!once(b"a", 999, 1001) && !once(b"a", 1000, 1001));
        assert!(once(b"a", 1001, 1001) && !once(b"a", 1001, 1001) && !once(b"a", 1001, 1301));
        assert!(once(b"b", 1001, 1002) && once(b"c", 1400, 1302));
        assert!(!once(b"c", 1400, 1700), "signed ahead of this clock");
    }

    #[test]
    fn memory_is_bounded() {
        let mut used = UsedSignatures::since(Timestamp::from_unix(0));
        let mut once = |number: usize, now| {
            used.use_once(signature(&number.to_le_bytes(), now), Timestamp::from_unix(now), WINDOW)
        };
        assert!((0..MAX).all(|number| once(number, 10)));
        assert!(!once(MAX, 10) && once(MAX, 311));
    }
}
