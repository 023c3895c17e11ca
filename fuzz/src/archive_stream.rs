//! The entries of an archive: whatever bytes arrive, reading ends, memory follows what has arrived, each accepted name stays in
//! its directory, and what is read is read again after it is written out.

use std::io;

use opterius_operation::files::archive::entry_path::EntryPath;
use opterius_operation::files::archive::tar::{Entry, Kind, TarReader, header};

/// Longest name or target: that of a long entry, or the two fields of a short one.
const MAX_TEXT: usize = 4095;

/// The input is the stream.
pub fn check(data: &[u8]) {
    let mut reader = TarReader::new(data);
    let mut blocks = 0;
    while let Ok(Some(entry)) = reader.next_entry() {
        blocks += 1;
        assert!(blocks * 512 <= data.len(), "more entries than headers");
        check_path(&entry);
        check_again(&entry);
        if let Kind::File(size) = entry.kind
            && blocks % 2 == 0
        {
            match io::copy(&mut reader, &mut io::sink()) {
                Ok(read) => assert!(read == size && read <= data.len() as u64, "{read} of {size} bytes"),
                Err(_) => assert!(size > 0),
            }
        }
    }
}

fn check_path(entry: &Entry) {
    assert!(entry.name.len() <= MAX_TEXT && entry.mode <= 0o7777);
    let Ok(Some(path)) = EntryPath::parse(&entry.name) else { return };
    let parts: Vec<&[u8]> = path.parents().iter().map(|part| part.to_bytes()).chain([path.name().to_bytes()]).collect();
    for part in &parts {
        assert!(!matches!(*part, b"" | b"." | b"..") && part.len() <= 255 && !part.contains(&b'/'), "{part:?}");
    }
    assert!(!entry.name.starts_with(b"/") && parts.len() <= 257);
    if let Kind::Link(target) = &entry.kind
        && path.may_link_to(target)
    {
        // Followed by names alone, the link does not rise above the directory.
        let mut depth = path.parents().len();
        for part in target.split(|byte| *byte == b'/').filter(|part| !matches!(*part, b"" | b".")) {
            depth = if part == b".." { depth.checked_sub(1).expect("the link leads out") } else { depth + 1 };
        }
    }
}

/// What is written of an entry is read as the same entry.
fn check_again(entry: &Entry) {
    if entry.kind == Kind::Other {
        return;
    }
    let mut again = TarReader::new(io::Cursor::new(header(entry)));
    assert_eq!(again.next_entry().expect("what is written can be read").as_ref(), Some(entry));
}
