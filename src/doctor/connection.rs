//! The way to the license server: a TCP connection, then TLS, each with the reason why it fails.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpStream};

use rustls::CertificateError;

use crate::doctor::case::Case;
use crate::doctor::finding::Finding;
use crate::doctor::firewall::Fate;
use crate::license::client::{Hop, Settings};

/// The most addresses that are tried: each takes some seconds where packets vanish.
const TRIED: usize = 2;

/// Connects to the first hop. `fate` is what the local firewall does with it.
pub fn tcp(case: &Case<'_>, hop: &Hop, addresses: &[SocketAddr], fate: &Fate) -> (Finding, Option<TcpStream>) {
    let (check, port) = ("connection", hop.port);
    let mut failure = (None, io::Error::from(ErrorKind::AddrNotAvailable));
    for address in addresses.iter().take(TRIED) {
        match case.around.outside.connect(*address) {
            Ok(stream) => {
                return (Finding::pass(check, format!("TCP port {port} of {} is open", address.ip())), Some(stream));
            }
            Err(error) => failure = (Some(address), error),
        }
    }
    let (address, error) = failure;
    let whom = address.map_or_else(|| hop.host.clone(), ToString::to_string);
    (judge_tcp(&whom, hop, &error, fate), None)
}

fn judge_tcp(whom: &str, hop: &Hop, error: &io::Error, fate: &Fate) -> Finding {
    let (check, port) = ("connection", hop.port);
    if let Fate::Blocked { fix, .. } = fate {
        return Finding::fail(check, format!("{whom}: {error}; the local firewall blocks it"), fix.clone());
    }
    let seen = format!("{whom}: {error}");
    let fix = match error.kind() {
        ErrorKind::TimedOut | ErrorKind::WouldBlock => {
            let local = if matches!(fate, Fate::Passes) { "No rule of this server drops the packets. " } else { "" };
            return Finding::fail(
                check,
                format!("{whom}: the packets vanish, nobody answers"),
                format!(
                    "{local}Allow outgoing TCP port {port} in the firewall before this server: the security group or \
                     network firewall in the control panel of your cloud or hosting provider"
                ),
            );
        }
        ErrorKind::ConnectionRefused if hop.is_proxy => {
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
    Finding::fail(check, seen, fix)
}

/// Speaks TLS with the license server.
pub fn tls(case: &Case<'_>, settings: &Settings, stream: TcpStream) -> Finding {
    let host = settings.server.host();
    match case.around.outside.handshake(settings, stream) {
        Ok(()) => Finding::pass("TLS", format!("{host} has a certificate that this server trusts")),
        Err(error) => judge_tls(host, settings.server.port(), &error),
    }
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
    Finding::fail("TLS", seen, fix)
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
        let blocked = Fate::Blocked { rule: "DROP".to_owned(), fix: "ufw allow out 443/tcp".to_owned() };
        let hop = Hop { host: "203.0.113.5".to_owned(), port: 443, is_proxy: false };
        let table = [
            (ErrorKind::TimedOut, &Fate::Passes, "No rule of this server"),
            (ErrorKind::TimedOut, &Fate::Unseen, "security group"),
            (ErrorKind::TimedOut, &blocked, "ufw allow out 443/tcp"),
            (ErrorKind::ConnectionRefused, &Fate::Passes, "license server"),
            (ErrorKind::ConnectionRefused, &blocked, "ufw allow out"),
            (ErrorKind::NetworkUnreachable, &Fate::Passes, "ip route"),
        ];
        for (kind, fate, word) in table {
            let fix = judge_tcp("203.0.113.5:443", &hop, &kind.into(), fate).fix.unwrap();
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
