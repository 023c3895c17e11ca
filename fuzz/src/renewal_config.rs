//! certbot's renewal configurations, which other programs write: whatever a line contains, `doctor` sees the others.

use opterius_agent::doctor::operations::renews_through_home;
use opterius_host::lines;

use super::input::Input;

const RISKY: [&[u8]; 3] = [b"[renewalparams]", b"webroot_path = /home/alice/public_html,", b"[[webroot_map]]"];
const SAFE: [&[u8]; 3] = [b"[renewalparams]", b"webroot_path = /var/lib/opterius/acme,", b"[[webroot_map]]"];

/// The input is a byte with the place of a line among the valid ones, then the line.
pub fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let place = usize::from(input.byte()) % 4;
    let line = input.rest();
    let file = |valid: &[&[u8]]| {
        let mut all = valid.to_vec();
        all.insert(place, line);
        lines::lossy(&all.join(&b'\n'))
    };
    assert!(renews_through_home(&file(&RISKY)), "a webroot below a home is not found");
    if !line.windows(6).any(|part| part == b"/home/") {
        assert!(!renews_through_home(&file(&SAFE)), "a webroot below a home is found that is none");
    }
}
