//! Where nginx includes our files.

use std::path::{Path, PathBuf};

use opterius_host::host::Host;
use opterius_host::nginx::included::{ENABLED, Included, MAIN, PLAIN};
use opterius_host::problem::Problem;

/// Debian's directory of files that links enable.
const AVAILABLE: &str = "/etc/nginx/sites-available";

/// The path of a site's file, and of the link that enables it, if this host uses links.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SitePaths {
    /// The file.
    pub file: PathBuf,
    /// The link to it.
    pub link: Option<PathBuf>,
}

impl SitePaths {
    /// The path that nginx must include.
    pub fn enabled(&self) -> &Path {
        self.link.as_ref().unwrap_or(&self.file)
    }
}

/// The paths for a site file with this name, such as `example.com.conf`: where nginx includes it. [`check`] fails if it
/// includes no such directory.
pub fn place(host: &Host, name: &str) -> SitePaths {
    let available = host.path(AVAILABLE);
    let (preferred, file) =
        if available.is_dir() { ([ENABLED, PLAIN], Some(available)) } else { ([PLAIN, ENABLED], None) };
    let enabled = directory(host, &Included::read(host), preferred, name).join(name);
    match file {
        Some(directory) => SitePaths { file: directory.join(name), link: Some(enabled) },
        None => SitePaths { file: enabled, link: None },
    }
}

/// Every directory in which a site file or a link to one can be, whichever [`place`] chooses today.
pub fn directories(host: &Host) -> Vec<PathBuf> {
    let mut directories: Vec<PathBuf> = [AVAILABLE, PLAIN, ENABLED].map(|directory| host.path(directory)).into();
    for further in Included::read(host).further_directories() {
        if !directories.contains(&further) {
            directories.push(further);
        }
    }
    directories
}

/// The path of a file of ours for all sites: in conf.d, if this host has it and nginx includes it.
pub fn shared(host: &Host, name: &str) -> PathBuf {
    let included = Included::read(host);
    let preferred = if host.path(PLAIN).is_dir() { [PLAIN, ENABLED] } else { [ENABLED, PLAIN] };
    directory(host, &included, preferred, name).join(name)
}

/// The directory in which nginx includes a file with this name: preferably one of these, and the first of them if there is
/// none.
fn directory(host: &Host, included: &Included, preferred: [&str; 2], name: &str) -> PathBuf {
    let usual = preferred.map(|directory| host.path(directory));
    let candidates = usual.iter().cloned().chain(included.further_directories());
    let found = candidates.into_iter().find(|directory| included.takes(&directory.join(name)));
    let [first, _] = &usual;
    found.unwrap_or_else(|| first.to_owned())
}

/// Checks that nginx includes this path.
///
/// # Errors
/// It does not, so that the site would not be served.
pub fn check(host: &Host, path: &Path) -> Result<(), Problem> {
    if Included::read(host).takes(path) {
        return Ok(());
    }
    let directory = path.parent().unwrap_or(path).display();
    Err(Problem::Unavailable(format!(
        "nginx does not include {}, so the site would not be served. Add “include {directory}/*.conf;” to the http block of \
         {MAIN}, and repeat the operation.",
        path.display()
    )))
}
