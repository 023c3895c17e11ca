use std::path::PathBuf;

use super::*;
use opterius_license::signature::{SignedBy, TrustedKeys};

const START: Timestamp = Timestamp::from_unix(1_800_000_000);

fn directory(name: &str) -> PathBuf {
    let directory = std::env::temp_dir().join(format!("opterius-keys-{}-{name}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    directory
}

#[test]
fn an_agent_accepts_a_signed_response() {
    let keys = SigningKeys::generate("one", START).unwrap();
    let trusted = TrustedKeys::parse(&keys.public_keys()).unwrap();
    let body = br#"{"valid":true}"#;
    assert_eq!(trusted.verify(&keys.sign(body), body), Some(SignedBy::CurrentKey));
    assert_eq!(trusted.verify(&keys.sign(body), b"{}"), None);
}

#[test]
fn a_key_rotation_keeps_every_agent_working() {
    let mut keys = SigningKeys::generate("one", START).unwrap();
    let old = TrustedKeys::parse(&keys.public_keys()).unwrap();
    keys.rotate(START).unwrap();
    assert!(matches!(keys.rotate(START), Err(InstallationError::Refused(_))), "at most two keys");
    let both = TrustedKeys::parse(&keys.public_keys()).unwrap();
    let body = b"{}";
    assert_eq!(old.verify(&keys.sign(body), body), Some(SignedBy::CurrentKey));
    assert_eq!(both.verify(&keys.sign(body), body), Some(SignedBy::CurrentKey));

    let early = START.plus(CHANGE_TIME).minus(Duration::from_secs(1));
    assert!(keys.retire(early, false).unwrap_err().to_string().contains("--force"));
    keys.retire(START.plus(CHANGE_TIME), false).unwrap();
    assert_eq!(old.verify(&keys.sign(body), body), None);
    assert_eq!(both.verify(&keys.sign(body), body), Some(SignedBy::CurrentKey));
    assert!(
        matches!(keys.retire(START.plus(CHANGE_TIME), true), Err(InstallationError::Refused(_))),
        "the last key cannot be retired"
    );

    keys.rotate(START).unwrap();
    keys.retire(START, true).unwrap();
    assert_eq!(keys.keys().len(), 1);
}

#[test]
fn keys_are_stored_in_a_private_file() {
    let directory = directory("private");
    let path = directory.join("signing-keys.json");
    let mut keys = SigningKeys::generate("one", START).unwrap();
    keys.rotate(START).unwrap();
    keys.store(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let loaded = SigningKeys::load(&path).unwrap();
    assert_eq!(loaded.public_keys(), keys.public_keys());
    assert_eq!((loaded.installation(), loaded.keys()[0].created_at()), ("one", START));

    // A write failure, such as a full disk, leaves the existing keys usable.
    let refused = keys.store(&directory.join("gone/signing-keys.json")).unwrap_err();
    assert!(matches!(&refused, InstallationError::Refused(sentence) if !sentence.contains("os error")), "{refused}");

    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    assert!(SigningKeys::load(&path).err().unwrap().to_string().contains("chmod 0600"));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    for damaged in ["", "{}", "[]", r#"{"installation":"one","keys":[]}"#, "garbage"] {
        fs::write(&path, damaged).unwrap();
        assert!(SigningKeys::load(&path).err().unwrap().to_string().contains("is damaged"), "{damaged}");
    }
    fs::remove_file(&path).unwrap();
    assert!(SigningKeys::load(&path).err().unwrap().to_string().contains("init"));
    fs::remove_dir_all(&directory).unwrap();
}
