//! The content of a site's nginx file, generated from a [`View`].
//!
//! All values in it are our own paths, or of types that allow no special characters of nginx.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use crate::servers::nginx::token;
use crate::servers::php::{self, versions};
use crate::servers::{MAX_BODY_MIB, MAX_SCRIPT_TIME};
use crate::web::certificate::files::CertificateFiles;
use crate::web::certificate::names as certificate_names;
use crate::web::hook::Hook;
use crate::web::site::Site;
use opterius_host::host::Host;
use opterius_host::layout::WEBROOT;
use opterius_host::problem::Problem;
use opterius_host::sites::mark::MARK;
use opterius_host::users::account::Account;
use opterius_host::users::register::{Register, User};

/// The FastCGI parameters of RFC 3875, and those that nginx's own list adds.
const PARAMETERS: [(&str, &str); 22] = [
    ("QUERY_STRING", "$query_string"),
    ("REQUEST_METHOD", "$request_method"),
    ("CONTENT_TYPE", "$content_type"),
    ("CONTENT_LENGTH", "$content_length"),
    ("SCRIPT_NAME", "$fastcgi_script_name"),
    ("SCRIPT_FILENAME", "$document_root$fastcgi_script_name"),
    ("PATH_INFO", "$path_info"),
    ("REQUEST_URI", "$request_uri"),
    ("DOCUMENT_URI", "$document_uri"),
    ("DOCUMENT_ROOT", "$document_root"),
    ("SERVER_PROTOCOL", "$server_protocol"),
    ("SERVER_SOFTWARE", "nginx/$nginx_version"),
    ("REQUEST_SCHEME", "$scheme"),
    ("HTTPS", "$https if_not_empty"),
    ("GATEWAY_INTERFACE", "CGI/1.1"),
    ("REMOTE_ADDR", "$remote_addr"),
    ("REMOTE_PORT", "$remote_port"),
    ("SERVER_ADDR", "$server_addr"),
    ("SERVER_PORT", "$server_port"),
    ("SERVER_NAME", "$server_name"),
    // Scripts would take a client's header “Proxy” for their own proxy.
    ("HTTP_PROXY", "\"\""),
    // PHP refuses to run without this value.
    ("REDIRECT_STATUS", "200"),
];

/// Compression, which nginx limits to HTML by default.
const COMPRESSION: [(&str, &str); 6] = [
    ("gzip", "on"),
    ("gzip_comp_level", "5"),
    ("gzip_min_length", "1024"),
    ("gzip_proxied", "any"),
    ("gzip_vary", "on"),
    (
        "gzip_types",
        "text/plain text/css text/xml text/javascript text/markdown text/calendar application/javascript \
         application/x-javascript application/json application/ld+json application/manifest+json application/xml \
         application/xhtml+xml application/rss+xml application/atom+xml application/vnd.ms-fontobject font/ttf font/otf \
         image/svg+xml image/bmp image/x-icon",
    ),
];

/// Buffers for the answers of scripts, whose headers can be large, such as many cookies at once.
const BUFFERS: [(&str, &str); 2] = [("fastcgi_buffer_size", "64k"), ("fastcgi_buffers", "16 16k")];

/// TLS as in Mozilla's intermediate profile, version 5.7. All sites share one session cache: nginx merges those with the same
/// name and size.
pub const TLS: [(&str, &str); 6] = [
    ("ssl_protocols", "TLSv1.2 TLSv1.3"),
    (
        "ssl_ciphers",
        "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:\
         ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:\
         DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384:DHE-RSA-CHACHA20-POLY1305",
    ),
    ("ssl_prefer_server_ciphers", "off"),
    ("ssl_session_timeout", "1d"),
    ("ssl_session_cache", "shared:opterius:10m"),
    ("ssl_session_tickets", "off"),
];

/// Files that are never served: dot files (repositories, keys and settings), and what editors, administrators and plugins
/// leave behind: backups, dumps, and copies of scripts, whose source would be shown.
const HIDDEN: &str = concat!(
    "/\\.(?!well-known/)|/#[^/]*#$|~$",
    "|\\.(?:bak|backup|save|orig|original|old|sw[m-p]|sql|dump)(?:\\.(?:gz|bz2|xz|zst|zip|7z|rar))?$",
    "|\\.(?:php[0-9]*|phtml|phar|phps)[^a-z0-9/][^/]*$",
);

/// A site and everything else that its file depends on.
pub struct View<'a> {
    /// The site.
    pub site: &'a Site,
    /// The user of its account.
    pub user: &'a User,
    /// The names that it answers to.
    pub names: Vec<String>,
    /// The certificate to use, if any.
    pub certificate: Option<CertificateFiles>,
    /// The names that the certificate covers. Only these are redirected to HTTPS.
    pub covered: Vec<String>,
    /// Whether its account is suspended.
    pub suspended: bool,
    /// The socket of its PHP pool, if it has one.
    pub pool: Option<PathBuf>,
    /// The administrator's own directives.
    pub hook: Hook,
}

impl<'a> View<'a> {
    /// The view of a site with this certificate.
    ///
    /// # Errors
    /// The account cannot be read.
    pub fn of(
        host: &Host,
        site: &'a Site,
        certificate: Option<CertificateFiles>,
        register: &'a Register,
    ) -> Result<Self, Problem> {
        let suspended = Account::read(host, &site.username)?.suspended.is_some();
        let names = site.names(host);
        let covered = certificate.as_ref().map(|found| certificate_names::covered(found, &names)).unwrap_or_default();
        Ok(Self {
            site,
            user: register.account(&site.username)?,
            names,
            certificate,
            covered,
            suspended,
            pool: (!suspended && versions::is_installed(host, &site.php_version))
                .then(|| php::socket(host, &site.username, &site.php_version, &site.domain)),
            hook: Hook::of(host, &site.domain),
        })
    }
}

impl View<'_> {
    /// The names that are served over HTTPS, and those that stay on HTTP.
    pub fn by_scheme(&self) -> (Vec<String>, Vec<String>) {
        let is_secure = |name: &String| self.certificate.is_some() && self.covered.contains(name);
        self.names.iter().cloned().partition(is_secure)
    }
}

/// The complete file, with the token by which nginx answers for it.
pub fn render(host: &Host, view: &View<'_>) -> String {
    let text = render_with_placeholder(host, view);
    let chain = view.certificate.as_ref().and_then(|found| fs::read(&found.fullchain).ok()).unwrap_or_default();
    let token = token::of(&[text.as_bytes(), &chain]);
    token::insert(&text, &token)
}

fn render_with_placeholder(host: &Host, view: &View<'_>) -> String {
    let mark = serde_json::to_string(view.site).unwrap_or_default();
    let mut text = format!(
        "{MARK}{mark}\n# The Agent overwrites this file whenever the site changes. To manage it manually, delete the line above.\n"
    );
    let (secure, plain) = view.by_scheme();
    if !plain.is_empty() {
        server(&mut text, host, view, &plain, &listen("80"), &body(host, view));
    }
    match view.certificate.as_ref().filter(|_| !secure.is_empty()) {
        None => {}
        Some(certificate) => {
            let redirected = if view.suspended { body(host, view) } else { redirect() };
            server(&mut text, host, view, &secure, &listen("80"), &redirected);
            let keys = format!(
                "    ssl_certificate \"{}\";\n    ssl_certificate_key \"{}\";\n{}\n",
                certificate.fullchain.display(),
                certificate.key.display(),
                settings(view, &TLS),
            );
            server(&mut text, host, view, &secure, &listen("443 ssl http2"), &(keys + &body(host, view)));
        }
    }
    text
}

/// Settings of a server block, except those that the administrator's file has.
fn settings(view: &View<'_>, settings: &[(&str, &str)]) -> String {
    let ours = settings.iter().filter(|(name, _)| !view.hook.settings.contains(*name));
    ours.map(|(name, value)| format!("    {name} {value};\n")).collect()
}

/// One server block. Regardless of the rest, it answers for its token, and ACME challenges from a directory that only root
/// can write to.
fn server(text: &mut String, host: &Host, view: &View<'_>, names: &[String], listen: &str, body: &str) {
    let logs = view.site.logs(host);
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        "server {{\n{listen}    server_name {names};\n    access_log \"{logs}/access.log\";\n    error_log \"{logs}/error.log\";\n\n    \
         location ^~ /.well-known/acme-challenge/ {{\n        root \"{webroot}\";\n        default_type text/plain;\n    }}\n",
        names = names.join(" "),
        logs = logs.display(),
        webroot = host.path(WEBROOT).display(),
    );
    token::write(text, token::PLACEHOLDER);
    text.push_str(body);
    text.push_str("}\n");
}

fn listen(port: &str) -> String {
    let version_6 = if has_ipv6() { format!("    listen [::]:{port};\n") } else { String::new() };
    format!("    listen {port};\n{version_6}")
}

/// Whether this machine has IPv6; nginx could not listen otherwise.
pub fn has_ipv6() -> bool {
    Path::new("/proc/net/if_inet6").exists()
}

fn redirect() -> String {
    "    location / {\n        return 301 https://$host$request_uri;\n    }\n".to_owned()
}

fn body(host: &Host, view: &View<'_>) -> String {
    if view.suspended {
        return "    # The account is suspended.\n    location / {\n        return 503;\n    }\n".to_owned();
    }
    let home = host.home(view.site.username.as_str());
    let (index, front, php) = match &view.pool {
        Some(socket) => ("index.php index.html", front(socket, &view.site.logs(host)), pool(socket)),
        None => ("index.html index.php", String::new(), "        return 503;\n".to_owned()),
    };
    let size = format!("{MAX_BODY_MIB}m");
    // Longer than PHP's limit, so that PHP ends a slow request and says in its log which it was.
    let time = format!("{}s", MAX_SCRIPT_TIME + 10);
    let limits = [
        ("client_max_body_size", size.as_str()),
        ("fastcgi_read_timeout", time.as_str()),
        ("fastcgi_send_timeout", time.as_str()),
    ];
    let own: String = [&limits[..], &BUFFERS, &COMPRESSION].map(|part| settings(view, part)).concat();
    let hook = view.hook.pattern.as_ref().map_or_else(String::new, |pattern| {
        format!(
            "    # The administrator's own directives, which survive any change of this file.\n    include \"{}\";\n\n",
            pattern.display()
        )
    });
    format!(
        "    root \"{root}\";\n    index {index};\n    # Symbolic links must not lead to files of other users.\n    \
         disable_symlinks if_not_owner \"from={home}\";\n{own}\n{hook}{front}    \
         # Hide dot files, backups, dumps and copies of scripts that were left or uploaded by accident.\n    \
         location ~* \"{HIDDEN}\" {{\n        return 404;\n    }}\n\n    \
         # Scripts are executed or answered with 404; their source is never served.\n    \
         location ~* \\.(?:php[0-9]*|phtml|phar|phps)\\.?(?:/|$) {{\n{php}    }}\n",
        root = home.join(&view.site.document_root).display(),
        home = home.display(),
    )
}

/// FastCGI parameters, and the front controller that handles missing files, as in WordPress. It is not implemented with
/// try_files, which treats a link to another user's file as missing.
fn front(socket: &Path, logs: &Path) -> String {
    let parameters: String =
        PARAMETERS.iter().map(|(name, value)| format!("    fastcgi_param {name} {value};\n")).collect();
    // An account's sites share its PHP; each has a log of its own.
    let log = logs.join("php-error.log");
    format!(
        "{parameters}    fastcgi_param PHP_ADMIN_VALUE \"error_log={log}\";\n    set $path_info \"\";\n\n    location / {{\n        error_page 404 405 = @front;\n    }}\n\n    \
         location @front {{\n        try_files /index.php =404;\n        fastcgi_pass \"unix:{}\";\n    }}\n\n",
        socket.display(),
        log = log.display(),
    )
}

fn pool(socket: &Path) -> String {
    format!(
        "        fastcgi_split_path_info ^(.+?\\.php)(/.*)?$;\n        try_files $fastcgi_script_name =404;\n        \
         # try_files clears $fastcgi_path_info, so keep a copy.\n        set $path_info $fastcgi_path_info;\n        fastcgi_pass \"unix:{}\";\n",
        socket.display()
    )
}
