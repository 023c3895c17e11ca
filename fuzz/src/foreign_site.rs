//! nginx files of others, as `operation adopt` and the check of new names read them: every domain that is read occurs in the
//! file. Comments of any bytes, in any encoding, hide nothing.

use opterius_host::lines;
use opterius_host::nginx::configuration::Configuration;
use opterius_host::request::values::Domain;
use opterius_host::sites::mark::MARK;
use opterius_operation::web::site::Site;

/// A file of someone else.
const FILE: &str = "server {\n  listen 80;\n  server_name a.example *.b.example;\n  root /home/alice/a;\n}\n";

/// The input is the file.
pub fn check(data: &[u8]) {
    let text = lines::lossy(data);
    for server in Configuration::parse(data).servers {
        for word in server.names.iter().filter(|word| Domain::parse("domain", word).is_ok()) {
            assert!(text.contains(word.as_str()), "{word:?} is not in the file");
        }
    }
    let comment: Vec<u8> = data.iter().copied().filter(|byte| *byte != b'\n').collect();
    let commented = [b"# ", &comment[..], b"\n", FILE.as_bytes(), b"# ", &comment[..]].concat();
    let servers = |bytes: &[u8]| {
        let servers = Configuration::parse(bytes).servers.into_iter();
        servers.map(|server| (server.names, server.roots, server.listening)).collect::<Vec<_>>()
    };
    assert_eq!(servers(&commented), servers(FILE.as_bytes()), "a comment hides something");
    check_mark(data);
}

/// The first line of our own file is read, whatever follows it, and a foreign file has none.
fn check_mark(rest: &[u8]) {
    let json = r#"{"domain":"a.example","username":"alice","document_root":"a.example/public_html","php_version":"8.2","parent_domain":null,"created_at":"2026-05-01T12:00:00Z"}"#;
    let own = [MARK.as_bytes(), json.as_bytes(), b"\n", rest].concat();
    assert!(Site::parse(&own).is_some_and(|site| site.domain.as_str() == "a.example"), "our own mark is not read");
    assert!(Site::parse(&[b"\n", rest].concat()).is_none());
}
