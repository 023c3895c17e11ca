//! Directives of tenants: whatever text is accepted, the site's nginx file differs from one without it by allowed directives
//! and locations only, and the Agent's own part comes first and is the same.

use opterius_host::nginx::custom::Custom;
use opterius_operation::web::custom_directives;
use opterius_operation::web::hook::Hook;

use super::nginx::directives;

/// Everything that can be in the result, independent of the product's own list.
const ALLOWED: [&str; 29] = [
    "absolute_redirect",
    "add_header",
    "allow",
    "autoindex",
    "charset",
    "client_max_body_size",
    "default_type",
    "deny",
    "error_page",
    "etag",
    "expires",
    "gzip",
    "gzip_comp_level",
    "gzip_min_length",
    "gzip_proxied",
    "gzip_static",
    "gzip_types",
    "gzip_vary",
    "if_modified_since",
    "index",
    "limit_rate",
    "limit_rate_after",
    "log_not_found",
    "max_ranges",
    "port_in_redirect",
    "return",
    "rewrite",
    "server_tokens",
    "try_files",
];

/// Those that would come before the Agent's own locations, if they were not in one.
const IN_LOCATIONS: [&str; 4] = ["return", "rewrite", "try_files", "error_page"];

/// The input is the text.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let custom = match Custom::parse("directives", text) {
        Ok(custom) => custom,
        Err(problem) => {
            let message = problem.message();
            assert!(message.len() < 1000 && !message.contains(char::is_control), "{message:?}");
            return;
        }
    };
    let site = custom_directives::for_site(&custom, &Hook::default());
    for (depth, words) in directives(&site) {
        assert!(depth == 0 && is_allowed(&words) && !IN_LOCATIONS.contains(&words[0].as_str()), "{words:?}");
    }
    let pages = custom_directives::page_locations(&custom, |_| false);
    for (depth, words) in directives(&(custom_directives::locations(&custom, "", |_| false) + &pages)) {
        match (depth, words.iter().map(String::as_str).collect::<Vec<_>>().as_slice()) {
            (0, ["location", path, "{"] | ["location", "=", path, "{"]) => check_path(path, words.len() == 4),
            (1, ["}"]) => {}
            (1, [name, ..]) => assert!(is_allowed(&words) && !matches!(*name, "allow" | "deny"), "{words:?}"),
            _ => panic!("{depth} {words:?}"),
        }
    }
}

fn check_path(path: &str, is_exact: bool) {
    assert!(path.starts_with('/') && !path.contains(['"', '\\', '$', '{', '}', ';', '*']), "{path:?}");
    assert!(
        !path.starts_with("/.well-known/acme-challenge") && !path.starts_with("/.well-known/opterius-agent"),
        "{path:?}"
    );
    assert!(!is_exact || (!path.to_ascii_lowercase().contains(".ph") && !path.contains("/.")), "{path:?}");
}

/// Whether this is a directive of the list, with parameters that name no other location, file or variable.
fn is_allowed(words: &[String]) -> bool {
    // Elsewhere, in a header for example, it is a character.
    let names_locations = matches!(words[0].as_str(), "error_page" | "try_files");
    let is_location = |word: &String| names_locations && word.starts_with('@');
    let is_harmless = |word: &String| {
        !is_location(word)
            && !word.contains("${")
            && !word.contains("$uri.ph")
            && !["$document", "$realpath", "$ssl", "$opterius", "$http_", "$cookie_", "$sent_"]
                .iter()
                .any(|variable| word.contains(variable))
    };
    ALLOWED.contains(&words[0].as_str())
        && words.last().is_some_and(|end| end == ";")
        && words.iter().all(|word| is_harmless(word) && !word.contains(char::is_control))
}
