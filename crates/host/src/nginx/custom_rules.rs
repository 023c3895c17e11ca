//! The directives that tenants may use, each with the rule for its parameters.

use crate::nginx::custom_values::{
    address, charset, count, duration, file_names, header, mime, off, on_off, one_of, rate, rewrite, size, status_page,
    try_files, value_or_return,
};

/// The rule of a directive.
pub(super) struct Rule {
    /// Checks the parameters; an error continues a sentence that starts with the directive's name.
    pub(super) check: fn(&[String]) -> Result<(), String>,
    /// Whether there can be several.
    pub(super) repeats: bool,
}

const fn once(check: fn(&[String]) -> Result<(), String>) -> Rule {
    Rule { check, repeats: false }
}

const fn often(check: fn(&[String]) -> Result<(), String>) -> Rule {
    Rule { check, repeats: true }
}

/// Largest body of a request, in bytes: the disk holds it until PHP has read it.
const MAX_BODY: u64 = 1024 * 1024 * 1024;

macro_rules! rules {
    ($($further:expr,)*) => {
        &[
            ("absolute_redirect", once(|words| on_off(words))),
            ("add_header", often(header)),
            ("autoindex", once(off)),
            ("charset", once(charset)),
            ("client_max_body_size", once(|words| size(words, MAX_BODY))),
            ("default_type", once(|words| mime(words, 1))),
            ("error_page", often(status_page)),
            ("etag", once(|words| on_off(words))),
            ("expires", once(duration)),
            ("gzip", once(|words| on_off(words))),
            ("gzip_comp_level", once(|words| count(words, 1, 9))),
            ("gzip_min_length", once(rate)),
            (
                "gzip_proxied",
                once(|words| one_of(words, &["off", "expired", "no-cache", "no-store", "private", "auth", "any"])),
            ),
            ("gzip_static", once(|words| one_of(words, &["on", "off"]))),
            ("gzip_types", once(|words| mime(words, 50))),
            ("gzip_vary", once(|words| on_off(words))),
            ("if_modified_since", once(|words| one_of(words, &["off", "exact", "before"]))),
            ("index", once(file_names)),
            ("limit_rate", once(rate)),
            ("limit_rate_after", once(rate)),
            ("log_not_found", once(|words| on_off(words))),
            ("max_ranges", once(|words| count(words, 0, 100))),
            ("port_in_redirect", once(|words| on_off(words))),
            ("server_tokens", once(|words| on_off(words))),
            $($further,)*
        ]
    };
}

/// Those for the whole site. Access rules are only possible here: in a location, they would not hold for the scripts in the same
/// directory, which another location executes.
pub(super) const SITE: &[(&str, Rule)] = rules![("allow", often(address)), ("deny", often(address)),];

/// Those in a location. Outside of one, these would come before everything else that the site answers.
pub(super) const LOCATION: &[(&str, Rule)] =
    rules![("return", once(value_or_return)), ("rewrite", often(rewrite)), ("try_files", once(try_files)),];
