//! The way to the license server: a TCP connection, then TLS, each with the reason why it fails.

use std::io::{self, ErrorKind};

use rustls::CertificateError;

use crate::doctor::context::Context;
use crate::doctor::finding::Finding;
use crate::doctor::firewall::verdict::FirewallVerdict;
use crate::doctor::network_path::{ConnectError, Connection};
use crate::license::client::Endpoint;

/// Whether the first hop takes a connection.
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

fn judge_tcp(whom: &str, endpoint: &Endpoint, error: &io::Error, firewall: &FirewallVerdict) -> Finding {
    let port = endpoint.port;
    if let FirewallVerdict::Blocked { fix, .. } = firewall {
        return Finding::fail(format!("{whom}: {error}; the local firewall blocks it"), fix.clone());
    }
    let seen = format!("{whom}: {error}");
    let fix = match error.kind() {
        ErrorKind::TimedOut | ErrorKind::WouldBlock => {
            let local = if matches!(firewall, FirewallVerdict::Allowed) {
                "No rule of this server drops the packets. "
            } else {
                ""
            };
            return Finding::fail(
                format!("{whom}: the packets vanish, nobody answers"),
                format!(
                    "{local}Allow outgoing TCP port {port} in the firewall before this server: the security group or \
                     network firewall in the control panel of your cloud or hosting provider"
                ),
            );
        }
        ErrorKind::ConnectionRefused if endpoint.is_proxy => {
            "start the proxy there, or correct proxy=… in agent.conf; then run: systemctl reload opterius-agent"
                .to_owned()
        }
        ErrorKind::ConnectionRefused => {
            "nobody listens there, or a firewall on the way refuses; ask whoever runs the license server".to_owned()
        }
        ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable | ErrorKind::AddrNotAvailable => {
            "ip route; ip -6 route: this server has no way there".to_owned()
        }
        _ => format!("curl -sSv --connect-timeout 5 telnet://{whom}"),
    };
    Finding::fail(seen, fix)
}

/// Whether the license server speaks TLS, and each side trusts the other.
pub fn tls(context: &Context<'_>) -> Option<Finding> {
    let network_path = context.network_path.as_ref()?;
    let (server, connection) = (&network_path.settings().server, network_path.connection()?.as_ref().ok()?);
    Some(match connection.tls.as_ref()? {
        Ok(()) => Finding::pass(format!("{} has a certificate that this server trusts", server.host())),
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
        Some(other) => (format!("{host} does not speak TLS as it should: {other}"), look),
        None => (format!("{host} broke the handshake off: {error}"), look),
    };
    Finding::fail(seen, fix)
}

fn explain(host: &str, fault: &CertificateError, look: &str) -> (String, String) {
    match fault {
        CertificateError::UnknownIssuer => (
            format!("the certificate of {host} is of an authority that is not trusted"),
            format!(
                "with an authority of your own, name its file as license_ca_file=… in agent.conf; else somebody stands in between: {look}"
            ),
        ),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => (
            format!("the certificate of {host} has expired, or the clock of this server is ahead"),
            format!(
                "timedatectl set-ntp true; if the clock is right, the license server needs a new certificate: {look}"
            ),
        ),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => (
            format!("the certificate of {host} is not valid yet: the clock of this server is behind"),
            "timedatectl set-ntp true".to_owned(),
        ),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => (
            format!("the certificate is not one for the name {host}"),
            format!("correct license_server in agent.conf, or see who answers there: {look}"),
        ),
        other => (format!("the certificate of {host} is not accepted: {other}"), look.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_connection_names_the_firewall_that_it_was() {
        let blocked = FirewallVerdict::Blocked { rule: "DROP".to_owned(), fix: "ufw allow out 443/tcp".to_owned() };
        let endpoint = Endpoint { host: "203.0.113.5".to_owned(), port: 443, is_proxy: false };
        let table = [
            (ErrorKind::TimedOut, &FirewallVerdict::Allowed, "No rule of this server"),
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
    fn each_fault_of_a_certificate_has_its_reason() {
        let table = [
            (CertificateError::UnknownIssuer, "not trusted", "license_ca_file"),
            (CertificateError::Expired, "has expired", "timedatectl"),
            (CertificateError::NotValidYet, "not valid yet", "timedatectl"),
            (CertificateError::NotValidForName, "not one for the name a.example", "license_server"),
            (CertificateError::BadSignature, "not accepted", "openssl"),
        ];
        for (fault, seen, fix) in table {
            let error = io::Error::new(ErrorKind::InvalidData, rustls::Error::InvalidCertificate(fault));
            let finding = judge_tls("a.example", 443, &error);
            assert!(finding.seen.contains(seen) && finding.fix.as_ref().unwrap().contains(fix), "{finding:?}");
        }
    }
}
