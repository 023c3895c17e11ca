//! Requests for host operations: accepted fields contain only the characters that their rules allow, and an accepted
//! request has the same meaning after it is rewritten.

use opterius_base::secret::Secret;
use opterius_host::problem::Problem;
use opterius_host::request::account_suspend::SuspendAction;
use opterius_host::request::backup::BackupName;
use opterius_host::request::cron::CronCommand;
use opterius_host::request::dns_delete_record::{DeleteRecord, WhichRecords};
use opterius_host::request::domains_redirect_sync::Redirect;
use opterius_host::request::files_upload_finish::FinishUpload;
use opterius_host::request::home_path::HomePath;
use opterius_host::request::logs_tail::SiteLog;
use opterius_host::request::prefixed_name::{ClientHost, PrefixedName};
use opterius_host::request::protected_directory::{DirectoryPath, Label, Visitor};
use opterius_host::request::record::RecordName;
use opterius_host::request::services_action::ServiceAction;
use opterius_host::request::ssh_import_key::ImportKey;
use opterius_host::request::ssh_key::TYPES;
use opterius_host::request::system_timezone::SetTimezone;
use opterius_host::request::url::Address;
use opterius_host::request::values::{DocumentRoot, Domain, Email, Username};
use opterius_host::request::{Request, is_operation};
use serde_json::{Value, json};

use super::input::Input;

/// The input is a line with the path, and the body.
pub fn check(data: &[u8]) {
    let mut input = Input::new(data);
    check_request(&input.text(), input.rest());
}

/// Parses a request, and checks the result, or the error, against the rules.
pub fn check_request(path: &str, body: &[u8]) {
    match Request::parse(path, body) {
        Ok(request) => {
            let meant = written(&request);
            let again = Request::parse(path, meant.to_string().as_bytes());
            let again = again.unwrap_or_else(|problem| panic!("{meant} is refused: {}", problem.message()));
            assert_eq!(written(&again), meant);
            // The Agent forwards the same request to the helper.
            let forwarded = request.to_json().expect("a request can be written");
            let received = Request::from_json(path, Some(forwarded));
            assert_eq!(written(&received.unwrap_or_else(|problem| panic!("{meant}: {}", problem.message()))), meant);
            let sign = HOSTILE[body.len() % HOSTILE.len()];
            with_a_sign(&meant, sign, |near| drop(Request::parse(path, &near).map(|request| written(&request))));
        }
        Err(problem) => check_refusal(path, &problem),
    }
}

/// Characters that may be special to other programs.
pub const HOSTILE: [char; 18] =
    ['.', '/', ' ', '\n', '\0', '"', '\'', ';', '{', '}', '$', '#', '\\', '`', ':', '-', 'A', '\u{17f}'];

/// Calls `read` with variants of the body that have this character inserted into a string, at three positions.
fn with_a_sign(body: &Value, sign: char, mut read: impl FnMut(Vec<u8>)) {
    for (name, text) in body.as_object().into_iter().flatten() {
        let Some(text) = text.as_str() else { continue };
        for place in [0, text.len() / 2, text.len()] {
            let mut near = body.clone();
            near[name] = with_sign_at(text, place, sign).into();
            read(near.to_string().into_bytes());
        }
    }
}

/// Inserts a character into a text, or appends it if `place` is not a character boundary.
pub fn with_sign_at(text: &str, place: usize, sign: char) -> String {
    let (before, after) = text.split_at_checked(place).unwrap_or((text, ""));
    format!("{before}{sign}{after}")
}

fn check_refusal(path: &str, problem: &Problem) {
    let expected = if is_operation(path) { 422 } else { 404 };
    assert!(problem.status() == expected || problem.status() == 422, "{}", problem.message());
    let message = problem.message();
    assert!(message.len() < 1000 && !message.contains(char::is_control), "{message:?}");
}

/// The request as a body, after each field was checked against its rule.
pub fn written(request: &Request) -> Value {
    match request {
        Request::CreateSite(site) => json!({
            "domain": domain(&site.domain), "username": username(&site.username),
            "document_root": root(&site.document_root, &site.username),
            "php_version": version(site.php_version.as_str()), "parent_domain": site.parent_domain.as_ref().map(domain),
        }),
        Request::DeleteSite(site) => json!({"domain": domain(&site.domain), "username": username(&site.username)}),
        Request::AddAlias(alias) => {
            json!({"domain": domain(&alias.domain), "alias_domain": domain(&alias.alias_domain)})
        }
        Request::RemoveAlias(alias) => {
            json!({"domain": domain(&alias.domain), "alias_domain": domain(&alias.alias_domain)})
        }
        Request::SyncRedirects(sync) => {
            json!({"domain": domain(&sync.domain), "redirects": sync.redirects.iter().map(redirect).collect::<Vec<_>>()})
        }
        Request::ProtectDirectory(protect) => {
            let visitors: Vec<Value> = protect.users.iter().map(visitor).collect();
            json!({
                "domain": domain(&protect.domain), "username": username(&protect.username),
                "document_root": root(&protect.document_root, &protect.username), "path": directory(&protect.path),
                "label": label(&protect.label), "users": visitors,
            })
        }
        Request::UnprotectDirectory(unprotect) => json!({
            "domain": domain(&unprotect.domain), "username": username(&unprotect.username),
            "path": directory(&unprotect.path),
        }),
        Request::SetHotlinkProtection(hotlink) => {
            let mut body = json!({
                "domain": domain(&hotlink.domain), "username": username(&hotlink.username), "enabled": hotlink.enabled,
            });
            if let Some(protection) = &hotlink.protection {
                assert!(protection.allowed_extensions.iter().all(|word| is_made_of(word, 16, "")));
                body["allowed_domains"] = protection.allowed_domains.iter().map(domain).collect();
                body["allowed_extensions"] = json!(protection.allowed_extensions);
                body["allow_direct"] = json!(protection.allow_direct);
                body["redirect_url"] = json!(protection.redirect_url.as_ref().map(address));
            }
            body
        }
        Request::ToggleHtaccess(toggle) => json!({
            "domain": domain(&toggle.domain), "username": username(&toggle.username),
            "htaccess_enabled": toggle.htaccess_enabled,
        }),
        Request::SetDirectives(set) => json!({"domain": domain(&set.domain), "directives": set.directives}),
        Request::PhpConfig(config) => {
            let is_plain =
                |value: &String| value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_,".contains(&byte));
            assert!(
                config.values.values().all(is_plain) && config.read == config.values.is_empty(),
                "{:?}",
                config.values
            );
            let mut body = json!({
                "domain": domain(&config.domain), "version": version(config.version.as_str()), "read": config.read,
            });
            if !config.read {
                body["values"] = json!(config.values);
            }
            body
        }
        Request::SetPhpExtension(set) => {
            let name = set.extension.as_str();
            assert!(is_made_of(name, 64, "_-") && !name.starts_with('-'), "{name:?}");
            json!({"version": version(set.version.as_str()), "extension": name, "enable": set.enable})
        }
        Request::InstallPhp(install) => json!({"version": version(install.version.as_str())}),
        Request::ListPhpExtensions(list) => json!({"version": version(list.version.as_str())}),
        Request::SwitchPhpVersion(switch) => json!({
            "domain": domain(&switch.domain), "username": username(&switch.username),
            "new_version": version(switch.new_version.as_str()),
        }),
        Request::SuspendAccount(account) => {
            let action = if account.action == SuspendAction::Suspend { "suspend" } else { "unsuspend" };
            json!({"username": username(&account.username), "action": action})
        }
        Request::SetPassword(account) => {
            json!({"username": username(&account.username), "password": password(&account.password)})
        }
        Request::DeleteAccount(account) => json!({"username": username(&account.username)}),
        Request::IssueCertificate(issue) => json!({
            "domain": domain(&issue.domain), "email": email(&issue.email),
            "username": issue.username.as_ref().map(username),
        }),
        Request::UploadCertificate(upload) => {
            let (certificate, private_key) = (&upload.certificate, upload.private_key.expose());
            assert!([certificate, private_key].iter().all(|pem| pem.contains("-----BEGIN ")));
            json!({
                "domain": domain(&upload.domain), "username": username(&upload.username),
                "certificate": certificate, "private_key": private_key,
            })
        }
        Request::RenewCertificate(certificate) => json!({"domain": domain(&certificate.domain)}),
        Request::DeleteCertificate(certificate) => json!({
            "domain": domain(&certificate.domain), "username": certificate.username.as_ref().map(username),
        }),
        Request::CreateZone(zone) => json!({
            "domain": domain(&zone.domain), "server_ip": zone.server_ip, "ns1": domain(&zone.ns1), "ns2": domain(&zone.ns2),
        }),
        Request::CreateCronJob(job) => {
            let schedule = job.schedule.as_str();
            assert!(is_made_of(schedule, 256, " *,-/") && schedule.split(' ').count() == 5, "{schedule:?}");
            assert!((1..1 << 53).contains(&job.cron_job_id));
            json!({
                "username": username(&job.username), "schedule": schedule, "command": command(&job.command),
                "cron_job_id": job.cron_job_id,
            })
        }
        Request::ToggleCronJob(job) => {
            json!({"username": username(&job.username), "command": command(&job.command), "enabled": job.enabled})
        }
        Request::DeleteCronJob(job) => json!({"username": username(&job.username), "command": command(&job.command)}),
        Request::ListKeys(keys) => json!({"username": username(&keys.username)}),
        Request::GenerateKey(key) => {
            assert!(key.comment.len() <= 255 && !key.comment.contains(char::is_control), "{:?}", key.comment);
            json!({"username": username(&key.username), "key_type": key.key_type.word(), "comment": key.comment})
        }
        Request::ImportKey(ImportKey { username: name, public_key, private_key }) => {
            let line = public_key.as_str();
            assert!(line.len() <= 4096 && !line.contains(char::is_control) && line.contains(' '), "{line:?}");
            assert!(TYPES.iter().any(|kind| line.starts_with(&format!("{kind} "))), "{line:?}");
            let private_key = private_key.as_ref().map_or("", |key| key.expose());
            assert!(private_key.is_empty() || private_key.starts_with("-----BEGIN "), "{private_key:?}");
            json!({"username": username(name), "public_key": line, "private_key": private_key})
        }
        Request::DeleteKey(key) => {
            let fingerprint = key.fingerprint.as_str();
            let digest = fingerprint.strip_prefix("SHA256:").expect("it has one form");
            assert!(is_made_of(digest, 43, "+/") && digest.len() == 43, "{fingerprint:?}");
            json!({"username": username(&key.username), "fingerprint": fingerprint})
        }
        Request::ToggleShell(shell) => json!({"username": username(&shell.username), "enabled": shell.enabled}),
        Request::AddRecord(record) => {
            let zone = domain(&record.domain);
            assert!(record_data(&record.content) && record.content.len() < 20_000, "{:?}", record.content);
            json!({
                "domain": zone, "name": format!("{}.", record_name(&record.name, zone)), "type": record.kind.word(),
                "content": record.content, "ttl": record.ttl, "priority": record.priority,
            })
        }
        Request::DeleteRecord(DeleteRecord { domain: zone, which }) => match which {
            WhichRecords::Id { id } => {
                assert!((1..1 << 53).contains(id));
                json!({"domain": domain(zone), "id": id})
            }
            WhichRecords::Set { name, kind } => {
                let zone = domain(zone);
                json!({"domain": zone, "name": format!("{}.", record_name(name, zone)), "type": kind.word()})
            }
        },
        Request::ListRecords(zone) => json!({"domain": domain(&zone.domain)}),
        Request::AccountStats(stats) => {
            json!({"username": username(&stats.username), "domains": stats.domains})
        }
        Request::CreateMariaDbDatabase(database) => json!({"name": prefixed(&database.name, 64)}),
        Request::DeleteMariaDbDatabase(database) => json!({"name": prefixed(&database.name, 64)}),
        Request::DescribeMariaDbDatabase(database) => json!({"name": prefixed(&database.name, 64)}),
        Request::RepairMariaDbDatabase(database) => {
            json!({"name": prefixed(&database.name, 64), "action": database.action})
        }
        Request::CreateMariaDbUser(user) => json!({
            "username": prefixed(&user.username, 80), "password": password(&user.password),
            "database": prefixed(&user.database, 64), "host": client_host(Some(user.host)),
        }),
        Request::SetMariaDbPassword(user) => json!({
            "username": prefixed(&user.username, 80), "password": password(&user.password), "host": client_host(user.host),
        }),
        Request::DeleteMariaDbUser(user) => {
            json!({"username": prefixed(&user.username, 80), "host": client_host(user.host)})
        }
        Request::CreatePostgresqlDatabase(database) => json!({"name": prefixed(&database.name, 57)}),
        Request::DeletePostgresqlDatabase(database) => json!({"name": prefixed(&database.name, 57)}),
        Request::DescribePostgresqlDatabase(database) => json!({"name": prefixed(&database.name, 57)}),
        Request::CreatePostgresqlUser(user) => json!({
            "pg_username": prefixed(&user.pg_username, 63), "password": password(&user.password),
            "database": prefixed(&user.database, 57),
        }),
        Request::SetPostgresqlPassword(user) => {
            json!({"pg_username": prefixed(&user.pg_username, 63), "password": password(&user.password)})
        }
        Request::DeletePostgresqlUser(user) => json!({"pg_username": prefixed(&user.pg_username, 63)}),
        Request::ServiceAction(ServiceAction { service, action }) => {
            assert!(is_made_of(service, 64, ".-_") && !service.starts_with('-'), "{service:?}");
            json!({"service": service, "action": action.word()})
        }
        Request::TailLog(log) => {
            assert!((1..=256 * 1024).contains(&log.max_bytes));
            json!({
                "domain": domain(&log.domain), "username": username(&log.username), "log_type": kind(log.log),
                "offset": log.offset, "max_bytes": log.max_bytes,
            })
        }
        Request::SetTimezone(SetTimezone { timezone }) => {
            assert!(is_made_of(timezone, 64, "_+/-") && !timezone.starts_with(['/', '-']), "{timezone:?}");
            json!({"timezone": timezone})
        }
        Request::ListFiles(files) => json!({"username": username(&files.username), "path": home_path(&files.path)}),
        Request::ArchiveFile(file) => json!({"username": username(&file.username), "path": home_path(&file.path)}),
        Request::ReadFile(file) => json!({"username": username(&file.username), "path": home_path(&file.path)}),
        Request::DeleteFile(file) => json!({"username": username(&file.username), "path": home_path(&file.path)}),
        Request::MakeDirectory(made) => {
            let path = home_path(&made.path);
            assert!(made.path.parent_and_name().is_none_or(|(_, name)| is_file_name(name)), "{path:?}");
            json!({"username": username(&made.username), "path": path})
        }
        Request::WriteFile(file) => json!({
            "username": username(&file.username), "path": home_path(&file.path), "content": file.content,
        }),
        Request::RenameFile(file) => {
            let new_name = file.new_name.as_str();
            assert!(is_file_name(new_name), "{new_name:?}");
            json!({"username": username(&file.username), "path": home_path(&file.path), "new_name": new_name})
        }
        Request::ChangePermissions(change) => {
            assert!(change.permissions.bits() <= 0o777);
            let permissions = format!("{:o}", 0o10000 | change.permissions.bits()).split_off(1);
            json!({"username": username(&change.username), "path": home_path(&change.path), "permissions": permissions})
        }
        Request::OpenUpload(upload) | Request::FinishUpload(FinishUpload(upload)) => {
            let path = home_path(&upload.path);
            json!({"username": username(&upload.username), "path": path})
        }
        Request::CreateBackup(backup) => json!({"username": username(&backup.username), "type": backup.kind.word()}),
        Request::DeleteBackup(backup) => json!({"filename": backup_name(&backup.filename)}),
        Request::DownloadBackup(backup) => json!({"filename": backup_name(&backup.filename)}),
        Request::BrowseBackup(backup) => {
            let path = home_path(&backup.path);
            assert!(path.starts_with(&format!("/home/{}", backup.filename.username())));
            json!({"filename": backup_name(&backup.filename), "path": path})
        }
        Request::RestoreBackup(backup) => {
            assert!(backup.filename.username() == &backup.username);
            json!({
                "filename": backup_name(&backup.filename), "username": username(&backup.username), "type": backup.kind.word(),
            })
        }
        Request::RestoreFiles(backup) => {
            assert!(backup.filename.username() == &backup.username && (1..=200).contains(&backup.files.len()));
            json!({
                "filename": backup_name(&backup.filename), "username": username(&backup.username),
                "document_root": home_path(&backup.document_root), "overwrite": backup.overwrite,
                "files": backup.files.iter().map(home_path).collect::<Vec<_>>(),
            })
        }
        Request::ListBackups(_) => json!({}),
        Request::TopProcesses(_)
        | Request::ListServices(_)
        | Request::SystemTime(_)
        | Request::SynchronizeClock(_)
        | Request::ListPhpVersions(_) => {
            json!({})
        }
    }
}

/// A redirect, whose path is one that nginx can compare, and whose address cannot leave the header of an answer.
fn redirect(redirect: &Redirect) -> Value {
    let source = redirect.source_path.as_str();
    assert!(source.starts_with('/') && !source.contains("//") && !source.contains(char::is_control), "{source:?}");
    assert!(!source.split('/').any(|name| matches!(name, "." | "..")), "{source:?}");
    assert!(!source.starts_with("/.well-known/acme-challenge"), "{source:?}");
    json!({
        "source_path": redirect.source_path, "destination": address(&redirect.destination),
        "type": redirect.kind.status().to_string(),
    })
}

fn address(address: &Address) -> &str {
    let text = address.as_str();
    assert!(text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"\\".contains(&byte)), "{text:?}");
    let is_path = text.starts_with('/') && !text.starts_with("//");
    assert!(is_path || ["http://", "https://"].iter().any(|start| text.starts_with(start)), "{text:?}");
    text
}

fn directory(path: &DirectoryPath) -> &str {
    let path = path.as_str();
    assert!(is_made_of(path, 255, "/._-"), "{path:?}");
    assert!(!path.split('/').any(|name| matches!(name, "" | "." | "..")), "{path:?}");
    path
}

fn label(label: &Label) -> &str {
    let label = label.as_str();
    assert!(
        !label.contains(['"', '\\', '$']) && !label.contains(char::is_control) && label.trim() != "off",
        "{label:?}"
    );
    label
}

/// A line of a password file.
fn visitor(visitor: &Visitor) -> Value {
    let hash = visitor.password_hash.expose();
    assert!(is_made_of(&visitor.username, 64, "._-@+"), "{:?}", visitor.username);
    assert!(is_made_of(hash, 60, "$./") && hash.starts_with('$'), "{hash:?}");
    json!({"username": visitor.username, "password_hash": hash})
}

/// Whether a text has 1 to `limit` characters: ASCII letters, digits, and those in `further`.
fn is_made_of(text: &str, limit: usize, further: &str) -> bool {
    let is_allowed = |sign: char| sign.is_ascii_alphanumeric() || further.contains(sign);
    (1..=limit).contains(&text.len()) && text.chars().all(is_allowed)
}

fn password(password: &Secret) -> &str {
    let password = password.expose();
    assert!((8..=255).contains(&password.chars().count()) && !password.contains(char::is_control));
    password
}

/// The name of a database or of its user, which starts with an account's.
fn prefixed(name: &PrefixedName, longest: usize) -> &str {
    let text = name.as_str();
    assert!(is_made_of(text, longest, "_-"), "{text:?}");
    let starts = |account: Username| text.starts_with(&format!("{}_", username(&account)));
    assert!(name.accounts().count() > 0 && name.accounts().all(starts), "{text:?}");
    text
}

fn client_host(host: Option<ClientHost>) -> Option<&'static str> {
    host.map(|host| if host == ClientHost::Any { "%" } else { "localhost" })
}

fn domain(domain: &Domain) -> &str {
    let name = domain.as_str();
    assert!(is_made_of(name, 253, ".-") && !name.contains(|sign: char| sign.is_ascii_uppercase()), "{name:?}");
    let is_invalid = |part: &str| part.is_empty() || part.len() > 63 || part.starts_with('-') || part.ends_with('-');
    assert!(name.contains('.') && !name.split('.').any(is_invalid), "{name:?}");
    assert!(name.parse::<std::net::IpAddr>().is_err(), "{name:?}");
    name
}

/// The name of a record, which is in its zone.
fn record_name<'a>(name: &'a RecordName, zone: &str) -> &'a str {
    let name = name.as_str();
    assert!(is_made_of(name.strip_prefix("*.").unwrap_or(name), 253, ".-_"), "{name:?}");
    assert!(name == zone || name.ends_with(&format!(".{zone}")), "{name:?} is not in {zone}");
    assert!(!name.split('.').any(|label| label.is_empty() || label.len() > 63 || label.starts_with('-')), "{name:?}");
    name
}

/// Whether this is one line of a zone file without comments and parentheses outside of quotes.
fn record_data(data: &str) -> bool {
    let mut is_quoted = false;
    let mut is_escaped = false;
    for sign in data.chars() {
        if !sign.is_ascii() || sign.is_ascii_control() || (!is_quoted && matches!(sign, ';' | '(' | ')' | '$' | '\\')) {
            return false;
        }
        is_quoted ^= sign == '"' && !is_escaped;
        is_escaped = sign == '\\' && !is_escaped;
    }
    !is_quoted && !data.is_empty()
}

/// The command of a cron job: one line, in which a crontab has no percent sign without a backslash before it.
fn command(command: &CronCommand) -> &str {
    let (text, written) = (command.as_str(), command.in_crontab());
    assert!(!text.trim().is_empty() && !text.contains(['\n', '\r', '\0']) && written.len() <= 998, "{text:?}");
    let mut is_escaped = false;
    for sign in written.chars() {
        assert!(sign != '%' || is_escaped, "{written:?}");
        is_escaped = sign == '\\' && !is_escaped;
    }
    text
}

fn username(username: &Username) -> &str {
    let name = username.as_str();
    let begins = name.starts_with(|sign: char| sign.is_ascii_lowercase() || sign == '_');
    assert!(is_made_of(name, 32, "_-") && begins && !name.contains(|sign: char| sign.is_ascii_uppercase()), "{name:?}");
    name
}

/// The name of a backup's file, which is not a path.
fn backup_name(name: &BackupName) -> String {
    let text = name.to_string();
    assert!(is_made_of(&text, 80, "._-") && text.starts_with(username(name.username())), "{text:?}");
    text
}

/// The absolute form of a path in a home, which has no part that leads out of it.
fn home_path(path: &HomePath) -> String {
    let below = path.from_home();
    assert!(below.len() < 4096 && !below.contains('\0'), "{below:?}");
    assert!(below.is_empty() || !below.split('/').any(|part| matches!(part, "" | "." | "..")), "{below:?}");
    path.to_string()
}

fn root(root: &DocumentRoot, username: &Username) -> String {
    let below = root.from_home();
    assert!(is_made_of(below, 1024, "/._-"), "{below:?}");
    assert!(!below.split('/').any(|part| part.is_empty() || part.starts_with('.')), "{below:?}");
    format!("/home/{username}/{below}")
}

/// Whether this can be the name of a new file.
fn is_file_name(name: &str) -> bool {
    (1..=255).contains(&name.len())
        && name != "."
        && name != ".."
        && !name.contains(|sign: char| sign.is_control() || sign == '/')
}

fn version(version: &str) -> &str {
    let parts: Vec<&str> = version.split('.').collect();
    assert!(parts.len() == 2 && parts.iter().all(|part| part.parse::<u32>().is_ok()), "{version:?}");
    version
}

fn email(email: &Email) -> &str {
    let text = email.as_str();
    let (local, domain) = text.rsplit_once('@').expect("an email address has an @");
    assert!(Domain::parse("domain", domain).is_ok() && !local.starts_with('-'), "{text:?}");
    assert!(
        text.bytes().all(|byte| byte.is_ascii_graphic()) && !local.contains(['"', '\\', '$', '`', ',', ';']),
        "{text:?}"
    );
    text
}

fn kind(log: SiteLog) -> &'static str {
    match log {
        SiteLog::Access => "access",
        SiteLog::Error => "error",
        SiteLog::PhpError => "php-error",
    }
}
