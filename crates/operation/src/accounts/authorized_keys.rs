//! The lines of `~/.ssh/authorized_keys`. Tenants write anything there: a line that is not a key costs itself alone, and stays.

use crate::accounts::public_key::PublicKey;

/// The keys, in order.
pub fn keys(bytes: &[u8]) -> impl Iterator<Item = PublicKey> {
    bytes.split(|byte| *byte == b'\n').filter_map(PublicKey::parse)
}

/// The file with a line added to it.
pub fn with(bytes: &[u8], line: &str) -> Vec<u8> {
    let end: &[u8] = if bytes.is_empty() || bytes.ends_with(b"\n") { b"" } else { b"\n" };
    [bytes, end, line.as_bytes(), b"\n"].concat()
}

/// The file without the lines that have the key with this fingerprint.
pub fn without(bytes: &[u8], fingerprint: &str) -> Vec<u8> {
    let lines = bytes.split_inclusive(|byte| *byte == b'\n');
    let is_other = |line: &&[u8]| PublicKey::parse(line).is_none_or(|key| key.fingerprint() != fingerprint);
    lines.filter(is_other).flatten().copied().collect()
}
