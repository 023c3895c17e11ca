#![no_main]
//! See `opterius_agent_fuzz::license_answer`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| opterius_agent_fuzz::license_answer::check(data));
