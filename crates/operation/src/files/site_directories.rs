//! Directories that a site of the account needs: without its document root, it would answer 404, and the account's next site
//! could not tell why.

use rustix::fs::fstat;

use crate::files::home::{Found, Home, LOOK, shown};
use opterius_host::host::Host;
use opterius_host::problem::Problem;
use opterius_host::request::home_path::HomePath;
use opterius_host::request::values::{Domain, Username};
use opterius_host::sites::site_record;

/// The document roots of an account's sites, relative to its home.
pub struct SiteDirectories(Vec<(Domain, String)>);

impl SiteDirectories {
    /// Those of this account.
    ///
    /// # Errors
    /// The records of sites cannot be read.
    pub fn of(host: &Host, username: &Username) -> Result<Self, Problem> {
        let records = site_record::read_all(host)?.records.into_iter().filter(|record| record.username == *username);
        let root = |text: &str| HomePath::parse("document_root", text, username).ok();
        Ok(Self(
            records.filter_map(|site| Some((site.domain, root(&site.document_root)?.from_home().to_owned()))).collect(),
        ))
    }

    /// Refuses to move or delete what is, or contains, one of them, by whatever path it was named.
    ///
    /// # Errors
    /// It does.
    pub fn refuse(&self, home: &Home, path: &HomePath, found: &Found) -> Result<(), Problem> {
        let is_it = |above: &str| {
            let opened = home.open(above.as_bytes(), LOOK).and_then(fstat);
            above == path.from_home()
                || opened.is_ok_and(|it| (it.st_dev, it.st_ino) == (found.status.st_dev, found.status.st_ino))
        };
        match self.0.iter().find(|(_, root)| with_parents(root).any(is_it)) {
            None => Ok(()),
            Some((domain, root)) => Err(Problem::Conflict(format!(
                "{} is needed by the site {domain}, whose document root is {}. Delete the site first, or only what is in that \
                 directory.",
                shown(path),
                shown(path.absolute(root))
            ))),
        }
    }
}

/// A path, and the directories above it, without the home.
fn with_parents(path: &str) -> impl Iterator<Item = &str> {
    let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
    ends.filter_map(|end| path.get(..end)).filter(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Tree, named, user};
    use std::os::unix::fs::symlink;

    #[test]
    fn what_a_site_needs_is_found_by_any_path() {
        let tree = Tree::new();
        let home = tree.directory("/home/alice");
        tree.directory("/home/alice/example.com/public_html/images");
        tree.directory("/home/alice/example.com/tmp");
        symlink(".", home.join("here")).unwrap();
        let sites = SiteDirectories(vec![(named("example.com"), "example.com/public_html".to_owned())]);
        let home = Home::at(&home).unwrap();
        for (path, is_needed) in [
            ("example.com", true),
            ("example.com/public_html", true),
            ("here/example.com", true),
            ("here/here/example.com/public_html", true),
            ("example.com/public_html/images", false),
            ("example.com/tmp", false),
            ("here", false),
        ] {
            let path = HomePath::parse("path", path, &user("alice")).unwrap();
            let found = home.place(&path).unwrap().find().unwrap();
            assert_eq!(sites.refuse(&home, &path, &found).is_err(), is_needed, "{path}");
        }
    }
}
