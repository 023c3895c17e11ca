//! `/domains/create`: creates a site, and its account if it does not exist.

use std::fs;
use std::os::unix::fs::MetadataExt;

use serde_json::{Value, json};

use crate::accounts::{home, record, user_manager};
use crate::databases::record as databases;
use crate::perform::{Context, Perform};
use crate::servers::php::versions;
use crate::servers::sshd;
use crate::transaction::Transaction;
use crate::tree;
use crate::users::user;
use crate::web::names::{self, NewSite};
use crate::web::site::{Site, SiteFile};
use crate::web::{apply, logs, php_values, published_sites, site_settings};
use opterius_base::clock::{Clock, SystemClock, Timestamp};
use opterius_base::deadline::Deadline;
use opterius_host::helper::protocol::Allowance;
use opterius_host::host::Host;
use opterius_host::problem::Problem;
use opterius_host::request::domains_create::CreateSite;
use opterius_host::request::php_settings::PhpSettings;
use opterius_host::request::values::Domain;
use opterius_host::users::account::{Account, Creation};
use opterius_host::users::register::{Register, User};

impl Perform for CreateSite {
    fn perform(&self, Context { host, allowance, deadline, .. }: Context<'_>) -> Result<Value, Problem> {
        let request = self;
        Transaction::run(host, deadline, |transaction| {
            let register = Register::read(host)?;
            let existing = existing_site(host, request)?;
            if existing.is_none() {
                check_domain(host, request, deadline)?;
            }
            let (user, is_new) = match register.account(&request.username) {
                Ok(user) => {
                    user::refuse_foreign_user(host, &register, user)?;
                    refuse_other_creation(host, request)?;
                    (user.clone(), false)
                }
                Err(problem) if request.parent_domain.is_some() => return Err(problem),
                Err(_) => (new_account(transaction, request, &register, allowance, deadline)?, true),
            };
            if user.home != format!("/home/{}", user.name) {
                let sentence = format!(
                    "The home of “{}” is {} instead of a directory in /home, so the account cannot have sites.",
                    user.name, user.home
                );
                return Err(Problem::Conflict(sentence));
            }
            let site = match existing {
                Some(site) => site,
                None => {
                    // Of a site whose file was deleted by hand.
                    site_settings::forget(transaction, &request.domain)?;
                    new_site(request, SystemClock.wall())
                }
            };
            delete_logs_of_previous_owner(host, &site, &user, deadline)?;
            logs::create(transaction, &site, &user)?;
            home::create_site_directories(host, &user, &site.document_root, &site.logs(host), deadline)?;
            let php = versions::is_installed(host, &site.php_version);
            // A process of PHP can serve several sites of an account, see there.
            let sites = php_values::concerned(&site, Site::all_of(host, &site.username)?);
            let mut warnings = apply::apply(transaction, &sites, deadline)?;
            warnings.extend(published_sites::repair(host, deadline)?);
            if is_new {
                warnings.extend(sshd::ensure(transaction, &user.name, deadline)?);
            }
            Ok(json!({
                "username": site.username,
                "domain": site.domain,
                "document_root": site.absolute_document_root(),
                "account_created": is_new,
                "php": php,
                "warnings": warnings,
            }))
        })
    }
}

fn new_site(request: &CreateSite, created_at: Timestamp) -> Site {
    Site {
        domain: request.domain.clone(),
        username: request.username.clone(),
        document_root: request.document_root.from_home().to_owned(),
        php_version: request.php_version.clone(),
        parent_domain: request.parent_domain.clone(),
        created_at,
        aliases: Vec::new(),
        php_settings: PhpSettings::default(),
    }
}

fn creation(request: &CreateSite) -> Creation {
    let document_root = format!("/home/{}/{}", request.username, request.document_root.from_home());
    Creation { domain: request.domain.clone(), document_root }
}

/// Refuses to create an account that exists, unless the request repeats the one that created it. The Panel sends no parent
/// only for a new account, so this may be an account that the Panel has deleted while the Agent could not be reached: the
/// next customer of that name must not get it.
fn refuse_other_creation(host: &Host, request: &CreateSite) -> Result<(), Problem> {
    let username = &request.username;
    let is_further_site = request.parent_domain.is_some();
    if is_further_site || Account::read(host, username)?.is_created_by(&creation(request), SystemClock.wall()) {
        return Ok(());
    }
    Err(Problem::Conflict(format!(
        "The account “{username}” already exists on this server, also if the Panel does not list it. Choose another username, or \
         delete the account first. For a further site of the account, “parent_domain” must be one of its domains."
    )))
}

/// Creates the user and the home of a new account.
fn new_account(
    transaction: &mut Transaction<'_>,
    request: &CreateSite,
    register: &Register,
    allowance: &Allowance,
    deadline: Deadline,
) -> Result<User, Problem> {
    let (host, username) = (transaction.host(), &request.username);
    user::check_new(host, username, register, deadline)?;
    databases::refuse_leftover(host, username)?;
    let used = u64::try_from(register.accounts().len()).unwrap_or(u64::MAX);
    if let Some(limit) = allowance.max_accounts.filter(|limit| used >= *limit) {
        return Err(Problem::AccountLimit { used, limit, plan: allowance.plan.clone() });
    }
    let web_group = register.web_group()?.gid;
    let uid = user::choose_uid(host, register, deadline)?;
    transaction.will_create_user(username, uid)?;
    let user = user::create(host, username, uid, deadline)?;
    transaction.created_user(username, uid)?;
    user_manager::mask(transaction, &user)?;
    home::create(transaction, &user, web_group)?;
    let account = Account {
        username: username.clone(),
        created_at: Some(SystemClock.wall()),
        creation: Some(creation(request)),
        previous_shell: None,
        suspended: None,
    };
    record::write(transaction, &account, register)?;
    Ok(user)
}

/// The existing site, if this request is a repeat, which completes what is missing.
fn existing_site(host: &Host, request: &CreateSite) -> Result<Option<Site>, Problem> {
    match Site::read(host, &request.domain)? {
        SiteFile::Missing => Ok(None),
        SiteFile::Unmanaged(_) => Site::find(host, &request.domain).map(Some),
        SiteFile::Managed(site) if site.username != request.username => {
            Err(Problem::Conflict(format!("The domain “{}” belongs to another account.", site.domain)))
        }
        SiteFile::Managed(site) if site.document_root != request.document_root.from_home() => {
            let root = site.absolute_document_root();
            Err(Problem::Conflict(format!("The site “{}” already exists, with its files in {root}.", site.domain)))
        }
        // The latest requested PHP version applies.
        SiteFile::Managed(site) => Ok(Some(Site { php_version: request.php_version.clone(), ..site })),
    }
}

/// Refuses names that someone else has, and a parent that is not a site of the account.
fn check_domain(host: &Host, request: &CreateSite, deadline: Deadline) -> Result<(), Problem> {
    let name = request.domain.as_str();
    let has_www = request.parent_domain.is_none();
    let new = NewSite { field: "domain", domain: &request.domain, username: &request.username, has_www };
    names::check(host, &new, deadline)?;
    // The site of the name without www already answers to it.
    if let Some(site) = name.strip_prefix("www.").and_then(|bare| Domain::parse("domain", bare).ok())
        && let Ok(SiteFile::Managed(site)) = Site::read(host, &site)
        && site.parent_domain.is_none()
    {
        return Err(Problem::Conflict(format!("The site “{}” already answers to “{name}”.", site.domain)));
    }
    match &request.parent_domain {
        None => Ok(()),
        Some(parent) => Site::find_of(host, parent, &request.username).map(drop).or_else(|problem| match problem {
            // The parent can be an unmanaged site.
            Problem::Conflict(_) if published_sites::owner(host, parent)?.as_ref() == Some(&request.username) => Ok(()),
            problem => Err(problem),
        }),
    }
}

/// Deletes the logs of the domain's previous owner, so that neither account can read the other's.
fn delete_logs_of_previous_owner(host: &Host, site: &Site, user: &User, deadline: Deadline) -> Result<(), Problem> {
    let logs = site.logs(host);
    match fs::symlink_metadata(&logs) {
        Ok(found) if found.gid() != user.gid => tree::remove(&logs, deadline),
        _ => Ok(()),
    }
}
