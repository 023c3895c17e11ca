//! agent.conf: out-of-range values and misspelled vital keys are always errors; an accepted file has the same meaning
//! after it is rewritten; and no message shows a secret.

use std::ops::RangeInclusive;

use opterius_agent::config::parsing;
use opterius_agent::config::{Config, ConfigKey, Loaded};
use opterius_agent::license::client::{MAX_SERVERS, ServerUrl};
use opterius_base::text::is_invisible;
use opterius_daemon::config_file::{Entries, Key, find};
use opterius_license::license_key::canonical;

const NAME: &str = "agent.conf";

/// The input is the file's text.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    // Skip the only key that makes the parser read a file.
    if text.to_ascii_lowercase().contains("license_ca_file") {
        return;
    }
    let parsed = parsing::parse(text, NAME, None).map_err(|error| error.to_string());
    let sentences = match &parsed {
        Ok(Loaded { config, warnings }) => warnings.iter().chain(&config.license.key_fault).cloned().collect(),
        Err(sentence) => vec![sentence.clone()],
    };
    for sentence in &sentences {
        assert!(sentence.starts_with(NAME), "a message starts with the file: {sentence}");
        assert!(!shows_a_secret(sentence, text), "a secret is shown: {sentence}");
    }
    let is_accepted = parsed.is_ok();
    assert!(!(is_accepted && text.lines().any(is_misspelled)), "a misspelled vital key is accepted");
    let Ok(loaded) = parsed else { return };
    let config = loaded.config;
    check_ranges(&config, text);
    let again = parsing::parse(&written(text), "again", None);
    let again = again.unwrap_or_else(|error| panic!("an accepted file is refused after rewriting: {error}"));
    assert!(meaning(&again.config) == meaning(&config), "the meaning changed after rewriting");
}

/// Whether a line's key differs from a vital key by one added or missing letter.
fn is_misspelled(line: &str) -> bool {
    let Some((key, _)) = line.split_once('=') else { return false };
    let key = key.trim_matches(is_unseen).to_ascii_lowercase();
    let without_one = |text: &str, other: &str| {
        text.char_indices().any(|(index, letter)| {
            text[..index].chars().chain(text[index + letter.len_utf8()..].chars()).eq(other.chars())
        })
    };
    !key.starts_with('#')
        && find::<ConfigKey>(&key).is_none()
        && ConfigKey::VITAL.iter().any(|vital| without_one(vital, &key) || without_one(&key, vital))
}

fn is_unseen(character: char) -> bool {
    character.is_whitespace() || is_invisible(character)
}

/// The effective value, parsed independently: the last line with one of these keys.
fn value<'a>(text: &'a str, keys: &[&str]) -> Option<&'a str> {
    let lines = text.lines().map(|line| line.trim_start_matches(is_unseen).trim_end());
    let entries = lines.filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('='));
    let mut ours =
        entries.filter(|(key, _)| keys.iter().any(|other| other.eq_ignore_ascii_case(key.trim_matches(is_unseen))));
    let value = ours.next_back()?.1.trim();
    let unquoted = ['"', '\''].into_iter().find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote));
    Some(unquoted.unwrap_or(value)).filter(|value| !value.is_empty())
}

fn check_ranges(config: &Config, text: &str) {
    let number = |key: &str, range: RangeInclusive<u64>, used: u64| {
        assert!(range.contains(&used), "{key} is {used}");
        if let Some(value) = value(text, &[key]) {
            assert_eq!(value.parse(), Ok(used), "{key}");
        }
    };
    let wide = |number: usize| u64::try_from(number).unwrap();
    number("port", 0..=65535, config.port.into());
    number("signature_window_seconds", 1..=3600, config.signature_window.as_secs());
    number("request_threads", 2..=64, wide(config.request_threads));
    number("max_connections", 16..=65536, wide(config.max_connections));
    number("max_body_bytes", 65536..=2_097_152, wide(config.max_body));
    let secret = value(text, &["secret", "secret_key"]).expect("a configuration requires a secret");
    assert_eq!(config.secret.expose(), secret);
    assert!((1..=255).contains(&config.secret.length()));
    let license = &config.license;
    let typed = value(text, &["license_key"]);
    let key = license.key.as_ref().map(|key| key.expose());
    assert_eq!(license.key_fault.is_some(), key.is_none() && typed.is_some());
    if let Some(key) = key {
        assert!(key.len() <= 64 && key.bytes().all(|byte| byte.is_ascii_graphic()), "{key}");
        assert_eq!(canonical(key).as_deref(), Ok(key), "one key has one form");
        let signs =
            |text: &str| text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_uppercase();
        // Remains of markup are dropped.
        let typed = signs(typed.unwrap_or_default());
        let mut typed = typed.chars();
        assert!(signs(key).chars().all(|character| typed.any(|other| other == character)));
    }
    assert!(license.cache.is_absolute() && config.host_root.is_absolute());
    assert!(license.server_ip.is_none_or(|address| !address.is_loopback()));
    let servers = license.servers.iter().map(ServerUrl::base);
    assert!(license.servers.count() <= MAX_SERVERS);
    for url in servers.chain([config.acme.server.as_str()]) {
        let host = url.split("://").nth(1).unwrap_or_default();
        let is_here = ["localhost", "127.", "[::1]"].iter().any(|name| host.to_ascii_lowercase().starts_with(name));
        let scheme = url.to_ascii_lowercase();
        assert!(scheme.starts_with("https://") || (scheme.starts_with("http://") && is_here), "{url}");
    }
}

/// The effective lines, in a canonical format.
fn written(text: &str) -> String {
    let Ok(entries) = Entries::<ConfigKey>::parse(text, NAME, &mut Vec::new()) else { return String::new() };
    let known = ConfigKey::KEYS.iter().filter_map(|(_, known)| entries.entry(*known));
    known.map(|entry| format!("{}=\"{}\"\n", entry.key, entry.value)).collect()
}

fn meaning(config: &Config) -> String {
    let Config { secret, license, listen_addr, port, allowed_hosts, signature_window, .. } = config;
    let Config { request_threads, max_connections, max_body, log, host_root, operations, acme, .. } = config;
    format!(
        "{:?}",
        (
            (secret.expose(), listen_addr, port, allowed_hosts, signature_window, request_threads, max_connections),
            (max_body, log, host_root, operations, acme, license.key.as_ref().map(|key| key.expose())),
            (&license.servers, &license.trusted, &license.proxy, license.server_ip, &license.ip_discovery_url),
            &license.cache,
        )
    )
}

/// Whether a message contains the secret or the license key, provided that it occurs only once in the file. Messages leave
/// out what is invisible, so two parts of a name can become the secret by chance.
fn shows_a_secret(sentence: &str, text: &str) -> bool {
    let shown: String = text.chars().filter(|character| !character.is_control() && !is_invisible(*character)).collect();
    let secrets = [value(text, &["secret", "secret_key"]), value(text, &["license_key"])];
    let is_unique = |secret: &&str| secret.len() >= 16 && shown.matches(*secret).count() == 1;
    secrets.into_iter().flatten().filter(is_unique).any(|secret| sentence.contains(secret))
}
