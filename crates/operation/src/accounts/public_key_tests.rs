use super::*;
use crate::accounts::authorized_keys;
use crate::testing::soon;
use opterius_host::tool::Tool;

/// A key that ssh-keygen made (openssh-client), as its line without a comment.
const ED25519: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGZOeAUtlcN345H53XC9IyZRQoYDg2JrjKFcfWJkICpf";

fn strings_of(parts: &[&[u8]]) -> Vec<u8> {
    parts.iter().flat_map(|part| [&u32::try_from(part.len()).unwrap().to_be_bytes()[..], part].concat()).collect()
}

fn line(kind: &str, parts: &[&[u8]]) -> String {
    format!("{kind} {}", STANDARD.encode(strings_of(&[&[kind.as_bytes()], parts].concat())))
}

#[test]
fn fingerprints_are_those_of_ssh_keygen() {
    let key = PublicKey::parse(format!("{ED25519} me@home\n").as_bytes()).unwrap();
    assert_eq!((key.kind.as_str(), &key.comment[..], key.has_options), ("ssh-ed25519", &b"me@home"[..], false));
    assert_eq!(key.fingerprint(), "SHA256:oTjsNWGbrMnNkLPg2Md5uY1UQQdgJTSTZ//BX2BVN/4");
    let shown =
        Tool::named("ssh-keygen").unwrap().args(["-l", "-f", "-"]).input(ED25519).succeed(soon()).unwrap().stdout;
    assert!(shown.contains(&key.fingerprint()), "{shown}");
}

#[test]
fn lines_are_read_as_sshd_reads_them() {
    let key = |line: &[u8]| PublicKey::parse(line).map(|key| (key.has_options, key.comment));
    let with = |before: &str, after: &str| format!("{before}{ED25519}{after}").into_bytes();
    for (before, after, has_options, comment) in [
        ("", "", false, &b""[..]),
        (" \t", "\r\n", false, b""),
        ("", " \ta  b \r\n", false, b"a  b"),
        ("no-pty ", " c", true, b"c"),
        (r#"command="say \"ssh-rsa\" to # x",from="*" "#, " c", true, b"c"),
    ] {
        assert_eq!(key(&with(before, after)), Some((has_options, comment.to_vec())), "{before}{after}");
    }
    assert_eq!(key(&[&with("", " ")[..], b"\xff\0x"].concat()), Some((false, b"\xff".to_vec())));
    assert_eq!(key(&with("", "\0x y")), Some((false, Vec::new())));
    for (before, after) in
        [("#", ""), ("# ", ""), ("a b ", ""), (r#"command="x "#, ""), ("", "A"), ("x", ""), ("", "=")]
    {
        assert_eq!(key(&with(before, after)), None, "{before}{after}");
    }
    for other in
        ["", "\n", "ssh-ed25519", "ssh-ed25519 ", "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIGZO", "ssh-ed25519 AAAA", "x AAAA"]
    {
        assert_eq!(key(other.as_bytes()), None, "{other}");
    }
}

#[test]
fn a_line_ends_at_a_zero_byte() {
    let file = format!("{ED25519}\0x\n# other\n").into_bytes();
    let fingerprint = PublicKey::parse(ED25519.as_bytes()).unwrap().fingerprint();
    assert!(authorized_keys::keys(&file).map(|key| key.fingerprint()).eq([fingerprint.clone()]));
    assert_eq!(authorized_keys::without(&file, &fingerprint), b"# other\n");
    assert_eq!(authorized_keys::keys(format!("\0{ED25519}\n").as_bytes()).count(), 0);
}

#[test]
fn a_key_has_the_parts_of_its_type() {
    let check = |kind: &str, parts: &[&[u8]]| PublicKey::parse(line(kind, parts).as_bytes()).unwrap().check();
    let point = [&[4_u8][..], &[7; 64]].concat();
    assert_eq!(check("ssh-ed25519", &[&[7; 32]]), Ok(()));
    assert_eq!(check("sk-ssh-ed25519@openssh.com", &[&[7; 32], b"ssh:"]), Ok(()));
    assert_eq!(check("ecdsa-sha2-nistp256", &[b"nistp256", &point]), Ok(()));
    assert_eq!(check("ssh-rsa", &[&[1, 0, 1], &[&[0, 0x80][..], &[7; 255]].concat()]), Ok(()));
    for (kind, parts, cause) in [
        ("ssh-ed25519", &[&[7_u8; 31][..]][..], "damaged"),
        ("ssh-ed25519", &[&[7; 32], b""], "damaged"),
        ("ssh-ed25519", &[], "damaged"),
        ("ecdsa-sha2-nistp256", &[b"nistp384", &point], "damaged"),
        ("ecdsa-sha2-nistp256", &[b"nistp256", &[0; 65]], "damaged"),
        ("ssh-rsa", &[&[1, 0, 1], &[&[0, 0x7f][..], &[7; 255]].concat()], "2047 bits"),
        ("ssh-rsa", &[&[1, 0, 1], b""], "0 bits"),
        ("ssh-dss", &[&[1], &[1], &[1], &[1]], "damaged"),
    ] {
        assert!(check(kind, parts).unwrap_err().contains(cause), "{kind} {parts:?}");
    }
    let cut =
        format!("ssh-ed25519 {}", STANDARD.encode([&strings_of(&[b"ssh-ed25519"])[..], &[0, 0, 0, 32, 7]].concat()));
    assert!(PublicKey::parse(cut.as_bytes()).unwrap().check().is_err());
}

#[test]
fn lines_are_added_and_removed_one_by_one() {
    let other = line("ssh-ed25519", &[&[7; 32]]);
    let file = format!("# mine\r\n\u{1}\nno-pty {ED25519} a\n{other}\n{ED25519} b");
    let fingerprint = PublicKey::parse(ED25519.as_bytes()).unwrap().fingerprint();
    assert_eq!(authorized_keys::keys(file.as_bytes()).count(), 3);
    assert_eq!(
        authorized_keys::without(file.as_bytes(), &fingerprint),
        format!("# mine\r\n\u{1}\n{other}\n").as_bytes()
    );
    assert_eq!(authorized_keys::with(file.as_bytes(), "x"), format!("{file}\nx\n").as_bytes());
    assert_eq!(authorized_keys::with(b"", "x"), b"x\n");
    assert_eq!(authorized_keys::with(b"y\n", "x"), b"y\nx\n");
}
