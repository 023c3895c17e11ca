//! Running certbot, and its files.
//!
//! certbot calls the files of one certificate a lineage; here, each is named after its site. certbot's own timer renews it
//! with the arguments of the last run, so all runs use the same arguments.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crossbeam_channel::never;

use crate::tree;
use crate::web::certificate::files::CertificateFiles;
use crate::web::certificate::inspect::inspect;
use crate::web::certificate::reason::{reason, reason_for};
use opterius_base::deadline::Deadline;
use opterius_host::certbot;
use opterius_host::host::Host;
use opterius_host::layout::WEBROOT;
use opterius_host::lines;
use opterius_host::problem::Problem;
use opterius_host::request::values::{Domain, Email};
use opterius_host::sites::site_record::Source;
use opterius_host::tool::Tool;

/// certbot's directory of certificates and settings.
const DIRECTORY: &str = "/etc/letsencrypt";

/// certbot's message while its timer or an administrator is running it.
const BUSY: &str = "Another instance of Certbot is already running";

/// The reason for a name that certbot left out without giving one.
const UNKNOWN: &str = "it could not be validated";

/// The delay before certbot is tried again in that case.
const RETRY_DELAY: Duration = Duration::from_secs(2);

/// A certificate to obtain.
pub(crate) struct CertificateRequest<'a> {
    /// The site, which gives the lineage its name.
    pub(crate) site: &'a Domain,
    /// The names that the certificate must cover.
    pub(crate) names: &'a [Domain],
    /// The contact address for the certificate authority, if known.
    pub(crate) email: Option<&'a Email>,
    /// Whether to replace a certificate that is still valid.
    pub(crate) force: bool,
}

/// The certificate of a lineage.
pub(crate) fn find(host: &Host, domain: &Domain) -> Option<CertificateFiles> {
    CertificateFiles::below(live(host).join(domain.as_str()), Source::Acme)
}

/// The site of a lineage, from the directory that certbot passes to its hooks.
pub(crate) fn site_of(host: &Host, lineage: &Path) -> Option<Domain> {
    let name = lineage.strip_prefix(live(host)).ok()?.to_str()?;
    Domain::parse("domain", name).ok()
}

/// Whether certbot can use the lineage. If its creation was interrupted, it cannot, and would start a second one under
/// another name.
pub(crate) fn is_whole(host: &Host, domain: &Domain) -> bool {
    find(host, domain).is_some() && renewal_config(host, domain).contains("[renewalparams]")
}

/// Deletes a lineage, or the remains of one. certbot's own command refuses incomplete ones.
pub(crate) fn forget(host: &Host, domain: &Domain, deadline: Deadline) -> Result<(), Problem> {
    // The settings first: without them, certbot's timer ignores the rest.
    let renewal_config = renewal_config_path(host, domain);
    match fs::remove_file(&renewal_config) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(Problem::at(&renewal_config, error)),
        _ => {}
    }
    for part in ["live", "archive"] {
        tree::remove(&host.path(DIRECTORY).join(part).join(domain.as_str()), deadline)?;
    }
    Ok(())
}

/// A name that was requested but that the certificate does not cover.
pub(crate) struct LeftOut {
    /// The name.
    pub(crate) name: Domain,
    /// Why.
    pub(crate) reason: String,
}

/// Runs certbot to obtain a certificate for as many of the names as can be validated. Returns the others.
///
/// # Errors
/// certbot is not installed, timed out, or failed; the message gives the reason.
pub(crate) fn obtain(
    host: &Host,
    request: &CertificateRequest<'_>,
    deadline: Deadline,
) -> Result<Vec<LeftOut>, Problem> {
    certbot::check(host)?;
    let helper = env::current_exe().map_err(|error| Problem::failed("the path of this program", error))?;
    let hook = hook(&helper, &host.config)?;
    let is_ours = is_ours(&renewal_config(host, request.site), &host.path(WEBROOT));
    loop {
        let mut tool = Tool::named("certbot")?.args(arguments(host, request, &hook, is_ours));
        if let Some(authority) = &host.acme.authority {
            tool = tool.env("REQUESTS_CA_BUNDLE", authority);
        }
        let output = tool.run(deadline)?;
        if output.is_success()
            && let Some(found) = find(host, request.site)
        {
            let names = inspect(&found.fullchain, deadline)?.names;
            let left_out = request.names.iter().filter(|name| !names.iter().any(|covered| covered == name.as_str()));
            let because =
                |name: &Domain| reason_for(&output.stdout, name.as_str()).unwrap_or_else(|| UNKNOWN.to_owned());
            return Ok(left_out.map(|name| LeftOut { name: name.clone(), reason: because(name) }).collect());
        }
        if !output.stderr.contains(BUSY) || deadline.left() < RETRY_DELAY {
            return Err(Problem::failure(reason(&output.stdout, &output.stderr)));
        }
        let _ = never::<()>().recv_timeout(RETRY_DELAY);
    }
}

fn arguments(host: &Host, request: &CertificateRequest<'_>, hook: &str, is_ours: bool) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = Vec::new();
    let mut add = |some: &[&dyn AsRef<std::ffi::OsStr>]| arguments.extend(some.iter().map(|one| one.as_ref().into()));
    add(&[&"certonly", &"--non-interactive", &"--agree-tos", &"--webroot", &"-w", &host.path(WEBROOT)]);
    // A name that leads elsewhere by now must not prevent the others from being renewed, also when the timer does it.
    add(&[&"--allow-subset-of-names"]);
    add(&[&"--preferred-challenges", &"http", &"--cert-name", &request.site.as_str(), &"--renew-with-new-domains"]);
    for name in request.names {
        add(&[&"-d", &name.as_str()]);
    }
    match request.email {
        Some(email) => add(&[&"--email", &email.as_str()]),
        // The lineage exists, so the account with the certificate authority exists too.
        None => add(&[&"--register-unsafely-without-email"]),
    }
    // A lineage created by other software could be renewed through a tenant's directory, whose links root would follow:
    // reissue it with our settings.
    add(&[if request.force || !is_ours { &"--force-renewal" } else { &"--keep-until-expiring" }]);
    // certbot's validation treats the quotes as part of the program's name, so it is disabled.
    add(&[&"--disable-hook-validation", &"--deploy-hook", &hook]);
    add(&[&"--server", &host.acme.server, &"--config-dir", &host.path(DIRECTORY)]);
    add(&[&"--work-dir", &host.path("/var/lib/letsencrypt"), &"--logs-dir", &host.path("/var/log/letsencrypt")]);
    arguments
}

/// The shell command that certbot runs after each renewal.
fn hook(helper: &Path, config: &Path) -> Result<String, Problem> {
    let quoted = |path: &Path| {
        // Refuse characters that end a shell quotation or are special in certbot's settings.
        let plain = |text: &&str| !text.chars().any(|character| character.is_control() || "'\"%".contains(character));
        path.to_str().filter(plain).map(|text| format!("'{text}'")).ok_or_else(|| {
            let rule = "certbot cannot use a path with quotes, percent signs or control characters";
            Problem::Unavailable(format!("{rule}: {}.", path.display()))
        })
    };
    Ok(format!("{} --config {} renewed", quoted(helper)?, quoted(config)?))
}

/// Whether certbot's settings of a lineage come from [`arguments`]. Their last section has the webroot of each name
/// that was validated in the last run; it is empty if the certificate authority reused earlier validations.
fn is_ours(renewal_config: &str, webroot: &Path) -> bool {
    let (options, directories) = renewal_config.split_once("[[webroot_map]]").unwrap_or((renewal_config, ""));
    let value = |line: &str| line.split_once('=').map(|(_, value)| value.trim().trim_end_matches(',').to_owned());
    let mut roots = options.lines().filter(|line| line.starts_with("webroot_path")).peekable();
    let has_root = roots.peek().is_some();
    let is_ours = |line: &str| value(line).is_none_or(|path| Path::new(&path) == webroot);
    // Earlier versions of the Agent used another program for the same hook.
    let is_hook =
        |line: &str| line.starts_with("renew_hook") && line.contains(" --config ") && line.contains(" renewed");
    has_root && roots.chain(directories.lines()).all(is_ours) && options.lines().any(is_hook)
}

fn renewal_config(host: &Host, domain: &Domain) -> String {
    lines::text(&renewal_config_path(host, domain), lines::MAX_FILE)
}

fn renewal_config_path(host: &Host, domain: &Domain) -> PathBuf {
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
    fn certbots_arguments_are_complete_and_name_no_tenant_directory() {
        let (names, email) =
            ([domain("a.example"), domain("www.a.example")], Email::parse("email", "a@b.example").unwrap());
        let command_line = |email, force, is_ours| {
            let request = CertificateRequest { site: &names[0], names: &names, email, force };
            let words = arguments(&host("/srv"), &request, "'x' renewed", is_ours);
            words.iter().map(|word| word.to_str().unwrap()).collect::<Vec<_>>().join(" ")
        };
        let complete = command_line(Some(&email), false, true);
        for part in [
            "certonly --non-interactive --agree-tos --webroot -w /srv/var/lib/opterius/acme ",
            " --allow-subset-of-names --preferred-challenges http --cert-name a.example ",
            " --renew-with-new-domains -d a.example -d www.a.example --email a@b.example ",
            " --keep-until-expiring --disable-hook-validation --deploy-hook 'x' renewed ",
            " --server https://acme.example/dir --config-dir /srv/etc/letsencrypt ",
            " --work-dir /srv/var/lib/letsencrypt --logs-dir /srv/var/log/letsencrypt",
        ] {
            assert!(complete.contains(part), "{part} is not in {complete}");
        }
        assert!(command_line(None, false, true).contains("--register-unsafely-without-email"));
        for (force, is_ours) in [(true, true), (false, false)] {
            let words = command_line(None, force, is_ours);
            assert!(words.contains("--force-renewal") && !words.contains("--keep-until-expiring"), "{words}");
        }
    }

    #[test]
    fn a_path_cannot_break_out_of_the_hooks_quotes() {
        let hook_command = |agent: &str, config: &str| hook(Path::new(agent), Path::new(config));
        let complete = hook_command("/usr/libexec/opterius/opterius-operation", "/srv/a $(b) c/agent.conf").unwrap();
        assert_eq!(complete, "'/usr/libexec/opterius/opterius-operation' --config '/srv/a $(b) c/agent.conf' renewed");
        for path in ["/a'b", "/a\"b", "/a%b", "/a\nb"] {
            assert!(matches!(hook_command("/agent", path), Err(Problem::Unavailable(_))), "{path}");
            assert!(matches!(hook_command(path, "/config"), Err(Problem::Unavailable(_))), "{path}");
        }
    }

    #[test]
    fn foreign_lineages_are_recognized() {
        let renewal_config = |roots: &str, hook: &str| {
            format!(
                "version = 2.1.0\n[renewalparams]\nwebroot_path = {WEBROOT},\nrenew_hook = {hook}\n[[webroot_map]]\n{roots}"
            )
        };
        let (ours, hook) = ("a.example = /var/lib/opterius/acme\n", "'helper' --config 'x' renewed");
        let table = [
            (renewal_config(ours, hook), true),
            (renewal_config(&ours.repeat(2), hook), true),
            (renewal_config(ours, "'agent' --config 'x' operation renewed"), true),
            (renewal_config(ours, "systemctl reload nginx"), false),
            (renewal_config("a.example = /home/alice/a.example/public_html\n", hook), false),
            (renewal_config(&format!("{ours}www.a.example = /home/alice/public_html\n"), hook), false),
            (renewal_config("", hook), true),
            (renewal_config("", hook).replace(WEBROOT, "/home/alice/public_html"), false),
            (renewal_config("", hook).replace("webroot_path", "other"), false),
            (String::new(), false),
        ];
        for (renewal_config, expected) in table {
            assert_eq!(is_ours(&renewal_config, Path::new(WEBROOT)), expected, "{renewal_config}");
        }
    }

    #[test]
    fn only_lineages_of_this_host_belong_to_sites() {
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
