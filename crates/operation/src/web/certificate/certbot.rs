//! certbot: how it is run, and where it keeps what it has.
//!
//! All that it has of one certificate is called a lineage, here by the name of the site. certbot's own timer renews it,
//! with the arguments of the last issue, so these are the same however a certificate comes into being.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crossbeam_channel::never;

use crate::tree;
use crate::web::certificate::files::CertificateFiles;
use crate::web::certificate::reason::reason;
use opterius_base::deadline::Deadline;
use opterius_host::host::Host;
use opterius_host::layout::WEBROOT;
use opterius_host::problem::Problem;
use opterius_host::request::values::{Domain, Email};
use opterius_host::sites::site_record::Source;
use opterius_host::tool::Tool;

/// Where certbot keeps certificates and their settings.
const DIRECTORY: &str = "/etc/letsencrypt";

/// What certbot says while its own timer, or an administrator, runs another one.
const BUSY: &str = "Another instance of Certbot is already running";

/// How long it is left alone then.
const PAUSE: Duration = Duration::from_secs(2);

/// A certificate to be had.
pub(crate) struct CertificateOrder<'a> {
    /// The site, whose name the lineage has.
    pub(crate) site: &'a Domain,
    /// The names that it must be good for.
    pub(crate) names: &'a [Domain],
    /// Whom the certificate authority may write to, where that is known.
    pub(crate) email: Option<&'a Email>,
    /// Whether one that is still good is replaced, too.
    pub(crate) anew: bool,
}

/// The certificate of a lineage.
pub(crate) fn find(host: &Host, domain: &Domain) -> Option<CertificateFiles> {
    CertificateFiles::below(live(host).join(domain.as_str()), Source::Acme)
}

/// The site that a lineage belongs to, by the directory that certbot names to its hooks.
pub(crate) fn site_of(host: &Host, lineage: &Path) -> Option<Domain> {
    let name = lineage.strip_prefix(live(host)).ok()?.to_str()?;
    Domain::parse("domain", name).ok()
}

/// Whether certbot can go on with the lineage. It cannot with one that was cut off while it was made: it would begin a
/// second one under another name.
pub(crate) fn is_whole(host: &Host, domain: &Domain) -> bool {
    find(host, domain).is_some() && settings(host, domain).contains("[renewalparams]")
}

/// Deletes a lineage, or what is left of one. certbot's own deletion refuses what is not whole.
pub(crate) fn forget(host: &Host, domain: &Domain, deadline: Deadline) -> Result<(), Problem> {
    // Its settings first: without them certbot's timer does not look at the rest.
    let settings = settings_path(host, domain);
    match fs::remove_file(&settings) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(Problem::at(&settings, error)),
        _ => {}
    }
    for part in ["live", "archive"] {
        tree::remove(&host.path(DIRECTORY).join(part).join(domain.as_str()), deadline)?;
    }
    Ok(())
}

/// Has certbot fulfil an order.
///
/// # Errors
/// It is not installed, took too long, or failed; why is told in words.
pub(crate) fn obtain(host: &Host, order: &CertificateOrder<'_>, deadline: Deadline) -> Result<(), Problem> {
    let helper = env::current_exe().map_err(|error| Problem::failed("the path of this program", error))?;
    let hook = hook(&helper, &host.config)?;
    let is_ours = is_ours(&settings(host, order.site), &host.path(WEBROOT));
    loop {
        let mut tool = Tool::named("certbot")?.args(arguments(host, order, &hook, is_ours));
        if let Some(authority) = &host.acme.authority {
            tool = tool.env("REQUESTS_CA_BUNDLE", authority);
        }
        let output = tool.run(deadline)?;
        if output.is_success() && find(host, order.site).is_some() {
            return Ok(());
        }
        if !output.stderr.contains(BUSY) || deadline.left() < PAUSE {
            return Err(Problem::Failed(reason(&output.stdout, &output.stderr)));
        }
        let _ = never::<()>().recv_timeout(PAUSE);
    }
}

fn arguments(host: &Host, order: &CertificateOrder<'_>, hook: &str, is_ours: bool) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = Vec::new();
    let mut add = |some: &[&dyn AsRef<std::ffi::OsStr>]| arguments.extend(some.iter().map(|one| one.as_ref().into()));
    add(&[&"certonly", &"--non-interactive", &"--agree-tos", &"--webroot", &"-w", &host.path(WEBROOT)]);
    add(&[&"--preferred-challenges", &"http", &"--cert-name", &order.site.as_str(), &"--renew-with-new-domains"]);
    for name in order.names {
        add(&[&"-d", &name.as_str()]);
    }
    match order.email {
        Some(email) => add(&[&"--email", &email.as_str()]),
        // The account with the certificate authority is there already, as the lineage is.
        None => add(&[&"--register-unsafely-without-email"]),
    }
    // One that others have made would go on being renewed through the directory of a tenant, whose links root follows.
    add(&[if order.anew || !is_ours { &"--force-renewal" } else { &"--keep-until-expiring" }]);
    // certbot looks for a program with the quotes as a part of its name, so it is told not to look.
    add(&[&"--disable-hook-validation", &"--deploy-hook", &hook]);
    add(&[&"--server", &host.acme.server, &"--config-dir", &host.path(DIRECTORY)]);
    add(&[&"--work-dir", &host.path("/var/lib/letsencrypt"), &"--logs-dir", &host.path("/var/log/letsencrypt")]);
    arguments
}

/// What certbot's shell runs after each renewal.
fn hook(helper: &Path, config: &Path) -> Result<String, Problem> {
    let quoted = |path: &Path| {
        // Nothing that ends a quotation of the shell, or means something in certbot's settings.
        let plain = |text: &&str| !text.chars().any(|character| character.is_control() || "'\"%".contains(character));
        path.to_str().filter(plain).map(|text| format!("'{text}'")).ok_or_else(|| {
            let rule = "certbot cannot be told of a path with quotes, percent signs or control characters";
            Problem::Unavailable(format!("{rule}: {}.", path.display()))
        })
    };
    Ok(format!("{} --config {} renewed", quoted(helper)?, quoted(config)?))
}

/// Whether certbot's settings of a lineage are those of [`arguments`]. The last part has the directory of each name that
/// was proved at the last issue, and none when the certificate authority had remembered an earlier proof.
fn is_ours(settings: &str, webroot: &Path) -> bool {
    let (options, directories) = settings.split_once("[[webroot_map]]").unwrap_or((settings, ""));
    let value = |line: &str| line.split_once('=').map(|(_, value)| value.trim().trim_end_matches(',').to_owned());
    let mut roots = options.lines().filter(|line| line.starts_with("webroot_path")).peekable();
    let has_root = roots.peek().is_some();
    let is_ours = |line: &str| value(line).is_none_or(|path| Path::new(&path) == webroot);
    // An earlier version of ours went by another program to the same end.
    let is_hook =
        |line: &str| line.starts_with("renew_hook") && line.contains(" --config ") && line.contains(" renewed");
    has_root && roots.chain(directories.lines()).all(is_ours) && options.lines().any(is_hook)
}

fn settings(host: &Host, domain: &Domain) -> String {
    fs::read_to_string(settings_path(host, domain)).unwrap_or_default()
}

fn settings_path(host: &Host, domain: &Domain) -> PathBuf {
    host.path(DIRECTORY).join("renewal").join(format!("{domain}.conf"))
}

fn live(host: &Host) -> PathBuf {
    host.path(DIRECTORY).join("live")
}

#[cfg(test)]
mod tests {
    use super::*;
    use opterius_host::host::Acme;

    fn host(root: &str) -> Host {
        let acme = Acme { server: "https://acme.example/dir".to_owned(), authority: None };
        Host::new(root.into(), acme, PathBuf::new())
    }

    fn domain(name: &str) -> Domain {
        Domain::parse("domain", name).unwrap()
    }

    #[test]
    fn certbot_is_told_everything_and_never_of_a_tenants_directory() {
        let (names, email) =
            ([domain("a.example"), domain("www.a.example")], Email::parse("email", "a@b.example").unwrap());
        let said = |email, anew, is_ours| {
            let order = CertificateOrder { site: &names[0], names: &names, email, anew };
            let words = arguments(&host("/srv"), &order, "'x' renewed", is_ours);
            words.iter().map(|word| word.to_str().unwrap()).collect::<Vec<_>>().join(" ")
        };
        let whole = said(Some(&email), false, true);
        for part in [
            "certonly --non-interactive --agree-tos --webroot -w /srv/var/lib/opterius/acme --preferred-challenges http ",
            " --cert-name a.example --renew-with-new-domains -d a.example -d www.a.example --email a@b.example ",
            " --keep-until-expiring --disable-hook-validation --deploy-hook 'x' renewed ",
            " --server https://acme.example/dir --config-dir /srv/etc/letsencrypt ",
            " --work-dir /srv/var/lib/letsencrypt --logs-dir /srv/var/log/letsencrypt",
        ] {
            assert!(whole.contains(part), "{part} is not in {whole}");
        }
        assert!(said(None, false, true).contains("--register-unsafely-without-email"));
        for (anew, is_ours) in [(true, true), (false, false)] {
            let words = said(None, anew, is_ours);
            assert!(words.contains("--force-renewal") && !words.contains("--keep-until-expiring"), "{words}");
        }
    }

    #[test]
    fn a_hook_cannot_be_led_out_of_its_quotation() {
        let said = |agent: &str, config: &str| hook(Path::new(agent), Path::new(config));
        let whole = said("/usr/libexec/opterius/opterius-operation", "/srv/a $(b) c/agent.conf").unwrap();
        assert_eq!(whole, "'/usr/libexec/opterius/opterius-operation' --config '/srv/a $(b) c/agent.conf' renewed");
        for path in ["/a'b", "/a\"b", "/a%b", "/a\nb"] {
            assert!(matches!(said("/agent", path), Err(Problem::Unavailable(_))), "{path}");
            assert!(matches!(said(path, "/config"), Err(Problem::Unavailable(_))), "{path}");
        }
    }

    #[test]
    fn a_lineage_of_others_is_told_from_ours() {
        let settings = |roots: &str, hook: &str| {
            format!(
                "version = 2.1.0\n[renewalparams]\nwebroot_path = {WEBROOT},\nrenew_hook = {hook}\n[[webroot_map]]\n{roots}"
            )
        };
        let (ours, hook) = ("a.example = /var/lib/opterius/acme\n", "'helper' --config 'x' renewed");
        let table = [
            (settings(ours, hook), true),
            (settings(&ours.repeat(2), hook), true),
            (settings(ours, "'agent' --config 'x' operation renewed"), true),
            (settings(ours, "systemctl reload nginx"), false),
            (settings("a.example = /home/alice/a.example/public_html\n", hook), false),
            (settings(&format!("{ours}www.a.example = /home/alice/public_html\n"), hook), false),
            (settings("", hook), true),
            (settings("", hook).replace(WEBROOT, "/home/alice/public_html"), false),
            (settings("", hook).replace("webroot_path", "other"), false),
            (String::new(), false),
        ];
        for (settings, expected) in table {
            assert_eq!(is_ours(&settings, Path::new(WEBROOT)), expected, "{settings}");
        }
    }

    #[test]
    fn a_hook_names_a_site_only_by_a_lineage_of_this_host() {
        let found = |path: &str| site_of(&host("/srv"), Path::new(path)).map(|domain| domain.to_string());
        assert_eq!(found("/srv/etc/letsencrypt/live/a.example").as_deref(), Some("a.example"));
        for path in [
            "/etc/letsencrypt/live/a.example",
            "/srv/etc/letsencrypt/live/a.example/x",
            "/srv/etc/letsencrypt/live",
            "",
        ] {
            assert_eq!(found(path), None, "{path}");
        }
    }
}
