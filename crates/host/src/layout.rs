//! Every path on a host that is ours, and the names that we have in the system's registers.

/// Where everything of ours is.
pub const STATE: &str = "/var/lib/opterius";

/// What is published of sites, one file for each: the Agent reads it.
pub const PUBLISHED: &str = "/var/lib/opterius/sites";

/// What is known of accounts beside the system's register, one file for each: the Agent reads it.
pub const ACCOUNTS: &str = "/var/lib/opterius/accounts";

/// Where the answers to a certificate authority's challenges are, for all sites: root writes there, and no tenant can.
pub const WEBROOT: &str = "/var/lib/opterius/acme";

/// Where uploaded certificates are.
pub const UPLOADED: &str = "/var/lib/opterius/certificates";

/// Where the logs of sites are, a directory for each.
pub const LOGS: &str = "/var/log/opterius/sites";

/// The helper's program.
pub const PROGRAM: &str = "/usr/libexec/opterius/opterius-operation";

/// The name of the helper's program, wherever it is.
pub const PROGRAM_NAME: &str = "opterius-operation";

/// Where systemd listens for the helper.
pub const SOCKET: &str = "/run/opterius/operation.sock";

/// The group that the Agent runs with, where the host has it.
pub const AGENT_GROUP: &str = "opterius";

/// The group whose members are accounts.
pub const ACCOUNTS_GROUP: &str = "opterius-accounts";
