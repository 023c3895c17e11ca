//! Unmanaged nginx files, as `operation adopt` reads them: every extracted word occurs in the file, and has no
//! characters that are special to nginx.

use opterius_host::request::values::Domain;
use opterius_host::sites::unmanaged_sites::UnmanagedSite;

/// The input is the file's text.
pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let site = UnmanagedSite::parse(text);
    for word in site.names.iter().chain(&site.roots) {
        assert!(text.contains(word.as_str()), "{word:?} is not in the file");
        assert!(!word.contains(|sign: char| sign.is_ascii_whitespace() || ";{}#".contains(sign)), "{word:?}");
    }
    for name in &site.names {
        assert!(Domain::parse("domain", name).is_ok(), "{name:?}");
    }
    let roots: String = site.roots.iter().map(|root| format!("  root \"{root}\";\n")).collect();
    let written = format!("server {{\n  server_name {} _;\n{roots}}}\n", site.names.join(" "));
    assert_eq!(UnmanagedSite::parse(&written), site, "the meaning changed after rewriting");
    assert_eq!(UnmanagedSite::parse(&text.replace('\n', "\r\n")), site, "the kind of line ending does not matter");
}
