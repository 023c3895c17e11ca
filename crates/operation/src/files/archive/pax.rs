//! The records in front of an entry in the form of POSIX (pax): lines of `LENGTH KEY=VALUE`.

use std::io::{self, ErrorKind};

use crate::files::archive::entry_path::LONGEST;

/// What they say about the entry. The last record with a key counts.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Records {
    /// Its name.
    pub path: Option<Vec<u8>>,
    /// The target of the link that it is.
    pub link: Option<Vec<u8>>,
    /// Its size.
    pub size: Option<u64>,
    /// When it was changed, in whole seconds since 1970.
    pub modified: Option<u64>,
}

impl Records {
    /// Takes these records.
    ///
    /// # Errors
    /// They are damaged, or those of a file with holes in a form that is not read here.
    pub fn read(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let (key, value, rest) = record(bytes).ok_or(ErrorKind::InvalidData)?;
            match key {
                b"path" => self.path = Some(text(value)?),
                b"linkpath" => self.link = Some(text(value)?),
                b"size" => self.size = Some(decimal(value).ok_or(ErrorKind::InvalidData)?),
                // Before 1970, there is none; the header has no better one.
                b"mtime" => self.modified = decimal(value.split(|byte| *byte == b'.').next().unwrap_or_default()),
                key if key.starts_with(b"GNU.sparse.") => return Err(ErrorKind::Unsupported.into()),
                _ => {}
            }
            bytes = rest;
        }
        Ok(())
    }
}

/// The key and value of the first record, and what follows it.
fn record(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let blank = bytes.iter().position(|byte| *byte == b' ')?;
    let length = usize::try_from(decimal(bytes.get(..blank)?)?).ok()?;
    let (record, rest) = bytes.split_at_checked(length)?;
    let record = record.get(blank.saturating_add(1)..)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|byte| *byte == b'=')?;
    let (key, value) = record.split_at_checked(equals)?;
    Some((key, value.get(1..)?, rest))
}

fn text(value: &[u8]) -> io::Result<Vec<u8>> {
    if value.len() > LONGEST || value.contains(&0) { Err(ErrorKind::InvalidData.into()) } else { Ok(value.to_vec()) }
}

fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_and_damaged_ones_refused() {
        let mut records = Records::default();
        let bytes =
            b"12 path=a\nb\n19 linkpath=target\n14 size=12345\n22 mtime=1700000000.5\n18 SCHILY.xattr=\0\n9 path=c\n";
        records.read(bytes).unwrap();
        let expected = Records {
            path: Some(b"c".to_vec()),
            link: Some(b"target".to_vec()),
            size: Some(12345),
            modified: Some(1_700_000_000),
        };
        assert_eq!(records, expected);
        for bytes in [
            &b"x"[..],
            b"5 a=",
            b"0 path=c\n",
            b"1 path=c\n",
            b"8 path=c\n",
            b"11 path=c\n",
            b"-10 path=c\n",
            b"99999999999999999999 path=c\n",
            b"10 path c\n",
            b"11 path=\0c\n",
            b"8 size=\n",
            b"11 size=-1\n",
            b" path=c\n",
        ] {
            let error = Records::default().read(bytes).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidData, "{bytes:?}");
        }
        let sparse = Records::default().read(b"22 GNU.sparse.major=1\n").unwrap_err();
        assert_eq!(sparse.kind(), ErrorKind::Unsupported);
    }
}
