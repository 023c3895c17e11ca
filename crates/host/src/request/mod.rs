//! What the Panel can ask of the host, read from its JSON into types that hold nothing else than what may be done.
//!
//! The same function reads a request twice: in the Agent, so that a bad one is answered at once, and in the helper, which
//! has the rights and believes nobody.

use crate::problem::Problem;
pub mod fields;

use crate::request::fields::{DocumentRoot, Domain, Email, Fields, PhpVersion, Username};
use opterius_base::secret::Secret;

/// The paths of operations that need the helper.
pub const PATHS: [&str; 19] = [
    "/account/delete",
    "/account/password",
    "/account/suspend",
    "/dns/create-zone",
    "/domains/create",
    "/domains/delete",
    "/logs/tail",
    "/metrics/top-processes",
    "/php/list-versions",
    "/services/action",
    "/services/list",
    "/ssl/delete",
    "/ssl/issue",
    "/ssl/issue-async",
    "/ssl/renew",
    "/ssl/upload",
    "/stats/account",
    "/system/time",
    "/system/timezone",
];

/// One request, whole and valid.
pub enum Request {
    /// A site, and with it the account unless there is one.
    CreateSite(CreateSite),
    /// A site to be taken away; the files stay.
    DeleteSite {
        /// Its domain.
        domain: Domain,
        /// Whose it is.
        username: Username,
    },
    /// An account to be suspended, or to be given back.
    Suspend {
        /// The account.
        username: Username,
        /// Whether it is to be suspended.
        suspend: bool,
    },
    /// A new password.
    Password {
        /// The account.
        username: Username,
        /// The password.
        password: Secret,
    },
    /// An account to be deleted, with everything that it has.
    DeleteAccount {
        /// The account.
        username: Username,
    },
    /// A certificate to be issued by the certificate authority.
    IssueCertificate(IssueCertificate),
    /// A certificate that somebody else has issued.
    UploadCertificate(UploadCertificate),
    /// A certificate to be renewed now.
    RenewCertificate {
        /// Its site.
        domain: Domain,
    },
    /// A certificate to be taken away.
    DeleteCertificate {
        /// Its site.
        domain: Domain,
    },
    /// A zone of the DNS with the records that a new site needs.
    CreateZone(CreateZone),
    /// How much an account uses.
    AccountStats(AccountStats),
    /// The processes that use most.
    TopProcesses,
    /// The services of this host.
    ListServices,
    /// Something to be done with a service.
    ServiceAction {
        /// The service.
        service: String,
        /// What to do.
        action: Action,
    },
    /// The end of a site's log.
    TailLog(TailLog),
    /// The clock.
    SystemTime,
    /// A time zone to be set.
    SetTimezone {
        /// Its name in the time zone database.
        timezone: String,
    },
    /// The versions of PHP.
    PhpVersions,
}

/// A site to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateSite {
    /// Its domain.
    pub domain: Domain,
    /// Whose it is.
    pub username: Username,
    /// Where its files are.
    pub document_root: DocumentRoot,
    /// The PHP that it runs with.
    pub php_version: PhpVersion,
    /// The site that it belongs to. It has to be there, and no account is made.
    pub parent_domain: Option<Domain>,
}

/// A certificate to be issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssueCertificate {
    /// The site.
    pub domain: Domain,
    /// Whom the certificate authority may write to.
    pub email: Email,
    /// Whose the site is, where the Panel says so.
    pub username: Option<Username>,
}

/// A certificate that somebody else has issued.
pub struct UploadCertificate {
    /// The site.
    pub domain: Domain,
    /// Whose it is.
    pub username: Username,
    /// The chain in PEM form, the site's own certificate first.
    pub certificate: String,
    /// The key in PEM form.
    pub private_key: Secret,
}

/// A zone to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateZone {
    /// Its name.
    pub domain: Domain,
    /// The address of this server.
    pub server_ip: std::net::IpAddr,
    /// The first name server.
    pub ns1: Domain,
    /// The second name server.
    pub ns2: Domain,
}

/// What is to be measured.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AccountStats {
    /// The account.
    pub username: Username,
    /// Its domains.
    pub domains: Vec<Domain>,
    /// Its databases.
    pub databases: Vec<String>,
}

/// A part of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TailLog {
    /// The site.
    pub domain: Domain,
    /// Whose it is.
    pub username: Username,
    /// Which of its logs.
    pub log: SiteLog,
    /// From which byte on; none is the end.
    pub offset: Option<u64>,
    /// How many bytes at most.
    pub max_bytes: u64,
}

/// The logs of a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SiteLog {
    /// nginx: who came.
    Access,
    /// nginx: what went wrong.
    Error,
    /// PHP: what went wrong.
    PhpError,
}

impl SiteLog {
    /// The file's name.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Access => "access.log",
            Self::Error => "error.log",
            Self::PhpError => "php-error.log",
        }
    }
}

/// What can be done with a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Start it.
    Start,
    /// Stop it.
    Stop,
    /// Stop and start it.
    Restart,
    /// Have it read its configuration.
    Reload,
}

impl Action {
    /// The word of systemctl for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart => "restart",
            Self::Reload => "reload",
        }
    }
}

/// The largest part of a log, in bytes; in JSON it may be six times as long.
const MAX_LOG: i64 = 128 * 1024;

impl Request {
    /// Reads the request to `path`.
    ///
    /// # Errors
    /// The path is none of [`PATHS`], or a field breaks its rule.
    pub fn parse(path: &str, body: &[u8]) -> Result<Self, Problem> {
        let fields = Fields::parse(body)?;
        Ok(match path {
            "/domains/create" => Self::CreateSite(create_site(&fields)?),
            "/domains/delete" => Self::DeleteSite { domain: fields.domain("domain")?, username: fields.username()? },
            "/account/suspend" => {
                let suspend = fields.one_of("action", &[("suspend", true), ("unsuspend", false)])?;
                fields.domains("domains")?;
                Self::Suspend { username: fields.username()?, suspend }
            }
            "/account/password" => {
                let password = fields::password("password", fields.text("password")?)?;
                Self::Password { username: fields.username()?, password }
            }
            "/account/delete" => {
                fields.domains("domains")?;
                Self::DeleteAccount { username: fields.username()? }
            }
            "/ssl/issue" | "/ssl/issue-async" => Self::IssueCertificate(issue_certificate(&fields)?),
            "/ssl/upload" => Self::UploadCertificate(upload_certificate(&fields)?),
            "/ssl/renew" => Self::RenewCertificate { domain: fields.domain("domain")? },
            "/ssl/delete" => {
                optional_username(&fields)?;
                Self::DeleteCertificate { domain: fields.domain("domain")? }
            }
            "/dns/create-zone" => Self::CreateZone(create_zone(&fields)?),
            "/stats/account" => Self::AccountStats(account_stats(&fields)?),
            "/metrics/top-processes" => Self::TopProcesses,
            "/services/list" => Self::ListServices,
            "/services/action" => service_action(&fields)?,
            "/logs/tail" => Self::TailLog(tail_log(&fields)?),
            "/system/time" => Self::SystemTime,
            "/system/timezone" => Self::SetTimezone { timezone: timezone(fields.text("timezone")?)? },
            "/php/list-versions" => Self::PhpVersions,
            _ => return Err(Problem::NotFound("There is no such operation.".to_owned())),
        })
    }
}

fn create_site(fields: &Fields) -> Result<CreateSite, Problem> {
    let username = fields.username()?;
    let parent = fields.optional_text("parent_domain")?;
    Ok(CreateSite {
        domain: fields.domain("domain")?,
        document_root: DocumentRoot::parse("document_root", fields.text("document_root")?, &username)?,
        php_version: PhpVersion::parse("php_version", fields.text("php_version")?)?,
        parent_domain: parent.map(|parent| Domain::parse("parent_domain", parent)).transpose()?,
        username,
    })
}

fn optional_username(fields: &Fields) -> Result<Option<Username>, Problem> {
    fields.optional_text("username")?.map(|text| Username::parse("username", text)).transpose()
}

fn issue_certificate(fields: &Fields) -> Result<IssueCertificate, Problem> {
    Ok(IssueCertificate {
        domain: fields.domain("domain")?,
        email: Email::parse("email", fields.text("email")?)?,
        username: optional_username(fields)?,
    })
}

fn upload_certificate(fields: &Fields) -> Result<UploadCertificate, Problem> {
    let pem = |field: &str| {
        let text = fields.text(field)?;
        let rule = "must be in PEM form (-----BEGIN …)";
        if text.contains("-----BEGIN ") && text.is_ascii() {
            Ok(text.to_owned())
        } else {
            Err(Problem::invalid(field, rule))
        }
    };
    Ok(UploadCertificate {
        domain: fields.domain("domain")?,
        username: fields.username()?,
        certificate: pem("certificate")?,
        private_key: Secret::new(pem("private_key")?),
    })
}

fn create_zone(fields: &Fields) -> Result<CreateZone, Problem> {
    let address = fields.text("server_ip")?.parse();
    Ok(CreateZone {
        domain: fields.domain("domain")?,
        server_ip: address.map_err(|_| Problem::invalid("server_ip", "must be an IP address such as 203.0.113.5"))?,
        ns1: fields.domain("ns1")?,
        ns2: fields.domain("ns2")?,
    })
}

fn account_stats(fields: &Fields) -> Result<AccountStats, Problem> {
    let is_database = |name: &&str| {
        (1..=64).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    let databases = fields.texts("databases", 1000)?;
    if !databases.iter().all(is_database) {
        let rule = "must be names of letters, digits and underscores, with at most 64 characters each";
        return Err(Problem::invalid("databases", rule));
    }
    Ok(AccountStats {
        username: fields.username()?,
        domains: fields.domains("domains")?,
        databases: databases.into_iter().map(str::to_owned).collect(),
    })
}

fn service_action(fields: &Fields) -> Result<Request, Problem> {
    let actions =
        [("start", Action::Start), ("stop", Action::Stop), ("restart", Action::Restart), ("reload", Action::Reload)];
    let service = fields.text("service")?;
    let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'_');
    if !(1..=64).contains(&service.len()) || !service.bytes().all(is_name) || service.starts_with('-') {
        return Err(Problem::invalid("service", "must be the name of a service such as nginx"));
    }
    Ok(Request::ServiceAction { service: service.to_owned(), action: fields.one_of("action", &actions)? })
}

fn tail_log(fields: &Fields) -> Result<TailLog, Problem> {
    let logs = [("access", SiteLog::Access), ("error", SiteLog::Error), ("php-error", SiteLog::PhpError)];
    let offset = fields.optional_integer("offset", i64::MIN, i64::MAX)?;
    let max_bytes = fields.optional_integer("max_bytes", 1, MAX_LOG)?.unwrap_or(64 * 1024);
    Ok(TailLog {
        domain: fields.domain("domain")?,
        username: fields.username()?,
        log: fields.one_of("log_type", &logs)?,
        offset: offset.and_then(|offset| u64::try_from(offset).ok()),
        max_bytes: u64::try_from(max_bytes).unwrap_or_default(),
    })
}

fn timezone(text: &str) -> Result<String, Problem> {
    let sign = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'+' | b'/' | b'-');
    let first = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic());
    if !first || text.len() > 64 || !text.bytes().all(sign) {
        return Err(Problem::invalid("timezone", "must be a name of the time zone database such as Europe/Berlin"));
    }
    Ok(text.to_owned())
}
