//! Compares the table with an independent list of the Panel's calls.

use std::str::FromStr;

use super::*;

/// The 142 pairs of method and path that the Panel v2.8.14 calls; R reads, W writes.
#[rustfmt::skip]
const PANEL: [(&str, &str, char); 142] = [
    ("POST", "/account/delete", 'W'),
    ("POST", "/account/password", 'W'),
    ("POST", "/account/suspend", 'W'),
    ("POST", "/analytics/geoip-update", 'W'),
    ("POST", "/analytics/live", 'R'),
    ("POST", "/analytics/query", 'R'),
    ("POST", "/autoresponder/get", 'R'),
    ("POST", "/autoresponder/set", 'W'),
    ("POST", "/backup/browse", 'R'),
    ("POST", "/backup/create", 'W'),
    ("POST", "/backup/delete", 'W'),
    ("GET", "/backup/download", 'R'),
    ("POST", "/backup/list", 'R'),
    ("POST", "/backup/restore", 'W'),
    ("POST", "/backup/restore-files", 'W'),
    ("POST", "/cdn/configure", 'W'),
    ("POST", "/cms/install", 'W'),
    ("POST", "/cms/scan", 'R'),
    ("POST", "/composer/info", 'R'),
    ("POST", "/composer/run", 'W'),
    ("POST", "/cron/create", 'W'),
    ("POST", "/cron/delete", 'W'),
    ("POST", "/cron/toggle", 'W'),
    ("POST", "/databases/create", 'W'),
    ("POST", "/databases/delete", 'W'),
    ("POST", "/databases/info", 'R'),
    ("POST", "/databases/repair", 'W'),
    ("POST", "/databases/user-create", 'W'),
    ("POST", "/databases/user-delete", 'W'),
    ("POST", "/databases/user-password", 'W'),
    ("POST", "/dns/add-record", 'W'),
    ("POST", "/dns/create-zone", 'W'),
    ("POST", "/dns/delete-record", 'W'),
    ("POST", "/dns/list-records", 'R'),
    ("POST", "/domains/alias-add", 'W'),
    ("POST", "/domains/alias-remove", 'W'),
    ("POST", "/domains/create", 'W'),
    ("POST", "/domains/custom-nginx", 'W'),
    ("POST", "/domains/delete", 'W'),
    ("POST", "/domains/hotlink/set", 'W'),
    ("POST", "/domains/protected-dir/add", 'W'),
    ("POST", "/domains/protected-dir/remove", 'W'),
    ("POST", "/domains/redirect-sync", 'W'),
    ("POST", "/domains/toggle-htaccess", 'W'),
    ("POST", "/email/create", 'W'),
    ("POST", "/email/delete", 'W'),
    ("POST", "/email/password", 'W'),
    ("POST", "/files/archive", 'W'),
    ("POST", "/files/chmod", 'W'),
    ("POST", "/files/delete", 'W'),
    ("POST", "/files/list", 'R'),
    ("POST", "/files/mkdir", 'W'),
    ("POST", "/files/read", 'R'),
    ("POST", "/files/rename", 'W'),
    ("POST", "/files/upload", 'W'),
    ("POST", "/files/write", 'W'),
    ("POST", "/forwarder/create", 'W'),
    ("POST", "/forwarder/delete", 'W'),
    ("POST", "/forwarder/list", 'R'),
    ("POST", "/ftp/create", 'W'),
    ("POST", "/ftp/delete", 'W'),
    ("POST", "/ftp/list", 'R'),
    ("POST", "/git/clone", 'W'),
    ("POST", "/git/log", 'R'),
    ("POST", "/git/pull", 'W'),
    ("POST", "/git/status", 'R'),
    ("GET", "/health", 'R'),
    ("POST", "/laravel/install", 'W'),
    ("POST", "/laravel/scan", 'R'),
    ("POST", "/logs/tail", 'R'),
    ("GET", "/metrics/realtime", 'R'),
    ("POST", "/metrics/top-processes", 'R'),
    ("POST", "/migration/cleanup", 'W'),
    ("POST", "/migration/parse", 'W'),
    ("POST", "/migration/restore-cron", 'W'),
    ("POST", "/migration/restore-databases", 'W'),
    ("POST", "/migration/restore-dns", 'W'),
    ("POST", "/migration/restore-email", 'W'),
    ("POST", "/migration/restore-files", 'W'),
    ("POST", "/migration/restore-ssl", 'W'),
    ("POST", "/migration/set-password", 'W'),
    ("POST", "/node/app-delete", 'W'),
    ("POST", "/node/app-logs", 'R'),
    ("POST", "/node/app-restart", 'W'),
    ("POST", "/node/app-start", 'W'),
    ("POST", "/node/app-stop", 'W'),
    ("POST", "/node/list", 'R'),
    ("POST", "/node/version", 'R'),
    ("POST", "/panel/set-hostname", 'W'),
    ("GET", "/php/config", 'R'),
    ("POST", "/php/config", 'W'),
    ("POST", "/php/extensions", 'W'),
    ("POST", "/php/install", 'W'),
    ("POST", "/php/list-extensions", 'R'),
    ("POST", "/php/list-versions", 'R'),
    ("POST", "/php/switch-version", 'W'),
    ("POST", "/postgres/create", 'W'),
    ("POST", "/postgres/delete", 'W'),
    ("POST", "/postgres/info", 'R'),
    ("POST", "/postgres/user-create", 'W'),
    ("POST", "/postgres/user-delete", 'W'),
    ("POST", "/postgres/user-password", 'W'),
    ("POST", "/rspamd/configure", 'W'),
    ("POST", "/rspamd/status", 'R'),
    ("POST", "/security/fail2ban-list", 'R'),
    ("POST", "/security/fail2ban-unban", 'W'),
    ("POST", "/security/firewall-add", 'W'),
    ("POST", "/security/firewall-list", 'R'),
    ("POST", "/security/firewall-remove", 'W'),
    ("POST", "/security/ip-block", 'W'),
    ("POST", "/security/lockdown-accounts", 'W'),
    ("POST", "/security/scan", 'R'),
    ("POST", "/services/action", 'W'),
    ("POST", "/services/list", 'R'),
    ("POST", "/ssh/delete-key", 'W'),
    ("POST", "/ssh/generate-key", 'W'),
    ("POST", "/ssh/import-key", 'W'),
    ("POST", "/ssh/list-keys", 'R'),
    ("POST", "/ssh/toggle-shell", 'W'),
    ("POST", "/ssl/delete", 'W'),
    ("POST", "/ssl/issue-async", 'W'),
    ("POST", "/ssl/renew", 'W'),
    ("POST", "/ssl/status", 'R'),
    ("POST", "/ssl/upload", 'W'),
    ("GET", "/ssl/wildcard/progress", 'R'),
    ("POST", "/ssl/wildcard/start", 'W'),
    ("POST", "/staging/clone", 'W'),
    ("POST", "/stats/account", 'R'),
    ("POST", "/stats/server", 'R'),
    ("POST", "/system/ntp-sync", 'W'),
    ("POST", "/system/time", 'R'),
    ("POST", "/system/timezone", 'W'),
    ("POST", "/terminal/connect", 'W'),
    ("POST", "/terminal/token", 'W'),
    ("POST", "/update/agent", 'W'),
    ("GET", "/update/log", 'R'),
    ("POST", "/update/mail", 'W'),
    ("POST", "/update/run", 'W'),
    ("GET", "/version", 'R'),
    ("POST", "/wordpress/install", 'W'),
    ("POST", "/wordpress/scan", 'R'),
    ("POST", "/wordpress/update", 'W'),
];

#[test]
fn every_call_of_the_panel_has_a_route_with_the_right_class() {
    for (method, path, class) in PANEL {
        let method = Method::from_str(method).unwrap();
        let Lookup::Found(route) = find(&method, path) else { panic!("{method} {path} is missing") };
        assert_eq!(route.class, if class == 'R' { Class::Read } else { Class::Write }, "{method} {path}");
    }
    let count = |wanted| PANEL.iter().filter(|(_, _, class)| *class == wanted).count();
    assert_eq!((count('R'), count('W')), (42, 100));
}

#[test]
fn all_other_routes_are_the_agents_own() {
    let known = |route: &&Route| {
        PANEL
            .iter()
            .any(|(method, path, _)| *path == route.path && route.verb.accepts(&Method::from_str(method).unwrap()))
    };
    let own: Vec<&str> = ROUTES.iter().filter(|route| !known(route)).map(|route| route.path).collect();
    assert_eq!(own, ["/", "/accounts", "/license/reverify", "/license/status", "/metrics", "/ssl/issue"]);
}

#[test]
fn only_five_paths_are_open_and_all_are_reads() {
    let open: Vec<&Route> = ROUTES.iter().filter(|route| route.access == Access::Open).collect();
    let paths: Vec<&str> = open.iter().map(|route| route.path).collect();
    assert_eq!(paths, ["/", "/health", "/license/status", "/metrics", "/metrics/realtime"]);
    assert!(open.iter().all(|route| route.class == Class::Read && route.verb == Get));
}

#[test]
fn the_table_is_sorted_and_has_no_duplicates() {
    for pair in ROUTES.windows(2) {
        let [first, second] = pair else { continue };
        assert!(
            first.path < second.path || (first.path == second.path && first.verb != second.verb),
            "{}",
            second.path
        );
    }
}

#[test]
fn paths_match_byte_for_byte() {
    for path in
        ["", "health", "/Health", "/health/", "//health", "/health?x", "/license", "/license/status/x", "/zzz", "*"]
    {
        assert!(matches!(find(&Method::Get, path), Lookup::Unknown), "{path}");
    }
    assert!(matches!(find(&Method::Head, "/health"), Lookup::Found(_)));
    assert!(matches!(find(&Method::Post, "/health"), Lookup::WrongMethod("GET, HEAD")));
    assert!(matches!(find(&Method::Get, "/domains/create"), Lookup::WrongMethod("POST")));
    assert!(matches!(find(&Method::Delete, "/php/config"), Lookup::WrongMethod("GET, HEAD, POST")));
}

#[test]
fn every_helper_operation_has_a_route() {
    for path in opterius_host::request::PATHS.iter().flat_map(|paths| paths.iter()) {
        let found = find(if *path == "/backup/download" { &Method::Get } else { &Method::Post }, path);
        if *path == "/files/upload-finish" {
            // The second half of an upload, which only the Agent asks for.
            assert!(matches!(found, Lookup::Unknown));
            continue;
        }
        let Lookup::Found(route) = found else { panic!("{path} is missing") };
        let by_helper = [Operation::Host, Operation::QueueCertificate, Operation::Upload, Operation::Download];
        let answered_by_others = !by_helper.contains(&route.operation);
        assert!(!answered_by_others && route.access == Access::Signed, "{path}");
    }
}

/// The signed text is timestamp, method, path and body without separators, so a signature is valid for every split of the same
/// text into path and body: the signature of path P with body B is also that of a path Q that P begins with, with the rest of
/// P and B as the body, and the other way round. Timestamp and method cannot shift: a timestamp has one possible end, and no
/// method begins with another. What remains must be safe for each pair of signed paths of one method: the Panel signs only
/// empty bodies and JSON objects, neither of which begins with the rest of a path, and the Agent accepts nothing else, except
/// on the two paths with raw bodies, which therefore must not be in any pair. The pair of a read and a write is one that the
/// Panel's own paths have, and no other may come.
#[test]
fn no_signature_is_valid_for_another_path() {
    // Bodies that are not JSON, or that the signature may not cover.
    let raw = ["/files/upload", "/terminal/connect"];
    let signed = || ROUTES.iter().filter(|route| route.access == Access::Signed);
    let mut pairs = Vec::new();
    for short in signed() {
        let longer = |long: &&Route| long.path.len() > short.path.len() && long.path.starts_with(short.path);
        for long in signed().filter(|long| long.verb == short.verb).filter(longer) {
            let rest = long.path.strip_prefix(short.path).unwrap();
            assert!(!rest.starts_with(['{', '[', ' ', '\t', '\r', '\n']), "{rest} can begin a JSON object");
            assert!(!raw.contains(&short.path) && !raw.contains(&long.path), "{} and {}", short.path, long.path);
            let class = if short.class == long.class { "same" } else { "read and write" };
            pairs.push((short.path, long.path, class));
        }
    }
    // Rename a path that is missing here.
    let expected = [
        ("/backup/restore", "/backup/restore-files", "same"),
        ("/ssl/issue", "/ssl/issue-async", "same"),
        ("/system/time", "/system/timezone", "read and write"),
    ];
    assert_eq!(pairs, expected);
    let methods = [Method::Get, Method::Head, Method::Post].map(|method| method.as_str().to_owned());
    for (first, second) in methods.iter().flat_map(|first| methods.iter().map(move |second| (first, second))) {
        assert!(first == second || !second.starts_with(first.as_str()), "{first} {second}");
    }
}

/// The Panel never looks at these answers, or not in all of its calls (a record by its name, a rollback, the certificate
/// after a creation).
#[test]
fn the_panel_ignores_the_answers_of_these_calls() {
    let ignored: Vec<&str> = ROUTES.iter().filter(|route| route.answer_ignored).map(|route| route.path).collect();
    let expected = [
        "/account/delete",
        "/backup/delete",
        "/cdn/configure",
        "/cron/delete",
        "/databases/delete",
        "/databases/user-delete",
        "/dns/create-zone",
        "/dns/delete-record",
        "/domains/alias-remove",
        "/domains/custom-nginx",
        "/domains/delete",
        "/domains/protected-dir/add",
        "/domains/protected-dir/remove",
        "/domains/redirect-sync",
        "/email/delete",
        "/forwarder/delete",
        "/ftp/delete",
        "/migration/cleanup",
        "/migration/set-password",
        "/postgres/delete",
        "/postgres/user-delete",
        "/security/fail2ban-unban",
        "/security/firewall-remove",
        "/security/ip-block",
        "/ssl/delete",
        "/ssl/issue-async",
    ];
    assert_eq!(ignored, expected);
}
