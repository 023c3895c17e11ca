//! What is in a directory, as a bounded list.

use std::collections::BinaryHeap;
use std::ffi::CString;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{FileType, OFlags, RawDir, Statx};
use rustix::io::Errno;
use serde_json::{Value, json};

use crate::files::home::{DIRECTORY, Home, LOOK, obstacle, shown};
use crate::tree;
use opterius_base::deadline::Deadline;
use opterius_host::problem::Problem;
use opterius_host::request::home_path::{HomePath, UNADDRESSABLE};

/// The most entries in a list.
pub const LIMIT: usize = 5000;

/// Largest list, in bytes, well below the largest reply of the helper.
const MAX_BYTES: usize = 3 * 1024 * 1024;

/// Lists a directory: its directories first, then everything else, each by name; the first of them if there are too many.
///
/// # Errors
/// It is no directory, or cannot be read within the deadline.
pub fn list(home: &Home, path: &HomePath, deadline: Deadline) -> Result<Value, Problem> {
    let failed = |error| obstacle(&shown(path), error);
    let directory = home.open(path.from_home().as_bytes(), DIRECTORY).map_err(failed)?;
    let Names { first, total } = Names::read(&directory, deadline).map_err(failed)?;
    let (mut entries, mut bytes, mut truncated) = (Vec::new(), 0_usize, total > LIMIT);
    for Name { name, .. } in first.into_sorted_vec() {
        if deadline.is_over() {
            return Err(failed(Errno::TIMEDOUT));
        }
        // Deleted meanwhile.
        let Ok(metadata) = tree::metadata_at(&directory, &name) else { continue };
        let entry = entry(home, path, name.as_bytes(), &metadata);
        bytes = bytes.saturating_add(serde_json::to_vec(&entry).map_or(0, |written| written.len()));
        if bytes > MAX_BYTES {
            truncated = true;
            break;
        }
        entries.push(entry);
    }
    Ok(json!({"path": path, "entries": entries, "total": total, "limit": LIMIT, "truncated": truncated}))
}

/// The names that come first in a directory, and how many it has.
struct Names {
    first: BinaryHeap<Name>,
    total: usize,
}

/// A name in a directory, in the order of lists.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Name {
    is_no_directory: bool,
    name: CString,
}

impl Names {
    fn read(directory: &OwnedFd, deadline: Deadline) -> Result<Self, Errno> {
        let mut names = Self { first: BinaryHeap::new(), total: 0 };
        let mut buffer = [MaybeUninit::uninit(); 32 * 1024];
        let mut entries = RawDir::new(directory.as_fd(), &mut buffer);
        while let Some(entry) = entries.next() {
            let entry = entry?;
            if matches!(entry.file_name().to_bytes(), b"." | b"..") {
                continue;
            }
            if deadline.is_over() {
                return Err(Errno::TIMEDOUT);
            }
            let is_directory = match entry.file_type() {
                FileType::Unknown => {
                    tree::metadata_at(directory, entry.file_name()).is_ok_and(|it| tree::is_directory(&it))
                }
                kind => kind == FileType::Directory,
            };
            names.total = names.total.saturating_add(1);
            names.first.push(Name { is_no_directory: !is_directory, name: entry.file_name().to_owned() });
            if names.first.len() > LIMIT {
                names.first.pop();
            }
        }
        Ok(names)
    }
}

/// One entry. A link to a directory of the home is a directory that can be listed, but its type says what it is. A name that
/// is not UTF-8 is shown with signs that no request accepts, so that it never stands for another file.
fn entry(home: &Home, path: &HomePath, name: &[u8], metadata: &Statx) -> Value {
    let kind = FileType::from_raw_mode(metadata.stx_mode.into());
    let is_mounted = tree::is_mount_point(metadata);
    let leads_to_directory = || {
        let parent = path.from_home().as_bytes();
        let slash: &[u8] = if parent.is_empty() { b"" } else { b"/" };
        home.open(&[parent, slash, name].concat(), LOOK | OFlags::DIRECTORY).is_ok()
    };
    let word = match kind {
        FileType::Directory if is_mounted => "mount",
        FileType::Directory => "directory",
        FileType::RegularFile => "file",
        FileType::Symlink => "link",
        _ => "other",
    };
    let is_directory = kind == FileType::Directory || kind == FileType::Symlink && leads_to_directory();
    let text = String::from_utf8_lossy(name);
    let below = path.from_home();
    let below = if below.is_empty() { text.to_string() } else { format!("{below}/{text}") };
    json!({
        "name": text,
        "path": path.absolute(&below),
        "is_dir": is_directory,
        "size": if is_mounted { 0 } else { metadata.stx_size },
        "permissions": format!("{:04o}", metadata.stx_mode & 0o7777),
        "type": word,
        "modified": metadata.stx_mtime.tv_sec,
        "addressable": !text.contains(UNADDRESSABLE),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Tree, soon, user};
    use std::ffi::OsStr;
    use std::fs;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn ask(tree: &Tree, path: &str) -> Result<Value, Problem> {
        let home = Home::at(&tree.host.home("alice")).unwrap();
        list(&home, &HomePath::parse("path", path, &user("alice")).unwrap(), soon())
    }

    #[test]
    fn directories_come_first_and_everything_is_listed_as_what_it_is() {
        let tree = Tree::new();
        let home = tree.directory("/home/alice");
        tree.write("/home/alice/a.txt", "twelve bytes");
        tree.write("/home/alice/z/inner", "");
        tree.write("/home/bob/secret", "");
        fs::set_permissions(home.join("a.txt"), fs::Permissions::from_mode(0o640)).unwrap();
        symlink("z", home.join("to-z")).unwrap();
        symlink("a.txt", home.join("to-a")).unwrap();
        symlink("/etc", home.join("to-etc")).unwrap();
        symlink("../bob", home.join("to-bob")).unwrap();
        fs::write(home.join(OsStr::from_bytes(b"b\xff\n\"")), "").unwrap();
        let answer = ask(&tree, "/home/alice").unwrap();
        assert_eq!((&answer["path"], &answer["total"]), (&json!("/home/alice"), &json!(7)));
        assert_eq!((&answer["truncated"], &answer["limit"]), (&json!(false), &json!(LIMIT)));
        let row = |entry: &Value| {
            let text = |field: &str| entry[field].as_str().unwrap().to_owned();
            (text("name"), text("type"), entry["is_dir"].as_bool().unwrap(), entry["addressable"].as_bool().unwrap())
        };
        let rows: Vec<_> = answer["entries"].as_array().unwrap().iter().map(row).collect();
        let expected = [
            ("z", "directory", true, true),
            ("a.txt", "file", false, true),
            ("b\u{fffd}\n\"", "file", false, false),
            ("to-a", "link", false, true),
            ("to-bob", "link", false, true),
            ("to-etc", "link", false, true),
            ("to-z", "link", true, true),
        ];
        assert_eq!(rows, expected.map(|(name, kind, is_dir, ok)| (name.to_owned(), kind.to_owned(), is_dir, ok)));
        let file = &answer["entries"][1];
        assert_eq!((&file["size"], &file["permissions"]), (&json!(12), &json!("0640")));
        assert_eq!(file["path"], "/home/alice/a.txt");
        let below = ask(&tree, "to-z").unwrap();
        assert_eq!(below["entries"][0]["path"], "/home/alice/to-z/inner");
    }

    #[test]
    fn what_is_no_directory_of_the_home_is_refused_in_words() {
        let tree = Tree::new();
        let home = tree.directory("/home/alice");
        tree.write("/home/alice/file", "");
        symlink("/etc", home.join("out")).unwrap();
        symlink("../../..", home.join("up")).unwrap();
        symlink("loop", home.join("loop")).unwrap();
        for (path, status) in
            [("missing", 404), ("file", 409), ("out", 409), ("up", 409), ("loop", 409), ("out/ssl", 409)]
        {
            let problem = ask(&tree, path).unwrap_err();
            assert!(problem.status() == status && problem.message().contains("/home/alice/"), "{path}: {problem:?}");
        }
    }

    #[test]
    fn a_list_is_bounded_and_says_so() {
        let tree = Tree::new();
        tree.directory("/home/alice/many/last");
        for number in 0..LIMIT + 10 {
            tree.write(&format!("/home/alice/many/{number:05}"), "");
        }
        let answer = ask(&tree, "many").unwrap();
        let entries = answer["entries"].as_array().unwrap();
        assert_eq!((entries.len(), &answer["total"], &answer["truncated"]), (LIMIT, &json!(LIMIT + 11), &json!(true)));
        assert_eq!((&entries[0]["name"], &entries[1]["name"]), (&json!("last"), &json!("00000")));
        // Long names in a deep directory.
        let deep = ["d".repeat(200), "d".repeat(200), "d".repeat(200)].join("/");
        for number in 0..3000 {
            tree.write(&format!("/home/alice/{deep}/{number:04}{}", "\u{1}".repeat(200)), "");
        }
        let answer = ask(&tree, &deep).unwrap();
        assert!(answer["truncated"] == true && answer.to_string().len() < 4 * 1024 * 1024);
    }
}
