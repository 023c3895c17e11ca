#![no_main]
//! See `opterius_agent_fuzz::agent_conf`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| opterius_agent_fuzz::agent_conf::check(data));
