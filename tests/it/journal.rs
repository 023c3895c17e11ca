//! The log under a real systemd and journald.
