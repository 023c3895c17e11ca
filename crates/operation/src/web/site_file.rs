//! The content of a site's nginx file, generated from a [`View`].
//!
//! All values in it are our own paths, or of types that allow no special characters of nginx.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use crate::servers::php;
use crate::web::certificate::files::CertificateFiles;
use crate::web::site::Site;
use opterius_host::host::Host;
use opterius_host::layout::WEBROOT;
use opterius_host::problem::Problem;
use opterius_host::sites::mark::MARK;
use opterius_host::users::account::Account;
use opterius_host::users::register::{Register, User};

/// The FastCGI parameters of RFC 3875, and those that nginx's own list adds.
const PARAMETERS: [(&str, &str); 18] = [
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
    ("REQUEST_SCHEME", "$scheme"),
    ("HTTPS", "$https if_not_empty"),
    ("GATEWAY_INTERFACE", "CGI/1.1"),
    ("REMOTE_ADDR", "$remote_addr"),
    ("REMOTE_PORT", "$remote_port"),
    ("SERVER_NAME", "$server_name"),
    // PHP refuses to run without this value.
    ("REDIRECT_STATUS", "200"),
];

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
    /// Whether its account is suspended.
    pub suspended: bool,
    /// The socket of its PHP pool, if it has one.
    pub pool: Option<PathBuf>,
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
        Ok(Self {
            site,
            user: register.account(&site.username)?,
            names: site.names(host),
            certificate,
            suspended,
            pool: (!suspended && php::is_installed(host, &site.php_version)).then(|| php::socket(host, &site.domain)),
        })
    }
}

/// The complete file.
pub fn render(host: &Host, view: &View<'_>) -> String {
    let mark = serde_json::to_string(view.site).unwrap_or_default();
    let mut text = format!(
        "{MARK}{mark}\n# The Agent overwrites this file whenever the site changes. To manage it manually, delete the line above.\n"
    );
    match &view.certificate {
        None => server(&mut text, host, view, &listen("80"), &body(host, view)),
        Some(certificate) => {
            let plain = if view.suspended { body(host, view) } else { redirect() };
            server(&mut text, host, view, &listen("80"), &plain);
            let keys = format!(
                "    ssl_certificate \"{}\";\n    ssl_certificate_key \"{}\";\n",
                certificate.fullchain.display(),
                certificate.key.display()
            );
            server(&mut text, host, view, &listen("443 ssl http2"), &(keys + &body(host, view)));
        }
    }
    text
}

/// One server block. Regardless of the rest, it answers ACME challenges from a directory that only root can write to.
fn server(text: &mut String, host: &Host, view: &View<'_>, listen: &str, body: &str) {
    let logs = view.site.logs(host);
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        "server {{\n{listen}    server_name {names};\n    access_log \"{logs}/access.log\";\n    error_log \"{logs}/error.log\";\n\n    \
         location ^~ /.well-known/acme-challenge/ {{\n        root \"{webroot}\";\n        default_type text/plain;\n    }}\n\n\
         {body}}}\n",
        names = view.names.join(" "),
        logs = logs.display(),
        webroot = host.path(WEBROOT).display(),
    );
}

fn listen(port: &str) -> String {
    let version_6 =
        if Path::new("/proc/net/if_inet6").exists() { format!("    listen [::]:{port};\n") } else { String::new() };
    format!("    listen {port};\n{version_6}")
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
        Some(socket) => ("index.php index.html", front(socket), pool(socket)),
        None => ("index.html index.php", String::new(), "        return 503;\n".to_owned()),
    };
    format!(
        "    root \"{root}\";\n    index {index};\n    # Symbolic links must not lead to files of other users.\n    \
         disable_symlinks if_not_owner \"from={home}\";\n\n{front}    \
         # Hide dot files: repositories, keys and settings that were uploaded by accident.\n    \
         location ~ /\\.(?!well-known/) {{\n        return 404;\n    }}\n\n    \
         # Scripts are executed or answered with 404; their source is never served.\n    \
         location ~* \\.(?:php[0-9]*|phtml|phar|phps)\\.?(?:/|$) {{\n{php}    }}\n",
        root = home.join(&view.site.document_root).display(),
        home = home.display(),
    )
}

/// FastCGI parameters, and the front controller that handles missing files, as in WordPress. It is not implemented with
/// try_files, which treats a link to another user's file as missing.
fn front(socket: &Path) -> String {
    let parameters: String =
        PARAMETERS.iter().map(|(name, value)| format!("    fastcgi_param {name} {value};\n")).collect();
    format!(
        "{parameters}    set $path_info \"\";\n\n    location / {{\n        error_page 404 405 = @front;\n    }}\n\n    \
         location @front {{\n        try_files /index.php =404;\n        fastcgi_pass \"unix:{}\";\n    }}\n\n",
        socket.display()
    )
}

fn pool(socket: &Path) -> String {
    format!(
        "        fastcgi_split_path_info ^(.+?\\.php)(/.*)?$;\n        try_files $fastcgi_script_name =404;\n        \
         # try_files clears $fastcgi_path_info, so keep a copy.\n        set $path_info $fastcgi_path_info;\n        fastcgi_pass \"unix:{}\";\n",
        socket.display()
    )
}
