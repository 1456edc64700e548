//! Any answer, with any status, to a sign-in and to a refresh.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| propusk::fuzz::answer(bytes));
