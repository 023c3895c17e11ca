//! `/domains/toggle-htaccess`: refuses to read `.htaccess` files, which nginx does not. Not reading them is no change.

use serde_json::{Value, json};

use crate::perform::{Context, Perform};
use crate::web::site::Site;
use opterius_host::problem::Problem;
use opterius_host::request::domains_toggle_htaccess::ToggleHtaccess;

impl Perform for ToggleHtaccess {
    fn perform(&self, Context { host, .. }: Context<'_>) -> Result<Value, Problem> {
        let Self { domain, username, htaccess_enabled } = self;
        Site::find_of(host, domain, username)?;
        if *htaccess_enabled {
            return Err(Problem::Conflict(
                "This server serves sites with nginx, which does not read .htaccess files. Use redirects, protected \
                 directories, hotlink protection or custom nginx directives instead; front controllers such as those of \
                 WordPress and Laravel work without any."
                    .to_owned(),
            ));
        }
        Ok(json!({"domain": domain, "htaccess_enabled": false, "warnings": []}))
    }
}
