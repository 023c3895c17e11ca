//! What the server blocks of a file listen on.

use crate::nginx::directives::Directive;

/// A `listen` directive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// The address: `*` for all of IPv4, `[::]` for all of IPv6, or a certain one.
    pub address: String,
    /// The port.
    pub port: u16,
    /// Whether its server block answers for all names that no other has.
    pub is_default: bool,
}

/// The sockets of a file's server blocks; sockets in the file system are left out.
pub fn listens(directives: &[Directive]) -> Vec<Listen> {
    let in_server =
        directives.iter().filter(|directive| directive.blocks.last().is_some_and(|block| block == "server"));
    in_server.filter(|directive| directive.name() == "listen").filter_map(listen).collect()
}

fn listen(directive: &Directive) -> Option<Listen> {
    let (target, options) = directive.parameters().split_first()?;
    let is_default = options.iter().any(|option| option == "default_server" || option == "default");
    let (address, port) = if target.starts_with("unix:") {
        return None;
    } else if let Ok(port) = target.parse() {
        ("*", port)
    } else if let Some((address, port)) = target.rsplit_once(':').filter(|(address, _)| is_address(address)) {
        (address, port.parse().ok()?)
    } else {
        (target.as_str(), 80)
    };
    let address = if address == "0.0.0.0" { "*" } else { address };
    Some(Listen { address: address.to_owned(), port, is_default })
}

/// Whether this is all before the port, and not the start of an address of IPv6.
fn is_address(text: &str) -> bool {
    if text.starts_with('[') { text.ends_with(']') } else { !text.contains(':') }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nginx::directives::parse;

    #[test]
    fn every_form_of_listen_is_understood() {
        let table = [
            ("listen 80;", "*:80"),
            ("listen *:80 default_server;", "*:80 default"),
            ("listen 0.0.0.0:8080;", "*:8080"),
            ("listen 443 ssl http2 default;", "*:443 default"),
            ("listen [::]:443 ssl default_server;", "[::]:443 default"),
            ("listen [2001:db8::1];", "[2001:db8::1]:80"),
            ("listen 203.0.113.5;", "203.0.113.5:80"),
            ("listen localhost:81;", "localhost:81"),
            ("listen unix:/run/x.sock;", ""),
            ("listen 99999;", "99999:80"),
            ("listen;", ""),
        ];
        for (text, expected) in table {
            let shown: Vec<String> = listens(&parse(format!("server {{ {text} }}").as_bytes()))
                .iter()
                .map(|found| {
                    let default = if found.is_default { " default" } else { "" };
                    format!("{}:{}{default}", found.address, found.port)
                })
                .collect();
            assert_eq!(shown.concat(), expected, "{text}");
        }
        assert_eq!(listens(&parse(b"listen 80;")), []);
    }
}
