//! The answer to calls of the Panel that this version does not perform: 501, with a sentence that names the feature. The Panel
//! shows nothing else of it.

use opterius_http::response::Response;

/// The features that the Agent does not have: how their paths begin, and how a sentence about them goes on. The first row counts.
const FEATURES: [(&str, &str); 20] = [
    ("/analytics/", "collect statistics of visitors (analytics)"),
    ("/autoresponder/", "manage mail (automatic replies)"),
    ("/cdn/", "configure a CDN"),
    ("/cms/", "install applications (Joomla, Drupal, Magento, PrestaShop)"),
    ("/composer/", "run Composer"),
    ("/email/", "manage mail (mailboxes)"),
    ("/forwarder/", "manage mail (forwarders)"),
    ("/ftp/", "manage FTP accounts; every account has SFTP"),
    ("/git/", "work with Git repositories"),
    ("/laravel/", "install applications (Laravel)"),
    ("/migration/", "import accounts of other panels (migration)"),
    ("/node/", "run Node.js applications"),
    ("/panel/", "change the Panel's host name"),
    ("/rspamd/", "manage mail (Rspamd)"),
    ("/security/", "manage the firewall and Fail2ban, or look for malware"),
    ("/ssl/wildcard/", "issue wildcard certificates; it installs one that is uploaded"),
    ("/staging/", "copy sites for staging"),
    ("/terminal/", "offer a terminal; an account with a shell has SSH"),
    ("/update/", "update the Panel, the mail system or itself; use the packages' own updates"),
    ("/wordpress/", "install applications (WordPress)"),
];

/// The answer to a call of `path`.
pub fn answer(path: &str) -> Response {
    Response::error(501, "not_implemented", &sentence(path))
}

fn sentence(path: &str) -> String {
    match feature(path) {
        Some(feature) => format!("This version of the Agent does not {feature}. Nothing was changed ({path})."),
        None => format!("This version of the Agent does not perform {path}. Nothing was changed."),
    }
}

fn feature(path: &str) -> Option<&'static str> {
    FEATURES.iter().find(|(begin, _)| path.starts_with(begin)).map(|(_, feature)| *feature)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::routes::{Operation, ROUTES};
    use opterius_host::request;

    #[test]
    fn every_feature_has_calls_that_are_not_performed_and_no_other() {
        for (begin, feature) in FEATURES {
            let mut paths = ROUTES.iter().filter(|route| route.path.starts_with(begin)).peekable();
            assert!(paths.peek().is_some(), "{feature}");
            for route in paths {
                let is_performed = route.operation != Operation::Host || request::is_operation(route.path);
                assert!(!is_performed, "the Agent performs {}", route.path);
            }
        }
    }

    #[test]
    fn the_sentence_names_the_feature_and_the_call() {
        assert_eq!(
            sentence("/email/create"),
            "This version of the Agent does not manage mail (mailboxes). Nothing was changed (/email/create)."
        );
        assert_eq!(
            sentence("/unknown/call"),
            "This version of the Agent does not perform /unknown/call. Nothing was changed."
        );
    }
}
