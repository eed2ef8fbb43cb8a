//! Any bytes as what is said over connections with helpers: see `src/helpers.rs`.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| ironweir_fuzz::helpers::run(bytes));
