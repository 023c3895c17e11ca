#![no_main]
//! See `opterius_agent_fuzz::signed_answer`.

libfuzzer_sys::fuzz_target!(|data: &[u8]| opterius_agent_fuzz::signed_answer::check(data));
