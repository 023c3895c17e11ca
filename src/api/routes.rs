//! The route table: every path that the Panel calls, with its class, access and handler.
//!
//! Default-deny: every route not marked as a read is a write, and a write needs a valid license. Source: the Panel's public
//! code, v2.8.14 (142 pairs of method and path), plus the Agent's own paths: `/`, `/accounts`, `/license/status`,
//! `/license/reverify`, `/metrics` and the older `/ssl/issue`.

use tiny_http::Method;

use self::Verb::{Get, Post};

/// Whether a request changes the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Changes nothing; allowed without a valid license.
    Read,
    /// Changes the host; needs a valid license.
    Write,
}

/// Which clients can call a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Every client: the response contains no secrets.
    Open,
    /// Clients that sign with the shared secret.
    Signed,
}

/// The two methods that the Panel uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// GET and HEAD.
    Get,
    /// POST.
    Post,
}

impl Verb {
    fn accepts(self, method: &Method) -> bool {
        match self {
            Self::Get => matches!(method, Method::Get | Method::Head),
            Self::Post => matches!(method, Method::Post),
        }
    }
}

/// The handler of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// `GET /`.
    View,
    /// `GET /license/status`.
    Status,
    /// `GET /health`.
    Health,
    /// `GET /metrics`.
    Metrics,
    /// `GET /version`.
    Version,
    /// `POST /license/reverify`.
    Reverify,
    /// `GET /metrics/realtime`.
    Snapshots,
    /// `POST /stats/server`.
    ServerStats,
    /// `GET /accounts`.
    Accounts,
    /// `POST /ssl/issue-async`.
    QueueCertificate,
    /// `POST /ssl/status`.
    CertificateStatus,
    /// `POST /files/upload`.
    Upload,
    /// `GET /backup/download`.
    Download,
    /// An operation of the privileged helper; 501 if the helper does not implement the path.
    Host,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// The method.
    pub verb: Verb,
    /// The path, compared byte for byte.
    pub path: &'static str,
    /// Read or write.
    pub class: Class,
    /// Open or signed.
    pub access: Access,
    /// Whether the body limit is `max_body_bytes` instead of 64 KiB.
    pub large_body: bool,
    /// Whether the Panel ignores the response, always or in some of its calls: after a rejection the Panel and the host
    /// disagree, and only the log shows it.
    pub answer_ignored: bool,
    /// The handler.
    pub operation: Operation,
}

impl Route {
    const fn new(verb: Verb, path: &'static str, class: Class) -> Self {
        let (access, operation) = (Access::Signed, Operation::Host);
        Self { verb, path, class, access, large_body: false, answer_ignored: false, operation }
    }

    const fn open(mut self) -> Self {
        self.access = Access::Open;
        self
    }

    const fn large_body(mut self) -> Self {
        self.large_body = true;
        self
    }

    const fn answer_ignored(mut self) -> Self {
        self.answer_ignored = true;
        self
    }

    const fn runs(mut self, operation: Operation) -> Self {
        self.operation = operation;
        self
    }
}

const fn read(verb: Verb, path: &'static str) -> Route {
    Route::new(verb, path, Class::Read)
}

const fn write(verb: Verb, path: &'static str) -> Route {
    Route::new(verb, path, Class::Write)
}

/// The result of a lookup.
#[derive(Clone, Copy, Debug)]
pub enum Lookup {
    /// The row.
    Found(&'static Route),
    /// The path exists, but supports only these methods.
    WrongMethod(&'static str),
    /// The path does not exist.
    Unknown,
}

/// Finds the route of a request.
pub fn find(method: &Method, path: &str) -> Lookup {
    let first = ROUTES.partition_point(|route| route.path < path);
    let rows = || ROUTES.iter().skip(first).take_while(|route| route.path == path);
    match rows().find(|route| route.verb.accepts(method)) {
        Some(route) => Lookup::Found(route),
        None => match (rows().any(|route| route.verb == Get), rows().any(|route| route.verb == Post)) {
            (true, true) => Lookup::WrongMethod("GET, HEAD, POST"),
            (true, false) => Lookup::WrongMethod("GET, HEAD"),
            (false, true) => Lookup::WrongMethod("POST"),
            (false, false) => Lookup::Unknown,
        },
    }
}

/// The table, sorted by path for the binary search.
#[rustfmt::skip]
pub static ROUTES: [Route; 148] = [
    read(Get, "/").open().runs(Operation::View),
    write(Post, "/account/delete").answer_ignored(),
    write(Post, "/account/password"),
    write(Post, "/account/suspend"),
    read(Get, "/accounts").runs(Operation::Accounts),
    write(Post, "/analytics/geoip-update"),
    read(Post, "/analytics/live"),
    read(Post, "/analytics/query"),
    read(Post, "/autoresponder/get"),
    write(Post, "/autoresponder/set").large_body(),
    read(Post, "/backup/browse"),
    write(Post, "/backup/create"),
    write(Post, "/backup/delete").answer_ignored(),
    read(Get, "/backup/download").runs(Operation::Download),
    read(Post, "/backup/list"),
    write(Post, "/backup/restore"),
    write(Post, "/backup/restore-files").large_body(),
    write(Post, "/cdn/configure").answer_ignored(),
    write(Post, "/cms/install"),
    read(Post, "/cms/scan"),
    read(Post, "/composer/info"),
    write(Post, "/composer/run"),
    write(Post, "/cron/create"),
    write(Post, "/cron/delete").answer_ignored(),
    write(Post, "/cron/toggle"),
    write(Post, "/databases/create"),
    write(Post, "/databases/delete").answer_ignored(),
    read(Post, "/databases/info"),
    write(Post, "/databases/repair"),
    write(Post, "/databases/user-create"),
    write(Post, "/databases/user-delete").answer_ignored(),
    write(Post, "/databases/user-password"),
    write(Post, "/dns/add-record"),
    write(Post, "/dns/create-zone").answer_ignored(),
    write(Post, "/dns/delete-record").answer_ignored(),
    read(Post, "/dns/list-records"),
    write(Post, "/domains/alias-add"),
    write(Post, "/domains/alias-remove").answer_ignored(),
    write(Post, "/domains/create"),
    write(Post, "/domains/custom-nginx").answer_ignored(),
    write(Post, "/domains/delete").answer_ignored(),
    write(Post, "/domains/hotlink/set"),
    write(Post, "/domains/protected-dir/add").answer_ignored(),
    write(Post, "/domains/protected-dir/remove").answer_ignored(),
    write(Post, "/domains/redirect-sync").large_body().answer_ignored(),
    write(Post, "/domains/toggle-htaccess"),
    write(Post, "/email/create"),
    write(Post, "/email/delete").answer_ignored(),
    write(Post, "/email/password"),
    write(Post, "/files/archive"),
    write(Post, "/files/chmod"),
    write(Post, "/files/delete"),
    read(Post, "/files/list"),
    write(Post, "/files/mkdir"),
    read(Post, "/files/read"),
    write(Post, "/files/rename"),
    write(Post, "/files/upload").runs(Operation::Upload),
    write(Post, "/files/write").large_body(),
    write(Post, "/forwarder/create"),
    write(Post, "/forwarder/delete").answer_ignored(),
    read(Post, "/forwarder/list"),
    write(Post, "/ftp/create"),
    write(Post, "/ftp/delete").answer_ignored(),
    read(Post, "/ftp/list"),
    write(Post, "/git/clone"),
    read(Post, "/git/log"),
    write(Post, "/git/pull"),
    read(Post, "/git/status"),
    read(Get, "/health").open().runs(Operation::Health),
    write(Post, "/laravel/install"),
    read(Post, "/laravel/scan"),
    read(Post, "/license/reverify").runs(Operation::Reverify),
    read(Get, "/license/status").open().runs(Operation::Status),
    read(Post, "/logs/tail"),
    read(Get, "/metrics").open().runs(Operation::Metrics),
    read(Get, "/metrics/realtime").open().runs(Operation::Snapshots),
    read(Post, "/metrics/top-processes"),
    write(Post, "/migration/cleanup").answer_ignored(),
    write(Post, "/migration/parse"),
    write(Post, "/migration/restore-cron"),
    write(Post, "/migration/restore-databases").large_body(),
    write(Post, "/migration/restore-dns"),
    write(Post, "/migration/restore-email").large_body(),
    write(Post, "/migration/restore-files"),
    write(Post, "/migration/restore-ssl"),
    write(Post, "/migration/set-password").answer_ignored(),
    write(Post, "/node/app-delete"),
    read(Post, "/node/app-logs"),
    write(Post, "/node/app-restart"),
    write(Post, "/node/app-start"),
    write(Post, "/node/app-stop"),
    read(Post, "/node/list"),
    read(Post, "/node/version"),
    write(Post, "/panel/set-hostname"),
    read(Get, "/php/config"),
    write(Post, "/php/config"),
    write(Post, "/php/extensions"),
    write(Post, "/php/install"),
    read(Post, "/php/list-extensions"),
    read(Post, "/php/list-versions"),
    write(Post, "/php/switch-version"),
    write(Post, "/postgres/create"),
    write(Post, "/postgres/delete").answer_ignored(),
    read(Post, "/postgres/info"),
    write(Post, "/postgres/user-create"),
    write(Post, "/postgres/user-delete").answer_ignored(),
    write(Post, "/postgres/user-password"),
    write(Post, "/rspamd/configure"),
    read(Post, "/rspamd/status"),
    read(Post, "/security/fail2ban-list"),
    write(Post, "/security/fail2ban-unban").answer_ignored(),
    write(Post, "/security/firewall-add"),
    read(Post, "/security/firewall-list"),
    write(Post, "/security/firewall-remove").answer_ignored(),
    write(Post, "/security/ip-block").answer_ignored(),
    write(Post, "/security/lockdown-accounts"),
    read(Post, "/security/scan"),
    write(Post, "/services/action"),
    read(Post, "/services/list"),
    write(Post, "/ssh/delete-key"),
    write(Post, "/ssh/generate-key"),
    write(Post, "/ssh/import-key"),
    read(Post, "/ssh/list-keys"),
    write(Post, "/ssh/toggle-shell"),
    write(Post, "/ssl/delete").answer_ignored(),
    write(Post, "/ssl/issue"),
    write(Post, "/ssl/issue-async").answer_ignored().runs(Operation::QueueCertificate),
    write(Post, "/ssl/renew"),
    read(Post, "/ssl/status").runs(Operation::CertificateStatus),
    write(Post, "/ssl/upload"),
    read(Get, "/ssl/wildcard/progress"),
    write(Post, "/ssl/wildcard/start"),
    write(Post, "/staging/clone"),
    read(Post, "/stats/account"),
    read(Post, "/stats/server").runs(Operation::ServerStats),
    write(Post, "/system/ntp-sync"),
    read(Post, "/system/time"),
    write(Post, "/system/timezone"),
    write(Post, "/terminal/connect").large_body(),
    write(Post, "/terminal/token"),
    write(Post, "/update/agent"),
    read(Get, "/update/log"),
    write(Post, "/update/mail"),
    write(Post, "/update/run"),
    read(Get, "/version").runs(Operation::Version),
    write(Post, "/wordpress/install"),
    read(Post, "/wordpress/scan"),
    write(Post, "/wordpress/update"),
];

#[cfg(test)]
#[path = "routes_tests.rs"]
mod tests;
