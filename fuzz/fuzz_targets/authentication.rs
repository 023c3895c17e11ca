#![no_main]
//! See `opterius_agent_fuzz::authentication`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| opterius_agent_fuzz::authentication::check(data));
