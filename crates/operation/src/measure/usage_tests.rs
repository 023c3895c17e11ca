use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::PathBuf;
use std::time::Duration;

use rustix::fs::mkdirat;

use super::*;
use crate::testing::{Tree, soon};

/// The allocated bytes of paths.
fn blocks(paths: &[PathBuf]) -> u64 {
    paths.iter().map(|path| fs::symlink_metadata(path).unwrap().blocks() * 512).sum()
}

#[test]
fn everything_below_is_counted_and_links_are_not_followed() {
    let tree = Tree::new();
    let home = tree.directory("/home/alice");
    let large = tree.write("/home/alice/a/b/large", vec![b'x'; 100_000]);
    let small = tree.write("/home/alice/a/small", "x");
    let sparse = home.join("sparse");
    File::create(&sparse).unwrap().set_len(1 << 40).unwrap();
    tree.write("/elsewhere/large", vec![b'x'; 1_000_000]);
    let (link, directory_link) = (home.join("link"), home.join("a/directory"));
    symlink("/etc/passwd", &link).unwrap();
    symlink(tree.host.path("/elsewhere"), &directory_link).unwrap();
    let fifo = home.join("fifo");
    rustix::fs::mknodat(CWD, &fifo, rustix::fs::FileType::Fifo, Mode::RUSR, 0).unwrap();

    let all = [home.join("a/b"), home.join("a"), home, large, small, sparse, link, directory_link, fifo];
    let usage = measure(&tree.host.path("/home"), "alice", soon()).unwrap();
    assert_eq!(usage, Usage { bytes: blocks(&all), inodes: 9 });
    assert!(usage.bytes >= 100_000 && usage.bytes < 1_000_000, "{usage:?}");
}

#[test]
fn a_missing_home_uses_nothing_and_a_link_is_refused() {
    let tree = Tree::new();
    tree.write("/elsewhere/file", "x");
    let homes = tree.directory("/home");
    symlink(tree.host.path("/elsewhere"), homes.join("bob")).unwrap();
    assert_eq!(measure(&homes, "alice", soon()).unwrap(), Usage::default());
    assert!(matches!(measure(&homes, "bob", soon()), Err(Problem::Failed(_))));
}

/// Much deeper than the longest possible path.
#[test]
fn the_depth_of_a_tree_is_not_limited() {
    const DEPTH: u64 = 500;
    let long = "d".repeat(250);
    let tree = Tree::new();
    let home = tree.directory("/home/alice");
    let mut here = File::open(&home).unwrap();
    for _ in 0..DEPTH {
        mkdirat(&here, &long, Mode::RWXU).unwrap();
        mkdirat(&here, "beside", Mode::RWXU).unwrap();
        here = File::from(openat(&here, &long, DIRECTORY, Mode::empty()).unwrap());
    }
    let usage = measure(&tree.host.path("/home"), "alice", soon()).unwrap();
    assert_eq!(usage.inodes, 1 + 2 * DEPTH);
}

#[test]
fn measuring_stops_at_the_deadline() {
    let tree = Tree::new();
    tree.write("/home/alice/file", "x");
    let over = Deadline::within(Duration::ZERO);
    let Err(Problem::TimedOut(sentence)) = measure(&tree.host.path("/home"), "alice", over) else { panic!() };
    assert!(sentence.contains("/home/alice"), "{sentence}");
}
