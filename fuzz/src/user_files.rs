//! passwd(5), group(5), shadow(5) and subuid(5), in which tenants or other programs choose bytes: whatever a line contains, all other lines are read.

use opterius_host::lines;
use opterius_host::users::accounts::members;
use opterius_host::users::register::Register;
use opterius_host::users::subordinate_ids;
use opterius_operation::users::user::parse_shadow;

use super::input::Input;

const PASSWD: [&[u8]; 3] = [
    b"root:x:0:0:root:/root:/bin/bash",
    b"alice:x:1001:1001:\xff,,,:/home/alice:/bin/bash",
    b"bob:x:1002:1002::/home/bob:/usr/sbin/nologin",
];
const GROUP: [&[u8]; 3] = [b"root:x:0:", b"opterius-accounts:x:990:alice,bob", b"alice:x:1001:"];
const SHADOW: [&[u8]; 3] =
    [b"root:*:19000::::::", b"alice:!$6$x:19000:0:99999:7::1:", b"bob:$y$x:19000:0:99999:7:::\xff"];
const SUBUID: [&[u8]; 3] = [b"alice:100000:65536", b"bob:165536:65536", b"1001:300000:10"];

/// The input is a byte with the place of a line among the valid ones, then the line.
pub fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let place = usize::from(input.byte()) % 4;
    // A line with the name of another would be found in its place, as the operating system would.
    let line = input.rest();
    let is_other = |name: &[u8]| !lines::of(line).any(|line| line.starts_with(name));
    let file = |valid: &[&[u8]]| {
        let mut all = valid.to_vec();
        all.insert(place, line);
        all.join(&b'\n')
    };
    let register = Register::parse(file(&PASSWD), file(&GROUP));
    for (name, uid) in [("root", 0), ("alice", 1001), ("bob", 1002)] {
        assert!(register.users.iter().any(|user| user.name == name && user.uid == uid), "{name} is not read");
    }
    for (name, gid) in [("root", 0), ("opterius-accounts", 990), ("alice", 1001)] {
        assert!(register.groups.iter().any(|group| group.name == name && group.gid == gid), "{name} is not read");
    }
    if is_other(b"opterius-accounts") {
        assert_eq!(register.accounts(), ["alice", "bob"]);
        assert_eq!(members(&file(&GROUP)), 2);
    }
    let shadow = file(&SHADOW);
    let found = |name: &str| lines::of(&shadow).find_map(|line| parse_shadow(line, name));
    if is_other(b"alice") {
        assert!(found("alice").is_some_and(|shadow| shadow.locked && shadow.expires == Some(1)));
    }
    let alice = register.users.iter().find(|user| user.name == "alice" && user.uid == 1001).unwrap();
    let ranges = subordinate_ids::parse(&file(&SUBUID), alice);
    assert!(ranges.iter().all(|range| range.start >= 65_536), "an id of the host's own users is subordinate");
    for range in [100_000..165_536, 300_000..300_010] {
        assert!(ranges.contains(&range), "{range:?} is not read");
    }
    if is_other(b"bob") {
        assert!(found("bob").is_some_and(|shadow| !shadow.locked && shadow.expires.is_none()));
    }
}
