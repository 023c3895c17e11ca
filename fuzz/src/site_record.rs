//! Published records of sites: every published record is read back, within the limits, and other bytes are not a record.

use opterius_base::clock::Timestamp;
use opterius_host::request::values::{Domain, Username};
use opterius_host::sites::site_record::{Certificate, Issue, IssueState, SiteRecord, Source};

use super::input::Input;

/// The input is a number of names, then lines with the issuer, the reason of a failure and a name.
pub fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let count = input.number();
    let (issuer, reason, name) = (input.text(), input.text(), input.text());
    let (Ok(domain), Ok(username)) = (Domain::parse("domain", "a.example"), Username::parse("username", "alice"))
    else {
        return;
    };
    let at = Timestamp::from_unix(1_777_636_800);
    let names = vec![name; count];
    let record = SiteRecord {
        names: names.clone(),
        document_root: issuer.clone(),
        php_version: Some(reason.clone()),
        certificate: Some(Certificate {
            source: Source::Upload,
            issuer,
            not_after: at,
            names: names.clone(),
            warnings: names.clone(),
        }),
        issue: Some(Issue { state: IssueState::Failed, reason: Some(reason), at, warnings: names }),
        ..SiteRecord::new(domain, username)
    };
    let bytes = record.to_bytes().expect("a record is written");
    assert!(bytes.len() <= 512 * 1024, "a record of {} bytes", bytes.len());
    let read = SiteRecord::parse(&bytes, &record.domain).expect("it is read back");
    assert_eq!(read, record.bounded());
    assert_eq!(read.bounded(), read, "the limits are applied once");
    // Any bytes are either a record of this domain, or an error.
    if let Ok(other) = SiteRecord::parse(data, &record.domain) {
        assert_eq!(other.domain, record.domain);
    }
}
