//! `/domains/alias-add`: adds a domain to which a site answers like to its own.

use std::slice;

use serde_json::{Value, json};

use crate::perform::{Context, Perform};
use crate::transaction::Transaction;
use crate::web::apply;
use crate::web::certificate::current;
use crate::web::certificate::names::covered;
use crate::web::change_settings::check_account;
use crate::web::names::{self, NewSite};
use crate::web::site::{MAX_ALIASES, Site, SiteFile, Sites};
use opterius_base::deadline::Deadline;
use opterius_host::host::Host;
use opterius_host::problem::Problem;
use opterius_host::request::domains_alias_add::AddAlias;
use opterius_host::request::values::Domain;

impl Perform for AddAlias {
    fn perform(&self, Context { host, deadline, .. }: Context<'_>) -> Result<Value, Problem> {
        let Self { domain, alias_domain: alias } = self;
        Transaction::run(host, deadline, |transaction| {
            let mut site = Site::find(host, domain)?;
            check_account(host, &site)?;
            // A repeat completes what is missing.
            if !site.aliases.contains(alias) {
                check(host, &site, alias, deadline)?;
                site.aliases.push(alias.clone());
                site.aliases.sort();
            }
            let mut warnings = apply::apply(transaction, slice::from_ref(&site), deadline)?;
            warnings.extend(without_certificate(host, domain, alias));
            Ok(json!({"domain": domain, "alias_domain": alias, "aliases": site.aliases, "warnings": warnings}))
        })
    }
}

/// Checks that a site can have a new alias.
fn check(host: &Host, site: &Site, alias: &Domain, deadline: Deadline) -> Result<(), Problem> {
    if site.aliases.len() >= MAX_ALIASES {
        return Err(Problem::Conflict(format!(
            "The site “{}” has {MAX_ALIASES} aliases, the most that are possible.",
            site.domain
        )));
    }
    match Site::read(host, alias)? {
        SiteFile::Missing => {}
        SiteFile::Managed(other) if other.username == site.username => {
            let sentence = format!("“{alias}” is a site of its own. Delete the site first; its files stay.");
            return Err(Problem::Conflict(sentence));
        }
        SiteFile::Managed(_) => {
            return Err(Problem::Conflict(format!("The domain “{alias}” belongs to another account.")));
        }
        SiteFile::Unmanaged(path) => {
            let path = path.display();
            return Err(Problem::Conflict(format!("“{alias}” is served by {path}, which the Agent did not create.")));
        }
    }
    let new = NewSite { field: "alias_domain", domain: alias, username: &site.username, has_www: true };
    names::check(host, &new, deadline)?;
    match Sites::read(host)?.sites.iter().find(|other| other.claims(alias.as_str())) {
        Some(other) => Err(Problem::Conflict(format!("The site “{}” already answers to “{alias}”.", other.domain))),
        None => Ok(()),
    }
}

/// The warning for an alias that the current certificate does not cover.
fn without_certificate(host: &Host, domain: &Domain, alias: &Domain) -> Option<String> {
    let certificate = current::find(host, domain)?;
    covered(&certificate, &[alias.to_string()]).is_empty().then(|| {
        format!(
            "{alias} is not in the certificate and stays on HTTP until the certificate of {domain} is issued again."
        )
    })
}
