//! Protected directories of a site: the files with their visitors' passwords, and what nginx must know.
//!
//! Which directory a request is for is decided from its path at the time of each access check, for the whole site, and not by
//! a location: requests for scripts, directory indexes and missing files end in other locations than those for files.

use std::path::PathBuf;

use ring::digest::{SHA256, digest};

use crate::transaction::Transaction;
use crate::web::quoting::{quoted, variable};
use crate::web::site::Site;
use opterius_base::files::FileMode;
use opterius_base::hex::hex;
use opterius_host::host::Host;
use opterius_host::layout;
use opterius_host::problem::Problem;
use opterius_host::request::protected_directory::{DirectoryPath, Visitor};
use opterius_host::request::values::Domain;
use opterius_host::sites::site_settings::ProtectedDirectory;

/// The file with the passwords of a directory. Its name is a digest: a path can be longer than a file name.
fn passwords(host: &Host, domain: &Domain, path: &DirectoryPath) -> PathBuf {
    let mut name = hex(digest(&SHA256, format!("{domain}/{}", path.as_str()).as_bytes()).as_ref());
    name.truncate(32);
    host.path(layout::SITE_PASSWORDS).join(name)
}

/// Writes the passwords of a directory, which root and the web server can read.
///
/// # Errors
/// The file cannot be written.
pub fn write_passwords(
    transaction: &mut Transaction<'_>,
    domain: &Domain,
    path: &DirectoryPath,
    visitors: &[Visitor],
    web_group: u32,
) -> Result<(), Problem> {
    let mut text = format!("# {domain}/{}\n", path.as_str());
    for Visitor { username, password_hash } in visitors {
        text.push_str(&format!("{username}:{}\n", password_hash.expose()));
    }
    let file = passwords(transaction.host(), domain, path);
    transaction.write(&file, text.as_bytes(), FileMode { mode: 0o640, group: Some(web_group) })
}

/// Deletes the passwords of a directory, if there are any.
///
/// # Errors
/// The file cannot be deleted.
pub fn forget_passwords(
    transaction: &mut Transaction<'_>,
    domain: &Domain,
    path: &DirectoryPath,
) -> Result<(), Problem> {
    let file = passwords(transaction.host(), domain, path);
    if file.exists() { transaction.remove(&file) } else { Ok(()) }
}

/// What stands outside of the server blocks: two variables that depend on the path of a request, as nginx has decoded and
/// normalized it.
pub fn variables(host: &Host, site: &Site, directories: &[ProtectedDirectory]) -> String {
    if directories.is_empty() {
        return String::new();
    }
    // The first pattern that matches applies, so a directory within another comes first.
    let mut sorted: Vec<&ProtectedDirectory> = directories.iter().collect();
    sorted.sort_by_key(|directory| (std::cmp::Reverse(directory.path.as_str().len()), &directory.path));
    let map = |kind: &str, otherwise: &str, value: &dyn Fn(&ProtectedDirectory) -> String| {
        let rows: String = sorted
            .iter()
            .map(|directory| format!("    {} {};\n", quoted(pattern(&directory.path)), quoted(value(directory))))
            .collect();
        // Volatile: a request that is redirected within nginx has another path.
        let name = variable(kind, &site.domain);
        format!("map $uri ${name} {{\n    volatile;\n    default {otherwise};\n{rows}}}\n")
    };
    map("realm", "off", &|directory| directory.label.as_str().to_owned())
        + &map("passwords", "/dev/null", &|directory| {
            passwords(host, &site.domain, &directory.path).display().to_string()
        })
}

/// The directives for the whole site.
pub fn directives(site: &Site, directories: &[ProtectedDirectory]) -> String {
    if directories.is_empty() {
        return String::new();
    }
    let name = |kind: &str| variable(kind, &site.domain);
    format!(
        "    # Directories that ask for a password.\n    auth_basic ${};\n    auth_basic_user_file ${};\n\n",
        name("realm"),
        name("passwords")
    )
}

/// The regular expression for the paths in a directory. The names in it are plain but for dots. nginx may be told not to merge
/// slashes, which lead to the same file.
fn pattern(path: &DirectoryPath) -> String {
    format!("~^/+{}(?:/|$)", path.as_str().replace('.', "\\.").replace('/', "/+"))
}
