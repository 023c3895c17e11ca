//! What a site serves, in its nginx file: its pages, scripts, and what its owner has set.

use std::path::Path;

use crate::servers::{MAX_BODY_MIB, MAX_SCRIPT_TIME};
use crate::web::site_view::View;
use crate::web::{custom_directives, hotlinks, protected_directories, redirects};
use opterius_host::host::Host;

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
/// What a visitor takes slowly waits in a file on the server's disk, outside of any quota; the default limit is 1 GiB.
const BUFFERS: [(&str, &str); 3] =
    [("fastcgi_buffer_size", "64k"), ("fastcgi_buffers", "16 16k"), ("fastcgi_max_temp_file_size", "16m")];

/// Files that are never served: dot files (repositories, keys and settings), and what editors, administrators and plugins
/// leave behind: backups, dumps, and copies of scripts, whose source would be shown.
const HIDDEN: &str = concat!(
    "/\\.(?!well-known/)|/#[^/]*#$|~$",
    "|\\.(?:bak|backup|save|orig|original|old|sw[m-p]|sql|dump)(?:\\.(?:gz|bz2|xz|zst|zip|7z|rar))?$",
    "|\\.(?:php[0-9]*|phtml|phar|phps)[^a-z0-9/][^/]*$",
);

/// The part of a server block that serves the tenant's pages, and none of the Agent's own.
pub(super) fn render(host: &Host, view: &View<'_>) -> String {
    if view.suspended {
        return "    # The account is suspended.\n    location / {\n        return 503;\n    }\n".to_owned();
    }
    let home = host.home(view.site.username.as_str());
    let (index, front, php) = match &view.pool {
        Some(socket) => ("index.php index.html", front(socket, &view.site.logs(host), view), pool(socket)),
        None => ("index.html index.php", all_paths(view), "        return 503;\n".to_owned()),
    };
    let size = format!("{}m", view.php.max_body.max(u64::from(MAX_BODY_MIB)));
    // Longer than PHP's limit, so that PHP ends a slow request and says in its log which it was.
    let time = format!("{}s", MAX_SCRIPT_TIME + 10);
    let limits = [
        ("client_max_body_size", size.as_str()),
        ("fastcgi_read_timeout", time.as_str()),
        ("fastcgi_send_timeout", time.as_str()),
    ];
    let own: String = [&limits[..], &BUFFERS, &COMPRESSION].map(|part| view.settings_of(part)).concat();
    let hook = view.hook.pattern.as_ref().map_or_else(String::new, |pattern| {
        format!(
            "    # The administrator's own directives, which survive any change of this file.\n    include \"{}\";\n\n",
            pattern.display()
        )
    });
    // What answers for missing files, in each location.
    let missing = error_pages(view);
    let index =
        if custom_directives::sets(&view.custom, "index") { String::new() } else { format!("    index {index};\n") };
    let redirected = |path: &str| view.settings.redirects.iter().any(|redirect| redirect.source_path.as_str() == path);
    format!(
        "    root \"{root}\";\n{index}    # Symbolic links must not lead to files of other users.\n    \
         disable_symlinks if_not_owner \"from={home}\";\n{own}\n{hook}{custom}{protected}{front}{redirects}    \
         # Hide dot files, backups, dumps and copies of scripts that were left or uploaded by accident.\n    \
         location ~* \"{HIDDEN}\" {{\n        return 404;\n    }}\n\n    \
         # Scripts are executed or answered with 404; their source is never served.\n    \
         location ~* \\.(?:php[0-9]*|phtml|phar|phps)\\.?(?:/|$) {{\n{php}{pages}    }}\n\n{hotlinks}{locations}{page_locations}",
        root = home.join(&view.site.document_root).display(),
        home = home.display(),
        custom = custom_directives::for_site(&view.custom, &view.hook),
        protected = protected_directories::directives(view.site, &view.settings.protected),
        redirects = redirects::locations(view.site, &view.settings.redirects),
        pages = custom_directives::error_pages(&view.custom),
        hotlinks = view.settings.hotlink.as_ref().map_or_else(String::new, |protection| {
            hotlinks::location(protection, &view.names, &redirects::dollar(view.site), &missing)
        }),
        locations = custom_directives::locations(&view.custom, &missing, redirected),
        page_locations = custom_directives::page_locations(&view.custom, redirected),
    )
}

/// What answers for missing files: the front controller, if there is PHP, and then the owner's own pages.
fn error_pages(view: &View<'_>) -> String {
    let pages = custom_directives::error_pages(&view.custom);
    match (view.pool.is_some(), pages.is_empty()) {
        (false, _) => pages,
        (true, true) => "        error_page 404 405 = @front;\n".to_owned(),
        (true, false) => format!("        error_page 404 405 = @front;\n        recursive_error_pages on;\n{pages}"),
    }
}

/// The location of all paths, with what the owner has written for it.
fn all_paths(view: &View<'_>) -> String {
    let missing = error_pages(view);
    match custom_directives::of_root(&view.custom) {
        Some(location) => format!("    location / {{\n{}    }}\n\n", custom_directives::content(location, &missing)),
        None if missing.is_empty() => String::new(),
        None => format!("    location / {{\n{missing}    }}\n\n"),
    }
}

/// FastCGI parameters, and the front controller that handles missing files, as in WordPress. It is not implemented with
/// try_files, which treats a link to another user's file as missing.
fn front(socket: &Path, logs: &Path, view: &View<'_>) -> String {
    let parameters: String =
        PARAMETERS.iter().map(|(name, value)| format!("    fastcgi_param {name} {value};\n")).collect();
    // An account's sites share its PHP; each has a log of its own.
    let log = logs.join("php-error.log");
    let pages = custom_directives::error_pages(&view.custom);
    format!(
        "{parameters}    fastcgi_param PHP_ADMIN_VALUE \"error_log={log}\";\n{php}    set $path_info \"\";\n\n{all}    \
         location @front {{\n        try_files /index.php =404;\n{pages}        fastcgi_pass \"unix:{socket}\";\n    }}\n\n",
        php = view.php.parameter(),
        all = all_paths(view),
        socket = socket.display(),
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
