//! The drop-in of sshd that confines accounts without a login shell to SFTP.

/// Its content. There is no chroot: homes belong to their users, sites' logs are links out of them, and the Panel shows
/// absolute paths; other homes are closed by their modes. The last line ends the block for files that follow.
pub const DROP_IN: &str = "\
# Written by the Opterius Agent: accounts without a login shell can use SFTP and nothing else.
Match Group opterius-sftp
    ForceCommand internal-sftp
    DisableForwarding yes
    PermitTTY no
    PermitTunnel no
    PermitUserRC no
Match all
";

/// Whether sshd's settings for a user, as `sshd -T` prints them, confine it.
pub fn is_confined(settings: &str) -> bool {
    let has = |setting: &str| settings.lines().any(|line| line.eq_ignore_ascii_case(setting));
    has("forcecommand internal-sftp") && has("disableforwarding yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_settings_confine_a_user() {
        assert!(is_confined("port 22\nforcecommand internal-sftp\ndisableforwarding yes\n"));
        for settings in
            ["", "forcecommand none\ndisableforwarding yes\n", "forcecommand internal-sftp\ndisableforwarding no"]
        {
            assert!(!is_confined(settings), "{settings}");
        }
    }
}
