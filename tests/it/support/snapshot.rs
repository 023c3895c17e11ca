//! A tree of files as it is at one moment, to be compared with what it is later.

use ring::digest::{SHA256, digest};
use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The files of shadow-utils: beside them it has copies of what was before, and leaves locks when it is killed.
const REGISTERS: [&str; 6] = ["passwd", "group", "shadow", "gshadow", "subuid", "subgid"];

/// The number that the next user gets is no part of the host's state.
const NEXT: &str = "/var/lib/opterius/next-uid";

/// All files below some directories: kind and mode, owner, size and content of each.
#[derive(Debug, PartialEq, Eq)]
pub struct Snapshot(BTreeMap<PathBuf, String>);

impl Snapshot {
    /// What is below these directories of the host at `root` now. No link is followed.
    pub fn of(root: &Path, directories: &[&str]) -> Snapshot {
        let mut entries = BTreeMap::new();
        for directory in directories {
            add(root, &root.join(directory.trim_start_matches('/')), &mut entries);
        }
        Snapshot(entries)
    }

    /// What is there, is not there, or is not the same, one line each; nothing below the paths of `except`.
    pub fn differences(&self, later: &Snapshot, except: &[&str]) -> Vec<String> {
        let paths =
            self.0.keys().chain(later.0.keys()).filter(|path| !except.iter().any(|other| path.starts_with(other)));
        let mut lines: Vec<String> = paths
            .filter(|path| self.0.get(*path) != later.0.get(*path))
            .map(|path| format!("{}: {:?} → {:?}", path.display(), self.0.get(path), later.0.get(path)))
            .collect();
        lines.sort();
        lines.dedup();
        lines
    }

    /// The paths that have this text in them.
    pub fn paths_with(&self, text: &str) -> Vec<&Path> {
        let has = |path: &&PathBuf| path.to_string_lossy().contains(text);
        self.0.keys().filter(has).map(PathBuf::as_path).collect()
    }
}

fn add(root: &Path, path: &Path, entries: &mut BTreeMap<PathBuf, String>) {
    let Ok(metadata) = fs::symlink_metadata(path) else { return };
    // As the host has it, whatever its root is.
    let shown = Path::new("/").join(path.strip_prefix(root).unwrap());
    if shown == Path::new(NEXT) || is_beside_a_register(&shown) || shown.extension().is_some_and(|end| end == "lock") {
        return;
    }
    entries.insert(shown, describe(path, &metadata));
    if metadata.is_dir() {
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            add(root, &entry.path(), entries);
        }
    }
}

fn is_beside_a_register(path: &Path) -> bool {
    let name = path.strip_prefix("/etc").ok().and_then(Path::to_str).unwrap_or_default();
    let beside = |rest: &str| rest == "-" || rest.strip_prefix('.').is_some_and(|number| number.parse::<u32>().is_ok());
    REGISTERS.iter().any(|register| name.strip_prefix(register).is_some_and(beside))
}

fn describe(path: &Path, metadata: &Metadata) -> String {
    let content = if metadata.is_file() {
        let digest = digest(&SHA256, &fs::read(path).unwrap_or_default());
        let start: String = digest.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        format!("{} bytes, {start}, {} names", metadata.len(), metadata.nlink())
    } else if metadata.is_symlink() {
        format!("link to {}", fs::read_link(path).unwrap_or_default().display())
    } else {
        String::new()
    };
    format!("{:o} {}:{} {content}", metadata.mode(), metadata.uid(), metadata.gid())
}
