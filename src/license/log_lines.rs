//! Log lines about the license. The documentation quotes `License: valid (…)` and `License: INVALID — …` verbatim.

use log::{info, warn};

use crate::license::attempts::Attempts;
use crate::license::state::State;
use opterius_license::clocks::Difference;
use opterius_license::model::Terms;
use opterius_license::standing::Standing;

/// Logs the standing; during grace in two lines.
pub fn standing(standing: &Standing, state: &State) {
    match standing {
        Standing::Restricted { .. } => {
            warn!("{}", line(standing, state));
            // A denial stands while the server is unreachable; an operator who just fixed the license must see why.
            if let (Some(failure), Some(record)) = (&state.failure, &state.record) {
                warn!(
                    "License: unreachable — {failure}; the license server's answer from {} still applies",
                    record.verdict.at()
                );
            }
        }
        Standing::Active => info!("{}", line(standing, state)),
        Standing::Grace { .. } => {
            info!("{}", line(&Standing::Active, state));
            warn!("{}", line(standing, state));
        }
    }
}

/// The standing as one line, for the log and for systemd's status.
pub fn line(standing: &Standing, state: &State) -> String {
    match standing {
        Standing::Restricted { message, .. } => format!("License: INVALID — {message}"),
        Standing::Active => format!("License: valid ({})", describe(&state.terms())),
        Standing::Grace { until } => {
            let cause = state.failure.as_ref().map_or("no check has finished yet", |failure| failure.cause.as_str());
            format!("License: unreachable — {cause}; running on the cached license until {until}")
        }
    }
}

/// `plan: free, max_accounts: 5, max_servers: 1, expires: never`, as the product's documentation shows it.
pub fn describe(terms: &Terms) -> String {
    let limit = |limit: Option<u64>| match limit {
        Some(0) => "unlimited".to_owned(),
        Some(limit) => limit.to_string(),
        None => "unknown".to_owned(),
    };
    format!(
        "plan: {}, max_accounts: {}, max_servers: {}, expires: {}",
        terms.plan.as_deref().unwrap_or("unknown"),
        limit(terms.max_accounts),
        limit(terms.max_servers),
        terms.expires_at.map_or("never".to_owned(), |expiry| expiry.to_string())
    )
}

/// Logs which of several license servers gave the verdict, if it is another one than before, and those that gave none.
pub fn attempts(attempts: &Attempts, before: Option<&str>) {
    // Without any verdict, the line about the standing names every cause.
    let Some(answered) = attempts.verdict.as_ref() else { return };
    for (server, failure) in &attempts.failures {
        warn!("License server {} gave no verdict: {failure}", server.base());
    }
    let base = answered.server.base();
    if before != Some(base) {
        info!("License server {base} answers from now on");
    }
}

/// Warns that no answer is signed with the license server's current key.
pub fn older_key() {
    warn!("The license server signs with an older key only: update the Agent or license_public_key in agent.conf");
}

/// Warns that this server's clock and the license server's differ.
pub fn clocks(difference: Difference) {
    warn!("Check the time (timedatectl): {difference}");
}
