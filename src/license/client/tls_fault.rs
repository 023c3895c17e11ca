//! Every failure of TLS in words, with its remedy.

use std::io::{self, ErrorKind};

use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::{AlertDescription, CertificateError, Error, PeerIncompatible, RootCertStore};

use crate::license::client::fault::{Fault, Step, words};
use crate::license::client::url::ServerUrl;
use opterius_base::clock::Timestamp;

/// The other end of a TLS connection.
pub struct Peer<'a> {
    /// The host name or address; an IPv6 address without brackets.
    pub host: &'a str,
    /// The TCP port.
    pub port: u16,
    /// The key of agent.conf that names it.
    pub setting: &'static str,
}

impl<'a> Peer<'a> {
    /// The license server.
    pub fn of(server: &'a ServerUrl) -> Self {
        Self { host: server.host(), port: server.port(), setting: "license_server" }
    }
}

/// The certificates that a server presented.
#[derive(Debug)]
pub struct Chain {
    /// The server's own certificate, in DER.
    pub leaf: Vec<u8>,
    /// Whether the server sent no other.
    pub is_alone: bool,
}

impl Chain {
    /// Whether the certificate names itself as its issuer.
    fn is_self_signed(&self) -> bool {
        let mut store = RootCertStore::empty();
        let added = store.add(CertificateDer::from(self.leaf.as_slice()));
        let subject = added.ok().and(store.roots.first()).map(|root| &root.subject[..]).filter(|name| !name.is_empty());
        subject.is_some_and(|subject| self.leaf.windows(subject.len()).filter(|part| *part == subject).count() > 1)
    }

    /// Whether the server's own certificate, rather than its authority's, contains this instant. X.509 writes the year with
    /// two digits or four, and this finds either.
    fn mentions(&self, instant: UnixTime) -> bool {
        let digits: String = date(instant).to_string().chars().filter(char::is_ascii_digit).collect();
        let text = digits.as_bytes().get(2..).unwrap_or_default();
        !text.is_empty() && self.leaf.windows(text.len()).any(|part| part == text)
    }
}

/// The sentence and the remedy for a failed handshake.
pub fn handshake(peer: &Peer<'_>, error: &io::Error, chain: Option<&Chain>, wants_certificate: bool) -> Fault {
    let Some(cause) = error.get_ref().and_then(|error| error.downcast_ref::<Error>()) else {
        return broken(peer, error, wants_certificate);
    };
    match cause {
        Error::InvalidCertificate(cause) => certificate(peer, cause, chain),
        _ if wants_certificate => client_certificate(peer),
        other => protocol(peer, other),
    }
}

/// The server wants a client certificate, which the Agent does not have.
pub fn client_certificate(peer: &Peer<'_>) -> Fault {
    fault(
        peer,
        "the server asks for a client certificate, which the Agent does not have",
        format!("ask the operator of {} to ask for none at /api/license/verify (mutual TLS)", peer.host),
    )
}

fn fault(peer: &Peer<'_>, sentence: impl AsRef<str>, remedy: impl Into<String>) -> Fault {
    Fault::new(Step::Tls, format!("TLS with {}: {}", peer.host, sentence.as_ref()), remedy)
}

/// The command that shows the certificate.
fn look(peer: &Peer<'_>) -> String {
    let Peer { host, port, .. } = peer;
    let place = if host.contains(':') { format!("[{host}]") } else { (*host).to_owned() };
    format!(
        "openssl s_client -connect {place}:{port} -servername {host} </dev/null | openssl x509 -noout -issuer -dates -ext \
         subjectAltName"
    )
}

/// No message of TLS: the connection broke.
fn broken(peer: &Peer<'_>, error: &io::Error, wants_certificate: bool) -> Fault {
    let sentence = match error.kind() {
        ErrorKind::TimedOut => "the server accepts the connection but does not answer the handshake".to_owned(),
        ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe if wants_certificate => {
            return client_certificate(peer);
        }
        ErrorKind::UnexpectedEof => "the server closed the connection during the handshake".to_owned(),
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => {
            "the connection was reset during the handshake".to_owned()
        }
        ErrorKind::Other => {
            let remedy = format!("write a name or an address in {} of agent.conf", peer.setting);
            return fault(peer, "this is not a name that a certificate can be valid for", remedy);
        }
        _ => words(error),
    };
    fault(
        peer,
        sentence,
        format!(
            "check that {} port {} speaks TLS, and that no firewall or proxy on the way filters it or loses large packets \
             (MTU): {}",
            peer.host,
            peer.port,
            look(peer)
        ),
    )
}

fn certificate(peer: &Peer<'_>, cause: &CertificateError, chain: Option<&Chain>) -> Fault {
    let Peer { host, setting, .. } = peer;
    let look = look(peer);
    let whose = |instant: UnixTime| {
        if chain.is_none_or(|chain| chain.mentions(instant)) {
            "its certificate"
        } else {
            "an intermediate certificate of it"
        }
    };
    let clock = |now: UnixTime| format!(" (this server's clock: {})", date(now));
    let own_authority = "for an authority of your own, set license_ca_file=… in agent.conf";
    match cause {
        CertificateError::ExpiredContext { time, not_after } => fault(
            peer,
            format!("{} expired on {}{}", whose(*not_after), date(*not_after), clock(*time)),
            format!(
                "if the clock is wrong: timedatectl set-ntp true; else the operator of {host} must renew it: {look}"
            ),
        ),
        CertificateError::NotValidYetContext { time, not_before } => fault(
            peer,
            format!("{} is not valid before {}{}", whose(*not_before), date(*not_before), clock(*time)),
            format!("if the clock is wrong: timedatectl set-ntp true; else see the certificate: {look}"),
        ),
        CertificateError::NotValidForNameContext { presented, .. } => fault(
            peer,
            format!("its certificate is not valid for that name, but for {}", names(presented)),
            format!("fix {setting} in agent.conf, or check which server answers there: {look}"),
        ),
        CertificateError::UnknownIssuer => match chain {
            Some(chain) if chain.is_self_signed() => fault(
                peer,
                "its certificate is self-signed, and this server does not trust it",
                format!("{own_authority}; otherwise the connection is intercepted: {look}"),
            ),
            Some(chain) if chain.is_alone => fault(
                peer,
                "its certificate is issued by an authority that is not trusted, and the server sends no intermediate \
                 certificate",
                format!(
                    "the operator of {host} must send the whole chain (fullchain.pem); {own_authority}; otherwise the \
                     connection is intercepted: {look}"
                ),
            ),
            _ => fault(
                peer,
                "its certificate is issued by an authority that is not trusted",
                format!("{own_authority}; otherwise the connection is intercepted: {look}"),
            ),
        },
        CertificateError::BadEncoding => {
            fault(peer, "its certificate is damaged", format!("the operator of {host} must replace it: {look}"))
        }
        CertificateError::BadSignature => fault(
            peer,
            "its certificate names an authority that this server trusts, but that authority's key did not sign it",
            format!(
                "if the authority was recreated under its old name, put its new certificate into license_ca_file of \
                 agent.conf; otherwise the connection is intercepted: {look}"
            ),
        ),
        CertificateError::Revoked => {
            fault(peer, "its certificate is revoked", format!("the operator of {host} must replace it: {look}"))
        }
        CertificateError::InvalidPurposeContext { .. } => fault(
            peer,
            "its certificate is not for servers (serverAuth)",
            format!("the operator of {host} must replace it: {look}"),
        ),
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => unsupported_key(peer),
        // webpki's own errors, which rustls passes on as text.
        other if format!("{other:?}").contains("CaUsedAsEndEntity") => fault(
            peer,
            "its certificate is a CA certificate, which cannot be a server's own",
            format!("use it to sign a certificate for the server (openssl req -x509 creates a CA certificate): {look}"),
        ),
        other if format!("{other:?}").contains("UnsupportedCertVersion") => fault(
            peer,
            "its certificate is of an old version of X.509",
            format!("the operator of {host} must replace it by one of version 3: {look}"),
        ),
        _ => fault(
            peer,
            "its certificate does not conform to RFC 5280",
            format!("the operator of {host} must replace it: {look}"),
        ),
    }
}

fn unsupported_key(peer: &Peer<'_>) -> Fault {
    fault(
        peer,
        "its certificate uses a key or signature that the Agent does not support (such as P-521 or SHA-1)",
        format!(
            "the operator of {} must use RSA of 2048 bits or more, P-256, P-384 or Ed25519: {}",
            peer.host,
            look(peer)
        ),
    )
}

fn protocol(peer: &Peer<'_>, cause: &Error) -> Fault {
    let Peer { host, port, setting } = peer;
    match cause {
        Error::AlertReceived(AlertDescription::ProtocolVersion)
        | Error::PeerIncompatible(PeerIncompatible::ServerDoesNotSupportTls12Or13) => fault(
            peer,
            "the server offers only old versions of TLS; the Agent needs TLS 1.2 or 1.3",
            format!("the operator of {host} must enable TLS 1.2 or 1.3"),
        ),
        Error::PeerIncompatible(_) => fault(
            peer,
            "the server chose a cipher or key exchange that the Agent does not support; it needs ECDHE with AES-GCM or \
             ChaCha20",
            format!("the operator of {host} must enable TLS 1.3, or such ciphers for TLS 1.2"),
        ),
        Error::AlertReceived(AlertDescription::HandshakeFailure | AlertDescription::InsufficientSecurity) => fault(
            peer,
            "the server found no version, cipher or key in common with the Agent (a P-521 certificate?), or has no \
             certificate for that name",
            format!(
                "the operator of {host} must enable TLS 1.2 or 1.3 and use a certificate of RSA, P-256 or P-384: {}",
                look(peer)
            ),
        ),
        Error::AlertReceived(AlertDescription::UnrecognisedName) => fault(
            peer,
            "the server does not know that name",
            format!("fix {setting} in agent.conf, or have the operator of {host} add the name to the web server"),
        ),
        Error::AlertReceived(
            AlertDescription::CertificateRequired | AlertDescription::NoCertificate | AlertDescription::BadCertificate,
        ) => client_certificate(peer),
        Error::AlertReceived(alert) => fault(
            peer,
            format!("the server rejected the handshake (TLS alert {})", u8::from(*alert)),
            format!("see the log of the web server of {host}: {}", look(peer)),
        ),
        Error::InvalidMessage(_) | Error::InappropriateMessage { .. } | Error::PeerSentOversizedRecord => fault(
            peer,
            format!("what answers on port {port} does not speak TLS (plain HTTP, or another service)"),
            format!(
                "fix the port in {setting} of agent.conf, or have the operator of {host} enable HTTPS on port {port}"
            ),
        ),
        _ => fault(
            peer,
            "the server does not keep to the TLS protocol",
            format!("check that no proxy or firewall on the way changes the connection: {}", look(peer)),
        ),
    }
}

/// The names of a certificate in words. rustls gives them in the form `DnsName("…")` and `IpAddress(…)`.
fn names(presented: &[String]) -> String {
    let plain = |name: &String| {
        let inner = name.split_once('(').map_or(name.as_str(), |(_, inner)| inner.trim_end_matches(')'));
        inner.trim_matches('"').to_owned()
    };
    let mut plain: Vec<String> = presented.iter().map(plain).collect();
    let more = plain.len().saturating_sub(5);
    plain.truncate(5);
    match (plain.is_empty(), more) {
        (true, _) => "none (it has no subjectAltName)".to_owned(),
        (_, 0) => plain.join(", "),
        (_, more) => format!("{} and {more} more", plain.join(", ")),
    }
}

fn date(instant: UnixTime) -> Timestamp {
    Timestamp::from_unix(instant.as_secs().try_into().unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_names_of_a_certificate_are_shown_in_words() {
        let presented = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let table = [
            (presented(&["DnsName(\"a.test\")", "IpAddress(127.0.0.1)"]), "a.test, 127.0.0.1"),
            (presented(&["DnsName(\"*.test\")", "IpAddress(::1)"]), "*.test, ::1"),
            (presented(&[]), "none (it has no subjectAltName)"),
            (presented(&["DnsName(\"a\")"; 7]), "a, a, a, a, a and 2 more"),
        ];
        for (names, expected) in table {
            assert_eq!(super::names(&names), expected);
        }
    }
}
