#![no_main]
//! See `opterius_agent_fuzz::foreign_site`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| opterius_agent_fuzz::foreign_site::check(data));
