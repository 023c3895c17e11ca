//! `/php/config`: shows or changes the settings of PHP for a site.

use serde_json::{Map, Value, json};

use crate::perform::{Context, Perform};
use crate::transaction::Transaction;
use crate::web::apply;
use crate::web::change_settings::check_account;
use crate::web::php_values::{self, PhpValues};
use crate::web::site::Site;
use opterius_base::deadline::Deadline;
use opterius_host::host::Host;
use opterius_host::problem::Problem;
use opterius_host::request::php_config::PhpConfig;
use opterius_host::request::php_settings::{PhpKey, PhpSettings};

impl Perform for PhpConfig {
    fn perform(&self, Context { host, deadline, .. }: Context<'_>) -> Result<Value, Problem> {
        if self.read {
            let site = site_of(self, host)?;
            let account = Site::all_of(host, &site.username)?;
            return Ok(json!({"values": shown(host, &site, &account, deadline)?}));
        }
        Transaction::run(host, deadline, |transaction| {
            let mut site = site_of(self, host)?;
            check_account(host, &site)?;
            for (key, value) in &self.values {
                site.php_settings
                    .set(*key, value)
                    .map_err(|rule| Problem::invalid("values", format!("is invalid: {} {rule}", key.name())))?;
            }
            let mut account = php_values::concerned(&site, Site::all_of(host, &site.username)?);
            disable_everywhere(self, &mut account);
            let mut warnings = apply::apply(transaction, &account, deadline)?;
            warnings.extend(too_small(&site.php_settings));
            Ok(json!({
                "domain": site.domain, "values": shown(host, &site, &account, deadline)?, "warnings": warnings,
            }))
        })
    }
}

/// The site, which must have the version that the Panel believes it has.
fn site_of(request: &PhpConfig, host: &Host) -> Result<Site, Problem> {
    let site = Site::find(host, &request.domain)?;
    if site.php_version == request.version {
        return Ok(site);
    }
    Err(Problem::Conflict(format!(
        "The site “{}” has PHP {} and not {}. Switch its version first.",
        site.domain, site.php_version, request.version
    )))
}

/// Sets the list of disabled functions for the other sites that share the master, too: otherwise, what one of them disables
/// could not be enabled again where it is shown.
fn disable_everywhere(request: &PhpConfig, sites: &mut [Site]) {
    let Some(list) = request.values.get(&PhpKey::DisableFunctions) else { return };
    for site in sites.iter_mut().filter(|site| site.php_version == request.version) {
        // It has been checked for the site itrequest.
        let _ = site.php_settings.set(PhpKey::DisableFunctions, list);
    }
}

/// The values in effect, as text.
fn shown(host: &Host, site: &Site, account: &[Site], deadline: Deadline) -> Result<Map<String, Value>, Problem> {
    let defaults = php_values::defaults(host, &site.php_version, deadline)?;
    let values = PhpValues::of(host, site, account, deadline)?;
    let value = |key: PhpKey| match key {
        PhpKey::DisableFunctions => values.disabled.clone(),
        key => {
            site.php_settings.get(key).or_else(|| defaults.get(&key).map(String::as_str)).unwrap_or_default().to_owned()
        }
    };
    Ok(PhpKey::ALL.into_iter().map(|key| (key.name().to_owned(), Value::String(value(key)))).collect())
}

/// The warning for uploads that cannot be as large as they may be.
fn too_small(settings: &PhpSettings) -> Option<String> {
    let (upload, post) = (settings.mebibytes(PhpKey::UploadMaxFilesize)?, settings.mebibytes(PhpKey::PostMaxSize)?);
    (upload > post)
        .then(|| "post_max_size is smaller than upload_max_filesize, so larger files cannot be uploaded.".to_owned())
}
