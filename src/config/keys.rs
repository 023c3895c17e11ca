//! The keys of agent.conf.

use opterius_daemon::settings::Key;
use opterius_host::config::HostKey;

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
    /// The host that operations work on.
    Host(HostKey),
    /// How host operations are run.
    Operations,
}

impl From<HostKey> for Known {
    fn from(key: HostKey) -> Self {
        Self::Host(key)
    }
}

impl Key for Known {
    const SUBJECT: &'static str = "the Agent";
    const VITAL: &'static [&'static str] = &["license_key", "secret", "secret_key"];
    /// In the order of the shipped example.
    const KEYS: &'static [(&'static str, Self)] = &[
        ("secret", Self::Secret),
        ("secret_key", Self::Secret),
        ("license_key", Self::LicenseKey),
        ("listen_addr", Self::ListenAddr),
        ("port", Self::Port),
        ("allowed_hosts", Self::AllowedHosts),
        ("license_server", Self::LicenseServer),
        ("license_ca_file", Self::LicenseCaFile),
        ("license_public_key", Self::LicensePublicKey),
        ("proxy", Self::Proxy),
        ("server_ip", Self::ServerIp),
        ("ip_discovery_url", Self::IpDiscoveryUrl),
        ("license_cache", Self::LicenseCache),
        ("signature_window_seconds", Self::SignatureWindow),
        ("request_threads", Self::RequestThreads),
        ("max_connections", Self::MaxConnections),
        ("max_body_bytes", Self::MaxBody),
        ("log", Self::Log),
        ("host_root", Self::Host(HostKey::Root)),
        ("operations", Self::Operations),
        ("acme_server", Self::Host(HostKey::AcmeServer)),
        ("acme_ca_file", Self::Host(HostKey::AcmeAuthority)),
    ];
}

#[cfg(test)]
mod tests {
    use super::*;
    use opterius_daemon::near_miss::near_miss;
    use opterius_daemon::settings::find;

    #[test]
    fn keys_are_found_in_any_case() {
        assert_eq!(find::<Known>("LICENSE_KEY"), Some(Known::LicenseKey));
        assert_eq!(find::<Known>("Secret_Key"), Some(Known::Secret));
        assert_eq!(find::<Known>("license"), None);
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
            assert_eq!(near_miss(key, Known::VITAL), Some(meant), "{key}");
        }
        for key in ["panel_url", "token", "license_plan", "debug", "", "secret_file_path", "tls_key"] {
            assert_eq!(near_miss(key, Known::VITAL), None, "{key}");
        }
    }
}
