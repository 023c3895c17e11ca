//! Hotlink protection in a site's nginx file: one location for the protected files.

use crate::web::quoting::without_variables;
use opterius_host::request::domains_hotlink_set::HotlinkProtection;

/// The location. It comes after those that hide files and execute scripts, which therefore have priority. `dollar` is a
/// variable with a dollar sign, and `missing` what answers for missing files.
pub fn location(protection: &HotlinkProtection, dollar: &str, missing: &str) -> String {
    let direct = if protection.allow_direct { " none blocked" } else { "" };
    let domains: String = protection.allowed_domains.iter().map(|domain| format!(" {domain} *.{domain}")).collect();
    let refusal = match &protection.redirect_url {
        Some(url) => format!("302 {}", without_variables(url.as_str(), dollar)),
        None => "403".to_owned(),
    };
    format!(
        "    # No other site may show these files.\n    location ~* \"\\.(?:{extensions})$\" {{\n        \
         referer_hash_bucket_size 512;\n        valid_referers{direct} server_names{domains};\n{missing}        \
         absolute_redirect off;\n        if ($invalid_referer) {{\n            return {refusal};\n        }}\n    }}\n\n",
        extensions = protection.allowed_extensions.join("|"),
    )
}
