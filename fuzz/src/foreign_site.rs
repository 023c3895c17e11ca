//! Unmanaged nginx files, as `operation adopt` reads them: every extracted word occurs in the file, and has no
//! characters that are special to nginx. Comments of any bytes, in any encoding, hide nothing.

use opterius_host::lines;
use opterius_host::request::values::Domain;
use opterius_host::sites::mark::MARK;
use opterius_host::sites::unmanaged_sites::UnmanagedSite;
use opterius_operation::web::site::Site;

/// The input is the file.
pub fn check(data: &[u8]) {
    let text = lines::lossy(data);
    let site = UnmanagedSite::parse(data);
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
    assert_eq!(UnmanagedSite::parse(text.replace('\n', "\r\n")), site, "the kind of line ending does not matter");

    let comment: Vec<u8> = data.iter().copied().filter(|byte| !b"\r\n".contains(byte)).collect();
    let commented = [b"# ", &comment[..], b"\n", written.as_bytes(), b"# ", &comment[..]].concat();
    assert_eq!(UnmanagedSite::parse(commented), site, "a comment hides something");
    check_mark(data);
}

/// The first line of our own file is read, whatever follows it, and a foreign file has none.
fn check_mark(rest: &[u8]) {
    let json = r#"{"domain":"a.example","username":"alice","document_root":"a.example/public_html","php_version":"8.2","parent_domain":null,"created_at":"2026-05-01T12:00:00Z"}"#;
    let own = [MARK.as_bytes(), json.as_bytes(), b"\n", rest].concat();
    assert!(Site::parse(&own).is_some_and(|site| site.domain.as_str() == "a.example"), "our own mark is not read");
    assert!(Site::parse(&[b"\n", rest].concat()).is_none());
}
