//! A site with everything that its nginx file depends on.

use std::path::PathBuf;

use crate::servers::php::{self, versions};
use crate::web::certificate::files::CertificateFiles;
use crate::web::certificate::names as certificate_names;
use crate::web::hook::Hook;
use crate::web::php_values::PhpValues;
use crate::web::site::Site;
use crate::web::{custom_directives, site_settings};
use opterius_base::deadline::Deadline;
use opterius_host::host::Host;
use opterius_host::nginx::custom::Custom;
use opterius_host::problem::Problem;
use opterius_host::sites::site_settings::SiteSettings;
use opterius_host::users::account::Account;
use opterius_host::users::register::{Register, User};

/// A site and everything else that its file depends on.
pub struct View<'a> {
    /// The site.
    pub site: &'a Site,
    /// The user of its account.
    pub user: &'a User,
    /// The names that it answers to.
    pub names: Vec<String>,
    /// The certificate to use, if any.
    pub certificate: Option<CertificateFiles>,
    /// The names that the certificate covers. Only these are redirected to HTTPS.
    pub covered: Vec<String>,
    /// Whether its account is suspended.
    pub suspended: bool,
    /// The socket of its PHP pool, if it has one.
    pub pool: Option<PathBuf>,
    /// The administrator's own directives.
    pub hook: Hook,
    /// What its owner has set.
    pub settings: SiteSettings,
    /// What was understood of its owner's directives.
    pub custom: Custom,
    /// Why they are left out.
    pub custom_warning: Option<String>,
    /// The settings of PHP.
    pub php: PhpValues,
}

impl<'a> View<'a> {
    /// The view of a site with this certificate, beside these sites of its account.
    ///
    /// # Errors
    /// The account or the site's settings cannot be read, or PHP does not say what its php.ini has.
    pub fn of(
        host: &Host,
        site: &'a Site,
        certificate: Option<CertificateFiles>,
        register: &'a Register,
        account: &[Site],
        deadline: Deadline,
    ) -> Result<Self, Problem> {
        let suspended = Account::read(host, &site.username)?.suspended.is_some();
        let names = site.names(host);
        // Damaged settings must not prevent a suspension, which does not need them.
        let settings = if suspended { SiteSettings::default() } else { site_settings::read(host, &site.domain)? };
        let (custom, custom_warning) = custom_directives::of(&site.domain, &settings.directives);
        let covered = certificate.as_ref().map(|found| certificate_names::covered(found, &names)).unwrap_or_default();
        Ok(Self {
            site,
            user: register.account(&site.username)?,
            names,
            certificate,
            covered,
            suspended,
            pool: (!suspended && versions::is_installed(host, &site.php_version))
                .then(|| php::socket(host, &site.username, &site.php_version, &site.domain)),
            hook: Hook::of(host, &site.domain),
            settings,
            custom,
            custom_warning,
            php: if suspended { PhpValues::default() } else { PhpValues::of(host, site, account, deadline)? },
        })
    }
}

impl View<'_> {
    /// The names that are served over HTTPS, and those that stay on HTTP.
    pub fn by_scheme(&self) -> (Vec<String>, Vec<String>) {
        let is_secure = |name: &String| self.certificate.is_some() && self.covered.contains(name);
        self.names.iter().cloned().partition(is_secure)
    }

    /// Settings of a server block, except those that the administrator or the owner of the site sets.
    pub(super) fn settings_of(&self, settings: &[(&str, &str)]) -> String {
        let is_set = |name: &str| self.hook.settings.contains(name) || custom_directives::sets(&self.custom, name);
        let ours = settings.iter().filter(|(name, _)| !is_set(name));
        ours.map(|(name, value)| format!("    {name} {value};\n")).collect()
    }
}
