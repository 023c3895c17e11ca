//! The table of reasons: what each means and what an operator does about it. The status, the gate, the log, the
//! documentation and the Panel view all take their text from here.

/// The explanation of one reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The reason as it appears in the status and in the license server's answer.
    pub reason: &'static str,
    /// What it means, used if the server sent no message.
    pub sentence: &'static str,
    /// What the operator should do.
    pub help: &'static str,
}

/// The license has passed its expiry.
pub const EXPIRED: &str = "expired";
/// No check has reached the license server within the grace period, or ever.
pub const UNREACHABLE: &str = "unreachable";
/// agent.conf has no license key.
pub const NO_KEY: &str = "no_key";
/// The text in agent.conf cannot be a license key.
pub const MALFORMED_KEY: &str = "malformed_key";
/// The server does not know the key.
const INVALID_KEY: &str = "invalid_key";
const NOT_FOUND: &str = "not_found";
/// The server rejected the license without a recognizable reason.
pub const INVALID: &str = "invalid";

/// Every known reason. Unknown ones are passed through and explained like [`INVALID`].
pub const EXPLANATIONS: [Explanation; 12] = [
    Explanation {
        reason: EXPIRED,
        sentence: "The license has expired.",
        help: "Renew the license in the license dashboard, then run: opterius-agent reverify",
    },
    Explanation {
        reason: "suspended",
        sentence: "The license is suspended.",
        help: "Resolve the suspension with the license vendor (often an open invoice), then run: opterius-agent reverify",
    },
    Explanation {
        reason: "cancelled",
        sentence: "The license has been cancelled.",
        help: "Buy or reactivate a license, set license_key=… in /etc/opterius/agent.conf, then run: systemctl reload opterius-agent",
    },
    Explanation {
        reason: INVALID_KEY,
        sentence: "The license server does not recognize this license key.",
        help: "Compare license_key in /etc/opterius/agent.conf with the key in the license dashboard, fix it, then run: systemctl reload opterius-agent",
    },
    Explanation {
        reason: "server_limit_reached",
        sentence: "The license is already activated on as many servers as it allows.",
        help: "In the license dashboard, revoke a server that is no longer in use or upgrade the plan, then run: opterius-agent reverify",
    },
    Explanation {
        reason: "server_ip_mismatch",
        sentence: "The license is bound to a different IP address.",
        help: "In the license dashboard, move the license to this server's IP address, then run: opterius-agent reverify",
    },
    Explanation {
        reason: NOT_FOUND,
        sentence: "The license server cannot find this license.",
        help: "Compare license_key in /etc/opterius/agent.conf with the key in the license dashboard, fix it, then run: systemctl reload opterius-agent",
    },
    Explanation {
        reason: "verification_failed",
        sentence: "The license server could not verify this license.",
        help: "Run: opterius-agent reverify. If the problem persists, contact the license vendor",
    },
    Explanation {
        reason: UNREACHABLE,
        sentence: "The Agent could not confirm the license with the license server.",
        help: "The message states the cause. Check that this server reaches the license server over HTTPS (curl -sS https://opterius.com/api/license/verify), that outbound TCP port 443 is open (ufw allow out 443/tcp), that the clock is correct (timedatectl), and that license_public_key in /etc/opterius/agent.conf is the vendor's, then run: opterius-agent reverify",
    },
    Explanation {
        reason: NO_KEY,
        sentence: "No license key is configured.",
        help: "Set license_key=… in /etc/opterius/agent.conf, then run: systemctl reload opterius-agent",
    },
    Explanation {
        reason: MALFORMED_KEY,
        sentence: "The configured text is not a valid license key.",
        help: "See the message above. Copy the key from the license dashboard into license_key=… in /etc/opterius/agent.conf, then run: systemctl reload opterius-agent",
    },
    Explanation {
        reason: INVALID,
        sentence: "The license server rejected this license.",
        help: "Look up the license in the license dashboard, then run: opterius-agent reverify",
    },
];

/// The explanation of `reason`; an unknown one is explained as [`INVALID`].
pub fn explain(reason: &str) -> Explanation {
    let known = |name: &str| EXPLANATIONS.iter().find(|explanation| explanation.reason == name).copied();
    known(reason).or_else(|| known(INVALID)).unwrap_or(Explanation { reason: INVALID, sentence: "", help: "" })
}

/// What the help texts of one Agent name in place of the defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guide {
    /// The base URL of the license server.
    pub server: String,
    /// The configuration file.
    pub file: String,
    /// The TCP port of the license server, or of the proxy in front of it.
    pub port: u16,
    /// The host of that proxy.
    pub proxy: Option<String>,
    /// What looks like a mistake in the license key, see [`crate::license_key::doubt`].
    pub key_doubt: Option<String>,
}

/// The defaults that the table's help texts mention.
const SERVER: &str = "https://opterius.com";
const FILE: &str = "/etc/opterius/agent.conf";
const PORT: &str = "TCP port 443";
const FIREWALL_PORT: &str = "443/tcp";

impl Default for Guide {
    fn default() -> Self {
        Self { server: SERVER.to_owned(), file: FILE.to_owned(), port: 443, proxy: None, key_doubt: None }
    }
}

impl Guide {
    /// What the operator should do about `reason`.
    pub fn help(&self, reason: &str) -> String {
        let Explanation { reason, help, .. } = explain(reason);
        let proxy = self.proxy.as_deref().map(|host| format!(" of the proxy {host}")).unwrap_or_default();
        let help = help
            .replace(PORT, &format!("TCP port {}{proxy}", self.port))
            .replace(FIREWALL_PORT, &format!("{}/tcp", self.port))
            .replace(SERVER, &self.server)
            .replace(FILE, &self.file);
        match &self.key_doubt {
            Some(doubt) if matches!(reason, INVALID_KEY | NOT_FOUND) => format!("In license_key, {doubt} {help}"),
            _ => help,
        }
    }
}

/// The most likely reason for a denial that has a message only.
pub fn derive(message: &str) -> &'static str {
    /// Words in a message and the reason they indicate, most specific first.
    const WORDS: [(&str, &str); 9] = [
        ("already activated", "server_limit_reached"),
        ("allowed servers", "server_limit_reached"),
        ("expired", EXPIRED),
        ("suspended", "suspended"),
        ("cancelled", "cancelled"),
        ("canceled", "cancelled"),
        ("invalid key", INVALID_KEY),
        ("invalid license key", INVALID_KEY),
        ("not found", NOT_FOUND),
    ];
    let message = message.to_lowercase();
    WORDS.iter().find(|(word, _)| message.contains(word)).map_or(INVALID, |(_, reason)| reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_names_the_agents_own_license_server_port_and_file() {
        let (server, file) = ("https://licenses.example.com:9444".to_owned(), "/srv/agent.conf".to_owned());
        let guide = Guide { server, file, port: 9444, ..Guide::default() };
        for explanation in EXPLANATIONS {
            let help = guide.help(explanation.reason);
            let default = |text: &&str| help.contains(*text);
            assert!(![SERVER, FILE, PORT, FIREWALL_PORT].iter().any(default), "{help}");
            assert_eq!(Guide::default().help(explanation.reason), explanation.help);
        }
        let unreachable = guide.help(UNREACHABLE);
        for text in [
            "curl -sS https://licenses.example.com:9444/api/license/verify",
            "outbound TCP port 9444 is open (ufw allow out 9444/tcp)",
        ] {
            assert!(unreachable.contains(text), "{unreachable}");
        }
        assert!(guide.help(NO_KEY).contains("in /srv/agent.conf"));
        let proxied = Guide { port: 3128, proxy: Some("proxy.example.com".to_owned()), ..guide };
        let unreachable = proxied.help(UNREACHABLE);
        let port = "outbound TCP port 3128 of the proxy proxy.example.com is open (ufw allow out 3128/tcp)";
        assert!(unreachable.contains(port), "{unreachable}");
    }

    #[test]
    fn help_names_a_likely_mistake_in_a_key_that_the_server_does_not_know() {
        let guide = Guide { key_doubt: Some("character 7 is 0: is it O?".to_owned()), ..Guide::default() };
        for explanation in EXPLANATIONS {
            let doubted = format!("In license_key, character 7 is 0: is it O? {}", explanation.help);
            let expected = match explanation.reason {
                "invalid_key" | "not_found" => doubted.as_str(),
                _ => explanation.help,
            };
            assert_eq!(guide.help(explanation.reason), expected);
        }
    }

    #[test]
    fn every_reason_is_unique_and_complete() {
        for (index, explanation) in EXPLANATIONS.iter().enumerate() {
            assert!(explanation.sentence.ends_with('.'), "{explanation:?}");
            assert!(!explanation.help.is_empty(), "{explanation:?}");
            assert_eq!(EXPLANATIONS.iter().position(|other| other.reason == explanation.reason), Some(index));
            assert_eq!(explain(explanation.reason), *explanation);
        }
        assert_eq!(explain("a_reason_of_tomorrow").reason, INVALID);
    }

    #[test]
    fn a_missing_reason_is_derived_from_the_message() {
        let table = [
            ("License is already activated on 1 of 1 allowed servers.", "server_limit_reached"),
            ("Your license has EXPIRED", "expired"),
            ("Account suspended.", "suspended"),
            ("Subscription canceled", "cancelled"),
            ("The subscription was cancelled", "cancelled"),
            ("Invalid license key", "invalid_key"),
            ("License not found.", "not_found"),
            ("No.", "invalid"),
            ("", "invalid"),
        ];
        for (message, expected) in table {
            assert_eq!(derive(message), expected, "{message}");
        }
    }
}
