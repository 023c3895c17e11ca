#![no_main]
//! See `opterius_agent_fuzz::multipart`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| opterius_agent_fuzz::multipart::check(data));
