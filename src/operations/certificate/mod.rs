//! Certificates of sites. One comes from a certificate authority through certbot, which renews it, or somebody has
//! uploaded it. An upload wins while both are there; nginx never points to a file that is not.
//!
//! * [`inspect`] — what a certificate says
//! * [`issue`] — having one issued and renewed; [`upload`] — taking one that is there already
//! * [`status`] — what the Panel sees of it

mod certbot;
pub mod inspect;
pub mod issue;
mod names;
mod pair;
mod reason;
pub mod status;
pub mod upload;
mod uploaded;

use std::path::PathBuf;

use serde_json::Value;

use crate::clock::{Clock, SystemClock};
use crate::operations::deadline::Deadline;
use crate::operations::facts::{self, Issue, IssueState, Source};
use crate::operations::fields::Domain;
use crate::operations::host::Host;
use crate::operations::lock;
use crate::operations::problem::Problem;
use crate::operations::register::Register;
use crate::operations::site::Site;

/// Where the answers to a certificate authority's challenges are, for all sites: root writes there, and no tenant can.
pub const WEBROOT: &str = "/var/lib/opterius/acme";

/// Where uploaded certificates are.
pub const UPLOADED: &str = "/var/lib/opterius/certificates";

/// A certificate that a site can be served with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnDisk {
    /// Where it comes from.
    pub source: Source,
    /// The chain, the site's own certificate first.
    pub fullchain: PathBuf,
    /// The key.
    pub key: PathBuf,
}

impl OnDisk {
    /// The certificate in `directory`, if chain and key are there.
    fn below(directory: PathBuf, source: Source) -> Option<Self> {
        let (fullchain, key) = (directory.join("fullchain.pem"), directory.join("privkey.pem"));
        (fullchain.is_file() && key.is_file()).then_some(Self { source, fullchain, key })
    }
}

/// The certificate that a site is to be served with.
pub fn on_disk(host: &Host, domain: &Domain) -> Option<OnDisk> {
    uploaded::find(host, domain).or_else(|| certbot::find(host, domain))
}

/// Takes a site's certificate away, uploaded or issued; the site is served over HTTP alone.
///
/// # Errors
/// There is no such site, or something failed; a repeat goes on.
pub fn delete(host: &Host, domain: &Domain, deadline: Deadline) -> Result<Value, Problem> {
    let _certbot = lock::certificates(host, deadline)?;
    let _changes = lock::changes(host, deadline)?;
    // First nginx, then the files: one that points to what is gone would refuse every later change of any site.
    Site::find(host, domain)?.apply_with(host, None, deadline)?;
    forget(host, domain)?;
    record(host, domain, None)?;
    Ok(current(host, domain))
}

/// Deletes all files of a site's certificates. The caller holds the lock for changes, and nginx does not use them.
///
/// # Errors
/// They cannot be deleted.
pub fn forget(host: &Host, domain: &Domain) -> Result<(), Problem> {
    uploaded::forget(host, domain)?;
    certbot::forget(host, domain)
}

/// Publishes how an issue goes. The caller holds the lock for changes. Of a site of which nothing is published, nothing is.
fn record(host: &Host, domain: &Domain, issue: Option<Issue>) -> Result<(), Problem> {
    let Some(mut facts) = facts::read(host, domain) else { return Ok(()) };
    facts.issue = issue;
    facts::publish(host, &facts, &Register::read(host)?)
}

/// An issue's state as it is now.
fn now(state: IssueState, reason: Option<String>) -> Option<Issue> {
    Some(Issue { state, reason, at: SystemClock.wall() })
}

/// What the Panel sees of a site's certificate now: the answer of every operation that changes it.
fn current(host: &Host, domain: &Domain) -> Value {
    status::status(facts::read(host, domain).as_ref(), false, SystemClock.wall())
}
