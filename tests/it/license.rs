//! Verification over real TLS.
