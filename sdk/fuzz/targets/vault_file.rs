//! Any bytes in place of the vault's file.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| propusk::fuzz::vault_file(bytes));
