//! Why nginx does not serve what its files say, in sentences that name the file or the program.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::servers::nginx::effect::Miss;
use opterius_base::files;
use opterius_base::text::one_line;
use opterius_daemon::port_holder;
use opterius_host::host::Host;
use opterius_host::layout;
use opterius_host::nginx::directives;
use opterius_host::nginx::included::Included;
use opterius_host::sites::mark::MARK;

/// Longest part of nginx's messages that is shown, in characters.
const MAX_MESSAGE: usize = 600;

/// Largest file of others that is searched, in bytes.
const MAX_FILE: u64 = 1024 * 1024;

/// Why nginx refused a reload, from the lines of its error log.
pub fn of_refusal(lines: &[String]) -> String {
    if lines.is_empty() {
        return "It did not finish loading in time, and its error log does not say why. Run: nginx -t; journalctl -u nginx \
                -n 20"
            .to_owned();
    }
    let mut sentence = format!("It says: {}.", one_line(&lines.join("; "), MAX_MESSAGE));
    let mut ports: Vec<u16> = Vec::new();
    for address in lines.iter().filter_map(|line| address_in_use(line)) {
        if ports.contains(&address.port()) {
            continue;
        }
        ports.push(address.port());
        sentence.push_str(&holder(address));
    }
    sentence
}

/// The address that another program holds, from a message such as `bind() to 0.0.0.0:443 failed (98: …)`.
fn address_in_use(line: &str) -> Option<SocketAddr> {
    let (address, reason) = line.strip_prefix("bind() to ")?.split_once(" failed (")?;
    reason.starts_with("98:").then(|| address.parse().ok())?
}

fn holder(address: SocketAddr) -> String {
    let port = address.port();
    match port_holder::find(address) {
        Some(holder) if holder.name == "nginx" => format!(
            " nginx itself holds port {port}: one of its files listens there with ipv6only=off, which takes the port for \
             IPv4, too. Delete that option."
        ),
        Some(holder) => format!(" Port {port} is held by {holder}: stop it, or move it to another port."),
        None => format!(" To see which program holds port {port}, run: ss -ltnp 'sport = :{port}'"),
    }
}

/// The program that holds a port, for a sentence.
pub fn holder_of(port: u16) -> String {
    let holder = port_holder::find(SocketAddr::from(([127, 0, 0, 1], port)));
    holder.map_or_else(|| "a program that the Agent cannot see".to_owned(), |holder| holder.to_string())
}

/// The administrator's file in a message.
fn hook_in(line: &str) -> Option<&str> {
    let start = line.find(layout::NGINX_HOOKS)?;
    line.get(start..)?.split([':', ' ', '"', ';']).next()
}

/// nginx's message, with the place of the fault if nginx does not name it: it says only which log or certificate it cannot
/// open.
pub fn located(host: &Host, message: &str) -> String {
    if let Some(hook) = hook_in(message) {
        return format!("{message} {hook} is included for the administrator: correct it, or move it away.");
    }
    let opened = message.split('"').find(|part| part.starts_with('/'));
    let lacks_place = message.contains(" failed (") && !message.contains(" in /");
    let Some(opened) = opened.filter(|_| lacks_place) else { return message.to_owned() };
    let place = Included::read(host).files().into_iter().find_map(|path| {
        let text = files::read(&path, MAX_FILE).ok()?;
        let line =
            (1_u32..).zip(text.split(|byte| *byte == b'\n')).find(|(_, line)| names_path(line, opened.as_bytes()))?;
        Some(format!("{}:{}", path.display(), line.0))
    });
    place.map_or_else(|| message.to_owned(), |place| format!("{message} It is needed in {place}."))
}

/// Whether a line, without its comment, has this path.
fn names_path(line: &[u8], path: &[u8]) -> bool {
    let code = line.split(|byte| *byte == b'#').next().unwrap_or_default();
    code.windows(path.len().max(1)).any(|part| part == path)
}

/// Whether nginx's message blames a file that the Agent did not write, such as `… in /etc/nginx/conf.d/x.conf:3`.
pub fn names_foreign_file(message: &str) -> bool {
    let places =
        message.match_indices(" in /").filter_map(|(at, _)| message.get(at.checked_add(4)?..)?.split(':').next());
    let mut paths = places.map(Path::new).filter(|path| path.is_file());
    paths.any(|path| files::read(path, MAX_FILE).is_ok_and(|text| !is_ours(path, &text)))
}

/// Why names are not served by the sites that have them.
pub fn of_misses(host: &Host, misses: &[Miss]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for miss in misses {
        if !names.contains(&miss.name.as_str()) {
            names.push(&miss.name);
        }
    }
    let files = foreign_files(host);
    names.iter().map(|name| of_name(host, misses, name, &files)).collect::<Vec<_>>().join(" ")
}

fn of_name(host: &Host, misses: &[Miss], name: &str, files: &[(PathBuf, Vec<u8>)]) -> String {
    let of_name: Vec<&Miss> = misses.iter().filter(|miss| miss.name == name).collect();
    let mut ports: Vec<String> = of_name.iter().map(|miss| miss.scheme.port().to_string()).collect();
    ports.dedup();
    let ports = ports.join(" and ");
    let domain = of_name.first().map_or(name, |miss| miss.domain.as_str());
    let hook = host.path(layout::NGINX_HOOKS).join(format!("{domain}.conf"));
    if let Some((path, _)) = files.iter().find(|(_, text)| has_name(text, name)) {
        format!(
            "The file {} has the name “{name}” and answers for it on port {ports}: remove the name there.",
            path.display()
        )
    } else if hook.is_file() {
        format!("“{name}” is not answered as written on port {ports}: see whether {} answers first.", hook.display())
    } else {
        format!("“{name}” is not answered by its site on port {ports}. To see by which file, run: nginx -T")
    }
}

/// Included files that the Agent did not write.
fn foreign_files(host: &Host) -> Vec<(PathBuf, Vec<u8>)> {
    let files = Included::read(host).files().into_iter();
    let read = |path: PathBuf| files::read(&path, MAX_FILE).ok().map(|text| (path, text));
    files.filter_map(read).filter(|(path, text)| !is_ours(path, text)).collect()
}

/// Whether a file is the one of its own site: a copy of such a file, under another name, is not.
fn is_ours(path: &Path, text: &[u8]) -> bool {
    let marked = text.starts_with(MARK.as_bytes());
    let first = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let domain = format!("\"domain\":\"{name}\"");
    marked && (name.starts_with("opterius-") || first.windows(domain.len()).any(|part| part == domain.as_bytes()))
}

fn has_name(text: &[u8], name: &str) -> bool {
    let directives = directives::parse(text);
    let names = directives.iter().filter(|directive| directive.name() == "server_name");
    names.flat_map(directives::Directive::parameters).any(|found| found.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Tree;

    #[test]
    fn a_held_port_and_a_broken_hook_are_named() {
        let line = "bind() to 0.0.0.0:443 failed (98: Address already in use)";
        assert_eq!(address_in_use(line), "0.0.0.0:443".parse().ok());
        assert_eq!(address_in_use("bind() to [::]:443 failed (98: Address already in use)"), "[::]:443".parse().ok());
        assert_eq!(address_in_use("bind() to 0.0.0.0:443 failed (13: Permission denied)"), None);
        let line = "unknown directive \"x\" in /etc/opterius/nginx.d/a.example.conf:3";
        assert_eq!(hook_in(line), Some("/etc/opterius/nginx.d/a.example.conf"));
        assert!(located(&Tree::new().host, line).contains("correct it"));
        assert!(of_refusal(&[]).contains("nginx -t"));
    }

    #[test]
    fn a_copy_of_a_site_s_file_is_not_the_site_s() {
        let text = b"# opterius-agent: {\"domain\":\"a.example\",\"username\":\"alice\"}\nserver_name a.example;";
        assert!(is_ours(Path::new("/x/a.example.conf"), text));
        assert!(!is_ours(Path::new("/x/a.example.conf.bak"), text) && !is_ours(Path::new("/x/copy.conf"), text));
        assert!(has_name(b"server { server_name x A.Example; }", "a.example"));
    }
}
