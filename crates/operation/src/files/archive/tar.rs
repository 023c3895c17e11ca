//! The stream between the programs and us: tar in GNU's form, whose names are bytes of any length. Archives of others come in the
//! forms of POSIX, too, with names in the prefix of a header or in records in front of it.

use std::io::{self, ErrorKind, Read};

use crate::files::archive::entry_path::LONGEST;
use crate::files::archive::pax::Records;

/// The size of a header, and of the units in which content is stored.
const BLOCK: usize = 512;

/// Longest name or target of a link, with its zero at the end.
const MAX_TEXT: u64 = 4096;

/// Most bytes of records for an entry: attributes of the file can be among them.
const MAX_RECORDS: u64 = 1024 * 1024;

/// What follows the last entry at most: programs fill their last record.
const MAX_TRAILER: u64 = 1024 * 1024;

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file of this many bytes.
    File(u64),
    /// A directory.
    Directory,
    /// A symbolic link to this.
    Link(Vec<u8>),
    /// Another name of an earlier entry.
    HardLink(Vec<u8>),
    /// A device, a FIFO, or something unknown.
    Other,
}

/// An entry, without its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name, as in the archive.
    pub name: Vec<u8>,
    /// What it is.
    pub kind: Kind,
    /// Its mode.
    pub mode: u32,
    /// When it was changed, in seconds since 1970.
    pub modified: u64,
}

/// Reads entries from a stream.
pub struct TarReader<R> {
    stream: R,
    /// Content of the current entry that has not been read.
    left: u64,
    padding: u64,
}

impl<R: Read> TarReader<R> {
    /// Reads from this stream.
    pub fn new(stream: R) -> Self {
        Self { stream, left: 0, padding: 0 }
    }

    /// The next entry; none at the end. Skips what is left of the current one.
    ///
    /// # Errors
    /// The stream ends too early, or is no tar.
    pub fn next_entry(&mut self) -> io::Result<Option<Entry>> {
        let (mut name, mut target, mut records) = (None, None, Records::default());
        loop {
            self.skip(self.left.saturating_add(self.padding))?;
            (self.left, self.padding) = (0, 0);
            let mut block = [0; BLOCK];
            self.stream.read_exact(&mut block)?;
            if block.iter().all(|byte| *byte == 0) {
                self.finish()?;
                return Ok(None);
            }
            let header = Header::parse(&block).ok_or_else(broken)?;
            self.expect(header.size);
            match header.kind {
                b'L' => name = Some(self.text()?),
                b'K' => target = Some(self.text()?),
                b'x' => records.read(&self.records()?)?,
                // Names of one entry are never in the records for all.
                b'g' => Records::default().read(&self.records()?)?,
                b'S' => return Err(ErrorKind::Unsupported.into()),
                _ => {
                    let header = header.with(name, target, records);
                    self.expect(header.size);
                    return Ok(Some(header.entry()));
                }
            }
        }
    }

    /// What follows the header is content of this size.
    fn expect(&mut self, size: u64) {
        self.left = size;
        self.padding = padding(size);
    }

    /// The records for an entry.
    fn records(&mut self) -> io::Result<Vec<u8>> {
        self.content(MAX_RECORDS)
    }

    /// All of the content, if it is not longer.
    fn content(&mut self, longest: u64) -> io::Result<Vec<u8>> {
        if self.left > longest {
            return Err(broken());
        }
        let mut content = Vec::new();
        self.read_to_end(&mut content)?;
        if self.left > 0 { Err(ErrorKind::UnexpectedEof.into()) } else { Ok(content) }
    }

    /// A name that did not fit into a header.
    fn text(&mut self) -> io::Result<Vec<u8>> {
        let mut text = self.content(MAX_TEXT)?;
        text.truncate(text.iter().position(|byte| *byte == 0).unwrap_or(text.len()));
        if text.len() > LONGEST { Err(broken()) } else { Ok(text) }
    }

    fn skip(&mut self, length: u64) -> io::Result<()> {
        let skipped = io::copy(&mut self.stream.by_ref().take(length), &mut io::sink())?;
        if skipped == length { Ok(()) } else { Err(ErrorKind::UnexpectedEof.into()) }
    }

    /// Reads to the end, so that the program that writes can end by itself.
    fn finish(&mut self) -> io::Result<()> {
        let rest = io::copy(&mut self.stream.by_ref().take(MAX_TRAILER), &mut io::sink())?;
        if rest < MAX_TRAILER { Ok(()) } else { Err(broken()) }
    }
}

/// The content of the current entry.
impl<R: Read> Read for TarReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.stream.by_ref().take(self.left).read(buffer)?;
        self.left = self.left.saturating_sub(u64::try_from(read).unwrap_or(u64::MAX));
        if read == 0 && self.left > 0 && !buffer.is_empty() { Err(ErrorKind::UnexpectedEof.into()) } else { Ok(read) }
    }
}

fn broken() -> io::Error {
    ErrorKind::InvalidData.into()
}

/// The zeros after content of this size.
pub fn padding(size: u64) -> u64 {
    let block = u64::try_from(BLOCK).unwrap_or(u64::MAX);
    match size.checked_rem(block) {
        None | Some(0) => 0,
        Some(rest) => block.saturating_sub(rest),
    }
}

struct Header {
    name: Vec<u8>,
    target: Vec<u8>,
    kind: u8,
    mode: u32,
    size: u64,
    modified: u64,
}

impl Header {
    fn parse(block: &[u8; BLOCK]) -> Option<Self> {
        let field = |from: usize, length: usize| block.get(from..from.saturating_add(length)).unwrap_or_default();
        if number(field(148, 8))? != checksum(block) {
            return None;
        }
        let kind = *field(156, 1).first()?;
        let size = number(field(124, 12))?;
        let text = |bytes: &[u8]| bytes.split(|byte| *byte == 0).next().unwrap_or_default().to_vec();
        let (mut name, prefix) = (text(field(0, 100)), text(field(345, 155)));
        // GNU's form has other fields in the place of the prefix.
        if field(257, 6) == b"ustar\0" && !prefix.is_empty() {
            name = [prefix, b"/".to_vec(), name].concat();
        }
        let mode = u32::try_from(number(field(100, 8))? & 0o7777).ok()?;
        let modified = number(field(136, 12)).unwrap_or(0);
        Some(Self { name, target: text(field(157, 100)), kind, mode, size, modified }.of_its_kind())
    }

    /// With what was in front of it.
    fn with(self, name: Option<Vec<u8>>, target: Option<Vec<u8>>, records: Records) -> Self {
        let name = records.path.or(name).unwrap_or(self.name);
        let target = records.link.or(target).unwrap_or(self.target);
        let (size, modified) = (records.size.unwrap_or(self.size), records.modified.unwrap_or(self.modified));
        Self { name, target, size, modified, ..self }.of_its_kind()
    }

    /// A link has no content, whatever its header says; something unknown has what it says. Before POSIX, a directory was a file
    /// whose name ends with a slash.
    fn of_its_kind(mut self) -> Self {
        if matches!(self.kind, b'0' | 0 | b'7') && self.name.ends_with(b"/") && self.size == 0 {
            self.kind = b'5';
        }
        if matches!(self.kind, b'1' | b'2' | b'5') {
            self.size = 0;
        }
        self
    }

    fn entry(self) -> Entry {
        let kind = match self.kind {
            b'0' | 0 | b'7' => Kind::File(self.size),
            b'5' => Kind::Directory,
            b'2' => Kind::Link(self.target),
            b'1' => Kind::HardLink(self.target),
            _ => Kind::Other,
        };
        Entry { name: self.name, kind, mode: self.mode, modified: self.modified }
    }
}

/// A number: octal digits between blanks and zeros, or binary if it is large.
fn number(field: &[u8]) -> Option<u64> {
    if let [0x80, rest @ ..] = field {
        return rest.iter().try_fold(0_u64, |sum, byte| sum.checked_mul(256)?.checked_add(u64::from(*byte)));
    }
    let digits = field.split(|byte| *byte == 0).next().unwrap_or_default().trim_ascii();
    digits.iter().try_fold(0_u64, |sum, byte| match byte {
        b'0'..=b'7' => sum.checked_mul(8)?.checked_add(u64::from(byte.saturating_sub(b'0'))),
        _ => None,
    })
}

/// The sum of all bytes, where those of the sum itself count as blanks.
fn checksum(block: &[u8; BLOCK]) -> u64 {
    let byte = |(at, byte): (usize, &u8)| u64::from(if (148..156).contains(&at) { b' ' } else { *byte });
    block.iter().enumerate().map(byte).sum()
}

/// The header of an entry, preceded by those for a long name or target. The content of a file follows, with [`padding`].
pub fn header(entry: &Entry) -> Vec<u8> {
    let (kind, size, target): (u8, u64, &[u8]) = match &entry.kind {
        Kind::File(size) => (b'0', *size, b""),
        Kind::Directory => (b'5', 0, b""),
        Kind::Link(target) => (b'2', 0, target),
        Kind::HardLink(target) => (b'1', 0, target),
        Kind::Other => (b'6', 0, b""),
    };
    let mut bytes = Vec::new();
    for (long, kind) in [(entry.name.as_slice(), b'L'), (target, b'K')] {
        if long.len() > 100 {
            let size = u64::try_from(long.len()).unwrap_or(u64::MAX).saturating_add(1);
            bytes.extend(block(b"././@LongLink", kind, size, b"", 0o644, 0));
            bytes.extend_from_slice(long);
            bytes.extend(std::iter::repeat_n(0, usize::try_from(padding(size)).unwrap_or(0).saturating_add(1)));
        }
    }
    bytes.extend(block(&entry.name, kind, size, target, entry.mode, entry.modified));
    bytes
}

/// One header, with as much of the texts as fits.
fn block(name: &[u8], kind: u8, size: u64, target: &[u8], mode: u32, modified: u64) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let mut put = |at: usize, bytes: &[u8], length: usize| {
        let places = block.iter_mut().skip(at).take(length);
        places.zip(bytes).for_each(|(place, byte)| *place = *byte);
    };
    let octal = |number: u64, digits: usize| format!("{number:0digits$o}").into_bytes();
    put(0, name, 100);
    put(100, &octal(u64::from(mode), 7), 8);
    put(108, &octal(0, 7), 8);
    put(116, &octal(0, 7), 8);
    put(124, &large(size), 12);
    put(136, &large(modified), 12);
    put(156, &[kind], 1);
    put(157, target, 100);
    put(257, b"ustar  \0", 8);
    let sum = octal(checksum(&block), 6);
    let places = block.iter_mut().skip(148).take(8);
    places.zip(sum.iter().chain(b"\0 ")).for_each(|(place, byte)| *place = *byte);
    block
}

/// A number in a field of 12 bytes: octal digits, or binary from 8 GiB on, where they do not suffice.
fn large(number: u64) -> Vec<u8> {
    if number <= 0o77_777_777_777 {
        return format!("{number:011o}").into_bytes();
    }
    [&[0x80, 0, 0, 0][..], &number.to_be_bytes()].concat()
}

/// What follows the last entry.
pub fn trailer() -> [u8; 2 * BLOCK] {
    [0; 2 * BLOCK]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &[u8], kind: Kind) -> Entry {
        Entry { name: name.to_vec(), kind, mode: 0o644, modified: 1_700_000_000 }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let long = vec![b'n'; 250];
        let entries = [
            entry(b"short", Kind::File(5)),
            entry(&long, Kind::File(0)),
            entry(&[b'n'; 100], Kind::Directory),
            entry(&[b'n'; 101], Kind::Link(long.clone())),
            entry(b"lat\xe9\n", Kind::HardLink(b"short".to_vec())),
            entry(b"fifo", Kind::Other),
        ];
        let mut stream = Vec::new();
        for entry in &entries {
            stream.extend(header(entry));
            if let Kind::File(size) = entry.kind {
                stream.extend_from_slice(&b"hello"[..usize::try_from(size).unwrap()]);
                stream.extend(vec![0; usize::try_from(padding(size)).unwrap()]);
            }
        }
        stream.extend(trailer());
        let mut reader = TarReader::new(stream.as_slice());
        for expected in &entries {
            assert_eq!(reader.next_entry().unwrap().as_ref(), Some(expected));
            if expected.name == b"short" {
                let mut content = String::new();
                reader.read_to_string(&mut content).unwrap();
                assert_eq!(content, "hello");
            }
        }
        assert_eq!(reader.next_entry().unwrap(), None);
        for end in [0, 100, 512, 515, 1100, stream.len() - 1024] {
            let mut reader = TarReader::new(&stream[..end]);
            let failed = (0..10).find_map(|_| reader.next_entry().err());
            assert!(failed.is_some(), "cut at {end}");
        }
        stream[0] ^= 1;
        assert!(TarReader::new(stream.as_slice()).next_entry().is_err(), "a wrong checksum");
    }

    #[test]
    fn sizes_and_times_beyond_octal_digits_are_read_back() {
        for size in [0, 1, 0o77_777_777_777, 0o100_000_000_000, 10 << 30, u64::MAX] {
            let entry = Entry { modified: size, ..entry(b"file", Kind::File(size)) };
            let bytes = header(&entry);
            assert_eq!(TarReader::new(bytes.as_slice()).next_entry().unwrap(), Some(entry), "{size}");
        }
    }

    #[test]
    fn records_of_posix_stand_for_what_does_not_fit_into_a_header() {
        let records = |kind: u8, text: &[u8]| {
            let size = u64::try_from(text.len()).unwrap();
            let zeros = vec![0; usize::try_from(padding(size)).unwrap()];
            [&block(b"PaxHeaders/x", kind, size, b"", 0o644, 0)[..], text, &zeros].concat()
        };
        let mut stream = records(b'g', b"13 comment=a\n");
        stream.extend(records(b'x', b"13 path=dir/\n"));
        stream.extend(block(b"cut", b'0', 0, b"", 0o755, 0));
        stream.extend(records(b'x', b"12 path=abc\n9 size=5\n"));
        stream.extend(block(b"cut", b'0', 0, b"", 0o644, 7));
        stream.extend([&b"hello"[..], &[0; 507]].concat());
        stream.extend(block(b"next", b'0', 0, b"", 0o644, 7));
        stream.extend(trailer());
        let mut reader = TarReader::new(stream.as_slice());
        let directory = reader.next_entry().unwrap().unwrap();
        assert_eq!((directory.name.as_slice(), directory.kind), (&b"dir/"[..], Kind::Directory));
        let file = reader.next_entry().unwrap().unwrap();
        assert_eq!((file.name.as_slice(), file.kind, file.modified), (&b"abc"[..], Kind::File(5), 7));
        let mut content = String::new();
        reader.read_to_string(&mut content).unwrap();
        assert_eq!(content, "hello");
        // Records are for one entry.
        assert_eq!(reader.next_entry().unwrap().unwrap().name, b"next");
        assert_eq!(reader.next_entry().unwrap(), None);
        for sparse in [records(b'x', b"22 GNU.sparse.major=1\n"), block(b"holes", b'S', 0, b"", 0o644, 0).to_vec()] {
            let error = TarReader::new(sparse.as_slice()).next_entry().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported);
        }
        assert!(TarReader::new(records(b'x', b"99 path=dir/\n").as_slice()).next_entry().is_err());
    }

    #[test]
    fn a_long_name_is_bounded() {
        let mut bytes = block(b"././@LongLink", b'L', 1 << 30, b"", 0o644, 0).to_vec();
        bytes.extend([b'a'; 8192]);
        assert!(TarReader::new(bytes.as_slice()).next_entry().is_err());
    }
}
