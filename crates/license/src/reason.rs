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
/// The server rejected the license without a recognizable reason.
pub const INVALID: &str = "invalid";

/// Every known reason. Unknown ones are passed through and explained like [`INVALID`].
pub const EXPLANATIONS: [Explanation; 11] = [
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
        reason: "invalid_key",
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
        reason: "not_found",
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

/// Help texts for one Agent, with its own license server and configuration file in place of the defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guide {
    server: String,
    file: String,
}

/// The defaults that the table's help texts mention.
const SERVER: &str = "https://opterius.com";
const FILE: &str = "/etc/opterius/agent.conf";

impl Default for Guide {
    fn default() -> Self {
        Self::new(SERVER, FILE)
    }
}

impl Guide {
    /// The help for an Agent that uses the license server `server` and the configuration file `file`.
    pub fn new(server: &str, file: &str) -> Self {
        Self { server: server.to_owned(), file: file.to_owned() }
    }

    /// What the operator should do about `reason`.
    pub fn help(&self, reason: &str) -> String {
        explain(reason).help.replace(SERVER, &self.server).replace(FILE, &self.file)
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
        ("invalid key", "invalid_key"),
        ("invalid license key", "invalid_key"),
        ("not found", "not_found"),
    ];
    let message = message.to_lowercase();
    WORDS.iter().find(|(word, _)| message.contains(word)).map_or(INVALID, |(_, reason)| reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_names_the_agents_own_license_server_and_file() {
        let guide = Guide::new("https://licenses.example.com", "/srv/agent.conf");
        for explanation in EXPLANATIONS {
            let help = guide.help(explanation.reason);
            assert!(!help.contains(SERVER) && !help.contains(FILE), "{help}");
            assert_eq!(Guide::default().help(explanation.reason), explanation.help);
        }
        let unreachable = guide.help(UNREACHABLE);
        assert!(unreachable.contains("curl -sS https://licenses.example.com/api/license/verify"), "{unreachable}");
        assert!(guide.help(NO_KEY).contains("in /srv/agent.conf"));
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
