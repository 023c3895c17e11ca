//! The fingerprint of the license key and the identity of this host.

use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};

use opterius_base::clock::Timestamp;
use opterius_base::hex::hex;
use opterius_base::secret::Secret;

/// Keeps the machine ID itself off the network, as machine-id(5) asks: hash it with an application-specific prefix.
const SERVER_ID_PREFIX: &[u8] = b"opterius-agent/server-id/v1\n";

/// SHA-256 of the license key, in hex.
pub fn key_fingerprint(key: &Secret) -> String {
    hex(digest(&SHA256, key.expose().as_bytes()).as_ref())
}

/// What systemd writes into the machine ID of an image that many machines are made from, see machine-id(5).
const UNINITIALIZED: &str = "uninitialized";

/// The host's identity, derived from the content of `/etc/machine-id`; empty when that names no machine.
pub fn server_id(machine_id: &str) -> String {
    let machine_id = machine_id.trim();
    if machine_id == UNINITIALIZED || machine_id.bytes().all(|digit| digit == b'0') {
        return String::new();
    }
    hex(digest(&SHA256, &[SERVER_ID_PREFIX, machine_id.as_bytes()].concat()).as_ref())
}

/// The bytes of a nonce that are random; the rest are the time of the request.
const RANDOM: usize = 11;

/// A value that ties an answer to its request: random, with the time of the request, `now` by this server's clock. A signed
/// answer repeats it, so editing the cache file cannot make the answer look newer. `None` when the kernel returns no random
/// bytes.
pub fn nonce(random: &SystemRandom, now: Timestamp) -> Option<String> {
    let mut bytes = [0; RANDOM];
    random.fill(&mut bytes).ok()?;
    Some(format!("{}{:010x}", hex(&bytes), now.unix().clamp(0, 0xff_ffff_ffff)))
}

/// The time of the request that has this nonce; `None` for a nonce that is not ours.
pub fn asked_at(nonce: &str) -> Option<Timestamp> {
    i64::from_str_radix(nonce.get(2 * RANDOM..)?, 16).ok().map(Timestamp::from_unix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_fingerprint_is_its_plain_sha256() {
        // printf abc | sha256sum
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(key_fingerprint(&Secret::new("abc".into())), expected);
    }

    #[test]
    fn a_nonce_is_random_and_has_the_time_of_its_request() {
        let random = SystemRandom::new();
        for seconds in [1_772_323_200, 0, 253_402_300_799] {
            let now = Timestamp::from_unix(seconds);
            let (one, other) = (nonce(&random, now).unwrap(), nonce(&random, now).unwrap());
            assert!(one != other && one.len() == 32 && one.bytes().all(|digit| digit.is_ascii_hexdigit()), "{one}");
            assert_eq!(asked_at(&one), Some(now), "{one}");
        }
        for nonce in ["", "0123", "0123456789abcdef012345 soon"] {
            assert_eq!(asked_at(nonce), None, "{nonce}");
        }
    }

    #[test]
    fn a_server_id_does_not_reveal_the_machine_id() {
        let machine_id = "0123456789abcdef0123456789abcdef";
        let identity = server_id(machine_id);
        assert_eq!(identity.len(), 64);
        assert_eq!(identity, server_id("0123456789abcdef0123456789abcdef\n"));
        assert_ne!(identity, hex(digest(&SHA256, machine_id.as_bytes()).as_ref()));
    }

    #[test]
    fn a_machine_id_that_many_machines_can_share_is_none() {
        let zeros = "0".repeat(32);
        for none in ["", "\n", " \t\r\n", "uninitialized", "uninitialized\n", "0", &zeros, &format!("{zeros}\n")] {
            assert_eq!(server_id(none), "", "{none:?}");
        }
        // Any other text has always identified its server.
        for some in ["0123456789abcdef0123456789abcdef", "00000000000000000000000000000001", "web1", "Uninitialized"] {
            assert_eq!(server_id(some).len(), 64, "{some:?}");
        }
    }
}
