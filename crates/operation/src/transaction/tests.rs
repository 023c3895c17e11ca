use super::*;
use crate::testing::{Tree, soon, user};
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::PathBuf;

/// What a failed change says.
fn fail<T>() -> Result<T, Problem> {
    Err(Problem::Conflict("No.".to_owned()))
}

/// Leaves `steps` in the journal as a killed process does, and lets the next transaction find them.
fn interrupted(tree: &Tree, steps: &[UndoStep]) {
    tree.directory(layout::STATE);
    let mut journal = Journal::new(&tree.host);
    steps.iter().for_each(|step| journal.add(step).unwrap());
    Transaction::run(&tree.host, soon(), |_| Ok(())).unwrap();
    assert!(!tree.host.path(layout::JOURNAL).exists());
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = entries.map(|name| name.to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn file_step(path: &Path, before: Content, after: String) -> UndoStep {
    UndoStep::File { path: path.to_owned(), before, after: Some(after), temporary: Some(path.with_file_name(".t")) }
}

#[test]
fn a_failed_change_leaves_nothing_and_takes_nothing() {
    let tree = Tree::new();
    let directory = tree.directory("/srv");
    let kept = tree.write("/srv/kept", "before");
    tree.write("/srv/there/file", "mine");
    symlink("kept", directory.join("link")).unwrap();
    let result: Result<(), Problem> = Transaction::run(&tree.host, soon(), |transaction| {
        let own = Ownership::root(0o755);
        transaction.directory(&directory.join("there"), own)?;
        transaction.directory(&directory.join("fresh"), own)?;
        transaction.write(&directory.join("fresh/inside"), b"x", FileMode::mode(0o644))?;
        transaction.write(&kept, b"after", FileMode::mode(0o600))?;
        transaction.write(&kept, b"again", FileMode::mode(0o600))?;
        transaction.link(&directory.join("link"), Path::new("elsewhere"))?;
        transaction.link(&directory.join("new-link"), Path::new("elsewhere"))?;
        assert!(transaction.make_directory(&directory.join("there"), own).is_err());
        assert_eq!(fs::read_to_string(&kept).unwrap(), "again");
        fail()
    });
    assert!(result.is_err());
    assert_eq!(names(&directory), ["kept", "link", "there"]);
    assert_eq!(fs::read_to_string(&kept).unwrap(), "before");
    assert_eq!(fs::read_link(directory.join("link")).unwrap(), Path::new("kept"));
    assert_eq!(fs::read_to_string(directory.join("there/file")).unwrap(), "mine");
}

#[test]
fn a_directory_is_removed_at_every_moment_of_its_creation_and_no_other() {
    let tree = Tree::new();
    let parent = tree.directory("/srv");
    let (temporary, path) = (parent.join(".opterius-new-1"), parent.join("made"));
    let intended = UndoStep::Temporary { path: temporary.clone() };
    let made = |identity| UndoStep::Made { path: path.clone(), identity };
    let make = |path: &Path| {
        fs::create_dir(path).unwrap();
        fs::write(path.join("file"), "").unwrap();
        Identity::of(path).unwrap()
    };
    interrupted(&tree, std::slice::from_ref(&intended));
    make(&temporary);
    interrupted(&tree, std::slice::from_ref(&intended));
    assert_eq!(names(&parent), [""; 0]);
    let identity = make(&temporary);
    interrupted(&tree, &[intended.clone(), made(identity)]);
    assert_eq!(names(&parent), [""; 0]);
    let identity = make(&temporary);
    fs::rename(&temporary, &path).unwrap();
    interrupted(&tree, &[intended.clone(), made(identity)]);
    assert_eq!(names(&parent), [""; 0]);

    // An administrator made another one meanwhile, or a link.
    let identity = make(&temporary);
    fs::remove_dir_all(&temporary).unwrap();
    make(&path);
    interrupted(&tree, &[intended.clone(), made(identity)]);
    assert_eq!(names(&parent), ["made"]);
    let identity = Identity::of(&path).unwrap();
    fs::rename(&path, parent.join("disk")).unwrap();
    symlink("disk", &path).unwrap();
    interrupted(&tree, &[intended, made(identity)]);
    assert_eq!((names(&parent), names(&path)), (vec!["disk".to_owned(), "made".to_owned()], vec!["file".to_owned()]));
}

#[test]
fn a_file_changed_by_an_administrator_is_not_rolled_back() {
    let tree = Tree::new();
    let path = tree.write("/srv/file", "ours");
    let before = || Content::of(&tree.write("/srv/before", "before")).unwrap();
    let step = || file_step(&path, before(), file_digest(b"ours"));
    interrupted(&tree, &[step()]);
    assert_eq!(fs::read_to_string(&path).unwrap(), "before");
    // Not yet written.
    interrupted(&tree, &[step()]);
    assert_eq!(fs::read_to_string(&path).unwrap(), "before");
    fs::write(&path, "an administrator's").unwrap();
    interrupted(&tree, &[step()]);
    assert_eq!(fs::read_to_string(&path).unwrap(), "an administrator's");
    fs::remove_file(&path).unwrap();
    symlink("before", &path).unwrap();
    interrupted(&tree, &[step()]);
    assert_eq!(fs::read_link(&path).unwrap(), Path::new("before"));
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    interrupted(&tree, &[step()]);
    assert!(path.is_dir());
    // One that the transaction deleted and an administrator wrote again.
    let deleted = tree.write("/srv/deleted", "written again");
    interrupted(&tree, &[file_step(&deleted, before(), MISSING.to_owned())]);
    assert_eq!(fs::read_to_string(&deleted).unwrap(), "written again");
    fs::remove_file(&deleted).unwrap();
    fs::write(tree.host.path("/srv/.t"), "half").unwrap();
    interrupted(&tree, &[file_step(&deleted, before(), MISSING.to_owned())]);
    assert_eq!(fs::read_to_string(&deleted).unwrap(), "before");
    assert!(!tree.host.path("/srv/.t").exists());
}

#[test]
fn a_journal_of_an_earlier_version_never_removes_what_was_there_before() {
    let tree = Tree::new();
    tree.account(&[]);
    let disk = tree.directory("/data/homes/alice");
    symlink(tree.host.path("/data/homes"), tree.host.path("/home")).unwrap();
    let step = |path: &str| UndoStep::Directory { path: tree.host.path(path) };
    tree.directory(layout::LOGS);
    tree.write("/var/log/opterius/sites/a.example/access.log", "");
    tree.directory("/home/.opterius-new-bob");
    let bob = UndoStep::User { username: user("no-such-user"), uid: None };
    interrupted(&tree, &[bob, step("/home"), step("/home/alice"), step("/var/log/opterius/sites/a.example")]);
    assert!(fs::symlink_metadata(tree.host.path("/home")).unwrap().is_symlink());
    assert!(disk.is_dir() && !tree.host.path("/var/log/opterius/sites/a.example").exists());
}

#[test]
fn a_user_that_was_not_created_here_survives_the_rollback() {
    let tree = Tree::new();
    tree.account(&[]);
    let before = fs::read_to_string(tree.host.path("/etc/passwd")).unwrap();
    let intended = |uid| UndoStep::User { username: user("alice"), uid: Some(uid) };
    interrupted(&tree, &[intended(1001)]);
    interrupted(&tree, &[intended(1001), UndoStep::UserMade { username: user("alice"), uid: 1001 }]);
    interrupted(&tree, &[UndoStep::User { username: user("carol"), uid: Some(1003) }]);
    assert_eq!(fs::read_to_string(tree.host.path("/etc/passwd")).unwrap(), before);
}

#[test]
fn links_in_place_of_our_directories_are_followed_and_kept() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let tree = Tree::new();
    let linked = ["/var/lib/opterius", "/var/log/opterius", "/home"];
    for path in linked {
        let target = tree.directory(&format!("/data{path}"));
        fs::create_dir_all(tree.host.path(path).parent().unwrap()).unwrap();
        symlink(target, tree.host.path(path)).unwrap();
    }
    let result: Result<(), Problem> = Transaction::run(&tree.host, soon(), |transaction| {
        for path in linked {
            transaction.directory(&tree.host.path(path), Ownership::root(0o755))?;
            transaction.directory(&tree.host.path(path).join("fresh"), Ownership::root(0o755))?;
        }
        fail()
    });
    assert!(matches!(result, Err(Problem::Conflict(_))), "{result:?}");
    for path in linked {
        assert!(fs::symlink_metadata(tree.host.path(path)).unwrap().is_symlink(), "{path}");
        assert!(!tree.host.path(path).join("fresh").exists(), "{path}");
    }
    assert!(tree.host.path("/data/var/lib/opterius/sites").is_dir());
    // A tenant's link is not.
    let home: PathBuf = tree.host.path("/home");
    std::os::unix::fs::lchown(&home, Some(712_345), None).unwrap();
    let own = Ownership::root(0o755);
    let refused = Transaction::run(&tree.host, soon(), |transaction| transaction.directory(&home, own));
    assert!(matches!(&refused, Err(Problem::Failed(sentence)) if sentence.contains("712345")), "{refused:?}");
    assert_eq!(fs::symlink_metadata(&home).unwrap().uid(), 712_345);
}
