//! A site's redirects in its nginx file: one exact location for each path.

use crate::web::quoting::{quoted, variable, without_variables};
use crate::web::site::Site;
use opterius_host::request::domains_redirect_sync::Redirect;
use opterius_host::sites::site_settings::SiteSettings;

/// What stands outside of the server blocks: a variable with a dollar sign, if an address needs it.
pub fn variables(site: &Site, settings: &SiteSettings) -> String {
    let of_hotlinks = settings.hotlink.iter().filter_map(|protection| protection.redirect_url.as_ref());
    let mut addresses = settings.redirects.iter().map(|redirect| &redirect.destination).chain(of_hotlinks);
    if addresses.any(|address| address.as_str().contains('$')) {
        format!("geo ${} {{\n    default \"$\";\n}}\n", dollar(site))
    } else {
        String::new()
    }
}

/// The name of that variable.
pub fn dollar(site: &Site) -> String {
    variable("dollar", &site.domain)
}

/// The locations. nginx would put the name that a client asked for before a path, which a proxy may not know.
pub fn locations(site: &Site, redirects: &[Redirect]) -> String {
    let dollar = dollar(site);
    let location = |redirect: &Redirect| {
        format!(
            "    location = {} {{\n        absolute_redirect off;\n        return {} {};\n    }}\n\n",
            quoted(redirect.source_path.as_str()),
            redirect.kind.status(),
            without_variables(redirect.destination.as_str(), &dollar),
        )
    };
    redirects.iter().map(location).collect()
}
