//! Extracts from certbot's output why it failed, as a message for the Panel's user.

use opterius_base::text::one_line;

/// Longest reason, in characters.
const MAX_LENGTH: usize = 500;

/// Lines that say nothing about the cause.
const NOISE: [&str; 6] = [
    "Saving debug log to",
    "Ask for help or search for solutions",
    "Some challenges have failed",
    "Requesting a certificate for",
    "Renewing an existing certificate",
    "Account registered",
];

/// Messages of certbot's HTTP library for a failed connection.
const UNREACHABLE: [&str; 6] = [
    "Connection refused",
    "Max retries exceeded",
    "timed out",
    "Network is unreachable",
    "Temporary failure in name resolution",
    "Name or service not known",
];

/// The reason for a failure, from certbot's output.
pub(crate) fn reason(stdout: &str, stderr: &str) -> String {
    let found = challenges(stdout).or_else(|| unexpected(stderr)).or_else(|| last_line(stdout, stderr));
    let found = found.unwrap_or_else(|| "certbot failed without giving a reason.".to_owned());
    one_line(&found, MAX_LENGTH)
}

/// Why the name could not be validated, from certbot's output.
pub(crate) fn reason_for(stdout: &str, name: &str) -> Option<String> {
    let failure = failures(stdout).into_iter().find(|failure| failure.name == name)?;
    Some(one_line(&failure.detail, MAX_LENGTH))
}

/// The certificate authority's message for each name, and a remedy for the first.
fn challenges(stdout: &str) -> Option<String> {
    let failures = failures(stdout);
    let advice = failures.iter().find_map(|failure| remedy(&failure.kind, &failure.detail));
    let described = failures.iter().map(|Failure { name, detail, .. }| {
        format!("{name}: {}", one_line(detail, MAX_LENGTH / 2).trim_end_matches('.'))
    });
    let summary = Some(described.collect::<Vec<_>>().join("; ")).filter(|summary| !summary.is_empty())?;
    Some(format!("{summary}. {}", advice.unwrap_or_default()))
}

/// A failed validation, as the certificate authority describes it.
struct Failure {
    name: String,
    kind: String,
    detail: String,
}

fn failures(stdout: &str) -> Vec<Failure> {
    let (mut domain, mut kind) = ("", "");
    let mut failures = Vec::new();
    for line in stdout.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix("Domain:") {
            domain = name.trim();
        } else if let Some(name) = line.strip_prefix("Type:") {
            kind = name.trim();
        } else if let Some(detail) = line.strip_prefix("Detail:").map(str::trim) {
            let (name, kind, detail) = (domain.to_owned(), kind.to_owned(), detail.to_owned());
            failures.push(Failure { name, kind, detail });
        }
    }
    failures
}

/// How to fix a failed challenge of this type (RFC 8555 §6.7).
fn remedy(kind: &str, detail: &str) -> Option<&'static str> {
    let is_of_the_dns = kind == "dns" || detail.contains("DNS problem") || detail.contains("could not resolve");
    match kind {
        _ if is_of_the_dns => Some("Point the domain's DNS records to this server, then issue the certificate again."),
        "connection" => Some("Port 80 of this server must be reachable from the internet under this name."),
        "unauthorized" => Some("A server other than this one answers for this name."),
        _ => None,
    }
}

/// The line after certbot's announcement of an error, without a leading Python class name.
fn unexpected(stderr: &str) -> Option<String> {
    let mut lines = stderr.lines().map(str::trim).skip_while(|line| !line.starts_with("An unexpected error occurred"));
    let line = lines.nth(1).filter(|line| !line.is_empty())?;
    if UNREACHABLE.iter().any(|words| line.contains(words)) {
        let cause = line.rsplit(": ").next().unwrap_or(line);
        // Omit the location in Python's source code.
        let cause = cause.split(" (_ssl").next().unwrap_or(cause).trim_end_matches([')', '\'']);
        return Some(format!("The certificate authority could not be reached: {cause}."));
    }
    let is_class = |word: &str| !word.contains(' ') && (word.ends_with("Error") || word.contains('.'));
    let words = line.split_once(": ").filter(|(class, _)| is_class(class)).map_or(line, |(_, words)| words);
    Some(words.to_owned())
}

fn last_line(stdout: &str, stderr: &str) -> Option<String> {
    let is_informative =
        |line: &&str| line.chars().any(char::is_alphanumeric) && !NOISE.iter().any(|noise| line.starts_with(noise));
    let last = |text: &str| text.lines().map(str::trim).rfind(is_informative).map(str::to_owned);
    last(stderr).or_else(|| last(stdout))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "Saving debug log to /var/log/letsencrypt/letsencrypt.log\n";
    const HELP: &str = "Ask for help or search for solutions at https://community.letsencrypt.org. See the logfile.\n";

    fn challenge(kind: &str, detail: &str) -> String {
        format!(
            "Requesting a certificate for a.example\n\nCertbot failed to authenticate some domains (authenticator: \
             webroot). The Certificate Authority reported these problems:\n  Domain: a.example\n  Type:   {kind}\n  \
             Detail: {detail}\n\nHint: The Certificate Authority failed to download the temporary challenge files.\n\n"
        )
    }

    #[test]
    fn failed_challenges_are_explained_with_a_remedy() {
        let table = [
            (
                "dns",
                "DNS problem: NXDOMAIN looking up A for a.example",
                "a.example: DNS problem: NXDOMAIN looking up A for a.example. Point the domain's DNS",
            ),
            (
                "connection",
                "Get \"http://a.example:80/\": could not resolve URL \"http://a.example:80/\"",
                "DNS records to this server",
            ),
            (
                "connection",
                "192.0.2.1: Fetching http://a.example/: Connection refused",
                "Connection refused. Port 80 of this server",
            ),
            ("unauthorized", "192.0.2.1: Invalid response: 404", "Invalid response: 404. A server other than this one"),
            (
                "caa",
                "CAA record for a.example prevents issuance",
                "a.example: CAA record for a.example prevents issuance.",
            ),
        ];
        for (kind, detail, expected) in table {
            let text = reason(&challenge(kind, detail), &format!("{LOG}Some challenges have failed.\n{HELP}"));
            assert!(text.contains(expected) && !text.contains("Hint") && !text.ends_with(' '), "{text}");
        }
        let two = format!("{}  Domain: www.a.example\n  Type: dns\n  Detail: No.\n", challenge("dns", "None"));
        assert!(reason(&two, "").starts_with("a.example: None; www.a.example: No. Point"), "{}", reason(&two, ""));
    }

    #[test]
    fn errors_before_a_challenge_are_explained() {
        let table = [
            (
                "ValueError: Requesting 127.0.0.1/dir: Connection refused",
                "The certificate authority could not be reached: Connection refused.",
            ),
            (
                "requests.exceptions.ConnectionError: HTTPSConnectionPool(host='nowhere.invalid', port=443): Max retries exceeded with url: /dir (Caused by NewConnectionError('<x>: Failed to establish a new connection: [Errno -3] Temporary failure in name resolution'))",
                "The certificate authority could not be reached: [Errno -3] Temporary failure in name resolution.",
            ),
            (
                "requests.exceptions.SSLError: HTTPSConnectionPool(host='127.0.0.1', port=14000): Max retries exceeded with url: /dir (Caused by SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate (_ssl.c:992)')))",
                "The certificate authority could not be reached: self-signed certificate.",
            ),
            (
                "acme.messages.Error: urn:ietf:params:acme:error:rateLimited :: There were too many requests of a given type :: too many certificates (5) already issued",
                "urn:ietf:params:acme:error:rateLimited :: There were too many requests of a given type :: too many certificates (5) already issued",
            ),
            (
                "Error creating new order :: too many certificates already issued: see https://x.example",
                "Error creating new order :: too many certificates already issued: see https://x.example",
            ),
        ];
        for (line, expected) in table {
            assert_eq!(reason("", &format!("{LOG}An unexpected error occurred:\n{line}\n{HELP}")), expected);
        }
    }

    #[test]
    fn otherwise_the_last_line_is_the_reason() {
        let table = [
            (
                "",
                "Saving debug log to /x\nAnother instance of Certbot is already running.\n",
                "Another instance of Certbot is already running.",
            ),
            ("Something.\n- - - -\n", "Saving debug log to /x\n", "Something."),
            ("", "killed by signal 9", "killed by signal 9"),
            ("", "", "certbot failed without giving a reason."),
        ];
        for (stdout, stderr, expected) in table {
            assert_eq!(reason(stdout, stderr), expected, "{stderr}");
        }
        assert!(reason("", &"x".repeat(5000)).chars().count() <= MAX_LENGTH);
    }
}
