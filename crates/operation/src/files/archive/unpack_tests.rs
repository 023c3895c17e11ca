use super::*;
use crate::files::archive::Limits;
use crate::files::archive::tar::{Entry, header, padding, trailer};
use crate::testing::{Tree, soon};
use rustix::fs::CWD;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::time::Duration;

/// An archive with these entries; files contain “hello”.
fn archive(entries: &[(&str, Kind)]) -> Vec<u8> {
    let mut stream = Vec::new();
    for (name, kind) in entries {
        let kind = if matches!(kind, Kind::File(_)) { Kind::File(5) } else { kind.clone() };
        stream.extend(header(&Entry { name: name.as_bytes().to_vec(), kind: kind.clone(), mode: 0o6777, modified: 0 }));
        if let Kind::File(size) = kind {
            stream.extend_from_slice(b"hello");
            stream.extend(vec![0; usize::try_from(padding(size)).unwrap()]);
        }
    }
    stream.extend(trailer());
    stream
}

/// An empty directory beside a file of someone else.
fn place(tree: &Tree) -> (PathBuf, OwnedFd) {
    tree.write("/outside/file", "outside");
    let path = tree.directory("/top");
    let top = openat(CWD, &path, DIRECTORY, Mode::empty()).unwrap();
    (path, top)
}

/// Rules for files of this many bytes.
fn allowing(bytes: u64) -> Rules {
    Rules { limits: Limits { bytes, ..Limits::ARCHIVE }, ..Rules::of_archive(0) }
}

fn file() -> Kind {
    Kind::File(5)
}

fn link(target: &str) -> Kind {
    Kind::Link(target.into())
}

#[test]
fn a_tree_is_made_without_special_bits_and_special_files() {
    let tree = Tree::new();
    let (path, top) = place(&tree);
    let entries = [
        ("./", Kind::Directory),
        ("site/", Kind::Directory),
        ("site/index.php", file()),
        ("no/entry/for/these/file", file()),
        ("site/-rf", file()),
        ("site/new\nline", file()),
        ("site/to", link("index.php")),
        ("site/up", link("../no")),
        ("site/hard", Kind::HardLink(b"site/index.php".to_vec())),
        ("site/device", Kind::Other),
        ("site/passwd", link("/etc/passwd")),
        ("site/out", link("../../outside")),
        ("site/index.php", file()),
    ];
    let summary = unpack(&top, archive(&entries).as_slice(), allowing(1000), soon()).unwrap();
    assert_eq!((summary.entries, summary.skipped), (9, 3));
    assert_eq!(summary.first_skipped.as_deref(), Some("“site/device” is a device or a FIFO"));
    let mode = |name: &str| fs::metadata(path.join(name)).unwrap().permissions().mode() & 0o7777;
    assert_eq!((mode("site"), mode("site/index.php"), mode("no/entry")), (0o755, 0o755, 0o755));
    for name in ["site/index.php", "no/entry/for/these/file", "site/-rf", "site/new\nline", "site/to", "site/hard"] {
        assert_eq!(fs::read_to_string(path.join(name)).unwrap(), "hello", "{name}");
    }
    assert_eq!(fs::read_link(path.join("site/up")).unwrap(), PathBuf::from("../no"));
    for name in ["site/device", "site/passwd", "site/out"] {
        assert!(fs::symlink_metadata(path.join(name)).is_err(), "{name}");
    }
}

#[test]
fn no_entry_is_outside_of_the_directory() {
    for entries in [
        vec![("../file", file())],
        vec![("/outside/file", file())],
        vec![("a/../../outside/file", file())],
        vec![("link", link("a")), ("a", link("link")), ("link/file", file())],
        vec![("a", Kind::Directory), ("link", link("a")), ("link/file", file())],
        vec![("link", link("a")), ("link", Kind::Directory), ("link/file", file())],
        vec![("hard", Kind::HardLink(b"../outside/file".to_vec())), ("hard", file())],
        vec![("hard", Kind::HardLink(b"/outside/file".to_vec()))],
        vec![("hard", Kind::HardLink(b"missing".to_vec()))],
        vec![("link", link("x")), ("hard", Kind::HardLink(b"link".to_vec()))],
        vec![("a", file()), ("a/b", file())],
        vec![("a", Kind::Directory), ("a", file())],
    ] {
        let tree = Tree::new();
        let (_, top) = place(&tree);
        let problem = unpack(&top, archive(&entries).as_slice(), allowing(1000), soon()).unwrap_err();
        assert!(matches!(problem, Problem::Conflict(_) | Problem::NotFound(_)), "{entries:?}: {problem:?}");
        assert_eq!(fs::read_to_string(tree.host.path("/outside/file")).unwrap(), "hello".replace("hello", "outside"));
        assert_eq!(fs::read_dir(tree.host.path("/outside")).unwrap().count(), 1, "{entries:?}");
    }
}

#[test]
fn links_that_others_put_there_meanwhile_are_not_followed() {
    let tree = Tree::new();
    let (path, top) = place(&tree);
    symlink(tree.host.path("/outside"), path.join("directory")).unwrap();
    symlink(tree.host.path("/outside/file"), path.join("file")).unwrap();
    assert!(unpack(&top, archive(&[("directory/file", file())]).as_slice(), allowing(1000), soon()).is_err());
    assert!(unpack(&top, archive(&[("directory", Kind::Directory)]).as_slice(), allowing(1000), soon()).is_err());
    unpack(&top, archive(&[("file", file())]).as_slice(), allowing(1000), soon()).unwrap();
    assert_eq!(fs::read_to_string(path.join("file")).unwrap(), "hello");
    assert_eq!(fs::read_to_string(tree.host.path("/outside/file")).unwrap(), "outside");
}

#[test]
fn limits_are_those_of_what_arrives() {
    let tree = Tree::new();
    let (_, top) = place(&tree);
    let two = archive(&[("a", file()), ("b", file())]);
    assert!(unpack(&top, two.as_slice(), allowing(10), soon()).is_ok());
    let sentence = unpack(&top, two.as_slice(), allowing(9), soon()).unwrap_err().message();
    assert!(sentence.contains("more than 9 bytes"), "{sentence}");
    // A header that claims more than there is.
    let huge = header(&Entry { name: b"huge".to_vec(), kind: Kind::File(1 << 32), mode: 0o644, modified: 0 });
    let sentence = unpack(&top, huge.as_slice(), allowing(1 << 40), soon()).unwrap_err().message();
    assert!(sentence.contains("damaged"), "{sentence}");
    let endless = huge.as_slice().chain(io::repeat(b'x'));
    assert!(matches!(unpack(&top, endless, allowing(1 << 20), soon()), Err(Problem::Conflict(_))));
    let late = unpack(&top, two.as_slice(), allowing(10), Deadline::within(Duration::ZERO));
    assert!(matches!(late, Err(Problem::TimedOut(_))));
    let mut summary = Summary { entries: Limits::ARCHIVE.entries - 1, ..Summary::within(Limits::ARCHIVE) };
    assert!(summary.count().is_ok() && summary.count().is_err() && summary.skip(b"x", "is one too many").is_err());
    assert_eq!((allowance(0), allowance(1 << 30), allowance(1_000_000)), (64 << 20, 4 << 30, 200_000_000));
}
