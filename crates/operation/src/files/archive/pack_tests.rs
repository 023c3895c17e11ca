use super::*;
use crate::files::archive::unpack::{Rules, unpack};
use crate::files::home::{DIRECTORY, Home};
use crate::testing::{Tree, soon, user};
use opterius_host::request::home_path::HomePath;
use rustix::fs::{CWD, mknodat};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::time::Duration;

fn packed(tree: &Tree, path: &str, deadline: Deadline) -> Result<(Summary, Vec<u8>), Problem> {
    let home = Home::at(&tree.host.home("alice")).unwrap();
    let place = home.place(&HomePath::parse("path", path, &user("alice")).unwrap()).unwrap();
    let mut stream = Vec::new();
    let summary = pack(&place, &mut stream, deadline)?;
    Ok((summary, stream))
}

#[test]
fn what_is_packed_is_unpacked() {
    let tree = Tree::new();
    let site = tree.directory("/home/alice/site");
    let long = ["d".repeat(200), "e".repeat(200)].join("/");
    tree.write(&format!("/home/alice/site/{long}/file"), "deep");
    tree.write("/home/alice/site/block", "x".repeat(512));
    tree.write("/home/alice/site/large", "y".repeat(200_000));
    tree.write("/home/alice/site/empty", "");
    tree.write("/home/bob/secret", "secret");
    fs::write(site.join(OsStr::from_bytes(b"lat\xe9\n-")), "name").unwrap();
    symlink(tree.host.path("/home/bob"), site.join("bob")).unwrap();
    symlink("large", site.join("link")).unwrap();
    mknodat(CWD, site.join("fifo"), FileType::Fifo, Mode::RWXU, 0).unwrap();
    let (summary, stream) = packed(&tree, "site", soon()).unwrap();
    assert_eq!((summary.entries, summary.skipped), (10, 1));
    assert!(!String::from_utf8_lossy(&stream).contains("secret"));
    let copy = tree.directory("/copy");
    let top = openat(CWD, &copy, DIRECTORY, Mode::empty()).unwrap();
    let summary = unpack(&top, stream.as_slice(), Rules::of_archive(1 << 20), soon()).unwrap();
    // A link out of the archive is not made.
    assert_eq!((summary.entries, summary.skipped), (9, 1));
    for (name, content) in [("block", "x".repeat(512)), ("large", "y".repeat(200_000)), ("empty", String::new())] {
        assert_eq!(fs::read_to_string(copy.join("site").join(name)).unwrap(), content);
    }
    assert_eq!(fs::read_to_string(copy.join("site").join(long).join("file")).unwrap(), "deep");
    assert_eq!(fs::read(copy.join("site").join(OsStr::from_bytes(b"lat\xe9\n-"))).unwrap(), b"name");
    assert_eq!(fs::read_link(copy.join("site/link")).unwrap().to_str(), Some("large"));
}

#[test]
fn a_file_that_is_too_large_and_a_tree_that_takes_too_long_are_refused() {
    let tree = Tree::new();
    let site = tree.directory("/home/alice/site");
    assert!(matches!(packed(&tree, "site", Deadline::within(Duration::ZERO)), Err(Problem::TimedOut(_))));
    File::create(site.join("sparse")).unwrap().set_len(Limits::ARCHIVE.bytes + 1).unwrap();
    assert!(matches!(packed(&tree, "site", soon()), Err(Problem::Conflict(_))));
}

#[test]
fn a_file_that_shrinks_has_the_length_that_its_header_says() {
    let tree = Tree::new();
    let path = tree.write("/home/alice/file", "half");
    let directory = openat(CWD, tree.host.home("alice"), DIRECTORY, Mode::empty()).unwrap();
    let metadata = tree::metadata_at(&directory, c"file").unwrap();
    let mut packing =
        Packing { stream: Vec::new(), summary: Summary::within(Limits::ARCHIVE), pending: 0, deadline: soon() };
    packing.add_file(File::open(path).unwrap(), 600, b"file", &metadata).unwrap();
    assert_eq!(packing.stream.len(), 512 + 1024);
}

/// Makes directories of this name in each other, and returns the innermost.
fn nested(top: OwnedFd, names: impl Iterator<Item = String>) -> OwnedFd {
    names.fold(top, |above, name| {
        rustix::fs::mkdirat(&above, name.as_str(), Mode::RWXU).unwrap();
        openat(&above, name.as_str(), DIRECTORY, Mode::empty()).unwrap()
    })
}

fn make(directory: &OwnedFd, name: &str) {
    openat(directory, name, OFlags::CREATE | OFlags::WRONLY, Mode::RWXU).unwrap();
}

#[test]
fn whatever_is_packed_is_unpacked_and_longer_paths_are_left_out() {
    let tree = Tree::new();
    let top = openat(CWD, tree.directory("/home/alice/site"), DIRECTORY, Mode::empty()).unwrap();
    // “site/”, 15 names of 250 bytes with a slash each, and one of 200: 3971 bytes.
    let deep = nested(top, (0..15).map(|_| "d".repeat(250)).chain(["e".repeat(200)]));
    // The whole path has 4091 to 4100 bytes.
    for length in 120..130 {
        make(&deep, &"f".repeat(length));
        rustix::fs::mkdirat(&deep, format!("g{}", "h".repeat(length - 1)), Mode::RWXU).unwrap();
    }
    let (summary, stream) = packed(&tree, "site", soon()).unwrap();
    // The directory itself, the 16 below it, and files and directories of up to 4094 bytes.
    assert_eq!((summary.entries, summary.skipped), (17 + 8, 12), "{summary:?}");
    assert!(summary.warnings()[0].contains("too long for an archive"), "{:?}", summary.warnings());
    let copy = openat(CWD, tree.directory("/copy"), DIRECTORY, Mode::empty()).unwrap();
    let unpacked = unpack(&copy, stream.as_slice(), Rules::of_archive(1 << 20), soon()).unwrap();
    assert_eq!((unpacked.entries, unpacked.skipped), (summary.entries, 0));
}

#[test]
fn a_deep_tree_is_unpacked_as_deep_as_it_is_packed() {
    let tree = Tree::new();
    let top = openat(CWD, tree.directory("/home/alice/site"), DIRECTORY, Mode::empty()).unwrap();
    // Directories from the 2nd to the 256th level, and one more, which is too deep.
    let last = nested(top, (1..MAX_DEPTH).map(|_| "d".to_owned()));
    make(&last, "file");
    nested(last, ["more".to_owned()].into_iter());
    let (summary, stream) = packed(&tree, "site", soon()).unwrap();
    assert_eq!((summary.entries, summary.skipped), (257, 1), "{summary:?}");
    let copy = openat(CWD, tree.directory("/copy"), DIRECTORY, Mode::empty()).unwrap();
    let unpacked = unpack(&copy, stream.as_slice(), Rules::of_archive(1 << 20), soon()).unwrap();
    assert_eq!((unpacked.entries, unpacked.skipped), (257, 0));
}

#[test]
fn a_file_of_more_than_8_gib_has_its_whole_size_in_its_header() {
    let tree = Tree::new();
    let path = tree.write("/home/alice/file", "");
    let size = 9 << 30;
    File::options().write(true).open(&path).unwrap().set_len(size).unwrap();
    let directory = openat(CWD, tree.host.home("alice"), DIRECTORY, Mode::empty()).unwrap();
    let metadata = tree::metadata_at(&directory, c"file").unwrap();
    /// Takes the header and no content.
    struct First(Vec<u8>);
    impl Write for First {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if !self.0.is_empty() {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.0.extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let limits = Limits { bytes: 1 << 40, ..Limits::ARCHIVE };
    let mut packing =
        Packing { stream: First(Vec::new()), summary: Summary::within(limits), pending: 0, deadline: soon() };
    assert!(packing.add_file(File::open(path).unwrap(), size, b"file", &metadata).is_err());
    let entry = crate::files::archive::tar::TarReader::new(packing.stream.0.as_slice()).next_entry().unwrap();
    assert_eq!(entry.unwrap().kind, Kind::File(size));
}
