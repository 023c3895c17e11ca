//! Sites whose files the Agent did not create. It never rewrites such a file: suspending an account puts a link to a file of
//! ours in the place that nginx includes, and unsuspending puts back what was there. Only deleting the account deletes it,
//! and only if nothing in it is someone else's.
//!
//! What was there is in the first line of our file, so that these files are the register of suspended sites. All other sites
//! are found in nginx's configuration, whatever their files are called and wherever they are.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use log::warn;
use serde::{Deserialize, Serialize};

use crate::servers::nginx::effect::{Expected, ExpectedAnswer};
use crate::transaction::{Ownership, Transaction};
use crate::web::apply::Applied;
use crate::web::foreign_pools;
use opterius_base::deadline::Deadline;
use opterius_base::files::FileMode;
use opterius_host::host::Host;
use opterius_host::layout::SUSPENDED;
use opterius_host::lines;
use opterius_host::nginx::configuration::Server;
use opterius_host::problem::Problem;
use opterius_host::request::values::{Domain, Username};
use opterius_host::sites::site_record::{self, SiteRecord};
use opterius_host::sites::unmanaged_sites::{self, UnmanagedFile};
use opterius_host::users::register::{Register, User};

/// The start of the first line of a file that answers for a suspended site, followed by [`Replaced`] in JSON.
const REPLACED: &str = "# opterius-agent suspended: ";

/// What a file that answers for a suspended site has replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Replaced {
    username: Username,
    /// The domain of the site's record.
    domain: Domain,
    /// The names of its servers.
    names: Vec<String>,
    /// The path that nginx includes.
    path: PathBuf,
    /// Where the link at this path led; none if it was a file.
    link: Option<PathBuf>,
}

/// Makes each of the account's unmanaged sites answer 503, and disables its pools. The obstacle is a file with sites of
/// others, which are still served.
///
/// # Errors
/// A file cannot be changed.
pub fn suspend(transaction: &mut Transaction<'_>, user: &User, deadline: Deadline) -> Result<Applied, Problem> {
    let host = transaction.host();
    let mut obstacle = None;
    for file in files_of(host, user) {
        let Some(domain) = file.domain().filter(|_| file.foreign_part(&user.name).is_none()) else {
            let reason = unmanaged_sites::obstacle_in_files(user, std::slice::from_ref(&file)).unwrap_or_default();
            let sentence = format!("The sites in {} are still served: {reason}", file.path.display());
            obstacle = Some(Problem::Conflict(sentence));
            continue;
        };
        replace(transaction, user, &file, &domain)?;
        publish(host, &domain, true)?;
    }
    Ok(Applied { warnings: foreign_pools::suspend(transaction, user, deadline)?, obstacle })
}

/// Puts a link to a file that answers 503 in the place of this one.
fn replace(
    transaction: &mut Transaction<'_>,
    user: &User,
    file: &UnmanagedFile,
    domain: &Domain,
) -> Result<(), Problem> {
    let host = transaction.host();
    transaction.directory(&host.path(SUSPENDED), Ownership::root(0o755))?;
    let replaced = Replaced {
        username: Username::parse("username", &user.name)?,
        domain: domain.clone(),
        names: file.names(),
        path: file.path.clone(),
        link: fs::read_link(&file.path).ok(),
    };
    let answering = answering(host, domain);
    if replaced.link.is_none() {
        // Not by renaming: the directories can be on different disks.
        let found = fs::symlink_metadata(&file.path).map_err(|error| Problem::at(&file.path, error))?;
        let bytes = fs::read(&file.path).map_err(|error| Problem::at(&file.path, error))?;
        let mode = FileMode { mode: found.mode() & 0o777, group: Some(found.gid()) };
        transaction.write(&original(host, domain), &bytes, mode)?;
    }
    transaction.write(&answering, text(&replaced, file).as_bytes(), FileMode::mode(0o644))?;
    transaction.link(&file.path, &answering)
}

/// What visitors of the suspended sites must get.
pub fn expected(host: &Host, user: &User) -> Vec<Expected> {
    let all = replaced_of(host, user).into_iter();
    let in_place = all.filter(|replaced| {
        fs::read_link(&replaced.path).is_ok_and(|target| target == answering(host, &replaced.domain))
    });
    in_place.map(|replaced| Expected { names: replaced.names, answer: ExpectedAnswer::Suspended }).collect()
}

/// Restores the sites and pools.
///
/// # Errors
/// A file cannot be changed.
pub fn unsuspend(transaction: &mut Transaction<'_>, user: &User, deadline: Deadline) -> Result<Vec<String>, Problem> {
    let host = transaction.host();
    for replaced in replaced_of(host, user) {
        let (answering, original) = (answering(host, &replaced.domain), original(host, &replaced.domain));
        let is_ours = fs::read_link(&replaced.path).is_ok_and(|target| target == answering);
        match &replaced.link {
            // An administrator has put something else there.
            _ if !is_ours => {}
            Some(target) => transaction.link(&replaced.path, target)?,
            None => {
                let found = fs::symlink_metadata(&original).map_err(|error| Problem::at(&original, error))?;
                let bytes = fs::read(&original).map_err(|error| Problem::at(&original, error))?;
                let mode = FileMode { mode: found.mode() & 0o777, group: Some(found.gid()) };
                transaction.write(&replaced.path, &bytes, mode)?;
            }
        }
        for path in [&answering, &original] {
            transaction.remove(path)?;
        }
        publish(host, &replaced.domain, false)?;
    }
    foreign_pools::unsuspend(transaction, user, deadline)
}

/// Deletes the files of the account's unmanaged sites, and its pools.
///
/// # Errors
/// A file has a part of someone else, or cannot be deleted.
pub fn remove(transaction: &mut Transaction<'_>, user: &User) -> Result<(), Problem> {
    let host = transaction.host();
    let files = files_of(host, user);
    let shared = files.iter().find(|file| file.foreign_part(&user.name).is_some());
    if let Some(obstacle) = shared.and_then(|file| unmanaged_sites::obstacle_in_files(user, std::slice::from_ref(file)))
    {
        return Err(Problem::Conflict(obstacle));
    }
    for path in files.iter().map(|file| &file.path) {
        remove_with_target(transaction, path, fs::read_link(path).ok())?;
    }
    for replaced in replaced_of(host, user) {
        let answering = answering(host, &replaced.domain);
        if fs::read_link(&replaced.path).is_ok_and(|target| target == answering) {
            remove_with_target(transaction, &replaced.path, replaced.link)?;
        }
        for path in [&answering, &original(host, &replaced.domain)] {
            transaction.remove(path)?;
        }
    }
    Ok(())
}

/// Deletes a file, or a link and the file that it leads to, if that is a file of nginx's.
fn remove_with_target(transaction: &mut Transaction<'_>, path: &Path, link: Option<PathBuf>) -> Result<(), Problem> {
    let directory = transaction.host().path("/etc/nginx");
    let target = link.map(|link| path.parent().unwrap_or(path).join(link));
    let target =
        target.and_then(|target| fs::canonicalize(target).ok()).filter(|target| target.starts_with(&directory));
    transaction.remove(path)?;
    target.map_or(Ok(()), |target| transaction.remove(&target))
}

/// The files with a site of the account that is not suspended.
fn files_of(host: &Host, user: &User) -> Vec<UnmanagedFile> {
    unmanaged_sites::files(host).into_iter().filter(|file| file.root(&user.name).is_some()).collect()
}

/// The suspended sites of the account. The files that say so are our own, and a damaged one is logged.
fn replaced_of(host: &Host, user: &User) -> Vec<Replaced> {
    let entries = fs::read_dir(host.path(SUSPENDED)).into_iter().flatten().flatten();
    let read = |path: PathBuf| {
        let bytes = lines::read(&path).unwrap_or_default();
        let json = lines::of(&bytes).next().and_then(|line| line.strip_prefix(REPLACED.as_bytes()))?;
        let replaced = serde_json::from_slice::<Replaced>(json);
        replaced.inspect_err(|error| warn!("{} cannot be read: {error}", path.display())).ok()
    };
    let all = entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|found| found == "conf"));
    all.filter_map(read).filter(|replaced| replaced.username.as_str() == user.name).collect()
}

fn publish(host: &Host, domain: &Domain, suspended: bool) -> Result<(), Problem> {
    match site_record::read(host, domain).ok().flatten() {
        Some(record) => site_record::publish(host, &SiteRecord { suspended, ..record }, &Register::read(host)?),
        None => Ok(()),
    }
}

fn answering(host: &Host, domain: &Domain) -> PathBuf {
    host.path(SUSPENDED).join(format!("{domain}.conf"))
}

/// The file that was at the path which nginx includes.
fn original(host: &Host, domain: &Domain) -> PathBuf {
    host.path(SUSPENDED).join(format!("{domain}.original"))
}

/// A server for each of the file's, with the same names, ports and certificates.
fn text(replaced: &Replaced, file: &UnmanagedFile) -> String {
    let quoted = |words: &[String]| {
        let quote = |word: &String| format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\""));
        let mut words = words.iter();
        let name = words.next().cloned().unwrap_or_default();
        format!("    {name} {};\n", words.map(quote).collect::<Vec<_>>().join(" "))
    };
    let server = |server: &Server| {
        let listening: String = server.listening.iter().map(|words| quoted(words)).collect();
        let names: Vec<String> =
            std::iter::once("server_name".to_owned()).chain(server.names.iter().cloned()).collect();
        let names = if server.names.is_empty() { String::new() } else { quoted(&names) };
        format!("server {{\n{listening}{names}    return 503;\n}}\n")
    };
    let mark = serde_json::to_string(replaced).unwrap_or_default();
    let servers: String = file.servers.iter().map(server).collect();
    format!(
        "{REPLACED}{mark}\n# The account is suspended. Unsuspending it restores {}.\n{servers}",
        replaced.path.display()
    )
}
