#![no_main]
//! See `opterius_agent_fuzz::request_head`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| opterius_agent_fuzz::request_head::check(data));
