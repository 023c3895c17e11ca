//! `/domains/hotlink/set`: keeps other sites from showing files of a site.

use std::path::Path;

use serde_json::{Value, json};

use crate::perform::{Context, Perform};
use crate::transaction::Transaction;
use crate::web::change_settings::change_settings;
use crate::web::site::Site;
use opterius_host::host::Host;
use opterius_host::problem::Problem;
use opterius_host::request::domains_hotlink_set::{HotlinkProtection, SetHotlinkProtection};

impl Perform for SetHotlinkProtection {
    fn perform(&self, Context { host, deadline, .. }: Context<'_>) -> Result<Value, Problem> {
        let Self { domain, username, enabled, protection } = self;
        Transaction::run(host, deadline, |transaction| {
            let site = Site::find_of(host, domain, username)?;
            if let Some(protection) = protection {
                refuse_loop(host, &site, protection)?;
            }
            let warnings = change_settings(transaction, &site, deadline, |settings| {
                settings.hotlink.clone_from(protection);
            })?;
            Ok(json!({"domain": domain, "enabled": enabled, "warnings": warnings}))
        })
    }
}

/// Refuses to lead visitors to a file that is protected itself: their browsers would be led there again and again.
fn refuse_loop(host: &Host, site: &Site, protection: &HotlinkProtection) -> Result<(), Problem> {
    let Some(url) = &protection.redirect_url else { return Ok(()) };
    let (name, path) = url.host_and_path();
    let is_own = name.is_none_or(|name| site.names(host).iter().any(|own| own.eq_ignore_ascii_case(name)));
    let extension = Path::new(path).extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    if is_own && protection.allowed_extensions.iter().any(|protected| protected.eq_ignore_ascii_case(extension)) {
        let rule = format!("must not lead to a .{extension} file of this site, which is protected as well");
        return Err(Problem::invalid("redirect_url", rule));
    }
    Ok(())
}
