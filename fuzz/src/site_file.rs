//! Generated files: whatever names a site has, its nginx file and PHP pool are the same as those of any other site,
//! with only the names replaced.

use std::path::Path;

use opterius_base::clock::Timestamp;
use opterius_host::host::{Acme, Host};
use opterius_host::nginx::configuration::Configuration;
use opterius_host::nginx::custom::Custom;
use opterius_host::request::php_settings::PhpSettings;
use opterius_host::request::values::{DocumentRoot, Domain, PhpVersion, Username};
use opterius_host::sites::mark::MARK;
use opterius_host::sites::site_record::Source;
use opterius_host::sites::site_settings::SiteSettings;
use opterius_host::users::register::User;
use opterius_operation::servers::nginx::token;
use opterius_operation::servers::php::{settings, shared};
use opterius_operation::web::certificate::files::CertificateFiles;
use opterius_operation::web::hook::Hook;
use opterius_operation::web::php_values::PhpValues;
use opterius_operation::web::site::Site;
use opterius_operation::web::site_file;
use opterius_operation::web::site_view::View;

use super::input::Input;
use super::nginx::directives;
use super::operation_request::{HOSTILE, with_sign_at};

/// The names of the reference site, which occur nowhere in a template.
const REFERENCE: Names = Names { domain: "reference-domain.test", username: "reference_user", root: "reference_root" };

#[derive(Clone, Copy)]
struct Names<'a> {
    domain: &'a str,
    username: &'a str,
    root: &'a str,
}

/// The input is a byte with options, a byte for a character and one for its position, then lines with domain, username,
/// document root below the home, PHP version and parent domain. Each name is also tried with the character inserted.
pub fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let (kind, sign, place) = (input.byte(), usize::from(input.byte()), usize::from(input.byte()));
    let (domain, username, root) = (input.text(), input.text(), input.text());
    let (version, parent) = (input.text(), input.text());
    let near = |text: &str| with_sign_at(text, place.min(text.len()), HOSTILE[sign % HOSTILE.len()]);
    let (near_domain, near_username, near_root) = (near(&domain), near(&username), near(&root));
    let names = Names { domain: &domain, username: &username, root: &root };
    for names in [
        names,
        Names { domain: &near_domain, ..names },
        Names { username: &near_username, ..names },
        Names { root: &near_root, ..names },
    ] {
        if let Some(site) = site(names, &version, &parent) {
            check_site(&site, kind);
        }
    }
}

fn check_site(site: &Site, kind: u8) {
    let reference = self::site(REFERENCE, "8.4", "").unwrap();
    let own = Names { domain: site.domain.as_str(), username: site.username.as_str(), root: &site.document_root };
    let (text, pool) = rendered(site, kind);
    let (reference_text, reference_pool) = rendered(&reference, kind);

    let first = text.lines().next().and_then(|line| line.strip_prefix(MARK)).expect("the first line is the mark");
    assert!(serde_json::from_str::<Site>(first).is_ok_and(|read| read == *site), "the mark contains the site");
    let expected = directives(&reference_text).into_iter();
    let expected = expected.map(|(depth, words)| (depth, words.iter().map(|word| own.substitute(word)).collect()));
    assert_eq!(directives(&text), expected.collect::<Vec<_>>());
    assert_eq!(pool, own.substitute(&reference_pool));
    let names: Vec<String> =
        Configuration::parse(text.as_bytes()).servers.into_iter().flat_map(|server| server.names).collect();
    assert!(names.iter().all(|name| name.ends_with(own.domain)) && !names.is_empty());
}

fn site(names: Names<'_>, version: &str, parent: &str) -> Option<Site> {
    let username = Username::parse("username", names.username).ok()?;
    let root = format!("/home/{username}/{}", names.root);
    Some(Site {
        domain: Domain::parse("domain", names.domain).ok()?,
        document_root: DocumentRoot::parse("document_root", &root, &username).ok()?.from_home().to_owned(),
        php_version: PhpVersion::parse("php_version", version).ok()?,
        parent_domain: Domain::parse("parent_domain", parent).ok(),
        created_at: Timestamp::from_unix(1_777_636_800),
        aliases: Vec::new(),
        php_settings: PhpSettings::default(),
        username,
    })
}

/// The site's nginx file and PHP pool.
fn rendered(site: &Site, kind: u8) -> (String, String) {
    let host = Host::new("/".into(), Acme { server: String::new(), authority: None }, "/etc/agent.conf".into());
    let name = site.username.to_string();
    let user = User { home: format!("/home/{name}"), name, uid: 1001, gid: 1001, shell: "/bin/bash".to_owned() };
    let directory = Path::new("/etc/letsencrypt/live").join(site.domain.as_str());
    let certificate = CertificateFiles {
        source: Source::Acme,
        fullchain: directory.join("fullchain.pem"),
        key: directory.join("privkey.pem"),
    };
    let view = View {
        site,
        user: &user,
        names: vec![site.domain.to_string(), format!("www.{}", site.domain)],
        certificate: (kind & 1 == 0).then_some(certificate),
        // With and without www.
        covered: vec![site.domain.to_string(), format!("www.{}", site.domain)][usize::from((kind >> 3) & 1)..].to_vec(),
        suspended: kind & 2 == 0,
        // A long domain has a shortened socket name, so use the same for all sites.
        pool: (kind & 4 == 0).then(|| "/run/php/opterius.sock".into()),
        hook: Hook::default(),
        settings: SiteSettings::default(),
        custom: Custom::default(),
        custom_warning: None,
        php: PhpValues::default(),
    };
    let error_log = site.logs(&host).join("php-error.log");
    let version = PhpVersion::parse("php_version", "8.2").unwrap();
    let pool = shared::pool(&host, &version, &site.domain, &user, "www-data", &error_log);
    let socket = shared::socket(&host, &version, &site.domain).display().to_string();
    let (settings, ping) = settings::render(&host, &user.name, &version, Path::new("/run/php/opterius.sock"), "");
    let php = pool.replace(&socket, "/run/php/opterius.sock") + &settings.replace(&ping, "");
    let text = site_file::render(&host, &view);
    // The token is a digest of the file, so use the same for all sites.
    let token = token::find(&text).expect("the file has a token").to_owned();
    (text.replace(&token::answer(&token), "answer").replace(&token, token::PLACEHOLDER), php)
}

impl Names<'_> {
    /// Replaces the reference's names with these.
    fn substitute(self, text: &str) -> String {
        // Placeholders that no name contains keep a replacement from being replaced again.
        text.replace(REFERENCE.root, "\u{1}")
            .replace(REFERENCE.username, "\u{2}")
            .replace(REFERENCE.domain, self.domain)
            .replace('\u{2}', self.username)
            .replace('\u{1}', self.root)
    }
}
