//! Symbolic links where a directory is expected, such as `/home` on another disk. One is followed only if root alone can have
//! made it.

use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use opterius_host::host::Host;
use opterius_host::problem::Problem;

/// The most links in one path, as in the kernel.
const MAX_LINKS: u32 = 40;

/// Whether there is a directory at `path`, directly or through links.
///
/// # Errors
/// A file is in its place, or a link that leads nowhere, or one that a user other than root can have made.
pub(super) fn is_directory(host: &Host, path: &Path) -> Result<bool, Problem> {
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        found => found.map_err(|error| Problem::at(path, error))?,
    };
    let shown = path.display();
    if found.is_dir() {
        return Ok(true);
    }
    if !found.is_symlink() {
        return Err(Problem::Failed(format!("{shown} is not a directory. Move it away, then repeat the operation.")));
    }
    let target = resolve(host.root(), path).map_err(|error| {
        Problem::Failed(format!(
            "{shown} is a link that the Agent does not follow: {error}. Correct the link, then repeat the operation."
        ))
    })?;
    match target.is_dir() {
        true => Ok(true),
        false => Err(Problem::Failed(format!("{shown} is a link to {}, which is not a directory.", target.display()))),
    }
}

/// Follows every link in `path`, which is below `root`, and checks each directory and link on the way.
fn resolve(root: &Path, path: &Path) -> io::Result<PathBuf> {
    let below = path.strip_prefix(root).map_err(io::Error::other)?;
    let mut left: Vec<OsString> = parts(below);
    let mut at = root.to_owned();
    let mut links = 0_u32;
    while let Some(name) = left.pop() {
        if name == ".." {
            if at != root {
                at.pop();
            }
            continue;
        }
        only_root_writes_to(&at)?;
        let next = at.join(&name);
        let found = fs::symlink_metadata(&next)
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", next.display())))?;
        if !found.is_symlink() {
            at = next;
            continue;
        }
        links = links.saturating_add(1);
        if links > MAX_LINKS {
            return Err(io::Error::other(format!("{} is one of too many links", next.display())));
        }
        if found.uid() != 0 {
            return Err(io::Error::other(format!("{} belongs to user {}", next.display(), found.uid())));
        }
        let target = fs::read_link(&next)?;
        if target.is_absolute() {
            if !target.starts_with(root) {
                return Err(io::Error::other(format!("{} is outside of {}", target.display(), root.display())));
            }
            at = root.to_owned();
        }
        left.extend(parts(target.strip_prefix(root).unwrap_or(&target)));
    }
    Ok(at)
}

/// The names of a path, last first.
fn parts(path: &Path) -> Vec<OsString> {
    let names = path.components().filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir));
    let mut names: Vec<OsString> = names.map(|part| part.as_os_str().to_owned()).collect();
    names.reverse();
    names
}

fn only_root_writes_to(directory: &Path) -> io::Result<()> {
    let found = fs::symlink_metadata(directory)?;
    let by_group = found.mode() & 0o020 != 0 && found.gid() != 0;
    if found.uid() == 0 && !by_group && found.mode() & 0o002 == 0 {
        return Ok(());
    }
    Err(io::Error::other(format!("users other than root can write to {}", directory.display())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Tree;
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    fn is_root() -> bool {
        rustix::process::geteuid().is_root()
    }

    #[test]
    fn a_link_is_followed_only_if_root_alone_can_have_made_it() {
        if !is_root() {
            return;
        }
        let tree = Tree::new();
        let disk = tree.directory("/data/homes");
        tree.directory("/open");
        tree.write("/file", "");
        fs::set_permissions(tree.host.path("/open"), fs::Permissions::from_mode(0o1777)).unwrap();
        let link = |name: &str, target: &Path| symlink(target, tree.host.path(name)).unwrap();
        link("/absolute", &disk);
        link("/relative", Path::new("data/./homes"));
        link("/upward", Path::new("data/../data/homes"));
        link("/twice", Path::new("relative"));
        link("/circle", Path::new("circle"));
        link("/nowhere", Path::new("missing"));
        link("/to-file", Path::new("file"));
        link("/outside", Path::new("/usr"));
        link("/tenants", &disk);
        std::os::unix::fs::lchown(tree.host.path("/tenants"), Some(712_345), None).unwrap();
        link("/open/home", &disk);
        link("/through-open", Path::new("open/home"));
        let looked = |name: &str| is_directory(&tree.host, &tree.host.path(name)).map_err(|problem| problem.message());
        for name in ["/data/homes", "/absolute", "/relative", "/upward", "/twice"] {
            assert_eq!(looked(name), Ok(true), "{name}");
        }
        assert_eq!(looked("/missing"), Ok(false));
        for (name, words) in [
            ("/file", "is not a directory"),
            ("/circle", "too many links"),
            ("/nowhere", "missing"),
            ("/to-file", "is not a directory"),
            ("/outside", "is outside of"),
            ("/tenants", "belongs to user 712345"),
            ("/open/home", "users other than root"),
            ("/through-open", "users other than root"),
        ] {
            let sentence = looked(name).unwrap_err();
            assert!(sentence.contains(words), "{name}: {sentence}");
        }
        chown(tree.host.path("/data"), Some(712_345), None).unwrap();
        assert!(looked("/absolute").is_err());
    }
}
