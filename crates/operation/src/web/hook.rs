//! The administrator's own directives for a site, in a file that the Agent includes and never changes.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use opterius_base::files;
use opterius_host::host::Host;
use opterius_host::layout::NGINX_HOOKS;
use opterius_host::nginx::directives;
use opterius_host::request::values::Domain;

/// Largest file that is read, in bytes.
const MAX_FILE: u64 = 1024 * 1024;

/// The administrator's directives for a site.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hook {
    /// What to include: a pattern, so that nginx accepts that the file does not exist.
    pub pattern: Option<PathBuf>,
    /// The directives that the file sets for the whole site. nginx refuses a second one of most.
    pub settings: BTreeSet<String>,
    /// Why the file is not included.
    pub warning: Option<String>,
}

impl Hook {
    /// The hook of a domain. nginx reads it as root, so it is included only if no other user can write to it.
    pub fn of(host: &Host, domain: &Domain) -> Self {
        let directory = host.path(NGINX_HOOKS);
        let path = directory.join(format!("{domain}.conf"));
        if !directory.is_dir() {
            return Self::default();
        }
        let paths = [Some(directory.as_path()), path.exists().then_some(path.as_path())];
        let unsafe_path = paths.into_iter().flatten().find(|path| !is_safe(path));
        if let Some(found) = unsafe_path {
            let shown = found.display();
            let warning = path.exists().then(|| {
                format!(
                    "{} is not included: users other than root can change {shown}. Run: chown root: {shown}; chmod go-w {shown}",
                    path.display()
                )
            });
            return Self { warning, ..Self::default() };
        }
        Self { pattern: Some(directory.join(format!("{domain}.con[f]"))), settings: settings(&path), warning: None }
    }
}

/// Whether only root can change this file or directory. The directory above is sticky: the Agent's user can create files there,
/// but not replace those of root.
fn is_safe(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.uid() == 0 && found.mode() & 0o022 == 0 && !found.is_symlink())
}

fn settings(path: &Path) -> BTreeSet<String> {
    let directives = directives::parse(&files::read(path, MAX_FILE).unwrap_or_default());
    let own = directives.iter().filter(|directive| directive.blocks.is_empty());
    own.map(|directive| directive.name().to_owned()).collect()
}
