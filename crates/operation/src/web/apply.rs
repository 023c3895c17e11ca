//! Generating and loading the configuration of nginx and PHP for sites, certificates and suspensions.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::servers::nginx;
use crate::servers::nginx::cause;
use crate::servers::nginx::effect::{self, Expected, ExpectedAnswer, Miss};
use crate::servers::nginx::load::Load;
use crate::servers::nginx::token;
use crate::servers::nginx::visit::{self, Scheme};
use crate::transaction::Transaction;
use crate::web::certificate::current;
use crate::web::certificate::files::CertificateFiles;
use crate::web::default_server;
use crate::web::missing;
use crate::web::site::{Site, Sites};
use crate::web::site_file;
use crate::web::site_view::View;
use crate::web::{pools, published_sites, site_settings};
use opterius_base::deadline::Deadline;
use opterius_base::files::FileMode;
use opterius_host::host::Host;
use opterius_host::layout;
use opterius_host::lines;
use opterius_host::problem::Problem;
use opterius_host::request::values::Username;
use opterius_host::sites::mark;
use opterius_host::users::register::Register;

/// What to do if nginx does not serve the new configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Otherwise {
    /// Fail, so that the transaction is rolled back.
    Fail,
    /// Keep the files, so that they take effect as soon as nginx can load them.
    KeepFiles,
}

/// The result of a suspension's changes.
pub struct Applied {
    /// What works but for a part.
    pub warnings: Vec<String>,
    /// Why nginx does not serve them yet.
    pub obstacle: Option<Problem>,
}

/// Updates the configuration of nginx and PHP for these sites, with their current certificates and suspensions, sees that
/// it is in effect, then publishes the sites' records. Returns warnings.
///
/// # Errors
/// nginx or PHP rejected the configuration or does not serve it, or another step failed; the caller's transaction is then
/// rolled back.
pub fn apply(transaction: &mut Transaction<'_>, sites: &[Site], deadline: Deadline) -> Result<Vec<String>, Problem> {
    let served = with_certificates(transaction.host(), sites);
    Ok(apply_served(transaction, served, &[], Otherwise::Fail, deadline)?.warnings)
}

/// Like [`apply`], for a suspension: if nginx does not load the configuration, the files stay, and the obstacle is returned
/// instead of an error. `further` is what else must be in effect.
///
/// # Errors
/// A file cannot be written.
pub fn apply_suspension(
    transaction: &mut Transaction<'_>,
    sites: &[Site],
    further: &[Expected],
    deadline: Deadline,
) -> Result<Applied, Problem> {
    let served = with_certificates(transaction.host(), sites);
    apply_served(transaction, served, further, Otherwise::KeepFiles, deadline)
}

/// Like [`apply`], for one site with the given certificate, so that nginx does not refer to files that are about to be
/// deleted.
///
/// # Errors
/// Those of [`apply`].
pub fn apply_with(
    transaction: &mut Transaction<'_>,
    site: &Site,
    certificate: Option<CertificateFiles>,
    deadline: Deadline,
) -> Result<Vec<String>, Problem> {
    Ok(apply_served(transaction, vec![(site, certificate)], &[], Otherwise::Fail, deadline)?.warnings)
}

fn with_certificates<'a>(host: &Host, sites: &'a [Site]) -> Vec<(&'a Site, Option<CertificateFiles>)> {
    sites.iter().map(|site| (site, current::find(host, &site.domain))).collect()
}

fn apply_served(
    transaction: &mut Transaction<'_>,
    sites: Vec<(&Site, Option<CertificateFiles>)>,
    further: &[Expected],
    otherwise: Otherwise,
    deadline: Deadline,
) -> Result<Applied, Problem> {
    let host = transaction.host();
    let register = Register::read(host)?;
    let accounts = accounts(host, &sites)?;
    let views = sites.into_iter().map(|(site, certificate)| {
        let account = accounts.get(&site.username).map(Vec::as_slice).unwrap_or_default();
        View::of(host, site, certificate, &register, account, deadline)
    });
    let views = views.collect::<Result<Vec<_>, _>>()?;
    let mut warnings = pools::prepare(transaction, &views, &register, deadline)?;
    let mut expected = further.to_vec();
    for view in &views {
        expected.extend(write(transaction, view)?);
        warnings.extend(view.hook.warning.iter().chain(&view.custom_warning).cloned());
    }
    let obstacle = match take_effect(transaction, &expected, deadline, &mut warnings) {
        Err(problem) if otherwise == Otherwise::KeepFiles => {
            transaction.suspect_nginx(false);
            Some(problem)
        }
        taken => taken.map(|()| None)?,
    };
    let mut usernames: Vec<_> = views.iter().map(|view| view.site.username.clone()).collect();
    usernames.dedup();
    warnings.extend(pools::sweep(transaction, &usernames, deadline)?);
    for view in &views {
        published_sites::publish(host, view.site, view.certificate.as_ref(), &register, deadline)?;
    }
    Ok(Applied { warnings, obstacle })
}

/// All sites of the accounts of these sites, as they are and, if they are among these, as they will be.
fn accounts(
    host: &Host,
    changed: &[(&Site, Option<CertificateFiles>)],
) -> Result<BTreeMap<Username, Vec<Site>>, Problem> {
    let mut accounts: BTreeMap<Username, Vec<Site>> = BTreeMap::new();
    for (site, _) in changed {
        accounts.entry(site.username.clone()).or_default().push((*site).clone());
    }
    for site in Sites::read(host)?.sites {
        if let Some(sites) = accounts.get_mut(&site.username)
            && !sites.iter().any(|changed| changed.domain == site.domain)
        {
            sites.push(site);
        }
    }
    Ok(accounts)
}

/// Writes and enables a site's file. Returns what its visitors must get.
fn write(transaction: &mut Transaction<'_>, view: &View<'_>) -> Result<Vec<Expected>, Problem> {
    let host = transaction.host();
    let place = Site::place(host, &view.site.domain);
    nginx::place::check(host, place.enabled())?;
    let text = site_file::render(host, view);
    // Only root may see customers' names; nginx reads its files as root.
    transaction.write(&place.file, text.as_bytes(), FileMode::mode(0o640))?;
    if let Some(link) = &place.link {
        transaction.link(link, &place.file)?;
    }
    // nginx's directories can have changed since the site was created.
    let is_elsewhere = |path: &PathBuf| *path != place.file && Some(path) != place.link.as_ref();
    for path in view.site.paths(host)?.iter().filter(|path| is_elsewhere(path)) {
        transaction.remove(path)?;
    }
    let token = token::find(&text).unwrap_or_default().to_owned();
    let (secure, plain) = view.by_scheme();
    let mut expected = Vec::new();
    for (names, has_certificate) in [(secure, true), (plain, false)] {
        if !names.is_empty() {
            let answer = ExpectedAnswer::Served { token: token.clone(), has_certificate };
            expected.push(Expected { names, answer });
        }
    }
    if view.suspended {
        expected.push(Expected { names: view.names.clone(), answer: ExpectedAnswer::Suspended });
    }
    Ok(expected)
}

/// Removes a site from nginx, in all places; [`pools::sweep`] then ends its PHP. Its files and logs stay. Returns what its visitors must get.
///
/// # Errors
/// A file cannot be deleted.
pub fn remove(transaction: &mut Transaction<'_>, site: &Site) -> Result<Vec<Expected>, Problem> {
    let host = transaction.host();
    let names = site.names(host);
    let mut expected = Vec::new();
    for path in site.paths(host)? {
        let text = lines::lossy(&lines::read(&path).unwrap_or_default());
        // A file of an earlier version has no token.
        if let Some(token) = token::find(&text) {
            let answer = ExpectedAnswer::Gone { token: token.to_owned() };
            expected.push(Expected { names: names.clone(), answer });
        }
        transaction.remove(&path)?;
    }
    site_settings::forget(transaction, &site.domain)?;
    expected.dedup();
    Ok(expected)
}

/// Makes nginx load the configuration, and sees that it serves it as expected.
///
/// # Errors
/// nginx rejected the configuration, or does not serve it; the message names the cause.
pub fn take_effect(
    transaction: &mut Transaction<'_>,
    expected: &[Expected],
    deadline: Deadline,
    warnings: &mut Vec<String>,
) -> Result<(), Problem> {
    let host = transaction.host();
    default_server::update(transaction, deadline)?;
    transaction.suspect_nginx(true);
    match load(transaction, deadline)? {
        Load::Refused(lines) => return Err(refusal(host, &lines)),
        Load::NotRunning if !host.is_machine() => {}
        Load::NotRunning => warnings.push(not_running(expected, deadline)?),
        Load::Done => {
            let (sites, names) = effect::misses(expected, nginx::load::time(host), deadline)
                .into_iter()
                .partition::<Vec<_>, _>(Miss::is_domain);
            if !sites.is_empty() {
                let cause = cause::of_misses(host, &sites);
                return Err(Problem::Conflict(format!("nginx loaded the change, but does not serve it. {cause}")));
            }
            if !names.is_empty() {
                warnings.push(cause::of_misses(host, &names));
            }
        }
    }
    transaction.suspect_nginx(false);
    Ok(())
}

/// Loads the configuration, and removes obstacles that are known from nginx's message.
fn load(transaction: &mut Transaction<'_>, deadline: Deadline) -> Result<Load, Problem> {
    let mut has_remedy = true;
    loop {
        let loaded = nginx::load::load(transaction.host(), deadline);
        // Not what the log says, which clients write into as well.
        let Err(problem) = &loaded else { return loaded };
        if !has_remedy || !remedy(transaction, &problem.message(), deadline)? {
            return loaded;
        }
        has_remedy = false;
    }
}

/// Changes what nginx complains about, if that is known. Returns whether it is.
fn remedy(transaction: &mut Transaction<'_>, complaint: &str, deadline: Deadline) -> Result<bool, Problem> {
    // Long names need a larger hash table than nginx's default, and the administrator has not set one.
    if complaint.contains("could not build server_names_hash") {
        let room = format!(
            "{}larger hash table for server names\nserver_names_hash_bucket_size 512;\nserver_names_hash_max_size 16384;\n",
            mark::MARK
        );
        let path = nginx::place::shared(transaction.host(), layout::NGINX_NAMES);
        transaction.write(&path, room.as_bytes(), FileMode::mode(0o644))?;
        return Ok(true);
    }
    if complaint.contains("No such file or directory") {
        return missing::make(transaction, deadline);
    }
    let is_duplicate = complaint.contains("duplicate default server");
    if is_duplicate {
        default_server::remove(transaction)?;
    }
    Ok(is_duplicate)
}

fn refusal(host: &Host, lines: &[String]) -> Problem {
    let cause = cause::located(host, &cause::of_refusal(lines));
    let sentence = format!("nginx refused the change and still uses its previous configuration. {cause}");
    // A port that another program holds is not a fault in a file.
    if lines.iter().any(|line| line.starts_with("bind() to ")) {
        Problem::Conflict(sentence)
    } else {
        Problem::rejected("nginx", sentence)
    }
}

/// The warning for an nginx that does not run.
///
/// # Errors
/// Another program answers instead, and does not serve the change.
fn not_running(expected: &[Expected], deadline: Deadline) -> Result<String, Problem> {
    if !visit::is_open(Scheme::Http) {
        return Ok("nginx does not run, so no site is served. To start it, run: systemctl start nginx".to_owned());
    }
    let holder = cause::holder_of(Scheme::Http.port());
    if effect::misses(expected, Duration::ZERO, deadline).is_empty() {
        return Ok(format!("nginx does not run on this server; port 80 is answered by {holder}."));
    }
    Err(Problem::Conflict(format!(
        "Port 80 is answered by {holder}, and not by an nginx that the Agent can see, so the change is not in effect. Start \
         nginx on this server, outside of containers: systemctl start nginx"
    )))
}
