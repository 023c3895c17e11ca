//! The keys of agent.conf, and the mistakes that must not pass for one.

/// Every key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// What the Panel signs with.
    Secret,
    /// The license key.
    LicenseKey,
    /// The address to listen on.
    ListenAddr,
    /// The port to listen on.
    Port,
    /// Names that the Agent is called by.
    AllowedHosts,
    /// The license server's URL.
    LicenseServer,
    /// Certificates trusted besides Mozilla's roots.
    LicenseCaFile,
    /// Keys whose signature makes an answer count.
    LicensePublicKey,
    /// The proxy to the license server.
    Proxy,
    /// The public address of this host.
    ServerIp,
    /// Who tells it.
    IpDiscoveryUrl,
    /// The cache file.
    LicenseCache,
    /// How far a timestamp may be off.
    SignatureWindow,
    /// Threads of the request pool.
    RequestThreads,
    /// Client connections at one time.
    MaxConnections,
    /// The largest body.
    MaxBody,
    /// Where log lines go.
    Log,
    /// The root that host operations work on.
    HostRoot,
    /// How host operations are run.
    Operations,
    /// The ACME server.
    AcmeServer,
    /// Its certificate authority.
    AcmeCaFile,
}

/// Every spelling, in the order of the shipped example.
pub const KEYS: [(&str, Known); 22] = [
    ("secret", Known::Secret),
    ("secret_key", Known::Secret),
    ("license_key", Known::LicenseKey),
    ("listen_addr", Known::ListenAddr),
    ("port", Known::Port),
    ("allowed_hosts", Known::AllowedHosts),
    ("license_server", Known::LicenseServer),
    ("license_ca_file", Known::LicenseCaFile),
    ("license_public_key", Known::LicensePublicKey),
    ("proxy", Known::Proxy),
    ("server_ip", Known::ServerIp),
    ("ip_discovery_url", Known::IpDiscoveryUrl),
    ("license_cache", Known::LicenseCache),
    ("signature_window_seconds", Known::SignatureWindow),
    ("request_threads", Known::RequestThreads),
    ("max_connections", Known::MaxConnections),
    ("max_body_bytes", Known::MaxBody),
    ("log", Known::Log),
    ("host_root", Known::HostRoot),
    ("operations", Known::Operations),
    ("acme_server", Known::AcmeServer),
    ("acme_ca_file", Known::AcmeCaFile),
];

/// The key with this spelling, in any case.
pub fn find(key: &str) -> Option<Known> {
    KEYS.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, known)| *known)
}

/// The key that was meant by a slip of up to two letters, of those without which the Agent would run, but wrongly.
pub fn near_miss(key: &str) -> Option<&'static str> {
    let key: String =
        key.to_lowercase().chars().map(|letter| if matches!(letter, '-' | ' ' | '.') { '_' } else { letter }).collect();
    ["license_key", "secret", "secret_key"].into_iter().find(|name| distance(&key, name) <= 2)
}

/// Levenshtein's distance: letters to insert, delete or replace.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (index, letter) in from.chars().enumerate() {
        let mut diagonal = index;
        let mut left = index.saturating_add(1);
        let mut next = vec![left];
        for (other, above) in to.iter().zip(row.iter().skip(1)) {
            let replaced = diagonal.saturating_add(usize::from(*other != letter));
            left = replaced.min(left.saturating_add(1)).min(above.saturating_add(1));
            diagonal = *above;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_in_any_case() {
        assert_eq!(find("LICENSE_KEY"), Some(Known::LicenseKey));
        assert_eq!(find("Secret_Key"), Some(Known::Secret));
        assert_eq!(find("license"), None);
    }

    #[test]
    fn a_slip_in_a_vital_key_is_seen_and_other_keys_are_left_alone() {
        let slips = [
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
        for (key, meant) in slips {
            assert_eq!(near_miss(key), Some(meant), "{key}");
        }
        for key in ["panel_url", "token", "license_plan", "debug", "", "secret_file_path", "tls_key"] {
            assert_eq!(near_miss(key), None, "{key}");
        }
    }

    #[test]
    fn distances_are_levenshteins() {
        for (from, to, expected) in [("", "abc", 3), ("abc", "", 3), ("kitten", "sitting", 3), ("same", "same", 0)] {
            assert_eq!(distance(from, to), expected);
        }
    }
}
