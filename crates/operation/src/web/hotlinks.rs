//! Hotlink protection in a site's nginx file: one location for the protected files.

use std::collections::BTreeSet;

use crate::web::quoting::without_variables;
use opterius_host::request::domains_hotlink_set::HotlinkProtection;

/// The location for a site with these names. It comes after those that hide files and execute scripts, which therefore have
/// priority. `dollar` is a variable with a dollar sign, and `missing` what answers for missing files.
pub fn location(protection: &HotlinkProtection, names: &[String], dollar: &str, missing: &str) -> String {
    let direct = if protection.allow_direct { " none blocked" } else { "" };
    // nginx's own word for the site's names would make it refuse a name that is allowed as well.
    let allowed = protection.allowed_domains.iter();
    let exact: BTreeSet<String> = names.iter().cloned().chain(allowed.clone().map(ToString::to_string)).collect();
    let domains: String =
        exact.into_iter().chain(allowed.map(|domain| format!("*.{domain}"))).map(|name| format!(" {name}")).collect();
    let refusal = match &protection.redirect_url {
        Some(url) => format!("302 {}", without_variables(url.as_str(), dollar)),
        None => "403".to_owned(),
    };
    format!(
        "    # No other site may show these files.\n    location ~* \"\\.(?:{extensions})$\" {{\n        \
         referer_hash_bucket_size 512;\n        valid_referers{direct}{domains};\n{missing}        \
         absolute_redirect off;\n        if ($invalid_referer) {{\n            return {refusal};\n        }}\n    }}\n\n",
        extensions = protection.allowed_extensions.join("|"),
    )
}
