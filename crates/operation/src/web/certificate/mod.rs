//! Certificates of sites. One comes from a certificate authority through certbot, which renews it, or somebody has
//! uploaded it. An upload wins while both are there; nginx never points to a file that is not.
//!
//! * [`inspect`] — what a certificate says
//! * [`issue`] — having one issued and renewed; [`upload`] — taking one that is there already

mod certbot;
pub mod inspect;
pub mod issue;
mod key;
mod names;
mod pair;
mod reason;
pub mod upload;
mod uploaded;

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::transaction::Changes;
use crate::transaction::lock;
use crate::web::site::{self, Site};
use opterius_base::clock::{Clock, SystemClock};
use opterius_base::deadline::Deadline;
use opterius_host::host::Host;
use opterius_host::problem::Problem;
use opterius_host::request::fields::Domain;
use opterius_host::sites::certificate::status;
use opterius_host::sites::facts::{self, Certificate, Issue, IssueState, Source};
use opterius_host::users::register::Register;

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

/// What is known of a certificate that is there.
///
/// # Errors
/// It cannot be read.
pub fn describe(found: &OnDisk, deadline: Deadline) -> Result<Certificate, Problem> {
    let said = inspect::inspect(&found.fullchain, deadline)?;
    Ok(Certificate { source: found.source, issuer: said.issuer, not_after: said.not_after, names: said.names })
}

/// Takes a site's certificate away, uploaded or issued; the site is served over HTTP alone.
///
/// # Errors
/// There is no such site, or something failed; a repeat goes on.
pub fn delete(host: &Host, domain: &Domain, deadline: Deadline) -> Result<Value, Problem> {
    Site::find(host, domain)?;
    let _certbot = lock::certificates(host, deadline)?;
    let warnings = Changes::run(host, deadline, |changes| {
        // First nginx, then the files: one that points to what is gone would refuse every later change of any site.
        let warnings = site::apply_with(changes, &Site::find(host, domain)?, None, deadline)?;
        changes.keep()?;
        forget(host, domain, deadline)?;
        record(host, domain, None)?;
        Ok(warnings)
    })?;
    Ok(answer(host, domain, &warnings))
}

/// Deletes all files of a domain's certificates, which nginx does not use any more.
///
/// # Errors
/// One cannot be deleted.
pub fn forget(host: &Host, domain: &Domain, deadline: Deadline) -> Result<(), Problem> {
    uploaded::forget(host, domain, deadline)?;
    certbot::forget(host, domain, deadline)
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

/// The answer of every operation that changes a certificate: what the Panel sees of it now, and what is not as it could be.
fn answer(host: &Host, domain: &Domain, warnings: &[String]) -> Value {
    let mut answer = status(facts::read(host, domain).as_ref(), false, SystemClock.wall());
    if let Some(members) = answer.as_object_mut() {
        members.insert("warnings".to_owned(), json!(warnings));
    }
    answer
}
