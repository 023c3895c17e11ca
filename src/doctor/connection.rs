//! The connection to the license server: TCP, a proxy's CONNECT, then TLS, each with the sentence of the daemon.

use crate::doctor::context::Context;
use crate::doctor::finding::Finding;
use crate::doctor::firewall::verdict::FirewallVerdict;
use crate::license::client::fault::{Fault, Step};

/// Whether the endpoint accepts a connection, and a proxy leads on to the license server.
pub fn tcp(context: &Context<'_>) -> Option<Finding> {
    let network_path = context.network_path.as_ref()?;
    if let Err(fault) = network_path.passed(Step::Connect)? {
        return Some(judge_tcp(fault, network_path.firewall_verdict()));
    }
    if let Err(fault) = network_path.passed(Step::Tunnel)? {
        return Some(Finding::fail(&fault.cause, &fault.remedy));
    }
    let trace = network_path.trace();
    let through = if trace.endpoint.as_ref()?.is_proxy { "; this proxy leads to the license server" } else { "" };
    let address = trace.tried?;
    Some(Finding::pass(format!("TCP port {} of {} is open{through}", address.port(), address.ip())))
}

fn judge_tcp(fault: &Fault, firewall: Option<&FirewallVerdict>) -> Finding {
    let Fault { cause, remedy, .. } = fault;
    match firewall {
        Some(FirewallVerdict::Blocked { fix, .. }) => {
            Finding::fail(format!("{cause}; the local firewall blocks it"), fix.clone())
        }
        Some(FirewallVerdict::Allowed) => Finding::fail(cause, format!("no local rule blocks it; {remedy}")),
        _ => Finding::fail(cause, remedy),
    }
}

/// Whether the TLS handshake succeeds and the certificate is trusted.
pub fn tls(context: &Context<'_>) -> Option<Finding> {
    let network_path = context.network_path.as_ref()?;
    let server = network_path.server();
    let passed = network_path.passed(Step::Tls)?;
    Some(match passed {
        Err(fault) => Finding::fail(&fault.cause, &fault.remedy),
        Ok(()) if server.is_plain() => return None,
        Ok(()) => Finding::pass(format!("this server trusts the certificate of {}", server.host())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_connection_names_the_firewall_at_fault() {
        let blocked = FirewallVerdict::Blocked { rule: "DROP".to_owned(), fix: "ufw allow out 443/tcp".to_owned() };
        let fault = Fault::new(Step::Connect, "connecting to 203.0.113.5 port 443: refused", "ask around");
        let table = [
            (None, "refused", "ask around"),
            (Some(&FirewallVerdict::Unknown), "refused", "ask around"),
            (Some(&FirewallVerdict::Allowed), "refused", "no local rule blocks it; ask around"),
            (Some(&blocked), "refused; the local firewall blocks it", "ufw allow out 443/tcp"),
        ];
        for (firewall, seen, fix) in table {
            let finding = judge_tcp(&fault, firewall);
            assert!(finding.seen.ends_with(seen), "{finding:?}");
            assert_eq!(finding.fix.as_deref(), Some(fix));
        }
    }
}
