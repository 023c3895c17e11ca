#![no_main]
//! See `opterius_agent_fuzz::verify_body`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| opterius_agent_fuzz::verify_body::check(data));
