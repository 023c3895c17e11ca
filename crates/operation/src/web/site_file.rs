//! The text of a site's nginx file. Everything that decides it is in [`View`].
//!
//! Everything in it is a name of ours or was read by a type that allows no sign of nginx's own.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use crate::servers::php;
use crate::web::certificate::files::CertificateFiles;
use crate::web::site::{MARK, Site};
use opterius_host::host::Host;
use opterius_host::layout::WEBROOT;
use opterius_host::problem::Problem;
use opterius_host::users::account::Account;
use opterius_host::users::register::{Register, User};

/// What a PHP program is told of its request (RFC 3875), and what nginx's own list adds.
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
    // PHP refuses to run where its server sets no such value.
    ("REDIRECT_STATUS", "200"),
];

/// A site and everything that decides what its file says.
pub struct View<'a> {
    /// The site.
    pub site: &'a Site,
    /// Its user.
    pub user: &'a User,
    /// The names that it answers to.
    pub names: Vec<String>,
    /// Its certificate.
    pub certificate: Option<CertificateFiles>,
    /// Whether its account is suspended.
    pub suspended: bool,
    /// The socket of its pool, if it has one.
    pub pool: Option<PathBuf>,
}

impl<'a> View<'a> {
    /// The site as it is to be served, with this certificate.
    ///
    /// # Errors
    /// Its account cannot be read.
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

/// The whole file.
pub fn render(host: &Host, view: &View<'_>) -> String {
    let mark = serde_json::to_string(view.site).unwrap_or_default();
    let mut text = format!(
        "{MARK}{mark}\n# The Agent writes this file anew with every change of the site. A file without the line above is left alone.\n"
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

/// One server block: the certificate authority's questions are answered from a directory that only root writes to,
/// whatever else is the case.
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
        "    root \"{root}\";\n    index {index};\n    # A link of the tenant leads to nobody else's files.\n    \
         disable_symlinks if_not_owner \"from={home}\";\n\n{front}    \
         # Versions, keys and settings that lie in a site by accident.\n    \
         location ~ /\\.(?!well-known/) {{\n        return 404;\n    }}\n\n    \
         # A program is run, or it is not there; it is never shown.\n    \
         location ~* \\.(?:php[0-9]*|phtml|phar|phps)\\.?(?:/|$) {{\n{php}    }}\n",
        root = home.join(&view.site.document_root).display(),
        home = home.display(),
    )
}

/// What every program is told, and the program that answers for what is not there, as WordPress and others have one. Not
/// by try_files, which takes a link that leads to others for a file that is not there.
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
         # try_files empties it.\n        set $path_info $fastcgi_path_info;\n        fastcgi_pass \"unix:{}\";\n",
        socket.display()
    )
}
