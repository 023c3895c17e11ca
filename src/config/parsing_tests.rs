use std::path::Path;

use super::*;
use crate::config::{AT_START, ConfigKey};
use opterius_daemon::config_file::{self, Key};
use opterius_daemon::log::LogTarget;
use opterius_daemon::near_miss::near_miss;

const EXAMPLE: &str = include_str!("../../dist/agent.conf");

const SECRET: &str = "secret=0123456789abcdef0123456789abcdef\n";

fn parsed(text: &str) -> Result<Loaded, String> {
    parse(text, "agent.conf", None).map_err(|error| error.to_string())
}

fn good(text: &str) -> Config {
    parsed(&format!("{SECRET}{text}")).unwrap_or_else(|error| panic!("{text}: {error}")).config
}

fn error(text: &str) -> String {
    parsed(text).err().unwrap_or_else(|| panic!("{text} was accepted"))
}

#[test]
fn the_defaults_are_the_documented_ones() {
    let config = good("");
    assert_eq!(config.listen_addr.to_string(), "127.0.0.1");
    assert_eq!((config.port, config.request_threads, config.max_connections), (7443, 4, 512));
    assert_eq!((config.signature_window.as_secs(), config.max_body), (300, 1_048_576));
    assert_eq!(config.log, LogTarget::Auto);
    assert_eq!(config.host_root, Path::new("/"));
    let license = config.license;
    assert!(
        license.key.is_none() && license.proxy.is_none() && license.server_ip.is_none() && license.trusted.is_empty()
    );
    assert_eq!(license.servers.first().verification(), "https://opterius.com/api/license/verify");
    assert_eq!(license.ip_discovery_url.as_deref(), Some("https://api.ipify.org"));
    assert_eq!(license.cache, Path::new("/etc/opterius/license-cache.json"));
}

#[test]
fn the_formats_of_all_installers_are_accepted() {
    let text = "\u{feff}# a comment\r\n\r\n  SECRET_KEY = \"top secret text!\" \r\nLICENSE_KEY='AAAA-BBBB'\r\nport=8000\r\nlisten_addr=::1\r\n";
    let config = parsed(text).unwrap().config;
    assert_eq!(config.secret.expose(), "top secret text!");
    assert_eq!(config.license.key.unwrap().expose(), "AAAA-BBBB");
    assert_eq!((config.port, config.listen_addr.to_string()), (8000, "::1".to_owned()));
}

#[test]
fn every_value_out_of_range_names_line_key_and_range() {
    let table = [
        ("port=65536", "agent.conf:2: port “65536” must be a whole number from 0 to 65535"),
        ("port=-1", "port “-1” must be a whole number"),
        ("port=7443x", "port “7443x” must be a whole number"),
        ("signature_window_seconds=0", "signature_window_seconds “0” must be a whole number from 1 to 3600"),
        ("request_threads=1", "from 2 to 64"),
        ("request_threads=65", "from 2 to 64"),
        ("max_connections=15", "from 16 to 65536"),
        ("max_body_bytes=65535", "from 65536 to 2097152"),
        ("max_body_bytes=99999999999999999999", "from 65536 to 2097152"),
        ("listen_addr=localhost", "listen_addr “localhost” is not an IP address"),
        ("log=file", "log “file” must be auto, syslog or stderr"),
        ("server_ip=127.0.0.1", "server_ip must be auto or this server's public IP address"),
        ("server_ip=example.com", "server_ip must be auto or this server's public IP address"),
        ("license_server=http://opterius.com", "license_server must begin with https://"),
        ("license_server=opterius", "license_server"),
        ("license_ca_file=/no/such/file.pem", "license_ca_file /no/such/file.pem: there is no such file"),
        ("license_ca_file=/proc/self/status", "contains no PEM certificate"),
        ("license_ca_file=/dev/zero", "it is not a regular file"),
        ("license_ca_file=/etc", "license_ca_file /etc: is a directory"),
        ("license_server=https://license.example.com:0", "license_server has the port “0”; a port is a number from 1"),
        ("license_server=https://license..example.com", "license_server has one dot too many in its host name"),
        (
            "license_server=https://license.example.com/api/license/verify",
            "license_server must not end in /api/license/verify, which the Agent adds; write https://license.example.com",
        ),
        (
            "license_server=license.example.com",
            "license_server must begin with https://; write https://license.example.com",
        ),
        ("ip_discovery_url=https://api.example.com:65536", "ip_discovery_url has the port “65536”"),
        ("acme_server=https://acme.example.com:0/directory", "acme_server has the port “0”"),
        ("acme_server=https://acme..example.com/directory", "acme_server has one dot too many"),
        ("server_ip=::ffff:127.0.0.1", "server_ip must be auto or this server's public IP address"),
        ("server_ip=224.0.0.1", "server_ip must be auto or this server's public IP address"),
        ("license_public_key=AAAA", "license_public_key “AAAA” is not an Ed25519 public key"),
        ("license_public_key=,", "license_public_key has no public key"),
        ("license_public_key=\" , \"", "license_public_key has no public key"),
        ("license_cache=/dev/null", "license_cache /dev/null: is not a regular file"),
        (
            "license_cache=/nowhere/license-cache.json/",
            "license_cache /nowhere/license-cache.json/: is not a regular file",
        ),
        ("license_ca_file=ca.pem", "license_ca_file “ca.pem” must be an absolute path"),
        ("license_server=https://0.0.0.0", "license_server has the address 0.0.0.0"),
        ("license_server=https://license.example.com/%zz", "license_server is not a URL"),
        ("server_ip=255.255.255.255", "server_ip must be auto or this server's public IP address"),
        ("listen_addr=224.0.0.1", "listen_addr “224.0.0.1” is no address of one server"),
        ("listen_addr=255.255.255.255", "listen_addr “255.255.255.255” is no address of one server"),
        ("proxy=none", "proxy “none” is not a proxy; to use none, remove the line"),
        ("proxy=Off", "proxy “Off” is not a proxy; to use none, remove the line"),
        ("acme_ca_file=/nope", "acme_ca_file /nope: there is no such file"),
        ("proxy=http://al@ice:word@proxy.example.com:3128", "has “@” where it cannot be: write @ in a proxy's user"),
        ("license_cache=license-cache.json", "license_cache “license-cache.json” must be an absolute path"),
        ("proxy=socks5://127.0.0.1:1080", "is a SOCKS proxy"),
        ("proxy=ftp://proxy.example.com:3128", "proxy is not a proxy URL"),
        ("proxy=http://alice:open#sesame@proxy.example.com:3128", "write # in a proxy's user or password as %23"),
        ("allowed_hosts=panel.example.com:7443", "“panel.example.com:7443” is not a host name"),
        ("host_root=relative", "host_root “relative” must be an absolute path"),
        ("host_root=/no/such/directory", "host_root /no/such/directory: is not a directory"),
        ("operations=maybe", "operations “maybe” must be auto, helper, child or off"),
        ("acme_server=http://acme.example.com", "acme_server must begin with https://"),
        ("acme_ca_file=ca.pem", "acme_ca_file “ca.pem” must be an absolute path"),
        ("ip_discovery_url=api.ipify.org", "ip_discovery_url"),
        ("just words", "agent.conf:2: this line is not key=value"),
    ];
    for (line, expected) in table {
        let sentence = error(&format!("{SECRET}{line}\n"));
        assert!(sentence.starts_with("agent.conf:2: ") && sentence.contains(expected), "{line}: {sentence}");
    }
}

#[test]
fn every_spelling_of_a_license_key_is_one_key_and_what_cannot_be_one_is_no_key() {
    let key = |value: &str| good(&format!("license_key={value}\n")).license;
    let own = "AAAAAAAA-BBBBBBBB-CCCCCCCC-DDDDDDDD";
    for spelling in [
        own,
        "\"AAAAAAAA-BBBBBBBB-CCCCCCCC-DDDDDDDD\"",
        "“aaaaaaaa–bbbbbbbb–cccccccc–dddddddd”",
        "'AAAAAAAA BBBBBBBB CCCCCCCC DDDDDDDD'",
        "\u{feff}AAAAAAAABBBBBBBB\u{a0}CCCCCCCC\u{200b}DDDDDDDD\r",
    ] {
        let license = key(spelling);
        assert_eq!((license.key.unwrap().expose(), license.key_fault), (own, None), "{spelling:?}");
    }
    let none = "which no license key contains";
    for (value, fault) in [
        ("AAAA BBBB", format!("has a blank as character 5, {none}")),
        ("ÄÖÜ", format!("has “Ä” (U+00C4, not an ASCII character) as character 1, {none}")),
        ("“”", "has only quotes or blanks".to_owned()),
        (&"x".repeat(65), "has 65 characters; a license key has at most 64".to_owned()),
    ] {
        let license = key(value);
        assert!(license.key.is_none(), "{value}");
        assert_eq!(license.key_fault, Some(format!("agent.conf:2: license_key {fault}")));
    }
    let none = key("");
    assert!(none.key.is_none() && none.key_fault.is_none());
}

#[test]
fn help_names_the_port_of_the_license_server_or_of_its_proxy() {
    let help = |text: &str| good(text).guide(Path::new("/srv/agent.conf")).help("unreachable");
    let server = "license_server=https://license.example.com:8443\n";
    for (text, expected) in [
        (server.to_owned(), "outbound TCP port 8443 is open (ufw allow out 8443/tcp)"),
        ("license_server=https://license.example.com\n".to_owned(), "outbound TCP port 443 is open"),
        (
            format!("{server}proxy=http://user:word@proxy.example.com:3128\n"),
            "outbound TCP port 3128 of the proxy proxy.example.com is open (ufw allow out 3128/tcp)",
        ),
    ] {
        assert!(help(&text).contains(expected), "{}", help(&text));
        assert!(!help(&text).contains("word"), "the proxy's password is in a help text");
    }
    let doubted = good("license_key=AAAAAA0A-GGGGGGGG-CCCCCCCC-DDDDDDDD\n").guide(Path::new("/srv/agent.conf"));
    assert!(doubted.help("invalid_key").starts_with("In license_key, character 7 is 0, "));
}

#[test]
fn a_missing_or_invalid_secret_is_an_error() {
    for text in
        ["", "port=7443\n", "secret=\n", "secret=\"\"\n", "secret_key=   \n", &format!("secret={}\n", "x".repeat(256))]
    {
        let sentence = error(text);
        assert!(sentence.contains("secret") && sentence.starts_with("agent.conf"), "{text}: {sentence}");
    }
}

#[test]
fn a_misspelled_vital_key_is_an_error_and_any_other_unknown_key_a_warning() {
    assert_eq!(
        error(&format!("{SECRET}licens_key=AAAA\n")),
        "agent.conf:2: “licens_key” is not a key. Did you mean “license_key”?"
    );
    assert!(error("sekret=abc\n").contains("Did you mean “secret”?"));
    let loaded = parsed(&format!("{SECRET}panel_url=https://panel.example.com\n")).unwrap();
    assert_eq!(loaded.warnings, ["agent.conf:2: “panel_url” is not a key of the Agent; the line is ignored"]);
}

#[test]
fn keys_are_case_insensitive() {
    assert_eq!(config_file::find::<ConfigKey>("LICENSE_KEY"), Some(ConfigKey::Own("license_key")));
    assert_eq!(config_file::find::<ConfigKey>("Secret_Key"), Some(ConfigKey::Own("secret")));
    assert_eq!(config_file::find::<ConfigKey>("license"), None);
}

#[test]
fn misspelled_vital_keys_are_recognized_and_other_keys_are_not() {
    let misspelled = [
        ("licens_key", "license_key"),
        ("licence_key", "license_key"),
        ("LICENCE_KEY", "license_key"),
        ("license-key", "license_key"),
        ("licensekey", "license_key"),
        ("license_keys", "license_key"),
        ("secert", "secret"),
        ("secrets", "secret"),
        ("seret_key", "secret_key"),
    ];
    for (key, meant) in misspelled {
        assert_eq!(near_miss(key, ConfigKey::VITAL), Some(meant), "{key}");
    }
    for key in ["panel_url", "token", "license_plan", "debug", "", "secret_file_path", "tls_key"] {
        assert_eq!(near_miss(key, ConfigKey::VITAL), None, "{key}");
    }
}

#[test]
fn the_last_value_of_a_repeated_key_applies() {
    let loaded = parsed(&format!("{SECRET}port=1\nport=2\nsecret_key=another secret text\n")).unwrap();
    assert_eq!((loaded.config.port, loaded.config.secret.expose()), (2, "another secret text"));
    assert_eq!(loaded.warnings.len(), 2);
}

#[test]
fn no_message_reveals_a_secret() {
    let texts = [
        "secret=short\n",
        "secret=\nlicense_key=VERY SECRET KEY\n",
        &format!("{SECRET}license_key=VERY SECRET KEY\n"),
        &format!("{SECRET}proxy=ftp://user:VERY SECRET@proxy\n"),
        &format!("{SECRET}licence_key=VERY SECRET KEY\n"),
        &format!("{SECRET}unknown=VERY SECRET\n"),
    ];
    for text in texts {
        let messages = match parse(text, "agent.conf", None) {
            Ok(Loaded { config, warnings }) => warnings.join("\n") + &config.license.key_fault.unwrap_or_default(),
            Err(error) => error.to_string(),
        };
        assert!(!messages.contains("VERY SECRET") && !messages.contains("short"), "{messages}");
    }
}

#[test]
fn built_in_public_keys_exclude_configured_ones() {
    let key = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
    let configured = format!("{SECRET}license_public_key={key}\n");
    assert!(!parse(&configured, "agent.conf", None).unwrap().config.license.trusted.is_empty());
    assert!(!parse(SECRET, "agent.conf", Some(key)).unwrap().config.license.trusted.is_empty());
    let refused = parse(&configured, "agent.conf", Some(key)).err().unwrap().to_string();
    assert!(refused.contains("license_public_key cannot be set"), "{refused}");
    assert!(parse(SECRET, "agent.conf", Some("nonsense")).is_err());
    assert!(parse(SECRET, "agent.conf", Some(" ,")).is_err(), "a build without a key would accept unsigned answers");
    assert!(parse(SECRET, "agent.conf", Some(" ")).unwrap().config.license.trusted.is_empty());
}

#[test]
fn keys_that_need_a_restart_are_named() {
    let running = good("");
    assert_eq!(good("allowed_hosts=a.example\nlicense_key=AAAA\n").needs_restart(&running), Vec::<&str>::new());
    assert_eq!(
        good("port=1\nlisten_addr=::1\nrequest_threads=8\nmax_connections=64\nlog=stderr\n").needs_restart(&running),
        ["listen_addr", "port", "request_threads", "max_connections", "log"]
    );
}

#[test]
fn every_known_key_is_read() {
    for (key, _) in ConfigKey::KEYS.iter().filter(|(_, known)| *known != ConfigKey::Own("secret")) {
        let parsed = parsed(&format!("{SECRET}{key}=\u{7f}\n"));
        let sentence = match parsed {
            Ok(loaded) => loaded.config.license.key_fault.unwrap_or_else(|| panic!("{key} was accepted")),
            Err(sentence) => sentence,
        };
        assert!(sentence.starts_with(&format!("agent.conf:2: {key} ")), "{sentence}");
    }
}

#[test]
fn the_shipped_example_marks_keys_that_need_a_restart() {
    let paragraphs = EXAMPLE.split("\n\n").filter(|paragraph| paragraph.contains("(restart)"));
    let marked: Vec<&str> = paragraphs.flat_map(shown).collect();
    assert_eq!(marked, AT_START.map(|(key, _)| key), "keys marked (restart) (left) and those that are (right)");
}

/// The keys in a part of the example, commented out or not.
fn shown(example: &str) -> Vec<&str> {
    let lines = example.lines().filter_map(|line| line.trim_start_matches('#').split_once('='));
    let is_key = |key: &&str| key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    lines.map(|(key, _)| key).filter(is_key).collect()
}

#[test]
fn the_shipped_example_documents_every_key_and_is_valid() {
    let text = EXAMPLE;
    let example = parsed(text).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(example.warnings, [format!("agent.conf: {EXAMPLE_WARNING}")], "its secret is publicly known");
    let known = ConfigKey::KEYS.iter().map(|(key, _)| *key).filter(|key| *key != "secret_key");
    assert_eq!(
        shown(text),
        known.collect::<Vec<_>>(),
        "keys of dist/agent.conf (left) and those that are known (right)"
    );
    // The commented-out lines are valid as well: each is an example of its key.
    let uncommented: String = text
        .lines()
        .filter_map(|line| line.strip_prefix('#'))
        .filter(|line| line.split_once('=').is_some_and(|(key, _)| config_file::find::<ConfigKey>(key).is_some()))
        .filter(|line| !line.starts_with("license_ca_file") && !line.starts_with("acme_ca_file"))
        .map(|line| format!("{line}\n"))
        .collect();
    let everything = parsed(&format!("{SECRET}{uncommented}")).unwrap_or_else(|error| panic!("{error}"));
    assert!(everything.warnings.is_empty(), "{:?}", everything.warnings);
}
