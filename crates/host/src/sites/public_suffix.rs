//! Public suffixes, such as co.uk or github.io: domains below which different owners register theirs. A site at a public
//! suffix would share cookies with all of them, and keep others from creating theirs.
//!
//! The list is Mozilla's (<https://publicsuffix.org>), with the names that domain registries use and those that companies
//! do, as Debian's package `publicsuffix` installs it. Without the package, a short list is built in.

use std::path::PathBuf;

use crate::host::Host;
use crate::lines;
use crate::request::values::Domain;

/// Where Debian installs the list.
const LIST: &str = "/usr/share/publicsuffix/public_suffix_list.dat";

/// Largest list, in bytes. It has about 320,000 today.
const MAX_FILE: u64 = 4 * 1024 * 1024;

/// Suffixes that many domains have, where the list is not installed.
const BUILT_IN: &str = "
    ac.uk co.uk gov.uk ltd.uk me.uk net.uk nhs.uk org.uk plc.uk asn.au com.au edu.au gov.au id.au net.au org.au ac.nz
    co.nz net.nz org.nz ac.za co.za net.za org.za web.za com.br net.br org.br com.ar com.co com.ec com.mx com.pe com.uy com.ve
    ac.jp co.jp go.jp ne.jp or.jp co.kr ne.kr or.kr ac.in co.in firm.in gen.in ind.in net.in org.in com.cn gov.cn net.cn org.cn
    com.tw org.tw com.hk org.hk com.sg com.my com.ph com.vn net.vn ac.id co.id or.id web.id ac.th co.th in.th com.tr net.tr
    org.tr ac.il co.il org.il com.sa com.eg com.ng co.ke com.gh com.pk com.bd com.np com.lk com.ua kiev.ua ac.at co.at or.at
    com.pl net.pl org.pl waw.pl com.ro com.gr com.pt com.es nom.es org.es asso.fr com.fr com.cy com.mt com.hr co.rs in.rs co.hu
    eu.org br.com cn.com de.com eu.com gb.net jpn.com ru.com sa.com uk.com uk.net us.com za.com appspot.com azurewebsites.net
    blogspot.com cloudfront.net firebaseapp.com github.io githubusercontent.com gitlab.io herokuapp.com netlify.app onrender.com
    pages.dev vercel.app web.app workers.dev";

/// The list of a host.
pub struct PublicSuffixes {
    text: String,
    is_installed: bool,
}

impl PublicSuffixes {
    /// Reads the list, or takes the built-in one.
    pub fn read(host: &Host) -> Self {
        let text = lines::text(&path(host), MAX_FILE);
        // A damaged file is not a list without suffixes.
        let is_installed = text.lines().any(|line| line.trim() == "co.uk");
        let text = if is_installed { text } else { BUILT_IN.split_ascii_whitespace().collect::<Vec<_>>().join("\n") };
        Self { text, is_installed }
    }

    /// Whether the list is installed.
    pub fn is_installed(&self) -> bool {
        self.is_installed
    }

    /// Whether a domain is a public suffix.
    pub fn contains(&self, domain: &Domain) -> bool {
        // The list has international names in Unicode.
        let name = domain.as_str().split('.').map(in_unicode).collect::<Vec<_>>().join(".");
        let wildcard = name.split_once('.').map(|(_, above)| format!("*.{above}"));
        let exception = format!("!{name}");
        let mut found = false;
        for rule in self.text.lines().filter_map(|line| line.split_ascii_whitespace().next()) {
            if rule == exception {
                return false;
            }
            found |= rule == name || rule == domain.as_str() || Some(rule) == wildcard.as_deref();
        }
        found
    }
}

/// The path of the list.
pub fn path(host: &Host) -> PathBuf {
    host.path(LIST)
}

/// A label in Unicode, if it is in its `xn--` form and valid (RFC 3492).
fn in_unicode(label: &str) -> String {
    label.strip_prefix("xn--").and_then(decode).unwrap_or_else(|| label.to_owned())
}

/// Decodes Punycode (RFC 3492 §6.2).
fn decode(text: &str) -> Option<String> {
    let (plain, encoded) = text.rsplit_once('-').unwrap_or(("", text));
    let mut output: Vec<char> = plain.chars().collect();
    let (mut code, mut index, mut bias) = (128_u32, 0_u32, 72_u32);
    let mut digits = encoded.bytes();
    while digits.len() > 0 {
        let (before, mut weight, mut position) = (index, 1_u32, 36_u32);
        loop {
            let digit = match digits.next()? {
                letter @ b'a'..=b'z' => u32::from(letter - b'a'),
                number @ b'0'..=b'9' => u32::from(number - b'0').saturating_add(26),
                _ => return None,
            };
            index = index.checked_add(digit.checked_mul(weight)?)?;
            let threshold = position.saturating_sub(bias).clamp(1, 26);
            if digit < threshold {
                break;
            }
            weight = weight.checked_mul(36 - threshold)?;
            position = position.saturating_add(36);
        }
        let length = u32::try_from(output.len()).ok()?.checked_add(1)?;
        bias = adapted(index - before, length, before == 0);
        code = code.checked_add(index.checked_div(length)?)?;
        index = index.checked_rem(length)?;
        output.insert(usize::try_from(index).ok()?, char::from_u32(code)?);
        index = index.saturating_add(1);
    }
    Some(output.into_iter().collect())
}

/// The bias for the next character (RFC 3492 §6.1).
fn adapted(delta: u32, length: u32, is_first: bool) -> u32 {
    let mut delta = if is_first { delta / 700 } else { delta / 2 };
    delta = delta.saturating_add(delta.checked_div(length).unwrap_or(0));
    let mut bias = 0_u32;
    while delta > 455 {
        delta /= 35;
        bias = bias.saturating_add(36);
    }
    bias.saturating_add(36 * delta / (delta.saturating_add(38)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> PublicSuffixes {
        PublicSuffixes { text: text.to_owned(), is_installed: true }
    }

    #[test]
    fn rules_wildcards_and_exceptions_are_applied() {
        let suffixes = list(
            "// a comment\ncom\nco.uk\n*.ck\n!www.ck\n*.kawasaki.jp\n!city.kawasaki.jp\n公司.cn\n\ngithub.io  // private\n  food.example",
        );
        let table = [
            ("co.uk", true),
            ("a.co.uk", false),
            ("example.com", false),
            ("a.ck", true),
            ("b.a.ck", false),
            ("www.ck", false),
            ("a.kawasaki.jp", true),
            ("city.kawasaki.jp", false),
            ("kawasaki.jp", false),
            ("xn--55qx5d.cn", true),
            ("a.xn--55qx5d.cn", false),
            ("github.io", true),
            ("alice.github.io", false),
        ];
        for (name, expected) in table {
            assert_eq!(suffixes.contains(&Domain::parse("domain", name).unwrap()), expected, "{name}");
        }
    }

    /// The examples of RFC 3492 §7.1 and international top-level domains.
    #[test]
    fn punycode_is_decoded() {
        let table = [
            ("xn--bcher-kva", "bücher"),
            ("xn--80ak6aa92e", "аррӏе"),
            ("xn--ls8h", "💩"),
            ("xn--ihqwcrb4cv8a8dqg056pqjye", "他们为什么不说中文"),
            ("xn--maana-pta", "mañana"),
            ("plain", "plain"),
            ("xn--a-99999999", "xn--a-99999999"),
        ];
        for (label, expected) in table {
            assert_eq!(in_unicode(label), expected, "{label}");
        }
    }

    #[test]
    fn the_built_in_list_is_used_without_the_package() {
        let acme = crate::host::Acme { server: String::new(), authority: None };
        let suffixes = PublicSuffixes::read(&Host::new("/nonexistent".into(), acme.clone(), PathBuf::new()));
        let contains =
            |suffixes: &PublicSuffixes, name: &str| suffixes.contains(&Domain::parse("domain", name).unwrap());
        assert!(!suffixes.is_installed() && contains(&suffixes, "co.uk") && contains(&suffixes, "github.io"));
        assert!(!contains(&suffixes, "example.com"));
        // All of the built-in list is in the real one.
        let real = PublicSuffixes::read(&Host::new("/".into(), acme, PathBuf::new()));
        for name in BUILT_IN.split_ascii_whitespace().filter(|_| real.is_installed()) {
            assert!(contains(&real, name), "{name}");
        }
    }
}
