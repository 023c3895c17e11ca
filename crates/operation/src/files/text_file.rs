//! Reading a file as text for an editor.

use std::fs::File;
use std::io::Read;

use rustix::fs::{FileType, OFlags, fstat};
use rustix::io::Errno;

use crate::files::home::{Home, LOOK, obstacle, shown};
use opterius_host::problem::Problem;
use opterius_host::request::home_path::HomePath;

/// Largest file that is read, in bytes.
pub const MAX_FILE: u64 = 1024 * 1024;

/// Largest answer, in bytes, below the largest reply of the helper: JSON writes control characters with six bytes.
const MAX_WRITTEN: usize = 3 * 1024 * 1024;

/// Reads a text file.
///
/// # Errors
/// It is no regular file, too large, or not text.
pub fn read(home: &Home, path: &HomePath) -> Result<String, Problem> {
    let shown = shown(path);
    let failed = |error| obstacle(&shown, error);
    let refused = |sentence: String| Problem::Conflict(format!("{shown} {sentence}"));
    let below = path.from_home().as_bytes();
    // Opening a device or a FIFO can have effects, so first look what it is.
    let is_file = |mode| FileType::from_raw_mode(mode) == FileType::RegularFile;
    let seen = home.open(below, LOOK).and_then(fstat).map_err(failed)?;
    let no_file = || refused("is not a regular file, and has no text to show.".to_owned());
    if !is_file(seen.st_mode) {
        return Err(no_file());
    }
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = home.open(below, flags).map_err(failed)?;
    let status = fstat(&file).map_err(failed)?;
    if !is_file(status.st_mode) {
        return Err(no_file());
    }
    let too_large = |size: u64| {
        refused(format!(
            "has {size} bytes, and the largest file that can be shown has {MAX_FILE}. Use SFTP for this one."
        ))
    };
    let size = u64::try_from(status.st_size).unwrap_or(0);
    if size > MAX_FILE {
        return Err(too_large(size));
    }
    let mut bytes = Vec::new();
    let read = File::from(file).take(MAX_FILE.saturating_add(1)).read_to_end(&mut bytes);
    read.map_err(|error| failed(Errno::from_io_error(&error).unwrap_or(Errno::IO)))?;
    let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    if length > MAX_FILE {
        // It grew meanwhile.
        return Err(too_large(length));
    }
    let not_text = || refused(format!("({length} bytes) is not text in UTF-8. Use SFTP for this one."));
    let text = String::from_utf8(bytes).ok().filter(|text| !text.contains('\0')).ok_or_else(not_text)?;
    if written_length(&text) > MAX_WRITTEN {
        return Err(not_text());
    }
    Ok(text)
}

/// An upper bound for the length of a text in JSON.
fn written_length(text: &str) -> usize {
    let length = |byte: u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' => 2,
        0..0x20 => 6,
        _ => 1,
    };
    text.bytes().map(length).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Tree, user};
    use rustix::fs::{CWD, Mode, mknodat};
    use std::os::unix::fs::symlink;

    fn ask(tree: &Tree, path: &str) -> Result<String, Problem> {
        let home = Home::at(&tree.host.home("alice")).unwrap();
        read(&home, &HomePath::parse("path", path, &user("alice")).unwrap())
    }

    #[test]
    fn text_is_read_byte_for_byte() {
        let tree = Tree::new();
        let largest = "ä".repeat(512 * 1024);
        for text in ["", "\u{feff}a\r\n", "a\tb\u{1}\u{7f}\"\\", "ü 😀", &largest] {
            tree.write("/home/alice/file", text);
            assert_eq!(ask(&tree, "file").unwrap(), text);
        }
        tree.write("/home/alice/directory/file", "by a link");
        symlink("directory/file", tree.host.home("alice").join("link")).unwrap();
        symlink("../link", tree.host.home("alice").join("directory/back")).unwrap();
        assert_eq!(ask(&tree, "directory/back").unwrap(), "by a link");
    }

    #[test]
    fn anything_else_is_refused_with_a_sentence() {
        let tree = Tree::new();
        let home = tree.directory("/home/alice");
        tree.directory("/home/alice/directory");
        tree.write("/home/alice/latin", b"caf\xe9");
        tree.write("/home/alice/zero", "a\0b");
        tree.write("/home/alice/cut", &"ü".as_bytes()[..1]);
        tree.write("/home/alice/signs", "\u{1}".repeat(1024 * 1024));
        tree.write("/home/alice/large", "a".repeat(1024 * 1024 + 1));
        File::create(home.join("sparse")).unwrap().set_len(1 << 40).unwrap();
        mknodat(CWD, home.join("fifo"), FileType::Fifo, Mode::RWXU, 0).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(home.join("socket")).unwrap();
        tree.write("/home/bob/secret", "secret");
        symlink("../bob/secret", home.join("up")).unwrap();
        symlink(tree.host.path("/home/bob/secret"), home.join("away")).unwrap();
        symlink("/proc/self/fd/0", home.join("magic")).unwrap();
        for (path, status, words) in [
            ("missing", 404, "does not exist"),
            ("directory", 409, "not a regular file"),
            ("", 409, "not a regular file"),
            ("latin", 409, "not text"),
            ("zero", 409, "not text"),
            ("cut", 409, "not text"),
            ("signs", 409, "not text"),
            ("large", 409, "1048577 bytes"),
            ("sparse", 409, "1099511627776 bytes"),
            ("fifo", 409, "not a regular file"),
            ("socket", 409, "not a regular file"),
            ("up", 409, "out of the account's home"),
            ("away", 409, "out of the account's home"),
            ("magic", 409, "out of the account's home"),
        ] {
            let problem = ask(&tree, path).unwrap_err();
            assert!(problem.status() == status && problem.message().contains(words), "{path}: {problem:?}");
        }
    }
}
