//! A snapshot of a directory tree, for comparison with a later state.

use ring::digest::{SHA256, digest};
use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The files of shadow-utils, which keeps backups next to them, and leaves locks if it is killed.
const USER_FILES: [&str; 6] = ["passwd", "group", "shadow", "gshadow", "subuid", "subgid"];

/// The file with the next free uid, which is not compared.
const NEXT_UID: &str = "/var/lib/opterius/next-uid";

/// All files below some directories, with their type, mode, owner, size and content.
#[derive(Debug, PartialEq, Eq)]
pub struct Snapshot(BTreeMap<PathBuf, String>);

impl Snapshot {
    /// Takes a snapshot of these directories of the host at `root`, without following links.
    pub fn of(root: &Path, directories: &[&str]) -> Snapshot {
        let mut entries = BTreeMap::new();
        for directory in directories {
            add(root, &root.join(directory.trim_start_matches('/')), &mut entries);
        }
        Snapshot(entries)
    }

    /// Added, removed and changed files, one line each, except below the paths of `except`.
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

    /// The paths that contain this text.
    pub fn paths_with(&self, text: &str) -> Vec<&Path> {
        let has = |path: &&PathBuf| path.to_string_lossy().contains(text);
        self.0.keys().filter(has).map(PathBuf::as_path).collect()
    }
}

fn add(root: &Path, path: &Path, entries: &mut BTreeMap<PathBuf, String>) {
    let Ok(metadata) = fs::symlink_metadata(path) else { return };
    // The path as seen from the host's root.
    let shown = Path::new("/").join(path.strip_prefix(root).unwrap());
    if shown == Path::new(NEXT_UID)
        || is_shadow_utils_backup(&shown)
        || shown.extension().is_some_and(|end| end == "lock")
    {
        return;
    }
    entries.insert(shown, describe(path, &metadata));
    if metadata.is_dir() {
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            add(root, &entry.path(), entries);
        }
    }
}

fn is_shadow_utils_backup(path: &Path) -> bool {
    let name = path.strip_prefix("/etc").ok().and_then(Path::to_str).unwrap_or_default();
    let is_backup =
        |rest: &str| rest == "-" || rest.strip_prefix('.').is_some_and(|number| number.parse::<u32>().is_ok());
    USER_FILES.iter().any(|file| name.strip_prefix(file).is_some_and(is_backup))
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
