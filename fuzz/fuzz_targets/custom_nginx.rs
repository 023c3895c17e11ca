#![no_main]
//! See `opterius_agent_fuzz::custom_nginx`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| opterius_agent_fuzz::custom_nginx::check(data));
