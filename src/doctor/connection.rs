//! The connection to the license server: TCP, then TLS, each with the reason for a failure.

use std::io::{self, ErrorKind};

use rustls::CertificateError;

use crate::doctor::context::Context;
use crate::doctor::finding::Finding;
use crate::doctor::firewall::verdict::FirewallVerdict;
use crate::doctor::network_path::{ConnectError, Connection};
use crate::license::client::Endpoint;

/// Whether the endpoint accepts a connection.
pub fn tcp(context: &Context<'_>) -> Option<Finding> {
    let network_path = context.network_path.as_ref()?;
    let endpoint = network_path.endpoint().as_ref().ok()?;
    Some(match network_path.connection()? {
        Ok(Connection { address, .. }) => {
            Finding::pass(format!("TCP port {} of {} is open", endpoint.port, address.ip()))
        }
        Err(ConnectError { address, error }) => {
            judge_tcp(&address.to_string(), endpoint, error, network_path.firewall_verdict()?)
        }
    })
}

fn judge_tcp(target: &str, endpoint: &Endpoint, error: &io::Error, firewall: &FirewallVerdict) -> Finding {
    let port = endpoint.port;
    if let FirewallVerdict::Blocked { fix, .. } = firewall {
        return Finding::fail(format!("{target}: {error}; the local firewall blocks it"), fix.clone());
    }
    let seen = format!("{target}: {error}");
    let fix = match error.kind() {
        ErrorKind::TimedOut | ErrorKind::WouldBlock => {
            let local =
                if matches!(firewall, FirewallVerdict::Allowed) { "No local rule drops the packets. " } else { "" };
            return Finding::fail(
                format!("{target}: no reply; a firewall drops the packets"),
                format!(
                    "{local}Allow outbound TCP port {port} in the external firewall: the security group or network \
                     firewall in the control panel of your cloud or hosting provider"
                ),
            );
        }
        ErrorKind::ConnectionRefused if endpoint.is_proxy => {
            "start the proxy there, or fix proxy=… in agent.conf, then run: systemctl reload opterius-agent".to_owned()
        }
        ErrorKind::ConnectionRefused => {
            "no program listens there, or a firewall on the path rejects the connection; contact the license server's \
             operator"
                .to_owned()
        }
        ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable | ErrorKind::AddrNotAvailable => {
            "check the routes, this server has none to that address: ip route; ip -6 route".to_owned()
        }
        _ => format!("curl -sSv --connect-timeout 5 telnet://{target}"),
    };
    Finding::fail(seen, fix)
}

/// Whether the TLS handshake succeeds and the certificate is trusted.
pub fn tls(context: &Context<'_>) -> Option<Finding> {
    let network_path = context.network_path.as_ref()?;
    let (server, connection) = (&network_path.config().server, network_path.connection()?.as_ref().ok()?);
    Some(match connection.tls.as_ref()? {
        Ok(()) => Finding::pass(format!("this server trusts the certificate of {}", server.host())),
        Err(error) => judge_tls(server.host(), server.port(), error),
    })
}

fn judge_tls(host: &str, port: u16, error: &io::Error) -> Finding {
    let look = format!(
        "openssl s_client -connect {host}:{port} -servername {host} </dev/null | openssl x509 -noout -issuer -dates -ext subjectAltName"
    );
    let cause = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
    let (seen, fix) = match cause {
        Some(rustls::Error::InvalidCertificate(fault)) => explain(host, fault, &look),
        Some(other) => (format!("the TLS handshake with {host} failed: {other}"), look),
        None => (format!("{host} aborted the TLS handshake: {error}"), look),
    };
    Finding::fail(seen, fix)
}

fn explain(host: &str, fault: &CertificateError, look: &str) -> (String, String) {
    match fault {
        CertificateError::UnknownIssuer => (
            format!("the certificate of {host} is issued by an authority that is not trusted"),
            format!(
                "for an authority of your own, set license_ca_file=… in agent.conf; otherwise the connection is intercepted: {look}"
            ),
        ),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => (
            format!("the certificate of {host} has expired, or this server's clock is ahead"),
            format!(
                "timedatectl set-ntp true; if the clock is correct, the license server needs a new certificate: {look}"
            ),
        ),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => (
            format!("the certificate of {host} is not valid yet: this server's clock is behind"),
            "timedatectl set-ntp true".to_owned(),
        ),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => (
            format!("the certificate is not valid for the name {host}"),
            format!("fix license_server in agent.conf, or check which server answers there: {look}"),
        ),
        other => (format!("the certificate of {host} is not valid: {other}"), look.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_connection_names_the_firewall_at_fault() {
        let blocked = FirewallVerdict::Blocked { rule: "DROP".to_owned(), fix: "ufw allow out 443/tcp".to_owned() };
        let endpoint = Endpoint { host: "203.0.113.5".to_owned(), port: 443, is_proxy: false };
        let table = [
            (ErrorKind::TimedOut, &FirewallVerdict::Allowed, "No local rule"),
            (ErrorKind::TimedOut, &FirewallVerdict::Unknown, "security group"),
            (ErrorKind::TimedOut, &blocked, "ufw allow out 443/tcp"),
            (ErrorKind::ConnectionRefused, &FirewallVerdict::Allowed, "license server"),
            (ErrorKind::ConnectionRefused, &blocked, "ufw allow out"),
            (ErrorKind::NetworkUnreachable, &FirewallVerdict::Allowed, "ip route"),
        ];
        for (kind, firewall, word) in table {
            let fix = judge_tcp("203.0.113.5:443", &endpoint, &kind.into(), firewall).fix.unwrap();
            assert!(fix.contains(word), "{kind:?}: {fix}");
        }
    }

    #[test]
    fn each_certificate_fault_has_its_reason() {
        let table = [
            (CertificateError::UnknownIssuer, "not trusted", "license_ca_file"),
            (CertificateError::Expired, "has expired", "timedatectl"),
            (CertificateError::NotValidYet, "not valid yet", "timedatectl"),
            (CertificateError::NotValidForName, "not valid for the name a.example", "license_server"),
            (CertificateError::BadSignature, "is not valid:", "openssl"),
        ];
        for (fault, seen, fix) in table {
            let error = io::Error::new(ErrorKind::InvalidData, rustls::Error::InvalidCertificate(fault));
            let finding = judge_tls("a.example", 443, &error);
            assert!(finding.seen.contains(seen) && finding.fix.as_ref().unwrap().contains(fix), "{finding:?}");
        }
    }
}
